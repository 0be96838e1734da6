"""Limits of clients: by address, by key, of all together. The addresses are told by a trusted proxy,
which the tests are, because loopback is not limited."""
import re
import signal
import time

import pytest

from support.api import Api, hook
from support.problem import assert_problem
from support.raw import Raw, ask, json_post, request
from support.sse import path_of as stream_path, stream_request
from support.wait import SCALE, Deadline, until
from support.wire import Closed
from support.ws import WebSocket, handshake
from support.keyed import Keyed, db, joblight_key, make, root   # noqa: F401  (fixtures)

ANN, BOB = "203.0.113.7", "203.0.113.8"
PROXY = {"trusted_proxy": "127.0.0.1"}
ONE_PER_SECOND = {"rate_window_ms": 5000}       # and five at once
QUOTA = 5
POLICY = re.compile(r'"([a-z-]+)";q=(\d+);w=(\d+)')
LEVEL = re.compile(r'"([a-z-]+)";r=(\d+);t=(\d+)')


def of(address):
    return f"X-Forwarded-For: {address}"


def health(*headers):
    return request("GET", "/healthz", headers)


def statuses(raw, data, count):
    """The answers to `count` equal requests, which are sent at once."""
    raw.send(data * count)
    return [raw.response().status for _ in range(count)]


def status(server, data):
    """The status of the answer on a connection of its own."""
    return ask(server.address, data).status


def fields(reply):
    """{name: (quota, window, left, seconds)} of the two fields."""
    policies = {name: (int(q), int(w)) for name, q, w in POLICY.findall(reply.header("RateLimit-Policy"))}
    levels = {name: (int(r), int(t)) for name, r, t in LEVEL.findall(reply.header("RateLimit"))}
    assert list(policies) == list(levels)
    return {name: policies[name] + levels[name] for name in policies}


def assert_limited(reply):
    assert_problem(reply, 429, "rate_limited")
    assert int(reply.header("Retry-After")) >= 1
    return int(reply.header("Retry-After"))


# -- requests ------------------------------------------------------------------------------------------

def test_an_address_has_its_requests_and_no_more(serve):
    server = serve(**PROXY, **ONE_PER_SECOND, address_requests=1)
    with Raw(server.address) as raw:
        assert statuses(raw, health(of(ANN)), QUOTA + 2) == [200] * QUOTA + [429] * 2
        assert statuses(raw, health(of(BOB)), 1) == [200], "another client of the same proxy"
    with Raw(server.address) as raw:
        assert statuses(raw, health(of(ANN)), 1) == [429], "the same client on another connection"


def test_the_refusal_says_when_to_come_back_and_it_is_true(serve):
    server = serve(**PROXY, address_requests=1, rate_window_ms=1000, max_refusals=0)
    with Raw(server.address) as raw:
        began = time.monotonic()
        raw.send(health(of(ANN)) * 2)
        assert raw.response().status == 200
        reply = raw.response()
        assert assert_limited(reply) == 1
        ms = int(re.search(r"in (\d+) ms", reply.json["detail"])[1])
        assert 0 < ms <= 1000
        until(lambda: status(server, health(of(ANN))) == 200, 5, "a second one that is let in")
        assert time.monotonic() - began > 0.9, "not before its time"
        until(lambda: statuses(raw, health(of(ANN)), 1) == [200], 5, "the next one, on the same connection")


def test_an_ordinary_answer_says_what_is_left(serve):
    server = serve(**PROXY, **ONE_PER_SECOND, address_requests=1, all_requests=2)
    with Raw(server.address) as raw:
        raw.send(health(of(ANN)) * (QUOTA + 1))
        replies = [raw.response() for _ in range(QUOTA + 1)]
    for used, reply in enumerate(replies[:QUOTA], 1):
        assert fields(reply)["address"] == (QUOTA, 5, QUOTA - used, used)
        assert fields(reply)["all"][:3] == (2 * QUOTA, 5, 2 * QUOTA - used)
    assert fields(replies[QUOTA])["address"] == (QUOTA, 5, 0, 5)


def test_without_a_limit_there_are_no_fields(server):
    reply = ask(server.address, health(of(ANN)))
    assert reply.status == 200
    assert reply.header("RateLimit") is None and reply.header("RateLimit-Policy") is None


