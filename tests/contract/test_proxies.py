"""The recipes of docs/proxy.md, each run with the real program of Debian's package."""
import contextlib
import os
import re
import signal
import socket
import ssl
import subprocess
import threading

import pytest

from support import tls
from support.api import Api, hook
from support.raw import Raw, request
from support.server import ROOT
from support.sse import SseStream
from support.wait import until
from support.watcher import TRANSPORTS
from support.ws import WebSocket

TEXT = (ROOT / "docs" / "proxy.md").read_text()
NAME = "joblight.test"
PATH = "/run/joblight/joblight.sock"
UPSTREAM = "127.0.0.1:3001"
INSTEAD = {   # of the table
    "nginx": ("http://" + UPSTREAM, "http://unix:" + PATH), "caddyfile": (UPSTREAM, "unix/" + PATH),
    "haproxy": (UPSTREAM, "unix@" + PATH)}


def recipe(language):
    found = re.findall(rf"^```{language}\n(.*?)^```$", TEXT, re.M | re.S)
    assert len(found) == 1
    return found[0]


def replaced(text, *pairs):
    for old, new in pairs:
        assert old in text, old
        text = text.replace(old, new)
    return text


def nginx(folder, port, pair, text):
    site = replaced(text, ("listen 443 ssl", f"listen 127.0.0.1:{port} ssl"), ("jobs.example;", f"{NAME};"),
                    ("/etc/ssl/jobs.example.pem", str(pair.certificate)), ("/etc/ssl/jobs.example.key", str(pair.key)))
    temporary = "".join(f"{kind}_temp_path {folder};\n" for kind in
                        ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    (folder / "nginx.conf").write_text(f"daemon off;\npid {folder}/pid;\nerror_log stderr;\n{as_us()}events {{}}\n"
                                       f"http {{\naccess_log off;\n{temporary}{site}}}\n")
    return ["/usr/sbin/nginx", "-p", folder, "-e", "stderr", "-c", folder / "nginx.conf"]


def as_us():
    """As root, nginx would give its workers to another user, who may not read our files."""
    return "user root;\n" if os.geteuid() == 0 else ""


def caddyfile(folder, port, pair, text):
    site = replaced(text, ("jobs.example {", f"https://{NAME}:{port}, https://127.0.0.1:{port} {{\n\tbind 127.0.0.1\n\ttls {pair.certificate} {pair.key}"))
    (folder / "Caddyfile").write_text("{\n\tadmin off\n\tauto_https disable_redirects\n}\n" + site)
    return ["/usr/bin/caddy", "run", "--adapter", "caddyfile", "--config", folder / "Caddyfile"]


def haproxy(folder, port, pair, text):
    both = folder / "both.pem"
    both.write_text(pair.certificate.read_text() + pair.key.read_text())
    config = replaced(text, ("bind :443", f"bind 127.0.0.1:{port}"), ("/etc/haproxy/jobs.example.pem", str(both)))
    (folder / "haproxy.cfg").write_text(config)
    return ["/usr/sbin/haproxy", "-db", "-f", folder / "haproxy.cfg"]


PROXIES = {"nginx": nginx, "caddyfile": caddyfile, "haproxy": haproxy}


def free_port():
    with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as probe:
        return probe.getsockname()[1]


def answers(address):
    with contextlib.suppress(OSError, ssl.SSLError):
        with tls.secure(socket.create_connection(address, 2), address):
            return True
    return False


@contextlib.contextmanager
def running(kind, folder, pair, text):
    """The proxy's address, once it answers."""
    address = ("127.0.0.1", free_port())
    command = PROXIES[kind](folder, address[1], pair, text)
    home = {**os.environ, "HOME": str(folder), "XDG_DATA_HOME": str(folder), "XDG_CONFIG_HOME": str(folder)}
    with open(folder / "log", "wb") as log:
        process = subprocess.Popen([str(word) for word in command], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                   env=home)
    tls.secured[address] = pair.trusting()
    try:
        until(lambda: process.poll() is not None or answers(address), 30, f"{kind} to listen")
        assert process.poll() is None, (folder / "log").read_text()
        yield address
    finally:
        del tls.secured[address]
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    return tls.make(tmp_path_factory.mktemp("pair"), NAME, "127.0.0.1")


@pytest.fixture(params=list(PROXIES))
def kind(request):
    return request.param


@pytest.fixture(params=["port", "socket"])
def proxied(request, kind, serve, pair, tmp_path_factory):
    """The address of a proxy in front of a server, by its port and by its Unix socket."""
    folder = tmp_path_factory.mktemp("p")
    path = str(folder / "jl.sock")
    listen = ["127.0.0.1:0,plain", f"unix:{path}"] if tls.EVERYWHERE else ["127.0.0.1:0", f"unix:{path}"]
    server = serve(listen=listen, max_body=1 << 20)
    if request.param == "port":
        text = replaced(recipe(kind), (UPSTREAM, f"127.0.0.1:{server.port}"))
    else:
        text = replaced(replaced(recipe(kind), INSTEAD[kind]), (PATH, path))
    with running(kind, folder, pair, text) as address:
        yield address


def test_the_table_says_what_to_write_for_a_socket(kind):
    row = next(line for line in TEXT.splitlines() if line.lower().startswith(f"| {kind.removesuffix('file')}"))
    assert INSTEAD[kind][1] in row


def test_everything_passes(proxied):
    """One proxy is started for all of it."""
    with Api(proxied) as api:
        job = api.create_job()["id"]
        for _ in range(3):
            api.report(job, "t")
        check_streams(proxied, api, job)
        check_sockets(proxied, api, job)
        check_a_large_message(proxied, api)


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


def test_a_stream_over_http_2(proxied, pair):
    with Api(proxied) as api:
        job = api.create_job()["id"]
    port = proxied[1]
    command = ["curl", "-sSN", "--http2", "--cacert", pair.certificate, "--resolve", f"{NAME}:{port}:127.0.0.1",
               "-o", "/dev/stdout", "-w", "%{http_version}\n", f"https://{NAME}:{port}/api/jobs/{job}/task-events",
               "-H", "Accept: text/event-stream"]
    curl = subprocess.Popen([str(word) for word in command], stdout=subprocess.PIPE)
    try:
        while b'"connected"' not in (line := curl.stdout.readline()):
            assert line
        with Api(proxied) as api:
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


def test_the_server_is_told_the_name_and_the_address_of_the_client(kind, pair, tmp_path):
    recorder = Recorder()
    text = replaced(recipe(kind), (UPSTREAM, "127.0.0.1:%d" % recorder.listening.getsockname()[1]))
    try:
        with running(kind, tmp_path, pair, text) as address:
            with Raw(address) as raw:
                raw.send(request("GET", "/", ["Connection: close"], host=f"{NAME}:{address[1]}"))
                assert raw.response().status == 200
    finally:
        recorder.listening.close()
    fields = dict(line.lower().split(": ", 1) for line in recorder.heads[-1].split("\r\n")[1:] if line)
    assert fields["host"] == f"{NAME}:{address[1]}"
    assert fields["x-forwarded-for"] == "127.0.0.1"
