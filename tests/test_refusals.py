"""Bad data is refused by every function and method, in words that name the argument."""

import re
from importlib.util import find_spec

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn.exceptions import NotFittedError

from kmeans_xp import KMeans, assign, inertia, kmeans
from tests.callers import (
    AGAINST_CENTERS,
    ALGORITHMS,
    GOOD,
    LOOKING,
    OF_A_CALLABLE,
    OF_A_GLANCE,
    OF_A_START,
    OF_CENTERS,
    OF_LABELS,
    OF_MEANS,
    OF_ROWS,
    OF_WEIGHTS,
)


def spoiled(value, dtype=np.float64, at=(7, 1)):
    X = GOOD.astype(dtype)
    X[at] = value
    return X


def refuses(call, argument, about=""):
    """The call raises, and its message names the argument and, where asked, the trouble."""
    with pytest.raises((ValueError, TypeError)) as caught:
        call()
    message = str(caught.value)
    assert re.search(rf"(?<![\w.]){argument}(?!\w)", message), message
    assert re.search(about, message, re.I), message
    assert "\n" not in message or "inhomogeneous" in message


BAD_ROWS = {
    "NaN": (spoiled(np.nan), "NaN|nan|finite"),
    "NaN in the last row": (spoiled(np.nan, at=(11, 2)), "NaN|nan|finite"),
    "infinity": (spoiled(np.inf), "inf"),
    "minus infinity": (spoiled(-np.inf), "inf"),
    "both infinities": (spoiled([[np.inf], [-np.inf]], at=(slice(0, 2), slice(0, 1))), "inf"),
    "float32 NaN": (spoiled(np.nan, np.float32), "NaN|nan|finite"),
    "float16 infinity": (spoiled(np.inf, np.float16), "inf"),
    "complex": (GOOD + 0j, "complex"),
    "complex64": (GOOD.astype(np.complex64), "complex"),
    "strings": (GOOD.astype(str), "str|number|dtype"),
    "string objects": (np.full((12, 3), "a", dtype=object), "number|str|float"),
    "bytes": (GOOD.astype("S"), "number|dtype|bytes"),
    "dates": (np.zeros((12, 3), dtype="datetime64[s]"), "datetime|number|dtype"),
    "time spans": (np.zeros((12, 3), dtype="timedelta64[s]"), "timedelta|number|dtype"),
    "records": (np.zeros((12, 3), dtype=[("a", float)]), "number|dtype"),
    "sparse matrix": (sparse.csr_matrix(GOOD), "sparse|dense"),
    "sparse array": (sparse.coo_array(GOOD), "sparse|dense"),
    "no dimension": (np.float64(3.0), "dimension|2|two"),
    "one dimension": (GOOD[:, 0], "dimension|2|two|1-d|1D"),
    "three dimensions": (GOOD[:, :, None], "dimension|2|two|3"),
    "no rows": (GOOD[:0], "row|0|empty"),
    "no columns": (GOOD[:, :0], "column|feature|0"),
    "None": (None, ""),
    "a number": (3.0, ""),
    "a string": ("rows", ""),
    "a dictionary": ({"a": 1}, ""),
    "a generator": ((row for row in GOOD), ""),
    "ragged rows": ([[1.0, 2.0], [3.0]], ""),
    "an empty list": ([], ""),
    "a frame of words": (pd.DataFrame({"a": ["x", "y"] * 6, "b": 1.0, "c": 2.0}), ""),
    "a frame with a gap": (pd.DataFrame(GOOD).mask(GOOD > 1.0), "NaN|nan|finite"),
    "a masked array": (np.ma.masked_greater(GOOD, 1.0), "mask"),
}


def test_sparse_arrays_of_every_library_are_refused_in_the_same_words():
    found = {"toarray": [sparse.csr_matrix(GOOD), sparse.coo_array(GOOD)], "todense": []}
    if find_spec("cupy"):
        import cupy
        from cupyx.scipy.sparse import csr_matrix

        host = sparse.csr_matrix(GOOD)
        parts = tuple(cupy.asarray(part) for part in (host.data, host.indices, host.indptr))
        found["toarray"].append(csr_matrix(parts, shape=host.shape))
    if find_spec("jax"):
        import jax.experimental.sparse as jax_sparse

        found["todense"].append(jax_sparse.BCOO.fromdense(GOOD))
    for remedy, matrices in found.items():
        for X in matrices:
            said = rf"X must be dense, got the sparse {type(X).__name__}\. Pass X\.{remedy}\(\)"
            for call in (lambda X: kmeans(X, 2), lambda X: KMeans(2).fit(X)):
                with pytest.raises(TypeError, match=said):
                    call(X)
            with pytest.raises(TypeError, match="init must be dense"):
                kmeans(GOOD, 2, init=X)