def test_loopback_is_not_limited(serve):
    server = serve(**ONE_PER_SECOND, address_requests=1)
    with Raw(server.address) as raw:
        assert statuses(raw, health(), 20) == [200] * 20
        assert statuses(raw, health(of(ANN)), 20) == [200] * 20, "nobody is believed about addresses"


def test_an_ipv6_network_is_one_client(serve):
    server = serve(**PROXY, **ONE_PER_SECOND, address_requests=1)
    with Raw(server.address) as raw:
        for i in range(QUOTA):
            assert statuses(raw, health(of(f"2001:db8:1:2::{i + 1:x}")), 1) == [200]
        assert statuses(raw, health(of("2001:db8:1:2:3:4:5:6")), 1) == [429]
        assert statuses(raw, health(of("2001:db8:1:3::1")), 1) == [200]


def test_all_clients_together_have_a_limit(serve):
    server = serve(**ONE_PER_SECOND, all_requests=1)
    with Raw(server.address) as raw, Raw(server.address) as other:
        assert statuses(raw, health(), QUOTA + 1) == [200] * QUOTA + [429]
        assert statuses(other, health(), 1) == [429]


def test_requests_that_are_refused_for_another_reason_count_too(serve):
    server = serve(**PROXY, **ONE_PER_SECOND, address_requests=1)
    foreign = request("GET", "/api/jobs", [of(ANN)], host="evil.example")
    with Raw(server.address) as raw:
        assert statuses(raw, foreign, QUOTA + 1) == [421] * QUOTA + [429]


def test_a_limit_is_changed_while_the_server_runs(serve, tmp_path):
    settings = tmp_path / "settings"
    settings.write_text("address-requests = 1\nrate-window-ms = 5000\n")
    server = serve(**PROXY, config=settings)
    with Raw(server.address) as raw:
        assert statuses(raw, health(of(ANN)), QUOTA + 1) == [200] * QUOTA + [429]
        settings.write_text("address-requests = 100\nrate-window-ms = 5000\n")
        server.signal(signal.SIGHUP)
        until(lambda: status(server, health(of(ANN))) == 200, 0.9, "the new rate, a hundred times as fast")


# -- an EventSource, a WebSocket ------------------------------------------------------------------------

def test_an_event_source_over_its_rate_is_told_by_an_event(serve, client):
    server = serve(**PROXY, **ONE_PER_SECOND, address_requests=1)
    job = client(server).create_job()["id"]
    with Raw(server.address) as raw:
        assert statuses(raw, health(of(ANN)), QUOTA) == [200] * QUOTA
        raw.send(request("GET", stream_path(job), ["Accept: text/event-stream", of(ANN)]))
        reply = raw.response()
        assert reply.status == 200 and reply.header("Connection") == "close"
        assert b"event: refused\n" in reply.body and b'"code":"rate_limited","status":429' in reply.body
        assert int(re.search(rb"retry: (\d+)", reply.body)[1]) >= 5000
    with Raw(server.address) as raw:
        raw.send(request("GET", stream_path(job), ["Accept: */*", of(ANN)]))
        assert_limited(raw.response())


@pytest.mark.parametrize("first", [True, False], ids=["first request", "second request"])
def test_a_websocket_over_its_rate_is_refused_and_counts_once(serve, first):
    server = serve(**PROXY, **ONE_PER_SECOND, address_requests=1)
    with Raw(server.address) as raw:
        if not first:
            assert statuses(raw, health(of(BOB)), 1) == [200]
        raw.send(handshake("/api/nonsense", headers=[of(ANN)]))
        reply = raw.response()
        assert reply.status == 404
        assert fields(reply)["address"][2] == QUOTA - 1, "it was counted once"
    with Raw(server.address) as raw:
        assert statuses(raw, health(of(ANN)), QUOTA)[-1] == 429
    with Raw(server.address) as raw:
        if not first:
            assert statuses(raw, health(of(BOB)), 1) == [200]
        raw.send(handshake(headers=[of(ANN)]))
        assert_limited(raw.response())


def test_messages_of_a_websocket_count_as_requests(serve):
    server = serve(**PROXY, **ONE_PER_SECOND, address_requests=1)
    with WebSocket(server.address, headers=[of(ANN)]) as ws:
        ws.send_many([{"type": "ping"}] * (QUOTA + 1))
        assert len(ws.messages("pong", QUOTA - 1)) == QUOTA - 1
        error = ws.message("error")
        assert (error["code"], error["status"], error["retryable"]) == ("rate_limited", 429, True)
        assert 0 < error["retryAfterMs"] <= 1000


