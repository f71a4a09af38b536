"""Options outside their range: the error names the argument and repeats the value."""

import inspect
import re

import numpy as np
import pytest

from kmeans_xp import KMeans, explain, inertia, kmeans, kmeans_plusplus
from tests.callers import ALGORITHMS, UNWEIGHTED
from tests.data import cloud

X = cloud(20, 2)
FAMILY = ALGORITHMS | UNWEIGHTED
NOT_A_COUNT = [0, -1, 2.5, 3.0, True, "3", None, np.float64(2), [2], np.nan]
NOT_A_MEASURE = [-1e-9, -1, np.nan, np.inf, -np.inf, "small", None, True, [1e-4], 1j]
FLAGS = ("mixing", "copy_x", "compute_labels")
# Values that are out of range for all others.
TAKEN = {("GaussianMixture", "max_iter", "0"), ("gaussian_mixture", "max_iter", "0")}

BAD = [
    *(("n_clusters", v) for v in [*NOT_A_COUNT, 21, np.int64(-3)]),
    *(("n_components", v) for v in [*NOT_A_COUNT, 21, np.int64(-3)]),
    *(("max_iter", v) for v in NOT_A_COUNT),
    *(("n_init", v) for v in [*(v for v in NOT_A_COUNT if v != "3"), "many", "Auto"]),
    *(("batch_size", v) for v in NOT_A_COUNT),
    *(("init_size", v) for v in NOT_A_COUNT if v is not None),
    *(("max_no_improvement", v) for v in [-1, 2.5, True, "3", [2], np.nan]),
    *(("tol", v) for v in NOT_A_MEASURE),
    *(("reg_covar", v) for v in NOT_A_MEASURE),
    *(("reassignment_ratio", v) for v in [*NOT_A_MEASURE, 1.5]),
    *(("stiffness", v) for v in [*(v for v in NOT_A_MEASURE if v is not None), 0.0]),
    *((flag, v) for flag in FLAGS for v in ["yes", 1, None]),
    *(("covariance_type", v) for v in ["round", "Full", "", None, 3]),
    *(("bisecting_strategy", v) for v in ["smallest", "", None, 3]),
    *(("init_params", v) for v in ["k-means", "", None, X[:3]]),
    *(("init", v) for v in ["kmeans++", "kmeans", "", "K-MEANS++", None, [], {}]),
    *(("algorithm", v) for v in ["elkan2", "Lloyd", "", None, 3, True]),
    *(("empty_clusters", v) for v in ["error", "Farthest", "", None, 3, True]),
    *(("callback", v) for v in ["print", 3, [print]]),
]
# No lambda: its repr has an address, and parallel workers would not agree on the test's name.
SEEDS = ["seed", -1, 1.5, np.nan, len]


def refuses(call, argument, value):
    with pytest.raises((ValueError, TypeError)) as caught:
        call()
    message = str(caught.value)
    assert re.search(rf"(?<!\w){argument}(?!\w)", message), message
    if isinstance(value, str | int | float | np.number):
        assert repr(value) in message or str(value) in message, message


def _cases(calls):
    """Each bad value of each option that a function or estimator has."""
    return [
        pytest.param(call, name, value, id=f"{call.__name__}-{name}={value!r}")
        for call in calls
        for name, value in BAD
        if name in inspect.signature(call).parameters
        and (call.__name__, name, str(value)) not in TAKEN
    ]


@pytest.mark.parametrize(("function", "name", "value"), _cases(FAMILY))
def test_a_function_refuses(function, name, value):
    options = {_many(function): 3, "rng": 0} | {name: value}
    refuses(lambda: function(X, **options), name, value)


@pytest.mark.parametrize(("estimator", "name", "value"), _cases(FAMILY.values()))
def test_an_estimator_refuses_at_fit_and_not_before(estimator, name, value):
    options = {_many(estimator): 3, "random_state": 0} | {name: value}
    model = estimator(**options)
    refuses(lambda: model.fit(X), name, value)
    assert vars(model).keys() == model.get_params().keys()
    assert model.get_params()[name] is value


def _many(call):
    """The option that says how many clusters."""
    return next(name for name in inspect.signature(call).parameters if name.startswith("n_"))


@pytest.mark.parametrize("seed", SEEDS, ids=repr)
@pytest.mark.parametrize("function", [*FAMILY, kmeans_plusplus])
def test_rng(function, seed):
    refuses(lambda: function(X, 3, rng=seed), "rng", seed)


@pytest.mark.parametrize("seed", SEEDS, ids=repr)
@pytest.mark.parametrize("estimator", FAMILY.values())
def test_random_state(estimator, seed):
    refuses(lambda: estimator(3, random_state=seed).fit(X), "random_state", seed)


@pytest.mark.parametrize("estimator", ALGORITHMS.values())
def test_random_state_takes_what_scikit_learn_takes(estimator):
    a, b = (estimator(3, random_state=np.random.RandomState(3)).fit(X) for _ in range(2))
    assert np.array_equal(a.predict(X), b.predict(X))
    estimator(3, random_state=np.random.default_rng(3)).fit(X)
    estimator(3, random_state=None).fit(X)


@pytest.mark.parametrize("verbose", ["loud", -1, 1.5, None])
@pytest.mark.parametrize("estimator", FAMILY.values())
def test_verbose(estimator, verbose):
    refuses(lambda: estimator(3, verbose=verbose).fit(X), "verbose", verbose)


@pytest.mark.parametrize("value", [*(v for v in NOT_A_COUNT if v is not None), "many"])
def test_n_local_trials(value):
    refuses(lambda: kmeans_plusplus(X, 3, n_local_trials=value), "n_local_trials", value)


@pytest.mark.parametrize(("name", "value"), [c for c in BAD if c[0] in {"n_clusters", "algorithm"}])
def test_explain(name, value):
    refuses(lambda: explain(X, **{"n_clusters": 3, name: value}), name, value)


@pytest.mark.parametrize("value", [*NOT_A_COUNT, 21])
def test_n_clusters_of_seeding(value):
    refuses(lambda: kmeans_plusplus(X, value, rng=0), "n_clusters", value)


def test_too_many_clusters_names_both_numbers():
    for init in ("k-means++", "k-means||", "random", np.ones((21, 2))):
        with pytest.raises(ValueError, match=r"n_clusters.*21") as caught:
            kmeans(X, 21, init=init)
        assert "20" in str(caught.value)


def test_unknown_names_are_answered_with_the_known_ones():
    for name, known in [
        ("init", ["k-means++", "k-means||", "random"]),
        ("algorithm", ["auto", "lloyd", "portable"]),
        ("empty_clusters", ["farthest", "random"]),
        ("n_init", ["auto"]),
    ]:
        with pytest.raises(ValueError, match=name) as caught:
            kmeans(X, 3, **{name: "nonsense"})
        for word in known:
            assert word in str(caught.value)


def test_options_are_keywords():
    with pytest.raises(TypeError):
        kmeans(X, 3, "random")
    with pytest.raises(TypeError):
        kmeans_plusplus(X, 3, 2)
    with pytest.raises(TypeError):
        inertia(X, X[:2], None, np.ones(20))
    with pytest.raises(TypeError):
        KMeans(3, "random")


def test_a_kernel_that_cannot_run_here_is_refused_not_replaced():
    strict = pytest.importorskip("array_api_strict")
    with pytest.raises(ValueError, match=r"algorithm.*numpy"):
        kmeans(strict.asarray(X), 3, algorithm="numpy")
