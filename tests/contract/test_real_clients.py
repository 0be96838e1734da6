"""Clients that nobody here wrote: npm `ws` and `eventsource`, Debian's `websockets`, curl.

Each is a program in tests/clients that prints what it saw. script/test installs the packages.
"""
import http.client
import json
import subprocess
from pathlib import Path

import pytest

from support.api import hook
from support.problem import MEMBERS
from support.wait import SCALE, Deadline, readable

CLIENTS = Path(__file__).resolve().parents[1] / "clients"
PYTHON = "/usr/bin/python3"


def program(name, server, job):
    runner = PYTHON if name.endswith(".py") else "node"
    return [runner, str(CLIENTS / name), str(server.port), job]


def run(name, server, job, within=60):
    """What the program printed when it was done."""
    done = subprocess.run(program(name, server, job), capture_output=True, timeout=within * SCALE,
                          stdin=subprocess.DEVNULL, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return json.loads(done.stdout)


@pytest.fixture
def lines():
    """lines(name, server, job): a running program, whose lines are read one by one."""
    running = []

    def start(name, server, job):
        running.append(Lines(program(name, server, job)))
        return running[-1]

    yield start
    for one in running:
        one.stop()


class Lines:
    def __init__(self, words):
        self.process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                        bufsize=0)

    def next(self, within=20):
        readable(self.process.stdout, Deadline(within, "a line of the client"))
        return self.process.stdout.readline().decode().strip()

    def until(self, wanted, within=20):
        """Every line up to the first that `wanted` accepts."""
        deadline, seen = Deadline(within, "the line of the client"), []
        while not seen or not wanted(seen[-1]):
            line = self.next(deadline.left())
            assert line, f"the client ended after {seen}"
            seen.append(line)
        return seen

    def ended(self, within=20):
        return self.process.wait(within * SCALE)

    def stop(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()


def test_npm_ws_watches_reports_and_is_closed_at_the_end(server, api, job):
    said = run("ws.js", server, job)
    assert (said["protocol"], said["resume"], said["code"]) == ("joblight.v1", "fresh", 1000)
    assert said["seqs"] == list(range(2, 204))      # 200 updates, the command, the end of the job
    assert said["acks"] == [*(f"k{i}" for i in range(200)), "k0", "c"]
    assert said["duplicates"] == 1 and said["pong"] is True
    assert [event["note"] for event in api.activity(job)[1:201]] == [f"{i} é" for i in range(200)]


def test_npm_ws_that_only_watches_lives_through_many_heartbeats(serve, client, lines):
    server = serve(heartbeat_ms=500)
    job = client(server).create_job()["id"]
    viewer = lines("ws_idle.js", server, job)
    assert viewer.next() == "connected"
    heard = [viewer.next() for _ in range(10)]
    assert set(heard) == {"ping", "heartbeat"}
    client(server).finish(job)
    assert viewer.until(lambda line: line.startswith("closed"))[-3:] == ["job_update", "end",
                                                                        "closed 1000"]


def test_npm_ws_is_told_of_a_restart(serve, client, lines):
    server = serve()
    job = client(server).create_job()["id"]
    viewer = lines("ws_idle.js", server, job)
    assert viewer.next() == "connected"
    server.stop()
    assert viewer.next() == "restart"
    assert viewer.next() == "closed 1012" and viewer.ended() == 0


def test_pythons_websockets_pipelines_fragments_pings_and_closes(server, api, job):
    said = run("websockets_client.py", server, job)
    assert (said["protocol"], said["resume"], said["codes"]) == ("joblight.v1", "fresh",
                                                                 [1000, 1000])
    assert said["acked"] == list(range(2, 502)) and said["last"] == 504
    assert said["seen"] == list(range(2, 505))
    assert api.activity(job)[501]["note"] == "é" * 50


def test_npm_eventsource_comes_back_by_itself_and_misses_nothing(serve, client, lines):
    server = serve()
    api = client(server)
    snapshot = api.create_job()
    job, epoch = snapshot["id"], snapshot["epoch"]
    viewer = lines("eventsource.js", server, job)
    assert json.loads(viewer.next())["resume"] == "fresh"
    api.report(job, "t")
    assert json.loads(viewer.next()) == {"type": "task_update", "seq": 2, "id": f"{epoch}.2"}
    server.restart()
    api = client(server)
    api.burst(job, 10)
    api.finish(job)
    said = [json.loads(line) for line in viewer.until(lambda line: '"end"' in line)]
    opened = [one for one in said if one["type"] == "connected"]
    assert [one["resume"] for one in opened] == ["exact"] and opened[0]["id"] == f"{epoch}.2"
    logged = ("task_update", "job_update")
    assert [one["seq"] for one in said if one["type"] in logged] == list(range(3, 14))
    assert viewer.ended() == 0


def test_npm_eventsource_hears_heartbeats(serve, client, lines):
    server = serve(heartbeat_ms=150)
    job = client(server).create_job()["id"]
    viewer = lines("eventsource.js", server, job)
    viewer.next()
    assert [viewer.next() for _ in range(3)] == ['{"type":"heartbeat"}'] * 3


@pytest.mark.parametrize("flag", ["--http1.1", "--http1.0", "--http2", "--head"])
def test_curl_is_told_that_this_is_a_websocket(server, flag):
    done = subprocess.run(["curl", "-sS", "-m", "10", "-w", "\n%{http_code}", flag,
                           f"{server.url}/api/ws"],
                          capture_output=True, stdin=subprocess.DEVNULL, check=False)
    assert done.returncode == 0, done.stderr
    body, status = done.stdout.decode().rsplit("\n", 1)
    assert status == "426"
    assert flag == "--head" or set(json.loads(body)) == MEMBERS


# -- bodies whose length nobody knows when they begin ---------------------------------------------

NOTE = "n" * 10_000


def test_curl_uploads_what_it_reads_from_a_pipe(server, api, job):
    done = subprocess.run(["curl", "-sS", "-m", "10", "-w", "\n%{http_code}", "-X", "PUT", "-T", "-",
                           "-H", "Content-Type: application/json",
                           f"{server.url}/api/jobs/{job}/tasks/t"],
                          input=json.dumps({"note": NOTE}).encode(), capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.decode().rsplit("\n", 1)[1] == "201"
    assert api.job(job)["tasks"][0]["note"] == NOTE


def test_curl_reads_why_a_large_upload_was_refused(server, job):
    """curl waits for 100 Continue and then sends on while the answer is there."""
    done = subprocess.run(["curl", "-sS", "-m", "10", "-w", "\n%{http_code}", "-T", "-",
                           "-H", "Content-Type: application/json", "-H", "Expect:",
                           f"{server.url}/api/jobs/{job}/tasks/t"],
                          input=b"x" * 3_000_000, capture_output=True, check=False)
    body, status = done.stdout.decode().rsplit("\n", 1)
    assert status == "413" and json.loads(body)["code"] == "body_too_large", done.stderr


def test_pythons_http_client_sends_a_generator(server, api, job):
    connection = http.client.HTTPConnection(*server.address, timeout=10 * SCALE)
    for i in range(3):
        parts = (part.encode() for part in ('{"taskId":', f'"t{i}"', ',"note":"', NOTE, '"}'))
        connection.request("POST", hook(job), parts, {"Content-Type": "application/json"},
                           encode_chunked=True)
        answer = connection.getresponse()
        assert (answer.status, json.loads(answer.read())["seq"]) == (200, i + 2)
    connection.close()
    assert [task["note"] for task in api.job(job)["tasks"]] == [NOTE] * 3


def test_pythons_http_client_reads_why_a_large_body_was_refused(server, job):
    connection = http.client.HTTPConnection(*server.address, timeout=10 * SCALE)
    connection.request("POST", hook(job), b"x" * 8_000_000, {"Content-Type": "application/json"})
    answer = connection.getresponse()
    assert (answer.status, json.loads(answer.read())["code"]) == (413, "body_too_large")
    connection.close()


def test_node_sends_streams_over_one_connection(server, api, job):
    said = run("streams.js", server, job)
    assert said == {"seqs": list(range(2, 12)), "connections": 1, "refused": 413}
    assert len(api.activity(job)) == 11
