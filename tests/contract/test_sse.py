"""The stream's own bytes: headers, first bytes, framing, positions, heartbeats, HTTP/1.0."""
import re

import pytest

from support.problem import assert_problem
from support.raw import Raw, ask, request
from support.sse import SseStream, path_of, stream_request, type_of
from support.wait import Deadline, until

TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


@pytest.fixture
def stream(server):
    """stream(job, ...): an SseStream, closed at the end of the test."""
    opened = []

    def open_one(job, *args, on=server, **options):
        opened.append(SseStream(on.address, job, *args, **options))
        return opened[-1]

    yield open_one
    for one in opened:
        one.close()


def test_the_headers_keep_every_proxy_from_holding_it_back(stream, job):
    opened = stream(job)
    assert opened.status == 200
    assert opened.header("Content-Type") == "text/event-stream; charset=utf-8"
    assert opened.header("Cache-Control") == "no-store, no-transform"
    assert opened.header("X-Accel-Buffering") == "no"
    assert opened.header("Content-Length") is None


def test_the_first_bytes_are_retry_then_connected(stream, job):
    opened = stream(job)
    block = opened.connected()
    assert re.match(rb"retry: ?\d+\n", opened.bytes)
    assert 2000 <= int(re.match(rb"retry: ?(\d+)", opened.bytes).group(1)) <= 4000
    assert block.event is None, "onmessage must get it"


def test_the_retry_time_differs_between_connections(server, job):
    seen = set()
    for _ in range(20):
        with SseStream(server.address, job) as one:
            seen.add(one.block().retry)
    assert len(seen) > 5


def test_connected_says_all_that_a_page_needs(stream, snapshot):
    said = stream(snapshot["id"]).connected().json
    assert (said["type"], said["jobId"]) == ("connected", snapshot["id"])
    assert (said["status"], said["title"]) == ("in_progress", "Job")
    assert (said["epoch"], said["cursor"]) == (snapshot["epoch"], snapshot["cursor"])
    assert (said["head"], said["resume"], said["heartbeatMs"]) == (1, "fresh", 30000)
    assert said["watchers"] == 1
    assert "reason" not in said
    assert said["job"] == snapshot


def test_the_id_of_connected_is_its_cursor(stream, snapshot, api):
    api.burst(snapshot["id"], 10)
    fresh = stream(snapshot["id"]).connected()
    assert fresh.id == fresh.json["cursor"] == f"{snapshot['epoch']}.11"
    exact = stream(snapshot["id"], f"{snapshot['epoch']}.4").connected()
    assert exact.id == exact.json["cursor"] == f"{snapshot['epoch']}.4"
    assert exact.json["head"] == 11


def test_an_event_is_an_id_and_one_line_of_data(stream, api, snapshot):
    opened = stream(snapshot["id"])
    opened.connected()
    before = len(opened.bytes)
    api.report(snapshot["id"], "t1", status="in_progress", note="two\nlines")
    event = opened.event()
    assert event.id == f"{snapshot['epoch']}.2"
    assert event.event is None and len(event.data_lines) == 1
    assert re.fullmatch(rb"id: ?[0-9a-z.]+\ndata: ?\{[^\n]*\}\n\n", bytes(opened.bytes[before:]))


def test_a_task_update_has_the_fields_of_the_origin(stream, api, job):
    opened = stream(job)
    opened.connected()
    api.report(job, "t1", status="in_progress", note="Optional note", title="Task title")
    said = opened.event().json
    assert TIME.fullmatch(said.pop("timestamp"))
    assert said == {"type": "task_update", "jobId": job, "seq": 2, "taskId": "t1",
                    "status": "in_progress", "title": "Task title", "note": "Optional note"}


def test_a_job_update_comes_on_the_same_stream(stream, api, job):
    opened = stream(job)
    opened.connected()
    api.patch(f"/api/jobs/{job}", {"status": "revisions"})
    said = opened.event().json
    assert (said["type"], said["status"], said["title"]) == ("job_update", "revisions", "Job")


def test_an_id_never_stands_without_data(stream, api, job):
    opened = stream(job)
    opened.connected()
    api.burst(job, 50)
    opened.events(50)
    api.finish(job)
    opened.all_blocks()
    for block in bytes(opened.bytes).split(b"\n\n"):
        assert b"id:" not in block or b"\ndata:" in b"\n" + block, block


def test_named_events_on_demand(stream, api, job):
    opened = stream(job, query="named=1")
    assert opened.connected().event == "connected"
    api.report(job, "t1")
    assert opened.event().event == "task_update"
    api.patch(f"/api/jobs/{job}", {"title": "New"})
    assert opened.event().event == "job_update"


# -- heartbeats -----------------------------------------------------------------------------------

