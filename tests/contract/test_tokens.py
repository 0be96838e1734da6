"""Tokens for browsers: POST /api/jobs/:job/tokens, and ?token= of POST /api/jobs."""
import statistics
import time

import pytest

from support.api import compact
from support.jwt import parts_of
from support.keyed import (RIGHTS, client, code_of_close, db, ends, key_id, lines_of, make, root)  # noqa: F401
from support.problem import assert_problem
from support.raw import Raw, request
from support.sse import SseStream
from support.wait import SCALE, until
from support.ws import WebSocket, path_of

RESTART_S = 5


@pytest.fixture
def kept(serve, db, root, client):
    """(server, a client with the key for everything, a job)."""
    server = serve(db=db)
    everything = client(server, root)
    return server, everything, everything.create_job(id="mine")["id"]


# -- making one ----------------------------------------------------------------------------------------

def test_a_token_watches_one_job(kept, client):
    server, everything, job = kept
    everything.create_job(id="other")
    reply = everything.post(f"/api/jobs/{job}/tokens", {})
    assert reply.status == 201 and reply.header("Cache-Control") == "no-store"
    assert set(reply.json) == {"token", "tokenExpiresAt", "scope"} and reply.json["scope"] == ["watch"]
    api = client(server, reply.json["token"])
    assert api.get(f"/api/jobs/{job}").status == 200
    assert api.get("/api/jobs/other").status == 404
    assert [one["id"] for one in api.get("/api/jobs").json["jobs"]] == [job]
    assert api.update(job, {"taskId": "t", "note": "n"}).status == 403
    assert api.post("/api/jobs", {"title": "T"}).status == 403
    with SseStream(server.address, job, headers=lines_of(api.key)) as stream:
        assert stream.connected()


def test_a_token_names_its_key_and_has_no_secret(kept, root):
    _, everything, job = kept
    header, claims = parts_of(everything.token(job, subject="ann"))
    assert header == {"alg": "HS256", "typ": "joblight+jwt", "kid": header["kid"]}
    assert claims["key"] == key_id(root) and claims["sub"] == "ann"
    assert claims["joblight"] == {"scope": ["watch"], "jobs": [job]}
    assert root.rsplit("_", 1)[1] not in str(claims)


@pytest.mark.parametrize("seconds", [60, 3600, 86400])
def test_a_token_lives_as_long_as_was_asked_for(kept, seconds):
    _, everything, job = kept
    before = time.time()
    _, claims = parts_of(everything.token(job, expiresIn=seconds))
    assert before - 1 <= claims["exp"] - seconds <= time.time()


def test_a_token_ends_with_its_key(kept, client):
    server, everything, job = kept
    short = everything.post("/api/keys", {"scope": ["watch", "create"], "expiresIn": 3600}).json
    reply = client(server, short["key"]).post(f"/api/jobs/{job}/tokens", {"expiresIn": 86400})
    assert reply.json["tokenExpiresAt"][:19] == short["expiresAt"][:19]


@pytest.mark.parametrize("body, field", [
    ({"expiresIn": 59}, "expiresIn"), ({"expiresIn": 86401}, "expiresIn"), ({"expiresIn": 60.5}, "expiresIn"),
    ({"expiresIn": "60"}, "expiresIn"), ({"scope": []}, "scope"), ({"scope": "watch"}, "scope"),
    ({"scope": ["reed"]}, "scope"), ({"scope": [1]}, "scope"), ({"subject": ""}, "subject"),
    ({"subject": " "}, "subject"), ({"subject": "s" * 129}, "subject"), ({"subject": 1}, "subject"),
    ({"commands": ["cancel"]}, "commands"), ({"scope": ["control"], "commands": []}, "commands"),
    ({"scope": ["control"], "commands": "cancel"}, "commands"), ({"scope": ["control"], "commands": ["A b"]}, "commands"),
    ({"scope": ["control"], "commands": ["c" * 60 + str(n) for n in range(10, 40)]}, "commands"), ({"x": 1}, "x")])
