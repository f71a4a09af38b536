#!/usr/bin/env bash
# Both benchmarks on small data, in the active environment; the reports are thrown away.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. ci/common.sh

out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
python -m benchmarks peers --quick --out "$out"
python -m benchmarks scaling --quick --out "$out"
for file in peers-quick.md peers-quick.json scaling-quick.md scaling-quick.json scaling-quick.png; do
    test -s "$out/$file"
done
