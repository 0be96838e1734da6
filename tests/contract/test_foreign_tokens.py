"""JSON Web Tokens of another issuer: --jwt-keys and what goes with it."""
import json
import signal
import time

import pytest
from cryptography.hazmat.primitives import serialization

from support.jwt import Key, write_jwks
from support.keyed import client, code_of_close, db, ends, key_id, lines_of, make, root  # noqa: F401
from support.problem import assert_problem
from support.raw import Raw, request
from support.server import ROOT, run_to_exit
from support.sse import SseStream
from support.wait import SCALE, until
from support.ws import WebSocket, path_of

ALGORITHMS = ["HS256", "RS256", "ES256", "EdDSA"]
ALL = ("watch", "report", "create", "control", "admin")


@pytest.fixture
def keys_file(tmp_path):
    return tmp_path / "keys.json"


@pytest.fixture
def issuer():
    return Key("ES256", "one")


@pytest.fixture
def kept(serve, keys_file, issuer, client):
    """(server, a client with a token for everything, a job); the server has no keys of its own."""
    server = serve(jwt_keys=write_jwks(keys_file, issuer))
    everything = client(server, issuer.token(scope=ALL))
    return server, everything, everything.create_job(id="mine")["id"]


@pytest.mark.parametrize("algorithm, form", [(algorithm, form) for algorithm in ALGORITHMS for form in ("jwks", "jwk", "pem")
                                             if (algorithm, form) != ("HS256", "pem")])     # a secret has no PEM
def test_each_algorithm_is_accepted_and_pinned_to_its_key(serve, client, keys_file, algorithm, form):
    key = Key(algorithm)
    if form == "pem":
        keys_file.write_bytes(key.pem)
    elif form == "jwk":
        keys_file.write_text(json.dumps(key.jwk))
    else:
        write_jwks(keys_file, key)
    server = serve(jwt_keys=keys_file)
    api = client(server, key.token(scope=ALL))
    job = api.create_job()["id"]
    assert api.job(job)["title"] == "Job"
    for other in ALGORITHMS + ["none", "None", "HS512", "RS512", "ES384", ""]:
        if other != algorithm:
            assert_problem(client(server, key.token(header={"alg": other})).get("/api/jobs"), 401, "unauthorized")
    stranger = Key(algorithm, secret=b"another secret that has 32 bytes")
    assert client(server, stranger.token()).get("/api/jobs").status == 401


def test_the_public_key_is_no_secret(serve, client, tmp_path):
    """HS256 with the PEM of the RSA key as its secret."""
    key = Key("RS256")
    path = tmp_path / "key.pem"
    path.write_bytes(key.pem)
    server = serve(jwt_keys=path)
    for secret in (key.pem, key.pem.strip(), key.pem.split(b"\n", 1)[1]):
        assert client(server, Key("HS256", secret=secret).token()).get("/api/jobs").status == 401
    head, claims, _ = key.token(header={"alg": "none"}).split(".")
    for text in (f"{head}.{claims}.", f"{head}.{claims}"):
        assert client(server, text).get("/api/jobs").status == 401


@pytest.mark.parametrize("claims, header, status", [
    ({"exp": None}, {}, 401), ({"exp": 0}, {}, 401), ({"exp": -1}, {}, 401), ({"exp": "4102444800"}, {}, 401),
    ({"exp": 1e300}, {}, 401), ({"exp": 4102444800.5}, {}, 200), ({"exp": 1}, {}, 401), ({"exp": True}, {}, 401),
    ({"nbf": 4102444800}, {}, 401), ({"nbf": "x"}, {}, 401), ({"nbf": 1}, {}, 200),
    ({}, {"typ": None}, 200), ({}, {"typ": "at+jwt"}, 200), ({}, {"typ": "jwt"}, 200), ({}, {"typ": "logout+jwt"}, 401),
    ({}, {"typ": "dpop+jwt"}, 401), ({}, {"typ": 1}, 401), ({}, {"crit": ["exp"]}, 401), ({}, {"crit": []}, 401),
    ({}, {"typ": "joblight+jwt"}, 401), ({}, {"kid": "two"}, 401), ({}, {"kid": None}, 200),
    ({"joblight": {"scope": "watch profile", "jobs": "*"}}, {}, 200), ({"joblight": {"scope": ["watch", "x"], "jobs": ["*"]}}, {}, 200),
    ({"joblight": {"scope": ["x"], "jobs": ["*"]}}, {}, 401), ({"joblight": {"scope": ["watch"]}}, {}, 401),
    ({"joblight": {"scope": ["watch"], "jobs": []}}, {}, 401), ({"joblight": {"scope": ["watch"], "jobs": ["a b"]}}, {}, 401),
    ({"joblight": {"scope": ["watch"], "jobs": ["*"], "commands": 1}}, {}, 401), ({"joblight": None}, {}, 401)])
