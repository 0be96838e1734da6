"""Conditional requests, ranges and what caches are told: RFC 9110 sections 8.8, 9.3.2, 13 and 14, RFC 9111."""
import email.utils
import time

import pytest

from support.api import Api, compact
from support.problem import assert_problem
from support.raw import Raw, ask, request
from support.server import Server
from support.wait import Deadline

OLD, COMING = "Thu, 01 Jan 1998 00:00:00 GMT", "Fri, 31 Dec 2060 00:00:00 GMT"

# Every route that answers a GET with 200 and ends: (path, whether it has an ETag, Cache-Control).
READS = [
    ("/api/jobs", False, "no-cache"), ("/api/jobs/j", True, "no-cache"), ("/api/jobs/j/tasks", False, "no-cache"),
    ("/api/jobs/j/deliverables", False, "no-cache"), ("/api/jobs/j/activity", False, "no-cache"),
    ("/api/jobs/j/updates", True, "no-cache"), ("/api/keys", False, "no-store"), ("/healthz", False, "no-store"),
    ("/", True, "no-cache"), ("/jobs/j", True, "no-cache"), ("/joblight.js", True, "no-cache"),
    ("/style.css", True, "no-cache"), ("/favicon.ico", True, "no-cache"),
]
PATHS = [path for path, _, _ in READS]
TAGGED = [path for path, tagged, _ in READS if tagged]
UNTAGGED = [path for path, tagged, _ in READS if not tagged]


@pytest.fixture(scope="module")
def module_server(tmp_path_factory):
    server = Server(tmp_path_factory.mktemp("server"))
    server.start()
    with Api(server.address) as api:
        api.create_job(id="j", tasks=[{"id": "t"}])
    yield server
    server.stop()


def get(server, path, *headers, method="GET"):
    return ask(server.address, request(method, path, headers), head=method == "HEAD")


def tag_of(server, path, *headers):
    return get(server, path, *headers).header("ETag")


# -- what every answer says --------------------------------------------------------------------------------

@pytest.mark.parametrize("path, tagged, cache", READS)
def test_every_answer_tells_caches_what_they_may_do(server, path, tagged, cache):
    reply = get(server, path)
    assert reply.status == 200 and reply.header("Cache-Control") == cache
    assert (reply.header("ETag") is not None) == tagged
    assert not tagged or (reply.header("ETag")[0] == reply.header("ETag")[-1] == '"')
    sent = email.utils.parsedate_to_datetime(reply.header("Date")).timestamp()
    assert abs(sent - time.time()) < 10 and reply.header("Date").endswith(" GMT")
    for name in ("Age", "Expires", "Last-Modified", "Accept-Ranges"):
        assert reply.header(name) is None


OF_ONE_ANSWER = ("Date", "X-Request-Id")


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("headers", [(), ("Accept-Encoding: gzip",), ("If-None-Match: *",), ('If-Match: "x"',)])
def test_head_is_get_without_the_body(server, path, headers):
    with Raw(server.address) as raw:
        raw.send(request("GET", path, headers))
        full = raw.response()
        raw.send(request("HEAD", path, headers))
        empty = raw.response(head=True)
        raw.send(request("GET", "/healthz"))            # nothing of a body is in between
        assert raw.response().status == 200
    assert empty.status == full.status
    assert [pair for pair in empty.headers if pair[0] not in OF_ONE_ANSWER] == [pair for pair in full.headers if pair[0] not in OF_ONE_ANSWER]


def test_head_of_a_stream_is_its_head(server):
    with Raw(server.address) as raw:
        raw.send(request("GET", "/api/jobs/j/task-events"))
        full = raw.head_of_response(Deadline(10, "the head of the stream"))
    reply = get(server, "/api/jobs/j/task-events", method="HEAD")
    assert (reply.status, [p for p in reply.headers if p[0] not in OF_ONE_ANSWER]) == \
        (full[0], [p for p in full[1] if p[0] not in OF_ONE_ANSWER])
    assert "no-store" in reply.header("Cache-Control")


@pytest.mark.parametrize("method, path, body, status", [
    ("GET", "/nothing", b"", 404), ("GET", "/api/jobs/none", b"", 404), ("GET", "/api/jobs/-", b"", 400),
    ("PUT", "/api/jobs", b"{}", 405), ("POST", "/api/jobs", b"{", 400), ("GET", "/api/jobs?limit=x", b"", 400),
    ("GET", "/" + "x" * 9000, b"", 414), ("GET", "/api/ws", b"", 426), ("GET", "/api/jobs/none/updates", b"", 404)])
def test_no_cache_keeps_an_error(server, method, path, body, status):
    """By RFC 9110 section 15.1 it might keep a 404, a 405 or a 414 for as long as it likes."""
    headers = ["Content-Type: application/json"] if body else []
    reply = ask(server.address, request(method, path, headers, body))
    assert reply.status == status and reply.header("Cache-Control") == "no-store"


# -- If-None-Match -----------------------------------------------------------------------------------------

