"""Presence: who watches and which agents are at work, told as it changes and never stored."""
import re
import select

import pytest

from support.api import Api
from support.load import Crew
from support.poll import path_of as poll_path
from support.problem import assert_problem
from support.sse import SseStream
from support.wait import SCALE, Deadline, happens, until
from support.ws import WebSocket, path_of

PACE_MS = 250


@pytest.fixture
def socket(server):
    """socket(on=server): an open WebSocket, closed at the end of the test."""
    opened = []

    def open_one(on=server, **query):
        opened.append(WebSocket(on.address, path_of(**query)))
        return opened[-1]

    yield open_one
    for one in opened:
        one.close()


def here(api, job, agent="a1", state="working", **fields):
    return api.post(f"/api/jobs/{job}/presence", {"agent": agent, "state": state, **fields})


def until_presence(ws, condition, what, within=5):
    """Presence as it comes to a subscriber, among events, until it is as it should be."""
    deadline = Deadline(within, what)
    while True:
        said = ws.message(("presence", "task_update"), deadline.left())
        if said.type == "presence" and condition(said.json):
            return said.json


def agents_now(server, job):
    """The agents that a new viewer is told of."""
    with WebSocket(server.address, path_of(job=job)) as ws:
        return ws.message("connected")["agents"]


def names(agents):
    return [agent["id"] for agent in agents]


# -- agents ---------------------------------------------------------------------------------------

def test_nobody_is_there_at_first(server, job):
    assert agents_now(server, job) == []


@pytest.mark.one_node("watchers of other nodes count a moment later")
def test_an_agents_word_over_http_reaches_those_who_watch(server, socket, api, job):
    ws = socket(job=job)
    ws.message("connected")
    reply = here(api, job, state="typing", taskId="t3")
    assert reply.status == 200 and reply.json == {"ok": True, "watchers": 1}
    said = until_presence(ws, lambda said: said["agents"], "the agent")
    assert said == {"type": "presence", "jobId": job, "watchers": 1,
                    "agents": [{"id": "a1", "state": "typing", "taskId": "t3"}]}
    assert agents_now(server, job) == said["agents"]


def test_an_agents_word_over_its_socket_reaches_those_who_watch(socket, job):
    ws, agent = socket(job=job), socket()
    ws.message("connected")
    agent.send("presence", jobId=job, agent="bob", state="working")
    said = until_presence(ws, lambda said: said["agents"], "the agent")
    assert said["agents"] == [{"id": "bob", "state": "working"}]


def test_presence_comes_on_sse_without_an_id(server, api, job):
    with SseStream(server.address, job) as stream:
        stream.connected()
        here(api, job)
        block = stream.message("presence")
        assert block.id is None and block.event is None
        assert names(block.json["agents"]) == ["a1"]


def test_presence_has_a_name_on_a_named_stream(server, api, job):
    with SseStream(server.address, job, query="named=1") as stream:
        stream.connected()
        here(api, job)
        block = stream.message("presence")
        assert (block.event, block.id) == ("presence", None)


def test_sse_and_websocket_say_it_in_the_same_bytes(server, socket, api, job):
    ws = socket(job=job)
    ws.message("connected")
    with SseStream(server.address, job) as stream:
        stream.connected()
        here(api, job, state="é \u2028 \"x\"")
        said = ws.message("presence")
        while not said["agents"] or said["watchers"] != 2:
            said = ws.message("presence")
        block = stream.message("presence")
        while block.data != said.text:
            block = stream.message("presence")


def test_an_agent_without_a_name_gets_one_of_its_connections(server, socket, job):
    one, two = socket(), socket()
    for agent in (one, two):
        agent.send("presence", jobId=job, state="idle")
        assert agent.answers()
    until(lambda: len(set(names(agents_now(server, job)))) == 2, 5, "two agents")


