"""TLS: what is spoken, which certificate is shown, when it is read again, and all transports over it.

With JOBLIGHT_TEST_TLS=1 the other files run over TLS, too; here is what belongs to TLS itself.
"""
import http.client
import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import time

import pytest

from support import tls
from support.api import Api, hook
from support.raw import Raw, ask, json_post, request
from support.sealed import Sealed
from support.server import run_to_exit
from support.sse import SseStream
from support.wait import SCALE, Deadline, readable, until
from support.watcher import TRANSPORTS
from support.ws import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, WebSocket, frame_of, handshake

HEALTH = request("GET", "/healthz")
LAST = request("GET", "/healthz", ["Connection: close"])


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    return tls.make(tmp_path_factory.mktemp("pair"), "joblight.test", "127.0.0.1")


@pytest.fixture
def secure(serve, pair):
    """secure(**options): a server that speaks TLS."""
    return lambda **options: serve(**{**pair.flags(), **options})


@pytest.fixture
def sealed(secure, pair):
    """A client of a server with short deadlines; both are there until the end."""
    server = secure(header_timeout_ms=1000)
    with Sealed(server.address, pair.trusting()) as client:
        client.server = server
        yield client


def shown_by(address, name=None, trusting=None):
    """The certificate that a server shows to a client that asks for this name."""
    with socket.create_connection(address, 10) as sock:
        given = trusting or unchecked()
        with given.wrap_socket(sock, server_hostname=name) as secured:
            return secured.getpeercert(binary_form=True)


def unchecked():
    made = ssl.create_default_context()
    made.check_hostname, made.verify_mode = False, ssl.CERT_NONE
    return made


def der(certificate):
    return ssl.PEM_cert_to_DER_cert(certificate.read_text())


# -- what is spoken ---------------------------------------------------------------------------
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_the_versions_that_are_spoken(secure, pair, version):
    trusting = ssl.create_default_context(cafile=str(pair.certificate))
    trusting.minimum_version = trusting.maximum_version = version
    with Sealed(secure().address, trusting).handshake() as client:
        client.send(LAST)
        assert client.rest().startswith(b"HTTP/1.1 200 OK\r\n")
        assert client.tls.version() == version.name.replace("_", ".")
        assert client.tls.compression() is None
        assert re.search("GCM|POLY1305", client.tls.cipher()[0])


def test_older_versions_are_not(secure, pair):
    trusting = ssl.create_default_context(cafile=str(pair.certificate))
    trusting.set_ciphers("ALL:@SECLEVEL=0")
    trusting.minimum_version = trusting.maximum_version = ssl.TLSVersion.TLSv1_1
    with pytest.raises(ssl.SSLError, match="(?i)version|alert"):
        Sealed(secure().address, trusting).handshake()


@pytest.mark.parametrize("cipher", ["AES128-GCM-SHA256", "ECDHE-ECDSA-AES128-SHA", "ECDHE-ECDSA-AES256-SHA384"])
def test_ciphers_without_forward_secrecy_or_authentication_are_not(secure, pair, cipher):
    trusting = ssl.create_default_context(cafile=str(pair.certificate))
    trusting.maximum_version = ssl.TLSVersion.TLSv1_2
    trusting.set_ciphers(cipher + ":@SECLEVEL=0")
    with pytest.raises(ssl.SSLError, match="(?i)handshake failure"):
        Sealed(secure().address, trusting).handshake()


@pytest.mark.parametrize("offered, chosen", [
    (["http/1.1"], "http/1.1"), (["h2", "http/1.1"], "http/1.1"), ([], None)])
def test_the_protocol_is_http_1_1(secure, pair, offered, chosen):
    trusting = ssl.create_default_context(cafile=str(pair.certificate))
    if offered:
        trusting.set_alpn_protocols(offered)
    with Sealed(secure().address, trusting).handshake() as client:
        assert client.tls.selected_alpn_protocol() == chosen


def test_a_client_that_speaks_only_something_else_is_told(secure, pair):
    trusting = ssl.create_default_context(cafile=str(pair.certificate))
    trusting.set_alpn_protocols(["h2"])
    with pytest.raises(ssl.SSLError, match="(?i)no application protocol"):
        Sealed(secure().address, trusting).handshake()


