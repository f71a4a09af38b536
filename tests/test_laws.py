"""The laws of the design, as properties of any small problem, on NumPy."""

import dask.array as da
import numpy as np
import pytest
from hypothesis import Phase, assume, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from kmeans_xp import KMeans, assign, inertia, kmeans
from tests import reference
from tests.strategies import partitions, problems

# Grids hold fewer distinct rows than clusters at times; test_degenerate.py asks for the warning.
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def run(p, X=None, **options):
    X = p.X if X is None else X
    options = {"init": p.start, "sample_weight": p.weights} | options
    return kmeans(X, p.k, **options)


def assert_same(result, expected, rtol=1e-9):
    """Labels alike, centres and inertia alike to rounding."""
    assert_array_equal(result.labels, expected.labels)
    scale = np.max(np.abs(expected.centers))
    assert_allclose(result.centers, expected.centers, rtol=rtol, atol=rtol * scale)
    assert_allclose(result.inertia, expected.inertia, rtol=rtol, atol=rtol * scale**2)


@given(problems())
@settings(max_examples=150)
def test_it_is_lloyds_algorithm(p):
    expected = p.solve()
    assume(expected.robust)
    result = run(p)
    assert_same(result, expected)
    assert result.n_iter == expected.n_iter
    assert result.converged == expected.converged
    assert_allclose(result.history, expected.history, rtol=1e-9, atol=1e-12)


@given(problems(), st.data())
# Without the phase that shrinks a failure: through Dask that takes minutes.
@settings(max_examples=25, phases=[Phase.generate])
def test_any_partition_into_blocks_gives_the_same_totals(p, data):
    rows = data.draw(partitions(len(p.X)))
    columns = data.draw(partitions(p.X.shape[1]))
    X = da.from_array(p.X, chunks=(rows, columns))
    w = None if p.weights is None else da.from_array(p.weights, chunks=(rows,))
    chunked = run(p, X, sample_weight=w)
    expected = run(p)
    assert_array_equal(chunked.labels.compute(), expected.labels)
    assert_array_equal(chunked.centers.compute(), expected.centers)
    assert (chunked.inertia, chunked.n_iter) == (expected.inertia, expected.n_iter)


@given(problems(weights=("whole",)))
@settings(max_examples=100)
def test_an_integer_weight_is_a_repetition(p):
    assume(p.solve().robust)
    times = p.weights.astype(int)
    repeated = run(p, np.repeat(p.X, times, axis=0), sample_weight=None)
    weighted = run(p)
    assert_allclose(weighted.centers, repeated.centers, rtol=1e-9, atol=1e-12)
    assert_array_equal(np.repeat(weighted.labels, times), repeated.labels)
    assert_allclose(weighted.inertia, repeated.inertia, rtol=1e-9, atol=1e-12)
    assert weighted.n_iter == repeated.n_iter
    assert weighted.converged == repeated.converged


@given(problems(), st.randoms(use_true_random=False))
@settings(max_examples=60)
def test_permuting_rows_permutes_labels(p, random):
    assume(p.solve().robust)
    order = np.array(random.sample(range(len(p.X)), len(p.X)))
    w = None if p.weights is None else p.weights[order]
    straight, shuffled = run(p), run(p, p.X[order], sample_weight=w)
    assert_array_equal(shuffled.labels, np.asarray(straight.labels)[order])
    assert_allclose(shuffled.centers, straight.centers, rtol=1e-9, atol=1e-12)
    assert_allclose(shuffled.inertia, straight.inertia, rtol=1e-9, atol=1e-12)


@given(problems(), st.permutations(range(6)))
@settings(max_examples=60)
def test_permuting_the_start_renames_the_clusters(p, order):
    assume(p.solve().robust)
    order = np.array([j for j in order if j < p.k])
    straight, renamed = run(p), run(p, init=p.start[order])
    assert_array_equal(order[renamed.labels], straight.labels)
    assert_allclose(renamed.centers, straight.centers[order], rtol=1e-9, atol=1e-12)


@given(problems(), st.integers(-20, 20))
@settings(max_examples=60)
def test_scaling_by_a_power_of_two_scales_the_answer_exactly(p, exponent):
    factor = 2.0**exponent
    plain, scaled = run(p), run(p, p.X * factor, init=p.start * factor)
    assert_array_equal(scaled.labels, plain.labels)
    assert_array_equal(scaled.centers, plain.centers * factor)
    assert scaled.inertia == plain.inertia * factor**2
    assert scaled.n_iter == plain.n_iter


