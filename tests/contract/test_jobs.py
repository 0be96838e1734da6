"""Jobs: created, read, listed, changed, deleted; ids; the entity tag."""
import re
import uuid

import pytest

from support.problem import assert_problem
from support.ws import WebSocket

TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
CURSOR = re.compile(r"[0-9a-z]+\.[0-9]+")


def test_a_created_job_is_answered_whole(api):
    reply = api.post("/api/jobs", {"title": "Q4 report"})
    assert reply.status == 201
    job = reply.json
    assert reply.header("Location") == f"/api/jobs/{job['id']}"
    assert (job["title"], job["status"], job["metadata"]) == ("Q4 report", "pending", {})
    assert (job["tasks"], job["deliverables"], job["seq"]) == ([], [], 1)
    assert TIME.fullmatch(job["createdAt"]) and TIME.fullmatch(job["updatedAt"])
    assert "endedAt" not in job


def test_a_job_reads_as_it_was_created(api):
    created = api.create_job(metadata={"team": "blue"}, tasks=[{"id": "t1", "title": "Draw"}])
    assert api.job(created["id"]) == created


def test_a_job_may_come_with_id_status_metadata_and_tasks(api):
    job = api.create_job(id="report-2026.q4~a_b", status="revisions", metadata={"n": [1, None]},
                         tasks=[{"id": "a", "title": "First", "status": "blocked"},
                                {"title": "Second"}])
    assert (job["id"], job["status"]) == ("report-2026.q4~a_b", "revisions")
    assert job["metadata"] == {"n": [1, None]}
    first, second = job["tasks"]
    assert (first["id"], first["title"], first["status"]) == ("a", "First", "blocked")
    assert (second["title"], second["status"]) == ("Second", "pending")
    assert first["position"] < second["position"]


def test_an_id_that_is_not_given_is_a_uuid_version_7(api):
    job = api.create_job(tasks=[{"title": "One"}])
    assert uuid.UUID(job["id"]).version == 7
    assert uuid.UUID(job["tasks"][0]["id"]).version == 7


def test_ids_made_later_sort_later(api):
    first, second = (api.create_job()["id"] for _ in range(2))
    assert first[:13] <= second[:13]


def test_a_second_job_with_the_same_id_is_refused(api, job):
    assert_problem(api.post("/api/jobs", {"id": job, "title": "Again"}), 409, "job_exists")
    assert api.job(job)["title"] == "Job"


def test_the_cursor_is_epoch_and_seq_in_few_characters(api, snapshot):
    assert snapshot["cursor"] == f"{snapshot['epoch']}.{snapshot['seq']}"
    assert CURSOR.fullmatch(snapshot["cursor"]) and len(snapshot["cursor"]) <= 64


def test_every_job_has_an_epoch_of_its_own(api):
    epochs = {api.create_job()["epoch"] for _ in range(20)}
    assert len(epochs) == 20
    assert all(len(epoch) >= 7 for epoch in epochs), "40 bits need more characters"


def test_a_job_deleted_and_created_again_has_another_epoch(api, snapshot):
    assert api.delete(f"/api/jobs/{snapshot['id']}").status == 204
    again = api.create_job(id=snapshot["id"])
    assert again["seq"] == 1
    assert again["epoch"] != snapshot["epoch"]


def test_an_unknown_job_is_not_found(api):
    for path in ("", "/tasks", "/activity", "/updates", "/task-events"):
        assert_problem(api.get(f"/api/jobs/nobody{path}"), 404, "not_found")


def test_the_entity_tag_is_the_cursor_and_changes_with_it(api, snapshot):
    path = f"/api/jobs/{snapshot['id']}"
    tag = api.get(path).header("ETag")
    assert tag == f'"{snapshot["cursor"]}"'
    unchanged = api.get(path, If_None_Match=tag)
    assert (unchanged.status, unchanged.body) == (304, b"")
    assert unchanged.header("ETag") == tag
    api.report(snapshot["id"], "t1")
    assert api.get(path, If_None_Match=tag).status == 200


