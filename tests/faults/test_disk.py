"""E4, E4b, E5: a disk that is full or broken from the Nth write or sync on, for every N, until there is
space again. Writes are 503 meanwhile, everything else goes on, and nothing is done by half.

JOBLIGHT_TEST_FAULT_POINTS (2) is how many points of the long chores are tried; the points are spread
over all of the chore.
"""
import errno
import os
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path

import pytest

import support.server
from support.api import Api, hook
from support.history import History, log_with_texts
from support.load import Crew
from support.metrics import scrape
from support.preload import Faults
from support.problem import assert_problem
from support.server import SETTING, Server
from support.wait import until
from support.watcher import TRANSPORTS
from support.workload import key_of, last_event, seq_of, watch, work

POINTS = int(os.environ.get("JOBLIGHT_TEST_FAULT_POINTS", "2"))
MOST_CALLS = 200            # of the system for one write of a client; it has about a dozen


def integrity(server):
    with closing(sqlite3.connect(server.db)) as database:
        return database.execute("PRAGMA integrity_check").fetchall()


def assert_told_to_come_back(reply):
    assert_problem(reply, 503, "storage_unavailable")
    assert int(reply.header("Retry-After")) >= 1


# -- a real one --------------------------------------------------------------------------------------

SMALL_DISK = 4 << 20


@pytest.fixture
def serve_on_small_disk(serve, tmp_path, monkeypatch):
    """A server with a disk of its own, which ends with it, and the path of a file on this disk."""
    words = ["unshare", "--mount", *([] if os.geteuid() == 0 else ["--map-root-user"])]
    can = subprocess.run([*words, "true"], capture_output=True, text=True, check=False, timeout=30)
    assert can.returncode == 0, f"{' '.join(words)} must be permitted for this test: {can.stderr}"
    disk = tmp_path / "disk"
    disk.mkdir()
    plain = support.server.command
    monkeypatch.setattr(support.server, "command", lambda **options: [
        *words, "sh", "-c", f'mount -t tmpfs -o size={SMALL_DISK} tmpfs "$0" && exec "$@"',
        str(disk), *plain(**options)])
    server = serve(db=str(disk / "joblight.db"))
    return server, Path(f"/proc/{server.process.pid}/root{disk}/filler")


def test_e4_a_small_disk_that_others_fill_is_used_again_when_they_leave(serve_on_small_disk, client):
    server, filler = serve_on_small_disk
    api = client(server)
    job = api.create_job()["id"]
    with TRANSPORTS["sse"](server.address, job) as watcher:
        seq = watcher.connected()["job"]["seq"]
        for n in range(3):
            with open(filler, "wb", buffering=0) as file, pytest.raises(OSError, match="No space"):
                while True:
                    file.write(bytes(4096))
            while (reply := api.update(job, {"taskId": "t", "note": f"{seq}" + "n" * 9000})).status == 200:
                seq += 1                        # in what the log has from before
                assert watcher.event().seq == seq
            assert_told_to_come_back(reply)
            shown = scrape(api)
            assert shown["joblight_store_failing"] == 1 and shown["joblight_commit_failures_total"] > n
            assert api.get("/healthz").status == 200 and api.job(job)["seq"] == seq
            filler.unlink()
            seq = api.report(job, "t", note=f"space again {n}")["seq"]
            assert scrape(api)["joblight_store_failing"] == 0
            assert watcher.event().seq == seq
    assert [event["seq"] for event in api.activity(job)] == list(range(1, seq + 1))


@pytest.mark.parametrize("of, error, says", [
    ("WRITES", errno.ENOSPC, "disk is full"), ("WRITES", errno.EIO, "I/O error"),
    ("SYNCS", errno.EIO, "I/O error")])
def test_e4_a_server_whose_disk_takes_nothing_is_not_ready_and_says_why(serve, client, faults, of, error, says):
    api = client(serve())
    assert api.get("/readyz", Host="localhost").status == 200
    faults.begin(getattr(Faults, of), 0, error=error)
    until(lambda: api.get("/readyz").status == 503, 5, "being not ready")
    told = api.get("/readyz", Host="localhost").json
    assert told["code"] == "not_ready" and says in told["detail"], told
    faults.end()
    until(lambda: api.get("/readyz").status == 200, 5, "being ready again")


# -- every write and every sync of a request ---------------------------------------------------------

def update(api, job, key):
    batch = [{"taskId": f"{key}-{i}", "note": "n" * 5000} for i in range(3)]
    return api.post(hook(job), batch, Idempotency_Key=key), 3


def command(api, job, key):
    return api.post(f"/api/jobs/{job}/commands", {"command": "pause"}, Idempotency_Key=key), 1


def change(api, job, key):
    return api.patch(f"/api/jobs/{job}", {"title": key}, Idempotency_Key=key), 1


REQUESTS = {"update": update, "command": command, "change": change}
FULL = (Faults.WRITES, errno.ENOSPC)
BROKEN = (Faults.WRITES, errno.EIO)
UNSYNCED = (Faults.SYNCS, errno.EIO)


