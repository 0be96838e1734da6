"""Section C0 of the faults: a first message larger than every buffer, while everything else happens.

The reader's receive buffer is 2 KB and the message 2.5 MB, so the server is held up in its middle:
once its first byte has come, the rest waits. What is asked for then may be answered between two
fragments by control frames only; the reader (support/ws.py) is strict about that.
"""
import json
import select
import signal

import pytest

from support.api import Api
from support.wait import Deadline, until
from support.ws import CLOSE, CONTINUATION, PING, PONG, TEXT, UNASKED, WebSocket

NOTE = "n" * 16000
TASKS = 160             # 2.5 MB: more than the widened send buffer and the receive buffer hold
TINY = 2048
WITHIN = 30


def large_job(api, tasks=TASKS):
    job = api.create_job(title="large")["id"]
    for first in range(0, tasks, 10):
        reply = api.update(job, [{"taskId": f"t{i}", "note": NOTE} for i in range(first, first + 10)])
        assert reply.status == 200, reply
    return job


@pytest.fixture(scope="module")
def large(module_server):
    """A job that no test changes."""
    if not module_server.alive:
        module_server.start()
    with Api(module_server.address) as api:
        return large_job(api)


@pytest.fixture
def held_up():
    """held_up(server, job, others=()): a socket that watches `others` and is held up within `job`."""
    opened = []

    def open_one(server, job, others=()):
        ws = WebSocket(server.address, receive_buffer=TINY)
        opened.append(ws)
        for other in others:
            ws.subscribe(other)
        ws.send("subscribe", jobId=job)
        deadline = Deadline(WITHIN, "the announcement")
        while json.loads(ws.frame(deadline).payload)["type"] != "opening":
            pass
        ws.raw.fill(Deadline(WITHIN, "the first bytes of the message"))
        return ws

    yield open_one
    for one in opened:
        one.close()


def whole(ws, job):
    """The first message of the job, which must come next, is whole."""
    said = ws.message("connected", WITHIN)
    assert said["jobId"] == job and len(said["job"]["tasks"]) == TASKS
    assert all(task["note"] == NOTE for task in said["job"]["tasks"])
    return said


def test_pings_as_messages_are_answered_after_it(server, large, held_up):
    ws = held_up(server, large)
    ws.send_many([{"type": "ping"}] * 3)
    whole(ws, large)
    assert len(ws.messages("pong", 3)) == 3


def test_a_ping_frame_is_answered_between_two_fragments(server, large, held_up):
    ws = held_up(server, large)
    ws.send_frame(PING, b"are you there")
    whole(ws, large)
    assert ws.within == [PONG] and ws.pongs == [b"are you there"]


def test_many_ping_frames_do_not_tear_it(server, large, held_up):
    ws = held_up(server, large)
    deadline, parts = Deadline(WITHIN, "the message"), []
    while not parts or not parts[-1].fin:
        ws.send_frame(PING, b"%d" % len(parts))
        frame = ws.frame(deadline)
        if frame.opcode == PONG:
            continue
        assert frame.opcode == (CONTINUATION if parts else TEXT)
        parts.append(frame)
    assert b"".join(part.payload for part in parts).count(NOTE.encode()) == TASKS
    assert ws.answers()


def test_its_fragments_are_small_and_the_first_says_text(server, large, held_up):
    ws = held_up(server, large)
    deadline, frames = Deadline(WITHIN, "the message"), []
    while not frames or not frames[-1].fin:
        frames.append(ws.frame(deadline))
    assert [frame.opcode for frame in frames] == [TEXT] + [CONTINUATION] * (len(frames) - 1)
    assert all(0 < len(frame.payload) <= 24576 for frame in frames) and len(frames) > 100


def test_the_servers_own_ping_does_not_tear_it(serve, client, held_up):
    server = serve(heartbeat_ms=1000)
    job = large_job(client(server))
    ws = held_up(server, job)
    whole(ws, job)
    ws.wait_for_ping(WITHIN)
    assert ws.answers()


def test_whoever_still_takes_it_need_not_answer_the_ping_within(serve, client, held_up):
    """The ping stands behind two megabytes in the kernel: many heartbeats pass until it is read."""
    server = serve(heartbeat_ms=1000)
    job = large_job(client(server))
    ws = held_up(server, job)
    deadline, parts = Deadline(WITHIN, "the message"), []
    while not parts or not parts[-1].fin:
        select.select([], [], [], 0.05)     # the subject is a reader that is slow
        frame = ws.frame(deadline)
        if frame.opcode != PING:
            parts.append(frame)
    ws.send_frame(PONG, b"j")
    assert ws.answers()


def test_an_update_is_acked_after_it(server, api, large, job, held_up):
    ws = held_up(server, large)
    ws.send("update", id="k", jobId=job, taskId="t", note="x" * 5000)
    ws.send("update", id="bad", jobId=job, taskId="t", status="nonsense")
    until(lambda: api.job(job)["seq"] == 2, 5, "the update being stored")
    whole(ws, large)
    assert ws.message("ack")["id"] == "k"
    assert ws.message("error")["id"] == "bad"


def test_events_of_another_job_come_after_it(server, api, large, job, held_up):
    ws = held_up(server, large, others=[job])
    for i in range(20):
        api.report(job, f"t{i}", note="x" * 4000)
    whole(ws, large)
    assert [said["seq"] for said in ws.messages("task_update", 20)] == list(range(2, 22))