def test_the_entity_tag_is_found_in_a_list_and_by_star(api, snapshot):
    path, tag = f"/api/jobs/{snapshot['id']}", f'"{snapshot["cursor"]}"'
    assert api.get(path, If_None_Match=f'"other", W/{tag}').status == 304
    assert api.get(path, If_None_Match="*").status == 304
    assert api.get(path, If_None_Match='"other"').status == 200


def test_a_change_of_title_status_and_metadata_is_one_event(api, snapshot):
    reply = api.patch(f"/api/jobs/{snapshot['id']}",
                      {"title": "New", "status": "hardening", "metadata": {"a": 1}})
    assert reply.status == 200
    job = api.job(snapshot["id"])
    assert (job["title"], job["status"], job["metadata"]) == ("New", "hardening", {"a": 1})
    assert (job["seq"], job["cursor"]) == (2, f"{snapshot['epoch']}.2")
    event = api.activity(snapshot["id"])[-1]
    assert event["type"] == "job_update"
    assert (event["title"], event["status"], event["metadata"]) == ("New", "hardening", {"a": 1})


def test_a_change_leaves_alone_what_it_does_not_name(api):
    job = api.create_job(title="Kept", metadata={"kept": True})["id"]
    assert api.patch(f"/api/jobs/{job}", {"status": "revisions"}).status == 200
    after = api.job(job)
    assert (after["title"], after["metadata"]) == ("Kept", {"kept": True})
    event = api.activity(job)[-1]
    assert event["title"] == "Kept" and "metadata" not in event


def test_an_ended_job_says_when(api, job):
    api.finish(job, "failed")
    ended = api.job(job)
    assert ended["status"] == "failed" and TIME.fullmatch(ended["endedAt"])


def test_a_deleted_job_is_gone(api, job):
    assert api.delete(f"/api/jobs/{job}").status == 204
    assert_problem(api.get(f"/api/jobs/{job}"), 404, "not_found")
    assert_problem(api.delete(f"/api/jobs/{job}"), 404, "not_found")
    assert_problem(api.update(job, {"taskId": "t"}), 404, "not_found")


def test_an_ended_job_can_be_deleted(api, job):
    api.finish(job)
    assert api.delete(f"/api/jobs/{job}").status == 204


def test_the_list_is_newest_first_and_paged(serve, client):
    api = client(serve())
    ids = [api.create_job()["id"] for _ in range(7)]
    seen, token = [], ""
    while token is not None:
        page = api.get(f"/api/jobs?limit=3{token and '&pageToken=' + token}").json
        assert len(page["jobs"]) <= 3
        seen += [job["id"] for job in page["jobs"]]
        token = page.get("nextPageToken")
    assert seen == ids[::-1]


def test_the_list_shows_one_status(serve, client):
    api = client(serve())
    wanted = api.create_job(status="hardening")["id"]
    api.create_job(status="pending")
    jobs = api.get("/api/jobs?status=hardening").json["jobs"]
    assert [(job["id"], job["status"]) for job in jobs] == [(wanted, "hardening")]


def test_an_empty_list_is_a_list(serve, client):
    assert client(serve()).get("/api/jobs").json == {"jobs": []}


@pytest.mark.parametrize("query", ["status=running", "limit=0", "limit=x", "pageToken=%21"])
def test_a_list_that_cannot_be_meant_is_refused(api, query):
    assert_problem(api.get(f"/api/jobs?{query}"), 400, "bad_request")


@pytest.mark.parametrize("body, field", [
    ({}, "title"),
    ({"title": ""}, "title"),
    ({"title": 7}, "title"),
    ({"title": "x", "status": "running"}, "status"),
    ({"title": "x", "status": None}, "status"),
    ({"title": "x", "metadata": []}, "metadata"),
    ({"title": "x", "metadata": "text"}, "metadata"),
    ({"title": "x", "tasks": {}}, "tasks"),
    ({"title": "x", "tasks": [{"id": "a", "title": "A", "status": "done"}]}, "tasks[0].status"),
    ({"title": "x", "tasks": [{"id": "a", "title": 1}]}, "tasks[0].title"),
])
def test_a_job_that_cannot_be_meant_is_refused_by_field(api, body, field):
    assert_problem(api.post("/api/jobs", body), 422, "invalid_field", field)


