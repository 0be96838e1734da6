"""Polling and long polling: cursors, limits, time stamps, 304, and the end."""
import re
import select
import threading
import time
from datetime import datetime

import pytest

from support.api import Api
from support.load import Crew
from support.poll import Poll, Poller, path_of
from support.problem import assert_problem
from support.raw import Raw, request
from support.wait import Deadline, until


@pytest.fixture
def poll(server):
    """poll(job): a Poller, closed at the end of the test."""
    opened = []

    def open_one(job, on=server):
        opened.append(Poller(on.address, job))
        return opened[-1]

    yield open_one
    for one in opened:
        one.close()


def unix_ms(timestamp):
    return round(datetime.fromisoformat(timestamp).timestamp() * 1000)


@pytest.mark.parametrize("since", [None, ""])
def test_without_a_position_the_answer_is_the_snapshot(poll, snapshot, since):
    answer = poll(snapshot["id"]).ask(since)
    assert answer.status == 200
    assert answer.json == {"jobId": snapshot["id"], "epoch": snapshot["epoch"],
                           "cursor": snapshot["cursor"], "head": 1, "status": "in_progress",
                           "terminal": False, "reset": True, "events": [], "job": snapshot,
                           "pollIntervalMs": 2000}


def test_a_cursor_gives_what_came_after_it(poll, api, snapshot):
    api.burst(snapshot["id"], 4)
    answer = poll(snapshot["id"]).ask(f"{snapshot['epoch']}.2")
    assert answer.seqs() == [3, 4, 5]
    assert (answer["reset"], answer["head"]) == (False, 5)
    assert answer["cursor"] == f"{snapshot['epoch']}.5"
    assert "job" not in answer.json


def test_a_cursor_at_the_head_gives_nothing_at_once(poll, snapshot):
    answer = poll(snapshot["id"]).ask(snapshot["cursor"])
    assert (answer.status, answer.events, answer["cursor"]) == (200, [], snapshot["cursor"])


def test_a_limit_takes_the_next_ones_and_never_skips(poll, api, snapshot):
    api.burst(snapshot["id"], 10)
    poller, cursor, seen = poll(snapshot["id"]), snapshot["cursor"], []
    while len(seen) < 10:
        answer = poller.ask(cursor, limit=3)
        assert 1 <= len(answer.events) <= 3 and answer["head"] == 11
        assert answer["cursor"] == f"{snapshot['epoch']}.{answer.seqs()[-1]}"
        seen, cursor = seen + answer.seqs(), answer["cursor"]
    assert seen == list(range(2, 12))


def test_500_events_come_when_no_limit_is_named(poll, api, snapshot):
    api.burst(snapshot["id"], 600)
    poller = poll(snapshot["id"])
    first = poller.ask(snapshot["cursor"])
    assert first.seqs() == list(range(2, 502)) and first["head"] == 601
    assert poller.ask(first["cursor"]).seqs() == list(range(502, 602))


@pytest.mark.parametrize("query", ["limit=0", "limit=x", "limit=-5", "wait=x", "wait=-1",
                                   "wait=61"])
def test_a_question_that_cannot_be_meant_is_refused(api, snapshot, query):
    path = f"{path_of(snapshot['id'], since=snapshot['cursor'])}&{query}"
    assert_problem(api.get(path), 400, "bad_request")


def test_a_time_gives_the_events_at_or_after_it(poll, api, snapshot):
    job = snapshot["id"]
    for task in ("a", "b", "c"):
        threading.Event().wait(0.003)   # so that the times differ: that is the subject here
        api.report(job, task)
    log = api.activity(job)
    for first in log[1:]:
        due = [event["seq"] for event in log if event["timestamp"] >= first["timestamp"]]
        for since in (first["timestamp"], unix_ms(first["timestamp"])):
            answer = poll(job).ask(since)
            assert (answer.seqs(), answer["reset"]) == (due, False)
            assert answer["cursor"] == f"{snapshot['epoch']}.4"


@pytest.mark.parametrize("since", ["2001-02-03T04:05:06Z", "2001-02-03T05:05:06.000+01:00",
                                   "981173106000"])