def test_a_token_that_is_not_described_well_is_refused(kept, body, field):
    _, everything, job = kept
    assert_problem(everything.post(f"/api/jobs/{job}/tokens", body), 422, field=field)


def test_the_longest_subject_and_commands_are_taken(kept, client):
    """They make the longest token; it and a ticket made with it fit into a request."""
    server, everything, job = kept
    commands = [f"{n:02}{'c' * 8}" for n in range(93)]      # 1,022 bytes with the spaces between them
    token = everything.token(job, ["watch", "control"], subject="\u0416" * 64, commands=commands)
    api = client(server, token)
    assert api.post(f"/api/jobs/{job}/commands", {"command": commands[-1]}).status == 201
    assert everything.activity(job)[-1]["actor"] == "\u0416" * 64
    with SseStream(server.address, job, query=f"ticket={api.ticket(job)}") as stream:
        assert stream.connected()


def test_a_job_that_does_not_exist_has_no_tokens(kept):
    _, everything, _ = kept
    assert_problem(everything.post("/api/jobs/none/tokens", {}), 404, "not_found")


def test_a_key_gives_no_right_that_it_has_not(serve, db, root, client, make):
    create, control = make("create"), make("control,report", "mine*")
    server = serve(db=db)
    job = client(server, root).create_job(id="mine")["id"]
    for key, may in ((create, {"watch", "report", "create"}), (control, {"control", "report"})):
        for right in RIGHTS:
            reply = client(server, key).post(f"/api/jobs/{job}/tokens", {"scope": [right]})
            if right in may:
                assert reply.status == 201 and reply.json["scope"] == [right]
            else:
                assert right in assert_problem(reply, 403, "forbidden")["detail"]


@pytest.mark.parametrize("scope", [["watch"], list(RIGHTS)])
def test_a_token_makes_no_tokens_keys_or_links(kept, client, scope):
    server, everything, job = kept
    api = client(server, everything.token(job, scope))
    for path in (f"/api/jobs/{job}/tokens", "/api/keys", "/api/login-codes"):
        assert_problem(api.post(path, {"scope": ["watch"]} if "login" not in path else None), 403, "forbidden")
    assert client(server, everything.token(job, ["create"])).post("/api/jobs?token=watch", {"title": "T", "id": job}).status == 403
    assert_problem(api.get("/api/keys"), 403, "forbidden")


@pytest.mark.parametrize("place", range(8))
def test_a_changed_token_is_refused(kept, client, place):
    server, everything, job = kept
    token = everything.token(job)
    at = len(token) * place // 8 + 2
    wrong = token[:at] + ("A" if token[at] not in "A." else "B") + token[at + 1:]
    assert_problem(client(server, wrong).get(f"/api/jobs/{job}"), 401, "unauthorized")
    for wrong in (token + "A", token[:-1], token + ".", "." + token, token.replace(".", "..", 1), token + " x",
                  token.rsplit(".", 1)[0] + ".", token.rsplit(".", 1)[0]):
        assert client(server, wrong).get(f"/api/jobs/{job}").status == 401, wrong


def test_a_token_of_another_server_is_refused(kept, serve, client, tmp_path):
    server, everything, job = kept
    stranger = serve(db=tmp_path / "other.db")
    anyone = client(stranger)
    anyone.create_job(id=job)
    key = anyone.post("/api/keys", {"scope": list(RIGHTS)}).json["key"]
    theirs = client(stranger, key).token(job)
    assert client(stranger, theirs).get(f"/api/jobs/{job}").status == 200
    assert_problem(client(server, theirs).get(f"/api/jobs/{job}"), 401, "unauthorized")
    assert client(stranger, everything.token(job)).get(f"/api/jobs/{job}").status == 401


def test_a_token_is_in_force_after_a_restart(kept, client):
    server, everything, job = kept
    token = everything.token(job)
    server.restart()
    assert client(server, token).get(f"/api/jobs/{job}").status == 200


def test_a_token_is_no_credential_in_the_url_nor_a_cookie(kept, client):
    server, everything, job = kept
    token = everything.token(job)
    for query in ("token", "ticket", "access_token"):
        assert client(server).get(f"/api/jobs/{job}?{query}={token}").status == 401
        assert SseStream(server.address, job, query=f"{query}={token}").status == 401
    assert client(server, f"joblight={token}").get(f"/api/jobs/{job}").status == 401


