"""Floor 2: one file per algorithm, pure functions that return frozen results."""

import sys

from kmeans_xp.algorithms.old_paths import OldModules

sys.meta_path.append(OldModules())
