"""The options of a subscription: the period of its heartbeats, and the number of its tabs."""
import pytest

from support.problem import assert_problem
from support.raw import Raw
from support.sse import SseStream, stream_request, type_of
from support.wait import until
from support.ws import WebSocket, path_of


@pytest.fixture
def socket(server):
    opened = []

    def open_one(on=server, **query):
        opened.append(WebSocket(on.address, path_of(**query)))
        return opened[-1]

    yield open_one
    for one in opened:
        one.close()


@pytest.fixture
def stream(server):
    opened = []

    def open_one(job, query, on=server):
        opened.append(SseStream(on.address, job, query=query))
        return opened[-1]

    yield open_one
    for one in opened:
        one.close()


def answer_to(server, job, query):
    with Raw(server.address) as raw:
        raw.send(stream_request(job, query=query))
        return raw.response()


# -- heartbeats -----------------------------------------------------------------------------------

@pytest.mark.parametrize("seconds", [5, 30, 60])
def test_connected_says_the_period_in_force(stream, socket, job, seconds):
    said = [stream(job, f"heartbeat={seconds}").connected().json,
            socket(job=job, heartbeat=seconds).message("connected").json,
            socket().subscribe(job, heartbeat=seconds)]
    assert [one["heartbeatMs"] for one in said] == [seconds * 1000] * 3


def test_without_the_option_it_is_the_servers(serve, client, stream, socket):
    server = serve(heartbeat_ms=7000)
    job = client(server).create_job()["id"]
    ws = socket(on=server, job=job)
    assert ws.message("connected")["heartbeatMs"] == 7000
    assert ws.subscribe(job, heartbeat=5)["heartbeatMs"] == 5000
    assert ws.subscribe(job)["heartbeatMs"] == 7000
    assert stream(job, "", on=server).connected().json["heartbeatMs"] == 7000


BAD_NUMBERS = ["", "-1", "0", "x", "5.5", "1e1", "+5", "99999999999999999999"]


@pytest.mark.parametrize("name, value", [
    *(("heartbeat", value) for value in ["4", "61", *BAD_NUMBERS]),
    *(("tabs", value) for value in ["33", *BAD_NUMBERS])])
def test_what_is_out_of_range_is_refused_in_the_url(server, socket, job, name, value):
    reply = answer_to(server, job, f"{name}={value.replace('+', '%2B')}")
    assert_problem(reply, 400, "bad_request")
    assert name in reply.json["detail"]
    code, reason = socket(job=job, **{name: value}).closed()
    assert code == 4400 and reason.startswith(name)


@pytest.mark.parametrize("name, value", [
    *(("heartbeat", value) for value in [4, 61, 0, -5, 5.5, "10", None, True, [10]]),
    *(("tabs", value) for value in [33, 0, -1, 1.5, "2", None, {}])])
def test_what_is_out_of_range_is_refused_in_a_message(socket, job, name, value):
    ws = socket()
    said = ws.ask("subscribe", "error", jobId=job, **{name: value}).json
    assert (said["status"], said["code"], said["jobId"]) == (422, "invalid_field", job)
    assert name in said["detail"] and ws.answers()


def test_each_subscriber_has_its_own_period(serve, client, stream, socket):
    """The server's own would be ten minutes: only those who asked hear anything in five seconds."""
    server = serve(heartbeat_ms=600000)
    api = client(server)
    job = api.create_job()["id"]
    ws, silent = socket(on=server), stream(job, "", on=server)
    assert ws.subscribe(job, heartbeat=5)["heartbeatMs"] == 5000
    quick = stream(job, "heartbeat=5", on=server)
    for one in (quick, silent):
        one.connected()
    assert quick.message("heartbeat", within=7).json["head"] == 1
    assert ws.message("heartbeat", within=7)["head"] == 1
    api.finish(job)
    assert "heartbeat" not in [type_of(block) for block in silent.all_blocks()]


# -- tabs -----------------------------------------------------------------------------------------


def watchers(api, job):
    return api.report(job, "t")["watchers"]


def exactly(api, job, count):
    until(lambda: watchers(api, job) == count, 5, f"{count} watchers")


@pytest.mark.parametrize("loops", [1, 2])
def test_one_that_speaks_for_tabs_counts_as_so_many(serve, client, stream, socket, loops):
    server = serve(loops=loops)
    api = client(server)
    job = api.create_job()["id"]
    by_url, by_message = socket(on=server, job=job, tabs=32), socket(on=server)
    assert by_url.message("connected")["watchers"] == 32
    one = stream(job, "tabs=5", on=server)
    one.connected()
    exactly(api, job, 37)
    assert by_message.subscribe(job, tabs=3)["heartbeatMs"] == 30000
    exactly(api, job, 40)
    until(lambda: by_url.message(("presence", "task_update")).json.get("watchers") == 40, 5,
          "the viewers being told")
    one.close()
    by_url.close()
    exactly(api, job, 3)
    by_message.close()
    exactly(api, job, 0)


def test_a_later_subscribe_with_other_tabs_changes_the_count(api, socket, snapshot):
    job, ws = snapshot["id"], socket()
    for tabs in (2, 32, 1):
        ws.send("subscribe", jobId=job, since=snapshot["cursor"], tabs=tabs)
        while (said := ws.message(("connected", "task_update"))).type != "connected":
            pass    # events of the subscription before
        assert (said["resume"], said["watchers"]) == ("exact", tabs)
        exactly(api, job, tabs)
    ws.send("unsubscribe", jobId=job)
    exactly(api, job, 0)


def test_a_worker_is_told_of_all_the_tabs(socket, job):
    worker = socket()
    worker.update("k", job)
    viewer = socket(job=job, tabs=4)
    assert worker.message("watchers")["watchers"] == 4
    viewer.close()
    assert worker.message("watchers")["watchers"] == 0