@pytest.mark.parametrize("of, error", [FULL, BROKEN, UNSYNCED], ids=["full", "broken", "unsynced"])
@pytest.mark.parametrize("request_of", REQUESTS)
def test_e4_a_disk_that_fails_at_any_call_of_a_request_stores_nothing(serve, client, faults, of,
                                                                      error, request_of):
    server = serve(heartbeat_ms=100)
    api = client(server)
    job = api.create_job()["id"]
    with TRANSPORTS["sse"](server.address, job) as watcher:
        seq = watcher.connected()["job"]["seq"]
        for n in range(MOST_CALLS):
            key = f"{request_of}{n}"
            faults.begin(of, n, error=error)
            reply, _ = REQUESTS[request_of](api, job, key)
            if faults.hits:
                assert_told_to_come_back(reply)
                assert_told_to_come_back(REQUESTS[request_of](api, job, key)[0])
                assert api.get("/healthz").status == 200
                assert api.job(job)["seq"] == seq, "half done"
                while watcher.next().kind != "heartbeat":
                    pass                        # the stream lives
                faults.end()
                reply, count = REQUESTS[request_of](api, job, key)
            else:
                faults.end()
                count = REQUESTS[request_of](api, job, key)[1]
            assert reply.status < 300, reply
            assert [event.seq for event in watcher.events(count)] == \
                list(range(seq + 1, seq + count + 1))
            seq += count
            if not faults.hits:
                break
        assert 0 < n < MOST_CALLS - 1
    assert [event["seq"] for event in api.activity(job)] == list(range(1, seq + 1))
    server.restart()                            # kill -9: the same log is read from the disk
    assert client(server).job(job)["seq"] == seq
    server.stop()
    assert integrity(server) == [("ok",)]


# -- chores ------------------------------------------------------------------------------------------

