"""The traceparent of a write: taken by the rules of W3C Trace Context, kept in its events, on every transport."""
import pytest

from support.api import Api
from support.logs import requests_of
from support.problem import assert_problem
from support.raw import ask, json_post
from support.wait import until
from support.ws import WebSocket

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
GOOD = f"00-{TRACE}-{SPAN}-01"


def of(event):
    return event.get("traceparent")


# -- where it comes from -------------------------------------------------------------------------------------

WRITES = [
    ("POST", "/api/jobs", {"id": "new", "title": "J", "tasks": [{"id": "t"}]}, "new"),
    ("PATCH", "/api/jobs/{job}", {"title": "K"}, None),
    ("POST", "/api/jobs/{job}/tasks", {"id": "a", "title": "A"}, None),
    ("PUT", "/api/jobs/{job}/tasks/b", {}, None),
    ("POST", "/api/jobs/{job}/deliverables", {"title": "D"}, None),
    ("POST", "/api/jobs/{job}/commands", {"command": "pause"}, None),
    ("POST", "/api/agent-hooks/task-update/{job}", {"taskId": "c"}, None),
    ("POST", "/api/agent-hooks/task-update/{job}", [{"taskId": "d"}, {"taskId": "e"}], None),
]


@pytest.mark.parametrize("method, path, body, made", WRITES)
def test_every_event_of_a_write_has_its_traceparent(api, job, method, path, body, made):
    before = len(api.activity(job))
    reply = api.request(method, path.format(job=job), body, {"Traceparent": GOOD})
    assert reply.status in (200, 201), reply
    events = api.activity(made) if made else api.activity(job)[before:]
    assert len(events) == (2 if isinstance(body, list) else 1)
    assert all(of(event) == GOOD for event in events)
    assert list(events[0])[-2:] == ["traceparent", "timestamp"]
    assert b"traceparent" not in reply.body
    if made:
        assert api.delete(f"/api/jobs/{made}").status == 204


def test_a_write_without_one_makes_events_without_one(api, job):
    api.report(job, "t")
    assert all("traceparent" not in event for event in api.activity(job))


@pytest.mark.parametrize("lines, kept", [
    ([f"traceparent: {GOOD}"], GOOD), ([f"TraceParent:  {GOOD} "], GOOD),
    ([f"traceparent: 00-{TRACE}-{SPAN}-00"], f"00-{TRACE}-{SPAN}-00"),
    ([f"traceparent: 00-{TRACE}-{SPAN}-ff"], GOOD),
    ([f"traceparent: cc-{TRACE}-{SPAN}-01-more"], GOOD), ([f"traceparent: {GOOD}", "tracestate: a=1"], GOOD),
    ([f"traceparent: {GOOD}", f"traceparent: {GOOD}"], None), ([f"traceparent: {GOOD},"], None),
    ([f"traceparent: {GOOD.upper()}"], None), ([f"traceparent: ff-{TRACE}-{SPAN}-01"], None),
    ([f"traceparent: {GOOD}-more"], None), ([f"traceparent: 00-{'0' * 32}-{SPAN}-01"], None),
    ([f"traceparent: 00-{TRACE}-{'0' * 16}-01"], None), (["traceparent:"], None), (['traceparent: "},{"'], None),
    ([f"traceparent: {'0' * 4000}"], None)])
def test_what_is_not_valid_is_ignored_and_the_write_is_done(server, api, job, lines, kept):
    reply = ask(server.address, json_post(f"/api/jobs/{job}/commands", b'{"command":"go"}', *lines))
    assert reply.status == 201
    assert of(api.activity(job)[-1]) == kept


@pytest.mark.parametrize("message", [{"type": "update", "taskId": "t"}, {"type": "command", "command": "go"},
                                     {"type": "update", "updates": [{"taskId": "a"}, {"taskId": "b"}]}])
