"""The worker's webhook: POST /api/agent-hooks/task-update/:jobId, one update or a batch."""
import pytest

from support.api import hook
from support.problem import assert_problem
from support.sse import SseStream

FORM = "application/x-www-form-urlencoded"


def test_the_answer_names_seq_cursor_and_watchers(api, snapshot):
    reply = api.update(snapshot["id"], {"taskId": "t1", "status": "in_progress"})
    assert reply.status == 200
    assert reply.json == {"ok": True, "seq": 2, "cursor": f"{snapshot['epoch']}.2", "watchers": 0}


def test_watchers_counts_who_is_looking(api, server, job):
    with SseStream(server.address, job) as one, SseStream(server.address, job) as two:
        one.connected()
        two.connected()
        assert api.report(job, "t1")["watchers"] == 2


def test_an_unknown_task_is_created(api, job):
    api.report(job, "t1", status="in_progress", note="Working on it...")
    task = api.job(job)["tasks"][0]
    assert (task["id"], task["title"], task["status"]) == ("t1", "t1", "in_progress")
    assert task["note"] == "Working on it..."


def test_an_update_merges_into_the_task(api, job):
    api.report(job, "t1", status="in_progress", note="n", progress=10, title="Draw")
    api.report(job, "t1", progress=20)
    task = api.job(job)["tasks"][0]
    assert (task["note"], task["progress"], task["title"]) == ("n", 20, "Draw")


def test_an_update_without_status_keeps_it(api, job):
    api.report(job, "t1", status="blocked")
    api.report(job, "t1", note="still")
    assert api.job(job)["tasks"][0]["status"] == "blocked"


def test_a_batch_is_answered_item_by_item_in_order(api, snapshot):
    reply = api.update(snapshot["id"], [{"taskId": "a"}, {"taskId": "b"}, {"taskId": "a"}])
    assert reply.status == 200
    assert [answer["seq"] for answer in reply.json] == [2, 3, 4]
    assert [answer["cursor"] for answer in reply.json] == [f"{snapshot['epoch']}.{seq}"
                                                           for seq in (2, 3, 4)]
    assert all(answer["ok"] is True and answer["watchers"] == 0 for answer in reply.json)


def test_the_items_of_a_batch_see_each_other(api, job):
    api.update(job, [{"taskId": "a", "note": "n", "attempt": 1}, {"taskId": "a", "progress": 5}])
    task = api.job(job)["tasks"][0]
    assert (task["note"], task["progress"], task["attempt"]) == ("n", 5, 1)


def test_a_batch_with_one_bad_item_stores_nothing_and_names_it(api, job):
    batch = [{"taskId": "a"}, {"taskId": "b"}, {"taskId": "c"}, {"taskId": "d", "status": "done"}]
    assert_problem(api.update(job, batch), 422, "invalid_field", "[3].status")
    assert api.job(job)["seq"] == 1 and api.job(job)["tasks"] == []


def test_a_batch_with_a_stale_attempt_stores_nothing_and_names_it(api, job):
    api.report(job, "a", attempt=3)
    reply = api.update(job, [{"taskId": "b"}, {"taskId": "a", "attempt": 2}])
    problem = assert_problem(reply, 409, "stale_attempt")
    assert "1" in problem["detail"]
    assert api.job(job)["seq"] == 2


def test_a_batch_whose_own_items_go_back_is_refused_whole(api, job):
    reply = api.update(job, [{"taskId": "a", "attempt": 2}, {"taskId": "a", "attempt": 1}])
    assert_problem(reply, 409, "stale_attempt")
    assert api.job(job)["tasks"] == []


def test_a_form_works_as_curl_sends_it_by_default(api, job):
    reply = api.post(hook(job), b"taskId=t1&status=completed&progress=42&note=a+b%26c%3D%C3%A9",
                     Content_Type=FORM)
    assert reply.status == 200
    task = api.job(job)["tasks"][0]
    assert (task["status"], task["progress"], task["note"]) == ("completed", 42, "a b&c=é")


@pytest.mark.parametrize("body, status", [
    (b"status=completed", 422), (b"taskId=t&state=x", 422), (b"taskId=t&progress=lots", 422),
    (b"taskId=t&taskId=u", 400), (b"taskId=t&note=%zz", 400), (b"taskId=t&note=%00", 400),
    (b"taskId=t&note=%ff", 400), (b"", 422), (b"taskId=t&progress=0x10", 422),
    (b"taskId=t&progress=nan", 422), (b"taskId=t&progress=+7", 422), (b"taskId=..", 400),
    (b"taskId=t&attempt=1e3x", 422), (b"TASKID=t", 422),
])
def test_a_form_is_checked_as_strictly_as_json(api, job, body, status):
    reply = api.post(hook(job), body, Content_Type=FORM)
    assert_problem(reply, reply.status)
    assert reply.status == status
    assert api.job(job)["seq"] == 1


def test_a_form_is_for_the_webhook_only(api):
    assert_problem(api.post("/api/jobs", b"title=x", Content_Type=FORM), 415,
                   "unsupported_media_type")


@pytest.mark.parametrize("body, field", [
    ({}, "taskId"), ({"taskId": "t", "status": "done"}, "status"),
    ({"taskId": "t", "status": 1}, "status"), ({"taskId": "t", "note": []}, "note"),
    ({"taskId": "t", "progress": True}, "progress"), ({"taskId": "t", "attempt": 1.5}, "attempt"),
])
def test_an_update_that_cannot_be_meant_is_refused_by_field(api, job, body, field):
    assert_problem(api.update(job, body), 422, "invalid_field", field)
    assert api.job(job)["seq"] == 1


def test_an_unknown_field_of_an_update_is_refused(api, job):
    assert_problem(api.update(job, {"taskId": "t", "jobId": job}), 422, "unknown_field", "jobId")


def test_a_duplicate_key_is_refused(api, job):
    reply = api.post(hook(job), b'{"taskId":"t","note":"a","note":"b"}',
                     Content_Type="application/json")
    assert_problem(reply, 400, "duplicate_key")
    assert api.job(job)["seq"] == 1


def test_an_update_of_an_unknown_job_is_not_found(api):
    assert_problem(api.update("nobody", {"taskId": "t"}), 404, "not_found")


def test_a_content_type_may_have_parameters(api, job):
    reply = api.post(hook(job), b'{"taskId":"t"}', Content_Type="Application/JSON; charset=utf-8")
    assert reply.status == 200


@pytest.mark.parametrize("body", [b'{"taskId":"t"}', b' \n[{"taskId":"t"}]', b'{"taskId":"t","note":"a=b&c"}'])
def test_json_sent_as_a_form_is_told_which_type_to_send(api, job, body):
    reply = api.post(hook(job), body, Content_Type=FORM)
    problem = assert_problem(reply, 422, "invalid_field", "Content-Type")
    assert "application/json" in problem["detail"]
    assert len(api.activity(job)) == 1
