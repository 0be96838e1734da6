"""joblight bench, and what it says."""
import contextlib
import json
import os
import pty
import resource
import subprocess

from . import tls
from .api import Api
from .server import BINARY
from .wait import SCALE

SMALL = ("--watchers", "20", "--workers", "2", "--seconds", "1", "--rate", "60")


class Figures:
    def __init__(self, done):
        self.status, self.errors = done.returncode, done.stderr
        self.lines = [json.loads(line) for line in done.stdout.splitlines()]
        self.all = self.lines[-1] if self.lines else {}

    def __getitem__(self, name):
        return self.all[name]

    def __repr__(self):
        return f"{self.status} {self.lines} {self.errors}"


def environment(key=None, **more):
    kept = {name: value for name, value in os.environ.items() if not name.startswith("JOBLIGHT_")}
    return {**kept, **({"JOBLIGHT_KEY": key} if key else {}), **more}


def bench(*words, key=None, before=None, **more):
    return Figures(subprocess.run([BINARY, "bench", *map(str, words)], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                                  check=False, timeout=60 * SCALE, env=environment(key, **more), preexec_fn=before))


def jobs_of(server):
    with Api(server.address) as api:
        return api.get("/api/jobs").json["jobs"]


def trust(server):
    """Flags for a server that speaks TLS."""
    return ("--ca-file", tls.everywhere().certificate) if server.scheme == "https" else ()


def on_a_terminal(*words):
    ours, theirs = pty.openpty()
    process = subprocess.Popen([BINARY, "bench", *map(str, words)], stdin=subprocess.DEVNULL, stdout=theirs, stderr=theirs,
                               env=environment())
    os.close(theirs)
    said = b""
    with contextlib.suppress(OSError):      # the end of a terminal is an error
        while piece := os.read(ours, 4096):
            said += piece
    os.close(ours)
    return process.wait(10 * SCALE), said.decode().replace("\r\n", "\n")


def descriptors(soft, hard):
    return lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