def test_requests_that_are_pipelined_have_their_own_credentials(kept):
    server, everything, job = kept
    everything.create_job(id="theirs")
    mine, theirs = everything.token(job), everything.token("theirs")
    with Raw(server.address) as raw:
        raw.send(b"".join(request("GET", f"/api/jobs/{job}", lines_of(one)) for one in (mine, theirs, None, mine, "x.y.z")))
        assert [raw.response().status for _ in range(5)] == [200, 404, 401, 200, 401]


# -- ?token= ---------------------------------------------------------------------------------------------

def test_a_new_job_comes_with_a_token(kept, client):
    server, everything, _ = kept
    reply = everything.post("/api/jobs?token=watch,report", {"title": "T"})
    assert reply.status == 201 and reply.header("Cache-Control") == "no-store"
    job = reply.json
    assert job["scope"] == ["watch", "report"] and job["tokenExpiresAt"]
    api = client(server, job["token"])
    assert api.get(f"/api/jobs/{job['id']}").status == 200
    assert api.report(job["id"], "t", note="n")
    assert "token" not in everything.create_job() and "token" not in api.job(job["id"])


def test_a_replayed_creation_has_a_token_that_works(kept, client):
    server, everything, _ = kept
    replies = [everything.post("/api/jobs?token=watch", {"title": "T"}, Idempotency_Key="k") for _ in range(2)]
    assert [reply.status for reply in replies] == [201, 201]
    assert replies[1].header("Idempotency-Replayed") == "true"
    job = replies[0].json["id"]
    assert replies[1].json["id"] == job
    for reply in replies:
        assert client(server, reply.json["token"]).get(f"/api/jobs/{job}").status == 200


@pytest.mark.parametrize("value", ["", "reed", "watch,reed", ",", "1"])
def test_a_bad_list_of_rights_creates_nothing(kept, value):
    _, everything, job = kept
    assert_problem(everything.post(f"/api/jobs?token={value}", {"title": "T"}), 400, "bad_request")
    assert [one["id"] for one in everything.get("/api/jobs").json["jobs"]] == [job]


def test_a_right_that_may_not_be_given_creates_nothing(serve, db, root, client, make):
    server = serve(db=db)
    assert_problem(client(server, make_create(client(server, root))).post("/api/jobs?token=control", {"title": "T"}), 403,
                   "forbidden")
    assert client(server, root).get("/api/jobs").json["jobs"] == []


def make_create(everything):
    return everything.post("/api/keys", {"scope": ["create"]}).json["key"]


# -- commands --------------------------------------------------------------------------------------------

def test_a_token_for_some_commands_sends_no_other(kept, client):
    server, everything, job = kept
    token = everything.token(job, ["watch", "control"], commands=["pause", "resume"], subject="ann")
    api = client(server, token)
    made = api.post(f"/api/jobs/{job}/commands", {"command": "pause"})
    assert made.status == 201
    problem = assert_problem(api.post(f"/api/jobs/{job}/commands", {"command": "cancel"}), 403, "forbidden")
    assert "pause resume" in problem["detail"]
    for body in ({"status": "cancelled"}, {"title": "T"}):
        assert_problem(api.patch(f"/api/jobs/{job}", body), 403, "forbidden")
    with WebSocket(server.address, headers=lines_of(token)) as ws:
        ws.send("command", id="1", jobId=job, command="cancel")
        said = ws.message("error")
        assert (said["status"], said["code"], said["id"]) == (403, "forbidden", "1")
        ws.send("command", id="2", jobId=job, command="resume")
        assert ws.message("ack")["id"] == "2"
    events = everything.activity(job)[1:]
    assert [(event["command"], event["actor"]) for event in events] == [("pause", "ann"), ("resume", "ann")]


def test_the_actor_of_a_token_without_a_subject_is_its_key(kept, client, root):
    server, everything, job = kept
    api = client(server, everything.token(job, ["control"]))
    assert api.post(f"/api/jobs/{job}/commands", {"command": "cancel"}).status == 201
    assert everything.activity(job)[-1]["actor"] == key_id(root)


