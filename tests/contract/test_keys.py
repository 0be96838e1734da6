"""Access keys: who may do what, once there is a key."""
import json
import re
import sqlite3
import subprocess
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from support.api import Api
from support.keyed import (FORM, RIGHTS, client, code_of_close, db, joblight_key, key_id as admin_id,  # noqa: F401
                           lines_of, make, root)
from support.problem import assert_problem
from support.raw import Raw, request
from support.server import BINARY, location, run_to_exit
from support.sse import SseStream
from support.wait import SCALE, Deadline, until
from support.ws import WebSocket, path_of

OWN, OTHERS, NOBODYS = "own-1", "others-1", "own-2"
UPDATE = {"taskId": "t", "note": "n"}
PRESENCE = {"agent": "a", "state": "online"}

# Every row of routes.def that needs a right: (method, path, body, the rights of which one is needed).
ROUTES = [
    ("GET", "/api/jobs/{job}", None, {"watch"}),
    ("PATCH", "/api/jobs/{job}", {"title": "T"}, {"control"}),
    ("PATCH", "/api/jobs/{job}", {"status": "completed"}, {"control", "create"}),
    ("DELETE", "/api/jobs/{job}", None, {"admin"}),
    ("GET", "/api/jobs/{job}/tasks", None, {"watch"}),
    ("POST", "/api/jobs/{job}/tasks", {"title": "T"}, {"report"}),
    ("PUT", "/api/jobs/{job}/tasks/t", {"title": "T"}, {"report"}),
    ("GET", "/api/jobs/{job}/deliverables", None, {"watch"}),
    ("POST", "/api/jobs/{job}/deliverables", {"title": "D", "url": "https://e.example/x"}, {"report"}),
    ("POST", "/api/jobs/{job}/commands", {"command": "cancel"}, {"control"}),
    ("GET", "/api/jobs/{job}/export", None, {"admin"}),
    ("GET", "/api/jobs/{job}/activity", None, {"watch"}),
    ("HEAD", "/api/jobs/{job}/task-events", None, {"watch"}),
    ("GET", "/api/jobs/{job}/updates", None, {"watch"}),
    ("POST", "/api/jobs/{job}/presence", PRESENCE, {"report"}),
    ("POST", "/api/agent-hooks/task-update/{job}", UPDATE, {"report"}),
    ("POST", "/api/jobs/{job}/tickets", None, {"watch", "report"}),
    ("POST", "/api/jobs/{job}/tokens", {"scope": ["control"]}, {"control"}),
    ("POST", "/api/jobs/{job}/tokens", {"scope": ["watch"]}, {"create"}),
]
# What a client may send over a WebSocket: (message, the right, what comes back when it may).
MESSAGES = [
    ({"type": "subscribe"}, "watch", "connected"),
    ({"type": "update", "id": "1", **UPDATE}, "report", "ack"),
    ({"type": "command", "id": "2", "command": "cancel"}, "control", "ack"),
    ({"type": "presence", "agent": "a", "state": "online", "id": "3"}, "report", None),
]


def bearer(key):
    return (f"Authorization: Bearer {key}",)


# -- joblight key --------------------------------------------------------------------------------------

def test_a_key_is_printed_once_and_its_digest_is_stored(db, make):
    key = make("watch,report", "render-*,own-1", "--name", "ci", "--expires", "90d")
    assert FORM.fullmatch(key)
    [row] = [json.loads(line) for line in joblight_key("list", "--db", db).splitlines()]
    assert row["id"] == FORM.fullmatch(key)[1]
    assert (row["name"], row["scope"], row["jobs"]) == ("ci", ["watch", "report"], ["render-*", "own-1"])
    assert row["createdAt"] < row["expiresAt"] and "revokedAt" not in row
    secret = key.rsplit("_", 1)[1].encode()
    for file in db.parent.iterdir():
        assert secret not in file.read_bytes(), file