NAMES = ["{}", "W/{}", '"x", {}', '"x",{}', ' "x" , W/{} ,', '{}, "x"', '"a,b", {}', "*", ", {}", "{},"]
NAMES_NOT = ['"x"', "W/\"x\"", "{}x", "x{}", '"x" {}', '{} "x"', '"*"', "*, {}", '"', ""]


@pytest.mark.parametrize("path", TAGGED)
@pytest.mark.parametrize("form", NAMES)
def test_a_tag_that_is_named_is_answered_304(server, path, form):
    tag = tag_of(server, path)
    reply = get(server, path, "If-None-Match: " + form.format(tag))
    assert reply.status == 304 and reply.body == b""
    assert reply.header("Content-Length") is None and reply.header("Content-Type") is None
    full = get(server, path)
    for name in ("ETag", "Cache-Control", "Vary", "Content-Location", "Expires"):   # section 15.4.5
        assert reply.header(name) == full.header(name)
    assert reply.header("Date")


@pytest.mark.parametrize("path", TAGGED)
@pytest.mark.parametrize("form", NAMES_NOT)
def test_a_tag_that_is_not_named_is_answered_in_full(server, path, form):
    tag = tag_of(server, path)
    assert get(server, path, "If-None-Match: " + form.format(tag)).status == 200


def test_the_lines_of_a_list_belong_together(server):
    tag = tag_of(server, "/api/jobs/j")
    assert get(server, "/api/jobs/j", 'If-None-Match: "x"', f"If-None-Match: {tag}").status == 304
    assert get(server, "/api/jobs/j", 'If-None-Match: "x"', 'If-None-Match: "y"').status == 200


@pytest.mark.parametrize("path", UNTAGGED)
def test_what_has_no_tag_is_named_by_the_star_only(server, path):
    assert get(server, path, 'If-None-Match: "x"').status == 200
    assert get(server, path, "If-None-Match: *").status == 304


def test_each_encoding_of_a_page_has_a_tag_of_its_own(server):
    plain, zipped = tag_of(server, "/joblight.js"), tag_of(server, "/joblight.js", "Accept-Encoding: gzip")
    assert plain != zipped
    for accept, tag, other in (("identity", plain, zipped), ("gzip", zipped, plain)):
        wants = f"Accept-Encoding: {accept}"
        assert get(server, "/joblight.js", wants, f"If-None-Match: {tag}").status == 304
        assert get(server, "/joblight.js", wants, f"If-None-Match: {other}").status == 200
        assert get(server, "/joblight.js", wants, f"If-None-Match: {tag}").header("Vary") == "Accept-Encoding"


@pytest.mark.parametrize("path", ["/api/jobs/j", "/api/jobs/j/updates", "/api/jobs/j/updates?limit=1",
                                  "/api/jobs/j/updates?types=command"])
def test_equal_tags_have_equal_bodies(server, path):
    """The same URL, as the job goes on: what a cache has under a tag is what the server would send."""
    seen = {}
    with Api(server.address) as api:
        since = api.job("j")["cursor"]
        path += ("&" if "?" in path else "?") + f"since={since}" if "updates" in path else ""
        for i in range(6):
            reply = get(server, path)
            assert seen.setdefault(reply.header("ETag"), reply.body) == reply.body
            assert get(server, path, f"If-None-Match: {reply.header('ETag')}").status == 304
            api.report("j", "t", progress=i)


def test_the_end_of_a_job_has_another_tag_than_its_last_event(serve):
    server = serve()
    with Api(server.address) as api:
        api.create_job(id="k")
        cursor = api.job("k")["cursor"]
        before = tag_of(server, f"/api/jobs/k/updates?since={cursor}")
        api.delete("/api/jobs/k")
        reply = get(server, f"/api/jobs/k/updates?since={cursor}", f"If-None-Match: {before}")
        assert reply.status == 200 and reply.json["terminal"] and reply.header("ETag") != before


# -- If-Match, dates and ranges ------------------------------------------------------------------------------

@pytest.mark.parametrize("path", PATHS)
def test_if_match_is_for_the_current_tag_by_the_strong_comparison(server, path):
    tag = tag_of(server, path)
    assert get(server, path, "If-Match: *").status == 200
    assert_problem(get(server, path, 'If-Match: "x", "y"'), 412, "precondition_failed")
    if tag:
        assert get(server, path, f'If-Match: "x", {tag}').status == 200
        assert_problem(get(server, path, f"If-Match: W/{tag}"), 412, "precondition_failed")


@pytest.mark.parametrize("path", TAGGED)
def test_if_match_comes_before_if_none_match(server, path):
    tag = tag_of(server, path)
    assert get(server, path, 'If-Match: "x"', f"If-None-Match: {tag}").status == 412
    assert get(server, path, f"If-Match: {tag}", f"If-None-Match: {tag}").status == 304


