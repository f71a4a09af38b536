#!/usr/bin/env bash
# Builds sdist and wheel, installs the wheel in a fresh environment and does the README's
# main job there, in an empty folder, where no checkout can stand in for the package.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. ci/common.sh

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
root=$PWD

python -m build --outdir "$work/dist" . >"$work/build.log" || { cat "$work/build.log"; exit 1; }
wheel=$(echo "$work"/dist/*.whl)
python -m zipfile --list "$wheel"

job=$(python ci/readme_blocks.py 1 --only kmeans-xp)
python -m venv "$work/env"
# shellcheck disable=SC1091  # made a line above
. "$work/env/bin/activate"
python -m pip install "${wheel}[cli,plot]"

mkdir "$work/empty"
cd "$work/empty"
python - "$root" <<'PYTHON'
import sys
from importlib.resources import files

import kmeans_xp

home = files(kmeans_xp)
assert "site-packages" in str(home), f"imported from {home}"
assert not str(home).startswith(sys.argv[1]), f"imported from {home}"
assert (home / "py.typed").is_file(), "the wheel lacks py.typed"
PYTHON
kmeans-xp info
printf '%s\n\n' "$job"
bash -euo pipefail -c "$job"
pictures=$(find . -name '*.png' -size +1k)
test -n "$pictures" || { echo "the main job left no picture" >&2; exit 1; }
