"""A setting that is not ours: held at one value for a while, and put back."""

import os
import threading
from collections.abc import Callable
from typing import Any


class Setting:
    """A setting of the process, or of each thread, that several holders may need at once.

    The first holder keeps what was there before, and the last one puts it back: if each did so
    for itself, one that ends would take the value from the others.

    Parameters
    ----------
    read : callable
        () -> the value now; not None.
    write : callable
        (value) -> None
    wanted : value
        What it is held at.
    per_thread : bool
        Whether each thread has its own.
    """

    def __init__(
        self,
        read: Callable[[], Any],
        write: Callable[[Any], Any],
        wanted: Any,
        *,
        per_thread: bool = False,
    ) -> None:
        self._read, self._write, self._wanted = read, write, wanted
        self._state = _StateOfThread() if per_thread else _State()
        self.per_thread = per_thread
        with _lock:
            _all.append(self)

    def value(self) -> Any:
        """Return the value that the user gave it, held or not."""
        with _lock:
            return self._read() if self._state.before is None else self._state.before

    def hold(self, holder: object) -> None:
        """Hold it until `holder` releases it; the value is set even if others hold it already."""
        with _lock:
            if self._state.before is None:
                self._state.before = self._read()
            self._state.holders[holder] = threading.get_ident()
            self._write(self._wanted)

    def release(self, holder: object) -> None:
        """Put back what was there before, if nobody else holds it; also where `hold` failed."""
        with _lock:
            self._state.holders.pop(holder, None)
            self._put_back()

    def forget_other_threads(self) -> None:
        """Release what is held by threads that a forked child does not have."""
        here, holders = threading.get_ident(), self._state.holders
        self._state.holders = {holder: i for holder, i in holders.items() if i == here}
        self._put_back()

    def _put_back(self) -> None:
        if self._state.before is not None and not self._state.holders:
            self._write(self._state.before)
            self._state.before = None


class _State:
    """What a setting was before it was held, and who holds it, in which thread."""

    def __init__(self) -> None:
        self.before: Any = None
        self.holders: dict[object, int] = {}


class _StateOfThread(_State, threading.local):
    """The same, each thread for itself."""


# One lock for all settings. Whoever forks waits for it: a child never finds a setting half
# written, and OpenBLAS, which stops its threads before a fork, never meets a change of their
# number. It is reentrant, for a signal may be handled in the middle of a change.
_lock = threading.RLock()
_all: list[Setting] = []


def _in_child() -> None:
    try:
        for setting in _all:
            setting.forget_other_threads()
    finally:
        _lock.release()


if hasattr(os, "register_at_fork"):  # not on Windows
    os.register_at_fork(
        before=_lock.acquire, after_in_parent=_lock.release, after_in_child=_in_child
    )
