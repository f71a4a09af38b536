"""scikit-learn's own tests of its estimators, run with ours in their place.

The installed modules are copied to a temporary folder, where the names of the estimators stand for
ours; functions, `k_means` and `kmeans_plusplus`, stay scikit-learn's. What differs on purpose is
listed here with the reason: all else must pass, and nothing that is listed may.
"""

import ast
import os
import re
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest
import sklearn

import kmeans_xp

ESTIMATORS = {"KMeans", "MiniBatchKMeans", "BisectingKMeans", "GaussianMixture"}
FIXTURES = """
import numpy
import pytest

@pytest.fixture
def global_random_seed():
    return 42

@pytest.fixture(params=[numpy.float32, numpy.float64])
def global_dtype(request):
    return request.param
"""

SPARSE = "sparse rows are not taken yet"
PRIVATE = "it uses private names of scikit-learn's estimators"
WORDS = "our errors and warnings name the argument, the rule, the value and the remedy"
PROGRESS = "progress is shown on standard error, in other words"
DRAWS = "it tells what the draws of one seed find, and ours are others"

OF_SPARSE_ROWS = (
    r"test_(?!minibatch_reassign|minibatch_update|relocate_empty).*"
    r"\[(.*-)?(sparse_matrix|sparse_array|csr_matrix|csr_array|X_csr\d)(-.*)?\]"
)
# What differs on purpose: patterns of whole names of tests, and the reason.
DIFFERENCES = {
    "cluster/tests/test_k_means.py": {
        OF_SPARSE_ROWS: SPARSE,
        "test_(kmeans_init_auto_with_initial_centroids|minibatch_kmeans_init_size|n_init_auto).*": (
            PRIVATE
        ),
        "test_sample_weight_(init|zero).*": PRIVATE,
        "test_wrong_params.*": WORDS,
        "test_kmeans_verbose.*": PROGRESS,
        "test_minibatch_declared_convergence.*": (
            f"{PROGRESS}; and tol is compared with the smoothed shift of the centres"
        ),
        "test_warning_elkan_1_cluster": "with 'elkan' any exact method may run, as with 'auto'",
    },
    "cluster/tests/test_bisect_k_means.py": {
        r"test_three_clusters\[random-.*": DRAWS,
        OF_SPARSE_ROWS: SPARSE,
    },
    "mixture/tests/test_gaussian_mixture.py": {
        "test_check_(weights|means|precisions)|test_regularisation|test_sample": WORDS,
        "test_gaussian_mixture_fit_convergence_warning": WORDS,
        "test_gaussian_mixture_(n_parameters|aic_bic)": PRIVATE,
        r"test_gaussian_mixture_precisions_init\[.*": PRIVATE,
        "test_gaussian_mixture_all_init_does_not_estimate_gaussian_parameters": PRIVATE,
        "test_gaussian_mixture_setting_best_params": (
            "a covariance that collapses is an error, not a fit that did not converge"
        ),
        "test_gaussian_mixture_raises_where_array_api_not_implemented.*": (
            "all starts are found for arrays of any library"
        ),
    },
}


def written_for_ours(source):
    """The module, in which names of estimators stand for ours."""
    imports = [n for n in ast.parse(source).body if isinstance(n, ast.Import | ast.ImportFrom)]
    names = {alias.name for node in imports for alias in node.names} & ESTIMATORS
    lines = source.splitlines()
    lines.insert(imports[-1].end_lineno, f"from kmeans_xp import {', '.join(sorted(names))}")
    return "\n".join(lines)


def outcomes(source, folder):
    """Whether each test that ran passed, by its name."""
    (folder / "conftest.py").write_text(FIXTURES)
    (folder / "pytest.ini").write_text("[pytest]\n")
    (folder / "test_theirs.py").write_text(written_for_ours(source))
    program = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist"]
    program += ["--junitxml", "told.xml", "test_theirs.py"]
    path = [str(Path(kmeans_xp.__file__).parents[1]), os.environ.get("PYTHONPATH", "")]
    # With this scikit-learn tries arrays of several libraries.
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(path), "SCIPY_ARRAY_API": "1"}
    environment.pop("PYTEST_ADDOPTS", None)
    ran = subprocess.run(
        program, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert ran.returncode in (0, 1), ran.stdout + ran.stderr
    cases = ElementTree.parse(folder / "told.xml").iter("testcase")
    marks = {case.get("name"): {mark.tag for mark in case} for case in cases}
    ran_through = {name: found for name, found in marks.items() if "skipped" not in found}
    return {name: not found & {"failure", "error"} for name, found in ran_through.items()}


@pytest.mark.parametrize("module", DIFFERENCES)
def test_scikit_learns_own_tests(module, tmp_path):
    path = Path(sklearn.__file__).parent / module
    if not path.exists():
        pytest.skip("this scikit-learn comes without its tests")
    passed = outcomes(path.read_text(encoding="utf-8"), tmp_path)
    listed = {n for n in passed for pattern in DIFFERENCES[module] if re.fullmatch(pattern, n)}
    failed = {name for name, good in passed.items() if not good}
    assert len(passed) > 10
    assert sorted(failed - listed) == [], "these should pass, or be listed with a reason"
    assert sorted(listed - failed) == [], "these pass, and should not be listed"
