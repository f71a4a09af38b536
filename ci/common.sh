# Sourced by the other scripts: what the tools are told, headed and timed sections.
# shellcheck shell=bash

export MPLBACKEND=Agg
export PIP_DISABLE_PIP_VERSION_CHECK=1
export PIP_NO_INPUT=1
export PIP_PROGRESS_BAR=off
export PIP_QUIET=2
export PYTHONUNBUFFERED=1

failed=()
report=()

# section TITLE COMMAND...: runs the command under a heading and remembers how it went.
section() {
    local title=$1 began=$SECONDS outcome=ok
    shift
    printf '\n===== %s =====\n' "$title"
    "$@" || outcome="FAILED ($?)"
    if [ "$outcome" != ok ]; then
        failed+=("$title")
    fi
    report+=("$(printf '%5d s  %-12s %s' $((SECONDS - began)) "$outcome" "$title")")
    printf -- '----- %s: %s after %d s -----\n' "$title" "$outcome" $((SECONDS - began))
}

# Stops here when a section has failed, where the next ones would make no sense.
require_success() {
    if [ ${#failed[@]} -gt 0 ]; then
        summarise
    fi
}

# Prints all sections and ends the script: with 1 when one has failed.
summarise() {
    printf '\n===== Summary =====\n'
    printf '%s\n' "${report[@]}"
    if [ ${#failed[@]} -gt 0 ]; then
        exit 1
    fi
    exit 0
}

# copy_tree DIR: copies what git tracks, or would track, to a new folder.
copy_tree() {
    mkdir -p "$1"
    if git rev-parse --is-inside-work-tree >/dev/null 2>&1; then
        # A file deleted but not yet committed is still listed.
        git ls-files -z --cached --others --exclude-standard |
            while IFS= read -r -d '' file; do
                if [ -e "$file" ]; then printf '%s\0' "$file"; fi
            done |
            tar --create --null --files-from=- | tar --extract --directory="$1"
    else
        cp -R . "$1"
    fi
}
