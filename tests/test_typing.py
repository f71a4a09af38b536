"""What a type checker says of code that uses the package."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
# Each line that is wrong says so. An array may be of any library, so that its type is Any.
CODE = """
import numpy as np
import kmeans_xp
from kmeans_xp import BisectingKMeans, GaussianMixture, KMeans, KMedoids, MiniBatchKMeans
from kmeans_xp import SoftKMeans, SpectralClustering, choose_k, gap_statistic, kmeans
from kmeans_xp import silhouette_score, spectral_clustering
from kmeans_xp import KMean  # error: attr-defined

X = np.zeros((9, 2))
kmeans_xp.kmeanz(X, 3)  # error: attr-defined
kmeans(X, 3, empty_clusters="random", n_init="auto", init=X[:3])
kmeans(X, 3, empty_clusters="nearest")  # error: arg-type
kmeans(X, 3, n_init="many")  # error: arg-type
kmeans(X, 3, rng=0).centroids  # error: attr-defined
BisectingKMeans(3, bisecting_strategy="largest_cluster")
BisectingKMeans(3, bisecting_strategy="smallest")  # error: arg-type
GaussianMixture(3, covariance_type="tied", init_params="random_from_data")
GaussianMixture(3, covariance_type="round")  # error: arg-type
GaussianMixture(3, init_params="k-means")  # error: arg-type
KMeans(3, algorithm="elkan", copy_x=False).fit(X).predict(X)
MiniBatchKMeans(3, n_init="auto").partial_fit(X).partial_fit(X)
choose_k(X, algorithm="gmm")
choose_k(X, algorithm="gaussian")  # error: arg-type
gap_statistic(X, [1, 2], rule="tibshirani", reference="uniform")
gap_statistic(X, [1, 2], rule="best")  # error: arg-type
silhouette_score(X, X[:, 0], metric="cosine")
silhouette_score(X, X[:, 0], metric="cosin")  # error: arg-type
spectral_clustering(X, 3, affinity="rbf", gamma="local")
spectral_clustering(X, 3, affinity="rbf", gamma="global")  # error: arg-type

reveal_type(KMeans.fit_predict)
reveal_type(KMedoids.fit_transform)
reveal_type(SoftKMeans.fit_transform)
reveal_type(SpectralClustering.fit_predict)
reveal_type(KMeans(3).fit(X))
"""


def test_a_checker_refuses_what_does_not_exist_and_knows_what_methods_return(tmp_path):
    pytest.importorskip("mypy")
    (tmp_path / "code.py").write_text(CODE)
    program = [sys.executable, "-m", "mypy", "--cache-dir", tmp_path / "cache"]
    program += ["--config-file", ROOT / "pyproject.toml", tmp_path / "code.py"]
    told = subprocess.run(program, cwd=ROOT, capture_output=True, text=True, check=False)
    assert not told.stderr, told.stderr
    lines = re.findall(r"code\.py:(\d+): (error|note): (.*)", told.stdout)
    found = {
        int(number): text.rpartition("[")[2].rstrip("]")
        for number, kind, text in lines
        if kind == "error"
    }
    code = enumerate(CODE.splitlines(), 1)
    assert found == {n: line.split("# error: ")[1] for n, line in code if "# error: " in line}
    *methods, fitted = [text for _, kind, text in lines if kind == "note"]
    assert len(methods) == 4
    for text in methods:
        assert re.search(r'"def \(self: kmeans_xp\.\S+, X: Any.*\) -> Any"', text), text
    assert fitted.endswith('"kmeans_xp.estimators.kmeans.KMeans"')
