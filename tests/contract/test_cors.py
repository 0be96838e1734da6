"""What the pages of other origins may send and read: --origin, with and without keys."""
import pytest

from support.api import Api, compact
from support.problem import assert_problem
from support.raw import Raw, ask, request
from support.server import Server, run_to_exit
from support.sse import SseStream
from support.wait import Deadline, until
from support.ws import UPGRADED, WebSocket, handshake

APP = "https://app.example"
FOREIGN = "https://evil.example"
EXPOSED = {"allow", "date", "etag", "idempotency-replayed", "location", "ratelimit", "ratelimit-policy",
           "retry-after", "www-authenticate", "x-request-id"}
READ_BY_CLIENTS = {"authorization", "content-type", "idempotency-key", "if-match", "if-none-match",
                   "last-event-id", "request-id", "traceparent", "x-request-id"}


@pytest.fixture(scope="module")
def module_server(tmp_path_factory):
    server = Server(tmp_path_factory.mktemp("server"), origin=[APP, "http://tool.example:8080"])
    server.start()
    with Api(server.address) as api:
        api.create_job(id="j")
        api.create_job(id="over")
        api.finish("over")
    yield server
    server.stop()


def send(server, method, path, *headers, body=b"", origin=APP, **how):
    lines = [f"Origin: {origin}"] if origin else []
    lines += ["Content-Type: application/json"] if body else []
    data = request(method, path, [*lines, *headers], body, **how)
    return ask(server.address, data, head=method == "HEAD")


def preflight(server, method="POST", path="/api/jobs", *headers, origin=APP):
    return send(server, "OPTIONS", path, f"Access-Control-Request-Method: {method}", *headers, origin=origin)


def words(reply, name):
    return {word.strip().lower() for word in (reply.header(name) or "").split(",")}


def assert_readable(reply, origin=APP):
    assert reply.header("Access-Control-Allow-Origin") == origin, reply
    assert reply.header("Access-Control-Allow-Credentials") == (None if origin == "*" else "true")
    assert EXPOSED <= words(reply, "Access-Control-Expose-Headers")
    assert "origin" in words(reply, "Vary")


def assert_hidden(reply, varies=True):
    assert not [name for name, _ in reply.headers if name.lower().startswith("access-control")], reply
    assert ("origin" in words(reply, "Vary")) == varies, reply


# -- answers ---------------------------------------------------------------------------------------------

CREATION, UPDATE = compact({"title": "J"}), compact({"taskId": "t"})

# (method, path, headers, body, status): each kind of answer that the server has.
ANSWERS = [
    ("GET", "/api/jobs", (), b"", 200), ("HEAD", "/api/jobs", (), b"", 200), ("GET", "/api/jobs/j", (), b"", 200),
    ("GET", "/api/jobs/j", ("If-None-Match: *",), b"", 304), ("GET", "/api/jobs/j/updates", (), b"", 200),
    ("POST", "/api/jobs", (), CREATION, 201), ("POST", "/api/agent-hooks/task-update/j", (), UPDATE, 200),
    ("DELETE", "/api/jobs/no", (), b"", 404), ("GET", "/api/jobs/no", (), b"", 404),
    ("GET", "/api/jobs/-", (), b"", 400), ("POST", "/api/jobs", (), b"{", 400),
    ("POST", "/api/jobs", (), b"{}", 422), ("PUT", "/api/jobs", (), b"{}", 405),
    ("GET", "/api/jobs?a=%ff", (), b"", 400), ("HEAD", "/api/jobs?a=%ff", (), b"", 400),
    ("POST", "/api/jobs", ("Content-Length: 99999999",), b"", 413),
    ("POST", "/api/jobs", ("Content-Length: 1", "Content-Encoding: gzip"), b"", 415),
    ("GET", "/api/ws", (), b"", 426), ("GET", "/nothing", (), b"", 404), ("GET", "/", (), b"", 200),
    ("GET", "/joblight.js", (), b"", 200), ("GET", "/joblight.js", ("Accept-Encoding: gzip",), b"", 200),
    ("GET", "/joblight.js", ("If-None-Match: *",), b"", 304), ("GET", "/healthz", (), b"", 200),
    ("HEAD", "/api/jobs/j/task-events", (), b"", 200), ("GET", "/api/jobs/no/task-events", (), b"", 404),
    ("GET", "/api/jobs/over/task-events?since=", (), b"", 200), ("GET", "/api/jobs/over/task-events", (), b"", 200),
]
CASES = [pytest.param(*row, id=f"{row[0]} {row[1]} {row[4]} {len(row[2])}") for row in ANSWERS]


