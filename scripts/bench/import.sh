#!/usr/bin/env bash
# Times `lastmile import freeradius` over users that are made for it, on SQLite:
#
#   scripts/bench/import.sh BINARY [USERS]
#
# Nine of ten users become subscribers, and one keeps rows. It prints the seconds of the preview, of
# the import, and of the same import again.
set -euo pipefail

binary=$(realpath "$1")
users=${2:-100000}
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT

sqlite3 "$place/radius.db" < /etc/freeradius/3.0/mods-config/sql/main/sqlite/schema.sql
sqlite3 "$place/radius.db" <<SQL
CREATE TEMPORARY TABLE number AS WITH RECURSIVE n (i) AS (
    SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < $users
) SELECT i FROM n;
INSERT INTO radcheck (username, attribute, op, value)
    SELECT 'user' || i, 'Cleartext-Password', ':=', 'pw-' || i FROM number;
INSERT INTO radcheck (username, attribute, op, value)
    SELECT 'user' || i, 'Login-Time', ':=', 'Al0800-1800' FROM number WHERE i % 10 = 0;
INSERT INTO radusergroup (username, groupname, priority)
    SELECT 'user' || i, 'plan' || (i % 20), 1 FROM number;
INSERT INTO radgroupreply (groupname, attribute, op, value)
    SELECT 'plan' || i, 'Mikrotik-Rate-Limit', ':=', i || 'M/' || (4 * i) || 'M' FROM number WHERE i < 20;
SQL

timed() {
    local name=$1 begun ended
    shift
    begun=$(date +%s.%N)
    "$binary" --data-dir "$place/data" import freeradius --database "sqlite:$place/radius.db" "$@" >"$place/$name.txt"
    ended=$(date +%s.%N)
    awk -v name="$name" -v begun="$begun" -v ended="$ended" 'BEGIN { printf "%-8s %.1f s\n", name, ended - begun }'
}

timed preview --dry-run
timed import
timed again
grep -E '^ *done' "$place/import.txt"
