"""Tickets for EventSource and WebSocket: POST /api/jobs/:job/tickets, and ?ticket= in the URL of one stream."""
import sqlite3
import time

import pytest

from support.keyed import client, code_of_close, db, ends, key_id, lines_of, make, root  # noqa: F401
from support.problem import assert_problem
from support.raw import Raw, ask, request
from support.server import ON_POSTGRES
from support.sse import SseStream, path_of as path_of_stream
from support.wait import Deadline, until
from support.ws import WebSocket, handshake, path_of


@pytest.fixture(params=[1, 2], ids=["one loop", "two loops"])
def kept(request, serve, db, root, client):
    """(server, a client with the key for everything, a job)."""
    server = serve(db=db, loops=request.param)
    everything = client(server, root)
    return server, everything, everything.create_job(id="mine")["id"]


def open_stream(server, job, ticket, since=None):
    return SseStream(server.address, job, since=since, query=f"ticket={ticket}")


def open_socket(server, ticket, *headers):
    """The status of the answer to an upgrade."""
    with Raw(server.address) as raw:
        raw.send(handshake(path_of(ticket=ticket), headers=headers))
        return raw.head_of_response(Deadline(10, "the answer to an upgrade"))[0]


def test_a_ticket_says_until_when_it_opens_a_stream(kept):
    _, everything, job = kept
    before = time.time()
    reply = everything.post(f"/api/jobs/{job}/tickets")
    assert reply.status == 201 and reply.header("Cache-Control") == "no-store"
    assert set(reply.json) == {"ticket", "expiresAt"}
    end = time.mktime(time.strptime(reply.json["expiresAt"][:19], "%Y-%m-%dT%H:%M:%S")) - time.timezone
    assert before + 28 < end <= time.time() + 30


def test_a_ticket_opens_one_stream_and_no_other(kept):
    server, everything, job = kept
    ticket = everything.ticket(job)
    with open_stream(server, job, ticket) as stream:
        stream.connected()
        for _ in range(5):      # on any loop
            assert open_stream(server, job, ticket).status == 401
            assert open_socket(server, ticket) == 401


def test_a_ticket_opens_one_websocket_and_no_other(kept):
    server, everything, job = kept
    ticket = everything.ticket(job)
    with WebSocket(server.address, path_of(job=job, ticket=ticket)) as ws:
        ws.message("connected")
        for headers in ((), ("Last-Event-ID: x",), (f"Last-Event-ID: {everything.job(job)['cursor']}",)):
            assert open_socket(server, ticket, *headers) == 401
        assert open_stream(server, job, ticket).status == 401
        ws.update("1", job)     # it has the rights of its maker over this job
        ws.message("task_update")
        ws.send("subscribe", jobId="other")
        assert ws.message("error")["status"] == 404


def test_a_stream_is_continued_with_its_ticket_through_five_cuts(kept):
    server, everything, job = kept
    ticket, since, seqs = everything.ticket(job), None, []
    for n in range(6):
        with open_stream(server, job, ticket, since) as stream:
            if since is None:
                stream.connected()
            for _ in range(3):
                everything.report(job, "t", note=str(n))
            for block in stream.events(3):
                seqs.append(block.json["seq"])
                since = block.id
        everything.report(job, "t", note="between")
    assert seqs == sorted(set(seqs)) and seqs[0] == 2 and seqs[-1] == 2 + 5 * 3 + 2     # what was missed came first


def test_a_continued_stream_misses_nothing(kept):
    server, everything, job = kept
    ticket = everything.ticket(job)
    with open_stream(server, job, ticket) as stream:
        since = stream.connected().id
    for n in range(10):
        everything.report(job, "t", note=str(n))
    with open_stream(server, job, ticket, since) as stream:
        assert [block.json["seq"] for block in stream.events(10)] == list(range(2, 12))


