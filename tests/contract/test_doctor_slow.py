"""joblight doctor: timeouts, TLS, streams that are held back, and strangers in between."""
import contextlib
import re
import socket
import threading

import pytest

from support import proxies, tls
from support.api import Api
from support.doctor import APACHE, BUFFERING, HAPROXY, behind, complaint, examine, nginx, site, trusting  # noqa: F401
from support.keyed import client, db, make, root  # noqa: F401
from support.meddler import Between, Meddler, answer, break_off


def jobs_of(server):
    with Api(server.address) as api:
        return api.get("/api/jobs").json["jobs"]


def test_an_nginx_that_buffers(trusting):
    """It holds back what comes over HTTP/1.0, where a connection that ends is the end of the answer."""
    with nginx(trusting, buffering=BUFFERING, version="") as url:
        found = examine(url, "--idle", "0")
    assert set(found.complaints()) == {"stream", "HTTP version to the server"}, found
    line = found.checks["stream"]
    assert "is held back" in line["says"] and "nginx: proxy_buffering off;" in line["change"]


def test_an_nginx_that_buffers_and_holds_nothing_back_is_in_order(trusting):
    """The chunks of HTTP/1.1 pass at once."""
    with nginx(trusting, buffering=BUFFERING) as url:
        found = examine(url, "--idle", "0")
    assert found.complaints() == {}, found


class Holding(Between):
    """A proxy that passes on everything, except what follows the head of a stream."""

    def _take(self, client):
        server = socket.create_connection(self.target)
        threading.Thread(target=self._pass, args=(server, client, True), daemon=True).start()
        self._pass(client, server, False)

    @staticmethod
    def _pass(source, target, holds):
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                head, end, _ = data.partition(b"\r\n\r\n")
                if holds and b"text/event-stream" in head:
                    target.sendall(head + end)
                    while source.recv(65536):
                        pass
                    break
                target.sendall(data)
            target.shutdown(socket.SHUT_RDWR)


def test_only_the_stream_is_held_back(serve):
    server = serve(host=None, listen=f"127.0.0.1:0{',plain' if tls.EVERYWHERE else ''}")
    with Holding(server) as proxy:
        found = examine(proxy.url, "--idle", "0")
    assert set(found.complaints()) == {"stream", "X-Forwarded-For"}, found
    assert "is held back for more than 2 s" in found.checks["stream"]["says"]


def test_several_things_are_named_each_by_itself(trusting):
    with nginx(trusting, host="", upgrade="", **{"for": ""}) as url:
        found = examine(url, "--idle", "0")
    assert set(found.complaints()) == {"Host", "WebSocket", "X-Forwarded-For"}, found


SHORT = {
    "nginx": (proxies.nginx, site(timeout="proxy_read_timeout 5s;"), 7, 5, "nginx: proxy_read_timeout 120s;"),
    "haproxy": (proxies.haproxy, HAPROXY.replace("@CLIENT", "2s").replace("@SERVER", "2s").replace("@TUNNEL", "2s"), 4, 2,
                "HAProxy: timeout client 120s"),
    "haproxy-tunnel": (proxies.haproxy, HAPROXY.replace("@CLIENT", "60s").replace("@SERVER", "60s").replace("@TUNNEL", "2s"),
                       4, 2, "the WebSocket after"),
    "apache": (proxies.apache, APACHE.replace("@OPTIONS", "upgrade=websocket timeout=2").replace("@MORE", ""), 4, 2,
               "Apache: timeout=120 for ProxyPass"),
}


@pytest.mark.parametrize("kind", list(SHORT))
def test_a_short_timeout_is_measured(kind, trusting):
    program, text, idle, timeout, words = SHORT[kind]
    with behind(program, text, trusting) as url:
        found = examine(url, "--idle", f"{idle}s", *(["--proxy", "haproxy"] if "haproxy" in kind else []))
    complaint(found, "idle", "fail", "are cut when nothing is sent", words)
    cuts = [float(found_s) for found_s in re.findall(r"after ([\d.]+) s", found.checks["idle"]["says"])]
    assert cuts and all(timeout * 0.8 <= cut <= idle for cut in cuts), found


def test_a_pause_that_the_proxy_allows_is_in_order(trusting):
    text = HAPROXY.replace("@CLIENT", "60s").replace("@SERVER", "60s").replace("@TUNNEL", "60s")
    with behind(proxies.haproxy, text, trusting) as url:
        found = examine(url, "--idle", "1s")
    assert found.complaints() == {}, found


