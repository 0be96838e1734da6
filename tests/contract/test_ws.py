"""WebSocket: the upgrade, subscriptions, workers on sockets, commands, filters, closing.

What a subscription delivers is tested with the other transports in test_delivery.py; here is what
only a socket has.
"""
import re
import signal

import pytest

from support.api import compact
from support.history import log_with_texts
from support.problem import assert_problem
from support.raw import Raw, ask, request
from support.sse import SseStream
from support.wait import Deadline, until
from support.watcher import PollWatcher
from support.ws import PATH, PING, PROTOCOL, WebSocket, handshake, path_of

DEPTH = 64
ARGS = 16 * 1024
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


@pytest.fixture
def socket(server):
    """socket(**query): an open WebSocket of the file's server, closed at the end of the test."""
    opened = []

    def open_one(on=server, protocol=None, answer_pings=True, receive_buffer=None, **query):
        opened.append(WebSocket(on.address, path_of(**query), protocol, answer_pings=answer_pings,
                                receive_buffer=receive_buffer))
        return opened[-1]

    yield open_one
    for one in opened:
        one.close()


@pytest.fixture
def ws(socket):
    return socket()


def update(key, job, task="t", **fields):
    return {"type": "update", "id": key, "jobId": job, "taskId": task, **fields}


def seq_of(cursor):
    return int(cursor.split(".")[1])


# -- the upgrade ----------------------------------------------------------------------------------

def test_without_a_subprotocol_none_is_chosen(socket):
    assert socket().protocol is None


@pytest.mark.parametrize("offer", [PROTOCOL, f"chat, {PROTOCOL}", f"{PROTOCOL}, chat",
                                   f"a,b,{PROTOCOL}"])
def test_the_subprotocol_is_chosen_from_what_is_offered(socket, offer):
    ws = socket(protocol=offer)
    assert ws.protocol == PROTOCOL
    assert ws.answers()


@pytest.mark.parametrize("offer", ["chat", "joblight.v2", "joblight", "JOBLIGHT.V1", "a, b"])
def test_only_unknown_subprotocols_are_refused(server, offer):
    assert_problem(ask(server.address, handshake(protocol=offer)), 400, "bad_request")


def test_a_plain_get_is_told_to_upgrade(server):
    reply = ask(server.address, request("GET", PATH))
    assert_problem(reply, 426, "upgrade_required")
    assert reply.header("Upgrade") == "websocket" and reply.header("Sec-WebSocket-Version") == "13"


def test_the_same_origin_is_let_in(server):
    host = f"{server.host}:{server.port}"
    with Raw(server.address) as raw:
        raw.send(handshake(host=host, origin=f"http://{host}"))
        assert raw.head_of_response(Deadline(5, "the upgrade"))[0] == 101


# -- subscribing ----------------------------------------------------------------------------------

def test_connected_has_the_fields_of_every_transport(ws, server, snapshot):
    said = ws.subscribe(snapshot["id"])
    with SseStream(server.address, snapshot["id"]) as stream:
        other = stream.connected().json
    assert set(said) == set(other)
    assert said["job"] == snapshot and said["watchers"] == 1 and said["heartbeatMs"] == 30000


def test_events_are_the_same_bytes_as_on_sse_and_in_the_log(ws, server, api, job):
    ws.subscribe(job)
    with SseStream(server.address, job) as stream:
        stream.connected()
        api.report(job, "t1", note='é "q" \\ / \u2028 \U0001f600', progress=0.1)
        api.patch(f"/api/jobs/{job}", {"title": "<b>", "metadata": {"z": 1e3}})
        texts = [ws.message("task_update").text, ws.message("job_update").text]
        assert texts == [block.data for block in stream.events(2)]
        assert texts == [text for _, text in log_with_texts(api, job)][1:]


def test_the_job_of_the_url_subscribed_to_again_still_closes_at_its_end(socket, api, snapshot):
    job = snapshot["id"]
    ws = socket(job=job)
    ws.message("connected")
    assert ws.subscribe(job, snapshot["cursor"], tabs=2)["resume"] == "exact"
    api.finish(job)
    assert ws.message("job_update") and ws.message("end")
    assert ws.close_code() == 1000


def test_many_jobs_with_a_cursor_each(ws, api):
    jobs = [api.create_job() for _ in range(20)]
    for snapshot in jobs:
        api.burst(snapshot["id"], 10)
    for i, snapshot in enumerate(jobs):
        said = ws.subscribe(snapshot["id"], f"{snapshot['epoch']}.{1 + i % 10}")
        assert (said["jobId"], said["resume"]) == (snapshot["id"], "exact")
        missed = ws.messages("task_update", 10 - i % 10)
        assert {event["jobId"] for event in missed} == {snapshot["id"]}
        assert [event["seq"] for event in missed] == list(range(2 + i % 10, 12))
    for snapshot in reversed(jobs):
        api.report(snapshot["id"], "t")
        event = ws.message("task_update")
        assert (event["jobId"], event["seq"]) == (snapshot["id"], 12)