# -- the end of its key --------------------------------------------------------------------------------

def watchers(api):
    """Of the only job; a client is counted once on each loop."""
    return api.get("/api/jobs").json["jobs"][0]["watchers"]


@pytest.mark.parametrize("loops", [1, 2])
def test_a_revoked_key_ends_what_its_tokens_opened(serve, client, db, root, make, loops):
    key, second = make("watch,create"), make("watch")
    server = serve(db=db, loops=loops)
    everything, owner = client(server, root), client(server, key)
    snapshot = everything.create_job()
    job = snapshot["id"]
    token, other = owner.token(job), everything.token(job)
    cookie = client(server).log_in(key=key)
    queries = [("", token), (f"ticket={owner.ticket(job)}", None), (f"ticket={client(server, token).ticket(job)}", None),
               (f"ticket={client(server, cookie).ticket(job)}", None)]
    streams = [SseStream(server.address, job, query=query, headers=lines_of(one)) for query, one in queries]
    sockets = [WebSocket(server.address, path_of(job=job), headers=lines_of(one), host="localhost") for one in (token, cookie)]
    sockets.append(WebSocket(server.address, path_of(job=job, ticket=owner.ticket(job))))
    stays = SseStream(server.address, job, headers=lines_of(other))
    for one in (*streams, *sockets, stays):
        one.message("connected")
    polls = [client(server, one) for one in (owner.token(job, subject="ann"), client(server).log_in(key=second))]
    before = until(lambda: watchers(everything) if watchers(everything) >= 3 else 0, 5, "three clients")
    for poll in polls:
        poll.begin("GET", f"/api/jobs/{job}/updates?since={snapshot['cursor']}&wait=30")
    until(lambda: watchers(everything) >= before + 2, 5, "both polls")
    began = time.monotonic()
    assert everything.delete(f"/api/keys/{key_id(second)}").status == 204
    assert everything.delete(f"/api/keys/{key_id(key)}").status == 204
    assert all(ends(stream, 1) for stream in streams)
    assert [code_of_close(ws, 1) for ws in sockets] == [4001] * 3
    for poll in polls:
        assert_problem(poll.answer(), 401, "unauthorized")
    assert time.monotonic() - began < 1 * SCALE
    for credential in (token, cookie):
        assert client(server, credential).get(f"/api/jobs/{job}").status == 401
    everything.report(job, "t", note="n")
    assert stays.event().json["seq"] == 2
    for one in (*streams, *sockets, stays):
        one.close()


# -- two customers share nothing -------------------------------------------------------------------------

def test_a_token_revokes_itself_and_ends_its_streams(kept, client):
    server, everything, job = kept
    one, other = everything.token(job), everything.token(job)
    with SseStream(server.address, job, headers=lines_of(one)) as stream:
        assert stream.connected()
        assert client(server, one).delete("/api/session").status == 204
        assert ends(stream, 3)
    assert_problem(client(server, one).get(f"/api/jobs/{job}"), 401, "unauthorized")
    assert_problem(client(server, one).delete("/api/session"), 401, "unauthorized")
    assert client(server, other).get(f"/api/jobs/{job}").status == 200
    server.restart()
    assert client(server, one).get(f"/api/jobs/{job}").status == 401


def test_only_a_token_that_is_sent_as_one_revokes_itself(kept, client):
    server, everything, job = kept
    assert_problem(everything.delete("/api/session"), 403, "forbidden")
    assert everything.get(f"/api/jobs/{job}").status == 200
    cookie = client(server).post("/login", {"key": everything.key}).header("Set-Cookie").split(";")[0]
    assert_problem(client(server, cookie).delete("/api/session"), 403, "forbidden")
    assert client(server, cookie).get(f"/api/jobs/{job}").status == 200
    assert_problem(client(server).delete("/api/session"), 401, "unauthorized")


def test_a_server_without_keys_has_no_token_to_revoke(api):
    assert_problem(api.delete("/api/session"), 403, "forbidden")


