"""What is loaded of compiled code while a method is chosen; or would be, for `explain`."""

import logging
from functools import cache
from math import inf
from typing import Any

import numpy as np
from array_api_compat import is_numpy_namespace

from kmeans_xp.arrays import Namespace
from kmeans_xp.kernels.choose.ledger import (
    IMPORT,
    LEDGER,
    LOAD,
    START,
    Key,
    Ledger,
    Plan,
    saving_of,
)
from kmeans_xp.kernels.choose.verdict import Verdict
from kmeans_xp.kernels.interface import Engine
from kmeans_xp.kernels.numba import compiling
from kmeans_xp.kernels.numba.compiling import Group
from kmeans_xp.kernels.numba.engine import NUMBA

_LOG = logging.getLogger("kmeans_xp")


class Loader:
    """Loads compiled groups for one call, where they are worth it or asked for.

    Parameters
    ----------
    ledger : Ledger, optional
        Where the call's savings are entered: once for each group, however often it is asked for.
        By default the process's.
    """

    def __init__(self, ledger: Ledger | None = None) -> None:
        self._ledger = ledger or LEDGER
        self._savings: dict[Key, float] = {}

    @property
    def start(self) -> float:
        """Return the seconds that Numba takes before it loads or compiles anything."""
        if compiling.started():
            return 0.0
        return START if compiling.imported() else IMPORT + START

    def ready(self, dtype: Any, group: Group) -> bool:
        """Return whether a group is loaded for rows of `dtype`."""
        return compiling.ready(dtype, group)

    def runs_on(self, engine: Engine, xp: Namespace) -> bool:
        """Return whether an engine takes arrays of a namespace."""
        return engine.runs_on(xp)

    def worthwhile(self, work: int, dtype: Any, group: Group, passes: int) -> Verdict:
        """Return whether a group is loaded, or was loaded now since that is repaid.

        It is where this call alone saves as much time, or calls so far would have saved as much.

        Parameters
        ----------
        work : int
            Operations of a pass over the rows.
        dtype : dtype
            Of the rows.
        group : Group
        passes : int
            As how many passes the call counts.
        """
        return Verdict(self.loads(work, dtype, group, passes), group.name)

    def loads(self, work: int, dtype: Any, group: Group, passes: int = 1) -> bool:
        """Return the same as `worthwhile`, without the reason."""
        if self.ready(dtype, group):
            return True
        key = np.dtype(dtype), group
        plan = self._plan(key, work, passes)
        return plan is not Plan.NOTHING and self._buy(key, plan)

    def repays(self, work: int, dtype: Any, group: Group, passes: int) -> Verdict:
        """Return whether to load a group is repaid, and why; loads nothing."""
        if self.ready(dtype, group):
            return Verdict(True, "its code is loaded")
        key = np.dtype(dtype), group
        plan = self._plan(key, work, passes)
        if self._ledger.price(key) == inf or not (plan is Plan.NOTHING or compiling.usable(group)):
            return Verdict(False, compiling.trouble() or "Numba is not installed")
        return Verdict(plan is not Plan.NOTHING, self._in_words(key, plan))

    def prepare(self, dtype: Any, group: Group) -> bool:
        """Load or compile a group; return whether that was possible."""
        return compiling.prepare(dtype, group)

    def prepare_all(self) -> None:
        """Load or compile everything."""
        compiling.compile_all()

    def byte_products(self) -> bool:
        """Return whether the processor multiplies bytes; imports Numba, which knows."""
        if not compiling.imported():
            self._ledger.pay(IMPORT)
        return compiling.byte_products()

    def _plan(self, key: Key, work: int, passes: int) -> Plan:
        """Enter what a group would save this call, and return what that repays."""
        savings = self._savings
        if key not in savings:
            saving = saving_of(key[1], work, passes)
            more = saving - min(saving, max(savings.values())) if savings else saving
            savings[key] = saving
            self._ledger.enter(key, saving, more)
        return self._ledger.plan(key, self.start)

    def _in_words(self, key: Key, plan: Plan) -> str:
        """Return what was compared with what."""
        saving, price, start = self._savings[key], self._ledger.price(key), self.start
        before = (self._ledger.balance if start else self._ledger.saved(key)) - saving
        if plan is Plan.COMPILES or price > LOAD:
            what, price = "compiling it", key[1].compile_seconds
        else:
            what, price = "importing Numba" if start > START else "loading it", price + start
        repays = "does not repay" if plan is Plan.NOTHING else "repays"
        so_far = f", which with {before:.2g} s so far {repays}" if before > 0 else f" and {repays}"
        return f"it would save about {saving:.2g} s{so_far} {what} ({price:.2g} s)"

    def _buy(self, key: Key, plan: Plan) -> bool:
        """Load a group, or compile it if that is the plan; return whether it is there now."""
        if not self._ledger.begin(key):
            return False  # Another thread is at it, and this call does not wait.
        try:
            loaded = self._have(key, plan)
        finally:
            self._ledger.end(key)
        if not loaded and not compiling.usable(key[1]):
            self._ledger.set_price(key, inf)
            compiling.warn_of_trouble()
        return loaded

    def _have(self, key: Key, plan: Plan) -> bool:
        dtype, group = key
        if not self._surely_not_on_disk(group):
            self._ledger.pay(self.start)
            if compiling.prepare(dtype, group, compile=False):
                self._ledger.pay(LOAD)
                return True
        if not compiling.usable(group):
            return False
        self._ledger.set_price(key, group.compile_seconds)
        if plan is not Plan.COMPILES:
            _advise_once()
            return False
        _LOG.info(
            "Compiling what is not on disk (%s, %s), which takes about %.0f s and is kept.",
            *(group.name, dtype, group.compile_seconds),
        )
        self._ledger.pay(self.start + group.compile_seconds)
        return compiling.prepare(dtype, group)

    def _surely_not_on_disk(self, group: Group) -> bool:
        """Return whether Numba need not be imported to look for a group."""
        return not compiling.imported() and compiling.surely_not_on_disk(group)


