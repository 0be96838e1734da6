"""The file of --config: read at the start, and again by SIGHUP."""
import os
import re
import select
import signal
import subprocess
from contextlib import closing

import pytest

from support.problem import assert_problem
from support.raw import Raw, request
from support.server import SETTING, command, run_to_exit
from support.sse import stream_request
from support.wait import SCALE, Deadline, happens, until
from support.ws import WebSocket

WHERE = {"listen": "127.0.0.1:0", "db": ":memory:"}


@pytest.fixture
def config(tmp_path):
    """config(text): the path of a file that says so."""
    def write(text):
        path = tmp_path / "joblight.conf"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path
    return write


def reload(server, waits_for):
    """Sends SIGHUP, and returns the lines of the log that came of it."""
    before = len(server.log())
    server.signal(signal.SIGHUP)
    return until(lambda: waits_for in server.log()[before:] and server.log()[before:], 5, waits_for)


def writes_from(api, name):
    """Whether a page of https://NAME.example may write."""
    reply = api.post("/api/jobs", {"title": "T"}, Origin=f"https://{name}.example")
    if reply.status != 201:
        assert_problem(reply, 403, "forbidden_origin")
    return reply.status == 201


def largest_note(api):
    job = api.create_job()["id"]
    for length in (16, 17, 32, 33):
        if api.update(job, {"taskId": "t", "note": "n" * length}).status != 200:
            return length - 1
    return None


# -- at the start --------------------------------------------------------------------------------------

def test_a_file_has_the_names_of_the_flags(serve, client, config):
    path = config("; a comment\n# another one\nmax-note = 16   ; the smallest\n\nloops = 2\n"
                  "verbose = true\norigin = https://a.example\norigin = https://b.example\n")
    server = serve(config=path)
    api = client(server)
    assert largest_note(api) == 16
    assert [writes_from(api, name) for name in "abc"] == [True, True, False]


def test_the_environment_overrides_the_file_and_a_flag_overrides_both(
        serve, client, config, monkeypatch):
    path = config("max-note = 16\norigin = https://a.example\n")
    assert largest_note(client(serve(config=path, max_note=32))) == 32
    monkeypatch.setitem(SETTING, "JOBLIGHT_MAX_NOTE", "32")
    monkeypatch.setitem(SETTING, "JOBLIGHT_ORIGIN", "https://b.example")
    monkeypatch.setitem(SETTING, "JOBLIGHT_CONFIG", str(path))
    api = client(serve())
    assert largest_note(api) == 32
    assert [writes_from(api, name) for name in "ab"] == [False, True]
    assert largest_note(client(serve(max_note=16))) == 16


MISTAKES = {
    "max-nite = 5": "1: max-nite is not a setting; did you mean max-note?",
    "\nmax-note = many": "2: max-note must be a size from 16B to 1MiB (bytes, or with KiB,",
    "max-note = 15": "1: max-note must be a size from 16B to 1MiB (bytes, or with KiB,",
    "max-note =": "1: max-note must be a size from 16B to 1MiB (bytes, or with KiB,",
    "max-note": "1: the line is not `name = value`",
    "[server]\nmax-note = 16": "2: there are no sections",
    "verbose = maybe": "1: verbose must be 1, 0, true or false, not \"maybe\"",
    "db = a.db\ndb = b.db": "2: db is given twice",
    "durability = some": "1: durability: \"some\" is not valid: it must be full or process",
    "www =": "1: www: \"\" is not valid: it is empty",
    "origin = nonsense": "1: origin: \"nonsense\" is not valid",
    "config = other.conf": "1: a file cannot name another one",
    "www = " + "x" * 200: "1: the line is too long",
    "max-note = 16\0\n": "1: the line has a NUL byte",
    "\nmax-note = 16\n\0": "3: the line has a NUL byte",
    "\0": "1: the line has a NUL byte",
    "x" * 5000: "1: the line is too long",
    "jl_4nQ0vB8sKx2M_9mQ7tVbE3RkzUuW5yXo1LcPhA0dGfJs8iNnTqZ2wCe4 = 5": "1: [hidden] is not a setting",
    "a\x1b[2J = 5": "1: a?[2J is not a setting",
}


