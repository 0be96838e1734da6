"""Section A of the faults: what reaches the server as bytes that no honest client sends.

One test per row, named after it. Whatever happens to the bad connection, the server goes on, no
handler has seen the request, and a good request right after it is answered. A row runs on a fresh
connection and on one that has served a request already (`dial`): the answers are the same.
"""
import os
import random
import re
import socket

import pytest

from support.api import Api, Lost, compact, hook
from support.poll import path_of as poll_path
from support.problem import assert_problem
from support.raw import Raw, ask, ask_on, json_post, request
from support.sse import SseStream, path_of, stream_request
from support.wait import Deadline, until

UPDATE = compact({"taskId": "smuggled"})
JSON = "Content-Type: application/json"
SECOND = request("GET", "/healthz")
TCP_CLOSE = 7   # a state of TCP_INFO


def post_with(job, *headers, body=UPDATE):
    return request("POST", hook(job), [JSON, *headers]) + body


def nothing_stored(api, job):
    return api.job(job)["seq"] == 1 and api.get("/healthz").status == 200


def refused_and_closed(raw, data, status=400):
    """One error answer, nothing after it, and the connection is closed."""
    with raw:
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
def test_a1_two_lengths_are_refused_and_nothing_after_is_parsed(server, api, job, dial, headers):
    refused_and_closed(dial(server), post_with(job, *headers) + SECOND)
    assert nothing_stored(api, job)


@pytest.mark.parametrize("length", ["-1", "+3", "3x", "0x10", "1" * 20, "9" * 40, "1.0", "1 2",
                                    "9" * 23])
def test_a2_a_length_that_is_no_number_is_refused(server, api, job, dial, length):
    refused_and_closed(dial(server), post_with(job, f"Content-Length: {length}") + SECOND)
    assert nothing_stored(api, job)


def test_a2_an_empty_length_is_no_number(server, api, job, dial):
    refused_and_closed(dial(server), post_with(job, "Content-Length: ") + SECOND)
    assert nothing_stored(api, job)


@pytest.mark.parametrize("method, path", [("POST", "/api/agent-hooks/task-update/{}"),
                                          ("PUT", "/api/jobs/{}/tasks/t1"),
                                          ("PATCH", "/api/jobs/{}")])
def test_a3_a_body_without_a_length_is_411_at_once(server, api, job, dial, method, path):
    reply = ask_on(dial(server), request(method, path.format(job), [JSON]), within=1)
    problem = assert_problem(reply, 411, "length_required")
    assert "ransfer" not in problem["detail"]
    assert nothing_stored(api, job)


def test_a4_a_body_over_the_limit_is_413_from_the_header_alone(server, api, job, dial):
    with dial(server) as raw:
        raw.send(post_with(job, "Content-Length: 300000", body=b""))
        assert_problem(raw.response(within=1), 413, "body_too_large")
    assert nothing_stored(api, job)


def chunked_head(job, *headers):
    return post_with(job, "Transfer-Encoding: chunked", *headers, body=b"")


def in_chunks(body, size):
    """`body` in chunks of that size, and the last chunk."""
    parts = [body[i:i + size] for i in range(0, len(body), size)]
    return b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"


@pytest.mark.parametrize("size", [262_145, 3_000_000, 8_000_000])
@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_a4_who_sends_the_large_body_all_the_same_still_reads_the_answer(server, job, dial, size,
                                                                         framing):
    """The client writes everything before it reads anything, as http.client does."""
    body = b"x" * size
    head, tail = ((chunked_head(job), in_chunks(body, 65_536)) if framing == "chunked" else
                  (post_with(job, f"Content-Length: {size}", body=b""), body))
    with dial(server) as raw:
        raw.send(head)
        raw.send(tail)
        assert_problem(raw.response(within=5), 413, "body_too_large")
        assert raw.rest(within=5) == b""


def is_taken(raw, data):
    """Whether the peer takes all of it."""
    try:
        raw.socket.sendall(data)
        return True
    except (BrokenPipeError, ConnectionResetError):
        return False


