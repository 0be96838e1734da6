"""kill -9 while the upkeep is at work: nothing that was answered is lost, and what was half done is not there.

JOBLIGHT_TEST_UPKEEP_ROUNDS (4) is how often each is killed. The seed of the moments is printed.
"""
import contextlib
import os
import random
import sqlite3
import subprocess
import threading
from contextlib import closing

import pytest

from support.api import Api, Lost
from support.command import ok, run, start
from support.server import KILL, Server
from support.wait import until

ROUNDS = int(os.environ.get("JOBLIGHT_TEST_UPKEEP_ROUNDS", "4"))
SEED = int(os.environ.get("JOBLIGHT_TEST_KILL_SEED", "0")) or random.SystemRandom().randrange(1, 10**9)


def sql(db, text):
    with closing(sqlite3.connect(f"file:{db}?mode=ro", uri=True)) as database:
        return database.execute(text).fetchall()


def check(db):
    return ok("db", "check", "--db", db)


class Writer:
    """Reports to a job again and again, over restarts; knows what was answered."""

    def __init__(self, server, job):
        self.server, self.job = server, job
        self.answered, self.refused = [], 0
        self.over = threading.Event()
        self.thread = threading.Thread(target=self._write)
        self.thread.start()

    def _write(self):
        number = 0
        while not self.over.is_set():
            with contextlib.suppress(Lost, OSError), Api(self.server.address) as api:
                while not self.over.is_set():
                    number += 1
                    reply = api.update(self.job, {"taskId": "w", "note": f"n{number}"}, Idempotency_Key=f"k{number}")
                    if reply.status == 200:
                        self.answered.append((reply.json["seq"], f"n{number}"))
                    else:
                        assert reply.status == 503 and reply.header("Retry-After"), reply
                        self.refused += 1

    def stop(self):
        self.over.set()
        self.thread.join()

    def check(self, api):
        log = {event["seq"]: event.get("note") for event in api.activity(self.job)}
        assert self.answered and not [(seq, note) for seq, note in self.answered if log[seq] != note]


def moments():
    print(f"seed {SEED}, {ROUNDS} rounds")
    chance = random.Random(SEED)
    return [chance.uniform(0.02, 0.6) for _ in range(ROUNDS)]


def passes(moment):
    """That much time: the moment of the fault."""
    threading.Event().wait(moment)


def fill(api, job, mebibytes):
    api.create_job(id=job)
    for _ in range(mebibytes * 8):
        assert api.update(job, [{"taskId": f"t{n}", "note": "x" * 8000} for n in range(16)]).status == 200


def test_e1b_kill_9_while_rows_are_removed_and_the_file_shrinks(serve):
    server = serve(retention_ms=1000, retention_events=1, job_retention_ms=4000)
    with Api(server.address) as api:
        work = api.create_job()["id"]
        for i in range(3):
            fill(api, f"old{i}", 2)
            api.finish(f"old{i}")
    writer = Writer(server, work)
    try:
        for moment in moments():
            passes(moment)
            server.restart()
            check(server.db)
        until(lambda: sql(server.db, "SELECT count(*) FROM jobs") == [(1,)], 60, "the old jobs being removed")
        until(lambda: sql(server.db, "PRAGMA freelist_count")[0][0] < 600, 60, "the file becoming smaller")
    finally:
        writer.stop()
    with Api(server.address) as api:
        writer.check(api)
    server.stop()
    check(server.db)
    assert sql(server.db, "SELECT count(*) FROM job_days WHERE status = 4") == [(3,)]


@pytest.fixture
def export(tmp_path):
    """(path of a database, export of a job in it of 4 MiB)"""
    server = Server(tmp_path / "exported").start()
    with Api(server.address) as api:
        fill(api, "large", 4)
        api.finish("large")
    server.stop()
    return server.db, ok("job", "export", "large", "--db", server.db)


