"""A real joblight process: started, watched, killed, stopped.

The binary is $JOBLIGHT_TEST_BINARY, else build/joblight; $JOBLIGHT_TEST_FLAGS are added to every
start, so that one suite runs over several settings ("--loops 2"). Flags are given as keywords:
heartbeat_ms=200 is --heartbeat-ms 200, insecure=True is --insecure, a list is a flag given for each
of its items. The names that the tests' requests have in Host are served unless a test says
otherwise (host=None). The server's stderr goes to a file beside its database; a sanitizer's report
in it, or a process that went away by itself, fails the test.
"""
import os
import re
import resource
import signal
import subprocess
import time
from pathlib import Path

from .wait import SCALE, Deadline, readable, until

ROOT = Path(__file__).resolve().parents[2]
BINARY = os.environ.get("JOBLIGHT_TEST_BINARY", str(ROOT / "build" / "joblight"))
EVERYWHERE = os.environ.get("JOBLIGHT_TEST_FLAGS", "").split()
HOSTS = ["joblight.test", "a"]
READY = re.compile(r"^joblight listening on http://([^/]+):(\d+)$")
REPORT = re.compile(r"(Address|Thread|Leak|Memory|UndefinedBehavior)Sanitizer|runtime error:"
                    r"|Assertion .* failed")
# Freed memory that AddressSanitizer keeps would look like growth in a test that measures memory.
SETTING = {"ASAN_OPTIONS": "quarantine_size_mb=4", **os.environ}
TICK_S = 1 / os.sysconf("SC_CLK_TCK")


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
    return [BINARY, "serve", *EVERYWHERE, *flags(options)]


def with_descriptors(count):
    """Returns what limits a child to `count` file descriptors; None: no limit."""
    limit = (count, count)
    return count and (lambda: resource.setrlimit(resource.RLIMIT_NOFILE, limit))


class Server:
    def __init__(self, folder, descriptors=None, **options):
        self.descriptors = descriptors      # its limit; None: the same as here
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.options = {"listen": "127.0.0.1:0", "db": str(self.folder / "joblight.db"),
                        "host": HOSTS, **options}
        self.stderr = self.folder / "stderr.log"
        self.process = None
        self.host, self.port = None, None

    # -- life ---------------------------------------------------------------------------------
    def start(self, within=10):
        """Runs the server and waits for its line; after the first time on the same port."""
        if self.port:
            self.options["listen"] = f"{self.host}:{self.port}"
        began = time.monotonic()
        with open(self.stderr, "ab") as log:
            self.process = subprocess.Popen(command(**self.options), stdin=subprocess.DEVNULL,
                                            stdout=subprocess.PIPE, stderr=log, env=SETTING,
                                            preexec_fn=with_descriptors(self.descriptors))
        self.host, self.port = self._read_ready_line(Deadline(within, "the line 'listening on'"))
        self.took_to_start_s = time.monotonic() - began
        return self

    def _read_ready_line(self, deadline):
        line = b""
        while not line.endswith(b"\n"):
            readable(self.process.stdout, deadline)
            byte = os.read(self.process.stdout.fileno(), 1)
            assert byte, f"ended before it was ready: {self.process.wait()}\n{self.log()}"
            line += byte
        match = READY.match(line.decode().rstrip("\n"))
        assert match, f"not the line that was promised: {line!r}"
        return match.group(1), int(match.group(2))

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
        return f"http://{self.host}:{self.port}"

    @property
    def db(self):
        return Path(self.options["db"])

    @property
    def alive(self):
        return self.process is not None and self.process.poll() is None

    def log(self):
        return self.stderr.read_bytes().decode("utf-8", "replace")

    def check(self):
        """The process lives and nothing that watches it has complained."""
        assert self.alive, f"the server died: {self.process and self.process.poll()}\n{self.log()}"
        self.check_log()

    def check_log(self):
        assert not REPORT.search(self.log()), f"a report in stderr:\n{self.log()}"

    def counted(self):
        """The counters that a stopped server has logged (include/joblight/core/counters.def), by name."""
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


def run_to_exit(within=10, descriptors=None, **options):
    """Runs a server that is expected to refuse its work: (exit code, stdout, stderr)."""
    done = subprocess.run(command(**options), stdin=subprocess.DEVNULL, capture_output=True,
                          timeout=within * SCALE, check=False,
                          preexec_fn=with_descriptors(descriptors))
    return done.returncode, done.stdout.decode(), done.stderr.decode()
