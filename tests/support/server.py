"""A real joblight process: started, watched, killed, stopped.

The binary is $JOBLIGHT_TEST_BINARY, else build/joblight; $JOBLIGHT_TEST_FLAGS are added to every
start, so that one suite runs over several settings ("--loops 2"). With JOBLIGHT_TEST_DB=postgres each database
file is a database of PostgreSQL instead; with JOBLIGHT_TEST_DB=nodes the fixture `server` is three nodes
(support/cluster.py). Flags are given as keywords:
heartbeat_ms=200 is --heartbeat-ms 200, insecure=True is --insecure, a list is a flag given for each
of its items. The names that the tests' requests have in Host are served unless a test says
otherwise (host=None). The server's stderr goes to a file beside its database; a sanitizer's report
in it, or a process that went away by itself, fails the test.
"""
import contextlib
import os
import re
import resource
import signal
import subprocess
import time
from pathlib import Path

from . import tls
from .postgres import shared as postgres
from .wait import SCALE, Deadline, readable, until

ROOT = Path(__file__).resolve().parents[2]
BINARY = os.environ.get("JOBLIGHT_TEST_BINARY", str(ROOT / "build" / "joblight"))
EVERYWHERE = os.environ.get("JOBLIGHT_TEST_FLAGS", "").split()
HOSTS = ["joblight.test", "a"]
ON_POSTGRES = os.environ.get("JOBLIGHT_TEST_DB") == "postgres"
ON_NODES = os.environ.get("JOBLIGHT_TEST_DB") == "nodes"
READY = re.compile(r"^joblight listening on (https?://([^/]+):(\d+)|unix:([/@].*))$")
REPORT = re.compile(r"(Address|Thread|Leak|Memory|UndefinedBehavior)Sanitizer|runtime error:"
                    r"|Assertion .* failed")
# Freed memory that AddressSanitizer keeps would look like growth in a test that measures memory.
SETTING = {"ASAN_OPTIONS": "quarantine_size_mb=4", **os.environ}
# What kill -9 sends: with $JOBLIGHT_TEST_KILL, the signal at which the build for coverage writes its counts and dies.
KILL = signal.Signals[os.environ.get("JOBLIGHT_TEST_KILL", "SIGKILL")]
TICK_S = 1 / os.sysconf("SC_CLK_TCK")


def location(db):
    """What --db is given for this file."""
    return postgres().database_for(db) if ON_POSTGRES and db else db


def flags(options):
    """The command line's flags for keyword options; None leaves one out."""
    words = []
    for name, value in options.items():
        for one in value if isinstance(value, list) else [value]:
            if one is None or one is False:
                continue
            words.append("--" + name.replace("_", "-"))
            if one is not True:
                words.append(str(one))
    return words


def command(**options):
    if tls.EVERYWHERE and "tls_cert" not in options:
        options = {**tls.everywhere().flags(), **options}
    return [BINARY, "serve", *EVERYWHERE, *flags(options)]


def with_descriptors(count):
    """Returns what limits a child to `count` file descriptors; None: no limit."""
    limit = (count, count)
    return count and (lambda: resource.setrlimit(resource.RLIMIT_NOFILE, limit))


def pass_sockets(sockets):
    """In the child: what systemd does for a unit with sockets (sd_listen_fds(3))."""
    kept = [os.dup2(sock.fileno(), 100 + i) for i, sock in enumerate(sockets)]
    for i, fd in enumerate(kept):
        os.dup2(fd, 3 + i, inheritable=True)
    os.closerange(3 + len(kept), 200)
    os.environ.update(SETTING, LISTEN_PID=str(os.getpid()), LISTEN_FDS=str(len(kept)))


