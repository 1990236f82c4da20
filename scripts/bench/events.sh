#!/usr/bin/env bash
# What telling events costs routers: accounting, of which each Start and Stop is an event, by turns with
# nobody listening and with many WebSockets.
#
#   scripts/bench/events.sh BINARY [ROUNDS]
#
#   EVENT_LISTENERS   WebSockets (2000)
#   EVENT_STALLED     of these, so many never read (20)
#   EVENT_TOPICS      what they listen to (nas.*,plan.*); with session.* each Start and Stop goes to all
#   EVENT_RATE        accounting records a second (10000); empty is as many as are answered
#   EVENT_SECONDS     how long each turn is (10)
#
# It prints accounting, the processor time of the server for each record, and what the listeners had.
set -euo pipefail

binary=$(realpath "$1")
rounds=${2:-3}
listeners=${EVENT_LISTENERS:-2000}
stalled=${EVENT_STALLED:-20}
topics=${EVENT_TOPICS:-nas.*,plan.*}
rate=${EVENT_RATE-10000}
seconds=${EVENT_SECONDS:-10}
place=$(mktemp -d -p "${BENCH_DIR:-/var/tmp}")
server=
trap '[ -z "$server" ] || kill "$server"; wait; rm -rf "$place"' EXIT

export LASTMILE_DATA_DIR=$place/data
export LASTMILE_RADIUS__AUTH=127.0.0.1:42812 LASTMILE_RADIUS__ACCT=127.0.0.1:42813
export LASTMILE_RADIUS__RELAY=127.0.0.1:44799 LASTMILE_HTTP__LISTEN=127.0.0.1:49080
export LASTMILE_HTTP__CONNECTIONS_PER_ADDRESS_MAX=$((listeners + 100))
ulimit -n "$(ulimit -Hn)"

"$binary" plan add home --rate 25M/50M 2>/dev/null
"$binary" nas add bench --address 127.0.0.1 --secret bench-shared-secret-01 2>/dev/null
awk 'BEGIN { print "username,password,plan"; for (i = 0; i < 1000; i++) print "user" i ",pw-" i ",home" }' >"$place/users.csv"
"$binary" subscriber import "$place/users.csv" >/dev/null 2>&1
token=$("$binary" token create bench --role owner --output json 2>/dev/null | sed -nE 's/.*"token": *"([^"]+)".*/\1/p')
"$binary" serve 2>"$place/log" &
server=$!
for _ in $(seq 200); do
    curl --silent --output /dev/null "http://$LASTMILE_HTTP__LISTEN/healthz" && break
    sleep 0.1
done

metric() {
    curl --silent "http://$LASTMILE_HTTP__LISTEN/metrics" | sed -nE "s/^lastmile_$1 ([0-9]+)$/\1/p"
}

# Clock ticks that the server has had.
ticks() {
    awk '{ print $14 + $15 }' "/proc/$server/stat"
}

turn() {
    local stored lost begun
    stored=$(metric events_stored_total)
    lost=$(metric events_lost_total)
    begun=$(ticks)
    "$binary" lab load --users "$place/users.csv" --mix accounting --seconds "$seconds" ${rate:+--rate "$rate"} \
        --secret bench-shared-secret-01 --output json 2>/dev/null >"$place/load.json"
    python3 - "$1" "$place/load.json" "$(($(ticks) - begun))" "$(getconf CLK_TCK)" \
        "$(($(metric events_stored_total) - stored))" "$(($(metric events_lost_total) - lost))" "$seconds" <<'PY'
import json, sys
name, path, ticks, hertz, stored, lost, seconds = sys.argv[1:]
load = json.load(open(path))
load = load[0] if isinstance(load, list) else load
rate = load["throughput_per_second"]
cost = int(ticks) / int(hertz) / max(rate * float(seconds), 1) * 1e6
print(f"{name:<8} accounting {rate:>8,.0f}/s   p99 {load['latency']['p99_us'] / 1000:>7.2f} ms   {cost:>6.1f} us of processor each"
      f"   events {int(stored) / float(seconds):>8,.0f}/s stored, {lost} lost")
PY
}

for _ in $(seq "$rounds"); do
    turn alone
    "$binary" lab listen --token "$token" --listeners "$listeners" --stalled "$stalled" --topics "$topics" \
        --seconds "$((seconds + 3))" >"$place/listen" 2>&1 &
    listening=$!
    for _ in $(seq 300); do
        [ "$(metric event_readers)" -ge "$listeners" ] && break
        sleep 0.1
    done
    turn beside
    wait "$listening" || true
    sed 's/^/         /' "$place/listen"
done