def test_a_session_is_resumed_by_a_ticket(secure, pair):
    server, trusting = secure(), pair.trusting()

    def visit(session=None):
        with socket.create_connection(server.address, 10) as sock:
            with trusting.wrap_socket(sock, server_hostname="joblight.test", session=session) as one:
                one.sendall(HEALTH)
                assert one.recv(4096).startswith(b"HTTP/1.1 200")
                return one.session, one.session_reused

    session, reused = visit()
    assert not reused and visit(session)[1]


def test_a_request_without_tls_gets_an_answer_that_says_what_to_do(secure):
    server = secure()
    with Raw(server.address, plain=True) as raw:
        raw.send(HEALTH)
        reply = raw.response()
        assert reply.status == 400 and "https://" in reply.json["detail"]
        assert raw.rest() == b"" and not raw.was_reset
    with Api(server.address) as api:
        assert api.get("/healthz").status == 200


@pytest.mark.parametrize("data", [b"\x00" * 100, b"\x16\x03\x01\x00\x05hello", b"\x80\x2e\x01\x00\x02", b"\n", b"PROXY"])
def test_what_is_neither_ends_the_connection(secure, data):
    server = secure()
    with Raw(server.address, plain=True) as raw:
        raw.send(data + b"\r\n\r\n")
        assert b"HTTP/1.1 200" not in raw.rest()
    assert ask(server.address, HEALTH).status == 200


def test_a_listener_may_be_plain(serve, pair):
    server = serve(listen=["127.0.0.1:0", "127.0.0.1:0,plain"], **pair.flags())
    assert server.scheme == "https" and ask(server.address, HEALTH).status == 200
    assert ask(server.listening[1], HEALTH).status == 200       # by a client that speaks no TLS to it


# -- handshakes -------------------------------------------------------------------------------
def test_a_handshake_a_byte_at_a_time(sealed):
    hello = sealed.hello()
    for at in range(len(hello)):
        sealed.wire.send(hello[at:at + 1])
    sealed.handshake().send(LAST)
    assert sealed.rest().startswith(b"HTTP/1.1 200")


def test_a_head_a_byte_at_a_time_each_in_its_record(sealed):
    sealed.handshake()
    for at in range(len(LAST)):
        sealed.send(LAST[at:at + 1])
    assert sealed.rest().startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize("part", [0, 1, 40, -1])
def test_a_handshake_that_stops_is_ended_at_the_deadline_of_a_head(sealed, part):
    sealed.wire.send(sealed.hello()[:part] if part else b"\x16")
    began = time.monotonic()
    assert sealed.wire.rest(within=8) == b""
    assert 0.5 < time.monotonic() - began < 6


def test_a_client_that_says_nothing_after_the_handshake_is_told_and_ended(sealed):
    sealed.handshake()
    assert sealed.rest(within=8).startswith(b"HTTP/1.1 408")


def test_handshakes_that_stop_keep_nobody_waiting_and_count_as_connections(secure, pair):
    server = secure(max_connections=20, header_timeout_ms=2000)
    idle = [Sealed(server.address, pair.trusting()) for _ in range(20)]
    for client in idle:
        client.wire.send(client.hello()[:50])
    until(lambda: server.fds() > 30, 5, "their arrival")
    reply = ask(server.address, HEALTH)     # over TLS, as everything else
    assert reply.status == 503 and reply.json["code"] == "overloaded"
    for client in idle:
        assert client.wire.rest(within=8) == b""
    until(lambda: ask(server.address, HEALTH).status == 200, 5, "a free place")


def test_a_stream_beyond_the_limit_is_refused_with_an_event(secure, pair):
    server = secure(max_connections=20, header_timeout_ms=60000)
    kept = [Raw(server.address) for _ in range(20)]
    for raw in kept:
        raw.send(HEALTH)
        assert raw.response().status == 200
    with SseStream(server.address, "any") as stream:
        assert stream.status == 200 and "event: refused" in bytes(stream.raw.rest()).decode()
    for raw in kept:
        raw.close()


