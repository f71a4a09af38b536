"""Floor 1: where the rows live. A source of row blocks that knows nothing of any algorithm."""

from kmeans_xp.rows.base import Rows
from kmeans_xp.rows.open import open_rows

__all__ = ["Rows", "open_rows"]
