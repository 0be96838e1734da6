"""Tasks by the ordinary routes: PUT creates or updates, POST creates, GET lists."""
import pytest

from support.problem import assert_problem


def task_path(job, task):
    return f"/api/jobs/{job}/tasks/{task}"


def test_put_creates_a_task(api, snapshot):
    job, epoch = snapshot["id"], snapshot["epoch"]
    reply = api.put(task_path(job, "t1"), {"title": "Draw", "status": "in_progress"})
    assert reply.status == 201
    assert (reply.json["id"], reply.json["title"]) == ("t1", "Draw")
    assert reply.json["status"] == "in_progress"
    assert (reply.json["seq"], reply.json["cursor"]) == (2, f"{epoch}.2")
    assert reply.json["watchers"] == 0


def test_put_updates_a_task_and_keeps_what_it_does_not_name(api, job):
    api.put(task_path(job, "t1"), {"title": "Draw", "note": "begun", "progress": 10})
    reply = api.put(task_path(job, "t1"), {"status": "completed"})
    assert (reply.status, reply.json["seq"]) == (200, 3)
    task = api.job(job)["tasks"][0]
    assert (task["title"], task["note"], task["progress"]) == ("Draw", "begun", 10)
    assert task["status"] == "completed"


def test_null_clears_note_and_progress(api, job):
    api.put(task_path(job, "t1"), {"note": "begun", "progress": 10})
    api.put(task_path(job, "t1"), {"note": None, "progress": None})
    task = api.job(job)["tasks"][0]
    assert task.get("note") is None and task.get("progress") is None
    event = api.activity(job)[-1]
    assert "note" not in event and "progress" not in event


def test_a_new_task_is_pending_and_called_by_its_id(api, job):
    api.put(task_path(job, "render"), {})
    task = api.job(job)["tasks"][0]
    assert (task["status"], task["title"]) == ("pending", "render")


def test_the_event_carries_the_whole_state_of_the_task(api, job):
    api.put(task_path(job, "t1"), {"title": "Draw", "note": "n", "progress": 5, "attempt": 2})
    api.put(task_path(job, "t1"), {"status": "blocked"})
    event = api.activity(job)[-1]
    assert {name: event[name] for name in event if name != "timestamp"} == {
        "type": "task_update", "jobId": job, "seq": 3, "taskId": "t1", "status": "blocked",
        "title": "Draw", "note": "n", "progress": 5, "attempt": 2}


def test_an_update_that_changes_nothing_is_an_event_all_the_same(api, job):
    api.put(task_path(job, "t1"), {"status": "in_progress"})
    assert api.put(task_path(job, "t1"), {"status": "in_progress"}).json["seq"] == 3


def test_post_creates_a_task_with_an_id_of_its_own(api, job):
    reply = api.post(f"/api/jobs/{job}/tasks", {"title": "Draw"})
    assert reply.status == 201
    assert [task["id"] for task in api.job(job)["tasks"]] == [reply.json["id"]]


def test_post_creates_a_task_under_the_id_that_was_given(api, job):
    reply = api.post(f"/api/jobs/{job}/tasks", {"id": "t1", "title": "Draw"})
    assert (reply.status, reply.json["id"], reply.json["seq"]) == (201, "t1", 2)


def test_post_of_a_task_that_is_there_is_refused(api, job):
    api.report(job, "t1", note="kept")
    reply = api.post(f"/api/jobs/{job}/tasks", {"id": "t1", "title": "Again"})
    assert_problem(reply, 409, "task_exists")
    assert api.job(job)["tasks"][0]["note"] == "kept" and api.job(job)["seq"] == 2


def test_tasks_are_listed_in_the_order_of_their_creation(api, job):
    for name in ("c", "a", "b"):
        api.put(task_path(job, name), {})
    api.put(task_path(job, "c"), {"status": "completed"})
    tasks = api.get(f"/api/jobs/{job}/tasks").json["tasks"]
    assert [task["id"] for task in tasks] == ["c", "a", "b"]
    assert [task["position"] for task in tasks] == sorted(task["position"] for task in tasks)


def test_the_list_of_tasks_is_the_one_in_the_snapshot(api, job):
    api.report(job, "t1", note="n", progress=3, attempt=1)
    assert api.get(f"/api/jobs/{job}/tasks").json["tasks"] == api.job(job)["tasks"]


def test_a_task_says_when_it_started_and_ended(api, job):
    api.put(task_path(job, "t1"), {})
    assert not {"startedAt", "endedAt"} & set(api.job(job)["tasks"][0])
    api.put(task_path(job, "t1"), {"status": "in_progress"})
    started = api.job(job)["tasks"][0]
    assert "startedAt" in started and "endedAt" not in started
    api.put(task_path(job, "t1"), {"status": "completed"})
    ended = api.job(job)["tasks"][0]
    assert ended["startedAt"] == started["startedAt"] and "endedAt" in ended


@pytest.mark.parametrize("body, field", [
    ({"status": "done"}, "status"), ({"status": None}, "status"), ({"title": None}, "title"),
    ({"title": ""}, "title"), ({"note": 7}, "note"), ({"progress": "50"}, "progress"),
    ({"progress": 101}, "progress"), ({"attempt": -1}, "attempt"), ({"attempt": "2"}, "attempt"),
])
def test_a_task_that_cannot_be_meant_is_refused_by_field(api, job, body, field):
    assert_problem(api.put(task_path(job, "t1"), body), 422, "invalid_field", field)
    assert api.job(job)["tasks"] == []


def test_an_unknown_field_of_a_task_is_refused(api, job):
    assert_problem(api.put(task_path(job, "t1"), {"state": "x"}), 422, "unknown_field", "state")


def test_a_body_that_is_no_object_is_refused(api, job):
    reply = api.put(task_path(job, "t1"), [1])
    assert_problem(reply, 422)


@pytest.mark.parametrize("progress", [0, 100, 42, 0.5, None])
def test_progress_runs_from_0_to_100(api, job, progress):
    assert api.put(task_path(job, "t1"), {"progress": progress}).status == 201
    assert api.job(job)["tasks"][0].get("progress") == progress


def test_tasks_of_an_unknown_job_are_not_found(api):
    assert_problem(api.put(task_path("nobody", "t1"), {}), 404, "not_found")
    assert_problem(api.post("/api/jobs/nobody/tasks", {"title": "x"}), 404, "not_found")
