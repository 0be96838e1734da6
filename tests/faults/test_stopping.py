"""A stop, met in the middle of something: each client is told, and nothing idle holds it up."""
import re
from contextlib import closing
from pathlib import Path

import pytest

from support.api import compact, hook
from support.problem import assert_problem
from support.raw import Raw, json_post, request
from support.sse import SseParser, stream_request
from support.wait import Deadline, until
from support.wire import Closed
from support.ws import UPGRADED, handshake, path_of

DRAIN_MS = 9000         # the most that can be set: what waits for it takes longer than these tests
SOON = 6


@pytest.fixture
def slow_to_stop(serve):
    return serve(drain_ms=DRAIN_MS)


def stop(server):
    server.signal(15)


def large_job(api, mib):
    """A job whose snapshot has so many MiB."""
    job = api.create_job()["id"]
    for i in range(4 * mib):
        tasks = [{"taskId": f"t{i}-{n}", "note": "n" * 16000} for n in range(16)]
        assert api.update(job, tasks).status == 200
    return job


def reader_is_at_work(server):
    """Whether a thread that reads the store runs now."""
    for task in Path(f"/proc/{server.process.pid}/task").iterdir():
        name, state = re.search(r"\((.*)\) (\w)", (task / "stat").read_text()).groups()
        if name == "reader" and state == "R":
            return True
    return False


def is_granted(raw):
    """Whether a handshake that was sent is answered by an upgrade; else it is refused, or cut."""
    try:
        return raw.head_of_response(Deadline(10, "an answer"))[0] == UPGRADED
    except Closed:
        return False


def unfinished_post(server, job, missing=3):
    """A request whose body the server waits for, but for its last bytes."""
    raw = Raw(server.address)
    head, _, body = json_post(hook(job), compact({"taskId": "t"})).partition(b"\r\n\r\n")
    raw.send(head + b"\r\nExpect: 100-continue\r\n\r\n")
    assert raw.response().status == 100
    raw.send(body[:-missing])
    return raw


@pytest.mark.parametrize("accept", ["text/event-stream", "*/*"])
def test_a_stream_whose_first_read_is_under_way_is_refused(slow_to_stop, client, accept):
    job = large_job(client(slow_to_stop), 24)
    with Raw(slow_to_stop.address) as raw:
        raw.send(stream_request(job, accept=accept))
        until(lambda: reader_is_at_work(slow_to_stop), 5, "the read having begun")
        stop(slow_to_stop)
        told = raw.response()
        if accept == "*/*":
            assert_problem(told, 503, "stopping")
        else:
            retry, refused = SseParser().feed(told.body)
            assert told.status == 200 and 2000 <= retry.retry <= 4000 and refused.event == "refused"
            assert (refused.json["status"], refused.json["code"]) == (503, "stopping")
    assert slow_to_stop.gone(SOON) == 0


def test_each_socket_that_is_opened_meanwhile_is_closed_with_1012(serve, client):
    """Handshakes on their way into the stop: those that are granted are told of it."""
    server = serve(drain_ms=DRAIN_MS)
    job = client(server).create_job()["id"]
    sockets = [Raw(server.address) for _ in range(300)]
    for raw in sockets[:50]:
        raw.send(handshake(path_of(job=job)))
    for i, raw in enumerate(sockets[50:]):
        raw.send(handshake(path_of(job=job)))
        if i == 20:
            assert is_granted(sockets[0])
            stop(server)
    granted = [raw for raw in sockets[1:] if is_granted(raw)]
    for raw in [sockets[0], *granted]:
        raw.until(b"\x03\xf4the server restarts", Deadline(10, "the close with 1012"))
    for raw in sockets:
        raw.close()
    assert server.gone(SOON) == 0


def test_an_unfinished_body_is_refused_and_holds_up_nothing(slow_to_stop, client):
    job = client(slow_to_stop).create_job()["id"]
    with closing(unfinished_post(slow_to_stop, job)) as raw:
        stop(slow_to_stop)
        answer = raw.response()
        assert_problem(answer, 503, "stopping")
        assert answer.header("Connection") == "close"
        assert slow_to_stop.gone(SOON) == 0


def test_who_was_refused_and_does_not_hang_up_holds_up_nothing(slow_to_stop):
    with Raw(slow_to_stop.address) as raw:
        raw.send(request("GET", "/healthz"))
        assert raw.response().status == 200     # no new connection, which a stop simply closes
        raw.send(request("BREW", "/"))
        assert raw.response().status == 405
        stop(slow_to_stop)
        assert slow_to_stop.gone(SOON) == 0


def test_a_large_answer_is_completed_and_the_connection_then_closed(slow_to_stop, client):
    api = client(slow_to_stop)
    job = large_job(api, 4)
    with Raw(slow_to_stop.address, receive_buffer=64 * 1024) as raw:
        raw.send(request("GET", f"/api/jobs/{job}"))
        assert raw.fill(Deadline(10, "the answer having begun"))
        stop(slow_to_stop)
        until(lambda: "msg=stopping" in slow_to_stop.log(), 5, "the stop having begun")
        assert raw.response(20).json["id"] == job
        assert raw.rest() == b""
        assert slow_to_stop.gone(SOON) == 0
