"""When compiled code is repaid: by work alone, so that no clock and no compiler is needed here."""

from __future__ import annotations

import logging
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from threading import Event

import numpy as np
import pytest

from kmeans_xp.kernels.choose import loading
from kmeans_xp.kernels.choose.ledger import (
    IMPORT,
    ITERATIONS,
    LOAD,
    START,
    Ledger,
    passes_of,
    saving_of,
)
from kmeans_xp.kernels.choose.loading import Foresight, Loader
from kmeans_xp.kernels.numba import compiling
from kmeans_xp.kernels.numba.compiling import ALL, DTYPES, LOW_D, PRODUCT, Group

F4, F8 = DTYPES


class Process:
    """A process of its own, where what is asked of Numba is noted and takes no time.

    Attributes
    ----------
    did : list of (str, str)
        "load" or "compile", and the name of the group.
    on_disk : set of Group
        What is compiled already.
    looks : bool
        Whether only Numba can tell what that is.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *, imported: bool, started: bool) -> None:
        self.did: list[tuple[str, str]] = []
        self.on_disk = set(ALL)
        self.imported, self.started = imported, started
        self.there, self.looks = True, True
        self.ready: set[tuple[np.dtype, Group]] = set()
        self.ledger = Ledger()
        monkeypatch.setattr(loading, "LEDGER", self.ledger)
        monkeypatch.setattr(compiling, "_errors", {})
        monkeypatch.setattr(compiling, "_ready", self.ready)
        monkeypatch.setattr(compiling, "installed", lambda: self.there)
        monkeypatch.setattr(compiling, "imported", lambda: self.imported)
        monkeypatch.setattr(compiling, "started", lambda: self.started)
        monkeypatch.setattr(compiling, "surely_not_on_disk", self.surely_not_on_disk)
        monkeypatch.setattr(compiling, "prepare", self.prepare)
        loading._advise_once.cache_clear()

    def surely_not_on_disk(self, group: Group) -> bool:
        return not self.looks and group not in self.on_disk

    def prepare(self, dtype: np.dtype, group: Group, *, compile: bool = True) -> bool:  # noqa: A002
        self.did.append(("compile" if compile else "load", group.name))
        self.imported = self.started = self.there
        loaded = self.there and (compile or group in self.on_disk)
        self.ready |= {(dtype, group)} if loaded else set()
        return loaded

    def call(self, seconds: float, group: Group = LOW_D, dtype: np.dtype = F4) -> bool:
        """Make a call that so many seconds would be saved of; whether it runs the group."""
        return Loader().loads(_work(seconds, group), dtype, group)

    def calls(self, seconds: float, group: Group = LOW_D, dtype: np.dtype = F4) -> int:
        """Return how many calls are made before one runs the group."""
        return next(count for count in range(10_000) if self.call(seconds, group, dtype))


def _work(seconds: float, group: Group) -> int:
    return round((seconds - 1e-6 * group.saves_calls) * 1e9 / group.saves)


@pytest.fixture
def process(monkeypatch: pytest.MonkeyPatch) -> Process:
    return Process(monkeypatch, imported=False, started=False)


def test_a_call_that_repays_numba_by_itself_loads_it(process: Process) -> None:
    assert not process.call(IMPORT + START + LOAD - 0.01, dtype=F8)
    assert process.did == []
    assert process.call(IMPORT + START + LOAD + 0.01)
    assert process.did == [("load", "low_d")]


def test_calls_add_up_to_the_price(process: Process) -> None:
    assert process.calls(0.1) == 5
    assert process.did == [("load", "low_d")]
    # What is loaded is asked of nobody any more.
    assert process.call(0.0001)
    assert len(process.did) == 1


def test_all_groups_repay_the_import_and_each_its_own_loading(process: Process) -> None:
    for group in ALL[:5]:
        assert not process.call(0.1, group, F8)
    assert process.did == []
    assert not process.call(0.5 * LOAD)
    assert process.did == []
    assert process.call(0.6 * LOAD)
    assert process.did == [("load", "low_d")]


def test_what_was_paid_is_not_there_for_something_else(process: Process) -> None:
    assert process.call(IMPORT + START + LOAD + 0.001)
    # All of that went for Numba, so the next group is to be repaid by what comes.
    assert process.calls(LOAD / 4, PRODUCT) == 3


@pytest.mark.parametrize(("started", "count"), [(True, 0), (False, 3)])
def test_a_numba_of_somebody_elses_is_not_paid_for(
    monkeypatch: pytest.MonkeyPatch, started: bool, count: int
) -> None:
    process = Process(monkeypatch, imported=True, started=started)
    assert process.calls(0.1) == count


def test_what_is_not_on_disk_is_looked_for_once_and_compiled_when_that_is_repaid(
    process: Process, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "kmeans_xp")
    process.on_disk.clear()
    assert process.calls(0.6, PRODUCT) == 2  # 1.2 s to compile it, and 0.5 s to import Numba
    assert process.did == [("load", "product"), ("load", "product"), ("compile", "product")]
    advice, compiles = caplog.messages
    assert "kmeans_xp.compile() or `kmeans-xp info --compile`" in advice
    assert compiles == (
        "Compiling what is not on disk (product, float32), which takes about 1 s and is kept."
    )
    assert not process.call(1)
    assert process.did[3:] == [("load", "low_d")]
    assert len(caplog.messages) == 2  # The advice is given once.


def test_numba_is_not_imported_where_nothing_is_on_disk_for_it(process: Process) -> None:
    process.on_disk.clear()
    process.looks = False
    for _ in range(20):
        assert not process.call(1)
    assert process.did == []
    assert process.calls(1) == 2  # 22 s to compile it, half of one to import Numba.
    assert process.did == [("compile", "low_d")]


def test_a_call_that_repays_a_compiler_still_takes_what_is_on_disk(process: Process) -> None:
    assert process.call(100)
    assert process.did == [("load", "low_d")]


def test_a_numba_that_is_not_there_is_looked_for_once(process: Process) -> None:
    process.there = False
    for _ in range(5):
        assert not process.call(1000)
    assert process.did == [("load", "low_d")]


def test_one_of_several_ways_of_a_call_is_entered(process: Process) -> None:
    work = _work(0.2, LOW_D)
    for _ in range(2):
        loader = Loader()
        for _ in range(2):  # However often it is asked for.
            assert not loader.loads(work, F4, LOW_D)
            assert not loader.loads(work, F4, PRODUCT)
    assert process.ledger.balance == pytest.approx(0.4)
    assert process.ledger.saved((F4, LOW_D)) == pytest.approx(0.4)
    assert process.ledger.saved((F4, PRODUCT)) == pytest.approx(2 * saving_of(PRODUCT, work, 1))


def test_never_twice_as_long_as_without(process: Process) -> None:
    rng = np.random.default_rng(0)
    process.on_disk -= {LOW_D}
    prices = {"load": LOAD, "compile": 0.0}
    without = with_it = 0.0
    for _ in range(3000):
        group, seconds = ALL[rng.integers(len(ALL))], 10 ** rng.uniform(-4, 0.5)
        before, started = len(process.did), process.started
        runs = process.call(seconds, group)
        without += seconds
        with_it += 0 if runs else seconds
        with_it += 0 if started == process.started else IMPORT + START
        for what, name in process.did[before:]:
            (asked,) = (g for g in ALL if g.name == name)
            with_it += asked.compile_seconds if what == "compile" else prices[what]
        assert with_it <= 2 * without + LOAD
    assert len(process.ready) == len(ALL)


def test_a_fit_counts_as_many_passes() -> None:
    assert [passes_of(1), passes_of(300), passes_of(10, 3)] == [1, ITERATIONS, 30]


def test_two_threads_load_once(process: Process, monkeypatch: pytest.MonkeyPatch) -> None:
    begun, go = Event(), Event()

    def slowly(dtype: np.dtype, group: Group, *, compile: bool = True) -> bool:  # noqa: A002
        begun.set()
        assert go.wait(60)
        return process.prepare(dtype, group, compile=compile)

    monkeypatch.setattr(compiling, "prepare", slowly)
    with ThreadPoolExecutor(1) as pool:
        other = pool.submit(process.call, 10)
        assert begun.wait(60)
        assert not process.call(10)  # Goes on without, at once.
        go.set()
        assert other.result()
    assert process.did == [("load", "low_d")]
    assert process.call(10)


def test_foresight_sees_what_a_loader_does(process: Process) -> None:
    work, passes = _work(0.2, LOW_D), 1
    for _ in range(4):
        foreseen = Foresight().worthwhile(work, F4, LOW_D, passes)
        before = process.ledger.saved((F4, LOW_D)) if process.did else None
        assert Loader().worthwhile(work, F4, LOW_D, passes).holds == foreseen.holds, before
    assert foreseen.reason == "its code is loaded"


SERIES = """
import sys
import numpy as np
from kmeans_xp import kmeans
from kmeans_xp.kernels.choose import loading
loading.saving_of = lambda *_: 0.2
X = np.random.default_rng(0).random((600, 3), np.float32)
found = []
for _ in range(4):
    result = kmeans(X, 5, init=X[:5])
    same = np.array_equal(result.labels, kmeans(X, 5, init=X[:5], algorithm="portable").labels)
    found.append([result.kernel, "numba" in sys.modules, same])
print(found)
"""


def test_small_fits_load_numba_when_they_repay_it() -> None:
    pytest.importorskip("numba")
    assert compiling.prepare(np.float32)  # It is on disk then.
    done = subprocess.run(
        [sys.executable, "-c", SERIES], check=True, capture_output=True, text=True
    )
    before, after = ["numpy hamerly", False, True], ["numba hamerly", True, True]
    assert done.stdout.strip() == str([before, before, after, after])