# -- updates -------------------------------------------------------------------------------------------

def test_updates_are_limited_by_address(serve, client):
    server = serve(**PROXY, **ONE_PER_SECOND, address_updates=1, address_requests=0)
    job = client(server).create_job()["id"]
    update = json_post(hook(job), b'{"taskId":"t"}', of(ANN))
    with Raw(server.address) as raw:
        raw.send(update * (QUOTA + 1))
        replies = [raw.response() for _ in range(QUOTA + 1)]
        assert [reply.status for reply in replies] == [200] * QUOTA + [429]
        assert fields(replies[0]) == {"address-updates": (QUOTA, 5, QUOTA - 1, 1)}
        assert_limited(replies[QUOTA])
        raw.send(request("GET", f"/api/jobs/{job}", [of(ANN)]))
        reply = raw.response()
        assert reply.status == 200 and reply.header("RateLimit") is None, "reading goes on"
        assert reply.json["seq"] == 1 + QUOTA, "what was refused is not stored"


def test_each_update_of_a_batch_counts(serve, client):
    server = serve(**PROXY, **ONE_PER_SECOND, address_updates=1)
    job = client(server).create_job()["id"]
    with Api(server.address) as api:
        assert api.update(job, [{"taskId": "t"}] * 4, X_Forwarded_For=ANN).status == 200
        assert_limited(api.update(job, [{"taskId": "t"}] * 4, X_Forwarded_For=ANN))
        assert api.update(job, [{"taskId": "t"}], X_Forwarded_For=ANN).status == 200
        assert api.update(job, [{"taskId": "t"}] * 20, X_Forwarded_For=BOB).status == 200, \
            "one that is larger than the quota needs a full bucket"
        assert assert_limited(api.update(job, {"taskId": "t"}, X_Forwarded_For=BOB)) > 10


def test_updates_over_a_websocket_are_limited_and_answered_in_order(serve, client):
    server = serve(**PROXY, **ONE_PER_SECOND, address_updates=1, max_refusals=0)
    job = client(server).create_job()["id"]
    with WebSocket(server.address, headers=[of(ANN)]) as ws:
        ws.send_many([{"type": "update", "id": str(i), "jobId": job, "taskId": "t"}
                      for i in range(QUOTA + 2)])
        answers = [ws.message(("ack", "error")) for _ in range(QUOTA + 2)]
        assert [answer["id"] for answer in answers] == [str(i) for i in range(QUOTA + 2)]
        assert [answer.type for answer in answers] == ["ack"] * QUOTA + ["error"] * 2
        assert (answers[-1]["code"], answers[-1]["retryable"]) == ("rate_limited", True)
        assert 0 < answers[-1]["retryAfterMs"] <= 1000

        def again():
            ws.send("update", id=str(QUOTA), jobId=job, taskId="t")
            return ws.message(("ack", "error")).type == "ack"
        until(again, 5, "the same update that is stored later")


def test_all_updates_have_a_limit(serve, client):
    server = serve(**ONE_PER_SECOND, all_updates=1)
    api = client(server)
    job = api.create_job()["id"]
    answers = [api.update(job, {"taskId": "t"}).status for _ in range(20)]
    assert answers.count(200) >= QUOTA - 1 and 429 in answers, "the creation was one, too"


# -- keys ----------------------------------------------------------------------------------------------

@pytest.fixture
def keyed(serve, db, make, root):
    """keyed(flags): a server with the keys `root` and `worker`."""
    worker = make("report,watch")

    def start(**flags):
        return serve(db=db, **flags), root, worker
    return start


def bearer(key):
    return f"Authorization: Bearer {key}"


def test_a_key_has_its_requests_wherever_they_come_from(keyed):
    server, root, worker = keyed(**ONE_PER_SECOND, key_requests=1)
    listing = lambda key: request("GET", "/api/jobs", [bearer(key)])
    with Raw(server.address) as raw, Raw(server.address) as other:
        assert statuses(raw, listing(worker), QUOTA + 1) == [200] * QUOTA + [429]
        assert statuses(other, listing(worker), 1) == [429]
        assert statuses(raw, listing(root), 1) == [200]
        raw.send(listing(worker))
        assert fields(raw.response())["key"][:3] == (QUOTA, 5, 0)


