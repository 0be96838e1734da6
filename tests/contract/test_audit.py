"""The audit log: one line for each thing that was done or refused, and no secret in any line."""
import os
import re
import resource
import shlex
import signal
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from support.api import Api, compact
from support.keyed import joblight_key, key_id
from support.raw import Raw, ask, request
from support.server import run_to_exit
from support.wait import until
from support.ws import WebSocket, handshake

ALL = ["watch", "report", "create", "control", "admin"]
KEY = re.compile(r"jl_([0-9A-Za-z]{12})_[0-9A-Za-z]{43}")


class Keyed(Api):
    def __init__(self, address, key):
        super().__init__(address)
        self.key = key

    def request(self, method, path, body=None, headers=None):
        return super().request(method, path, body, {"Authorization": f"Bearer {self.key}", **(headers or {})})


def audited(text):
    """The audit lines as dicts, without their time."""
    lines = [dict(pair.partition("=")[::2] for pair in shlex.split(line)) for line in text.splitlines()
             if " msg=audit " in line]
    for line in lines:
        assert line.pop("level") == "info" and line.pop("msg") == "audit" and line.pop("time")
    return lines


def sees(server, count, within=5):
    until(lambda: len(audited(server.log())) >= count, within, f"{count} lines of the audit log")
    return audited(server.log())


def make_key(api, scope, jobs="*", name="k"):
    reply = api.post("/api/keys", {"name": name, "scope": scope, "jobs": [jobs]})
    assert reply.status == 201, reply
    return reply.json["key"]


@pytest.fixture
def keyed(serve):
    """(server, a client with a key for everything, the id of that key); its making is the first line."""
    server = serve()
    with Api(server.address) as stranger:
        key = make_key(stranger, ALL, name="root")
    with Keyed(server.address, key) as api:
        yield server, api, KEY.fullmatch(key)[1]


# -- what was done ---------------------------------------------------------------------------------------

def test_what_is_done_has_one_line_that_says_who_did_it(keyed):
    server, api, root = keyed
    by = {"key": root, "name": "root", "client": "127.0.0.1"}
    assert api.post("/api/jobs", {"id": "j", "title": "J"}).status == 201
    made = api.post("/api/jobs", {"title": "J"}).json["id"]
    assert api.patch("/api/jobs/j", {"status": "in_progress"}).status == 200
    assert api.post("/api/jobs/j/commands", {"command": "pause", "args": {"text": "x"}}).status == 201
    report = KEY.fullmatch(make_key(api, ["report"], "render-*", "ci"))[1]
    assert api.delete(f"/api/keys/{report}").status == 204
    assert api.delete("/api/jobs/j").status == 204
    assert sees(server, 8) == [
        {"action": "create_key", "made": root, "scope": "watch or report or create or control or admin",
         "jobs": "*", "client": "127.0.0.1"},
        {"action": "create_job", "job": "j", **by}, {"action": "create_job", "job": made, **by},
        {"action": "change_job", "job": "j", "status": "in_progress", **by},
        {"action": "command", "job": "j", "command": "pause", **by},
        {"action": "create_key", "made": report, "scope": "report", "jobs": "render-*", **by},
        {"action": "revoke_key", "revoked": report, **by}, {"action": "delete_job", "job": "j", **by}]


def test_without_keys_the_address_says_who_did_it(serve):
    server = serve()
    with Api(server.address) as api:
        api.create_job(id="j")
    assert sees(server, 1) == [{"action": "create_job", "job": "j", "client": "127.0.0.1"}]


def test_a_command_over_a_websocket_has_its_line(keyed):
    server, api, root = keyed
    api.create_job(id="j")
    with WebSocket(server.address, headers=[f"Authorization: Bearer {api.key}"]) as ws:
        ws.send("command", id="1", jobId="j", command="resume", taskId="t")
        assert ws.next()["type"] == "error"         # there is no such task
        ws.send("command", id="2", jobId="j", command="resume")
        assert ws.next()["type"] == "ack"
    assert sees(server, 3)[2:] == [{"action": "command", "job": "j", "command": "resume", "key": root,
                                    "name": "root", "client": "127.0.0.1"}]


