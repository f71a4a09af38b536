"""What a forked child finds of threads that only its parent has."""

import os
import subprocess
import sys

import pytest

_SCRIPT = """
import os, signal, threading
import numpy as np
from kmeans_xp import kmeans
from kmeans_xp.arrays import threads

X = np.arange(12.0)[:, None]
kmeans(X, 2, rng=0)
held, go = threading.Event(), threading.Event()

def hold():
    with threads.one_blas_thread(), threads._holders.lock:
        held.set()
        go.wait(30)

thread = threading.Thread(target=hold)
thread.start()
held.wait()
child = os.fork()
if not child:
    signal.alarm(20)
    kmeans(X, 2, rng=0)
    os._exit(threads._holders.count)
go.set()
thread.join()
assert os.waitpid(child, 0)[1] == 0
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_a_child_waits_for_no_lock_of_another_thread() -> None:
    # In a process of its own: libraries with threads warn of forks in this one.
    done = subprocess.run([sys.executable, "-c", _SCRIPT], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
