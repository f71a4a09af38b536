"""A whole iteration in one call: labels of a full search, means of their rows, true limits."""

import numpy as np
import pytest

from kmeans_xp import kmeans
from kmeans_xp.arrays.precision import quiet
from kmeans_xp.kernels.numba.low_d.iteration import LowDIteration
from kmeans_xp.kernels.shared.cluster_totals import ClusterTotals, move
from kmeans_xp.kernels.shared.prepared_centers import prepare
from tests.data import blobs, cloud, some_rows

pytest.importorskip("numba")

from kmeans_xp.rows.numpy import NumpyRows
from tests.kernels.test_fast_lanes import PROBLEMS as HARD
from tests.kernels.test_fast_lanes import _squares

_BLOBS = blobs(3000, 2, 60, spread=2.0)[0]
PROBLEMS = HARD | {
    "many clusters": (cloud(4000, 3), some_rows(cloud(4000, 3), 150)),
    "many clusters of many features": (cloud(2000, 12), some_rows(cloud(2000, 12), 90)),
    "clusters far from each other": (_BLOBS, some_rows(_BLOBS, 60)),
    "neighbours with other labels": (np.tile(cloud(40, 2), (99, 1)), cloud(40, 2)[:9]),
}
each_problem = pytest.mark.parametrize("name", PROBLEMS)
each_dtype = pytest.mark.parametrize("dtype", [np.float32, np.float64])


