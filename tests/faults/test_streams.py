"""Section D of the faults: streams and resume. D3 to D5 and D7, one test or more per row."""
import threading

import pytest

from support.api import Api
from support.viewers import Viewers
from support.load import Crew
from support.poll import path_of
from support.problem import assert_problem
from support.raw import Raw, ask, request
from support.sse import SseStream, stream_request
from support.wait import SCALE, Deadline
from support.watcher import Cut, SseWatcher
from support.ws import WebSocket

VIEWERS = 1000


def reset_of(server, job, since):
    with SseStream(server.address, job, since) as stream:
        assert stream.status == 200
        said = stream.connected()
        assert said.json["resume"] == "reset" and said.id == said.json["cursor"]
        return said.json


UNREADABLE = ["abc", "-1", "18446744073709551616", ".", "..", "1", "x.1.2", "é", "a b", "%00",
              "k3f9." + "9" * 40, "x" * 2000]


@pytest.mark.parametrize("since", UNREADABLE)
def test_d3_an_unreadable_position_is_reset_as_invalid(server, snapshot, since):
    said = reset_of(server, snapshot["id"], since)
    assert (said["reason"], said["job"], said["cursor"]) == ("invalid", snapshot,
                                                             snapshot["cursor"])


@pytest.mark.parametrize("seq", ["-1", "+1", "18446744073709551616", "9" * 20, "0x1", "1 ", "01",
                                 ""])
def test_d3_a_position_of_the_right_epoch_with_an_unreadable_seq_is_invalid(server, snapshot, seq):
    if seq == "1 ":
        seq = "1%20"    # a header's value is trimmed, and then it would be a good one
    assert reset_of(server, snapshot["id"], f"{snapshot['epoch']}.{seq}")["reason"] == "invalid"


def test_d3_an_empty_position_is_a_first_connect(server, snapshot):
    with SseStream(server.address, snapshot["id"], "") as stream:
        said = stream.connected().json
        assert said["job"] == snapshot and said["resume"] in ("fresh", "reset")


def test_d3_a_position_of_10_kb_is_refused_in_words(server, job):
    """It is over the limit of headers; nothing of the server's own making is ever that long."""
    assert_problem(ask(server.address, stream_request(job, "x" * 10_240)), 431)
    assert_problem(ask(server.address, stream_request(job, query="since=" + "x" * 10_240)), 414)


def test_d3_another_jobs_position_is_reset(server, api, snapshot):
    other = api.create_job()
    api.burst(other["id"], 5)
    assert reset_of(server, snapshot["id"], f"{other['epoch']}.3")["reason"] == "epoch"


@pytest.mark.parametrize("ahead", [1, 2, 1000, 2**32, 2**53, 2**62])
def test_d3_a_position_in_the_future_is_reset(server, snapshot, ahead):
    said = reset_of(server, snapshot["id"], f"{snapshot['epoch']}.{1 + ahead}")
    assert (said["reason"], said["job"]) == ("future", snapshot)


def test_d3_an_old_epoch_is_reset(server, api, snapshot):
    api.delete(f"/api/jobs/{snapshot['id']}")
    again = api.create_job(id=snapshot["id"])
    said = reset_of(server, snapshot["id"], snapshot["cursor"])
    assert (said["reason"], said["job"]) == ("epoch", again)


def test_d4_the_header_wins_over_the_query(server, api, snapshot):
    api.burst(snapshot["id"], 9)
    job, epoch = snapshot["id"], snapshot["epoch"]
    for header, query, due in ((f"{epoch}.7", f"since={epoch}.2", 8),
                               (f"{epoch}.2", f"since={epoch}.7", 3),
                               (f"{epoch}.5", "since=abc", 6),
                               (f"{epoch}.5", f"lastEventId={epoch}.999", 6)):
        with SseStream(server.address, job, header, query) as stream:
            assert stream.connected().json["resume"] == "exact"
            assert stream.event().json["seq"] == due


def test_d4_an_unreadable_header_wins_too(server, api, snapshot):
    with SseStream(server.address, snapshot["id"], "abc", f"since={snapshot['cursor']}") as stream:
        assert stream.connected().json["reason"] == "invalid"