@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_a4_a_large_body_behind_its_refusal_meets_no_broken_pipe(server, job, dial, framing):
    """The answer is there before the client begins with the body, and is read behind all of it."""
    body = b"x" * 8_000_000
    head = (chunked_head(job) + b"%x\r\n" % len(body) if framing == "chunked" else
            post_with(job, f"Content-Length: {len(body)}", body=b""))
    with dial(server) as raw:
        raw.send(head)
        raw.fill(Deadline(5, "the refusal"))
        assert is_taken(raw, body), "a broken pipe"
        assert_problem(raw.response(within=5), 413, "body_too_large")
        assert raw.rest(within=5) == b""


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("size, status", [(1000, 200), (1001, 413)])
def test_a4_the_limit_of_a_body_holds_on_both_sides(serve, client, dial, chunked, size, status):
    server = serve(max_body=1000)
    job = client(server).create_job()["id"]
    body = compact({"taskId": "t", "note": ""})
    body = body.replace(b'""', b'"' + b"n" * (size - len(body)) + b'"')
    data = chunked_head(job) + in_chunks(body, 100) if chunked else json_post(hook(job), body)
    assert ask_on(dial(server), data).status == status


# -- chunked bodies -------------------------------------------------------------------------------

@pytest.mark.parametrize("chunks", [
    b"%x\r\n%s\r\n0\r\n\r\n" % (len(UPDATE), UPDATE),
    b"%X\r\n%s\r\n000\r\n\r\n" % (len(UPDATE), UPDATE),
    b"0000000000%x\r\n%s\r\n0\r\n\r\n" % (len(UPDATE), UPDATE),
    b'%x;a=b;c="d e"\r\n%s\r\n0;last\r\n\r\n' % (len(UPDATE), UPDATE),
    b"%x \r\n%s\r\n0\r\nTrailer: yes\r\nOther:\r\n\r\n" % (len(UPDATE), UPDATE),
    in_chunks(UPDATE, 1),
], ids=["plain", "upper", "zeros", "extensions", "trailers", "bytes"])
@pytest.mark.parametrize("cut", [False, True])
def test_a4_a_chunked_body_is_taken(server, api, job, dial, chunks, cut):
    with dial(server) as raw:
        for data in ([bytes([byte]) for byte in chunked_head(job) + chunks] if cut else
                     [chunked_head(job) + chunks]):
            raw.send(data)
        assert raw.response(within=5).status == 200
        raw.send(SECOND)
        assert raw.response(within=5).status == 200
    assert [event["taskId"] for event in api.activity(job)[1:]] == ["smuggled"]


@pytest.mark.parametrize("chunks", [
    b"x\r\n", b"-1\r\n", b"+1\r\n{", b"0x5\r\n", b" 5\r\n", b"\r\n", b";a\r\n", b"5\n{\"a\"",
    b"5\r{", b"5\0\r\n", b"1\r\n{}\r\n", b"1\r\n{x\n", b"1\r\n{\n0\r\n\r\n", b"f" * 16 + b"\r\n",
    b"0" * 16 + b"\r\n", b"5;a=\x01\r\n", b"5;a\rb\r\n", b"0\r\n folded\r\n\r\n",
    b"0\r\nno colon\r\n\r\n", b"0\r\n: x\r\n\r\n", b"0\r\nX: \0\r\n\r\n", b"0\r\n\n",
    b"0\r\nX: y\n\r\n\r\n", b"1;" + b"e" * 9000 + b"\r\n{\r\n", b"0\r\nX: " + b"t" * 9000,
    (b"1;" + b"e" * 100 + b"\r\n \r\n") * 100,
])
def test_a4_chunks_that_cannot_be_read_are_400_and_nothing_after_is_parsed(server, api, job, dial,
                                                                           chunks):
    refused_and_closed(dial(server), chunked_head(job) + chunks + SECOND)
    assert nothing_stored(api, job)


@pytest.mark.parametrize("coding", ["gzip", "gzip, chunked", "chunked, chunked", "chunked, gzip",
                                    "identity", "", "xchunked", "chunked;q=1"])
