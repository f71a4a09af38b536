"""What counts as an array, and in which dtype it is computed."""

from typing import Any

import numpy as np
import pytest

from kmeans_xp.arrays import as_array, backends, to_host
from kmeans_xp.arrays.backends import NAMES, installed, load, place
from kmeans_xp.arrays.dtypes import working_dtype


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ("float32", "float32"),
        (">f4", "float32"),
        (">f8", "float64"),
        ("float16", "float32"),
        ("int8", "float64"),
        ("uint64", "float64"),
        ("bool", "float64"),
    ],
)
def test_working_dtype_of_numpy(given: str, wanted: str) -> None:
    dtype = working_dtype(np.zeros(2, given), "X")
    assert dtype == np.dtype(wanted)
    assert dtype.isnative


def test_bfloat16_becomes_single() -> None:
    torch = pytest.importorskip("torch")
    assert working_dtype(torch.zeros(2, dtype=torch.bfloat16), "X") == torch.float32


@pytest.mark.parametrize("dtype", ["longdouble", "datetime64[s]", "timedelta64[s]"])
def test_working_dtype_refuses(dtype: str) -> None:
    if np.dtype(dtype) == np.float64:
        pytest.skip("long double is double here")
    with pytest.raises(TypeError, match=r"X must hold real numbers, got dtype"):
        working_dtype(np.zeros(2, dtype), "X")


def test_torch_gradients_are_left_behind() -> None:
    torch = pytest.importorskip("torch")
    assert not as_array(torch.zeros(2, requires_grad=True), "X").requires_grad


def test_a_masked_array_is_refused() -> None:
    with pytest.raises(TypeError, match="X must be a plain array"):
        as_array(np.ma.masked_array([1.0]), "X")


@pytest.mark.filterwarnings("ignore:the matrix subclass:PendingDeprecationWarning")
def test_a_matrix_is_refused() -> None:
    with pytest.raises(TypeError, match="X must be a plain array"):
        as_array(np.asmatrix([[1.0]]), "X")


def test_installed_backends_are_named_and_hold_arrays() -> None:
    found = installed()
    assert found[0].name == "numpy"
    assert {backend.name for backend in found} <= set(NAMES)
    for backend in found:
        if backend.devices:
            moved = place(np.arange(3.0, dtype=np.float32), backend.name, backend.devices[0])
            assert to_host(moved).tolist() == [0, 1, 2]


def test_only_named_backends_are_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    loaded: list[str] = []

    def note(name: str) -> Any:
        loaded.append(name)
        return load(name)

    monkeypatch.setattr(backends, "load", note)
    assert [backend.name for backend in installed(["numpy"])] == ["numpy"]
    assert loaded == ["numpy"]


def test_an_unknown_backend_or_device_names_the_choices() -> None:
    with pytest.raises(ValueError, match="backend must be one of numpy, cupy"):
        load("matlab")
    with pytest.raises(ValueError, match="device of numpy must be one of cpu, got 'gpu'"):
        place(np.zeros(1), "numpy", "gpu")
