"""Floor 1: the hot primitives. A portable specification, and tuned versions in one table."""

from kmeans_xp.kernels.frame import Frame, frame_of
from kmeans_xp.kernels.table import Kernel, find_kernel

__all__ = ["Frame", "Kernel", "find_kernel", "frame_of"]
