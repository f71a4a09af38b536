"""The house rules of the design that source text can show: floors, nevers, names, docs."""

import ast
import doctest
import inspect
import re
from collections.abc import Iterator
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import kmeans_xp
from tests.callers import (
    ALGORITHMS,
    GOOD,
    OF_A_GLANCE,
    OF_CENTERS,
    OF_ROWS,
    OF_WEIGHTS,
    UNWEIGHTED,
)

ROOT = Path(kmeans_xp.__file__).parent
MODULES = sorted(ROOT.rglob("*.py"))
FLOORS = {
    "arrays": 0,
    "rows": 1,
    "kernels": 1,
    "algorithms": 2,
    "metrics": 2.5,  # on the same floor as algorithms, whose checks of rows it makes
    "selection": 3,
    "estimators": 3,
    "plotting": 4,
    "cli": 5,  # on the same floor as plotting, whose pictures it offers
}
# Floors inside kernels/: what a module's name begins with, the longest that fits.
KERNEL_FLOORS = {
    "shared": 0,
    "interface": 1,
    "metrics": 2,
    "choose.regimes": 1,
    "portable": 2,
    "numpy": 3,
    "numba": 4,
    "cuda": 4,
    "choose": 5,
    "compile": 5,
}
BACKENDS = re.compile(r"cupy|(?:py)?torch|jax|dask|array[_-]api[_-]strict", re.I)
HOMES_OF_BACKENDS = {"arrays", "rows", "kernels"}
SIGNATURES = {
    "kmeans": (
        "(X, n_clusters, *, init='k-means++', n_init='auto', max_iter=300, tol=0.0001, "
        "algorithm='auto', empty_clusters='farthest', sample_weight=None, rng=None, "
        "callback=None)"
    ),
    "minibatch_kmeans": (
        "(X, n_clusters, *, init='k-means++', n_init='auto', batch_size=1024, max_iter=100, "
        "tol=0.0, max_no_improvement=10, init_size=None, reassignment_ratio=0.01, "
        "algorithm='auto', sample_weight=None, rng=None, callback=None)"
    ),
    "bisecting_kmeans": (
        "(X, n_clusters, *, init='random', n_init=1, max_iter=300, tol=0.0001, "
        "bisecting_strategy='biggest_inertia', algorithm='auto', sample_weight=None, rng=None, "
        "callback=None)"
    ),
    "soft_kmeans": (
        "(X, n_clusters, *, stiffness=None, init='k-means++', mixing=True, n_init=1, "
        "max_iter=300, tol=0.0001, reg_covar=1e-06, sample_weight=None, rng=None, "
        "callback=None)"
    ),
    "gaussian_mixture": (
        "(X, n_components, *, covariance_type='full', init='k-means++', n_init=1, max_iter=100, "
        "tol=0.001, reg_covar=1e-06, weights_init=None, means_init=None, precisions_init=None, "
        "sample_weight=None, rng=None, callback=None)"
    ),
    "kmedoids": (
        "(X, n_clusters, *, metric='euclidean', method='auto', init='auto', n_init='auto', "
        "max_iter=300, max_memory=2147483648, algorithm='auto', sample_weight=None, rng=None, "
        "callback=None)"
    ),
    "medoid_silhouette": "(X, medoid_indices, *, metric='euclidean', sample_weight=None)",
    "elbow": "(ks, inertias)",
    "gap_statistic": (
        "(X, ks, *, n_references=20, reference='pca', rule='firstSEmax', n_init=3, rng=None)"
    ),
    "choose_k": (
        "(X, ks=range(1, 11), *, criteria=None, algorithm='kmeans', options=None, "
        "sample_size=5000, sample_weight=None, rng=None, callback=None)"
    ),
    "silhouette_samples": "(X, labels, *, metric='euclidean')",
    "silhouette_score": (
        "(X, labels, *, metric='euclidean', sample_size=None, sample_weight=None, rng=None)"
    ),
    "simplified_silhouette": "(X, centers, labels=None, *, sample_weight=None)",
    "calinski_harabasz_score": "(X, labels, *, sample_weight=None)",
    "davies_bouldin_score": "(X, labels, *, sample_weight=None)",
    "compile": "(*, verbose=None)",
    "explain": "(X, n_clusters, *, algorithm='auto')",
    "kmeans_plusplus": ("(X, n_clusters, *, n_local_trials=None, sample_weight=None, rng=None)"),
    "assign": "(X, centers)",
    "representatives": "(X, centers)",
    "inertia": "(X, centers, labels=None, *, sample_weight=None)",
    "KMeans": (
        "(n_clusters=8, *, init='k-means++', n_init='auto', max_iter=300, tol=0.0001, "
        "verbose=0, random_state=None, copy_x=True, algorithm='auto', empty_clusters='farthest', "
        "callback=None)"
    ),
    "MiniBatchKMeans": (
        "(n_clusters=8, *, init='k-means++', max_iter=100, batch_size=1024, verbose=0, "
        "compute_labels=True, random_state=None, tol=0.0, max_no_improvement=10, init_size=None, "
        "n_init='auto', reassignment_ratio=0.01, algorithm='auto', callback=None)"
    ),
    "BisectingKMeans": (
        "(n_clusters=8, *, init='random', n_init=1, random_state=None, max_iter=300, verbose=0, "
        "copy_x=True, tol=0.0001, algorithm='auto', bisecting_strategy='biggest_inertia', "
        "callback=None)"
    ),
    "KMedoids": (
        "(n_clusters=8, *, metric='euclidean', method='auto', init='auto', n_init='auto', "
        "max_iter=300, max_memory=2147483648, verbose=0, random_state=None, algorithm='auto', "
        "callback=None)"
    ),
    "nearest_neighbors": "(X, n_neighbors, *, include_self=False, algorithm='auto')",
    "spectral_clustering": (
        "(X, n_clusters, *, affinity='nearest_neighbors', n_neighbors=10, gamma=1.0, "
        "n_landmarks=1000, n_init=10, eigen_solver='auto', eigen_tol='auto', max_iter=100, "
        "max_memory=2147483648, algorithm='auto', rng=None, callback=None)"
    ),
    "SpectralClustering": (
        "(n_clusters=8, *, eigen_solver=None, random_state=None, n_init=10, gamma=1.0, "
        "affinity='rbf', n_neighbors=10, eigen_tol='auto', n_landmarks=1000, max_iter=100, "
        "max_memory=2147483648, verbose=0, algorithm='auto', callback=None)"
    ),
    "SoftKMeans": (
        "(n_clusters=8, *, stiffness=None, init='k-means++', mixing=True, n_init=1, "
        "max_iter=300, tol=0.0001, reg_covar=1e-06, verbose=0, random_state=None, callback=None)"
    ),
    "GaussianMixture": (
        "(n_components=1, *, covariance_type='full', tol=0.001, reg_covar=1e-06, max_iter=100, "
        "n_init=1, init_params='kmeans', weights_init=None, means_init=None, "
        "precisions_init=None, random_state=None, warm_start=False, verbose=0, "
        "verbose_interval=10, callback=None)"
    ),
}
FAMILY = ALGORITHMS | UNWEIGHTED
RESULTS = [
    name for name in kmeans_xp.__all__ if name.endswith(("Result", "Iteration", "Selection"))
]

