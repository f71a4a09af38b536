"""Compiled kernels on disk: never stale, and never in the way. Imported only where Numba is.

Numba takes a function from disk as long as its source file is the same: it does not look at what
that file imports, nor whether its own files are whole, and an error there ends the fit.

They are kept where Numba keeps them: in the folder NUMBA_CACHE_DIR; else beside the sources; else,
where these cannot be written to, in a folder of the user's. Then what lies beside the sources is
read all the same, since whoever installed the package may have compiled it there.
"""

import hashlib
import pickle
import re
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from importlib.util import find_spec
from inspect import getfile
from pathlib import Path
from typing import Any

from numba.core.caching import (
    FunctionCache,
    IndexDataCacheFile,
    InTreeCacheLocator,
    NullCache,
    UserWideCacheLocator,
)

# Compiled functions call what is in these two folders alone.
_IMPORT = re.compile(
    r"^from (kmeans_xp\.kernels\.(?:numba|shared)[\w.]*) import (\([^)]*\)|.*)$", re.MULTILINE
)
_DIGEST_SIZE = hashlib.sha256().digest_size

Warn = Callable[[str], None]


def cache_of(function: Callable[..., Any], warn: Warn) -> Any:
    """Return where what is compiled of `function` is kept; `warn` says so if it cannot be."""
    try:
        return _Cache(function, warn)
    except (RuntimeError, OSError) as error:
        return _NoCache(error, warn)


@cache
def sources(module: str) -> dict[str, str]:
    """Return the source of a module, and of all that it imports of the kernels, by name."""
    spec = find_spec(module)
    if spec is None or spec.origin is None:  # A name that is no module.
        return {}
    found = {module: Path(spec.origin).read_text(encoding="utf-8")}
    for package, names in _IMPORT.findall(found[module]):
        # Packages are imported from by module, and modules by name.
        spec = find_spec(package)
        inside = spec is not None and spec.submodule_search_locations is not None
        for name in re.findall(r"\w+", names) if inside else [""]:
            found |= sources(f"{package}.{name}".rstrip("."))
    return found


class _Cache(FunctionCache):
    """Numba's cache of a function: what cannot be read or written is as good as none."""

    def __init__(self, function: Callable[..., Any], warn: Warn) -> None:
        super().__init__(function)
        self._warn = warn
        stamp = _digest(repr(sorted(sources(function.__module__).items())).encode())
        self._cache_file = _CheckedFiles(self._cache_path, self._impl.filename_base, stamp)
        self._beside_source = None
        if isinstance(self._impl.locator, UserWideCacheLocator):
            beside = InTreeCacheLocator(function, getfile(function)).get_cache_path()
            self._beside_source = _CheckedFiles(beside, self._impl.filename_base, stamp)

    def load_overload(self, signature: Any, context: Any) -> Any:
        """Return what was compiled for a signature, or None."""
        try:
            return super().load_overload(signature, context)
        except Exception as error:  # What damaged bytes raise may be anything.
            with suppress(OSError):
                self.flush()
            self._warn(_message(f"in {self._cache_path} cannot be read", error))
            return None

    def _load_overload(self, signature: Any, context: Any) -> Any:
        found = super()._load_overload(signature, context)
        if found is not None or self._beside_source is None:
            return found
        data = self._beside_source.load(self._index_key(signature, context.codegen()))
        return None if data is None else self._impl.rebuild(context, data)

    def save_overload(self, signature: Any, compiled: Any) -> None:
        """Keep what was compiled for a signature."""
        try:
            super().save_overload(signature, compiled)
        except Exception as error:
            self._warn(_message(f"in {self._cache_path} cannot be written", error))


class _CheckedFiles(IndexDataCacheFile):
    """Numba's files, with a digest behind the data: LLVM would run whatever it finds there."""

    def _load_data(self, name: str) -> Any:
        content = Path(self._data_path(name)).read_bytes()
        data, digest = content[:-_DIGEST_SIZE], content[-_DIGEST_SIZE:]
        if _digest(data) != digest:
            raise ValueError(f"{name} is damaged")
        return pickle.loads(data)

    def _save_data(self, name: str, data: Any) -> None:
        dumped = self._dump(data)
        with self._open_for_write(self._data_path(name)) as file:
            file.write(dumped + _digest(dumped))


class _NoCache(NullCache):
    """No cache, where there is no place for one."""

    def __init__(self, error: Exception, warn: Warn) -> None:
        self._error, self._warn = error, warn

    def save_overload(self, signature: Any, compiled: Any) -> None:
        """Say that what was compiled is not kept."""
        self._warn(_message("can be kept nowhere", self._error))


def _digest(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def _message(what: str, error: Exception) -> str:
    return (
        f"Compiled kernels {what} ({type(error).__name__}: {error}), so they are compiled again, "
        "which takes some seconds. Free the disk or delete what is damaged, or set NUMBA_CACHE_DIR "
        "to a folder that may be written to."
    )