def test_agents_without_a_name_differ_on_several_loops(serve, client, socket):
    """Each loop numbers its own connections: the name must tell the loops apart."""
    server = serve(loops=2)
    job = client(server).create_job()["id"]
    agents = [socket(on=server) for _ in range(16)]
    for agent in agents:
        agent.send("presence", jobId=job, state="idle")
        assert agent.answers()
    until(lambda: len(set(names(agents_now(server, job)))) == 16, 5, "sixteen agents")
    for agent in agents[:10]:
        agent.close()
    until(lambda: len(set(names(agents_now(server, job)))) == 6, 5, "ten of them leaving")


@pytest.mark.one_node("watchers and agents of other nodes count a moment later")
@pytest.mark.parametrize("state", ["idle", "working", "typing", "waiting for Ann é", "s" * 64])
def test_the_state_is_free_text(server, api, job, state):
    assert here(api, job, state=state).status == 200
    assert agents_now(server, job)[0]["state"] == state


@pytest.mark.one_node("watchers and agents of other nodes count a moment later")
def test_a_new_word_replaces_the_old_one(server, api, job):
    here(api, job, state="working", taskId="t1")
    here(api, job, state="idle")
    assert agents_now(server, job) == [{"id": "a1", "state": "idle"}]


@pytest.mark.one_node("watchers and agents of other nodes count a moment later")
def test_an_empty_state_means_that_the_agent_leaves(server, api, job):
    here(api, job, "a1")
    here(api, job, "a2")
    assert here(api, job, "a1", "").status == 200
    assert names(agents_now(server, job)) == ["a2"]


@pytest.mark.parametrize("change, status, code", [
    ({"state": None}, 422, "invalid_field"), ({"state": "s" * 65}, 422, "invalid_field"),
    ({"agent": None}, 422, "invalid_field"), ({"agent": "a b"}, 400, "invalid_id"),
    ({"taskId": "a/b"}, 400, "invalid_id"), ({"other": 1}, 422, "unknown_field"),
    ({"agent": "a" * 129}, 422, "invalid_field")])
def test_a_word_that_cannot_be_meant_is_refused(server, api, job, change, status, code):
    body = {"agent": "a1", "state": "idle"} | change
    assert_problem(api.post(f"/api/jobs/{job}/presence", body), status, code)
    assert agents_now(server, job) == []


@pytest.mark.parametrize("missing", ["agent", "state"])
def test_agent_and_state_are_needed_over_http(api, job, missing):
    body = {"agent": "a1", "state": "idle"}
    del body[missing]
    assert_problem(api.post(f"/api/jobs/{job}/presence", body), 422, "invalid_field", missing)


def test_presence_of_an_unknown_job_is_404_and_a_sockets_stays(socket, api, job):
    assert_problem(here(api, "nobody"), 404, "not_found")
    ws = socket()
    said = ws.ask("presence", "error", jobId="nobody", state="idle").json
    assert (said["status"], said["code"], said["jobId"], said["retryable"]) == (
        404, "not_found", "nobody", False)
    ws.send("presence", jobId=job, state="idle")
    assert ws.answers()


@pytest.mark.parametrize("change, code", [
    ({"state": "s" * 65}, "invalid_field"), ({"state": 7}, "invalid_field"),
    ({"agent": "a b"}, "invalid_id"), ({"taskId": "/"}, "invalid_id"), ({"x": 1}, "unknown_field"),
    ({"jobId": "-"}, "invalid_id")])
def test_a_bad_word_over_a_socket_is_an_error(socket, job, change, code):
    ws = socket()
    ws.send_many([{"type": "presence", "jobId": job, "state": "idle"} | change])
    assert ws.message("error")["code"] == code
    assert ws.answers()


