"""GET /api/jobs/:job/export and POST /api/imports: rights, sizes larger than every buffer, clients that go away."""
import contextlib
import hashlib
import json
import threading

import pytest

from support.api import Api
from support.keyed import joblight_key, shown
from support.raw import Raw, ask, request
from support.wait import Deadline, until
from support.wire import Closed

NDJSON = "Content-Type: application/x-ndjson"


def export(api, job):
    reply = api.get(f"/api/jobs/{job}/export")
    assert reply.status == 200, reply
    return reply


def a_large_job(api, job="large", mebibytes=6, ended=True):
    api.create_job(id=job)
    for _ in range(mebibytes * 8):
        assert api.update(job, [{"taskId": f"t{n}", "note": "x" * 8000} for n in range(16)]).status == 200
    if ended:
        api.finish(job)


def post(body, query="", *headers):
    return request("POST", f"/api/imports{query}", (NDJSON, *headers), body)


def chunked(body, size=10_000):
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in
                      (body[i:i + size] for i in range(0, len(body), size)))
    return request("POST", "/api/imports", (NDJSON, "Transfer-Encoding: chunked")) + chunks + b"0\r\n\r\n"


@pytest.fixture
def file(api, job):
    """The export of a job that is over, under an id that is free again."""
    api.burst(job, 20)
    api.finish(job)
    body = export(api, job).body
    api.delete(f"/api/jobs/{job}")
    return body


def test_an_export_is_a_file_in_chunks(api, job):
    reply = export(api, job)
    assert reply.header("Content-Type") == "application/x-ndjson"
    assert reply.header("Transfer-Encoding") == "chunked"
    assert reply.header("Content-Disposition") == f'attachment; filename="{job}.ndjson"'
    assert reply.header("Cache-Control") == "no-store"
    lines = reply.body.splitlines(keepends=True)
    assert json.loads(lines[-1])["end"]["sha256"] == hashlib.sha256(b"".join(lines[:-1])).hexdigest()


def test_a_connection_goes_on_after_an_export(server, job):
    with Raw(server.address) as raw:
        raw.send(request("GET", f"/api/jobs/{job}/export") + request("GET", f"/api/jobs/{job}"))
        assert raw.response().header("Transfer-Encoding") == "chunked"
        assert raw.response().json["id"] == job


def test_head_of_an_export_has_no_body(server, job):
    with Raw(server.address) as raw:
        raw.send(request("HEAD", f"/api/jobs/{job}/export") + request("GET", "/healthz"))
        assert raw.response(head=True).status == 200
        assert raw.response().status == 200


def test_http_1_0_gets_an_export_until_the_connection_ends(server, job):
    reply = ask(server.address, request("GET", f"/api/jobs/{job}/export", version="1.0"))
    assert reply.header("Transfer-Encoding") is None
    assert b'{"end":' in reply.body


def test_an_export_of_a_job_that_is_missing_is_404(api):
    assert api.get("/api/jobs/nobody/export").status == 404


def test_a_slow_reader_gets_an_export_larger_than_every_buffer(serve, client):
    """The server reads the next page only when the client has taken the one before."""
    server = serve()
    a_large_job(client(server), mebibytes=24)
    client(server).get("/api/jobs/large/export")            # what the memory of the process is used for, it has now
    before = server.rss_kib()
    deadline = Deadline(60, "the export")
    with Raw(server.address, receive_buffer=4096) as raw:
        raw.send(request("GET", "/api/jobs/large/export"))
        raw.head_of_response(deadline)
        chunks = raw.chunks(deadline)
        last = next(chunks)
        assert client(server).get("/healthz").status == 200
        assert server.rss_kib() - before < 4096
        for last in chunks:
            pass
    assert b'{"end":' in last


def test_an_import_larger_than_every_body_is_taken(serve, client):
    server, other = serve(), serve()
    a_large_job(client(server))
    body = export(client(server), "large").body
    assert len(body) > 6_000_000
    reply = ask(other.address, post(body), within=60)
    assert reply.status == 201, reply
    assert reply.header("Location") == "/api/jobs/large"
    assert export(client(other), "large").body == body
    reply = ask(other.address, chunked(body), within=60)
    assert reply.status == 409, reply