def test_without_a_time_it_is_the_heartbeat_of_the_server(serve):
    found = examine(serve(heartbeat_ms=700).url)
    assert found.checks["idle"]["says"] == "a stream and a WebSocket stay open for 1 s", found


def test_an_apache_without_websockets(trusting):
    text = APACHE.replace("@OPTIONS", "").replace("@MORE", "")
    with behind(proxies.apache, text, trusting) as url:
        complaint(examine(url, "--idle", "0"), "WebSocket", "fail", "Apache: upgrade=websocket for ProxyPass")


def test_an_apache_that_compresses(trusting):
    text = APACHE.replace("@OPTIONS", "upgrade=websocket").replace(
        "@MORE", "AddOutputFilterByType DEFLATE text/event-stream")
    with behind(proxies.apache, text, trusting) as url:
        complaint(examine(url, "--idle", "0"), "compression", "fail", "Apache: SetEnv no-gzip 1")


def test_a_caddy_that_waits(trusting):
    text = "http://127.0.0.1:@PORT {\n\tbind 127.0.0.1\n\treverse_proxy @UPSTREAM {\n\t\theader_up Host elsewhere.example\n\t}\n}\n"
    with behind(proxies.caddy, text, trusting) as url:
        found = examine(url, "--idle", "0")
    complaint(found, "Host", "fail", "Caddy: remove header_up Host")


def test_the_lines_of_all_proxies_when_nobody_knows_which_it_is(trusting):
    text = HAPROXY.replace("@CLIENT", "60s").replace("@SERVER", "60s").replace("@TUNNEL", "60s").replace(
        "option forwardfor", "http-request set-header Host 127.0.0.1")
    with behind(proxies.haproxy, text, trusting) as url:
        found = examine(url, "--idle", "0")
        named = examine(url, "--idle", "0", "--proxy", "haproxy")
    assert set(found.complaints()) == {"Host", "X-Forwarded-For"}
    for words in ("nginx: ", "Caddy: ", "HAProxy: ", "Apache: "):
        assert words in found.checks["Host"]["change"]
    assert named.checks["X-Forwarded-For"]["change"] == "(HAProxy: option forwardfor)"


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    return tls.make(tmp_path_factory.mktemp("pair"), "127.0.0.1", tls.NAME)


def over_tls(server, pair, **changed):
    return behind(proxies.nginx, site(pair, **{"listen": "listen 127.0.0.1:@PORT ssl http2;", **changed}), server, "https")


def test_https_is_in_order(trusting, pair):
    with over_tls(trusting, pair) as url:
        found = examine(url, "--idle", "0", "--ca-file", pair.certificate)
    assert found.complaints() == {} and found.checks["HTTP version"]["says"] == "HTTP/2", found
    assert re.match(r"it is in force for another (29|30) days", found.checks["certificate"]["says"])


def test_http_1_1_over_tls(trusting, pair):
    with over_tls(trusting, pair, listen="listen 127.0.0.1:@PORT ssl;") as url:
        found = examine(url, "--idle", "0", "--ca-file", pair.certificate)
    complaint(found, "HTTP version", "warn", "HTTP/1.1", "nginx: listen 443 ssl http2;")


def test_tls_of_the_server_itself_has_no_http_2(serve, pair):
    server = serve(**pair.flags())
    found = examine(server.url, "--idle", "0", "--ca-file", pair.certificate)
    complaint(found, "HTTP version", "warn", "put a proxy before it")
    assert found.checks["X-Forwarded-Proto"]["verdict"] == "ok"


def test_the_server_is_not_told_that_it_is_https(trusting, pair, serve, db, root):
    with over_tls(trusting, pair, proto="") as url:
        found = examine(url, "--idle", "0", "--ca-file", pair.certificate)
    complaint(found, "X-Forwarded-Proto", "warn", "nginx: proxy_set_header X-Forwarded-Proto $scheme;")
    keyed = serve(db=db, listen=f"127.0.0.1:0{',plain' if tls.EVERYWHERE else ''}", trusted_proxy="127.0.0.1")
    with over_tls(keyed, pair, proto="") as url:
        found = examine(url, "--idle", "0", "--ca-file", pair.certificate, key=root)
    complaint(found, "X-Forwarded-Proto", "fail", "it lets nobody log in over http")


