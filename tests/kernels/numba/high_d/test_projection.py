"""Rows that are seen once: projected where that excludes most centres, and not again where not."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from kmeans_xp.kernels.shared.prepared_centers import prepare
from tests.data import cloud
from tests.kernels.problems import SEEN_ONCE, nearest_to

pytest.importorskip("numba")

from kmeans_xp.kernels.numba.high_d.projection import labels_once

N, D, K = 2100, 192, 130


def test_few_directions_decide_most_rows() -> None:
    X = SEEN_ONCE["seen once"].X.astype(np.float32)
    labels, left = labels_once(X, prepare(X[5 : 5 + K]))
    assert len(left) < N / 8
    decided = np.setdiff1d(np.arange(N), left)
    assert_array_equal(labels[decided], nearest_to(X[decided], X[5 : 5 + K]))


def test_where_nothing_is_excluded_no_second_block_is_projected() -> None:
    X = cloud(N, D).astype(np.float32)
    prepared = prepare(X[:K])
    labels_once(X, prepared)
    labels, left = labels_once(X, prepared)
    assert_array_equal(left, np.arange(N))
    assert (labels == -1).all()


def test_few_rows_are_not_projected() -> None:
    X = SEEN_ONCE["seen once"].X[:100]
    assert len(labels_once(X, prepare(X))[1]) == 100
