"""The recipes of docs/proxy.md, each run with the real program of Debian's package.

JOBLIGHT_TEST_IDLE_S=60 lets connections be idle as long as a server may leave them.
"""
import concurrent.futures
import contextlib
import os
import re
import socket
import subprocess
import threading

import pytest

from support import proxies, tls
from support.api import Api, hook
from support.doctor import examine
from support.keyed import Keyed, joblight_key
from support.poll import Poller
from support.ports import free_port
from support.raw import Raw, request
from support.server import ROOT
from support.sse import SseStream
from support.wait import Deadline
from support.watcher import TRANSPORTS
from support.wire import Below, full_path
from support.ws import WebSocket

TEXT = (ROOT / "docs" / "proxy.md").read_text()
NAME = "joblight.test"
PATH = "/run/joblight/joblight.sock"
UPSTREAM = "127.0.0.1:3001"
INSTEAD = {   # of the table
    "nginx": ("http://" + UPSTREAM, "http://unix:" + PATH), "caddyfile": (UPSTREAM, "unix/" + PATH),
    "haproxy": (UPSTREAM, "unix@" + PATH), "apache": ("http://" + UPSTREAM + "/", f"unix:{PATH}|http://127.0.0.1/")}
BASE = "/joblight"
BELOW = {     # of the table: the line of the root, and those of a path
    "nginx": {"kept": [("location / {", "location /joblight/ {")],
              "removed": [("location / {", "location /joblight/ {"),
                          (f"proxy_pass http://{UPSTREAM};", f"proxy_pass http://{UPSTREAM}/;")]},
    "caddyfile": {"kept": [(f"reverse_proxy {UPSTREAM}", f"reverse_proxy /joblight/* {UPSTREAM}")],
                  "removed": [(f"reverse_proxy {UPSTREAM}", f"handle_path /joblight/* {{\nreverse_proxy {UPSTREAM}\n}}")]},
    "haproxy": {"kept": [("default_backend joblight", "use_backend joblight if { path_beg /joblight/ }")],
                "removed": [("default_backend joblight", "use_backend joblight if { path_beg /joblight/ }"),
                            ("backend joblight\n", "backend joblight\n    http-request replace-path /joblight(/.*) \\1\n")]},
    "apache": {"kept": [(f"ProxyPass / http://{UPSTREAM}/", f"ProxyPass /joblight/ http://{UPSTREAM}/joblight/")],
               "removed": [(f"ProxyPass / http://{UPSTREAM}/", f"ProxyPass /joblight/ http://{UPSTREAM}/")]}}
IDLE_S = int(os.environ.get("JOBLIGHT_TEST_IDLE_S", "1"))
LARGE = 8 << 20     # bytes of a body


def recipe(language):
    found = re.findall(rf"^```{language}\n(.*?)^```$", TEXT, re.M | re.S)
    assert len(found) == 1
    return found[0]


def replaced(text, *pairs):
    for old, new in pairs:
        assert old in text, old
        text = text.replace(old, new)
    return text


def with_certificate(text, pair):
    return replaced(text, ("/etc/ssl/jobs.example.pem", str(pair.certificate)), ("/etc/ssl/jobs.example.key", str(pair.key)))


def nginx(folder, port, pair, text):
    site = replaced(with_certificate(text, pair), ("listen 443 ssl", f"listen 127.0.0.1:{port} ssl"), ("jobs.example;", f"{NAME};"))
    return proxies.nginx(folder, f"gzip on;\ngzip_types *;\n{site}", port)


def caddyfile(folder, port, pair, text):
    site = replaced(text, ("jobs.example {", f"https://{NAME}:{port}, https://127.0.0.1:{port} {{\n\tbind 127.0.0.1\n\ttls {pair.certificate} {pair.key}"))
    return proxies.caddy(folder, site, port)


def haproxy(folder, port, pair, text):
    both = folder / "both.pem"
    both.write_text(pair.certificate.read_text() + pair.key.read_text())
    config = replaced(text, ("bind :443", f"bind 127.0.0.1:{port}"), ("/etc/haproxy/jobs.example.pem", str(both)))
    return proxies.haproxy(folder, config, port)


def apache(folder, port, pair, text):
    site = replaced(with_certificate(text, pair), ("*:443", f"127.0.0.1:{port}"), ("jobs.example\n", f"{NAME}\n"))
    return proxies.apache(folder, f"AddOutputFilterByType DEFLATE text/event-stream application/json\n{site}", port)