def test_the_spoiled_frame_has_a_gap():
    assert pd.DataFrame(GOOD).mask(GOOD > 1.0).isna().any(axis=None)


# Here the models were fitted on an array, and scikit-learn remarks on a frame's names.
@pytest.mark.filterwarnings("ignore:X has feature names:UserWarning")
@pytest.mark.parametrize("caller", OF_ROWS)
@pytest.mark.parametrize("trouble", BAD_ROWS)
def test_bad_rows(trouble, caller):
    X, about = BAD_ROWS[trouble]
    before = X.copy() if isinstance(X, np.ndarray) else None
    refuses(lambda: OF_ROWS[caller](X), "X", about)
    if before is not None:
        assert X.tobytes() == before.tobytes()


@pytest.mark.parametrize("caller", OF_A_GLANCE)
@pytest.mark.parametrize("trouble", [t for t in BAD_ROWS if not re.search("NaN|infin|gap", t)])
def test_bad_arrays_at_a_glance(trouble, caller):
    X, about = BAD_ROWS[trouble]
    refuses(lambda: OF_A_GLANCE[caller](X), "X", about)


@pytest.mark.parametrize("caller", AGAINST_CENTERS)
@pytest.mark.parametrize("width", [1, 2, 4])
def test_rows_of_another_width_than_the_centres(caller, width):
    X = np.ones((12, width))
    refuses(lambda: OF_ROWS[caller](X), "(X|centers|init)", str(width))


BAD_WEIGHTS = {
    "negative": (np.r_[np.ones(11), -1.0], "negative|-1"),
    "NaN": (np.r_[np.ones(11), np.nan], "nan|finite"),
    "infinite": (np.r_[np.ones(11), np.inf], "inf"),
    "all zero": (np.zeros(12), "zero|positive"),
    "integer zeros": (np.zeros(12, dtype=int), "zero|positive"),
    "too few": (np.ones(11), "11"),
    "too many": (np.ones(13), "13"),
    "none at all": (np.ones(0), "0"),
    "a column": (np.ones((12, 1)), "dimension|shape|1"),
    "a table": (np.ones((12, 3)), "dimension|shape|1"),
    "strings": (np.full(12, "a"), ""),
    "complex": (np.ones(12) + 0j, "complex"),
    "a word": ("heavy", ""),
    "a negative number": (-1.0, "negative|-1"),
    "zero": (0, "zero|positive"),
    "not a number": (np.nan, "nan|finite"),
    "an infinite number": (np.float32("inf"), "inf"),
    "a complex number": (1j, "complex|shape"),
    "a sparse row": (sparse.csr_matrix(np.ones((1, 12))), "sparse|dense"),
}


@pytest.mark.parametrize("caller", OF_WEIGHTS)
@pytest.mark.parametrize("trouble", BAD_WEIGHTS)
def test_bad_weights(trouble, caller):
    w, about = BAD_WEIGHTS[trouble]
    X = GOOD.copy()
    refuses(lambda: OF_WEIGHTS[caller](X, w), "sample_weight", about)
    assert X.tobytes() == GOOD.tobytes()


BAD_CENTERS = {
    "NaN": (spoiled(np.nan, at=(1, 1))[:2], "nan|finite"),
    "infinite": (spoiled(np.inf, at=(1, 1))[:2], "inf"),
    "too wide": (np.ones((2, 4)), "4"),
    "too narrow": (np.ones((2, 2)), "2"),
    "one dimension": (np.ones(3), "dimension|2|two|shape"),
    "three dimensions": (np.ones((2, 3, 1)), "dimension|2|two|3"),
    "none": (np.ones((0, 3)), "0|empty|one"),
    "complex": (np.ones((2, 3)) + 0j, "complex"),
    "strings": (np.full((2, 3), "a"), ""),
    "sparse": (sparse.csr_matrix(np.ones((2, 3))), "sparse|dense"),
    "nothing": (None, ""),
    "a number": (3, ""),
}


@pytest.mark.parametrize("caller", OF_CENTERS)
@pytest.mark.parametrize("trouble", BAD_CENTERS)
def test_bad_centres(trouble, caller):
    centers, about = BAD_CENTERS[trouble]
    refuses(lambda: OF_CENTERS[caller](GOOD, centers), "centers", about)