each_module = pytest.mark.parametrize("path", MODULES, ids=lambda p: p.relative_to(ROOT).as_posix())


@cache
def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def _part(path: Path) -> str:
    """The part of the house that a module belongs to: a folder, or a top-level module."""
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


def _imports(path: Path) -> Iterator[str]:
    """Every module that a module imports, at whatever depth, by its full name."""
    package = ["kmeans_xp", *path.relative_to(ROOT).parts[:-1]]
    for node in ast.walk(_tree(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) + 1 - node.level] if node.level else []
            base = [*base, *(node.module or "").split(".")] if node.module else base
            # "from kmeans_xp import rows" imports kmeans_xp.rows, so the name counts.
            yield from (".".join([*base, alias.name]) for alias in node.names)
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith("import_module"):
            yield from (a.value for a in node.args if isinstance(a, ast.Constant))


def _docstrings(tree: ast.Module) -> set[int]:
    kinds = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    firsts = [n.body[0] for n in ast.walk(tree) if isinstance(n, kinds) and n.body]
    return {id(f.value) for f in firsts if isinstance(f, ast.Expr)}


def _words(path: Path) -> Iterator[tuple[int, str]]:
    """Every identifier, import and string of a module, less its docstrings."""
    tree = _tree(path)
    docs = _docstrings(tree)
    for node in ast.walk(tree):
        line = getattr(node, "lineno", 0)
        if isinstance(node, ast.Name):
            yield line, node.id
        elif isinstance(node, ast.Attribute):
            yield line, node.attr
        elif isinstance(node, ast.arg):
            yield line, node.arg
        elif isinstance(node, ast.FunctionDef | ast.ClassDef | ast.alias):
            yield line, node.name
        elif isinstance(getattr(node, "value", None), str) and id(node) not in docs:
            yield line, node.value


def _calls(path: Path) -> Iterator[ast.Call]:
    return (n for n in ast.walk(_tree(path)) if isinstance(n, ast.Call))


@each_module
def test_every_module_has_a_floor(path):
    assert path == ROOT / "__init__.py" or _part(path) in FLOORS


