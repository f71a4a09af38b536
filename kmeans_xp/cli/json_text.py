"""What ``--json`` prints; it needs nothing of the extra `cli`."""

import json
import sys
from typing import Any


def print_json(facts: dict[str, Any]) -> None:
    """Write facts as one JSON object."""
    sys.stdout.write(json.dumps(facts, indent=2, allow_nan=False) + "\n")
