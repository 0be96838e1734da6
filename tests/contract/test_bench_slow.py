"""joblight bench: other clocks, limits, strangers in between, and servers that die."""
import contextlib
import json
import re
import socket
import subprocess
import threading

import pytest

from support import proxies, tls
from support.bench import Figures, SMALL, bench, descriptors, environment, jobs_of, on_a_terminal, trust
from support.keyed import make  # noqa: F401
from support.meddler import Meddler, answer, break_off
from support.ports import free_port
from support.server import BINARY, Server
from support.wait import SCALE


def test_the_clock_of_the_server_may_be_another(server):
    done = subprocess.run(["faketime", "-f", "-2h", BINARY, "bench", *SMALL, *map(str, trust(server)), server.url],
                          capture_output=True, text=True, timeout=60 * SCALE, check=True,
                          env=environment(FAKETIME_DONT_FAKE_MONOTONIC="1"))
    said = Figures(done)
    assert said["commitToReceiveP99Ms"] <= said["receiveP99Ms"] + said["commitToReceiveErrorMs"] + 1, said


def test_without_a_rate_each_worker_sends_as_fast_as_it_is_answered(serve):
    server = serve()
    said = bench("--watchers", "2", "--workers", "4", "--seconds", "1", *trust(server), server.url)
    assert said.status == 0 and said["rate"] == 0 and said["updates"] > 60, said


def test_over_http_2(serve, tmp_path):
    pair = tls.make(tmp_path, "127.0.0.1")
    server = serve(listen=f"127.0.0.1:0{',plain' if tls.EVERYWHERE else ''}", host=None)
    address = ("127.0.0.1", free_port())
    text = (f"server {{ listen 127.0.0.1:{address[1]} ssl http2; ssl_certificate {pair.certificate}; "
            f"ssl_certificate_key {pair.key}; location / {{ proxy_pass http://127.0.0.1:{server.port}; "
            "proxy_http_version 1.1; proxy_set_header Host $http_host; } }\n")
    with proxies.folder_for_all() as folder, proxies.running(proxies.nginx(folder, text, 0), folder, address):
        said = bench(*SMALL, "--ca-file", pair.certificate, f"https://127.0.0.1:{address[1]}/")
    assert said.status == 0 and said["deliveries"] > 0, said


def test_a_terminal_gets_json_if_it_is_asked_for(server):
    status, said = on_a_terminal("--json", *SMALL, *trust(server), server.url)
    assert status == 0 and json.loads(said.splitlines()[-1])["updates"] > 0


def test_descriptors_are_taken_up_to_the_hard_limit(server):
    said = bench("--watchers", "100", "--seconds", "1", "--rate", "10", *trust(server), server.url, before=descriptors(40, 300))
    assert said.status == 0 and said["watchers"] == 100, said


def test_updates_that_are_refused(serve):
    server = serve(all_requests=40, rate_window_ms=1000)
    said = bench("--watchers", "2", "--workers", "8", "--seconds", "1", *trust(server), server.url)
    assert said.status == 1 and said["refusedUpdates"] > 0 and "an update was answered 429: " in said["fault"], said


def test_a_server_that_dies(tmp_path):
    server = Server(tmp_path / "dies").start()
    process = subprocess.Popen([BINARY, "bench", "--watchers", "5", "--seconds", "2", "--rate", "50", *map(str, trust(server)),
                                server.url], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment())
    assert json.loads(process.stdout.readline())["second"] == 1
    server.kill9()
    out, err = process.communicate(timeout=30 * SCALE)
    last = json.loads(out.splitlines()[-1])
    assert process.returncode == 1 and last["brokenStreams"] == 5 and last["refusedUpdates"] > 0, out + err
    assert "could not be ended" in err


class Confusing:
    """A proxy that changes the number of one event on every stream."""

    def __init__(self, server):
        self.target = server.address
        self.listening = socket.create_server(("127.0.0.1", 0))
        self.url = "http://127.0.0.1:%d" % self.listening.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        with contextlib.suppress(OSError):
            while True:
                near, far = self.listening.accept()[0], socket.create_connection(self.target)
                threading.Thread(target=self._pass, args=(near, far), daemon=True).start()
                threading.Thread(target=self._pass, args=(far, near), daemon=True).start()

    @staticmethod
    def _pass(source, target):
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                target.sendall(re.sub(rb"(id: \w+)\.5\n", rb"\1.9\n", data))
            target.shutdown(socket.SHUT_RDWR)