def test_a_heartbeat_is_visible_to_page_code_and_carries_the_head(serve, client, stream):
    server = serve(heartbeat_ms=100)
    api = client(server)
    job = api.create_job()["id"]
    opened = stream(job, on=server)
    assert opened.connected().json["heartbeatMs"] == 100
    first = opened.message("heartbeat", within=2)
    assert first.event == "heartbeat" and first.id is None
    assert set(first.json) == {"head", "timestamp"}
    assert first.json["head"] == 1 and TIME.fullmatch(first.json["timestamp"])
    api.report(job, "t1")
    assert opened.event().json["seq"] == 2
    assert opened.message("heartbeat", within=2).json["head"] == 2


def test_heartbeats_go_on_on_a_busy_stream(serve, client, stream):
    server = serve(heartbeat_ms=100)
    api = client(server)
    job = api.create_job()["id"]
    opened = stream(job, on=server)
    opened.connected()
    deadline, beats = Deadline(20, "three heartbeats between events"), 0
    while beats < 3:
        api.report(job, "t1")
        while type_of(opened.message(within=deadline.left())) == "heartbeat":
            beats += 1


# -- positions ------------------------------------------------------------------------------------

def resumed(opened):
    said = opened.connected().json
    return said["resume"], said["cursor"].split(".")[1]


def test_last_event_id_continues_exactly_there(stream, api, snapshot):
    api.burst(snapshot["id"], 9)
    opened = stream(snapshot["id"], f"{snapshot['epoch']}.4")
    assert resumed(opened) == ("exact", "4")
    assert [event.json["seq"] for event in opened.events(6)] == [5, 6, 7, 8, 9, 10]


@pytest.mark.parametrize("name", ["since", "lastEventId"])
def test_the_position_may_stand_in_the_query(stream, api, snapshot, name):
    api.burst(snapshot["id"], 9)
    opened = stream(snapshot["id"], query=f"{name}={snapshot['epoch']}.7")
    assert resumed(opened) == ("exact", "7")
    assert opened.event().json["seq"] == 8


def test_the_header_wins_over_since_and_since_over_last_event_id(stream, api, snapshot):
    api.burst(snapshot["id"], 9)
    job, at = snapshot["id"], lambda seq: f"{snapshot['epoch']}.{seq}"
    query = f"since={at(3)}&lastEventId={at(2)}"
    assert resumed(stream(job, at(6), query)) == ("exact", "6")
    assert resumed(stream(job, query=query)) == ("exact", "3")
    assert resumed(stream(job, query=f"lastEventId={at(2)}&since={at(3)}")) == ("exact", "3")


def test_a_position_at_the_head_waits_for_the_next_event(stream, api, snapshot):
    opened = stream(snapshot["id"], snapshot["cursor"])
    said = opened.connected().json
    assert (said["resume"], said["head"]) == ("exact", 1) and "job" not in said
    api.report(snapshot["id"], "t1")
    assert opened.event().json["seq"] == 2


# -- who may ask, and how -------------------------------------------------------------------------

def test_an_unknown_job_is_404_before_any_stream(server):
    assert_problem(ask(server.address, stream_request("nobody")), 404, "not_found")


def test_a_bad_id_is_400_before_any_stream(server):
    assert_problem(ask(server.address, stream_request("-bad-")), 400, "invalid_id")


def test_an_http_1_0_client_gets_plain_bytes_until_close(stream, api, job):
    opened = stream(job, version="1.0")
    assert opened.status == 200
    assert opened.header("Transfer-Encoding") is None
    assert opened.header("Content-Type") == "text/event-stream; charset=utf-8"
    assert (opened.header("Connection") or "close").lower() == "close"
    opened.connected()
    api.report(job, "t1")
    assert opened.event().json["seq"] == 2
    api.finish(job)
    assert [type_of(block) for block in opened.all_blocks()] == ["job_update", "end"]
    assert opened.bytes.endswith(b"}\n\n")


def test_head_of_the_stream_is_its_headers(server, api, job):
    with Raw(server.address) as raw:
        raw.send(request("HEAD", path_of(job)))
        reply = raw.response(head=True)
        assert reply.status == 200
        assert reply.header("Content-Type") == "text/event-stream; charset=utf-8"
    assert api.report(job, "t1")["watchers"] == 0, "a HEAD is nobody who watches"


@pytest.mark.one_node("watchers of other nodes count a moment later")
def test_a_closed_stream_no_longer_counts_as_a_watcher(server, api, job):
    with SseStream(server.address, job) as opened:
        opened.connected()
        assert api.report(job, "t1")["watchers"] == 1
    until(lambda: api.report(job, "t1")["watchers"] == 0, 2, "the watcher being forgotten")


def test_connected_comes_within_a_second_under_many_streams(stream, job):
    for _ in range(100):
        assert stream(job, within=1).connected().json["resume"] == "fresh"
