"""The log: its formats, one line for each request, how often one cause is told, and who waits for its reader."""
import os
import re
import resource
import signal

import pytest

from support.api import Api
from support.keyed import Keyed, joblight_key, key_id, lines_of as headers_of
from support.logs import PARSERS, lines_of, parse_json_line, parse_logfmt, requests_of
from support.raw import Raw, ask, request
from support.server import SETTING, Server, run_to_exit
from support.sse import SseStream
from support.wait import Deadline, readable, until
from support.ws import WebSocket, handshake

FORMATS = list(PARSERS)
SECRET = "hunter2Secret"


def sees(server, count, form="logfmt", within=5):
    """The lines of the first `count` requests, once they are there."""
    until(lambda: len(requests_of(server.log(), form)) >= count, within, f"{count} lines of requests")
    return requests_of(server.log(), form)


def without(line, *names):
    return {name: value for name, value in line.items() if name not in ("time", "level", "msg", *names)}


# -- the formats -----------------------------------------------------------------------------------------

@pytest.mark.parametrize("form", FORMATS)
def test_every_line_has_the_format_that_was_chosen(serve, form, monkeypatch):
    monkeypatch.setitem(SETTING, "JOBLIGHT_PORT", "tcp://10.0.0.7:3001")     # told before anything else
    server = serve(log_format=form, log_requests=True, verbose=True, audit_log=None)
    with Api(server.address) as api:
        api.create_job(id="j")
    server.signal(signal.SIGHUP)
    until(lambda: "read again" in server.log(), 5, "the reload")
    server.stop()
    lines = lines_of(server.log(), form)
    assert {"serving", "audit", "request", "stopping", "counted", "stopped"} <= {line["msg"] for line in lines}
    assert any("ignored" in line["msg"] for line in lines)
    for line in lines:
        assert list(line)[:3] == ["time", "level", "msg"]
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line["time"])
        assert line["level"] in ("debug", "info", "warn", "error")
    server.start()


def test_another_format_is_an_error_that_names_those_there_are():
    code, out, err = run_to_exit(listen="127.0.0.1:0", db=":memory:", log_format="xml")
    assert code == 2 and out == "" and '--log-format: "xml" is not valid: it must be logfmt or json' in err


@pytest.mark.parametrize("form", FORMATS)
def test_a_value_is_read_back_as_it_was_written(serve, form):
    """The name of a key may have anything; what is not ASCII is escaped as in JSON."""
    name = 'a "quoted"\\ name=x \t\u00e9\u2028\U0001f600 {[<'
    server = serve(log_format=form)
    with Api(server.address) as api:
        reply = api.post("/api/keys", {"name": name, "scope": ["admin"], "jobs": ["*"]})
        assert reply.status == 201, reply
    with Keyed(server.address, reply.json["key"]) as named:
        assert named.post("/api/keys", {"name": "b", "scope": ["watch"], "jobs": ["*"]}).status == 201
    until(lambda: server.log().count("create_key") == 2, 5, "the second key")
    assert lines_of(server.log(), form)[-1]["name"] == name
    assert server.log().isascii()


@pytest.mark.parametrize("form", FORMATS)
def test_the_file_of_the_audit_log_has_the_same_format(serve, form, tmp_path):
    log = tmp_path / "audit.log"
    server = serve(log_format=form, audit_log=log)
    with Api(server.address) as api:
        api.create_job(id="j")
    assert [line["action"] for line in lines_of(log.read_text(), form)] == ["create_job"]


@pytest.mark.parametrize("form", FORMATS)
def test_a_count_is_a_number(serve, form):
    server = serve(log_format=form)
    with Raw(server.address) as raw:
        for _ in range(12):
            raw.send(request("GET", "/api/jobs", host="evil.example"))
            assert raw.response().status == 421
    server.stop()
    assert sum(line.get("suppressed", 1) for line in lines_of(server.log(), form) if line["msg"] == "audit") == 12
    server.start()


# -- the journal of systemd ---------------------------------------------------------------------------------

def journal_of(path):
    status = path.stat()
    return f"{status.st_dev}:{status.st_ino}"


@pytest.mark.parametrize("form", FORMATS)
def test_the_journal_gets_priorities_and_no_time(tmp_path, monkeypatch, form):
    server = Server(tmp_path / "s", log_format=form, audit_log=tmp_path / "audit.log", listen="0.0.0.0:0", insecure=True)
    server.stderr.touch()
    monkeypatch.setitem(SETTING, "JOURNAL_STREAM", journal_of(server.stderr))
    server.start()
    with Api(server.address) as api:
        api.create_job(id="j")
    server.stop()
    lines = [(line[:3], PARSERS[form](line[3:])) for line in server.log().splitlines()]
    assert {("<6>", "info"), ("<4>", "warn")} == {(priority, line["level"]) for priority, line in lines}
    assert all("time" not in line for _, line in lines)
    assert "time" in lines_of((tmp_path / "audit.log").read_text(), form)[0]