def test_a_proxy_that_is_not_trusted_says_in_vain_that_it_is_https(serve, pair):
    server = serve(host=None, listen=f"127.0.0.1:0{',plain' if tls.EVERYWHERE else ''}")
    with over_tls(server, pair) as url:
        found = examine(url, "--idle", "0", "--ca-file", pair.certificate)
    complaint(found, "X-Forwarded-For", "warn", "start joblight with --trusted-proxy 127.0.0.1")
    assert "does not believe it" in found.checks["X-Forwarded-Proto"]["says"]


@pytest.mark.parametrize("days, verdict, words", [({"ended": 3}, "fail", "it expired 3 days ago"), ({"days": 10}, "warn", "it expires in "),
                                                  ({"days": 20}, "ok", "in force for another ")])
def test_the_end_of_a_certificate(trusting, tmp_path, days, verdict, words):
    ending = tls.make(tmp_path, "127.0.0.1", tls.NAME, **days)
    with over_tls(trusting, ending) as url:
        found = examine(url, "--idle", "0", "--ca-file", ending.certificate)
    line = found.checks["certificate"]
    assert line["verdict"] == verdict and words in line["says"], found
    assert set(found.complaints()) <= {"certificate"}


def test_a_certificate_that_is_not_trusted_gets_no_key(trusting, pair):
    with over_tls(trusting, pair) as url:
        found = examine(url, "--idle", "0", key="jl_secret")
    complaint(found, "certificate", "fail", "it is not trusted for 127.0.0.1", "--ca-file")
    assert found.checks["server"]["verdict"] == "skip" and "key" not in found.checks


def send(data):
    """Sends it, and keeps the connection."""
    def act(sock):
        sock.sendall(data)
        while sock.recv(65536):
            pass
    return act


def slowly(server, seconds):
    """Passes a stream on, late."""
    def pass_on(sock, data):
        with contextlib.suppress(OSError):
            sock.sendall(data)

    def act(sock):
        far = socket.create_connection(server.address)
        job = jobs_of(server)[0]["id"]
        far.sendall(f"GET /api/jobs/{job}/task-events HTTP/1.1\r\nHost: a.localhost\r\nAccept: text/event-stream\r\n\r\n".encode())
        with contextlib.suppress(OSError):
            while data := far.recv(65536):
                threading.Timer(seconds, pass_on, [sock, data]).start()
    return act


STREAM = "/api/jobs/[^/]*/task-events"
UPDATE = "/api/agent-hooks/"
UPGRADED = b"HTTP/1.1 101 X\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"
CONNECTED = (b"HTTP/1.1 200 X\r\nContent-Type: text/event-stream\r\n\r\n"
             b'data: {"type":"connected"}\n\n')


MEDDLING = {
    "no such route": ({"/api/connection": answer(404)}, "key", "fail", "is answered 404"),
    "no date": ({"/healthz": answer(200, b'{"status":"ok"}', "Server: nginx")}, "clock", "skip", "the answer has no Date"),
    "a full server": ({"/api/jobs$": answer(503)}, "job", "fail", "the answer is 503"),
    "no stream": ({STREAM: answer(500)}, "stream", "fail", "it is answered 500"),
    "a stream that breaks": ({STREAM: break_off}, "stream", "fail", "it is not answered"),
    "a stream that is cut": ({STREAM: lambda sock: (sock.sendall(CONNECTED), sock.close())}, "stream", "fail", "cut while it is in use"),
    "one message only": ({STREAM: send(CONNECTED)}, "stream", "fail", "an event is held back"),
    "no updates": ({UPDATE: answer(429)}, "stream", "warn", "an update is answered 429"),
    "bodies": ({UPDATE: answer(500)}, "body", "warn", "is answered 500"),
    "no bodies": ({UPDATE: break_off}, "body", "warn", "is not answered"),
    "a silent handshake": ({"/api/ws": answer(200)}, "WebSocket", "fail", "answered 200"),
    "no handshake": ({"/api/ws": break_off}, "WebSocket", "fail", "answered 0"),
    "no answer on it": ({"/api/ws": send(UPGRADED)}, "WebSocket", "fail", "no message gets through"),
    "a close on it": ({"/api/ws": send(UPGRADED + b"\x88\x02\x03\xe8")}, "WebSocket", "fail", "no message gets through"),
    "a large message": ({"/api/ws": send(UPGRADED + b"\x81\x7e\x01\x00" + b"x" * 256 + b"\x81\x7f" + (70000).to_bytes(8, "big")
                                         + b"x" * 70000 + b"\x89\x01p" + b'\x81\x06"pong"')}, "WebSocket", "ok", "a message is answered"),
    "half a message": ({"/api/ws": send(UPGRADED + b"\x81\x7e\x01")}, "WebSocket", "fail", "no message gets through"),
    "polls at once": ({"/api/jobs/[^/]*/updates.wait": answer(200, b"{}")}, "polling", "fail", "answered at once"),
    "no cursor": ({"/api/jobs/[^/]*/updates": answer(500)}, "polling", "skip", "not tested"),
}