def test_a_time_before_the_job_gives_all_of_it(poll, api, snapshot, since):
    api.report(snapshot["id"], "t1")
    assert poll(snapshot["id"]).ask(since).seqs() == [1, 2]


def test_a_time_to_come_gives_nothing_and_goes_on_from_the_head(poll, api, snapshot):
    answer = poll(snapshot["id"]).ask(round(time.time() * 1000) + 60_000)
    assert answer.events == [] and answer["cursor"] == snapshot["cursor"]
    api.report(snapshot["id"], "t1")
    assert poll(snapshot["id"]).ask(answer["cursor"]).seqs() == [2]


@pytest.mark.one_node("events of other nodes come a moment later")
def test_the_entity_tag_is_the_cursor(poll, api, snapshot):
    poller = poll(snapshot["id"])
    answer = poller.ask(snapshot["cursor"])
    tag = answer.reply.header("ETag")
    assert tag == f'"{answer["cursor"]}"'
    unchanged = poller.ask(snapshot["cursor"], If_None_Match=tag)
    assert (unchanged.status, unchanged.reply.body) == (304, b"")
    api.report(snapshot["id"], "t1")
    assert poller.ask(snapshot["cursor"], If_None_Match=tag).seqs() == [2]


def test_an_answer_is_never_kept_by_a_cache(poll, snapshot):
    said = poll(snapshot["id"]).ask(snapshot["cursor"]).reply.header("Cache-Control")
    assert "no-store" in said or "no-cache" in said


def test_long_polling_answers_at_once_when_there_is_something(poll, api, snapshot):
    api.report(snapshot["id"], "t1")
    began = time.monotonic()
    assert poll(snapshot["id"]).ask(snapshot["cursor"], wait=30).seqs() == [2]
    assert time.monotonic() - began < 5


@pytest.fixture
def waiting(server, snapshot):
    """A long poll at the head of the job, already asked and not answered."""
    with Raw(server.address) as raw:
        raw.send(request("GET", path_of(snapshot["id"], since=snapshot["cursor"], wait=30)))
        assert raw.silent_for(0.2), raw.buffer
        yield raw


def test_long_polling_answers_at_once_when_something_happens(waiting, api, snapshot):
    api.report(snapshot["id"], "t1", note="now")
    answer = Poll(waiting.response(within=1))
    assert answer.seqs() == [2] and answer.events[0]["note"] == "now"


def test_long_polling_answers_at_once_when_the_job_ends(waiting, api, snapshot):
    api.finish(snapshot["id"])
    answer = Poll(waiting.response(within=1))
    assert (answer.seqs(), answer["terminal"]) == ([2], True)


def test_long_polling_answers_at_once_when_the_job_is_deleted(waiting, api, snapshot):
    api.delete(f"/api/jobs/{snapshot['id']}")
    answer = Poll(waiting.response(within=1))
    assert (answer.status, answer["status"], answer["terminal"]) == (200, "deleted", True)
    assert (answer.events, answer["cursor"]) == ([], snapshot["cursor"])


@pytest.mark.one_node("events of other nodes come a moment later")
@pytest.mark.parametrize("wait", [None, 30])
def test_a_position_in_a_job_that_was_deleted_meanwhile_is_at_its_end(poll, api, snapshot, wait):
    poller = poll(snapshot["id"])
    tag = poller.ask(snapshot["cursor"]).reply.header("ETag")
    api.delete(f"/api/jobs/{snapshot['id']}")
    answer = poller.ask(snapshot["cursor"], wait=wait, If_None_Match=tag)
    assert (answer.status, answer["status"], answer["terminal"]) == (200, "deleted", True)
    assert (answer["reset"], answer.events) == (False, [])
    assert (answer["epoch"], answer["cursor"]) == (snapshot["epoch"], snapshot["cursor"])


