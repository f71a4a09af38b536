#!/usr/bin/env bash
# Lint, format and types, with the ruff and mypy of the active environment: all three are run,
# whatever the others find.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1

status=0
ruff check . || status=1
ruff format --check . || status=1
mypy || status=1
exit "$status"