class Server:
    def __init__(self, folder, descriptors=None, passed=(), environment=None, **options):
        self.descriptors = descriptors      # its limit; None: the same as here
        self.environment = environment or {}    # besides that of the tests
        self.passed = passed                # listening sockets that it inherits, as from systemd
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.options = {"listen": "127.0.0.1:0", "db": str(self.folder / "joblight.db"),
                        "host": HOSTS, **options}
        self.options["db"] = location(self.options["db"])
        self.stderr = self.folder / "stderr.log"
        self.process = None
        self.host, self.port = None, None
        self.scheme = "http"
        self.listening = []                 # where, in the order of the flags: (host, port) or a path

    # -- life ---------------------------------------------------------------------------------
    def start(self, within=10):
        """Runs the server and waits for its line; after the first time on the same port."""
        if self.port and not self.passed and not isinstance(self.options["listen"], list):
            self.options["listen"] = f"{self.host}:{self.port}"
        began = time.monotonic()
        with open(self.stderr, "ab") as log:
            self.process = subprocess.Popen(command(**self.options), stdin=subprocess.DEVNULL,
                                            stdout=subprocess.PIPE, stderr=log,
                                            **self._inheritance())
        deadline = Deadline(within, "the line 'listening on'")
        self.listening = []
        while len(self.listening) < self._listeners():
            self.listening.append(self._read_ready_line(deadline))
        self.host, self.port = next((at for at in self.listening if isinstance(at, tuple)), (None, None))
        self._trust()
        self.took_to_start_s = time.monotonic() - began
        return self

    def _listeners(self):
        listen = self.options["listen"]
        return len(listen) if isinstance(listen, list) else 1 if listen else len(self.passed)

    def _inheritance(self):
        """How the process gets its limit of descriptors, and what it inherits."""
        limit = with_descriptors(self.descriptors)
        if not self.passed:
            return {"preexec_fn": limit, "env": {**SETTING, **self.environment}}
        return {"preexec_fn": lambda: (pass_sockets(self.passed), limit and limit()), "close_fds": False}

    def _trust(self):
        """Clients of this run connect to it as it was announced."""
        tls.secured.pop(self.address, None)
        if self.scheme == "https":
            certificate = self.options.get("tls_cert") or tls.everywhere().certificate
            first = certificate[0] if isinstance(certificate, list) else certificate
            tls.secured[self.address] = tls.context(first)

    def _read_ready_line(self, deadline):
        line = b""
        while not line.endswith(b"\n"):
            readable(self.process.stdout, deadline)
            byte = os.read(self.process.stdout.fileno(), 1)
            assert byte, f"ended before it was ready: {self.process.wait()}\n{self.log()}"
            line += byte
        match = READY.match(line.decode().rstrip("\n"))
        assert match, f"not the line that was promised: {line!r}"
        where, host, port, path = match.groups()
        if path:
            return path
        if not any(isinstance(at, tuple) for at in self.listening):
            self.scheme = where.split(":")[0]
        return host.strip("[]"), int(port)

    def stop(self, within=10):
        """SIGTERM, which must end in exit code 0 within the 10 s of the contract."""
        if not self.process:
            return
        alive = self.alive
        self.signal(signal.SIGTERM)
        code = self.gone(within)
        assert alive, f"the server died by itself: {code}\n{self.log()}"
        assert code == 0, f"exit code {code} after SIGTERM\n{self.log()}"
        self.check_log()

    def signal(self, number):
        self.process.send_signal(number)

    def kill9(self):
        assert self.alive, f"it was dead already: {self.process.poll()}\n{self.log()}"
        self.bury()

    def bury(self):
        """Ends the process, whatever its state."""
        if self.process:
            with contextlib.suppress(subprocess.TimeoutExpired):    # it may be stopped, or stuck
                self.process.send_signal(KILL)
                self.process.wait(5)
            self.process.kill()
            self.process.wait()
            self._forget()

    def gone(self, within=10):
        """The exit code of a server that stops; it must print nothing more on stdout."""
        try:
            code = self.process.wait(within * SCALE)
        except subprocess.TimeoutExpired:
            self.bury()
            raise AssertionError(f"still running after {within} s\n{self.log()}") from None
        spoken = self.process.stdout.read()
        self._forget()
        assert spoken == b"", f"more on stdout than the one line: {spoken!r}"
        return code

    def restart(self):
        """kill -9, then the same command on the same port and database."""
        self.kill9()
        return self.start()

    def _forget(self):
        self.process.stdout.close()
        self.process = None

    # -- what can be seen from outside ----------------------------------------------------------
    @property
    def address(self):
        return self.host, self.port

    @property
    def url(self):
        return f"{self.scheme}://{self.host}:{self.port}"

    @property
    def db(self):
        """The path of the file, or the address."""
        return self.options["db"] if "://" in self.options["db"] else Path(self.options["db"])

    @property
    def alive(self):
        return self.process is not None and self.process.poll() is None

    def log(self):
        return self.stderr.read_bytes().decode("utf-8", "replace")

    def logs(self, text, within=5):
        """Waits until this is in the log, which another thread of the server writes."""
        return until(lambda: text in self.log(), within, f"{text!r} in the log")

    def check(self):
        """The process lives and nothing that watches it has complained."""
        assert self.alive, f"the server died: {self.process and self.process.poll()}\n{self.log()}"
        self.check_log()

    def check_log(self):
        assert not REPORT.search(self.log()), f"a report in stderr:\n{self.log()}"

    def counted(self):
        """The counters that a stopped server has logged (include/joblight/core/metric_log.def), by name."""
        line = re.search(r'msg=counted (.*)', self.log())
        assert line, f"nothing counted\n{self.log()}"
        return {name: int(count) for name, count in (pair.split("=") for pair in line[1].split())}

    def cpu_s(self):
        """CPU seconds used so far, by user and kernel."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) * TICK_S

    def fds(self):
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def fds_back_to(self, count, within=1):
        until(lambda: self.fds() <= count, within, f"the server's fds going back to {count}")

    def rss_kib(self):
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+)", status).group(1))


def run_to_exit(within=10, descriptors=None, environment=None, **options):
    """Runs a server that is expected to refuse its work: (exit code, stdout, stderr)."""
    done = subprocess.run(command(**options), stdin=subprocess.DEVNULL, capture_output=True,
                          timeout=within * SCALE, check=False, env={**os.environ, **(environment or {})},
                          preexec_fn=with_descriptors(descriptors))
    return done.returncode, done.stdout.decode(), done.stderr.decode()
