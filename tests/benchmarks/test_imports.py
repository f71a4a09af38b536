"""No module of the benchmarks imports itself, by whatever way round."""

import ast
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import benchmarks


def circle_in(package: Path) -> list[str]:
    """Names of modules each of which imports another of them, in a circle; empty without one.

    An import counts wherever it stands: in a function, or for types alone. Whoever imports a
    module imports the packages around it, too.
    """
    files = {_name(file, package): file for file in package.rglob("*.py")}
    graph = {name: set(_imports(name, file, files)) for name, file in files.items()}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return error.args[1]
    return []


def _name(file: Path, package: Path) -> str:
    parts = file.relative_to(package.parent).with_suffix("").parts
    return ".".join(part for part in parts if part != "__init__")


def _imports(module: str, file: Path, files: dict[str, Path]) -> Iterator[str]:
    """The modules among `files` that a module imports, and the packages that it lies in."""
    package = module if file.name == "__init__.py" else module.rpartition(".")[0]
    yield from _with_packages(package, files) - {module}
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        for name in _named(node, package):
            yield from _with_packages(name, files) - {module}


def _named(node: ast.AST, package: str) -> list[str]:
    """Full names that an import statement may stand for."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if not isinstance(node, ast.ImportFrom):
        return []
    above = package.split(".")
    above = above[: len(above) + 1 - node.level] if node.level else []
    return [".".join(filter(None, [*above, node.module, a.name])) for a in node.names]


def _with_packages(name: str, files: dict[str, Path]) -> set[str]:
    parts = name.split(".")
    prefixes = (".".join(parts[:end]) for end in range(1, len(parts) + 1))
    return {prefix for prefix in prefixes if prefix in files}


def test_no_circle_in_the_benchmarks():
    assert circle_in(Path(benchmarks.__file__).parent) == []


@pytest.mark.parametrize(
    ("files", "circle"),
    [
        ({"a": "from house import b", "b": "import house.c", "c": ""}, set()),
        ({"a": "from house import b", "b": "import house.a"}, {"house.a", "house.b"}),
        ({"a": "def f():\n    import house.b", "b": "from . import a"}, {"house.a", "house.b"}),
        ({"__init__": "from house.a import x", "a": ""}, {"house", "house.a"}),
        ({"a": "from .room import b", "room/__init__": "", "room/b": ""}, set()),
        ({"a": "from .room import b", "room/__init__": "", "room/b": "from ..a import x"},
         {"house.a", "house.room.b"}),
    ],
)  # fmt: skip
def test_a_circle_is_found(tmp_path, files, circle):
    package = tmp_path / "house"
    (package / "room").mkdir(parents=True)
    for name, text in {"__init__": "", **files}.items():
        (package / f"{name}.py").write_text(text)
    assert set(circle_in(package)) == circle
