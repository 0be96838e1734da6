"""`joblight db`: backup, copy, check, statistics, migrate, new-epoch, prune and vacuum."""
import json
import os
import shutil
import sqlite3
import threading
from contextlib import closing
from pathlib import Path

import pytest

from support.api import Api
from support.command import ok, refused, run
from support.server import Server
from support.wait import until

pytestmark = pytest.mark.sqlite("it damages, copies and reads files")     # of PostgreSQL: tests/cluster/test_db_*.py

SCHEMAS = Path(__file__).resolve().parents[1] / "support/schemas"


def sql(db, text):
    with closing(sqlite3.connect(db)) as database:
        rows = database.execute(text).fetchall()
        database.commit()
    return rows


@pytest.fixture
def stopped(tmp_path):
    """A database with two jobs, one of them ended, that no server uses: its path."""
    server = Server(tmp_path / "made").start()
    with Api(server.address) as api:
        for job in ("going", "over"):
            api.create_job(id=job, tasks=[{"id": "t"}])
            api.burst(job, 20)
            api.post(f"/api/jobs/{job}/deliverables", {"id": "d", "title": "D"})
        api.finish("over")
    server.stop()
    return server.db


# -- copy: tests/cluster/test_db_copy.py has PostgreSQL -------------------------------------------

def test_a_database_is_copied_into_another_file(stopped, tmp_path, serve, client):
    before = stopped.read_bytes()
    out = ok("db", "copy", stopped, tmp_path / "copy.db").decode()
    assert out.startswith(f"{tmp_path / 'copy.db'}: 2 jobs with 45 events, ") and out.count("\n") == 1
    assert f" are those of {stopped}: 2 jobs were copied, 0 were there" in out
    assert b": 0 jobs were copied, 2 were there" in ok("db", "copy", tmp_path / "copy.db", "--db", stopped)
    assert sql(stopped, "SELECT * FROM job_activity ORDER BY job, seq") == sql(
        tmp_path / "copy.db", "SELECT * FROM job_activity ORDER BY job, seq")
    assert len(stopped.read_bytes()) == len(before)
    for db in (stopped, tmp_path / "copy.db"):
        server = serve(db=db)
        assert client(server).activity("going")[-1]["seq"] == 22 == client(server).report("going", "t")["seq"] - 1


def test_a_copy_is_refused_where_it_cannot_be_made(stopped, serve, tmp_path):
    server = serve()
    assert f"(pid {server.process.pid})" in refused("db", "copy", stopped, server.db)
    assert f"(pid {server.process.pid})" in refused("db", "copy", server.db, tmp_path / "copy.db")
    assert not (tmp_path / "copy.db").exists()
    assert "name a file" in refused("db", "copy", stopped, ":memory:")
    assert "does not exist; make it first" in refused("db", "copy", stopped, tmp_path / "no" / "copy.db")
    assert "No such file" in refused("db", "copy", tmp_path / "no.db", tmp_path / "copy.db")


# -- check ---------------------------------------------------------------------------------------

def test_a_sound_database_is_checked_without_a_change(stopped):
    before = stopped.read_bytes()
    out = ok("db", "check", "--db", stopped).decode()
    assert "no faults; 2 jobs, 2 of them compared with their whole log, 45 events" in out
    assert stopped.read_bytes() == before


def test_the_database_of_a_running_server_is_checked(serve, client):
    server = serve()
    api = client(server)
    job = api.create_job()["id"]
    api.burst(job, 5)
    assert b"no faults; 1 jobs" in ok("db", "check", "--db", server.db)
    api.report(job, "t")


