"""Servers with access keys: the keys, clients that show one, and the fixtures for them.

A credential is what a client shows: a key or a token is sent as a bearer, a cookie ("joblight=…") as
a cookie.
"""
import re
import subprocess

import pytest

from .api import Api
from .server import BINARY, location
from .wait import SCALE, Deadline, TimedOut

RIGHTS = ("watch", "report", "create", "control", "admin")
FORM = re.compile(r"jl_([0-9A-Za-z]{12})_[0-9A-Za-z]{43}")


def joblight_key(*arguments, status=0):
    """`joblight key …`: its standard output, or what it says on standard error when it fails."""
    if "--db" in arguments:
        at = arguments.index("--db") + 1
        arguments = (*arguments[:at], location(arguments[at]), *arguments[at + 1:])
    done = subprocess.run([BINARY, "key", *(word if isinstance(word, bytes) else str(word) for word in arguments)], stdin=subprocess.DEVNULL,
                          capture_output=True, check=False, timeout=10 * SCALE)
    assert done.returncode == status, done
    return (done.stdout if status == 0 else done.stderr).decode(errors="replace").strip()


def key_id(key):
    return FORM.fullmatch(key)[1]


def shown(credential):
    """The headers that show it."""
    if not credential:
        return {}
    if "=" in credential:
        return {"Cookie": credential}
    return {"Authorization": f"Bearer {credential}"}


def lines_of(credential):
    """The same for support.sse and support.ws."""
    return tuple(f"{name}: {value}" for name, value in shown(credential).items())


class Keyed(Api):
    """A client that shows a credential with every request."""

    def __init__(self, address, key=None):
        super().__init__(address)
        self.key = key

    def request(self, method, path, body=None, headers=None):
        return super().request(method, path, body, {**shown(self.key), **(headers or {})})

    def begin(self, method, path):
        """Sends a request whose answer is taken later."""
        self.connection.request(method, path, None, shown(self.key))

    def answer(self):
        """Of the request that was begun."""
        return self._answer()

    def token(self, job, scope=("watch",), **more):
        """A new token for a browser."""
        reply = self.post(f"/api/jobs/{job}/tokens", {"scope": list(scope), **more})
        assert reply.status == 201, reply
        return reply.json["token"]

    def ticket(self, job):
        reply = self.post(f"/api/jobs/{job}/tickets")
        assert reply.status == 201, reply
        return reply.json["ticket"]

    def log_in(self, **body):
        """The cookie of a new session, as a browser sends it."""
        reply = self.post("/login", body)
        assert reply.status == 200, reply
        return reply.header("Set-Cookie").split(";")[0]


def ends(stream, within):
    """Whether an SSE stream ends in this time."""
    deadline = Deadline(within, "the end of a stream")
    try:
        while stream.block(deadline.left(), deadline.what):
            pass
    except TimedOut:
        return False
    return True


def code_of_close(ws, within):
    """None: it is still open then."""
    try:
        return ws.close_code(within)
    except TimedOut:
        return None


@pytest.fixture
def db(tmp_path):
    return tmp_path / "keys.db"


@pytest.fixture
def make(db):
    """make(scope, jobs): a key in the database, made before the server starts."""
    return lambda scope, jobs="*", *more: joblight_key(
        "create", "--scope", scope, "--jobs", jobs, "--db", db, *more)


@pytest.fixture
def root(make):
    """A key for everything."""
    return make(",".join(RIGHTS))


@pytest.fixture
def client():
    """client(server, credential): closed at the end of the test."""
    opened = []

    def connect(server, key=None):
        opened.append(Keyed(server.address, key))
        return opened[-1]
    yield connect
    for one in opened:
        one.close()
