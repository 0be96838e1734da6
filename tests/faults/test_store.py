"""The store of the real process: a disk that is full, a queue that is, a file that is taken away, a job of
many events that is deleted. What the store thread does by itself is in tests/unit.
"""
import os
import resource
import select
import sqlite3
import subprocess
import sys
from contextlib import ExitStack, closing

import pytest

from support.keyed import Keyed
from support.raw import Raw, json_post
from support.wait import until
from support.watcher import TRANSPORTS


def fill_disk(server):
    """No file of the server grows beyond what its write-ahead log has: what a full disk is to it."""
    limit_files(server, os.path.getsize(f"{server.db}-wal"))


def limit_files(server, size):
    hard = resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE)[1]
    resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (size, hard))


def rows(server, table):
    with closing(sqlite3.connect(server.db)) as database:
        return database.execute(f"SELECT count(*) FROM {table}").fetchone()[0]


def test_e4_a_full_disk_is_503_until_there_is_space(serve, client):
    server = serve()
    api = client(server)
    job = api.create_job()["id"]
    api.report(job, "t", note="before")
    with TRANSPORTS["sse"](server.address, job) as watcher:
        seq = watcher.connected()["job"]["seq"]
        fill_disk(server)
        for _ in range(3):
            reply = api.update(job, {"taskId": "t", "note": "during"}, Idempotency_Key="k")
            assert reply.status == 503, reply
            assert reply.json["code"] == "storage_unavailable"
            assert reply.header("Retry-After")
        assert api.get("/healthz").status == 200
        limit_files(server, resource.RLIM_INFINITY)
        answer = api.update(job, {"taskId": "t", "note": "during"}, Idempotency_Key="k")
        assert answer.status == 200, answer
        event = watcher.event()
        assert (event.json["seq"], event.json["note"]) == (seq + 1, "during")
    assert server.log().count("the store does not take writes") == 1


def test_a_full_disk_uses_up_no_code_and_ends_no_session(serve):
    """What cannot be stored has not happened: the cookie and the code are still good."""
    server = serve()
    with Keyed(server.address) as anyone:
        anyone.key = anyone.post("/api/keys", {"scope": ["admin"]}).json["key"]
        code = anyone.post("/api/login-codes").json["code"]
        anyone.key = anyone.log_in(key=anyone.key)
        fill_disk(server)
        for path, body in (("/logout", None), ("/login", {"code": code})):
            reply = anyone.post(path, body)
            assert reply.status == 503 and reply.json["code"] == "storage_unavailable", reply
            assert reply.header("Set-Cookie") is None
        assert anyone.get("/api/session").status == 200
        limit_files(server, resource.RLIM_INFINITY)
        assert anyone.log_in(code=code)
        assert anyone.post("/logout").status == 204
        assert anyone.get("/api/session").status == 401


def test_e4b_a_full_disk_while_pruning_ends_nobody(serve, client):
    server = serve(retention_ms=1000, idempotency_ms=1000)
    api = client(server)
    job = api.create_job()["id"]
    api.burst(job, 2000)
    api.finish(job)
    fill_disk(server)
    until(lambda: "cannot be removed" in server.log(), 10, "pruning to fail")
    limit_files(server, resource.RLIM_INFINITY)
    until(lambda: rows(server, "job_activity") == 1, 20, "the log being pruned")
    assert server.log().count("cannot be removed") == 1
    server.check()


