"""Section C of the faults: WebSocket. C1 to C6, C8 and C9, and the cases of RFC 6455.

C7 needs keys and is tested with them.
"""
import contextlib
import ssl

import pytest

from support import tls
from support.api import compact
from support.problem import assert_problem
from support.raw import Raw, ask, ask_on, request
from support.sse import SseStream
from support.wait import SCALE, Deadline, until
from support.ws import (BINARY, CLOSE, CONTINUATION, PATH, PING, PONG, PROTOCOL, TEXT, WebSocket,
                        dumps, fragments, frame_of, handshake, path_of)

LIMIT = 65536
NOTHING = ["Content-Length: 0"]
MIB = 1024      # as rss_kib counts


@pytest.fixture
def socket(server):
    opened = []

    def open_one(on=server, query=None, **options):
        opened.append(WebSocket(on.address, path_of(**(query or {})), **options))
        return opened[-1]

    yield open_one
    for one in opened:
        one.close()


@pytest.fixture
def ws(socket):
    return socket()


def ping_message(size):
    """A message of exactly so many bytes that is answered with pong: white space fills it."""
    text = b'{"type":"ping"}'
    return text[:-1] + b" " * (size - len(text)) + b"}"


def short(payload):
    """A payload as the name of a test."""
    return repr(payload[:30])


def update(key, job, **fields):
    return {"type": "update", "id": key, "jobId": job, "taskId": "t", **fields}


# -- C1: the handshake ----------------------------------------------------------------------------

@pytest.mark.parametrize("change, status", [
    ({"version": "8"}, 426), ({"version": "12"}, 426), ({"version": None}, 426),
    ({"version": "0"}, 426), ({"version": "14"}, 426), ({"version": "013"}, 426),
    ({"version": "x" * 100}, 426), ({"key": None}, 400), ({"key": ""}, 400),
    ({"key": "c2hvcnQ="}, 400),
    ({"key": "!" * 24}, 400), ({"key": "A" * 24}, 400), ({"key": "A" * 23 + "="}, 400),
    ({"key": "A" * 21 + "==="}, 400), ({"key": "A" * 10 + "=" + "A" * 11 + "=="}, 400),
    ({"key": "A" * 10 + "-" + "A" * 11 + "=="}, 400), ({"protocol": ","}, 400),
    ({"key": "A" * 100}, 400), ({"method": "POST", "headers": NOTHING}, 405),
    ({"method": "PUT", "headers": NOTHING}, 405), ({"method": "DELETE"}, 405),
    ({"method": "POST"}, 411)])
def test_c1_a_handshake_that_is_none_is_refused(server, dial, change, status):
    reply = ask_on(dial(server), handshake(**change))
    assert_problem(reply, status)
    if status == 426:
        assert reply.header("Sec-WebSocket-Version") == "13"


def test_c1_http_1_0_cannot_upgrade(server, dial):
    assert ask_on(dial(server), handshake(http="1.0")).status == 400


def test_c1_head_cannot_upgrade(server):
    assert ask(server.address, handshake(method="HEAD"), head=True).status == 405


HALF = [["Upgrade: websocket"], ["Connection: Upgrade"],
        ["Upgrade: websocket", "Connection: close"], ["Upgrade: h2c", "Connection: Upgrade"],
        ["Upgrade: nonsense", "Connection: Upgrade"], ["Upgrade: nonsense"]]
KEYS = ["Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Version: 13"]


@pytest.mark.parametrize("lines", HALF, ids=", ".join)
@pytest.mark.parametrize("keys", [KEYS, []], ids=["keys", "no keys"])
def test_c1_half_a_handshake_is_answered_in_words(server, dial, lines, keys):
    assert_problem(ask_on(dial(server), request("GET", PATH, [*lines, *keys])), 426)


@pytest.mark.parametrize("upgrade", ["h2c", "nonsense", "TLS/1.0, HTTP/3"])
def test_c1_another_upgrade_is_ignored(server, dial, upgrade):
    reply = ask_on(dial(server), request("GET", "/healthz", [f"Upgrade: {upgrade}",
                                                             "Connection: Upgrade"]))
    assert (reply.status, reply.json) == (200, {"status": "ok"})


@pytest.mark.parametrize("path", ["/api/jobs", "/", "/healthz", "/api/wsx", "/api/ws//"])
def test_c1_an_upgrade_elsewhere_is_no_websocket(server, dial, path):
    assert_problem(ask_on(dial(server), handshake(path)), 404, "not_found")


def test_c1_a_handshake_with_a_body_is_refused(server, dial):
    data = handshake(headers=["Content-Length: 5"]) + b"hello"
    assert_problem(ask_on(dial(server), data), 405, "method_not_allowed")


def test_c1_a_handshake_may_come_after_other_requests(server, job):
    """A proxy keeps connections and uses one again."""
    with Raw(server.address) as raw:
        raw.send(request("GET", "/healthz") * 3 + handshake())
        assert [raw.response().status for _ in range(3)] == [200] * 3
        assert raw.head_of_response(Deadline(10, "the upgrade"))[0] == 101
        for _ in range(3):
            raw.send(frame_of(TEXT, ping_message(15)))
            assert raw.exactly(2 + 15, Deadline(10, "the pong")) == b'\x81\x0f{"type":"pong"}'


