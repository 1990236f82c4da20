#!/usr/bin/env bash
# Keeps what `scripts/fuzz.sh` has found: the fewest and shortest inputs that together reach all
# code that was reached. Inputs that are called seed-* were written by hand and stay.
set -euo pipefail
cd "$(dirname "$0")/.."

found=$(realpath --canonicalize-missing "${CARGO_TARGET_DIR:-target}")/fuzz
for crate in crates/radius crates/aaa; do
    cd "$crate"
    for target in $(cargo +nightly fuzz list); do
        corpus=$PWD/fuzz/corpus/$target
        kept=$(mktemp --directory)
        mkdir -p "$found/$target"
        cargo +nightly fuzz run --target-dir "$found/build" "$target" \
            "$kept" "$corpus" "$found/$target" \
            -- -set_cover_merge=1 -use_counters=0 -max_len=768
        find "$corpus" -type f ! -name 'seed-*' -delete
        mv --target-directory="$corpus" "$kept"/*
        rmdir "$kept"
    done
    cd ../..
done