PROXIES = {"apache": apache, "nginx": nginx, "caddyfile": caddyfile, "haproxy": haproxy}


def running(kind, folder, pair, text):
    """The proxy's address, once it answers."""
    address = ("127.0.0.1", free_port())
    return proxies.running(PROXIES[kind](folder, address[1], pair, text), folder, address, pair)


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    return tls.make(tmp_path_factory.mktemp("pair"), NAME, "127.0.0.1")


@pytest.fixture(params=list(PROXIES))
def kind(request):
    return request.param


@pytest.fixture
def folder():
    with proxies.folder_for_all() as made:
        yield made


@pytest.fixture(params=["port", "socket", "kept", "removed"])
def proxied(request, kind, serve, pair, folder):
    """The address of a proxy before a server: at its port, at its Unix socket, and below a path that it keeps or removes."""
    path = str(folder / "jl.sock")
    below = BELOW[kind].get(request.param)
    server = serve(listen=[f"127.0.0.1:0{',plain' if tls.EVERYWHERE else ''}", f"unix:{path},mode=0666"],
                   max_body=2 * LARGE, max_note=40000, heartbeat_ms=IDLE_S * 1000, trusted_proxy=["127.0.0.1", "unix"],
                   base_path=f"{BASE}/" if below else None)
    text = recipe(kind)
    if request.param == "socket":
        text = replaced(replaced(text, INSTEAD[kind]), (PATH, path))
    text = replaced(replaced(text, *below or []), (UPSTREAM, f"127.0.0.1:{server.port}")) if UPSTREAM in text else text
    with running(kind, folder, pair, text) as address:
        yield Below(address, BASE if below else "")


def rows(kind):
    return [line.replace("\\|", "|") for line in TEXT.splitlines()
            if line.lower().startswith(f"| {kind.removesuffix('file')} |")]


def test_the_tables_say_what_to_write(kind):
    below, for_a_socket = rows(kind)
    assert INSTEAD[kind][1] in for_a_socket
    for pairs in BELOW[kind].values():
        for _, new in pairs:
            for line in new.strip().split("\n"):
                assert line.strip().removeprefix("backend joblight") in below


def test_everything_passes(proxied, pair):
    """One proxy is started for all of it."""
    with Api(proxied) as api:
        job = api.create_job()["id"]
        for _ in range(3):
            api.report(job, "t")
        check_streams(proxied, api, job)
        check_sockets(proxied, api, job)
        check_a_large_message(proxied, api)
        check_a_large_body(api)
        check_the_pages(api, job)
        check_nothing_is_compressed(proxied, api, job)
    with Api(proxied) as api:     # a proxy may have closed the other connection
        check_a_stream_over_http_2(proxied, api, pair)
        check_idle_connections(proxied, job)
    found = examine(f"https://127.0.0.1:{proxied[1]}{proxied.path}", "--idle", "0", "--ca-file", pair.certificate)
    assert found.complaints() == {}, "the doctor finds nothing"


def check_streams(address, api, job):
    for name, transport in TRANSPORTS.items():
        with transport(address, job) as watcher:
            watcher.connected()
            for _ in range(3):
                seq = api.report(job, "t")["seq"]
                assert watcher.event(within=2).seq == seq, name    # at once: nothing is kept back


def check_sockets(address, api, job):
    with WebSocket(address) as one:
        one.subscribe(job)
        one.update("key", job)
        assert one.message("task_update")["jobId"] == job
        assert one.ask("ping", "pong").type == "pong"
        one.send_close()
        assert one.close_code() == 1000


def check_a_large_message(address, api):
    job = api.create_job()["id"]
    for at in range(0, 2500, 250):
        assert api.post(hook(job), [{"taskId": f"t{i}", "status": "in_progress", "note": "n" * 1000}
                                    for i in range(at, at + 250)]).status == 200
    with SseStream(address, job, receive_buffer=8192) as stream:
        assert len(stream.connected().json["job"]["tasks"]) == 2500