@pytest.mark.parametrize("wait", [None, 30])
def test_a_position_in_a_job_that_never_was_is_of_an_unknown_job(api, snapshot, wait):
    path = path_of("never-there", since=snapshot["cursor"], wait=wait)
    assert_problem(api.get(path), 404, "not_found")
    job = api.create_job(id="gone")
    api.delete("/api/jobs/gone")
    for since, status in [(job["cursor"], 200), (snapshot["cursor"], 404), ("aaaaaaaaaa.1", 404),
                          (None, 404), ("nonsense", 404), ("981173106000", 404)]:
        assert (since, api.get(path_of("gone", since=since, wait=wait)).status) == (since, status)


def test_each_job_that_had_the_name_is_remembered_as_deleted_over_a_restart(serve, client):
    server = serve()
    api, cursors = client(server), []
    for _ in range(3):
        cursors.append(api.create_job(id="again")["cursor"])
        assert api.delete("/api/jobs/again").status == 204
    server.restart()
    for cursor in cursors:
        answer = Poll(client(server).get(path_of("again", since=cursor)))
        assert (answer["status"], answer["terminal"], answer["cursor"]) == ("deleted", True, cursor)


def test_a_deleted_job_is_forgotten_with_the_keys(serve, client):
    server = serve(idempotency_ms=1000)
    api = client(server)
    job = api.create_job()
    api.delete(f"/api/jobs/{job['id']}")
    path = path_of(job["id"], since=job["cursor"])
    assert api.get(path).status == 200
    until(lambda: api.get(path).status == 404, 30, "its being forgotten")


def test_a_job_that_was_made_again_is_not_the_deleted_one(poll, api):
    first = api.create_job(id="again")
    api.delete("/api/jobs/again")
    second = api.create_job(id="again")
    answer = poll("again").ask(first["cursor"])
    assert (answer["reset"], answer["reason"], answer["status"]) == (True, "epoch", "in_progress")
    assert answer["epoch"] == second["epoch"]


def test_what_happened_before_the_deletion_is_still_told(poll, api, server, snapshot):
    path = path_of(snapshot["id"], since=f"{snapshot['epoch']}.1", wait=30, types="command")
    with Raw(server.address) as raw:
        raw.send(request("GET", path))
        assert raw.silent_for(0.2)
        api.burst(snapshot["id"], 3)
        api.delete(f"/api/jobs/{snapshot['id']}")
        answer = Poll(raw.response(within=1))
    assert (answer.events, answer["status"], answer["terminal"]) == ([], "deleted", True)
    assert answer["cursor"] == f"{snapshot['epoch']}.4"


def test_everyone_who_waits_is_answered(server, api, snapshot):
    path = path_of(snapshot["id"], since=snapshot["cursor"], wait=30)
    waiting = [Raw(server.address) for _ in range(300)]
    for raw in waiting:
        raw.send(request("GET", path))
    assert waiting[-1].silent_for(0.1)
    api.report(snapshot["id"], "t1", note="for all")
    bodies = {raw.response(within=2).body for raw in waiting}
    assert len(bodies) == 1 and b"for all" in bodies.pop()
    for raw in waiting:
        raw.close()


def test_who_waits_counts_as_a_watcher(waiting, api, snapshot):
    assert api.report(snapshot["id"], "t1")["watchers"] == 1


def test_who_does_not_wait_is_no_watcher(poll, api, snapshot):
    poller = poll(snapshot["id"])
    for since in (None, snapshot["cursor"]):
        assert poller.ask(since).status == 200
        assert api.report(snapshot["id"], "t1")["watchers"] == 0


def test_long_polling_ends_empty_after_its_time(poll, snapshot):
    began = time.monotonic()
    answer = poll(snapshot["id"]).ask(snapshot["cursor"], wait=1)
    assert (answer.status, answer.events, answer["cursor"]) == (200, [], snapshot["cursor"])
    assert 0.5 < time.monotonic() - began < 4


def test_long_polling_with_a_tag_ends_in_304(poll, snapshot):
    answer = poll(snapshot["id"]).ask(snapshot["cursor"], wait=1,
                                      If_None_Match=f'"{snapshot["cursor"]}"')
    assert (answer.status, answer.reply.body) == (304, b"")