@pytest.mark.parametrize("size", [1, 7, 100_000])
def test_an_import_comes_in_chunks_of_any_size(server, file, size):
    assert ask(server.address, chunked(file, size)).status == 201


def test_an_import_waits_for_100_continue(server, file):
    with Raw(server.address) as raw:
        raw.send(request("POST", "/api/imports", (NDJSON, f"Content-Length: {len(file)}", "Expect: 100-continue")))
        assert raw.response().status == 100
        raw.send(file)
        assert raw.response().status == 201


def test_who_may_not_import_is_refused_before_the_body(serve, tmp_path):
    db = tmp_path / "keys.db"
    keys = {name: joblight_key("create", "--scope", scope, "--jobs", jobs, "--db", db) for name, scope, jobs in (
        ("all", "admin", "*"), ("some", "admin,watch", "mine-*"), ("watch", "watch", "*"))}
    server = serve(db=str(db))

    def line(name):
        return "Authorization: " + shown(keys[name])["Authorization"]

    head = (NDJSON, "Content-Length: 1000000", "Expect: 100-continue")
    for name, status in (("some", 403), ("watch", 403)):
        assert ask(server.address, request("POST", "/api/imports", (*head, line(name)))).status == status
    assert ask(server.address, request("POST", "/api/imports", head)).status == 401
    assert ask(server.address, request("POST", "/api/imports", (*head, line("all")))).status == 100
    for name, job, status in (("watch", "mine-1", 403), ("some", "mine-1", 404), ("some", "other", 404), ("all", "x", 404)):
        assert ask(server.address, request("GET", f"/api/jobs/{job}/export", (line(name),))).status == status


@pytest.mark.parametrize("query, status", [("?as=a%2Fb", 400), ("?as=", 400), ("?replace=yes", 400), ("?keepEpoch=1", 400),
                                           ("?replace=false&keepEpoch=false", 201)])
def test_the_query_of_an_import_is_checked(server, file, query, status):
    assert ask(server.address, post(file, query)).status == status


def test_an_import_of_another_type_is_415(server, file):
    for line in ("Content-Type: application/json", "Content-Type: text/plain", "X-Nothing: 1"):
        reply = ask(server.address, request("POST", "/api/imports", (line,), file))
        assert reply.status == 415 and "application/x-ndjson" in reply.json["detail"]


def test_an_empty_import_is_refused(server):
    reply = ask(server.address, request("POST", "/api/imports", (NDJSON, "Content-Length: 0")))
    assert (reply.status, reply.json["code"]) == (422, "invalid_import")


def test_a_damaged_import_is_answered_while_the_rest_arrives(server, api):
    """The client sends 4 MB, of which the first line is wrong."""
    reply = ask(server.address, post(b"no export\n" + b"x" * 4_000_000))
    assert (reply.status, reply.json["code"]) == (422, "invalid_import")
    assert "line 1" in reply.json["detail"] and reply.header("Connection") == "close"