def test_what_was_not_done_or_is_repeated_or_is_no_audited_operation_has_no_line(keyed):
    server, api, _ = keyed
    for _ in range(3):
        assert api.post("/api/jobs", {"id": "j", "title": "J"}, Idempotency_Key="k").status == 201
    assert api.post("/api/jobs", {"id": "j", "title": "J"}).status == 409
    assert api.delete("/api/jobs/none").status == 404
    assert api.post("/api/jobs", {"title": 1}).status == 422
    assert api.update("j", {"taskId": "t"}).status == 200
    assert api.get("/api/jobs/j").status == 200
    assert api.delete("/api/jobs/j").status == 204
    assert [line["action"] for line in sees(server, 3)] == ["create_key", "create_job", "delete_job"]


def test_a_key_that_is_revoked_again_has_one_line(keyed):
    server, api, root = keyed
    made = KEY.fullmatch(make_key(api, ["watch"]))[1]
    for _ in range(3):
        assert api.delete(f"/api/keys/{made}").status == 204
    first = next(row["revokedAt"] for row in api.get("/api/keys").json["keys"] if row["id"] == made)
    assert api.delete(f"/api/keys/{made}").status == 204
    assert first == next(row["revokedAt"] for row in api.get("/api/keys").json["keys"] if row["id"] == made)
    api.create_job(id="j")
    assert [line["action"] for line in sees(server, 4)[1:]] == ["create_key", "revoke_key", "create_job"]


def test_a_refusal_of_the_store_has_its_line(serve, tmp_path):
    """The key of --key-file is not the database's to revoke."""
    file, key = tmp_path / "first.key", joblight_key("generate")
    file.write_text(key)
    server = serve(key_file=file)
    with Keyed(server.address, key) as api:
        assert api.delete(f"/api/keys/{key_id(key)}").status == 403
    assert sees(server, 1) == [{"action": "refused", "code": "forbidden", "method": "DELETE",
                                "route": "/api/keys/:key", "key": key_id(key), "name": "--key-file",
                                "client": "127.0.0.1"}]


def test_a_token_and_a_session_have_their_lines_but_are_not_in_them(keyed):
    server, api, root = keyed
    api.create_job(id="j")
    token = api.post("/api/jobs/j/tokens", {"scope": ["watch", "control"], "subject": "customer 7"}).json["token"]
    with Keyed(server.address, token) as customer:
        assert customer.post("/api/jobs/j/commands", {"command": "pause"}).status == 201
        assert customer.delete("/api/jobs/j").status == 403
        assert customer.delete("/api/session").status == 204
    with Api(server.address) as browser:
        assert browser.post("/login", {"key": "jl_wrong"}).status == 401
        reply = browser.post("/login", {"key": api.key})
        cookie = reply.header("Set-Cookie").split(";")[0]
        assert browser.get("/api/jobs/j", Cookie=cookie).status == 200
        assert browser.post("/logout", {}, Cookie=cookie).status == 204
        assert browser.get("/api/jobs/j", Cookie=cookie).status == 401
    lines = sees(server, 10)[2:]
    by = {"key": root, "client": "127.0.0.1"}
    made = [line.pop("made", None) or line.pop("token", None) for line in lines]
    assert lines == [
        {"action": "create_token", "job": "j", "scope": "watch or control", "name": "customer 7", **by},
        {"action": "command", "job": "j", "command": "pause", "name": "customer 7", **by},
        {"action": "refused", "code": "forbidden", "method": "DELETE", "route": "/api/jobs/:job", "job": "j",
         "name": "customer 7", **by},
        {"action": "revoke_token", "name": "customer 7", **by},
        {"action": "refused", "code": "unauthorized", "method": "POST", "route": "/login", "client": "127.0.0.1"},
        {"action": "log_in", "scope": "watch or report or create or control or admin", "name": "root", **by},
        {"action": "log_out", "name": "root", **by},
        {"action": "refused", "code": "unauthorized", "method": "GET", "route": "/api/jobs/:job",
         "client": "127.0.0.1"}]
    assert made[0] and made[0] == made[1] == made[2] == made[3] and made[5] and made[5] == made[6]
    for secret in (token.split(".")[1], token.split(".")[2], cookie.split("=", 1)[1][-30:]):
        assert secret not in server.log()


