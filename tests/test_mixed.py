"""Arguments of different libraries, or on different devices, are refused by name."""

import re

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from kmeans_xp import (
    KMeans,
    assign,
    calinski_harabasz_score,
    davies_bouldin_score,
    inertia,
    kmeans,
    kmeans_plusplus,
    silhouette_score,
    simplified_silhouette,
)
from tests.backends import DEVICES, load
from tests.data import blobs

HOST, PLANTED = blobs()
ONES = np.ones(300)
LABELS = np.zeros(300, dtype=np.int32)

# Each takes rows, and one other argument made by somebody else.
CALLS = {
    "sample_weight of kmeans": ("sample_weight", ONES, lambda X, w: kmeans(X, 4, sample_weight=w)),
    "sample_weight of kmeans_plusplus": (
        "sample_weight", ONES, lambda X, w: kmeans_plusplus(X, 4, sample_weight=w)),
    "sample_weight of inertia": (
        "sample_weight", ONES, lambda X, w: inertia(X, X[:4, :], sample_weight=w)),
    "sample_weight of KMeans": (
        "sample_weight", ONES, lambda X, w: KMeans(4).fit(X, sample_weight=w)),
    "init of kmeans": ("init", HOST[:4], lambda X, c: kmeans(X, 4, init=c)),
    "init of KMeans": ("init", HOST[:4], lambda X, c: KMeans(4, init=c).fit(X)),
    "a callable's init": ("init", HOST[:4], lambda X, c: kmeans(X, 4, init=lambda *_: c)),
    "centers of assign": ("centers", HOST[:4], assign),
    "centers of inertia": ("centers", HOST[:4], inertia),
    "labels of silhouette_score": (
        "labels", PLANTED, lambda X, y: silhouette_score(X, y, sample_size=50, rng=0)),
    "labels of calinski_harabasz_score": ("labels", PLANTED, calinski_harabasz_score),
    "labels of davies_bouldin_score": ("labels", PLANTED, davies_bouldin_score),
    "centers of simplified_silhouette": ("centers", HOST[:4], simplified_silhouette),
    "labels of inertia": ("labels", LABELS, lambda X, y: inertia(X, X[:4, :], y)),
}  # fmt: skip


def refuses(call, argument):
    with pytest.raises((ValueError, TypeError)) as caught:
        call()
    message = str(caught.value)
    assert re.search(rf"(?<!\w){argument}(?!\w)", message), message
    assert re.search("namespace|library|device", message, re.I), message


@pytest.mark.parametrize("case", CALLS)
def test_another_library(backend, case):
    name, host, call = CALLS[case]
    X = backend.asarray(HOST)
    for other in ("numpy", "array-api-strict"):
        if backend.name in (other, "dask"):  # small host arrays beside Dask: test_dask.py
            continue
        if other == "numpy" and backend.blocks is not backend.xp:  # test_views.py
            continue
        refuses(lambda other=other: call(X, load(other, DEVICES[other][0]).asarray(host)), name)


@pytest.mark.parametrize("case", CALLS)
@pytest.mark.parametrize(("here", "there"), [("CPU_DEVICE", "device1"), ("device1", "CPU_DEVICE")])
def test_another_device(case, here, there):
    name, host, call = CALLS[case]
    here, there = load("array-api-strict", here), load("array-api-strict", there)
    refuses(lambda: call(here.asarray(HOST), there.asarray(host)), name)
    call(here.asarray(HOST), here.asarray(host))


@pytest.mark.parametrize("case", CALLS)
def test_the_same_library_and_device(backend, case):
    _, host, call = CALLS[case]
    call(backend.asarray(HOST), backend.asarray(host))


@pytest.mark.parametrize("case", CALLS)
def test_lists_go_with_every_library(backend, case):
    _, host, call = CALLS[case]
    call(backend.asarray(HOST), host.tolist())


