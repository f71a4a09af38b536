"""Which contestants meet in which race: the one table to extend.

A new peer is one module in `benchmarks.contestants` and an `Entry` in each race that it can
run. A new algorithm is one more `Race`. A data set is a row of `benchmarks.datasets`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from math import isqrt

from benchmarks.contestants import (
    faiss_cpu,
    flash_kmeans,
    intelex,
    kmedoids,
    onebatch,
    ours,
    scikit_learn,
    super_kmeans,
    torch_brute,
)
from benchmarks.grid import Target
from benchmarks.measures import CUT, DISTANCE, INERTIA, LIKELIHOOD, LOSS, SCORE, Measure
from benchmarks.problem import Prepare

OURS = "kmeans_xp"
BARE = f"{OURS} without Numba"
SETS = ("geo", "color", "flights", "patches", "digits", "blobs")
QUICK_SETS = ("digits", "blobs:20000x8@16")
MIXTURE_SETS = ("flights@16", "digits")
# Enough to tell who is faster: to converge takes minutes, and each stops at another point.
MIXTURE_ITERATIONS = 15
# Rows whose distances from each other take 2 GiB in float32.
ALL_PAIRS = isqrt(2**31 // 4)
# Rows of which all pairs are looked at in a minute, and whose graphs all solvers can take.
ALL_LOOKED_AT, GRAPHS = 150_000, 30_000
BLOBS_FOR_GPUS = "blobs:1000000x16@64"
MIXED_FOR_GPUS = "blobs:200000x16@32"


@dataclass(frozen=True)
class Entry:
    """A contestant's place in a race; left out where its module is not installed."""

    name: str
    prepare: Prepare
    needs: str | None = None
    # Whether the others go on where ours fails, as they do where a peer fails.
    may_fail: bool = False
    # It is left out where there are more.
    max_rows: int | None = None

    @property
    def is_ours(self) -> bool:
        """Whether this library runs it."""
        return self.name.startswith(OURS)

    @property
    def installed(self) -> bool:
        """Whether it can take part."""
        return self.needs is None or find_spec(self.needs) is not None

    def takes(self, rows: int) -> bool:
        """Whether it can take so many rows."""
        return self.max_rows is None or rows <= self.max_rows


@dataclass(frozen=True)
class Race:
    """A question put to several contestants. Ours comes first: the others are set beside it."""

    name: str
    title: str
    entries: tuple[Entry, ...]
    # A new seed every round, so that luck in the draws averages out.
    new_seeds: bool = False
    measure: Measure = INERTIA
    # Where it is run, and when an iteration is the last, unless told otherwise.
    sets: tuple[str, ...] = SETS
    quick_sets: tuple[str, ...] = QUICK_SETS
    tol: float = 1e-4
    max_iter: int = 300
    # Who takes part besides where ours runs on a GPU, and the sets of ``--gpu``.
    gpu_entries: tuple[Entry, ...] = ()
    gpu_sets: tuple[str, ...] = ()


def _ours(prepare: Prepare, max_rows: int | None = None) -> tuple[Entry, Entry]:
    bare = partial(ours.without_numba, prepare)
    return Entry(OURS, prepare, max_rows=max_rows), Entry(BARE, bare, "numba", max_rows=max_rows)


def _mixtures(covariance_type: str) -> Race:
    return Race(
        f"gmm-{covariance_type}",
        f"Gaussian mixture, {covariance_type} covariances, all from the same parameters",
        (
            Entry(OURS, partial(ours.mixture, covariance_type=covariance_type)),
            Entry("scikit-learn", partial(scikit_learn.mixture, covariance_type=covariance_type)),
        ),
        measure=LIKELIHOOD,
        sets=MIXTURE_SETS,
        tol=0.0,
        max_iter=MIXTURE_ITERATIONS,
        gpu_sets=(MIXED_FOR_GPUS,),
    )


def _scores(name: str, title: str, call: str, max_rows: int | None = None) -> Race:
    return Race(
        name,
        f"{title}, of given labels",
        (
            *_ours(partial(ours.score, name=call), max_rows),
            Entry("scikit-learn", partial(scikit_learn.score, name=call), max_rows=max_rows),
        ),
        measure=SCORE,
        sets=("normal:20000x16@10", "blobs:20000x16@10", "flights:20000@10", "digits"),
        quick_sets=("digits",),
    )