@pytest.mark.parametrize("text", MISTAKES, ids=range(len(MISTAKES)))
def test_a_mistake_stops_the_start_and_its_line_is_named(config, text):
    path = config(text)
    code, out, err = run_to_exit(**{"config": path, "listen": "127.0.0.1:0"})
    assert code == 2 and out == ""
    assert MISTAKES[text] in err
    assert err.count("\n") == 1


def test_a_line_as_long_as_it_may_be_is_taken_whole(config, tmp_path):
    name = "x" * (198 - len("www = "))
    code, _, err = run_to_exit(**{**WHERE, "config": config(f"www = {name}\n")})
    assert code == 1 and "File name too long" not in err and name in err


def test_a_file_that_cannot_be_read_stops_the_start(tmp_path):
    for path, cause in ((tmp_path / "none", "No such file"), (tmp_path, "Is a directory")):
        code, _, err = run_to_exit(**{**WHERE, "config": path})
        assert code == 2 and cause in err and str(path) in err


def test_the_help_marks_what_can_be_changed_while_the_server_runs():
    out = subprocess.run([*command()[:2], "--help-all"], capture_output=True, check=True,
                         timeout=10 * SCALE).stdout.decode()
    assert re.search(r"^  --max-note SIZE \* +largest note of a task \(16KiB\)$", out, re.M)
    assert re.search(r"^  --queued-writes N +writes waiting", out, re.M)


# -- SIGHUP --------------------------------------------------------------------------------------------

@pytest.mark.parametrize("loops", [1, 2])
def test_a_limit_is_changed_without_touching_a_connection(serve, client, config, loops):
    server = serve(config=config("max-note = 16\nmax-message = 256\n"), loops=loops)
    api = client(server)
    job = api.create_job()["id"]
    with WebSocket(server.address) as ws:
        ws.subscribe(job)
        assert largest_note(api) == 16
        config("max-note = 32\nmax-message = 4096\n")
        log = reload(server, "read again")
        assert "changed=max-note,max-message" in log and "WARN" not in log.upper()
        assert happens(lambda: largest_note(api) == 32, 5)
        ws.send("update", id="k", jobId=job, taskId="t", title="T" * 400)
        assert ws.message("ack")["id"] == "k"


def test_a_limit_of_the_store_thread_is_changed(serve, client, config):
    server = serve(config=config("max-tasks = 1\n"))
    api = client(server)
    job = api.create_job()["id"]

    def takes(task):
        return api.update(job, {"taskId": task, "note": "n"}).status == 200

    assert takes("a") and not takes("b")
    config("max-tasks = 2\n")
    reload(server, "changed=max-tasks")
    until(lambda: takes("b"), 5, "the store thread having taken it")
    assert not takes("c")
    config("max-tasks = 1\n")
    reload(server, "changed=max-tasks")
    until(lambda: not takes("d"), 5, "the lower limit")
    assert takes("a") and takes("b")


def test_a_retention_that_was_shortened_takes_effect_at_once(serve, client, config):
    server = serve(config=config("retention-ms = 86400000\n"))
    api = client(server)
    job = api.create_job()["id"]
    api.burst(job, 5)
    api.patch(f"/api/jobs/{job}", {"status": "completed"})
    config("retention-ms = 1000\n")
    reload(server, "changed=retention-ms")
    until(lambda: len(api.activity(job)) == 1, 10,
          "all but the last event being removed")


def test_what_is_read_at_the_start_only_is_named_and_stays(serve, client, config):
    server = serve(config=config("origin = https://a.example\n"))
    config("origin = https://b.example\nqueued-writes = 5\nloops = 2\nmax-note = 16\n")
    log = reload(server, "take effect when the server is started again")
    assert "settings=loops,queued-writes" in log and "changed=origin,max-note" in log
    api = client(server)
    assert [writes_from(api, name) for name in "ab"] == [False, True]


@pytest.mark.parametrize("broken", ["max-note = 32\nmax-tasks = none\n", "max-note = 32\n[x]\ny = 1\n",
                                    "max-note = 32\nx" * 200, None])