@pytest.mark.parametrize("since", ["theirs", "x", "0123456789.1", "12", "wrong epoch"])
def test_a_position_of_another_stream_is_401(kept, since):
    server, everything, job = kept
    theirs = everything.create_job(id="theirs")["cursor"]
    mine = everything.job(job)["cursor"]
    ticket = everything.ticket(job)
    open_stream(server, job, ticket).close()
    asked = {"theirs": theirs, "wrong epoch": ("a" if mine[0] != "a" else "b") + mine[1:]}.get(since, since)
    with open_stream(server, job, ticket, asked) as refused:     # the head, because a stream has no end
        assert refused.status == 401
    reply = ask(server.address, request("GET", path_of_stream(job, f"ticket={ticket}"), (f"Last-Event-ID: {asked}",)))
    assert_problem(reply, 401, "unauthorized")
    assert open_stream(server, job, ticket, mine).status == 200
    everything.finish(job)
    assert open_stream(server, job, ticket, asked).status == 401
    assert open_stream(server, job, ticket, mine).status in (200, 204)


def test_a_ticket_that_opened_nothing_continues_nothing(kept):
    server, everything, job = kept
    ticket = everything.ticket(job)
    assert open_stream(server, job, ticket, everything.job(job)["cursor"]).status == 401
    assert open_stream(server, job, ticket).status == 200       # it was not used


def test_a_ticket_opens_no_stream_of_another_job(kept):
    server, everything, job = kept
    everything.create_job(id="theirs")
    ticket = everything.ticket(job)
    assert open_stream(server, "theirs", ticket).status == 404
    assert open_stream(server, job, ticket).status == 200       # a stream that was refused has used none


def test_a_refused_stream_gives_its_ticket_back(serve, db, root, client):
    """An EventSource comes again with the same URL when it was refused for load."""
    server = serve(db=db, max_streams=1)
    everything = client(server, root)
    job = everything.create_job()["id"]
    with SseStream(server.address, job, headers=lines_of(root)) as first:
        first.connected()
        ticket = everything.ticket(job)
        assert [block.event or block.json.get("type") for block in open_stream(server, job, ticket).all_blocks()
                if block.data] == ["refused"]
        assert open_socket(server, ticket) == 503
    until(lambda: open_stream(server, job, ticket).message().event != "refused", 5, "the place")
    assert open_stream(server, job, ticket).status == 401


@pytest.mark.parametrize("path", ["/api/jobs/mine", "/api/jobs/mine/updates", "/api/jobs/mine/activity", "/api/jobs",
                                  "/api/session"])
def test_a_ticket_is_nothing_on_other_routes(kept, path):
    server, everything, job = kept
    ticket = everything.ticket(job)
    assert ask(server.address, request("GET", f"{path}?ticket={ticket}")).status == 401
    assert ask(server.address, request("GET", path, (f"Authorization: Bearer {ticket}",))).status == 401
    assert open_stream(server, job, ticket).status == 200


def test_a_head_request_uses_no_ticket(kept):
    server, everything, job = kept
    ticket = everything.ticket(job)
    reply = ask(server.address, request("HEAD", path_of_stream(job, f"ticket={ticket}")), head=True)
    assert reply.status == 401
    assert open_stream(server, job, ticket).status == 200


@pytest.mark.parametrize("ticket", ["", "x", "x.y.z", "jl_" + "0" * 56])
def test_what_is_no_ticket_is_401(kept, ticket):
    server, _, job = kept
    assert open_stream(server, job, ticket).status == 401
    assert open_socket(server, ticket) == 401


def test_a_header_comes_before_a_ticket(kept, root):
    server, everything, job = kept
    ticket = everything.ticket(job)
    assert SseStream(server.address, job, query=f"ticket={ticket}", headers=lines_of("jl_" + "0" * 56)).status == 401
    assert SseStream(server.address, job, query=f"ticket={ticket}", headers=lines_of(root)).status == 200
    assert open_stream(server, job, ticket).status == 200


def test_after_a_restart_a_ticket_continues_its_stream(kept, client):
    """Which tickets have opened a stream is in memory, unless several servers may use them."""
    server, everything, job = kept
    used, fresh = everything.ticket(job), everything.ticket(job)
    with open_stream(server, job, used) as stream:
        since = stream.connected().id
    server.restart()
    assert open_stream(server, job, fresh).status == (200 if ON_POSTGRES else 401)
    assert open_stream(server, job, used).status == 401
    assert open_stream(server, job, used, "x").status == 401
    client(server, everything.key).report(job, "t", note="n")
    with open_stream(server, job, used, since) as stream:
        assert stream.event().json["seq"] == 2