def test_the_end_of_a_job_is_told_once_all_is_read(poll, api, snapshot):
    api.burst(snapshot["id"], 3)
    api.finish(snapshot["id"])
    poller = poll(snapshot["id"])
    part = poller.ask(snapshot["cursor"], limit=2)
    assert (part.seqs(), part["terminal"], part["status"]) == ([2, 3], False, "completed")
    rest = poller.ask(part["cursor"])
    assert (rest.seqs(), rest["terminal"], rest["status"]) == ([4, 5], True, "completed")


def test_long_polling_an_ended_job_does_not_wait(poll, api, snapshot):
    api.finish(snapshot["id"])
    began = time.monotonic()
    answer = poll(snapshot["id"]).ask(f"{snapshot['epoch']}.2", wait=30)
    assert (answer.events, answer["terminal"]) == ([], True)
    assert time.monotonic() - began < 5


def test_the_cursor_has_only_harmless_characters(poll, snapshot):
    assert re.fullmatch(r"[0-9a-z.]{3,64}", poll(snapshot["id"]).ask()["cursor"])


def test_an_unknown_job_is_not_found(poll):
    assert_problem(poll("nobody").ask().reply, 404, "not_found")


@pytest.mark.parametrize("position", ["", "abc", "0"])
def test_an_unknown_job_is_not_found_unless_the_client_was_there(poll, position):
    assert_problem(poll("nobody").ask(position).reply, 404, "not_found")


# -- a limit, from wherever the events come ---------------------------------------------------------

@pytest.mark.parametrize("limit", [1, 2, 3, 9, 10, 11])
def test_a_limit_is_exact_when_the_events_are_in_memory(poll, watch_on, api, server, snapshot,
                                                        limit):
    watcher = watch_on(server, snapshot["id"])
    watcher.connected()
    api.burst(snapshot["id"], 10)
    watcher.events(10)
    answer = poll(snapshot["id"]).ask(snapshot["cursor"], limit=limit)
    assert answer.seqs() == list(range(2, 2 + min(limit, 10)))
    assert answer["cursor"] == f"{snapshot['epoch']}.{1 + min(limit, 10)}"


# -- a choice of types ------------------------------------------------------------------------------

def command(api, job):
    assert api.post(f"/api/jobs/{job}/commands", {"command": "go"}).status == 201


def ask_for(api, job, since, types, **query):
    return Poll(api.get(path_of(job, since=since, types=types, **query)))


def test_only_the_types_that_were_asked_for_come(api, snapshot):
    job = snapshot["id"]
    api.burst(job, 3)
    command(api, job)
    api.burst(job, 2)
    answer = ask_for(api, job, snapshot["cursor"], "command")
    assert (answer.seqs(), answer["cursor"]) == ([5], f"{snapshot['epoch']}.7")
    answer = ask_for(api, job, snapshot["cursor"], "command,task_update", limit=3)
    assert answer.seqs() == [2, 3, 4]
    assert ask_for(api, job, snapshot["cursor"], "deliverable").events == []


def test_a_long_poll_waits_for_its_types(api, client, server, snapshot):
    job = snapshot["id"]
    api.burst(job, 3)
    with Raw(server.address) as raw:
        raw.send(request("GET", path_of(job, since=snapshot["cursor"], wait=30, types="command")))
        assert raw.silent_for(0.2)
        api.burst(job, 3)
        assert raw.silent_for(0.2)
        command(api, job)
        answer = Poll(raw.response(within=1))
    assert (answer.seqs(), answer["cursor"]) == ([8], f"{snapshot['epoch']}.8")


def test_a_long_poll_waits_no_longer_than_its_wait_while_the_ring_laps_it(serve, client):
    """Each time it has to ask the store, where there is nothing of its types either."""
    server = serve(ring_events=4)
    api = client(server)
    snapshot = api.create_job()
    job = snapshot["id"]
    with Raw(server.address) as raw:
        raw.send(request("GET", path_of(job, since=snapshot["cursor"], wait=2, types="command")))

        def answered():
            api.burst(job, 40)
            return select.select([raw.socket], [], [], 0)[0]

        until(answered, 6, "the answer after 2 s")
        assert raw.response().json["events"] == []


