"""E8: few file descriptors, and none at all. The server says what it needs, keeps room for requests
beside streams, never spins, and serves again when there are some.
"""
import resource
import time
from contextlib import ExitStack

import pytest

from support.api import Api
from support.problem import assert_problem
from support.raw import Raw, ask, request
from support.server import run_to_exit
from support.sse import SseStream, stream_request
from support.wait import Deadline, until
from support.wire import Closed
from support.ws import UPGRADED, handshake

LEAST = 64
HEALTH = request("GET", "/healthz", host="localhost")


# -- how many there must be ---------------------------------------------------------------------------

@pytest.mark.parametrize("count", [16, 24, 32, 48, LEAST - 1])
def test_e8_with_too_few_descriptors_the_start_is_refused_with_the_number(tmp_path, count):
    code, out, err = run_to_exit(descriptors=count, listen="127.0.0.1:0", db=str(tmp_path / "j.db"),
                                 loops=1)
    assert code == 1 and out == ""
    assert f"{LEAST} file descriptors are needed and the system gives {count}" in err


def test_e8_more_loops_need_more_descriptors(tmp_path):
    code, out, err = run_to_exit(descriptors=LEAST, listen="127.0.0.1:0",
                                 db=str(tmp_path / "j.db"), loops=16)
    assert code == 1 and out == "" and f"the system gives {LEAST}" in err


@pytest.mark.parametrize("readers", [1, 16, 64])
def test_e8_readers_get_the_descriptors_that_they_need(serve, readers):
    """--max-connections lowers how many there are, and must leave the store its own."""
    assert served(serve(max_connections=20, readers=readers).address)


def test_e8_more_readers_need_more_descriptors(tmp_path):
    code, out, err = run_to_exit(descriptors=LEAST, listen="127.0.0.1:0",
                                 db=str(tmp_path / "j.db"), readers=64)
    assert code == 1 and out == "" and f"the system gives {LEAST}" in err


def connections_of(server):
    """How many of a rush are answered with 200 while all stay open."""
    rush = [Raw(server.address) for _ in range(200)]
    for raw in rush:
        raw.send(HEALTH)
    statuses = [status_or_none(raw) for raw in rush]
    for raw in rush:
        raw.close()
    assert set(statuses) <= {200, 503, None}
    return statuses.count(200)


def test_e8_a_limit_of_one_connection_is_kept_with_the_fewest_descriptors(serve):
    server = serve(max_connections=1, loops=1, readers=1)
    assert resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE)[0] == LEAST
    assert connections_of(server) == 1
    until(lambda: served(server.address), 5, "the server answering again")


def test_e8_a_limit_above_what_the_descriptors_allow_is_lowered(serve):
    """So that some are left for what the server opens itself."""
    server = serve(descriptors=128, max_connections=5000, loops=1)
    before = server.fds()
    assert 50 < connections_of(server) < 128 - 20
    server.fds_back_to(before, within=5)
    with Api(server.address) as api:
        assert api.job(api.create_job()["id"])["title"] == "Job"


def served(address):
    """Whether a new connection is answered with 200."""
    try:
        return ask(address, HEALTH, within=5).status == 200
    except (OSError, Closed):
        return False


@pytest.mark.parametrize("count", [LEAST, 96, 128])
def test_e8_the_server_recovers_from_every_rush(serve, count):
    """More connections than descriptors, again and again; who got one is answered."""
    server = serve(descriptors=count, loops=1)
    before = server.fds()
    for _ in range(20):
        rush = [Raw(server.address) for _ in range(2 * count)]
        for raw in rush:
            raw.send(HEALTH)
        statuses = [status_or_none(raw) for raw in rush]
        assert statuses[0] == 200 and set(statuses) <= {200, 503, None}
        for raw in rush:
            raw.close()
        until(lambda: served(server.address), 5, "the server answering again")
        server.fds_back_to(before, within=5)
    assert len(server.log().splitlines()) < 10, "a flood in the log"


def status_or_none(raw):
    try:
        return raw.response().status
    except Closed:
        return None


# -- a reserve for requests ----------------------------------------------------------------------------

def plain_stream(server, job):
    """A stream as curl asks for it, which is refused with a status: (connection, status)."""
    raw = Raw(server.address)
    raw.send(request("GET", f"/api/jobs/{job}/task-events"))
    return raw, raw.head_of_response(Deadline(10, "stream headers"))[0]


def fill_with_streams(server, job):
    """Streams until one is refused; those that were taken, and the refusal's status."""
    taken = []
    while True:
        raw, status = plain_stream(server, job)
        if status != 200:
            raw.close()
            return taken, status
        taken.append(raw)


