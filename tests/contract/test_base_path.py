"""--base-path: a server that browsers reach below a path, through a proxy that keeps the path or removes it."""
import re

import pytest

from support.api import Api
from support.keyed import client, db, make, root  # noqa: F401
from support.problem import assert_problem
from support.raw import ask, request
from support.server import run_to_exit
from support.watcher import TRANSPORTS
from support.wire import Below
from support.ws import WebSocket

BASE = "/joblight"
ADDRESS = re.compile(rb'(?:href|src)="(/[^"]*)"')


@pytest.fixture(params=["/joblight", "/joblight/"])
def below(request, serve):
    return serve(base_path=request.param)


@pytest.fixture(params=[BASE, ""], ids=["kept", "removed"])
def address(request, serve):
    """A server, through either kind of proxy."""
    return Below(serve(base_path="/joblight/").address, request.param)


def page(server, path, *headers):
    return ask(server.address, request("GET", path, headers))


def test_everything_is_below_it(address):
    with Api(address) as api:
        job = api.create_job()["id"]
        assert api.get("/healthz").status == 200
        assert api.get("/").header("Content-Type").startswith("text/html")
        assert api.get("/style.css").header("Content-Type").startswith("text/css")
        assert api.get(f"/jobs/{job}").status == 200
        assert api.get("/jobs/nope").status == 404
        assert api.get("/jobs/%C3%A9").header("Content-Type").startswith("text/html")
        for transport in TRANSPORTS.values():
            with transport(address, job) as watcher:
                watcher.connected()
                assert api.report(job, "t")["seq"] == watcher.event().seq
        with WebSocket(address) as socket:
            assert socket.ask("ping", "pong").type == "pong"
        assert api.post("/api/jobs", {"id": "other", "title": "Other"}).header("Location") == "/joblight/api/jobs/other"


def test_a_slash_at_the_end_or_not(below):
    for path in ("/joblight", "/joblight/", "/"):
        assert page(below, path).status == 200
    for path in ("/joblightful", "/joblightful/api/jobs", "/joblight//api/jobs", "/Joblight/api/jobs",
                 "/joblight/joblight/api/jobs", "/joblight%2Fapi/jobs"):
        assert_problem(page(below, path), 404)
    assert page(below, "/job%6Cight/api/jobs").status == 200


def test_a_base_path_has_several_segments(serve):
    server = serve(base_path="/tools/jobs-of.us~x_1/")
    assert page(server, "/tools/jobs-of.us~x_1/api/jobs").status == 200
    assert_problem(page(server, "/tools/api/jobs"), 404)


@pytest.mark.parametrize("path", ["/", "/jobs/some", "/login"])
def test_the_addresses_of_pages_lead_below_it(below, path):
    reply = page(below, BASE + path, "Accept-Encoding: gzip")
    addresses = [found.decode() for found in ADDRESS.findall(reply.body)]
    assert len(addresses) >= 4
    for found in addresses:
        assert re.match("/joblight/(?!joblight/)", found)
        if found != "/joblight/demo":
            assert page(below, found).status == 200


def test_without_it_pages_are_as_they_are(server):
    assert b'href="/style.css"' in page(server, "/").body


def test_the_pages_of_a_folder_lead_below_it_too(serve, tmp_path):
    (tmp_path / "index.html").write_text(
        '<a href="/a">1</a><a href="/joblight/b">2</a><a href="//other.example/c">3</a><a href="/joblightful">4</a>'
        '<a href="d">5</a><a href="/joblight">6</a><i x="/')
    (tmp_path / "x.js").write_text('const a="/a";')
    server = serve(base_path=BASE, www=tmp_path)
    assert page(server, "/").body == (
        b'<a href="/joblight/a">1</a><a href="/joblight/b">2</a><a href="//other.example/c">3</a>'
        b'<a href="/joblight/joblightful">4</a><a href="d">5</a><a href="/joblight">6</a><i x="/joblight/')
    assert page(server, "/x.js").body == b'const a="/a";'


def test_a_session_below_it(serve, db, root, client):
    server = serve(db=db, base_path="/joblight/")
    browser = client(server)
    cookie = browser.post("/joblight/login", {"key": root}).header("Set-Cookie")
    assert cookie.startswith("joblight=") and "; Path=/joblight;" in cookie and "Secure" not in cookie
    https = {"X-Forwarded-Proto": "https"}
    trusting = serve(db=db.with_name("other.db"), base_path="/joblight/", trusted_proxy="127.0.0.1", key_file=key_file(db, root))
    browser = client(trusting)
    cookie = browser.request("POST", "/joblight/login", {"key": root}, https).header("Set-Cookie")
    assert cookie.startswith("__Secure-joblight=") and "; Path=/joblight;" in cookie and cookie.endswith("; Secure")
    shown = {"Cookie": cookie.split(";")[0], **https}
    assert browser.request("GET", "/joblight/api/session", headers=shown).status == 200
    ended = browser.request("POST", "/joblight/logout", headers=shown).header("Set-Cookie")
    assert ended.startswith("__Secure-joblight=;") and "; Path=/joblight; Max-Age=0;" in ended
    assert browser.request("GET", "/joblight/api/session", headers=shown).status == 401


def key_file(db, key):
    path = db.with_name("key")
    path.write_text(key)
    path.chmod(0o600)
    return path


def test_a_code_names_the_login_page(serve, db, root, client):
    server = serve(db=db, base_path="/joblight/")
    assert client(server, root).post("/joblight/api/login-codes").json["path"] == "/joblight/login"


@pytest.mark.parametrize("path, words", [
    ("joblight/", "it begins with a slash: /joblight/"),
    ("", "it begins with a slash"),
    ("https://jobs.example/joblight/", "leave out the scheme and the host"),
    ("/joblight/?a", "leave out ? and #"), ("/joblight#x", "leave out ? and #"),
    ("/job light/", "use only letters"), ("/job%20light/", "use only letters"), ("/jöblight/", "use only letters"),
    ("/a//b", "write one slash"), ("//", "write one slash"), ("/joblight//", "write one slash"),
    ("/a/../b", "without the segments . and .."), ("/./", "without the segments . and .."), ("/a/..", "segments"),
    ("/" + "x" * 128, "more than 128 bytes"),
    ("/api/", "paths of its own"), ("/jobs/x", "paths of its own"), ("/healthz", "paths of its own"),
    ("/page", "there is a page /page"), ("/style.css/x", "there is a page /style.css")])
def test_a_wrong_base_path_stops_the_start_and_says_what_to_change(path, words, tmp_path):
    code, out, err = run_to_exit(listen="127.0.0.1:0", db=tmp_path / "x.db", base_path=path)
    assert code in (1, 2) and out == ""
    assert f'joblight: --base-path: "{path}" is not valid: ' in err and words in err


def test_the_longest_base_path(serve):
    path = "/" + "x" * 127
    assert page(serve(base_path=path), f"{path}/api/jobs").status == 200


def test_the_root_is_none(serve):
    server = serve(base_path="/")
    assert b'href="/style.css"' in page(server, "/").body
    assert_problem(page(server, "/joblight/api/jobs"), 404)