def test_a_file_with_a_mistake_changes_nothing(serve, client, config, broken):
    path = config("max-note = 16\n")
    server = serve(config=path)
    api = client(server)
    if broken is None:
        path.unlink()
    else:
        config(broken)
    log = reload(server, "nothing was changed")
    assert "joblight.conf" in log
    assert largest_note(api) == 16
    config("max-note = 32\n")
    reload(server, "changed=max-note")
    until(lambda: largest_note(api) == 32, 5, "the mended file")


def test_without_a_file_nothing_changes(serve, client):
    server = serve(max_note=16)
    reload(server, "changed=nothing")
    assert largest_note(client(server)) == 16


def test_a_storm_of_reloads_loses_nothing(serve, client, config):
    server = serve(config=config("max-note = 16\n"), loops=2)
    api = client(server)
    job = api.create_job()["id"]
    with WebSocket(server.address) as ws:
        ws.subscribe(job)
        for i in range(100):
            config(f"max-note = {16 + i}\n")
            server.signal(signal.SIGHUP)
            api.burst(job, 1)
        assert [said["seq"] for said in ws.messages("task_update", 100)] == list(range(2, 102))


# -- a limit that is lowered below what exists ---------------------------------------------------------

def test_a_chunked_body_that_is_arriving_obeys_a_lowered_limit(serve, config):
    server = serve(config=config("max-body = 1048576\n"))
    with closing(Raw(server.address)) as raw:
        raw.send(request("POST", "/api/jobs", ["Content-Type: application/json",
                                               "Transfer-Encoding: chunked"]))
        raw.send(b"30000\r\n" + b" " * 0x30000 + b"\r\n")
        config("max-body = 65536\n")
        reload(server, "changed=max-body")
        assert happens(lambda: raw_is_over(raw), 5)
        assert raw.response().status == 413


def raw_is_over(raw):
    """Sends another chunk; whether the server has answered."""
    try:
        raw.send(b"10\r\n" + b" " * 16 + b"\r\n")
    except OSError:
        return True
    return bool(select.select([raw.socket], [], [], 0.01)[0])


def test_a_reader_that_stalls_after_the_limit_was_lowered_is_closed_before_the_others(
        serve, client, config):
    server = serve(config=config("stall-ms = 600000\n"), write_bytes=4096)
    api = client(server)
    job = api.create_job()["id"]
    with closing(Raw(server.address, receive_buffer=2048)) as patient:
        stalls(api, job, patient)
        before = server.fds()
        config("stall-ms = 300\n")
        reload(server, "changed=stall-ms")
        with closing(Raw(server.address, receive_buffer=2048)) as hasty:
            stalls(api, job, hasty)
            server.fds_back_to(before, within=10)


def stalls(api, job, raw):
    """Opens a stream that takes nothing, and makes it stall."""
    raw.send(stream_request(job))
    raw.head_of_response(Deadline(10, "the stream"))
    for _ in range(4):
        assert api.update(job, [{"taskId": f"t{n}", "note": "n" * 16000} for n in range(16)]).status == 200


def test_a_subscription_is_replaced_also_when_there_are_more_than_may_be(serve, client, config):
    server = serve(config=config("max-subscriptions = 4\n"))
    api = client(server)
    jobs = [api.create_job()["id"] for _ in range(4)]
    with WebSocket(server.address) as ws:
        for job in jobs:
            ws.subscribe(job)
        config("max-subscriptions = 2\n")
        reload(server, "changed=max-subscriptions")
        assert ws.subscribe(jobs[0], tabs=2)["job"]["id"] == jobs[0]
        api.report(jobs[0], "t", note="n")
        assert ws.message("task_update")["jobId"] == jobs[0]
        ws.send("subscribe", jobId=api.create_job()["id"])
        assert ws.message("error")["code"] == "too_many_subscriptions"


@pytest.mark.parametrize("kind", ["fifo", "device"])
def test_a_file_that_is_not_a_regular_one_is_refused(tmp_path, kind):
    path = "/dev/null"
    if kind == "fifo":
        path = tmp_path / "fifo"
        os.mkfifo(path)
    code, _, err = run_to_exit(**{**WHERE, "config": path})
    assert code == 2 and "is not a regular file" in err
