#!/usr/bin/env bash
# The benchmarks on small data, in the active environment; the reports are thrown away.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. ci/common.sh

out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
python -m benchmarks peers --quick --out "$out"
python -m benchmarks scaling --quick --out "$out"
python -m benchmarks growth --quick --rounds 1 --out "$out"
python -m benchmarks memory --quick --only lloyd --out "$out"
python -m benchmarks selection --quick --out "$out"
python -m benchmarks compare . --quick --sets digits --races lloyd --out "$out"
for file in {peers,scaling,growth,memory,selection,compare}-quick.{md,json} {scaling,growth}-quick.png; do
    test -s "$out/$file"
done
