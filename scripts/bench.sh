#!/usr/bin/env bash
# Measures lastmile beside FreeRADIUS and beside two ceilings, in one run; prints a table and keeps
# the JSON in target/bench. docs/performance.md says what the numbers mean.
#
#   scripts/bench.sh PATH/TO/lastmile
#
#   BENCH_GROWTH       measure how it grows instead, when it is not empty (target/bench/growth.json)
#   BENCH_SECONDS      how long each row is measured (5)
#   BENCH_SUBSCRIBERS  how many there are (100000)
#   BENCH_ROWS         what to measure: freeradius-files,lastmile-sqlite/pap (everything)
#   BENCH_OUTSTANDING  requests under way at a time (100), over BENCH_PORTS source ports (4)
#   BENCH_ACCOUNTING_OUTSTANDING  the same for accounting (1000)
#   BENCH_STORM_SECONDS  in which a storm blows (60)
#   BENCH_FEW, BENCH_MANY  subscribers of the rows about growth (1000, 1000000)
#   BENCH_HISTORY_ROWS closed sessions of a year, for the rows about growth (5000000)
#   BENCH_DIR          where the databases live meanwhile (/var/tmp); it must be on a disk
#   BENCH_KEEP         keep them afterwards, when it is not empty
set -euo pipefail

binary=$(realpath "$1")
cd "$(dirname "$0")/.."
results=target/bench/results.json
if [ -n "${BENCH_GROWTH:-}" ]; then
    results=target/bench/growth.json
fi
PYTHONDONTWRITEBYTECODE=1 exec python3 scripts/bench/run.py "$binary" "$results"