def test_many_subscriptions_begun_in_one_write_all_open(ws, api):
    jobs = [api.create_job()["id"] for _ in range(50)]
    ws.send_many([{"type": "subscribe", "jobId": job} for job in jobs])
    opened = ws.messages("connected", 50)
    assert sorted(said["jobId"] for said in opened) == sorted(jobs)


def test_interleaved_events_of_many_jobs_keep_each_order(ws, api):
    jobs = [api.create_job()["id"] for _ in range(8)]
    for job in jobs:
        ws.subscribe(job)
    for _ in range(5):
        for job in jobs:
            api.update(job, [{"taskId": "a"}, {"taskId": "b"}, {"taskId": "c"}])
    seen = {job: [] for job in jobs}
    for event in ws.messages("task_update", 8 * 15):
        seen[event["jobId"]].append(event["seq"])
    assert all(seqs == list(range(2, 17)) for seqs in seen.values())


@pytest.mark.one_node("watchers of other nodes count a moment later")
def test_unsubscribing_ends_one_job_only(ws, api):
    gone, kept = api.create_job()["id"], api.create_job()["id"]
    ws.subscribe(gone)
    ws.subscribe(kept)
    said = ws.ask("unsubscribe", "end", jobId=gone).json
    assert said == {"type": "end", "jobId": gone, "seq": 1, "status": "unsubscribed"}
    api.report(gone, "t")
    api.report(kept, "t")
    assert ws.message("task_update")["jobId"] == kept
    assert api.report(gone, "t")["watchers"] == 0


def test_unsubscribing_from_what_one_does_not_watch_is_harmless(ws, job):
    assert ws.ask("unsubscribe", "end", jobId=job)["status"] == "unsubscribed"
    assert ws.answers()


def test_who_unsubscribed_may_come_back_at_its_position(ws, api, snapshot):
    ws.subscribe(snapshot["id"])
    ws.ask("unsubscribe", "end", jobId=snapshot["id"])
    api.burst(snapshot["id"], 3)
    assert ws.subscribe(snapshot["id"], snapshot["cursor"])["resume"] == "exact"
    assert [event["seq"] for event in ws.messages("task_update", 3)] == [2, 3, 4]


@pytest.mark.one_node("watchers of other nodes count a moment later")
def test_subscribing_twice_begins_anew_and_does_not_double_events(ws, api, snapshot):
    job = snapshot["id"]
    ws.subscribe(job)
    api.burst(job, 3)
    assert [event["seq"] for event in ws.messages("task_update", 3)] == [2, 3, 4]
    said = ws.subscribe(job, f"{snapshot['epoch']}.2")
    assert (said["resume"], seq_of(said["cursor"]), said["watchers"]) == ("exact", 2, 1)
    assert [event["seq"] for event in ws.messages("task_update", 2)] == [3, 4]
    api.report(job, "t")
    assert ws.message("task_update")["seq"] == 5
    assert api.report(job, "t")["watchers"] == 1


def test_subscribing_twice_in_one_write_leaves_one_subscription(ws, api, job):
    ws.send_many([{"type": "subscribe", "jobId": job}] * 10)
    ws.message("connected")
    until(lambda: api.report(job, "t")["watchers"] == 1, 2, "one watcher")
    seq, seen = api.report(job, "t")["seq"], []
    while seq not in seen:      # the other nine are answered, too, some of them later
        said = ws.next(10, "the last event")
        assert said.type in ("connected", "presence", "task_update"), said
        seen += [said["seq"]] if said.type == "task_update" else []
    assert len(seen) == len(set(seen)), "nothing came twice"
    assert ws.answers()


def test_an_unknown_job_is_an_error_and_the_connection_stays(ws, api, job):
    said = ws.ask("subscribe", "error", jobId="nobody").json
    assert (said["status"], said["code"], said["jobId"]) == (404, "not_found", "nobody")
    assert said["retryable"] is False and said["detail"]
    assert ws.subscribe(job)["resume"] == "fresh"


@pytest.mark.parametrize("fields, code", [
    ({}, "invalid_id"), ({"jobId": "-bad"}, "invalid_id"), ({"jobId": ""}, "invalid_id"),
    ({"jobId": "a/b"}, "invalid_id"), ({"jobId": 7}, "invalid_field"),
    ({"jobId": "j", "since": 7}, "invalid_field"), ({"jobId": "j", "other": 1}, "unknown_field")])