@pytest.mark.parametrize("method, path, headers, body, status", CASES)
def test_a_listed_page_reads_every_answer(server, method, path, headers, body, status):
    reply = send(server, method, path, *headers, body=body)
    assert reply.status == status
    assert_readable(reply)


@pytest.mark.parametrize("method, path, headers, body, status", CASES)
def test_every_answer_says_that_it_depends_on_the_origin(server, method, path, headers, body, status):
    """Also without an Origin, and to a stranger: a cache must not give that answer to a page."""
    assert_hidden(send(server, method, path, *headers, body=body, origin=None))
    assert_hidden(send(server, method, path, *headers, body=body, origin=FOREIGN))


def test_a_page_that_is_compressed_depends_on_both(server):
    reply = send(server, "GET", "/joblight.js", "Accept-Encoding: gzip")
    assert words(reply, "Vary") == {"accept-encoding", "origin"}


def test_without_the_setting_no_answer_depends_on_the_origin(serve):
    server = serve()
    assert_hidden(send(server, "GET", "/api/jobs"), varies=False)
    assert send(server, "GET", "/joblight.js").header("Vary") == "Accept-Encoding"
    assert_problem(preflight(server), 403, "forbidden_origin")


@pytest.mark.parametrize("origin", ["https://APP.example", "HTTPS://app.example", "https://app.example:443",
                                    "http://tool.example:8080"])
def test_the_origin_is_told_as_the_browser_wrote_it(server, origin):
    assert_readable(send(server, "GET", "/api/jobs", origin=origin), origin)


@pytest.mark.parametrize("origin", ["null", "http://app.example", "https://app.example:8443", "https://app.example/",
                                    "https://app.example.", "https://sub.app.example", "http://tool.example",
                                    "https://app.example, https://app.example", "app.example", "*", "x" * 3000])
def test_an_origin_that_only_looks_like_a_listed_one_is_told_nothing(server, origin):
    assert_hidden(send(server, "GET", "/api/jobs", origin=origin))
    assert_hidden(preflight(server, origin=origin))


def test_two_origins_are_refused(server):
    reply = ask(server.address, request("GET", "/api/jobs", [f"Origin: {APP}", f"Origin: {APP}"]))
    assert "origin" in assert_problem(reply, 400)["detail"]


def test_the_second_request_of_a_connection_has_its_own_origin(server):
    with Raw(server.address) as raw:
        for origin, told in ((APP, APP), (FOREIGN, None), (None, None), (APP, APP)):
            raw.send(request("GET", "/api/jobs", [f"Origin: {origin}"] if origin else []))
            assert raw.response().header("Access-Control-Allow-Origin") == told


def test_a_stream_and_its_events_are_for_the_listed_page(server):
    for origin, told in ((APP, APP), (FOREIGN, None), (None, None)):
        headers = [f"Origin: {origin}"] if origin else []
        with Raw(server.address) as raw:
            raw.send(request("GET", "/api/jobs/j/task-events", headers))
            status, got = raw.head_of_response(Deadline(10, "the head of the stream"))
            got = {name.lower(): value for name, value in got}
            assert status == 200 and got.get("access-control-allow-origin") == told
            assert got["vary"] == "Origin"


def hold(server, count):
    """Connections that have had an answer, and stay."""
    held = [Raw(server.address) for _ in range(count)]
    for raw in held:
        raw.send(request("GET", "/api/jobs/j"))
        assert raw.response().status == 200
    return held


def watch(server, count):
    streams = [SseStream(server.address, "j") for _ in range(count)]
    for stream in streams:
        stream.connected()
    return streams


@pytest.mark.parametrize("limits, fill, count", [({"max_connections": 95, "loops": 1}, hold, 95),
                                                 ({"max_streams": 8}, watch, 8)], ids=["connections", "streams"])
@pytest.mark.parametrize("method, accept, status", [("GET", "text/event-stream", 200), ("GET", "*/*", 503),
                                                    ("HEAD", "text/event-stream", 503)])
