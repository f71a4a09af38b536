"""The modules by which pickles of version 0.1 name what `kmeans_xp` has now, so that these open.

A pickle that is made now says ``kmeans_xp.KMeansResult``, and needs no entry when modules move.
"""

import sys
from collections.abc import Sequence
from functools import partial
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

import kmeans_xp

OLD_PATHS = {
    "kmeans_xp.algorithms.bisecting": ("BisectingKMeansResult", "bisecting_kmeans"),
    "kmeans_xp.algorithms.em": ("MixtureIteration",),
    "kmeans_xp.algorithms.gaussian": ("Mixture",),
    "kmeans_xp.algorithms.kmeans": ("KMeansResult", "kmeans"),
    "kmeans_xp.algorithms.minibatch": ("MiniBatchKMeansResult", "minibatch_kmeans"),
    "kmeans_xp.algorithms.mixture": ("GaussianMixtureResult", "gaussian_mixture"),
    "kmeans_xp.algorithms.running": ("Means",),
    "kmeans_xp.algorithms.seeding": ("kmeans_plusplus",),
    "kmeans_xp.algorithms.soft": ("SoftKMeansResult", "soft_kmeans"),
    "kmeans_xp.algorithms.tree": ("Tree",),
}


class OldModules(MetaPathFinder, Loader):
    """Finds the old modules that are no more, and loads them as modules of the old names."""

    def find_spec(
        self, fullname: str, _path: Sequence[str] | None, _target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return how to load an old module; Python asks this where no other finder knows one."""
        return ModuleSpec(fullname, self) if fullname in OLD_PATHS else None

    def exec_module(self, module: ModuleType) -> None:
        """Give the module its names."""
        keep_old_names(module.__name__)


def keep_old_names(module: str) -> None:
    """Let a module have the names that were in its place, looked up when they are asked for."""
    vars(sys.modules[module])["__getattr__"] = partial(_old_name, module)


def _old_name(module: str, name: str) -> Any:
    if name not in OLD_PATHS[module]:
        raise AttributeError(f"module {module!r} has no attribute {name!r}")
    return getattr(kmeans_xp, name)
