"""lastmile under test, and the generator and the ceilings that are in the same program."""

import json
import os
import pathlib
import subprocess
import urllib.request

from process import Server, is_bound, run, says

RATE = "25M/50M"


class Lastmile:
    """The server on a database of its own."""

    def __init__(self, binary, directory, users_file, secret, url):
        self.binary = binary
        self.directory = pathlib.Path(directory)
        self.directory.mkdir()
        self.users_file = users_file
        self.secret = secret
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
        self.command("plan", "add", "bench", "--rate", RATE)
        self.command("subscriber", "import", str(self.users_file))

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

    def __init__(self, binary, users_file, secret, core, outstanding, ports):
        self.binary = binary
        self.core = core
        self.closed_loop = ["--outstanding", str(outstanding), "--ports", str(ports)]
        self.login = ["--secret", secret, "--users", str(users_file)]

    def volley(self, port, seconds):
        return self.measure("echo", "--volley", f"127.0.0.1:{port}", "--seconds", str(seconds))

    def load(self, auth, acct, mix, seconds):
        return self.measure(
            "load", *self.login, "--auth", f"127.0.0.1:{auth}", "--acct", f"127.0.0.1:{acct}",
            "--mix", mix, "--seconds", str(seconds), "--timeout-ms", "3000",
            "--reply-policy", "optional",
        )

    def measure(self, *arguments):
        command = [self.binary, "lab", *arguments, *self.closed_loop, "--output", "json"]
        done = subprocess.run(
            command,
            stdout=subprocess.PIPE,
            preexec_fn=lambda: os.sched_setaffinity(0, {self.core}),
        )
        # A server that falls silent gives a report too, and an exit code that says so.
        return json.loads(done.stdout)


def version(binary):
    return run([binary, "--version"]).decode().strip()