@pytest.mark.parametrize("damage, words", [
    ("UPDATE tasks SET title = 'other' WHERE id = 't' AND job = 1", "job going: line 24: the task is not"),
    ("UPDATE tasks SET progress = 50 WHERE id = 'burst' AND job = 2", "job over: line 26: the task is not"),
    ("DELETE FROM tasks WHERE id = 'burst' AND job = 1", "job going: "),
    ("DELETE FROM job_activity WHERE job = 1 AND seq = 7", "job going: an event is missing after 6"),
    ("DELETE FROM job_activity WHERE job = 2 AND seq = 23", "job over: an event is missing after 22, and the last one is 23"),
    ("DELETE FROM job_activity WHERE job = 1 AND seq = 1", "job going: an event is missing after 0"),
    ("UPDATE jobs SET status = 2 WHERE id = 'going'", "job going: line 27: the job is not"),
    ("UPDATE jobs SET status = 5 WHERE id = 'going'", "1 jobs have an end without a status"),
    ("UPDATE jobs SET seq = 30 WHERE id = 'going'", "job going: an event is missing after 22"),
    ("UPDATE jobs SET seq = 21 WHERE id = 'going'", "1 events are outside of the log of their job"),
    ("UPDATE jobs SET tasks = 9 WHERE id = 'going'", "job going: it has another number of tasks"),
    ("UPDATE job_activity SET json = replace(json, 'n19', 'n20') WHERE job = 1 AND seq = 21", "job going: line 25"),
    ("UPDATE job_activity SET json = 'no' WHERE job = 1 AND seq = 3", "job going: line 4: "),
    ("UPDATE deliverables SET title = 'E' WHERE job = 1", "job going: line 27: the deliverables are not"),
    ("INSERT INTO tasks SELECT 99, position, id, status, progress, attempt, heartbeat_ms, stalled, stall_at, created, "
     "updated, started, ended, title, note FROM tasks WHERE job = 1", "2 tasks belong to no job"),
    ("INSERT INTO deleted_jobs VALUES (1)", "1 jobs are also deleted or being imported"),
])
def test_each_fault_is_named(stopped, damage, words):
    with closing(sqlite3.connect(stopped)) as database:
        database.executescript(damage)
        database.commit()
    err = refused("db", "check", "--db", stopped)
    assert words in err and "it has faults; restore a backup" in err


def test_a_damaged_page_is_found(stopped):
    with open(stopped, "r+b") as file:
        size = os.path.getsize(stopped)
        for page in range(4096 * 3, size, 4096 * 2):
            file.seek(page + 100)
            file.write(b"\xff" * 3000)
    code, out, err = run("db", "check", "--db", stopped)
    assert (code, out) == (1, b"") and err


# -- backup --------------------------------------------------------------------------------------

def test_a_backup_is_made_while_the_server_writes(serve, client, tmp_path):
    server = serve()
    api = client(server)
    job = api.create_job()["id"]
    api.burst(job, 2000, note="x" * 300)
    writing = threading.Event()

    def write():
        with Api(server.address) as other:
            while not writing.is_set():
                other.report(job, "busy")

    thread = threading.Thread(target=write)
    thread.start()
    try:
        seen = api.job(job)["seq"]
        out = ok("db", "backup", tmp_path / "copy.db", "--db", server.db)
    finally:
        writing.set()
        thread.join()
    assert b"no faults; 1 jobs, 1 of them compared" in out
    assert sql(tmp_path / "copy.db", "SELECT seq >= 2001 FROM jobs") == [(1,)]
    assert sql(tmp_path / "copy.db", "SELECT seq FROM jobs")[0][0] >= seen
    assert sorted(p.name for p in tmp_path.glob("copy*")) == ["copy.db"]
    assert (tmp_path / "copy.db").stat().st_mode & 0o007 == 0


def test_a_backup_replaces_no_file(stopped, tmp_path):
    there = tmp_path / "there.db"
    there.write_bytes(b"mine")
    err = refused("db", "backup", there, "--db", stopped)
    assert f"cannot write {there}: there is a file of this name" in err
    assert there.read_bytes() == b"mine"
    link = tmp_path / "link.db"
    link.symlink_to(tmp_path / "nowhere")
    assert "there is a file of this name" in refused("db", "backup", link, "--db", stopped)


