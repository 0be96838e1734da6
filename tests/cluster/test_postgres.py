"""Servers on one PostgreSQL: what they write together, and what they start with."""
import json
import os
import re
import threading
from pathlib import Path

import pytest

from support.command import joblight, ok, refused
from support.ports import free_port
from support.postgres import Pooler
from support.raw import ask, request
from support.server import run_to_exit
from support.wait import until


def libraries(server):
    return Path(f"/proc/{server.process.pid}/maps").read_text()


def test_only_a_server_with_postgresql_loads_its_library(serve, node):
    assert "libpq" not in libraries(serve())
    assert "libpq" in libraries(node())


def test_another_role_can_make_the_tables(postgres, database, node, client):
    assert b"the tables are those of this joblight" in ok("db", "migrate", "--db", postgres.url(database))
    for words in ("CREATE ROLE plain LOGIN", "REVOKE CREATE ON SCHEMA public FROM PUBLIC",
                  "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO plain",
                  "GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO plain"):
        postgres.sql(database, words)
    server = node(db=postgres.url(database, user="plain"))
    assert client(server).create_job()["seq"] == 1


def in_threads(count, run):
    threads = [threading.Thread(target=run, args=(i,)) for i in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_updates_of_one_job_by_two_servers_have_no_hole(node, client):
    servers = [node(), node()]
    job = client(servers[0]).create_job()["id"]
    answers = []

    def work(index):
        api = client(servers[index % 2])
        for number in range(50):
            answers.append(api.report(job, f"t{index % 3}", note=f"{index}.{number}")["seq"])

    in_threads(4, work)
    assert sorted(answers) == list(range(2, 202))
    logs = [client(server).activity(job) for server in servers]
    assert [event["seq"] for event in logs[0]] == list(range(1, 202))
    assert logs[0] == logs[1]
    notes = [event["note"] for event in logs[0][1:]]
    assert len(set(notes)) == 200


def test_a_key_counts_once_whichever_server_gets_it(node, client):
    servers = [node(), node()]
    apis = [client(server) for server in servers]
    job = apis[0].create_job()["id"]
    answers = [[], []]

    def work(index):
        for number in range(40):
            update = {"taskId": "t", "note": str(number)}
            answers[index].append(apis[index].update(job, update, Idempotency_Key=f"k{number}").json)

    in_threads(2, work)
    assert answers[0] == answers[1]
    assert [event["seq"] for event in apis[0].activity(job)] == list(range(1, 42))


def test_jobs_are_created_once_for_a_key_on_two_servers(node, client):
    apis = [client(node()), client(node())]
    made = [[], []]

    def work(index):
        for number in range(20):
            reply = apis[index].post("/api/jobs", {"title": "J"}, Idempotency_Key=f"k{number}")
            assert reply.status == 201, reply
            made[index].append(reply.json["id"])

    in_threads(2, work)
    assert made[0] == made[1]
    assert len(apis[0].get("/api/jobs?limit=100").json["jobs"]) == 20


def test_an_id_is_taken_once(node, client):
    apis = [client(node()), client(node())]
    statuses = [[], []]

    def work(index):
        for number in range(30):
            statuses[index].append(apis[index].post("/api/jobs", {"id": f"j{number}", "title": "J"}).status)

    in_threads(2, work)
    assert all(sorted(pair) == [201, 409] for pair in zip(*statuses))


def test_a_job_that_two_nodes_import_at_once_is_imported_once(node, client):
    """In many pieces, of which the last ones of both collide."""
    apis = [client(node()), client(node())]
    apis[0].create_job(id="j")
    apis[0].burst("j", 400, note="x" * 1000)
    apis[0].finish("j")
    body = apis[0].get("/api/jobs/j/export").body
    for number in range(5):
        query = f"?as=k{number}" if number % 2 else f"?as=k{number}&replace=true"
        replies = [None, None]

        def work(index, query=query, replies=replies):
            replies[index] = ask(apis[index].address, request("POST", f"/api/imports{query}", ("Content-Type: application/x-ndjson",), body))

        in_threads(2, work)
        expected = [201, 409] if number % 2 else [201, 201]     # one of them replaces that of the other
        assert sorted(reply.status for reply in replies) == expected, replies
        assert [event["seq"] for event in apis[0].activity(f"k{number}")] == list(range(1, 403))


def test_a_silent_task_is_said_to_be_so_once(node, client):
    apis = [client(node(min_heartbeat_timeout_ms=100)), client(node(min_heartbeat_timeout_ms=100))]
    job = apis[0].create_job()["id"]
    apis[0].report(job, "t", status="in_progress", heartbeatTimeoutMs=300)
    until(lambda: apis[1].job(job)["tasks"][0].get("stalled"), 5, "the task to be stalled")
    apis[1].report(job, "u", note="later")
    assert [event["seq"] for event in apis[0].activity(job)] == [1, 2, 3, 4]


@pytest.mark.parametrize("password", ["p@ss:w/rd%", "plain"])
def test_a_password_works_and_is_seen_nowhere(serve, client, postgres, database, password):
    user = "u" + database
    postgres.sql(database, f"CREATE ROLE {user} LOGIN PASSWORD '{password}'; GRANT ALL ON SCHEMA public TO {user}")
    escaped = "".join(c if c.isalnum() else f"%{ord(c):02X}" for c in password)
    url = postgres.tcp_url(database, user, escaped)
    server = serve(db=None, environment={"JOBLIGHT_DB": url})
    client(server).create_job()
    seen = server.log() + client(server).get("/metrics").body.decode() + Path(f"/proc/{server.process.pid}/cmdline").read_text()
    assert password not in seen and escaped not in seen


def test_a_wrong_password_is_refused_without_being_repeated(postgres, database):
    postgres.sql(database, f"CREATE ROLE w{database} LOGIN PASSWORD 'right'")
    url = postgres.tcp_url(database, f"w{database}", "wrongsecret")
    code, out, errors = run_to_exit(db=None, listen="127.0.0.1:0", environment={"JOBLIGHT_DB": url})
    assert (code, out) == (1, "")
    assert "password authentication failed" in errors and "wrongsecret" not in errors


@pytest.mark.parametrize("password", ["se@cr3t", "se/cr3t", "se%cr3t", "s@e:c/r%cr3t", "se:@cr3t", "se?@cr3t", "se#@cr3t"])
def test_a_password_that_is_not_encoded_is_refused_without_its_tail(tmp_path, password):
    url = f"postgres://u:{password}@127.0.0.1:1/d"
    code, out, errors = run_to_exit(db=None, listen="127.0.0.1:0", environment={"JOBLIGHT_DB": url})
    assert (code, out) == (1, "") and "cr3t" not in errors and len(errors) > 20
    (tmp_path / "url").write_text(url)
    os.chmod(tmp_path / "url", 0o600)
    assert "cr3t" not in refused("db", "copy", f"@{tmp_path / 'url'}", tmp_path / "new.db")


def test_a_password_on_the_command_line_is_refused(postgres, database):
    code, out, errors = run_to_exit(db=postgres.tcp_url(database, "u", "secretword"), listen="127.0.0.1:0")
    assert code != 0 and "JOBLIGHT_DB" in errors and "secretword" not in errors


def test_a_pooler_in_transaction_mode_is_known_and_works(serve, client, postgres, database):
    pooler = Pooler(postgres)
    try:
        url = postgres.tcp_url(database, port=pooler.port)
        apis = [client(serve(db=url)), client(serve(db=url))]
        job = apis[0].create_job()["id"]

        def work(index):
            for number in range(50):
                apis[index].report(job, "t", note=str(number))

        in_threads(2, work)
        assert [event["seq"] for event in apis[1].activity(job)] == list(range(1, 102))
    finally:
        pooler.stop()


def test_tables_of_a_newer_joblight_are_refused(node, postgres, database):
    node().stop()
    postgres.sql(database, "UPDATE joblight SET version = 99")
    code, out, errors = run_to_exit(db=postgres.url(database), listen="127.0.0.1:0")
    assert code == 1 and "version 99" in errors
    assert "version 99" in refused("db", "statistics", "--db", postgres.url(database))
    postgres.sql(database, "DELETE FROM joblight")
    assert "restore a backup" in refused("db", "migrate", "--db", postgres.url(database))


def test_a_database_without_tables_is_not_read(postgres, database):
    assert "there are no tables of joblight" in refused("db", "statistics", "--db", postgres.url(database))


def test_a_server_that_cannot_be_reached_is_said_to_be_so():
    code, out, errors = run_to_exit(db="postgres://u@127.0.0.1:1/d", listen="127.0.0.1:0")
    assert code == 1 and re.search(r"PostgreSQL at 127.0.0.1:1/d.*refused", errors)


def database_checks(where, *args, **environment):
    said = joblight("doctor", "--idle", "0", where, *args, **environment)
    checks = [json.loads(line) for line in said.out.splitlines()]
    return said, {check["check"]: check for check in checks}


def test_the_doctor_measures_the_answer_of_postgresql(postgres, database, node):
    server = node()
    _, checks = database_checks(server.url, JOBLIGHT_DB=postgres.url(database))
    assert float(re.fullmatch(r"PostgreSQL at \S+ answers in ([\d.]+) ms", checks["database"]["says"])[1]) > 0
    assert checks["database"]["verdict"] == "ok" and checks["disk"]["verdict"] == "skip"


def test_the_doctor_says_that_postgresql_does_not_answer(node):
    nobody = f"postgresql://joblight@127.0.0.1:{free_port()}/jobs"
    _, checks = database_checks(node().url, "--db", nobody)
    assert checks["database"]["verdict"] == "fail" and "refused" in checks["database"]["says"]
    said, checks = database_checks(node().url, "--db", nobody.replace("@", ":secret@"))
    assert said.status == 2 and "password in a flag" in said.err and "secret" not in said.err + str(checks)


def rows_fetched(postgres, database, table):
    """By all connections that have ended: they tell it then at the latest."""
    return int(postgres.sql(database, f"SELECT idx_tup_fetch FROM pg_stat_user_tables WHERE relname = '{table}'"))


@pytest.mark.parametrize("table", ["tasks", "idempotency"])
def test_an_update_reads_its_own_rows_of_a_large_job(node, client, postgres, database, table):
    """However many tasks the job has, and however many answers are remembered for it: not even when the tables were
    empty at the time when the statements were planned."""
    server = node()
    api = client(server)
    job = api.create_job()["id"]
    count = 400
    for number in range(count):
        reply = api.update(job, {"taskId": f"t{number}", "note": "n"}, Idempotency_Key=f"k{number}")
        assert reply.status == 200, reply
    server.stop()
    assert rows_fetched(postgres, database, table) < 10 * count


def test_a_connection_that_is_lost_while_the_tables_are_made_is_said_to_be_lost(postgres, database):
    """Nothing more is said on it, neither is the message of a connection that is not there."""
    end = ("BEGIN; CREATE TABLE joblight (version int); DO 'BEGIN LOOP PERFORM pg_stat_clear_snapshot(); "
           "PERFORM pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = ''Lock''; "
           "EXIT WHEN FOUND; PERFORM pg_sleep(0.02); END LOOP; END'; ROLLBACK")
    other = threading.Thread(target=postgres.sql, args=(database, end))
    other.start()
    until(lambda: postgres.sql("postgres", "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'") == "1", 10, "the table")
    code, _, errors = run_to_exit(db=postgres.url(database), listen="127.0.0.1:0")
    other.join()
    assert code == 1 and "the connection is lost" in errors and "pointer" not in errors


def test_a_warning_of_postgresql_is_in_the_log_and_a_notice_is_not(node, client, postgres, database):
    server = node()
    postgres.sql(database, "CREATE FUNCTION say() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RAISE NOTICE 'a remark'; "
                           "RAISE WARNING E'two\nlines'; RETURN NULL; END$$")
    postgres.sql(database, "CREATE TRIGGER say AFTER INSERT ON jobs EXECUTE FUNCTION say()")
    client(server).create_job()
    server.logs('level=warn msg="PostgreSQL warns" warning="two\\nlines" state=01000')
    assert "a remark" not in server.log() and "WARNING:" not in server.log()
