"""The servers that are measured: how each is started, and how it says that it listens."""
import os
import pathlib
import re
import select
import socket
import subprocess
import time
from dataclasses import dataclass
from typing import Callable

BENCH = pathlib.Path(__file__).resolve().parent
ROOT = BENCH.parent.parent
BUILD = ROOT / "build" / "bench"

READY = re.compile(rb"listening on https?://127\.0\.0\.1:(\d+)\s")
READY_LIMIT_S = 20
CLIENTS = 32        # of a server with a transaction for each request
STOP_LIMIT_S = 15


def node_of_cluster(_data, _port, loops=1):
    """Its database and its bus are options."""
    program = os.environ.get("JOBLIGHT_TEST_BINARY", ROOT / "build" / "joblight")
    return [program, "serve", "--listen", "127.0.0.1:0", "--loops", loops]


def joblight(data, port, loops=1):
    return [*node_of_cluster(data, port, loops), "--db", data / "joblight.db"]


def joblight_tls(data, port):
    """With a certificate of its own; the generator does not check it."""
    pair = [data / "tls.pem", data / "tls.key"]
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                    "-days", "2", "-subj", "/CN=joblight", "-out", pair[0], "-keyout", pair[1]],
                   check=True, capture_output=True)
    return [*joblight(data, port), "--tls-cert", pair[0], "--tls-key", pair[1]]


def joblight_2(data, port):
    return joblight(data, port, 2)


def express(data, _port):
    return ["env", f"DB={data / 'express.db'}", *node("express")]


def express_pg(_data, _port):
    """Its database is in the environment."""
    return node("express-pg")


def transactions(shape):
    """Its database is in the environment, as libpq knows it."""
    def command(_data, _port):
        return [BUILD / "transactions", shape, "--connections", CLIENTS, "--jobs", CLIENTS, "--serve", 1, ""]
    return command


def npm_ws(_data, _port):
    return node("ws")


def node(folder):
    return ["env", "NODE_ENV=production", "PORT=0", "node", BENCH / folder / "src" / "index.js"]


def floor(_data, _port):
    return [BUILD / "floor", "floor"]


def floor_co(_data, _port):
    return [BUILD / "floor", "floor-co"]


def configured(template, data, port):
    text = template.read_text().replace("@DATA@", str(data)).replace("@PORT@", str(port))
    (data / template.name).write_text(text)
    return data / template.name


def nchan(data, port):
    return ["/usr/sbin/nginx", "-p", data, "-c", configured(BENCH / "nchan" / "nginx.conf", data, port)]


def nats(data, port):
    return ["nats-server", "-c", configured(BENCH / "nats" / "nats.conf", data, port)]


@dataclass(frozen=True)
class Kind:
    name: str  # in the table
    command: Callable  # (folder for its data, a free port) -> words
    peer: str  # the load generator's --peer
    speaks: bool = True  # says on stdout where it listens; otherwise it is given a port
    forks: bool = False  # its one child does the work and is the process that is measured


SERVERS = {
    "joblight": Kind("joblight", joblight, "joblight"),
    "joblight-2": Kind("joblight, 2 loops", joblight_2, "joblight"),
    "joblight-tls": Kind("joblight with TLS", joblight_tls, "joblight"),
    "untroubled": Kind("joblight without them", joblight, "joblight"),
    "express": Kind("Express", express, "express"),
    "node": Kind("joblight", node_of_cluster, "joblight"),
    "express-pg": Kind("Express with pg", express_pg, "express"),
    "nine": Kind("nine statements", transactions("nine"), "floor"),
    "one": Kind("one statement", transactions("one"), "floor"),
    "function": Kind("one function", transactions("function"), "floor"),
    "floor": Kind("floor", floor, "floor"),
    "floor-co": Kind("floor-co", floor_co, "floor"),
    "nchan": Kind("nchan", nchan, "nchan", speaks=False, forks=True),
    "nats": Kind("NATS", nats, "nats", speaks=False),
    "ws": Kind("ws", npm_ws, "ws"),
}


def is_ours(name):
    return SERVERS[name].peer == "joblight"


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Server:
    """A freshly started server, stopped at the end of the with block."""

    def __init__(self, name, data, log, options="", environment=None):
        self.name, self.log = name, log
        self.kind = SERVERS[name]
        self.port = 0 if self.kind.speaks else free_port()
        self.began = time.monotonic()
        words = [*self.kind.command(data, self.port), *(options.split() if is_ours(name) else ())]
        self.process = subprocess.Popen(
            [str(word) for word in words], stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE if self.kind.speaks else log, stderr=log, env={**os.environ, **(environment or {})},
        )

    def __enter__(self):
        try:
            if self.kind.speaks:
                self.port = self._wait_word()
            else:
                self._wait_port()
            self.start_s = time.monotonic() - self.began
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(self, *_):
        self._stop()

    @property
    def peer(self):
        return self.kind.peer

    @property
    def pid(self):
        return self._children()[0] if self.kind.forks else self.process.pid

    def _children(self):
        own = self.process.pid
        return [int(word) for word in pathlib.Path(f"/proc/{own}/task/{own}/children").read_text().split()]

    def _late(self):
        return RuntimeError(f"{self.name} did not listen within {READY_LIMIT_S} s; see {self.log.name}")

    def _wait_word(self):
        said, deadline = b"", time.monotonic() + READY_LIMIT_S
        while not (ready := READY.search(said)):
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self.process.stdout], [], [], left)[0]:
                raise self._late()
            more = os.read(self.process.stdout.fileno(), 4096)
            if not more:
                raise RuntimeError(f"{self.name} ended at start; see {self.log.name}")
            said += more
        return int(ready.group(1))

    def _wait_port(self):
        deadline = time.monotonic() + READY_LIMIT_S
        while time.monotonic() < deadline and not self._ends_within(0.02):
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                if not self.kind.forks or self._children():
                    return
            except OSError:
                pass
        raise self._late()

    def _ends_within(self, seconds):
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        return True

    def _stop(self):
        self.process.terminate()
        try:
            self.process.wait(STOP_LIMIT_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        if self.process.stdout:
            self.process.stdout.close()