def test_a_backup_into_a_directory_that_is_missing_or_read_only_is_refused_in_words(stopped, tmp_path):
    assert "No such file or directory" in refused("db", "backup", tmp_path / "no" / "b.db", "--db", stopped)
    err = refused("db", "backup", "/proc/b.db", "--db", stopped)
    assert "cannot write /proc/b.db.part" in err


def test_a_full_disk_leaves_no_file(serve, client, tmp_path):
    server = serve()
    api = client(server)
    api.burst(api.create_job()["id"], 3000, note="x" * 200)
    folder = tmp_path / "backups"
    folder.mkdir()
    err = refused("db", "backup", folder / "b.db", "--db", server.db, largest_file=300_000)
    assert "cannot copy to" in err
    assert list(folder.iterdir()) == []


def test_a_backup_with_faults_is_not_kept(stopped, tmp_path):
    sql(stopped, "UPDATE tasks SET title = 'other' WHERE id = 't' AND job = 1")
    folder = tmp_path / "backups"
    folder.mkdir()
    err = refused("db", "backup", folder / "b.db", "--db", stopped)
    assert "job going: line 24" in err and "the copy has faults" in err
    assert list(folder.iterdir()) == []


def test_what_a_crash_has_left_of_a_backup_does_not_matter(stopped, tmp_path):
    (tmp_path / "b.db.part").write_bytes(b"half a file" * 100_000)
    ok("db", "backup", tmp_path / "b.db", "--db", stopped)
    assert not (tmp_path / "b.db.part").exists()
    ok("db", "check", "--db", tmp_path / "b.db")


# -- restore, new-epoch --------------------------------------------------------------------------

def test_clients_of_a_restored_backup_are_reset(serve, watch_on, client, tmp_path):
    server = serve()
    api = client(server)
    snapshot = api.create_job()
    job = snapshot["id"]
    api.report(job, "before")
    ok("db", "backup", tmp_path / "b.db", "--db", server.db)
    api.report(job, "after")
    lost = f"{snapshot['epoch']}.3"
    server.stop()
    shutil.copy(tmp_path / "b.db", server.db)
    assert b"1 jobs have a new epoch" in ok("db", "new-epoch", "--db", server.db)
    server.start()
    with Api(server.address) as api:
        api.report(job, "another")      # the number of what was lost
    said = watch_on(server, job, lost).next()
    assert said.json["reason"] == "epoch" and said.json["job"]["seq"] == 3
    assert said.json["epoch"] != snapshot["epoch"]


def test_one_job_gets_a_new_epoch(stopped):
    before = dict(sql(stopped, "SELECT id, epoch FROM jobs"))
    assert b"1 jobs have a new epoch" in ok("db", "new-epoch", "over", "--db", stopped)
    after = dict(sql(stopped, "SELECT id, epoch FROM jobs"))
    assert after["going"] == before["going"] and after["over"] != before["over"]
    assert "there is no job with this id" in refused("db", "new-epoch", "nobody", "--db", stopped)
    assert "is not the id of a job" in refused("db", "new-epoch", "a/b", "--db", stopped, code=2)


def test_every_job_gets_an_epoch_of_its_own(stopped):
    with closing(sqlite3.connect(stopped)) as database:
        columns = "epoch, status, seq, first, tasks, deliverables, heartbeat_ms, created, updated, ended, imported, " \
                  "bytes, pruned, creator, title, metadata"
        database.executemany(f"INSERT INTO jobs (id, {columns}) SELECT ?, {columns} FROM jobs WHERE key = 1",
                             [(f"more{i}",) for i in range(600)])
        database.commit()
    assert b"602 jobs have a new epoch" in ok("db", "new-epoch", "--db", stopped)
    assert sql(stopped, "SELECT count(DISTINCT epoch) FROM jobs") == [(602,)]


# -- migrate ---------------------------------------------------------------------------------------