# -- what was refused ------------------------------------------------------------------------------------

def test_what_is_refused_has_a_line_with_its_route_and_cause(keyed):
    server, api, _ = keyed
    api.create_job(id="own-1")
    api.create_job(id="other")
    key = make_key(api, ["watch", "create"], "own-*", "w")
    by = {"key": KEY.fullmatch(key)[1], "name": "w", "client": "127.0.0.1"}
    with Keyed(server.address, key) as weak:
        assert weak.get("/api/jobs/other").status == 404
        assert weak.delete("/api/jobs/own-1").status == 403
        assert weak.post("/api/jobs", {"id": "x", "title": "X"}).status == 403
        assert weak.get("/api/keys").status == 403
        assert weak.get("/api/jobs/own-2").status == 404     # not concealed: it may know of it
    with WebSocket(server.address, headers=[f"Authorization: Bearer {key}"]) as ws:
        for message in ({"jobId": "own-1"}, {"jobId": "other"}):
            ws.send("update", id="1", taskId="t", **message)
            assert ws.next()["type"] == "error"
    with Api(server.address) as stranger:
        assert stranger.get("/api/jobs/own-1").status == 401
        assert stranger.post("/nothing/here", {}).status == 401
    with Raw(server.address) as raw:
        raw.send(handshake())
        assert raw.response().status == 401
    assert sees(server, 13)[4:] == [{"action": "refused", **line} for line in (
        {"code": "not_found", "method": "GET", "route": "/api/jobs/:job", "job": "other", **by},
        {"code": "forbidden", "method": "DELETE", "route": "/api/jobs/:job", "job": "own-1", **by},
        {"code": "forbidden", "method": "POST", "route": "/api/jobs", **by},
        {"code": "forbidden", "method": "GET", "route": "/api/keys", **by},
        {"code": "forbidden", "route": "message", "job": "own-1", **by},
        {"code": "forbidden", "route": "message", "job": "other", **by},
        {"code": "unauthorized", "method": "GET", "route": "/api/jobs/:job", "client": "127.0.0.1"},
        {"code": "unauthorized", "method": "POST", "route": "none", "client": "127.0.0.1"},
        {"code": "unauthorized", "method": "GET", "route": "/api/ws", "client": "127.0.0.1"})]


def test_pages_and_names_that_are_refused_have_a_line(serve):
    server = serve()
    foreign = ["Origin: https://evil.example"]
    body = compact({"title": "J"})
    ask(server.address, request("POST", "/api/jobs", [*foreign, "Content-Type: application/json"], body))
    ask(server.address, request("OPTIONS", "/api/jobs", [*foreign, "Access-Control-Request-Method: POST"]))
    ask(server.address, request("GET", "/api/jobs", host="evil.example"))
    ask(server.address, request("GET", "/nothing"))
    assert sees(server, 3) == [{"action": "refused", "client": "127.0.0.1", **line} for line in (
        {"code": "forbidden_origin", "method": "POST", "route": "/api/jobs"},
        {"code": "forbidden_origin", "method": "OPTIONS", "route": "none"},
        {"code": "host_not_served", "method": "GET", "route": "/api/jobs"})]


