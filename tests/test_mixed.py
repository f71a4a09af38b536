"""Host arrays go with every X; other mixtures of libraries and devices are refused by name."""

import re
from functools import partial

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from kmeans_xp import (
    KMeans,
    assign,
    calinski_harabasz_score,
    davies_bouldin_score,
    gaussian_mixture,
    inertia,
    kmeans,
    kmeans_plusplus,
    silhouette_score,
    simplified_silhouette,
)
from tests.backends import DEVICES, find, load
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
    others = [
        find(other, device) for other in ("array-api-strict", "cupy") for device in DEVICES[other]
    ]
    for other in others:
        if isinstance(other, str) or backend.name in (other.name, "dask"):  # Dask: test_dask.py
            continue
        refuses(lambda other=other: call(X, other.asarray(host)), name)


HOST_FORMS = {
    "plain": np.array,
    "float32": lambda a: a.astype(np.float32 if a.dtype.kind == "f" else np.int16),
    "big-endian": lambda a: a.astype(a.dtype.newbyteorder(">")),
    "backwards": lambda a: a[::-1].copy()[::-1],
    "read-only": lambda a: np.broadcast_to(a, a.shape),
    "a tuple": lambda a: tuple(a.tolist()),
    "a frame": lambda a: pd.Series(a) if a.ndim == 1 else pd.DataFrame(a),
}


@pytest.mark.parametrize("case", CALLS)
@pytest.mark.parametrize("form", HOST_FORMS)
def test_host_arrays_go_with_every_library(backend, case, form):
    _, host, call = CALLS[case]
    X = backend.asarray(HOST)
    given = HOST_FORMS[form](host)
    # Some calls draw, and not from a seed.
    ours, theirs = call(X, given), call(X, backend.asarray(host))
    assert type(ours) is type(theirs)
    if isinstance(ours, float):
        assert_allclose(ours, theirs, rtol=1e-5)
    if isinstance(ours, tuple) and "kmeans" not in case:
        assert backend.owns(ours[0])
        assert_array_equal(backend.to_numpy(ours[0]), backend.to_numpy(theirs[0]))


def test_host_arrays_of_mixtures_go_with_every_library(backend):
    options = {
        "weights_init": np.full(4, 0.25), "means_init": HOST[:4], "precisions_init": np.ones((4, 3))
    }  # fmt: skip
    fit = partial(gaussian_mixture, backend.asarray(HOST), 4, covariance_type="diag", max_iter=2)
    found = fit(**options)
    assert backend.owns(found.labels)
    same = fit(**{name: backend.asarray(value) for name, value in options.items()})
    assert_array_equal(backend.to_numpy(found.labels), backend.to_numpy(same.labels))


def test_host_arrays_that_hold_no_numbers_are_refused(backend):
    X = backend.asarray(HOST)
    for name, host, call in CALLS.values():
        for bad in (host + 0j, host.astype(str), host.astype("M8[s]")):
            with pytest.raises(
                (ValueError, TypeError), match=rf"(?<!\w){name}(?!\w).*(numbers|integers)"
            ):
                call(X, bad)


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
