"""Float32 products keep their bits, whatever has been switched on."""

import sys
import threading
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest

from kmeans_xp import assign, kmeans
from kmeans_xp.arrays import precision
from kmeans_xp.arrays.backends import load
from kmeans_xp.arrays.precision import full_precision, product_rounding
from tests.data import cloud


class Switches:
    """Those of PyTorch, in its new way."""

    def __init__(self, torch):
        backends = torch.backends
        self.homes = [backends, backends.cuda.matmul, backends.mkldnn.matmul]
        self.torch = torch

    def state(self):
        return [home.fp32_precision for home in self.homes]

    def throw(self, *values):
        for home, value in zip(self.homes, values, strict=True):
            home.fp32_precision = value


@pytest.fixture
def switches():
    torch = pytest.importorskip("torch")
    if not hasattr(torch.backends, "fp32_precision"):
        pytest.skip("this PyTorch has the old switch only")
    found = Switches(torch)
    yield found
    torch.set_float32_matmul_precision("highest")
    found.throw("none", "none", "none")


THROWN = {
    "of products on CUDA": ("none", "tf32", "none"),
    "of products on CPUs": ("none", "none", "bf16"),
    "of everything, TF32": ("tf32", "none", "none"),
    "of everything, bfloat16": ("bf16", "none", "none"),
    "each": ("ieee", "tf32", "bf16"),
    "none": ("none", "none", "none"),
    "all but CUDA": ("tf32", "ieee", "none"),
}


@pytest.mark.parametrize("old", ["highest", "high", "medium"])
@pytest.mark.parametrize("thrown", THROWN)
def test_torch_is_precise_inside_and_as_it_was_outside(switches, old, thrown):
    switches.torch.set_float32_matmul_precision(old)
    switches.throw(*THROWN[thrown])
    before, seen = switches.state(), []
    X = switches.torch.asarray(cloud(60, 3))
    kmeans(X, 3, rng=0, callback=lambda _: seen.append(switches.state()))
    assert switches.state() == before
    with full_precision(load("torch")):
        assert not {"tf32", "bf16"} & {*switches.state()[1:]}
    assert switches.state() == before
    # What had no value of its own has none now.
    switches.torch.backends.fp32_precision = "none"
    own = [value for value in THROWN[thrown][1:] if value != "none"]
    assert [value for value in switches.state()[1:] if value != "none"] == own


def test_the_old_switch_alone(monkeypatch):
    """As PyTorch before 2.9 has it."""
    value = ["medium"]
    torch = ModuleType("torch")
    torch.backends = SimpleNamespace(cuda=SimpleNamespace(matmul=object()), mkldnn=object())
    torch.get_float32_matmul_precision = lambda: value[0]
    torch.set_float32_matmul_precision = lambda new: value.__setitem__(0, new)
    monkeypatch.setitem(sys.modules, "torch", torch)
    precision._switch_of_torch.cache_clear()
    try:
        with full_precision(torch):
            assert value == ["highest"]
        assert value == ["medium"]
    finally:
        precision._switch_of_torch.cache_clear()


def test_a_fit_that_ends_leaves_the_others_their_precision(switches):
    switches.throw("none", "tf32", "none")
    inside, leave = threading.Event(), threading.Event()

    def hold():
        with full_precision(load("torch")):
            inside.set()
            leave.wait(10)

    other = threading.Thread(target=hold)
    with full_precision(load("torch")):
        other.start()
        assert inside.wait(10)
    assert switches.state() == ["none", "ieee", "none"]
    leave.set()
    other.join()
    assert switches.state() == ["none", "tf32", "none"]


def test_cupy_is_precise_inside_and_as_it_was_outside():
    """What CUPY_TF32=1 sets is a number that CuPy has for each dtype."""
    cupy = pytest.importorskip("cupy")
    core, types, before = cupy._core, [], cupy._core.get_compute_type(np.float32)
    tf32, full = (getattr(core._routines_linalg, f"COMPUTE_TYPE_{n}") for n in ("TF32", "DEFAULT"))
    core.set_compute_type(np.float32, tf32)
    try:
        with full_precision(load("cupy")):
            types.append(core.get_compute_type(np.float32))
        types.append(core.get_compute_type(np.float32))
    finally:
        core.set_compute_type(np.float32, before)
    assert types == [full, tf32]


def test_jax_is_precise_inside():
    jax = pytest.importorskip("jax")
    before = jax.config.jax_default_matmul_precision
    jax.config.update("jax_default_matmul_precision", "bfloat16")
    try:
        with full_precision(load("jax")):
            assert jax.config.jax_default_matmul_precision == "highest"
        assert jax.config.jax_default_matmul_precision == "bfloat16"
    finally:
        jax.config.update("jax_default_matmul_precision", before)


def test_products_are_precise_here(backend):
    backend.need("eager")
    for dtype in ("float32", "float64") if backend.float64 else ("float32",):
        assert product_rounding(backend.asarray(np.ones((1, 1)), dtype)) == 0


@pytest.fixture
def ten_bits(monkeypatch):
    """A library whose float32 products round their factors to ten bits, whatever is asked for."""
    strict = pytest.importorskip("array_api_strict")
    real = strict._array_object.Array.__matmul__

    def rounded(x):
        bits = np.asarray(x).view(np.uint32)
        return strict.asarray(((bits + 0x1000) & 0xFFFFE000).view(np.float32))

    def product(x, y):
        return real(rounded(x), rounded(y)) if x.dtype == strict.float32 else real(x, y)

    monkeypatch.setattr(strict._array_object.Array, "__matmul__", product)
    precision._rounding.cache_clear()
    yield strict
    precision._rounding.cache_clear()


def test_labels_are_exact_with_ten_bits_too(ten_bits):
    rng = np.random.default_rng(0)
    X = (rng.standard_normal((3000, 8)) + 20).astype(np.float32)
    centers = X[:200] + np.float32(0.01)
    with pytest.warns(RuntimeWarning, match=r"keep about (9|10) bits.* NVIDIA_TF32_OVERRIDE"):
        labels, _ = assign(ten_bits.asarray(X), ten_bits.asarray(centers))
    distances = ((X[:, None].astype(float) - centers.astype(float)) ** 2).sum(axis=2)
    assert (np.asarray(labels) == distances.argmin(axis=1)).all()
    # Told once.
    result = kmeans(ten_bits.asarray(X), 50, rng=0, max_iter=3)
    again, _ = assign(ten_bits.asarray(X), result.centers)
    assert (np.asarray(again) == np.asarray(result.labels)).all()
