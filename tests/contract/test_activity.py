"""The activity log: every event of a job, paged in both directions, holes nowhere."""
import pytest

from support.fold import assert_is_fold
from support.problem import assert_problem


def page(api, job, query):
    reply = api.get(f"/api/jobs/{job}/activity?{query}")
    assert reply.status == 200, reply
    return reply.json


def seqs(answer):
    return [event["seq"] for event in answer["activity"]]


def test_every_change_is_in_the_log_in_order(api):
    job = api.create_job(tasks=[{"id": "t1", "title": "Draw"}])["id"]
    api.report(job, "t1", status="in_progress")
    api.put(f"/api/jobs/{job}/tasks/t2", {"title": "Print"})
    api.finish(job)
    log = api.activity(job)
    assert [(event["seq"], event["type"]) for event in log] == [
        (1, "job_update"), (2, "task_update"), (3, "task_update"), (4, "job_update")]
    assert all(event["jobId"] == job for event in log)


def test_a_job_begins_with_its_creation(api):
    job = api.create_job(title="Q4", metadata={"a": 1}, tasks=[{"id": "t1", "title": "Draw"}])
    first = api.activity(job["id"])[0]
    assert first["created"] is True
    assert (first["title"], first["status"]) == ("Q4", "in_progress")
    assert first["metadata"] == {"a": 1}
    assert [task["id"] for task in first["tasks"]] == ["t1"]
    assert first["timestamp"] == job["createdAt"]


def test_pages_ascending(api, job):
    api.burst(job, 9)
    first = page(api, job, "order=asc&limit=4")
    assert (seqs(first), first["nextAfter"]) == ([1, 2, 3, 4], 4)
    second = page(api, job, "order=asc&limit=4&after=4")
    assert (seqs(second), second["nextAfter"]) == ([5, 6, 7, 8], 8)
    last = page(api, job, "order=asc&limit=4&after=8")
    assert seqs(last) == [9, 10] and "nextAfter" not in last


def test_pages_descending(api, job):
    api.burst(job, 9)
    first = page(api, job, "order=desc&limit=4")
    assert (seqs(first), first["nextAfter"]) == ([10, 9, 8, 7], 7)
    second = page(api, job, "order=desc&limit=4&after=7")
    assert (seqs(second), second["nextAfter"]) == ([6, 5, 4, 3], 3)
    last = page(api, job, "order=desc&limit=4&after=3")
    assert seqs(last) == [2, 1] and "nextAfter" not in last


def test_after_the_last_event_there_is_nothing(api, job):
    assert page(api, job, "after=1") == {"activity": []}
    assert page(api, job, "after=1000000") == {"activity": []}


def test_the_order_is_ascending_when_nothing_is_said(api, job):
    api.burst(job, 3)
    assert seqs(page(api, job, "")) == [1, 2, 3, 4]


def test_a_page_holds_a_thousand_at_most(api, job):
    api.burst(job, 1200)
    full = page(api, job, "limit=1000")
    assert seqs(full) == list(range(1, 1001)) and full["nextAfter"] == 1000
    assert_problem(api.get(f"/api/jobs/{job}/activity?limit=1001"), 400, "bad_request")


@pytest.mark.parametrize("query", ["limit=0", "limit=-1", "limit=x", "after=-1", "after=x",
                                   "order=up", "limit=99999999999999999999"])
def test_a_page_that_cannot_be_meant_is_refused(api, job, query):
    assert_problem(api.get(f"/api/jobs/{job}/activity?{query}"), 400, "bad_request")


def test_the_snapshot_is_the_fold_of_the_log(api):
    job = api.create_job(tasks=[{"id": "a", "title": "A"}, {"id": "b", "title": "B"}])["id"]
    api.report(job, "a", status="in_progress", note="n", progress=1, attempt=1)
    api.report(job, "a", note=None, progress=50)
    api.update(job, [{"taskId": "c", "title": "C"}, {"taskId": "a", "status": "completed"}])
    api.patch(f"/api/jobs/{job}", {"metadata": {"x": [1, {"y": None}]}, "title": "Renamed"})
    api.put(f"/api/jobs/{job}/tasks/b", {"status": "failed", "note": "no paper"})
    api.finish(job, "failed")
    assert_is_fold(api.job(job), api.activity(job))
