"""What one node does for all: silent tasks, and what has expired.  It goes on when that node dies."""
import re
import signal

import pytest

from support.command import ok
from support.metrics import parse
from support.wait import happens, until

TAKEN = "for all nodes"     # the log of the node that has the lease
TAKEOVER_S = 6              # within which another node has it


def holder(servers):
    """The one that has the lease."""
    def find():
        found = [server for server in servers if server.alive and TAKEN in server.log()]
        return found[0] if len(found) == 1 else None
    return until(find, TAKEOVER_S, "a node that has the lease")


def stalls(api, job):
    return [event for event in api.activity(job) if event.get("stalled")]


def silent_task(api, job, name, silence_ms=200):
    api.report(job, name, status="in_progress", heartbeatTimeoutMs=silence_ms)


@pytest.fixture
def three(member):
    return [member(min_heartbeat_timeout_ms=100) for _ in range(3)]


def test_one_of_three_nodes_has_the_lease(three, postgres, database):
    first = holder(three)
    assert postgres.sql(database, "SELECT count(*), min(name) FROM lease WHERE until > now()") == "1|chores"
    # it is renewed, so that no other node gets it
    until(lambda: postgres.sql(database, "SELECT until > now() + interval '2.5 s' FROM lease") == "t", 5, "it to be renewed")
    before = postgres.sql(database, "SELECT until FROM lease")
    until(lambda: postgres.sql(database, "SELECT until FROM lease") > before, 5, "it to be renewed again")
    assert [server for server in three if TAKEN in server.log()] == [first]


def test_a_silence_is_noticed_once_by_three_nodes(three, client):
    holder(three)
    apis = [client(server) for server in three]
    job = apis[0].create_job()["id"]
    for n, api in enumerate(apis):      # whichever node was told of it
        silent_task(api, job, f"t{n}")
    until(lambda: len(stalls(apis[0], job)) >= 3, 5, "the silences to be noticed")
    assert sorted(event["taskId"] for event in stalls(apis[0], job)) == ["t0", "t1", "t2"]
    last = len(apis[0].activity(job))
    silent_task(apis[1], job, "later")
    until(lambda: len(stalls(apis[0], job)) == 4, 5, "another one to be noticed")
    assert len(apis[0].activity(job)) == last + 2


def test_silences_are_noticed_after_the_node_that_had_the_lease_is_killed(three, client):
    first = holder(three)
    rest = [server for server in three if server is not first]
    api = client(rest[0])
    job = api.create_job()["id"]
    first.kill9()
    for n in range(3):
        silent_task(client(rest[n % 2]), job, f"t{n}")
    holder(rest)
    until(lambda: len(stalls(api, job)) >= 3, TAKEOVER_S, "the silences to be noticed")
    assert len(stalls(api, job)) == 3


def test_a_node_that_stops_gives_up_the_lease_at_once(three, postgres, database):
    first = holder(three)
    first.stop()
    held = postgres.sql(database, "SELECT count(*) FROM lease")
    second = holder([server for server in three if server is not first])
    assert held == "0" or second


def test_a_node_that_was_paused_does_nothing_twice(three, client):
    first = holder(three)
    rest = [server for server in three if server is not first]
    api = client(rest[0])
    job = api.create_job()["id"]
    first.signal(signal.SIGSTOP)
    try:
        silent_task(api, job, "t")
        holder(rest)
        until(lambda: stalls(api, job), 5, "the silence to be noticed")
    finally:
        first.signal(signal.SIGCONT)
    until(lambda: client(first).get("/healthz").status == 200, 5, "it to go on")
    silent_task(client(first), job, "u")
    until(lambda: len(stalls(api, job)) >= 2, 5, "the second silence to be noticed")
    assert len(stalls(api, job)) == 2


