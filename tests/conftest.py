"""Fixtures and options of the whole suite.

``pytest --backend torch --backend cupy`` runs only the tests that are written for every
backend, on those backends, and stops when one of them cannot be used.
``pytest --slow`` adds the tests that take tens of seconds or gigabytes.
"""

import signal
from collections.abc import Iterator
from types import ModuleType

import pytest
from hypothesis import HealthCheck, settings

from kmeans_xp.arrays.views import without_views
from tests.backends import DEVICES, PORTABLE, Backend, find, use_stand_in_without_gpu

settings.register_profile(
    "kmeans_xp",
    derandomize=True,
    deadline=None,
    database=None,
    max_examples=30,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
settings.load_profile("kmeans_xp")


# The tests of what algorithms compute, which hold what is portable to the specification too.
OF_ALGORITHMS = (
    "tests.algorithms",
    "tests.metrics",
    "tests.test_backends",
    "tests.test_numerics",
    "tests.test_weights",
)

# One has the name of an installed package, and is imported by that name; one is a script.
collect_ignore = ["cupy_stand_in", "sklearn_script.py"]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--backend", action="append", choices=sorted(DEVICES), help="only this backend"
    )
    parser.addoption("--slow", action="store_true", help="run the slow tests too")


def pytest_configure(config: pytest.Config) -> None:
    # In the background a shell has SIGINT ignored, which the tests' processes would inherit.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    use_stand_in_without_gpu()
    config.addinivalue_line("markers", "slow: takes over ten seconds; runs with --slow")
    for name in config.getoption("--backend") or ():
        found = [find(name, device) for device in DEVICES[name]]
        if not any(isinstance(b, Backend) for b in found):
            raise pytest.UsageError(f"--backend {name}: {'; '.join(map(str, found))}")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    # Where a test takes an engine too, it is kernels/conftest.py that pairs the two.
    if "backend" not in metafunc.fixturenames or "engine" in metafunc.fixturenames:
        return
    wanted = metafunc.config.getoption("--backend") or list(DEVICES)
    targets = []
    for name in wanted:
        for device in DEVICES[name]:
            if device == PORTABLE and not metafunc.module.__name__.startswith(OF_ALGORITHMS):
                continue
            found = find(name, device)
            marks = pytest.mark.skip(reason=found) if isinstance(found, str) else ()
            targets.append(pytest.param(found, id=f"{name}-{device}", marks=marks))
    metafunc.parametrize("backend", targets, scope="session")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--backend"):
        kept = [i for i in items if "backend" in getattr(i, "fixturenames", ())]
        config.hook.pytest_deselected(items=[i for i in items if i not in kept])
        items[:] = kept
    if not config.getoption("--slow"):
        for item in items:
            if item.get_closest_marker("slow"):
                item.add_marker(pytest.mark.skip(reason="slow: run it with --slow"))


@pytest.fixture(autouse=True)
def _own_library(request: pytest.FixtureRequest) -> Iterator[None]:
    """Let arrays of a target without views be computed on in their own library."""
    backend = request.getfixturevalue("backend") if "backend" in request.fixturenames else None
    if isinstance(backend, Backend) and not backend.views:
        with without_views():
            yield
    else:
        yield


@pytest.fixture
def stand_in() -> ModuleType:
    """`cupy.counts`, which says what CuPy's stand-in was asked to do; skips on a GPU."""
    return pytest.importorskip("cupy.counts", reason="CuPy finds a GPU")
