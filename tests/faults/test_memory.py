"""Memory that has an end: new streams are refused in words, and nobody who watches is disturbed."""
import re
import subprocess

import pytest

from support.viewers import Viewers
from support.problem import assert_problem
from support.raw import Raw, ask, request
from support.sse import stream_request
from support.wait import SCALE, Deadline, until
from support.watcher import SseWatcher
from support.ws import WebSocket

MIB = 1024 * 1024
UPGRADE = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec_WebSocket_Version": "13",
           "Sec_WebSocket_Key": "dGhlIHNhbXBsZSBub25jZQ=="}


def all_told(viewers):
    """The retry time, and `connected` or `refused`."""
    return all(viewer.blocks[1:] for viewer in viewers)


def test_a_server_with_full_memory_refuses_streams_and_goes_on_with_all_else(serve, client):
    server = serve(max_memory=1)
    api = client(server)
    job = api.create_job()["id"]
    refused = ask(server.address, stream_request(job, accept="*/*"))
    assert_problem(refused, 503, "overloaded")
    assert int(refused.header("Retry-After")) >= 1
    assert_problem(api.get("/api/ws", **UPGRADE), 503, "overloaded")
    api.report(job, "t", status="completed")
    assert api.get(f"/api/jobs/{job}/updates").json["job"]["tasks"][0]["status"] == "completed"
    assert server.logs("memory is short")
    server.stop()
    assert server.counted()["short_of_memory"] == 2


def test_with_memory_left_streams_are_taken(serve, client):
    server = serve(max_memory=1024 * MIB)
    job = client(server).create_job()["id"]
    assert is_taken(server, job)


def test_many_viewers_fill_the_memory_and_what_it_leaves_serves_others(serve, client):
    most = (serve().rss_kib() + 4096) * 1024
    server = serve(max_memory=most, loops=1)
    api = client(server)
    job = api.create_job()["id"]
    with Viewers() as viewers:
        taken, refused = [], []
        while not refused:
            came = viewers.join(server.address, job, 250)
            viewers.pump(lambda: all_told(came), 30 * SCALE, "250 answers")
            for viewer in came:
                (refused if viewer.blocks[1].event == "refused" else taken).append(viewer)
            assert len(taken) < 15000, "the limit does nothing"
        assert len(taken) > 250
        api.report(job, "t", note="for those who are in")
        viewers.pump(lambda: all(viewer.of_type("task_update") for viewer in taken), 30 * SCALE,
                   "everybody's event")
        for viewer in taken:
            viewer.socket.shutdown(2)
        until(lambda: is_taken(server, job), 30, "room again")


def is_taken(server, job):
    with Viewers() as viewers:
        one = viewers.join(server.address, job)
        viewers.pump(lambda: all_told(one), 10 * SCALE, "an answer")
        return one[0].blocks[1].event != "refused"


def test_rings_that_may_not_grow_cost_refills_and_no_event(serve, client):
    server = serve(rings_bytes=64 * 1024, write_bytes=1024)
    api = client(server)
    job = api.create_job()["id"]
    with SseWatcher(server.address, job, slow=True) as watcher:
        watcher.connected()
        api.burst(job, 500, note="n" * 2048)
        assert [event.seq for event in watcher.events(500)] == list(range(2, 502))
    server.stop()
    counted = server.counted()
    assert counted["cramped"] >= 1 and counted["refills"] >= 1 and counted["resets"] == 0


def large_job(api, mib=4):
    """A job whose snapshot has so many MiB; gives its creation's answer."""
    job = api.create_job()
    for i in range(mib * 4):
        batch = [{"taskId": f"t{i}-{n}", "note": "n" * 16000} for n in range(16)]
        assert api.update(job["id"], batch).status == 200
    return job


def test_equal_snapshots_are_in_memory_once_whatever_was_asked(serve, client):
    server = serve()
    api = client(server)
    job = large_job(api)
    api.job(job["id"])
    before = server.rss_kib()
    with WebSocket(server.address, receive_buffer=4096) as socket:
        socket.send_many([{"type": "subscribe", "jobId": job["id"], "since": f"{job['epoch']}.{seq}"}
                          for seq in range(1000, 1200)])
        other = api.create_job()["id"]
        until(lambda: api.job(other)["id"] == other, 10, "an answer meanwhile")
        assert server.rss_kib() - before < 16 * 1024
    with WebSocket(server.address) as socket:
        assert socket.subscribe(job["id"])["job"]["id"] == job["id"]