@pytest.mark.parametrize("arguments, says", [
    (("create",), "--scope is missing"), (("create", "--scope", "reed"), "watch, report, create"),
    (("create", "--scope", "watch", "--jobs", ""), "--jobs"),
    (("create", "--scope", "watch", "--jobs", "a b*c/"), "--jobs"),
    (("create", "--scope", "watch", "--expires", "90"), "such as 90d"),
    (("create", "--scope", "watch", "--expires", "0d"), "such as 90d"),
    (("create", "--scope", "watch", "--name", "n" * 129), "128"),
    (("create", "--scope", "watch", "--name", b"\xff"), "UTF-8"),
    (("create", "--scope", "watch", "--db", ":memory:"), "file"), (("list", "--db", ":memory:"), "file"),
    (("revoke",), "needs ID"), (("revoke", "short"), "id of a key"),
    (("list", "A" * 12), "is not expected"), (("create", "--scope", "watch", "x"), "is not expected"),
    (("frobnicate",), 'there is no "key frobnicate"'), ((), "joblight key create"),
    (("create", "--scope", "watch", "--expires", "59s"), "60s"), (("create", "--scope", ""), "--scope"),
    (("create", "--scope", "watch", "--expires", "3661d"), "3660d")])
def test_a_mistake_is_named(arguments, says):
    assert says in joblight_key(*arguments, status=2)


def test_a_name_of_128_bytes_is_taken(db):
    joblight_key("create", "--scope", "watch", "--name", "n" * 128, "--db", db)


@pytest.mark.sqlite("it has the lock of the file")
def test_a_database_that_a_server_uses_is_left_alone(serve, db, root):
    serve(db=db)
    assert str(db) in joblight_key("list", "--db", db, status=1)


@pytest.mark.sqlite("there is no file to be missing")
@pytest.mark.parametrize("what", [("list",), ("revoke", "A" * 12)])
def test_a_database_that_does_not_exist_is_not_made(db, what):
    assert "No such file" in joblight_key(*what, "--db", db, status=1)
    assert not db.exists()


def test_a_key_that_cannot_be_printed_is_named(db):
    with open("/dev/full", "w", encoding="ascii") as full:
        done = subprocess.run([BINARY, "key", "create", "--scope", "watch", "--db", location(db)], stdout=full,
                              stderr=subprocess.PIPE, check=False, timeout=10 * SCALE)
    [row] = [json.loads(line) for line in joblight_key("list", "--db", db).splitlines()]
    assert done.returncode == 1 and f"revoke {row['id']}" in done.stderr.decode()


def test_an_unknown_key_cannot_be_revoked(db, root):
    assert "there is no key" in joblight_key("revoke", "A" * 12, "--db", db, status=1)


def test_a_key_is_revoked_in_the_database_once(db, root, make):
    """The server that starts afterwards knows it; the time of the first revocation stays."""
    key = make("watch")
    assert joblight_key("revoke", admin_id(key), "--db", db) == ""
    listed = lambda: [json.loads(line) for line in joblight_key("list", "--db", db).splitlines()]
    first, = [row["revokedAt"] for row in listed() if row["id"] == admin_id(key)]
    assert [("revokedAt" in row) for row in listed()] == [row["id"] == admin_id(key) for row in listed()]
    assert joblight_key("revoke", admin_id(key), "--db", db) == ""
    assert [row["revokedAt"] for row in listed() if row["id"] == admin_id(key)] == [first]


@pytest.mark.sqlite("it damages the file")
@pytest.mark.parametrize("what", [("create", "--scope", "watch"), ("list",), ("revoke", "A" * 12)])
def test_a_file_that_is_no_database_is_named(db, what):
    db.write_text("no database")
    said = joblight_key(*what, "--db", db, status=1)
    assert str(db) in said and db.read_text() == "no database"


@pytest.mark.sqlite("it writes into the file")
def test_a_list_without_keys_is_empty(db):
    joblight_key("revoke", admin_id(joblight_key("create", "--scope", "watch", "--db", db)), "--db", db)
    with sqlite3.connect(db) as connection:
        connection.execute("DELETE FROM access_keys")
    connection.close()
    assert joblight_key("list", "--db", db) == ""


# -- who may do what -----------------------------------------------------------------------------------

@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """A database with a key for each right over own-*."""
    db = tmp_path_factory.mktemp("rights") / "k.db"
    keys = {right: joblight_key("create", "--scope", right, "--jobs", "own-*", "--db", db)
            for right in RIGHTS}
    keys["root"] = joblight_key("create", "--scope", ",".join(RIGHTS), "--db", db)
    return db, keys


