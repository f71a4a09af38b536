"""Options outside their range: the error names the argument and repeats the value."""

import re

import numpy as np
import pytest

from kmeans_xp import KMeans, inertia, kmeans, kmeans_plusplus
from tests.data import cloud

X = cloud(20, 2)
NOT_A_COUNT = [0, -1, 2.5, 3.0, True, "3", None, np.float64(2), [2], np.nan]

BAD = [
    *(("n_clusters", v) for v in [*NOT_A_COUNT, 21, np.int64(-3)]),
    *(("max_iter", v) for v in NOT_A_COUNT),
    *(("n_init", v) for v in [*(v for v in NOT_A_COUNT if v != "3"), "many", "Auto"]),
    *(("tol", v) for v in [-1e-9, -1, np.nan, np.inf, -np.inf, "small", None, True, [1e-4], 1j]),
    *(("init", v) for v in ["kmeans++", "kmeans", "", "K-MEANS++", None, [], {}]),
    *(("algorithm", v) for v in ["elkan2", "Lloyd", "", None, 3, True]),
    *(("empty_clusters", v) for v in ["error", "Farthest", "", None, 3, True]),
    *(("callback", v) for v in ["print", 3, [print]]),
]
SEEDS = ["seed", -1, 1.5, np.nan, (lambda: 3)]


def refuses(call, argument, value):
    with pytest.raises((ValueError, TypeError)) as caught:
        call()
    message = str(caught.value)
    assert re.search(rf"(?<!\w){argument}(?!\w)", message), message
    if isinstance(value, str | int | float | np.number):
        assert repr(value) in message or str(value) in message, message


def _id(case):
    return f"{case[0]}={case[1]!r}"


@pytest.mark.parametrize("case", BAD, ids=_id)
def test_kmeans_refuses(case):
    name, value = case
    options = {"n_clusters": 3, "rng": 0} | {name: value}
    refuses(lambda: kmeans(X, **options), name, value)


@pytest.mark.parametrize("case", BAD, ids=_id)
def test_the_estimator_refuses_at_fit_and_not_before(case):
    name, value = case
    options = {"n_clusters": 3, "random_state": 0} | {name: value}
    model = KMeans(**options)
    refuses(lambda: model.fit(X), name, value)
    assert not hasattr(model, "cluster_centers_")
    assert model.get_params()[name] is value


@pytest.mark.parametrize("seed", SEEDS, ids=repr)
def test_rng(seed):
    refuses(lambda: kmeans(X, 3, rng=seed), "rng", seed)
    refuses(lambda: kmeans_plusplus(X, 3, rng=seed), "rng", seed)


@pytest.mark.parametrize("seed", SEEDS, ids=repr)
def test_random_state(seed):
    refuses(lambda: KMeans(3, random_state=seed).fit(X), "random_state", seed)


def test_random_state_takes_what_scikit_learn_takes():
    a, b = (KMeans(3, random_state=np.random.RandomState(3)).fit(X) for _ in range(2))
    assert np.array_equal(a.cluster_centers_, b.cluster_centers_)
    KMeans(3, random_state=np.random.default_rng(3)).fit(X)
    KMeans(3, random_state=None).fit(X)


@pytest.mark.parametrize("verbose", ["loud", -1, 1.5, None])
def test_verbose(verbose):
    refuses(lambda: KMeans(3, verbose=verbose).fit(X), "verbose", verbose)


@pytest.mark.parametrize("value", [*(v for v in NOT_A_COUNT if v is not None), "many"])
def test_n_local_trials(value):
    refuses(lambda: kmeans_plusplus(X, 3, n_local_trials=value), "n_local_trials", value)


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
    torch = pytest.importorskip("torch")
    with pytest.raises(ValueError, match=r"algorithm.*numpy"):
        kmeans(torch.asarray(X), 3, algorithm="numpy")