@pytest.mark.parametrize("body, field", [
    ({"title": "x", "state": "pending"}, "state"),
    ({"title": "x", "STATUS": "pending"}, "STATUS"),
    ({"title": "x", "tasks": [{"id": "a", "title": "A", "state": "n"}]}, "tasks[0].state"),
])
def test_an_unknown_field_of_a_job_is_refused(api, body, field):
    assert_problem(api.post("/api/jobs", body), 422, "unknown_field", field)


@pytest.mark.parametrize("body, code", [
    ({"titel": "x"}, "unknown_field"), ({"status": "running"}, "invalid_field"),
    ({"metadata": 1}, "invalid_field"), ({"title": ""}, "invalid_field"),
])
def test_a_change_that_cannot_be_meant_is_refused(api, job, body, code):
    assert_problem(api.patch(f"/api/jobs/{job}", body), 422, code)
    assert api.job(job)["seq"] == 1


def test_two_tasks_of_one_id_in_a_creation_are_refused(api):
    body = {"title": "x", "id": "twins", "tasks": [{"id": "a", "title": "A"}] * 2}
    assert_problem(api.post("/api/jobs", body), 422, "invalid_field")
    assert api.get("/api/jobs/twins").status == 404


# -- what a row of the list says --------------------------------------------------------------------

def row_of(api, job):
    return next(row for row in api.get("/api/jobs").json["jobs"] if row["id"] == job)


def test_a_row_of_the_list_counts_the_tasks(api, job):
    row = row_of(api, job)
    assert (row["taskCount"], row["progress"]) == (0, 0)
    assert row["taskCounts"] == {"total": 0, "completed": 0, "failed": 0, "in_progress": 0}
    api.report(job, "a", status="in_progress", progress=50)
    api.report(job, "b", status="failed", progress=10)
    api.report(job, "c", status="cancelled", progress=90)
    api.report(job, "d", status="completed")
    row = row_of(api, job)
    assert (row["taskCount"], row["progress"]) == (4, 83.33)
    assert row["taskCounts"] == {"total": 4, "completed": 1, "failed": 1, "in_progress": 1}
    api.report(job, "a", status="completed")
    assert row_of(api, job)["progress"] == 100


@pytest.mark.one_node("watchers and agents of other nodes count a moment later")
def test_a_row_of_the_list_says_who_is_there(api, server, job):
    row = row_of(api, job)
    assert (row["watchers"], row["agents"]) == (0, [])
    said = {"agent": "w1", "state": "typing"}
    with WebSocket(server.address) as watcher:
        watcher.subscribe(job)
        assert api.post(f"/api/jobs/{job}/presence", said).status == 200
        row = row_of(api, job)
    assert row["watchers"] == 1
    assert row["agents"] == [{"id": "w1", "state": "typing"}]


def test_a_row_has_no_more_members_when_another_job_is_like_it(api):
    ids = [api.create_job(title='","watchers":9}')["id"] for _ in range(3)]
    rows = api.get("/api/jobs").json["jobs"]
    assert [row["id"] for row in rows[:3]] == ids[::-1]
    assert all(row["title"] == '","watchers":9}' and row["watchers"] == 0 for row in rows[:3])


def test_a_page_has_so_many_bytes_and_goes_on(serve, client):
    api = client(serve(page_bytes=4096))
    ids = [api.create_job(metadata={"m": "m" * 1000})["id"] for _ in range(10)]
    seen, token = [], ""
    while token is not None:
        page = api.get("/api/jobs?limit=1000" + (f"&pageToken={token}" if token else "")).json
        assert 1 <= len(page["jobs"]) <= 3
        seen, token = seen + [row["id"] for row in page["jobs"]], page.get("nextPageToken")
    assert seen == ids[::-1]
