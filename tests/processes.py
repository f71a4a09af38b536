"""Programs of the suite that run in a process of their own, so that its memory is theirs."""

import subprocess
import sys
from pathlib import Path

import pytest

# VmHWM, the most memory that a process ever held. Not ru_maxrss: a child begins with its
# parent's there, and the parent is a test process with every backend loaded.
_PREAMBLE = """
import re
def _kilobytes(name):
    return int(re.search(name + r":\\s+(\\d+)", open("/proc/self/status").read())[1])
def measure():
    global _before
    _before = _kilobytes("VmRSS")
    # Set the high-water mark back to what is held now.
    with open("/proc/self/clear_refs", "w") as file:
        file.write("5")
def report():
    print("GROWTH", (_kilobytes("VmHWM") - _before) / 1000)
"""


def run_measured(program: str) -> float:
    """Run a program that calls measure() and report(); how many MB it grew in between."""
    if not Path("/proc/self/clear_refs").exists():
        pytest.skip("the memory of a process is measured through Linux's /proc")
    command = [sys.executable, "-c", _PREAMBLE + program]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return float(done.stdout.split("GROWTH")[1])