@pytest.fixture
def rights(kept, serve, client):
    """(server, keys by right); the jobs OWN and OTHERS exist anew."""
    db, keys = kept
    server = serve(db=db)
    everything = client(server, keys["root"])
    for job in (OWN, OTHERS, NOBODYS):
        everything.delete(f"/api/jobs/{job}")
    for job in (OWN, OTHERS):
        everything.create_job(id=job)
    return server, keys


@pytest.fixture(params=["key", "token", "cookie"])
def shown(request, rights, client):
    """(server, credentials by right): keys, tokens for the job OWN, or cookies of sessions.

    Those of "root" are always a key. `mints` says whether a credential of this kind makes tokens.
    """
    server, keys = rights
    root = client(server, keys["root"])
    make = {"key": lambda right: keys[right], "token": lambda right: root.token(OWN, [right]),
            "cookie": lambda right: client(server).log_in(key=keys[right])}[request.param]
    return server, {**{right: make(right) for right in RIGHTS}, "root": keys["root"]}, request.param == "key"


def needed(path, needs, mints):
    """Tokens are made with a key only."""
    return needs if mints or not path.endswith("/tokens") else set()


def test_every_route_with_a_right_stands_in_the_table():
    rows = re.findall(r'^(?:WRITE_)?ROUTE\((\w+), "(/api/[^"]*|/metrics)", (\w+)',
                      (Path(__file__).parents[2] / "src/api/routes.def").read_text(), re.M)
    table = {(method.replace("HEAD", "GET"), path.replace("{job}", ":job").replace("/tasks/t", "/tasks/:task"))
             for method, path, _, _ in ROUTES}
    elsewhere = {("GET", "/api/jobs"), ("POST", "/api/jobs"), ("GET", "/api/ws"), ("GET", "/api/keys"),
                 ("POST", "/api/keys"), ("DELETE", "/api/keys/:key"),
                 ("GET", "/api/session"), ("DELETE", "/api/session"), ("POST", "/api/login-codes"),
                 ("GET", "/api/connection"), ("GET", "/metrics"), ("POST", "/api/imports"),
                 ("POST", "/api/database/rewrite")}   # in the files of these names and of tokens
    assert {(method, path) for method, path, _ in rows} == table | elsewhere
    assert all(right != "NONE" for _, _, right in rows)


@pytest.mark.parametrize("right", RIGHTS)
def test_a_right_opens_its_routes_and_no_other(shown, client, right):
    server, keys, mints = shown
    api, everything = client(server, keys[right]), client(server, keys["root"])
    for method, path, body, needs in ROUTES:
        if not everything.get(f"/api/jobs/{OWN}").json.get("status") == "in_progress":
            everything.delete(f"/api/jobs/{OWN}")
            everything.create_job(id=OWN)
        reply = api.request(method, path.format(job=OWN), body)
        what = f"{right}: {method} {path} {body}: {reply}"
        if right in needed(path, needs, mints):
            assert reply.status < 300, what
        else:
            assert reply.status == 403, what
            if method != "HEAD":
                assert_problem(reply, 403, "forbidden")
        if everything.get(f"/api/jobs/{OWN}").status == 404:
            everything.create_job(id=OWN)


@pytest.mark.parametrize("right", RIGHTS)
def test_a_job_of_others_is_like_one_that_does_not_exist(shown, client, right):
    server, keys, mints = shown
    api = client(server, keys[right])
    for method, path, body, needs in ROUTES:
        if right not in needed(path, needs, mints):
            continue
        others = api.request(method, path.format(job=OTHERS), body)
        nobodys = api.request(method, path.format(job=NOBODYS), body)
        assert others.status == nobodys.status == 404, (method, path)
        assert others.body.replace(OTHERS.encode(), b"ID") == nobodys.body.replace(NOBODYS.encode(), b"ID")
        assert [name for name, _ in others.headers] == [name for name, _ in nobodys.headers]
    assert client(server, keys["root"]).job(OTHERS)["seq"] == 1


