"""Deliverables, the results of a job. Added, listed, in the snapshot, seen by every subscriber."""
import re
import uuid

import pytest

from support.fold import assert_is_fold
from support.history import log_with_texts
from support.problem import assert_problem
from support.sse import SseStream

TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
REPORT = {"id": "d1", "title": "report.pdf", "url": "https://files.test/report.pdf",
          "mediaType": "application/pdf"}


def path_of(job):
    return f"/api/jobs/{job}/deliverables"


def listed(api, job):
    reply = api.get(path_of(job))
    assert reply.status == 200, reply
    return reply.json["deliverables"]


def test_a_deliverable_is_answered_whole(api, snapshot):
    reply = api.post(path_of(snapshot["id"]), REPORT)
    assert reply.status == 201
    answer = reply.json
    assert {name: answer[name] for name in REPORT} == REPORT
    assert TIME.fullmatch(answer["createdAt"])
    assert (answer["seq"], answer["cursor"]) == (2, f"{snapshot['epoch']}.2")
    assert answer["watchers"] == 0


def test_a_deliverable_needs_no_more_than_a_title(api, job):
    answer = api.post(path_of(job), {"title": "A word"}).json
    assert uuid.UUID(answer["id"]).version == 7
    assert "url" not in answer and "mediaType" not in answer
    assert listed(api, job) == [{name: answer[name] for name in ("id", "title", "createdAt")}]


def test_deliverables_are_listed_in_the_order_of_their_arrival(api, job):
    for name in ("z", "a", "m"):
        assert api.post(path_of(job), {"id": name, "title": name}).status == 201
    assert [item["id"] for item in listed(api, job)] == ["z", "a", "m"]


def test_the_snapshot_has_the_list_and_stands_behind_the_last_one(api, job):
    api.post(path_of(job), REPORT)
    answer = api.post(path_of(job), {"title": "Second"}).json
    snapshot = api.job(job)
    assert snapshot["deliverables"] == listed(api, job) and len(snapshot["deliverables"]) == 2
    assert snapshot["cursor"] == answer["cursor"]
    assert snapshot["updatedAt"] == answer["createdAt"]


def test_a_deliverable_is_an_event_for_every_subscriber(watch, api, job):
    watcher = watch(job)
    watcher.connected()
    created = api.post(path_of(job), REPORT).json
    event = watcher.event()
    assert event.json == {
        "type": "deliverable", "jobId": job, "seq": 2, "deliverableId": "d1", "title": "report.pdf",
        "url": REPORT["url"], "mediaType": REPORT["mediaType"], "timestamp": created["createdAt"]}
    assert event.text == log_with_texts(api, job)[-1][1]


@pytest.mark.one_node("watchers of other nodes count a moment later")
def test_the_answer_says_how_many_watch(server, api, job):
    with SseStream(server.address, job) as stream:
        stream.connected()
        assert api.post(path_of(job), REPORT).json["watchers"] == 1


def test_who_comes_back_gets_the_deliverable_it_missed(watch, api, snapshot):
    api.post(path_of(snapshot["id"]), {"id": "d1", "title": "Late"})
    watcher = watch(snapshot["id"], snapshot["cursor"])
    assert watcher.connected()["resume"] == "exact"
    event = watcher.event().json
    assert (event["deliverableId"], event["title"]) == ("d1", "Late")
    assert "url" not in event and "mediaType" not in event


def test_the_event_can_be_listened_to_by_name(server, api, job):
    with SseStream(server.address, job, query="named=1") as stream:
        stream.connected()
        api.post(path_of(job), REPORT)
        assert stream.event().event == "deliverable"


def test_the_snapshot_is_the_fold_with_deliverables(api, job):
    api.report(job, "t1", status="in_progress")
    api.post(path_of(job), REPORT)
    api.patch(f"/api/jobs/{job}", {"status": "revisions"})
    api.post(path_of(job), {"title": "Second", "url": "/files/2"})
    assert_is_fold(api.job(job), api.activity(job))


def test_a_second_deliverable_with_the_same_id_is_refused(api, job):
    api.post(path_of(job), REPORT)
    assert_problem(api.post(path_of(job), {"id": "d1", "title": "Again"}), 409,
                   "deliverable_exists")
    assert [item["title"] for item in listed(api, job)] == ["report.pdf"]
    assert api.job(job)["seq"] == 2


def test_the_same_id_in_another_job_is_another_deliverable(api, job):
    other = api.create_job()["id"]
    for name in (job, other):
        assert api.post(path_of(name), REPORT).status == 201
    assert len(listed(api, job)) == len(listed(api, other)) == 1


def test_a_repeated_deliverable_gets_the_stored_answer_and_no_second_event(api, job):
    first = api.post(path_of(job), {"title": "Once"}, Idempotency_Key="k1")
    again = api.post(path_of(job), {"title": "Once"}, Idempotency_Key="k1")
    assert (again.status, again.body) == (201, first.body)
    assert again.header("Idempotency-Replayed") == "true"
    assert len(api.activity(job)) == 2 and len(listed(api, job)) == 1


@pytest.mark.parametrize("other", [
    {"title": "Other"}, {"title": "Once", "id": "d2"}, {"title": "Once", "url": "/x"},
    {"title": "Once", "mediaType": "text/plain"}])
