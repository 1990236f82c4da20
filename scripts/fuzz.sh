#!/usr/bin/env bash
# Runs every fuzz target for some seconds each, from the inputs in the repository; fails on the
# first crash. What it finds on the way stays below target/fuzz and goes into the next run.
#
#   scripts/fuzz.sh SECONDS
set -euo pipefail
cd "$(dirname "$0")/.."

seconds=$1
found=$(realpath --canonicalize-missing "${CARGO_TARGET_DIR:-target}")/fuzz
for crate in crates/radius crates/aaa; do
    cd "$crate"
    for target in $(cargo +nightly fuzz list); do
        echo "Fuzzing $target for $seconds s" >&2
        mkdir -p "$found/$target"
        # The first directory is written to, the other is read only.
        cargo +nightly fuzz run --target-dir "$found/build" "$target" \
            "$found/$target" "fuzz/corpus/$target" \
            -- -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -print_final_stats=1
    done
    cd ../..
done
