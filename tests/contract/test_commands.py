"""Commands: a word to the workers, logged and delivered like any other event."""
import json

import pytest

from support.api import compact
from support.fold import assert_is_fold
from support.history import log_with_texts
from support.problem import assert_problem
from support.sse import SseStream

ARGS = 16 * 1024


def path_of(job):
    return f"/api/jobs/{job}/commands"


def test_a_command_is_answered_with_its_position(api, snapshot):
    reply = api.post(path_of(snapshot["id"]), {"command": "pause"})
    assert reply.status == 201
    assert reply.json == {"ok": True, "seq": 2, "cursor": f"{snapshot['epoch']}.2", "watchers": 0}


def test_a_command_is_an_event_for_every_subscriber(watch, api, job):
    api.report(job, "t3")
    watcher = watch(job)
    watcher.connected()
    api.post(path_of(job), {"command": "comment", "taskId": "t3",
                            "args": {"text": "darker, please"}})
    event = watcher.event()
    assert {name: event.json[name] for name in event.json if name != "timestamp"} == {
        "type": "command", "jobId": job, "seq": 3, "command": "comment", "taskId": "t3",
        "args": {"text": "darker, please"}}
    assert event.text == log_with_texts(api, job)[-1][1]


@pytest.mark.one_node("watchers of other nodes count a moment later")
def test_the_answer_says_how_many_watch(server, api, job):
    with SseStream(server.address, job) as stream:
        stream.connected()
        assert api.post(path_of(job), {"command": "x"}).json["watchers"] == 1


def test_a_worker_that_comes_back_gets_the_command_it_missed(watch, api, snapshot):
    api.post(path_of(snapshot["id"]), {"command": "cancel"})
    watcher = watch(snapshot["id"], snapshot["cursor"])
    assert watcher.connected()["resume"] == "exact"
    event = watcher.event().json
    assert (event["command"], event["args"]) == ("cancel", {})
    assert "taskId" not in event and "actor" not in event


def test_the_event_can_be_listened_to_by_name(server, api, job):
    with SseStream(server.address, job, query="named=1") as stream:
        stream.connected()
        api.post(path_of(job), {"command": "cancel"})
        assert stream.event().event == "command"


def test_a_command_changes_nothing_but_the_position(api, job):
    api.report(job, "t1", status="in_progress", note="n")
    before = api.job(job)
    api.post(path_of(job), {"command": "cancel", "taskId": "t1"})
    after = api.job(job)
    assert after["seq"] == before["seq"] + 1 and after["status"] == "in_progress"
    assert (after["tasks"], after["title"]) == (before["tasks"], before["title"])
    assert_is_fold(after, api.activity(job))


@pytest.mark.parametrize("args", [
    b'{"n":1e3,"big":12345678901234567890,"d":1.10}',
    b'{"e":"\\u0041\\/\\n","z":{"a":[null,true]}}',
    b'{}', '{"\u2028":"é"}'.encode()])
def test_args_are_kept_as_they_were_written(api, job, args):
    body = b'{"command":"x","args":' + args + b"}"
    assert api.post(path_of(job), body, Content_Type="application/json").status == 201
    assert b'"args":' + args + b',"timestamp"' in log_with_texts(api, job)[-1][1].encode()


def test_args_lose_only_their_white_space(api, job):
    body = b'{ "command" : "x" , "args" : {\n "a" : [ 1 ,\t2 ] , "b c" : "d  e" } }'
    api.post(path_of(job), body, Content_Type="application/json")
    assert '"args":{"a":[1,2],"b c":"d  e"}' in log_with_texts(api, job)[-1][1]


def args_of(size):
    """Args whose compact JSON has exactly `size` bytes."""
    return {"k": "v" * (size - len('{"k":""}'))}


def test_args_of_16_kib_pass(api, job):
    assert len(compact(args_of(ARGS))) == ARGS
    assert api.post(path_of(job), {"command": "x", "args": args_of(ARGS)}).status == 201
    assert api.activity(job)[-1]["args"] == args_of(ARGS)


def test_args_one_byte_longer_are_refused(api, job):
    reply = api.post(path_of(job), {"command": "x", "args": args_of(ARGS + 1)})
    assert_problem(reply, 422, "invalid_field", "args")
    assert api.job(job)["seq"] == 1