def test_the_number_of_agents_of_a_job_is_limited(serve, client, socket):
    server = serve(max_agents=3)
    api = client(server)
    job = api.create_job()["id"]
    for i in range(3):
        assert here(api, job, f"a{i}").status == 200
    refused = here(api, job, "a3")
    assert_problem(refused, refused.status, "too_many_agents")
    assert 400 <= refused.status < 500
    ws = socket(on=server)
    said = ws.ask("presence", "error", id="p1", jobId=job, state="x", agent="a4").json
    assert (said["code"], said["id"]) == ("too_many_agents", "p1")
    assert said["detail"] == refused.json["detail"], "it is the same problem on both"
    assert here(api, job, "a1", "idle").status == 200, "one who is there may go on"
    here(api, job, "a1", "")
    assert here(api, job, "a3").status == 200


# -- how long it holds ----------------------------------------------------------------------------

def test_a_word_holds_for_presence_ms_and_no_longer(serve, client, socket):
    server = serve(presence_ms=500, presence_pace_ms=20)
    api = client(server)
    job = api.create_job()["id"]
    ws = socket(on=server, job=job)
    ws.message("connected")
    here(api, job)
    until_presence(ws, lambda said: said["agents"], "the agent")
    until_presence(ws, lambda said: not said["agents"], "the agent's time being over", within=3)
    assert agents_now(server, job) == []


def test_all_loops_hold_a_word_until_the_same_moment(serve, client):
    """Who was told that the agent has gone is not told later that it is there, whoever is asked."""
    server = serve(loops=4, presence_ms=int(300 * SCALE))
    asked = [client(server) for _ in range(8)]      # on several loops
    job = asked[0].create_job()["id"]

    def one_lists_it(api):
        return names(api.get("/api/jobs").json["jobs"][0]["agents"])

    for teller in asked * 2:
        here(teller, job)
        for api in asked:
            until(lambda one=api: one_lists_it(one), 5, "the agent on each loop")
        gone = False
        while not gone:
            answers = [one_lists_it(api) for api in asked * 2]
            gone = not answers[-1]
            assert answers == sorted(answers, reverse=True), "it came back after it had gone"


def test_a_word_that_is_renewed_holds_and_is_not_told_again(serve, client, socket):
    server = serve(presence_ms=1000, presence_pace_ms=20)
    api = client(server)
    job = api.create_job()["id"]
    ws = socket(on=server, job=job)
    ws.message("connected")
    here(api, job)
    until_presence(ws, lambda said: said["agents"], "the agent")
    deadline = Deadline(2.5, "the time of more than two words")
    while not deadline.passed():
        here(api, job)
        assert ws.raw.silent_for(0.1), f"renewal is no change: {ws.next()}"
    assert names(agents_now(server, job)) == ["a1"]


def test_an_agent_is_gone_at_once_when_its_socket_is(socket, job):
    ws, agent = socket(job=job), socket()
    ws.message("connected")
    agent.send("presence", jobId=job, agent="bob", state="working")
    until_presence(ws, lambda said: said["agents"], "the agent")
    agent.close()
    until_presence(ws, lambda said: not said["agents"], "the agent leaving", within=2)


def test_an_agent_is_gone_at_once_when_its_socket_is_reset_or_closed_politely(socket, job):
    ws = socket(job=job)
    ws.message("connected")
    for leave in (lambda agent: agent.raw.hang_up(), lambda agent: agent.send_close()):
        agent = socket()
        agent.send("presence", jobId=job, agent="bob", state="working")
        until_presence(ws, lambda said: said["agents"], "the agent")
        leave(agent)
        until_presence(ws, lambda said: not said["agents"], "the agent leaving", within=2)


@pytest.mark.one_node("watchers and agents of other nodes count a moment later")
def test_an_agent_that_moved_to_another_socket_stays_when_the_first_goes(server, socket, job):
    first, second = socket(), socket()
    for agent in (first, second):
        agent.send("presence", jobId=job, agent="bob", state="working")
        assert agent.answers()
        until(lambda: names(agents_now(server, job)) == ["bob"], 5, "the agent")
    first.send_close()
    first.closed()
    assert names(agents_now(server, job)) == ["bob"]
    second.close()
    until(lambda: agents_now(server, job) == [], 2, "the agent leaving")