@cache
def _advise_once() -> None:
    _LOG.info(
        "To load compiled code would have been repaid, but it is not on disk. kmeans_xp.compile() "
        "or `kmeans-xp info --compile` compiles everything, once, in about %.0f s.",
        len(compiling.DTYPES) * sum(group.compile_seconds for group in compiling.ALL),
    )


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
        super().__init__(LEDGER.copy())
        self.denied = denied
        self.doubts: list[str] = []
        self._starts = False
        self._loads: set[tuple[np.dtype[Any], Group]] = set()
        self._loads_all = False

    @property
    def start(self) -> float:
        """Return the seconds that Numba would take by now before it loads anything."""
        return 0.0 if self._starts else super().start

    def ready(self, dtype: Any, group: Group) -> bool:
        """Return whether a group would be loaded by now."""
        loaded = self._loads_all or (np.dtype(dtype), group) in self._loads
        return loaded or super().ready(dtype, group)

    def runs_on(self, engine: Engine, xp: Namespace) -> bool:
        """Return whether an engine would take arrays of a namespace."""
        loads = bool(self._loads_all or self._loads)
        return engine.runs_on(xp) or (engine is NUMBA and loads and bool(is_numpy_namespace(xp)))

    def worthwhile(self, work: int, dtype: Any, group: Group, passes: int) -> Verdict:
        """Return whether a group would be loaded."""
        repays = self.repays(work, dtype, group, passes)
        if not repays or self.loads(work, dtype, group, passes):
            return repays
        return Verdict(False, f"its code is not compiled, and {repays.reason}")

    def prepare(self, dtype: Any, group: Group) -> bool:
        """Return whether a group could be loaded."""
        if not compiling.usable(group):
            return False
        self._starts = True
        self._loads.add((np.dtype(dtype), group))
        return True

    def prepare_all(self) -> None:
        """Count everything as loaded, if that is possible."""
        self._starts = self._loads_all = all(map(compiling.usable, compiling.ALL))

    def next_choice(self) -> None:
        """Go on to another choice in the same call: the savings of the two add up."""
        self._savings.clear()

    def byte_products(self) -> bool:
        """Return whether the processor multiplies bytes, as far as that is known."""
        if compiling.imported():
            return compiling.byte_products()
        return self._believe("the processor has AVX512-VNNI")

    def _have(self, key: Key, plan: Plan) -> bool:
        """Return whether a group would be there if it were loaded, or compiled."""
        absent, compiles = self._surely_not_on_disk(key[1]), plan is Plan.COMPILES
        if compiles or not absent:
            self._ledger.pay(self.start + LOAD)
            self._starts = True
        on_disk = f"its compiled code ({key[1].name}) is on disk"
        if compiles or not (absent or not self._believe(on_disk)):
            self._loads.add(key)
            return True
        self._ledger.set_price(key, key[1].compile_seconds)
        return False

    def _believe(self, doubt: str) -> bool:
        if doubt in self.denied:
            return False
        self.doubts.append(doubt)
        return True