def _stepper(X: np.ndarray, k: int, weights: np.ndarray | None = None, threads: int = 2):
    team = NumpyRows(X, threads=threads).team
    return LowDIteration(X, weights, k, X[len(X) // 2], team)


@quiet()
def _check_memory(stepper: LowDIteration, X: np.ndarray, C: np.ndarray, radii: np.ndarray) -> None:
    """What is remembered is true; `radii` are those before the last step."""
    drift, neighbors, k = stepper._state.drift, stepper._state.neighbors, len(C)
    distances = np.sqrt(_squares(X, C, np.longdouble))
    labels, rows = stepper.row_labels, np.arange(len(X))
    own = distances[rows, labels]
    apart = np.sqrt(_squares(C, C, np.longdouble))
    assert (own <= drift.radii[labels]).all()
    # Of rows that were not looked at, those centres matter that are in reach of the others.
    within = 2 * (radii + drift.center_drift)
    matters = apart[labels] <= within[labels][:, None]
    matters[rows, labels] = False
    margin = np.where(matters, distances - own[:, None], np.inf).min(axis=1)
    assert (stepper._state.rows.bound_gaps - drift.drift_limits[labels] <= margin).all()
    assert (drift.limits.upper[1:] >= drift.drift_limits).all()
    assert (drift.limits.lower[1:] <= drift.drift_limits).all()
    # Who comes next, and how far away all are that come from there on.
    order, separations = neighbors.order[:k, :k], neighbors.separations[:k, :k]
    np.testing.assert_array_equal(order[:, 0], range(k))
    np.testing.assert_array_equal(np.sort(order, axis=1), [list(range(k))] * k)
    true = np.take_along_axis(apart, order, axis=1)
    behind = np.minimum.accumulate(true[:, ::-1], axis=1)[:, ::-1]
    assert (separations[:, 1:] - neighbors.drift[:k, None] <= behind[:, 1:]).all()


@each_problem
@each_dtype
def test_labels_are_those_of_a_full_search_and_what_is_remembered_is_true(name, dtype):
    X, C = (a.astype(dtype) for a in PROBLEMS[name])
    stepper = _stepper(X, len(C))
    for _ in range(14):
        radii = stepper._state.drift.radii.copy()
        moved = stepper.step(C)
        wanted = _squares(X, C, np.float64).argmin(axis=1)
        np.testing.assert_array_equal(stepper.row_labels, wanted)
        _check_memory(stepper, X, C, radii)
        C = moved.centers


@pytest.mark.parametrize("d", [1, 2, 3])
def test_distances_that_are_not_measured_again_are_still_true(d):
    X = cloud(3000, d).astype(np.float32)
    C, stepper = some_rows(X, 40), _stepper(X, 40)
    way = np.random.default_rng(2).normal(size=C.shape).astype(np.float32)
    for number in range(20):
        C = C + np.float32(3e-3 if number < 12 else -3e-3) * way
        radii = stepper._state.drift.radii.copy()
        # What gaps are left from before would hide what a search finds now.
        stepper._state.rows.bound_gaps[:] = -np.inf
        stepper.step(C)
        wanted = _squares(X, C, np.float64).argmin(axis=1)
        np.testing.assert_array_equal(stepper.row_labels, wanted)
        _check_memory(stepper, X, C, radii)


def test_centres_that_jump_have_their_neighbours_in_order():
    X = cloud(3000, 2)
    C, stepper = some_rows(X, 200), _stepper(X, 200)
    for centers in (C, C, C[::-1].copy(), C[::-1].copy(), C**3, C):
        radii = stepper._state.drift.radii.copy()
        stepper.step(centers)
        wanted = _squares(X, centers, np.float64).argmin(axis=1)
        np.testing.assert_array_equal(stepper.row_labels, wanted)
        _check_memory(stepper, X, centers, radii)
        neighbors = stepper._state.neighbors
        assert (np.diff(neighbors.separations[:200, 1:200], axis=1) >= 0).all()
        assert len(np.unique(neighbors.order[0, 1:200])) == 199


@each_problem
@pytest.mark.parametrize("weighted", [False, True], ids=["plain", "weighted"])
def test_centres_move_as_they_do_everywhere(name, weighted):
    X, C = (a.astype(np.float64) for a in PROBLEMS[name])
    if np.abs(X).max() > 1e20:
        X, C = X / 1e17, C / 1e17
    weights = np.random.default_rng(1).uniform(0, 2, len(X)) if weighted else np.ones(len(X))
    if weighted:
        weights[:: len(X) // 7 + 1] = 0
    stepper = _stepper(X, len(C), weights if weighted else None)
    for _ in range(8):
        moved = stepper.step(C)
        prepared = prepare(C, X[len(X) // 2])
        own = np.eye(len(C))[stepper.row_labels] * weights[:, None]
        wanted = ClusterTotals(own.T @ (X - prepared.wide_origin), own.sum(axis=0))
        size = np.abs(X - prepared.wide_origin).max() * weights.sum()
        np.testing.assert_allclose(stepper.totals.weights, wanted.weights, rtol=1e-12, atol=1e-12)
        np.testing.assert_allclose(stepper.totals.sums, wanted.sums, atol=1e-14 * size)
        expected = move(prepared, stepper.totals)
        np.testing.assert_array_equal(moved.centers, expected.centers)
        np.testing.assert_allclose(
            [moved.gain, moved.shift, moved.empty],
            [expected.gain, expected.shift, expected.empty],
            rtol=1e-9,
            atol=1e-12 * size,
        )
        C = moved.centers


@pytest.mark.parametrize("weighted", [False, True])
def test_threads_that_share_pieces_change_no_bit(weighted):
    X = cloud(40_000, 3).astype(np.float32)
    weights = np.random.default_rng(1).uniform(0.5, 2, len(X)) if weighted else None
    ends = []
    for threads in (1, 2, 3):
        stepper, C = _stepper(X, 5, weights, threads), X[:5]
        for _ in range(12):
            C = stepper.step(C).centers
        ends.append((C.tobytes(), stepper.row_labels.tobytes(), stepper.totals.sums.tobytes()))
    assert ends[0] == ends[1] == ends[2]


def test_most_rows_are_left_alone_and_centres_far_away_hold_up_none():
    # One cluster of many moves on and on; the rows of the others need not be looked at.
    X = np.concatenate([_BLOBS, 1e3 + np.linspace(0, 50, 900)[:, None] ** [1, 1.2]])
    C = np.concatenate([_BLOBS[:30], X[-1:], X[-2:-1]])
    stepper, looked = _stepper(X, len(C)), []
    for _ in range(40):
        state = stepper._state
        settled = state.rows.bound_gaps > state.drift.limits.upper[1 + state.rows.labels]
        looked.append(len(X) - np.count_nonzero(settled[: len(_BLOBS)]))
        C = stepper.step(C).centers
    assert min(looked[20:]) < len(X) / 2


def test_a_step_from_the_same_centres_changes_nothing():
    X = cloud(3000, 2)
    stepper, C = _stepper(X, 6), X[:6]
    for _ in range(3):
        C = stepper.step(C).centers
    first, labels = stepper.step(C), stepper.row_labels.copy()
    again = stepper.step(C)
    np.testing.assert_array_equal(first.centers, again.centers)
    np.testing.assert_array_equal(labels, stepper.row_labels)


def test_the_memory_of_many_features_takes_no_place_for_pairs():
    assert _stepper(cloud(500, 9), 100)._state.drift.leads.size == 0
    assert _stepper(cloud(500, 8), 100)._state.drift.leads.shape == (100, 100)


@pytest.mark.parametrize("order", ["C", "F"])
def test_a_fit_asks_for_it_and_gives_lloyds_answer(order):
    X = np.asarray(cloud(5000, 4), dtype=np.float32, order=order)
    full = kmeans(X, 12, init=X[:12], tol=0, algorithm="lloyd")
    fit = kmeans(X, 12, init=X[:12], tol=0, algorithm="numba hamerly")
    assert fit.n_iter == full.n_iter > 5
    np.testing.assert_array_equal(fit.labels, full.labels)
    np.testing.assert_array_equal(fit.centers, full.centers)
    np.testing.assert_allclose(fit.history, full.history, rtol=1e-12)