@pytest.mark.parametrize("version", [1, 3, 5])
def test_tables_of_an_earlier_version_are_brought_up_to_date(tmp_path, version, server):
    old = str(tmp_path / "old.db")
    with closing(sqlite3.connect(old)) as database:
        database.executescript((SCHEMAS / f"version_{version}.sql").read_text())
    ok("db", "migrate", "--db", old)
    assert sql(old, "PRAGMA user_version") == sql(server.db, "PRAGMA user_version")
    jobs = sql(old, "SELECT count(*) FROM jobs")
    ok("db", "migrate", "--db", old)
    assert sql(old, "SELECT count(*) FROM jobs") == jobs


def test_tables_that_a_server_uses_are_its_own(server, tmp_path):
    assert "another joblight server is using" in refused("db", "migrate", "--db", server.db)
    assert "No such file" in refused("db", "migrate", "--db", tmp_path / "none.db")


# -- prune, statistics ---------------------------------------------------------------------------

def test_pruning_by_hand_follows_the_limits_that_are_given(stopped):
    ok("db", "prune", "--db", stopped)
    assert sql(stopped, "SELECT count(*) FROM job_activity") == [(45,)]
    ok("db", "prune", "--db", stopped, "--retention-events", "5")
    assert sql(stopped, "SELECT count(*) FROM job_activity WHERE job = 2") == [(5,)]
    ok("db", "prune", "--db", stopped, "--retention-total", "1")
    assert sql(stopped, "SELECT count(*) FROM job_activity WHERE job = 2") == [(1,)]
    assert sql(stopped, "SELECT count(*) FROM job_activity WHERE job = 1") == [(22,)]
    sql(stopped, "UPDATE jobs SET ended = ended - 7000 WHERE ended > 0")
    ok("db", "prune", "--db", stopped, "--job-retention-ms", "0")
    assert sql(stopped, "SELECT count(*) FROM jobs") == [(2,)]
    ok("db", "prune", "--db", stopped, "--job-retention-ms", "5s")
    assert sql(stopped, "SELECT id FROM jobs") == [("going",)]
    assert sql(stopped, "SELECT count(*) FROM tasks WHERE job = 2") == [(0,)]
    ok("db", "check", "--db", stopped)


def test_the_statistics_outlive_the_jobs(stopped):
    sql(stopped, "UPDATE jobs SET ended = ended - 7000 WHERE ended > 0")
    ok("db", "prune", "--db", stopped, "--job-retention-ms", "5s")
    days = [json.loads(line) for line in ok("db", "statistics", "--db", stopped).splitlines()]
    assert [(day["id"], day["status"], day["events"]) for day in days] == [
        ("going", "in_progress", 1), ("over", "completed", 23)]
    assert days[1]["tasks"] == {"total": 2, "completed": 0, "failed": 0, "cancelled": 0}
    assert days[1]["deliverables"] == 1 and days[1]["day"] == days[1]["createdAt"][:10]


def test_statistics_of_a_running_server_can_be_read(serve, client):
    server = serve()
    job = client(server).create_job()["id"]
    assert json.loads(ok("db", "statistics", "--db", server.db))["id"] == job


# -- vacuum --------------------------------------------------------------------------------------

def test_a_database_of_an_earlier_version_can_shrink_after_a_vacuum(tmp_path, stopped):
    old = tmp_path / "old.db"
    with closing(sqlite3.connect(old)) as database:       # as earlier versions made it
        database.execute("PRAGMA auto_vacuum = NONE")
        database.execute("CREATE TABLE t (x)")
        database.execute("DROP TABLE t")
    server = Server(tmp_path / "run", db=str(old)).start()
    with Api(server.address) as api:
        job = api.create_job()["id"]
        api.burst(job, 3000, note="x" * 300)
        api.delete(f"/api/jobs/{job}")
        until(lambda: sql(old, "SELECT count(*) FROM job_activity") == [(0,)], 30, "the rows being removed")
    server.stop()
    assert old.stat().st_size > 1_000_000 and sql(old, "PRAGMA auto_vacuum") == [(0,)]
    out = ok("db", "vacuum", "--db", old)
    assert b"bytes are used" in out and b"0 are free" in out
    assert old.stat().st_size < 300_000 and sql(old, "PRAGMA auto_vacuum") == [(2,)]
    ok("db", "check", "--db", old)


