"""A stream that is refused for load: an EventSource is told by an event, because after a 503 it
would never come back; everybody else gets the 503."""
import re
import signal

import pytest

from support.problem import assert_problem
from support.raw import Raw, ask, request
from support.sse import SseParser, path_of, stream_request
from support.wait import Deadline

BODY = re.compile(rb'retry: (\d+)\n\nevent: refused\n'
                  rb'data: {"code":"([a-z_]+)","status":(\d+),"retryAfterMs":(\d+)}\n\n')


@pytest.fixture
def full(serve):
    """A server whose memory is full: it takes no stream."""
    return serve(max_memory=1)


@pytest.fixture
def job_there(full, client):
    return client(full).create_job()["id"]


def refusal(reply):
    """(code, status, milliseconds) of an answer that must be a refusal told by an event."""
    assert reply.status == 200, reply
    assert reply.header("Content-Type") == "text/event-stream; charset=utf-8"
    assert reply.header("Cache-Control") == "no-store, no-transform"
    assert reply.header("Connection") == "close"
    match = BODY.fullmatch(reply.body)
    assert match and match[1] == match[4], reply.body
    return match[2].decode(), int(match[3]), int(match[4])


@pytest.mark.parametrize("version", ["1.1", "1.0"])
@pytest.mark.parametrize("accept", ["text/event-stream", "text/html, Text/Event-Stream; q=0.5"])
def test_an_event_source_is_told_by_an_event(full, job_there, version, accept):
    with Raw(full.address) as raw:
        raw.send(stream_request(job_there, accept=accept, version=version))
        code, status, ms = refusal(raw.response())
        assert raw.rest() == b"", "and then the close"
    assert (code, status) == ("overloaded", 503) and 5000 <= ms <= 15000


def test_each_is_told_another_time(full, job_there):
    waits = [refusal(ask(full.address, stream_request(job_there)))[2] for _ in range(100)]
    assert len(set(waits)) > 90 and min(waits) < 7000 and max(waits) > 13000


@pytest.mark.parametrize("accept", ["*/*", "text/*", "application/json"])
def test_other_clients_get_the_503(full, job_there, accept):
    reply = ask(full.address, stream_request(job_there, accept=accept))
    assert_problem(reply, 503, "overloaded")
    assert reply.header("Retry-After") == "1"


def test_without_an_accept_header_it_is_a_503(full, job_there):
    assert_problem(ask(full.address, request("GET", path_of(job_there))), 503, "overloaded")


def test_head_is_told_by_its_status(full, job_there):
    data = request("HEAD", path_of(job_there), ["Accept: text/event-stream"])
    assert ask(full.address, data, head=True).status == 503


def test_what_is_wrong_with_the_request_is_no_refusal(server, job):
    assert_problem(ask(server.address, stream_request("nobody")), 404)
    assert_problem(ask(server.address, stream_request(job, query="types=nonsense")), 400)


def test_refusals_are_counted(full, job_there):
    for _ in range(3):
        refusal(ask(full.address, stream_request(job_there)))
    ask(full.address, stream_request(job_there, accept="*/*"))
    full.stop()
    assert full.counted()["refused"] == 3 and full.counted()["short_of_memory"] == 4


def test_too_many_reads_refuse_in_the_same_way(serve, client):
    """One read may wait: of many streams that are all there before the first is read, most are refused."""
    server = serve(queued_reads=1, readers=1)
    api = client(server)
    made = api.create_job()
    job = made["id"]
    api.burst(job, 300, note="n" * 1000)
    streams = [Raw(server.address) for _ in range(60)]
    server.signal(signal.SIGSTOP)
    for i, raw in enumerate(streams):
        raw.send(stream_request(job, since=f"{made['epoch']}.{i + 1}"))
    server.signal(signal.SIGCONT)
    refused = 0
    for raw in streams:
        status, headers = raw.head_of_response(Deadline(10, "an answer"))
        assert status == 200
        if ("Transfer-Encoding", "chunked") not in headers:
            refused += 1
            blocks = SseParser().feed(raw.rest())
            assert blocks[1].event == "refused" and blocks[1].json["code"] == "overloaded"
        raw.close()
    assert 0 < refused < 60


def test_a_server_with_as_many_connections_as_it_may_have_refuses_in_the_same_way(serve, client):
    server = serve(max_connections=95, loops=1)     # five more are told why
    with client(server) as api:
        job = api.create_job()["id"]
        held = [Raw(server.address) for _ in range(95)]
        for raw in held[:94]:
            raw.send(request("GET", f"/api/jobs/{job}"))
            assert raw.response().status == 200
        code, status, ms = refusal(ask(server.address, stream_request(job)))
        assert (code, status) == ("overloaded", 503) and 5000 <= ms <= 15000
        assert_problem(ask(server.address, stream_request(job, accept="*/*")), 503, "overloaded")
        with Raw(server.address) as silent:     # it says nothing, and is told all the same
            assert_problem(silent.response(), 503, "overloaded")
    for raw in held:
        raw.close()
