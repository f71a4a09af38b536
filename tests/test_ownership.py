"""What the user is given is theirs: whatever they write to it changes no fit and no model."""

import contextlib
import itertools
from dataclasses import fields

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from kmeans_xp import GaussianMixture, gaussian_mixture, kmeans, kmedoids, soft_kmeans
from tests.callers import ALGORITHMS, LOOKING, OF_A_CALLABLE, OF_A_START, OF_MEANS
from tests.data import cloud

X = cloud(120, 3, seed=2)
each_algorithm = pytest.mark.parametrize("fit", ALGORITHMS, ids=lambda f: f.__name__)


def spoil(array):
    """Overwrite an array, where its library allows it."""
    with contextlib.suppress(TypeError):
        array[...] = 1e6


def shown_by(iteration):
    """The array that a callback is shown."""
    (array,) = [v for v in vars(iteration).values() if hasattr(v, "shape")]
    return array


def arrays_of(value):
    """All NumPy arrays in a result or a model, however deep."""
    if isinstance(value, np.ndarray):
        return [value]
    held = value if isinstance(value, dict) else getattr(value, "__dict__", {})
    return list(itertools.chain.from_iterable(map(arrays_of, held.values())))


def assert_same(backend, ours, theirs):
    for field in fields(ours):
        value, expected = getattr(ours, field.name), getattr(theirs, field.name)
        for a, b in zip(arrays_of(value), arrays_of(expected), strict=True):
            assert_array_equal(a, b)
        if hasattr(value, "shape"):
            value, expected = backend.to_numpy(value), backend.to_numpy(expected)
            assert_array_equal(value, expected, err_msg=field.name)


@each_algorithm
def test_a_callback_gets_copies(backend, fit):
    seen = []

    def write(iteration):
        shown = shown_by(iteration)
        spoil(shown)
        seen.append(shown)

    given = backend.asarray(X, "float32")
    ours, theirs = (fit(given, 3, rng=0, callback=call) for call in (write, None))
    assert seen
    assert_same(backend, ours, theirs)


@each_algorithm
@pytest.mark.parametrize("algorithm", ["auto", "portable"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_callback_gets_copies_whatever_runs(fit, algorithm, dtype):
    options = {"rng": 0} if "mixture" in fit.__name__ or "soft" in fit.__name__ else {
        "rng": 0, "algorithm": algorithm}  # fmt: skip
    rows = np.asarray(X, dtype)

    def write(iteration):
        spoil(shown_by(iteration))

    ours, theirs = (fit(rows, 3, callback=call, **options) for call in (write, None))
    for a, b in zip(arrays_of(ours), arrays_of(theirs), strict=True):
        assert_array_equal(a, b)


@each_algorithm
def test_results_share_memory_with_nothing(fit):
    result = fit(X, 3, rng=0)
    for a, b in itertools.combinations([X, *arrays_of(result)], 2):
        assert not np.shares_memory(a, b)


@pytest.mark.parametrize("estimator", ALGORITHMS.values())
def test_fitted_attributes_share_memory_with_nothing(estimator):
    model = estimator(3, random_state=0).fit(X)
    names = [name for name in LOOKING if name in dir(model)]
    said = {name: getattr(model, name)(X) for name in names}
    for a, b in itertools.combinations([X, *arrays_of(vars(model)), *arrays_of(said)], 2):
        assert not np.shares_memory(a, b)
    again = {name: getattr(model, name)(X) for name in names}
    for a, b in zip(arrays_of(said), arrays_of(again), strict=True):
        assert_array_equal(a, b)
        assert not np.shares_memory(a, b)


STARTS = {**OF_A_START, **OF_MEANS}


@pytest.mark.parametrize("call", STARTS.values(), ids=STARTS)
def test_a_start_stays_the_users(call):
    start = X[:2].copy()
    result = call(X, start)
    assert_array_equal(start, X[:2])
    # A parameter of an estimator is what the user passed.
    found = {n: v for n, v in vars(result).items() if n not in ("init", "means_init")}
    for array in arrays_of(found):
        assert not np.shares_memory(array, start)


@pytest.mark.parametrize("call", OF_A_CALLABLE.values(), ids=OF_A_CALLABLE)
def test_what_a_callable_returns_and_keeps_stays_its_own(call):
    kept = []

    def init(rows, k, rng):
        kept.append(rows[:k].copy())
        return kept[-1]

    result = call(X, init)
    for array, start in itertools.product(arrays_of(vars(result)), kept):
        assert not np.shares_memory(array, start)


def by_a_callable(fit, options, *, writing):
    """A fit from a callable, which keeps what it returns and if `writing` spoils it later."""
    kept = []

    def init(rows, k, rng):
        kept.append(rows[:k].copy())
        if writing and rows is not X:
            rows[...] = 1e6
        return kept[-1]

    def write(iteration):
        if writing:
            for start in kept:
                start[...] = 1e6

    return fit(X, 3, init=init, callback=write, rng=0, **options)


@pytest.mark.parametrize("fit", [f for f in ALGORITHMS if f not in (gaussian_mixture, kmedoids)])
def test_a_callable_cannot_change_a_fit_later(fit):
    for options in ({}, {"n_init": 2}):
        ours, theirs = (by_a_callable(fit, options, writing=writing) for writing in (True, False))
        for a, b in zip(arrays_of(ours), arrays_of(theirs), strict=True):
            assert_array_equal(a, b)


@pytest.mark.parametrize("fit", [kmeans, soft_kmeans])
def test_an_array_that_a_fit_starts_from_may_be_written_meanwhile(fit):
    start = X[:3].copy()
    ours = fit(X, 3, init=start, callback=lambda _: spoil(start))
    theirs = fit(X, 3, init=X[:3])
    for a, b in zip(arrays_of(ours), arrays_of(theirs), strict=True):
        assert_array_equal(a, b)


def test_parameters_that_a_mixture_starts_from_may_be_written_meanwhile():
    parts = {
        "means_init": X[:3].copy(),
        "weights_init": np.full(3, 1 / 3),
        "precisions_init": np.tile(np.eye(3), (3, 1, 1)),
    }
    for names in (["means_init"], ["means_init", "weights_init"], parts):
        given = {name: parts[name].copy() for name in names}
        plain = gaussian_mixture(X, 3, n_init=2, **given)

        def write(_, given=given):
            for array in given.values():
                spoil(array)

        ours = gaussian_mixture(X, 3, n_init=2, **given, callback=write)
        for a, b in zip(arrays_of(ours), arrays_of(plain), strict=True):
            assert_array_equal(a, b)


def test_a_warm_start_leaves_what_it_goes_on_from():
    model = GaussianMixture(3, warm_start=True, random_state=0).fit(X)
    before = {name: value for name, value in vars(model).items() if isinstance(value, np.ndarray)}
    copies = {name: value.copy() for name, value in before.items()}
    model.fit(X[::-1])
    for name, value in before.items():
        assert_array_equal(value, copies[name])
        assert not np.shares_memory(value, getattr(model, name))
