"""Measures lastmile, FreeRADIUS and two ceilings side by side, in one run, with one generator.

    python3 scripts/bench/run.py PATH/TO/lastmile RESULTS.json

docs/performance.md says what is measured, and how to choose what and for how long.
"""

import datetime
import os
import pathlib
import platform
import secrets
import shutil
import signal
import socket
import sys
import tempfile

import freeradius
import lastmile
import postgres
import report
from process import (
    BenchError,
    cpu_seconds,
    ended_children_cpu_seconds,
    machine_cpu_seconds,
    peak_memory_bytes,
    run,
    wait_until_idle,
)

SERVER_CORE = 0
GENERATOR_CORE = 1
WARM_UP_SECONDS = 1
LOGINS = ["pap", "chap", "mschapv2"]
TWO_CORES = "accounting-two-cores"

# Each peer with what it is asked, in the order of measurement.
PEERS = {
    "echo": ["volley"],
    "responder": ["pap"],
    "lastmile-sqlite": [*LOGINS, "accounting"],
    "lastmile-postgresql": [*LOGINS, "accounting", TWO_CORES],
    "freeradius-files": LOGINS,
    "freeradius-sqlite": ["pap", "accounting"],
    "freeradius-sqlite-tuned": ["pap", "accounting"],
    "freeradius-postgresql": ["pap", "accounting", TWO_CORES],
    "freeradius-postgresql-tuned": ["pap", "accounting", TWO_CORES],
}


class Bench:
    """One run: its settings, its scratch directory, and the peers that were prepared."""

    def __init__(self, binary, scratch, settings):
        self.binary = binary
        self.scratch = scratch
        self.settings = settings
        self.secret = secrets.token_hex(16)
        self.users = [(f"bench{n:08}", f"secret-{n}") for n in range(1, settings["subscribers"] + 1)]
        self.users_file = scratch / "users.csv"
        with self.users_file.open("w") as out:
            out.write("username,password,plan\n")
            out.writelines(f"{name},{password},bench\n" for name, password in self.users)
        self.generator = lastmile.Generator(
            binary, self.users_file, self.secret, GENERATOR_CORE,
            settings["outstanding"], settings["ports"],
        )
        self.cluster = None
        self.debian = None

    def close(self):
        if self.cluster is not None:
            self.cluster.stop()

    def postgresql(self):
        if self.cluster is None:
            self.cluster = postgres.Cluster(self.scratch / "postgresql", {SERVER_CORE})
        return self.cluster

    def debian_files(self):
        if self.debian is None:
            self.debian = freeradius.Debian(self.scratch / "debian")
        return self.debian

    def peer(self, name):
        directory = self.scratch / name
        if name == "echo":
            return lastmile.Echo(self.binary, self.scratch)
        if name == "responder":
            return lastmile.Responder(self.binary, self.scratch, self.users_file, self.secret)
        if name == "lastmile-sqlite":
            return lastmile.Lastmile(self.binary, directory, self.users_file, self.secret, "sqlite:")
        if name == "lastmile-postgresql":
            self.postgresql().create("lastmile")
            url = self.cluster.url("lastmile")
            return lastmile.Lastmile(self.binary, directory, self.users_file, self.secret, url)
        common = (self.debian_files(), directory, self.users, self.secret)
        is_tuned = name.endswith("-tuned")
        if name == "freeradius-files":
            return freeradius.Files(*common, freeradius.fixed_threads(1))
        if name.startswith("freeradius-sqlite"):
            return freeradius.Sqlite(*common, freeradius.fixed_threads(4), is_tuned)
        threads = freeradius.fixed_threads(16) if is_tuned else freeradius.DEBIAN_THREADS
        return freeradius.Postgresql(*common, threads, is_tuned, self.postgresql())

    def measure(self, name, peer, mix):
        """One row: a fresh server, a warm-up, and the load."""
        cores = {SERVER_CORE, GENERATOR_CORE} if mix == TWO_CORES else {SERVER_CORE}
        database = self.cluster if "postgresql" in name else None
        if database is not None:
            database.pin(cores)
        auth, acct = free_udp_ports(2)
        server = peer.start(auth, acct, cores)
        try:
            def cpu():
                return cpu_seconds(server.pid) + (database.cpu_seconds() if database else 0)

            self.load(mix, auth, acct, WARM_UP_SECONDS)
            wait_until_idle(cpu)
            others = machine_cpu_seconds() - ended_children_cpu_seconds()
            before = cpu()
            result = self.load(mix, auth, acct, self.settings["seconds"])
            at_end = cpu()
            others = machine_cpu_seconds() - ended_children_cpu_seconds() - others
            wait_until_idle(cpu)
            row = self.row(result, cpu() - before)
            row["server_cpu_seconds_under_load"] = at_end - before
            row["server_cpu_share"] = (at_end - before) / result["elapsed_seconds"]
            others -= at_end - before
            row["others_cpu_share"] = max(0, others) / result["elapsed_seconds"]
            row["peak_memory_bytes"] = peak_memory_bytes(server.pid)
            if database is not None:
                row["database_memory_bytes"] = database.memory_bytes()
            if isinstance(peer, lastmile.Lastmile):
                row["counters"] = peer.counters()
            return row
        finally:
            server.stop()

    def load(self, mix, auth, acct, seconds):
        if mix == "volley":
            return self.generator.volley(auth, seconds)
        mix = "accounting" if mix == TWO_CORES else mix
        return self.generator.load(auth, acct, mix, seconds)

    def row(self, result, cpu):
        counts = result.get("counts", {})
        # Every login is right, so a server that rejects one has failed at it.
        rejected = counts.get("rejects", 0)
        answers = counts.get("answers", result.get("answers")) - rejected
        if answers <= 0:
            raise BenchError(f"no request was answered as it should be; {rejected} were rejected")
        latency = result["latency"]
        return {
            "requests": answers,
            "elapsed_seconds": result["elapsed_seconds"],
            "throughput_per_second": answers / result["elapsed_seconds"],
            **{name: latency[name] for name in ("p50_us", "p90_us", "p99_us", "p999_us", "max_us")},
            "server_cpu_seconds": cpu,
            "server_cpu_seconds_per_100k": cpu / answers * 100_000,
            # A row so short that the clock of the kernel did not tick has no rate.
            "requests_per_cpu_second": answers / cpu if cpu else 0,
            "lost": counts.get("lost", result.get("lost", 0)) + rejected,
            "rejected": rejected,
            "retransmits": counts.get("retransmits", 0),
            "bad_authenticators": counts.get("bad_authenticators", 0),
        }