@given(problems(), st.integers(-(2**12), 2**12))
@settings(max_examples=60)
def test_translation_commutes(p, offset):
    X, start = np.round(p.X * 2**20) / 2**20, np.round(p.start * 2**20) / 2**20
    plain = reference.lloyd(X, start, p.weights)
    assume(plain.robust and plain.gap > 1e-6)
    moved = kmeans(X + offset, p.k, init=start + offset, sample_weight=p.weights)
    assert_array_equal(moved.labels, plain.labels)
    assert_allclose(moved.centers - offset, plain.centers, rtol=0, atol=1e-9)
    assert_allclose(moved.inertia, plain.inertia, rtol=1e-9, atol=1e-9)
    assert moved.n_iter == plain.n_iter


@given(problems(), st.sampled_from(["farthest", "random"]), st.booleans())
@settings(max_examples=150)
def test_the_inertia_never_rises(p, empty_clusters, shared):
    start = p.start.copy()
    if shared:  # all centres in one place: every cluster but one begins empty
        start[:] = start[0]
    result = run(p, init=start, empty_clusters=empty_clusters, rng=0, tol=0.0)
    costs = np.array([*result.history, result.inertia])
    slack = 1e-12 * max(costs[0], np.sum(p.X**2))
    assert np.all(np.diff(costs) <= slack)
    assert len(result.history) == result.n_iter


@given(problems(), st.sampled_from([1, 2, 300]))
@settings(max_examples=100)
def test_labels_centres_and_inertia_belong_together(p, max_iter):
    result = run(p, max_iter=max_iter)
    again, d2 = assign(p.X, result.centers)
    assert_array_equal(again, result.labels)
    scale = np.sum(p.X**2)
    cost = reference.cost(p.X, result.centers, result.labels, p.weights)
    assert_allclose(result.inertia, cost, rtol=1e-12, atol=1e-14 * scale)
    named = inertia(p.X, result.centers, result.labels, sample_weight=p.weights)
    assert_allclose(named, result.inertia, rtol=1e-14)
    found = inertia(p.X, result.centers, sample_weight=p.weights)
    assert_allclose(found, result.inertia, rtol=1e-14)
    w = 1.0 if p.weights is None else p.weights
    assert_allclose(np.sum(w * d2), result.inertia, rtol=1e-9, atol=1e-12 * scale)
    assert reference.regret(p.X, result.centers, result.labels) <= 1e-13 * scale


@given(problems())
@settings(max_examples=60)
def test_predict_gives_the_labels_of_fit(p):
    model = KMeans(p.k, init=p.start).fit(p.X, sample_weight=p.weights)
    assert_array_equal(model.predict(p.X), model.labels_)
    assert_array_equal(model.predict(p.X[::-1]), model.labels_[::-1])
    one_by_one = [model.predict(row[None])[0] for row in p.X[:10]]
    assert_array_equal(one_by_one, model.labels_[:10])


@given(problems(weights=("real",)))
@settings(max_examples=40)
def test_a_row_without_weight_moves_nothing(p):
    w = p.weights * (np.arange(len(p.X)) % 3 > 0)
    assume(np.count_nonzero(w) >= p.k)
    kept = w > 0
    expected = reference.lloyd(p.X[kept], p.start, w[kept])
    assume(expected.robust)
    result = run(p, sample_weight=w)
    assert_allclose(result.centers, expected.centers, rtol=1e-9, atol=1e-12)
    assert_allclose(result.inertia, expected.inertia, rtol=1e-9, atol=1e-12)
    assert_array_equal(result.labels[kept], expected.labels)


@given(problems(weights=("real",)), st.sampled_from([2.0**-300, 2.0**-20, 2.0**20, 2.0**200]))
@settings(max_examples=40)
def test_only_the_ratios_of_the_weights_move_the_centres(p, factor):
    plain, scaled = run(p), run(p, sample_weight=p.weights * factor)
    assert_array_equal(scaled.labels, plain.labels)
    assert_allclose(scaled.centers, plain.centers, rtol=1e-12, atol=1e-14)
    assert_allclose(scaled.inertia, plain.inertia * factor, rtol=1e-12)


@given(problems(kinds=("cloud",)))
@settings(max_examples=40)
def test_a_converged_centre_is_the_mean_of_its_rows(p):
    result = run(p, tol=0.0)
    w = np.ones(len(p.X)) if p.weights is None else p.weights
    for j in range(p.k):
        own = (np.asarray(result.labels) == j) & (w > 0)
        if result.converged and np.any(own):
            mean = np.average(p.X[own], axis=0, weights=w[own])
            assert_allclose(result.centers[j], mean, rtol=1e-9, atol=1e-12)
