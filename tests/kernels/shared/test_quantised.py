"""What bytes would exclude, tried on a few rows."""

from kmeans_xp.kernels.shared.quantised import candidate_share
from tests.data import cloud


def test_the_share_is_that_of_pairs_that_bounds_leave() -> None:
    X = cloud(224, 256)
    assert candidate_share(X, 60) < 0.05
    X[::2] += 1e4  # Beside which bytes do not see what is within a half.
    assert candidate_share(X, 60) > 0.4
