"""What is loaded of compiled code while a method is chosen; or would be, for `explain`."""

from typing import Any

import numpy as np
from array_api_compat import is_numpy_namespace

from kmeans_xp.arrays import Namespace
from kmeans_xp.kernels.choose.verdict import Verdict
from kmeans_xp.kernels.interface import Engine
from kmeans_xp.kernels.numba import compiling
from kmeans_xp.kernels.numba.compiling import COMPILED, IMPORTED, LOADED, Group, Loading
from kmeans_xp.kernels.numba.engine import NUMBA

_WORK = "the work of an iteration, {:.1e} operations, "


class Loader:
    """Loads compiled groups where they are worth it, or asked for."""

    @property
    def imported(self) -> bool:
        """Return whether Numba is imported."""
        return compiling.imported()

    def ready(self, dtype: Any, group: Group) -> bool:
        """Return whether a group is loaded for rows of `dtype`."""
        return compiling.ready(dtype, group)

    def runs_on(self, engine: Engine, xp: Namespace) -> bool:
        """Return whether an engine takes arrays of a namespace."""
        return engine.runs_on(xp)

    def repays(self, work: int, dtype: Any, group: Group) -> Verdict:
        """Return whether the work of an iteration repays a group; loads nothing."""
        if self.ready(dtype, group):
            return Verdict(True, "its code is loaded")
        plan = compiling.planned(work, imported=self.imported)
        work_is = _WORK.format(work)
        if plan is Loading.NOTHING:
            what, least = ("loading it", LOADED) if self.imported else ("importing Numba", IMPORTED)
            return Verdict(False, f"{work_is}does not repay {what} ({least:.1e})")
        if not compiling.usable(group):
            return Verdict(False, compiling.trouble() or "Numba is not installed")
        if plan is Loading.FROM_DISK:
            return Verdict(True, f"{work_is}repays loading it, not compiling it ({COMPILED:.1e})")
        return Verdict(True, f"{work_is}repays compiling it ({COMPILED:.1e})")

    def worthwhile(self, work: int, dtype: Any, group: Group) -> Verdict:
        """Return whether a group is loaded, or was loaded now since the work repays it."""
        return Verdict(compiling.worthwhile(work, dtype, group), group.name)

    def prepare(self, dtype: Any, group: Group) -> bool:
        """Load or compile a group; return whether that was possible."""
        return compiling.prepare(dtype, group)

    def prepare_all(self) -> None:
        """Load or compile everything."""
        compiling.compile_all()

    def byte_products(self) -> bool:
        """Return whether the processor multiplies bytes; imports Numba, which knows."""
        return compiling.byte_products()


LOADER = Loader()


class Foresight(Loader):
    """Says what a `Loader` would do, and loads nothing.

    Parameters
    ----------
    denied : frozenset of str
        Of what cannot be known before Numba is imported, that which is taken to be false.

    Attributes
    ----------
    doubts : list of str
        What was taken to be true.
    """

    def __init__(self, denied: frozenset[str] = frozenset()) -> None:
        self.denied = denied
        self.doubts: list[str] = []
        self._imports = super().imported
        self._loads: set[tuple[np.dtype[Any], Group]] = set()
        self._loads_all = False

    @property
    def imported(self) -> bool:
        """Return whether Numba would be imported by now."""
        return self._imports

    def ready(self, dtype: Any, group: Group) -> bool:
        """Return whether a group would be loaded by now."""
        loaded = self._loads_all or (np.dtype(dtype), group) in self._loads
        return loaded or super().ready(dtype, group)

    def runs_on(self, engine: Engine, xp: Namespace) -> bool:
        """Return whether an engine would take arrays of a namespace."""
        loads = bool(self._loads_all or self._loads)
        return engine.runs_on(xp) or (engine is NUMBA and loads and bool(is_numpy_namespace(xp)))

    def worthwhile(self, work: int, dtype: Any, group: Group) -> Verdict:
        """Return whether a group would be loaded."""
        repays = self.repays(work, dtype, group)
        if not repays or self.ready(dtype, group):
            return repays
        self._imports = True
        on_disk = f"its compiled code ({group.name}) is on disk"
        if work < COMPILED and not self._believe(on_disk):
            return Verdict(False, f"its code is not compiled, and {repays.reason}")
        self._loads.add((np.dtype(dtype), group))
        return repays

    def prepare(self, dtype: Any, group: Group) -> bool:
        """Return whether a group could be loaded."""
        if not compiling.usable(group):
            return False
        self._imports = True
        self._loads.add((np.dtype(dtype), group))
        return True

    def prepare_all(self) -> None:
        """Count everything as loaded, if that is possible."""
        self._imports = self._loads_all = all(map(compiling.usable, compiling.ALL))

    def byte_products(self) -> bool:
        """Return whether the processor multiplies bytes, as far as that is known."""
        if super().imported:
            return compiling.byte_products()
        self._imports = True
        return self._believe("the processor has AVX512-VNNI")

    def _believe(self, doubt: str) -> bool:
        if doubt in self.denied:
            return False
        self.doubts.append(doubt)
        return True