def test_1000_handshakes_leave_nothing_behind(secure, pair):
    server = secure()
    ask(server.address, HEALTH)
    before = server.fds()
    for at in range(1000):
        client = Sealed(server.address, pair.trusting())
        hello = client.hello()
        client.wire.send(hello[:at % len(hello)])
        client.wire.hang_up()
    server.fds_back_to(before, within=10)
    assert ask(server.address, HEALTH).status == 200


# -- how connections end ----------------------------------------------------------------------
def test_the_end_of_a_connection_is_announced(sealed):
    """Without close_notify a client cannot distinguish the end from an attack (RFC 8446, 6.1)."""
    sealed.handshake().send(LAST)
    assert sealed.rest().startswith(b"HTTP/1.1 200")    # raises if it is not announced


def test_the_end_of_a_refused_connection_is_announced(sealed):
    sealed.handshake().send(b"BAD\r\n\r\n")
    assert sealed.rest().startswith(b"HTTP/1.1 400")


def test_the_end_of_a_stream_is_announced(secure, pair):
    server = secure()
    with Api(server.address) as api:
        job = api.create_job()["id"]
        with Sealed(server.address, pair.trusting()).handshake() as client:
            client.send(request("GET", f"/api/jobs/{job}/task-events", ["Accept: text/event-stream"]))
            assert b"200 OK" in client.read()
            api.finish(job)
            assert b'"end"' in client.rest()


@pytest.mark.parametrize("socket_too", [False, True])
def test_a_client_that_has_ended_its_side_gets_its_answer(secure, pair, socket_too):
    server = secure()
    with Api(server.address) as api:
        job = api.create_job()["id"]
    with Sealed(server.address, pair.trusting()).handshake() as client:
        client.wire.send(client.seal(json_post(hook(job), b'{"taskId":"t","status":"in_progress"}')))
        client.end()
        if socket_too:
            client.wire.half_close()
        assert client.rest().startswith(b"HTTP/1.1 2")


@pytest.mark.parametrize("how", ["tls", "socket", "both"])
def test_a_waiting_poll_whose_client_ends_its_side_is_answered_at_once(secure, pair, how):
    """Whether the client says so in TLS, or only its system does."""
    server = secure()
    with Api(server.address) as api:
        job = api.create_job()
        with Sealed(server.address, pair.trusting()).handshake() as client:
            client.send(request("GET", f"/api/jobs/{job['id']}/updates?wait=30&since={job['cursor']}"))
            until(lambda: api.get("/api/jobs").json["jobs"][0]["watchers"] == 1, 5, "the poll")
            if how != "socket":
                client.end()
            if how != "tls":
                client.wire.half_close()
            answer = client.read(within=5)
            assert answer.startswith(b"HTTP/1.1 200 ") and b'"events":[]' in answer
        until(lambda: api.get("/api/jobs").json["jobs"][0]["watchers"] == 0, 5, "its end")


@pytest.mark.parametrize("stage", ["kept", "poll", "stream", "websocket"])
def test_a_record_that_was_changed_on_its_way_ends_the_connection(secure, pair, stage):
    server = secure()
    with Api(server.address) as api:
        job = api.create_job()
        before = server.fds()
        with Sealed(server.address, pair.trusting()).handshake() as client:
            client.send({"kept": HEALTH, "websocket": handshake(f"/api/ws?job={job['id']}"),
                         "poll": request("GET", f"/api/jobs/{job['id']}/updates?wait=30&since={job['cursor']}"),
                         "stream": request("GET", f"/api/jobs/{job['id']}/task-events")}[stage])
            if stage != "poll":
                assert client.read().startswith(b"HTTP/1.1 ")
            if stage != "kept":
                until(lambda: api.get("/api/jobs").json["jobs"][0]["watchers"] == 1, 5, "the watcher")
            record = bytearray(client.seal(frame_of(TEXT, b'{"type":"ping"}')))
            record[-1] ^= 1
            client.wire.send(bytes(record))
            with pytest.raises((ssl.SSLError, ConnectionError)):
                client.rest()                   # what comes is an alert
        server.fds_back_to(before, within=5)
        assert api.get("/api/jobs").json["jobs"][0]["watchers"] == 0