# -- D5: inside and outside the ring --------------------------------------------------------------

RING = 16


@pytest.fixture
def small_ring(serve, client):
    """(server, api, snapshot): a job of 200 events whose ring holds the last 16 of them."""
    server = serve(ring_events=RING)
    api = client(server)
    snapshot = api.create_job()
    watching = SseStream(server.address, snapshot["id"])
    watching.connected()
    api.burst(snapshot["id"], 199)
    watching.events(199)
    yield server, api, snapshot
    watching.close()


@pytest.mark.parametrize("seq", [199, 198, 200 - RING + 1, 200 - RING, 200 - RING - 1, 100, 2, 1])
def test_d5_a_position_inside_or_outside_the_ring_continues_exactly(small_ring, watch_on, seq):
    server, api, snapshot = small_ring
    watcher = watch_on(server, snapshot["id"], f"{snapshot['epoch']}.{seq}")
    said = watcher.connected()
    assert (said["resume"], said["head"]) == ("exact", 200)
    missed = [event.seq for event in watcher.events(200 - seq)]
    assert missed == list(range(seq + 1, 201))
    api.report(snapshot["id"], "t", note="live")
    assert watcher.event().seq == 201


def test_d5_a_burst_larger_than_the_ring_reaches_every_reader_once(small_ring, watch_on):
    server, api, snapshot = small_ring
    watchers = [watch_on(server, snapshot["id"]) for _ in range(5)]
    for watcher in watchers:
        watcher.connected()
    api.burst(snapshot["id"], 1000, note="x" * 500)
    for watcher in watchers:
        assert [event.seq for event in watcher.events(1000)] == list(range(201, 1201))


def test_d5_a_ring_limited_by_bytes_does_the_same(serve, client, watch_on):
    server = serve(ring_bytes=2000)
    api = client(server)
    snapshot = api.create_job()
    watcher = watch_on(server, snapshot["id"])
    watcher.connected()
    for i in range(20):
        api.report(snapshot["id"], "t", note="n" * 700 * (i % 5))
    assert [event.seq for event in watcher.events(20)] == list(range(2, 22))
    late = watch_on(server, snapshot["id"], f"{snapshot['epoch']}.3")
    assert late.connected()["resume"] == "exact"
    assert [event.seq for event in late.events(18)] == list(range(4, 22))


def test_d5_an_event_larger_than_the_ring_arrives(serve, client, watch_on):
    server = serve(ring_bytes=1024)
    api = client(server)
    job = api.create_job()["id"]
    watcher = watch_on(server, job)
    watcher.connected()
    for size in (16384, 10, 16384):
        api.report(job, "t", note="n" * size)
    assert [len(event.json["note"]) for event in watcher.events(3)] == [16384, 10, 16384]


def test_d5_readers_resume_at_every_position_while_the_ring_turns(small_ring, transport):
    """Positions on both sides of the ring's edge, at the moment the edge moves."""
    server, api, snapshot = small_ring

    def publish(crew):
        with Api(server.address) as own:
            while crew.working:
                own.report(snapshot["id"], "t", note="turn")

    with Crew() as crew:
        crew.hire(publish)
        for i in range(200):
            head = api.job(snapshot["id"])["seq"]
            seq = head - RING - 4 + i % 8
            with transport(server.address, snapshot["id"], f"{snapshot['epoch']}.{seq}") as watcher:
                assert watcher.connected()["resume"] == "exact"
                assert [event.seq for event in watcher.events(3)] == [seq + 1, seq + 2, seq + 3]


# -- D6: who does not read ------------------------------------------------------------------------

def test_d6_a_reader_that_stands_still_is_closed_and_may_come_back(serve, client):
    server = serve(stall_ms=500)
    api = client(server)
    snapshot = api.create_job()
    job = snapshot["id"]
    with SseWatcher(server.address, job, slow=True) as stalled:
        stalled.connected()
        before = server.fds()
        api.burst(job, 2000, note="n" * 8192)
        server.fds_back_to(before - 1, within=10)
        with pytest.raises(Cut):
            stalled.events(2000)
    with SseWatcher(server.address, job, stalled.position) as again:
        assert again.connected()["resume"] == "exact"
        due = int(stalled.position.split(".")[1]) + 1
        assert [event.seq for event in again.events(2002 - due)] == list(range(due, 2002))
    server.stop()
    counted = server.counted()
    assert counted["stalled"] == 1 and counted["refills"] >= 1


