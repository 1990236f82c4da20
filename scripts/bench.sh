#!/usr/bin/env bash
# Measures lastmile beside FreeRADIUS and beside two ceilings, in one run; prints a table and keeps
# the JSON in target/bench. docs/performance.md says what the numbers mean.
#
#   scripts/bench.sh PATH/TO/lastmile
#
#   BENCH_SECONDS      how long each row is measured (5)
#   BENCH_SUBSCRIBERS  how many there are (100000)
#   BENCH_ROWS         what to measure: freeradius-files,lastmile-sqlite/pap (everything)
#   BENCH_OUTSTANDING  requests under way at a time (100), over BENCH_PORTS source ports (4)
#   BENCH_DIR          where the databases live meanwhile (/var/tmp); it must be on a disk
#   BENCH_KEEP         keep them afterwards, when it is not empty
set -euo pipefail

binary=$(realpath "$1")
cd "$(dirname "$0")/.."
PYTHONDONTWRITEBYTECODE=1 exec python3 scripts/bench/run.py "$binary" target/bench/results.json