def test_without_a_key_everything_but_health_and_pages_is_401(rights, client):
    server, keys = rights
    wrong = keys["watch"][:-1] + ("0" if keys["watch"][-1] != "0" else "1")
    for key in (None, "", "x", wrong, keys["watch"][:-1], keys["watch"] + "0", "jl_" + "0" * 56,
                keys["watch"].lower(), "jl_" + "A" * 65536):
        if key and len(key) > 8000:
            continue        # a head that is too large: tests/faults
        api = client(server, key)
        for method, path, body, _ in ROUTES + [("GET", "/api/jobs", None, ()), ("GET", "/api/keys", None, ()),
                                               ("POST", "/api/jobs", {"title": "T"}, ())]:
            reply = api.request(method, path.format(job=OWN), body)
            assert reply.status == 401, (key, method, path)
            assert dict(reply.headers)["WWW-Authenticate"] == "Bearer"
        assert api.get("/healthz").status == 200
        assert api.get("/").status == 200


@pytest.mark.parametrize("header", ["bearer {}", "BEARER  {} ", "Bearer {}"])
def test_the_scheme_is_taken_in_any_case(rights, header):
    server, keys = rights
    with Api(server.address) as api:
        assert api.get("/api/jobs", Authorization=header.format(keys["watch"])).status == 200


@pytest.mark.parametrize("header", ["Basic {}", "{}", "Bearer{}", "Bearer", "Token {}"])
def test_another_scheme_is_no_key(rights, header):
    server, keys = rights
    with Api(server.address) as api:
        assert api.get("/api/jobs", Authorization=header.format(keys["watch"])).status == 401


@pytest.mark.parametrize("right", [None, *RIGHTS])
def test_a_page_of_a_job_tells_nothing(rights, client, right):
    server, keys = rights
    pages = [client(server, keys.get(right)).get(f"/jobs/{job}") for job in (OWN, OTHERS, NOBODYS)]
    assert {page.status for page in pages} == {200}
    assert len({page.body for page in pages}) == 1


def test_a_list_has_only_what_may_be_watched(rights, client):
    server, keys = rights
    everything = client(server, keys["root"])
    for n in range(30):
        everything.create_job(id=f"{'own' if n % 3 == 0 else 'x'}-{100 + n}")

    def listed(api, query=""):
        ids, token = [], ""
        while token is not None:
            reply = api.get(f"/api/jobs?limit=4{token}")
            assert reply.status == 200, reply
            page = reply.json
            ids += [job["id"] for job in page["jobs"]]
            assert len(page["jobs"]) <= 4
            token = f"&pageToken={page['nextPageToken']}" if "nextPageToken" in page else None
        return ids
    own = listed(client(server, keys["watch"]))
    assert len(own) == len(set(own)) == 11 and all(job.startswith("own-") for job in own)
    assert len(listed(everything)) >= 32


def test_the_token_of_a_list_tells_nothing_of_other_jobs(rights, client):
    """It is an id that its reader sees, and not the number of a job."""
    server, keys = rights
    everything, api = client(server, keys["root"]), client(server, keys["watch"])
    for name in ("own-31", "x-32", "own-33"):
        everything.create_job(id=name)
    tokens = []
    for status in ("pending", "in_progress"):
        everything.patch("/api/jobs/x-32", {"status": status})
        tokens.append(api.get("/api/jobs?limit=1").json["nextPageToken"])
    assert tokens == ["own-33"] * 2
    assert api.get("/api/jobs?limit=1&pageToken=own-33").json["jobs"][0]["id"] == "own-31"
    answers = [api.get(f"/api/jobs?pageToken={token}") for token in (OTHERS, NOBODYS, "never-was", "5")]
    for reply in answers:
        assert_problem(reply, 400, "bad_request")
    assert len({reply.body for reply in answers}) == 1
    for token in ("", "a/b", "-1"):
        assert api.get(f"/api/jobs?pageToken={token}").status == 400
    for name in ("own-31", "x-32", "own-33"):
        everything.delete(f"/api/jobs/{name}")


def test_keys_are_managed_with_a_key_for_all_jobs(rights, client):
    server, keys = rights
    api = client(server, keys["admin"])      # over own-*
    for method, path, body in (("GET", "/api/keys", None), ("POST", "/api/keys", {"scope": ["watch"]}),
                               ("DELETE", f"/api/keys/{admin_id(keys['root'])}", None)):
        assert_problem(api.request(method, path, body), 403, "forbidden")