def test_a_subscribe_that_cannot_be_meant_is_an_error(ws, fields, code):
    assert ws.ask("subscribe", "error", **fields)["code"] == code
    assert ws.answers()


def test_the_257th_subscription_is_refused_and_the_others_go_on(ws, api):
    jobs = [api.create_job()["id"] for _ in range(257)]
    ws.send_many([{"type": "subscribe", "jobId": job} for job in jobs[:256]])
    ws.messages("connected", 256)
    said = ws.ask("subscribe", "error", id="k" * 255, jobId=jobs[256]).json
    assert said["jobId"] == jobs[256] and said["code"] == "too_many_subscriptions"
    assert said["id"] == "k" * 255
    assert ws.subscribe(jobs[0])["resume"] == "fresh", "it has that one already"
    api.report(jobs[255], "t")
    assert ws.message("task_update")["jobId"] == jobs[255]
    ws.ask("unsubscribe", "end", jobId=jobs[3])
    assert ws.subscribe(jobs[256])["resume"] == "fresh"


# -- the job in the URL ---------------------------------------------------------------------------

def test_the_url_can_name_the_job(socket, api, snapshot):
    ws = socket(job=snapshot["id"])
    assert ws.message("connected")["job"] == snapshot
    api.report(snapshot["id"], "t")
    assert ws.message("task_update")["seq"] == 2


def test_the_url_can_name_the_position(socket, api, snapshot):
    api.burst(snapshot["id"], 5)
    ws = socket(job=snapshot["id"], since=f"{snapshot['epoch']}.3")
    said = ws.message("connected")
    assert (said["resume"], seq_of(said["cursor"]), said["head"]) == ("exact", 3, 6)
    assert [event["seq"] for event in ws.messages("task_update", 3)] == [4, 5, 6]


def test_a_bad_position_in_the_url_is_reset(socket, snapshot):
    said = socket(job=snapshot["id"], since="abc").message("connected")
    assert (said["resume"], said["reason"], said["job"]) == ("reset", "invalid", snapshot)


def test_an_unknown_job_in_the_url_closes_4404(socket):
    ws = socket(job="nobody")
    assert ws.message("error")["status"] == 404
    assert ws.close_code() == 4404


@pytest.mark.parametrize("query", [{"job": "-bad"}, {"job": "a/b"}, {"job": "é"},
                                   {"job": "j", "types": "nonsense"}])
def test_what_cannot_be_read_in_the_url_closes_4400(socket, query):
    assert socket(**query).close_code() == 4400


def test_the_end_of_the_urls_job_is_the_end_of_the_connection(socket, api, job):
    ws = socket(job=job)
    ws.message("connected")
    api.finish(job)
    assert ws.message("job_update")["status"] == "completed"
    assert ws.message("end").json == {"type": "end", "jobId": job, "seq": 2, "status": "completed"}
    assert ws.close_code() == 1000


def test_the_urls_job_that_is_over_already_says_so_and_closes(socket, api, snapshot):
    api.finish(snapshot["id"])
    late = socket(job=snapshot["id"])
    assert late.message("connected")["job"]["status"] == "completed"
    late.message("end")
    assert late.close_code() == 1000
    back = socket(job=snapshot["id"], since=f"{snapshot['epoch']}.2")
    assert back.message("connected")["resume"] == "exact"
    back.message("end")
    assert back.close_code() == 1000


def test_a_deleted_job_ends_with_the_status_deleted(socket, api, job):
    ws = socket(job=job)
    ws.message("connected")
    api.delete(f"/api/jobs/{job}")
    assert ws.message("end")["status"] == "deleted"
    assert ws.close_code() == 1000


def test_the_end_of_a_job_subscribed_by_message_leaves_the_connection(ws, api, job):
    other = api.create_job()["id"]
    ws.subscribe(job)
    ws.subscribe(other)
    api.finish(job)
    ws.message("job_update")
    assert ws.message("end")["jobId"] == job
    api.report(other, "t")
    assert ws.message("task_update")["jobId"] == other


# -- heartbeats and pings -------------------------------------------------------------------------

def test_every_subscription_hears_heartbeats_with_its_head(serve, client, socket):
    server = serve(heartbeat_ms=400)
    api = client(server)
    jobs = [api.create_job()["id"] for _ in range(2)]
    api.report(jobs[1], "t")
    ws = socket(on=server)
    for job in jobs:
        assert ws.subscribe(job)["heartbeatMs"] == 400
    heads = {}
    while len(heads) < 2:
        beat = ws.message("heartbeat", within=2).json
        assert set(beat) == {"type", "jobId", "head", "timestamp"}
        assert TIME.fullmatch(beat["timestamp"])
        heads[beat["jobId"]] = beat["head"]
    assert heads == {jobs[0]: 1, jobs[1]: 2}


