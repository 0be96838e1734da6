"""`joblight db copy`: a database goes to PostgreSQL and back, and nobody notices but by its address."""
import json
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import time
from contextlib import closing

import pytest

from support.command import Terminal, ok, refused, start
from support.postgres import Pooler
from support.keyed import Keyed, joblight_key, lines_of
from support.server import BINARY, Server, run_to_exit
from support.sse import SseStream
from support.wait import SCALE, Deadline, until

KILLS = int(os.environ.get("JOBLIGHT_TEST_KILLS", "8"))
LIMITS = {"min_heartbeat_timeout_ms": 100, "retention_bytes": 3000}
PLANES = "".join(chr(plane * 0x10000 + 0xAB) for plane in range(17))
HOUR = 3_600_000


def sqlite(db, *statements):
    with closing(sqlite3.connect(db)) as database:
        rows = [database.execute(text).fetchall() for text in statements][-1]
        database.commit()
    return rows


def copy(*words, **options):
    return ok("db", "copy", *words, **options).decode()


# -- a database with everything ------------------------------------------------------------------

def fill_jobs(api):
    api.create_job(id="long", title=PLANES, metadata={"of": PLANES})
    api.burst("long", 1000, note=PLANES)
    api.create_job(id="longest")    # which no transaction takes alone
    api.burst("longest", 6000)
    api.create_job(id="pruned", tasks=[{"id": "t"}])
    api.burst("pruned", 60)
    api.post("/api/jobs/pruned/deliverables", {"id": "z", "title": "first", "url": "https://example.org/z"})
    api.post("/api/jobs/pruned/deliverables", {"id": "a", "title": "second", "mediaType": "text/plain"})
    api.finish("pruned")
    api.create_job(id="silent", tasks=[{"id": "untouched"}])
    api.report("silent", "stalls", status="in_progress", progress=33.3, attempt=2, heartbeatTimeoutMs=100)
    api.report("silent", "waits", status="in_progress", heartbeatTimeoutMs=HOUR)
    api.create_job(id="gone")
    api.burst("gone", 5)
    for number in range(30):
        api.create_job(id=f"small{number}")
        api.report(f"small{number}", "t", note="")


class Made:
    """A database, what its server said at the end, and what its clients know."""

    def __init__(self, folder):
        self.db = folder / "made.db"
        self.root = joblight_key("create", "--scope", "watch,report,create,control,admin", "--db", self.db)
        self.revoked_key = joblight_key("create", "--scope", "watch", "--db", self.db)
        joblight_key("revoke", self.revoked_key[3:15], "--db", self.db)
        server = Server(folder / "made", db=str(self.db), **LIMITS).start()
        with Keyed(server.address, self.root) as api:
            fill_jobs(api)
            self.use(server, api)
            until(lambda: api.get("/api/jobs/pruned/activity?order=asc&limit=1").json["activity"][0]["seq"] > 1, 20,
                  "the log being pruned")
            until(lambda: any(task.get("stalled") for task in api.job("silent")["tasks"]), 20, "the task being stalled")
            self.said = everything(api)
            self.cursor = f"{api.job('long')['epoch']}.500"
            self.rest = events_after(server, api, self.cursor)
            self.told = told_of_deletion(server, self)
        server.stop()

    def use(self, server, api):
        """Keys and tokens; a job that is imported, and one that is deleted."""
        self.token, revoked = api.token("long"), api.token("long")
        self.revoked_token = revoked
        with Keyed(server.address, revoked) as holder:
            assert holder.delete("/api/session").status == 204
        self.created = api.post("/api/jobs", {"id": "made", "title": "M"}, Idempotency_Key="create").json
        self.updated = api.update("made", {"taskId": "t", "note": "n"}, Idempotency_Key="update").json
        self.cursor_of_gone = f"{api.job('gone')['epoch']}.3"
        assert api.delete("/api/jobs/gone").status == 204
        export = ok("job", "export", "small3", "--db", self.db)
        ok("job", "import", "--as", "imported", "--url", server.url, stdin=export, JOBLIGHT_KEY=self.root)

    def at(self, path):
        shutil.copy(self.db, path)
        return path


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return Made(tmp_path_factory.mktemp("made"))


@pytest.fixture
def original(made, tmp_path):
    """The path of a copy that the test may change."""
    return made.at(tmp_path / "original.db")


def everything(api):
    """What a client can read: the list with its order, each job, and each log."""
    listed = [job["id"] for job in api.get("/api/jobs?limit=100").json["jobs"]]
    return listed, {job: api.job(job) for job in listed}, {job: api.activity(job) for job in listed}


