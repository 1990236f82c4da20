"""A PostgreSQL cluster of the benchmark's own, with the settings of Debian: every commit is durable."""

import os
import pathlib
import shutil
import socket
import subprocess

from process import BenchError, children, run, tree_cpu_seconds, tree_memory_bytes


def free_tcp_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Cluster:
    """A server that lives in one directory; started pinned, stopped by pg_ctl."""

    def __init__(self, directory, cores):
        binaries = sorted(pathlib.Path("/usr/lib/postgresql").glob("*/bin"), key=version)
        if not binaries:
            raise BenchError("PostgreSQL is missing: apt-get install postgresql")
        self.binaries = binaries[-1]
        self.directory = pathlib.Path(directory)
        self.directory.mkdir()
        # PostgreSQL refuses to run as root.
        self.owner = {"user": "postgres", "group": "postgres"} if os.getuid() == 0 else {}
        if self.owner:
            self.owner["extra_groups"] = []
            shutil.chown(self.directory, "postgres", "postgres")
        self.port = free_tcp_port()
        self.data = self.directory / "data"
        initdb = ["initdb", "--username=postgres", "--auth=trust", "--encoding=UTF8"]
        self.owned(*initdb, "--locale=C.UTF-8", "--pgdata", self.data)
        self.owned(
            "pg_ctl", "start", "--wait", "--timeout=60", "--pgdata", self.data,
            "--log", self.directory / "log", "--options",
            f"-c port={self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories=",
        )
        self.pid = int((self.data / "postmaster.pid").read_text().split()[0])
        self.pin(cores)

    def owned(self, tool, *arguments):
        # pg_ctl leaves the server behind with its pipes, so nothing waits for their end.
        with (self.directory.parent / "postgres-tools.log").open("ab") as log:
            done = subprocess.run(
                [self.binaries / tool, *arguments], stdin=subprocess.DEVNULL,
                stdout=log, stderr=log, cwd="/", **self.owner,
            )
        if done.returncode:
            raise BenchError(f"{tool} failed:\n{pathlib.Path(log.name).read_text()[-2_000:]}")

    def url(self, database):
        return f"postgres://postgres:unchecked@127.0.0.1:{self.port}/{database}"

    def psql(self, database, sql, **options):
        command = [self.binaries / "psql", "--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1"]
        return run([*command, self.url(database), "--command", sql], **options)

    def create(self, database):
        self.psql("postgres", f"CREATE DATABASE {database}")

    def version(self):
        return run([self.binaries / "postgres", "--version"]).decode().strip()

    def pin(self, cores):
        """Moves the server and everything that it started; what it starts later follows."""
        for pid in [self.pid, *children(self.pid)]:
            try:
                os.sched_setaffinity(pid, cores)
            except ProcessLookupError:
                continue

    def cpu_seconds(self):
        return tree_cpu_seconds(self.pid)

    def memory_bytes(self):
        return tree_memory_bytes(self.pid)

    def stop(self):
        self.owned("pg_ctl", "stop", "--mode=fast", "--wait", "--pgdata", self.data)


def version(path):
    return float(path.parent.name)