def test_the_client_is_the_one_that_a_trusted_proxy_tells(serve):
    server = serve(trusted_proxy="127.0.0.1", origin=None)
    with Api(server.address) as api:
        assert api.post("/api/jobs", {"id": "j", "title": "J"}, X_Forwarded_For="203.0.113.7").status == 201
        assert api.post("/api/jobs", {"title": "J"}, X_Forwarded_For="203.0.113.8",
                        Origin="https://evil.example").status == 403
    assert [line["client"] for line in sees(server, 2)] == ["203.0.113.7", "203.0.113.8"]


def test_a_client_that_is_too_fast_has_its_line(serve):
    server = serve(trusted_proxy="127.0.0.1", address_requests=1)
    with Api(server.address) as api:
        for _ in range(50):
            if api.get("/api/jobs", X_Forwarded_For="203.0.113.7").status == 429:
                break
    line = sees(server, 1)[0]
    assert (line["code"], line["client"]) == ("rate_limited", "203.0.113.7")


def test_an_attacker_cannot_fill_the_log(keyed):
    """Ten lines a second for each cause, then how many were left out; other causes have their own ten."""
    server, api, _ = keyed
    began = time.monotonic()
    with Api(server.address) as stranger:
        for _ in range(200):
            assert stranger.get("/api/jobs/j").status == 401
    seconds = int(time.monotonic() - began) + 1
    weak = make_key(api, ["watch"])
    with Keyed(server.address, weak) as watcher:
        assert watcher.delete("/api/jobs/j").status == 403

    def told():
        lines = [line for line in audited(server.log()) if line["action"] == "refused"]
        one = [line for line in lines if line["code"] == "unauthorized" and "suppressed" not in line]
        left = [int(line["suppressed"]) for line in lines if "suppressed" in line]
        return lines, len(one), left
    until(lambda: told()[1] + sum(told()[2]) == 200, 5, "the lines that were left out")
    lines, one, _ = told()
    assert 10 <= one <= 10 * seconds
    assert [line for line in lines if line["code"] == "forbidden"]


def test_what_was_left_out_is_told_when_the_server_stops(serve):
    server = serve()
    with Raw(server.address) as raw:
        for _ in range(12):
            raw.send(request("GET", "/api/jobs", host="evil.example"))
            assert raw.response().status == 421
    server.stop()
    lines = audited(server.log())
    assert sum(int(line.get("suppressed", 1)) for line in lines) == 12


# -- no secret, and no line of a client's own ---------------------------------------------------------------

SECRET = "hunter2Secret"


