"""How long things are kept: the logs of ended jobs, the jobs, and the rows that outlive both."""
import sqlite3
from contextlib import closing

import pytest

from support.server import ROOT, Server
from support.wait import until

SCHEMAS = sorted((ROOT / "tests" / "support" / "schemas").glob("version_*.sql"))


def rows(server, query):
    with closing(sqlite3.connect(f"file:{server.db}?mode=ro", uri=True)) as database:
        return database.execute(query).fetchall()


def first_of(api, job):
    return api.get(f"/api/jobs/{job}/activity?order=asc&limit=1").json["activity"][0]["seq"]


def ended_job(api, events):
    job = api.create_job()["id"]
    api.burst(job, events)
    api.finish(job)
    return job


@pytest.mark.sqlite("it reads the file")
def test_a_log_of_more_bytes_than_allowed_loses_its_oldest_events(serve, client):
    server = serve(retention_bytes=2000, retention_ms=3600000, idempotency_ms=10000)
    api = client(server)
    job = ended_job(api, 50)
    until(lambda: first_of(api, job) > 1, 20, "the log being pruned")
    kept = api.activity(job)
    size = rows(server, "SELECT sum(length(CAST(json AS BLOB))) FROM job_activity")[0][0]
    longest = rows(server, "SELECT max(length(CAST(json AS BLOB))) FROM job_activity")[0][0]
    assert 2000 - longest < size <= 2000
    assert [event["seq"] for event in kept] == list(range(first_of(api, job), 53))


@pytest.mark.sqlite("it reads the file")
def test_an_ended_job_is_removed_when_its_time_is_over(serve, client):
    server = serve(job_retention_ms=3000)
    api = client(server)
    going, over = api.create_job()["id"], api.create_job()["id"]
    before = api.job(over)
    api.finish(over)
    until(lambda: api.get(f"/api/jobs/{over}").status == 404, 30, "the ended job being removed")
    late = api.get(f"/api/jobs/{over}/updates?since={before['cursor']}")
    assert (late.status, late.json["status"]) == (200, "deleted")   # as after a DELETE
    assert api.get(f"/api/jobs/{going}").status == 200
    until(lambda: rows(server, "SELECT count(*) FROM job_activity") == [(1,)], 20, "its rows being removed")
    assert rows(server, "SELECT count(*) FROM tasks") == [(0,)]
    assert api.post("/api/jobs", {"id": over, "title": "again"}).json["epoch"] != before["epoch"]
    until(lambda: f"action=remove_job job={over}" in server.log(), 10, "the line of the removal")


def test_a_job_that_is_kept_forever_stays(serve, client):
    server = serve(job_retention_ms=0, retention_ms=1000, retention_events=1)
    api = client(server)
    job = ended_job(api, 20)
    until(lambda: first_of(api, job) > 1, 20, "the log being pruned")
    assert api.get(f"/api/jobs/{job}").json["status"] == "completed"


def test_a_database_that_is_too_large_loses_the_logs_that_ended_first(serve, client):
    server = serve(retention_total=1)
    api = client(server)
    older, newer, going = ended_job(api, 50), ended_job(api, 50), api.create_job()["id"]
    api.burst(going, 50)
    until(lambda: first_of(api, older) == first_of(api, newer) == 52, 20, "both logs being pruned")
    assert first_of(api, going) == 1


@pytest.mark.sqlite("it reads the file")
def test_each_job_has_a_row_for_its_day_which_outlives_it(serve, client):
    server = serve()
    api = client(server)
    job = ended_job(api, 3)
    deleted = api.create_job()["id"]
    api.delete(f"/api/jobs/{deleted}")
    server.restart()
    days = rows(server, "SELECT id, status, events, ended > 0 FROM job_days ORDER BY job")
    assert days == [(job, 4, 5, 1), (deleted, 1, 1, 0)]


@pytest.mark.sqlite("PostgreSQL vacuums by itself")
def test_the_file_gives_space_back_while_clients_write(serve, client):
    """And the free pages that stay are not a reason to go on."""
    server = serve(job_retention_ms=0)
    api = client(server)
    jobs = [api.create_job()["id"] for _ in range(4)]
    note = "x" * 16000
    for job in jobs:
        for _ in range(8):
            api.post(f"/api/agent-hooks/task-update/{job}", [{"taskId": "t", "note": note}] * 15)
    until(lambda: server.db.stat().st_size > 0, 10, "the first checkpoint")
    pages = rows(server, "PRAGMA page_count")[0][0]
    assert pages * 4096 > 7_000_000
    for job in jobs:
        api.delete(f"/api/jobs/{job}")
    kept = api.create_job()["id"]

    def small():
        api.report(kept, "t")
        return rows(server, "PRAGMA page_count")[0][0] * 4096 < 2_000_000
    until(small, 30, "the file becoming smaller")
    server.stop()
    assert server.db.stat().st_size < 2_000_000
    assert rows(server, "PRAGMA integrity_check") == [("ok",)]


@pytest.mark.sqlite("these are versions of the file")
@pytest.mark.parametrize("schema", SCHEMAS, ids=lambda path: path.stem)
def test_streams_continue_after_a_database_was_brought_up_to_date(tmp_path, schema, transport):
    server = Server(tmp_path, job_retention_ms=0, retention_ms=3153600000000)
    with closing(sqlite3.connect(server.db)) as database:
        database.executescript(schema.read_text(encoding="utf-8"))
        if database.execute("SELECT 1 FROM sqlite_schema WHERE name = 'access_keys'").fetchone():
            database.execute("DELETE FROM access_keys")
        database.commit()
    server.start()
    try:
        with transport(server.address, "open", "aaaaaaaaaa.3") as watcher:
            assert watcher.connected()["resume"] == "exact"
            assert [watcher.event().seq for _ in range(2)] == [4, 5]
        with transport(server.address, "ended", "bbbbbbbbbb.1") as watcher:
            assert watcher.next().json["reason"] == "pruned"
    finally:
        server.stop()