def test_a_ticket_ends_with_the_token_that_it_was_made_with(serve, db, root, client):
    """Logging out ends the streams of the session's tickets."""
    server = serve(db=db)
    everything = client(server, root)
    job = everything.create_job()["id"]
    browser = client(server, client(server).log_in(key=root))
    ticket = browser.ticket(job)
    with open_stream(server, job, ticket) as stream, \
            WebSocket(server.address, path_of(job=job, ticket=browser.ticket(job))) as ws:
        since = stream.connected().id
        ws.message("connected")
        assert browser.post("/logout").status == 204
        assert ends(stream, 1) and code_of_close(ws, 1) == 4001
    assert open_stream(server, job, ticket, since).status == 401


def test_a_ticket_with_a_right_to_report_opens_a_socket(serve, db, root, make, client):
    key = make("report")
    server = serve(db=db)
    job = client(server, root).create_job()["id"]
    with WebSocket(server.address, path_of(ticket=client(server, key).ticket(job))) as ws:
        ws.update("1", job)
        ws.send("subscribe", jobId=job)
        assert ws.message("error")["status"] == 403
    assert open_stream(server, job, client(server, key).ticket(job)).status == 403


def test_a_ticket_does_not_open_a_socket_for_a_page_that_is_not_listed(kept):
    """The list of --origin holds whatever a page shows; the refused upgrade does not use the ticket up."""
    server, everything, job = kept
    ticket = everything.ticket(job)
    assert open_socket(server, ticket, "Origin: https://elsewhere.example") == 403
    with WebSocket(server.address, path_of(job=job, ticket=ticket)) as ws:
        assert ws.message("connected")


@pytest.mark.parametrize("opener", [
    lambda job, ticket: request("GET", path_of(ticket=ticket)),
    lambda job, ticket: request("POST", path_of(ticket=ticket), ["Content-Length: 0"]),
    lambda job, ticket: request("OPTIONS", path_of(ticket=ticket)),
    lambda job, ticket: request("POST", f"{path_of_stream(job)}?ticket={ticket}", ["Content-Length: 0"]),
    lambda job, ticket: request("GET", f"{path_of_stream(job)}?ticket={ticket}&types=nothing"),
])
def test_what_opens_no_stream_does_not_use_a_ticket(kept, opener):
    server, everything, job = kept
    ticket = everything.ticket(job)
    assert ask(server.address, opener(job, ticket)).status >= 400
    with open_stream(server, job, ticket) as stream:
        stream.connected()


def test_a_ticket_without_the_right_to_watch_is_not_used_by_a_stream(kept, client):
    server, everything, job = kept
    worker = client(server, everything.post("/api/keys", {"scope": ["report"]}).json["key"])
    ticket = worker.ticket(job)
    assert ask(server.address, request("GET", f"{path_of_stream(job)}?ticket={ticket}")).status == 403
    assert open_socket(server, ticket) == 101


def test_a_ticket_is_not_used_by_the_answer_that_a_job_has_ended(kept):
    server, everything, job = kept
    everything.patch(f"/api/jobs/{job}", {"status": "completed"})
    cursor, ticket = everything.job(job)["cursor"], everything.ticket(job)
    with open_stream(server, job, ticket) as stream:
        stream.connected()
    ended = request("GET", f"{path_of_stream(job)}?ticket={ticket}", [f"Last-Event-ID: {cursor}"])
    assert [ask(server.address, ended).status for _ in range(2)] == [204, 204]


def test_a_refused_request_gives_nothing_back_that_another_one_has_used(serve, db, root, client):
    """A connection that used a ticket before, and then is over a limit of requests."""
    server = serve(db=db, all_requests=2, rate_window_ms=20000)
    everything = client(server, root)
    job = everything.create_job(id="mine")["id"]
    first, ticket = everything.ticket(job), everything.ticket(job)
    with Raw(server.address) as raw, open_stream(server, job, ticket) as stream:
        stream.connected()
        raw.send(request("GET", f"{path_of_stream(job)}?ticket={first}&types=nothing"))
        assert raw.response().status == 400
        while everything.get("/healthz").status != 429:
            pass
        raw.send(handshake(path_of(ticket=ticket)))
        assert raw.head_of_response(Deadline(10, "an answer"))[0] == 429
        assert_used(server, ticket)


def assert_used(server, ticket):
    until(lambda: open_socket(server, ticket) == 401, 10, "room for one more request, which finds the ticket used")
