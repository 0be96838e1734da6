"""The servers that are measured: how each is started, and how it says that it listens."""
import os
import pathlib
import re
import select
import subprocess
import time

BENCH = pathlib.Path(__file__).resolve().parent
ROOT = BENCH.parent.parent
BUILD = ROOT / "build" / "bench"

READY = re.compile(rb"listening on http://127\.0\.0\.1:(\d+)\s")
READY_LIMIT_S = 20
STOP_LIMIT_S = 15


def joblight(data):
    program = os.environ.get("JOBLIGHT", ROOT / "build" / "joblight")
    return [program, "serve", "--listen", "127.0.0.1:0", "--db", data / "joblight.db"], {}


def express(data):
    return ["node", BENCH / "express" / "src" / "index.js"], {
        "NODE_ENV": "production",
        "PORT": "0",
        "DB": str(data / "express.db"),
    }


def floor(_data):
    return [BUILD / "floor", "floor"], {}


def floor_co(_data):
    return [BUILD / "floor", "floor-co"], {}


# name: (command, the generator's --peer)
SERVERS = {
    "joblight": (joblight, "joblight"),
    "express": (express, "express"),
    "floor": (floor, "floor"),
    "floor-co": (floor_co, "floor"),
}


class Server:
    """A freshly started server, stopped at the end of the with block."""

    def __init__(self, name, data, log):
        self.name = name
        self.peer = SERVERS[name][1]
        command, environment = SERVERS[name][0](data)
        self.log = log
        self.process = subprocess.Popen(
            [str(word) for word in command], env={**os.environ, **environment},
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log,
        )

    def __enter__(self):
        try:
            self.port = self._wait_ready()
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(self, *_):
        self._stop()

    @property
    def pid(self):
        return self.process.pid

    def _wait_ready(self):
        said, deadline = b"", time.monotonic() + READY_LIMIT_S
        while not (ready := READY.search(said)):
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self.process.stdout], [], [], left)[0]:
                raise RuntimeError(f"{self.name} did not listen within {READY_LIMIT_S} s")
            more = os.read(self.process.stdout.fileno(), 4096)
            if not more:
                raise RuntimeError(f"{self.name} ended at start; see {self.log.name}")
            said += more
        return int(ready.group(1))

    def _stop(self):
        self.process.terminate()
        try:
            self.process.wait(STOP_LIMIT_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()