def test_a_long_poll_that_saw_nothing_of_its_types_goes_on_behind_the_others(api, snapshot):
    api.burst(snapshot["id"], 3)
    answer = ask_for(api, snapshot["id"], snapshot["cursor"], "command", wait=1)
    assert (answer.events, answer["cursor"]) == ([], f"{snapshot['epoch']}.4")


def test_the_end_ends_a_long_poll_that_did_not_ask_for_it(api, snapshot):
    api.finish(snapshot["id"])
    answer = ask_for(api, snapshot["id"], snapshot["cursor"], "command", wait=30)
    assert (answer.events, answer["terminal"]) == ([], True)
    assert answer["cursor"] == f"{snapshot['epoch']}.2"


@pytest.mark.parametrize("types", ["", "nonsense", "task_update,", "TASK_UPDATE"])
def test_types_that_there_are_not_are_refused(api, snapshot, types):
    answer = api.get(path_of(snapshot["id"]) + f"?types={types}")
    assert_problem(answer, 400, "bad_request")


# -- the end, and not before ------------------------------------------------------------------------

def test_a_snapshot_from_before_the_end_is_not_the_end(api, client, server):
    for _ in range(12):
        job = api.create_job()["id"]
        for i in range(8):
            assert api.update(job, [{"taskId": f"{i}-{n}", "note": "n" * 2000}
                                    for n in range(100)]).status == 200
        with Raw(server.address) as raw:
            raw.send(request("GET", path_of(job)))
            api.finish(job)
            answer = Poll(raw.response())
        assert answer["reset"] and answer["terminal"] == (answer["job"]["status"] == "completed")


def test_the_end_is_told_to_one_who_has_its_cursor(poll, api, snapshot):
    """After a 304 it would poll without end: it cannot know yet that nothing follows."""
    end = api.finish(snapshot["id"])["cursor"]
    for _ in range(2):
        answer = poll(snapshot["id"]).ask(end, If_None_Match=f'"{end}"')
        assert (answer.status, answer.events, answer["terminal"]) == (200, [], True)
    reset = poll(snapshot["id"]).ask(If_None_Match=f'"{end}"')
    assert (reset.status, reset["reset"], reset["terminal"]) == (200, True, True)


def test_the_head_is_never_before_the_cursor(serve, client):
    """Answers from the store may be newer than what the loop has been told."""
    server = serve(ring_events=4)
    api = client(server)
    job = api.create_job()

    def report(crew):
        with Api(server.address) as own:
            while crew.working:
                own.burst(job["id"], 20)

    with Crew() as crew:
        crew.hire(report)
        cursor = job["cursor"]
        for _ in range(300):
            answer = Poll(api.get(path_of(job["id"], since=cursor)))
            cursor = answer["cursor"]
            assert answer["head"] >= int(cursor.partition(".")[2])


# -- not the job again ------------------------------------------------------------------------------

def test_a_job_that_has_not_changed_is_not_read(serve, client):
    server = serve(max_snapshots=1, snapshot_cache=0)
    api = client(server)
    held, job = api.create_job()["id"], api.create_job()
    for i in range(8):
        assert api.update(held, [{"taskId": f"{i}-{n}", "note": "n" * 2000}
                                 for n in range(100)]).status == 200
    tag = api.get(f"/api/jobs/{job['id']}").header("ETag")
    with Raw(server.address, receive_buffer=4096) as raw:
        raw.send(request("GET", f"/api/jobs/{held}/task-events"))
        raw.head_of_response(Deadline(10, "the head of a stream"))
        assert_problem(api.get(f"/api/jobs/{job['id']}"), 503, "overloaded")
        path = f"/api/jobs/{job['id']}"
        for tags in (tag, f"W/{tag}", f'"x", {tag}', "*"):
            assert (api.get(path, If_None_Match=tags).status, tags) == (304, tags)
        assert_problem(api.get(path, If_None_Match='"x"'), 503, "overloaded")