@pytest.mark.parametrize("known", [False, True], ids=["read", "from the ring"])
def test_a_job_subscribed_meanwhile_waits_for_its_turn(server, api, large, held_up, known):
    """Both messages are large. The second job's watcher on another connection fills its ring."""
    second = large_job(api)
    with WebSocket(server.address) as other:
        since = other.subscribe(second)["cursor"] if known else None
        if known:
            api.burst(second, 100, note="x" * 2000)
        ws = held_up(server, large)
        ws.send("subscribe", jobId=second, **({"since": since} if known else {}))
        watchers = 2 if known else 1
        until(lambda: api.report(second, "seen")["watchers"] == watchers, 5, "the subscription")
        whole(ws, large)
        said = ws.message("connected", WITHIN)
        assert said["jobId"] == second and said["resume"] == ("exact" if known else "fresh")
        head = api.report(second, "last")["seq"]
        seq = int(said["cursor"].split(".")[1])
        while seq < head:
            event = ws.message("task_update", WITHIN)
            assert event["jobId"] == second and event["seq"] == seq + 1
            seq += 1
        assert ws.answers()


def test_unsubscribed_meanwhile_it_is_completed_and_nothing_follows(server, api, large, held_up):
    ws = held_up(server, large)
    ws.send("unsubscribe", jobId=large)
    ws.send("ping")
    said = whole(ws, large)
    assert ws.message("end")["status"] == "unsubscribed"
    ws.message("pong")
    assert api.report(large, "t0", note=NOTE)["watchers"] == 0
    assert said["job"]["seq"] and ws.answers()


def test_subscribed_again_meanwhile_it_is_completed_and_begins_anew(server, api, large, held_up):
    ws = held_up(server, large)
    ws.send_many([{"type": "subscribe", "jobId": large}] * 3)
    whole(ws, large)
    again = whole(ws, large)
    seq = api.report(large, "t0", note=NOTE)["seq"]
    assert again["job"]["seq"] == seq - 1
    assert ws.message("task_update", WITHIN)["seq"] == seq
    assert ws.answers()


@pytest.mark.parametrize("how", ["completed", "deleted"])
def test_a_job_that_ends_meanwhile_ends_after_it(server, api, held_up, how):
    job = large_job(api)
    ws = held_up(server, job)
    if how == "deleted":
        assert api.delete(f"/api/jobs/{job}").status == 204
    else:
        api.finish(job)
    whole(ws, job)
    if how == "completed":
        assert ws.message("job_update")["status"] == how
    assert ws.message("end")["status"] == how
    assert ws.answers()


def test_everything_at_once(server, api, large, job, held_up):
    ws = held_up(server, large, others=[job])
    ws.send("ping")
    ws.send_frame(PING, b"p")
    ws.send("update", id="k", jobId=job, taskId="t")
    ws.send("subscribe", jobId="nobody-has-this")
    ws.send("unsubscribe", jobId=large)
    ws.send("subscribe", jobId=large)
    until(lambda: api.job(job)["seq"] == 2, 5, "the update being stored")
    whole(ws, large)
    kinds = []
    while len(kinds) < 6:
        said = ws.next(WITHIN)
        if said.type not in UNASKED:
            kinds.append(said.type)
    assert sorted(kinds) == ["ack", "connected", "end", "error", "pong", "task_update"]
    assert PONG in ws.within


def test_a_message_that_cannot_be_read_closes_after_it(server, large, held_up):
    ws = held_up(server, large)
    ws.send_text(b"{")
    whole(ws, large)
    assert ws.close_code() == 4400


# -- stopping -------------------------------------------------------------------------------------

def stop_within(server):
    server.signal(signal.SIGTERM)


def test_c0_a_stop_completes_it_and_then_says_1012(serve, client, held_up):
    server = serve()
    job = large_job(client(server))
    ws = held_up(server, job)
    stop_within(server)
    whole(ws, job)
    assert ws.message("restart")["retryMs"] >= 1000
    assert ws.close_code() == 1012
    assert server.gone() == 0


@pytest.mark.parametrize("is_owed", [False, True], ids=["nothing", "an ack"])
def test_c0_a_stop_that_a_slow_reader_holds_up_closes_between_fragments(serve, client, held_up,
                                                                        is_owed):
    """What is owed to the reader waits for the end of the message, which never comes."""
    server = serve(drain_ms=9000)
    api = client(server)
    job, other = large_job(api, tasks=2 * TASKS), api.create_job()["id"]
    ws = held_up(server, job)
    if is_owed:
        ws.send("update", id="k", jobId=other, taskId="t")
        until(lambda: api.job(other)["seq"] == 2, 5, "the update being stored")
    stop_within(server)
    frames, deadline = [], Deadline(WITHIN, "the close")
    while not frames or frames[-1].opcode != CLOSE:
        if len(frames) < 25:
            select.select([], [], [], 0.1)      # the subject is a reader that is slow
        frames.append(ws.frame(deadline))
    assert ws.raw.rest() == b""
    assert server.gone() == 0
    assert frames[-1].payload[:2] == (1012).to_bytes(2, "big")
    assert {frame.opcode for frame in frames[1:-1]} == {CONTINUATION}, "torn"
    assert not any(frame.fin for frame in frames[:-1]), "the message was completed: not slow enough"
