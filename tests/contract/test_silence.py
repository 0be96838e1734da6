"""Silence is visible: a task in progress that says nothing for too long is told to be stalled."""
import time
from datetime import datetime

import pytest

from support.api import hook
from support.fold import assert_is_fold
from support.history import log_with_texts
from support.problem import assert_problem
from support.wait import SCALE, until

SHORT, LONG = 100, 700      # LONG is some looks of the server behind several SHORTs
DAY = 86_400_000
FIELD = "heartbeatTimeoutMs"


@pytest.fixture(params=[{}, {"db": ":memory:", "loops": 2}], ids=str)
def quick(request, serve):
    """A server that can be asked to notice silences as short as SHORT."""
    return serve(min_heartbeat_timeout_ms=SHORT, **request.param)


@pytest.fixture
def quick_api(quick, client):
    return client(quick)


def task_of(api, job, name):
    return next(task for task in api.job(job)["tasks"] if task["id"] == name)


def stalled(api, job, name="t1"):
    """The task once it is stalled."""
    def look():
        task = task_of(api, job, name)
        return task if task.get("stalled") else None
    return until(look, 10, f"{name} being stalled")


def milliseconds(text):
    return datetime.fromisoformat(text).timestamp() * 1000


# -- what is told ---------------------------------------------------------------------------------

def test_a_silent_task_is_told_to_every_subscriber(quick, quick_api, watch_on):
    job = quick_api.create_job()["id"]
    watcher = watch_on(quick, job)
    watcher.connected()
    quick_api.report(job, "t1", status="in_progress", title="Draw", note="n", progress=4,
                     **{FIELD: SHORT})
    word, silence = watcher.events(2)
    assert word.json[FIELD] == SHORT and "stalled" not in word.json
    assert silence.json == {**word.json, "seq": 3, "stalled": True,
                            "timestamp": silence.json["timestamp"]}
    assert silence.text == log_with_texts(quick_api, job)[-1][1]
    waited = milliseconds(silence.json["timestamp"]) - milliseconds(word.json["timestamp"])
    assert SHORT <= waited < 5000 * SCALE


def test_the_snapshot_shows_it_until_the_next_word(quick_api):
    job = quick_api.create_job()["id"]
    quick_api.report(job, "t1", status="in_progress", **{FIELD: SHORT})
    task = stalled(quick_api, job)
    assert (task["status"], task[FIELD]) == ("in_progress", SHORT)
    quick_api.report(job, "t1", note="still here", **{FIELD: DAY})
    task = task_of(quick_api, job, "t1")
    assert "stalled" not in task and task[FIELD] == DAY
    events = quick_api.activity(job)
    assert [event.get("stalled") for event in events] == [None, None, True, None]
    assert_is_fold(quick_api.job(job), events)


def test_it_is_told_once(quick_api):
    """Of two tasks the second one's timeout is several of the first one's."""
    job = quick_api.create_job(tasks=[
        {"id": "a", "title": "A", "status": "in_progress", FIELD: SHORT},
        {"id": "b", "title": "B", "status": "in_progress", FIELD: LONG}])["id"]
    stalled(quick_api, job, "b")
    events = quick_api.activity(job)
    told = [(event["taskId"], event["stalled"]) for event in events[1:]]
    assert told == [("a", True), ("b", True)]
    assert_is_fold(quick_api.job(job), events)


def test_it_is_told_again_after_another_word(quick_api):
    job = quick_api.create_job()["id"]
    quick_api.report(job, "t1", status="in_progress", **{FIELD: SHORT})
    for _ in range(3):
        stalled(quick_api, job)
        quick_api.report(job, "t1")
    told = [event.get("stalled", False) for event in quick_api.activity(job)[1:8]]
    assert told[:7] == [False, True, False, True, False, True, False]


def test_a_task_that_goes_on_speaking_is_not_stalled_before_its_time(quick_api):
    """However slow this test is: its silence is counted from its last word."""
    job = quick_api.create_job(tasks=[
        {"id": "clock", "title": "C", "status": "in_progress", FIELD: LONG}])["id"]
    quick_api.report(job, "t1", status="in_progress", **{FIELD: LONG})

    def spoken_and_over():
        quick_api.report(job, "t1", note="word")
        return task_of(quick_api, job, "clock").get("stalled")

    until(spoken_and_over, 10, "the other task being stalled")
    said = [event for event in quick_api.activity(job) if event.get("taskId") == "t1"]
    for word, answer in zip(said, said[1:]):
        if answer.get("stalled"):
            assert milliseconds(answer["timestamp"]) - milliseconds(word["timestamp"]) >= LONG