@each_module
def test_imports_point_down(path):
    here = _part(path)
    if here == "__init__":
        return
    for name in _imports(path):
        if not name.startswith("kmeans_xp."):
            continue
        there = name.split(".")[1]
        if there in FLOORS and there != here:
            assert FLOORS[there] < FLOORS[here], f"{here} must not import {name}"


def _module(path: Path) -> str:
    """The full name of a module."""
    return ".".join(["kmeans_xp", *path.relative_to(ROOT).with_suffix("").parts]).removesuffix(
        ".__init__"
    )


def _imported_modules(path: Path) -> set[str]:
    """The modules of the house that a module imports, at whatever depth."""
    known = {_module(p) for p in MODULES}
    named = {name if name in known else name.rpartition(".")[0] for name in _imports(path)}
    return named & known - {_module(path)}


def _kernel_floor(module: str) -> int:
    name = module.removeprefix("kmeans_xp.kernels.")
    fitting = [part for part in KERNEL_FLOORS if name == part or name.startswith(f"{part}.")]
    assert fitting, f"{module} has no floor in kernels/"
    return KERNEL_FLOORS[max(fitting, key=len)]


@pytest.mark.parametrize(
    "path",
    [p for p in MODULES if _part(p) == "kernels" and _module(p) != "kmeans_xp.kernels"],
    ids=lambda p: p.relative_to(ROOT).as_posix(),
)
def test_imports_point_down_inside_kernels(path):
    here = _kernel_floor(_module(path))
    for name in _imported_modules(path):
        if name.startswith("kmeans_xp.kernels."):
            assert _kernel_floor(name) <= here, f"{_module(path)} must not import {name}"
    folder = _module(path).split(".")[2]
    if folder == "numpy":
        assert not [n for n in _imports(path) if "numba" in n], "numpy/ knows nothing of Numba"


def test_no_import_goes_in_a_circle():
    # The package itself imports its public names when they are used.
    graph = {_module(p): _imported_modules(p) for p in MODULES if p != ROOT / "__init__.py"}
    try:
        order = list(TopologicalSorter(graph).static_order())
    except CycleError as error:
        pytest.fail(" imports ".join(reversed(error.args[1])))
    assert order.index("kmeans_xp.arrays.namespace") < order.index("kmeans_xp.cli.app")


@each_module
def test_a_backend_is_named_only_on_the_low_floors(path):
    if _part(path) in HOMES_OF_BACKENDS:
        return
    if _part(path) == "cli":  # help texts may mention a backend; code may not choose by one
        found = [(n, w) for n, w in _words(path) if BACKENDS.fullmatch(w)]
    else:
        found = [(n, w) for n, w in _words(path) if BACKENDS.search(w)]
    assert not found


@each_module
def test_no_dispatch_by_attribute(path):
    if _part(path) in {"arrays", "rows"}:  # where arrays and platforms are told apart
        return
    assert not [c.lineno for c in _calls(path) if ast.unparse(c.func) == "hasattr"]


@each_module
def test_no_global_random_state(path):
    allowed = {"default_rng", "Generator", "RandomState", "SeedSequence", "PCG64"}
    for node in ast.walk(_tree(path)):
        if isinstance(node, ast.Attribute) and ast.unparse(node.value).endswith("np.random"):
            assert node.attr in allowed, f"line {node.lineno}: np.random.{node.attr}"
    for call in _calls(path):
        if ast.unparse(call.func) == "np.random.default_rng":
            assert call.args, f"line {call.lineno}: default_rng() is seeded by nothing"
    assert not {"random", "numpy.random.seed"} & set(_imports(path))


@each_module
def test_only_the_command_line_prints(path):
    if _part(path) == "cli":
        return
    assert not [c.lineno for c in _calls(path) if ast.unparse(c.func) == "print"]


@each_module
def test_no_warning_or_printing_in_a_loop(path):
    for loop in ast.walk(_tree(path)):
        if isinstance(loop, ast.For | ast.While):
            for node in ast.walk(loop):
                if isinstance(node, ast.Call) and _part(path) != "cli":
                    name = ast.unparse(node.func)
                    assert name not in {"warnings.warn", "warn", "print"}, node.lineno


@each_module
def test_no_argument_is_accepted_and_ignored(path):
    if _part(path) in {"arrays", "rows", "kernels"}:  # their functions share one interface
        return
    for node in ast.walk(_tree(path)):
        if not isinstance(node, ast.FunctionDef) or node.decorator_list:
            continue
        used = {n.id for b in node.body for n in ast.walk(b) if isinstance(n, ast.Name)}
        declared = [a.arg for a in [*node.args.args, *node.args.kwonlyargs]]
        # scikit-learn's convention hands every method a y; a stub or magic has no choice.
        ignored = {a for a in declared if a not in used and not a.startswith("_")}
        ignored -= {"self", "cls", "y"}
        stub = isinstance(node.body[-1], ast.Expr) and len(node.body) == 1
        if not stub and not node.name.startswith("__"):
            assert not ignored, f"{node.name} ignores {sorted(ignored)}"


