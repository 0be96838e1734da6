"""GET /metrics: its formats, who may read it, and that every number moves by the cause that it names."""
import gzip
import os
import re
import signal
import socket
import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest

from support.api import Api, hook
from support.keyed import RIGHTS, Keyed, db, joblight_key, make, root  # noqa: F401
from support.metrics import check_went_on, parse, parse_openmetrics, scrape
from support.problem import assert_problem
from support.raw import Raw, ask, json_post, request
from support.server import ON_POSTGRES
from support.sse import SseStream, path_of as stream_path, stream_request
from support.tls import make as make_certificate
from support.wait import SCALE, Deadline, until
from support.ws import WebSocket, path_of as socket_path

ROOT = Path(__file__).parents[2]
METRICS = request("GET", "/metrics")
OPEN = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5,*/*;q=0.1"


def moved(api, name, by=1, within=5, **labels):
    """Context: the series grows by at least `by` while it runs."""
    class Moved:
        def value(self):
            metrics = scrape(api)
            return metrics.of(name, **labels) if labels else metrics[name]

        def __enter__(self):
            self.before = self.value()

        def __exit__(self, kind, *_):
            if kind is None:
                until(lambda: self.value() >= self.before + by, within, f"{name} {labels} growing by {by}")
    return Moved()


def becomes(api, name, value, **labels):
    until(lambda: scrape(api).of(name, **labels) == value, 5, f"{name} {labels} being {value}")


# -- formats -----------------------------------------------------------------------------------------------

def test_it_is_text_for_prometheus_that_no_cache_keeps(api):
    reply = api.get("/metrics")
    assert reply.header("Content-Type") == "text/plain; version=0.0.4; charset=utf-8"
    assert reply.header("Cache-Control") == "no-store" and reply.header("Vary") == "Accept, Accept-Encoding"
    assert reply.header("ETag") is None
    assert parse(reply.body.decode()).of("joblight_build_info", version="0.1.0") == 1


def test_openmetrics_is_for_who_asks(api):
    reply = api.get("/metrics", Accept=OPEN)
    assert reply.header("Content-Type") == "application/openmetrics-text; version=1.0.0; charset=utf-8"
    strict, text = parse_openmetrics(reply.body.decode()), scrape(api)
    assert strict.series.keys() == text.series.keys()
    assert strict.families["joblight_fsync_seconds"].unit == "seconds"
    assert strict.families["joblight_sent_bytes"].unit == "bytes"
    assert {family.help for family in strict.families.values()} == {family.help for family in text.families.values()}


@pytest.mark.parametrize("accept, kept", [("gzip", True), ("br, gzip;q=0.5", True), ("*", True), ("gzip;q=0", False), ("br", False)])
def test_it_is_compressed_for_who_asks(api, accept, kept):
    reply = api.get("/metrics", Accept_Encoding=accept)
    assert (reply.header("Content-Encoding") == "gzip") == kept
    assert len(reply.body) < 6000 if kept else len(reply.body) > 15000
    body = gzip.decompress(reply.body) if kept else reply.body
    assert parse(body.decode())["joblight_bus_members"] >= 1


def test_promtool_finds_nothing_wrong(api):
    done = subprocess.run(["promtool", "check", "metrics"], input=api.get("/metrics").body, capture_output=True,
                          check=False, timeout=30 * SCALE)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


def test_head_has_the_head_only(server):
    with Raw(server.address) as raw:
        raw.send(request("HEAD", "/metrics"))
        reply = raw.response(head=True)
        assert reply.status == 200 and int(reply.header("Content-Length")) > 1000
        raw.send(METRICS)
        assert raw.response().status == 200


def test_it_is_only_read(api):
    for reply in (api.post("/metrics", {}), api.delete("/metrics")):
        assert_problem(reply, 405, "method_not_allowed")
        assert reply.header("Allow") == "GET, HEAD"


def told_labels(text):
    """{label: values} of a cell of the table; None for values that stand elsewhere."""
    if not text:
        return {}
    name, values = text.split(": ", 1)
    return {name.strip("`"): re.findall(r"`([^`]+)`", values) or None}


def test_the_document_has_every_metric_with_its_type_labels_and_help(api):
    rows = re.findall(r"^\| `(\w+)` \| (\w+) \|(?: (.*?))? \| (.+) \|$", (ROOT / "docs/metrics.md").read_text(), re.M)
    shown = scrape(api)
    assert [(name, kind, told) for name, kind, _, told in rows] == [
        (family.name, family.kind, family.help) for family in shown.families.values()]
    for name, _, labels, _ in rows:
        there, told = shown.labels(name), told_labels(labels)
        assert there.keys() == told.keys(), name
        assert all(values is None or there[label] == values for label, values in told.items()), name


def test_the_document_explains_every_label(api):
    text = (ROOT / "docs/metrics.md").read_text().split("\n## The labels\n")[1]
    explained = set(re.findall(r"^- `(\w+)`", text, re.M))
    shown = scrape(api)
    labels = {label for name in shown.families for label in shown.labels(name)}
    assert labels - explained == {"type", "code", "version"}     # these need no explanation


# -- who may read them ---------------------------------------------------------------------------------------

def status(address, *headers, method="GET", host="joblight.test"):
    return ask(address, request(method, "/metrics", headers, host=host)).status


def bearer(key):
    return f"Authorization: Bearer {key}"


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("right", RIGHTS)
def test_it_needs_admin(serve, db, make, right, method):
    key = make(right)
    server = serve(db=db)
    with Keyed(server.address, key) as api:
        reply = api.request(method, "/metrics")
    assert reply.status == (200 if right == "admin" else 403)


def test_admin_of_some_jobs_is_not_enough(serve, db, make, root):
    some = make("watch,report,create,control,admin", "own-*")
    server = serve(db=db)
    with Keyed(server.address, some) as api:
        problem = assert_problem(api.get("/metrics"), 403, "forbidden")
        assert "over all jobs" in problem["detail"]
    with Keyed(server.address) as nobody, Keyed(server.address, root) as admin:
        assert_problem(nobody.get("/metrics"), 401, "unauthorized")
        assert admin.get("/metrics").status == 200
        nobody.key = admin.log_in(key=root)
        assert nobody.get("/metrics").status == 200
        foreign = nobody.request("GET", "/metrics", headers={"Sec-Fetch-Site": "cross-site"})
        assert_problem(foreign, 403, "forbidden_origin")
        admin.create_job(id="own-1")
        nobody.key = admin.token("own-1")
        assert nobody.get("/metrics").status == 403


def test_an_address_for_operators_needs_no_key(serve, db, root, tmp_path):
    path = str(tmp_path / "operators")
    server = serve(db=db, listen=["127.0.0.1:0", "127.0.0.1:0,plain,operators", f"unix:{path},operators"])
    public, operators, local = server.listening
    assert status(public) == 401
    assert status(operators) == 200
    assert status(operators, bearer("jl_" + "A" * 12 + "_" + "A" * 43)) == 200
    assert ask(operators, request("GET", "/api/jobs")).status == 401    # and nothing else
    with Raw(path) as raw:
        raw.send(METRICS)
        assert raw.response().status == 200


def test_a_web_page_gets_nothing_from_an_address_for_operators(serve, db, root):
    server = serve(db=db, listen=["127.0.0.1:0", "127.0.0.1:0,plain,operators"], origin="https://listed.example")
    _, operators = server.listening
    assert status(operators, "Sec-Fetch-Site: cross-site", "Origin: https://evil.example") == 403
    assert status(operators, "Sec-Fetch-Site: same-site") == 403
    assert status(operators, "Origin: https://evil.example") == 403
    assert status(operators, "Sec-Fetch-Site: cross-site", "Origin: https://listed.example") == 403
    assert status(operators, host="evil.example") == 421                # DNS rebinding
    assert status(operators, bearer(root), "Origin: https://listed.example", host="evil.example") == 200
    assert status(operators, "Sec-Fetch-Site: same-origin", host="localhost") == 200
    reply = ask(operators, request("GET", "/metrics", ("Origin: https://evil.example",)))
    assert "Access-Control-Allow-Origin" not in dict(reply.headers)
    assert_problem(reply, 403, "forbidden_origin")


def test_an_address_for_operators_that_others_reach_is_warned_of(serve, db, root):
    server = serve(db=db, listen=["127.0.0.1:0,operators", "0.0.0.0:0", "0.0.0.0:0,operators"])
    lines = [line for line in server.log().splitlines() if "can read the metrics" in line]
    assert len(lines) == 1 and "level=warn" in lines[0]


def test_without_keys_it_is_for_who_may_do_everything(server):
    assert status(server.address) == 200
    assert status(server.address, host="evil.example") == 421
    assert status(server.address, "Sec-Fetch-Site: cross-site") == 403
    assert status(server.address, "Origin: https://evil.example") == 403


def test_a_page_that_only_reads_jobs_reads_no_metrics(serve):
    server = serve(origin="*")
    reply = ask(server.address, request("GET", "/metrics", ("Origin: https://page.example", "Sec-Fetch-Site: cross-site")))
    assert reply.status == 403


# -- what moves by what ------------------------------------------------------------------------------------

def test_connections_are_told_by_transport(serve, client):
    server = serve()
    api = client(server)
    job = api.create_job()["id"]
    with SseStream(server.address, job) as stream, WebSocket(server.address, socket_path(job=job)) as ws, \
            Raw(server.address) as poll, Raw(server.address) as idle:
        stream.connected()
        ws.message("connected")
        cursor = api.job(job)["cursor"]
        poll.send(request("GET", f"/api/jobs/{job}/updates?wait=30&since={cursor}"))
        idle.send(request("GET", "/healthz"))
        assert idle.response().status == 200
        for transport, count in (("sse", 1), ("websocket", 1), ("poll", 1), ("http", 2)):
            becomes(api, "joblight_connections", count, transport=transport)
        shown = scrape(api)
        assert shown["joblight_open_connections"] == 5 and shown["joblight_streams"] == 3
        assert shown["joblight_max_connections"] > shown["joblight_max_streams"] > 5
        assert shown["joblight_subscribers"] == 3 and shown["joblight_accepted_connections_total"] == 5
        assert shown["joblight_channels"] >= 1
        api.report(job, "t")                # which answers the poll
        assert poll.response().status == 200
        becomes(api, "joblight_connections", 0, transport="poll")
        becomes(api, "joblight_connections", 3, transport="http")
    for transport, count in (("sse", 0), ("websocket", 0), ("http", 1)):
        becomes(api, "joblight_connections", count, transport=transport)
    assert scrape(api)["joblight_subscribers"] == 0


def test_refused_streams_and_heads_do_not_count_as_streams(serve, client):
    server = serve()
    api = client(server)
    job = api.create_job()["id"]
    with Raw(server.address) as raw:
        raw.send(request("HEAD", stream_path(job)))
        raw.response(head=True)
    with Raw(server.address) as raw:
        raw.send(request("GET", stream_path("nobody")))
        assert raw.response().status == 404
    becomes(api, "joblight_connections", 1, transport="http")
    becomes(api, "joblight_connections", 0, transport="sse")


@pytest.mark.one_node("each node counts for itself")
def test_subscriptions_are_told_by_their_verdict(server, api, job):
    def follow(since, verdict):
        with moved(api, "joblight_subscriptions_total", verdict=verdict), SseStream(server.address, job, since) as stream:
            assert stream.connected().json["resume"] == verdict

    follow(None, "fresh")
    follow(api.job(job)["cursor"], "exact")
    follow("AAAAAAAAAA.7", "reset")


def test_events_are_told_by_type(api, job):
    def events(type_):
        return moved(api, "joblight_events_total", type=type_)

    with events("task_update"):
        api.report(job, "t", note="n")
    with events("deliverable"):
        assert api.post(f"/api/jobs/{job}/deliverables", {"title": "D", "url": "https://e.example/x"}).status == 201
    with events("command"):
        assert api.post(f"/api/jobs/{job}/commands", {"command": "pause"}).status < 300
    with events("job_update"):
        api.finish(job)


@pytest.mark.one_node("each node counts for itself")
def test_deliveries_writes_rounds_and_bytes(server, api, job):
    with SseStream(server.address, job) as one, SseStream(server.address, job) as two:
        one.connected(), two.connected()
        before = scrape(api)
        for i in range(5):
            api.report(job, "t", note="n" * 1000)
            one.event(), two.event()
        after = until(lambda: (m := scrape(api))["joblight_deliveries_total"] >=
                      before["joblight_deliveries_total"] + 10 and m, 5, "10 deliveries")
    grew = {name: after[name] - before[name] for name in (
        "joblight_deliveries_total", "joblight_stream_writes_total", "joblight_rounds_total",
        "joblight_sent_bytes_total", "joblight_received_bytes_total")}
    assert grew["joblight_deliveries_total"] == 10
    assert 10 <= grew["joblight_stream_writes_total"] <= 20         # with those of presence
    assert grew["joblight_rounds_total"] >= 5
    assert grew["joblight_sent_bytes_total"] >= 10 * 1000
    assert 5 * 1000 <= grew["joblight_received_bytes_total"] < 5 * 3000


def test_messages_of_a_websocket_are_received_bytes(server, api, job):
    with WebSocket(server.address) as ws, moved(api, "joblight_received_bytes_total", by=5000):
        ws.send("update", jobId=job, taskId="t", note="n" * 5000)


def test_heartbeats(serve, client):
    server = serve(heartbeat_ms=50)
    api = client(server)
    with SseStream(server.address, api.create_job()["id"]) as stream:
        stream.connected()
        with moved(api, "joblight_heartbeats_total", by=2):
            pass


HISTOGRAMS = ("joblight_commit_to_write_seconds", "joblight_publish_to_write_seconds", "joblight_commit_seconds",
              "joblight_commit_operations", "joblight_fsync_seconds")


@pytest.mark.sqlite("PostgreSQL syncs its own files")
@pytest.mark.one_node("each node counts for itself")
def test_an_update_is_in_every_histogram_of_its_way(server, api, job):
    def counts(shown):
        waits = {f"wait of {mailbox}": shown.of("joblight_mailbox_wait_seconds_count", mailbox=mailbox)
                 for mailbox in ("writes", "reads", "commits")}
        return {**{name: shown[name + "_count"] for name in HISTOGRAMS}, **waits}

    with SseStream(server.address, job) as stream:
        stream.connected()
        before = scrape(api)
        api.report(job, "t")
        stream.event()
        api.job(job)
        until(lambda: all(count > counts(before)[name] for name, count in counts(scrape(api)).items()), 5,
              "one more in each histogram")
    after = scrape(api)
    assert after["joblight_publish_to_write_seconds_sum"] >= after["joblight_commit_to_write_seconds_sum"] > 0
    assert after["joblight_commit_seconds_sum"] > 0 and after["joblight_fsync_seconds_sum"] > 0
    assert after["joblight_commit_operations_sum"] >= after["joblight_commit_operations_count"]
    assert after["joblight_wal_bytes"] > 0


def test_a_process_that_does_not_sync_shows_none(serve, client):
    api = client(serve(durability="process"))
    before = scrape(api)["joblight_fsync_seconds_count"]
    api.create_job()
    assert scrape(api)["joblight_fsync_seconds_count"] == before


def test_the_oldest_event_counts_and_nobody_is_waited_for_twice(serve, client):
    """A job that nobody watches has no delay, however long its events lie there."""
    server = serve(linger_ms=60000)
    api = client(server)
    job = api.create_job()["id"]
    with SseStream(server.address, job) as stream:
        stream.connected()
    becomes(api, "joblight_subscribers", 0)
    before = scrape(api)
    api.report(job, "t")
    cursor = api.job(job)["cursor"]
    with SseStream(server.address, job, cursor) as stream:
        stream.connected()
        api.report(job, "t")
        stream.event()
        after = until(lambda: (m := scrape(api))["joblight_commit_to_write_seconds_count"] >
                      before["joblight_commit_to_write_seconds_count"] and m, 5, "a delay")
    assert after["joblight_commit_to_write_seconds_count"] == before["joblight_commit_to_write_seconds_count"] + 1


def test_rings_that_are_lapped_and_refilled(serve, client):
    server = serve(ring_events=4)
    api = client(server)
    job = api.create_job()["id"]
    with SseStream(server.address, job) as stream:
        stream.connected()
        with moved(api, "joblight_lapped_total"), moved(api, "joblight_refills_total"):
            api.burst(job, 40)
            for _ in range(40):
                stream.event()
        assert scrape(api)["joblight_ring_bytes"] > 0


def test_rings_that_may_not_grow(serve, client):
    server = serve(rings_bytes=65536)
    api = client(server)
    job = api.create_job()["id"]
    with SseStream(server.address, job) as stream:
        stream.connected()
        with moved(api, "joblight_cramped_rings_total"):
            api.burst(job, 100, note="n" * 2000)
        assert 0 < scrape(api)["joblight_ring_bytes"] <= 65536


def test_a_watcher_that_takes_nothing_is_a_slow_close(serve, client):
    server = serve(stall_ms=100)
    api = client(server)
    job = api.create_job()["id"]
    with SseStream(server.address, job, receive_buffer=4096) as stream:
        stream.connected()
        with moved(api, "joblight_slow_closes_total", within=20, cause="stalled"):
            for _ in range(30):
                api.burst(job, 16, note="n" * 10000)


def test_a_silent_websocket_is_a_slow_close(serve, client):
    server = serve(heartbeat_ms=50)
    api = client(server)
    with WebSocket(server.address, answer_pings=False), moved(api, "joblight_slow_closes_total", cause="silent"):
        pass


# -- refusals ----------------------------------------------------------------------------------------------

@pytest.mark.one_node("each node counts for itself")
def test_errors_are_told_by_code(server, api, job):
    def errors(code, by=1):
        return moved(api, "joblight_errors_total", by=by, code=code)

    with errors("not_found"):
        assert api.get("/api/jobs/nobody").status == 404
    with errors("invalid_json"):
        assert api.post("/api/jobs", b"{", Content_Type="application/json").status == 400
    with errors("bad_request"):
        assert ask(server.address, b"nonsense\r\n\r\n").status == 400      # before it is a request
    with errors("not_found"), WebSocket(server.address) as ws:
        ws.send("subscribe", jobId="nobody")
        assert ws.message("error")["code"] == "not_found"
    assert scrape(api).of("joblight_errors_total", code="job_full") == 0


def test_limits_of_the_server(serve, client):
    server = serve(max_streams=1, max_memory=1)
    api = client(server)
    job = api.create_job()["id"]
    with moved(api, "joblight_refusals_total", reason="memory"), moved(api, "joblight_refused_streams_total"):
        ask(server.address, stream_request(job))
    server = serve(max_streams=1)
    api = client(server)
    job = api.create_job()["id"]
    with SseStream(server.address, job) as stream:
        stream.connected()
        with moved(api, "joblight_refusals_total", reason="streams"):
            ask(server.address, stream_request(job))


def test_a_full_server_refuses_connections(serve, client):
    server = serve(max_connections=8)
    api = client(server)
    scrape(api)
    held = [socket.create_connection(server.address) for _ in range(7)]
    try:
        until(lambda: scrape(api)["joblight_open_connections"] == 8, 5, "the eighth")
        with moved(api, "joblight_refusals_total", reason="connections"):
            socket.create_connection(server.address).close()
    finally:
        for one in held:
            one.close()


PROXY = {"trusted_proxy": "127.0.0.1", "rate_window_ms": 1000}
ANN = "X-Forwarded-For: 203.0.113.7"
LIMITS = {
    "address-requests": lambda server, job, key: [request("GET", "/healthz", (ANN,))],
    "address-updates": lambda server, job, key: [json_post(hook(job), b'{"taskId":"t"}', ANN, *key)],
    "key-requests": lambda server, job, key: [request("GET", f"/api/jobs/{job}", key)],
    "key-updates": lambda server, job, key: [json_post(hook(job), b'{"taskId":"t"}', *key)],
    "all-requests": lambda server, job, key: [request("GET", "/healthz")],
    "all-updates": lambda server, job, key: [json_post(hook(job), b'{"taskId":"t"}', *key)],
    "address-streams": lambda server, job, key: [request("GET", stream_path(job), (ANN, *key))],
    "key-streams": lambda server, job, key: [request("GET", stream_path(job), key)],
    "key-connections": lambda server, job, key: [request("GET", f"/api/jobs/{job}", key)],
    "wrong-keys": lambda server, job, key: [request("GET", f"/api/jobs/{job}", (ANN, bearer("jl_no")))],
}


@pytest.mark.parametrize("limit", LIMITS)
def test_limits_of_clients(serve, db, root, limit):
    """Three clients or requests at once are more than one."""
    server = serve(db=db, listen=["127.0.0.1:0", "127.0.0.1:0,operators"], **PROXY,
                   **{limit.replace("-", "_"): 1})
    with Api(server.listening[1]) as api:
        reply = api.request("POST", "/api/jobs", {"title": "J", "id": "j"}, {"Authorization": f"Bearer {root}"})
        assert reply.status == 201
        [asked] = LIMITS[limit](server, "j", (bearer(root),))
        with moved_anew(server, limit):
            held = [Raw(server.address) for _ in range(3)]
            for raw in held:
                raw.send(asked)
            for raw in held:
                raw.head_of_response(Deadline(10, "an answer"))
            for raw in held:
                raw.close()


def moved_anew(server, limit):
    """As moved(), but tries again while it is itself limited."""
    class Moved:
        def value(self):
            def look():
                reply = ask(server.listening[1], METRICS)
                return reply.status == 200 and parse(reply.body.decode())
            return until(look, 10, "metrics").of("joblight_rate_limited_total", limit=limit)

        def __enter__(self):
            self.before = self.value()

        def __exit__(self, kind, *_):
            if kind is None:
                until(lambda: self.value() > self.before, 10, f"{limit} moving")
    return Moved()


def test_refusals_in_a_row_close(serve, client):
    server = serve(max_refusals=3)
    api = client(server)
    with moved(api, "joblight_refused_in_a_row_total"), Raw(server.address) as raw:
        for _ in range(3):
            raw.send(request("GET", "/nothing"))
            assert raw.response().status == 404


def test_failed_logins_and_keys_are_counted(serve, db, root):
    server = serve(db=db, listen=["127.0.0.1:0", "127.0.0.1:0,operators"])
    with Api(server.listening[1]) as api:
        def failures(credential):
            return moved(api, "joblight_auth_failures_total", credential=credential)

        with failures("key"):
            assert ask(server.address, request("GET", "/api/jobs", (bearer(root[:-1] + ("y" if root.endswith("x") else "x")),))).status == 401
        with failures("token"):
            assert ask(server.address, request("GET", "/api/jobs", (bearer("a.b.c"),))).status == 401
        with failures("cookie"):
            assert ask(server.address, request("GET", "/api/jobs", ("Cookie: joblight=a.b.c",), host="localhost")).status == 401
        with failures("ticket"):
            assert ask(server.address, request("GET", stream_path("j") + "?ticket=a.b.c")).status == 401
        with failures("login"):
            assert ask(server.address, request("POST", "/login", ("Content-Type: application/json",),
                                               b'{"key":"jl_%s_%s"}' % (b"A" * 12, b"A" * 43), host="localhost")).status == 401
        before = scrape(api)["joblight_auth_failures_total"]
        assert ask(server.address, request("GET", "/api/jobs")).status == 401       # shows nothing
        assert ask(server.address, request("GET", "/api/jobs", (bearer(root),))).status == 200
        assert scrape(api)["joblight_auth_failures_total"] == before


# -- files, threads, the process -----------------------------------------------------------------------------

def write(path, text):
    temporary = Path(f"{path}.new")
    temporary.write_text(text)
    os.replace(temporary, path)


def test_a_file_with_a_mistake_is_a_failed_reload_until_it_is_mended(serve, client, tmp_path):
    path = tmp_path / "joblight.conf"
    path.write_text("max-body = 1000\n")
    server = serve(config=str(path))
    api = client(server)

    def reload(text, failed):
        path.write_text(text)
        with moved(api, "joblight_reloads_total", file="config"):
            server.signal(signal.SIGHUP)
        becomes(api, "joblight_reload_failing", failed, file="config")
        return scrape(api).of("joblight_reload_failures_total", file="config")

    before = scrape(api).of("joblight_reload_failures_total", file="config")
    assert reload("max-body = 2000\n", 0) == before
    assert reload("max-bodies = 2000\n", 1) == before + 1
    assert reload("max-body = 3000\n", 0) == before + 1


def test_a_broken_file_of_keys_is_a_failed_reload(serve, client, tmp_path):
    path = tmp_path / "keys.json"
    good = '{"keys":[{"kty":"oct","kid":"k","k":"%s"}]}' % ("A" * 64)
    path.write_text(good)
    server = serve(jwt_keys=str(path), jwt_issuer="https://issuer.example", jwt_audience="joblight",
                   listen=["127.0.0.1:0", "127.0.0.1:0,operators"])
    with Api(server.listening[1]) as api:
        with moved(api, "joblight_reload_failures_total", file="jwt-keys"):
            write(path, "{")
        becomes(api, "joblight_reload_failing", 1, file="jwt-keys")
        with moved(api, "joblight_reloads_total", file="jwt-keys"):
            write(path, good)
        becomes(api, "joblight_reload_failing", 0, file="jwt-keys")


def test_a_broken_certificate_is_a_failed_reload(serve, client, tmp_path):
    certificate = make_certificate(tmp_path / "tls")
    server = serve(listen=["127.0.0.1:0,plain"], **certificate.flags())
    with Api(server.listening[0]) as api:
        with moved(api, "joblight_reload_failures_total", file="certificates"):
            write(certificate.certificate, "nothing")
        becomes(api, "joblight_reload_failing", 1, file="certificates")


def test_the_bus_has_a_member_for_each_loop(serve, client):
    server = serve(loops=2)
    api = client(server)
    shown = scrape(api)
    assert shown.of("joblight_bus_up", bus="null") == 1 and shown["joblight_bus_members"] == 2
    with moved(api, "joblight_bus_messages_total", by=2, message="commit"):     # to both loops
        job = api.create_job()["id"]
    with moved(api, "joblight_bus_messages_total", message="watchers"), SseStream(server.address, job) as stream:
        stream.connected()
    with moved(api, "joblight_bus_messages_total", message="presence"):
        assert api.post(f"/api/jobs/{job}/presence", {"agent": "a", "state": "online"}).status < 300


def test_the_canary_of_readyz_is_in_no_count_of_jobs(serve, client):
    api = client(serve(loops=2))
    names = ("joblight_events_total", "joblight_deliveries_total", "joblight_subscribers", "joblight_channels",
             "joblight_subscriptions_total", "joblight_rounds_total", "joblight_commit_to_write_seconds_count")
    commits = scrape(api)["joblight_commit_operations_count"]
    assert api.get("/readyz").status == 200
    after = scrape(api)
    assert after["joblight_commit_operations_count"] > commits       # it is a transaction, after all
    assert {name: after[name] for name in names} == dict.fromkeys(names, 0)


def test_what_several_loops_count_is_added_up(serve, client):
    server = serve(loops=2)
    api = client(server)
    job = api.create_job()["id"]
    streams = [SseStream(server.address, job) for _ in range(16)]
    for stream in streams:
        stream.connected()
    becomes(api, "joblight_connections", 16, transport="sse")
    becomes(api, "joblight_subscribers", 16)
    before = scrape(api)
    for _ in range(3):
        api.report(job, "t")
    for stream in streams:
        for _ in range(3):
            stream.event()
    until(lambda: scrape(api)["joblight_deliveries_total"] == before["joblight_deliveries_total"] + 48, 5, "48 deliveries")
    for stream in streams:
        stream.raw.close()
    becomes(api, "joblight_connections", 0, transport="sse")


def test_chores_run(serve, client):
    api = client(serve(job_retention_ms=10_000))    # a tenth of it is the period of `expire`
    chores = ["clock", "file", "silence", "expire", "prune", "space"]
    for chore in chores if ON_POSTGRES else [*chores, "checkpoint"]:    # PostgreSQL checkpoints by itself
        with moved(api, "joblight_chore_runs_total", within=10, chore=chore):
            api.create_job()                # which makes all of them due
        assert scrape(api).of("joblight_chore_failing", chore=chore) == 0


def test_messages_that_wait_are_seen(serve, client):
    """Reads of many jobs at once, more than the readers take."""
    server = serve()
    api = client(server)
    job = api.create_job()["id"]
    shown = scrape(api)
    assert shown["joblight_max_queued_writes"] == 8192 and shown["joblight_max_queued_reads"] == 65536
    asked = b"".join(json_post(hook(job), b'{"taskId":"t%d"}' % i) for i in range(50))
    raws = [Raw(server.address) for _ in range(20)]
    for raw in raws:
        raw.send(asked)
    until(lambda: scrape(api).of("joblight_mailbox_depth", mailbox="writes") > 0 or
          scrape(api).of("joblight_mailbox_wait_seconds_count", mailbox="writes") > 900, 10, "writes that wait")
    for raw in raws:
        for _ in range(50):
            assert raw.response().status == 200
        raw.close()
    for mailbox in ("writes", "reads", "commits", "answers", "peers"):
        becomes(api, "joblight_mailbox_depth", 0, mailbox=mailbox)


def test_the_process(serve, client):
    server = serve()
    api = client(server)
    shown = scrape(api)
    assert shown["process_start_time_seconds"] == pytest.approx(Path(f"/proc/{server.process.pid}").stat().st_ctime, abs=60)
    assert shown["process_resident_memory_bytes"] == pytest.approx(server.rss_kib() * 1024, rel=0.5)
    assert 0 < shown["process_resident_memory_bytes"] < shown["joblight_max_memory_bytes"]
    assert 0 < shown["process_cpu_seconds_total"] <= server.cpu_s() + 1
    assert shown["process_open_fds"] < shown["process_max_fds"]
    with moved(api, "process_cpu_seconds_total", by=0.01, within=20):
        for _ in range(300):
            api.get("/metrics")


def test_descriptors_are_counted_while_somebody_asks(serve, client):
    server = serve()
    api = client(server)
    with ExitStack() as held:
        for _ in range(50):
            raw = held.enter_context(Raw(server.address))
            raw.send(request("GET", "/healthz"))
            assert raw.response().status == 200
        until(lambda: scrape(api)["process_open_fds"] >= 50, 15, "50 more descriptors")


# -- under load ----------------------------------------------------------------------------------------------

def test_counters_never_fall_and_histograms_fit_while_they_are_counted(serve):
    """parse() checks each answer: buckets are cumulative and the last one is the count."""
    server = serve(loops=2)
    with Api(server.address) as api:
        job, stop, scrapes = api.create_job()["id"], threading.Event(), []
        streams = [SseStream(server.address, job) for _ in range(4)]
        for stream in streams:
            stream.connected()
        start = scrape(api)

        def scrape_on():
            with Api(server.address) as other:
                scrapes.append(start)
                while not stop.is_set() or len(scrapes) < 10:
                    scrapes.append(scrape(other))

        pool = ThreadPoolExecutor(1)
        scraping = pool.submit(scrape_on)
        for i in range(100):
            api.report(job, f"t{i % 7}", note=str(i))
        for stream in streams:
            for _ in range(100):
                stream.event()
            stream.raw.close()
        stop.set()
        scraping.result(30 * SCALE)
        pool.shutdown()
        end = until(lambda: (m := scrape(api))["joblight_deliveries_total"] >= start["joblight_deliveries_total"] + 400 and m, 5, "all deliveries")
    assert len(scrapes) >= 10
    for before, after in zip(scrapes, scrapes[1:]):
        check_went_on(before, after)
    assert end["joblight_deliveries_total"] - start["joblight_deliveries_total"] == 400
    assert end["joblight_events_total"] - start["joblight_events_total"] == 100
    assert end["joblight_commit_operations_sum"] - start["joblight_commit_operations_sum"] == 100


def test_who_asks_and_goes_away_holds_nothing(serve, client):
    server = serve()
    api = client(server)
    scrape(api)
    for _ in range(50):
        with socket.create_connection(server.address) as one:
            one.sendall(METRICS * 20)
    becomes(api, "joblight_connections", 1, transport="http")
    assert scrape(api)["joblight_open_connections"] == 1


def test_what_is_logged_at_the_stop_is_what_was_shown(serve, client):
    server = serve()
    api = client(server)
    job = api.create_job()["id"]
    with SseStream(server.address, job) as stream:
        stream.connected()
        api.report(job, "t")
        stream.event()
    shown = until(lambda: (m := scrape(api))["joblight_deliveries_total"] == 1 and m, 5, "the delivery")
    server.stop()
    assert server.counted()["deliveries"] == 1
    assert server.counted()["writes"] >= shown["joblight_stream_writes_total"] >= 1
    server.start()
