"""Dask rows on a cluster of two processes, one of which may be killed in the middle."""

import logging
import os
import signal

import dask.array as da
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from kmeans_xp import KMeans, assign, kmeans
from tests.data import cloud, some_rows

distributed = pytest.importorskip("distributed")

HOST = cloud(4000, 4, seed=1)
START = some_rows(HOST, 6)

pytestmark = [
    # Nannies and comms of a closing cluster leave sockets to the garbage collector.
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture
def cluster():
    options = {"n_workers": 2, "threads_per_worker": 1, "processes": True}
    with (
        distributed.LocalCluster(**options, dashboard_address=None) as cluster,
        distributed.Client(cluster),
    ):
        yield cluster


def rows(chunks=((1, 1999, 0, 1500, 500), (4,))):
    return da.from_array(HOST, chunks=chunks)


def test_a_fit_on_two_processes_is_the_fit_in_one(cluster):
    w = np.random.default_rng(0).uniform(0.1, 2.0, 4000)
    X = rows()
    options = {"init": START.tolist(), "max_iter": 5}
    result = kmeans(X, 6, sample_weight=da.from_array(w, chunks=700), **options)
    expected = kmeans(HOST, 6, sample_weight=w, **options)
    assert_array_equal(result.labels.compute(), expected.labels)
    assert_allclose(result.centers.compute(), expected.centers, rtol=1e-9, atol=1e-12)
    assert_allclose(result.inertia, expected.inertia, rtol=1e-9)
    assert result.labels.chunks == X.chunks[:1]

    unknown = X[X[:, 0] > 0]
    shown = HOST[HOST[:, 0] > 0]
    for init in ("k-means++", "k-means||"):
        ours = kmeans(unknown, 3, init=init, rng=1, max_iter=2)
        theirs = kmeans(shown, 3, init=init, rng=1, max_iter=2)
        assert_allclose(ours.inertia, theirs.inertia, rtol=1e-2)
    labels, _ = assign(unknown, START.tolist())
    assert_array_equal(labels.compute(), assign(shown, START)[0])
    model = KMeans(6, **options).fit(HOST)
    assert_array_equal(model.predict(X).compute(), model.labels_)


def test_the_scheduler_is_never_given_two_tasks_of_one_key(caplog):
    lazy = (rows() + 1.0) * 2.0
    weights = da.from_array(np.linspace(1.0, 2.0, 4000), chunks=700) * 2.0
    options = {"n_workers": 1, "processes": False, "dashboard_address": None}
    with (
        caplog.at_level(logging.WARNING, "distributed.scheduler"),
        distributed.LocalCluster(**options) as cluster,
        distributed.Client(cluster),
    ):
        # Its loggers do not hand on what they say.
        logging.getLogger("distributed").addHandler(caplog.handler)
        try:
            for w in (None, weights):
                kmeans(lazy, 6, init="k-means||", rng=0, sample_weight=w)
        finally:
            logging.getLogger("distributed").removeHandler(caplog.handler)
    assert "run_spec" not in caplog.text


@pytest.mark.parametrize("persisted", [False, True])
def test_a_worker_killed_in_the_middle_of_a_fit(cluster, persisted):
    client = distributed.default_client()
    pids = client.run(os.getpid)
    assert len(set(pids.values())) == 2
    victim = next(iter(pids.values()))
    X = rows().persist() if persisted else rows()
    killed = []

    def kill_one(iteration):
        if iteration.number == 2:
            os.kill(victim, signal.SIGKILL)
            killed.append(victim)

    result = kmeans(X, 6, init=START.tolist(), callback=kill_one)
    expected = kmeans(HOST, 6, init=START)
    assert killed
    assert result.n_iter == expected.n_iter > 3
    assert_array_equal(result.labels.compute(), expected.labels)
    assert_allclose(result.centers.compute(), expected.centers, rtol=1e-9, atol=1e-12)
    assert_allclose(result.inertia, expected.inertia, rtol=1e-9)
    assert victim not in client.run(os.getpid).values()