def test_a_long_chain_of_certificates_reaches_a_slow_reader(serve, pair, tmp_path):
    """The first answer of the handshake is larger than what the system takes at once."""
    chain, text = tmp_path / "chain.pem", pair.certificate.read_text()
    chain.write_text(text * ((1 << 20) // len(text)))
    server = serve(tls_cert=str(chain), tls_key=str(pair.key))
    before = server.fds()
    with Sealed(server.address, pair.trusting(), receive_buffer=2048) as client:
        client.wire.send(client.hello())
        client.wire.exactly(700_000, Deadline(30, "the certificates"))
    server.fds_back_to(before, within=5)


def test_a_stream_ends_when_its_client_ends_its_side(secure, pair):
    server = secure()
    with Api(server.address) as api:
        job = api.create_job()["id"]
        before = server.fds()
        with Sealed(server.address, pair.trusting()).handshake() as client:
            client.send(request("GET", f"/api/jobs/{job}/task-events", ["Accept: text/event-stream"]))
            assert b"200 OK" in client.read()
            client.end()
            server.fds_back_to(before, within=5)


def test_new_keys_of_a_client_do_not_end_its_stream(secure, pair):
    """A record of TLS itself arrives on a stream, whose client says nothing else."""
    server = secure(heartbeat_ms=300)
    with Api(server.address) as api:
        job = api.create_job()["id"]
        client = subprocess.Popen(["openssl", "s_client", "-connect", "%s:%d" % server.address, "-tls1_3"],
                                  stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        try:
            said = bytearray()

            def hears(mark):
                deadline = Deadline(10, mark)
                while mark not in said:
                    readable(client.stdout, deadline)
                    piece = os.read(client.stdout.fileno(), 1 << 16)
                    assert piece, bytes(said)
                    said.extend(piece)
                said.clear()

            hears(b"Verify return code")
            client.stdin.write(f"GET /api/jobs/{job}/task-events HTTP/1.1\r\nHost: localhost\r\n"
                               "Accept: text/event-stream\r\n\r\n".encode())
            client.stdin.flush()
            hears(b'"connected"')
            for command in (b"k\n", b"K\n"):    # the second one asks for new keys of the server, too
                client.stdin.write(command)
                client.stdin.flush()
                hears(b"KEYUPDATE")
                api.report(job, "t")
                hears(b"task_update")
        finally:
            client.kill()
            client.communicate()


# -- transports -------------------------------------------------------------------------------
@pytest.mark.parametrize("loops", [1, 2])
@pytest.mark.parametrize("kind", list(TRANSPORTS))
def test_a_watcher_hears_everything(secure, kind, loops):
    server = secure(loops=loops)
    with Api(server.address) as api:
        job = api.create_job()["id"]
        with TRANSPORTS[kind](server.address, job) as watcher:
            watcher.connected()
            api.burst(job, 256)
            api.burst(job, 256)
            assert [event.seq for event in watcher.events(512)] == list(range(2, 514))


def test_many_requests_on_one_connection_and_all_at_once(secure):
    with Raw(secure().address) as raw:
        for _ in range(50):
            raw.send(HEALTH)
            assert raw.response().status == 200
        raw.send(HEALTH * 50)
        assert [raw.response().status for _ in range(50)] == [200] * 50


def test_a_large_body_and_a_large_answer(secure):
    server = secure()
    with Api(server.address) as api:
        job = api.create_job()["id"]
        for i in range(8):
            api.burst(job, 250, f"task{i}", "n" * 800)
        reply = api.get(f"/api/jobs/{job}/activity?limit=1000")
        assert reply.status == 200 and len(reply.body) > 200_000


def large_job(api, tasks=2500):
    """A job whose first message has more than 2.5 MB."""
    job = api.create_job()["id"]
    for at in range(0, tasks, 250):
        assert 200 == api.post(hook(job), [{"taskId": f"t{i}", "status": "in_progress", "note": "n" * 1000}
                                         for i in range(at, at + 250)]).status
    return job


@pytest.mark.parametrize("kind", list(TRANSPORTS))
def test_a_first_message_of_megabytes_for_a_slow_reader(secure, kind):
    server = secure(max_body=1 << 20)
    with Api(server.address) as api:
        job = large_job(api)
        with TRANSPORTS[kind](server.address, job, slow=True) as watcher:
            assert len(watcher.connected(within=60)["job"]["tasks"]) == 2500
            api.report(job, "t1")
            watcher.event()


def test_pings_between_the_fragments_of_a_large_message_are_answered(secure):
    """Nothing is written inside of a frame: all that arrives is read strictly."""
    server = secure(max_body=1 << 20)
    with Api(server.address) as api:
        job = large_job(api)
    with WebSocket(server.address, receive_buffer=8192) as one:
        one.send("subscribe", jobId=job)
        for _ in range(200):
            one.send_frame(PING, b"between")
        assert len(one.message("connected", within=60)["job"]["tasks"]) == 2500
        assert one.ask("ping", "pong").type == "pong"


@pytest.mark.parametrize("mistake", [{"width": 16}, {"width": 64}, {"mask": None}])
def test_a_frame_that_is_not_written_as_it_must_be_is_1002(secure, mistake):
    """A length that is longer than needed, or no mask: RFC 6455 sections 5.2 and 5.1."""
    with WebSocket(secure().address) as ws:
        assert ws.answers()
        ws.send_frame(TEXT, b'{"type":"ping"}', **mistake)
        assert ws.close_code() == 1002


@pytest.mark.parametrize("frames, code", [
    (frame_of(TEXT, b"x", rsv=4), 1002), (frame_of(3, b"x"), 1002), (frame_of(PING, b"x" * 126), 1002),
    (frame_of(TEXT, b"x", length=1 << 63, width=64), 1009), (frame_of(TEXT, b"x", length=1 << 62, width=64), 1009),
    (frame_of(TEXT, b"\xff"), 1007), (frame_of(TEXT, b"\xc3", fin=False) + frame_of(CONTINUATION, b"(", fin=True), 1007),
    (frame_of(BINARY, b"x"), 1003), (frame_of(TEXT, b"no json"), 4400),
    (frame_of(CLOSE, b"\x03\xe8"), 1000), (frame_of(CLOSE, b"\x0f\xa0bye"), 4000), (frame_of(CLOSE), None),
    (frame_of(CLOSE, b"\x03"), 1002), (frame_of(CLOSE, b"\x03\xed"), 1002), (frame_of(CLOSE, b"\x03\xe8\xff"), 1002),
    (frame_of(CLOSE, b"\x03\xe8") + frame_of(TEXT, b"no json"), 1000)])
def test_a_websocket_is_closed_with_the_same_codes_as_without_tls(secure, frames, code):
    """What comes behind is not read."""
    with WebSocket(secure().address) as ws:
        assert ws.answers()
        ws.raw.send(frame_of(PONG, b"nobody asked") + frames + frame_of(TEXT, b'{"type":"ping"}'))
        closed = ws.closed()
        assert closed and closed[0] == code and ws.raw.ended


@pytest.mark.parametrize("step", [1, 7, 1000])
def test_frames_in_pieces_of_any_size_are_heard_over_tls(secure, step):
    """Control frames between the fragments, too."""
    text = b'{"type":"ping"' + b" " * 200 + b"}"
    data = (frame_of(TEXT, text[:5], fin=False) + frame_of(PING, b"one") + frame_of(CONTINUATION, text[5:150], fin=False) +
            frame_of(PONG) + frame_of(PING) + frame_of(CONTINUATION, text[150:]) + frame_of(TEXT, text))
    with WebSocket(secure().address) as ws:
        for at in range(0, len(data), step):
            ws.raw.send(data[at:at + step])
        assert [ws.message("pong").type for _ in range(2)] == ["pong", "pong"]
        assert ws.pongs[-1] == b"" and set(ws.pongs) <= {b"one", b""}


def test_more_messages_than_may_wait_are_answered_in_order_over_tls(secure):
    """What has arrived beyond the limit is kept until the first answers are there."""
    server = secure(max_pipelined=2)
    with Api(server.address) as api:
        job = api.create_job()["id"]
        with WebSocket(server.address) as ws:
            ws.send_many([{"type": "update", "id": str(n), "jobId": job, "taskId": "t", "note": str(n)} for n in range(300)])
            assert [ws.message("ack")["id"] for _ in range(300)] == [str(n) for n in range(300)]
            ws.send_many([{"type": "update", "id": f"x{n}", "jobId": job, "taskId": "t"} for n in range(300)])
            ws.send_close()
            assert ws.close_code() == 1000
        until(lambda: len(api.activity(job)) == 601, 5, "all updates, which came before the close")


def test_a_websocket_on_a_later_request_of_a_connection(secure):
    with Raw(secure().address) as raw:
        raw.send(HEALTH)
        assert raw.response().status == 200
        raw.send(handshake() + frame_of(TEXT, b'{"type":"ping"}'))     # the first message with it
        status, headers = raw.head_of_response(Deadline(10, "an upgrade"))
        assert status == 101 and ("Sec-WebSocket-Accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=") in headers
        assert raw.exactly(2 + 15, Deadline(10, "a pong")) == b'\x81\x0f{"type":"pong"}'


def test_a_stalled_reader_is_closed_and_keeps_no_memory(secure):
    server = secure(max_body=1 << 20, stall_ms=1000)
    with Api(server.address) as api:
        job = large_job(api)
        fds = server.fds()
        stalled = [SseStream(server.address, job, receive_buffer=4096)]     # the message itself is in memory once
        before = server.rss_kib()
        stalled += [SseStream(server.address, job, receive_buffer=4096) for _ in range(50)]
        assert server.rss_kib() - before < 50 * 64 * SCALE
        server.fds_back_to(fds, within=10)
        for stream in stalled:
            stream.close()


def test_a_stop_tells_every_stream(secure):
    server = secure()
    with Api(server.address) as api:
        job = api.create_job()["id"]
        with SseStream(server.address, job) as stream, WebSocket(server.address) as one:
            stream.connected()
            one.subscribe(job)
            server.signal(signal.SIGTERM)
            assert stream.all_blocks()[-1].retry is not None
            assert one.close_code() == 1012
    assert server.gone() == 0


# -- certificates -----------------------------------------------------------------------------
def test_the_name_that_is_asked_for_chooses_the_certificate(serve, tmp_path):
    pairs = [tls.make(tmp_path, "first.example", stem="1"), tls.make(tmp_path, "second.example", "*.wide.example", stem="2"),
             tls.make(tmp_path, "third.example", stem="3", kind=("rsa:2048",))]
    server = serve(tls_cert=[str(pair.certificate) for pair in pairs], tls_key=[str(pair.key) for pair in pairs])
    shown = [der(pair.certificate) for pair in pairs]
    for name, which in [("first.example", 0), ("second.example", 1), ("SECOND.example", 1), ("a.wide.example", 1),
                        ("third.example", 2), ("a.b.wide.example", 0), ("other.example", 0), (None, 0)]:
        assert shown_by(server.address, name) == shown[which], name


def test_the_intermediate_certificates_are_sent(serve, tmp_path):
    root = tls.make(tmp_path, "root.example", stem="root", usage="keyCertSign")
    middle = tls.signed(tmp_path, "middle", root, "basicConstraints=critical,CA:TRUE", "keyUsage=critical,keyCertSign")
    leaf = tls.signed(tmp_path, "leaf", middle, "subjectAltName=DNS:joblight.test")
    leaf.certificate.write_text(leaf.certificate.read_text() + middle.certificate.read_text())
    server = serve(**leaf.flags())
    with Sealed(server.address, root.trusting()).handshake() as client:
        client.send(LAST)
        assert client.rest().startswith(b"HTTP/1.1 200")


@pytest.fixture
def replaced(serve, tmp_path):
    """A server whose certificate is about to change; its files are `own`."""
    own = tls.make(tmp_path / "own", "joblight.test", "127.0.0.1")
    server = serve(**own.flags())
    server.own = own
    return server


def put(server, pair):
    """Replaces both files, as a program that renews certificates does."""
    for new, old in ((pair.certificate, server.own.certificate), (pair.key, server.own.key)):
        shutil.copy(new, f"{old}.new")
        os.replace(f"{old}.new", old)


def shows(server, pair):
    return shown_by(server.address) == der(pair.certificate)


def test_a_new_certificate_is_shown_when_the_files_change_and_connections_go_on(replaced, tmp_path):
    with Api(replaced.address) as api:
        job = api.create_job()["id"]
        with SseStream(replaced.address, job) as stream:
            stream.connected()
            new = tls.make(tmp_path, "joblight.test", stem="new")
            put(replaced, new)
            until(lambda: shows(replaced, new), 5, "the new certificate")
            api.report(job, "t")
            assert stream.event().json["seq"] == 2


def test_a_hang_up_reads_them_again_too(replaced):
    replaced.signal(signal.SIGHUP)
    until(lambda: "the certificates were read again" in replaced.log(), 5, "its line")


def broken(pair, how, folder):
    """The pair with a mistake."""
    bad = tls.Pair(folder / "bad.pem", folder / "bad.key")
    shutil.copy(pair.certificate, bad.certificate)
    shutil.copy(pair.key, bad.key)
    if how == "other key":
        shutil.copy(tls.make(folder, stem="other").key, bad.key)
    elif how == "no certificate":
        bad.certificate.write_text("nothing\n")
    elif how == "no key":
        bad.key.write_bytes(b"")
    elif how == "cut":
        bad.certificate.write_text(pair.certificate.read_text()[:300])
    elif how == "broken chain":
        bad.certificate.write_text(pair.certificate.read_text() + pair.certificate.read_text()[:300])
    elif how == "large certificate":
        bad.certificate.write_text(pair.certificate.read_text() + "#" * (1 << 20))
    elif how == "large key":
        bad.key.write_text(pair.key.read_text() + "#" * (1 << 20))
    elif how == "encrypted":
        subprocess.run(["openssl", "ec", "-in", pair.key, "-aes128", "-passout", "pass:x", "-out", bad.key],
                       check=True, capture_output=True)
    return bad


BROKEN = {"other key": "the key does not belong to the certificate", "no certificate": "there is no certificate in this file",
          "no key": "there is no private key in this file", "cut": "bad.pem: ", "encrypted": "the key is encrypted",
          "broken chain": "bad.pem: ", "large certificate": "bad.pem: File too large", "large key": "bad.key: File too large"}


@pytest.mark.parametrize("how", list(BROKEN))
def test_a_broken_pair_stops_the_start_and_the_message_names_the_file(pair, tmp_path, how):
    code, out, err = run_to_exit(listen="127.0.0.1:0", db=":memory:", **broken(pair, how, tmp_path).flags())
    assert code == 1 and out == "" and BROKEN[how] in err and "bad." in err, err


@pytest.mark.parametrize("how", list(BROKEN))
def test_a_broken_pair_leaves_the_old_one_in_force_and_the_next_good_one_is_taken(replaced, pair, tmp_path, how):
    before = shown_by(replaced.address)
    put(replaced, broken(pair, how, tmp_path))
    until(lambda: "the old ones stay" in replaced.log(), 5, "its line")
    assert shown_by(replaced.address) == before
    put(replaced, pair)
    until(lambda: shows(replaced, pair), 5, "the new certificate")


def dated(folder, begin, end):
    """A certificate for a time of its own."""
    pair = tls.make(folder, stem="dated")
    (folder / "index").write_text("")
    (folder / "ca.conf").write_text(f"[ca]\ndefault_ca=a\n[a]\ndatabase={folder}/index\nnew_certs_dir={folder}\nrand_serial=yes\n"
                                    "default_md=sha256\npolicy=p\n[p]\ncommonName=supplied\n")
    subprocess.run(["openssl", "req", "-new", "-key", pair.key, "-subj", "/CN=joblight.test", "-out", folder / "csr"],
                   check=True, capture_output=True)
    subprocess.run(["openssl", "ca", "-batch", "-config", folder / "ca.conf", "-selfsign", "-keyfile", pair.key, "-in", folder / "csr",
                    "-out", pair.certificate, "-startdate", begin, "-enddate", end, "-notext"], check=True, capture_output=True)
    return pair


TIMES = {"the certificate has expired": ("20200101000000Z", "20210101000000Z"),
         "the certificate is not valid yet": ("21000101000000Z", "21010101000000Z")}


@pytest.mark.parametrize("says", list(TIMES))
def test_a_certificate_of_another_time_is_served_at_the_start_with_a_warning(serve, tmp_path, says):
    server = serve(**dated(tmp_path / "pair", *TIMES[says]).flags())
    until(lambda: re.search(f"level=warn .*{says}", server.log()), 5, "the warning")
    assert shown_by(server.address)


@pytest.mark.parametrize("says", list(TIMES))
def test_but_never_replaces_another_one(replaced, tmp_path, says):
    before = shown_by(replaced.address)
    put(replaced, dated(tmp_path / "pair", *TIMES[says]))
    until(lambda: says in replaced.log(), 5, "its line")
    assert shown_by(replaced.address) == before


def test_files_that_disappear_leave_the_old_pair_in_force(replaced):
    before = shown_by(replaced.address)
    replaced.own.key.unlink()
    until(lambda: "No such file or directory" in replaced.log(), 5, "its line")
    assert shown_by(replaced.address) == before


@pytest.mark.parametrize("options, says", [
    (("tls_cert",), "there are 1 --tls-cert and 0 --tls-key"), (("tls_key",), "there are 0 --tls-cert and 1 --tls-key")])
def test_a_certificate_needs_its_key(pair, options, says):
    code, _, err = run_to_exit(listen="127.0.0.1:0", db=":memory:", **{name: pair.flags()[name] for name in options})
    assert code == 1 and says in err


@pytest.mark.parametrize("name", ["tls_cert", "tls_key"])
@pytest.mark.parametrize("what, says", [("missing", "No such file or directory"), ("", "Is a directory"),
                                        ("fifo", "it is not a regular file")])
def test_a_file_that_cannot_be_read_is_named(pair, tmp_path, name, what, says):
    if what == "fifo":
        os.mkfifo(tmp_path / "fifo")
    path = str(tmp_path / what)
    code, _, err = run_to_exit(listen="127.0.0.1:0", db=":memory:", **{**pair.flags(), name: path})
    assert code == 1 and path.rstrip("/") in err and says in err


def test_clients_of_the_standard_library_and_curl_agree(secure, pair):
    server = secure()
    connection = http.client.HTTPSConnection(*server.address, context=pair.trusting(), timeout=10)
    connection.request("GET", "/healthz")
    assert connection.getresponse().status == 200
    done = subprocess.run(["curl", "-sS", "--cacert", pair.certificate, "--resolve", f"joblight.test:{server.port}:127.0.0.1",
                           f"https://joblight.test:{server.port}/healthz"], capture_output=True, check=True)
    assert done.stdout == b'{"status":"ok"}\n'


@pytest.mark.parametrize("refused, status", [(b"POST /api/jobs HTTP/1.1\r\nHost: joblight.test\r\n\r\n", 411),
                                             (request("GET", "/api/jobs"), 200)])
def test_a_client_that_ends_its_side_with_its_request_is_answered(secure, pair, refused, status):
    with Sealed(secure().address, pair.trusting()).handshake() as client:
        client.wire.send(client.seal(refused) + client.closing())
        assert client.rest().startswith(b"HTTP/1.1 %d " % status)


def test_what_a_slow_reader_has_not_taken_does_not_pile_up(secure, pair, serve):
    """It takes a few kilobytes at a time, so that it is never blocked for long; the same readers without TLS give
    the measure."""
    grown = {}
    for name, server in (("plain", serve(max_note=65536)), ("tls", secure(max_note=65536))):
        with Api(server.address) as api:
            job = api.create_job(tasks=[{"id": f"t{i}", "title": "T"} for i in range(60)])["id"]
            for i in range(60):
                api.report(job, f"t{i}", note="n" * 60000)
        before = server.rss_kib()
        readers = [SseStream(server.address, job, receive_buffer=4096) for _ in range(8)]
        for _ in range(150):
            for reader in readers:
                reader.raw.fill(Deadline(10, "more of the first message"))
                reader.raw.buffer = b""
        grown[name] = server.rss_kib() - before
        for reader in readers:
            reader.close()
    assert grown["tls"] < grown["plain"] + len(readers) * 256 * SCALE, grown