def test_a_claim_decides(kept, client, issuer, claims, header, status):
    server, *_ = kept
    reply = client(server, issuer.token(claims, header)).get("/api/jobs")
    assert reply.status == status, reply
    if status == 401:
        assert "token" in assert_problem(reply, 401, "unauthorized")["detail"]


@pytest.mark.parametrize("seconds, status", [(50, 200), (75, 401)])
def test_a_token_may_begin_a_minute_ahead(kept, client, issuer, seconds, status):
    server, *_ = kept
    assert client(server, issuer.token(nbf=int(time.time()) + seconds)).get("/api/jobs").status == status


def test_the_claims_of_the_document_are_accepted(kept, client, issuer):
    server, everything, _ = kept
    text = (ROOT / "docs/protocol.md").read_text().split("### Tokens of others")[1].split("```json\n")[1].split("```")[0]
    everything.create_job(id="report")
    api = client(server, issuer.encode({"alg": "ES256"}, json.loads(text)))
    assert [job["id"] for job in api.get("/api/jobs").json["jobs"]] == ["report"]
    assert api.post("/api/jobs/report/commands", {"command": "comment"}).status == 201
    assert api.post("/api/jobs/report/commands", {"command": "cancel"}).status == 403


def test_issuer_audience_and_pointers_are_configured(serve, client, keys_file, issuer):
    server = serve(jwt_keys=write_jwks(keys_file, issuer), jwt_issuer="https://id.example/", jwt_audience="jobs",
                   jwt_scope="/https:~1~1app.example~1rights", jwt_jobs="/a/b~0c", jwt_name="/name", jwt_commands="/may")
    good = {"iss": "https://id.example/", "aud": ["x", "jobs"], "https://app.example/rights": list(ALL), "a": {"b~c": "own-*"},
            "name": "Ann", "may": ["pause"], "joblight": None}
    api = client(server, issuer.token(good))
    assert api.create_job(id="own-1")
    assert api.post("/api/jobs/own-1/commands", {"command": "pause"}).status == 201
    assert api.post("/api/jobs/own-1/commands", {"command": "cancel"}).status == 403
    assert api.activity("own-1")[-1]["actor"] == "Ann"
    assert api.post("/api/jobs", {"title": "T", "id": "x-1"}).status == 403
    assert client(server, issuer.token({**good, "aud": "jobs"})).get("/api/jobs").status == 200
    for wrong in ({"iss": None}, {"iss": "https://id.example"}, {"iss": ["https://id.example/"]}, {"aud": None}, {"aud": "job"},
                  {"aud": []}, {"aud": {"jobs": "jobs"}}, {"a": None}, {"https://app.example/rights": None}):
        assert client(server, issuer.token({**good, **wrong})).get("/api/jobs").status == 401, wrong


@pytest.mark.parametrize("flag", ["jwt_scope", "jwt_jobs", "jwt_commands", "jwt_name"])
@pytest.mark.parametrize("pointer", ["scope", "/a~2", "/a~"])
def test_a_pointer_that_is_none_stops_the_start(flag, pointer):
    code, _, err = run_to_exit(listen="127.0.0.1:0", db=":memory:", **{flag: pointer})
    assert code == 2 and f"--{flag.replace('_', '-')}" in err and pointer in err


