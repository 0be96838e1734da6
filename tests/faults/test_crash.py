"""Section E of the faults, as far as one process can show it: kill -9 under load, and starts that
must be refused.

JOBLIGHT_TEST_KILL_ROUNDS (50) is how often the server is killed. The seed of the moments is
printed.
"""
import os
import random
import signal
import sqlite3
from contextlib import closing

import pytest

from support.api import Api
from support.history import History, log_with_texts
from support.load import Crew
from support.server import run_to_exit
from support.wait import SCALE, Deadline, until
from support.watcher import TRANSPORTS
from support.workload import key_of, last_event, watch, work

ROUNDS = int(os.environ.get("JOBLIGHT_TEST_KILL_ROUNDS", "50"))
SEED = int(os.environ.get("JOBLIGHT_TEST_KILL_SEED", "0")) or \
    random.SystemRandom().randrange(1, 10**9)
WORKERS = 8


def integrity(server):
    with closing(sqlite3.connect(server.db)) as database:
        return database.execute("PRAGMA integrity_check").fetchall()


def test_e1_kill_9_under_load_loses_nothing_that_was_answered(serve):
    print(f"seed {SEED}, {ROUNDS} rounds")
    chance, server = random.Random(SEED), serve()
    with Api(server.address) as api:
        job = api.create_job()["id"]
    history, heads, starts = History(job), {}, []
    with Crew() as readers, Crew() as writers:
        for i, (name, transport) in enumerate(TRANSPORTS.items()):
            readers.hire(watch, server.address, job, f"{name}{i}", transport, history, heads)
        for i in range(WORKERS):
            writers.hire(work, server.address, job, f"worker{i}", history)
        for _ in range(ROUNDS):
            writers.stopping.wait(chance.uniform(0.05, 0.5))    # the moment of the fault
            assert not writers.errors, writers.errors
            server.restart()
            starts.append(server.took_to_start_s)
        answered_again(history)
        writers.stop()
        with Api(server.address) as api:
            last_event(api, job, history, heads)
        readers.stop()
    with Api(server.address) as api:
        log = log_with_texts(api, job)
        history.check(log, api.job(job), key_of)
    assert len(history.answered()) > ROUNDS, "the load was too small to say anything"
    assert max(starts) < 2 * SCALE, f"slowest start {max(starts):.2f} s"
    server.stop()
    assert integrity(server) == [("ok",)]
    print(f"{len(history.answered())} answered, slowest start {max(starts) * 1000:.0f} ms")


def answered_again(history):
    """Waits until the workers get answers after the last restart."""
    before = len(history.answered())
    until(lambda: len(history.answered()) > before, 10, "answers after the last restart")


def test_e1_the_epoch_and_the_log_are_the_same_after_kill_9(serve):
    server = serve()
    with Api(server.address) as api:
        snapshot = api.create_job()
        api.burst(snapshot["id"], 300)
        before = (api.job(snapshot["id"]), log_with_texts(api, snapshot["id"]))
    server.restart()
    with Api(server.address) as api:
        assert (api.job(snapshot["id"]), log_with_texts(api, snapshot["id"])) == before


def test_e6_a_second_server_on_the_same_database_is_refused(serve, client):
    server = serve()
    code, out, err = run_to_exit(listen="127.0.0.1:0", db=str(server.db))
    assert code > 0 and out == ""
    assert str(server.db) in err and "another" in err, err
    api = client(server)
    job = api.create_job()["id"]
    assert api.report(job, "t")["seq"] == 2


def test_e6_after_a_kill_9_the_database_is_free_again(serve):
    server = serve()
    server.restart()
    assert server.took_to_start_s < 2 * SCALE


def test_e6_a_missing_directory_is_named(tmp_path):
    where = tmp_path / "no" / "such" / "j.db"
    code, out, err = run_to_exit(listen="127.0.0.1:0", db=str(where))
    assert code > 0 and out == "" and str(where) in err


def test_e6_a_file_that_is_no_database_is_named(tmp_path):
    where = tmp_path / "j.db"
    where.write_bytes(b"this is a letter, not a database\n" * 1000)
    code, out, err = run_to_exit(listen="127.0.0.1:0", db=str(where))
    assert code > 0 and out == "" and str(where) in err
    assert where.read_bytes().startswith(b"this is a letter"), "and it is left alone"


@pytest.mark.parametrize("loops", [1, 2])
def test_e6_a_port_in_use_is_named(serve, tmp_path, loops):
    """With SO_REUSEPORT two servers could share a port without a word."""
    server = serve(loops=loops)
    address = f"127.0.0.1:{server.port}"
    code, out, err = run_to_exit(listen=address, db=str(tmp_path / "other.db"), loops=loops)
    assert code > 0 and out == "" and address in err


def test_a_public_address_without_insecure_is_refused(tmp_path):
    for address in ("0.0.0.0:0", "[::]:0"):
        code, out, err = run_to_exit(listen=address, db=str(tmp_path / "j.db"))
        assert code > 0 and out == "" and "--insecure" in err, err


def test_insecure_is_said_at_the_start(serve):
    server = serve(listen="0.0.0.0:0", insecure=True)
    assert "insecure" in server.log().lower() or "open to" in server.log().lower()


def test_e10_a_stopped_and_continued_server_goes_on(serve, client):
    """SIGSTOP, then SIGCONT: what was sent meanwhile is answered, streams live on."""
    server = serve(heartbeat_ms=200)
    api = client(server)
    job = api.create_job()["id"]
    with TRANSPORTS["sse"](server.address, job) as watcher:
        watcher.connected()
        server.signal(signal.SIGSTOP)
        with Crew() as crew:
            crew.hire(lambda _crew: Api(server.address).report(job, "t"))
            deadline = Deadline(0.5, "half a second of standstill")
            until(deadline.passed, 2, "the standstill being over")
            server.signal(signal.SIGCONT)
        assert watcher.event().seq == 2


def test_e10_a_standstill_longer_than_every_timeout_loses_nothing(serve):
    """What 60 s of SIGSTOP are to the default settings, 2 s are to these."""
    server = serve(heartbeat_ms=100, stall_ms=500, header_timeout_ms=1000, body_timeout_ms=500,
                   keepalive_ms=1000, presence_ms=1000, linger_ms=500)
    with Api(server.address) as api:
        job = api.create_job()["id"]
    history, heads = History(job), {}
    with Crew() as readers, Crew() as writers:
        for name, transport in TRANSPORTS.items():
            readers.hire(watch, server.address, job, name, transport, history, heads, 30)
        for i in range(4):
            writers.hire(work, server.address, job, f"worker{i}", history)
        for _ in range(2):
            answered_again(history)
            server.signal(signal.SIGSTOP)
            until(Deadline(2 / SCALE, "a standstill").passed, 10, "the standstill being over")
            server.signal(signal.SIGCONT)
            answered_again(history)
        writers.stop()
        with Api(server.address) as api:
            last_event(api, job, history, heads)
        readers.stop()
    with Api(server.address) as api:
        history.check(log_with_texts(api, job), api.job(job), key_of)