def test_c1_a_late_handshake_costs_no_descriptor(server):
    with WebSocket(server.address) as first:
        first.send({"type": "ping"})
        fds = server.fds()
    server.fds_back_to(fds - 1, within=5)
    for _ in range(20):
        with Raw(server.address) as raw:
            raw.send(request("GET", "/healthz") + handshake())
            assert raw.response().status == 200
            assert raw.head_of_response(Deadline(10, "the upgrade"))[0] == 101
            server.fds_back_to(fds, within=5)
    server.fds_back_to(fds - 1, within=5)


def test_c1_a_handshake_in_single_bytes_works(server, dial):
    with dial(server) as raw:
        for byte in handshake():
            raw.send(bytes([byte]))
        assert raw.head_of_response(Deadline(10, "the upgrade"))[0] == 101


def test_c1_frames_in_the_same_write_as_the_handshake_are_heard(server, dial):
    """RFC 6455 lets no client do it, but the bytes of an eager one must not be lost or crash."""
    with dial(server) as raw:
        raw.send(handshake() + frame_of(TEXT, ping_message(15)))
        assert raw.head_of_response(Deadline(10, "the upgrade"))[0] == 101
        assert raw.exactly(2 + 15, Deadline(10, "the pong")) == b'\x81\x0f{"type":"pong"}'


UPGRADE = ["Upgrade: websocket", "Connection: Upgrade"]
ODD = {     # heads that are good, and that the library's own parser stops at or gives up
    **{name: [*UPGRADE, f"{name}: x"] for name in (
        "X-Auth", "X-Forwarded", "X-Real", "X", "Content", "Sec", "Sec-WebSocket", "Acc", "Hos",
        "Upgrad", "Fro", "G", "HTTP")},
    "an odd list": ["Upgrade: websocket", "Connection: ,keep-alive, Upgrade"],
    "two upgrades": ["Upgrade: h2c", *UPGRADE],
    "two connections": ["Connection: keep-alive", *UPGRADE],
    "no value": [*UPGRADE, "X-Auth:", "Sec-WebSocket-Protocol:"],
    "many lines": [*UPGRADE, *(f"X-Line-{i}: {i}" for i in range(100))],
    "a long line": [*UPGRADE, "Cookie: " + "c" * 8000]}


@pytest.mark.parametrize("lines", ODD.values(), ids=ODD)
def test_c1_a_handshake_is_read_once_whatever_else_it_holds(server, dial, lines):
    with dial(server) as raw:
        raw.send(request("GET", PATH, [*lines, *KEYS]) + frame_of(TEXT, ping_message(15)))
        status, headers = raw.head_of_response(Deadline(5, "the upgrade"))[:2]
        assert status == 101
        assert ("Sec-WebSocket-Accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=") in list(headers)
        assert "sec-websocket-protocol" not in [name.lower() for name, _ in headers]
        assert raw.exactly(2 + 15, Deadline(5, "the pong")) == b'\x81\x0f{"type":"pong"}'


@pytest.mark.parametrize("offer", [
    PROTOCOL, f",{PROTOCOL}", f" ,, {PROTOCOL},", f"joblight,{PROTOCOL}",
    f'"joblight raw",{PROTOCOL}',
    ", ".join([*(f"name-{i}" for i in range(60)), PROTOCOL])], ids=short)
def test_c1_the_subprotocol_is_found_in_every_list(server, dial, offer):
    with dial(server) as raw:
        raw.send(handshake(protocol=offer) + frame_of(TEXT, ping_message(15)))
        status, headers = raw.head_of_response(Deadline(5, "the upgrade"))[:2]
        assert status == 101
        assert ("sec-websocket-protocol", PROTOCOL) in [(n.lower(), v) for n, v in headers]
        assert raw.exactly(2 + 15, Deadline(5, "the pong")) == b'\x81\x0f{"type":"pong"}'


@pytest.mark.parametrize("count, size", [(100, 15), (3, 5000), (1, 20000), (2, LIMIT)])
def test_c1_many_frames_in_the_same_write_as_the_handshake_are_heard(server, dial, count, size):
    """More than the library reads at a time; nothing else comes that would wake it."""
    with dial(server) as raw:
        raw.send(handshake() + frame_of(TEXT, ping_message(size)) * count)
        assert raw.head_of_response(Deadline(5, "the upgrade"))[0] == 101
        for _ in range(count):
            assert raw.exactly(2 + 15, Deadline(5, "the pong")) == b'\x81\x0f{"type":"pong"}'


def test_c1_offered_extensions_are_not_taken(server):
    offer = "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits"
    with WebSocket(server.address, headers=[offer]) as ws:
        assert "sec-websocket-extensions" not in [name.lower() for name, _ in ws.headers]
        assert ws.answers()