def test_no_output_has_a_secret(serve, tmp_path):
    """One is planted in every place that a client or the operator can write to."""
    file, log = tmp_path / "first.key", tmp_path / "audit.log"
    first = f"jl_{SECRET[:12]:0<12}_" + ("S3cretOfTheKeyFile" * 3)[:43]
    file.write_text(first)
    config = tmp_path / "joblight.conf"
    config.write_text(f"# {SECRET}\nhost = joblight.test\n")
    server = serve(key_file=file, audit_log=log, config=config, verbose=True, host=None)
    made = []
    with Keyed(server.address, first) as api:
        made.append(make_key(api, ["watch"], name="a name"))
        assert api.post("/api/jobs", {"id": "j", "title": SECRET, "metadata": {"password": SECRET},
                                      "tasks": [{"id": "t", "title": SECRET}]},
                        Idempotency_Key=SECRET, Cookie=f"session={SECRET}").status == 201
        assert api.patch("/api/jobs/j", {"title": SECRET, "metadata": {SECRET: SECRET}}).status == 200
        assert api.post("/api/jobs/j/commands", {"command": "go", "args": {"token": SECRET}}).status == 201
        assert api.update("j", {"taskId": "t", "note": SECRET}).status == 200
        assert api.post("/api/jobs/j/deliverables", {"title": "D", "url": f"https://e.example/{SECRET}"}).status == 201
        assert api.post("/api/jobs", {"title": "J", SECRET: SECRET}).status == 422
        assert api.post("/api/jobs/j/commands", {"command": SECRET}).status == 422
        with WebSocket(server.address, f"/api/ws?ticket={SECRET}", headers=[f"Authorization: Bearer {first}"]) as ws:
            ws.send("command", id=SECRET, jobId="j", command="go", args={"token": SECRET})
            assert ws.next()["type"] == "ack"
            ws.send(SECRET, id=SECRET)
            ws.next()
            ws.send("token", token=SECRET)
            ws.next()
    with Keyed(server.address, made[0]) as watcher:
        assert watcher.delete("/api/jobs/j").status == 403
        assert watcher.get(f"/api/jobs/j?ticket={SECRET}").status == 200
    wrong = first[:-1] + ("a" if first[-1] != "a" else "b")
    for path in (f"/{SECRET}", f"/api/jobs/{SECRET}", f"/api/jobs?token={SECRET}", f"/api/jobs/{first}"):
        for headers in ((f"Authorization: Bearer {wrong}",), (f"Authorization: Basic {SECRET}",),
                        (f"Cookie: {SECRET}={SECRET}",), (f"Origin: https://{SECRET}.example",),
                        (f"X-Api-Key: {SECRET}",), (f"Referer: https://a/?{SECRET}",), (f"User-Agent: {SECRET}",)):
            for method in ("GET", "DELETE", "OPTIONS"):
                ask(server.address, request(method, path, headers))
    for hostile in (handshake(protocol=SECRET), handshake(f"/api/ws?token={SECRET}"),
                    request("GET", "/api/jobs", host=f"{SECRET}.example"),
                    request("GET", f"http://{SECRET}:{SECRET}@a/"), f"{SECRET}\r\n\r\n".encode(),
                    f"GET / HTTP/1.1\r\n{SECRET}\r\n\r\n".encode()):
        ask(server.address, hostile)
    server.signal(signal.SIGHUP)
    until(lambda: "read again" in server.log(), 5, "the configuration being read again")
    server.stop()
    until(lambda: len(audited(server.log())) > 10 and len(audited(log.read_text())) > 10, 5, "the lines")
    for text in (server.log(), log.read_text()):
        for secret in (SECRET, *(key.split("_", 2)[2] for key in (first, wrong, *made))):
            assert secret.lower() not in text.lower(), text


def test_a_file_that_is_no_key_is_not_printed(tmp_path):
    file = tmp_path / "key"
    file.write_text(f"jl_{SECRET}\n{SECRET}")
    code, out, err = run_to_exit(listen="127.0.0.1:0", db=":memory:", key_file=file)
    assert code == 1 and SECRET not in out + err


def test_a_key_in_the_wrong_place_is_cut_out_of_the_line(keyed):
    """Somebody names a job or a key after a secret."""
    server, api, _ = keyed
    other = make_key(api, ["watch"], name="other")
    token = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJ4In0.c2lnbmF0dXJl"
    assert api.post("/api/jobs", {"id": other, "title": "J"}).status == 201
    make_key(api, ["watch"], name=f"of {token}, and {other}!")
    lines = sees(server, 4)
    assert lines[2]["job"] == f"jl_{KEY.fullmatch(other)[1]}_[redacted]"
    assert other.split("_", 2)[2] not in server.log() and "c2lnbmF0dXJl" not in server.log()


@pytest.mark.parametrize("name", ["a\nlevel=error msg=forged", 'a" client="10.0.0.1', "a\r\x1b[31m", "a\u2028b\u00e9",
                                  "a\\", "a client=10.0.0.1", "a\u0000b"])