@pytest.mark.parametrize("stream", ["1:1", "", "x", "8:", "99999999999999999999:1"])
def test_the_journal_of_somebody_else_changes_nothing(serve, monkeypatch, stream):
    """The variable is inherited by children whose standard error is something else."""
    monkeypatch.setitem(SETTING, "JOURNAL_STREAM", stream)
    server = serve()
    until(server.log, 5, "a line")
    assert "time" in lines_of(server.log())[0]


# -- one line for each request ----------------------------------------------------------------------------------

@pytest.mark.parametrize("form", FORMATS)
def test_a_request_has_a_line(tmp_path, serve, form):
    db = tmp_path / "keys.db"
    key = joblight_key("create", "--scope", "watch,report,create", "--name", "ci", "--db", db)
    server = serve(db=str(db), log_format=form, log_requests=True)
    by = {"client": "127.0.0.1", "key": key_id(key), "name": "ci"}
    with Keyed(server.address, key) as api:
        made = api.post("/api/jobs", {"id": "j", "title": "J"}, X_Request_Id="req-1")
        task = api.put("/api/jobs/j/tasks/t?x=1", {"status": "in_progress"}, X_Request_Id="req-2")
        assert api.request("HEAD", "/api/jobs/j", headers={"X-Request-Id": "req-3"}).status == 200
        assert api.get("/api/jobs/none?token=x", X_Request_Id="req-4").status == 404
        assert api.get("/nowhere", X_Request_Id="req-5").status == 404
        named = api.post("/api/jobs", {"title": "J"}, X_Request_Id="req-6").json["id"]
        assert api.delete("/api/jobs/j", X_Request_Id="req-7").status == 403
    lines = sees(server, 7, form)
    assert [without(line, "bytes", "duration_us") for line in lines] == [
        {"method": "POST", "route": "/api/jobs", "path": "/api/jobs", "status": 201, **by, "request": "req-1", "job": "j"},
        {"method": "PUT", "route": "/api/jobs/:job/tasks/:task", "path": "/api/jobs/j/tasks/t", "status": 201, **by,
         "request": "req-2", "job": "j", "task": "t"},
        {"method": "HEAD", "route": "/api/jobs/:job", "path": "/api/jobs/j", "status": 200, **by, "request": "req-3", "job": "j"},
        {"method": "GET", "route": "/api/jobs/:job", "path": "/api/jobs/none", "status": 404, **by, "request": "req-4", "job": "none"},
        {"method": "GET", "path": "/nowhere", "status": 404, **by, "request": "req-5", "route": "/*"},
        {"method": "POST", "route": "/api/jobs", "path": "/api/jobs", "status": 201, **by, "request": "req-6", "job": named},
        {"method": "DELETE", "route": "/api/jobs/:job", "path": "/api/jobs/j", "status": 403, **by, "request": "req-7", "job": "j"}]
    for reply, line in zip((made, task), lines):
        assert len(reply.body) < line["bytes"] < len(reply.body) + 1000 and 0 < line["duration_us"] < 60_000_000
    assert lines[2]["bytes"] < 1000


def test_without_the_setting_no_request_has_a_line(serve):
    server = serve()
    with Api(server.address) as api:
        api.create_job(id="j")
    server.stop()
    assert not requests_of(server.log()) and lines_of(server.log())
    server.start()


def test_a_stream_and_a_websocket_have_their_line_when_they_end(serve, client):
    server = serve(log_requests=True)
    client(server).create_job(id="j")
    sees(server, 1)
    stream, ws = SseStream(server.address, "j"), WebSocket(server.address, "/api/ws?job=j")
    stream.block(5, "the first message")
    ws.message("connected")
    assert len(requests_of(server.log())) == 1
    stream.close()
    line = sees(server, 2)[1]
    assert (line["route"], line["path"], line["status"], line["job"]) == (
        "/api/jobs/:job/task-events", "/api/jobs/j/task-events", 200, "j")
    assert line["bytes"] > 200 and "unfinished" not in line
    ws.close()
    line = sees(server, 3)[2]
    assert (line["method"], line["route"], line["status"]) == ("GET", "/api/ws", 101)
    assert line["bytes"] > 100 and "unfinished" not in line