def test_c1_many_who_hang_up_in_the_handshake_leave_nothing(server):
    before = server.fds()
    for cut in range(0, len(handshake()), 7):
        with Raw(server.address) as raw:
            raw.send(handshake()[:cut])
    for _ in range(50):
        with Raw(server.address) as raw:
            raw.send(handshake())
            raw.hang_up()
    server.fds_back_to(before, within=5)


# -- C2: origins ----------------------------------------------------------------------------------

@pytest.mark.parametrize("origin", [
    "https://evil.test", "null", "http://joblight.test.evil.test", "http://evil.test/joblight.test",
    "http://joblight.test@evil.test", "http://evil.test?joblight.test", "file://",
    "joblight.test", "http://joblight.test:81", "http://xjoblight.test", "http://joblight.tes",
    "ftp://joblight.test", "http://" + "x" * 1000, "http://joblight.test joblight.test",
    "chrome-extension://joblight.test",
    "http://joblight.test.", "http://joblight.test/"])
def test_c2_a_foreign_origin_is_refused_before_the_upgrade(server, origin):
    assert_problem(ask(server.address, handshake(origin=origin)), 403)


@pytest.mark.parametrize("origin", ["http://joblight.test", "https://joblight.test",
                                    "http://JOBLIGHT.test"])
def test_c2_the_same_origin_is_let_in(server, origin):
    with Raw(server.address) as raw:
        raw.send(handshake(origin=origin))
        assert raw.head_of_response(Deadline(10, "the upgrade"))[0] == 101


# -- C3: too long ---------------------------------------------------------------------------------

@pytest.mark.parametrize("size", [15, 124, 125, 126, 127, 4095, 4096, 4097, 65534, 65535, 65536])
def test_c3_every_size_up_to_the_limit_is_heard(ws, size):
    ws.send_text(ping_message(size))
    assert ws.message("pong")
    assert ws.answers()


@pytest.mark.parametrize("size", [LIMIT + 1, 2 * LIMIT, 10 * LIMIT])
def test_c3_a_message_over_the_limit_is_1009(ws, size):
    ws.send_text(ping_message(size))
    assert ws.close_code() == 1009


@pytest.mark.parametrize("size", [LIMIT + 1, 2**31, 2**32, 2**53, 2**62, 2**63 - 1, 2**63,
                                  2**64 - 1])
def test_c3_a_size_that_is_only_announced_is_1009_at_once(server, ws, size):
    before = server.rss_kib()
    ws.send_frame(TEXT, b'{"type":', length=size)
    assert ws.close_code(within=2) == 1009
    assert server.rss_kib() - before < MIB * 8


@pytest.mark.parametrize("fin", [True, False])
def test_c3_a_size_over_2_63_in_a_later_fragment_is_refused(ws, fin):
    ws.send_frame(TEXT, b'{"type":', fin=False)
    ws.send_frame(CONTINUATION, b"", length=2**63, fin=fin)
    assert ws.close_code(within=2) == 1009


def test_c3_a_control_frame_that_is_too_long_is_1002_within_a_message_too(ws, socket):
    """Also after the library has refused the length of somebody else's frame."""
    other = socket()
    for one in (other, ws):
        one.send_frame(TEXT, b'{"type":', fin=False)
    other.send_frame(CONTINUATION, b"", length=2**63)
    assert other.close_code(within=2) == 1009
    ws.send_frame(PING, b"", length=126)
    assert ws.close_code() == 1002


UNFINISHED = {"half a head": frame_of(TEXT, b"", length=300)[:3],
              "a head alone": frame_of(TEXT, b"", length=100),
              "a small frame": frame_of(TEXT, b'{"type":', length=100),
              "the mask's first half": frame_of(TEXT, b"")[:4]}


@pytest.mark.parametrize("drips", [False, True], ids=["silent", "dripping"])
@pytest.mark.parametrize("begun", UNFINISHED.values(), ids=UNFINISHED)
def test_c3_a_frame_that_stays_unfinished_ends(serve, begun, drips):
    """Of a head the library tells nothing: no pong can come through it, and that is its deadline.

    With the first byte of a message the time for a message begins.
    """
    server = serve(heartbeat_ms=1000, body_timeout_ms=500)
    before = server.fds()
    with WebSocket(server.address, answer_pings=False) as ws:
        ws.raw.send(begun)
        deadline = Deadline(4, "the server giving it up")
        while not ws.raw.ended and b"\x88" not in ws.raw.buffer:
            deadline.left()
            if ws.raw.silent_for(0.05) and drips:
                ws.raw.send(b" ")
    server.fds_back_to(before)


def test_c3_one_who_hangs_up_in_a_head_is_gone_at_once(server, api, job):
    """It is not waited for, though the library has given no reason for the close."""
    before = server.fds()
    for cut in (1, 2, 5):
        with WebSocket(server.address) as ws:
            ws.raw.send(frame_of(TEXT, b"", length=2**62)[:cut])
            ws.raw.hang_up()
    server.fds_back_to(before, within=3)


def test_c3_a_message_over_the_limit_in_1_byte_fragments_is_1009(server, ws):
    before = server.rss_kib()
    ws.raw.send(b"".join(fragments(ping_message(LIMIT + 1), [1] * (LIMIT + 1))))
    assert ws.close_code() == 1009
    assert server.rss_kib() - before < MIB * 8