def test_a_creator_makes_jobs_of_its_pattern_only(rights, client):
    server, keys = rights
    api = client(server, keys["create"])
    assert api.post("/api/jobs", {"title": "T", "id": "own-9"}).status == 201
    for body in ({"id": OTHERS}, {"id": "elsewhere"}, {"id": "xown-1"}, {}):
        problem = assert_problem(api.post("/api/jobs", {"title": "T", **body}), 403, "forbidden")
        assert "own-*" in problem["detail"]
    client(server, keys["root"]).delete("/api/jobs/own-9")


def test_an_idempotency_key_of_another_client_tells_nothing(rights, client, serve):
    server, keys = rights
    everything, creator = client(server, keys["root"]), client(server, keys["create"])
    secret = everything.post("/api/jobs", {"title": "Secret", "id": "own-7"}, Idempotency_Key="k")
    assert secret.status == 201
    reply = creator.post("/api/jobs", {"title": "Secret", "id": "own-7"}, Idempotency_Key="k")
    assert_problem(reply, 409, "job_exists")
    assert "Idempotency-Replayed" not in dict(reply.headers)
    again = everything.post("/api/jobs", {"title": "Secret", "id": "own-7"}, Idempotency_Key="k")
    assert again.status == 201 and dict(again.headers)["Idempotency-Replayed"] == "true"


# -- over a WebSocket ----------------------------------------------------------------------------------

def test_a_websocket_needs_a_key(rights):
    server, keys = rights
    with WebSocket(server.address, headers=bearer(keys["watch"])) as ws:
        assert ws.subscribe(OWN)["job"]["id"] == OWN
    with pytest.raises(Exception, match="401"):
        WebSocket(server.address)


@pytest.mark.parametrize("right", RIGHTS)
def test_a_right_opens_its_messages_and_no_other(shown, right):
    server, keys, _ = shown
    with WebSocket(server.address, headers=lines_of(keys[right]), host="localhost") as ws:
        for message, needs, answer in MESSAGES:
            for job in (OWN, OTHERS, NOBODYS):
                ws.send_many([{**message, "jobId": job, **({"id": f"{message['id']}{job}"} if "id" in message else {})}])
                if right != needs:
                    said = ws.message("error")
                    assert (said["status"], said["code"], said["jobId"]) == (403, "forbidden", job)
                elif job == OWN:
                    if answer:
                        assert ws.message(answer).type == answer
                else:
                    said = ws.message("error")
                    assert (said["status"], said["code"], said["jobId"]) == (404, "not_found", job)
                    assert job in said["detail"]
        assert ws.answers()


def test_unsubscribing_from_a_job_of_others_is_like_from_one_that_does_not_exist(shown):
    server, keys, _ = shown
    with WebSocket(server.address, headers=lines_of(keys["watch"]), host="localhost") as ws:
        said = []
        for job in (OTHERS, NOBODYS):
            ws.send("unsubscribe", jobId=job)
            said.append(ws.message("end").json)
    assert [one.pop("jobId") for one in said] == [OTHERS, NOBODYS]
    assert said[0] == said[1]


def test_a_job_of_others_in_the_url_closes_the_socket(shown):
    server, keys, _ = shown
    codes = []
    for job in (OTHERS, NOBODYS):
        with WebSocket(server.address, path_of(job=job), headers=lines_of(keys["watch"]), host="localhost") as ws:
            codes.append(ws.close_code())
    assert codes == [4404, 4404]


@pytest.mark.parametrize("id", ["short", "A" * 11, "A" * 13, "A" * 12])
def test_a_key_that_does_not_exist_is_404(serve, client, db, root, id):
    problem = assert_problem(client(serve(db=db), root).delete(f"/api/keys/{id}"), 404, "not_found")
    assert f'"{id}"' in problem["detail"]


def test_a_key_that_may_not_watch_is_told_so_by_the_close_of_the_url(shown):
    server, keys, _ = shown
    with WebSocket(server.address, path_of(job=OWN), headers=lines_of(keys["report"]), host="localhost") as ws:
        assert ws.closed() == (4001, "the key may not watch")