def test_a_websocket_that_the_server_closes_is_not_unfinished(serve):
    server = serve(log_requests=True)
    with WebSocket(server.address) as ws:
        ws.send("nope")
        assert ws.close_code() == 4400
    line = sees(server, 1)[0]
    assert line["status"] == 101 and "unfinished" not in line


def test_the_end_of_a_job_and_of_the_server_end_streams_with_their_line(serve, client):
    server = serve(log_requests=True)
    client(server).create_job(id="j")
    client(server).create_job(id="k")
    streams = [SseStream(server.address, job) for job in ("j", "k")]
    for stream in streams:
        stream.block(5, "the first message")
    assert client(server).finish("j")
    assert [line["job"] for line in sees(server, 4) if line["route"].endswith("events")] == ["j"]
    server.stop()
    assert [line["job"] for line in requests_of(server.log()) if line["route"].endswith("events")] == ["j", "k"]
    server.start()


def test_a_client_that_leaves_before_its_answer_has_a_line_that_says_so(serve):
    server = serve(log_requests=True)
    with Raw(server.address) as raw:
        raw.send(request("GET", "/healthz"))
        raw.response()      # reads what TLS sends after its handshake; unread, it would make the close a reset
        raw.send(b"POST /api/jobs HTTP/1.1\r\nHost: a\r\nX-Request-Id: leaves\r\nContent-Length: 5\r\n\r\n{")
    line = sees(server, 2)[1]
    assert line["request"] == "leaves" and line["unfinished"]
    assert "status" not in line and line["bytes"] == 0


