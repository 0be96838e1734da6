"""GET /readyz: a write of the server's own goes through a commit, the rings and a subscriber."""
import os
import signal
import sqlite3
import threading
import time
from contextlib import ExitStack, closing

import pytest

from support.keyed import joblight_key
from support.problem import assert_problem
from support.raw import Raw, ask, request
from support.server import Server
from support.sse import stream_request
from support.threads import stopped
from support.wait import Deadline, happens, until

READY = request("GET", "/readyz", host="localhost")
ASKED_S = float(os.environ.get("JOBLIGHT_TEST_READY_S", "2.5"))     # how long one is asked every 10 ms


def ready(server, within=10):
    return ask(server.address, READY, within)


def rows(server):
    """The number of rows of each table, and the number of the last canary."""
    with closing(sqlite3.connect(f"file:{server.db}?mode=ro", uri=True)) as database:
        tables = [name for name, in database.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
        counts = {name: database.execute(f"SELECT count(*) FROM {name}").fetchone()[0] for name in tables}
        last = database.execute("SELECT seq_first FROM idempotency WHERE scope = ' canary'").fetchone()
        counts["pages"] = database.execute("PRAGMA page_count").fetchone()[0]
        return counts, last and last[0]


@pytest.mark.parametrize("db", [None, ":memory:"])
@pytest.mark.parametrize("loops", [1, 2])
def test_a_server_at_work_is_ready(serve, db, loops):
    server = serve(loops=loops, **({"db": db} if db else {}))
    for _ in range(8):      # whichever loop it is
        reply = ready(server)
        assert (reply.status, reply.json) == (200, {"status": "ready"})
        assert reply.header("Cache-Control") == "no-store"
    assert ask(server.address, request("HEAD", "/readyz"), head=True).status == 200
    assert ask(server.address, request("POST", "/readyz", ["Content-Length: 0"])).status == 405


def test_it_is_answered_under_every_host(server):
    for host in ("evil.example", "10.0.0.7:3001", "joblight.test"):
        assert ask(server.address, request("GET", "/readyz", host=host)).status == 200


@pytest.mark.sqlite("it reads the file")
def test_many_who_ask_at_once_share_one_canary(serve):
    server = serve(loops=2)
    ready(server)
    _, before = rows(server)
    with ExitStack() as stack:
        askers = [stack.enter_context(closing(Raw(server.address))) for _ in range(1000)]
        began = time.monotonic()
        for raw in askers:
            raw.send(READY)
        for raw in askers:
            assert raw.response(20).json == {"status": "ready"}
        seconds = time.monotonic() - began
        for raw in askers[:100]:    # the second request of a kept connection
            raw.send(READY)
            assert raw.response(20).status == 200
        seconds_all = time.monotonic() - began
    assert rows(server)[1] - before <= 1 + seconds_all, (seconds, seconds_all)


@pytest.mark.sqlite("it reads the file")
@pytest.mark.parametrize("db", [None, ":memory:"])
def test_it_leaves_nothing_behind(serve, client, db):
    server = serve(**({"db": db} if db else {}))
    api = client(server)
    job = api.create_job()["id"]
    before = api.job(job), api.activity(job), api.get("/api/jobs").json
    assert ready(server).status == 200
    counts = None if db else rows(server)[0]
    asked, answered = time.monotonic(), 0
    while time.monotonic() < asked + ASKED_S:
        assert api.get("/readyz").status == 200
        answered += 1
        threading.Event().wait(0.01)
    assert (api.job(job), api.activity(job), api.get("/api/jobs").json) == before
    if not db:
        after, last = rows(server)
        assert after == counts and counts["idempotency"] == 1
        assert 2 <= last <= 2 + ASKED_S < answered
        assert (server.db.parent / (server.db.name + "-wal")).stat().st_size < 9 << 20
    server.stop()
    assert server.counted()["deliveries"] == 0


def test_nobody_can_watch_the_canaries(server, api):
    assert ready(server).status == 200
    for name in ("%20canary", "+canary", "canary"):
        assert api.get(f"/api/jobs/{name}").status in (400, 404)
        assert ask(server.address, request("GET", f"/api/jobs/{name}/task-events")).status in (400, 404)


# -- what makes it fail --------------------------------------------------------------------------
def why(server, within=10):
    reply = ready(server, within)
    assert_problem(reply, 503, "not_ready")
    assert reply.header("Retry-After") == "1"
    return reply.json["detail"]


def is_ready_again(server):
    return happens(lambda: ready(server).status == 200, 10, "being ready again")


@pytest.mark.sqlite("it moves the file")
def test_a_lost_database_is_told_until_it_is_back(serve):
    server = serve()
    assert ready(server).status == 200
    away = server.db.with_suffix(".away")
    server.db.rename(away)
    try:
        until(lambda: ready(server).status == 503, 5, "being not ready")
        assert "the database file was removed or replaced under the server" in why(server)
        assert ask(server.address, request("GET", "/healthz")).status == 200
    finally:
        away.rename(server.db)
    assert is_ready_again(server)


def test_a_store_thread_that_hangs_is_told_after_the_deadline_also_to_many(serve):
    server = serve(loops=2)
    with stopped(server.process.pid, "store"):
        with ExitStack() as stack:
            askers = [stack.enter_context(closing(Raw(server.address))) for _ in range(100)]
            for raw in askers:
                raw.send(READY)
            for raw in askers[::2]:     # these do not wait
                raw.close()
            for raw in askers[1::2]:
                reply = raw.response()
                assert_problem(reply, 503, "not_ready")
                assert reply.json["detail"] == "the database has not committed a write within 1500 ms"
        assert ask(server.address, request("GET", "/healthz")).status == 200
    assert is_ready_again(server)
    assert server.alive


def test_a_loop_that_hangs_is_told_by_the_others(serve):
    server = serve(loops=2)
    with ExitStack() as stack:
        askers = [stack.enter_context(closing(Raw(server.address))) for _ in range(16)]
        for raw in askers:
            raw.send(request("GET", "/healthz"))
            assert raw.response().status == 200
        with stopped(server.process.pid, "loop"):
            for raw in askers:
                raw.send(READY)
            told = until(lambda: [raw for raw in askers if not raw.silent_for(0.05)], 10, "an answer")
            for raw in told:
                reply = raw.response()
                assert_problem(reply, 503, "not_ready")
                assert "reached 1 of 2 loops" in reply.json["detail"]
    assert is_ready_again(server)


def test_while_streams_are_drained_it_says_that_the_server_stops(serve, client):
    server = serve(drain_ms=9000)
    api = client(server)
    job = api.create_job()["id"]
    for i in range(8):
        api.update(job, [{"taskId": f"t{i}-{n}", "note": "n" * 16000} for n in range(16)])
    with closing(Raw(server.address, receive_buffer=4096)) as slow:
        slow.send(request("GET", f"/api/jobs/{job}"))
        slow.until(b"HTTP/1.1 200", Deadline(10, "an answer"))
        server.signal(signal.SIGTERM)
        until(lambda: "msg=stopping" in server.log(), 5, "the stop having begun")
        until(lambda: ready(server).json.get("code") == "stopping", 5, "being told")
        assert_problem(ask(server.address, READY), 503, "stopping")
        assert_problem(ask(server.address, request("GET", "/api/jobs")), 503, "stopping")
        told = ask(server.address, stream_request(job))
        assert told.status == 200 and b"event: refused" in told.body
    assert server.gone() == 0


# -- who is told why -----------------------------------------------------------------------------
WORDS, NO_WORDS = "removed or replaced", "the operator of the server is told why"


def is_told(server, *lines, host="localhost", address=None):
    reply = ask(address or server.address, request("GET", "/readyz", lines, host=host))
    assert_problem(reply, 503, "not_ready")
    assert (WORDS in reply.json["detail"]) != (NO_WORDS in reply.json["detail"])
    return WORDS in reply.json["detail"]


def lose(server):
    server.db.rename(server.db.with_suffix(".away"))
    until(lambda: ready(server).status == 503, 5, "being not ready")
    return server


@pytest.mark.sqlite("it moves the file")
def test_without_keys_everybody_is_told_but_the_pages_of_others(serve):
    server = lose(serve())
    assert is_told(server) and is_told(server, host="joblight.test") and is_told(server, "X-Forwarded-For: 8.8.8.8")
    assert not is_told(server, host="evil.example")
    assert not is_told(server, "Origin: https://evil.example", "Sec-Fetch-Site: cross-site")


@pytest.fixture
def keyed(tmp_path):
    db = tmp_path / "keyed" / "joblight.db"
    db.parent.mkdir()
    keys = {right: joblight_key("create", "--db", db, "--scope", right) for right in ("admin", "watch")}
    keys["some"] = joblight_key("create", "--db", db, "--scope", "admin", "--jobs", "a*")
    server = Server(tmp_path / "keyed", listen=["127.0.0.1:0", "127.0.0.1:0,operators"])
    yield lose(server.start()), keys
    server.stop()


@pytest.mark.sqlite("it moves the file")
def test_with_keys_operators_are_told_and_programs_of_this_machine(keyed):
    server, keys = keyed
    bearer = {name: f"Authorization: Bearer {key}" for name, key in keys.items()}
    proxied = "X-Forwarded-For: 8.8.8.8"
    assert is_told(server) and is_told(server, host="127.0.0.1:3001")
    assert is_told(server, bearer["admin"], proxied, host="jobs.example")
    for lines in ([proxied], [proxied, bearer["watch"]], [proxied, bearer["some"]],
                  ["X-Forwarded-Proto: https"], ["Sec-Fetch-Site: cross-site"]):
        assert not is_told(server, *lines), lines
    assert not is_told(server, host="jobs.example")


@pytest.mark.sqlite("it moves the file")
def test_whoever_uses_an_address_for_operators_is_told(keyed):
    server, _ = keyed
    _, operators = server.listening
    assert is_told(server, "X-Forwarded-For: 8.8.8.8", address=operators)
    assert not is_told(server, host="evil.example", address=operators)
    assert not is_told(server, "Sec-Fetch-Site: cross-site", address=operators)
