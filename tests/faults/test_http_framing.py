"""Section A of the faults: what reaches the server as bytes that no honest client sends.

One test per row, named after it. Whatever happens to the bad connection, the server goes on, no
handler has seen the request, and a good request right after it is answered.
"""
import os
import random
import re

import pytest

from support.api import Api, Lost, compact, hook
from support.poll import path_of as poll_path
from support.problem import assert_problem
from support.raw import Raw, ask, json_post, request
from support.server import Server
from support.sse import SseStream, path_of, stream_request
from support.wait import Deadline, until

UPDATE = compact({"taskId": "smuggled"})
JSON = "Content-Type: application/json"
SECOND = request("GET", "/healthz")


def post_with(job, *headers, body=UPDATE):
    return request("POST", hook(job), [JSON, *headers]) + body


def nothing_stored(api, job):
    return api.job(job)["seq"] == 1 and api.get("/healthz").status == 200


def refused_and_closed(server, data, status=400):
    """One error answer, nothing after it, and the connection is closed."""
    with Raw(server.address) as raw:
        raw.send(data)
        answers = raw.answers_until_close(within=5)
    assert [answer.status for answer in answers] == [status], answers
    return assert_problem(answers[0], status)


# -- A1 to A4: how long is the body ---------------------------------------------------------------

LENGTH = f"Content-Length: {len(UPDATE)}"


@pytest.mark.parametrize("headers", [
    (LENGTH, "Content-Length: 3"), (LENGTH, LENGTH), (LENGTH, "Transfer-Encoding: chunked"),
    ("Transfer-Encoding: chunked", LENGTH), (f"Content-Length: {len(UPDATE)}, {len(UPDATE)}",),
    (LENGTH, "content-length: 0"), (LENGTH, "transfer-encoding: identity"),
])
def test_a1_two_lengths_are_refused_and_nothing_after_is_parsed(server, api, job, headers):
    refused_and_closed(server, post_with(job, *headers) + SECOND)
    assert nothing_stored(api, job)


@pytest.mark.parametrize("length", ["-1", "+3", "3x", "0x10", "1" * 20, "9" * 40, "1.0", "1 2",
                                    "9" * 23])
def test_a2_a_length_that_is_no_number_is_refused(server, api, job, length):
    refused_and_closed(server, post_with(job, f"Content-Length: {length}") + SECOND)
    assert nothing_stored(api, job)


def test_a2_an_empty_length_is_no_length(server, api, job):
    with Raw(server.address) as raw:
        raw.send(post_with(job, "Content-Length: ") + SECOND)
        answers = raw.answers_until_close(within=5)
    assert [answer.status for answer in answers] in ([400], [411]), answers
    assert nothing_stored(api, job)


@pytest.mark.parametrize("method, path", [("POST", "/api/agent-hooks/task-update/{}"),
                                          ("PUT", "/api/jobs/{}/tasks/t1"),
                                          ("PATCH", "/api/jobs/{}")])
def test_a3_a_body_without_a_length_is_411_at_once(server, api, job, method, path):
    reply = ask(server.address, request(method, path.format(job), [JSON]), within=1)
    assert_problem(reply, 411, "length_required")
    assert nothing_stored(api, job)


def test_a3_a_chunked_body_is_411_at_once(server, api, job):
    chunked = b"%x\r\n%s\r\n0\r\n\r\n" % (len(UPDATE), UPDATE)
    data = post_with(job, "Transfer-Encoding: chunked", body=chunked)
    problem = refused_and_closed(server, data, 411)
    assert problem["code"] == "length_required"
    assert nothing_stored(api, job)


def test_a4_a_body_over_the_limit_is_413_from_the_header_alone(server, api, job):
    with Raw(server.address) as raw:
        raw.send(post_with(job, "Content-Length: 300000", body=b""))
        assert_problem(raw.response(within=1), 413, "body_too_large")
    assert nothing_stored(api, job)


def test_a4_who_sends_the_large_body_all_the_same_still_reads_the_answer(server, job):
    with Raw(server.address) as raw:
        raw.send(post_with(job, "Content-Length: 300000", body=b"x" * 300_000))
        assert_problem(raw.response(within=5), 413, "body_too_large")
        raw.rest(within=5)


# -- A5 to A8: the head ---------------------------------------------------------------------------

@pytest.mark.parametrize("hosts", [[], ["Host: a", "Host: b"], ["Host: a", "Host: a"]])
def test_a5_exactly_one_host(server, hosts):
    refused_and_closed(server, request("GET", "/healthz", hosts, host=None) + SECOND)


