"""Record which names the installed CuPy has, of what kind, and with which signatures.

Importing CuPy needs no GPU. In an environment that holds NumPy and the wheel of CuPy:

    python -P tests/cupy_stand_in/record_names.py

writes names.json beside this file. (-P lets it import that CuPy, not the one beside it.) A default
that is no literal is recorded as None: it matters only that there is one.
"""

import ast
import inspect
import json
import re
from pathlib import Path
from types import ModuleType
from typing import Any

import cupy
import numpy as np

NAMES = Path(__file__).with_name("names.json")
# What Cython writes before a parameter.
C_TYPE = re.compile(r"\b(?:int|tuple|list|bint|Py_ssize_t|_ndarray_base) (?=\w)")


def kinds(module: ModuleType) -> dict[str, Any]:
    """Name the public contents of a namespace of functions."""
    found: dict[str, Any] = {"of_numpy": [], "ufuncs": [], "functions": {}}
    for name, thing in public(module).items():
        if thing is getattr(np, name, None):
            found["of_numpy"].append(name)
        elif isinstance(thing, type(cupy.add) | type(cupy.matmul)):
            found["ufuncs"].append(name)
        elif inspect.isfunction(thing):
            found["functions"][name] = written(inspect.signature(thing))
    return {kind: names for kind, names in found.items() if names}


def methods(kind: type) -> dict[str, str]:
    """Return the signatures of public methods, which Cython writes into their docstrings."""
    found = {}
    for name, thing in public(kind).items():
        line = (thing.__doc__ or "").partition("\n")[0]
        match = re.match(rf"\w+\.{name}(\(.*\))", line)
        if match:
            bare = C_TYPE.sub("", match[1].partition(" -> ")[0])
            found[name] = re.sub(r"\(self,? ?", "(", bare)
    return found


def public(owner: Any) -> dict[str, Any]:
    """Return what has a public name, but for constants of CUDA."""
    names = (name for name in dir(owner) if not re.match(r"_|cuda[A-Z]", name))
    return {name: getattr(owner, name) for name in names}


def written(signature: inspect.Signature) -> str:
    """Write a signature that can be read without CuPy."""
    plain = []
    for parameter in signature.parameters.values():
        default = parameter.default
        if default is not parameter.empty:
            try:
                default = ast.literal_eval(repr(default))
            except (SyntaxError, ValueError):
                default = None
        plain.append(parameter.replace(annotation=parameter.empty, default=default))
    return str(inspect.Signature(plain))


def main() -> None:
    modules = {m.__name__: kinds(m) for m in (cupy, cupy.linalg, cupy.fft)}
    cuda, runtime = cupy.cuda, cupy.cuda.runtime
    owners = {"cupy": cupy, "cupy.ndarray": cupy.ndarray, "cupy.ufunc": cupy.ufunc}
    owners |= {"cupy.cuda": cuda, "cupy.cuda.runtime": runtime}
    classes = (cuda.Device, cuda.Event, cuda.MemoryPool, cuda.Stream)
    owners |= {f"cupy.cuda.{kind.__name__}": kind for kind in classes}
    record = {
        "version": cupy.__version__,
        "modules": modules,
        "methods": methods(cupy.ndarray),
        # Public names, so that a stand-in can be held to have no others.
        "has": {name: " ".join(public(owner)) for name, owner in owners.items()},
    }
    lines = (f"{json.dumps(key)}: {json.dumps(value)}" for key, value in record.items())
    NAMES.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