def test_a_key_has_its_updates(keyed):
    server, root, worker = keyed(**ONE_PER_SECOND, key_updates=1)
    with Keyed(server.address, root) as api:
        job = api.create_job()["id"]
    update = json_post(hook(job), b'{"taskId":"t"}', bearer(worker))
    with Raw(server.address) as raw:
        assert statuses(raw, update, QUOTA + 1) == [200] * QUOTA + [429]
        assert statuses(raw, json_post(hook(job), b'{"taskId":"t"}', bearer(root)), 1) == [200]


def test_a_key_has_its_streams(keyed):
    server, root, worker = keyed(key_streams=2)
    with Keyed(server.address, root) as api:
        job = api.create_job()["id"]
    open_one = request("GET", stream_path(job), ["Accept: */*", bearer(worker)])
    held = [Raw(server.address) for _ in range(2)]
    for raw in held:
        raw.send(open_one)
        assert raw.head_of_response(Deadline(10, "a stream"))[0] == 200
    assert_limited(ask(server.address, open_one))
    held[0].close()
    until(lambda: stream_opens(server, open_one), 5, "room for another one")
    held[1].close()


def stream_opens(server, data):
    with Raw(server.address) as raw:
        raw.send(data)
        return raw.head_of_response(Deadline(10, "an answer"))[0] == 200


def test_a_key_has_its_connections(keyed):
    server, _, worker = keyed(key_connections=2)
    listing = request("GET", "/api/jobs", [bearer(worker)])
    held = [Raw(server.address) for _ in range(2)]
    for raw in held:
        assert statuses(raw, listing, 2) == [200, 200]
    assert_limited(ask(server.address, listing))
    held[0].close()
    until(lambda: status(server, listing) == 200, 5, "room for another one")
    held[1].close()


def test_wrong_keys_are_slowed_and_the_right_one_is_not(keyed):
    server, _, worker = keyed(**PROXY, wrong_keys=3)
    wrong = worker[:-1] + ("a" if worker[-1] != "a" else "b")
    listing = lambda key, address: request("GET", "/api/jobs", [bearer(key), of(address)])
    with Raw(server.address) as raw:
        assert statuses(raw, listing(wrong, ANN), 5) == [401] * 3 + [429] * 2
        assert statuses(raw, listing(worker, ANN), 3) == [200] * 3, "the right key still works"
        raw.send(listing("nonsense", ANN))
        assert 1 <= assert_limited(raw.response()) <= 20
        assert statuses(raw, listing(wrong, BOB), 1) == [401], "another address"
        assert statuses(raw, request("GET", "/api/jobs", [of(ANN)]), 1) == [401], "no key is not a wrong one"


def test_wrong_keys_on_a_websocket_count_once_each(keyed):
    server, _, worker = keyed(**PROXY, wrong_keys=3)
    answers = [ask(server.address, handshake(headers=[bearer("jl_no"), of(ANN)])).status
               for _ in range(4)]
    assert answers == [401] * 3 + [429]


# -- connections and streams -----------------------------------------------------------------------------

def proxied(address):
    return f"PROXY TCP4 {address} 127.0.0.1 4711 80\r\n".encode()


def test_an_address_has_its_connections(serve, client):
    server = serve(**PROXY, proxy_protocol=True, address_connections=2)
    held = [Raw(server.address) for _ in range(2)]
    for raw in held:
        assert statuses(raw, proxied(ANN) + health(), 1) == [200]
    with Raw(server.address) as raw:
        raw.send(proxied(ANN) + health())
        assert_limited(raw.response())
        assert raw.rest() == b""
    refused = ask(server.address, proxied(ANN) + stream_request("j"))
    assert refused.status == 200 and b"event: refused\n" in refused.body
    assert b'"code":"rate_limited"' in refused.body
    with Raw(server.address) as silent:     # it says nothing more, and is told all the same
        silent.send(proxied(ANN))
        assert_limited(silent.response())
    assert ask(server.address, proxied(BOB) + health()).status == 200
    held[0].close()
    until(lambda: status(server, proxied(ANN) + health()) == 200, 5, "room")
    held[1].close()


