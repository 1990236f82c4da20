#!/usr/bin/env bash
# Loads a fresh server on loopback with each kind of request; prints a table, keeps the JSON.
#
#   scripts/bench.sh PATH/TO/lastmile
#
# BENCH_SUBSCRIBERS (10000) and BENCH_SECONDS (5, for each kind) change the size of it.
# The load generator shares the processors with the server: these are numbers to compare with
# each other on one machine, not the most that the server can do.
set -euo pipefail

binary=$(realpath "$1")
cd "$(dirname "$0")/.."
subscribers=${BENCH_SUBSCRIBERS:-10000}
seconds=${BENCH_SECONDS:-5}
results=target/bench
ready_seconds_max=30

scratch=$(mktemp -d)
server=
clean_up() {
    if [ -n "$server" ]; then
        kill "$server" 2>/dev/null || true
        wait "$server" 2>/dev/null || true
    fi
    rm -rf "$scratch"
}
trap clean_up EXIT

admin() {
    "$binary" --data-dir "$scratch/data" "$@" >"$scratch/admin.log" 2>&1 || {
        cat "$scratch/admin.log" >&2
        return 1
    }
}

# The value of a key in the line that the server logs when it is ready.
ready_value() {
    grep '"message":"Ready' "$scratch/server.log" | tail -n 1 | sed -nE "s/.*\"$1\":\"([^\"]+)\".*/\1/p"
}

start_server() {
    : >"$scratch/server.log"
    LASTMILE_RADIUS__AUTH=127.0.0.1:0 LASTMILE_RADIUS__ACCT=127.0.0.1:0 \
        LASTMILE_RADIUS__RELAY=127.0.0.1:0 LASTMILE_HTTP__LISTEN=127.0.0.1:0 \
        "$binary" serve --data-dir "$scratch/data" --log json >/dev/null 2>"$scratch/server.log" &
    server=$!
    local waited=0
    until grep -q '"message":"Ready' "$scratch/server.log"; do
        if ! kill -0 "$server" 2>/dev/null || [ "$waited" -ge $((ready_seconds_max * 10)) ]; then
            echo "error: the server is not ready after $((waited / 10)) s; its last lines:" >&2
            tail -n 20 "$scratch/server.log" >&2
            return 1
        fi
        sleep 0.1
        waited=$((waited + 1))
    done
}

stop_server() {
    kill -TERM "$server"
    wait "$server"
    server=
}

secret=$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')
users=$scratch/users.csv
{
    echo username,password,plan
    awk -v n="$subscribers" 'BEGIN { for (i = 1; i <= n; i++) printf "bench%08d,secret-%d,bench\n", i, i }'
} >"$users"

start_server
admin nas add bench --address 127.0.0.1 --secret "$secret"
admin plan add bench --rate 25M/50M
echo "Importing $subscribers subscribers" >&2
admin subscriber import "$users"
# A server that starts with them holds them all: nothing is measured before it is in force.
stop_server
start_server

mkdir -p "$results"
mixes=(pap chap mschapv2 accounting)
for mix in "${mixes[@]}"; do
    echo "Loading with $mix for $seconds s" >&2
    "$binary" lab load --auth "$(ready_value radius.auth)" --acct "$(ready_value radius.acct)" \
        --secret "$secret" --users "$users" --mix "$mix" --seconds "$seconds" \
        --outstanding 256 --ports 8 --output json >"$results/$mix.json"
done
stop_server

python3 scripts/bench-table.py "${mixes[@]/#/$results/}"
