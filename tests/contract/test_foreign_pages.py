"""A server without keys and the web pages of strangers: which Hosts it serves, and whose writes it
takes (section 7 of the contract). A page reaches it through the browser of somebody who may, by its
right name (cross-site requests) or by a name of the page's own (DNS rebinding).
"""
import json

import pytest

from support.problem import assert_problem
from support.raw import Raw, ask, request
from support.server import SETTING, Server, run_to_exit
from support.wait import Deadline
from support.ws import UPGRADED, handshake

FORM = "application/x-www-form-urlencoded"
FOREIGN = "https://evil.example"


@pytest.fixture(scope="module")
def module_server(tmp_path_factory):
    """A server as it is started without thinking of it, but for two names and two origins."""
    server = Server(tmp_path_factory.mktemp("server"), host=["jobs.example", "Other.Example."],
                    origin=["https://app.example", "http://tool.example:8080"])
    yield server
    server.stop()


def status_for(server, host, path="/api/jobs", version="1.1"):
    return ask(server.address, request("GET", path, host=host, version=version)).status


def write(server, *headers, host="localhost", method="POST", path="/api/jobs",
          body=b'{"title":"J"}', kind="application/json"):
    return ask(server.address, request(method, path, (f"Content-Type: {kind}", *headers), body, host))


def jobs(server):
    return json.loads(ask(server.address, request("GET", "/api/jobs", host="localhost")).body)["jobs"]


def upgrade(server, **how):
    with Raw(server.address) as raw:
        raw.send(handshake(**how))
        return raw.head_of_response(Deadline(10, "an answer to the upgrade"))[0]


# -- Host -----------------------------------------------------------------------------------------------

SERVED = ["localhost", "LOCALHOST", "localhost.", "localhost:3001", "app.localhost", "a.b.localhost:80",
          "127.0.0.1", "127.0.0.1:3001", "127.0.0.1.", "192.168.1.20:8080", "0.0.0.0", "[::1]",
          "[::1]:3001", "[fe80::1]", "[::ffff:127.0.0.1]:1", "jobs.example", "JOBS.example:443",
          "jobs.example.", "other.example"]

NOT_SERVED = ["evil.example", "evil.example:3001", "localhost.evil.example", "notlocalhost",
              "127.0.0.1.evil.example", "sub.jobs.example", "jobs.example.evil.example", ".localhost",
              "xjobs.example", "[::1].evil.example", "[evil.example]", "::1", "localhost@evil.example",
              "evil.example#localhost", "127.0.0.1:80:80", "localhost:http", "1.2.3", "[]", "jobs..example"]


@pytest.mark.parametrize("host", SERVED)
def test_a_host_of_this_machine_or_of_the_settings_is_served(server, host):
    assert status_for(server, host) == 200


@pytest.mark.parametrize("host", NOT_SERVED)
def test_another_host_is_told_which_setting_would_serve_it(server, host):
    reply = ask(server.address, request("GET", "/api/jobs", host=host))
    problem = assert_problem(reply, 421, "host_not_served")
    assert "--host" in problem["detail"] and host in problem["detail"]


@pytest.mark.parametrize("method, path", [
    ("GET", "/"), ("GET", "/jobs/j"), ("GET", "/joblight.js"), ("GET", "/nothing"), ("HEAD", "/api/jobs"),
    ("OPTIONS", "/api/jobs"), ("DELETE", "/api/jobs/j"), ("GET", "/api/jobs/j/task-events"),
    ("GET", "/api/jobs/j/updates")])
def test_a_host_that_is_not_served_gets_nothing_at_all(server, method, path):
    reply = ask(server.address, request(method, path, host="evil.example"), head=method == "HEAD")
    assert reply.status == 421


def test_a_long_host_is_cut_in_the_message(server):
    reply = ask(server.address, request("GET", "/api/jobs", host="x" * 2000))
    assert "--host" in assert_problem(reply, 421, "host_not_served")["detail"]


def test_no_host_at_all_is_served_to_http_1_0(server):
    assert status_for(server, None, version="1.0") == 200
    assert status_for(server, "evil.example", version="1.0") == 421


def test_health_is_told_under_every_name(server):
    assert status_for(server, "evil.example", "/healthz") == 200
    assert status_for(server, "10.0.0.1:3001", "/healthz") == 200


def test_every_request_of_a_connection_is_asked_for_its_host(server):
    with Raw(server.address) as raw:
        for host, status in (("localhost", 200), ("evil.example", 421), ("localhost", 200)):
            raw.send(request("GET", "/api/jobs", host=host))
            assert raw.response().status == status


def test_a_rebound_name_opens_no_websocket(server):
    assert upgrade(server, host="evil.example", origin="http://evil.example") == 421
    assert upgrade(server, host="evil.example") == 421


def test_without_a_setting_no_other_name_is_served(serve):
    server = serve(host=None)
    assert status_for(server, "jobs.example") == 421
    assert status_for(server, "localhost") == 200


# -- whose writes are taken ------------------------------------------------------------------------------

def test_workers_and_curl_send_no_origin_and_are_not_affected(server):
    assert write(server).status == 201


@pytest.mark.parametrize("method, path, body", [
    ("POST", "/api/jobs", b'{"title":"J"}'), ("PATCH", "/api/jobs/j", b'{"title":"K"}'),
    ("PUT", "/api/jobs/j/tasks/t", b"{}"), ("DELETE", "/api/jobs/j", b""),
    ("POST", "/api/jobs/j/commands", b'{"command":"c"}'),
    ("POST", "/api/agent-hooks/task-update/j", b'{"taskId":"t"}')])
