#!/usr/bin/env bash
# Runs every fuzz target of the RADIUS codec for some seconds each; fails on the first crash.
#
#   scripts/fuzz.sh SECONDS
set -euo pipefail
cd "$(dirname "$0")/../crates/radius"

seconds=$1
targets=$(cargo +nightly fuzz list)
for target in $targets; do
    echo "Fuzzing $target for $seconds s" >&2
    cargo +nightly fuzz run "$target" -- -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048
done