@pytest.mark.parametrize("name", ["ann \"the boss\"", ""])
def test_a_command_has_the_name_of_its_key(serve, client, db, root, make, name):
    key = make("control", "*", "--name", name)
    server = serve(db=db)
    everything = client(server, root)
    job = everything.create_job()["id"]
    with WebSocket(server.address, headers=bearer(key)) as ws:
        ws.send("command", id="1", jobId=job, command="pause")
        ws.message("ack")
    assert client(server, key).post(f"/api/jobs/{job}/commands", {"command": "cancel"}).status == 201
    events = everything.activity(job)[1:]
    assert [(event["command"], event["actor"]) for event in events] == [
        ("pause", name or admin_id(key)), ("cancel", name or admin_id(key))]


def test_without_keys_a_command_has_no_actor(server, client, job):
    api = client(server)
    assert api.post(f"/api/jobs/{job}/commands", {"command": "cancel"}).status == 201
    assert "actor" not in api.activity(job)[-1]


# -- the end of a key ----------------------------------------------------------------------------------

@pytest.mark.parametrize("loops", [1, 2])
def test_a_revoked_key_ends_its_streams_and_no_other(serve, client, db, root, make, loops):
    watch, other = make("watch"), make("watch")
    server = serve(db=db, loops=loops)
    everything = client(server, root)
    job = everything.create_job()["id"]
    streams = [SseStream(server.address, job, headers=bearer(key)) for key in (watch, other)]
    sockets = [WebSocket(server.address, path_of(job=job), headers=bearer(key)) for key in (watch, other)]
    for stream in streams:
        stream.message("connected")
    for ws in sockets:
        ws.message("connected")
    assert everything.delete(f"/api/keys/{admin_id(watch)}").status == 204
    assert code_of_close(sockets[0], within=1 * SCALE) == 4001
    while streams[0].block(within=1 * SCALE):     # until it ends
        pass
    assert client(server, watch).get(f"/api/jobs/{job}").status == 401
    everything.report(job, "t", note="n")
    assert sockets[1].message("task_update")["seq"] == 2
    assert streams[1].message("task_update").json["seq"] == 2
    for one in (*streams, *sockets):
        one.close()
    assert everything.delete(f"/api/keys/{admin_id(watch)}").status == 204     # again
    row = next(row for row in everything.get("/api/keys").json["keys"] if row["id"] == admin_id(watch))
    assert row["revokedAt"]


def test_each_request_of_a_kept_connection_shows_its_own_key(serve, client, db, root, make):
    """The server keeps what a connection has shown; a proxy sends the requests of many on one connection."""
    watch, narrow = make("watch"), make("watch", "other-*")
    server = serve(db=db)
    job = client(server, root).create_job()["id"]
    api = Api(server.address)

    def status(*keys):
        return [api.request("GET", f"/api/jobs/{job}", headers={"Authorization": f"Bearer {key}"} if key else {}).status
                for key in keys]

    almost = watch[:-1] + ("a" if watch[-1] != "a" else "b")
    assert status(watch, watch, almost, watch, None, watch, narrow, watch, watch[:-1]) == \
        [200, 200, 401, 200, 401, 200, 404, 200, 401]
    socket = api.connection.sock
    assert status(watch, watch) == [200, 200]
    assert client(server, root).delete(f"/api/keys/{admin_id(watch)}").status == 204
    assert status(watch, root, narrow) == [401, 200, 404]
    assert api.connection.sock is socket
    api.close()


@pytest.mark.sqlite("it writes into the file")
def test_a_key_that_expires_ends_its_streams(serve, client, db, root, make):
    key = make("watch", "*", "--expires", "1d")
    with sqlite3.connect(db) as connection:     # the shortest time that can be asked for is a minute
        connection.execute("UPDATE access_keys SET expires = ? WHERE id = ?",
                           (int((time.time() + 3 * SCALE) * 1000), admin_id(key)))
    connection.close()
    server = serve(db=db)
    job = client(server, root).create_job()["id"]
    with SseStream(server.address, job, headers=bearer(key)) as stream, \
            WebSocket(server.address, path_of(job=job), headers=bearer(key)) as ws, \
            SseStream(server.address, job, headers=bearer(root)) as other:
        for one in (stream, ws, other):
            one.message("connected")
        assert ws.close_code(within=10 * SCALE) == 4001
        while stream.block(within=5):
            pass
        assert client(server, key).get("/api/jobs").status == 401
        client(server, root).report(job, "t", note="n")
        assert other.message("task_update")