@pytest.mark.parametrize("text", ["", "{}", "[]", "x", '{"keys":[]}', '{"keys":[{"kty":"oct","k":"c2hvcnQ"}]}',
                                  '{"keys":[{"kty":"RSA","n":"AQAB","e":"AQAB"}]}', pytest.param(" " * (256 * 1024 + 1), id="256 KiB and 1"), None])
def test_a_file_without_keys_stops_the_start(keys_file, text):
    if text is not None:
        keys_file.write_text(text)
    code, _, err = run_to_exit(listen="127.0.0.1:0", db=":memory:", jwt_keys=keys_file)
    assert code == 1 and "--jwt-keys" in err and str(keys_file) in err


def test_a_private_key_stops_the_start(keys_file):
    keys_file.write_bytes(Key("ES256").private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
    code, _, err = run_to_exit(listen="127.0.0.1:0", db=":memory:", jwt_keys=keys_file)
    assert code == 1 and "private" in err and "pubout" in err


def test_with_an_issuer_another_address_needs_no_insecure(serve, keys_file, issuer):
    assert "insecure" not in serve(jwt_keys=write_jwks(keys_file, issuer), listen="0.0.0.0:0").log()


def test_a_foreign_token_makes_tickets_and_no_tokens(kept, client, issuer):
    server, everything, job = kept
    for path in (f"/api/jobs/{job}/tokens", "/api/login-codes"):
        assert_problem(everything.post(path, {} if "tokens" in path else None), 403, "forbidden")
    assert_problem(client(server).post("/login", {"key": everything.key}), 401, "unauthorized")
    with SseStream(server.address, job, query=f"ticket={everything.ticket(job)}") as stream:
        assert stream.connected()


def test_two_tenants_are_told_apart_by_their_subject(kept, client, issuer):
    server, *_ = kept
    ann, bob = (client(server, issuer.token(scope=ALL, sub=name)) for name in ("ann", "bob"))
    body = {"title": "T", "id": "one"}
    assert ann.post("/api/jobs", body, Idempotency_Key="k").status == 201
    assert_problem(bob.post("/api/jobs", body, Idempotency_Key="k"), 409, "job_exists")
    again = client(server, issuer.token(scope=ALL, sub="ann", jti="2")).post("/api/jobs", body, Idempotency_Key="k")
    assert again.header("Idempotency-Replayed") == "true"
    other = client(server, issuer.token(scope=ALL, sub="ann", iss="https://elsewhere.example"))
    assert_problem(other.post("/api/jobs", body, Idempotency_Key="k"), 409, "job_exists")
    ann.post("/api/jobs/one/commands", {"command": "pause"})
    assert ann.activity("one")[-1]["actor"] == "ann"


# -- the end of a token -----------------------------------------------------------------------------------

def test_a_token_that_expires_ends_what_it_opened(kept, client, issuer):
    server, everything, job = kept
    cursor = everything.job(job)["cursor"]
    token = issuer.token(seconds=int(3 * SCALE))
    ticket = client(server, token).ticket(job)
    with SseStream(server.address, job, headers=lines_of(token)) as stream, \
            SseStream(server.address, job, query=f"ticket={ticket}") as by_ticket, \
            WebSocket(server.address, path_of(job=job), headers=lines_of(token)) as ws, \
            SseStream(server.address, job, headers=lines_of(everything.key)) as stays:
        for one in (stream, by_ticket, ws, stays):
            one.message("connected")
        poll = client(server, token)
        poll.begin("GET", f"/api/jobs/{job}/updates?since={cursor}&wait=30")
        assert ws.close_code(within=10) == 4001
        assert ends(stream, 2) and ends(by_ticket, 2)
        assert_problem(poll.answer(), 401, "unauthorized")
        assert_problem(client(server, token).get("/api/jobs"), 401, "unauthorized")
        assert SseStream(server.address, job, since=cursor, query=f"ticket={ticket}").status == 401
        everything.report(job, "t", note="n")
        assert stays.event().json["seq"] == 2


def test_a_renewed_socket_outlives_its_first_token(kept, issuer):
    server, everything, job = kept
    token = issuer.token(seconds=int(2 * SCALE))
    with WebSocket(server.address, path_of(job=job), headers=lines_of(token)) as ws, \
            WebSocket(server.address, path_of(job=job), headers=lines_of(token)) as not_renewed:
        for one in (ws, not_renewed):
            one.message("connected")
        ws.send("token", id="1", token=issuer.token())
        ws.message("ack")
        assert not_renewed.close_code(within=10) == 4001
        everything.report(job, "t", note="n")
        assert ws.message("task_update")["seq"] == 2


def test_a_token_that_expires_before_the_body_has_come_writes_nothing(kept, client, issuer):
    server, everything, job = kept
    token = issuer.token(scope=ALL, seconds=int(2 * SCALE))
    body = b'{"title":"Late"}'
    data = request("PATCH", f"/api/jobs/{job}", ("Content-Type: application/json", *lines_of(token)), body)
    with Raw(server.address) as raw:
        raw.send(data[:-1])
        until(lambda: client(server, token).get("/api/jobs").status == 401, 10, "the end of the token")
        raw.send(data[-1:])
        assert_problem(raw.response(), 401, "unauthorized")
    assert everything.job(job)["title"] == "Job"


# -- the file changes ---------------------------------------------------------------------------------------

def reload(server, says):
    before = server.log().count(says)
    server.signal(signal.SIGHUP)
    until(lambda: server.log().count(says) > before, 5, says)


@pytest.mark.parametrize("loops", [1, 2])
def test_a_key_that_is_taken_out_ends_what_its_tokens_opened(serve, client, keys_file, issuer, loops):
    old = Key("EdDSA", "old")
    server = serve(jwt_keys=write_jwks(keys_file, issuer, old), loops=loops)
    everything = client(server, issuer.token(scope=ALL))
    job = everything.create_job()["id"]
    token = old.token()
    ticket = client(server, token).ticket(job)
    with SseStream(server.address, job, headers=lines_of(token)) as stream, \
            SseStream(server.address, job, query=f"ticket={ticket}") as by_ticket, \
            WebSocket(server.address, path_of(job=job), headers=lines_of(token)) as ws, \
            SseStream(server.address, job, headers=lines_of(everything.key)) as stays:
        for one in (stream, by_ticket, ws, stays):
            one.message("connected")
        keys_file.write_text("{ broken")
        reload(server, "the keys of tokens were not changed")
        assert client(server, token).get("/api/jobs").status == 200
        assert server.logs(str(keys_file))
        fresh = Key("RS256", "fresh")
        write_jwks(keys_file, issuer, fresh)
        reload(server, "the keys of tokens were read again")
        assert ends(stream, 1) and ends(by_ticket, 1) and code_of_close(ws, 1) == 4001
        assert client(server, token).get("/api/jobs").status == 401
        assert client(server, fresh.token()).get("/api/jobs").status == 200
        everything.report(job, "t", note="n")
        assert stays.event().json["seq"] == 2


@pytest.mark.parametrize("name, before, after, claims", [
    ("audience", "jobs", "other", {"aud": "jobs"}), ("issuer", "https://a.example", "https://b.example", {"iss": "https://a.example"}),
    ("jobs", "/mine", "/yours", {"mine": ["*"], "joblight": {"scope": list(ALL)}})])
def test_a_rule_that_changes_ends_what_the_old_one_has_let_in(serve, client, keys_file, issuer, tmp_path, name, before, after, claims):
    settings = tmp_path / "joblight.conf"
    settings.write_text(f"jwt-{name} = {before}\n")
    server = serve(config=settings, jwt_keys=write_jwks(keys_file, issuer))
    token = issuer.token(claims, scope=ALL)
    job = client(server, token).create_job()["id"]
    with SseStream(server.address, job, headers=lines_of(token)) as stream:
        stream.message("connected")
        reload(server, "the keys of tokens were read again")
        client(server, token).report(job, "t", note="n")
        assert stream.event().json["seq"] == 2
        settings.write_text(f"jwt-{name} = {after}\n")
        reload(server, "the keys of tokens were read again")
        assert client(server, token).get("/api/jobs").status == 401
        assert ends(stream, 1)


def test_a_file_that_is_gone_changes_nothing(kept, keys_file):
    server, everything, _ = kept
    keys_file.unlink()
    reload(server, "the keys of tokens were not changed")
    assert everything.get("/api/jobs").status == 200


def test_keys_of_the_server_and_of_the_issuer_work_side_by_side(serve, db, root, client, keys_file, issuer):
    server = serve(db=db, jwt_keys=write_jwks(keys_file, issuer))
    own, foreign = client(server, root), client(server, issuer.token())
    job = own.create_job()["id"]
    for api in (own, foreign, client(server, own.token(job)), client(server, client(server).log_in(key=root))):
        assert api.get(f"/api/jobs/{job}").status == 200
    assert client(server).get("/api/jobs").status == 401


def test_the_tries_of_keys_without_a_name_reach_the_last_of_four(serve, client, keys_file):
    many = [Key("EdDSA") for _ in range(5)]
    server = serve(jwt_keys=write_jwks(keys_file, *many[:4]))
    for key in many[:4]:
        assert client(server, key.token()).get("/api/jobs").status == 200
    write_jwks(keys_file, *many)
    reload(server, "the keys of tokens were not changed")
    assert server.logs("kid of its own")
    code, _, err = run_to_exit(listen="127.0.0.1:0", db=":memory:", jwt_keys=keys_file)
    assert code == 1 and "kid of its own" in err


def test_a_token_without_a_name_is_told_to_name_its_key(serve, client, keys_file):
    many = [Key("EdDSA", str(n)) for n in range(32)]
    server = serve(jwt_keys=write_jwks(keys_file, *many))
    assert client(server, many[-1].token()).get("/api/jobs").status == 200
    for header, says in (({"kid": None}, "does not name its key by kid"), ({"kid": "x"}, "no key of this server")):
        problem = assert_problem(client(server, many[-1].token(header=header)).get("/api/jobs"), 401, "unauthorized")
        assert says in problem["detail"]


def test_the_first_key_may_be_a_weak_one_where_an_issuer_makes_admins(kept, client):
    """Without an issuer, the first key must be able to make others."""
    server, everything, job = kept
    with WebSocket(server.address, path_of(job=job), headers=lines_of(everything.key)) as ws:
        ws.message("connected")
        made = everything.post("/api/keys", {"scope": ["watch"], "jobs": [job], "expiresIn": 3600})
        assert made.status == 201, made
        weak = client(server, made.json["key"])
        assert weak.job(job)["id"] == job
        assert weak.post("/api/keys", {"scope": ["watch"]}).status == 403
        assert client(server).get("/api/jobs").status == 401
        everything.report(job, "t", note="n")           # the tokens of the issuer are still in force
        assert ws.message("task_update")["seq"] == 2
        assert everything.post("/api/keys", {"scope": ["admin"]}).status == 201
        assert everything.delete(f"/api/keys/{key_id(made.json['key'])}").status == 204
        assert weak.get("/api/jobs").status == 401


def test_the_first_key_needs_the_right_to_manage_keys_where_there_is_an_issuer(kept, client, issuer):
    server, _, job = kept
    for scope, jobs in ((("create", "control"), ("*",)), (("admin",), (job,))):
        weak = client(server, issuer.token(scope=scope, jobs=jobs))
        assert_problem(weak.post("/api/keys", {"scope": ["watch"]}), 403, "forbidden")
    assert_problem(client(server).post("/api/keys", {"scope": ["admin"]}), 401, "unauthorized")