def test_c3_a_message_of_the_limit_in_1_byte_fragments_is_heard(ws):
    ws.raw.send(b"".join(fragments(ping_message(LIMIT), [1] * (LIMIT - 1))))
    assert ws.message("pong")


def test_c3_fragments_that_add_up_over_the_limit_are_1009_before_the_last(ws):
    ws.send_frame(TEXT, b'{"type":"ping"' + b" " * 40000, fin=False)
    ws.send_frame(CONTINUATION, b" " * 40000, fin=False)
    assert ws.close_code() == 1009


def test_c3_endless_empty_fragments_cost_nothing(server, ws):
    before = server.rss_kib()
    ws.send_frame(TEXT, b"", fin=False)
    ws.raw.send(frame_of(CONTINUATION, b"", fin=False) * 50_000)
    ws.send_frame(CONTINUATION, b'{"type":"ping"}')
    assert ws.message("pong")
    assert server.rss_kib() - before < MIB * 8


@pytest.mark.parametrize("size", [125, 126, 65535, 65536])
def test_c3_what_the_server_sends_has_the_right_length_at_every_border(ws, api, size):
    """A snapshot, byte by byte longer, so that the message has exactly these many."""
    job = api.create_job(title="t", metadata={"k": ""})["id"] if size > 1000 else None
    if job is None:
        size_of = len(ws.ask("unsubscribe", "end", jobId="j").text)
        name = "j" * (1 + size - size_of)
        assert len(ws.ask("unsubscribe", "end", jobId=name).text) == size
        return
    make_connected(ws, api, job, size)
    assert ws.answers()


@pytest.mark.parametrize("size", [LIMIT, LIMIT + 1, 10 * LIMIT])
@pytest.mark.parametrize("by_url", [False, True])
def test_c3_an_opening_over_64_kib_is_announced(socket, ws, api, size, by_url):
    job = api.create_job(title="t", metadata={"k": ""})["id"]
    make_connected(ws, api, job, size)
    other = socket(query={"job": job} if by_url else None)
    if not by_url:
        other.send("subscribe", jobId=job)
    heard = [other.next()]
    while heard[-1].type != "connected":
        heard.append(other.next())
    assert len(heard[-1].text) == size
    announced = [said.json for said in heard[:-1] if said.type == "opening"]
    assert announced == [{"type": "opening", "jobId": job, "bytes": size}] * (size > LIMIT)


def make_connected(ws, api, job, size):
    """Fills the job until `connected` has exactly this size."""
    fill(api, job, size - len(connected_text(ws, job)))
    text = connected_text(ws, job)
    while len(text) != size:    # the numbers in it have grown by some digits
        note = api.job(job)["tasks"][0]["note"]
        api.report(job, "t0", note=note[:len(note) - (len(text) - size)])
        text = connected_text(ws, job)


def connected_text(ws, job):
    text = ws.ask("subscribe", "connected", jobId=job).text
    ws.ask("unsubscribe", "end", jobId=job)
    return text


