"""GET /healthz, and what the server does when it starts and stops."""
import re
import signal
import subprocess

import pytest

from support.api import Api, Lost
from support.server import BINARY, run_to_exit
from support.sse import SseStream


def test_healthz_says_ok(api):
    reply = api.get("/healthz")
    assert (reply.status, reply.json) == (200, {"status": "ok"})


def test_the_server_says_on_one_line_where_it_listens(serve):
    server = serve()
    assert server.host == "127.0.0.1" and server.port > 0
    server.stop()   # which reads the rest of stdout: there is none


def test_an_answered_update_survives_kill_9(serve):
    server = serve()
    with Api(server.address) as api:
        job = api.create_job()["id"]
        answer = api.report(job, "t1", note="kept")
    server.restart()
    with Api(server.address) as api:
        after = api.job(job)
        assert (after["cursor"], after["tasks"][0]["note"]) == (answer["cursor"], "kept")


def test_a_job_in_the_memory_store_behaves_the_same(serve, client):
    api = client(serve(db=":memory:"))
    job = api.create_job(tasks=[{"id": "t1", "title": "Draw"}])["id"]
    assert api.report(job, "t1", status="completed")["seq"] == 2
    assert [event["seq"] for event in api.activity(job)] == [1, 2]
    assert api.job(job)["tasks"][0]["status"] == "completed"


def test_on_sigterm_streams_are_told_when_to_come_back(serve, client):
    server = serve()
    job = client(server).create_job()["id"]
    streams = [SseStream(server.address, job) for _ in range(20)]
    for stream in streams:
        stream.connected()
    server.stop()
    retries = [[block.retry for block in stream.all_blocks() if block.retry is not None][-1]
               for stream in streams]
    assert len(set(retries)) > 5, f"everyone would come back at the same moment: {retries}"


def test_on_sigterm_what_was_answered_is_there(serve, client):
    server = serve()
    api, answered = client(server), []
    job = api.create_job()["id"]
    server.signal(signal.SIGTERM)
    try:
        while True:
            answered.append(api.report(job, "t")["seq"])
    except (Lost, AssertionError):
        pass
    assert server.gone() == 0
    server.start()
    assert client(server).job(job)["seq"] >= 1 + len(answered)


def test_version_and_help_answer_on_stdout():
    version = subprocess.run([BINARY, "version"], capture_output=True, check=True, timeout=10)
    assert re.match(rb"joblight \d+\.\d+", version.stdout)
    usage = subprocess.run([BINARY, "serve", "--help-all"], capture_output=True, check=True,
                           timeout=10).stdout.decode()
    for flag in ("--listen", "--db", "--loops", "--durability", "--www", "--insecure"):
        assert flag in usage


@pytest.mark.parametrize("options", [{"listen": "127.0.0.1:99999"}, {"listen": "nonsense"},
                                     {"durability": "sometimes"}, {"loops": "0"},
                                     {"heartbeat_ms": "often"}, {"no_such_flag": "1"}])
def test_a_setting_that_cannot_be_meant_stops_the_start(tmp_path, options):
    given = {"listen": "127.0.0.1:0", "db": str(tmp_path / "j.db"), **options}
    code, out, err = run_to_exit(**given)
    assert code > 0 and out == ""
    flag = next(iter(options)).replace("_", "-")
    assert flag in err, err
