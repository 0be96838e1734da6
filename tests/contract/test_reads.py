"""Reading the database on behalf of clients: how much of it one of them may ask for at a time."""
import pytest

from support.ws import WebSocket


def jobs(api, count, tasks=0):
    return [api.create_job(tasks=[{"id": f"t{n}", "title": "T"} for n in range(tasks)])["id"]
            for _ in range(count)]


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