def test_white_space_does_not_count_against_the_args(api, job):
    body = json.dumps({"command": "x", "args": args_of(ARGS)}, indent=9).encode()
    assert api.post(path_of(job), body, Content_Type="application/json").status == 201


def test_the_size_of_args_can_be_set(serve, client):
    api = client(serve(max_args=20))
    job = api.create_job()["id"]
    assert api.post(path_of(job), {"command": "x", "args": args_of(20)}).status == 201
    assert_problem(api.post(path_of(job), {"command": "x", "args": args_of(21)}), 422,
                   "invalid_field", "args")


@pytest.mark.parametrize("args", [[], "text", 7, True])
def test_args_are_an_object(api, job, args):
    assert_problem(api.post(path_of(job), {"command": "x", "args": args}), 422, "invalid_field",
                   "args")


@pytest.mark.parametrize("name", ["a", "0", "_.-", "agent.pause-now_2", "c" * 64])
def test_the_name_of_a_command_is_free(api, job, name):
    assert api.post(path_of(job), {"command": name}).status == 201
    assert api.activity(job)[-1]["command"] == name


@pytest.mark.parametrize("name", ["", "c" * 65, "Cancel", "a b", "a/b", "é", "a\n", 7, None, []])
def test_any_other_name_of_a_command_is_refused(api, job, name):
    assert_problem(api.post(path_of(job), {"command": name}), 422, "invalid_field", "command")
    assert api.job(job)["seq"] == 1


def test_a_command_without_a_name_is_refused(api, job):
    assert_problem(api.post(path_of(job), {"args": {}}), 422, "invalid_field", "command")


def test_an_unknown_field_of_a_command_is_refused(api, job):
    assert_problem(api.post(path_of(job), {"command": "x", "actor": "ann"}), 422, "unknown_field",
                   "actor")


def test_a_command_to_an_unknown_task_is_not_found(api, job):
    assert_problem(api.post(path_of(job), {"command": "x", "taskId": "t9"}), 404, "not_found")
    assert api.job(job)["seq"] == 1


@pytest.mark.parametrize("name", ["", "a/b", "é", "a" * 129, 7, None])
def test_a_command_to_what_is_no_id_is_refused(api, job, name):
    assert_problem(api.post(path_of(job), {"command": "x", "taskId": name}), 400, "invalid_id")


def test_a_command_to_an_unknown_job_is_not_found(api):
    assert_problem(api.post(path_of("nobody"), {"command": "x"}), 404, "not_found")


def test_an_ended_job_takes_no_command(api, job):
    api.finish(job)
    assert_problem(api.post(path_of(job), {"command": "x"}), 409, "job_ended")
    assert api.job(job)["seq"] == 2


def test_commands_are_only_sent(api, job):
    reply = api.get(path_of(job))
    assert_problem(reply, 405, "method_not_allowed")
    assert reply.header("Allow") == "POST"


def test_a_repeated_command_gets_the_stored_answer_and_no_second_event(api, job):
    body = {"command": "x", "args": {"a": 1}}
    first = api.post(path_of(job), body, Idempotency_Key="k1")
    again = api.post(path_of(job), body, Idempotency_Key="k1")
    assert (again.status, again.body) == (201, first.body)
    assert again.header("Idempotency-Replayed") == "true"
    assert len(api.activity(job)) == 2


def test_no_args_are_the_same_as_empty_ones(api, job):
    first = api.post(path_of(job), {"command": "x"}, Idempotency_Key="k1")
    again = api.post(path_of(job), {"command": "x", "args": {}}, Idempotency_Key="k1")
    assert (again.status, again.body) == (201, first.body)


@pytest.mark.parametrize("other", [
    {"command": "y"}, {"command": "x", "args": {"a": 1}}, {"command": "x", "taskId": "t1"}])
def test_another_command_under_the_same_key_is_refused(api, job, other):
    api.report(job, "t1")
    api.post(path_of(job), {"command": "x"}, Idempotency_Key="k1")
    assert_problem(api.post(path_of(job), other, Idempotency_Key="k1"), 422,
                   "idempotency_mismatch")
    assert len(api.activity(job)) == 3


def test_a_command_survives_kill_9(serve, client):
    server = serve()
    api = client(server)
    job = api.create_job()["id"]
    api.post(path_of(job), {"command": "cancel", "args": {"why": "too dear"}})
    before = log_with_texts(api, job)
    server.restart()
    assert log_with_texts(client(server), job) == before
