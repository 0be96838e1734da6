"""Every error has one shape; wrong methods are told the right ones; HEAD is GET without a body."""
import pytest

from support.api import hook
from support.problem import assert_problem

JSON = "application/json"

ROUTES = [
    ("/api/jobs", {"GET", "HEAD", "POST"}),
    ("/api/jobs/{job}", {"GET", "HEAD", "PATCH", "DELETE"}),
    ("/api/jobs/{job}/tasks", {"GET", "HEAD", "POST"}),
    ("/api/jobs/{job}/tasks/t1", {"PUT"}),
    ("/api/jobs/{job}/activity", {"GET", "HEAD"}),
    ("/api/jobs/{job}/updates", {"GET", "HEAD"}),
    ("/api/jobs/{job}/task-events", {"GET", "HEAD"}),
    ("/api/agent-hooks/task-update/{job}", {"POST"}),
    ("/healthz", {"GET", "HEAD"}),
]
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")


@pytest.mark.parametrize("path, allowed", ROUTES)
def test_a_wrong_method_is_answered_405_with_the_right_ones(api, job, path, allowed):
    wrong = [method for method in METHODS if method not in allowed]
    for method in wrong:
        body = {} if method in ("POST", "PUT", "PATCH") else None
        reply = api.request(method, path.format(job=job), body)
        if method == "HEAD":
            assert (reply.status, reply.body) == (405, b"")
        else:
            assert_problem(reply, 405, "method_not_allowed")
        said = {word.strip() for word in reply.header("Allow").split(",")}
        assert allowed <= said and not said & set(wrong), said
    assert api.job(job)["seq"] == 1


@pytest.mark.parametrize("path", ["/api", "/api/", "/api/job", "/api/jobs/a/b",
                                  "/api/jobs/{job}/tasks/t/x", "/nothing.html",
                                  "/API/JOBS", "/api/agent-hooks/task-update"])
def test_an_unknown_path_is_not_found(api, job, path):
    assert_problem(api.get(path.format(job=job)), 404, "not_found")


@pytest.mark.parametrize("path", ["/healthz", "/api/jobs", "/api/jobs/{job}",
                                  "/api/jobs/{job}/tasks", "/api/jobs/{job}/activity",
                                  "/api/jobs/{job}/updates"])
def test_head_is_get_without_the_body(api, job, path):
    path = path.format(job=job)
    full, head = api.get(path), api.head(path)
    assert (head.status, head.body) == (200, b"")
    for name in ("Content-Type", "Content-Length", "ETag"):
        assert head.header(name) == full.header(name)


def test_head_of_an_unknown_job_is_not_found(api):
    reply = api.head("/api/jobs/nobody")
    assert (reply.status, reply.body) == (404, b"")


def test_answers_are_json_and_say_so(api, job):
    for path in ("/api/jobs", f"/api/jobs/{job}", f"/api/jobs/{job}/tasks", "/healthz",
                 f"/api/jobs/{job}/activity", f"/api/jobs/{job}/updates"):
        assert api.get(path).header("Content-Type").split(";")[0] == JSON


def test_every_kind_of_error_has_the_same_shape(api, job):
    send = lambda body, kind=JSON: api.post(hook(job), body, Content_Type=kind)  # noqa: E731
    assert_problem(send(b"{"), 400, "invalid_json")
    assert_problem(send(b'{"taskId":"a","taskId":"b"}'), 400, "duplicate_key")
    assert_problem(api.get("/api/jobs/-bad"), 400, "invalid_id")
    assert_problem(api.get("/api/jobs/nobody"), 404, "not_found")
    assert_problem(api.delete("/healthz"), 405, "method_not_allowed")
    assert_problem(api.post("/api/jobs", {"id": job, "title": "x"}), 409, "job_exists")
    assert_problem(send(b"x" * 300_000), 413, "body_too_large")
    assert_problem(send(b"<a/>", "text/xml"), 415, "unsupported_media_type")
    assert_problem(send(b'{"taskId":"a","status":"x"}'), 422, "invalid_field", "status")
    assert_problem(send(b'{"taskId":"a","x":1}'), 422, "unknown_field", "x")


def test_all_faulty_fields_are_named_at_once(api, job):
    reply = api.update(job, {"taskId": "t", "status": "x", "progress": -1, "note": 7})
    problem = assert_problem(reply, 422, "invalid_field")
    assert {error["field"] for error in problem["errors"]} == {"status", "progress", "note"}


def test_an_error_does_not_repeat_what_it_was_sent(api, job):
    reply = api.update(job, {"taskId": "t", "status": "<script>alert(1)</script>"})
    assert b"<script>" not in reply.body


def test_a_good_request_follows_an_error_on_the_same_connection(api, job):
    api.get("/healthz")
    line = api.connection.sock
    assert api.update(job, {"taskId": "t", "status": "x"}).status == 422
    assert api.get("/api/jobs/nobody").status == 404
    assert api.report(job, "t")["seq"] == 2
    assert api.connection.sock is line, "the connection was not kept"
