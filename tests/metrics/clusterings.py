"""Rows with labels on which scores are hard to get right."""

import numpy as np

from tests.data import blobs, cloud

RNG = np.random.default_rng(3)
_BLOBS, _PLANTED = blobs(300, 3, 4)
_TWINS = np.repeat(cloud(30, 3), 10, axis=0)

# Rows in float64, and labels, of which any integers are allowed.
CLUSTERINGS = {
    "a cloud": (cloud(300, 3), RNG.integers(0, 5, 300)),
    "blobs": (_BLOBS, _PLANTED),
    "two clusters": (cloud(300, 3), np.arange(300) % 2),
    "gaps and negative labels": (cloud(300, 3), RNG.integers(0, 4, 300) * 1000 - 1500),
    "far apart labels": (cloud(300, 3), RNG.choice([-(2**40), 0, 2**40], 300)),
    "small integers": (cloud(300, 3), RNG.integers(-3, 3, 300).astype(np.int8)),
    "singletons": (cloud(300, 3), np.r_[np.arange(100), RNG.integers(100, 103, 200)]),
    "all but one alone": (cloud(60, 3), np.r_[0, np.arange(59)]),
    "twins": (_TWINS, RNG.integers(0, 3, 300)),
    "clusters of equal rows": (_TWINS, np.repeat(np.arange(30), 10)),
    "one feature": (cloud(300, 1), RNG.integers(0, 3, 300)),
    "many features": (cloud(280, 300), RNG.integers(0, 2, 280)),
    "tight pairs far apart": (
        1e-4 * cloud(400, 3) + np.repeat([[0.0], [3e-4], [1.0], [1.0003]], 100, axis=0),
        np.repeat(np.arange(4), 100),
    ),
    "an outlier": (np.concatenate([cloud(299, 3), [[1e6, 0, 0]]]), np.arange(300) % 2),
    "an uneven pair": (cloud(500, 3), np.r_[np.zeros(490, int), np.ones(10, int)]),
}