def test_a4_another_transfer_encoding_is_400(server, api, job, dial, coding):
    data = post_with(job, f"Transfer-Encoding: {coding}", body=in_chunks(UPDATE, 9))
    problem = refused_and_closed(dial(server), data + SECOND)
    assert "Transfer-Encoding" in problem["detail"]
    assert nothing_stored(api, job)


def test_a4_http_1_0_has_no_chunks(server, api, job, dial):
    data = (chunked_head(job) + in_chunks(UPDATE, 9)).replace(b"HTTP/1.1", b"HTTP/1.0")
    refused_and_closed(dial(server), data + SECOND)
    assert nothing_stored(api, job)


def test_a4_a_chunked_body_that_drips_is_cut_at_the_deadline(serve, client, dial):
    server = serve(body_timeout_ms=500)
    api = client(server)
    job = api.create_job()["id"]
    with dial(server) as raw:
        raw.send(chunked_head(job))
        deadline = Deadline(4, "the server to lose its patience")
        while raw.silent_for(min(0.1, deadline.left())):
            raw.send(b"1\r\n \r\n")
        assert_problem(raw.response(within=3), 408, "request_timeout")
    assert nothing_stored(api, job)


@pytest.mark.parametrize("coding", ["gzip", "br", "deflate, gzip", "identity, gzip"])
@pytest.mark.parametrize("chunked", [False, True])
def test_a4_a_coded_body_is_415(server, api, job, dial, coding, chunked):
    coding = f"Content-Encoding: {coding}"
    data = (chunked_head(job, coding) + in_chunks(UPDATE, 9) if chunked else
            json_post(hook(job), UPDATE, coding))
    assert_problem(ask_on(dial(server), data), 415, "unsupported_media_type")
    assert nothing_stored(api, job)


def test_a4_identity_is_no_coding(server, job, dial):
    reply = ask_on(dial(server), json_post(hook(job), UPDATE, "Content-Encoding: identity"))
    assert reply.status == 200


# -- A5 to A8: the head ---------------------------------------------------------------------------

@pytest.mark.parametrize("hosts", [[], ["Host: a", "Host: b"], ["Host: a", "Host: a"]])
def test_a5_exactly_one_host(server, dial, hosts):
    refused_and_closed(dial(server), request("GET", "/healthz", hosts, host=None) + SECOND)


@pytest.mark.parametrize("size", [4097, 5000, 8000, 9000, 70_000])
def test_a6_a_url_over_the_limit_is_414(server, dial, size):
    reply = ask_on(dial(server), request("GET", "/healthz?" + "u" * size))
    assert_problem(reply, 414, "uri_too_long")


@pytest.mark.parametrize("size, status", [(256, 200), (257, 414)])
def test_a6_the_limit_of_a_url_holds_on_both_sides(serve, dial, size, status):
    target = "/healthz?".ljust(size, "u")
    assert ask_on(dial(serve(max_url=256)), request("GET", target)).status == status


@pytest.mark.parametrize("size, status", [(1024, 200), (1025, 431)])
def test_a6_the_limit_of_headers_holds_on_both_sides(serve, dial, size, status):
    """Counted without the empty line at their end."""
    fixed = len(request("GET", "/", ["X: "]).split(b"\r\n", 1)[1]) - 2
    data = request("GET", "/healthz", ["X: " + "x" * (size - fixed)])
    assert ask_on(dial(serve(max_headers=1024)), data).status == status


@pytest.mark.parametrize("headers", [["X-Big: " + "b" * 9000], ["X-Big: " + "b" * 70_000],
                                     [f"X-{i}: {'b' * 100}" for i in range(100)],
                                     ["X" * 9000 + ": b"], ["Cookie: " + "c=d; " * 3000]])
def test_a6_headers_over_the_limit_are_431(server, dial, headers):
    assert_problem(ask_on(dial(server), request("GET", "/healthz", headers)), 431,
                   "headers_too_large")


HEAD = (b"POST %s HTTP/1.1\r\nHost: a\r\nConnection: close\r\n"
        b"Content-Type: application/json\r\nContent-Length: %d\r\n")