def test_creations_of_two_tokens_share_no_idempotency_key(kept, client):
    server, everything, job = kept
    made = [client(server, everything.token(job, ["create"], subject=name)) for name in ("ann", "bob")]
    everything.delete(f"/api/jobs/{job}")
    first = made[0].post("/api/jobs", {"title": "T", "id": job}, Idempotency_Key="k")
    assert first.status == 201
    assert_problem(made[1].post("/api/jobs", {"title": "T", "id": job}, Idempotency_Key="k"), 409, "job_exists")
    again = client(server, everything.token(job, ["create"], subject="ann")).post(
        "/api/jobs", {"title": "T", "id": job}, Idempotency_Key="k")
    assert again.status == 201 and again.header("Idempotency-Replayed") == "true"


def test_reads_of_two_tokens_are_not_shared(kept, client):
    server, everything, job = kept
    everything.create_job(id="theirs")
    two = [client(server, everything.token(one)) for one in (job, "theirs")]
    for _ in range(3):
        assert [[one["id"] for one in api.get("/api/jobs").json["jobs"]] for api in two] == [[job], ["theirs"]]
        tags = [api.get(f"/api/jobs/{job}").header("ETag") for api in two]
        assert tags[1] is None
        assert two[0].get(f"/api/jobs/{job}", If_None_Match=tags[0] or "*").status in (200, 304)
        assert_problem(two[1].get(f"/api/jobs/{job}", If_None_Match=tags[0] or "*"), 404, "not_found")


def test_presence_is_told_to_those_who_may_watch(kept, client):
    server, everything, job = kept
    everything.create_job(id="theirs")
    reports = client(server, everything.token(job, ["report"]))
    with WebSocket(server.address, headers=lines_of(everything.token("theirs"))) as theirs, \
            WebSocket(server.address, headers=lines_of(everything.token(job))) as mine:
        theirs.subscribe("theirs")
        mine.subscribe(job)
        theirs.send("subscribe", jobId=job)
        assert theirs.message("error")["status"] == 404
        assert reports.post(f"/api/jobs/{job}/presence", {"agent": "a", "state": "online"}).status < 300
        until(lambda: mine.message("presence")["agents"], 5, "the agent")
        theirs.send("ping")
        while (said := theirs.next()).type != "pong":
            assert said.json.get("jobId") != job


# -- on a WebSocket --------------------------------------------------------------------------------------

def test_a_token_message_renews_without_a_gap(kept, client):
    """What is published meanwhile arrives once."""
    server, everything, job = kept
    with WebSocket(server.address, path_of(job=job), headers=lines_of(everything.token(job))) as ws:
        ws.message("connected")
        seqs = []
        for n in range(20):
            everything.report(job, "t", note=str(n))
            ws.send("token", id=str(n), token=everything.token(job))
            everything.report(job, "t", note=f"{n} again")
        acks = 0
        while len(seqs) < 40 or acks < 20:
            said = ws.next()
            acks += said.type == "ack"
            if said.type == "task_update":
                seqs.append(said["seq"])
        assert seqs == list(range(2, 42))


@pytest.mark.parametrize("of", ["token", "key"])
def test_a_socket_lives_on_with_its_new_credential(serve, client, db, root, make, of):
    """The first one ends, and the socket does not."""
    old, new = make("watch,create"), make("watch,create")
    server = serve(db=db)
    everything = client(server, root)
    job = everything.create_job()["id"]
    with WebSocket(server.address, path_of(job=job), headers=lines_of(client(server, old).token(job))) as ws:
        ws.message("connected")
        ws.send("token", id="1", token=new if of == "key" else client(server, new).token(job))
        assert ws.message("ack").json == {"type": "ack", "id": "1"}
        assert everything.delete(f"/api/keys/{key_id(old)}").status == 204
        everything.report(job, "t", note="n")
        assert ws.message("task_update")["seq"] == 2
        assert everything.delete(f"/api/keys/{key_id(new)}").status == 204
        assert code_of_close(ws, 1) == 4001


