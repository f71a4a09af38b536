"""What the real CuPy has, as record_names.py found it."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

RECORD: dict[str, Any] = json.loads(
    Path(__file__).parents[1].joinpath("names.json").read_text(encoding="utf-8")
)


def acceptor(name: str, signature: str) -> Callable[..., None]:
    """Return a function that raises the TypeError of any call that does not fit a signature."""
    accept: Callable[..., None] = eval(f"lambda {signature[1:-1]}: None")
    accept.__qualname__ = name  # which the error names
    return accept
