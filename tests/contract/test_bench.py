"""joblight bench: a load of its own jobs, and figures that can be checked."""
import json
import re
import signal
import socket
import subprocess

import pytest

from support.bench import SMALL, bench, descriptors, environment, jobs_of, on_a_terminal, trust
from support.keyed import client, db, make, root  # noqa: F401
from support.ports import free_port
from support.server import BINARY
from support.wait import SCALE, until


def test_it_measures_and_leaves_nothing(server):
    said = bench(*SMALL, "--jobs", "2", *trust(server), server.url)
    assert said.status == 0 and said.errors == "", said
    assert [line.get("second") for line in said.lines] == [1, None]
    assert (said["watchers"], said["workers"], said["jobs"], said["rate"]) == (20, 2, 2, 60)
    assert said["updates"] == said.lines[0]["updates"] > 0
    assert said["updates"] <= 61 and said["deliveries"] <= 10 * 61, "half of the watchers see an update"
    assert said["deliveries"] >= 10 * (said["updates"] - 2) - 20
    for name in ("refusedUpdates", "brokenStreams", "missingEvents", "repeatedEvents"):
        assert said[name] == 0
    assert jobs_of(server) == []


def test_the_times_fit_together(server):
    said = bench(*SMALL, *trust(server), server.url)
    assert 0 < said["answerP50Ms"] <= said["answerP99Ms"]
    assert 0 < said["receiveP50Ms"] <= said["receiveP99Ms"]
    assert 0 <= said["commitToReceiveP50Ms"] <= said["commitToReceiveP99Ms"]
    assert said["commitToReceiveP50Ms"] <= said["receiveP50Ms"] + said["commitToReceiveErrorMs"] + 1
    assert 0 <= said["commitToReceiveErrorMs"] < said["receiveP99Ms"] + 1


def test_a_terminal_gets_lines_for_people(server):
    status, said = on_a_terminal(*SMALL, *trust(server), server.url)
    assert status == 0
    assert re.search(r"^   1 s +\d+ updates +\d+ deliveries$", said, re.M)
    assert re.search(r"^20 watchers and 2 workers on 1 job for [\d.]+ s$", said, re.M)
    for line in (r"updates +\d+ /s   answered after [\d.]+ ms \(p50\), [\d.]+ ms \(p99\)",
                 r"deliveries +\d+ /s   received [\d.]+ ms \(p50\), [\d.]+ ms \(p99\) after they were sent",
                 r"commit to receive +[\d.]+ ms \(p50\), [\d.]+ ms \(p99\), within [\d.]+ ms",
                 r"errors +0 +0 updates refused, 0 streams cut, 0 events missing, 0 twice",
                 r"this client +\d+ % of a processor"):
        assert re.search(rf"^{line}", said, re.M), said


def test_jobs_that_its_key_may_not_delete_are_ended(serve, db, make, root, client):
    key = make("watch,report,create")
    server = serve(db=db)
    assert bench(*SMALL, *trust(server), server.url, key=key).status == 0
    job, = client(server, root).get("/api/jobs").json["jobs"]
    assert job["id"].startswith("bench-") and job["status"] == "completed"


@pytest.mark.parametrize("scope", ["watch", "watch,create", "report,create"])
def test_a_key_that_may_too_little(serve, db, make, scope):
    key = make(scope)
    server = serve(db=db)
    said = bench(*SMALL, *trust(server), server.url, key=key)
    assert said.status == 5 and "the key needs watch, report and create" in said.errors and not said.lines


def test_without_a_key(serve, db, root):
    server = serve(db=db)
    said = bench(*SMALL, *trust(server), server.url)
    assert said.status == 5 and "401" in said.errors and "Set JOBLIGHT_KEY" in said.errors


def test_a_key_for_other_jobs(serve, db, make):
    key = make("watch,report,create", "ci-*")
    server = serve(db=db)
    said = bench(*SMALL, *trust(server), server.url, key=key)
    assert said.status == 5 and "a new job was answered 403" in said.errors, said


def test_too_few_descriptors_are_named(server):
    said = bench("--watchers", "100", *trust(server), server.url, before=descriptors(40, 100))
    assert said.status == 1 and not said.lines
    assert "100 watchers and 4 workers need 136 file descriptors, and the limit here is 100" in said.errors
    assert "ulimit -Hn" in said.errors and "--watchers" in said.errors


def test_the_connections_of_the_server_are_named(serve):
    server = serve(max_connections=50)
    said = bench("--watchers", "60", *trust(server), server.url)
    assert said.status == 1 and "60 watchers and 4 workers are more than the 50 connections" in said.errors
    assert "--max-connections" in said.errors


def test_streams_that_are_refused(serve):
    server = serve(max_streams=10)
    said = bench(*SMALL, *trust(server), server.url)
    assert said.status == 1 and "a stream was refused: the server has no room" in said.errors and not said.lines, said
    assert jobs_of(server) == []


def test_ctrl_c_prints_what_was_measured_and_ends_the_jobs(server):
    process = subprocess.Popen([BINARY, "bench", "--watchers", "5", "--seconds", "60", "--rate", "50", *map(str, trust(server)),
                                server.url], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment())
    assert json.loads(process.stdout.readline())["second"] == 1
    until(lambda: len(jobs_of(server)) == 1, 5, "its job")
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=10 * SCALE)
    assert process.returncode == 130 and json.loads(out.splitlines()[-1])["updates"] > 0, err
    assert jobs_of(server) == []


@pytest.mark.parametrize("words, message", [
    (["jobs.example"], "it begins with http:// or https://"),
    (["--watchers", "0"], "--watchers 0: it takes a whole number from 1 to 100000"), (["--watchers", "100001"], "from 1 to 100000"),
    (["--workers", "x"], "--workers x: it takes"), (["--seconds", "3601"], "from 1 to 3600"), (["--seconds", "1s"], "--seconds 1s: it takes"),
    (["--rate", "-1"], "--rate -1: it takes"), (["--jobs", ""], "--jobs : it takes"), (["--speed"], "bench has no --speed"),
    (["http://a", "http://b"], '"http://b" is not expected'), (["http://a", "--url", "http://b"], "there twice")])
def test_a_wrong_command_line_says_what_to_change(words, message):
    said = bench(*words)
    assert said.status == 2 and message in said.errors and not said.lines


def test_a_server_that_does_not_answer():
    with socket.create_server(("127.0.0.1", 0)) as silent:
        said = bench("http://127.0.0.1:%d" % silent.getsockname()[1], "--timeout", "300ms")
    assert said.status == 7 and "was not answered: too slow" in said.errors


def test_a_reader_that_goes_away_ends_it_and_its_jobs(server):
    process = subprocess.Popen([BINARY, "bench", "--watchers", "5", "--seconds", "60", "--rate", "50", *map(str, trust(server)),
                                server.url], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment())
    process.stdout.readline()
    process.stdout.close()
    assert process.wait(20 * SCALE) == -signal.SIGPIPE and process.stderr.read() == b""
    process.stderr.close()
    assert jobs_of(server) == []


def test_a_server_that_is_away():
    said = bench(f"http://127.0.0.1:{free_port()}")
    assert said.status == 6 and re.search("was not answered: Could(n't| not) connect", said.errors)


def test_standard_output_that_is_full(server):
    with open("/dev/full", "w") as full:
        done = subprocess.run([BINARY, "bench", *SMALL, *map(str, trust(server)), server.url], stdout=full, stderr=subprocess.PIPE,
                              timeout=20 * SCALE, check=False, env=environment())
    assert done.returncode == 1 and b"standard output" in done.stderr
