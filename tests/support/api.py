"""A small HTTP client on http.client: one kept-alive connection, no retries, no magic.

A request whose answer was lost raises Lost: the caller cannot know whether it was done, which is
what the fault tests are about.
"""
import http.client
import json
import socket

from . import tls
from .reply import Reply
from .wait import SCALE
from .wire import full_path


class Lost(Exception):
    """The connection broke before the answer was complete."""


def compact(value):
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


class Connection(http.client.HTTPConnection):
    receive_buffer = None

    def connect(self):
        if not self.receive_buffer:
            super().connect()
            self.sock = tls.secure(self.sock, (self.host, self.port))
            return
        self.sock = socket.socket()
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, self.receive_buffer)
        self.sock.settimeout(self.timeout)
        self.sock.connect((self.host, self.port))
        self.sock = tls.secure(self.sock, (self.host, self.port))


class Api:
    def __init__(self, address, within=15, receive_buffer=None):
        self.address = address
        self.connection = Connection(*address, timeout=within * SCALE)
        self.connection.receive_buffer = receive_buffer

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.connection.close()

    # -- verbs --------------------------------------------------------------------------------
    def request(self, method, path, body=None, headers=None):
        """`body`: bytes go as they are, anything else as JSON."""
        headers = dict(headers or {})
        if body is not None and not isinstance(body, bytes):
            body = compact(body)
            headers.setdefault("Content-Type", "application/json")
        try:
            self.connection.request(method, full_path(self.address, path), body, headers)
            return self._answer()
        except TimeoutError:
            self.close()
            raise
        except (OSError, http.client.HTTPException) as error:
            self.close()
            raise Lost(repr(error)) from error

    def _answer(self):
        answer = self.connection.getresponse()
        return Reply(answer.status, answer.getheaders(), answer.read())

    def get(self, path, **headers):
        return self.request("GET", path, headers=named(headers))

    def head(self, path, **headers):
        return self.request("HEAD", path, headers=named(headers))

    def post(self, path, body=None, **headers):
        return self.request("POST", path, body, named(headers))

    def put(self, path, body=None, **headers):
        return self.request("PUT", path, body, named(headers))

    def patch(self, path, body=None, **headers):
        return self.request("PATCH", path, body, named(headers))

    def delete(self, path, **headers):
        return self.request("DELETE", path, headers=named(headers))

    # -- operations of the contract --------------------------------------------------------------
    def create_job(self, **fields):
        """Creates a job (title "Job", in_progress) and gives its snapshot."""
        reply = self.post("/api/jobs", {"title": "Job", "status": "in_progress", **fields})
        assert reply.status == 201, reply
        return reply.json

    def job(self, job):
        reply = self.get(f"/api/jobs/{job}")
        assert reply.status == 200, reply
        return reply.json

    def update(self, job, update, **headers):
        """The worker's webhook, one update or a list of them, whatever the answer."""
        return self.post(hook(job), update, **headers)

    def report(self, job, task, **fields):
        """An update that must be accepted; gives the webhook's answer."""
        reply = self.update(job, {"taskId": task, **fields})
        assert reply.status == 200, reply
        return reply.json

    def burst(self, job, count, task="burst", note="n"):
        """`count` updates of one task as fast as batches go; gives the last answer."""
        answers, step = [], min(256, 200_000 // (len(note) + 100))
        for start in range(0, count, step):
            batch = [{"taskId": task, "note": f"{note}{i}"}
                     for i in range(start, min(count, start + step))]
            reply = self.update(job, batch)
            assert reply.status == 200, reply
            answers = reply.json
        return answers[-1]

    def finish(self, job, status="completed"):
        reply = self.patch(f"/api/jobs/{job}", {"status": status})
        assert reply.status == 200, reply
        return reply.json

    def activity(self, job):
        """The whole log of a job, page after page, oldest first."""
        events, after = [], 0
        while after is not None:
            reply = self.get(f"/api/jobs/{job}/activity?order=asc&limit=1000&after={after}")
            assert reply.status == 200, reply
            page = reply.json
            events += page["activity"]
            after = page.get("nextAfter")
        return events


def hook(job):
    return f"/api/agent-hooks/task-update/{job}"


def named(headers):
    """Keywords as header names: If_None_Match="x" is If-None-Match: x."""
    return {name.replace("_", "-"): value for name, value in headers.items()}
