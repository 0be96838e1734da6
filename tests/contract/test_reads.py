"""Reading the database on behalf of clients: how much of it one of them may ask for at a time."""
import pytest

from support.ws import WebSocket


def jobs(api, count, tasks=0):
    return [api.create_job(tasks=[{"id": f"t{n}", "title": "T"} for n in range(tasks)])["id"]
            for _ in range(count)]


def order_of(socket, ids):
    """Subscribes to all and says ping in one write: the types of what comes until both came."""
    socket.send_many([*({"type": "subscribe", "jobId": job} for job in ids), {"type": "ping"}])
    return [socket.message(("connected", "pong")).type for _ in range(len(ids) + 1)]


@pytest.mark.parametrize("subscriptions, first", [(3, "pong"), (4, "connected"), (9, "connected")])
def test_a_socket_with_as_many_reads_as_it_may_have_is_read_on_when_some_came_back(
        serve, client, subscriptions, first):
    server = serve(max_reads=4)
    ids = jobs(client(server), subscriptions, tasks=4000)   # no read is over before the ping is read
    with WebSocket(server.address) as socket:
        order = order_of(socket, ids)
    assert order[0] == first
    assert sorted(order) == ["connected"] * subscriptions + ["pong"]


def test_a_subscription_that_is_asked_for_again_and_again_is_answered_for_its_last_position(
        serve, client):
    server = serve(max_reads=2)
    api = client(server)
    job = api.create_job()
    api.burst(job["id"], 5)
    asked = [f"{job['epoch']}.{seq}" for seq in (9, 8, 7) * 20 + (3,)]
    with WebSocket(server.address) as socket:
        socket.send_many([{"type": "subscribe", "jobId": job["id"], "since": since}
                          for since in asked])
        while (said := socket.message("connected"))["resume"] != "exact":
            assert said["reason"] == "future"
        assert said["cursor"] == asked[-1]
        assert socket.messages("task_update", 3)[-1]["seq"] == 6


@pytest.mark.parametrize("readers", [1, 3])
@pytest.mark.parametrize("db", [None, ":memory:"])
def test_any_number_of_reader_threads_answers(serve, client, readers, db):
    server = serve(readers=readers, **({"db": db} if db else {}))
    api = client(server)
    ids = jobs(api, 20)
    with WebSocket(server.address) as socket:
        for job in ids:
            assert socket.subscribe(job)["job"]["id"] == job
    assert {job["id"] for job in api.get("/api/jobs").json["jobs"]} == set(ids)
