"""Compiled kernels on disk: never stale, never in the way of a fit."""

import os
import pickle
import random
import shutil
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

import kmeans_xp
from kmeans_xp.kernels.numba import compiling
from kmeans_xp.kernels.numba.cache import sources
from kmeans_xp.kernels.numba.compiling import ALL

numba = pytest.importorskip("numba")


ROOT = Path(kmeans_xp.__file__).parent
DAMAGES = {
    "empty": lambda content: b"",
    "half": lambda content: content[: len(content) // 2],
    "random": lambda content: random.Random(0).randbytes(len(content)),
    "a byte": lambda c: c[: len(c) // 2] + bytes([c[len(c) // 2] ^ 255]) + c[len(c) // 2 + 1 :],
    "a class that is gone": lambda content: b"cno_such_module\nThing\n.",
}


def _tripled(x):
    return 3 * x


def loads() -> bool:
    """Make a function as a new process does; whether it was on disk. It works all the same."""
    function = compiling.entry(_tripled)
    function.compile((numba.types.int64,))
    assert function(2) == 6
    return bool(function.stats.cache_hits)


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """A folder with a function compiled."""
    monkeypatch.setattr(numba.core.config, "CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(compiling, "_warned", False)
    assert not loads()
    assert loads()
    return tmp_path


@pytest.mark.parametrize("ending", ["nbi", "nbc"])
@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_cache_is_written_anew(cache, ending, damage):
    (file,) = cache.rglob(f"*.{ending}")
    file.write_bytes(DAMAGES[damage](file.read_bytes()))
    with pytest.warns(RuntimeWarning, match=r"Compiled kernels in .* cannot be read \(") as told:
        assert not loads()
    assert len(told) == 1
    assert loads()


def test_a_file_of_another_version_is_replaced_without_a_word(cache):
    (file,) = cache.rglob("*.nbi")
    file.write_bytes(pickle.dumps("0.1") + file.read_bytes())
    assert not loads()
    assert loads()


def test_a_file_that_cannot_be_replaced_stops_nobody(cache):
    (file,) = cache.rglob("*.nbi")
    file.unlink()
    file.mkdir()
    with pytest.warns(RuntimeWarning, match=r"cannot be read \(IsADirectoryError") as told:
        assert not loads()
    assert len(told) == 1
    assert not loads()


def test_a_folder_that_cannot_be_written_to_stops_nobody(cache):
    function = compiling.entry(_tripled)
    shutil.rmtree(cache)
    cache.touch()
    with pytest.warns(RuntimeWarning, match=r"Compiled kernels in .*NUMBA_CACHE_DIR to a folder"):
        function.compile((numba.types.float64,))
    assert function(2.0) == 6


def test_a_full_disk_stops_nobody(cache):
    resource = pytest.importorskip("resource")
    function, limits = compiling.entry(_tripled), resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, limits[1]))
    try:
        with pytest.warns(RuntimeWarning, match=r"Compiled kernels in .* cannot be written \(OSE"):
            function.compile((numba.types.float64,))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert function(2.0) == 6


def test_without_a_place_on_disk_kernels_compile_all_the_same(cache, monkeypatch):
    monkeypatch.setattr(numba.core.caching.CacheImpl, "_locator_classes", [])
    with pytest.warns(RuntimeWarning, match=r"Compiled kernels can be kept nowhere \(RuntimeErr"):
        assert not loads()
    assert not loads()  # Told once.


PROGRAM = """
import numpy as np
from kmeans_xp.kernels.numba import compiling
print([compiling.prepare(np.float64, compiling.TWO_MEANS, compile=c) for c in (False, True)])
"""


# As if the folders of the package could not be written to, which root always can.
READ_ONLY = """
from numba.core.caching import InTreeCacheLocator
def refuse(self):
    raise PermissionError(self.get_cache_path())
InTreeCacheLocator.ensure_cache_path = refuse
"""
COMPILED, FOUND = "[False, True]", "[True, True]"


class Installed:
    """A copy of the package in a folder, with no compiled code."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.cache = folder, folder / "cache"
        hidden = shutil.ignore_patterns("__pycache__")
        self.package = shutil.copytree(ROOT, folder / "kmeans_xp", ignore=hidden)

    def said(self, first: str = "", program: str = PROGRAM, **environment: str) -> str:
        """Return what a program says in such an environment."""
        # It takes the package from where it runs.
        command = [sys.executable, "-W", "error", "-c", first + program]
        hidden = {"NUMBA_CACHE_DIR", "PYTHONDONTWRITEBYTECODE"}
        env = {k: v for k, v in os.environ.items() if k not in hidden} | environment
        return subprocess.check_output(command, cwd=self.folder, env=env, text=True).strip()

    def change(self) -> None:
        """Change a source that what is compiled imports."""
        imported = self.package / "kernels" / "numba" / "low_d" / "search.py"
        imported.write_text(imported.read_text() + "\n# Another version.\n")


@pytest.fixture
def installed(tmp_path):
    return Installed(tmp_path)


LOOKED = """
import sys
from kmeans_xp.kernels.numba import compiling
print(compiling.surely_not_on_disk(compiling.TWO_MEANS), "numba" in sys.modules)
"""
NO_PLACE = """
import tempfile
def refuse(dir):
    raise PermissionError(dir)
tempfile.TemporaryFile = refuse
"""


def test_numba_need_not_be_imported_to_see_that_nothing_is_there(installed, tmp_path):
    installed.said(program="import kmeans_xp.kernels.numba.compiling")  # Which makes the folder.
    assert installed.said(program=LOOKED) == "True False"
    # It may be elsewhere then, which only Numba can tell.
    elsewhere = {"NUMBA_CACHE_DIR": str(tmp_path / "elsewhere")}
    assert installed.said(program=LOOKED, **elsewhere) == "False False"
    assert installed.said(NO_PLACE, LOOKED) == "False False"
    assert installed.said() == COMPILED
    assert installed.said(program=LOOKED) == "False False"


def test_what_a_source_imports_belongs_to_it(installed):
    where = {"NUMBA_CACHE_DIR": str(installed.cache)}
    assert installed.said(**where) == COMPILED
    assert installed.said(**where) == FOUND
    installed.change()
    assert installed.said(**where) == COMPILED


@pytest.mark.skipif(sys.platform != "linux", reason="the user's cache is elsewhere")
def test_beside_a_package_that_cannot_be_written_to_the_users_cache_is_used(installed):
    where = {"XDG_CACHE_HOME": str(installed.cache)}
    assert installed.said(READ_ONLY, **where) == COMPILED
    assert list(installed.cache.rglob("*.nbc"))
    assert not list(installed.package.rglob("*.nb?"))
    assert installed.said(READ_ONLY, **where) == FOUND
    installed.change()
    assert installed.said(READ_ONLY, **where) == COMPILED


@pytest.mark.skipif(sys.platform != "linux", reason="the user's cache is elsewhere")
def test_what_was_compiled_beside_the_package_is_found_by_who_cannot_write_there(installed):
    where = {"XDG_CACHE_HOME": str(installed.cache)}
    assert installed.said(**where) == COMPILED
    assert list(installed.package.rglob("*.nbc"))
    assert installed.said(READ_ONLY, **where) == FOUND
    assert not list(installed.cache.rglob("*.nb?"))
    installed.change()
    assert installed.said(READ_ONLY, **where) == COMPILED


COMPILED_FROM = "kmeans_xp.kernels.numba.", "kmeans_xp.kernels.shared."


@pytest.mark.parametrize("name", sorted({name for group in ALL for name in group.modules}))
def test_the_source_of_a_module_is_that_of_all_functions_that_it_names(name):
    seen, left = set(), [name]
    while left:
        module = left.pop()
        if module.startswith(COMPILED_FROM) and module not in seen:
            seen.add(module)
            values = vars(import_module(module)).values()
            left += [getattr(value, "__module__", None) or "" for value in values]
    assert len(seen) > 1
    assert seen <= sources(name).keys()