def test_connections_without_a_complete_request_count(serve):
    server = serve(**PROXY, proxy_protocol=True, address_connections=2)
    held = [Raw(server.address) for _ in range(2)]
    for raw in held:
        raw.send(proxied(ANN) + b"GET /healthz HTTP/1.1\r\n")
    until(lambda: status(server, proxied(ANN) + health()) == 429, 5, "both being counted")
    for raw in held:
        raw.close()
    until(lambda: status(server, proxied(ANN) + health()) == 200, 5, "room")


def test_far_too_many_connections_are_closed_without_an_answer(serve):
    server = serve(**PROXY, proxy_protocol=True, address_connections=1)
    held = [Raw(server.address) for _ in range(1 + 64 + 8)]
    for raw in held:                # within a second, while the refused ones still wait
        raw.send(proxied(ANN))
    answers = []
    for raw in held[1:]:
        try:
            answers.append(raw.response(within=5).status)
        except Closed:
            answers.append(None)
    assert answers.count(429) >= 60 and set(answers) == {429, None}
    for raw in held:
        raw.close()


def test_an_address_has_its_streams(serve, client):
    server = serve(**PROXY, address_streams=2)
    job = client(server).create_job()["id"]
    stream = request("GET", stream_path(job), ["Accept: */*", of(ANN)])
    with WebSocket(server.address, headers=[of(ANN)]) as ws, Raw(server.address) as raw:
        raw.send(stream)
        assert raw.head_of_response(Deadline(10, "a stream"))[0] == 200
        assert_limited(ask(server.address, stream))
        assert_limited(ask(server.address, handshake(headers=[of(ANN)])))
        poll = request("GET", f"/api/jobs/{job}/updates?wait=60&since={ws.subscribe(job)['cursor']}",
                       [of(ANN)])
        began = time.monotonic()
        assert ask(server.address, poll).status == 200, "a poll is answered without waiting"
        assert time.monotonic() - began < 30
        assert stream_opens(server, request("GET", stream_path(job), [of(BOB)]))
    until(lambda: stream_opens(server, stream), 5, "room for another one")


# -- refusals in a row -----------------------------------------------------------------------------------

NOTHING = request("GET", "/api/jobs/nothing")


def test_after_50_refusals_in_a_row_a_connection_is_closed(server):
    with Raw(server.address) as raw:
        raw.send(NOTHING * 60)
        replies = [raw.response() for _ in range(50)]
        assert [reply.status for reply in replies] == [404] * 50
        assert [reply.header("Connection") for reply in replies] == [None] * 49 + ["close"]
        assert raw.rest() == b""


def test_a_request_that_is_not_refused_starts_the_count_again(serve):
    server = serve(max_refusals=4)
    with Raw(server.address) as raw:
        for _ in range(3):
            assert statuses(raw, NOTHING, 3) == [404] * 3
            assert statuses(raw, health(), 1) == [200]


def test_what_is_wrong_with_a_request_is_no_refusal(serve):
    server = serve(max_refusals=2)
    with Raw(server.address) as raw:
        assert statuses(raw, json_post("/api/jobs", b"{"), 10) == [400] * 10
        assert statuses(raw, json_post("/api/jobs", b'{"title":1}'), 10) == [422] * 10


def test_from_half_of_them_on_answers_are_slow_and_only_there(serve):
    server = serve(max_refusals=20)
    with Raw(server.address) as raw, Raw(server.address) as other:
        def took(data, count):
            began = time.monotonic()
            statuses(raw, data, count)
            return time.monotonic() - began
        took(NOTHING, 10)
        assert took(NOTHING, 3) > 0.3
        raw.send(NOTHING)
        assert statuses(other, health(), 1) == [200], "another connection does not wait"
        assert raw.response().status == 404
        raw.send(health() + NOTHING * 10)
        assert raw.response().status == 200
        assert [raw.response().status for _ in range(10)] == [404] * 10


def test_a_client_that_has_ended_its_side_gets_its_slow_answer(serve):
    server = serve(max_refusals=4)
    with Raw(server.address) as raw:
        assert statuses(raw, NOTHING, 2) == [404] * 2
        raw.send(NOTHING)
        raw.half_close()
        assert raw.response().status == 404


