"""What systemd is told: a unit of Type=notify, its watchdog, its reloads (sd_notify(3))."""
import os
import signal
import socket
import subprocess
import time

import pytest

from support.api import Api
from support.notify import NotifySocket
from support.server import BINARY, SETTING, run_to_exit
from support.threads import stopped
from support.wait import until


@pytest.fixture(params=["file", "abstract"])
def any_socket(tmp_path, request, monkeypatch):
    yield from listening(tmp_path, monkeypatch, request.param == "abstract")


@pytest.fixture
def notified(tmp_path, monkeypatch):
    yield from listening(tmp_path, monkeypatch)


def listening(folder, monkeypatch, abstract=False):
    end = NotifySocket(folder, abstract)
    monkeypatch.setitem(SETTING, "NOTIFY_SOCKET", end.name)
    yield end
    end.close()


def test_ready_comes_when_it_serves_and_stopping_when_it_ends(any_socket, serve):
    server = serve()
    fields, pid = any_socket.until("READY")
    assert fields == {"READY": "1", "STATUS": f"Serving {server.url}"} and pid == server.process.pid
    server.stop()
    fields, _ = any_socket.message()
    assert fields == {"STOPPING": "1", "STATUS": "Stopping"}


def test_a_start_that_fails_is_never_ready(notified):
    code, _, _ = run_to_exit(db="/no/such/folder/j.db", listen="127.0.0.1:0")
    assert code == 1 and notified.silent_for(0.1)


@pytest.mark.parametrize("name", ["relative", "@", "/", "/" + "x" * 107, ""])
def test_a_name_that_is_no_socket_is_ignored(serve, monkeypatch, name):
    monkeypatch.setitem(SETTING, "NOTIFY_SOCKET", name)
    with Api(serve().address) as api:
        assert api.get("/healthz").status == 200


def test_a_socket_that_is_full_or_gone_holds_up_nothing(notified, serve):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as filler, pytest.raises(BlockingIOError):
        filler.setblocking(False)
        while True:
            filler.sendto(b"x", notified.name)
    server = serve()
    notified.close()
    os.unlink(notified.name)
    server.signal(signal.SIGHUP)
    until(lambda: "read again" in server.log(), 5, "the reload")


def test_a_reload_is_told_with_its_time_and_its_end(notified, serve):
    server = serve()
    notified.until("READY")
    before = time.monotonic_ns() // 1000
    server.signal(signal.SIGHUP)
    fields, _ = notified.message()
    assert fields["RELOADING"] == "1"
    assert before <= int(fields["MONOTONIC_USEC"]) <= time.monotonic_ns() // 1000
    assert notified.message()[0] == {"READY": "1"}


# -- the watchdog --------------------------------------------------------------------------------
@pytest.fixture
def watched(notified, serve, monkeypatch):
    """A server that is to show life every 200 ms."""
    monkeypatch.setitem(SETTING, "WATCHDOG_USEC", "200000")
    server = serve(loops=2)
    notified.until("READY")
    return server


def test_signs_of_life_come_twice_as_often_as_they_must(notified, watched):
    for _ in range(5):
        assert notified.message(5)[0] == {"WATCHDOG": "1"}
    assert watched.alive


@pytest.mark.parametrize("thread", ["loop", "store"])
def test_a_thread_that_hangs_ends_them_until_it_goes_on(notified, watched, thread):
    notified.message(5)
    with stopped(watched.process.pid, thread):
        until(lambda: notified.drain() or notified.silent_for(1), 15, "silence")
    assert notified.message(5)[0] == {"WATCHDOG": "1"}


@pytest.mark.parametrize("mine", [True, False])
def test_a_watchdog_of_another_process_is_not_fed(notified, tmp_path, mine):
    words = [BINARY, "serve", "--listen", "127.0.0.1:0", "--db", str(tmp_path / "j.db")]
    setting = {**SETTING, "WATCHDOG_USEC": "200000"}
    process = subprocess.Popen(["sh", "-c", 'WATCHDOG_PID=$(($$ + ' + ("0" if mine else "1") + ')) exec "$@"',
                                "sh", *words], env=setting, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    try:
        notified.until("READY")
        assert notified.silent_for(1) is not mine
    finally:
        process.terminate()
        assert process.wait(10) == 0
        process.stdout.close()


def test_without_one_there_are_no_signs_of_life(notified, serve):
    serve()
    notified.until("READY")
    assert notified.silent_for(1.5)