@pytest.mark.parametrize("first", [True, False], ids=["first", "on a kept connection"])
@pytest.mark.parametrize("data, status", [
    (b"nonsense\r\n\r\n", 400), (b"GET / HTTP/1.1\r\n\r\n", 400), (b"BREW /pot HTTP/1.1\r\nHost: a\r\n\r\n", 405),
    (b"POST /api/jobs HTTP/1.1\r\nHost: a\r\n\r\n", 411), (b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\nHost: a\r\n\r\n", 414),
    (handshake(version="12", host="a"), 426)])
def test_a_request_that_is_refused_at_once_has_a_line(serve, data, status, first):
    server = serve(log_requests=True)
    with Raw(server.address) as raw:
        if not first:
            raw.send(request("GET", "/healthz"))
            assert raw.response().status == 200
        raw.send(data)
        assert raw.response().status == status
    line = sees(server, 1 if first else 2)[-1]
    assert (line["status"], line["client"]) == (status, "127.0.0.1")


def test_one_that_is_late_or_one_too_many_has_a_line(serve):
    server = serve(log_requests=True, body_timeout_ms=200, max_connections=95, loops=1)
    with Raw(server.address) as raw:
        raw.send(b"POST /api/jobs HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n{")
        assert raw.response().status == 408
    assert sees(server, 1)[0]["status"] == 408
    held = [Raw(server.address) for _ in range(95)]
    for one in held:
        one.send(request("GET", "/healthz"))
        one.response()
    assert ask(server.address, request("GET", "/healthz")).status == 503
    assert [line["status"] for line in sees(server, 97)][-1] == 503
    for one in held:
        one.close()


def test_a_refused_request_is_not_that_of_the_key_before_it(tmp_path, serve):
    db = tmp_path / "keys.db"
    key = joblight_key("create", "--scope", "watch", "--db", db)
    server = serve(db=str(db), log_requests=True)
    with Raw(server.address) as raw:
        raw.send(request("GET", "/api/jobs", headers_of(key)))
        assert raw.response().status == 200
        raw.send(b"GET /api/jobs HTTP/1.1\r\n\r\n")
        assert raw.response().status == 400
    lines = sees(server, 2)
    assert "key" in lines[0] and "key" not in lines[1]


def test_the_client_is_the_one_that_a_trusted_proxy_tells(serve):
    server = serve(log_requests=True, trusted_proxy="127.0.0.1")
    with Api(server.address) as api:
        for number in (7, 8):
            api.get("/healthz", X_Forwarded_For=f"203.0.113.{number}")
    assert [line["client"] for line in sees(server, 2)] == ["203.0.113.7", "203.0.113.8"]


# -- the id of a request -----------------------------------------------------------------------------------------

@pytest.mark.parametrize("sent, taken", [
    (["X-Request-Id: abc-123"], "abc-123"), (["Request-Id: r"], "r"), (["X-Request-Id: x", "Request-Id: r"], "x"),
    (["X-Request-Id: " + "x" * 128], "x" * 128), (["X-Request-Id: " + "x" * 129], None), (["X-Request-Id: a b"], None),
    (["X-Request-Id: a\u00e9"], None), (["X-Request-Id:"], None), (['X-Request-Id: a"b'], None), ([], None),
    (["X-Request-Id: a", "X-Request-Id: b"], None), (["X-Request-Id: a b", "Request-Id: r"], "r"),
    (["X-Request-Id: Root=1-67891233-abcdef012345678912345678"], "Root=1-67891233-abcdef012345678912345678")])
def test_a_request_has_the_id_that_was_sent_or_one_that_is_made(server, sent, taken):
    for target, status in (("/healthz", 200), ("/api/jobs/none", 404)):
        reply = ask(server.address, request("GET", target, sent))
        made = reply.header("X-Request-Id")
        assert reply.status == status
        assert made == taken if taken else re.fullmatch(r"[0-9a-f]{16}-[0-9a-f]+", made)


def test_every_request_has_another_id_and_streams_have_one(serve, client):
    server = serve()
    client(server).create_job(id="j")
    ids = [client(server).get("/healthz").header("X-Request-Id") for _ in range(3)]
    assert len(set(ids)) == 3
    with Raw(server.address) as raw:
        raw.send(request("GET", "/api/jobs/j/task-events", ["X-Request-Id: stream"]))
        _, headers = raw.head_of_response(Deadline(5, "the stream"))
    assert dict(headers)["X-Request-Id"] == "stream"
    server.restart()
    assert client(server).get("/healthz").header("X-Request-Id") not in ids


# -- secrets -------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("form", FORMATS)
def test_no_line_of_a_request_has_a_secret(serve, tmp_path, form):
    """One is planted in every place that a client can write to, but its own id of a request."""
    file = tmp_path / "first.key"
    first = f"jl_{SECRET[:12]:0<12}_" + ("S3cretOfTheKeyFile" * 3)[:43]
    file.write_text(first)
    server = serve(key_file=file, log_requests=True, log_format=form, verbose=True, host=None)
    with Keyed(server.address, first) as api:
        api.create_job(id="j")
        token, ticket = api.token("j"), api.ticket("j")
        assert api.post("/api/jobs", {"title": SECRET, "metadata": {SECRET: SECRET}}, Idempotency_Key=SECRET).status == 201
        assert api.get(f"/api/jobs?token={SECRET}&{SECRET}").status == 200
        assert api.get(f"/api/jobs/{first}").status == 404
        assert api.get(f"/{token}").status == 404
        assert api.put(f"/api/jobs/j/tasks/{first}", {}).status in (200, 201)
    with Api(server.address) as browser:
        reply = browser.post("/login", {"key": first})
        cookie = reply.header("Set-Cookie").split(";")[0]
        assert browser.get("/api/jobs/j", Cookie=cookie).status == 200
    SseStream(server.address, "j", query=f"ticket={ticket}").close()
    with WebSocket(server.address, f"/api/ws?ticket={SECRET}", headers=headers_of(first)) as ws:
        ws.send("token", id="1", token=token)
        ws.next()
    for path in (f"/{SECRET}", f"/jobs/{SECRET}", f"/api/jobs/{SECRET}", f"/api/jobs/{SECRET}/tasks/{SECRET}",
                 f"/api/jobs?token={SECRET}", f"http://{SECRET}.example/", f"/%{SECRET}", f"/{first}", f"/jobs/{token}"):
        for headers in ((f"Authorization: Bearer {SECRET}",), (f"Cookie: joblight={SECRET}",), (f"Referer: /{SECRET}",),
                        (f"User-Agent: {SECRET}",), (f"X-Forwarded-For: {SECRET}",), (f"X-Request-Id: a {SECRET}",),
                        (f"traceparent: {SECRET}",)):
            for method in ("GET", "PUT", "OPTIONS", SECRET):
                ask(server.address, request(method, path, headers))
    ask(server.address, handshake(f"/api/ws?token={SECRET}&job={SECRET}"))
    server.stop()
    assert len(requests_of(server.log(), form)) > 200
    secrets = [SECRET, first.split("_", 2)[2], token, token.split(".")[1], token.split(".")[2], ticket, cookie.split("=", 1)[1]]
    for secret in secrets:
        assert secret.lower() not in server.log().lower().replace(f"jl_{SECRET[:12]:0<12}".lower(), "")
    server.start()


# -- a flood, and a reader that does not read --------------------------------------------------------------------

def test_a_flood_of_one_cause_is_counted_and_hides_no_other(serve, tmp_path):
    config = tmp_path / "joblight.conf"
    config.write_text("max-note = 20\n")
    server = serve(config=config)

    def suppressed():
        return [line["suppressed"] for line in lines_of(server.log())
                if line["msg"] == "the configuration was read again" and "suppressed" in line]
    deadline = Deadline(10, "a line that says how many were left out")
    while not suppressed():
        deadline.left()
        server.signal(signal.SIGHUP)
    config.write_text("max-note = no number\n")
    server.signal(signal.SIGHUP)
    until(lambda: "the configuration has a mistake" in server.log(), 5, "the other cause")
    stamps = [line["time"][:19] for line in lines_of(server.log())
              if line["msg"] == "the configuration was read again" and "suppressed" not in line]
    assert max(stamps.count(stamp) for stamp in stamps) <= 20       # a second of the limit may begin in the middle


class Piped(Server):
    """Its standard error is a pipe that the test reads, or does not."""

    def __init__(self, folder, **options):
        super().__init__(folder, **options)
        os.mkfifo(self.stderr)
        self.reader = os.open(self.stderr, os.O_RDONLY | os.O_NONBLOCK)
        self.text = b""

    def read(self):
        while True:
            try:
                piece = os.read(self.reader, 65536)
            except BlockingIOError:
                return self.text.decode()
            if not piece:
                return self.text.decode()
            self.text += piece

    def log(self):
        return self.text.decode()


@pytest.fixture
def piped(tmp_path):
    server = Piped(tmp_path / "piped", log_requests=True, max_refusals=0)
    yield server.start()
    if server.process:
        server.stop()


LONG = "/" + "long" * 900       # the path is in the line


def ask_many(server, count):
    with Api(server.address, within=5) as api:
        for _ in range(count):
            assert api.get(LONG).status == 404


def test_a_reader_that_does_not_read_holds_up_nobody_and_what_is_lost_is_counted(piped):
    ask_many(piped, 600)        # 2 MiB of lines: more than the pipe and the queue have
    with Api(piped.address) as api:
        api.create_job(id="j")

    def told():
        return "lines of the log are lost" in piped.read()
    until(told, 5, "that lines were lost")
    until(lambda: "action=create_job" in piped.read(), 5, "a line that is more than a request's")
    lines = lines_of(piped.log())
    lost = sum(line["lost"] for line in lines if "lost" in line)
    assert len([line for line in lines if line["msg"] == "request"]) + lost in (601, 602)
    assert lost > 100


def test_a_stop_does_not_wait_for_a_reader_that_does_not_read(piped):
    ask_many(piped, 50)
    piped.stop()


def test_a_reader_that_has_gone_stops_nothing(piped):
    os.close(piped.reader)
    ask_many(piped, 50)
    piped.reader = os.open(piped.stderr, os.O_RDONLY | os.O_NONBLOCK)      # another one comes
    ask_many(piped, 50)
    until(lambda: piped.read().count("msg=request") >= 50, 5, "the lines after it")
    lost = [line["lost"] for line in lines_of(piped.log()[piped.log().index("time="):]) if "lost" in line]
    assert sum(lost) + piped.log().count("msg=request") >= 100


def test_a_full_disk_stops_nothing_and_what_is_lost_is_counted(serve):
    server = serve(log_requests=True, max_refusals=0, db=":memory:")
    ask_many(server, 1)
    sees(server, 1)
    half = server.stderr.stat().st_size + 100
    resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (half, resource.RLIM_INFINITY))
    ask_many(server, 20)
    until(lambda: server.stderr.stat().st_size == half, 5, "the full disk")
    resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)
    until(lambda: "lines of the log are lost" in server.log(), 5, "that lines were lost")
    whole, torn = [], []
    for line in server.log().splitlines():
        try:
            whole.append(parse_logfmt(line))
        except AssertionError:
            torn.append(line)
    assert len(torn) <= 1
    assert len(torn) + len([line for line in whole if line["msg"] == "request"]) + sum(
        line.get("lost", 0) for line in whole) in (21, 22)


def test_a_line_is_flushed_when_a_second_signal_ends_the_server(piped):
    stream = Raw(piped.address)
    stream.send(b"POST /api/jobs HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n{")
    until(lambda: "serving" in piped.read(), 5, "the start")
    piped.signal(signal.SIGTERM)
    until(lambda: "stopping" in piped.read(), 5, "the first signal")
    deadline = Deadline(10, "the second signal")
    while piped.alive:
        deadline.left()
        piped.signal(signal.SIGTERM)
    stream.close()
    code = piped.gone()
    assert code == 0 or "stopped at once by a second signal" in piped.read()