@pytest.mark.parametrize("line", [b"no colon here\r\n", b" folded: yes\r\n", b"X: a\r\n folded\r\n",
                                  b"X: a\0b\r\n", b"X\0: a\r\n", b"X: a\rY: b\r\n", b"X : a\r\n",
                                  b": empty name\r\n", b"X: a\x01b\r\n", b"X(): a\r\n"])
def test_a7_a_malformed_header_never_reaches_a_handler(server, api, job, dial, line):
    data = HEAD % (hook(job).encode(), len(UPDATE)) + line + b"\r\n" + UPDATE
    refused_and_closed(dial(server), data)
    assert nothing_stored(api, job)


@pytest.mark.parametrize("line", [b"Transfer-Encoding : chunked\r\n", b"Content-Length : 3\r\n",
                                  b"Transfer-Encoding\t: chunked\r\n",
                                  b"Transfer-Encoding:\r\n chunked\r\n",
                                  b"X: a\r\rTransfer-Encoding: chunked\r\n",
                                  b"Idempotency-Key: a\r\nIdempotency-Key: b\r\n"])
def test_a7_a_header_that_others_may_read_otherwise_is_400(server, api, job, dial, line):
    data = HEAD % (hook(job).encode(), len(UPDATE)) + line + b"\r\n" + UPDATE
    refused_and_closed(dial(server), data + SECOND)
    assert nothing_stored(api, job)


@pytest.mark.parametrize("line", [
    b"GET /healthz\r\n", b"GET /healthz HTTP/1.1 x\r\n", b"GET /healthz HTTP/9.9\r\n",
    b"GET /healthz http/1.1\r\n", b"GET healthz HTTP/1.1\r\n", b"\0\0\0\0\r\n",
    b"GET\t/healthz\tHTTP/1.1\r\n", b"GET  /healthz HTTP/1.1\r\n", b"GET * HTTP/1.1\r\n",
    b"GET ftp://a/healthz HTTP/1.1\r\n", b"GET http:///healthz HTTP/1.1\r\n",
    b"GET http://u@a/healthz HTTP/1.1\r\n", b"\r\n\r\nGET /healthz HTTP/1.1\r\n",
])
def test_a7_a_malformed_request_line_is_400(server, dial, line):
    refused_and_closed(dial(server), line + b"Host: a\r\n\r\n")


@pytest.mark.parametrize("target", ["http://joblight.test/healthz", "HTTPS://other:1/healthz",
                                    "http://[::1]:80/healthz?x"])
def test_a7_a_target_in_absolute_form_is_its_path(server, dial, target):
    assert ask_on(dial(server), request("GET", target)).status == 200


def test_a7_an_authority_alone_is_the_root(server, dial):
    reply = ask_on(dial(server), request("GET", "http://localhost"))
    assert (reply.status, reply.header("Content-Type")) == (200, "text/html; charset=utf-8")


def test_a7_an_empty_line_before_a_request_is_nothing(server, dial):
    assert ask_on(dial(server), b"\r\n" + SECOND).status == 200


NO_PATH = [b"/api/jobs/%00", b"/api/jobs/a%00b", b"/api/jobs/%0d%0aX:%20y",
           b"/api/jobs/a%0d%0aSet-Cookie:%20x=y", b"/api/jobs/%zz", b"/api/jobs/%", b"/api/jobs/%4",
           b"/api/jobs/\xff", b"/api/jobs/%ff", b"/api/jobs/..", b"/api/jobs/%1b%5b31mred"]
NOTHING_THERE = [b"/../etc/passwd", b"/%2e%2e/etc/passwd", b"/api/../../etc/passwd", b"//etc/passwd",
                 b"/..%2f..%2fetc%2fpasswd", b"/style.css/../../src/main.c"]


@pytest.mark.parametrize("path, status", [*((path, 400) for path in NO_PATH),
                                          *((path, 404) for path in NOTHING_THERE)])
