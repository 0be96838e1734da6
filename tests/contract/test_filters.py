"""Filtered streams (`types=`): their reader keeps a position over events that it never sees.

Which events pass a filter is tested in test_ws.py. Here is what `end` and `heartbeat` carry, so that
a reader comes back where it was: it gets its 204, no second look at the gap, and no reset.
"""
import pytest

from support.sse import SseStream, type_of
from support.wait import until
from support.ws import WebSocket, path_of

FILTERS = ["command", "presence", "deliverable", "task_update,command,presence"]


class EventSource:
    """A native one: the same URL again and again, with the last id it saw, until it is not 200."""

    def __init__(self, server, job, query):
        self.server, self.job, self.query = server, job, query
        self.last, self.statuses, self.opened = None, [], []

    def connect(self):
        stream = SseStream(self.server.address, self.job, self.last, query=self.query)
        self.statuses.append(stream.status)
        if stream.status == 200:
            self.opened.append(stream.connected().json)
        return stream

    def read_to_the_end(self, stream):
        types = [type_of(block) for block in stream.all_blocks()]
        self.last = stream.parser.last_id
        return types

    def run(self):
        """What came of each connection after `connected`."""
        heard = []
        while len(self.statuses) < 10:
            with self.connect() as stream:
                if stream.status != 200:
                    return heard
                heard.append(self.read_to_the_end(stream))
        return heard


@pytest.fixture
def source(server):
    def make(job, types, on=server, **query):
        words = "&".join(f"{name}={value}" for name, value in {"types": types, **query}.items())
        return EventSource(on, job, words)

    return make


@pytest.mark.parametrize("types", FILTERS)
def test_an_event_source_that_did_not_want_the_end_gets_its_204(api, source, job, types):
    native = source(job, types)
    with native.connect() as stream:
        api.report(job, "t")
        api.finish(job)
        assert native.read_to_the_end(stream)[-1] == "end"
    assert native.run() == []
    assert native.statuses == [200, 204]


@pytest.mark.parametrize("named", [0, 1])
def test_one_that_comes_late_with_a_position_in_its_url_asks_twice(api, source, snapshot, named):
    """The URL still carries the old position; the header of the second connection wins."""
    job = snapshot["id"]
    api.burst(job, 20)
    api.finish(job)
    native = source(job, "command", since=snapshot["cursor"], named=named)
    assert native.run() == [["end"]]
    assert native.statuses == [200, 204]


def test_end_and_heartbeat_of_a_filtered_stream_carry_their_position(serve, client):
    server = serve(heartbeat_ms=200)
    api = client(server)
    snapshot = api.create_job()
    job, epoch = snapshot["id"], snapshot["epoch"]
    with SseStream(server.address, job, query="types=command") as stream:
        stream.connected()
        api.burst(job, 10)
        until(lambda: stream.message("heartbeat").id == f"{epoch}.11", 5, "a heartbeat behind them")
        assert stream.parser.last_id == f"{epoch}.11"
        api.finish(job)
        end = stream.message("end")
        assert (end.id, end.json["seq"]) == (f"{epoch}.12", 12)
        assert "cursor" not in end.json


def test_end_and_heartbeat_of_a_full_stream_have_no_id(serve, client):
    server = serve(heartbeat_ms=200)
    api = client(server)
    job = api.create_job()["id"]
    everything = "task_update,job_update,deliverable,command,presence"
    for query in ("", f"types={everything}"):
        with SseStream(server.address, job, query=query) as stream:
            stream.connected()
            assert stream.message("heartbeat").id is None
    with SseStream(server.address, job) as stream:
        stream.connected()
        api.finish(job)
        assert stream.message("end").id is None


def test_on_a_websocket_the_position_is_a_cursor(serve, client):
    server = serve(heartbeat_ms=200)
    api = client(server)
    snapshot = api.create_job()
    job, epoch = snapshot["id"], snapshot["epoch"]
    with WebSocket(server.address) as ws, WebSocket(server.address, path_of(job=job)) as full:
        ws.subscribe(job, types="command")
        api.burst(job, 10)
        until(lambda: ws.message("heartbeat")["cursor"] == f"{epoch}.11", 5, "the position")
        assert ws.ask("unsubscribe", "end", jobId=job)["cursor"] == f"{epoch}.11"
        ws.subscribe(job, f"{epoch}.11", types="command")
        api.finish(job)
        assert ws.message("end").json == {"type": "end", "jobId": job, "seq": 12,
                                          "status": "completed", "cursor": f"{epoch}.12"}
        heard = [full.next() for _ in range(3)]
        while heard[-1].type != "end":
            heard.append(full.next())
        assert "heartbeat" in [said.type for said in heard]
        assert all("cursor" not in said.json for said in heard[1:])


def test_a_reader_that_was_cut_comes_back_behind_what_it_did_not_want(serve, client, source):
    """It goes on at its last heartbeat: nothing of the gap is read again, and it is not reset."""
    server = serve(heartbeat_ms=200)
    api = client(server)
    snapshot = api.create_job()
    job, epoch = snapshot["id"], snapshot["epoch"]
    native = source(job, "command", on=server)
    with native.connect() as stream:
        api.burst(job, 1000)
        until(lambda: stream.message("heartbeat").id == f"{epoch}.1001", 5, "the heartbeat")
        native.last = stream.parser.last_id
    with native.connect() as stream:
        assert (native.opened[-1]["resume"], native.opened[-1]["cursor"]) == ("exact", native.last)
        api.post(f"/api/jobs/{job}/commands", {"command": "go"})
        assert stream.event().id == f"{epoch}.1002"


def test_a_reader_of_a_pruned_log_is_not_reset_for_what_it_never_wanted(serve, client, source):
    server = serve(retention_events=5, retention_ms=1000)
    api = client(server)
    job = api.create_job()["id"]
    native = source(job, "command", on=server)
    with native.connect() as stream:
        api.burst(job, 100)
        api.finish(job)
        assert native.read_to_the_end(stream) == ["end"]
    until(lambda: len(api.activity(job)) <= 5, 20, "the log being pruned")
    assert native.run() == [] and native.statuses == [200, 204]


def test_the_filtered_stream_of_a_deleted_job_ends_for_good(api, source, snapshot):
    job = snapshot["id"]
    native = source(job, "command")
    with native.connect() as stream:
        api.report(job, "t")
        api.delete(f"/api/jobs/{job}")
        assert native.read_to_the_end(stream) == ["end"]
    assert native.last.startswith(snapshot["epoch"])
    assert native.run() == [] and native.statuses == [200, 404]


def test_seven_and_more_types_in_one_list(server, api, job):
    """A list may name a type twice: over all transports as long as it fits."""
    names = ["task_update", "job_update", "deliverable", "command", "presence"]
    many = ",".join((names * 2)[:7])
    with SseStream(server.address, job, query=f"types={many}") as stream:
        assert stream.connected().json["resume"] == "fresh"
        api.report(job, "t")
        assert stream.event().json["seq"] == 2
    with WebSocket(server.address) as ws:
        ws.subscribe(job, types=many)
        api.report(job, "t")
        assert ws.message("task_update")["seq"] == 3
