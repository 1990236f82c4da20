#!/usr/bin/env bash
# Makes target/venv hold exactly what scripts/requirements.txt names; does nothing when it does.
set -euo pipefail
cd "$(dirname "$0")/.."

venv=target/venv
requirements=scripts/requirements.txt
installed=$venv/requirements.txt

if [ -x "$venv/bin/python" ] && cmp --silent "$requirements" "$installed"; then
    exit 0
fi
echo "Installing Python packages into $venv" >&2
python3 -m venv --clear "$venv"
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check \
    --require-hashes --only-binary :all: --requirement "$requirements" >&2
cp "$requirements" "$installed"
