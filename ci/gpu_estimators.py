"""Fit every estimator on each library's arrays and on NumPy's, and end with 1 where they disagree.

Labels must agree where the same seed promises the same answer on every device, and it is said where
other numbers do not agree to the bit; mixtures may differ by rounding. Results must live where the
rows do, and a pickled model must predict on the host. The one argument is the data set.
"""

# ruff: noqa: D103, T201  (a script: it prints)
import pickle
import sys
import time
import traceback
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from benchmarks.datasets import load
from benchmarks.grid import Target, targets
from benchmarks.scaling import place
from kmeans_xp import BisectingKMeans, GaussianMixture, KMeans, MiniBatchKMeans, SoftKMeans
from kmeans_xp.arrays import device_of, to_host

# What numbers may differ by, relative to the largest; and of all labels, those of mixtures.
ROUNDING = {"float32": 1e-4, "float64": 1e-9}
OTHER_LABELS = 1e-3


@dataclass(frozen=True)
class Case:
    """An estimator, the attributes that are compared, and whether they are promised to the bit."""

    make: Callable[[], Any]
    names: tuple[str, ...] = ("cluster_centers_", "inertia_")
    same_bits: bool = True


def _mixture(kind: str) -> Case:
    make = partial(GaussianMixture, 6, covariance_type=kind, random_state=0)
    return Case(make, ("means_", "covariances_", "lower_bound_"), same_bits=False)


CASES = {
    "KMeans": Case(partial(KMeans, 12, random_state=0)),
    "KMeans, random starts": Case(partial(KMeans, 70, init="random", n_init=2, random_state=1)),
    "MiniBatchKMeans": Case(partial(MiniBatchKMeans, 12, random_state=0)),
    "BisectingKMeans": Case(partial(BisectingKMeans, 12, random_state=0)),
    "SoftKMeans": Case(
        partial(SoftKMeans, 6, random_state=0),
        ("cluster_centers_", "log_likelihood_"),
        same_bits=False,
    ),
    **{f"GaussianMixture, {k}": _mixture(k) for k in ("full", "tied", "diag", "spherical")},
}


def main() -> int:
    # Mixtures of a few iterations warn that they have not converged.
    warnings.simplefilter("ignore")
    others, failed = targets(("cupy", "torch")), 0
    for dtype in ROUNDING:
        X = load(sys.argv[1]).X.astype(dtype)
        for name, case in CASES.items():
            began = time.perf_counter()
            host = case.make().fit(X)
            print(f"{name}, {dtype}: NumPy in {time.perf_counter() - began:.2f} s", flush=True)
            for target in others:
                try:
                    said, wrong = _compare(case, host, X, target)
                except Exception:
                    said, wrong = "", [traceback.format_exc(limit=-2, chain=False)]
                print("\n    FAILED: ".join([f"  {target.name} {said}", *wrong]), flush=True)
                failed += bool(wrong)
    print(f"{failed} failed")
    return int(failed > 0)


def _compare(case: Case, host: Any, X: np.ndarray, target: Target) -> tuple[str, list[str]]:
    """What is found of a fit on a target beside the same on NumPy, and what is wrong with it."""
    there, began = place(X, target), time.perf_counter()
    model = case.make().fit(there)
    labels = model.predict(there)
    said = [f"in {time.perf_counter() - began:.2f} s"]
    wrong = []
    for name in case.names:
        found, expected = (_on_host(getattr(m, name)) for m in (model, host))
        difference = float(np.max(np.abs(found - expected)) / np.max(np.abs(expected)))
        if difference:
            broken = ", which is promised to the bit" if case.same_bits else ""
            said.append(f"{name} differs by {difference:.1e}{broken}")
        if not difference <= ROUNDING[str(X.dtype)]:
            wrong.append(said[-1])
    expected = host.predict(X)
    for what, found in _labels(model, labels, X).items():
        others = int(np.count_nonzero(found != expected))
        if others:
            said.append(f"{others} other labels {what}")
        if others > (0 if case.same_bits else OTHER_LABELS * len(X)):
            wrong.append(said[-1])
    wrong += [
        f"a result is {type(value)} on {device_of(value)}"
        for value in (labels, getattr(model, case.names[0]))
        if type(value) is not type(there) or device_of(value) != device_of(there)
    ]
    return ", ".join(said if said[1:] else [*said, "the same bits"]), wrong


def _on_host(value: Any) -> np.ndarray:
    return np.asarray(value) if isinstance(value, float) else to_host(value)


def _labels(model: Any, predicted: Any, X: np.ndarray) -> dict[str, np.ndarray]:
    """Labels of the same rows in every way of having them, on the host."""
    found = {"predicted": to_host(predicted)}
    if hasattr(model, "labels_"):
        found["of the fit"] = to_host(model.labels_)
    on_host = pickle.loads(pickle.dumps(model)).predict(X)
    if type(on_host) is not np.ndarray:
        raise TypeError(f"the pickled model predicts {type(on_host)} on the host")
    return found | {"of the pickled model on the host": on_host}


if __name__ == "__main__":
    sys.exit(main())
