#!/usr/bin/env bash
# Runs one sh block of the README as it stands there: ci/block.sh NUMBER
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. ci/common.sh

script=$(python ci/readme_blocks.py "$1")
printf '%s\n\n' "$script"
exec bash -euo pipefail -c "$script"
