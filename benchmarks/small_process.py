"""The process that `benchmarks.small` starts: ours and scikit-learn's by turns, on one array."""

from __future__ import annotations

import json
import sys
import warnings
from collections.abc import Callable
from functools import partial
from statistics import median
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.datasets import blobs
from benchmarks.timing import timed, turns

Call = Callable[[], Any]
# What scikit-learn brings, as it brings it.
BROUGHT = {
    "iris": "load_iris",
    "wine": "load_wine",
    "cancer": "load_breast_cancer",
    "digits": "load_digits",
}


def main() -> None:
    """Print the medians of the case that standard input names, in seconds."""
    # Few iterations, or clusters that stay empty, are no concern here.
    warnings.simplefilter("ignore")
    task = json.load(sys.stdin)
    if not task["numba"]:
        sys.modules["numba"] = None  # type: ignore[assignment]
    X = rows(task["rows"], task["k"])
    ours, peer = CALLS[task["call"]](X, task["k"])
    taken: tuple[list[float], list[float]] = ([], [])
    for order in turns(2, task["warm_up"] + task["rounds"]):
        for which in order:
            taken[which].append(timed((ours, peer)[which])[0])
    medians = [median(seconds[task["warm_up"] :]) for seconds in taken]
    kernel = getattr(ours(), "kernel_", "")
    print(json.dumps({"ours": medians[0], "peer": medians[1], "kernel": kernel}))


def rows(name: str, k: int) -> NDArray[Any]:
    """The rows of a set: as scikit-learn brings it, or NxD blobs, with an f at the end float32."""
    if name in BROUGHT:
        from sklearn import datasets

        return np.ascontiguousarray(getattr(datasets, BROUGHT[name])().data)
    n, d = map(int, name.removesuffix("f").split("x"))
    found = blobs(n, d, k)
    return found if name.endswith("f") else found.astype(np.float64)


def _estimator(
    X: NDArray[Any], k: int, *, name: str = "KMeans", **options: Any
) -> tuple[Call, Call]:
    """Fits of ours and of scikit-learn's estimator of a name."""
    import sklearn.cluster

    import kmeans_xp

    ours, peer = (getattr(module, name)(k, **options) for module in (kmeans_xp, sklearn.cluster))
    return lambda: ours.fit(X), lambda: peer.fit(X)


def _from_start(X: NDArray[Any], k: int) -> tuple[Call, Call]:
    return _estimator(X, k, init=_start(X, k), n_init=1)


def _start(X: NDArray[Any], k: int) -> NDArray[Any]:
    return np.ascontiguousarray(X[np.random.default_rng(0).permutation(len(X))[:k]])


def _predict(X: NDArray[Any], k: int) -> tuple[Call, Call]:
    import sklearn.cluster

    import kmeans_xp

    ours, peer = (
        module.KMeans(k, init=_start(X, k), n_init=1, max_iter=2).fit(X)
        for module in (kmeans_xp, sklearn.cluster)
    )
    return lambda: ours.predict(X), lambda: peer.predict(X)


def _seeding(X: NDArray[Any], k: int) -> tuple[Call, Call]:
    import sklearn.cluster

    import kmeans_xp

    def ours() -> Any:
        return kmeans_xp.kmeans_plusplus(X, k, rng=0)

    return ours, lambda: sklearn.cluster.kmeans_plusplus(X, k, random_state=0)


CALLS: dict[str, Callable[[NDArray[Any], int], tuple[Call, Call]]] = {
    "fit": partial(_estimator, random_state=0),
    "fit from a start": _from_start,
    "predict": _predict,
    "seeding": _seeding,
    "minibatch": partial(_estimator, name="MiniBatchKMeans", random_state=0),
    "bisecting": partial(_estimator, name="BisectingKMeans", random_state=0),
}


if __name__ == "__main__":
    main()
