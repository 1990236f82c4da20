#!/usr/bin/env bash
# Makes sure that a Cargo subcommand is present; builds it from source when it is not.
#
#   scripts/need-tool.sh cargo-nextest 0.9.143
set -euo pipefail

name=$1
version=$2

# Cargo finds its subcommands on PATH and in its own directory.
if command -v "$name" >/dev/null 2>&1 || [ -x "${CARGO_HOME:-$HOME/.cargo}/bin/$name" ]; then
    exit 0
fi
echo "Installing $name $version with cargo; this takes some minutes, once" >&2
# A target directory of the caller would be filled with what only the tool needs.
env --unset=CARGO_TARGET_DIR cargo install --locked --version "$version" "$name" >&2