def test_events_that_are_missing_or_come_twice_are_errors(serve):
    server = serve(listen=f"127.0.0.1:0{',plain' if tls.EVERYWHERE else ''}", host=None)
    proxy = Confusing(server)
    said = bench("--watchers", "3", "--workers", "1", "--seconds", "1", "--rate", "20", proxy.url)
    proxy.listening.close()
    assert said["missingEvents"] == 3 * 4 and said["repeatedEvents"] == 3, said    # 9 instead of 5: 5 to 8 are missing, and 6 comes after 9
    assert said.status == 1 and said["fault"]


STREAM = "/api/jobs/[^/]*/task-events"


def plain(serve, **options):
    return serve(listen=f"127.0.0.1:0{',plain' if tls.EVERYWHERE else ''}", host=None, **options)


@pytest.mark.parametrize("rules, status, words", [
    ({STREAM: answer(500, b'{"detail":"broken"}')}, 7, "a stream was answered 500: broken"),
    ({STREAM: break_off}, 6, "a stream was not answered: "),
    ({"/api/jobs$": answer(200)}, 1, "a new job was answered 200"),
    ({"/api/session": answer(404)}, 4, "GET /api/session was answered 404")])
def test_answers_of_a_stranger(serve, rules, status, words):
    server = plain(serve)
    with Meddler(server, rules) as other:
        said = bench(*SMALL, other.url)
    assert said.status == status and words in said.errors and not said.lines, said
    assert jobs_of(server) == []


def test_streams_that_are_not_answered(serve):
    def act(sock):
        while sock.recv(65536):
            pass
    server = plain(serve)
    with Meddler(server, {STREAM: act}) as other:
        said = bench(*SMALL, "--timeout", "1s", other.url)
    assert said.status == 1 and "only 0 of 20 streams opened within 1 s" in said.errors and not said.lines, said
    assert jobs_of(server) == []


def test_events_that_never_arrive_are_missing(serve):
    def act(sock):
        sock.sendall(b"HTTP/1.1 200 X\r\nContent-Type: text/event-stream\r\n\r\n"
                     b'data: {"type":"connected"}\nid: x.1\n\ndata: {"type":"task_update","note":"1"}\nid: broken\nid: x.y\n'
                     b'data: {"type":"task_update","note":"99999999999999999","timestamp":"x"}\n')
        while sock.recv(65536):
            pass
    server = plain(serve)
    with Meddler(server, {STREAM: act}) as other:
        said = bench("--watchers", "2", "--workers", "1", "--seconds", "1", "--rate", "3", other.url)
    assert said.status == 1 and said["missingEvents"] in (2 * said["updates"], 2 * (said["updates"] + 1)), said
    assert said["deliveries"] == 0 and said["receiveP50Ms"] == said["commitToReceiveP99Ms"] == 0
    assert said["fault"] == "events were not received"


def test_events_in_pieces(serve):
    """Lines are put together again."""
    server = plain(serve)

    def act(sock):
        far = socket.create_connection(server.address)
        job = jobs_of(server)[0]["id"]
        far.sendall(f"GET /api/jobs/{job}/task-events HTTP/1.0\r\nHost: a.localhost\r\nAccept: text/event-stream\r\n\r\n".encode())
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with contextlib.suppress(OSError):
            while piece := far.recv(50):
                sock.sendall(piece)
    with Meddler(server, {STREAM: act}) as other:
        said = bench("--watchers", "2", "--workers", "1", "--seconds", "1", "--rate", "30", other.url)
    assert said.status == 0 and said["deliveries"] > 0, said


def test_jobs_that_cannot_be_ended_are_named(serve):
    server = plain(serve)
    with Meddler(server, {r"/api/jobs/bench-\w+$": answer(500)}) as other:
        said = bench(*SMALL, other.url)
    assert f"joblight: the job {jobs_of(server)[0]['id']} could not be ended" in said.errors


def test_the_first_error_is_told_to_people(serve):
    server = serve(all_requests=40, rate_window_ms=1000)
    status, said = on_a_terminal("--watchers", "2", "--workers", "8", "--seconds", "1", *trust(server), server.url)
    assert status == 1 and re.search(r"^the first error: an update was answered 429: ", said, re.M), said