BAD_VALUES = {"NaN": np.nan, "infinity": np.inf, "minus infinity": -np.inf}
ROWS = {
    "kmeans": lambda b, X: kmeans(X, 4, rng=0),
    "kmeans_plusplus": lambda b, X: kmeans_plusplus(X, 4, rng=0),
    "assign": lambda b, X: b.to_numpy(assign(X, b.asarray(HOST[:4]))[0]),
    "inertia": lambda b, X: inertia(X, b.asarray(HOST[:4])),
    "simplified_silhouette": lambda b, X: simplified_silhouette(X, b.asarray(HOST[:4])),
    "silhouette_score": lambda b, X: silhouette_score(
        X, b.asarray(PLANTED), sample_size=299, rng=0
    ),
    "calinski_harabasz_score": lambda b, X: calinski_harabasz_score(X, b.asarray(PLANTED)),
    "davies_bouldin_score": lambda b, X: davies_bouldin_score(X, b.asarray(PLANTED)),
    "fit": lambda b, X: KMeans(4, random_state=0).fit(X),
    "predict": lambda b, X: b.to_numpy(KMeans(4, random_state=0).fit(HOST).predict(X)),
    "transform": lambda b, X: b.to_numpy(KMeans(4, random_state=0).fit(HOST).transform(X)),
    "score": lambda b, X: KMeans(4, random_state=0).fit(HOST).score(X),
}


@pytest.mark.parametrize("caller", ROWS)
@pytest.mark.parametrize("value", BAD_VALUES)
def test_rows_that_are_not_finite(backend, value, caller):
    host = HOST.astype(np.float32)
    host[33, 1] = BAD_VALUES[value]
    X = backend.asarray(host)
    with pytest.raises(ValueError, match=r"\bX\b.*(NaN|finite|inf)"):
        ROWS[caller](backend, X)
    assert_array_equal(backend.to_numpy(X), host)


@pytest.mark.parametrize("bad", [-1.0, np.nan, np.inf, 0.0])
def test_bad_weights(backend, bad):
    w = backend.asarray(np.full(300, bad) if bad == 0 else np.r_[np.ones(299), bad])
    X = backend.asarray(HOST)
    for call in (
        lambda: kmeans(X, 4, rng=0, sample_weight=w),
        lambda: kmeans_plusplus(X, 4, rng=0, sample_weight=w),
        lambda: inertia(X, backend.asarray(HOST[:4]), sample_weight=w),
        lambda: KMeans(4).fit(X, sample_weight=w),
    ):
        with pytest.raises(ValueError, match="sample_weight"):
            call()


def test_complex_and_misshapen_rows(backend):
    X = backend.asarray(HOST)
    for bad, about in [
        (X[:, 0], "2"),
        (backend.xp.reshape(X, (50, 6, 3)), "2"),
        (X[:, :0], "feature|column|0"),
        (X[:0, :], "row|0"),
        (backend.xp.astype(X, backend.xp.complex64), "complex"),
    ]:
        for call in ROWS.values():
            with pytest.raises((ValueError, TypeError), match=rf"\bX\b.*({about})"):
                call(backend, bad)


def test_bad_starts(backend):
    X = backend.asarray(HOST)
    for bad in (HOST[:3], HOST[:4, :1], HOST[0], HOST[:4] * np.nan):
        start = backend.asarray(bad)
        for init in (start, lambda rows, k, rng, start=start: start):
            with pytest.raises(ValueError, match=r"\binit\b"):
                kmeans(X, 4, init=init)


def test_wrong_widths(backend):
    X = backend.asarray(HOST)
    wide = backend.asarray(np.ones((4, 2)))
    for call in (lambda: assign(X, wide), lambda: inertia(X, wide)):
        with pytest.raises(ValueError, match=r"centers.*2"):
            call()
    model = KMeans(4, random_state=0).fit(np.ones((6, 2)) * np.arange(6)[:, None])
    for method in (model.predict, model.transform, model.score):
        with pytest.raises(ValueError, match=r"X has 3 features"):
            method(X)
