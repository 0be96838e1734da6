"""What a job and a key may take up: bytes of a job, open jobs of a key, the number of keys."""
import pytest

from support.problem import assert_problem
from support.ws import WebSocket
from support.keyed import Keyed, db, make, root   # noqa: F401  (fixtures)


def test_a_full_job_takes_nothing_more_on_any_transport(serve, client):
    server = serve(max_job_bytes=2000)
    api = client(server)
    job = api.create_job()["id"]
    before = 0
    while (reply := api.update(job, {"taskId": "t", "note": "n" * 100})).status == 200:
        before = sum(len(event.encode()) for event in raw_events(api, job))
        assert before < 2000 + 400
    assert before >= 2000, "not earlier"
    assert_problem(reply, 409, "job_full")
    assert_problem(api.post(f"/api/jobs/{job}/commands", {"command": "cancel"}), 409, "job_full")
    assert_problem(api.patch(f"/api/jobs/{job}", {"title": "T"}), 409, "job_full")
    with WebSocket(server.address) as ws:
        ws.send("update", id="1", jobId=job, taskId="t")
        error = ws.message("error")
        assert (error["code"], error["status"], error["retryable"]) == ("job_full", 409, False)
    assert api.job(job)["status"] == "in_progress", "it can be read"
    assert api.finish(job)["status"] == "completed", "and ended"
    other = api.create_job()["id"]
    api.report(other, "t", note="another job has room")


def raw_events(api, job):
    """The events of a job, each as its bytes in the answer."""
    body = api.get(f"/api/jobs/{job}/activity?limit=1000").body.decode()
    parts = body.split('{"type":"')[1:]
    return ['{"type":"' + part[:part.rindex("}") + 1] for part in parts[:-1]] + [
        '{"type":"' + parts[-1].rstrip()[:-len("]}")]]


def test_the_limit_of_a_job_counts_what_was_stored_before_a_restart(serve, client, tmp_path):
    server = serve(max_job_bytes=2000, db=tmp_path / "jobs.db")
    with client(server) as api:
        job = api.create_job()["id"]
        while api.update(job, {"taskId": "t", "note": "n" * 100}).status == 200:
            pass
    server.restart()
    assert_problem(client(server).update(job, {"taskId": "t"}), 409, "job_full")


@pytest.fixture
def keyed(serve, db, make, root):
    worker = make("create,watch")

    def start(**flags):
        return serve(db=db, **flags), root, worker
    return start


def test_a_key_has_its_open_jobs(keyed):
    server, root, worker = keyed(max_jobs_per_key=2)
    with Keyed(server.address, worker) as api, Keyed(server.address, root) as admin:
        first = api.create_job()["id"]
        second = api.create_job()["id"]
        assert_problem(api.post("/api/jobs", {"title": "third"}), 409, "too_many_jobs")
        assert [admin.create_job()["id"] for _ in range(2)], "another key has its own"
        assert_problem(admin.post("/api/jobs", {"title": "third"}), 409, "too_many_jobs")
        api.finish(first)
        third = api.create_job()["id"]
        assert_problem(api.post("/api/jobs", {"title": "fourth"}), 409, "too_many_jobs")
        assert third != second
    server.restart()
    with Keyed(server.address, worker) as api, Keyed(server.address, root) as admin:
        assert_problem(api.post("/api/jobs", {"title": "fourth"}), 409, "too_many_jobs")
        assert admin.delete(f"/api/jobs/{second}").status == 204
        api.create_job()


def test_a_repeated_creation_is_answered_at_the_limit(keyed):
    server, _, worker = keyed(max_jobs_per_key=1)
    with Keyed(server.address, worker) as api:
        made = api.post("/api/jobs", {"title": "T"}, Idempotency_Key="k")
        again = api.post("/api/jobs", {"title": "T"}, Idempotency_Key="k")
        assert made.status == again.status == 201 and again.json["id"] == made.json["id"]


def test_there_are_so_many_keys(keyed):
    server, root, _ = keyed(max_keys=3)
    with Keyed(server.address, root) as admin:
        made = admin.post("/api/keys", {"scope": ["watch"]})
        assert made.status == 201
        assert_problem(admin.post("/api/keys", {"scope": ["watch"]}), 409, "too_many_keys")
        assert admin.delete(f"/api/keys/{made.json['id']}").status == 204
        assert admin.post("/api/keys", {"scope": ["watch"]}).status == 201
        assert_problem(admin.post("/api/keys", {"scope": ["watch"]}), 409, "too_many_keys")
