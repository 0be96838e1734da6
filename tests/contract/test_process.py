"""What the process does with what it inherits and is sent: descriptors, signals."""
import os
import signal
import sqlite3
import subprocess
import time
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from support.api import Api
from support.ports import free_port
from support.raw import Raw, request
from support.server import SETTING, command
from support.wait import SCALE, Deadline, until

STANDARD = {0: "stdin", 1: "stdout", 2: "stderr"}


# -- descriptors that are closed at the start ----------------------------------------------------------

def close_all(numbers):
    for number in numbers:
        os.close(number)


def is_served(address):
    try:
        Raw(address).close()
        return True
    except OSError:
        return False


@contextmanager
def started_without(numbers, db):
    """A server that was started with these descriptors closed; stopped by SIGTERM at the end."""
    address = ("127.0.0.1", free_port())
    words = command(listen=f"{address[0]}:{address[1]}", db=str(db))
    process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                               stderr=subprocess.DEVNULL, env=SETTING,
                               preexec_fn=lambda: close_all(numbers))
    try:
        until(lambda: is_served(address), 10, "the server being there")
        yield address, process.pid
        process.send_signal(signal.SIGTERM)
        assert process.wait(10 * SCALE) == 0
    finally:
        process.kill()
        process.wait()


some_closed = pytest.mark.parametrize("numbers", [[0], [1], [2], [0, 1, 2]],
                                      ids=lambda numbers: "+".join(STANDARD[n] for n in numbers))


@some_closed
def test_closed_standard_descriptors_never_become_a_file(tmp_path, numbers):
    db = tmp_path / "j.db"
    with started_without(numbers, db) as (address, pid):
        for number in numbers:
            assert os.readlink(f"/proc/{pid}/fd/{number}") == "/dev/null"
        with Api(address) as api:
            job = api.create_job()["id"]
            api.report(job, "t", note="kept")
    assert db.read_bytes().startswith(b"SQLite format 3\0")
    with closing(sqlite3.connect(db)) as database:
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert database.execute("SELECT count(*) FROM job_activity").fetchone() == (2,)


@some_closed
def test_closed_standard_descriptors_are_opened_by_the_server_itself(numbers):
    """SQLite takes none of these numbers for a database; sockets and pipes would get them."""
    with started_without(numbers, ":memory:") as (_, pid):
        for number in numbers:
            assert os.readlink(f"/proc/{pid}/fd/{number}") == "/dev/null"


def test_a_lock_file_holds_nothing_of_the_log(tmp_path):
    with started_without([0, 1, 2], tmp_path / "j.db"):
        pass
    assert (tmp_path / "j.db-lock").read_bytes() == b""


# -- signals -------------------------------------------------------------------------------------------

HARMLESS = [signal.SIGUSR1, signal.SIGALRM, signal.SIGQUIT,
            signal.SIGPIPE, signal.SIGVTALRM, signal.SIGPROF, signal.SIGIO, signal.SIGXFSZ]


def is_ignored(pid, number):
    mask = next(line for line in Path(f"/proc/{pid}/status").read_text().splitlines()
                if line.startswith("SigIgn:"))
    return bool(int(mask.split()[1], 16) >> (number - 1) & 1)


@pytest.mark.one_node("it sends signals")
@pytest.mark.parametrize("number", HARMLESS, ids=lambda number: number.name)
def test_a_signal_that_means_nothing_here_does_not_kill(server, api, number):
    assert is_ignored(server.process.pid, number)
    server.signal(number)
    assert api.get("/healthz").status == 200


@contextmanager
def kept_from_stopping(server):
    """An answer that its client does not take, so that a stop takes its whole drain."""
    with Api(server.address) as api:
        job = api.create_job()["id"]
        for i in range(8):
            api.update(job, [{"taskId": f"t{i}-{n}", "note": "n" * 16000} for n in range(16)])
    with closing(Raw(server.address, receive_buffer=4096)) as slow:
        slow.send(request("GET", f"/api/jobs/{job}"))
        assert slow.fill(Deadline(10, "the answer having begun"))
        yield


def test_two_sigterms_at_once_are_one(serve):
    server = serve(drain_ms=2000)
    with kept_from_stopping(server):
        server.signal(signal.SIGTERM)
        until(lambda: "msg=stopping" in server.log(), 5, "the first one being heard")
        server.signal(signal.SIGTERM)
        assert server.gone() == 0
    assert "at once" not in server.log()


def test_a_sigterm_more_than_a_second_after_the_first_stops_at_once(serve):
    server = serve(drain_ms=9000)
    with kept_from_stopping(server):
        began = time.monotonic()
        code = until(lambda: sigterm_again(server), 5, "the end")
        assert code == 1 and time.monotonic() - began > 1
    assert server.logs("stopped at once by a second signal")
    server.bury()


def sigterm_again(server):
    server.signal(signal.SIGTERM)
    return server.process.poll()