def spread(most):
    """POINTS different numbers from 0 to `most`, or as many as there are."""
    return sorted({most * i // max(1, POINTS - 1) for i in range(POINTS)})


def rows(server, table):
    with closing(sqlite3.connect(server.db)) as database:
        return database.execute(f"SELECT count(*) FROM {table}").fetchone()[0]


def is_pruned(server, jobs):
    """Of the log of each of these jobs, and there are no others, only the last event is left."""
    return rows(server, "job_activity") == len(jobs)


@pytest.mark.parametrize("of, error", [FULL, UNSYNCED], ids=["full", "unsynced"])
def test_e4b_a_disk_that_fails_while_old_rows_are_removed_ends_nobody(serve, client, faults, of, error):
    server = serve(retention_ms=1000)
    api = client(server)
    jobs, met = [], 0
    for n in spread(40 if of == Faults.WRITES else 0):
        jobs.append(api.create_job()["id"])
        api.burst(jobs[-1], 1000)
        api.finish(jobs[-1])
        faults.begin(of, n, error=error)
        until(lambda: faults.hits or is_pruned(server, jobs), 20, "the chore")    # it may be a short one
        if faults.hits:
            met += 1
            assert_told_to_come_back(api.post("/api/jobs", {"title": "J"}))
            assert len(api.get(f"/api/jobs/{jobs[-1]}").json["tasks"]) == 1
        faults.end()
        until(lambda: is_pruned(server, jobs), 20, "the log being pruned")
    assert met > 0
    server.stop()
    assert 1 <= server.log().count("cannot be removed") <= POINTS
    assert integrity(server) == [("ok",)]


def fill_log(api, job, size):
    batch = [{"taskId": f"t{n}", "note": "n" * 16000} for n in range(15)]
    for _ in range(size // (15 * 16000) + 1):
        assert api.update(job, batch).status == 200


@pytest.mark.parametrize("of, error", [FULL, BROKEN, UNSYNCED], ids=["full", "broken", "unsynced"])
def test_e4b_a_disk_that_fails_while_the_log_is_copied_loses_nothing(serve, client, faults, of, error):
    """The database itself cannot be written, the log can: every update is still taken."""
    server = serve()
    api = client(server)
    job = api.create_job()["id"]
    for n in spread(400 if of == Faults.WRITES else 0):
        faults.begin(of, n, suffix=".db", error=error)
        while not faults.hits:
            fill_log(api, job, 1 << 20)
        seq = api.report(job, "t", note="meanwhile")["seq"]
        faults.end()
        assert api.report(job, "t", note="later")["seq"] == seq + 1
    before = api.job(job)
    server.restart()
    assert client(server).job(job) == before
    server.stop()
    assert server.logs("cannot be copied")
    assert integrity(server) == [("ok",)]


@pytest.mark.parametrize("of, error", [FULL, UNSYNCED], ids=["full", "unsynced"])
def test_e4b_a_disk_that_fails_at_the_stop_loses_nothing(serve, client, faults, of, error):
    server = serve()
    api = client(server)
    job = api.create_job()["id"]
    fill_log(api, job, 1 << 20)
    before = api.job(job)
    faults.begin(of, error=error)
    server.stop()
    assert faults.end() and "the last checkpoint failed" in server.log()
    server.start()
    assert client(server).job(job) == before
    server.stop()
    assert integrity(server) == [("ok",)]


@pytest.mark.parametrize("of, error", [FULL, UNSYNCED], ids=["full", "unsynced"])
def test_e4_a_disk_that_fails_at_the_start_is_a_refused_start(faults, tmp_path, of, error):
    db = tmp_path / "j.db"
    for n in range(0, MOST_CALLS, 8 if of == Faults.WRITES else 1):
        for file in tmp_path.glob("j.db*"):
            file.unlink()
        faults.begin(of, n, error=error)
        if (exit_code := started(db, faults)) is None:
            break
        code, out, err = exit_code
        assert code == 1 and out == "" and str(db) in err, (n, code, err)
    assert n >= 1, "no start was refused"


def started(db, faults):
    """None when a server starts and stops; else how it ended."""
    server = Server(db.parent / "server", db=str(db))
    try:
        server.start()
    except AssertionError:
        return server.process.wait(), "", server.log()
    faults.end()
    server.stop()
    return None


# -- by chance ---------------------------------------------------------------------------------------
FIU = "/usr/lib/fiu"


def fiu(server, folder, *commands):
    """Tells libfiu in the server what fails from now on."""
    words = [word for line in commands for word in ("-c", line)]
    subprocess.run(["fiu-ctrl", *words, "-f", str(folder / "fiu"), str(server.process.pid)],
                   check=True, timeout=60, capture_output=True)


@pytest.fixture
def serve_with_fiu(serve, tmp_path, monkeypatch):
    monkeypatch.setitem(SETTING, "LD_PRELOAD",
                        f"{FIU}/fiu_run_preload.so {FIU}/fiu_posix_preload.so")
    monkeypatch.setitem(SETTING, "FIU_CTRL_FIFO", str(tmp_path / "fiu"))
    return serve


CALLS = ("posix/io/rw/pwrite", "posix/io/sync/fdatasync", "posix/io/sync/fsync",
         "posix/io/rw/ftruncate")


def test_e5_errors_by_chance_leave_no_answer_without_a_row(serve_with_fiu, tmp_path):
    server = serve_with_fiu()
    with Api(server.address) as api:
        job = api.create_job()["id"]
    history, heads = History(job), {}
    with Crew() as readers, Crew() as writers:
        for name, transport in TRANSPORTS.items():
            readers.hire(watch, server.address, job, name, transport, history, heads, 60)
        for i in range(4):
            writers.hire(work, server.address, job, f"worker{i}", history)
        for n in range(2 * POINTS):
            fiu(server, tmp_path, *(f"enable_random name={name},probability={0.02 * (1 + n % 10)},"
                                    f"failinfo={(errno.EIO, errno.ENOSPC)[n % 2]}" for name in CALLS))
            unknown = tries_of(history, "unknown")
            until(lambda: writers.errors or tries_of(history, "unknown") > unknown + 20, 30, "503s")
            fiu(server, tmp_path, *(f"disable name={name}" for name in CALLS))
            answered = tries_of(history, "ok")
            until(lambda: writers.errors or tries_of(history, "ok") > answered + 20, 30, "answers")
        writers.stop()
        with Api(server.address) as api:
            last_event(api, job, history, heads)
        readers.stop()
    server.restart()                            # kill -9
    with Api(server.address) as api:
        history.check(log_with_texts(api, job), api.job(job), key_of)
    server.stop()
    assert integrity(server) == [("ok",)]


def tries_of(history, outcome):
    with history.lock:
        return sum(one == outcome for tries in history.writes.values() for one, _ in tries)


def test_e5_reads_that_fail_by_chance_are_503(serve_with_fiu, tmp_path):
    server = serve_with_fiu(snapshot_cache=0)
    with Api(server.address) as api:
        jobs = [api.create_job()["id"] for _ in range(20)]
        for job in jobs:
            api.burst(job, 100, note="n" * 1000)
        before = [api.job(job) for job in jobs]
        server.restart()                        # its caches are empty
    with Api(server.address) as api:
        fiu(server, tmp_path, f"enable_random name=posix/io/rw/pread,probability=0.1,failinfo={errno.EIO}")
        seen = {api.get(f"/api/jobs/{job}{what}").status
                for job in jobs for what in ("", "/activity", "/updates")}
        seen |= {api.update(job, {"taskId": "t"}).status for job in jobs}
        fiu(server, tmp_path, "disable name=posix/io/rw/pread")
        assert 503 in seen and seen <= {200, 503}
        for job, old in zip(jobs, before, strict=True):
            assert api.job(job)["seq"] - old["seq"] in (0, 1)
            assert api.report(job, "t", note="works again")
