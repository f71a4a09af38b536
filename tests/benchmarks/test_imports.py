"""No module of the benchmarks imports itself, by whatever way round."""

from pathlib import Path

import pytest

import benchmarks
from tests.imports import circle_in


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