@pytest.mark.parametrize("status", ["completed", "failed", "cancelled", "blocked", "pending"])
def test_a_task_that_does_not_run_may_be_silent(quick_api, status):
    job = quick_api.create_job()["id"]
    quick_api.report(job, "t1", status="in_progress", **{FIELD: SHORT})
    quick_api.report(job, "t1", status=status)
    quick_api.report(job, "clock", status="in_progress", **{FIELD: SHORT * 3})
    stalled(quick_api, job, "clock")
    assert "stalled" not in task_of(quick_api, job, "t1")


def test_an_ended_job_is_left_alone(quick_api):
    ended = quick_api.create_job()["id"]
    quick_api.report(ended, "t1", status="in_progress", **{FIELD: SHORT})
    quick_api.finish(ended)
    going = quick_api.create_job()["id"]
    quick_api.report(going, "clock", status="in_progress", **{FIELD: SHORT * 3})
    stalled(quick_api, going, "clock")
    assert quick_api.job(ended)["seq"] == 3
    assert "stalled" not in task_of(quick_api, ended, "t1")


# -- whose timeout it is --------------------------------------------------------------------------

def test_the_jobs_timeout_is_for_tasks_without_one_of_their_own(quick_api):
    job = quick_api.create_job(**{FIELD: SHORT}, tasks=[
        {"id": "default", "title": "A", "status": "in_progress"},
        {"id": "own", "title": "B", "status": "in_progress", FIELD: LONG},
        {"id": "off", "title": "C", "status": "in_progress", FIELD: 0},
        {"id": "null", "title": "D", "status": "in_progress", FIELD: None}])["id"]
    stalled(quick_api, job, "own")
    told = [event["taskId"] for event in quick_api.activity(job) if event.get("stalled")]
    assert told == ["default", "own"]
    assert_is_fold(quick_api.job(job), quick_api.activity(job))


def test_a_change_of_the_jobs_timeout_applies_at_once(quick_api):
    job = quick_api.create_job(tasks=[{"id": "t1", "title": "A", "status": "in_progress"}])["id"]
    assert quick_api.patch(f"/api/jobs/{job}", {FIELD: SHORT}).json[FIELD] == SHORT
    stalled(quick_api, job, "t1")   # its worker was dead all the time
    assert FIELD not in quick_api.patch(f"/api/jobs/{job}", {FIELD: None}).json
    assert "stalled" not in task_of(quick_api, job, "t1")
    assert_is_fold(quick_api.job(job), quick_api.activity(job))


def test_the_job_shows_its_timeout_and_every_change_of_it(api):
    created = api.create_job(**{FIELD: 5000})
    job = created["id"]
    assert created[FIELD] == 5000 and api.job(job) == created
    assert api.patch(f"/api/jobs/{job}", {"title": "New"}).json[FIELD] == 5000
    assert api.patch(f"/api/jobs/{job}", {FIELD: DAY}).json[FIELD] == DAY
    assert FIELD not in api.patch(f"/api/jobs/{job}", {FIELD: None}).json
    events = api.activity(job)
    assert [event.get(FIELD) for event in events] == [5000, 5000, DAY, None]
    assert_is_fold(api.job(job), events)


def test_a_task_takes_a_timeout_on_every_road(api, job):
    api.post(f"/api/jobs/{job}/tasks", {"id": "post", "title": "x", FIELD: 1000})
    api.put(f"/api/jobs/{job}/tasks/put", {FIELD: 2000})
    api.report(job, "hook", **{FIELD: 3000})
    api.update(job, [{"taskId": "batch", FIELD: 4000}])
    api.post(hook(job), f"taskId=form&{FIELD}=5000".encode(),
             Content_Type="application/x-www-form-urlencoded")
    tasks = api.job(job)["tasks"]
    assert [(task["id"], task[FIELD]) for task in tasks] == [
        ("post", 1000), ("put", 2000), ("hook", 3000), ("batch", 4000), ("form", 5000)]
    assert [event[FIELD] for event in api.activity(job)[1:]] == [1000, 2000, 3000, 4000, 5000]


def test_an_update_leaves_the_timeout_that_it_does_not_name(api, job):
    api.report(job, "t1", **{FIELD: 1000})
    api.report(job, "t1", note="n")
    assert task_of(api, job, "t1")[FIELD] == 1000
    api.report(job, "t1", **{FIELD: None})
    assert task_of(api, job, "t1")[FIELD] == 0


# -- what can be asked for ------------------------------------------------------------------------