def test_a_socket_speaks_for_several_agents_and_jobs_and_takes_all_with_it(server, socket, api):
    jobs = [api.create_job()["id"] for _ in range(3)]
    ws = socket()
    for job in jobs:
        for name in ("a", "b"):
            ws.send("presence", jobId=job, agent=name, state="working")
    for job in jobs:
        until(lambda j=job: names(agents_now(server, j)) == ["a", "b"], 5, "both agents")
    ws.close()
    for job in jobs:
        until(lambda j=job: agents_now(server, j) == [], 2, "both leaving")


def test_presence_is_never_stored(serve, client):
    server = serve()
    api = client(server)
    snapshot = api.create_job()
    for i in range(20):
        here(api, snapshot["id"], f"a{i}")
    assert api.job(snapshot["id"]) == snapshot
    assert len(api.activity(snapshot["id"])) == 1
    server.restart()
    assert agents_now(server, snapshot["id"]) == []
    assert client(server).job(snapshot["id"]) == snapshot


# -- pace, and those who wait for events ----------------------------------------------------------

def test_a_flood_of_words_is_told_at_the_pace_and_ends_with_the_last(serve, client, socket):
    """As many changes as one client can make in a second: presence comes at most 4 times in it."""
    server = serve()
    api = client(server)
    job = api.create_job()["id"]
    ws = socket(on=server, job=job)
    ws.message("connected")
    deadline, count = Deadline(2, "two seconds of changes"), 0
    while not deadline.passed():
        count += 1
        here(api, job, state=f"s{count}")
    told, last = 0, None
    while last != f"s{count}":
        last = ws.message("presence")["agents"][0]["state"]
        told += 1
    assert told <= deadline.within * 1000 / PACE_MS + 3, f"{told} times for {count} changes"
    assert count > 10 * told


def test_logged_events_do_not_wait_for_presence(serve, client, socket):
    server = serve(presence_pace_ms=20)
    api = client(server)
    job = api.create_job()["id"]
    ws = socket(on=server, job=job)
    ws.message("connected")

    def flood(crew):
        with Api(server.address) as own:
            i = 0
            while crew.working:
                i += 1
                here(own, job, f"a{i % 50}", f"s{i}")

    with Crew() as crew:
        crew.hire(flood)
        for i in range(200):
            api.report(job, "t", note=str(i))
            event = ws.message("task_update", within=1)
            assert (event["seq"], event["note"]) == (i + 2, str(i))
    assert [event["seq"] for event in api.activity(job)] == list(range(1, 202))


def test_presence_can_be_left_out_and_can_be_all_there_is(socket, api, job):
    without, only = socket(), socket()
    without.subscribe(job, types="task_update")
    only.subscribe(job, types="presence")
    here(api, job)
    until_presence(only, lambda said: said["agents"], "the agent")
    api.report(job, "t")
    assert without.next()["type"] == "task_update"
    here(api, job, state="other")
    while (said := only.next()).type == "presence" and said["agents"][0]["state"] != "other":
        pass
    assert said.type == "presence"


def test_a_viewer_of_another_job_hears_nothing(socket, api, job):
    ws = socket(job=api.create_job()["id"])
    ws.message("connected")
    here(api, job)
    assert ws.raw.silent_for(0.6)


# -- watchers -------------------------------------------------------------------------------------

def watchers(api, job):
    return api.report(job, "t")["watchers"]


def exactly(api, job, count):
    until(lambda: watchers(api, job) == count, 5, f"{count} watchers")


