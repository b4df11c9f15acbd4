#!/bin/sh
# Makes the checkout's environment: set_up.sh <venv> <stamp>. The stamp is written last, so a broken set-up is begun again.
set -eu
venv=$1 stamp=$2
cd "$(dirname "$0")/../.."

say() { printf '%s\n' "$*" >&2; }

# The locks are valid for these two; a shim that names a version which is not there fails here and is passed over.
suits() { "$1" -c 'import sys; sys.exit(sys.version_info[:2] not in ((3, 11), (3, 12)))' >/dev/null 2>&1; }

find_python() {
    for candidate in ${PYTHON:-} python3.12 python3.11 python3 python \
        "$HOME"/.pyenv/versions/3.12.*/bin/python "$HOME"/.pyenv/versions/3.11.*/bin/python; do
        if suits "$candidate"; then printf '%s\n' "$candidate"; return 0; fi
    done
    return 1
}

python=$(find_python) || {
    say "Headgate needs Python 3.11 or 3.12, and none was found on PATH${PYTHON:+ or as PYTHON=$PYTHON}."
    say "Install one (Debian, Ubuntu: apt install python3 python3-venv) or name one: make PYTHON=/path/to/python3.12 set-up"
    exit 1
}

if ! "$python" -c 'import venv, ensurepip' >/dev/null 2>&1; then
    say "$python is there but cannot make environments: its modules venv and ensurepip are missing."
    say "Install them (Debian, Ubuntu: apt install python3-venv) and run make again."
    exit 1
fi

# An environment of another Python, or one whose Python has gone, is made anew; one that suits is kept and only brought up to date.
suits "$venv/bin/python" || rm -rf "$venv"
if [ ! -x "$venv/bin/python" ] || ! "$venv/bin/python" -m pip --version >/dev/null 2>&1; then
    say "Making $venv with $("$python" --version 2>&1) ..."
    "$python" -m venv --clear "$venv"
fi

say "Installing what requirements-dev.lock names (the first time this takes a minute or two) ..."
pip() { "$venv/bin/python" -m pip --disable-pip-version-check --quiet "$@"; }
pip install -r requirements-dev.lock || {
    say "The packages could not be installed: is there a network, or a mirror in pip's own configuration?"
    say "Nothing else is needed from the network: run make again when there is one."
    exit 1
}
pip install --no-deps --no-build-isolation --editable .
touch "$stamp"
say "Ready: $("$venv/bin/python" --version), environment in $venv"
