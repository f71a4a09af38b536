"""``kmeans-xp info``: what is installed, what a fit would run on, and what for some input."""

import platform
import sys
import warnings
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from itertools import product
from shutil import get_terminal_size
from textwrap import fill
from typing import Any

from kmeans_xp import __version__
from kmeans_xp.algorithms.kmeans.explain import explained, in_words
from kmeans_xp.algorithms.kmeans.explanation import Explanation
from kmeans_xp.arrays.backends import installed
from kmeans_xp.arrays.threads import thread_count
from kmeans_xp.cli.errors import CliError, optional, printing
from kmeans_xp.cli.inputs import Choice, choose
from kmeans_xp.cli.json_text import print_json
from kmeans_xp.cli.opening import read
from kmeans_xp.kernels.choose.engine import ENGINES, LLOYD
from kmeans_xp.kernels.choose.lloyd import BOUND_METHODS
from kmeans_xp.kernels.compile import compile as compile_kernels
from kmeans_xp.kernels.numba import compiling
from kmeans_xp.kernels.numba.compiling import ALL, DTYPES

REQUIRED = ("numpy", "scipy", "scikit-learn", "array-api-compat", "array-api-extra")
EXTRAS = {
    "fast": ("numba",),
    "cli": ("typer", "rich", "pyarrow", "pillow"),
    "plot": ("matplotlib",),
}


def info(
    *, compile_all: bool, as_json: bool, spec: str | None = None, n_clusters: int | None = None
) -> None:
    """Run the command; of `spec`, an input, say what a fit of `n_clusters` would run."""
    if (spec is None) != (n_clusters is None):
        raise CliError("--for INPUT and -k K go together: say both, or neither")
    if compile_all:
        try:
            compile_kernels()
        except RuntimeError as error:
            raise CliError(str(error)) from error
    if spec is not None and n_clusters is not None:
        found = explained(choose(read(spec), Choice()).rows, n_clusters)
        facts, words = _facts_of(found), f"{in_words(found)}\n"
    else:
        facts = gather()
        words = _in_words(facts)
    with printing():
        if as_json:
            print_json(facts)
        else:
            sys.stdout.write(words)


def _facts_of(found: Explanation) -> dict[str, Any]:
    facts = asdict(found)
    return {**facts, "memory": {**facts["memory"], "most": found.memory.most}}


def gather() -> dict[str, Any]:
    """Collect what there is to know, in types that JSON has."""
    return {
        "kmeans_xp": __version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "threads": thread_count(),
        "blas": _blas(),
        "packages": {name: _version(name) for name in REQUIRED},
        "extras": {extra: {n: _version(n) for n in names} for extra, names in EXTRAS.items()},
        "backends": _backends(),
        "kernels": [{"name": engine.name, "algorithm": LLOYD} for engine in ENGINES],
        "trackings": [{"name": t.name, "algorithm": t.algorithm} for t in BOUND_METHODS],
        "compiled": _compiled(),
    }


def _compiled() -> bool:
    """Return whether a fit finds all kernels compiled."""
    wanted = product(DTYPES, ALL)
    return all(compiling.prepare(dtype, name, compile=False) for dtype, name in wanted)


def _backends() -> list[dict[str, Any]]:
    with warnings.catch_warnings():
        # What a library deprecates while it lists its devices is no news to the user.
        warnings.simplefilter("ignore")
        return [asdict(backend) for backend in installed()]


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _blas() -> list[str]:
    libraries = optional("threadpoolctl").threadpool_info()
    found = [entry for entry in libraries if entry["user_api"] == "blas"]
    return [f"{entry['internal_api']} {entry['version'] or ''}".strip() for entry in found]


def _in_words(facts: dict[str, Any]) -> str:
    told = {
        **{name: facts[name] for name in ("kmeans_xp", "python", "platform")},
        "threads": str(facts["threads"]),
        "BLAS": ", ".join(facts["blas"]) or "none found",
        **{table: _kernels(facts[table]) for table in ("kernels", "trackings")},
        "compiled": _compilation(facts["compiled"]),
        "needs": _listed(facts["packages"]),
        **{f"extra {extra}": _listed(packages) for extra, packages in facts["extras"].items()},
    }
    backends = [
        (b["name"], b["version"], ", ".join(b["devices"]) or "no device found")
        for b in facts["backends"]
    ]
    lines = ["", *_paragraphs(told), "", *_table([("backend", "version", "devices"), *backends])]
    return "\n".join([*lines, ""])


def _paragraphs(told: dict[str, str]) -> list[str]:
    """Return each name with its text to its right, which is wrapped there."""
    width, columns = 2 + max(map(len, told)), get_terminal_size().columns
    indent = " " * (width + 2)
    return [
        fill(text, columns, initial_indent=f"{name:>{width}}  ", subsequent_indent=indent)
        for name, text in told.items()
    ]


def _table(rows: list[tuple[str, ...]]) -> list[str]:
    """Return rows with their cells below each other."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  " + "  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]


def _kernels(rows: list[dict[str, str]]) -> str:
    return ", ".join(f"{row['name']} ({row['algorithm']})" for row in rows)


def _compilation(compiled: bool) -> str:
    if compiled:
        return "every Numba kernel"
    if not compiling.installed():
        return "no kernel, without Numba"
    if compiling.trouble():
        return f"no kernel: {compiling.trouble()}"
    return "not every Numba kernel: kmeans-xp info --compile"


def _listed(packages: dict[str, str | None]) -> str:
    return ", ".join(f"{name} {number or '(missing)'}" for name, number in packages.items())