def test_a8_a_path_with_tricks_is_refused_and_leaves_no_trace(server, dial, path, status):
    with dial(server) as raw:
        raw.send(b"GET " + path + b" HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        reply = raw.response(within=5)
    assert_problem(reply, status)
    assert reply.body.endswith(b"}\n")
    assert not {"x", "set-cookie", "location"} & {name.lower() for name, _ in reply.headers}
    log = server.stderr.read_bytes()
    assert b"\x1b" not in log and b"\0" not in log and b"\nSet-Cookie" not in log


@pytest.mark.parametrize("path", ["//healthz", "/api//jobs", "/api/jobs%2f", "/api%2Fjobs",
                                  "/healthz//", "/api/jobs//tasks", "/page%2frow.js", "//"])
def test_a8_a_slash_too_many_or_escaped_is_another_path(server, dial, path):
    assert_problem(ask_on(dial(server), request("GET", path)), 404, "not_found")


def test_a8_an_escaped_slash_separates_no_segments(server, job, dial):
    assert_problem(ask_on(dial(server), request("GET", f"/api/jobs%2f{job}")), 404, "not_found")
    assert_problem(ask_on(dial(server), request("GET", f"/api/jobs/{job}%2ftasks")), 400,
                   "invalid_id")


@pytest.mark.parametrize("path", ["/healthz/", "/api/jobs/", "/api/jobs/{}/", "/style.css/",
                                  "/api/jobs/{}/tasks/?x=y"])
def test_a8_a_slash_at_the_end_changes_nothing(server, job, dial, path):
    assert ask_on(dial(server), request("GET", path.format(job))).status == 200


@pytest.mark.parametrize("path", ["/api/jobs/", "/%61pi/jobs"])
def test_a8_a_job_can_be_made_at_every_spelling_of_the_path(server, dial, path):
    assert ask_on(dial(server), json_post(path, b'{"title":"x"}')).status == 201


@pytest.mark.parametrize("query", ["%ff", "x=%c3", "a=b&c=%ed%a0%80", "%c0%af", "x=%f4%90%80%80"])
def test_a8_a_query_that_is_no_text_is_400(server, dial, query):
    assert_problem(ask_on(dial(server), request("GET", "/healthz?" + query)), 400, "bad_request")


@pytest.mark.parametrize("query", ["%00", "a=%0d%0a", "%7f", "a=%zz", "a=%4", "%"])
def test_a8_a_query_with_tricks_is_400(server, dial, query):
    refused_and_closed(dial(server), request("GET", "/healthz?" + query) + SECOND)


@pytest.mark.parametrize("count, status", [(16, 200), (17, 400)])
def test_a8_a_query_has_at_most_sixteen_arguments(server, dial, count, status):
    query = "&".join(f"a{i}" for i in range(count))
    assert ask_on(dial(server), request("GET", "/healthz?" + query)).status == status


# -- A9 to A12: methods, upgrades, pipelines ------------------------------------------------------

def test_a9_connect_is_closed_at_once(server, dial):
    data = b"CONNECT example.org:443 HTTP/1.1\r\nHost: example.org:443\r\n\r\n" + b"x" * 100
    refused_and_closed(dial(server), data, 405)


@pytest.mark.parametrize("method", ["TRACE", "OPTIONS", "BREW", "PROPFIND", "get", "PRI"])
def test_a9_an_unknown_method_is_not_run(server, dial, method):
    with dial(server) as raw:
        raw.send(request(method, "/healthz", ["Connection: close"]))
        answers = raw.answers_until_close(within=5)
    assert [answer.status for answer in answers] == [405]
    assert_problem(answers[0], 405, "method_not_allowed")
    assert "GET" in answers[0].header("Allow")


def test_a9_delete_where_there_is_none_is_405_with_allow(server, dial):
    reply = ask_on(dial(server), request("DELETE", "/healthz"))
    assert_problem(reply, 405, "method_not_allowed")
    assert "GET" in reply.header("Allow")


def test_a10_an_upgrade_to_h2c_is_not_taken(server, dial):
    headers = ["Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c",
               "HTTP2-Settings: AAMAAABkAAQAAP__"]
    assert ask_on(dial(server), request("GET", "/healthz", headers)).status == 200


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


@pytest.mark.parametrize("chunked", [False, True])
def test_a11_expect_100_continue_is_not_met_with_silence(server, api, job, dial, chunked):
    expect = "Expect: 100-continue"
    with dial(server) as raw:
        raw.send(chunked_head(job, expect) if chunked else post_with(job, LENGTH, expect, body=b""))
        first = raw.response(within=1)
        assert first.status == 100
        raw.send(in_chunks(UPDATE, 9) if chunked else UPDATE)
        assert raw.response().status == 200
    assert api.job(job)["seq"] == 2


def test_a11_a_body_that_is_there_needs_no_100_continue(server, job, dial):
    reply = ask_on(dial(server), post_with(job, LENGTH, "Expect: 100-continue"))
    assert reply.status == 200


def test_a11_expect_with_too_large_a_body_gets_the_final_status(server, job, dial):
    with dial(server) as raw:
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
    """The answers to `requests` sent at once, in their order."""
    with Raw(server.address) as raw:
        last = requests[-1].replace(b"\r\n", b"\r\nConnection: close\r\n", 1)
        raw.send(b"".join(requests[:-1]) + last)
        answers = raw.answers_until_close(within=5)
    assert [answer.status for answer in answers] == [200] * len(requests)
    return answers


def test_a12_a_get_and_a_post_in_one_segment_are_answered_in_order(server, api, job):
    get, post = request("GET", f"/api/jobs/{job}"), json_post(hook(job), UPDATE)
    answers = answered_in_order(server, [get, post, get])
    assert [answer.json["seq"] for answer in answers] == [1, 2, 2]


@pytest.mark.parametrize("chunked", [False, True])
def test_a12_posts_sent_while_a_commit_is_pending_wait_their_turn(server, api, job, chunked):
    bodies = [compact({"taskId": "t", "note": f"{i:03}" + "n" * 5000}) for i in range(40)]
    posts = [chunked_head(job) + in_chunks(body, 999) if chunked else json_post(hook(job), body)
             for body in bodies]
    answers = answered_in_order(server, posts)
    assert [answer.json["seq"] for answer in answers] == list(range(2, 42))
    notes = [event["note"][:3] for event in api.activity(job)[1:]]
    assert notes == [f"{i:03}" for i in range(40)], "done without an answer, or out of order"


@pytest.mark.parametrize("count", [1, 5])
def test_a12_who_has_said_all_is_answered_all_the_same(server, api, job, count):
    """`nc -N`, and whoever else closes its side after the request."""
    fds = server.fds()
    with Raw(server.address) as raw:
        raw.send(json_post(hook(job), UPDATE) * count)
        raw.half_close()
        answers = raw.answers_until_close(within=5)
    assert [answer.json["seq"] for answer in answers] == list(range(2, 2 + count))
    with Raw(server.address) as raw:
        raw.send(request("GET", f"/api/jobs/{job}") * count)
        raw.half_close()
        answers = raw.answers_until_close(within=5)
    assert [answer.json["seq"] for answer in answers] == [1 + count] * count
    server.fds_back_to(fds, within=5)


@pytest.mark.parametrize("since", ["head", "nothing"])
def test_a12_a_poll_that_has_said_all_is_answered_without_waiting(server, api, job, since):
    """Nobody can tell it from one who has hung up, and who is not to be waited for."""
    fds, cursor = server.fds(), api.job(job)["cursor"]
    path = poll_path(job, since=cursor if since == "head" else None, wait=60)
    with Raw(server.address) as waits, Raw(server.address) as at_once:
        waits.send(request("GET", path))
        if since == "head":
            assert waits.silent_for(0.2)
        at_once.send(request("GET", path))
        for raw in (waits, at_once):
            raw.half_close()
            answer, = raw.answers_until_close(within=5)
            assert (answer.status, answer.json["cursor"]) == (200, cursor)
    server.fds_back_to(fds, within=5)
    assert api.report(job, "t")["watchers"] == 0


def test_a12_who_has_said_half_is_closed(server, api, job):
    with Raw(server.address) as raw:
        raw.send(SECOND + json_post(hook(job), UPDATE)[:-1])
        raw.half_close()
        answers = raw.answers_until_close(within=5)
    assert [answer.status for answer in answers] == [200]
    assert nothing_stored(api, job)


def test_a12_what_comes_after_a_connection_close_is_not_run(server, api, job):
    post = json_post(hook(job), UPDATE, "Connection: close")
    with Raw(server.address) as raw:
        raw.send(post + json_post(hook(job), UPDATE) * 3)
        answers = raw.answers_until_close(within=5)
    assert [answer.status for answer in answers] == [200]
    assert api.job(job)["seq"] == 2


def test_a12_a_refusal_waits_for_the_answers_before_it(server, api, job):
    with Raw(server.address) as raw:
        raw.send(json_post(hook(job), UPDATE) + request("GET", "/%zz") + SECOND)
        answers = raw.answers_until_close(within=5)
    assert [answer.status for answer in answers] == [200, 400]
    assert api.job(job)["seq"] == 2


@pytest.mark.parametrize("version, connection, kept", [
    ("1.1", None, None), ("1.1", "close", "close"), ("1.1", "Keep-Alive", None),
    ("1.0", None, "close"), ("1.0", "keep-alive", "keep-alive"), ("1.0", "Keep-Alive, x",
                                                                  "keep-alive"),
    ("1.1", "x, CLOSE", "close"), ("1.0", "keep-alive, close", "close"),
])
def test_a12_who_is_kept_is_told_so(server, dial, version, connection, kept):
    headers = [f"Connection: {connection}"] if connection else []
    data = request("GET", "/healthz", headers, version=version)
    with dial(server) as raw:
        raw.send(data)
        reply = raw.response(within=5)
        assert (reply.status, reply.header("Connection")) == (200, kept)
        if kept == "close":
            assert raw.rest(within=5) == b""
        else:
            raw.send(SECOND)
            assert raw.response(within=5).status == 200


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


def was_reset(raw):
    """A RST came, perhaps behind the end of the bytes: then the socket is not open any more."""
    state = raw.socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0]
    return raw.was_reset or state == TCP_CLOSE