def test_a_foreign_page_changes_nothing(serve, method, path, body):
    server = serve()
    write(server, body=b'{"id":"j","title":"J"}')
    before = jobs(server)
    reply = write(server, f"Origin: {FOREIGN}", method=method, path=path, body=body)
    problem = assert_problem(reply, 403, "forbidden_origin")
    assert "--origin" in problem["detail"] and FOREIGN in problem["detail"]
    assert jobs(server) == before


def test_a_form_of_a_foreign_page_is_not_stored(server):
    write(server, body=b'{"id":"form","title":"J"}')
    hook = "/api/agent-hooks/task-update/form"
    for headers in ([f"Origin: {FOREIGN}"], ["Origin: null"], ["Sec-Fetch-Site: cross-site"],
                    [f"Origin: {FOREIGN}", "Sec-Fetch-Site: cross-site"]):
        reply = write(server, *headers, path=hook, body=b"taskId=t", kind=FORM)
        assert_problem(reply, 403, "forbidden_origin")
    assert write(server, path=hook, body=b"taskId=t", kind=FORM).status == 200


@pytest.mark.parametrize("host, origin", [
    ("localhost:3001", "http://localhost:3001"), ("localhost", "https://localhost"),
    ("jobs.example", "https://jobs.example"), ("jobs.example:443", "https://jobs.example"),
    ("jobs.example", "http://jobs.example:80"), ("[::1]:3001", "http://[::1]:3001"),
    ("JOBS.example", "http://jobs.EXAMPLE"), ("localhost", "https://app.example"),
    ("localhost", "https://app.example:443"), ("localhost", "http://tool.example:8080"),
    ("localhost", "HTTPS://APP.example")])
def test_an_origin_of_this_host_or_of_the_settings_may_write(server, host, origin):
    assert write(server, f"Origin: {origin}", host=host).status == 201
    assert upgrade(server, host=host, origin=origin) == UPGRADED


@pytest.mark.parametrize("host, origin", [
    ("localhost:3001", "http://localhost:5173"), ("localhost:3001", "http://localhost"),
    ("localhost:80", "https://localhost"), ("localhost", "http://localhost.evil.example"),
    ("localhost", "http://127.0.0.1"), ("localhost", "null"), ("localhost", "ftp://localhost"),
    ("localhost", "localhost"), ("localhost", "http://localhost/"), ("localhost", "http://a@localhost"),
    ("localhost", "http://tool.example"), ("localhost", "http://app.example"),
    ("localhost", "https://app.example:8443"), ("localhost", "https://app.example.evil.example"),
    ("localhost", "http://localhost, http://localhost")])
def test_any_other_origin_may_neither_write_nor_connect(server, host, origin):
    assert_problem(write(server, f"Origin: {origin}", host=host), 403, "forbidden_origin")
    assert upgrade(server, host=host, origin=origin) == 403


# Sec-Fetch-Site, Origin, whether it may write: the browser's own word comes first.
SITES = [("same-origin", "http://localhost", True), ("same-origin", None, True), ("none", None, True),
         ("same-origin", FOREIGN, True), ("same-site", "http://localhost", False),
         ("cross-site", "http://localhost", False), ("cross-site", None, False),
         ("cross-site", FOREIGN, False), ("cross-site", "https://app.example", True),
         ("same-site", "http://tool.example:8080", True), ("something", None, False)]


@pytest.mark.parametrize("site, origin, may", SITES)
def test_the_browsers_word_of_the_site_comes_before_the_origin(server, site, origin, may):
    headers = [f"Sec-Fetch-Site: {site}"] + ([f"Origin: {origin}"] if origin else [])
    assert write(server, *headers).status == (201 if may else 403)
    assert upgrade(server, host="localhost", headers=headers) == (UPGRADED if may else 403)


def test_a_foreign_page_may_ask_but_is_not_shown_the_answer(server):
    reply = ask(server.address, request("GET", "/api/jobs", [f"Origin: {FOREIGN}",
                                                             "Sec-Fetch-Site: cross-site"],
                                        host="localhost"))
    assert reply.status == 200 and reply.header("Access-Control-Allow-Origin") is None


# -- the settings ----------------------------------------------------------------------------------------

@pytest.mark.parametrize("options", [
    {"host": "http://jobs.example"}, {"host": "jobs.example:3001"}, {"host": "jobs.example/"},
    {"host": "x" * 254}, {"host": [f"h{i}" for i in range(65)]},
    {"origin": "app.example"}, {"origin": "https://app.example/"}, {"origin": "null"},
    {"origin": "https://"}, {"origin": "*.example"}])
def test_a_name_or_origin_that_cannot_be_one_stops_the_start(options):
    code, out, err = run_to_exit(listen="127.0.0.1:0", db=":memory:", **options)
    assert code == 2 and out == "" and "--" + next(iter(options)) in err


def test_as_many_names_as_may_be_are_served(serve):
    server = serve(host=[f"h{i}" for i in range(64)])
    assert [status_for(server, name) for name in ("h0", "h63", "h64")] == [200, 200, 421]


def test_the_environment_has_a_list_with_commas_and_a_flag_replaces_it(serve, monkeypatch):
    monkeypatch.setitem(SETTING, "JOBLIGHT_HOST", "one.example, two.example,")
    monkeypatch.setitem(SETTING, "JOBLIGHT_ORIGIN", "https://a.example,https://b.example")
    server = serve(host=None)
    assert [status_for(server, f"{name}.example") for name in ("one", "two", "three")] == [200, 200, 421]
    assert write(server, "Origin: https://b.example").status == 201
    assert write(server, "Origin: https://c.example").status == 403
    flagged = serve(host="three.example")
    assert [status_for(flagged, f"{name}.example") for name in ("one", "two", "three")] == [421, 421, 200]
