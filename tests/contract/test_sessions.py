"""Sessions of pages: POST /login, the cookie, POST /logout, and codes that log in once."""
import signal

import pytest

from support.keyed import (RIGHTS, client, code_of_close, db, ends, key_id, lines_of, make, root,  # noqa: F401
                           joblight_key)
from support.jwt import parts_of
from support.problem import assert_problem
from support.raw import Raw, ask, json_post, request
from support.sse import SseStream
from support.wait import Deadline
from support.ws import WebSocket, handshake, path_of

ELSEWHERE = {"Origin": "https://elsewhere.example"}
FOREIGN = [ELSEWHERE, {"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"}, {"Origin": "null"},
           {"Origin": "http://127.0.0.1:1"}]


@pytest.fixture
def kept(serve, db, root, client):
    """(server, a client with the key for everything, a job, a client with a cookie)."""
    server = serve(db=db)
    everything = client(server, root)
    return server, everything, everything.create_job(id="mine")["id"], client(server, client(server).log_in(key=root))


# -- logging in ----------------------------------------------------------------------------------------

def test_a_key_logs_in(kept, client, root):
    server, _, job, _ = kept
    browser = client(server)
    reply = browser.post("/login", {"key": root})
    assert reply.status == 200 and reply.header("Cache-Control") == "no-store"
    assert reply.json["id"] == key_id(root) and set(reply.json["scope"]) == set(RIGHTS)
    assert root not in reply.body.decode()
    cookie, path, age, *rest = reply.header("Set-Cookie").split("; ")
    assert cookie.startswith("joblight=") and path == "Path=/" and rest == ["HttpOnly", "SameSite=Lax"]
    assert age in ("Max-Age=43199", "Max-Age=43200")    # it ends at a whole second
    browser.key = cookie
    assert browser.get(f"/api/jobs/{job}").status == 200
    assert browser.get("/api/session").json["id"] == key_id(root)
    assert browser.create_job()


@pytest.mark.parametrize("body, status", [
    ({"key": "jl_" + "0" * 56}, 401), ({"key": ""}, 401), ({"key": "x.y.z"}, 401), ({"code": "x.y.z"}, 401),
    ({"code": ""}, 401), ({}, 422), ({"key": "k", "code": "c"}, 422), ({"key": 1}, 422), ({"user": "u"}, 422),
    ({"code": "c" * 8192}, 401), ({"code": "c" * 8193}, 422)])
def test_what_is_no_key_does_not_log_in(kept, client, body, status):
    server, *_ = kept
    reply = client(server).post("/login", body)
    assert_problem(reply, status)
    assert reply.header("Set-Cookie") is None


@pytest.mark.parametrize("of", ["token", "ticket", "cookie"])
def test_only_a_key_or_a_code_logs_in(kept, client, of):
    server, everything, job, browser = kept
    text = {"token": lambda: everything.token(job), "ticket": lambda: everything.ticket(job),
            "cookie": lambda: browser.key.split("=")[1]}[of]()
    for name in ("key", "code"):
        assert_problem(client(server).post("/login", {name: text}), 401, "unauthorized")


def test_a_session_lasts_as_long_as_its_limit_and_its_key(serve, db, root, client):
    server = serve(db=db, session_ms=60000)
    reply = client(server).post("/login", {"key": root})
    assert "; Max-Age=60;" in reply.header("Set-Cookie") or "; Max-Age=59;" in reply.header("Set-Cookie")
    server.stop()
    server.options["session_ms"] = 2592000000
    server.start()
    short = client(server, root).post("/api/keys", {"scope": ["watch"], "expiresIn": 60}).json["key"]
    age = int(client(server).post("/login", {"key": short}).header("Set-Cookie").split("Max-Age=")[1].split(";")[0])
    assert 50 < age <= 60