@pytest.mark.parametrize("kind", ["key", "token"])
def test_a_waiting_poll_is_answered_when_its_key_ends(serve, client, db, root, kind):
    """401, so that the client gets another one; the connection stays."""
    server = serve(db=db)
    everything = client(server, root)
    job, key = everything.create_job()["id"], make_over_http(everything)
    shown = key["key"] if kind == "key" else client(server, key["key"]).token(job)
    waiting, other = client(server, shown), client(server, root)
    path = f"/api/jobs/{job}/updates?since={everything.job(job)['cursor']}&wait=30"
    for one in (waiting, other):
        one.begin("GET", path)
    until(lambda: everything.get("/api/jobs").json["jobs"][0]["watchers"] == 2, 5, "the polls")
    began = time.monotonic()
    assert everything.delete(f"/api/keys/{key['id']}").status == 204
    problem = assert_problem(waiting.answer(), 401, "unauthorized")
    assert "while the poll was waiting" in problem["detail"] and time.monotonic() - began < 1 * SCALE
    assert_problem(waiting.get(f"/api/jobs/{job}"), 401, "unauthorized")
    everything.report(job, "t", note="n")
    assert [event["seq"] for event in other.answer().json["events"]] == [2]


def test_an_answer_that_has_begun_is_sent_whole_when_its_key_ends(serve, client, db, root):
    """The snapshot of a poll, larger than every buffer on the way."""
    server = serve(db=db)
    everything = client(server, root)
    job, key = everything.create_job()["id"], make_over_http(everything)
    for first in range(0, 128, 16):
        batch = [{"taskId": f"t{n}", "note": "n" * 15000} for n in range(first, first + 16)]
        assert everything.update(job, batch).status == 200
    with Raw(server.address, receive_buffer=16384) as slow:
        slow.send(request("GET", f"/api/jobs/{job}/updates", bearer(key["key"])))
        status, headers = slow.head_of_response(Deadline(10, "the head"))
        assert status == 200
        assert everything.delete(f"/api/keys/{key['id']}").status == 204
        until(lambda: client(server, key["key"]).get(f"/api/jobs/{job}").status == 401, 5, "the end of the key")
        length = int(dict(headers)["Content-Length"])
        assert len(json.loads(slow.exactly(length, Deadline(20, "the answer")))["job"]["tasks"]) == 128 and length > 1_900_000


def make_over_http(everything):
    return everything.post("/api/keys", {"scope": ["watch", "create"]}).json


def test_a_key_lives_for_a_minute_at_least_and_ten_years_at_most(serve, client, db, root):
    everything = client(serve(db=db), root)
    for seconds in (60, 316224000):
        made = everything.post("/api/keys", {"scope": ["watch"], "jobs": ["a"], "expiresIn": seconds}).json
        assert made["jobs"] == ["a"] and made["expiresAt"] > made["createdAt"]


def test_keys_are_made_and_listed_over_http(serve, client, db, root):
    server = serve(db=db)
    everything = client(server, root)
    made = everything.post("/api/keys", {"name": "n", "scope": ["report", "watch"], "jobs": ["a", "b-*"]},
                           Idempotency_Key="k").json
    again = everything.post("/api/keys", {"name": "n", "scope": ["report", "watch"], "jobs": ["a", "b-*"]},
                            Idempotency_Key="k").json
    assert made["key"] != again["key"]      # the answer is not remembered: it has a secret
    listed = everything.get("/api/keys").json["keys"]
    assert [row["id"] for row in listed] == [admin_id(root), made["id"], again["id"]]
    assert all("key" not in row and "hash" not in row for row in listed)
    secret = made["key"].rsplit("_", 1)[1].encode()
    for file in db.parent.glob("keys.db*"):
        assert secret not in file.read_bytes(), file