def test_the_rows_of_a_large_job_share_the_memory_of_its_snapshot(serve, client):
    server = serve(max_snapshots=1, snapshot_cache=0)
    api = client(server)
    job, other = large_job(api)["id"], api.create_job()["id"]
    with Raw(server.address, receive_buffer=4096) as raw:
        raw.send(request("GET", f"/api/jobs/{job}/tasks"))
        raw.head_of_response(Deadline(10, "the head of an answer"))
        for rows in ("tasks", "deliverables"):
            assert_problem(api.get(f"/api/jobs/{other}/{rows}"), 503, "overloaded")
        snapshot = api.job(job)
        for rows in ("tasks", "deliverables"):
            assert api.get(f"/api/jobs/{job}/{rows}").json == {rows: snapshot[rows]}


def test_the_memory_of_snapshots_is_given_back(serve, client):
    server = serve(snapshot_cache=0)
    api = client(server)
    job = large_job(api, 8)["id"]
    before = server.rss_kib()
    for _ in range(8):
        api.report(job, "t", note="another snapshot")
        assert len(api.job(job)["tasks"]) == 513
    assert server.rss_kib() - before < 8 * 1024


# -- answers that nobody else holds ----------------------------------------------------------------

PAGE = 1000 * 1000          # nearly what one answer of a list may have


def with_large_pages(api):
    """A job with a log of several pages; gives the paths whose answers are a page each."""
    job = api.create_job()
    for i in range(20):
        batch = [{"taskId": f"t{n}", "note": f"{i}" + "n" * 16000} for n in range(15)]
        assert api.update(job["id"], batch).status == 200
    for i in range(80):
        assert api.post("/api/jobs", {"title": "Job", "metadata": {"m": "m" * 16000}}).status == 201
    path = f"/api/jobs/{job['id']}"
    return {"a list": "/api/jobs?limit=1000", "a log": f"{path}/activity?limit=1000",
            "a poll": f"{path}/updates?since={job['epoch']}.1"}


def slow_reader(server, path):
    """(status, connection) of one that takes the head of its answer, and nothing more."""
    raw = Raw(server.address, receive_buffer=4096)
    raw.send(request("GET", path))
    return raw.head_of_response(Deadline(10, "the head of an answer"))[0], raw


@pytest.mark.parametrize("kind", ["a list", "a log", "a poll"])
def test_large_answers_to_slow_readers_have_a_budget(serve, client, kind):
    server = serve(max_replies=8 * PAGE)
    api = client(server)
    path = with_large_pages(api)[kind]
    assert len(api.get(path).body) > PAGE * 0.9
    before = server.rss_kib()
    readers = [slow_reader(server, path) for _ in range(100)]
    taken = [raw for status, raw in readers if status == 200]
    assert 5 <= len(taken) <= 9, "as many as the budget has room for"
    assert {status for status, _ in readers} == {200, 503}
    assert server.rss_kib() - before < 3 * 8 * PAGE // 1024
    refused = api.get(path)
    assert_problem(refused, 503, "overloaded")
    assert int(refused.header("Retry-After")) >= 1
    assert api.get("/api/jobs?limit=1").status == 200, "what is small goes on"
    assert api.create_job(metadata={"m": "m" * 16000}, tasks=[{"title": "t"}])
    for _, raw in readers:
        raw.close()
    until(lambda: api.get(path).status == 200, 10, "room again")
    server.stop()
    assert server.counted()["replies_full"] >= 92


def test_readers_that_take_their_answers_never_meet_the_budget(serve, client):
    """One answer larger than all of it may be made when there is no other."""
    server = serve(max_replies=1000)
    api = client(server)
    for path in with_large_pages(api).values():
        for _ in range(5):
            assert len(api.get(path).body) > PAGE * 0.9
    server.stop()
    assert server.counted()["replies_full"] == 0


KERNEL_MEMORY = re.compile(r"skmem:\(r(\d+),rb\d+,t\d+,tb\d+,f(\d+),w(\d+),")


def socket_memory(server):
    """The bytes that the kernel holds for each connection of the server."""
    said = subprocess.run(["ss", "-tmnH", "sport", "=", f":{server.port}"], capture_output=True, text=True,
                          check=True, timeout=30 * SCALE).stdout
    return [sum(map(int, found)) for found in KERNEL_MEMORY.findall(said)]


def test_a_reader_that_takes_nothing_holds_at_most_64_kb(serve, client):
    """In the kernel and in the process together; `ss` shows the kernel's side."""
    server, count = serve(stall_ms=60000), 200
    api = client(server)
    job = api.create_job()["id"]
    readers = [Raw(server.address, receive_buffer=4096) for _ in range(count)]
    for reader in readers:
        reader.send(stream_request(job))
    for reader in readers:
        reader.head_of_response(Deadline(10, "a stream"))
    before = server.rss_kib()
    api.burst(job, 600, note="n" * 1000)
    until(lambda: sorted(socket_memory(server))[-count] > 8192, 20, "all of them being full")
    held = max(socket_memory(server)) + (server.rss_kib() - before) * 1024 / count
    for reader in readers:
        reader.close()
    assert held <= 64000