def test_no_value_makes_a_line_or_a_pair_of_its_own(keyed, name):
    server, api, _ = keyed
    reply = api.post("/api/keys", {"name": name, "scope": ["control"], "jobs": ["*"]})
    if reply.status != 201:
        assert "\0" in name and reply.status in (400, 422)
        return
    with Keyed(server.address, reply.json["key"]) as named:
        assert named.delete("/api/jobs/j").status == 403
    lines = sees(server, 3)
    assert len(lines) == 3 and lines[2]["client"] == "127.0.0.1" and "level" not in lines[2]
    raw = server.stderr.read_bytes()
    assert all(byte == 10 or 32 <= byte < 127 for byte in raw)
    assert raw.count(b"\n") == raw.count(b"\ntime=") + 1


# -- the file --------------------------------------------------------------------------------------------

def test_the_file_has_the_same_lines_and_belongs_to_its_owner(serve, tmp_path):
    log = tmp_path / "audit.log"
    server = serve(audit_log=log)
    with Api(server.address) as api:
        api.create_job(id="j")
        api.delete("/api/jobs/j")

    def are_the_same(count):
        lines = log.read_text().splitlines()
        return len(lines) == count and lines == [line for line in server.log().splitlines() if "msg=audit" in line]

    until(lambda: are_the_same(2), 5, "the same two lines")  # a thread writes them, which kill -9 ends
    server.restart()
    with Api(server.address) as api:
        api.create_job(id="k")
    until(lambda: are_the_same(3), 5, "the same lines")
    assert log.stat().st_mode & 0o7777 == 0o600


def test_sighup_opens_the_file_again(serve, tmp_path):
    log, old = tmp_path / "audit.log", tmp_path / "audit.log.1"
    server = serve(audit_log=log)
    count = server.fds()
    with Api(server.address) as api:
        api.create_job(id="before")
        log.rename(old)
        api.create_job(id="still")
        server.signal(signal.SIGHUP)
        until(log.exists, 5, "the new file")
        until(lambda: "read again" in server.log(), 5, "the end of the reload")
        api.create_job(id="after")
    sees(server, 3)
    assert [line["job"] for line in audited(old.read_text())] == ["before", "still"]
    assert [line["job"] for line in audited(log.read_text())] == ["after"]
    assert server.fds() <= count + 1


def test_a_file_that_cannot_be_opened_again_leaves_the_old_one(serve, tmp_path):
    log = tmp_path / "audit.log"
    server = serve(audit_log=log)
    log.rename(tmp_path / "old")
    log.mkdir()
    server.signal(signal.SIGHUP)
    until(lambda: "cannot be opened again" in server.log(), 5, "the complaint")
    with Api(server.address) as api:
        api.create_job(id="j")
    assert [line["job"] for line in audited((tmp_path / "old").read_text())] == ["j"]


def test_a_full_disk_stops_nothing(serve, tmp_path):
    """The file may grow by half a line; then it may grow again."""
    log = tmp_path / "audit.log"
    server = serve(audit_log=log, db=":memory:")
    with Api(server.address) as api:
        api.create_job(id="a")
        sees(server, 1)
        half = log.stat().st_size + 20
        # The server's standard error is a file, too, and longer than that.
        resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (half, resource.RLIM_INFINITY))
        for i in range(20):
            assert api.post("/api/jobs", {"id": f"lost-{i}", "title": "J"}).status == 201
        assert log.stat().st_size == half
        resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)
        api.create_job(id="b")
        api.create_job(id="c")
    until(lambda: "can be written again" in server.log(), 5, "the end of the trouble")
    first, torn, *rest = log.read_text().splitlines()
    assert [line["job"] for line in audited("\n".join([first, *rest]))] == ["a", "b", "c"] and len(torn) == 20


@pytest.mark.parametrize("kind", ["link", "pipe", "folder", "nowhere"])
def test_what_is_no_file_of_its_own_stops_the_start(tmp_path, kind):
    path = tmp_path / "audit.log"
    if kind == "link":
        (tmp_path / "target").write_text("kept")
        path.symlink_to(tmp_path / "target")
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    else:
        path = tmp_path / "no" / "audit.log"
    code, out, err = run_to_exit(listen="127.0.0.1:0", db=":memory:", audit_log=path)
    assert code == 1 and out == "" and "--audit-log" in err and str(path) in err
    assert kind != "link" or (tmp_path / "target").read_text() == "kept"