def test_a_narrower_token_ends_what_it_does_not_cover(kept):
    server, everything, job = kept
    everything.create_job(id="other")
    with WebSocket(server.address, headers=lines_of(everything.key)) as ws:
        for one in (job, "other"):
            ws.subscribe(one)
        everything.report("other", "t", note="n")
        ws.message("task_update")
        ws.send("token", id="1", token=everything.token(job))
        end = ws.message("end")
        assert (end["jobId"], end["status"]) == ("other", "unsubscribed")
        said = ws.message("error")
        assert (said["status"], said["code"], said["jobId"]) == (403, "forbidden", "other")
        assert ws.message("ack")["id"] == "1"
        everything.report("other", "t", note="n")
        everything.report(job, "t", note="n")
        assert ws.message("task_update")["jobId"] == job
        ws.send("update", id="2", jobId=job, taskId="t", note="n")
        assert (said := ws.message("error"))["status"] == 403 and said["id"] == "2"
        ws.send("subscribe", jobId="other")
        assert ws.message("error")["status"] == 404


def test_a_worker_hears_of_watchers_only_as_long_as_it_may_report(kept):
    """It is told when a job that it has reported on gets its first watcher or loses the last one."""
    server, everything, job = kept
    everything.create_job(id="other")

    def watch(one):
        watcher = WebSocket(server.address, path_of(job=one), headers=lines_of(everything.key))
        watcher.message("connected")
        return watcher

    with WebSocket(server.address, headers=lines_of(everything.key)) as worker:
        for one in (job, "other"):
            worker.update(f"of-{one}", one)
        with watch("other"):
            assert worker.message("watchers").json == {"type": "watchers", "jobId": "other", "watchers": 1}
        assert worker.message("watchers")["watchers"] == 0
        worker.ask("token", "ack", id="2", token=everything.token(job, ["report"]))
        with watch("other"), watch(job):        # in this order it would be told of them
            assert worker.message("watchers").json == {"type": "watchers", "jobId": job, "watchers": 1}
        assert worker.message("watchers")["jobId"] == job
        worker.send("update", id="3", jobId="other", taskId="t")
        assert worker.message("error")["status"] == 404


def test_an_agent_is_gone_when_its_new_token_may_not_report(kept):
    """A token that may leaves it where it is."""
    server, everything, job = kept

    def agents():
        with WebSocket(server.address, path_of(job=job), headers=lines_of(everything.key)) as late:
            return [one["id"] for one in late.message("connected")["agents"]]

    with WebSocket(server.address, path_of(job=job), headers=lines_of(everything.key)) as watcher, \
            WebSocket(server.address, headers=lines_of(everything.token(job, ["report"]))) as worker:
        watcher.message("connected")
        worker.send("presence", jobId=job, agent="a", state="working")
        until(lambda: watcher.message("presence")["agents"], 5, "the agent")
        for scope, left in ((["report"], ["a"]), (["watch"], [])):
            worker.ask("token", "ack", id="1", token=everything.token(job, scope))
            until(lambda left=left: agents() == left, 5, f"the agents {left}")
        until(lambda: not watcher.message("presence")["agents"], 5, "the watcher being told")


@pytest.mark.parametrize("wrong", ["x", "x.y.z", "jl_" + "0" * 56, "changed", "ticket", "cookie", "code"])
def test_a_bad_token_message_leaves_the_old_one(kept, client, root, wrong):
    server, everything, job = kept
    token = everything.token(job)
    bad = {"changed": lambda: token[:-2] + "AA", "ticket": lambda: everything.ticket(job),
           "cookie": lambda: client(server).log_in(key=root).split("=")[1],
           "code": lambda: everything.post("/api/login-codes").json["code"]}.get(wrong, lambda: wrong)()
    with WebSocket(server.address, path_of(job=job), headers=lines_of(token)) as ws:
        ws.message("connected")
        ws.send("token", id="1", token=bad)
        said = ws.message("error")
        assert (said["status"], said["code"], said["id"]) == (401, "unauthorized", "1")
        everything.report(job, "t", note="n")
        assert ws.message("task_update")["seq"] == 2