def test_a_vacuum_on_a_full_disk_changes_nothing(stopped):
    before = sql(stopped, "SELECT count(*) FROM job_activity")
    err = refused("db", "vacuum", "--db", stopped, largest_file=60_000)
    assert str(stopped) in err
    assert sql(stopped, "SELECT count(*) FROM job_activity") == before
    ok("db", "check", "--db", stopped)


# -- arguments, databases that cannot be used ----------------------------------------------------

@pytest.mark.parametrize("words", [["new-epoch"], ["prune"], ["vacuum"]])
def test_what_changes_the_database_is_refused_while_a_server_uses_it(serve, words):
    server = serve()
    assert "another joblight server is using" in refused("db", *words, "--db", server.db)


@pytest.mark.parametrize("verb", ["check", "statistics", "new-epoch", "prune", "vacuum"])
def test_a_database_that_is_missing_is_not_made(tmp_path, verb):
    assert "No such file or directory" in refused("db", verb, "--db", tmp_path / "no.db")
    assert not (tmp_path / "no.db").exists()
    assert "it takes a file" in refused("db", verb, "--db", ":memory:")


def test_other_files_are_refused_in_words(tmp_path):
    (tmp_path / "letter").write_bytes(b"this is a letter, not a database\n" * 1000)
    assert "not a SQLite database" in refused("db", "check", "--db", tmp_path / "letter")
    sql(tmp_path / "other.db", "CREATE TABLE t (x)")
    assert "database of another program" in refused("db", "check", "--db", tmp_path / "other.db")
    assert "another program" in refused("db", "backup", tmp_path / "b", "--db", tmp_path / "other.db")
    sql(tmp_path / "empty.db", "PRAGMA user_version")
    (tmp_path / "empty.db").touch()
    assert "it is empty" in refused("db", "check", "--db", tmp_path / "empty.db")


def test_an_earlier_schema_is_not_read_but_brought_up_to_date(stopped):
    sql(stopped, "PRAGMA user_version = 5")
    assert "start the server once to bring it up to date" in refused("db", "check", "--db", stopped)
    sql(stopped, "PRAGMA user_version = 7")
    assert "used by a newer joblight" in refused("db", "check", "--db", stopped)


@pytest.mark.parametrize("words, says", [
    ([], "joblight db backup FILE"), (["backup"], "db backup needs FILE"), (["backup", "--db", "x"], "db backup needs FILE"),
    (["check", "file"], '"file" is not expected'), (["prune", "it"], '"it" is not expected'), (["vacuum", "it"], '"it" is not expected'),
    (["pack"], "did you mean db backup?"), (["copy"], "db copy needs [FROM] TO"), (["copy", "--db", "x"], "db copy needs [FROM] TO"),
    (["copy", "a", "b", "c"], '"c" is not expected'), (["vacuum", "--url"], "--url needs a value"),
    (["vacuum", "--url", "ftp://a"], "http://127.0.0.1:3001"), (["vacuum", "--url=http://a", "--db", "x"], "has no --db")])
def test_wrong_arguments_say_what_is_right(words, says):
    assert says in refused("db", *words, code=2)


def test_an_unknown_flag_is_named():
    assert "--retention-event" in refused("db", "prune", "--retention-event", "1", code=2)


def test_help_is_an_answer():
    assert b"joblight db backup FILE" in ok("db", "--help")
    assert ok("db", "backup", "--help").startswith(b"usage: joblight db backup FILE [FLAG")
    assert b"--url URL" in ok("db", "vacuum", "--url", "http://a", "--help")