def check_a_large_body(api):
    notes = [{"taskId": f"t{i}", "note": "n" * 39000} for i in range(LARGE // 39000)]
    assert api.update(api.create_job()["id"], notes).status == 200


def check_the_pages(api, job):
    for path in ("/", f"/jobs/{job}", "/login"):
        reply = api.get(path)
        assert reply.status == 200
        found = re.search(rb'href="(/[^"]*style.css)"', reply.body)
        assert found[1].decode() == f"{getattr(api.address, 'path', '')}/style.css"
    assert api.get("/style.css", Accept_Encoding="gzip").header("Content-Encoding") == "gzip"


def check_nothing_is_compressed(address, api, job):
    with SseStream(address, job, headers=["Accept-Encoding: gzip, br, zstd"]) as stream:
        assert stream.header("Content-Encoding") is None
        stream.connected()


def check_idle_connections(address, job):
    """They stay open while nothing is sent for as long as the server may be silent."""
    with SseStream(address, job) as stream, WebSocket(address) as socket, Poller(address, job) as poller, \
            concurrent.futures.ThreadPoolExecutor() as pool:
        stream.connected()
        socket.subscribe(job)
        cursor = poller.ask().json["cursor"]
        answer = pool.submit(poller.ask, cursor, IDLE_S)
        beat = pool.submit(stream.message, "heartbeat", IDLE_S + 10)
        until_heartbeat(socket)     # reads, because it has to answer what the server sends
        assert socket.ask("ping", "pong").type == "pong"
        assert beat.result(IDLE_S + 10).event == "heartbeat"
        assert answer.result(IDLE_S + 10).status == 200


def until_heartbeat(socket):
    deadline = Deadline(IDLE_S + 10, "a heartbeat on a WebSocket")
    while (said := socket.next(deadline.left(), deadline.what)) is not None and said.type != "heartbeat":
        pass
    assert said, "the WebSocket was closed"


def test_a_login_is_over_https(kind, serve, pair, folder):
    """The server is told so by a proxy that it trusts."""
    db = folder / "keys.db"
    key = joblight_key("create", "--scope", "watch", "--db", db)
    server = serve(db=db, listen=f"127.0.0.1:0{',plain' if tls.EVERYWHERE else ''}", trusted_proxy="127.0.0.1")
    with running(kind, folder, pair, replaced(recipe(kind), (UPSTREAM, f"127.0.0.1:{server.port}"))) as address:
        with Keyed(address) as browser:
            cookie = browser.log_in(key=key)
            assert cookie.startswith("__Host-joblight=")
            assert Keyed(address, cookie).get("/api/session").status == 200


def check_a_stream_over_http_2(address, api, pair):
    job, port = api.create_job()["id"], address[1]
    command = ["curl", "-sSN", "--http2", "--cacert", pair.certificate, "--resolve", f"{NAME}:{port}:127.0.0.1",
               "-o", "/dev/stdout", "-w", "%{http_version}\n", f"https://{NAME}:{port}{full_path(address, '')}/api/jobs/{job}/task-events",
               "-H", "Accept: text/event-stream"]
    curl = subprocess.Popen([str(word) for word in command], stdout=subprocess.PIPE)
    try:
        while b'"connected"' not in (line := curl.stdout.readline()):
            assert line
        api.report(job, "t")
        while b'"task_update"' not in (line := curl.stdout.readline()):
            assert line
        api.finish(job)
        assert curl.communicate(timeout=10)[0].endswith(b"\n2\n")
    finally:
        curl.kill()
        curl.wait()


class Recorder:
    """Stands in for the server, and keeps the head of a request."""

    def __init__(self):
        self.listening = socket.create_server(("127.0.0.1", 0))
        self.heads = []
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        with contextlib.suppress(OSError):
            while True:
                client, _ = self.listening.accept()
                head = b""
                while b"\r\n\r\n" not in head and (piece := client.recv(65536)):
                    head += piece
                self.heads.append(head.decode())
                client.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
                client.close()


def test_the_server_is_told_the_name_and_the_address_of_the_client(kind, pair, folder):
    recorder = Recorder()
    text = replaced(recipe(kind), (UPSTREAM, "127.0.0.1:%d" % recorder.listening.getsockname()[1]))
    try:
        with running(kind, folder, pair, text) as address:
            with Raw(address) as raw:
                raw.send(request("GET", "/", ["Connection: close"], host=f"{NAME}:{address[1]}"))
                assert raw.response().status == 200
    finally:
        recorder.listening.close()
    fields = dict(line.lower().split(": ", 1) for line in recorder.heads[-1].split("\r\n")[1:] if line)
    assert fields["host"] == f"{NAME}:{address[1]}"
    assert fields["x-forwarded-for"] == "127.0.0.1"
    assert fields["x-forwarded-proto"] == "https"
