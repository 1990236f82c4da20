"""Child processes of the benchmark: pinned, measured from /proc, and ended by their id."""

import os
import pathlib
import resource
import signal
import subprocess
import time

READY_SECONDS_MAX = 60
STOP_SECONDS_MAX = 15
IDLE_SECONDS_MAX = 20
TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


class BenchError(Exception):
    """Something that the benchmark needs does not work."""


class Server:
    """One server under load, and whatever works for it."""

    def __init__(self, command, cores, log, ready, env=None, cwd=None):
        self.log = pathlib.Path(log)
        self.name = pathlib.Path(command[0]).name
        begin = time.monotonic()
        with self.log.open("wb") as out:
            self.child = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                env=env,
                cwd=cwd,
                preexec_fn=lambda: os.sched_setaffinity(0, cores),
            )
        try:
            self._wait(ready)
            self.ready_seconds = time.monotonic() - begin
        except BaseException:
            self.stop()
            raise

    def _wait(self, ready):
        deadline = time.monotonic() + READY_SECONDS_MAX
        while not ready():
            if self.child.poll() is not None or deadline < time.monotonic():
                tail = self.log.read_text(errors="replace")[-2_000:]
                raise BenchError(f"{self.name} is not ready; its last words:\n{tail}")
            time.sleep(0.02)

    @property
    def pid(self):
        return self.child.pid

    def stop(self):
        if self.child.poll() is None:
            self.child.send_signal(signal.SIGTERM)
        try:
            self.child.wait(STOP_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            self.child.kill()
            self.child.wait()


def cpu_seconds(pid):
    """User and system time of a process; of a process with children, also of those that ended."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(int(field) for field in fields[11:15]) / TICKS_PER_SECOND


def machine_cpu_seconds():
    """The time that the processors of this machine were busy, whoever had it, and were taken away."""
    user, nice, system, _, _, *rest = pathlib.Path("/proc/stat").read_text().split("\n")[0].split()[1:]
    return sum(map(int, [user, nice, system, *rest[:3]])) / TICKS_PER_SECOND


def ended_children_cpu_seconds():
    """The time of our own processes that ended, such as the generator."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def children(pid):
    """The processes that this one started and that still live."""
    found = []
    for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
        found += [int(child) for child in (task / "children").read_text().split()]
    return found


def tree_cpu_seconds(pid):
    """The time of a process and of its children, living and ended."""
    total = cpu_seconds(pid)
    for child in children(pid):
        try:
            total += cpu_seconds(child)
        except (FileNotFoundError, ProcessLookupError):
            continue
    return total


def tree_memory_bytes(pid):
    """What a process and its children hold in memory, shared pages counted once (Pss)."""
    total = 0
    for each in [pid, *children(pid)]:
        try:
            rollup = pathlib.Path(f"/proc/{each}/smaps_rollup").read_text()
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            continue
        total += kibibytes(rollup, "Pss")
    return total


def peak_memory_bytes(pid):
    """The most that a process ever held in memory (VmHWM)."""
    return kibibytes(pathlib.Path(f"/proc/{pid}/status").read_text(), "VmHWM")


def memory_bytes(pid):
    """What a process holds in memory now (VmRSS)."""
    return kibibytes(pathlib.Path(f"/proc/{pid}/status").read_text(), "VmRSS")


def kibibytes(text, name):
    for line in text.splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024
    return 0


def wait_until_idle(cpu):
    """Lets work that was put off, such as a log, come to its end, so that its time counts too."""
    deadline = time.monotonic() + IDLE_SECONDS_MAX
    before = cpu()
    while time.monotonic() < deadline:
        time.sleep(0.25)
        now = cpu()
        if now - before <= 0.02:
            return
        before = now


def is_bound(port):
    """Whether a UDP socket of this machine has the port."""
    wanted = f":{port:04X}"
    table = pathlib.Path("/proc/net/udp").read_text().splitlines()[1:]
    return any(line.split()[1].endswith(wanted) for line in table)


def says(log, text):
    """A probe: whether the log has this text."""

    def probe():
        path = pathlib.Path(log)
        return path.exists() and text in path.read_text(errors="replace")

    return probe


def run(command, **options):
    """Runs a command to its end and gives its output; says what it said when it fails."""
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options)
    if done.returncode:
        said = (done.stderr or done.stdout).decode(errors="replace")[-2_000:]
        raise BenchError(f"{' '.join(map(str, command[:4]))} … failed:\n{said}")
    return done.stdout
