"""X on a device that is not the current one: there is where results are, and all that is computed.

CuPy allocates on the current device, whatever device its arguments are on. Its stand-in has two.
"""

from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest

from kmeans_xp import (
    calinski_harabasz_score,
    davies_bouldin_score,
    silhouette_samples,
    silhouette_score,
)
from tests.callers import AGAINST_CENTERS, GOOD, OF_CENTERS, OF_ROWS, OF_WEIGHTS

SCORES = (
    silhouette_samples,
    silhouette_score,
    calinski_harabasz_score,
    davies_bouldin_score,
)
# Those that take centres or labels beside X are below.
CALLS = {
    name: call
    for name, call in OF_ROWS.items()
    if (name not in AGAINST_CENTERS or "." in name)
    and not name.startswith(tuple(score.__name__ for score in SCORES))
}


def _arrays(found: Any) -> list[Any]:
    import cupy

    parts = vars(found).values() if hasattr(found, "__dict__") else found
    parts = parts if isinstance(parts, tuple | list | type({}.values())) else [parts]
    return [part for part in parts if isinstance(part, cupy.ndarray)]


@pytest.fixture
def second(stand_in: ModuleType) -> Callable[[Any], Any]:
    """Return a function that copies an array to the second device."""
    import cupy

    def copy(host: Any) -> Any:
        with cupy.cuda.Device(1):
            return cupy.asarray(host)

    return copy


@pytest.mark.parametrize("name", CALLS)
def test_results_are_on_the_device_of_x(second: Any, name: str) -> None:
    import cupy

    assert all(a.device.id == 1 for a in _arrays(CALLS[name](second(GOOD))))
    assert cupy.cuda.Device().id == 0


@pytest.mark.parametrize("name", [name for name in OF_WEIGHTS if name in CALLS])
def test_weights_are_on_the_device_of_x(second: Any, name: str) -> None:
    weights = second(GOOD[:, 0] ** 2 + 1)
    assert all(a.device.id == 1 for a in _arrays(OF_WEIGHTS[name](second(GOOD), weights)))


@pytest.mark.parametrize("score", SCORES)
def test_scores_are_computed_on_the_device_of_x(second: Any, score: Callable[..., Any]) -> None:
    import cupy

    found = score(second(GOOD), second([0, 1, 2] * 4))
    assert not isinstance(found, cupy.ndarray) or found.device.id == 1
    assert cupy.cuda.Device().id == 0


@pytest.mark.parametrize("name", OF_CENTERS)
def test_centers_are_on_the_device_of_x(second: Any, name: str) -> None:
    found = OF_CENTERS[name]
    if name == "inertia of labels":
        pytest.skip("its labels are NumPy's")
    assert all(a.device.id == 1 for a in _arrays(found(second(GOOD), second(GOOD[:2]))))
