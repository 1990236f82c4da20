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
import plan
import postgres
import report
from plan import FEW, HALF, MANY, STORM, TWO_CORES, YEAR, number
from process import (
    BenchError,
    cpu_seconds,
    ended_children_cpu_seconds,
    machine_cpu_seconds,
    memory_bytes,
    peak_memory_bytes,
    run,
    wait_until_idle,
)

SERVER_CORE = 0
GENERATOR_CORE = 1
WARM_UP_SECONDS = 1
# The least that a load at a rate may have under way, so that a stall does not hold it back.
OPEN_OUTSTANDING_MIN = 1_000
STORM_SUBSCRIBERS = 50_000


class Bench:
    """One run: its settings, its scratch directory, and the peers that were prepared."""

    def __init__(self, binary, scratch, settings):
        self.binary = binary
        self.scratch = scratch
        self.settings = settings
        self.secret = secrets.token_hex(16)
        self.users = users(settings["subscribers"])
        self.generators = {}
        # The requests a second of each row that was measured.
        self.reached = {}
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

    def population(self, name):
        """How many subscribers a peer has."""
        if name.endswith(FEW):
            return self.settings["few"]
        return self.settings["many" if name.endswith(MANY) else "subscribers"]

    def users_file(self, count):
        path = self.scratch / f"users-{count}.csv"
        if not path.exists():
            with path.open("w") as out:
                out.write("username,password,plan\n")
                out.writelines(f"{name},{password},bench\n" for name, password in users(count))
        return path

    def generator(self, name):
        count = self.population(name)
        if count not in self.generators:
            self.generators[count] = lastmile.Generator(
                self.binary, self.users_file(count), self.secret, GENERATOR_CORE,
                self.settings["ports"],
            )
        return self.generators[count]

    def peer(self, name):
        directory = self.scratch / name
        users_file = self.users_file(self.population(name))
        if name == "echo":
            return lastmile.Echo(self.binary, self.scratch)
        if name.startswith("responder"):
            return lastmile.Responder(self.binary, self.scratch, users_file, self.secret)
        if name.startswith("lastmile-"):
            url = "sqlite:"
            if name.startswith("lastmile-postgresql"):
                database = name.replace("-", "_")
                self.postgresql().create(database)
                url = self.cluster.url(database)
            history_rows = self.settings["history_rows"] if name.endswith(YEAR) else 0
            return lastmile.Lastmile(
                self.binary, directory, users_file, self.secret, url, history_rows,
            )
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

            start = {
                "ready_seconds": server.ready_seconds,
                "memory_after_start_bytes": memory_bytes(server.pid),
            }
            if mix != STORM:
                self.load(name, mix, auth, acct, WARM_UP_SECONDS)
            wait_until_idle(cpu)
            others = machine_cpu_seconds() - ended_children_cpu_seconds()
            before = cpu()
            result = self.load(name, mix, auth, acct, self.settings["seconds"])
            at_end = cpu()
            others = machine_cpu_seconds() - ended_children_cpu_seconds() - others
            wait_until_idle(cpu)
            row = {**self.row(result, cpu() - before), **start}
            row["server_cpu_seconds_under_load"] = at_end - before
            row["server_cpu_share"] = (at_end - before) / result["elapsed_seconds"]
            row["generator_cpu_share"] = result["cpu_seconds"] / result["elapsed_seconds"]
            others -= at_end - before
            row["others_cpu_share"] = max(0, others) / result["elapsed_seconds"]
            row["peak_memory_bytes"] = peak_memory_bytes(server.pid)
            if database is not None:
                row["database_memory_bytes"] = database.memory_bytes()
            if isinstance(peer, lastmile.Lastmile):
                row["counters"] = peer.counters()
            self.reached[f"{name}/{mix}"] = row["throughput_per_second"]
            return row
        finally:
            server.stop()

    def load(self, name, mix, auth, acct, seconds):
        generator = self.generator(name)
        if mix == "volley":
            return generator.volley(auth, self.settings["outstanding"], seconds)
        if mix == STORM:
            subscribers = min(STORM_SUBSCRIBERS, self.population(name))
            return generator.storm(auth, acct, subscribers, self.settings["storm_seconds"])
        rate, base = None, plan.base(mix)
        kind = "accounting_outstanding" if base.startswith("accounting") else "outstanding"
        outstanding = self.settings[kind]
        if mix.endswith(HALF):
            reached = self.reached.get(f"{name}/{base}")
            if reached is None:
                raise BenchError(f"half of {name}/{base} is unknown, because that row failed")
            rate = max(1, int(reached / 2))
            outstanding = max(outstanding, OPEN_OUTSTANDING_MIN)
        asked = "accounting" if base == TWO_CORES else base
        return generator.load(auth, acct, asked, outstanding, seconds, rate)

    def row(self, result, cpu):
        counts = result.get("counts", {})
        # Every login is right, so a server that rejects one has failed at it.
        rejected = counts.get("rejects", 0)
        answers = counts.get("answers", result.get("answers")) - rejected
        if answers <= 0:
            raise BenchError(f"no request was answered as it should be; {rejected} were rejected")
        # A storm has a latency for logins and one for Starts: the slower of the two counts.
        latencies = [result["latency"]] if "latency" in result else [
            exchange["latency"] for exchange in result["exchanges"]
        ]
        return {
            "requests": answers,
            "elapsed_seconds": result["elapsed_seconds"],
            "throughput_per_second": answers / result["elapsed_seconds"],
            **{
                name: max(latency[name] for latency in latencies)
                for name in ("p50_us", "p99_us", "p999_us", "max_us")
            },
            "server_cpu_seconds": cpu,
            "server_cpu_seconds_per_100k": cpu / answers * 100_000,
            # A row so short that the clock of the kernel did not tick has no rate.
            "requests_per_cpu_second": answers / cpu if cpu else 0,
            "lost": counts.get("lost", result.get("lost", 0)) + rejected,
            "rejected": rejected,
            **{
                name: counts.get(name, 0)
                for name in ("retransmits", "bad_authenticators", "late", "unsent")
            },
            **({"missing": result["subscribers"] - result["returned"]} if "returned" in result else {}),
        }


def users(count):
    return [(f"bench{n:08}", f"secret-{n}") for n in range(1, count + 1)]


def free_udp_ports(count):
    sockets = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(count)]
    try:
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
    finally:
        for each in sockets:
            each.close()


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
        "accounting_outstanding": number("BENCH_ACCOUNTING_OUTSTANDING", 1_000),
        "ports": number("BENCH_PORTS", 4),
        "storm_seconds": number("BENCH_STORM_SECONDS", 60),
        "few": number("BENCH_FEW", 1_000),
        "many": number("BENCH_MANY", 1_000_000),
        "history_rows": number("BENCH_HISTORY_ROWS", 5_000_000),
    }
    rows = plan.chosen_rows()
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
