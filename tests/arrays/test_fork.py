"""Forks while other threads fit."""

import os
import subprocess
import sys

import pytest

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")

# In processes of their own: libraries with threads warn of forks in this one.
_HELD = """
import os, signal, threading
import numpy as np
from kmeans_xp import kmeans
from kmeans_xp.arrays.threads import one_blas_thread, thread_count

X = np.random.default_rng(0).standard_normal((3000, 40))
free, expected = thread_count(), kmeans(X, 9, rng=0, max_iter=2)
held, go = threading.Event(), threading.Event()

def hold():
    with one_blas_thread():
        held.set()
        go.wait(30)

thread = threading.Thread(target=hold)
thread.start()
held.wait()
child = os.fork()
if not child:
    signal.alarm(30)
    # The thread that held BLAS is none of the child's.
    same = np.array_equal(kmeans(X, 9, rng=0, max_iter=2).centers, expected.centers)
    os._exit(0 if same and thread_count() == free else 1)
go.set()
thread.join()
assert os.waitpid(child, 0)[1] == 0
"""

_MEANWHILE = """
import os, threading, time
import numpy as np
from kmeans_xp import kmeans, soft_kmeans

X = np.random.default_rng(0).standard_normal((30_000, 8))
expected = kmeans(X, 12, rng=0, max_iter=2)
found, forks = [], 0

def fit():
    for _ in range(3):
        found.append(kmeans(X, 12, rng=0, max_iter=2))
        soft_kmeans(X[:2000], 12, init=X[:12], max_iter=2)

thread = threading.Thread(target=fit, daemon=True)
thread.start()
while thread.is_alive():
    child = os.fork()
    if not child:
        os._exit(0)
    os.waitpid(child, 0)
    forks += 1
    time.sleep(0.002)
assert forks and len(found) == 3
assert all(np.array_equal(one.centers, expected.centers) for one in found)
"""

_CHANGE = """
import os, threading
from kmeans_xp.arrays.setting import Setting

numbers, begun, go = [4], threading.Event(), threading.Event()

def write(number):
    numbers[0] = 2
    begun.set()
    go.wait(30)
    numbers[0] = number

setting = Setting(lambda: numbers[0], write, 1)
thread = threading.Thread(target=setting.hold, args=("there",))
thread.start()
begun.wait()
threading.Timer(0.1, go.set).start()
# Waits for the change to be done; and in the child nobody holds it.
child = os.fork()
if not child:
    os._exit(numbers[0])
thread.join()
assert numbers == [1]
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 4
"""
SCRIPTS = {"held": _HELD, "meanwhile": _MEANWHILE, "in a change": _CHANGE}


@pytest.mark.parametrize("script", SCRIPTS.values(), ids=SCRIPTS)
def test_a_fork_while_another_thread_fits(script: str) -> None:
    command = [sys.executable, "-W", "ignore", "-c", script]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