@pytest.mark.parametrize("path", PATHS)
def test_dates_are_ignored_because_nothing_has_one(server, path):
    for line in (f"If-Modified-Since: {COMING}", f"If-Modified-Since: {OLD}", f"If-Unmodified-Since: {OLD}",
                 "If-Modified-Since: nonsense"):
        assert get(server, path, line).status == 200
    tag = tag_of(server, path)
    if tag:
        assert get(server, path, f"If-None-Match: {tag}", f"If-Modified-Since: {OLD}").status == 304
        assert get(server, path, 'If-None-Match: "x"', f"If-Modified-Since: {COMING}").status == 200


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("value", ["bytes=0-0", "bytes=-1", "bytes=5-2", "bytes=999999999-", "bytes=0-0,2-3", "lines=1"])
def test_a_range_is_ignored_and_the_answer_is_whole(server, path, value):
    whole = get(server, path)
    reply = get(server, path, f"Range: {value}")
    assert (reply.status, reply.body) == (200, whole.body) and reply.header("Content-Range") is None
    if whole.header("ETag"):
        assert get(server, path, f"Range: {value}", f"If-Range: {whole.header('ETag')}").body == whole.body
        assert get(server, path, f"Range: {value}", f"If-None-Match: {whole.header('ETag')}").status == 304
    assert get(server, path, f"Range: {value}", f"If-Range: {OLD}").body == whole.body


@pytest.mark.parametrize("path, status", [("/nothing", 404), ("/api/jobs/none", 404), ("/jobs/none", 404),
                                          ("/api/jobs/-", 400), ("/api/jobs?limit=0", 400), ("/api/ws", 426)])
def test_conditions_change_no_error(server, path, status):
    for line in ("If-None-Match: *", 'If-Match: "x"', "If-Match: *", 'If-None-Match: "x"'):
        assert get(server, path, line).status == status


# -- writes ------------------------------------------------------------------------------------------------

@pytest.fixture
def tagged(api):
    """(path, ETag) of a fresh job with a task."""
    job = api.create_job(tasks=[{"id": "t"}])["id"]
    path = f"/api/jobs/{job}"
    return path, api.get(path).header("ETag")


@pytest.mark.parametrize("method, body", [("PATCH", {"title": "T"}), ("DELETE", None)])
def test_a_job_is_changed_only_as_it_was_seen(api, tagged, method, body):
    path, tag = tagged
    api.report(path.rsplit("/", 1)[1], "t", progress=1)
    now = api.get(path).header("ETag")
    for headers in ({"If-Match": tag}, {"If-Match": f"W/{now}"}, {"If-None-Match": "*"}, {"If-None-Match": f"W/{now}"}):
        problem = assert_problem(api.request(method, path, body, headers), 412, "precondition_failed")
        assert "If-" in problem["detail"]
    assert api.get(path).header("ETag") == now
    assert api.request(method, path, body, {"If-Match": f'"x", {now}', "If-None-Match": tag}).status in (200, 204)


def test_a_lost_update_is_noticed(api, tagged):
    """Two that read the same job and change it: the second one is told."""
    path, tag = tagged
    assert api.patch(path, {"title": "first"}, If_Match=tag).status == 200
    assert api.patch(path, {"title": "second"}, If_Match=tag).status == 412
    assert api.get(path).json["title"] == "first"


def test_a_repetition_is_answered_as_the_first_time_although_the_tag_has_changed(api, tagged):
    path, tag = tagged
    for _ in range(2):
        assert api.patch(path, {"title": "T"}, If_Match=tag, Idempotency_Key="once").status == 200
    assert api.patch(path, {"title": "U"}, If_Match=tag, Idempotency_Key="other").status == 412


def test_a_task_is_made_or_changed_only_if_it_was_there_or_not(api, tagged):
    path, _ = tagged
    assert api.put(f"{path}/tasks/t", {"title": "T"}, If_None_Match="*").status == 412
    assert api.put(f"{path}/tasks/u", {"title": "T"}, If_Match="*").status == 412
    assert api.put(f"{path}/tasks/u", {"title": "T"}, If_None_Match="*").status == 201
    assert api.put(f"{path}/tasks/u", {"title": "U"}, If_Match="*").status == 200
    assert api.put(f"{path}/tasks/u", {"title": "V"}, If_Match='"x"').status == 412
    assert api.put(f"{path}/tasks/u", {"title": "V"}, If_None_Match='"x"').status == 200


@pytest.mark.parametrize("path, body", [("/api/jobs", {"title": "J"}), ("{}/tasks", {"title": "T"}),
                                        ("{}/commands", {"command": "c"})])
def test_what_is_added_to_has_no_tag(api, tagged, path, body):
    path = path.format(tagged[0])
    before = api.get(tagged[0]).body
    assert api.post(path, body, If_Match=tagged[1]).status == 412
    assert api.post(path, body, If_None_Match="*").status == 412
    assert api.get(tagged[0]).body == before
    assert api.post(path, body, If_Match="*", If_None_Match=tagged[1]).status == 201


def test_conditions_change_no_error_of_a_write(api, tagged):
    path, _ = tagged
    assert api.patch("/api/jobs/none", {"title": "T"}, If_Match='"x"').status == 404
    assert api.patch(path, {"title": 1}, If_Match='"x"').status == 422
    api.finish(path.rsplit("/", 1)[1])
    assert api.patch(path, {"title": "T"}, If_Match='"x"').status == 409