def test_every_refusal_has_its_line(keyed):
    """Also those that depend on the body, on the store, and on a message."""
    server, api, _ = keyed
    api.create_job(id="j")
    creator = make_key(api, ["create", "watch"], "*", "creator")
    with Keyed(server.address, creator) as other:
        assert other.post("/api/jobs/j/tokens", {"scope": ["admin"]}).status == 403
        token = other.post("/api/jobs/j/tokens", {}).json["token"]
    with Keyed(server.address, token) as watcher:
        assert watcher.post("/api/login-codes").status == 403
    assert api.post("/api/login-codes").status == 201
    with WebSocket(server.address, headers=[f"Authorization: Bearer {api.key}"]) as ws:
        ws.send("token", id="1", token="jl_wrong")
        assert ws.next()["code"] == "unauthorized"
    lines = [(line["action"], line.get("code"), line.get("route")) for line in sees(server, 8)]
    assert lines[3:] == [("refused", "forbidden", "/api/jobs/:job/tokens"), ("create_token", None, None),
                         ("refused", "forbidden", "/api/login-codes"), ("create_code", None, None),
                         ("refused", "unauthorized", "message")]


def test_a_request_that_is_refused_at_once_is_nobodys(serve, tmp_path):
    """The one before it on the connection had a key."""
    server = serve(all_requests=1, rate_window_ms=8000)
    with Api(server.address) as api:
        key = make_key(api, ALL, name="root")
    with Raw(server.address) as raw:
        raw.send(request("GET", "/api/jobs", [f"Authorization: Bearer {key}"]))
        assert raw.response().status == 200
        while True:
            raw.send(request("GET", "/api/jobs/chosen"))
            if raw.response().status == 429:
                break
    line = until(lambda: next((line for line in sees(server, 2) if line.get("code") == "rate_limited"), None), 5, "its line")
    assert "key" not in line and "name" not in line and "job" not in line


def refused_in(lines):
    """How many refusals the lines tell of, one by one or together."""
    return sum(int(line.get("suppressed", 1)) for line in lines if line["action"] == "refused")


@pytest.mark.parametrize("loops", [1, 2])
def test_under_load_the_lines_are_whole_and_in_order_and_every_refusal_counts(serve, tmp_path, loops):
    """Commands stand in the order of the log of their job, and a refusal after what its client did before."""
    clients, rounds, file = 8, 30, tmp_path / "audit.log"
    server = serve(loops=loops, audit_log=file)
    with Api(server.address) as stranger:
        root = make_key(stranger, ALL, name="root")
    with Keyed(server.address, root) as api:
        api.create_job(id="all")
        keys = [make_key(api, ["control", "watch"], name=f"client-{n}") for n in range(clients)]

        def work(n):
            with Keyed(server.address, keys[n]) as one:
                for i in range(rounds):
                    assert one.post("/api/jobs/all/commands", {"command": f"go-{n}-{i}"}).status == 201
                    assert one.delete("/api/jobs/all").status == 403

        with ThreadPoolExecutor(clients) as pool:
            list(pool.map(work, range(clients)))
        logged = [event["command"] for event in api.activity("all") if event["type"] == "command"]
    server.stop()
    for text in (server.log(), file.read_text()):
        lines = audited(text)
        assert len(lines) == text.count("msg=audit") and refused_in(lines) == clients * rounds
        assert [line["command"] for line in lines if line["action"] == "command"] == logged
        for n in range(clients):
            own = [line["action"] for line in lines if line.get("name") == f"client-{n}"]
            assert own.count("command") == rounds and own[0] == "command"
            assert ("refused", "refused") not in list(zip(own, own[1:])), own
