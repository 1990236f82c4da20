#!/usr/bin/env bash
# How far requests to the interface hold up routers: logins at a fixed rate, by turns with nothing
# beside them and with API_RATE requests a second to lists and single things.
#
#   scripts/bench/api.sh BINARY [ROUNDS]
#
#   API_RATE          requests to the interface a second (500)
#   LOGIN_RATE        logins a second (10000)
#   API_SECONDS       how long each turn is (8)
#   API_SUBSCRIBERS   how many there are (100000)
#
# It prints the 50th and 99th percentile of logins of every turn, and what the interface answered.
set -euo pipefail

binary=$(realpath "$1")
rounds=${2:-3}
rate=${API_RATE:-500}
logins=${LOGIN_RATE:-10000}
seconds=${API_SECONDS:-8}
subscribers=${API_SUBSCRIBERS:-100000}
place=$(mktemp -d -p "${BENCH_DIR:-/var/tmp}")
server=
trap '[ -z "$server" ] || kill "$server"; wait; rm -rf "$place"' EXIT

export LASTMILE_DATA_DIR=$place/data
export LASTMILE_RADIUS__AUTH=127.0.0.1:41812 LASTMILE_RADIUS__ACCT=127.0.0.1:41813
export LASTMILE_RADIUS__RELAY=127.0.0.1:43799 LASTMILE_HTTP__LISTEN=127.0.0.1:48080

"$binary" plan add home --rate 25M/50M 2>/dev/null
"$binary" nas add bench --address 127.0.0.1 --secret bench-shared-secret-01 2>/dev/null
awk -v n="$subscribers" 'BEGIN { print "username,password,plan"; for (i = 0; i < n; i++) print "user" i ",pw-" i ",home" }' >"$place/users.csv"
"$binary" subscriber import "$place/users.csv" >/dev/null 2>&1
token=$("$binary" token create bench --role owner --output json 2>/dev/null | sed -nE 's/.*"token": *"([^"]+)".*/\1/p')
"$binary" serve 2>"$place/log" &
server=$!
for _ in $(seq 200); do
    curl --silent --output /dev/null "http://$LASTMILE_HTTP__LISTEN/healthz" && break
    sleep 0.1
done

paths=(subscribers?limit=50 subscribers/user500 plans sessions?limit=50)
urls=()
for path in "${paths[@]}"; do
    urls+=("http://$LASTMILE_HTTP__LISTEN/api/v1/$path")
done

turn() {
    "$binary" lab load --users "$place/users.csv" --mix pap --seconds "$seconds" --rate "$logins" \
        --secret bench-shared-secret-01 --output json 2>/dev/null >"$place/load.json"
    python3 - "$1" "$place/load.json" <<'PY'
import json, sys
load = json.load(open(sys.argv[2]))
load = load[0] if isinstance(load, list) else load
print(f"{sys.argv[1]:<8} logins {load['throughput_per_second']:>9,.0f}/s   p50 {load['p50_us'] / 1000:.2f} ms   p99 {load['p99_us'] / 1000:.2f} ms")
PY
}

for _ in $(seq "$rounds"); do
    turn alone
    h2load --h1 --clients 4 --rps "$((rate / 4))" --duration "$((seconds + 2))" \
        --header "Authorization: Bearer $token" "${urls[@]}" >"$place/h2load" 2>&1 &
    load=$!
    turn beside
    wait "$load"
    grep -E '^(finished|requests|status codes|request  )' "$place/h2load" | sed 's/^/         /'
done