def test_a_stop_does_not_wait_for_slow_answers(serve):
    server = serve(max_refusals=1000)
    with Raw(server.address) as raw:
        assert statuses(raw, NOTHING, 500) == [404] * 500
        raw.send(NOTHING * 100)
        assert raw.response().status == 404
        server.stop()
        answers = raw.answers_until_close()
    assert {answer.status for answer in answers} <= {404, 503}    # those that it had not begun


@pytest.mark.parametrize("max_refusals, closes", [(2, True), (0, False)])
def test_the_number_of_refusals_is_a_setting(serve, max_refusals, closes):
    server = serve(max_refusals=max_refusals)
    with Raw(server.address) as raw:
        assert statuses(raw, NOTHING, 1) == [404]
        raw.send(NOTHING * 200)
        if closes:
            assert len(raw.answers_until_close()) == 1
        else:
            assert [raw.response().status for _ in range(200)] == [404] * 200
    server.stop()
    assert server.counted()["refused_in_a_row"] == closes


def test_a_websocket_whose_messages_are_refused_is_closed_with_4029(server, job):
    def bad(count):
        return [{"type": "update", "id": "1", "jobId": "nothing", "taskId": "t"}] * count
    with WebSocket(server.address) as ws:
        ws.send_many(bad(49))
        ws.messages("error", 49)
        ws.update("2", job)
        ws.send_many(bad(49))
        ws.messages("error", 49)
        ws.send_many(bad(1))
        assert ws.message("error")["status"] == 404
        assert ws.close_code() == 4029


def test_only_a_bearer_can_be_a_wrong_key(serve, db, make, root):
    """A proxy may ask for a password of its own, which the browser sends with every request."""
    server = serve(**PROXY, db=db, wrong_keys=2)
    basic = request("GET", "/style.css", [of(ANN), "Authorization: Basic dTpw"])
    with Raw(server.address) as raw:
        assert statuses(raw, basic, 5) == [200] * 5
    assert ask(server.address, request("GET", "/api/jobs", [of(ANN), bearer(root)])).status == 200


def test_a_renewed_socket_counts_for_its_new_key(keyed):
    server, root, worker = keyed(key_updates=1, rate_window_ms=QUOTA * 1000)
    with Keyed(server.address, root) as api:
        job = api.create_job()["id"]
        others = [api.post("/api/keys", {"scope": ["watch"]}).json["key"] for _ in range(2)]
    codes = []
    for key in others:
        with WebSocket(server.address, headers=[bearer(key)]) as ws:
            ws.ask("token", "ack", 10, id="t", token=worker)
            for i in range(QUOTA):
                ws.send("update", id=f"{key[3:9]}-{i}", jobId=job, taskId="t", note="n")
                codes.append(ws.message(("ack", "error")).json.get("code"))
    assert codes[:QUOTA] == [None] * QUOTA and codes[-1] == "rate_limited", codes


def test_a_renewed_socket_takes_a_place_of_its_new_key_or_is_closed(keyed):
    """The place of the old key is free again, whichever of both happens."""
    server, root, worker = keyed(key_streams=1)
    with Keyed(server.address, root) as api:
        job = api.create_job()["id"]
        other = api.post("/api/keys", {"scope": ["watch"]}).json["key"]
    with WebSocket(server.address, headers=[bearer(worker)]) as ws:
        with WebSocket(server.address, headers=[bearer(other)]) as refused:
            refused.send("token", id="t", token=worker)
            code, reason = refused.closed()
            assert code == 4029 and reason.startswith("this key has the maximum number of streams")
        ws.ask("token", "ack", id="t", token=other)
        until(lambda: stream_opens(server, request("GET", stream_path(job), ["Accept: */*", bearer(worker)])), 5, "a place")
        assert_limited(ask(server.address, request("GET", stream_path(job), ["Accept: */*", bearer(other)])))
        assert ws.answers()
    until(lambda: stream_opens(server, request("GET", stream_path(job), ["Accept: */*", bearer(other)])), 5, "a place")


def test_wrong_tokens_of_a_socket_are_wrong_keys(serve, db, root):
    server = serve(**PROXY, db=db, wrong_keys=3)
    with WebSocket(server.address, headers=[bearer(root), of(ANN)]) as ws:
        codes = []
        for i in range(5):
            ws.send("token", id=str(i), token="jl_wrong")
            codes.append(ws.message("error").json["code"])
    assert codes == ["unauthorized"] * 3 + ["rate_limited"] * 2
