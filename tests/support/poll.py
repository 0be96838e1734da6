"""Polling: GET /api/jobs/:id/updates, one request at a time."""
from urllib.parse import quote

from .api import Api
from .rawjson import elements


class Poll:
    """One answer. `texts` are the events as they stood in the body, byte for byte."""

    def __init__(self, reply):
        self.reply = reply
        self.status = reply.status
        self.json = reply.json if "json" in (reply.header("Content-Type") or "") else None
        ok = reply.status == 200
        self.events = self.json["events"] if ok else []
        self.texts = elements(reply.body.decode(), "events") if ok else []

    def __getitem__(self, name):
        return self.json[name]

    def seqs(self):
        return [event["seq"] for event in self.events]


def path_of(job, **query):
    words = [f"{name}={quote(str(value), safe='')}" for name, value in query.items()
             if value is not None]
    return f"/api/jobs/{job}/updates" + ("?" + "&".join(words) if words else "")


class Poller:
    def __init__(self, address, job, within=75, receive_buffer=None):
        self.api = Api(address, within, receive_buffer)
        self.job = job

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.api.close()

    def ask(self, since=None, wait=None, limit=None, **headers):
        return Poll(self.api.get(path_of(self.job, since=since, wait=wait, limit=limit), **headers))