@pytest.mark.parametrize("fields", [{}, {"token": ""}, {"token": 1}, {"token": None}, {"token": "x.y.z", "jobId": "j"}])
def test_a_token_message_that_is_not_well_formed_is_a_422(kept, fields):
    server, everything, job = kept
    with WebSocket(server.address, headers=lines_of(everything.token(job))) as ws:
        ws.send("token", id="1", **fields)
        assert ws.message("error")["status"] == 422
        assert ws.answers()


def test_a_token_of_64_kib_is_refused(serve, db, root, client):
    server = serve(db=db, max_headers=32768, max_message=131072)
    job = client(server, root).create_job()["id"]
    with WebSocket(server.address, headers=lines_of(root)) as ws:
        for size in (8192, 8193, 65536):
            ws.send("token", id="1", token="a.b." + "c" * (size - 4))
            assert ws.message("error")["status"] == 401
        assert ws.answers()
    assert client(server, "a.b." + "c" * 20000).get(f"/api/jobs/{job}").status == 401
    assert client(server, "a.b." + "c" * 65536).get(f"/api/jobs/{job}").status == 431


def test_without_keys_a_token_message_is_acknowledged(server, job):
    with WebSocket(server.address, path_of(job=job)) as ws:
        ws.message("connected")
        ws.send("token", id="1", token="anything")
        assert ws.message("ack")["id"] == "1"


# -- secrets and time ------------------------------------------------------------------------------------

def test_no_secret_is_logged(kept, client, root):
    server, everything, job = kept
    token, ticket = everything.token(job), everything.ticket(job)
    cookie = client(server).log_in(key=root)
    code = everything.post("/api/login-codes").json["code"]
    for one in (root, token, cookie, "jl_" + "s3cret" * 9):
        client(server, one).get(f"/api/jobs/{job}")
        client(server, one).get(f"/api/jobs/{job}/nothing?ticket={ticket}&token={token}")
    SseStream(server.address, job, query=f"ticket={ticket}").close()
    client(server).post("/login", {"key": "jl_" + "s3cret" * 9})
    client(server).post("/login", {"code": code})
    with WebSocket(server.address, headers=lines_of(root)) as ws:
        ws.send("token", id="1", token=token + "x")
        ws.message("error")
    server.stop()
    for secret in (root.rsplit("_", 1)[1], token, ticket, cookie.split("=")[1], code, "s3cret"):
        assert secret not in server.log()
        assert secret.rsplit(".", 1)[-1] not in server.log()
    server.start()


def median_ratio(server, token, count):
    """Alternating requests for a job of others and one that does not exist; pairs, in turns."""
    times = {"others": [], "nobody": []}
    with Raw(server.address) as raw:
        requests = {job: request("GET", f"/api/jobs/{job}", lines_of(token)) for job in times}
        for n in range(count):
            for job in (("others", "nobody") if n % 2 else ("nobody", "others")):
                began = time.perf_counter()
                raw.send(requests[job])
                reply = raw.response()
                times[job].append(time.perf_counter() - began)
                assert reply.status == 404
    medians = {job: statistics.median(taken) for job, taken in times.items()}
    return medians["others"] / medians["nobody"]


def test_a_job_of_others_takes_as_long_as_none(serve, db, root, client):
    """Medians of 10,000 alternating requests differ by less than 3 %.

    On a shared machine one run may be disturbed: it is measured up to three times, and one is enough.
    """
    server = serve(db=db, max_refusals=0)
    everything = client(server, root)
    job = everything.create_job()["id"]
    everything.create_job(id="others", metadata={"text": "x" * 10000})
    everything.burst("others", 500)
    api = client(server, everything.token(job))
    replies = [api.get(f"/api/jobs/{name}") for name in ("others", "nobody")]
    assert replies[0].body.replace(b"others", b"nobody") == replies[1].body
    assert [name for name, _ in replies[0].headers] == [name for name, _ in replies[1].headers]
    ratios = []
    for _ in range(3):
        ratios.append(median_ratio(server, api.key, 5000))
        if 1 / 1.03 < ratios[-1] < 1.03:
            return
    raise AssertionError(f"medians differ: {ratios}")
