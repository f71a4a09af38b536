"""A script written for scikit-learn runs unchanged but for its imports."""

import inspect
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from sklearn import cluster, mixture

import kmeans_xp

SCRIPT = (Path(__file__).parent / "sklearn_script.py").read_text(encoding="utf-8")
OURS = re.sub(r"from sklearn\.(cluster|mixture) import", "from kmeans_xp import", SCRIPT)
THEIRS = [
    cluster.KMeans,
    cluster.MiniBatchKMeans,
    cluster.BisectingKMeans,
    mixture.GaussianMixture,
]


@pytest.mark.parametrize("script", [SCRIPT, OURS], ids=["scikit-learn", "kmeans_xp"])
def test_the_script_runs(script, tmp_path):
    (tmp_path / "script.py").write_text(script, encoding="utf-8")
    path = [str(Path(kmeans_xp.__file__).parents[1]), os.environ.get("PYTHONPATH", "")]
    # Threads of scikit-learn's own wait for each other where tests run side by side.
    alone = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    environment = os.environ | alone | {"PYTHONPATH": os.pathsep.join(path)}
    program = [sys.executable, "-W", "error", tmp_path / "script.py"]
    ran = subprocess.run(program, env=environment, capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")


@pytest.mark.parametrize("estimator", THEIRS)
def test_the_script_uses_every_public_parameter(estimator):
    parameters = inspect.signature(estimator).parameters
    ours = inspect.signature(getattr(kmeans_xp, estimator.__name__)).parameters
    assert parameters.keys() <= ours.keys()
    for use in re.findall(rf"{estimator.__name__}\((.*?)\n    +\)", SCRIPT, re.S):
        if all(f"{name}=" in use for name in parameters):
            return
    pytest.fail(f"no use of {estimator.__name__} has all of {', '.join(parameters)}")
