"""Which engines, backends and problems the specification of an operation is tried on.

A test takes ``engine`` and gets every engine of `kmeans_xp.kernels.choose.engine`, on NumPy's
arrays. If it takes ``backend`` too, it gets every engine on every backend that it takes; and if
it takes ``problem``, on every problem: where the portable engine runs on other libraries' arrays,
on a few of them.
"""

from typing import Any

import numpy as np
import pytest

from kmeans_xp.kernels.choose import regimes
from kmeans_xp.kernels.choose.engine import ENGINES
from kmeans_xp.kernels.interface import Engine
from kmeans_xp.kernels.numba import compiling
from kmeans_xp.kernels.numba.engine import NUMBA
from kmeans_xp.kernels.numpy.engine import NUMPY
from kmeans_xp.kernels.portable.engine import PORTABLE
from tests.backends import DEVICES, Backend, find
from tests.kernels.problems import PROBLEMS


@pytest.fixture(scope="session", autouse=True)
def _compiled(pytestconfig: pytest.Config) -> None:
    """Load what is compiled for NumPy's arrays, as if it had been repaid."""
    if "numpy" in (pytestconfig.getoption("--backend") or DEVICES):
        assert compiling.compile_all() == compiling.installed()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    names = [name for name in ("engine", "backend", "problem") if name in metafunc.fixturenames]
    if names == ["problem"]:
        metafunc.parametrize(names, [pytest.param(p, id=n) for n, p in PROBLEMS.items()])
    elif "engine" in names:
        backends = _backends(metafunc.config) if "backend" in names else [find("numpy", "cpu")]
        found = [param for engine in ENGINES for param in _params(engine, backends, names)]
        metafunc.parametrize(names, found)


def _backends(config: pytest.Config) -> list[Backend]:
    """Those whose arrays are blocks: Dask's are NumPy's. Kernels know of no views."""
    wanted = config.getoption("--backend") or list(DEVICES)
    found = [find(name, device) for name in wanted for device in DEVICES[name]]
    return [b for b in found if isinstance(b, Backend) and b.views and "eager" not in b.lacks]


def _params(engine: Engine, backends: list[Backend], names: list[str]) -> list[Any]:
    # Before it has loaded anything the compiled engine takes nothing.
    takes = (NUMPY if engine is NUMBA else engine).runs_on
    fitting = [backend for backend in backends if takes(backend.xp)]
    if not fitting or (engine is NUMBA and not compiling.installed()):
        skip = pytest.mark.skip(
            reason=f"nothing that the engine {engine.name} needs is installed, or asked for"
        )
        return [pytest.param(*[None] * len(names), id=engine.name, marks=skip)]
    params = []
    for backend in fitting:
        few = engine is PORTABLE and backend.name != "numpy"
        some = {n: p for n, p in PROBLEMS.items() if p.everywhere or not few}
        for name, problem in some.items() if "problem" in names else [("", None)]:
            values = {"engine": engine, "backend": backend, "problem": problem}
            label = f"{engine.name}-{backend.name}-{backend.device}-{name}".removesuffix("-")
            params.append(pytest.param(*[values[n] for n in names], id=label))
    return params


@pytest.fixture(autouse=True)
def _no_few_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the few rows of a problem stand for many, of which not all differences are taken."""
    monkeypatch.setattr(regimes, "DIRECT_UP_TO", 0)


@pytest.fixture(params=[np.float32, np.float64], ids=["float32", "float64"])
def dtype(request: pytest.FixtureRequest) -> type:
    return request.param
