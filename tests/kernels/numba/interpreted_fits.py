"""Small fits by all that would be compiled, and the same by plain means.

Run as a program, with KMEANS_XP_INTERPRETED set and a dtype as its argument. It prints as JSON by
how much each fit differs from the plain one, and which functions never ran.
"""

import importlib
import inspect
import json
import sys
import threading
from collections.abc import Iterator
from types import CodeType
from unittest import mock

import numpy as np
from sklearn.metrics import silhouette_samples

import kmeans_xp as kx
from kmeans_xp.kernels.choose import lloyd, seeding
from kmeans_xp.kernels.numba import compiling
from tests import reference
from tests.data import blobs, cloud

# The one that would be compiled, and the specification.
ENGINES = ("auto", "portable")


def differences(dtype: str) -> Iterator[tuple[str, int]]:
    """The names of fits, and how many labels, or other numbers, are not the plain ones."""
    flat, high = cloud(300, 3).astype(dtype), cloud(300, 40).astype(dtype)
    yield "hamerly", _fit("numba hamerly", flat, 5)
    yield "hamerly of many features", _fit("numba hamerly", cloud(300, 19).astype(dtype), 20)
    with mock.patch.object(lloyd, "FUSED_ROWS", 0):
        yield "hamerly by block", _fit("numba hamerly", flat, 5)
        yield "hamerly, weighted", _fit("numba hamerly", flat, 5, sample_weight=flat[:, 0] ** 2)
    for name in ("numba projection", "numba wide", "numba bytes"):
        yield name, _fit(name, high, 36)
    for name, X in (("low", flat), ("high", high)):
        yield f"predict, {name}", _predict(X, 8)
    yield "predict, projected", _predict(blobs(2048, 64, 64)[0].astype(dtype), 64)
    clusters = blobs(200, 100, 20, spread=0.1)[0].astype(dtype)
    with mock.patch.object(seeding, "SAMPLE", 100):
        for name, X, k in (("low", flat, 5), ("high", clusters, 20)):
            yield f"seeding, {name}", _seed(X, k)
    few = {"rng": 0, "max_iter": 2}
    for name, function, X in (
        ("mini-batches", kx.minibatch_kmeans, flat),
        ("mini-batches, by column", kx.minibatch_kmeans, np.asfortranarray(flat)),
        ("bisecting", kx.bisecting_kmeans, flat),
    ):
        found, plain = (function(X, 5, algorithm=a, **few) for a in ENGINES)
        yield name, _count(found.labels, plain.labels)
    for method in ("pam", "fasterpam"):
        given = {"metric": "manhattan", "method": method, "init": [0, 1, 2, 3]}
        found, plain = (kx.kmedoids(flat[:100], 4, algorithm=a, **given) for a in ENGINES)
        yield method, _count(found.medoid_indices, plain.medoid_indices)
    found, plain = (kx.nearest_neighbors(high[:70], 4, algorithm=a)[0] for a in ENGINES)
    yield "neighbors", _count(found, plain)
    yield "silhouette", _silhouettes(flat, np.arange(300) % 2)
    model = kx.KMeans(5, init=flat[:5], n_init=1).fit(flat)
    distances = reference.squared_distances(flat, model.cluster_centers_) ** 0.5
    yield "transform", int((~np.isclose(model.transform(flat), distances, rtol=1e-5)).sum())


def _fit(algorithm: str, X: np.ndarray, k: int, **options: object) -> int:
    found, plain = (
        kx.kmeans(X, k, init=X[:k], max_iter=3, tol=0, algorithm=name, **options)
        for name in (algorithm, "portable")
    )
    assert found.kernel == algorithm
    return _count(found.labels, plain.labels)


def _predict(X: np.ndarray, k: int) -> int:
    return _count(kx.assign(X, X[:k])[0], reference.nearest(X, X[:k])[0])


def _seed(X: np.ndarray, k: int) -> int:
    with mock.patch.object(seeding, "ONE_PRODUCT", 0):  # Of few rows too something is remembered.
        found = kx.kmeans_plusplus(X, k, rng=0)[1]
    with mock.patch.object(seeding, "find_seeder", return_value=None):
        return _count(found, kx.kmeans_plusplus(X, k, rng=0)[1])


def _silhouettes(X: np.ndarray, labels: np.ndarray) -> int:
    found, plain = (f(X.astype(float), labels) for f in (kx.silhouette_samples, silhouette_samples))
    return int((~np.isclose(found, plain, rtol=1e-9)).sum())


def _count(found: np.ndarray, plain: np.ndarray) -> int:
    return int((found != plain).sum())


def never_ran(dtype: str, ran: set[CodeType]) -> list[str]:
    """The names of functions that would be compiled and called from Python, and were not."""
    modules = [importlib.import_module(m) for group in compiling.ALL for m in group.modules]
    return [
        f"{module.__name__}.{name}"
        for module in modules
        for name in module.signatures(dtype)
        if inspect.unwrap(getattr(module, name)).__code__ not in ran
    ]


def main() -> None:
    """Print what differs, and what never ran."""
    dtype, ran = sys.argv[1], set()
    assert compiling.compile_all()
    note = lambda frame, _event, _argument: ran.add(frame.f_code)  # noqa: E731
    threading.setprofile(note)
    sys.setprofile(note)
    found = dict(differences(dtype))
    sys.setprofile(None)
    sys.stdout.write(json.dumps([found, never_ran(dtype, ran)]))


if __name__ == "__main__":
    main()
