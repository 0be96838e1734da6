"""Which status follows which, for jobs and tasks; the attempt as a fence."""
import itertools

import pytest

from support.problem import assert_problem

LIVE = ("pending", "in_progress", "revisions", "hardening")
TERMINAL = ("completed", "failed", "cancelled")
OF_TASKS = ("pending", "in_progress", "blocked", "completed", "failed", "cancelled")


@pytest.mark.parametrize("start, then", itertools.product(LIVE, LIVE + TERMINAL))
def test_a_job_moves_freely_until_it_ends(api, start, then):
    job = api.create_job(status=start)["id"]
    assert api.patch(f"/api/jobs/{job}", {"status": then}).status == 200
    assert api.job(job)["status"] == then


@pytest.mark.parametrize("end, then", itertools.product(TERMINAL, LIVE + TERMINAL))
def test_a_job_that_has_ended_moves_nowhere(api, job, end, then):
    api.finish(job, end)
    assert_problem(api.patch(f"/api/jobs/{job}", {"status": then}), 409, "job_ended")
    assert (api.job(job)["status"], api.job(job)["seq"]) == (end, 2)


def test_every_write_to_an_ended_job_is_refused(api, job):
    api.report(job, "t1")
    api.finish(job)
    refused = [api.update(job, {"taskId": "t1", "note": "late"}),
               api.update(job, [{"taskId": "t2"}]),
               api.put(f"/api/jobs/{job}/tasks/t1", {"status": "completed"}),
               api.post(f"/api/jobs/{job}/tasks", {"title": "New"}),
               api.patch(f"/api/jobs/{job}", {"title": "Other"})]
    for reply in refused:
        assert_problem(reply, 409, "job_ended")
    assert api.job(job)["seq"] == 3 and len(api.activity(job)) == 3


def test_a_task_moves_freely_even_out_of_its_end(api, job):
    moves = list(itertools.product(OF_TASKS, repeat=2))
    for start, then in moves:
        api.report(job, "t1", status=start)
        api.report(job, "t1", status=then)
        assert api.job(job)["tasks"][0]["status"] == then
    assert api.job(job)["seq"] == 1 + 2 * len(moves)


def test_a_reopened_task_has_no_end(api, job):
    api.report(job, "t1", status="completed")
    api.report(job, "t1", status="in_progress")
    assert "endedAt" not in api.job(job)["tasks"][0]


def test_a_lower_attempt_is_refused_and_leaves_nothing(api, job):
    api.report(job, "t1", attempt=2, note="second")
    assert_problem(api.update(job, {"taskId": "t1", "attempt": 1}), 409, "stale_attempt")
    task = api.job(job)["tasks"][0]
    assert (task["attempt"], task["note"], api.job(job)["seq"]) == (2, "second", 2)


def test_an_equal_or_higher_attempt_goes_on(api, job):
    for attempt in (0, 0, 1, 1, 7):
        api.report(job, "t1", attempt=attempt)
        assert api.job(job)["tasks"][0]["attempt"] == attempt


def test_an_update_without_attempt_passes_the_fence(api, job):
    api.report(job, "t1", attempt=5)
    api.report(job, "t1", note="by hand")
    assert api.job(job)["tasks"][0]["attempt"] == 5


def test_the_fence_holds_for_put_as_well(api, job):
    api.report(job, "t1", attempt=5)
    reply = api.put(f"/api/jobs/{job}/tasks/t1", {"attempt": 4})
    assert_problem(reply, 409, "stale_attempt")


def test_the_fence_of_one_task_is_not_that_of_another(api, job):
    api.report(job, "t1", attempt=5)
    api.report(job, "t2", attempt=1)
    assert [task["attempt"] for task in api.job(job)["tasks"]] == [5, 1]