RACES = {
    race.name: race
    for race in (
        Race(
            "lloyd",
            "Lloyd's iterations to convergence, all from the same rows",
            (
                *_ours(ours.lloyd),
                Entry("scikit-learn lloyd", scikit_learn.lloyd),
                Entry("scikit-learn elkan", partial(scikit_learn.lloyd, algorithm="elkan")),
                Entry("scikit-learn-intelex", intelex.lloyd, "sklearnex"),
                Entry("faiss-cpu", faiss_cpu.lloyd, "faiss"),
                Entry("superkmeans, own start", super_kmeans.lloyd, "superkmeans"),
            ),
            gpu_entries=(
                Entry("flash-kmeans", flash_kmeans.lloyd, "flash_kmeans"),
                Entry("torch, brute force", torch_brute.lloyd, "torch"),
            ),
            gpu_sets=("normal:1000000x128@1000", BLOBS_FOR_GPUS),
        ),
        Race(
            "seeding",
            "Greedy k-means++ alone",
            (*_ours(ours.seeding), Entry("scikit-learn", scikit_learn.seeding)),
            new_seeds=True,
        ),
        Race(
            "fit",
            "A whole default fit, KMeans(k, random_state=seed).fit(X)",
            (
                *_ours(ours.fit),
                Entry("scikit-learn", scikit_learn.fit),
                Entry("scikit-learn-intelex", intelex.fit, "sklearnex"),
            ),
            new_seeds=True,
        ),
        Race(
            "starts",
            "Ten starts, KMeans(k, n_init=10, random_state=seed).fit(X)",
            (
                *_ours(partial(ours.fit, n_init=10)),
                Entry("scikit-learn", partial(scikit_learn.fit, n_init=10)),
            ),
            new_seeds=True,
            sets=("normal:200x10@5", "blobs:1000x4@10", "digits"),
            quick_sets=("normal:200x10@5",),
        ),
        Race(
            "predict",
            "Labels of all rows from given centres",
            (
                *_ours(ours.predict),
                Entry("scikit-learn", scikit_learn.predict),
                Entry("scikit-learn-intelex", intelex.predict, "sklearnex"),
                Entry("faiss-cpu", faiss_cpu.predict, "faiss"),
                Entry("superkmeans", super_kmeans.predict, "superkmeans"),
            ),
        ),
        Race(
            "minibatch",
            "A whole default fit, MiniBatchKMeans(k, random_state=seed).fit(X)",
            (Entry(OURS, ours.minibatch), Entry("scikit-learn", scikit_learn.minibatch)),
            new_seeds=True,
            gpu_sets=(BLOBS_FOR_GPUS,),
        ),
        Race(
            "bisecting",
            "A whole default fit, BisectingKMeans(k, random_state=seed).fit(X)",
            (Entry(OURS, ours.bisecting), Entry("scikit-learn", scikit_learn.bisecting)),
            new_seeds=True,
            gpu_sets=(BLOBS_FOR_GPUS,),
        ),
        Race(
            "soft",
            "Soft k-means beside mixtures of round Gaussians, all from the same parameters",
            (
                Entry(OURS, ours.soft),
                Entry(f"{OURS} mixture", partial(ours.mixture, covariance_type="spherical")),
                Entry(
                    "scikit-learn mixture",
                    partial(scikit_learn.mixture, covariance_type="spherical"),
                ),
            ),
            measure=LIKELIHOOD,
            sets=MIXTURE_SETS,
            tol=0.0,
            max_iter=MIXTURE_ITERATIONS,
            gpu_sets=(MIXED_FOR_GPUS,),
        ),
        Race(
            "medoids",
            "FasterPAM's swaps on given distances, all from the same rows",
            (
                *_ours(ours.medoids, ALL_PAIRS),
                Entry("kmedoids", kmedoids.swaps, "kmedoids", max_rows=ALL_PAIRS),
            ),
            measure=LOSS,
            sets=("flights:5000@10", "flights:5000@100", "digits"),
            quick_sets=("digits",),
        ),
        Race(
            "medoids-rows",
            "A whole fit, kmedoids(X, k, rng=seed)",
            (
                Entry(f"{OURS} onebatch", partial(ours.medoids_of_rows, method="onebatch")),
                Entry(
                    f"{OURS} fasterpam",
                    partial(ours.medoids_of_rows, method="fasterpam"),
                    max_rows=ALL_PAIRS,
                ),
                Entry("kmedoids fasterpam", kmedoids.fit, "kmedoids", max_rows=ALL_PAIRS),
                Entry("onebatch", onebatch.fit, "onebatch"),
            ),
            new_seeds=True,
            measure=LOSS,
            sets=("flights:20000@10", "flights:20000@100", "flights:100000@100"),
            quick_sets=("digits",),
        ),
        Race(
            "neighbors",
            "The nearest k other rows of each row, nearest_neighbors(X, k)",
            (
                *_ours(ours.neighbors, ALL_LOOKED_AT),
                Entry("scikit-learn", scikit_learn.neighbors, max_rows=ALL_LOOKED_AT),
                Entry("faiss-cpu", faiss_cpu.neighbors, "faiss", max_rows=ALL_LOOKED_AT),
            ),
            measure=DISTANCE,
            sets=("normal:20000x64@10", "normal:100000x16@10", "geo:20000@10", "digits"),
            quick_sets=("digits",),
        ),
        Race(
            "spectral",
            "A whole fit, spectral_clustering(X, k, rng=seed), by a graph of 10 neighbours",
            (
                *_ours(ours.spectral, GRAPHS),
                Entry(f"{OURS} landmarks", partial(ours.spectral, affinity="landmarks")),
                Entry("scikit-learn", scikit_learn.spectral, max_rows=GRAPHS),
                Entry(
                    "scikit-learn lobpcg",
                    partial(scikit_learn.spectral, eigen_solver="lobpcg"),
                    max_rows=GRAPHS,
                ),
            ),
            new_seeds=True,
            measure=CUT,
            sets=("digits", "blobs:20000x16@10", "flights:20000@10"),
            quick_sets=("digits",),
        ),
        _scores("silhouette", "The silhouette of all rows", "silhouette_score", GRAPHS),
        _scores("calinski-harabasz", "The Calinski-Harabasz score", "calinski_harabasz_score"),
        _scores("davies-bouldin", "The Davies-Bouldin score", "davies_bouldin_score"),
        *map(_mixtures, ("full", "tied", "diag", "spherical")),
    )
}


def on_device(race: Race, target: Target) -> Entry:
    """Ours on another backend and device, as one more entry of a race."""
    run = partial(race.entries[0].prepare, backend=target.backend, device=target.device)
    return Entry(f"{OURS} {target.name}", run, may_fail=True)