def test_the_cookie_of_the_largest_key_is_not_too_large_for_a_browser(serve, db, root, client):
    """They take 4,096 bytes, name and attributes included."""
    server = serve(db=db)
    everything = client(server, root)
    key = everything.post("/api/keys", {"scope": list(RIGHTS), "name": "n" * 128, "jobs": ["a"] * 1000 + ["own-*"]}).json["key"]
    reply = client(server).post("/login", {"key": key})
    assert len(reply.header("Set-Cookie")) < 4096
    browser = client(server, reply.header("Set-Cookie").split(";")[0])
    everything.create_job(id="own-1")
    everything.create_job(id="x-1")
    assert browser.get("/api/jobs/own-1").status == 200 and browser.get("/api/jobs/x-1").status == 404


def test_a_key_file_logs_in_by_key_and_by_code(serve, client, tmp_path):
    path = tmp_path / "first"
    path.write_text(joblight_key("generate"))
    server = serve(key_file=path)
    everything = client(server, path.read_text().strip())
    assert client(server, client(server).log_in(key=everything.key)).get("/api/keys").status == 200
    code = everything.post("/api/login-codes").json["code"]
    cookie = client(server).log_in(code=code)
    assert client(server, cookie).get("/api/keys").status == 200
    everything.post("/api/keys", {"scope": ["watch"]})      # the keys change
    assert client(server, cookie).get("/api/keys").status == 200


def test_a_server_without_keys_has_no_login(serve, client):
    browser = client(serve())
    assert_problem(browser.post("/login", {"key": "k"}), 404, "not_found")
    assert set(browser.get("/api/session").json["scope"]) == set(RIGHTS)
    assert_problem(browser.post("/api/login-codes"), 403, "forbidden")


# -- over which connection -------------------------------------------------------------------------------

LOOPBACK = ["localhost", "LOCALHOST:80", "app.localhost:3001", "127.0.0.1", "127.9.8.7:3001", "[::1]", "[::1]:3001", "localhost."]
ELSEWHERES = ["joblight.test", "192.168.0.1", "localhost.evil.example", "127.0.0.1.evil.example", "[::2]", "127.1", "0.0.0.0",
              "notlocalhost", "a"]


@pytest.mark.parametrize("host", LOOPBACK)
def test_a_loopback_name_logs_in_over_http(kept, root, host):
    server, *_ = kept
    reply = ask(server.address, json_post("/login", b'{"key":"%s"}' % root.encode()).replace(b"joblight.test", host.encode()))
    assert reply.status == 200, reply
    cookie = reply.header("Set-Cookie").split(";")[0]
    assert ask(server.address, request("GET", "/api/session", (f"Cookie: {cookie}",), host=host)).status == 200


@pytest.mark.parametrize("host", ELSEWHERES)
def test_another_name_does_not_over_http(kept, root, host):
    server, _, _, browser = kept
    reply = ask(server.address, json_post("/login", b'{"key":"%s"}' % root.encode()).replace(b"joblight.test", host.encode()))
    assert "https" in assert_problem(reply, 403, "forbidden")["detail"]
    assert reply.header("Set-Cookie") is None
    assert ask(server.address, request("GET", "/api/session", (f"Cookie: {browser.key}",), host=host)).status == 401


def test_a_cookie_without_a_host_is_nothing(kept):
    server, _, _, browser = kept
    assert ask(server.address, request("GET", "/api/session", (f"Cookie: {browser.key}",), host=None, version="1.0")).status == 401


# -- the cookie ------------------------------------------------------------------------------------------

@pytest.mark.parametrize("form, status", [
    ("joblight={}", 200), ("a=b; joblight={}", 200), ("joblight={}; a=b", 200), ("a=b;joblight={};c=d", 200),
    ("xjoblight=1; joblight={}", 200), ("joblightx=1; joblight={}", 200), ("=; ; joblight={}", 200), ("a; joblight={}", 200),
    ("Joblight={}", 401), ("__Host-joblight={}", 401), ("joblight2={}", 401), ("xjoblight={}", 401), ("joblight", 401),
    ("joblight=", 401), ("a=joblight={}", 401), ("joblight=\"{}\"", 401), ("joblight={}x", 401), ("{}", 401), ("", 401)])