def test_a_full_queue_is_answered(serve, client):
    server = serve(queued_writes=1)
    job = client(server).create_job()["id"]
    post = json_post(f"/api/agent-hooks/task-update/{job}", b'{"taskId":"t"}')
    with closing(sqlite3.connect(server.db, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")    # the store thread waits for it, and then for the next one
        connections = [Raw(server.address) for _ in range(12)]
        try:
            for raw in connections:
                raw.send(post)
            answers = [raw.response() for raw in connections]
        finally:
            for raw in connections:
                raw.close()
    assert {answer.status for answer in answers} == {503}
    codes = [answer.json["code"] for answer in answers]
    assert "overloaded" in codes and set(codes) <= {"overloaded", "storage_unavailable"}
    assert all(answer.header("Retry-After") for answer in answers)
    assert client(server).report(job, "t")["ok"]


def has_come(raw):
    """Whether there is something to read by now."""
    return bool(select.select([raw.socket], [], [], 0)[0])


def test_a_full_queue_is_answered_at_once(serve, client):
    """While the store waits, one write is in its hand and one in its queue; all others know."""
    server = serve(queued_writes=1, loops=1)
    api = client(server)
    job = api.create_job()["id"]
    post = json_post(f"/api/agent-hooks/task-update/{job}", b'{"taskId":"t"}')
    with closing(sqlite3.connect(server.db, isolation_level=None)) as other, ExitStack() as stack:
        other.execute("BEGIN IMMEDIATE")
        connections = [stack.enter_context(Raw(server.address)) for _ in range(12)]
        for raw in connections:
            raw.send(post)
        for _ in range(2):
            assert api.get("/healthz").status == 200    # the loop has turned since it read them
        assert [has_come(raw) for raw in connections].count(False) <= 2


def test_a_deleted_job_of_many_events_leaves_at_once_and_for_good(serve, client):
    server = serve()
    api = client(server)
    job = api.create_job(id="big")["id"]
    api.burst(job, 30000)
    assert api.delete(f"/api/jobs/{job}").status == 204
    server.restart()    # kill -9, most of its rows are still there
    api = client(server)
    assert api.get(f"/api/jobs/{job}").status == 404
    assert api.get("/api/jobs").json["jobs"] == []
    again = api.create_job(id="big")
    assert again["seq"] == 1
    until(lambda: rows(server, "job_activity") == 1, 60, "the rows being removed")
    assert rows(server, "deleted_jobs") == 0
    assert api.job(job)["seq"] == 1


def noticed(server, api, job):
    """The server has noticed within the second that a file of the database is not where it was."""
    until(lambda: "removed or replaced" in server.log() and f"{job}:2" in server.log(), 1, "the lines in the log")
    reply = api.update(job, {"taskId": "t"})
    assert (reply.status, reply.json["code"]) == (503, "storage_unavailable")
    assert api.get("/healthz").status == 200


@pytest.mark.parametrize("replaced", [False, True])
def test_a_database_file_that_is_taken_away_is_noticed(serve, client, replaced):
    server = serve()
    api = client(server)
    job = api.create_job(id="here")["id"]
    api.report(job, "t")
    aside = server.db.with_name("aside.db")
    server.db.rename(aside)
    if replaced:
        server.db.write_bytes(aside.read_bytes())
    noticed(server, api, job)
    aside.replace(server.db)
    until(lambda: api.update(job, {"taskId": "t"}).status == 200, 5, "writes being taken again")


@pytest.mark.parametrize("replaced", [False, True])
@pytest.mark.parametrize("suffix", ["-wal", "-shm"])
def test_a_file_beside_the_database_that_is_taken_away_is_noticed(serve, client, suffix, replaced):
    server = serve()
    api = client(server)
    job = api.create_job(id="here")["id"]
    api.report(job, "t")
    beside = server.db.with_name(server.db.name + suffix)
    aside = server.db.with_name("aside")
    beside.rename(aside)
    if replaced:
        beside.write_bytes(aside.read_bytes())
    noticed(server, api, job)
    until(lambda: f"{suffix} file was removed" in server.log(), 1, "which file")
    aside.replace(beside)
    until(lambda: api.update(job, {"taskId": "t"}).status == 200, 5, "writes being taken again")


def test_what_was_answered_outlives_a_removed_log(serve, client):
    server = serve()
    api = client(server)
    job = api.create_job(id="here")["id"]
    api.report(job, "t", note="answered")
    for suffix in "-wal", "-shm":
        server.db.with_name(server.db.name + suffix).unlink()
    noticed(server, api, job)
    server.restart()    # kill -9
    assert client(server).job(job)["tasks"][0]["note"] == "answered"
    client(server).report(job, "t", note="later")


READER = """
import signal, sqlite3, sys
database = sqlite3.connect(sys.argv[1], isolation_level=None)
database.execute("BEGIN")
database.execute("SELECT * FROM jobs").fetchall()
print("reads", flush=True)
signal.pause()
"""


@pytest.mark.parametrize("end", ["kill9", "stop"])
def test_a_removed_log_that_another_program_reads_is_there_again(serve, client, end):
    """Nothing of it can be copied into the database while an old state is read."""
    server = serve()
    api = client(server)
    job = api.create_job(id="here")["id"]
    with subprocess.Popen([sys.executable, "-c", READER, server.db], stdout=subprocess.PIPE) as other:
        assert other.stdout.readline() == b"reads\n"
        api.report(job, "t", note="answered")
        server.db.with_name(server.db.name + "-wal").unlink()
        noticed(server, api, job)
        getattr(server, end)()
        other.kill()    # closing normally, it would copy the log
    server.start()
    assert client(server).job(job)["tasks"][0]["note"] == "answered"
    client(server).report(job, "t", note="later")
    with closing(sqlite3.connect(server.db)) as other:
        assert other.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_a_log_that_somebody_put_in_place_is_left_alone(serve, client):
    server = serve()
    api = client(server)
    job = api.create_job(id="here")["id"]
    api.report(job, "t", note="answered")
    log = server.db.with_name(server.db.name + "-wal")
    log.unlink()
    log.write_bytes(b"of somebody else")
    noticed(server, api, job)
    server.stop()
    assert log.read_bytes() == b"of somebody else"
    server.start()
    assert client(server).job(job)["tasks"][0]["note"] == "answered"