@pytest.mark.parametrize("count", [LEAST, 128])
def test_e8_streams_at_their_cap_leave_room_for_workers(serve, client, count):
    server = serve(descriptors=count, loops=1)
    api = client(server)
    job = api.create_job()["id"]
    taken, status = fill_with_streams(server, job)
    assert status == 503 and len(taken) >= 10
    for _ in range(20):
        with Api(server.address) as worker:
            worker.report(job, "t", note="at the cap")
    assert served(server.address)
    for raw in taken:
        for _ in range(20):
            raw.until(b"at the cap", Deadline(10, "every event at every stream"))
        raw.close()


def wait_for_poll(server, job, cursor):
    path = f"/api/jobs/{job}/updates?since={cursor}&wait=60"
    raw = Raw(server.address)
    raw.send(request("GET", path))
    return raw


def test_max_streams_is_the_most_of_streams_websockets_and_waiting_polls(serve, client):
    server = serve(max_streams=3, loops=1)
    api = client(server)
    snapshot = api.create_job()
    job = snapshot["id"]
    stream = SseStream(server.address, job)
    stream.connected()
    socket = Raw(server.address)
    socket.send(handshake())
    assert socket.head_of_response(Deadline(10, "the upgrade"))[0] == UPGRADED
    poll = wait_for_poll(server, job, snapshot["cursor"])
    until(lambda: is_refused(server, job), 5, "the poll being the third")
    assert_problem(ask(server.address, handshake()), 503, "overloaded")
    early = wait_for_poll(server, job, snapshot["cursor"]).response(within=5)
    assert early.status == 200 and early.json["events"] == [], "a poll too many is answered at once"
    api.report(job, "t", note="ends the poll")
    assert poll.response().json["events"]
    with SseStream(server.address, job) as freed:
        assert freed.status == 200, "the poll's place is free again"
    for open_one in (stream, socket, poll):
        open_one.close()
    server.stop()
    assert server.counted()["streams_full"] >= 2


def is_refused(server, job):
    raw, status = plain_stream(server, job)
    raw.close()
    return status == 503


@pytest.mark.parametrize("way", ["closed", "reset", "not found"])
def test_a_stream_that_is_over_leaves_its_place(serve, client, way):
    server = serve(max_streams=2, loops=1)
    job = client(server).create_job()["id"]
    for _ in range(10):
        if way == "not found":
            assert ask(server.address, stream_request("nothing")).status == 404
        else:
            stream = SseStream(server.address, job)
            stream.connected()
            stream.raw.hang_up() if way == "reset" else stream.raw.close()
        until(lambda: not is_refused(server, job), 5, "a free place")


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_an_answer_instead_of_a_stream_takes_no_place(serve, client, method):
    """Its clients have read the answer and do not close."""
    server = serve(max_streams=2, loops=1)
    job = client(server).create_job()["id"]
    with ExitStack() as stack:
        for _ in range(3):
            raw = stack.enter_context(Raw(server.address))
            if method == "HEAD":
                raw.send(request("HEAD", f"/api/jobs/{job}/task-events"))
                assert raw.response(head=True).status == 200
            else:
                raw.send(stream_request("nothing", accept="*/*"))
                assert raw.response().status == 404
        with SseStream(server.address, job) as stream:
            stream.connected()


# -- none at all -----------------------------------------------------------------------------------------

def limit_descriptors(server, soft):
    hard = resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE)[1]
    resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE, (soft, hard))
    return hard


@pytest.mark.parametrize("soft", ["all taken", "not even the spare"])
def test_e8_without_descriptors_nothing_spins_and_open_connections_are_served(serve, client, soft):
    server = serve(heartbeat_ms=250, loops=1)
    api = client(server)
    job = api.create_job()["id"]
    with SseStream(server.address, job) as clock:
        clock.connected()
        hard = limit_descriptors(server, server.fds() if soft == "all taken" else 4)
        waiting = [Raw(server.address) for _ in range(50)]
        for raw in waiting:
            raw.send(HEALTH)
        clock.message("heartbeat")
        cpu, began = server.cpu_s(), time.monotonic()
        for _ in range(4):
            clock.message("heartbeat")
            assert api.get("/healthz").status == 200
        assert server.cpu_s() - cpu <= 0.1 * (time.monotonic() - began), "it spins"
        api.report(job, "t", note="written all the same")
        assert clock.event().json["note"] == "written all the same"
        limit_descriptors(server, hard)
        until(lambda: served(server.address), 5, "the server answering again")
        for raw in waiting:
            raw.close()
    assert server.log().count("connections cannot be accepted") == 1