def events_after(server, api, cursor):
    with SseStream(server.address, "long", cursor, headers=lines_of(api.key)) as stream:
        assert stream.connected()
        return [(block.id, block.data) for block in stream.events(501)]


def told_of_deletion(server, made):
    with SseStream(server.address, "gone", made.cursor_of_gone, headers=lines_of(made.root)) as stream:
        return stream.status, [(block.id, block.data) for block in stream.all_blocks()] if stream.status == 200 else None


def assert_goes_on(server, made):
    """A server on the copy is what the server on the original was."""
    with Keyed(server.address, made.root) as api:
        assert everything(api) == made.said
        assert events_after(server, api, made.cursor) == made.rest
        assert told_of_deletion(server, made) == made.told
        assert api.post("/api/jobs", {"id": "made", "title": "M"}, Idempotency_Key="create").json == made.created
        assert api.update("made", {"taskId": "t", "note": "n"}, Idempotency_Key="update").json == made.updated
        assert api.update("made", {"taskId": "t", "note": "else"}, Idempotency_Key="update").status == 422
        last = made.said[1]["long"]["seq"]
        assert api.report("long", "t", note="goes on")["seq"] == last + 1
    for credential, status in ((made.token, 200), (made.revoked_token, 401), (made.revoked_key, 401)):
        with Keyed(server.address, credential) as api:
            assert api.get("/api/jobs/long").status == status


# -- there and back --------------------------------------------------------------------------------

def test_servers_on_both_copies_go_on_where_the_original_ended(serve, made, original, postgres, database, tmp_path):
    before = original.read_bytes()
    there = copy(original, postgres.url(database))
    assert f" {len(made.said[0])} jobs were copied, 0 were there" in there
    back = copy(postgres.url(database), tmp_path / "back.db")
    assert there.split(" rows in all")[0].split(": ")[1] == back.split(" rows in all")[0].split(": ")[1]
    assert b"no faults" in ok("db", "check", "--db", tmp_path / "back.db")
    assert statistics(original) == statistics(postgres.url(database)) == statistics(tmp_path / "back.db")
    assert sqlite(original, "SELECT count(*) FROM jobs") and len(original.read_bytes()) >= len(before)
    for db in (postgres.url(database), str(tmp_path / "back.db")):
        assert_goes_on(serve(db=db, **LIMITS), made)


def statistics(db):
    """The rows of jobs and days; a job's number is another one in each database."""
    rows = [json.loads(line) for line in ok("db", "statistics", "--db", db).splitlines()]
    numbers = {(row["day"], row.pop("job")) for row in rows}
    assert len(numbers) == len(rows)
    return sorted(json.dumps(row) for row in rows)


def test_a_second_copy_finds_everything_there(original, postgres, database, tmp_path):
    url = postgres.url(database)
    first, second = copy(original, url), copy(original, url)
    count = len(sqlite(original, "SELECT id FROM jobs"))
    assert f": 0 jobs were copied, {count} were there" in second
    assert first.split(" are those of")[0] == second.split(" are those of")[0]
    assert copy(original, tmp_path / "b.db").split(" rows")[0].split(": ")[1] == first.split(" rows")[0].split(": ")[1]
    assert f": 0 jobs were copied, {count} were there" in copy(url, tmp_path / "b.db")


@pytest.mark.parametrize("kind", ["postgres", "sqlite"])
def test_a_copy_of_an_original_that_went_on_has_what_is_new(serve, made, original, postgres, database, tmp_path, kind):
    target = postgres.url(database) if kind == "postgres" else str(tmp_path / "copy.db")
    copy(original, target)
    server = Server(tmp_path / "again", db=str(original), **LIMITS).start()
    with Keyed(server.address, made.root) as api:
        api.report("small10", "t", note="news")
        api.delete("/api/jobs/small12")
        api.delete("/api/jobs/small20")
        api.create_job(id="small20", title="made again")
        api.create_job(id="new")
        said = everything(api)
    server.stop()
    assert "jobs were copied" in copy(original, target)
    server = serve(db=target, **LIMITS)
    with Keyed(server.address, made.root) as api:
        assert everything(api) == said


