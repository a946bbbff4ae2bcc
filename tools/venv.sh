#!/usr/bin/env bash
# Usage: tools/venv.sh DIRECTORY LOCK
# Makes a virtual environment from a lock file with hashes, with the newest Python of 3.11 or later that really runs here, and
# installs this project into it (editable). Uses uv where the machine has it, which is only faster; pip otherwise.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
directory=$1
lock=$2

# A name on PATH proves nothing (version managers leave shims that refuse to run), so each candidate is executed.
usable() {
    "$1" -c 'import ensurepip, ssl, sys, venv; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1
}
find_python() {
    local minor candidate
    for minor in 14 13 12 11; do
        for candidate in "python3.$minor" "${PYENV_ROOT:-${HOME:-/nonexistent}/.pyenv}"/versions/3."$minor".*/bin/python3; do
            if usable "$candidate"; then
                command -v "$candidate"
                return
            fi
        done
    done
    for candidate in "${PYTHON:-}" python3 python; do
        if [[ -n $candidate ]] && usable "$candidate"; then
            command -v "$candidate"
            return
        fi
    done
    echo "no Python 3.11 or newer (with venv) found; install one, or name it with PYTHON=/path/to/python3" >&2
    return 1
}

# A stamp named after the lock's content: a changed lock makes the environment anew, nothing else does.
stamp=$directory/.lock-$(cat "$lock" tools/venv.sh | sha256sum | cut -c1-16)
[[ ! -e $stamp ]] || exit 0
mkdir -p "$(dirname "$directory")"
exec 9>"$directory.making"
trap 'rm -f "$directory.making"' EXIT
! command -v flock >/dev/null || flock 9
[[ ! -e $stamp ]] || exit 0

if [[ -n ${PYTHON:-} ]]; then
    usable "$PYTHON" || { echo "PYTHON=$PYTHON is not a Python 3.11 or newer with venv" >&2; exit 1; }
    python=$(command -v "$PYTHON")
else
    python=$(find_python)
fi
echo "making $directory with $("$python" --version) from $lock" >&2
rm -rf "$directory"
if uv --version >/dev/null 2>&1; then
    uv venv --quiet --python "$python" "$directory"
    install=(uv pip install --quiet --python "$directory/bin/python")
else
    "$python" -m venv "$directory"
    install=("$directory/bin/python" -m pip install --quiet --disable-pip-version-check --no-input)
fi
"${install[@]}" --require-hashes -r "$lock"
"${install[@]}" --no-deps --no-build-isolation -e .
touch "$stamp"