def test_the_server_pings_also_who_subscribed_to_nothing(serve, socket):
    ws = socket(on=serve(heartbeat_ms=500))
    for _ in range(5):      # answered, so it goes on beyond any limit of silence
        ws.wait_for_ping(within=2)


def test_a_ping_message_is_answered_with_pong(ws):
    assert ws.ask("ping", "pong").json == {"type": "pong"}


@pytest.mark.parametrize("payload", [b"", b"hello", b"\x00\xff" * 62, b"x" * 125])
def test_a_ping_frame_is_answered_with_its_payload(ws, payload):
    ws.send_frame(PING, payload)
    assert ws.wait_for_pong() == payload


# -- updates --------------------------------------------------------------------------------------

def test_an_ack_names_id_seq_cursor_and_watchers(ws, api, snapshot):
    job = snapshot["id"]
    said = ws.update("k1", job, "t1", status="in_progress", note="n")
    assert said == {"type": "ack", "id": "k1", "seq": 2, "cursor": f"{snapshot['epoch']}.2",
                    "watchers": 0}
    assert api.activity(job)[-1]["note"] == "n"
    ws.subscribe(job)
    assert ws.update("k2", job)["watchers"] == 1


def test_an_update_takes_every_field_of_the_webhook(ws, api, job):
    fields = {"status": "in_progress", "title": "T", "note": "n", "progress": 42.5, "attempt": 3}
    ws.update("k", job, "t1", **fields)
    task = api.job(job)["tasks"][0]
    assert {name: task[name] for name in fields} == fields


def test_what_was_acked_is_there_for_the_next_reader(ws, api, job):
    for i in range(50):
        seq = ws.update(f"k{i}", job, progress=i)["seq"]
        assert api.job(job)["seq"] == seq == i + 2


def test_64_deep_pipelined_updates_are_acked_in_order(ws, api, job):
    """Sixty-four on their way at any moment, two thousand in all."""
    total, sent = 2000, 0
    for i in range(total):
        while sent < total and sent < i + DEPTH:
            ws.send_many([update(f"k{sent}", job, f"t{sent % 7}", note=str(sent))])
            sent += 1
        said = ws.message("ack")
        assert (said["id"], said["seq"]) == (f"k{i}", i + 2)
    notes = [event["note"] for event in api.activity(job)[1:]]
    assert notes == [str(i) for i in range(total)]


