"""What would run, why, and the memory expected; by the functions that choose, loading nothing."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from kmeans_xp.algorithms.kmeans.memory import (
    Memory,
    choosing_bytes,
    computed_seeding_bytes,
    lloyd_memory,
    seeder_bytes,
)
from kmeans_xp.kernels.choose.lloyd import LloydMethod, find_lloyd
from kmeans_xp.kernels.choose.loading import Foresight
from kmeans_xp.kernels.choose.seeding import (
    NOT_REMEMBERED,
    Seeding,
    find_method,
    is_remembered,
)
from kmeans_xp.kernels.interface import Source

# Rows by which the scale of the data is known roughly.
SAMPLE = 1024


class ExplainedSource(Source, Protocol):
    """Rows that say where they live; `kmeans_xp.rows.Rows` does."""

    @property
    def place(self) -> str:
        """Return where the rows live, in words."""

    @property
    def concurrency(self) -> int | None:
        """Return how many blocks run at once; None where that is not ours to say."""


@dataclass(frozen=True)
class Outcome:
    """What runs, and on what it depends that only Numba can tell, which is not imported.

    Attributes
    ----------
    name : str
        What the result reports.
    conditions : tuple of str
    """

    name: str
    conditions: tuple[str, ...]


@dataclass(frozen=True)
class Explanation:
    """How k-means would run.

    Attributes
    ----------
    shape : tuple of int
        Rows and features.
    n_clusters : int
    dtype, place : str
        Of the rows.
    engine : str
    kernel : tuple of Outcome
        The first whose conditions hold is what runs.
    why : str
        Why the first of them is chosen.
    passed_over : tuple of (str, str)
        Bound methods that come before it, and why each is not chosen.
    seeding, seeding_why : str
        How the potential of k-means++ is kept.
    fused : bool
        Whether an iteration is one call for all rows.
    block_rows : int
    threads : int or None
        None where X's library or scheduler decides.
    memory : Memory
    """

    shape: tuple[int, int]
    n_clusters: int
    dtype: str
    place: str
    engine: str
    kernel: tuple[Outcome, ...]
    why: str
    passed_over: tuple[tuple[str, str], ...]
    seeding: str
    seeding_why: str
    fused: bool
    block_rows: int
    threads: int | None
    memory: Memory


def explain_kmeans(rows: ExplainedSource, k: int, algorithm: str, trials: int) -> Explanation:
    """Return how k-means would run; `trials` candidates are drawn for each centre of the start.

    Raises
    ------
    ValueError
        If there is no such algorithm for these rows.
    """
    foresight = Foresight()
    method = find_lloyd(rows, k, algorithm, foresight)
    outcomes = _outcomes(rows, k, algorithm, method, foresight)
    foresight.next_choice()
    seeding, seeding_why, seeding_bytes = _explain_seeding(rows, k, trials, method, foresight)
    fused = method.fused_block(rows) is not None
    block_rows = rows.shape[0] if fused else method.block_rows(*rows.shape, k)
    remembered, blocks = lloyd_memory(rows, k, method, block_rows, rows.concurrency or 1)
    return Explanation(
        shape=rows.shape,
        n_clusters=k,
        dtype=str(rows.dtype).rpartition(".")[2],
        place=rows.place,
        engine=method.engine.name,
        kernel=outcomes,
        why=_why(method),
        passed_over=tuple((m.name, v.reason) for m, v in method.considered if not v),
        seeding=seeding,
        seeding_why=seeding_why,
        fused=fused,
        block_rows=block_rows,
        threads=rows.concurrency,
        memory=Memory(remembered, blocks, seeding_bytes, choosing_bytes(rows, method)),
    )


def _outcomes(
    rows: Source, k: int, algorithm: str, method: LloydMethod, foresight: Foresight
) -> tuple[Outcome, ...]:
    """Return what runs if all doubts are true, and what if the last of them is not, and so on."""
    outcomes, denied = [Outcome(method.name, tuple(foresight.doubts))], frozenset[str]()
    while foresight.doubts:
        denied |= {foresight.doubts[-1]}
        foresight = Foresight(denied)
        method = find_lloyd(rows, k, algorithm, foresight)
        if method.name != outcomes[-1].name:
            outcomes.append(Outcome(method.name, tuple(foresight.doubts)))
    return tuple(outcomes)


def _why(method: LloydMethod) -> str:
    if method.bound_method is None:
        return "every row is searched in every iteration"
    return f"{method.bound_method.serves} ({method.considered[-1][1].reason})"


def _explain_seeding(
    rows: ExplainedSource, k: int, trials: int, method: LloydMethod, foresight: Foresight
) -> tuple[str, str, int]:
    """Return how the potential is kept, why, and how many bytes that takes."""
    computed = computed_seeding_bytes(rows, trials, method.engine, rows.concurrency or 1)
    if not method.engine.remembers_of(rows):
        return "computed", NOT_REMEMBERED, computed
    sample = rows.evenly(SAMPLE)
    variance = float(sample.var(axis=0, dtype=np.float64).mean())
    seeding = Seeding(rows, None, k, trials, sample[0], variance, foresight)
    remembered = is_remembered(seeding, method.engine)
    if not remembered:
        return "computed", remembered.reason, computed
    known = len(foresight.doubts)
    chosen, verdict = find_method(seeding)
    doubts = "".join(f", if {doubt}" for doubt in foresight.doubts[known:])
    reason = f"{chosen.serves} ({verdict.reason}{doubts})"
    if not chosen.row_bytes(seeding):
        return chosen.name, reason, computed
    return chosen.name, reason, seeder_bytes(seeding, chosen, rows.concurrency or 1)