@pytest.mark.parametrize("loops", [1, 2])
def test_the_count_of_watchers_is_exact_over_transports_and_loops(serve, client, socket, loops):
    server = serve(loops=loops)
    api = client(server)
    job = api.create_job()["id"]
    sockets = [socket(on=server, job=job) for _ in range(7)]
    for ws in sockets:
        ws.message("connected")
    exactly(api, job, 7)
    streams = [SseStream(server.address, job) for _ in range(5)]
    for stream in streams:
        stream.connected()
    exactly(api, job, 12)
    by_message = socket(on=server)
    by_message.subscribe(job)
    exactly(api, job, 13)
    for ws in sockets[:3]:
        ws.close()
    streams.pop().close()
    exactly(api, job, 9)
    by_message.send("unsubscribe", jobId=job)
    exactly(api, job, 8)
    until_presence(sockets[3], lambda said: said["watchers"] == 8, "the count")
    for stream in streams:
        stream.close()
    for ws in sockets[3:]:
        ws.send_close()
    exactly(api, job, 0)


@pytest.mark.parametrize("loops", [1, 2])
def test_every_answer_and_every_viewer_says_the_same_count(serve, client, socket, loops):
    server = serve(loops=loops)
    api = client(server)
    job = api.create_job()["id"]
    views = []
    for i in range(10):
        views.append(socket(on=server, job=job))
        assert 1 <= views[-1].message("connected")["watchers"] <= i + 1
    for ws in views:
        until_presence(ws, lambda said: said["watchers"] == 10, "all ten being counted")
    worker = socket(on=server)
    assert worker.update("k", job)["watchers"] == 10
    assert here(api, job).json["watchers"] == 10
    assert api.put(f"/api/jobs/{job}/tasks/t", {"note": "n"}).json["watchers"] == 10


@pytest.mark.parametrize("tabs", [1, 3])
@pytest.mark.parametrize("loops", [1, 2])
def test_one_that_takes_the_place_of_another_is_told_the_count_without_it(serve, client, loops, tabs):
    server = serve(loops=loops, presence_pace_ms=1000)
    job = client(server).create_job()["id"]
    with SseStream(server.address, job, query=f"tabs={tabs}") as before:
        before.connected()
        if tabs > 1:
            before.message("presence")  # one who is alone gets none
        after = SseStream(server.address, job, query=f"tabs={tabs}")
        told = after.connected().json["watchers"]
    with after:
        while told != tabs:
            told = after.message("presence", 5).json["watchers"]


@pytest.mark.parametrize("loops", [1, 2])
def test_agents_are_known_on_every_loop(serve, client, socket, loops):
    server = serve(loops=loops)
    api = client(server)
    job = api.create_job()["id"]
    agent = socket(on=server)
    agent.send("presence", jobId=job, agent="bob", state="working")
    assert agent.answers()
    views = [socket(on=server, job=job) for _ in range(8)]
    for ws in views:
        said = ws.message("connected").json
        if said["agents"] == []:
            said = until_presence(ws, lambda said: said["agents"], "the agent")
        assert names(said["agents"]) == ["bob"]
    agent.close()
    for ws in views:
        until_presence(ws, lambda said: not said["agents"], "the agent leaving")


@pytest.mark.parametrize("events_per_s", [0, 20])
def test_a_viewer_behind_a_dead_peer_is_gone_within_two_heartbeats(
        serve, client, socket, events_per_s):
    """It answers no ping; what it is sent still fits into the kernel's buffers, which acknowledge
    it."""
    heartbeat_s = 2     # the server looks four times a second, which must not be half a heartbeat
    server = serve(heartbeat_ms=int(heartbeat_s * 1000))
    api = client(server)
    job = api.create_job()["id"]

    def is_gone():
        if events_per_s:
            api.burst(job, 2)
            select.select([], [], [], 2 / events_per_s)
        return watchers(api, job) == 0

    with WebSocket(server.address, path_of(job=job), answer_pings=False) as dead:
        dead.message("connected")
        exactly(api, job, 1)
        assert happens(is_gone, 2.5 * heartbeat_s)


def test_a_viewer_who_answers_pings_stays(serve, client, socket):
    server = serve(heartbeat_ms=500)
    api = client(server)
    job = api.create_job()["id"]
    ws = socket(on=server, job=job)
    ws.message("connected")
    for _ in range(5):
        ws.wait_for_ping(within=2)
    assert watchers(api, job) == 1


