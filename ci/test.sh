#!/usr/bin/env bash
# The tests, in the active environment or with the interpreter that PYTHON names; further
# arguments go to pytest.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. ci/common.sh

exec "${PYTHON:-python}" -m pytest -q "$@"
