"""How busy other processes kept the machine while something was measured."""

from __future__ import annotations

import os
import resource
import time
from pathlib import Path

WORTH_SAYING = 0.03


class Neighbours:
    """Measures from its creation on: all processors' busy time less this process's own.

    Peers whose OpenMP threads wait for each other lose far more to a neighbour than its share
    of the processors, so times from a busy machine must be known for what they are.
    """

    def __init__(self) -> None:
        self._began = time.perf_counter()
        self._others = _others_busy()

    def share(self) -> float | None:
        """Their part of the processors' time since then; None where it cannot be read."""
        others = _others_busy()
        if others is None or self._others is None:
            return None
        elapsed = (time.perf_counter() - self._began) * (os.cpu_count() or 1)
        return max(0.0, (others - self._others) / elapsed)


def remark(share: float | None) -> str:
    """What a caption adds about them: nothing where they hardly took any time."""
    if share is None or share < WORTH_SAYING:
        return ""
    return f", other processes busy on {share:.0%} of the machine"


def _others_busy() -> float | None:
    """Seconds that the processors have worked for anybody else, from Linux's counters."""
    try:
        fields = Path("/proc/stat").read_text().splitlines()[0].split()[1:]
    except OSError:
        return None
    user, nice, system, _idle, _wait, irq, soft, steal = map(int, fields[:8])
    busy = (user + nice + system + irq + soft + steal) / os.sysconf("SC_CLK_TCK")
    own = 0.0
    for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN):
        usage = resource.getrusage(who)
        own += usage.ru_utime + usage.ru_stime
    return busy - own