def test_a_message_of_a_websocket_carries_one_too(server, api, job, message):
    kind, members = message["type"], {name: value for name, value in message.items() if name != "type"}
    before = len(api.activity(job))
    with WebSocket(server.address) as ws:
        ws.send(kind, id="1", jobId=job, traceparent=GOOD, **members)
        assert ws.message("ack")["id"] == "1"
        events = api.activity(job)[before:]
        assert [of(event) for event in events] == [GOOD] * len(message.get("updates", "x"))
        ws.send(kind, id="2", jobId=job, traceparent="no trace", **members)
        assert ws.message("ack")["id"] == "2"
        assert of(api.activity(job)[-1]) is None
        ws.send(kind, id="3", jobId=job, traceparent=7, **members)
        error = ws.message("error")
        assert (error["code"], error["id"]) == ("invalid_field", "3") and "traceparent" in error["detail"]


def test_a_message_that_writes_nothing_has_none(server, job):
    with WebSocket(server.address) as ws:
        ws.send("subscribe", id="1", jobId=job, traceparent=GOOD)
        assert ws.message("error")["code"] == "unknown_field"


def test_a_body_has_none(api, job):
    """There it is a field like any other."""
    assert_problem(api.update(job, {"taskId": "t", "traceparent": GOOD}), 422, "unknown_field")


# -- where it goes ---------------------------------------------------------------------------------------------

def test_it_arrives_live_and_in_a_replay(api, job, watch):
    watcher, cursor = watch(job), api.job(job)["cursor"]
    watcher.connected()
    api.update(job, {"taskId": "t"}, Traceparent=GOOD)
    api.update(job, {"taskId": "t"})
    live = watcher.events(2)
    assert [of(event.json) for event in live] == [GOOD, None]
    again = watch(job, since=cursor)
    again.connected()
    assert [event.text for event in again.events(2)] == [event.text for event in live]


def test_the_snapshot_has_none_and_is_the_fold_of_the_log(api, job):
    api.update(job, {"taskId": "t", "note": "n"}, Traceparent=GOOD)
    reply = api.get(f"/api/jobs/{job}")
    assert b"traceparent" not in reply.body
    last = {name: value for name, value in api.activity(job)[-1].items()
            if name not in ("type", "jobId", "seq", "taskId", "timestamp", "traceparent")}
    task = reply.json["tasks"][-1]
    assert last == {name: task[name] for name in last} and "note" in last


def test_it_is_there_after_a_restart(serve):
    server = serve()
    with Api(server.address) as api:
        api.create_job(id="j")
        api.update("j", {"taskId": "t"}, Traceparent=GOOD)
        before = api.get("/api/jobs/j/activity?order=asc").body
    server.restart()
    with Api(server.address) as api:
        assert api.get("/api/jobs/j/activity?order=asc").body == before
        assert of(api.activity("j")[-1]) == GOOD


def test_a_repeated_write_changes_nothing(api, job):
    other = GOOD.replace("b7ad", "c8be")
    first = api.update(job, {"taskId": "t"}, Idempotency_Key="k", Traceparent=GOOD)
    again = api.update(job, {"taskId": "t"}, Idempotency_Key="k", Traceparent=other)
    assert again.header("Idempotency-Replayed") == "true" and again.body == first.body
    without = api.update(job, {"taskId": "t"}, Idempotency_Key="k")
    assert without.body == first.body
    assert [of(event) for event in api.activity(job)] == [None, GOOD]


def test_what_the_server_does_by_itself_has_none(serve):
    server = serve()
    with Api(server.address) as api:
        api.create_job(id="j")
        api.update("j", {"taskId": "t", "status": "in_progress", "heartbeatTimeoutMs": 1000}, Traceparent=GOOD)
        until(lambda: api.activity("j")[-1].get("stalled"), 10, "the silence being noticed")
        assert [of(event) for event in api.activity("j")[1:]] == [GOOD, None]


@pytest.mark.parametrize("form", ["logfmt", "json"])
def test_the_line_of_a_request_has_the_trace(serve, form):
    server = serve(log_requests=True, log_format=form)
    with Api(server.address) as api:
        api.create_job(id="j")
        api.get("/api/jobs/j", Traceparent=GOOD)
        api.get("/api/jobs/j", Traceparent="bad")
    until(lambda: len(requests_of(server.log(), form)) == 3, 5, "three lines")
    assert [line.get("trace") for line in requests_of(server.log(), form)] == [None, TRACE, None]
