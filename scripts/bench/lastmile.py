"""lastmile under test, and the generator and the ceilings that are in the same program."""

import json
import os
import pathlib
import subprocess
import urllib.request

from process import BenchError, Server, is_bound, run, says

RATE = "25M/50M"
# The routers of a storm: eight addresses, registered by their prefix.
STORM_PREFIX = "127.0.0.8/29"
STORM_ROUTERS = 8
STORM_SOURCE = "127.0.0.8"
# Sessions that live at a time, for accounting.
SESSIONS = 1_000


class Lastmile:
    """The server on a database of its own, after so many sessions that were closed within a year."""

    def __init__(self, binary, directory, users_file, secret, url, history_rows=0):
        self.binary = binary
        self.directory = pathlib.Path(directory)
        self.directory.mkdir()
        self.users_file = users_file
        self.secret = secret
        self.url = url
        self.history_rows = history_rows
        # Nothing of the user's own configuration has a say.
        self.environment = {
            name: value for name, value in os.environ.items() if not name.startswith("LASTMILE_")
        }
        self.environment["LASTMILE_DATABASE__URL"] = url
        self.environment["LASTMILE_DATA_DIR"] = str(self.directory / "data")

    def command(self, *arguments):
        return run([self.binary, *arguments], env=self.environment, cwd=self.directory)

    def prepare(self):
        self.command("migrate")
        self.command("nas", "add", "bench", "--address", "127.0.0.1", "--secret", self.secret)
        self.command("nas", "add", "storm", "--address", STORM_PREFIX, "--secret", self.secret)
        self.command("plan", "add", "bench", "--rate", RATE)
        self.command("subscriber", "import", str(self.users_file))
        if not self.history_rows:
            return
        # Nothing else needs it.
        import history
        if self.url == "sqlite:":
            history.fill_sqlite(self.directory / "data" / "lastmile.db", self.history_rows)
        else:
            history.fill_postgres(self.url, self.history_rows)

    def start(self, auth, acct, cores):
        settings = {
            "radius.auth": f"127.0.0.1:{auth}",
            "radius.acct": f"127.0.0.1:{acct}",
            "radius.relay": "127.0.0.1:0",
            "radius.workers": len(cores),
            "http.listen": "127.0.0.1:0",
        }
        command = [self.binary, "serve", "--log", "json"]
        for key, value in settings.items():
            command += ["--set", f"{key}={value}"]
        self.log = self.directory / "server.log"
        ready = says(self.log, '"message":"Ready')
        return Server(command, cores, self.log, ready, env=self.environment, cwd=self.directory)

    def counters(self):
        """What the server counted that its answers do not show: what it dropped, and log entries lost."""
        for line in self.log.read_text().splitlines():
            if '"message":"Ready' in line:
                address = find(json.loads(line), "http")
                break
        else:
            return {}
        with urllib.request.urlopen(f"http://{address}/metrics", timeout=5) as answer:
            lines = answer.read().decode().splitlines()
        wanted = ("lost", "dropped", "discard")
        pairs = (line.rpartition(" ") for line in lines if not line.startswith("#"))
        return {
            name: float(value)
            for name, _, value in pairs
            if float(value) and any(word in name for word in wanted)
        }


def find(value, wanted):
    """The value of the first key in nested JSON that names `wanted` last, such as `http.listen`."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if not isinstance(inner, dict) and wanted in key.split("."):
                return inner
            found = find(inner, wanted)
            if found is not None:
                return found
    return None


class Echo:
    """The ceiling of the sockets."""

    def __init__(self, binary, directory):
        self.binary = binary
        self.log = pathlib.Path(directory) / "echo.log"

    def prepare(self):
        pass

    def start(self, auth, acct, cores):
        command = [self.binary, "lab", "echo", "--listen", f"127.0.0.1:{auth}"]
        return Server(command, cores, self.log, lambda: is_bound(auth))


class Responder:
    """The ceiling of the cryptography: the simplest imaginable RADIUS server."""

    def __init__(self, binary, directory, users_file, secret):
        self.command = [binary, "lab", "responder", "--users", str(users_file), "--secret", secret]
        self.log = pathlib.Path(directory) / "responder.log"

    def prepare(self):
        pass

    def start(self, auth, acct, cores):
        command = [*self.command, "--listen", f"127.0.0.1:{auth}"]
        return Server(command, cores, self.log, lambda: is_bound(auth))


class Generator:
    """The same load for every peer, on a core of its own."""

    def __init__(self, binary, users_file, secret, core, ports):
        self.binary = binary
        self.core = core
        self.ports = ["--ports", str(ports)]
        self.login = ["--secret", secret, "--users", str(users_file), "--reply-policy", "optional"]

    def volley(self, port, outstanding, seconds):
        return self.measure(
            "echo", "--volley", f"127.0.0.1:{port}", "--seconds", str(seconds),
            *self.ports, "--outstanding", str(outstanding),
        )

    def load(self, auth, acct, mix, outstanding, seconds, rate=None):
        """A closed loop, or with a rate as many requests a second whatever is answered."""
        return self.measure(
            "load", *self.login, "--auth", f"127.0.0.1:{auth}", "--acct", f"127.0.0.1:{acct}",
            "--mix", mix, "--seconds", str(seconds), "--timeout-ms", "10000",
            "--sessions", str(SESSIONS), *self.ports, "--outstanding", str(outstanding),
            *([] if rate is None else ["--rate", str(rate)]),
        )

    def storm(self, auth, acct, subscribers, seconds):
        return self.measure(
            "storm", *self.login, "--auth", f"127.0.0.1:{auth}", "--acct", f"127.0.0.1:{acct}",
            "--subscribers", str(subscribers), "--seconds", str(seconds),
            "--routers", str(STORM_ROUTERS), "--source", STORM_SOURCE,
        )

    def measure(self, *arguments):
        command = [self.binary, "lab", *arguments, "--output", "json"]
        done = subprocess.run(
            command,
            stdout=subprocess.PIPE,
            preexec_fn=lambda: os.sched_setaffinity(0, {self.core}),
        )
        # A server that falls silent gives a report too, and an exit code that says so.
        if not done.stdout:
            raise BenchError(f"lastmile lab {arguments[0]} gave no report")
        return json.loads(done.stdout)


def version(binary):
    return run([binary, "--version"]).decode().strip()
