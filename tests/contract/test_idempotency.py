"""Idempotency-Key: repeating is safe, within a process, across a kill, and in parallel."""
import pytest

from support.api import Api, hook
from support.load import together
from support.problem import assert_problem
from support.wait import until

UPDATE = {"taskId": "t1", "status": "in_progress", "note": "once"}


def test_a_repeated_update_gets_the_stored_answer_and_no_second_event(api, job):
    first = api.update(job, UPDATE, Idempotency_Key="k1")
    again = api.update(job, UPDATE, Idempotency_Key="k1")
    assert (again.status, again.body) == (first.status, first.body)
    assert first.header("Idempotency-Replayed") is None
    assert again.header("Idempotency-Replayed") == "true"
    assert len(api.activity(job)) == 2


def test_another_body_under_the_same_key_is_refused(api, job):
    api.update(job, UPDATE, Idempotency_Key="k1")
    reply = api.update(job, {**UPDATE, "note": "other"}, Idempotency_Key="k1")
    assert_problem(reply, 422, "idempotency_mismatch")
    assert len(api.activity(job)) == 2


def test_another_key_is_another_update(api, job):
    api.update(job, UPDATE, Idempotency_Key="k1")
    assert api.update(job, UPDATE, Idempotency_Key="k2").json["seq"] == 3


def test_the_same_key_in_another_job_is_another_update(api, job):
    other = api.create_job()["id"]
    api.update(job, UPDATE, Idempotency_Key="k1")
    reply = api.update(other, UPDATE, Idempotency_Key="k1")
    assert reply.header("Idempotency-Replayed") is None
    assert reply.json["seq"] == 2 and len(api.activity(other)) == 2


def test_a_repeated_creation_gives_the_same_job(api):
    first = api.post("/api/jobs", {"title": "Once"}, Idempotency_Key="create-once")
    again = api.post("/api/jobs", {"title": "Once"}, Idempotency_Key="create-once")
    assert (again.status, again.body) == (201, first.body)
    assert again.header("Location") == first.header("Location")
    assert again.header("Idempotency-Replayed") == "true"


def test_a_repeated_creation_with_an_id_is_no_conflict(api):
    body = {"id": "once-only", "title": "Once"}
    first = api.post("/api/jobs", body, Idempotency_Key="with-id")
    assert api.post("/api/jobs", body, Idempotency_Key="with-id").body == first.body


def test_a_repeated_batch_is_answered_as_a_whole(api, job):
    batch = [{"taskId": "a"}, {"taskId": "b"}]
    first = api.update(job, batch, Idempotency_Key="k1")
    again = api.update(job, batch, Idempotency_Key="k1")
    assert again.body == first.body and again.header("Idempotency-Replayed") == "true"
    assert len(api.activity(job)) == 3


def test_put_and_patch_take_keys_too(api, job):
    for send in (lambda: api.put(f"/api/jobs/{job}/tasks/t1", {"note": "n"}, Idempotency_Key="p"),
                 lambda: api.patch(f"/api/jobs/{job}", {"title": "T"}, Idempotency_Key="q")):
        first, again = send(), send()
        assert (again.status, again.body) == (first.status, first.body)
        assert again.header("Idempotency-Replayed") == "true"
    assert len(api.activity(job)) == 3


def test_a_refused_update_does_not_use_up_its_key(api, job):
    assert api.update(job, {**UPDATE, "status": "done"}, Idempotency_Key="k1").status == 422
    assert api.update(job, UPDATE, Idempotency_Key="k1").json["seq"] == 2


def test_the_answer_is_still_there_after_the_end_of_the_job(api, job):
    first = api.update(job, UPDATE, Idempotency_Key="k1")
    api.finish(job)
    again = api.update(job, UPDATE, Idempotency_Key="k1")
    assert (again.status, again.body) == (200, first.body)


def test_the_end_of_a_job_can_be_repeated(api, job):
    path, body = f"/api/jobs/{job}", {"status": "completed"}
    first = api.patch(path, body, Idempotency_Key="end")
    again = api.patch(path, body, Idempotency_Key="end")
    assert (again.status, again.body) == (200, first.body)


def test_a_job_created_again_has_forgotten_the_keys(api, job):
    api.update(job, UPDATE, Idempotency_Key="k1")
    api.delete(f"/api/jobs/{job}")
    api.create_job(id=job)
    reply = api.update(job, UPDATE, Idempotency_Key="k1")
    assert reply.header("Idempotency-Replayed") is None
    assert len(api.activity(job)) == 2


def test_a_key_holds_across_kill_9(serve):
    server = serve()
    with Api(server.address) as api:
        job = api.create_job()["id"]
        first = api.update(job, UPDATE, Idempotency_Key="k1")
    server.restart()
    with Api(server.address) as api:
        again = api.update(job, UPDATE, Idempotency_Key="k1")
        assert (again.status, again.body) == (first.status, first.body)
        assert again.header("Idempotency-Replayed") == "true"
        assert api.update(job, {"taskId": "x"}, Idempotency_Key="k1").status == 422
        assert len(api.activity(job)) == 2


def test_one_key_fifty_times_in_parallel_is_one_event(server, api, job):
    def send(_):
        with Api(server.address) as own:
            return own.update(job, UPDATE, Idempotency_Key="shared")

    replies = together(50, send)
    assert {(reply.status, reply.body) for reply in replies} == {(200, replies[0].body)}
    assert [reply.header("Idempotency-Replayed") for reply in replies].count(None) == 1
    assert len(api.activity(job)) == 2


def test_a_key_is_forgotten_after_its_time(serve, client):
    api = client(serve(idempotency_ms=1000))
    job = api.create_job()["id"]
    assert api.update(job, UPDATE, Idempotency_Key="k1").json["seq"] == 2
    assert api.update(job, UPDATE, Idempotency_Key="k1").json["seq"] == 2
    again = until(lambda: api.update(job, UPDATE, Idempotency_Key="k1").json["seq"] == 3, 10,
                  "the key being forgotten")
    assert again and len(api.activity(job)) == 3


@pytest.mark.parametrize("key", ["k", "k" * 255, "!\"#$%&'()*+,-./:;<=>?@[]^_`{|}~"])
def test_a_key_is_1_to_255_visible_characters(api, job, key):
    api.update(job, UPDATE, Idempotency_Key=key)
    reply = api.update(job, UPDATE, Idempotency_Key=key)
    assert reply.header("Idempotency-Replayed") == "true"


@pytest.mark.parametrize("key", ["", "k" * 256, "with space", "é"])
def test_any_other_key_is_refused(api, job, key):
    reply = api.request("POST", hook(job), UPDATE, {"Idempotency-Key": key.encode("latin-1")})
    assert_problem(reply, 400)
    assert api.job(job)["seq"] == 1