@pytest.mark.parametrize("way", ["sse", "websocket", "polling"])
def test_d6_a_reader_that_goes_on_taking_does_not_stand_still(serve, client, way):
    """The socket's buffer is 2 MB wide by then, and it takes the reader longer than stall_ms to free a third."""
    server = serve(stall_ms=500)
    api = client(server)
    job = api.create_job()["id"]
    for i in range(0, 220, 10):
        assert api.update(job, [{"taskId": f"t{j}", "note": "n" * 16000} for j in range(i, i + 10)]).status == 200
    with question(server.address, job, way) as raw:
        deadline = Deadline(60, "a first message of 3.5 MB")
        for _ in range(3500 // 70):
            raw.exactly(70_000, deadline)
            threading.Event().wait(0.1)     # a slow reader: that is the subject here
    server.stop()
    assert server.counted()["stalled"] == 0


def question(address, job, way):
    """A connection on which the job's first message comes."""
    if way == "websocket":
        socket = WebSocket(address, receive_buffer=64 * 1024)
        socket.send("subscribe", jobId=job)
        return socket.raw
    raw = Raw(address, receive_buffer=64 * 1024)
    raw.send(stream_request(job) if way == "sse" else request("GET", path_of(job)))
    return raw


def test_d6_readers_that_stand_still_cost_the_others_nothing(serve, client):
    """100 of them, 16 MB each to come: memory stays flat and one who reads gets it all."""
    server = serve()
    api = client(server)
    job = api.create_job()["id"]
    stalled = [SseWatcher(server.address, job, slow=True) for _ in range(100)]
    for watcher in stalled:
        watcher.connected()
    with SseWatcher(server.address, job) as reading:
        reading.connected()
        before = server.rss_kib()
        for _ in range(40):
            api.burst(job, 50, note="n" * 8192)
            reading.events(50)
        assert server.rss_kib() - before < (100 * 64 + 16 * 1024) * SCALE
    for watcher in stalled:
        watcher.close()


# -- D7: the end, with a thousand who watch and a thousand who arrive -----------------------------

def terminal_events(viewer):
    return [block for block in viewer.of_type("job_update") if block.json["status"] == "completed"]


def test_d7_everyone_gets_the_end_once_and_nobody_loops(server, api, snapshot):
    job = snapshot["id"]
    with Viewers() as viewers:
        watching = viewers.join(server.address, job, VIEWERS)
        viewers.pump(lambda: all(viewer.of_type("connected") for viewer in watching), 60,
                   "everyone connected")
        arriving = viewers.join(server.address, job, VIEWERS)
        viewers.pump(lambda: sum(viewer.status is not None for viewer in arriving) > VIEWERS // 10,
                   60, "the first who arrive")
        api.finish(job)
        viewers.pump(viewers.all_over, 60, "every stream ended by the server")
        for viewer in watching:
            assert len(terminal_events(viewer)) == 1
        for viewer in viewers.all:
            assert saw_the_end_once(viewer), viewer.blocks
        back = [viewers.join(server.address, job, since=viewer.last_id)[0]
                for viewer in viewers.all[::10]]
        viewers.pump(lambda: all(viewer.status for viewer in back), 60, "those who came back")
        assert {viewer.status for viewer in back} == {204}


def saw_the_end_once(viewer):
    """Learnt of the terminal status by the event or in the snapshot, never both; then `end`."""
    connected = viewer.of_type("connected")[0].json
    in_snapshot = connected["job"]["status"] == "completed"
    kinds = [block for block in viewer.blocks if block.data is not None]
    return (len(terminal_events(viewer)) == (0 if in_snapshot else 1)
            and len(viewer.of_type("end")) == 1 and kinds[-1].json["type"] == "end")