def fill(api, job, room):
    count = room // 16384 + 1
    for i in range(count):
        api.report(job, f"t{i}", note="n" * (room // count - 150 * (i >= 4)))


@pytest.mark.parametrize("size", [100, 125, 126, 4096, 16384])
def test_c3_events_of_every_size_arrive_whole(ws, api, job, size):
    ws.subscribe(job)
    for step in range(3):
        api.report(job, "t", note="x" * (size - step))
        assert len(ws.message("task_update")["note"]) == size - step


# -- C3: too slow ---------------------------------------------------------------------------------

BEGINNINGS = {
    "a fragment": frame_of(TEXT, b'{"type":', fin=False),
    "an empty fragment": frame_of(TEXT, b"", fin=False),
    "half a frame": frame_of(TEXT, b" " * 200, length=1000),
    "a ping behind it": frame_of(TEXT, b" ", fin=False) + frame_of(PING, b"p")}


@pytest.mark.parametrize("beginning", BEGINNINGS.values(), ids=BEGINNINGS)
def test_c3_a_message_that_is_not_completed_is_4400(serve, socket, beginning):
    ws = socket(on=serve(body_timeout_ms=300))
    assert ws.answers()
    ws.raw.send(beginning)
    assert ws.closed(within=3) == (4400, "the message was not complete in time")


def test_c3_bytes_that_drip_do_not_renew_the_time(serve, socket):
    ws = socket(on=serve(body_timeout_ms=500))
    ws.send_frame(TEXT, b"{", fin=False)
    deadline, drops = Deadline(4, "the message being given up"), 0
    while ws.raw.silent_for(0.05):
        ws.send_frame(CONTINUATION, b" ", fin=False)
        drops += 1
        deadline.left()
    assert drops > 2 and ws.close_code() == 4400


def test_c3_messages_in_time_are_heard_for_longer_than_one_may_take(serve, socket):
    ws = socket(on=serve(body_timeout_ms=1000))
    deadline = Deadline(3, "the time of three messages")
    while not deadline.passed():
        ws.send_frame(TEXT, b'{"type":', fin=False)
        assert ws.raw.silent_for(0.2)
        ws.send_frame(CONTINUATION, b'"ping"}')
        assert ws.message("pong")
    assert ws.raw.silent_for(1.5), "between messages there is no such deadline"
    assert ws.answers()


# -- C4: what is no message -----------------------------------------------------------------------

@pytest.mark.parametrize("payload", [b"", b"{}", b'{"type":"ping"}', b"\xff" * 1000], ids=short)
def test_c4_binary_is_1003(ws, payload):
    ws.send_frame(BINARY, payload)
    assert ws.close_code() == 1003


def test_c4_fragmented_binary_is_1003(ws):
    ws.send_frame(BINARY, b"{", fin=False)
    ws.send_frame(CONTINUATION, b"}")
    assert ws.close_code() == 1003


BAD_UTF8 = [b"\xff", b"\xc0\xaf", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\x80", b"\xe2\x82",
            b"\xf0\x9f\x98", b"\xc3(", b"\xfe\xfe\xff\xff", b"\xf8\x88\x80\x80\x80"]


@pytest.mark.parametrize("bad", BAD_UTF8)
def test_c4_bad_utf_8_is_1007(ws, bad):
    ws.send_text(b'{"type":"ping","x":"' + bad + b'"}')
    assert ws.close_code() == 1007


@pytest.mark.parametrize("bad", BAD_UTF8)
def test_c4_bad_utf_8_over_two_fragments_is_1007(ws, bad):
    payload = b'{"type":"ping","x":"' + bad + b'"}'
    ws.raw.send(b"".join(fragments(payload, [20 + len(bad) // 2])))
    assert ws.close_code() == 1007


@pytest.mark.parametrize("bad", [b"\xe2\x82", b"\xc3", b"\xf0\x9f\x98"])
def test_c4_a_message_that_ends_within_a_character_is_1007(ws, bad):
    ws.send_text(bad)
    assert ws.close_code() == 1007


def test_c4_good_characters_split_over_fragments_are_heard(ws, api, job):
    note = "é€\U0001f600" * 20
    payload = dumps(**update("k", job, note=note))
    ws.raw.send(b"".join(fragments(payload, [1] * (len(payload) - 1))))
    ws.message("ack")
    assert api.job(job)["tasks"][0]["note"] == note


@pytest.mark.parametrize("text", [
    b"", b" ", b"{", b"}", b"[]", b"7", b"null", b'"ping"', b"ping", b'{"type":"ping"}x',
    b'{"type":"ping"}{"type":"ping"}', b'{"type":"ping",}', b"{'type':'ping'}", b"{type:ping}",
    b'{"type":"ping","type":"ping"}', b'{"type":"nonsense"}', b'{"type":7}', b'{"type":null}',
    b"{}", b'{"Type":"ping"}', b'{"type":"PING"}', b'{"type":"connected"}',
    b'{"type":"ping\\u0000"}',
    b'{"type":"ping","a":' + b"[" * 40 + b"]" * 40 + b"}", b"[" * 30000, b'{"a":' * 10000,
    b'{"type":"' + b"x" * 60000 + b'"}', b'\xef\xbb\xbf{"type":"ping"}', b'{"type":"ping"}\0',
    b'{"type":"ping","n":1e999999}x', b'{"type":"ping","n":NaN}'], ids=short)
def test_c4_what_cannot_be_read_is_4400(ws, text):
    ws.send_text(text)
    code, reason = ws.closed()
    assert code == 4400 and reason and len(reason.encode()) <= 123


def test_c4_nothing_after_a_message_that_cannot_be_read_is_done(ws, api, job):
    ws.raw.send(frame_of(TEXT, b"{") + frame_of(TEXT, compact(update("k", job))))
    assert ws.close_code() == 4400
    assert api.job(job)["seq"] == 1


@pytest.mark.parametrize("last, code", [
    (frame_of(TEXT, b"{"), 4400), (frame_of(BINARY, b"x"), 1003),
    (frame_of(TEXT, b"{", length=LIMIT + 1), 1009)], ids=["4400", "1003", "1009"])
def test_c4_answers_that_are_due_come_before_the_close(ws, api, job, last, code):
    """They are still on their way from the store when the last message is read."""
    updates = [frame_of(TEXT, compact(update(f"k{i}", job))) for i in range(50)]
    word = compact({"type": "presence", "jobId": "nobody", "state": "x"})
    ws.raw.send(b"".join(updates) + frame_of(TEXT, word) + last)
    heard = []
    while (said := ws.next()) is not None:
        heard.append(said)
    assert ws.close_code() == code
    acks = [said["id"] for said in heard if said.type == "ack"]
    assert acks == [f"k{i}" for i in range(50)]
    assert [said["code"] for said in heard if said.type == "error"] == ["not_found"]


def test_c4_what_was_acked_before_is_kept(ws, api, job):
    ws.raw.send(frame_of(TEXT, compact(update("k", job))) + frame_of(TEXT, b"{"))
    assert ws.close_code() == 4400
    until(lambda: api.job(job)["seq"] == 2, 5, "the update that came first")


# -- C5: frames that are none ---------------------------------------------------------------------

@pytest.mark.parametrize("opcode, rsv", [*((TEXT, rsv) for rsv in range(1, 8)), (PING, 4)])
def test_c5_reserved_bits(ws, opcode, rsv):
    ws.send_frame(opcode, b'{"type":"ping"}', rsv=rsv)
    assert ws.close_code() == 1002


@pytest.mark.parametrize("opcode", [3, 4, 5, 6, 7, 11, 12, 13, 14, 15])
def test_c5_reserved_opcodes(ws, opcode):
    ws.send_frame(opcode, b"x")
    assert ws.close_code() == 1002


@pytest.mark.parametrize("opcode", [PING, PONG, CLOSE])
@pytest.mark.parametrize("size", [126, 1000, 65536])
def test_c5_a_long_control_frame(ws, opcode, size):
    """Only its head is sent: bytes that nobody reads would make the close a reset."""
    ws.send_frame(opcode, b"", length=size)
    assert ws.closed() == (1002, "")


@pytest.mark.parametrize("opcode", [PING, PONG, CLOSE])
def test_c5_a_control_frame_in_fragments(ws, opcode):
    ws.send_frame(opcode, b"\x03\xe8", fin=False)
    assert ws.close_code() == 1002


@pytest.mark.parametrize("frames", [
    frame_of(CONTINUATION, b'{"type":"ping"}'),
    frame_of(CONTINUATION, b'{"type":"ping"}', fin=False),
    frame_of(TEXT, b'{"type":', fin=False) + frame_of(TEXT, b'"ping"}'),
    frame_of(TEXT, b'{"type":', fin=False) + frame_of(BINARY, b'"ping"}')],
    ids=["from nowhere", "from nowhere, open", "text within text", "binary within text"])
def test_c5_fragments_out_of_order(ws, frames):
    ws.raw.send(frames)
    assert ws.close_code() == 1002


SILENT = [  # what ends a connection, and the code of it
    (frame_of(TEXT, b"\xff"), 1007), (frame_of(3, b"x"), 1002), (frame_of(TEXT, b"x", rsv=1), 1002),
    (frame_of(TEXT, b"", length=2**63), 1009), (frame_of(PING, b"", length=126), 1002),
    (frame_of(BINARY, b"x"), 1003), (frame_of(TEXT, b"{"), 4400),
    (frame_of(TEXT, b"x" * 200, length=2**62), 1009), (frame_of(CLOSE, b"\x03\xe8"), 1000)]


@pytest.mark.parametrize("last, code", SILENT, ids=[str(i) for i, _ in enumerate(SILENT)])
def test_c5_nothing_comes_behind_a_close(api, socket, job, last, code):
    """The close is not answered: the server waits for that, and the job goes on."""
    ws = socket(query={"job": job})
    ws.message("connected")
    ws.raw.send(last)
    while ws.next() is not None:
        pass
    assert ws.close_frame[0] == code
    until(lambda: api.report(job, "t")["watchers"] == 0, 4, "the watcher being forgotten")
    api.burst(job, 50)
    ws.raw.half_close()
    assert ws.raw.rest(10) == b""


BAD_CODES = [0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535]


@pytest.mark.parametrize("code", BAD_CODES)
def test_c5_a_bad_close_code(ws, code):
    ws.send_close(code)
    assert ws.close_code() in (1002, None)


def test_c5_a_close_with_half_a_code(ws):
    ws.send_frame(CLOSE, b"\x03")
    assert ws.close_code() in (1002, None)


def test_c5_a_close_reason_that_is_not_utf_8(ws):
    ws.send_close(1000, b"\xff\xfe")
    assert ws.close_code() in (1002, 1007, None)


def test_c5_data_after_a_close_is_not_done(socket, api, job):
    """Again and again: how much of it is in the server's hands with the close is chance."""
    for i in range(50):
        ws = socket()
        ws.raw.send(frame_of(CLOSE, b"\x03\xe8")
                    + frame_of(TEXT, compact(update(f"k{i}", job))) * 100)
        assert ws.close_code() == 1000
    assert api.job(job)["seq"] == 1


def test_c5_two_closes_are_one(ws):
    ws.raw.send(frame_of(CLOSE, b"\x03\xe8") * 2)
    assert ws.close_code() == 1000


@pytest.mark.parametrize("width", [16, 64])
def test_c5_a_length_longer_than_needed_is_understood(ws, width):
    """RFC 6455 asks for the shortest form; the library forgives it, and stays in step.

    With TLS, the frames are read by the server itself, which closes."""
    ws.send_frame(TEXT, ping_message(15), width=width)
    if tls.EVERYWHERE:
        assert ws.close_code() == 1002
    else:
        assert ws.message("pong") and ws.answers()


def test_c5_random_bytes_never_hurt(server, socket):
    for seed in range(100):
        ws = socket()
        ws.raw.send(bytes((i * i * 31 + seed * 97 + (i >> 3)) % 256 for i in range(500)))
        ws.close()
    assert socket().answers()


@pytest.mark.parametrize("cut", [1, 2, 3, 5, 6, 10, 20])
def test_c5_a_frame_that_is_never_finished_leaves_nothing(server, socket, cut):
    before = server.fds()
    ws = socket()
    ws.raw.send(frame_of(TEXT, ping_message(15))[:cut])
    ws.close()
    server.fds_back_to(before, within=5)


@pytest.mark.parametrize("pieces", [1, 2, 3, 7])
def test_c5_frames_in_pieces_of_any_size_are_heard(ws, api, job, pieces):
    data = b"".join(frame_of(TEXT, compact(update(f"k{i}", job, note="n" * (i * 31))))
                    for i in range(20))
    for at in range(0, len(data), pieces * 13):
        ws.raw.send(data[at:at + pieces * 13])
    assert [said["id"] for said in ws.messages("ack", 20)] == [f"k{i}" for i in range(20)]


# -- RFC 6455: fragments and control frames -------------------------------------------------------

def test_rfc_a_message_in_fragments_is_one_message(ws, api, job):
    payload = compact(update("k", job, note="n" * 300))
    ws.raw.send(b"".join(fragments(payload, [1, 0, 2, 125, 126])))
    assert ws.message("ack")["seq"] == 2
    assert api.job(job)["tasks"][0]["note"] == "n" * 300


def test_rfc_control_frames_between_fragments_are_answered_in_between(ws):
    first, second, last = fragments(ping_message(300), [10, 100])
    ws.raw.send(first + frame_of(PING, b"one"))
    assert ws.wait_for_pong() == b"one"
    ws.raw.send(second + frame_of(PONG, b"unasked") + frame_of(PING, b"two"))
    assert ws.wait_for_pong() == b"two"
    ws.raw.send(last)
    assert ws.message("pong")


def test_rfc_a_close_between_fragments_closes(ws):
    ws.send_frame(TEXT, b'{"type":', fin=False)
    ws.send_close(1000)
    assert ws.close_code() == 1000


def test_rfc_many_pings_at_once_do_no_harm(server, ws):
    before = server.rss_kib()
    ws.raw.send(frame_of(PING, b"p" * 125) * 1000)
    assert ws.answers()
    assert server.rss_kib() - before < MIB * 8


def test_rfc_a_pong_nobody_asked_for_is_ignored(ws):
    for payload in (b"", b"x", b"x" * 125):
        ws.send_frame(PONG, payload)
    assert ws.answers()


@pytest.mark.parametrize("mask", [b"\0\0\0\0", b"\xff\xff\xff\xff", b"\x80\x01\x7f\xfe"])
def test_rfc_any_mask_is_taken_off(ws, mask):
    ws.send_frame(TEXT, ping_message(1001), mask=mask)
    assert ws.message("pong")


def test_rfc_text_of_every_length_near_a_border_is_heard(ws):
    for size in [*range(15, 20), *range(120, 131), *range(4090, 4101), 65534, 65535]:
        ws.send_text(ping_message(size))
    assert len(ws.messages("pong", 5 + 11 + 11 + 2)) == 29


# -- C6: dead peers -------------------------------------------------------------------------------

def test_c6_who_answers_no_ping_is_closed_within_two_heartbeats(serve, socket):
    server = serve(heartbeat_ms=400)
    before = server.fds()
    ws = socket(on=server, answer_pings=False)
    until(lambda: server.fds() > before, 2, "the connection being there")
    ws.wait_for_ping()
    server.fds_back_to(before, within=0.4 * 2)


def test_c6_a_hundred_dead_peers_are_gone_and_the_living_stay(serve, client, socket):
    server = serve(heartbeat_ms=500)
    job = client(server).create_job()["id"]
    alive = socket(on=server, query={"job": job})
    alive.message("connected")
    before = server.fds()
    dead = [socket(on=server, query={"job": job}, answer_pings=False) for _ in range(100)]
    deadline = Deadline(5, "the dead being gone")
    while server.fds() > before:
        deadline.left()
        alive.wait_for_ping(within=2)
    assert alive.answers() and all(ws.closed() is None for ws in dead)


def test_c6_messages_count_as_life(serve, socket):
    server = serve(heartbeat_ms=500)
    ws = socket(on=server, answer_pings=False)
    deadline = Deadline(3, "many heartbeats")
    while not deadline.passed():
        assert ws.answers()
        ws.raw.silent_for(0.05)


# -- C8: too much at once -------------------------------------------------------------------------

def test_c8_a_flood_of_updates_is_acked_in_order_and_others_are_served(server, socket, api, job):
    """20,000 pipelined as fast as they go; meanwhile a stream and a request of others."""
    count, quiet = 20_000, api.create_job()["id"]
    flood = socket()
    data = b"".join(frame_of(TEXT, compact(update(f"k{i}", job))) for i in range(count))
    with SseStream(server.address, quiet) as stream:
        stream.connected()
        pump = Pump(flood, data)
        answered = 0
        while answered < count:
            pump.push()
            while (said := pump.said()) is not None:
                assert said["id"] == f"k{answered}", said
                answered += 1
            if answered % 5000 < 50:
                api.report(quiet, "t")
                assert stream.event(within=2).json["jobId"] == quiet
    assert api.job(job)["seq"] == count + 1


class Pump:
    """Sends what the server takes and reads what has come, without waiting on either for long."""

    def __init__(self, ws, data):
        self.ws, self.left = ws, memoryview(data)

    def push(self):
        self.ws.raw.socket.setblocking(False)
        try:
            while self.left:
                self.left = self.left[self.ws.raw.socket.send(self.left[:1 << 16]):]
        except (BlockingIOError, ssl.SSLWantWriteError):
            pass
        self.ws.raw.socket.setblocking(True)
        self.ws.raw.socket.settimeout(10)

    def said(self):
        """The next ack that is there; waits a moment for the first bytes only."""
        raw = self.ws.raw
        if len(raw.buffer) < 200 and raw.silent_for(0.02) and not raw.buffer:
            return None
        return self.ws.message("ack") if raw.buffer else None


def test_c8_a_client_that_never_reads_its_answers_is_read_no_further(serve, client, socket):
    """20,000 updates and not one ack taken: memory stays flat, others are served, none is lost."""
    server = serve()
    api = client(server)
    job, other = api.create_job()["id"], api.create_job()["id"]
    api.burst(job, 256)
    unread = socket(on=server, receive_buffer=4096)
    data = b"".join(frame_of(TEXT, compact(update("i" * 200 + str(i), job))) for i in range(20_000))
    before = server.rss_kib()
    pump = Pump(unread, data)
    seq, still = 0, 0
    while still < 20:       # until it takes no more
        pump.push()
        left = len(pump.left)
        assert api.report(other, "t")["seq"]
        now = api.job(job)["seq"]
        still, seq = (still + 1 if now == seq else 0), now
    assert left > 0 or seq < 20_000, "nothing was held back"
    assert server.rss_kib() - before < MIB * 16 * SCALE
    with WebSocket(server.address) as ws:
        assert ws.update("k", other)["seq"]
    for i in range(20_000):
        pump.push()
        assert unread.message("ack")["id"] == "i" * 200 + str(i)
    assert api.job(job)["seq"] == 257 + 20_000


@pytest.mark.parametrize("count, last", [(200_000, b""), (5000, frame_of(TEXT, b"{", fin=False))],
                         ids=["more than is read", "within a message"])
def test_c8_a_client_that_takes_no_answers_is_closed(serve, socket, count, last):
    """It watches nothing, so that it is no stalled watcher; 5000 answers are more than the sockets hold."""
    server = serve(stall_ms=500, heartbeat_ms=300, body_timeout_ms=400)
    before = server.fds()
    unread = socket(on=server, receive_buffer=4096)
    pump = Pump(unread, frame_of(TEXT, b'{"type":"ping"}') * count + last)
    deadline = Deadline(15, "the connection being closed")
    while server.fds() > before:
        deadline.left()
        with contextlib.suppress(OSError):
            pump.push()
    server.stop()
    assert server.counted()["silent"] == 1


def test_c8_one_who_watches_many_jobs_and_never_reads_costs_little(serve, client, socket):
    server = serve(stall_ms=1000)
    api = client(server)
    jobs = [api.create_job()["id"] for _ in range(50)]
    unread = socket(on=server, receive_buffer=4096)
    unread.send_many([{"type": "subscribe", "jobId": job} for job in jobs])
    until(lambda: api.report(jobs[-1], "t")["watchers"] == 1, 5, "the last subscription")
    before, fds = server.rss_kib(), server.fds()
    for _ in range(5):
        for job in jobs:
            api.burst(job, 20, note="n" * 8192)
    assert server.rss_kib() - before < MIB * 64 * SCALE     # rings of 50 jobs, 256 KiB each
    server.fds_back_to(fds - 1, within=10)


def test_c8_a_flood_of_subscribes_is_no_danger(server, socket, api, snapshot):
    ws = socket()
    before = server.rss_kib()
    ws.send_many([{"type": "subscribe", "jobId": snapshot["id"]}] * 3000)
    assert ws.answers(within=20)
    assert server.rss_kib() - before < MIB * 32 * SCALE
    assert api.report(snapshot["id"], "t")["watchers"] == 1


def test_c8_a_thousand_sockets_come_and_go(server):
    before = server.fds()
    for _ in range(10):
        sockets = [WebSocket(server.address) for _ in range(100)]
        assert all(ws.answers() for ws in sockets)
        for i, ws in enumerate(sockets):
            (ws.close, ws.raw.hang_up, ws.send_close)[i % 3]()
        for ws in sockets:
            ws.close()
    server.fds_back_to(before, within=5)


# -- C9: an unmasked frame ------------------------------------------------------------------------

def test_c9_an_unmasked_frame_is_taken_as_the_library_takes_it(ws):
    """A documented limit: libwebsockets accepts it and tells nobody. It does no harm.

    With TLS, the frames are read by the server itself, which closes."""
    ws.send_frame(TEXT, ping_message(15), mask=None)
    if tls.EVERYWHERE:
        assert ws.close_code() == 1002
    else:
        assert ws.message("pong") and ws.answers()
