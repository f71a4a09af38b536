"""What the command line says about itself, and how it has kernels compiled."""

import json
import sys

import numpy as np
import pytest

import kmeans_xp
from kmeans_xp.kernels.numba import compiling


def test_info(run):
    facts = json.loads(run("info", "--json").fine())
    assert facts["kmeans_xp"] == kmeans_xp.__version__
    assert facts["threads"] >= 1
    assert {"numpy", "scikit-learn", "scipy"} <= set(facts["packages"])
    first = facts["backends"][0]
    assert (first["name"], "cpu" in first["devices"]) == ("numpy", True)
    assert {"numpy", "portable"} <= {kernel["name"] for kernel in facts["kernels"]}
    assert {"numpy hamerly", "numba hamerly"} <= {row["name"] for row in facts["trackings"]}
    text = run("info").fine()
    for word in ("kmeans_xp", "threads", "BLAS", "portable (lloyd)", "backend", "extra cli"):
        assert word in text


def test_kernels_are_compiled_when_asked_for(run):
    pytest.importorskip("numba")
    assert json.loads(run("info", "--compile", "--json").fine())["compiled"]
    assert "every Numba kernel" in run("info").fine()


def test_what_is_not_compiled_is_said(run, monkeypatch):
    monkeypatch.setattr(compiling, "installed", lambda: True)
    monkeypatch.setattr(compiling, "prepare", lambda *names, compile: False)  # noqa: A006
    assert not json.loads(run("info", "--json").fine())["compiled"]
    assert "not every Numba kernel: kmeans-xp info --compile" in run("info").fine()


def test_without_numba_nothing_can_be_compiled(run, monkeypatch):
    monkeypatch.setitem(sys.modules, "numba", None)
    refused = run("info", "--compile").refused()
    assert refused == (
        "numba compiles kernels, and is not installed: pip install 'kmeans_xp[fast]'"
    )
    assert "no kernel, without Numba" in run("info").fine()


def test_a_numba_that_cannot_be_used_is_said(run, monkeypatch):
    pytest.importorskip("numba")
    monkeypatch.setattr(compiling, "_ready", set())
    monkeypatch.setattr(compiling, "_errors", {})
    monkeypatch.setattr("numba.config.DISABLE_JIT", 1)
    cause = "RuntimeError: NUMBA_DISABLE_JIT is set"
    assert run("info", "--compile").refused() == f"kernels cannot be compiled: {cause}"
    assert not json.loads(run("info", "--json").fine())["compiled"]
    assert f"no kernel: {cause}" in run("info").fine()


def test_what_would_run_for_an_input(run, blobs, tmp_path):
    np.save(tmp_path / "blobs.npy", blobs)
    text = run("info", "--for", "blobs.npy", "-k", 3).fine()
    assert text.startswith("rows      60 x 2, float64, memory map")
    assert "\nclusters  3\n" in text
    facts = json.loads(run("info", "--for", "blobs.npy", "-k", 3, "--json").fine())
    assert facts["shape"] == [60, 2]
    fitted = json.loads(run("fit", "blobs.npy", "-k", 3, "--json").fine())
    assert fitted["kernel"] == facts["kernel"][0]["name"]
    assert facts["memory"]["most"] > 0


def test_an_input_and_the_number_of_clusters_go_together(run, blobs, tmp_path):
    np.save(tmp_path / "blobs.npy", blobs)
    both = "--for INPUT and -k K go together: say both, or neither"
    assert run("info", "--for", "blobs.npy").refused() == both
    assert run("info", "-k", 3).refused() == both
    assert "n_clusters" in run("info", "--for", "blobs.npy", "-k", 61).refused()
    assert "absent.npy" in run("info", "--for", "absent.npy", "-k", 3).refused()