def test_one_who_polls_counts_while_it_waits(server, api, socket, job):
    ws = socket(job=job)
    ws.message("connected")
    cursor = api.job(job)["cursor"]
    with Api(server.address, 20) as poller:
        poller.connection.request("GET", poll_path(job, since=cursor, wait=10))
        said = until_presence(ws, lambda said: said["watchers"] == 2, "the one who polls")
        assert said["agents"] == []
        api.report(job, "t")
        assert re.search(rb'"seq":2', poller.connection.getresponse().read())


# -- what a worker is told ------------------------------------------------------------------------

@pytest.mark.one_node("watchers and agents of other nodes count a moment later")
def test_a_worker_is_told_when_the_first_viewer_comes_and_the_last_leaves(socket, job):
    worker = socket()
    assert worker.update("k1", job)["watchers"] == 0
    first, second = socket(job=job), None
    assert worker.message("watchers").json == {"type": "watchers", "jobId": job, "watchers": 1}
    second = socket(job=job)
    second.message("connected")
    assert worker.raw.silent_for(0.6), "the second is no news"
    first.close()
    assert worker.raw.silent_for(0.6), "one is still there"
    second.close()
    assert worker.message("watchers").json == {"type": "watchers", "jobId": job, "watchers": 0}


@pytest.mark.parametrize("loops", [1, 2])
def test_a_worker_on_any_loop_is_told(serve, client, socket, loops):
    server = serve(loops=loops)
    job = client(server).create_job()["id"]
    workers = [socket(on=server) for _ in range(6)]
    for i, worker in enumerate(workers):
        worker.update(f"k{i}", job)
    viewer = socket(on=server, job=job)
    for worker in workers:
        assert worker.message("watchers")["watchers"] == 1
    viewer.close()
    for worker in workers:
        assert worker.message("watchers")["watchers"] == 0


def test_a_worker_of_many_jobs_is_told_which(socket, api):
    jobs = [api.create_job()["id"] for _ in range(5)]
    worker = socket()
    for job in jobs:
        worker.update(job, job)
    socket(job=jobs[3]).message("connected")
    assert worker.message("watchers").json == {"type": "watchers", "jobId": jobs[3], "watchers": 1}


def test_a_worker_is_told_of_the_jobs_that_it_reported_on_last(serve, client, socket):
    server = serve(max_subscriptions=4, presence_pace_ms=20)
    api = client(server)
    jobs = [api.create_job()["id"] for _ in range(5)]
    worker = socket(on=server)
    for i, job in enumerate([*jobs[:4], jobs[0], jobs[4]]):
        worker.update(f"k{i}", job)
    socket(on=server, job=jobs[1]).message("connected")
    assert worker.raw.silent_for(0.6), "it reported on four others since"
    for job in (jobs[0], *jobs[2:]):
        socket(on=server, job=job).message("connected")
        assert worker.message("watchers").json == {"type": "watchers", "jobId": job, "watchers": 1}


def test_a_worker_whose_report_was_refused_is_told_nothing_of_the_job(server, socket, api, job):
    api.report(job, "t", attempt=2)
    worker = socket()
    said = worker.ask("update", "error", id="k", jobId=job, taskId="t", attempt=1)
    assert said["code"] == "stale_attempt"
    socket(job=job).message("connected")
    assert worker.raw.silent_for(0.6)


@pytest.mark.one_node("watchers of other nodes count a moment later")
def test_a_worker_that_reported_on_what_is_watched_is_told_when_that_ends(socket, job):
    viewer, worker = socket(job=job), socket()
    viewer.message("connected")
    assert worker.update("k", job)["watchers"] == 1
    viewer.close()
    assert worker.message("watchers")["watchers"] == 0


def test_a_viewer_that_reports_nothing_is_told_nothing_of_watchers(socket, job):
    idle = socket()
    assert idle.answers()
    socket(job=job).message("connected")
    assert idle.raw.silent_for(0.6)
