"""The validation list of the system that joblight replaces, one test per line of it, in order.

The tenth line, "Frontend component manages lifecycle correctly", needs a real browser: it is in
tests/browser.
"""
import sqlite3
import time
from contextlib import closing

import pytest

from support.sse import SseStream


def test_sse_connection_establishes_successfully(server, job):
    with SseStream(server.address, job) as stream:
        assert stream.status == 200
        assert stream.header("Content-Type").startswith("text/event-stream")


def test_connected_event_sent_with_job_status(server, api):
    job = api.create_job(status="revisions")["id"]
    with SseStream(server.address, job, within=1) as stream:
        said = stream.message(within=1).json
        assert (said["type"], said["jobId"], said["status"]) == ("connected", job, "revisions")


def test_task_updates_broadcast_in_real_time(server, api, job):
    with SseStream(server.address, job) as stream:
        stream.connected()
        began = time.monotonic()
        api.report(job, "test", status="in_progress", note="testing")
        event = stream.event(within=1).json
        assert time.monotonic() - began < 1
        assert (event["type"], event["taskId"]) == ("task_update", "test")
        assert (event["status"], event["note"]) == ("in_progress", "testing")


def test_multiple_clients_receive_same_events(server, api, job):
    streams = [SseStream(server.address, job) for _ in range(100)]
    for stream in streams:
        stream.connected()
    for i in range(5):
        api.report(job, "t1", progress=i)
    seen = [[(event.id, event.data) for event in stream.events(5)] for stream in streams]
    assert all(one == seen[0] for one in seen)
    for stream in streams:
        stream.close()


def test_auto_reconnects_on_connection_loss(serve, client):
    """What a browser does by itself after a lost connection, and what it must find then."""
    server = serve()
    api = client(server)
    job = api.create_job()["id"]
    with SseStream(server.address, job) as stream:
        retry = stream.block().retry
        api.report(job, "t1", note="seen")
        last = stream.event().id
    assert 2000 <= retry <= 4000, "the time after which a browser comes back"
    api.report(job, "t1", note="missed")
    server.restart()
    with SseStream(server.address, job, last) as again:
        assert again.connected().json["resume"] == "exact"
        assert again.event().json["note"] == "missed"


def test_disconnects_when_job_completes(server, api, job):
    with SseStream(server.address, job) as stream:
        stream.connected()
        api.finish(job)
        kinds = [block.json["type"] for block in stream.all_blocks(within=2)]
        assert kinds == ["job_update", "end"]
    with SseStream(server.address, job, stream.parser.last_id) as again:
        assert again.status == 204


def test_webhook_returns_immediately(server, api, job):
    """Non-blocking: a hundred subscribers that never read do not hold it up."""
    streams = [SseStream(server.address, job, receive_buffer=4096) for _ in range(100)]
    took = []
    for _ in range(50):
        began = time.monotonic()
        api.report(job, "t1", note="n" * 8192)
        took.append(time.monotonic() - began)
    assert sorted(took)[len(took) // 2] < 0.1, f"median {sorted(took)[25]:.3f} s"
    for stream in streams:
        stream.close()


@pytest.mark.sqlite("it reads the file")
def test_database_updated_before_sse_broadcast(serve, client):
    """At the moment an event is seen, another process finds it in the database."""
    server = serve()
    api = client(server)
    job = api.create_job()["id"]
    database = sqlite3.connect(f"file:{server.db}?mode=ro", uri=True)
    with SseStream(server.address, job) as stream, closing(database):
        stream.connected()
        for _ in range(50):
            api.report(job, "t1", note="n")
            seen = stream.event().json["seq"]
            assert database.execute("SELECT max(seq) FROM job_activity").fetchone()[0] >= seen


def test_activity_logged_for_all_updates(api, job):
    api.report(job, "t1", status="in_progress")
    api.put(f"/api/jobs/{job}/tasks/t1", {"status": "completed"})
    api.update(job, [{"taskId": "t2"}, {"taskId": "t3"}])
    api.finish(job)
    log = [(event["type"], event.get("taskId"), event["status"]) for event in api.activity(job)]
    assert log == [("job_update", None, "in_progress"), ("task_update", "t1", "in_progress"),
                   ("task_update", "t1", "completed"), ("task_update", "t2", "pending"),
                   ("task_update", "t3", "pending"), ("job_update", None, "completed")]
