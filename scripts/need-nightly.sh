#!/usr/bin/env bash
# Makes sure that a nightly toolchain is there, or says how to get one.
set -euo pipefail

if ! rustup run nightly rustc --version >/dev/null 2>&1; then
    echo "error: a nightly toolchain is missing; only it has the sanitizers that fuzzing needs" >&2
    echo "       install it with: rustup toolchain install nightly --profile minimal" >&2
    exit 1
fi
