#!/usr/bin/env bash
# Makes sure that the peers of the benchmark are there, without letting a package start or enable
# its own service: nothing listens on the default ports of RADIUS because of a measurement.
#
#   scripts/bench/need.sh
set -euo pipefail
cd "$(dirname "$0")/../.."

peers=(freeradius=/usr/sbin/freeradius
    freeradius-postgresql='/usr/lib/freeradius/rlm_sql_postgresql.so'
    freeradius-utils=radclient postgresql='/usr/lib/postgresql/*/bin/initdb'
    python3=python3:sqlite3 util-linux=taskset util-linux=setpriv)

as_root=(env)
if [ "$(id -u)" -ne 0 ]; then
    as_root=(sudo env)
fi

# Asked by invoke-rc.d before it starts a service; 101 forbids it.
forbid_start() {
    printf '#!/bin/sh\nexit 101\n' | "${as_root[@]}" tee "$policy" >/dev/null
    "${as_root[@]}" chmod 0755 "$policy"
    trap allow_start EXIT
}

allow_start() {
    "${as_root[@]}" rm -f "$policy"
}

# Whether this user is root, or sudo works without asking; otherwise need.sh says what to install.
is_root_available() {
    [ "$(id -u)" -eq 0 ] || sudo --non-interactive true 2>/dev/null
}

policy=/usr/sbin/policy-rc.d
if [ -e /usr/sbin/freeradius ] || ! is_root_available; then
    scripts/need.sh "${peers[@]}"
    exit
fi
if [ ! -e "$policy" ]; then
    forbid_start
fi
scripts/need.sh "${peers[@]}"
if command -v systemctl >/dev/null 2>&1; then
    echo "The service that came with freeradius stays off; systemctl enable --now freeradius turns it on" >&2
    "${as_root[@]}" systemctl --quiet disable freeradius.service || true
fi