def test_a_listed_page_reads_that_the_server_is_full(serve, limits, fill, count, method, accept, status):
    """An EventSource gives up for good when the answer is hidden from it."""
    server = serve(origin=APP, **limits)
    with Api(server.address) as api:
        api.create_job(id="j")
    held = fill(server, count)
    for origin in (APP, FOREIGN):
        with Raw(server.address) as raw:
            raw.send(request(method, "/api/jobs/j/task-events", [f"Origin: {origin}", f"Accept: {accept}", "Connection: close"]))
            reply = raw.response(head=method == "HEAD")
            assert reply.status == status and (method == "GET" or raw.rest() == b"")
            (assert_readable if origin == APP else assert_hidden)(reply)
    for one in held:
        one.close()


# -- the question before a request ------------------------------------------------------------------------

@pytest.mark.parametrize("path, methods", [
    ("/api/jobs", {"get", "head", "post"}), ("/api/jobs/j", {"get", "head", "patch", "delete"}),
    ("/api/jobs/j/tasks/t", {"put"}), ("/api/agent-hooks/task-update/j", {"post"}),
    ("/api/keys/k", {"delete"}), ("/api/jobs/j/task-events", {"get", "head"}), ("/nothing", {"get", "head"})])
def test_a_preflight_is_told_the_methods_of_its_path(server, path, methods):
    reply = preflight(server, "POST", path)
    assert reply.status == 204 and reply.body == b""
    assert_readable(reply)
    assert words(reply, "Access-Control-Allow-Methods") == methods
    assert words(reply, "Access-Control-Allow-Headers") == READ_BY_CLIENTS


def test_a_preflight_is_kept_for_two_hours(server):
    reply = preflight(server)
    assert reply.header("Access-Control-Max-Age") == "7200"
    assert words(reply, "Vary") == {"origin", "access-control-request-method", "access-control-request-headers"}


@pytest.mark.parametrize("origin", [FOREIGN, "null"])
def test_a_preflight_of_another_page_says_which_setting_is_missing(server, origin):
    reply = preflight(server, origin=origin)
    problem = assert_problem(reply, 403, "forbidden_origin")
    assert "--origin" in problem["detail"] and origin in problem["detail"]
    assert_hidden(reply)


def test_a_preflight_changes_nothing(server):
    before = send(server, "GET", "/api/jobs").json
    assert preflight(server, "DELETE", "/api/jobs/j", "Access-Control-Request-Headers: authorization").status == 204
    assert send(server, "GET", "/api/jobs").json == before


def test_options_without_the_question_is_a_method_like_others(server):
    assert_problem(send(server, "OPTIONS", "/api/jobs"), 405)
    reply = send(server, "OPTIONS", "/api/jobs", "Access-Control-Request-Method: GET", origin=None)
    assert_problem(reply, 405)


def test_a_listed_page_of_the_internet_may_ask_a_private_server(server):
    asks = "Access-Control-Request-Private-Network: true"
    assert preflight(server, "GET", "/api/jobs", asks).header("Access-Control-Allow-Private-Network") == "true"
    assert preflight(server).header("Access-Control-Allow-Private-Network") is None
    assert_hidden(preflight(server, "GET", "/api/jobs", asks, origin=FOREIGN))


def test_a_preflight_under_a_name_that_is_not_served_is_refused(server):
    reply = ask(server.address, request("OPTIONS", "/api/jobs", [
        f"Origin: {APP}", "Access-Control-Request-Method: GET"], host="evil.example"))
    assert_problem(reply, 421, "host_not_served")


# -- any origin ------------------------------------------------------------------------------------------

@pytest.fixture(scope="module")
def open_to_all(tmp_path_factory):
    server = Server(tmp_path_factory.mktemp("any"), origin=[APP, "*"])
    server.start()
    with Api(server.address) as api:
        api.create_job(id="j")
    yield server
    server.stop()


@pytest.mark.parametrize("origin", [FOREIGN, "null"])
def test_a_star_lets_pages_of_any_origin_read_without_cookies(open_to_all, origin):
    for path in ("/api/jobs", "/api/jobs/j", "/api/jobs/no", "/joblight.js"):
        assert_readable(send(open_to_all, "GET", path, origin=origin), "*")
    reply = preflight(open_to_all, "GET", "/api/jobs/j", "Access-Control-Request-Private-Network: true",
                      origin=origin)
    assert_readable(reply, "*")
    assert words(reply, "Access-Control-Allow-Methods") == {"get", "head"}
    assert reply.header("Access-Control-Allow-Private-Network") is None


