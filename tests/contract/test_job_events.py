"""Every change of a job reaches every subscriber, with the job's whole state or its tasks'."""
import pytest

from support.problem import assert_problem
from support.watcher import TRANSPORTS


@pytest.fixture
def watching(watch, job):
    watcher = watch(job)
    watcher.connected()
    return watcher


@pytest.mark.parametrize("change", [
    {"title": "New"}, {"status": "hardening"}, {"metadata": {"a": [1]}},
    {"heartbeatTimeoutMs": 5000}, {"title": "New", "status": "failed", "metadata": {}}], ids=str)
def test_a_change_of_the_job_is_a_job_update(watching, api, job, change):
    assert api.patch(f"/api/jobs/{job}", change).status == 200
    event = watching.event().json
    assert (event["type"], event["seq"]) == ("job_update", 2)
    state = {"title": "Job", "status": "in_progress", **change}
    assert {name: event.get(name) for name in state} == state


def test_a_change_that_is_refused_is_no_event(watching, api, job):
    assert_problem(api.patch(f"/api/jobs/{job}", {"status": "done"}), 422)
    api.patch(f"/api/jobs/{job}", {"title": "New"})
    assert (watching.event().seq, api.job(job)["seq"]) == (2, 2)


def test_every_road_to_a_new_task_is_a_task_update(watching, api, job):
    api.post(f"/api/jobs/{job}/tasks", {"id": "a", "title": "Post"})
    api.put(f"/api/jobs/{job}/tasks/b", {"title": "Put"})
    api.report(job, "c", title="Hook")
    api.update(job, [{"taskId": "d", "title": "Batch"}, {"taskId": "e", "title": "Batch"}])
    events = [event.json for event in watching.events(5)]
    assert {event["type"] for event in events} == {"task_update"}
    assert [(event["seq"], event["taskId"], event["title"]) for event in events] == [
        (2, "a", "Post"), (3, "b", "Put"), (4, "c", "Hook"), (5, "d", "Batch"), (6, "e", "Batch")]


def test_all_kinds_of_events_come_in_one_order(watching, api, job):
    api.report(job, "t1")
    api.post(f"/api/jobs/{job}/deliverables", {"title": "x"})
    api.post(f"/api/jobs/{job}/commands", {"command": "x", "taskId": "t1"})
    api.finish(job)
    events, end = watching.until_end()
    assert [(event.seq, event.json["type"]) for event in events] == [
        (2, "task_update"), (3, "deliverable"), (4, "command"), (5, "job_update")]
    assert (end["seq"], end["status"]) == (5, "completed")


def test_a_deleted_job_is_the_end_of_its_streams(server, api, job):
    with TRANSPORTS["sse"](server.address, job) as watcher:
        watcher.connected()
        api.delete(f"/api/jobs/{job}")
        assert watcher.end() == {"type": "end", "jobId": job, "seq": 1, "status": "deleted"}