def free_udp_ports(count):
    sockets = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(count)]
    try:
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
    finally:
        for each in sockets:
            each.close()


def number(name, default):
    text = os.environ.get(name, "") or str(default)
    if not text.isdigit() or not int(text):
        raise BenchError(f"{name} is '{text}': give a number from 1")
    return int(text)


def chosen_rows():
    """The rows that BENCH_ROWS names, by peer or by peer and mix; all without it."""
    every = [(peer, mix) for peer, mixes in PEERS.items() for mix in mixes]
    wanted = [name.strip() for name in os.environ.get("BENCH_ROWS", "").split(",") if name.strip()]
    known = {name for peer, mix in every for name in (peer, f"{peer}/{mix}")}
    for name in wanted:
        if name not in known:
            raise BenchError(f"BENCH_ROWS names '{name}'; there are: {', '.join(sorted(known))}")
    return [
        (peer, mix) for peer, mix in every
        if not wanted or peer in wanted or f"{peer}/{mix}" in wanted
    ]


def machine():
    model = next(
        (line.partition(":")[2].strip() for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines()
         if line.startswith("model name")),
        "unknown",
    )
    return {
        "processor": model,
        "cores": os.cpu_count(),
        "kernel": platform.release(),
        "load_average": os.getloadavg()[0],
    }


def check_machine(scratch):
    if not {SERVER_CORE, GENERATOR_CORE} <= os.sched_getaffinity(0):
        raise BenchError("two cores are needed: one for the server and one for the generator")
    file_system = run(["stat", "--file-system", "--format=%T", scratch]).decode().strip()
    if file_system == "tmpfs":
        raise BenchError(f"{scratch} is in memory, where nothing is durable: set BENCH_DIR")


def run_rows(bench, rows):
    peers, failures, results = {}, {}, []
    for name, mix in rows:
        row = f"{name}/{mix}"
        cores = "0,1" if mix == TWO_CORES else "0"
        try:
            if name in failures:
                raise failures[name]
            if name not in peers:
                say(f"Preparing {name}")
                try:
                    peers[name] = bench.peer(name)
                    peers[name].prepare()
                except BenchError as error:
                    failures[name] = error
                    raise
            say(f"Measuring {row}")
            measured = bench.measure(name, peers[name], mix)
            say(f"  {measured['throughput_per_second']:,.0f} requests/s, "
                f"{measured['server_cpu_seconds_per_100k']:.3f} CPU s/100k")
            results.append({"row": row, "cores": cores, **measured})
        except BenchError as error:
            say(f"  failed: {error}")
            results.append({"row": row, "cores": cores, "error": str(error)})
    return results


def say(text):
    print(text, file=sys.stderr, flush=True)


def main(binary, results):
    settings = {
        "subscribers": number("BENCH_SUBSCRIBERS", 100_000),
        "seconds": number("BENCH_SECONDS", 5),
        "outstanding": number("BENCH_OUTSTANDING", 100),
        "ports": number("BENCH_PORTS", 4),
    }
    rows = chosen_rows()
    parent = os.environ.get("BENCH_DIR") or "/var/tmp"
    scratch = pathlib.Path(tempfile.mkdtemp(prefix="lastmile-bench.", dir=parent))
    # PostgreSQL has a user of its own, which must get through.
    scratch.chmod(0o711)
    bench = None
    try:
        check_machine(scratch)
        bench = Bench(os.path.abspath(binary), scratch, settings)
        about = {
            "date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
            "machine": machine(),
            "settings": settings,
            "versions": {"lastmile": lastmile.version(bench.binary)},
        }
        measured = run_rows(bench, rows)
        if any(name.startswith("freeradius") for name, _ in rows):
            about["versions"]["freeradius"] = freeradius.version()
        if bench.cluster is not None:
            about["versions"]["postgresql"] = bench.cluster.version()
    finally:
        if bench is not None:
            bench.close()
        if not os.environ.get("BENCH_KEEP"):
            shutil.rmtree(scratch, ignore_errors=True)
    report.write(results, about, measured)
    return 1 if any("error" in row for row in measured) else 0


if __name__ == "__main__":
    # Whoever ends the run ends what it started, too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    try:
        sys.exit(main(*sys.argv[1:]))
    except BenchError as error:
        sys.exit(f"error: {error}")
