#!/usr/bin/env bash
# Makes sure that cargo is there, is new enough for `rust-version` in Cargo.toml and has the
# components that are named, or says how to get them.
#
#   scripts/need-rust.sh [rustfmt] [clippy]
set -euo pipefail
cd "$(dirname "$0")/.."

wanted=$(sed -nE 's/^rust-version = "([0-9.]+)"$/\1/p' Cargo.toml)
found=$(cargo --version 2>/dev/null | cut -d ' ' -f 2 || true)

if [ -z "$found" ]; then
    echo "error: cargo is missing; lastmile needs Rust $wanted or newer" >&2
    echo "       install it from https://rustup.rs, then run this again" >&2
    exit 1
fi
oldest=$(printf '%s\n' "$wanted" "$found" | sort --version-sort | head -n 1)
if [ "$oldest" != "$wanted" ]; then
    echo "error: cargo is $found; lastmile needs Rust $wanted or newer" >&2
    echo "       update it with: rustup update stable" >&2
    exit 1
fi
for component in "$@"; do
    case $component in
        rustfmt) probe=fmt ;;
        *) probe=$component ;;
    esac
    if ! cargo "$probe" --version >/dev/null 2>&1; then
        echo "error: the Rust component $component is missing" >&2
        echo "       install it with: rustup component add $component" >&2
        exit 1
    fi
done