def test_errors_stand_among_the_acks_in_the_order_of_the_messages(ws, job):
    bad = [{"status": "nonsense"}, {"taskId": "-"}, {"other": 1}, {"progress": 101}]
    messages, expected = [], []
    for i in range(DEPTH):
        wrong = bad[i // 3 % 4] if i % 3 == 1 else {}
        messages.append(update(f"k{i}", job) | wrong)
        expected.append((f"k{i}", "error" if wrong else "ack"))
    ws.send_many(messages)
    said = [ws.message(("ack", "error")) for _ in messages]
    assert [(one["id"], one.type) for one in said] == expected
    assert [one["seq"] for one in said if one.type == "ack"] == list(range(2, 2 + 43))


def test_updates_of_many_jobs_are_acked_in_the_order_of_the_messages(ws, api):
    jobs = [api.create_job()["id"] for _ in range(10)]
    ws.send_many([update(f"k{i}", jobs[i * 7 % 10]) for i in range(200)])
    assert [said["id"] for said in ws.messages("ack", 200)] == [f"k{i}" for i in range(200)]


@pytest.mark.parametrize("change, status, code", [
    ({"status": "nonsense"}, 422, "invalid_field"), ({"note": 7}, 422, "invalid_field"),
    ({"progress": 101}, 422, "invalid_field"), ({"note": "n" * 16385}, 422, "invalid_field"),
    ({"other": 1}, 422, "unknown_field"), ({"taskId": "a/b"}, 400, "invalid_id"),
    ({"jobId": "a/b"}, 400, "invalid_id"), ({"jobId": "nobody"}, 404, "not_found")])
def test_a_refused_update_is_an_error_that_need_not_be_repeated(ws, api, job, change, status, code):
    ws.send_many([update("k1", job) | change])
    said = ws.message("error").json
    assert (said["id"], said["status"], said["code"]) == ("k1", status, code)
    assert said["retryable"] is False and said["detail"]
    assert api.job(job)["seq"] == 1 and ws.answers()


def test_an_overloaded_store_says_that_repeating_helps_and_it_does(serve, client, socket):
    """Room for a few writes only: those that found none are refused, and taken when repeated."""
    server = serve(queued_writes=4)
    job = client(server).create_job()["id"]
    ws, todo, refused = socket(on=server), {f"k{i}": str(i) for i in range(200)}, 0
    deadline = Deadline(20, "every update being acked")
    while todo:
        ws.send_many([update(key, job, note=note) for key, note in todo.items()])
        for _ in range(len(todo)):
            said = ws.message(("ack", "error"), deadline.left())
            if said.type == "ack":
                del todo[said["id"]]
                continue
            refused += 1
            assert (said["status"], said["code"], said["retryable"]) == (503, "overloaded", True)
    notes = [event["note"] for event in client(server).activity(job)[1:]]
    assert refused and sorted(notes, key=int) == [str(i) for i in range(200)]


def test_an_update_without_a_task_is_refused(ws, job):
    said = ws.ask("update", "error", id="k", jobId=job, status="pending").json
    assert (said["id"], said["retryable"]) == ("k", False) and said["status"] == 422


@pytest.mark.parametrize("key", [None, "", 7, "a b", "é", "k" * 256])
def test_an_update_needs_an_id_that_can_be_a_key(ws, api, job, key):
    message = update(key, job)
    if key is None:
        del message["id"]
    ws.send_many([message])
    assert ws.message("error")["code"] == "invalid_field"
    assert api.job(job)["seq"] == 1


def test_an_update_of_an_ended_job_is_refused(ws, api, job):
    api.finish(job)
    said = ws.ask("update", "error", id="k", jobId=job, taskId="t").json
    assert (said["status"], said["code"], said["retryable"]) == (409, "job_ended", False)


def test_of_two_workers_the_one_with_the_lower_attempt_is_fenced(socket, api, job):
    old, new = socket(), socket()
    old.update("o1", job, attempt=1)
    new.update("n1", job, attempt=2)
    said = old.ask("update", "error", id="o2", jobId=job, taskId="t", attempt=1).json
    assert (said["status"], said["code"], said["retryable"]) == (409, "stale_attempt", False)
    assert new.update("n2", job, attempt=2)["seq"] == 4


def test_two_workers_with_the_same_attempt_are_both_heard(socket, job):
    one, two = socket(), socket()
    assert one.update("o1", job, attempt=1)["seq"] == 2
    assert two.update("t1", job, attempt=1)["seq"] == 3


# -- batches --------------------------------------------------------------------------------------

def test_a_batch_is_one_ack_with_the_last_seq(ws, api, job):
    said = ws.ask("update", "ack", id="b1", jobId=job,
                  updates=[{"taskId": f"t{i}", "progress": i} for i in range(100)]).json
    assert (said["id"], said["seq"]) == ("b1", 101)
    assert [event["taskId"] for event in api.activity(job)[1:]] == [f"t{i}" for i in range(100)]


def test_a_batch_with_one_fault_is_refused_whole(ws, api, job):
    said = ws.ask("update", "error", id="b1", jobId=job,
                  updates=[{"taskId": "a"}, {"taskId": "b", "status": "nonsense"}]).json
    assert (said["id"], said["status"]) == ("b1", 422) and "[1]" in said["detail"]
    assert api.job(job)["seq"] == 1


@pytest.mark.parametrize("change", [
    {"updates": {}}, {"updates": "x"}, {"updates": []}, {"updates": [7]},
    {"updates": [{"taskId": "t"}], "taskId": "t"}, {"updates": [{"taskId": "t"}] * 257}])
def test_what_is_no_batch_is_refused(ws, api, job, change):
    assert ws.ask("update", "error", id="b", jobId=job, **change)["id"] == "b"
    assert api.job(job)["seq"] == 1 and ws.answers()


# -- the id is the idempotency key ----------------------------------------------------------------

def test_a_repeated_update_is_acked_as_a_duplicate_and_is_no_second_event(ws, api, job):
    first = ws.update("k1", job, note="n")
    ws.update("k2", job, note="later")
    again = ws.update("k1", job, note="n")
    assert again == first | {"duplicate": True}
    assert len(api.activity(job)) == 3


def test_another_update_under_the_same_id_is_refused(ws, api, job):
    ws.update("k1", job, note="n")
    said = ws.ask("update", "error", id="k1", jobId=job, taskId="t", note="other").json
    assert (said["status"], said["code"]) == (422, "idempotency_mismatch")
    assert len(api.activity(job)) == 2


def test_the_id_holds_on_another_connection(socket, job):
    first = socket().update("k1", job)
    assert socket().update("k1", job) == first | {"duplicate": True}


def test_the_id_is_the_key_of_http_and_the_other_way_round(ws, api, job):
    fields = {"note": "n", "progress": 5}
    seq = ws.update("k1", job, **fields)["seq"]
    reply = api.update(job, {"taskId": "t", **fields}, Idempotency_Key="k1")
    assert (reply.status, reply.json["seq"]) == (200, seq)
    assert reply.header("Idempotency-Replayed") == "true"
    seq = api.update(job, {"taskId": "t", **fields}, Idempotency_Key="k2").json["seq"]
    said = ws.update("k2", job, **fields)
    assert (said["seq"], said["duplicate"]) == (seq, True)
    assert len(api.activity(job)) == 3


def test_the_id_of_a_batch_holds_over_both_roads(ws, api, job):
    batch = [{"taskId": "a", "note": "1"}, {"taskId": "b", "note": "2"}]
    seq = ws.ask("update", "ack", id="b1", jobId=job, updates=batch)["seq"]
    reply = api.update(job, batch, Idempotency_Key="b1")
    assert reply.status == 200 and reply.json[-1]["seq"] == seq
    assert reply.header("Idempotency-Replayed") == "true"
    assert ws.ask("update", "ack", id="b1", jobId=job, updates=batch)["duplicate"] is True
    assert len(api.activity(job)) == 3


def test_the_id_belongs_to_its_job(ws, api, job):
    other = api.create_job()["id"]
    ws.update("k1", job)
    assert "duplicate" not in ws.update("k1", other)


def test_pipelined_repeats_of_one_id_are_one_event(ws, api, job):
    ws.send_many([update("same", job, note="n")] * 20)
    acks = ws.messages("ack", 20)
    assert {said["seq"] for said in acks} == {2}
    assert sum("duplicate" in said.json for said in acks) == 19
    assert len(api.activity(job)) == 2


def test_the_id_holds_across_kill_9(serve, client, socket):
    """Whatever was acked is there; whatever is repeated is there once."""
    server = serve()
    job = client(server).create_job()["id"]
    ws = socket(on=server)
    messages = [update(f"k{i}", job, note=str(i)) for i in range(500)]
    ws.send_many(messages)
    acked = [said["seq"] for said in ws.messages("ack", 40)]
    server.restart()
    again = socket(on=server)
    again.send_many(messages)
    said = again.messages("ack", 500, within=20)
    assert [one["id"] for one in said] == [f"k{i}" for i in range(500)]
    assert [one["seq"] for one in said[:40]] == acked
    assert all(one.json.get("duplicate") for one in said[:40])
    notes = [event["note"] for event in client(server).activity(job)[1:]]
    assert sorted(notes, key=int) == [str(i) for i in range(500)]


# -- commands -------------------------------------------------------------------------------------

def test_a_command_is_acked_and_reaches_every_subscriber(socket, api, job):
    api.report(job, "t3")
    worker, boss = socket(), socket()
    worker.subscribe(job)
    said = boss.ask("command", "ack", id="c1", jobId=job, command="cancel", taskId="t3",
                    args={"why": "é"}).json
    assert (said["id"], said["seq"], said["watchers"]) == ("c1", 3, 1)
    event = worker.message("command")
    assert (event["seq"], event["command"], event["taskId"], event["args"]) == (
        3, "cancel", "t3", {"why": "é"})
    assert event.text == log_with_texts(api, job)[-1][1]


def test_a_repeated_command_is_a_duplicate_also_over_http(ws, api, job):
    word = {"command": "pause", "args": {"a": 1}}
    first = ws.ask("command", "ack", id="c1", jobId=job, **word).json
    assert ws.ask("command", "ack", id="c1", jobId=job, **word).json == first | {"duplicate": True}
    reply = api.post(f"/api/jobs/{job}/commands", word, Idempotency_Key="c1")
    assert reply.json["seq"] == first["seq"] and reply.header("Idempotency-Replayed") == "true"
    assert len(api.activity(job)) == 2


def args_of(size):
    args = {"k": "v" * (size - len('{"k":""}'))}
    assert len(compact(args)) == size
    return args


def test_args_of_16_kib_pass(ws, api, job):
    ws.ask("command", "ack", id="c", jobId=job, command="x", args=args_of(ARGS))
    assert api.activity(job)[-1]["args"] == args_of(ARGS)


@pytest.mark.parametrize("size", [ARGS + 1, 17 * 1024])
def test_longer_args_are_refused_and_the_connection_stays(ws, api, job, size):
    said = ws.ask("command", "error", id="c", jobId=job, command="x", args=args_of(size)).json
    assert (said["id"], said["status"], said["code"]) == ("c", 422, "invalid_field")
    assert "args" in said["detail"] and api.job(job)["seq"] == 1 and ws.answers()


@pytest.mark.parametrize("change, code", [
    ({"command": "A b"}, "invalid_field"), ({"command": "c" * 65}, "invalid_field"),
    ({"command": None}, "invalid_field"), ({"args": []}, "invalid_field"),
    ({"other": 1}, "unknown_field"), ({"actor": "me"}, "unknown_field"),
    ({"updates": []}, "unknown_field"), ({"jobId": "nobody"}, "not_found"),
    ({"taskId": "t9"}, "not_found")])
def test_a_bad_command_is_refused(ws, api, job, change, code):
    message = {"type": "command", "id": "c", "jobId": job, "command": "x"} | change
    ws.send_many([message])
    assert (ws.message("error")["code"], api.job(job)["seq"]) == (code, 1)


def test_a_worker_that_steers_itself_by_commands_misses_none(socket, api, job):
    """It reports and listens on one socket; every command arrives among its acks."""
    ws = socket(job=job)
    ws.message("connected")
    heard, acked = [], 0
    for i in range(20):
        ws.send_many([update(f"k{i}", job)])
        api.post(f"/api/jobs/{job}/commands", {"command": "step", "args": {"i": i}})
    while len(heard) < 20 or acked < 20:
        said = ws.message(("ack", "command", "task_update"))
        acked += said.type == "ack"
        heard += [said["args"]["i"]] if said.type == "command" else []
    assert heard == list(range(20))


# -- filters --------------------------------------------------------------------------------------

def mixed(api, job):
    """Events 2 to 7: task_update, command, job_update, task_update, command, deliverable."""
    for word in ("a", "b"):
        api.report(job, "t1", note=word)
        api.post(f"/api/jobs/{job}/commands", {"command": word})
        if word == "a":
            api.patch(f"/api/jobs/{job}", {"title": "New"})
    reply = api.post(f"/api/jobs/{job}/deliverables", {"title": "d", "url": "https://x.test/d"})
    assert reply.status == 201 and reply.json["seq"] == 7


FILTERS = [("command", [3, 6]), ("task_update", [2, 5]), ("job_update", [4]), ("deliverable", [7]),
           ("command,task_update", [2, 3, 5, 6]), ("job_update,deliverable", [4, 7])]


@pytest.mark.parametrize("types, seqs", FILTERS)
def test_a_subscription_can_be_filtered_live_and_in_replay(ws, api, snapshot, types, seqs):
    job = snapshot["id"]
    ws.subscribe(job, types=types)
    mixed(api, job)
    live = [ws.message(tuple(types.split(","))) for _ in seqs]
    assert [event["seq"] for event in live] == seqs
    ws.subscribe(job, snapshot["cursor"], types=types)
    replay = [ws.message(tuple(types.split(","))) for _ in seqs]
    assert [event.text for event in replay] == [event.text for event in live]
    assert ws.answers()


@pytest.mark.parametrize("types, seqs", FILTERS)
def test_the_url_takes_the_same_filter(socket, server, api, snapshot, types, seqs):
    job = snapshot["id"]
    mixed(api, job)
    ws = socket(job=job, since=snapshot["cursor"], types=types)
    assert ws.message("connected")["resume"] == "exact"
    assert [ws.message(tuple(types.split(",")))["seq"] for _ in seqs] == seqs
    query = f"since={snapshot['cursor']}&types={types}"
    with SseStream(server.address, job, query=query) as stream:
        assert stream.connected().json["resume"] == "exact"
        blocks = stream.events(len(seqs))
        assert [block.json["seq"] for block in blocks] == seqs
        assert [block.id for block in blocks] == [f"{snapshot['epoch']}.{seq}" for seq in seqs]


def test_a_filtered_reader_comes_back_without_missing_or_repeating(socket, api, snapshot):
    job, position, seen = snapshot["id"], snapshot["cursor"], []
    for i in range(10):
        api.burst(job, 20)
        api.post(f"/api/jobs/{job}/commands", {"command": f"c{i}"})
        with WebSocket(socket().raw.socket.getpeername(),
                       path_of(job=job, since=position, types="command")) as ws:
            assert ws.message("connected")["resume"] == "exact"
            event = ws.message("command")
            seen.append(event["command"])
            position = f"{snapshot['epoch']}.{event['seq']}"
    assert seen == [f"c{i}" for i in range(10)]


def test_a_filtered_reader_still_gets_the_end(ws, api, job):
    epoch = ws.subscribe(job, types="command")["epoch"]
    api.report(job, "t")
    api.finish(job)
    assert ws.message("end").json == {"type": "end", "jobId": job, "seq": 3, "status": "completed",
                                      "cursor": f"{epoch}.3"}


def test_a_filtered_slow_reader_far_behind_the_ring_misses_nothing(serve, client, socket):
    server = serve(ring_events=8)
    api = client(server)
    snapshot = api.create_job()
    job = snapshot["id"]
    for i in range(20):
        api.burst(job, 100)
        api.post(f"/api/jobs/{job}/commands", {"command": f"c{i}"})
    ws = socket(on=server, job=job, since=snapshot["cursor"], types="command")
    ws.message("connected")
    assert [one["command"] for one in ws.messages("command", 20)] == [f"c{i}" for i in range(20)]


@pytest.mark.parametrize("types", ["nonsense", "command,nonsense", ",", "COMMAND", "command,,"])
def test_an_unknown_type_is_refused(ws, job, types):
    said = ws.ask("subscribe", "error", jobId=job, types=types).json
    assert (said["code"], said["jobId"]) == ("invalid_field", job)


def test_two_sockets_with_different_filters_do_not_disturb_each_other(socket, api, job):
    commands, updates, everything = socket(), socket(), socket()
    commands.subscribe(job, types="command")
    updates.subscribe(job, types="task_update")
    everything.subscribe(job)
    mixed(api, job)
    assert [one["seq"] for one in commands.messages("command", 2)] == [3, 6]
    assert [one["seq"] for one in updates.messages("task_update", 2)] == [2, 5]
    kinds = ("task_update", "command", "job_update", "deliverable")
    assert [everything.message(kinds)["seq"] for _ in range(6)] == [2, 3, 4, 5, 6, 7]


# -- closing --------------------------------------------------------------------------------------

@pytest.mark.parametrize("code", [1000, 1001, 3000, 4999])
def test_a_close_is_answered_with_its_code(ws, code):
    ws.send_close(code, b"bye")
    assert ws.close_code() == code


def test_a_close_without_a_code_is_answered(ws):
    ws.send_frame(8)
    assert ws.closed() is not None


def test_sigterm_closes_every_socket_with_1012(serve, client, socket):
    server = serve()
    api = client(server)
    job = api.create_job()["id"]
    watching, idle, working = socket(on=server, job=job), socket(on=server), socket(on=server)
    watching.message("connected")
    working.update("k", job)
    assert idle.answers()
    api.close()
    server.signal(signal.SIGTERM)
    waits = []
    for ws in (watching, idle, working):
        while (said := ws.message(("restart", "task_update"))).type != "restart":
            pass
        waits.append(said["retryMs"])
        assert ws.next() is None and ws.close_frame[0] == 1012
    assert all(1000 <= ms <= 4000 for ms in waits) and len(set(waits)) > 1
    assert server.gone() == 0


def test_updates_on_their_way_at_sigterm_are_whole_or_absent(serve, client, socket):
    server = serve()
    job = client(server).create_job()["id"]
    ws = socket(on=server)
    ws.send_many([update(f"k{i}", job, note=str(i)) for i in range(300)])
    acked = {said["id"] for said in ws.messages("ack", 10)}
    server.signal(signal.SIGTERM)
    while (said := ws.next()) is not None:
        acked |= {said["id"]} if said.type == "ack" else set()
    assert ws.close_code() == 1012 and server.gone() == 0
    server.start()
    notes = {f"k{event['note']}" for event in client(server).activity(job)[1:]}
    assert acked <= notes


@pytest.mark.one_node("watchers and agents of other nodes count a moment later")
def test_a_closed_socket_no_longer_counts_as_a_watcher(socket, api, job):
    ws = socket(job=job)
    ws.message("connected")
    assert api.report(job, "t")["watchers"] == 1
    ws.close()
    until(lambda: api.report(job, "t")["watchers"] == 0, 2, "the watcher being forgotten")


def test_polling_and_the_socket_go_on_from_each_others_positions(socket, server, api, snapshot):
    job, position = snapshot["id"], snapshot["cursor"]
    for i in range(5):
        api.report(job, "t", note=f"a{i}")
        ws = socket(job=job, since=position)
        assert ws.message("connected")["resume"] == "exact"
        position = f"{snapshot['epoch']}.{ws.message('task_update')['seq']}"
        api.report(job, "t", note=f"b{i}")
        with PollWatcher(server.address, job, position) as poll:
            assert poll.connected()["resume"] == "exact"
            assert poll.event().json["note"] == f"b{i}"
            position = poll.position


def test_the_size_of_messages_can_be_set(serve, client, socket):
    server = serve(max_message=1000)
    job = client(server).create_job()["id"]
    ws = socket(on=server)
    room = 1000 - len(compact(update("k", job, note="")))
    ws.update("k", job, note="n" * room)
    ws.send_many([update("k", job, note="n" * (room + 1))])
    assert ws.close_code() == 1009