def test_an_import_whose_client_goes_away_leaves_nothing(serve, client):
    """And gives its place to others: there are four."""
    server = serve(idempotency_ms=1000)
    api = client(server)
    a_large_job(api, mebibytes=1)
    body = export(api, "large").body
    api.delete("/api/jobs/large")
    for _ in range(6):
        with Raw(server.address) as raw:
            raw.send(post(body)[:len(body) // 2])
            until(lambda: api.get("/healthz").status == 200, 5, "an answer meanwhile")
    until(lambda: ask(server.address, post(body), within=20).status == 201, 20, "a place for an import")
    assert len(api.activity("large")) == json.loads(body.splitlines()[-1])["end"]["events"]


def test_too_many_imports_at_once_are_503(serve, client):
    server = serve()
    api = client(server)
    a_large_job(api, mebibytes=1)
    body = export(api, "large").body
    half = post(body)[:400_000]
    with contextlib.ExitStack() as stack:
        for _ in range(4):
            raw = stack.enter_context(Raw(server.address))
            raw.send(half)
        until(lambda: ask(server.address, post(body)).status == 503, 20, "four imports being in progress")
    reply = None

    def taken():
        nonlocal reply
        reply = ask(server.address, post(body, "?as=again"), within=20)
        return reply.status != 503
    until(taken, 20, "a place for an import")
    assert reply.status == 201, reply


def test_an_import_that_sends_nothing_for_long_is_408(serve, client):
    server = serve(body_timeout_ms=300)
    a_large_job(client(server), mebibytes=1)
    body = export(client(server), "large").body
    with Raw(server.address) as raw:
        raw.send(post(body)[:300_000])
        assert raw.response().status == 408


def test_a_stop_in_the_middle_of_an_import_is_503(serve, client):
    server = serve()
    a_large_job(client(server), mebibytes=1)
    body = export(client(server), "large").body
    with Raw(server.address) as raw:
        raw.send(post(body, "?as=copy")[:300_000])
        until(lambda: client(server).get("/healthz").status == 200, 5, "an answer")
        server.stop()
        with contextlib.suppress(Closed, ConnectionError):
            assert raw.response().status == 503
    server.start()
    assert client(server).get("/api/jobs/copy").status == 404


def test_a_job_that_goes_on_is_exported_while_it_is_written(serve, client):
    server, other = serve(), serve()
    api = client(server)
    a_large_job(api, ended=False, mebibytes=2)
    over = threading.Event()

    def write():
        with Api(server.address) as writer:
            while not over.is_set():
                writer.report("large", "t0")

    thread = threading.Thread(target=write)
    thread.start()
    try:
        body = export(api, "large").body
    finally:
        over.set()
        thread.join()
    reply = ask(other.address, post(body), within=30)
    assert reply.status == 201 and reply.json["seq"] >= 257


def test_an_import_is_in_the_audit_log_once(serve, client):
    server = serve()
    api = client(server)
    a_large_job(api, mebibytes=1)
    body = export(api, "large").body
    assert ask(server.address, post(body, "?as=copy")).status == 201
    until(lambda: "action=import_job job=copy" in server.log(), 10, "the line of the import")
    server.stop()   # after which no line comes
    assert server.log().count("action=import_job") == 1


def test_watchers_of_an_imported_job_go_on_after_their_last_event(serve, client, watch_on):
    server, other = serve(), serve()
    api = client(server)
    snapshot = api.create_job(id="moved")
    api.burst("moved", 5)
    api.finish("moved")
    assert ask(other.address, post(export(api, "moved").body)).status == 201
    watcher = watch_on(other, "moved", f"{snapshot['epoch']}.4")
    assert watcher.connected()["resume"] == "exact"
    assert [watcher.event().seq for _ in range(3)] == [5, 6, 7]


def test_an_import_below_a_path_is_found_there(serve):
    server = serve(base_path="/joblight/")
    made = ask(server.address, request("POST", "/joblight/api/jobs", ("Content-Type: application/json",),
                                       b'{"id":"j","title":"J"}'))
    assert made.header("Location") == "/joblight/api/jobs/j"
    body = ask(server.address, request("GET", "/joblight/api/jobs/j/export")).body
    reply = ask(server.address, request("POST", "/joblight/api/imports?as=k", (NDJSON,), body))
    assert (reply.status, reply.header("Location")) == (201, "/joblight/api/jobs/k")


def test_metadata_as_deep_as_a_body_may_be_comes_back(serve, client):
    """In a line of the export it is a level deeper than in the body."""
    server = serve(max_json_depth=63)
    api = client(server)
    deepest = json.loads('{"a":' * 61 + "{}" + "}" * 61)
    assert api.post("/api/jobs", {"title": "T", "metadata": {"a": deepest}}).status == 400
    job = api.create_job(metadata=deepest)["id"]
    reply = ask(server.address, post(export(api, job).body, "?as=copy"))
    assert reply.status == 201, reply
    assert api.job("copy")["metadata"] == deepest


def test_a_refusal_names_the_line_and_says_once_that_nothing_was_imported(server, file):
    detail = ask(server.address, post(file[:-30])).json["detail"]
    assert detail.startswith("line ") and detail.count("nothing was imported") == 1