def test_the_cookie_is_found_by_its_name(kept, client, form, status):
    server, _, _, browser = kept
    value = browser.key.split("=")[1]
    assert client(server).get("/api/session", Cookie=form.format(value)).status == status


def test_a_cookie_of_another_server_is_nothing(kept, serve, client, tmp_path):
    server, *_ = kept
    stranger = serve(db=tmp_path / "other.db")
    key = client(stranger).post("/api/keys", {"scope": ["admin"]}).json["key"]
    assert client(server, client(stranger).log_in(key=key)).get("/api/session").status == 401


def test_a_session_is_no_bearer(kept, client):
    server, _, _, browser = kept
    assert client(server, browser.key.split("=")[1]).get("/api/session").status == 401


def test_a_session_has_no_key_and_no_jobs_in_it(kept, root):
    _, _, _, browser = kept
    header, claims = parts_of(browser.key.split("=")[1])
    assert header["typ"] == "joblight-session+jwt" and "jobs" not in claims["joblight"]
    assert root.rsplit("_", 1)[1] not in browser.key


# -- the origin rule ---------------------------------------------------------------------------------------

@pytest.mark.parametrize("headers", FOREIGN)
def test_an_unsafe_request_of_a_foreign_page_is_refused(kept, headers):
    server, everything, job, browser = kept
    for method, path, body in (("POST", "/api/jobs", {"title": "T"}), ("PATCH", f"/api/jobs/{job}", {"title": "X"}),
                               ("DELETE", f"/api/jobs/{job}", None), ("POST", f"/api/jobs/{job}/tickets", None),
                               ("POST", f"/api/jobs/{job}/commands", {"command": "cancel"}), ("POST", "/logout", None),
                               ("POST", "/api/keys", {"scope": ["admin"]}), ("POST", "/login", {"key": everything.key})):
        assert_problem(browser.request(method, path, body, headers), 403, "forbidden_origin")
    assert browser.request("GET", f"/api/jobs/{job}", None, headers).status == 200     # no page can read the answer
    with Raw(server.address) as raw:
        raw.send(handshake(path_of(job=job), host="localhost",
                           headers=[f"Cookie: {browser.key}", *(f"{name}: {value}" for name, value in headers.items())]))
        assert raw.head_of_response(Deadline(10, "the answer"))[0] == 403
    assert everything.job(job)["title"] == "Job" and browser.get("/api/session").status == 200


@pytest.mark.parametrize("headers", FOREIGN)
def test_a_key_obeys_no_origin_rule(kept, headers):
    _, everything, job, _ = kept
    assert everything.request("PATCH", f"/api/jobs/{job}", {"title": "X"}, headers).status == 200


def test_a_page_of_this_server_and_of_a_listed_origin_may_write(serve, db, root, client):
    server = serve(db=db, origin=["https://app.example"])
    browser = client(server, client(server).log_in(key=root))
    for headers in ({"Origin": server.url}, {"Sec-Fetch-Site": "same-origin"}, {"Sec-Fetch-Site": "none"},
                    {"Origin": "https://app.example", "Sec-Fetch-Site": "cross-site"}):
        assert browser.request("POST", "/api/jobs", {"title": "T"}, headers).status == 201, headers
        with WebSocket(server.address, host=f"{server.host}:{server.port}",
                       headers=[f"Cookie: {browser.key}", *(f"{n}: {v}" for n, v in headers.items())]) as ws:
            assert ws.answers()


# -- logging out -----------------------------------------------------------------------------------------