def test_another_deliverable_under_the_same_key_is_refused(api, job, other):
    api.post(path_of(job), {"title": "Once"}, Idempotency_Key="k1")
    assert_problem(api.post(path_of(job), other, Idempotency_Key="k1"), 422,
                   "idempotency_mismatch")
    assert len(listed(api, job)) == 1


def test_an_ended_job_takes_no_deliverable_and_keeps_those_it_has(api, job):
    api.post(path_of(job), REPORT)
    api.finish(job)
    assert_problem(api.post(path_of(job), {"title": "Late"}), 409, "job_ended")
    assert [item["id"] for item in listed(api, job)] == ["d1"]


def test_a_job_created_again_has_none(api, job):
    api.post(path_of(job), REPORT)
    api.delete(f"/api/jobs/{job}")
    api.create_job(id=job)
    assert listed(api, job) == []
    assert api.post(path_of(job), REPORT).json["seq"] == 2


def test_deliverables_of_an_unknown_job_are_not_found(api):
    assert_problem(api.post(path_of("nobody"), REPORT), 404, "not_found")
    assert_problem(api.get(path_of("nobody")), 404, "not_found")


def test_deliverables_survive_kill_9(serve, client):
    server = serve()
    api = client(server)
    job = api.create_job()["id"]
    api.post(path_of(job), REPORT)
    before = api.job(job)
    server.restart()
    api = client(server)
    assert api.job(job) == before
    assert_problem(api.post(path_of(job), REPORT), 409, "deliverable_exists")


@pytest.mark.parametrize("url", [
    "https://files.test/a", "http://x", "HTTPS://X/", "/", "/a//b", "/files/1?x=//y#z", "/é",
    "/" + "u" * 2047])
def test_a_link_that_a_page_can_show_passes(api, job, url):
    assert api.post(path_of(job), {"title": "x", "url": url}).json["url"] == url


@pytest.mark.parametrize("url", [
    "", "//evil.test/x", "/\\evil.test", "javascript:alert(1)", "JavaScript:alert(1)", "data:,x",
    "ftp://x", "file:///etc", "files/1", "?x", "#x", " https://x", "\thttps://x", "https:", "http",
    "httpsx://y", "/a\nb", "/a\tb", "/\x7f", "/\x85", "/a\r\nb", "/" + "u" * 2048, 7, None, []])
def test_any_other_link_is_refused(api, job, url):
    reply = api.post(path_of(job), {"title": "x", "url": url})
    assert_problem(reply, 422, "invalid_field", "url")
    assert api.job(job)["seq"] == 1


@pytest.mark.parametrize("kind", [
    "text/plain", "a/b", "application/vnd.x+json", "x!#$%&'*+-.^_`|~9/y", "a/" + "b" * 125])
def test_a_media_type_passes(api, job, kind):
    assert api.post(path_of(job), {"title": "x", "mediaType": kind}).json["mediaType"] == kind


@pytest.mark.parametrize("kind", [
    "", "text", "text/", "/plain", "a/b/c", "a b/c", "text/plain; charset=utf-8", "é/x", "a/b\n",
    "*/\"x\"", "a/" + "b" * 126, 7, None])
def test_any_other_media_type_is_refused(api, job, kind):
    reply = api.post(path_of(job), {"title": "x", "mediaType": kind})
    assert_problem(reply, 422, "invalid_field", "mediaType")
    assert api.job(job)["seq"] == 1


@pytest.mark.parametrize("title, status", [("t" * 512, 201), ("t" * 513, 422), ("", 422), (7, 422),
                                           (None, 422)])
def test_the_title_of_a_deliverable_has_1_to_512_bytes(api, job, title, status):
    reply = api.post(path_of(job), {"title": title})
    assert reply.status == status
    if status == 422:
        assert_problem(reply, 422, "invalid_field", "title")


def test_a_deliverable_without_a_title_is_refused(api, job):
    assert_problem(api.post(path_of(job), {"url": "/x"}), 422, "invalid_field", "title")


def test_an_unknown_field_of_a_deliverable_is_refused(api, job):
    body = {**REPORT, "size": 1}
    assert_problem(api.post(path_of(job), body), 422, "unknown_field", "size")


@pytest.mark.parametrize("name", ["", "a/b", ".", "é", "a" * 129, 7, None])
def test_the_id_of_a_deliverable_is_an_id(api, job, name):
    assert_problem(api.post(path_of(job), {"id": name, "title": "x"}), 400, "invalid_id")


def test_a_job_holds_a_thousand_deliverables_and_no_more(serve, client):
    api = client(serve(durability="process"))
    job = api.create_job()["id"]
    for i in range(1000):
        assert api.post(path_of(job), {"id": f"d{i}", "title": "x"}).status == 201
    assert_problem(api.post(path_of(job), {"title": "x"}), 409, "too_many_deliverables")
    assert_problem(api.post(path_of(job), {"id": "d0", "title": "x"}), 409, "deliverable_exists")
    assert len(api.job(job)["deliverables"]) == 1000 and api.job(job)["seq"] == 1001
    assert api.report(job, "t1")["seq"] == 1002


def test_the_number_of_deliverables_can_be_set_and_counts_across_a_restart(serve, client):
    server = serve(max_deliverables=2)
    api = client(server)
    job = api.create_job()["id"]
    api.post(path_of(job), {"title": "x"})
    server.restart()
    api = client(server)
    assert api.post(path_of(job), {"title": "x"}).status == 201
    assert_problem(api.post(path_of(job), {"title": "x"}), 409, "too_many_deliverables")
