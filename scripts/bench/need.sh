#!/usr/bin/env bash
# Makes sure that the peers of the benchmark are there; see scripts/need.sh.
#
#   scripts/bench/need.sh
set -euo pipefail
cd "$(dirname "$0")/../.."

scripts/need.sh freeradius=/usr/sbin/freeradius \
    freeradius-postgresql='/usr/lib/freeradius/rlm_sql_postgresql.so' \
    freeradius-utils=radclient postgresql='/usr/lib/postgresql/*/bin/initdb' \
    nghttp2-client=h2load python3=python3:sqlite3 util-linux=taskset util-linux=setpriv