def test_expired_jobs_are_removed_once(member, client, postgres, database):
    servers = [member(job_retention_ms=1000) for _ in range(3)]
    holder(servers)
    apis = [client(server) for server in servers]
    jobs = [apis[n % 3].create_job()["id"] for n in range(6)]
    for n, job in enumerate(jobs):
        apis[(n + 1) % 3].finish(job)
    until(lambda: all(apis[0].get(f"/api/jobs/{job}").status == 404 for job in jobs), 20, "the jobs to be removed")
    removed = [server.log().count("cannot be removed") for server in servers]
    assert removed == [0, 0, 0]
    until(lambda: postgres.sql(database, "SELECT count(*) FROM deleted_jobs") == "0", 20, "what is left to be removed")


@pytest.mark.parametrize("away", ["-600", "+600"])
def test_silences_are_noticed_in_time_whatever_the_wall_clocks_show(node, faketime, client, away):
    servers = [node(min_heartbeat_timeout_ms=100, environment=faketime(away)), node(min_heartbeat_timeout_ms=100)]
    first = holder(servers)
    apis = [client(server) for server in servers]
    job = apis[0].create_job()["id"]
    silent_task(apis[0], job, "long", silence_ms=60000)
    silent_task(apis[1], job, "longer", silence_ms=60000)
    for n, api in enumerate(apis):
        silent_task(api, job, f"t{n}")
    until(lambda: len(stalls(apis[0], job)) >= 2, 5, "the silences to be noticed")
    first.kill9()       # the lease goes by the clock of the database
    rest = [server for server in servers if server is not first]
    holder(rest)
    api = client(rest[0])
    silent_task(api, job, "t2")
    until(lambda: len(stalls(api, job)) >= 3, 5, "the silence to be noticed")
    assert not happens(lambda: len(stalls(api, job)) > 3, 1)
    assert sorted(event["taskId"] for event in stalls(api, job)) == ["t0", "t1", "t2"]


# -- the size of the database ---------------------------------------------------------------------------

MIB = 1 << 20


def ended_job(api, job, events):
    api.create_job(id=job)
    api.burst(job, events, note="x" * 1000)
    api.finish(job)


def first_of(api, job):
    return api.get(f"/api/jobs/{job}/activity?order=asc&limit=1").json["activity"][0]["seq"]


def pruned(server, client):
    return parse(client(server).get("/metrics").body.decode()).of("joblight_chore_runs_total", chore="prune")


def settled(server, client, look):
    """What look() gives when the chore has run twice since it was another value."""
    last = [0, None]

    def is_the_same():
        client(server).report("going", "t")     # for a chore has a pause while nothing is written
        runs, value = pruned(server, client), look()
        if value != last[1]:
            last[:] = runs, value
        return runs > last[0] + 2
    until(is_the_same, 60, "the chore finding nothing to do")
    return last[1]


def test_only_as_many_logs_go_as_are_too_much_though_the_files_stay_as_large(node, client, postgres, database):
    """Nothing is vacuumed, so that the room of what was removed is neither given back nor used again."""
    server = node()
    api = client(server)
    for table in ("job_activity", "jobs", "tasks"):
        postgres.sql(database, f"ALTER TABLE {table} SET (autovacuum_enabled = off)")
    ended_job(api, "older", 3000)
    ended_job(api, "newer", 1000)
    api.create_job(id="going")
    api.burst("going", 200)
    server.stop()
    server = node(retention_total=2 * MIB)
    api = client(server)
    until(lambda: first_of(api, "older") > 1, 20, "the oldest log being pruned")
    kept = settled(server, client, lambda: first_of(api, "older"))
    assert 1500 < kept < 3000 and first_of(api, "newer") == first_of(api, "going") == 1
    assert int(postgres.sql(database, "SELECT pg_total_relation_size('job_activity')")) > 4 * MIB
    server.stop()
    said = ok("db", "prune", "--db", postgres.url(database), "--retention-total", "1500000").decode()
    used, before = map(int, re.search(r"(\d+) bytes are used \((\d+) before\)", said).groups())
    assert used <= 1500000 < before <= 2.2 * MIB