@pytest.mark.parametrize("size", [4097, 5000, 8000, 9000, 70_000])
def test_a6_a_url_over_the_limit_is_never_met_with_silence(server, size):
    reply = ask(server.address, request("GET", "/healthz?" + "u" * size), within=5)
    assert reply.status in (414, 431)
    assert_problem(reply, reply.status)


@pytest.mark.parametrize("headers", [["X-Big: " + "b" * 9000], ["X-Big: " + "b" * 70_000],
                                     [f"X-{i}: {'b' * 100}" for i in range(100)],
                                     ["X" * 9000 + ": b"], ["Cookie: " + "c=d; " * 3000]])
def test_a6_headers_over_the_limit_are_431(server, headers):
    assert_problem(ask(server.address, request("GET", "/healthz", headers), within=5), 431,
                   "headers_too_large")


@pytest.fixture(scope="module")
def impatient(tmp_path_factory):
    """A server that waits a second for headers instead of ten, for bytes that never make a head."""
    started = Server(tmp_path_factory.mktemp("impatient"), header_timeout_ms=1000).start()
    yield started
    started.stop()


def answers_to(impatient, data):
    with Raw(impatient.address) as raw:
        raw.send(data)
        answers = raw.answers_until_close(within=4)
    impatient.check()
    return answers


HEAD = (b"POST %s HTTP/1.1\r\nHost: a\r\nConnection: close\r\n"
        b"Content-Type: application/json\r\nContent-Length: %d\r\n")


@pytest.mark.parametrize("line", [b"no colon here\r\n", b" folded: yes\r\n", b"X: a\r\n folded\r\n",
                                  b"X: a\0b\r\n", b"X\0: a\r\n", b"X: a\rY: b\r\n", b"X : a\r\n",
                                  b": empty name\r\n", b"X: a\x01b\r\n", b"X(): a\r\n"])
def test_a7_a_malformed_header_never_reaches_a_handler(impatient, client, line):
    api = client(impatient)
    job = api.create_job()["id"]
    data = HEAD % (hook(job).encode(), len(UPDATE)) + line + b"\r\n" + UPDATE
    statuses = [answer.status for answer in answers_to(impatient, data)]
    assert statuses in ([], [400], [408]), statuses
    assert nothing_stored(api, job)


@pytest.mark.parametrize("line", [
    b"GET /healthz\r\n", b"GET /healthz HTTP/1.1 x\r\n", b"GET /healthz HTTP/9.9\r\n",
    b"GET /healthz http/1.1\r\n", b"GET healthz HTTP/1.1\r\n", b"\0\0\0\0\r\n",
    b"GET\t/healthz\tHTTP/1.1\r\n",
])
def test_a7_a_malformed_request_line_is_refused(impatient, line):
    answers = answers_to(impatient, line + b"Host: a\r\n\r\n")
    assert all(answer.status >= 400 for answer in answers) and len(answers) <= 1, answers


@pytest.mark.parametrize("path", [b"/api/jobs/%00", b"/api/jobs/a%00b", b"/api/jobs/%0d%0aX:%20y",
                                  b"/api/jobs/a%0d%0aSet-Cookie:%20x=y", b"/api/jobs/%zz",
                                  b"/api/jobs/%", b"/api/jobs/%4", b"/api/jobs/\xff",
                                  b"/api/jobs/%ff", b"/../etc/passwd", b"/%2e%2e/etc/passwd",
                                  b"/api/../../etc/passwd", b"/..%2f..%2fetc%2fpasswd",
                                  b"/api/jobs/..", b"/style.css/../../src/main.c", b"//etc/passwd",
                                  b"/api/jobs/%1b%5b31mred"])