def test_a_star_lets_nobody_write_or_see_keys(open_to_all):
    reply = send(open_to_all, "POST", "/api/jobs", body=CREATION, origin=FOREIGN)
    assert_problem(reply, 403, "forbidden_origin")
    assert_hidden(reply)
    assert_hidden(send(open_to_all, "GET", "/api/keys", origin=FOREIGN))
    reads = preflight(open_to_all, origin=FOREIGN, method="GET")
    assert words(reads, "Access-Control-Allow-Methods") == {"get", "head"}
    # a browser lets a page POST even where the answer does not list it
    assert_problem(preflight(open_to_all, origin=FOREIGN, method="POST"), 403, "forbidden_origin")


def test_a_listed_origin_beside_a_star_keeps_all_rights(open_to_all):
    reply = send(open_to_all, "POST", "/api/jobs", body=CREATION)
    assert reply.status == 201
    assert_readable(reply)


def test_a_star_opens_a_websocket_that_only_reads(open_to_all):
    with WebSocket(open_to_all.address, origin=FOREIGN) as ws:
        ws.send("subscribe", jobId="j")
        assert ws.next()["type"] == "connected"
        ws.send("update", id="1", jobId="j", taskId="t")
        said = ws.next()
        assert (said["type"], said["code"]) == ("error", "forbidden_origin")


# -- with keys -------------------------------------------------------------------------------------------

@pytest.fixture
def keyed(serve):
    """A server with a key, a job, and the line with that key."""
    server = serve(origin=APP)
    with Api(server.address) as api:
        api.create_job(id="j")
        reply = api.post("/api/keys", {"name": "all", "scope": ["watch", "report", "create", "control", "admin"]})
    assert reply.status == 201, reply
    return server, f"Authorization: Bearer {reply.json['key']}"


def test_a_listed_page_with_a_key_of_its_own_does_everything(keyed):
    server, key = keyed
    assert preflight(server, "POST", "/api/jobs", "Access-Control-Request-Headers: authorization").status == 204
    for method, path, body, status in (("POST", "/api/jobs", CREATION, 201), ("GET", "/api/jobs", b"", 200),
                                       ("POST", "/api/agent-hooks/task-update/j", UPDATE, 200),
                                       ("HEAD", "/api/jobs/j/task-events", b"", 200),
                                       ("GET", "/api/keys", b"", 200), ("DELETE", "/api/jobs/j", b"", 204)):
        reply = send(server, method, path, key, body=body)
        assert reply.status == status
        assert_readable(reply)


def test_a_listed_page_reads_why_its_key_is_refused(keyed):
    reply = send(keyed[0], "GET", "/api/jobs/j", "Authorization: Bearer jl_wrong")
    assert_problem(reply, 401, "unauthorized")
    assert_readable(reply)


def test_a_websocket_with_a_key_comes_from_a_listed_page_or_from_no_page(keyed):
    server, key = keyed
    for origin, status in ((APP, UPGRADED), (None, UPGRADED), (FOREIGN, 403), ("null", 403)):
        with Raw(server.address) as raw:
            raw.send(handshake(origin=origin, headers=[key]))
            assert raw.head_of_response(Deadline(10, "an answer to the upgrade"))[0] == status


# -- the setting -----------------------------------------------------------------------------------------

@pytest.mark.parametrize("value, word", [
    ("https://app.example/", "path"), ("https://app.example/page", "path"), ("https://app.example?x", "path"),
    ("null", "cannot be listed"), ("https://*.example", "one by one"), ("*.example", "one by one"),
    ("app.example", "scheme"), ("//app.example", "scheme"), ("https://", "SCHEME://HOST"),
    ("https://a:b@app.example", "SCHEME://HOST"), ("https://app.example:65536", "SCHEME://HOST"),
    ("https://app.example:http", "SCHEME://HOST"), ("https://b\u00fccher.example", "SCHEME://HOST")])
def test_a_setting_that_is_no_origin_says_what_to_change(value, word):
    code, out, err = run_to_exit(listen="127.0.0.1:0", db=":memory:", origin=value)
    assert code == 2 and out == "" and "--origin" in err and word in err


@pytest.mark.parametrize("value", ["https://APP.example", "HTTPS://app.example", "https://app.example:443",
                                   "https://app.example:"])
def test_a_setting_in_another_notation_is_the_same_origin(serve, value):
    assert_readable(send(serve(origin=value), "GET", "/api/jobs"))
