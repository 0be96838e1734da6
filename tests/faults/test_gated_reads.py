"""Reads that the store is kept from finishing: what waits for them, and what does not."""
import pytest

from support.preload import compiled
from support.problem import assert_problem
from support.raw import Raw, ask, request
from support.server import SETTING
from support.wait import until
from support.ws import WebSocket

MANY = 20


@pytest.fixture
def gate(tmp_path):
    """While this file exists, a read that was begun goes no further."""
    yield tmp_path / "gate"
    (tmp_path / "gate").unlink(missing_ok=True)


@pytest.fixture
def begun(tmp_path):
    """How many reads were begun."""
    return lambda: (tmp_path / "reads").stat().st_size


@pytest.fixture
def gated(serve, gate, tmp_path, monkeypatch):
    for name, value in (("LD_PRELOAD", compiled("gated_reads", tmp_path)),
                        ("JOBLIGHT_TEST_GATE", gate), ("JOBLIGHT_TEST_READS", tmp_path / "reads")):
        monkeypatch.setitem(SETTING, name, str(value))
    return lambda **flags: serve(readers=1, loops=1, **flags)


def asking(server, job, number):
    """A connection that asks what no other one asks, so that the answers are not shared."""
    raw = Raw(server.address)
    raw.send(request("GET", f"/api/jobs/{job}/activity?limit={number}"))
    return raw


def test_a_read_whose_client_was_reset_is_not_begun(gated, client, gate, begun):
    server = gated()
    api = client(server)
    job = api.create_job()["id"]
    gate.touch()
    before = begun()
    first = asking(server, job, 1)
    until(lambda: begun() == before + 1, 5, "the first read being begun")
    fds = server.fds()
    others = [asking(server, job, 2 + i) for i in range(MANY)]
    for _ in range(2):
        assert api.get("/healthz").status == 200    # the loop has turned since it read them
    for raw in others:
        raw.hang_up()
    server.fds_back_to(fds, within=5)
    gate.unlink()
    assert first.response().status == 200
    assert api.get(f"/api/jobs/{job}").status == 200    # it was asked for behind them
    assert begun() == before + 2
    first.close()


@pytest.mark.parametrize("subscriptions, first", [(3, "pong"), (4, "connected"), (9, "connected")])
def test_a_socket_with_as_many_reads_as_it_may_have_is_read_on_when_some_came_back(
        gated, client, gate, subscriptions, first):
    server = gated(max_reads=4)
    api = client(server)
    ids = [api.create_job()["id"] for _ in range(subscriptions)]
    gate.touch()
    with WebSocket(server.address) as socket:
        socket.send_many([*({"type": "subscribe", "jobId": job} for job in ids), {"type": "ping"}])
        if first == "pong":
            assert socket.message(("connected", "pong")).type == "pong"
        for _ in range(2):
            assert api.get("/healthz").status == 200    # the loop has turned since it read them
        gate.unlink()
        types = ["connected"] * subscriptions + ["pong"] * (first != "pong")
        order = [socket.message(("connected", "pong")).type for _ in types]
    assert order[0] == "connected"
    assert sorted(order) == types


def test_reads_beyond_the_limit_are_refused_and_the_page_of_a_job_is_not(gated, client, gate, begun):
    """503 on every transport; what waits is answered when the store goes on."""
    server = gated(queued_reads=1)
    api = client(server)
    job, other = (api.create_job()["id"] for _ in range(2))
    gate.touch()
    before = begun()
    first = asking(server, job, 1)
    until(lambda: begun() == before + 1, 5, "the first read being begun")
    second = asking(server, job, 2)
    with WebSocket(server.address) as socket, Raw(server.address) as page:
        for path in (f"/api/jobs/{other}", f"/api/jobs/{other}/activity", f"/api/jobs/{other}/updates", "/api/jobs"):
            problem = assert_problem(api.get(path), 503, "overloaded")
            assert "too many reads" in problem["detail"], path
        assert_problem(api.post(f"/api/jobs/{other}/presence", {"agent": "a", "state": "s"}), 503, "overloaded")
        socket.send("presence", id="p", jobId=other, agent="a", state="s")
        assert (said := socket.message("error"))["code"] == "overloaded" and said["id"] == "p"
        socket.send("subscribe", id="s", jobId=other)
        assert (said := socket.message("error"))["code"] == "overloaded" and said["id"] == "s"
        page.send(request("GET", f"/jobs/{other}"))         # a page that says itself what is wrong
        assert page.response().status == 200
        stream = ask(server.address, request("GET", f"/api/jobs/{other}/task-events", ["Accept: text/event-stream"]))
        assert b"event: refused" in stream.body
        gate.unlink()
        assert [raw.response().status for raw in (first, second)] == [200, 200]
        assert api.get(f"/api/jobs/{other}").status == 200
        assert socket.subscribe(other)["jobId"] == other
    for raw in (first, second):
        raw.close()