@pytest.mark.parametrize("name", list(MEDDLING))
def test_a_meddler(name, serve):
    server = serve(host=None, listen=f"127.0.0.1:0{',plain' if tls.EVERYWHERE else ''}")
    rules, check, verdict, words = MEDDLING[name]
    with Meddler(server, rules) as other:
        found = examine(other.url, "--idle", "300ms")
    assert found.checks[check]["verdict"] == verdict and words in found.checks[check]["says"], found
    assert jobs_of(server) == [], "its job is removed"


def test_events_that_are_late(serve):
    server = serve(host=None, listen=f"127.0.0.1:0{',plain' if tls.EVERYWHERE else ''}")
    with Meddler(server) as other:
        other.rules = {STREAM: slowly(server, 0.8)}
        found = examine(other.url, "--idle", "0")
    line = found.checks["stream"]
    assert line["verdict"] == "warn" and re.match(r"an event arrives \d{3,4} ms after", line["says"]), found


@pytest.mark.parametrize("rules, verdict, words", [
    ({STREAM: answer(500)}, "ok", "a WebSocket stays open"), ({"/api/ws": answer(500)}, "ok", "a stream stays open"),
    ({STREAM: answer(500), "/api/ws": answer(500)}, "skip", "neither a stream nor a WebSocket opens")])
def test_what_is_idle_is_what_opens(serve, rules, verdict, words):
    server = serve(host=None, listen=f"127.0.0.1:0{',plain' if tls.EVERYWHERE else ''}")
    with Meddler(server, rules) as other:
        found = examine(other.url, "--idle", "300ms")
    assert found.checks["idle"]["verdict"] == verdict and words in found.checks["idle"]["says"], found


def test_a_job_that_cannot_be_ended_is_named(serve):
    server = serve(host=None, listen=f"127.0.0.1:0{',plain' if tls.EVERYWHERE else ''}")
    with Meddler(server, {r"/api/jobs/doctor-\w+$": answer(500)}) as other:
        found = examine(other.url, "--idle", "0")
    job, = jobs_of(server)
    assert f"joblight: the job {job['id']} could not be ended" in found.errors


def test_with_watch_only_it_does_what_it_can_and_says_what_it_did_not(serve, db, make, root, client):
    key = make("watch")
    server = serve(db=db)
    everything = client(server, root)
    nothing = examine(server.url, "--idle", "0", key=key)
    for check in ("job", "stream", "compression", "polling", "body", "idle"):
        assert nothing.checks[check]["verdict"] == "skip" and "not tested" in nothing.checks[check]["says"], nothing
    job = everything.create_job()["id"]
    found = examine(server.url, "--idle", "0", key=key)
    assert found.complaints() == {} and job in found.checks["job"]["says"], found
    assert "events are not tested" in found.checks["stream"]["says"]
    assert everything.job(job)["seq"] == 1, "it has changed nothing"
    everything.finish(job)
    ended = examine(server.url, "--idle", "0", key=key)
    assert "has ended" in ended.checks["stream"]["says"] and ended.complaints() == {}, ended


def test_with_watch_only_a_stream_that_is_held_back_is_seen(serve, db, make, root, client):
    key = make("watch")
    server = serve(db=db, listen=f"127.0.0.1:0{',plain' if tls.EVERYWHERE else ''}", trusted_proxy="127.0.0.1")
    client(server, root).create_job()
    with nginx(server, buffering=BUFFERING, version="") as url:
        assert "is held back" in examine(url, "--idle", "0", key=key).complaints()["stream"]["says"]
