"""Floor 1: the hot primitives. A portable specification, and tuned versions in one table."""

from kmeans_xp.kernels.frame import Frame, frame_of
from kmeans_xp.kernels.move import ClusterTotals, Move, move
from kmeans_xp.kernels.pair import Gains, Pair
from kmeans_xp.kernels.pair_tracker import PairTracker
from kmeans_xp.kernels.pull import Learned, Pull, Puller
from kmeans_xp.kernels.seeder import TOGETHER, Seeder
from kmeans_xp.kernels.stepper import Stepper
from kmeans_xp.kernels.table import Kernel, find_kernel, find_labeller
from kmeans_xp.kernels.task import Task
from kmeans_xp.kernels.tracker import STIRRED, Changes, Tracker
from kmeans_xp.kernels.tracking import Tracking, find_lloyd

__all__ = [
    "STIRRED",
    "TOGETHER",
    "Changes",
    "ClusterTotals",
    "Frame",
    "Gains",
    "Kernel",
    "Learned",
    "Move",
    "Pair",
    "PairTracker",
    "Pull",
    "Puller",
    "Seeder",
    "Stepper",
    "Task",
    "Tracker",
    "Tracking",
    "find_kernel",
    "find_labeller",
    "find_lloyd",
    "frame_of",
    "move",
]
