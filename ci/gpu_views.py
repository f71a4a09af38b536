"""See PyTorch's and JAX's arrays as CuPy's, or NumPy's, and end with 1 where that is not right.

On the GPU where a library finds one, else on the processor. Rows must be seen where they are,
without a copy, functions of the user's must get arrays of the library, and results must be that
library's, on the device of X, with NumPy's labels; PyTorch also on a stream of the caller's.
"""

# ruff: noqa: D103, T201  (a script: it prints)
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.datasets import load
from kmeans_xp import GaussianMixture, KMeans, kmeans
from kmeans_xp.arrays import device_of, namespace_of, to_host
from kmeans_xp.arrays.views import view_beside


@dataclass(frozen=True)
class Place:
    """A library on a device, and the context in which it is used."""

    name: str
    put: Callable[[np.ndarray], Any]
    pointer: Callable[[Any], int]
    context: Callable[[], AbstractContextManager[Any]] = nullcontext


def main() -> int:
    X = load("blobs:20000x8@12").X
    failed = 0
    for place in places():
        for dtype in ("float32", "float64"):
            try:
                with place.context():
                    said, wrong = _looked_at(place, X.astype(dtype))
            except Exception:
                said, wrong = "", [traceback.format_exc(limit=-3, chain=False)]
            heading = f"{place.name}, {dtype}: {said}"
            print("\n  FAILED: ".join([heading, *wrong]), flush=True)
            failed += bool(wrong)
    print(f"{failed} failed")
    return int(failed > 0)


def places() -> Iterator[Place]:
    try:
        import torch
    except ImportError:
        print("PyTorch is not installed")
    else:
        device = "cuda" if torch.cuda.is_available() else "cpu"

        def put(host: np.ndarray) -> Any:
            return torch.asarray(host).to(device)

        yield Place(f"PyTorch on {device}", put, lambda a: a.data_ptr())
        if device == "cuda":
            stream = torch.cuda.Stream()
            yield Place(
                "PyTorch on a stream of the caller's",
                put,
                lambda a: a.data_ptr(),
                lambda: torch.cuda.stream(stream),
            )
    try:
        import jax
    except ImportError:
        print("JAX is not installed")
    else:
        jax.config.update("jax_enable_x64", True)
        name = f"JAX on {jax.devices()[0].platform}"
        yield Place(name, jax.numpy.asarray, lambda a: a.unsafe_buffer_pointer())


def _looked_at(place: Place, host: np.ndarray) -> tuple[str, list[str]]:
    """Return what ran, and what is wrong with it."""
    X, wrong, met = place.put(host), [], []
    view = view_beside(X)
    if view is None:
        return "no view", ["X is not seen as another library's array, so that this checks nothing"]
    with view.context():
        if _pointer(view.seen(X)) != place.pointer(X):
            wrong.append("the rows were copied")

    def start(rows: Any, k: int, _: object) -> Any:
        met.append(rows)
        return rows[:k]

    def watch(iteration: Any) -> None:
        met.append(iteration.centers)

    ours, theirs = kmeans(X, 12, init=start, callback=watch), kmeans(host, 12, init=host[:12])
    if met[0] is not X:
        wrong.append("init did not get X itself")
    model = KMeans(12, random_state=0).fit(X)
    mixture = GaussianMixture(6, random_state=0).fit(X)
    results = [ours.centers, ours.labels, ours.sizes, *met, model.predict(X), model.transform(X)]
    wrong += [
        f"an array is {type(array)} on {device_of(array)}"
        for array in [*results, mixture.predict_proba(X), kmeans(X, 12, rng=0).labels]
        if namespace_of(array) is not namespace_of(X) or device_of(array) != device_of(X)
    ]
    others = int(np.count_nonzero(to_host(ours.labels) != theirs.labels))
    others += int(np.count_nonzero(to_host(model.predict(X)) != to_host(model.labels_)))
    if others:
        wrong.append(f"{others} labels are others than NumPy's, or than the fit's")
    return f"kernel {ours.kernel}", wrong


def _pointer(array: Any) -> int:
    return int(array.ctypes.data if isinstance(array, np.ndarray) else array.data.ptr)


if __name__ == "__main__":
    sys.exit(main())