def test_what_is_waited_for_is_waited_for_as_long_in_the_copy(original, postgres, database, tmp_path):
    """The steady time of the original is a week behind the clock."""
    week = 7 * 24 * HOUR
    sqlite(original, f"UPDATE clock SET steady = steady - {week}", f"UPDATE tasks SET stall_at = stall_at - {week} WHERE stall_at > 0")
    copy(original, postgres.url(database))
    left = int(postgres.sql(database, "SELECT stall_at - (extract(epoch FROM now()) * 1000)::int8 FROM tasks WHERE id = 'waits'"))
    assert HOUR - 600_000 * SCALE < left <= HOUR
    copy(postgres.url(database), tmp_path / "back.db")
    (steady, stall_at), = sqlite(tmp_path / "back.db", "SELECT steady, stall_at FROM clock, tasks WHERE id = 'waits'")
    assert HOUR - 600_000 * SCALE < stall_at - steady <= HOUR


# -- ends too early --------------------------------------------------------------------------------

def assert_no_half_job(rows):
    for job, first, seq, tasks, events, rows_of_tasks in rows:
        assert (events, rows_of_tasks) == (seq - first + 1, tasks), job


HALVES = ("SELECT id, first, seq, tasks, (SELECT count(*) FROM job_activity e WHERE e.job = j.key),"
          " (SELECT count(*) FROM tasks t WHERE t.job = j.key) FROM jobs j")


def jobs_in(postgres, database):
    if postgres.sql(database, "SELECT count(*) FROM pg_tables WHERE tablename = 'imports'") == "0":
        return []
    lines = postgres.sql(database, HALVES).splitlines()
    return [(job, *map(int, rest)) for job, *rest in (line.split("|") for line in lines)]


def jobs_of_file(db):
    if not db.exists() or not sqlite(db, "SELECT name FROM sqlite_master WHERE name = 'jobs'"):
        return []
    return sqlite(db, HALVES)


@pytest.mark.parametrize("kind", ["postgres", "sqlite"])
def test_a_copy_that_is_killed_again_and_again_is_complete_in_the_end(original, postgres, database, tmp_path, kind):
    target = postgres.url(database) if kind == "postgres" else tmp_path / "copy.db"
    whole = copy(original, tmp_path / "whole.db")
    began = time.monotonic()
    copy(original, tmp_path / "timed.db")
    took = time.monotonic() - began
    seed = random.randrange(1 << 32)
    print("seed", seed)
    order = random.Random(seed)
    for _ in range(KILLS):
        process = start("db", "copy", original, target)
        try:
            process.wait(order.random() * took)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
        process.communicate()
        assert_no_half_job(jobs_in(postgres, database) if kind == "postgres" else jobs_of_file(target))
    assert copy(original, target).split(" are those of")[0].split(": ")[1] == whole.split(" are those of")[0].split(": ")[1]
    assert statistics(original) == statistics(target)


def test_ctrl_c_ends_it_between_two_transactions(original, postgres, database):
    process = start("db", "copy", original, postgres.url(database))
    until(lambda: locks(postgres, database), 20, "the copy having the database")
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=20 * SCALE)
    assert (process.returncode, b"run it again to go on" in err) in ((130, True), (0, False)), err
    copy(original, postgres.url(database))
    assert_no_half_job(jobs_in(postgres, database))


def locks(postgres, database):
    return int(postgres.sql(database, "SELECT count(*) FROM pg_locks l JOIN pg_database d ON d.oid = l.database WHERE "
                                      f"d.datname = '{database}' AND classid = 1785489013 AND mode = 'ExclusiveLock' AND granted"))


# -- a copy that is not finished -------------------------------------------------------------------

UNFINISHED = "it is a copy that `joblight db copy` has not finished: run that command again"
DAMAGE = "DELETE FROM job_activity WHERE seq = 2 AND job = (SELECT key FROM jobs WHERE id = 'small7')"
KINDS = pytest.mark.parametrize("kind", ["postgres", "sqlite"])


@pytest.fixture
def target(request, kind, postgres, database, tmp_path):
    return postgres.url(database) if kind == "postgres" else str(tmp_path / "copy.db")


def half_of(original, target):
    """A copy that lacks a job; afterwards the original is as it was."""
    sound = original.read_bytes()
    sqlite(original, DAMAGE)
    assert "No server starts on the copy" in refused("db", "copy", original, target)
    for file in original.parent.glob(original.name + "-*"):
        file.unlink()
    original.write_bytes(sound)


@KINDS
def test_nobody_uses_a_copy_that_is_not_finished(serve, made, original, target, tmp_path):
    half_of(original, target)
    code, _, errors = run_to_exit(db=target, listen="127.0.0.1:0")
    assert code == 1 and UNFINISHED in errors
    verbs = [["migrate"], ["new-epoch"], ["prune"], ["check"], ["statistics"]]
    for words in verbs if "://" in target else [*verbs, ["vacuum"], ["backup", tmp_path / "b.db"]]:
        assert UNFINISHED in refused("db", *words, "--db", target), words
    assert UNFINISHED in refused("key", "create", "--scope", "watch", "--db", target)
    assert UNFINISHED in refused("job", "export", "made", "--db", target)
    assert UNFINISHED in refused("db", "copy", target, tmp_path / "next.db")
    assert not (tmp_path / "next.db").exists() and not (tmp_path / "b.db").exists()
    copy(original, target)
    assert_goes_on(serve(db=target, **LIMITS), made)