def test_e1b_kill_9_of_the_server_while_a_job_is_imported(serve, export):
    server = serve()
    with Api(server.address) as api:
        work = api.create_job()["id"]
    writer = Writer(server, work)
    whole = False
    try:
        for moment in moments():
            process = start("job", "import", "--url", server.url, stdin=subprocess.PIPE)
            with contextlib.suppress(BrokenPipeError):
                process.stdin.write(export[1][:len(export[1]) // 2])
                process.stdin.flush()
            passes(moment / 4)
            server.restart()
            with contextlib.suppress(BrokenPipeError):
                process.stdin.close()
            process.wait()
            process.stderr.close()
            with Api(server.address) as api:
                whole = api.get("/api/jobs/large").status == 200
            assert not whole
            check(server.db)
        ok("job", "import", "--url", server.url, stdin=export[1])
    finally:
        writer.stop()
    assert ok("job", "export", "large", "--url", server.url) == export[1]
    with Api(server.address) as api:
        writer.check(api)
    assert sql(server.db, "SELECT count(*) FROM imports") == [(0,)]


def test_e1b_kill_9_of_an_import_into_a_file(serve, tmp_path, export):
    target = Server(tmp_path / "target").start()
    target.stop()
    for moment in moments():
        process = start("job", "import", "--replace", "--db", target.db, stdin=subprocess.PIPE)
        feeding = threading.Thread(target=feed, args=(process, export[1]))
        feeding.start()
        passes(moment / 2)
        process.send_signal(KILL)
        process.wait()
        feeding.join()
        process.stderr.close()
        check(target.db)
        code, out, _ = run("job", "export", "large", "--db", target.db)
        assert out == export[1] if code == 0 else out == b""
    ok("job", "import", "--replace", "--db", target.db, stdin=export[1])
    server = target.start()
    until(lambda: sql(server.db, "SELECT (SELECT count(*) FROM deleted_jobs) + (SELECT count(*) FROM imports)") == [(0,)],
          60, "what was left being removed")
    server.stop()
    assert ok("job", "export", "large", "--db", target.db) == export[1]


def feed(process, data):
    with contextlib.suppress(BrokenPipeError):
        process.stdin.write(data)
        process.stdin.close()


def test_e1b_kill_9_of_a_backup(serve, export, tmp_path):
    server = serve(db=str(export[0]))
    with Api(server.address) as api:
        work = api.create_job()["id"]
    writer = Writer(server, work)
    copies = []
    try:
        for i, moment in enumerate(moments()):
            copy = tmp_path / f"copy{i}.db"
            process = start("db", "backup", copy, "--db", server.db)
            passes(moment / 3)
            process.send_signal(KILL)
            process.wait()
            process.stderr.close()
            copies.append(copy)
    finally:
        writer.stop()
    for copy in copies:
        if copy.exists():
            check(copy)
        else:
            ok("db", "backup", copy, "--db", server.db)
    with Api(server.address) as api:
        writer.check(api)


def test_e1b_kill_9_of_a_vacuum(export):
    for moment in moments():
        process = start("db", "vacuum", "--db", export[0])
        passes(moment / 4)
        process.send_signal(KILL)
        process.wait()
        process.stderr.close()
        check(export[0])
    assert ok("job", "export", "large", "--db", export[0]) == export[1]


def test_e1b_kill_9_of_a_server_that_rewrites_its_database(serve, export):
    server = serve(db=str(export[0]))
    with Api(server.address) as api:
        work = api.create_job()["id"]
    writer = Writer(server, work)
    try:
        for moment in moments():
            process = start("db", "vacuum", "--url", server.url)
            passes(moment / 3)
            server.restart()
            process.wait()
            process.stderr.close()
            check(server.db)
        before = len(writer.answered)
        assert b"usedBytes" in ok("db", "vacuum", "--url", server.url)
        until(lambda: len(writer.answered) > before, 20, "an answer after it")
    finally:
        writer.stop()
    with Api(server.address) as api:
        writer.check(api)
    assert ok("job", "export", "large", "--url", server.url) == export[1]


def test_streams_go_on_while_a_server_rewrites_its_database(serve, tmp_path, watch_on):
    """One that was made before it could become smaller."""
    old = tmp_path / "old.db"
    with closing(sqlite3.connect(old)) as database:
        database.execute("PRAGMA auto_vacuum = NONE")
        database.execute("CREATE TABLE t (x)")
        database.execute("DROP TABLE t")
    server = serve(db=str(old), job_retention_ms=0)
    with Api(server.address) as api:
        work = api.create_job()["id"]
        fill(api, "gone", 8)
        api.delete("/api/jobs/gone")
        until(lambda: sql(old, "SELECT count(*) FROM job_activity") == [(1,)], 60, "the rows being removed")
    watcher = watch_on(server, work)
    watcher.connected()
    writer = Writer(server, work)
    try:
        until(lambda: len(writer.answered) > 10, 10, "some answers")
        ok("db", "vacuum", "--url", server.url)
        before = len(writer.answered)
        until(lambda: len(writer.answered) > before + 10, 20, "answers after it")
    finally:
        writer.stop()
    seqs = [watcher.event().seq for _ in range(writer.answered[-1][0] - 1)]
    assert seqs == list(range(2, writer.answered[-1][0] + 1))
    server.stop()
    assert old.stat().st_size < 2_000_000 and sql(old, "PRAGMA auto_vacuum") == [(2,)]
    check(old)
