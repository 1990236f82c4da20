"""A year of closed sessions, written into a migrated database whose server is stopped.

    python3 scripts/bench/history.py sqlite DATA_DIR/lastmile.db ROWS
    python3 scripts/bench/history.py postgres postgres://… ROWS

The sessions are spread evenly over the year before now and over 100,000 users, `bench00000001` and
so on, in the order in which they would have been stored. Keys are random, as they are in life.
"""

import datetime
import os
import pathlib
import random
import sqlite3
import sys
import time

from process import run

USERS = 100_000
YEAR_SECONDS = 365 * 86_400
SESSION_SECONDS_MAX = 8 * 3_600
BATCH_ROWS = 50_000
TENANT = "00000000000070008000000000000001"

COLUMNS = [
    "id", "key", "tenant", "nas", "username", "started_at", "updated_at", "upload_bytes",
    "download_bytes", "session_seconds", "acct_session_id", "nas_address", "framed_ipv4",
    "calling_station", "stopped_at", "cause",
]


def fill_sqlite(path, rows):
    """Adds closed sessions to a SQLite file; its indexes are made anew at the end."""
    database = sqlite3.connect(path, isolation_level=None)
    # What is half written after a crash is the benchmark's own.
    for pragma in ["synchronous = OFF", "cache_size = -1048576", "temp_store = MEMORY"]:
        database.execute(f"PRAGMA {pragma}")
    indexes = database.execute(
        "SELECT name, sql FROM sqlite_master"
        " WHERE type = 'index' AND tbl_name = 'session_closed' AND sql IS NOT NULL"
    ).fetchall()
    for name, _ in indexes:
        database.execute(f"DROP INDEX {name}")
    found = database.execute("SELECT id FROM router LIMIT 1").fetchone()
    nas = found[0] if found else os.urandom(16)
    insert = (
        f"INSERT INTO session_closed ({', '.join(COLUMNS)})"
        f" VALUES ({', '.join('?' * len(COLUMNS))})"
    )
    begin = int(time.time()) - YEAR_SECONDS
    for first in range(0, rows, BATCH_ROWS):
        numbers = range(first, min(first + BATCH_ROWS, rows))
        database.execute("BEGIN")
        database.executemany(insert, (sqlite_row(number, rows, begin, nas) for number in numbers))
        database.execute("COMMIT")
    for _, sql in indexes:
        database.execute(sql)
    database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    database.close()


def sqlite_row(number, rows, begin, nas, tenant=bytes.fromhex(TENANT)):
    started = begin * 1_000_000 + number * YEAR_SECONDS * 1_000_000 // rows
    seconds = random.randrange(60, SESSION_SECONDS_MAX)
    stopped = started + seconds * 1_000_000
    noise = os.urandom(24)
    # UUIDv7: milliseconds, version, variant, noise.
    id = (started // 1_000).to_bytes(6, "big") + b"\x70\x00\x80" + noise[:7]
    return (
        id, noise[8:], tenant, nas, f"bench{number * 7 % USERS + 1:08}", started, stopped,
        seconds * 10_000, seconds * 100_000, seconds, f"h{number:08x}", "127.0.0.1",
        f"100.{64 + number // 65_536 % 64}.{number // 256 % 256}.{number % 256}",
        "aa:bb:cc:dd:ee:ff", stopped, 1,
    )


def fill_postgres(url, rows):
    """Adds closed sessions to a PostgreSQL database, in partitions by month that it makes if they
    are not there; the indexes are made anew at the end."""

    def psql(sql):
        command = ["psql", "--no-psqlrc", "--quiet", "--tuples-only", "--no-align"]
        return run([*command, "--set=ON_ERROR_STOP=1", url, "--command", sql]).decode().strip()

    begin = int(time.time()) - YEAR_SECONDS
    for start, end in months(begin, begin + YEAR_SECONDS + SESSION_SECONDS_MAX):
        psql(
            f"CREATE TABLE IF NOT EXISTS session_closed_{start:%Y_%m} PARTITION OF session_closed"
            f" FOR VALUES FROM ({micros(start)}) TO ({micros(end)})"
        )
    indexes = psql(
        "SELECT replace(pg_get_indexdef(indexrelid), ' ON ONLY ', ' ON '), indexrelid::regclass"
        " FROM pg_index WHERE indrelid = 'session_closed'::regclass AND NOT indisprimary"
    )
    indexes = [line.rsplit("|", 1) for line in indexes.splitlines()]
    steps = [f"DROP INDEX {name}" for _, name in indexes]
    steps.append(
        f"INSERT INTO session_closed ({', '.join(COLUMNS)})"
        " SELECT (lpad(to_hex(started / 1000), 12, '0') || '70008000'"
        " || substr(md5(random()::TEXT), 1, 12))::UUID, gen_random_uuid(),"
        f" '{TENANT}', nas, 'bench' || lpad((number * 7 % {USERS} + 1)::TEXT, 8, '0'), started,"
        " started + seconds * 1000000, seconds * 10000, seconds * 100000, seconds,"
        " 'h' || lpad(to_hex(number), 8, '0'), '127.0.0.1',"
        " '100.' || 64 + number / 65536 % 64 || '.' || number / 256 % 256 || '.' || number % 256,"
        " 'aa:bb:cc:dd:ee:ff', started + seconds * 1000000, 1"
        " FROM (SELECT number, COALESCE((SELECT id FROM router LIMIT 1), gen_random_uuid()) AS nas,"
        f" {begin} * 1000000::BIGINT + number * {YEAR_SECONDS * 1_000_000 // rows} AS started,"
        f" 60 + (random() * {SESSION_SECONDS_MAX - 60})::BIGINT AS seconds"
        f" FROM generate_series(0::BIGINT, {rows} - 1) AS number) AS session"
    )
    steps += [definition for definition, _ in indexes]
    # One string is one transaction.
    psql("; ".join(steps))
    psql("VACUUM ANALYZE session_closed")
    psql("CHECKPOINT")


def months(first, last):
    """Beginnings and ends of the months (UTC) that these seconds are in."""
    utc = datetime.timezone.utc
    start = datetime.datetime.fromtimestamp(first, utc)
    start = start.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    while start.timestamp() <= last:
        end = (start + datetime.timedelta(days=31)).replace(day=1)
        yield start, end
        start = end


def micros(instant):
    return int(instant.timestamp()) * 1_000_000


def main():
    kind, place, rows = sys.argv[1:]
    if kind == "sqlite":
        fill_sqlite(pathlib.Path(place), int(rows))
    elif kind == "postgres":
        fill_postgres(place, int(rows))
    else:
        sys.exit(f"'{kind}' is not a kind of database: write sqlite or postgres")


if __name__ == "__main__":
    main()