def test_after_a_logout_a_copy_of_the_cookie_is_dead(kept, client):
    server, everything, job, browser = kept
    other = client(server, client(server).log_in(key=everything.key))
    with SseStream(server.address, job, query=f"ticket={browser.ticket(job)}") as stream, \
            WebSocket(server.address, path_of(job=job), host="localhost", headers=lines_of(browser.key)) as ws:
        stream.connected()
        ws.message("connected")
        reply = browser.post("/logout")
        assert reply.status == 204
        assert reply.header("Set-Cookie").startswith("joblight=; Path=/; Max-Age=0;")
        assert ends(stream, 1) and code_of_close(ws, 1) == 4001
    assert client(server, browser.key).get("/api/session").status == 401
    assert other.get("/api/session").status == 200          # another session of the same key
    server.restart()
    assert client(server, browser.key).get("/api/session").status == 401
    assert client(server, browser.key).post("/logout").status == 204    # again


def test_a_logout_without_a_session_is_good(kept, client):
    server, everything, *_ = kept
    assert client(server).post("/logout").status == 204
    assert everything.post("/logout").status == 204
    assert everything.get("/api/session").status == 200


def test_a_revoked_key_ends_its_sessions(kept, client):
    server, everything, job, _ = kept
    made = everything.post("/api/keys", {"scope": ["watch"]}).json
    browser = client(server, client(server).log_in(key=made["key"]))
    assert browser.get(f"/api/jobs/{job}").status == 200
    assert everything.delete(f"/api/keys/{made['id']}").status == 204
    assert browser.get(f"/api/jobs/{job}").status == 401
    assert_problem(client(server).post("/login", {"key": made["key"]}), 401, "unauthorized")


# -- codes -----------------------------------------------------------------------------------------------

def test_a_code_logs_in_once(kept, client, root):
    server, everything, *_ = kept
    made = everything.post("/api/login-codes")
    assert made.status == 201 and made.header("Cache-Control") == "no-store"
    assert set(made.json) == {"code", "path", "expiresAt"} and made.json["path"] == "/login"
    code = made.json["code"]
    for path in (f"/login?code={code}", "/login"):
        client(server).get(path)        # a link that is fetched by a scanner of mail
    cookie = client(server).log_in(code=code)
    assert client(server, cookie).get("/api/session").json["id"] == key_id(root)
    problem = assert_problem(client(server).post("/login", {"code": code}), 401, "unauthorized")
    assert "used" in problem["detail"] or "revoked" in problem["detail"]
    server.restart()
    assert_problem(client(server).post("/login", {"code": code}), 401, "unauthorized")


def test_a_code_that_is_used_by_many_at_once_logs_one_in(serve, db, root, client):
    """All of them are there before the first is read, so the store decides, not what a loop knows already."""
    server = serve(db=db, loops=2)
    code = client(server, root).post("/api/login-codes").json["code"].encode()
    raws = [Raw(server.address) for _ in range(16)]
    server.signal(signal.SIGSTOP)
    for raw in raws:
        raw.send(json_post("/login", b'{"code":"%s"}' % code).replace(b"joblight.test", b"localhost"))
    server.signal(signal.SIGCONT)
    assert sorted(raw.response().status for raw in raws) == [200] + [401] * 15
    for raw in raws:
        raw.close()


def test_a_code_of_a_revoked_key_is_nothing(kept, client):
    server, everything, *_ = kept
    made = everything.post("/api/keys", {"scope": ["watch"]}).json
    code = client(server, made["key"]).post("/api/login-codes").json["code"]
    everything.delete(f"/api/keys/{made['id']}")
    assert_problem(client(server).post("/login", {"code": code}), 401, "unauthorized")


@pytest.mark.parametrize("of", ["cookie", "token", None])
def test_a_code_is_made_with_a_key_only(kept, client, of):
    server, everything, job, browser = kept
    credential = {"cookie": browser.key, "token": everything.token(job, list(RIGHTS))}.get(of)
    assert client(server, credential).post("/api/login-codes").status == (403 if of else 401)


def test_a_logout_ends_the_session_of_its_cookie_whatever_else_it_shows(kept):
    _, everything, _, browser = kept
    both = {"Authorization": f"Bearer {everything.key}"}
    assert browser.get("/api/session").status == 200
    assert browser.request("POST", "/logout", None, both).status == 204
    assert browser.get("/api/session").status == 401 and everything.get("/api/jobs").status == 200