@KINDS
def test_a_copy_that_is_killed_is_not_finished(original, target):
    copy(original, target)
    sqlite(original, "DELETE FROM deliverables WHERE id = 'a'")     # a job that is not the same, and damaged
    process = start("db", "copy", original, target)
    until(lambda: is_marked(target) or process.poll() is not None, 20, "the mark")
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert UNFINISHED in refused("db", "migrate", "--db", target)


def is_marked(target):
    return b"has not finished" in start("db", "statistics", "--db", target).communicate()[1]


def test_a_copy_of_what_is_not_the_original_is_not_marked(serve, client, original, target_in_use):
    target, _ = target_in_use
    assert "that is empty" in refused("db", "copy", original, target)
    serve(db=target)


@pytest.fixture
def target_in_use(serve, client, postgres, database):
    server = serve(db=postgres.url(database))
    client(server).create_job(id="other")
    server.stop()
    return postgres.url(database), server


@pytest.mark.parametrize("pooled", [False, True])
def test_a_server_that_has_lost_its_connections_does_not_go_on_with_half_a_copy(serve, client, original, postgres, database, pooled):
    """Nothing keeps the copy from a database whose server has no connection, or a pooler's."""
    pooler = Pooler(postgres)
    try:
        server = serve(db=postgres.tcp_url(database, port=pooler.port if pooled else None))
        api = client(server)
        server.process.send_signal(signal.SIGSTOP)
        postgres.sql("postgres", f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{database}'")
        half_of(original, postgres.url(database))
        server.process.send_signal(signal.SIGCONT)
        until(lambda: UNFINISHED in api.get("/readyz").body.decode(), 10, "readiness to say why")
        assert api.get("/readyz").status == 503
        asks_for_keys = Deadline(2.5, "a server to look at the keys")
        while not asks_for_keys.passed():   # those of the copy do not count yet
            assert api.post("/api/jobs", {"title": "lost"}).status == 503
        copy(original, postgres.url(database))
        until(lambda: api.get("/readyz").status == 200, 10, "readiness")
    finally:
        pooler.stop()


@pytest.mark.parametrize("which", ["from", "to"])
def test_a_copy_is_not_made_through_a_pooler(original, postgres, database, tmp_path, which):
    copy(original, postgres.url(database))
    pooler = Pooler(postgres)
    try:
        pooled = postgres.tcp_url(database, port=pooler.port)
        words = (original, pooled) if which == "to" else (pooled, tmp_path / "new.db")
        assert "give that of PostgreSQL itself" in refused("db", "copy", *words)
        assert not (tmp_path / "new.db").exists()
    finally:
        pooler.stop()
    copy(original, postgres.url(database))


# -- faults of the original -------------------------------------------------------------------------

@pytest.mark.parametrize("damage", [
    "DELETE FROM job_activity WHERE seq = 2 AND job = (SELECT key FROM jobs WHERE id = 'small7')",
    "UPDATE tasks SET progress = 50 WHERE job = (SELECT key FROM jobs WHERE id = 'small7')",
    "UPDATE job_activity SET json = CAST(x'7b22ff' AS TEXT) WHERE seq = 2 AND job = (SELECT key FROM jobs WHERE id = 'small7')",
    "UPDATE jobs SET creator = CAST(x'ff' AS TEXT) WHERE id = 'small7'", # which only PostgreSQL refuses
])
def test_a_damaged_job_is_named_and_no_part_of_it_is_copied(serve, made, original, postgres, database, damage):
    sound = original.read_bytes()
    sqlite(original, damage)
    err = refused("db", "copy", original, postgres.url(database))
    assert "job small7: " in err and "these jobs were not copied; all others were" in err
    assert "small7" not in {row[0] for row in jobs_in(postgres, database)}
    assert len(jobs_in(postgres, database)) == len(made.said[0]) - 1
    assert_no_half_job(jobs_in(postgres, database))
    for file in original.parent.glob(original.name + "-*"):
        file.unlink()
    original.write_bytes(sound)
    copy(original, postgres.url(database))
    assert_goes_on(serve(db=postgres.url(database), **LIMITS), made)


# -- who else uses them -----------------------------------------------------------------------------

def test_a_copy_is_refused_while_a_server_uses_either(serve, made, original, postgres, database, tmp_path):
    target = postgres.url(database)
    server = serve(db=target)
    assert "a joblight server uses the database; stop it first" in refused("db", "copy", original, target)
    assert jobs_in(postgres, database) == []
    assert "a joblight server uses the database" in refused("db", "copy", target, tmp_path / "new.db")
    assert not (tmp_path / "new.db").exists()
    server.stop()
    file = serve()
    assert f"another joblight server is using {file.db} (pid {file.process.pid})" in refused("db", "copy", file.db, target)
    assert "another joblight server is using" in refused("db", "copy", original, file.db)
    copy(original, target)


def test_no_server_starts_while_its_database_is_copied(serve, original, postgres, database):
    process = start("db", "copy", original, postgres.url(database))
    try:
        until(lambda: locks(postgres, database), 20, "the copy having the database")
        process.send_signal(signal.SIGSTOP)
        done = run_to_exit(db=postgres.url(database))
        assert "the database is being copied by `joblight db copy`" in str(done)
    finally:
        process.send_signal(signal.SIGCONT)
        process.communicate()
    assert process.returncode == 0
    serve(db=postgres.url(database))


def test_a_database_is_not_copied_into_itself(original, postgres, database):
    url = postgres.url(database)
    copy(original, url)
    assert "joblight" in refused("db", "copy", url, url)
    assert "another joblight server is using" in refused("db", "copy", original, original)


# -- what is in the way -----------------------------------------------------------------------------

def test_a_database_with_other_jobs_is_left_as_it_is(serve, client, original, postgres, database):
    server = serve(db=postgres.url(database))
    client(server).create_job(id="other")
    server.stop()
    err = refused("db", "copy", original, postgres.url(database))
    assert "job other: the copy has it, and it is no job of the original" in err and "that is empty" in err
    assert [row[0] for row in jobs_in(postgres, database)] == ["other"]


def test_a_copy_that_went_on_is_not_overwritten(serve, made, original, postgres, database):
    copy(original, postgres.url(database))
    server = serve(db=postgres.url(database), **LIMITS)
    with Keyed(server.address, made.root) as api:
        last = api.report("small5", "t", note="here")["seq"]
    server.stop()
    err = refused("db", "copy", original, postgres.url(database))
    assert "job small5: the copy has events that the original does not have" in err
    assert [row for row in jobs_in(postgres, database) if row[0] == "small5"][0][2] == last


def test_nothing_is_made_where_the_original_should_be(postgres, database, tmp_path):
    assert "No such file" in refused("db", "copy", tmp_path / "none.db", postgres.url(database))
    refused("db", "copy", postgres.url(database), tmp_path / "new.db")
    assert not (tmp_path / "new.db").exists() and not (tmp_path / "none.db").exists()
    assert postgres.sql(database, "SELECT count(*) FROM pg_tables WHERE tablename = 'jobs'") == "0"


# -- locations --------------------------------------------------------------------------------------

PASSWORD = "s3%40cr:t"


def test_a_password_is_read_from_a_file_and_never_shown(original, postgres, database, tmp_path):
    postgres.sql(database, "CREATE ROLE copier LOGIN PASSWORD 's3@cr:t'; GRANT ALL ON SCHEMA public TO copier")
    url = f"postgres://copier:{PASSWORD.replace(':', '%3A')}@127.0.0.1:{postgres.port}/{database}?sslmode=disable"
    err = refused("db", "copy", original, url, code=2)
    assert "a password in the command line is seen by all users" in err and "s3" not in err
    (tmp_path / "url").write_text(url + "\n")
    os.chmod(tmp_path / "url", 0o600)
    out = copy(original, f"@{tmp_path / 'url'}")
    assert "s3" not in out and f"127.0.0.1:{postgres.port}/{database}" in out
    assert "were there" in copy(f"@{tmp_path / 'url'}", JOBLIGHT_DB=str(original))
    assert "No such file" in refused("db", "copy", original, "@/nonexistent", code=2)
    (tmp_path / "empty").touch(mode=0o600)
    assert "its first line must be a location" in refused("db", "copy", original, f"@{tmp_path / 'empty'}", code=2)


def test_its_progress_is_shown_on_a_terminal(original, tmp_path):
    terminal = Terminal(BINARY, "db", "copy", original, tmp_path / "copy.db")
    try:
        assert terminal.end() == 0
        count = len(sqlite(original, "SELECT id FROM jobs"))
        assert f"{count} of {count} jobs\r\n".encode() in terminal.text
    finally:
        terminal.close()
