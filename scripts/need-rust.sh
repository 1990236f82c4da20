#!/usr/bin/env bash
# Makes sure that cargo is there, is new enough for `rust-version` in Cargo.toml and has the
# components that are named: has rustup add them, or says how to get them.
#
#   scripts/need-rust.sh [rustfmt] [clippy]
set -euo pipefail
cd "$(dirname "$0")/.."

has_component() {
    case $1 in
        rustfmt) cargo fmt --version >/dev/null 2>&1 ;;
        *) cargo "$1" --version >/dev/null 2>&1 ;;
    esac
}

wanted=$(sed -nE 's/^rust-version = "([0-9.]+)"$/\1/p' Cargo.toml)

if ! command -v cargo >/dev/null 2>&1; then
    echo "error: cargo is missing; lastmile needs Rust $wanted or newer" >&2
    echo "       install it from https://rustup.rs, open a new shell, then run this again" >&2
    exit 1
fi
if ! found=$(cargo --version); then
    echo "error: cargo does not run; lastmile needs Rust $wanted or newer" >&2
    echo "       install it with: rustup default stable" >&2
    exit 1
fi
found=$(cut -d ' ' -f 2 <<<"$found")
oldest=$(printf '%s\n' "$wanted" "$found" | sort --version-sort | head -n 1)
if [ "$oldest" != "$wanted" ]; then
    echo "error: cargo is $found; lastmile needs Rust $wanted or newer" >&2
    echo "       update it with: rustup update stable" >&2
    exit 1
fi

missing=()
for component in "$@"; do
    has_component "$component" || missing+=("$component")
done
if [ ${#missing[@]} -eq 0 ]; then
    exit 0
fi
if command -v rustup >/dev/null 2>&1; then
    echo "Installing Rust components: ${missing[*]}" >&2
    rustup component add "${missing[@]}" >&2 && exit 0
fi
echo "error: missing Rust components: ${missing[*]}" >&2
echo "       install them with: rustup component add ${missing[*]}" >&2
exit 1