BAD_STARTS = {
    **BAD_CENTERS,
    "too many": (np.ones((3, 3)), "3"),
    "too few": (np.ones((1, 3)), "1"),
}


@pytest.mark.parametrize("caller", OF_A_START)
@pytest.mark.parametrize("trouble", BAD_STARTS)
def test_bad_starts(trouble, caller):
    start, about = BAD_STARTS[trouble]
    refuses(lambda: OF_A_START[caller](GOOD, start), "init", about)


@pytest.mark.parametrize("caller", OF_MEANS)
@pytest.mark.parametrize("trouble", [name for name in BAD_STARTS if name != "nothing"])
def test_bad_means(trouble, caller):
    means, about = BAD_STARTS[trouble]
    refuses(lambda: OF_MEANS[caller](GOOD, means), "means_init", about)


BAD_CALLABLES = {
    "too many": lambda X, k, rng: X[: k + 1],
    "too narrow": lambda X, k, rng: X[:k, :2],
    "one dimension": lambda X, k, rng: X[0],
    "NaN": lambda X, k, rng: X[:k] * np.nan,
    "nothing": lambda X, k, rng: None,
    "a word": lambda X, k, rng: "start",
    "complex": lambda X, k, rng: X[:k] + 0j,
    "a pair": lambda X, k, rng: (X[:k], np.arange(k)),
}


@pytest.mark.parametrize("caller", OF_A_CALLABLE)
@pytest.mark.parametrize("trouble", BAD_CALLABLES)
def test_callables_that_return_bad_starts(trouble, caller):
    refuses(lambda: OF_A_CALLABLE[caller](GOOD, BAD_CALLABLES[trouble]), "init")


BAD_LABELS = {
    "too few": (np.zeros(11, dtype=int), "11"),
    "too many": (np.zeros(13, dtype=int), "13"),
    "too large": (np.r_[np.zeros(11, dtype=int), 2], "2"),
    "negative": (np.r_[np.zeros(11, dtype=int), -1], "-1|negative"),
    "floats": (np.zeros(12), "integer|float"),
    "NaN": (np.full(12, np.nan), ""),
    "a column": (np.zeros((12, 1), dtype=int), "dimension|shape|1"),
    "strings": (np.full(12, "0"), ""),
    "bools": (np.zeros(12, dtype=bool), "integer|bool"),
}


@pytest.mark.parametrize("trouble", BAD_LABELS)
def test_bad_labels(trouble):
    labels, about = BAD_LABELS[trouble]
    refuses(lambda: inertia(GOOD, GOOD[:2], labels), "labels", about)
    for call in OF_LABELS.values():
        if trouble not in ("too large", "negative"):
            refuses(lambda call=call: call(GOOD, labels), "labels", about)


@pytest.mark.parametrize("estimator", ALGORITHMS.values())
def test_methods_that_need_a_fit(estimator):
    model = estimator(2)
    for method in {*LOOKING, "score", "get_feature_names_out"} & set(dir(model)):
        with pytest.raises(NotFittedError, match=estimator.__name__):
            getattr(model, method)(GOOD)


@pytest.mark.parametrize("estimator", ALGORITHMS.values())
def test_an_error_in_fit_leaves_nothing_half_fitted(estimator):
    model = estimator(2, random_state=0)
    with pytest.raises(ValueError, match=r"\bX\b"):
        model.fit(spoiled(np.nan))
    with pytest.raises(ValueError, match="sample_weight"):
        model.fit(GOOD, sample_weight=-np.ones(12))
    assert vars(model).keys() == model.get_params().keys()
    model.fit(GOOD)
    before = dict(vars(model))
    for bad in (spoiled(np.nan), np.ones((12, 5)) * np.nan, GOOD[:1], GOOD[:, 0]):
        with pytest.raises(ValueError, match=r"\bX\b|n_clusters|n_components"):
            model.fit(bad)
        assert vars(model).keys() == before.keys()
        assert all(vars(model)[name] is value for name, value in before.items())


def test_values_too_large_for_float32_are_refused_not_made_infinite():
    huge = np.full((4, 2), 1e300)
    refuses(lambda: assign(GOOD[:, :2].astype(np.float32), huge), "centers")
    refuses(lambda: kmeans(GOOD[:, :2].astype(np.float32), 4, init=huge), "init")