@pytest.mark.parametrize("value", [0, None, 1000, 1000.0, DAY])
def test_a_timeout_is_off_or_from_a_second_to_a_day(api, job, value):
    api.report(job, "t1", **{FIELD: value})
    assert task_of(api, job, "t1")[FIELD] == (value or 0)
    created = api.create_job(**{FIELD: value})
    assert created.get(FIELD, 0) == (value or 0)


@pytest.mark.parametrize("value", [1, 999, DAY + 1, -1, 1500.5, 1e300, "1000", True, [], {}])
def test_any_other_timeout_is_refused(api, job, value):
    for reply in (api.update(job, {"taskId": "t1", FIELD: value}),
                  api.put(f"/api/jobs/{job}/tasks/t1", {FIELD: value}),
                  api.post(f"/api/jobs/{job}/tasks", {"title": "x", FIELD: value}),
                  api.patch(f"/api/jobs/{job}", {FIELD: value}),
                  api.post("/api/jobs", {"title": "x", FIELD: value})):
        assert_problem(reply, 422, "invalid_field", FIELD)
    body = {"title": "x", "tasks": [{"title": "x", FIELD: value}]}
    assert_problem(api.post("/api/jobs", body), 422, "invalid_field", f"tasks[0].{FIELD}")
    assert api.job(job)["seq"] == 1


def test_another_timeout_under_the_same_key_is_refused(api, job):
    api.update(job, {"taskId": "t1", FIELD: 1000}, Idempotency_Key="k1")
    again = api.update(job, {"taskId": "t1", FIELD: 1000}, Idempotency_Key="k1")
    assert again.header("Idempotency-Replayed") == "true"
    assert_problem(api.update(job, {"taskId": "t1", FIELD: 2000}, Idempotency_Key="k1"), 422,
                   "idempotency_mismatch")
    assert api.patch(f"/api/jobs/{job}", {FIELD: 1000}, Idempotency_Key="k2").status == 200
    assert_problem(api.patch(f"/api/jobs/{job}", {FIELD: 2000}, Idempotency_Key="k2"), 422,
                   "idempotency_mismatch")


def test_a_repeated_word_is_no_word(quick_api):
    """The stored answer comes back, and the silence goes on."""
    job = quick_api.create_job()["id"]
    word = {"taskId": "t1", "status": "in_progress", FIELD: SHORT}
    quick_api.update(job, word, Idempotency_Key="k1")
    stalled(quick_api, job)
    quick_api.update(job, word, Idempotency_Key="k1")
    assert task_of(quick_api, job, "t1")["stalled"] is True


# -- across a restart -----------------------------------------------------------------------------

def test_time_that_passes_while_the_server_is_down_counts(serve, client, watch_on):
    server = serve(min_heartbeat_timeout_ms=SHORT)
    job = client(server).create_job()["id"]
    word = client(server).report(job, "t1", status="in_progress", **{FIELD: LONG})
    server.kill9()
    down = time.monotonic()
    until(lambda: time.monotonic() - down > LONG / 1000, 10, "the end of the timeout")
    server.start()
    watcher = watch_on(server, job, word["cursor"])
    assert watcher.connected()["resume"] == "exact"
    assert watcher.event().json["stalled"] is True
    client(server).report(job, "t1")
    assert "stalled" not in watcher.event().json


def test_a_task_that_was_told_to_be_stalled_is_not_told_so_again(serve, client):
    server = serve(min_heartbeat_timeout_ms=SHORT)
    api = client(server)
    job = api.create_job()["id"]
    api.report(job, "t1", status="in_progress", **{FIELD: SHORT})
    stalled(api, job)
    server.restart()
    api = client(server)
    assert task_of(api, job, "t1")["stalled"] is True
    api.report(job, "clock", status="in_progress", **{FIELD: SHORT * 3})
    stalled(api, job, "clock")
    told = [event["taskId"] for event in api.activity(job) if event.get("stalled")]
    assert told == ["t1", "clock"]


def test_many_fall_silent_at_once(serve, client):
    """More than one transaction takes, each of them told once."""
    api = client(serve(min_heartbeat_timeout_ms=SHORT, commit_writes=16))
    job = api.create_job(**{FIELD: SHORT})["id"]
    api.update(job, [{"taskId": f"t{i}", "status": "in_progress"} for i in range(200)])
    until(lambda: all(task.get("stalled") for task in api.job(job)["tasks"]), 20, "all of them")
    told = [event["taskId"] for event in api.activity(job) if event.get("stalled")]
    assert sorted(told) == sorted(f"t{i}" for i in range(200))
    assert_is_fold(api.job(job), api.activity(job))