@pytest.mark.parametrize("full", [False, True])
def test_a13_a_head_that_stays_incomplete_is_answered_without_a_reset(serve, full):
    """A reset would take the answer from a client that has not read it yet."""
    server = serve(header_timeout_ms=1000, max_connections=190 if full else 200, loops=1)
    held = [Raw(server.address) for _ in range(190 if full else 0)]
    for raw in held:
        raw.send(SECOND)
        assert raw.response().status == 200
    fds = server.fds()
    refused = [Raw(server.address) for _ in range(10)]
    for raw in refused:
        raw.send(b"GET /healthz HTTP/1.1\r\nX: " + b"y" * 1000)
    for raw in refused:
        answer = raw.response(within=3)
        assert_problem(answer, *((503, "overloaded") if full else (408, "request_timeout")))
        assert raw.rest(within=1) == b""
    assert not any(was_reset(raw) for raw in refused)
    server.fds_back_to(fds, within=3)


def test_a13_headers_that_drip_are_cut_at_the_deadline(serve, client, dial):
    server = serve(header_timeout_ms=1000)
    with dial(server) as raw:
        raw.send(b"GET /healthz HTTP/1.1\r\n")
        deadline = Deadline(4, "the server to lose its patience")
        while raw.silent_for(min(0.1, deadline.left())):
            raw.send(b"X: y\r\n")
        assert_problem(raw.response(within=3), 408, "request_timeout")
    assert client(server).get("/healthz").status == 200


def test_a13_a_body_that_drips_is_cut_at_the_deadline(serve, client, dial):
    server = serve(body_timeout_ms=500)
    api = client(server)
    job = api.create_job()["id"]
    with dial(server) as raw:
        raw.send(post_with(job, "Content-Length: 10000", body=b'{"taskId":"t","note":"'))
        deadline = Deadline(4, "the server to lose its patience")
        while raw.silent_for(min(0.1, deadline.left())):
            raw.send(b"d")
        assert_problem(raw.response(within=3), 408, "request_timeout")
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