def test_a8_a_path_with_tricks_is_refused_and_leaves_no_trace(server, path):
    with Raw(server.address) as raw:
        raw.send(b"GET " + path + b" HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        reply = raw.response(within=5)
    assert reply.status in (400, 404)
    assert_problem(reply, reply.status)
    assert not {"x", "set-cookie", "location"} & {name.lower() for name, _ in reply.headers}
    log = server.stderr.read_bytes()
    assert b"\x1b" not in log and b"\0" not in log and b"\nSet-Cookie" not in log


# -- A9 to A12: methods, upgrades, pipelines ------------------------------------------------------

def test_a9_connect_is_closed_at_once(server):
    with Raw(server.address) as raw:
        raw.send(b"CONNECT example.org:443 HTTP/1.1\r\nHost: example.org:443\r\n\r\n")
        raw.send(b"x" * 100)
        answers = raw.answers_until_close(within=1)
    assert all(answer.status >= 400 for answer in answers), answers


@pytest.mark.parametrize("method", ["TRACE", "OPTIONS", "BREW", "PROPFIND", "get", "PRI"])
def test_a9_an_unknown_method_is_not_run(server, method):
    with Raw(server.address) as raw:
        raw.send(request(method, "/healthz", ["Connection: close"]))
        answers = raw.answers_until_close(within=5)
    assert len(answers) <= 1
    for answer in answers:
        assert answer.status in (400, 405, 501), answer
        assert answer.status != 405 or "GET" in answer.header("Allow")


def test_a9_delete_where_there_is_none_is_405_with_allow(server):
    reply = ask(server.address, request("DELETE", "/healthz"))
    assert_problem(reply, 405, "method_not_allowed")
    assert "GET" in reply.header("Allow")


def test_a10_an_upgrade_to_h2c_is_not_taken(server):
    headers = ["Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c",
               "HTTP2-Settings: AAMAAABkAAQAAP__"]
    reply = ask(server.address, request("GET", "/healthz", headers))
    assert reply.status in (200, 400, 426)


@pytest.mark.parametrize("data", [
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\4\0\0\0\0\0",
    bytes.fromhex("16030100c8010000c40303") + os.urandom(32) + b"\0" * 160,
    b"SSH-2.0-OpenSSH_9.2\r\n", b"\x05\x01\x00", b"\0" * 64, b"HELO mail\r\n\r\n",
], ids=["http2", "tls", "ssh", "socks", "zeros", "smtp"])
def test_a10_other_protocols_are_refused(serve, client, data):
    server = serve(header_timeout_ms=1000)
    with Raw(server.address) as raw:
        raw.send(data)
        answer = raw.rest(within=3)
    assert answer == b"" or re.match(rb"HTTP/1\.[01] [45]\d\d ", answer), answer[:100]
    assert client(server).get("/healthz").status == 200


def test_a11_expect_100_continue_is_not_met_with_silence(server, api, job):
    with Raw(server.address) as raw:
        raw.send(post_with(job, LENGTH, "Expect: 100-continue", body=b""))
        first = raw.response(within=1)
        assert first.status == 100
        raw.send(UPDATE)
        assert raw.response().status == 200
    assert api.job(job)["seq"] == 2


def test_a11_expect_with_too_large_a_body_gets_the_final_status(server, job):
    with Raw(server.address) as raw:
        raw.send(post_with(job, "Content-Length: 300000", "Expect: 100-continue", body=b""))
        assert raw.response(within=1).status == 413


def test_a12_three_pipelined_gets_are_answered_in_order(server, api):
    jobs = [api.create_job()["id"] for _ in range(3)]
    with Raw(server.address) as raw:
        raw.send(b"".join(request("GET", f"/api/jobs/{job}") for job in jobs))
        answers = [raw.response(within=5).json["id"] for _ in jobs]
    assert answers == jobs


def test_a12_a_post_and_a_get_in_one_segment_are_answered_in_order(server, api, job):
    with Raw(server.address) as raw:
        raw.send(json_post(hook(job), UPDATE) + request("GET", f"/api/jobs/{job}"))
        first, second = raw.response(within=5), raw.response(within=5)
    assert (first.status, first.json["seq"]) == (200, 2)
    assert (second.status, second.json["seq"]) == (200, 2)
    assert api.job(job)["seq"] == 2


def answered_in_order(server, requests):
    """The answers to `requests` sent at once. The server may close instead of going on (RFC 9112
    section 9.3.2): then what was not answered was not done, and the client sends it again."""
    with Raw(server.address) as raw:
        last = requests[-1].replace(b"\r\n", b"\r\nConnection: close\r\n", 1)
        raw.send(b"".join(requests[:-1]) + last)
        answers = raw.answers_until_close(within=5)
    assert 1 <= len(answers) <= len(requests)
    assert {answer.status for answer in answers} == {200}, "a correct request is called a wrong one"
    return answers


def test_a12_a_get_and_a_post_in_one_segment_are_answered_in_order(server, api, job):
    get, post = request("GET", f"/api/jobs/{job}"), json_post(hook(job), UPDATE)
    answers = answered_in_order(server, [get, post])
    assert [answer.json["seq"] for answer in answers] == [1, 2][:len(answers)]
    assert api.job(job)["seq"] == len(answers)


def test_a12_bytes_sent_while_a_commit_is_pending_wait_their_turn(server, api, job):
    posts = [json_post(hook(job), compact({"taskId": "t", "note": str(i)})) for i in range(40)]
    seqs = [answer.json["seq"] for answer in answered_in_order(server, posts)]
    assert seqs == list(range(2, 2 + len(seqs)))
    notes = [event["note"] for event in api.activity(job)[1:]]
    assert notes == [str(i) for i in range(len(seqs))], "done without an answer, or out of order"


def test_a12_a_request_in_single_bytes_is_a_request(server, api, job):
    with Raw(server.address) as raw:
        for byte in json_post(hook(job), UPDATE):
            raw.send(bytes([byte]))
        assert raw.response(within=5).status == 200
    assert api.job(job)["seq"] == 2


def test_a12_requests_cut_at_random_places_are_the_same_requests(server, api, job):
    """Thirty requests on one connection, the bytes cut anywhere: the answers do not change."""
    seed = int.from_bytes(os.urandom(4), "big")
    chance, line = random.Random(seed), Raw(server.address)
    ways = [(json_post(hook(job), compact({"taskId": "t", "note": "n" * 9000})), 200),
            (json_post(hook(job), UPDATE), 200), (request("GET", f"/api/jobs/{job}"), 200),
            (request("GET", "/api/jobs/nobody"), 404), (request("HEAD", "/healthz"), 200),
            (json_post(hook(job), b'{"taskId":"t","status":"x"}'), 422)]
    for i in range(30):
        data, status = chance.choice(ways)
        cuts = sorted(chance.randrange(len(data)) for _ in range(chance.randint(0, 6)))
        for start, end in zip([0, *cuts], [*cuts, len(data)]):
            line.send(data[start:end])
        reply = line.response(within=5, head=data.startswith(b"HEAD"))
        assert reply.status == status, f"seed {seed}, request {i}: {reply}"
        if reply.header("Connection") == "close":
            line = Raw(server.address)
    assert len(api.activity(job)) == api.job(job)["seq"]


def test_a12_a_request_behind_a_stream_is_not_answered_into_it(server, api, job):
    with SseStream(server.address, job) as stream:
        stream.connected()
        stream.raw.send(request("GET", "/healthz"))
        api.report(job, "t1")
        blocks = [] if stream.raw.ended else stream_until_event(stream)
    assert all(block.json.get("status") != "ok" for block in blocks)


def stream_until_event(stream):
    """The blocks up to the event, or up to the close if the server takes junk as a reason."""
    blocks, deadline = [], Deadline(5, "an event or the close")
    while (block := stream.block(deadline.left())) is not None:
        blocks.append(block)
        if block.id is not None:
            break
    return blocks


# -- A13 and A14: streams that misbehave ----------------------------------------------------------

MISDEEDS = {
    "junk": lambda raw: raw.send(b"\0\xff junk \r\n\r\n" * 1000),
    "half_close": lambda raw: raw.half_close(),
    "hang_up": lambda raw: raw.hang_up(),
    "close": lambda raw: raw.close(),
    "junk_then_close": lambda raw: (raw.send(b"x" * 100_000), raw.close()),
    "half_close_then_close": lambda raw: (raw.half_close(), raw.close()),
}
GONE = ("hang_up", "close", "junk_then_close", "half_close_then_close")


@pytest.mark.parametrize("misdeed", MISDEEDS)
def test_a13_a_stream_that_misbehaves_costs_no_cpu_and_no_fd(serve, client, misdeed):
    server = serve(heartbeat_ms=250)
    job = client(server).create_job()["id"]
    with SseStream(server.address, job) as clock:
        clock.connected()
        fds = server.fds()
        streams = [SseStream(server.address, job) for _ in range(10)]
        for stream in streams:
            stream.connected()
        for stream in streams:
            MISDEEDS[misdeed](stream.raw)
        if misdeed in GONE:
            server.fds_back_to(fds, within=1)
        assert idle_cpu(server, clock) <= 0.05
        clock.raw.close()
        for stream in streams:
            stream.raw.close()
        server.fds_back_to(fds - 1, within=1)
    assert client(server).get("/healthz").status == 200


def idle_cpu(server, clock):
    """CPU seconds that the server uses during four heartbeats, about one second."""
    clock.message("heartbeat")
    before = server.cpu_s()
    for _ in range(4):
        clock.message("heartbeat")
    return server.cpu_s() - before


def test_a13_a_long_poll_that_hangs_up_is_forgotten(server, api, job):
    fds, cursor = server.fds(), api.job(job)["cursor"]
    waiting = [Raw(server.address) for _ in range(20)]
    for raw in waiting:
        raw.send(request("GET", poll_path(job, since=cursor, wait=60)))
    until(lambda: server.fds() == fds + 20, 2, "twenty who wait")
    assert waiting[0].silent_for(0.1)
    for i, raw in enumerate(waiting):
        raw.hang_up() if i % 2 else raw.close()
    server.fds_back_to(fds, within=1)
    assert api.report(job, "t")["watchers"] == 0


def test_a13_a_connection_that_says_nothing_is_closed(serve):
    server = serve(header_timeout_ms=1000)
    with Raw(server.address) as raw:
        assert b"200" not in raw.rest(within=3)[:15]


def test_a13_headers_that_drip_are_cut_at_the_deadline(serve, client):
    server = serve(header_timeout_ms=1000)
    with Raw(server.address) as raw:
        raw.send(b"GET /healthz HTTP/1.1\r\n")
        deadline = Deadline(4, "the server to lose its patience")
        while raw.silent_for(min(0.1, deadline.left())):
            raw.send(b"X: y\r\n")
        answer = raw.rest(within=3)
    assert b"200" not in answer[:15]
    assert client(server).get("/healthz").status == 200


def test_a13_a_body_that_drips_is_cut_at_the_deadline(serve, client):
    server = serve(body_timeout_ms=500)
    api = client(server)
    job = api.create_job()["id"]
    with Raw(server.address) as raw:
        raw.send(post_with(job, "Content-Length: 10000", body=b'{"taskId":"t","note":"'))
        deadline = Deadline(4, "the server to lose its patience")
        while raw.silent_for(min(0.1, deadline.left())):
            raw.send(b"d")
        answer = raw.rest(within=3)
    assert b"200" not in answer[:15]
    assert nothing_stored(api, job)


def test_a13_a_body_cut_off_in_the_middle_stores_nothing(server, api, job):
    fds = server.fds()
    with Raw(server.address) as raw:
        raw.send(json_post(hook(job), UPDATE)[:-1])
    server.fds_back_to(fds, within=1)
    assert nothing_stored(api, job)


def test_a14_head_on_the_stream_is_headers_and_then_over(server, api, job):
    with Raw(server.address) as raw:
        raw.send(request("HEAD", path_of(job), ["Connection: close"]))
        reply = raw.response(within=1, head=True)
        assert reply.status == 200
        assert reply.header("Content-Type") == "text/event-stream; charset=utf-8"
        assert raw.rest(within=1) == b""
    assert api.report(job, "t1")["watchers"] == 0


def test_a14_head_of_a_stream_that_is_not_there(server):
    data = stream_request("nobody").replace(b"GET ", b"HEAD ", 1)
    reply = ask(server.address, data, head=True)
    assert (reply.status, reply.body) == (404, b"")


def test_a_thousand_bad_requests_leave_nothing_behind(server, api, job):
    """All of it once more, at random, without looking at the answers: only at what is left."""
    seed = int.from_bytes(os.urandom(4), "big")
    chance, good = random.Random(seed), post_with(job, LENGTH, "X-Y: z")
    with Api(server.address) as own:
        own.get("/healthz")
        fds = server.fds()
        for _ in range(1000):
            data = bytearray(good)
            for _ in range(chance.randint(1, 4)):
                data[chance.randrange(len(data))] = chance.randrange(256)
            with Raw(server.address) as raw:
                raw.send(bytes(data[:chance.randint(1, len(data))]))
        server.fds_back_to(fds, within=2)
        assert own.get("/healthz").status == 200, f"seed {seed}"
    snapshot = api.job(job)
    assert len(api.activity(job)) == snapshot["seq"], f"seed {seed}"


# -- too many -------------------------------------------------------------------------------------

def test_connections_over_the_cap_are_refused_and_the_others_served(serve, client):
    server = serve(max_connections=20, loops=1)
    held = [Raw(server.address) for _ in range(20)]
    for raw in held:
        raw.send(SECOND)
        assert raw.response().status == 200
    refused = Raw(server.address)
    refused.send(SECOND)
    answers = refused.answers_until_close(within=5)
    assert [answer.status for answer in answers] == [503], answers
    assert answers[0].header("Retry-After") == "1"
    held[0].send(SECOND)
    assert held[0].response().status == 200
    for raw in held:
        raw.close()
    until(lambda: served(client(server)), 5, "a place being free again")
    server.stop()
    assert server.counted()["full"] >= 1


def served(api):
    try:
        return api.get("/healthz").status == 200
    except Lost:
        return False


def test_an_idle_connection_is_closed_in_the_end(serve):
    server = serve(keepalive_ms=1000)
    with Raw(server.address) as raw:
        raw.send(SECOND)
        assert raw.response().status == 200
        assert raw.rest(within=5) == b""