@pytest.mark.parametrize("body", [
    {}, {"scope": []}, {"scope": "watch"}, {"scope": ["reed"]}, {"scope": [1]}, {"scope": ["watch"], "jobs": []},
    {"scope": ["watch"], "jobs": ["a b"]}, {"scope": ["watch"], "jobs": ["/"]},
    {"scope": ["watch"], "jobs": ["a" * 100 + str(n) for n in range(30)]},
    {"scope": ["watch"], "expiresIn": 59}, {"scope": ["watch"], "expiresIn": 316224001},
    {"scope": ["watch"], "expiresIn": "1"}, {"scope": ["watch"], "name": "n" * 129}, {"scope": ["watch"], "x": 1}])
def test_a_key_that_is_not_described_well_is_refused(serve, client, db, root, body):
    reply = client(serve(db=db), root).post("/api/keys", body)
    assert reply.status == 422, reply


def test_the_first_key_closes_an_open_server(serve, client):
    server = serve()
    anyone = client(server)
    job = anyone.create_job()["id"]
    with WebSocket(server.address, path_of(job=job)) as ws:
        ws.message("connected")
        key = anyone.post("/api/keys", {"scope": list(RIGHTS)}).json["key"]
        assert anyone.get("/api/jobs").status == 401
        assert client(server, key).get("/api/jobs").status == 200
        assert ws.close_code() == 4001      # it was opened without a key


@pytest.mark.parametrize("body", [{"scope": ["watch"]}, {"scope": ["admin"], "jobs": ["a"]},
                                  {"scope": ["admin"], "expiresIn": 60}])
def test_the_first_key_must_be_able_to_make_others(serve, client, body):
    anyone = client(serve())
    assert_problem(anyone.post("/api/keys", body), 422, "invalid_field")
    assert anyone.get("/api/jobs").status == 200
    assert anyone.post("/api/keys", {"scope": ["admin"]}).status == 201


def test_a_key_file_has_every_right(serve, client, tmp_path):
    path = tmp_path / "first"
    path.write_text(joblight_key("generate") + "\n")
    server = serve(key_file=path)
    assert client(server).get("/api/jobs").status == 401
    api = client(server, path.read_text().strip())
    assert api.create_job()
    made = api.post("/api/keys", {"scope": ["watch"]})
    assert made.status == 201
    assert api.get("/api/jobs").status == 200       # it is still in force after the keys changed
    assert client(server, made.json["key"]).get("/api/jobs").status == 200
    keys = api.get("/api/keys").json["keys"]
    assert [row["name"] for row in keys] == ["", "--key-file"]
    problem = assert_problem(api.delete(f"/api/keys/{keys[1]['id']}"), 403, "forbidden")
    assert "--key-file" in problem["detail"]


@pytest.mark.parametrize("mode, warned", [(0o600, False), (0o640, False), (0o644, True), (0o602, True)])
def test_a_key_file_that_everybody_may_read_or_write_is_warned_about(serve, tmp_path, mode, warned):
    path = tmp_path / "first"
    path.write_text(joblight_key("generate"))
    path.chmod(mode)
    assert ("every user of this machine" in serve(key_file=path).log()) == warned


@pytest.mark.parametrize("text", ["", "x", "jl_" + "a" * 56, None])
def test_a_key_file_that_is_none_stops_the_start(tmp_path, text):
    path = tmp_path / "first"
    if text is not None:
        path.write_text(text)
    code, _, err = run_to_exit(key_file=path, listen="127.0.0.1:0", db=":memory:")
    assert code == 1 and "--key-file" in err and str(path) in err


def test_with_a_key_another_address_needs_no_insecure(serve, client, db, root):
    server = serve(db=db, listen="0.0.0.0:0")
    assert "insecure" not in server.log()


def test_one_key_is_one_watcher_however_often_it_watches(make, root, db, serve, client):
    server = serve(db=db)
    api, other = client(server, root), make_over_http(client(server, root))["key"]
    job = api.create_job()["id"]
    with ExitStack() as open_:
        for key, count in ((root, 1), (root, 1), (other, 2), (other, 2)):
            open_.enter_context(SseStream(server.address, job, headers=bearer(key))).connected()
            until(lambda count=count: api.report(job, "t")["watchers"] == count, 5, f"{count} watchers")
    until(lambda: api.report(job, "t")["watchers"] == 0, 5, "nobody watching")
