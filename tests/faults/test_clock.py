"""E9: the wall clock jumps by libfaketime while the monotonic clock goes on. Numbers, heartbeats and
silences do not depend on it; keys expire by it; nothing is pruned because of it.
"""
import glob
import subprocess

import pytest

from support.preload import compiled
from support.server import BINARY, SETTING
from support.sse import SseStream
from support.wait import SCALE, happens, until
from support.watcher import TRANSPORTS
from support.ws import WebSocket, path_of

JUMPS = {"an hour back": "-1h", "400 days on": "+400d"}
SILENCE_MS = 1000


@pytest.fixture
def clock(tmp_path, monkeypatch):
    """clock(text): what the servers of the test add to the time from now on, such as "-1h"."""
    file = tmp_path / "clock"

    def jump(text):
        aside = tmp_path / "clock.new"
        aside.write_text(text + "\n", encoding="ascii")
        aside.replace(file)

    jump("+0")
    [library] = glob.glob("/usr/lib/*/faketime/libfaketime.so.1")
    for name, value in (("LD_PRELOAD", f"{compiled('own_waits', tmp_path)} {library}"), ("FAKETIME_TIMESTAMP_FILE", str(file)),
                        ("FAKETIME_NO_CACHE", "1"),
                        ("FAKETIME_DONT_FAKE_MONOTONIC", "1"), ("FAKETIME_DONT_RESET", "1")):
        monkeypatch.setitem(SETTING, name, value)
    return jump


@pytest.fixture(params=JUMPS)
def jump(request, clock):
    """Lets the clock jump."""
    return lambda: clock(JUMPS[request.param])


def year(api, job):
    return int(api.job(job)["updatedAt"][:4])


def test_the_clock_of_the_server_does_jump(serve, client, clock):
    """Otherwise the other tests would prove nothing."""
    api = client(serve())
    job = api.create_job()["id"]
    before = year(api, job)
    clock("+400d")
    api.report(job, "t")
    assert year(api, job) > before


def test_e9_numbers_and_streams_go_on(serve, client, jump):
    server = serve(heartbeat_ms=1000, stall_ms=1000)
    api = client(server)
    job = api.create_job()["id"]
    watchers = [transport(server.address, job) for transport in TRANSPORTS.values()]
    for watcher in watchers:
        watcher.connected()
    with SseStream(server.address, job) as beats:
        beats.message("heartbeat")
        jump()
        for number in range(20):
            assert api.report(job, "t", note=str(number))["seq"] == number + 2
        for watcher in watchers:
            assert [event.seq for event in watcher.events(20)] == list(range(2, 22))
            watcher.close()
        for _ in range(3):
            beats.message("heartbeat")
    assert server.logs("has jumped")
    server.restart()
    assert client(server).report(job, "t", note="after a restart")["seq"] == 22


def test_e9_a_silence_is_as_long_as_it_is(serve, client, jump):
    """No task is called silent because the clock jumped, and each is that is silent."""
    server = serve()
    api = client(server)
    job = api.create_job()["id"]
    api.report(job, "patient", status="in_progress", heartbeatTimeoutMs=3_600_000)
    api.report(job, "quick", status="in_progress", heartbeatTimeoutMs=SILENCE_MS)
    jump()

    def stalled():
        return {task["id"] for task in api.job(job)["tasks"] if task.get("stalled")}
    until(stalled, 10, "the silence of a second")
    assert stalled() == {"quick"}
    assert not happens(lambda: "patient" in stalled(), 1 / SCALE)


def test_e9_nothing_is_pruned_and_no_idempotency_key_is_forgotten(serve, client, clock):
    server = serve()
    api = client(server)
    ended, job = api.create_job()["id"], api.create_job()["id"]
    api.burst(ended, 100)
    api.finish(ended)
    first = api.update(job, {"taskId": "t", "note": "n"}, Idempotency_Key="k").json
    clock("+400d")
    until(lambda: "has jumped" in server.log(), 10, "the jump being noticed")
    api.report(job, "t", note="chores follow a write")
    assert not happens(lambda: len(api.activity(ended)) < 102, 2 / SCALE)
    again = api.update(job, {"taskId": "t", "note": "n"}, Idempotency_Key="k").json
    assert again["seq"] == first["seq"]


# -- credentials: what is said to be valid until a date is valid until this date ------------------------

def new_key(db, *arguments):
    done = subprocess.run([BINARY, "key", "create", "--db", str(db), *arguments], check=True,
                          capture_output=True, timeout=20 * SCALE, stdin=subprocess.DEVNULL)
    return done.stdout.decode().strip()


def headers(credential):
    return {"Authorization": f"Bearer {credential}"}


def bearer(credential):
    return (f"Authorization: Bearer {credential}",)


def token_of(api, root, job):
    reply = api.post(f"/api/jobs/{job}/tokens", {"scope": ["watch"], "expiresIn": 3600},
                     **headers(root))
    assert reply.status == 201, reply
    return reply.json["token"]


@pytest.fixture
def keyed(clock, serve, tmp_path):
    """(server whose clock can jump, key without an end, key of 90 days)"""
    db = tmp_path / "keys.db"
    root = new_key(db, "--scope", "watch,report,create,control,admin")
    short = new_key(db, "--scope", "watch", "--expires", "90d")
    return serve(db=str(db)), root, short


def job_with(api, root):
    return api.post("/api/jobs", {"title": "J"}, **headers(root)).json["id"]


@pytest.mark.parametrize("what", ["key", "token"])
def test_e9_credentials_end_when_the_clock_says_so(keyed, client, clock, what):
    server, root, short = keyed
    api = client(server)
    job = job_with(api, root)
    credential = short if what == "key" else token_of(api, root, job)
    with SseStream(server.address, job, headers=bearer(credential)) as stream, \
            WebSocket(server.address, path_of(job=job), headers=bearer(credential)) as ws, \
            SseStream(server.address, job, headers=bearer(root)) as other:
        for one in (stream, ws, other):
            one.message("connected")
        clock("+400d")
        assert ws.close_code(within=10) == 4001
        while stream.block(within=10):      # until it ends
            pass
        assert api.get(f"/api/jobs/{job}", **headers(credential)).status == 401
        assert api.post(f"/api/agent-hooks/task-update/{job}", {"taskId": "t"},
                        **headers(root)).status == 200
        assert other.message("task_update")
        clock("+0")                         # set right: the date has not come yet
        assert api.get(f"/api/jobs/{job}", **headers(credential)).status == 200


@pytest.mark.parametrize("what", ["key", "token"])
def test_e9_credentials_outlive_a_step_back(keyed, client, clock, what):
    """A token that was made in what is now the future is still what the server signed."""
    server, root, short = keyed
    api = client(server)
    job = job_with(api, root)
    credential = short if what == "key" else token_of(api, root, job)
    with SseStream(server.address, job, headers=bearer(credential)) as stream:
        stream.message("connected")
        clock("-1h")
        assert api.post(f"/api/agent-hooks/task-update/{job}", {"taskId": "t"},
                        **headers(root)).status == 200
        assert stream.message("task_update")
    assert api.get(f"/api/jobs/{job}", **headers(credential)).status == 200