@each_module
def test_nothing_is_left_unfinished(path):
    text = path.read_text(encoding="utf-8")
    assert not re.search(r"\b(TODO|FIXME|XXX|HACK|NotImplementedError)\b", text)


def test_public_names_exist():
    assert {*SIGNATURES, *RESULTS, "__version__"} == set(kmeans_xp.__all__)
    for name in kmeans_xp.__all__:
        assert getattr(kmeans_xp, name) is not None
    with pytest.raises(AttributeError, match="kmeanz"):
        _ = kmeans_xp.kmeanz


@pytest.mark.parametrize("name", SIGNATURES)
def test_signatures_are_the_agreed_ones(name):
    signature = inspect.signature(getattr(kmeans_xp, name))
    bare = [p.replace(annotation=inspect.Parameter.empty) for p in signature.parameters.values()]
    assert str(inspect.Signature(bare)) == SIGNATURES[name]


@pytest.mark.parametrize("name", SIGNATURES)
def test_public_docstrings_are_complete(name):
    thing = getattr(kmeans_xp, name)
    doc = inspect.getdoc(thing)
    is_class = inspect.isclass(thing)
    middle = ["Attributes"] if is_class else ["Returns", "Raises"]
    for section in ["Parameters", *middle, "Examples"]:
        assert re.search(rf"^{section}\n-{{{len(section)}}}$", doc, re.M), section
    for parameter in inspect.signature(thing).parameters:
        assert re.search(rf"^(\w+, )*{parameter}(, \w+)* : ", doc, re.M), parameter
    assert ">>> " in doc


@pytest.mark.parametrize("estimator", FAMILY.values())
def test_examples_of_estimators_run(estimator):
    """They are no part of the module that their `__module__` names, where pytest looks."""
    runner = doctest.DocTestRunner()
    for example in doctest.DocTestFinder().find(estimator, module=False, globs={}):
        runner.run(example)
    assert runner.tries > 0
    assert runner.failures == 0


@pytest.mark.parametrize("function", FAMILY)
def test_an_estimator_has_the_options_of_its_function(function):
    """Its base hands over, by their names, those that the function takes."""
    taken = inspect.signature(function).parameters.keys() - {"X", "sample_weight", "rng", "init"}
    options = inspect.signature(FAMILY[function]).parameters.keys()
    its_own = {"random_state", "verbose", "verbose_interval", "warm_start", "init", "init_params"}
    its_own |= {"copy_x", "compute_labels"}
    assert options - its_own == taken


@pytest.mark.parametrize("estimator", FAMILY.values())
def test_estimators_describe_their_attributes(estimator):
    model = estimator(2, random_state=0).fit(GOOD)
    doc = inspect.getdoc(estimator).partition("\nAttributes\n")[2]
    for name in vars(model):
        if name.endswith("_"):
            assert re.search(rf"^(\w+, )*{name}(, \w+)* :", doc, re.M), name


@pytest.mark.parametrize("name", RESULTS)
def test_results_describe_their_fields(name):
    thing = getattr(kmeans_xp, name)
    assert thing.__dataclass_params__.frozen
    doc = inspect.getdoc(thing)
    for field in thing.__dataclass_fields__:
        assert re.search(rf"^(\w+, )*{field}(, \w+)* :", doc, re.M), field


def _takes(name: str, parameter: str) -> set[str]:
    """A public function, or the methods of a public class, that take such a parameter."""
    thing = getattr(kmeans_xp, name)
    parts = {name: thing}
    if inspect.isclass(thing):
        # scikit-learn's set_fit_request and the like take a sample_weight that is a mere bool.
        hidden = ("_", "set_")
        parts = {f"{name}.{m}": f for m, f in inspect.getmembers(thing) if not m.startswith(hidden)}
    calls = {m: inspect.signature(f).parameters for m, f in parts.items() if callable(f)}
    return {m for m, parameters in calls.items() if parameter in parameters}


@pytest.mark.parametrize("name", SIGNATURES)
def test_every_public_call_is_tried_with_bad_input(name):
    assert _takes(name, "X") <= OF_ROWS.keys() | OF_A_GLANCE.keys()
    assert _takes(name, "sample_weight") <= OF_WEIGHTS.keys()
    assert _takes(name, "centers") <= OF_CENTERS.keys()
