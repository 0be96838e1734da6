"""PostgreSQL that goes away, stops, or loses an answer: nothing that was answered is lost, and nothing is there twice."""
import contextlib
import itertools
import os
import random
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from support.api import Api, Lost
from support.cut import Cutter
from support.postgres import Pooler
from support.sse import SseStream
from support.wait import until

CUTS = int(os.environ.get("JOBLIGHT_TEST_CUTS", "60"))


@pytest.mark.parametrize("with_key", [True, False])
def test_a_commit_without_an_answer_is_found_out(serve, client, postgres, database, with_key):
    """Half of the cuts come before the commit, half after it; the client is told what is true."""
    seed = random.randrange(1 << 32)
    print("seed", seed)
    order = random.Random(seed)
    with Cutter(postgres.port) as cutter:
        server = serve(db=postgres.tcp_url(database, port=cutter.port))
        postgres.sql(database, "SELECT 1")
        api = client(server)
        job = api.create_job()["id"]
        for number in range(CUTS):
            cutter.cut(order.choice(["before", "after"]))
            headers = {"Idempotency_Key": f"k{number}"} if with_key else {}
            reply = api.update(job, {"taskId": "t", "note": str(number)}, **headers)
            assert reply.status == 200, reply
            until(lambda: cutter.cuts == number + 1, 5, "the cut")
        notes = [event["note"] for event in api.activity(job)[1:]]
        assert notes == [str(number) for number in range(CUTS)]


def update_both(server, cutter, how, jobs, notes):
    """The second one while the first one has no answer; before that once each, so that their rows are kept."""
    def update(job, note):
        with Api(server.address, within=20) as api:
            return api.update(job, {"taskId": "t", "note": note}).status
    first, second = f"{len(notes)}", f"{len(notes) + 1}"
    assert [update(job, first) for job in jobs] == [200, 200]
    cutter.cut(how)
    with ThreadPoolExecutor(2) as pool:
        one = pool.submit(update, jobs[0], second)
        cutter.wait_withheld()
        assert [pool.submit(update, jobs[1], second).result(), one.result()] == [200, 200]
    notes += [first, second]


@pytest.mark.parametrize("how, found", [("after two", "yes"), ("between", '"the first of two groups"')])
def test_two_commits_without_answers_are_found_out(serve, client, postgres, database, how, found):
    """The second one is sent before the first one has an answer, unless a chore is due; then there is only one to cut."""
    with Cutter(postgres.port) as cutter:
        server = serve(db=postgres.tcp_url(database, port=cutter.port))
        api = client(server)
        jobs = [api.create_job()["id"] for _ in range(2)]
        notes = []
        while cutter.both < 5 and len(notes) < 40:
            update_both(server, cutter, how, jobs, notes)
        assert cutter.both == 5 and server.log().count(f"committed={found}") >= 5
        for job in jobs:
            assert [event["note"] for event in api.activity(job)[1:]] == notes


def test_a_commit_that_the_server_gets_late_does_not_happen(serve, client, postgres, database):
    """Its connection is lost, the database has not got it yet, and so it is written again; nothing is there twice."""
    with Cutter(postgres.port) as cutter:
        server = serve(db=postgres.tcp_url(database, port=cutter.port))
        api = client(server)
        job = api.create_job()["id"]
        for note in "a", "b":   # the second one of a job that this server wrote last, in one round trip
            cutter.cut("late")
            assert api.update(job, {"taskId": "t", "note": note}).status == 200
            assert not cutter.deliver()
        assert [event["note"] for event in api.activity(job)[1:]] == ["a", "b"]


def as_another_role(postgres, database):
    """Which is not told when its connections began, and may not end them."""
    role = f"owner_{database}"
    postgres.sql("postgres", f"CREATE ROLE {role}")
    postgres.sql(database, f"GRANT ALL ON SCHEMA public TO {role}")
    return f"&options=-crole%3D{role}"


@pytest.mark.parametrize("how", ["with its own role", "with a role that it takes on", "with other settings", "behind a pooler"])
def test_a_job_whose_creation_comes_late_is_there_once(serve, client, postgres, database, how):
    """Nothing else would keep the late one out: no row is the same."""
    with contextlib.closing(Pooler(postgres)) if how == "behind a pooler" else contextlib.nullcontext(postgres) as target:
        with Cutter(target.port) as cutter:
            options = as_another_role(postgres, database) if "takes on" in how else ""
            api = client(serve(db=postgres.tcp_url(database, port=cutter.port) + options))
            api.create_job()
            if how == "with other settings":
                postgres.sql(database, f"ALTER DATABASE {database} SET timezone = 'Asia/Tokyo'")
            cutter.cut("late")
            job = api.create_job(title="late")["id"]
            assert not cutter.deliver()
        assert postgres.sql(database, "SELECT id FROM jobs WHERE title = 'late'") == job


@pytest.mark.parametrize("with_bus", [False, True])
def test_what_was_committed_unnoticed_is_delivered_when_the_database_is_back(serve, client, postgres, redis, database, with_bus):
    """It has been away for longer than a node asks whether it has committed; nobody writes the event again."""
    bus = {"bus": redis.url, "bus_prefix": database} if with_bus else {}
    with Cutter(postgres.port) as cutter:
        server = serve(db=postgres.tcp_url(database, port=cutter.port), **bus)
        nodes = [server, *([serve(db=postgres.url(database), **bus)] if with_bus else [])]
        api = client(server)
        job = api.create_job()["id"]
        with contextlib.ExitStack() as stack:
            streams = [stack.enter_context(SseStream(node.address, job)) for node in nodes]
            for stream in streams:
                stream.connected()
            postgres.sql("postgres", f"ALTER DATABASE {database} ALLOW_CONNECTIONS false")
            cutter.cut("after")
            with Api(server.address, within=60) as patient:
                assert patient.update(job, {"taskId": "t", "note": "n"}, Idempotency_Key="k").status == 503
            until(lambda: "it is not known whether the last writes were committed" in server.log(), 5, "the log")
            postgres.sql("postgres", f"ALTER DATABASE {database} ALLOW_CONNECTIONS true")
            for stream in streams:
                assert '"note":"n"' in stream.event(15).data
            reply = api.update(job, {"taskId": "t", "note": "n"}, Idempotency_Key="k")
            assert reply.status == 200 and reply.header("Idempotency-Replayed") == "true"
            api.report(job, "t", note="next")
            for stream in streams:
                assert '"note":"next"' in stream.event(15).data


class Load:
    """Workers that repeat each update with its key until it is answered 2xx."""

    def __init__(self, server, client, jobs, workers):
        self.server, self.client, self.jobs = server, client, jobs
        self.answered, self.refused, self.stopping = {}, [], False
        self.threads = [threading.Thread(target=self.work, args=(i,)) for i in range(workers)]
        for thread in self.threads:
            thread.start()

    def work(self, worker):
        api, job = self.client(self.server), self.jobs[worker % len(self.jobs)]
        for number in itertools.count():
            key = f"{worker}.{number}"
            while not self.send(api, job, key):
                if self.stopping:
                    return
            if self.stopping:
                return

    def send(self, api, job, key):
        try:
            reply = api.update(job, {"taskId": "t", "note": key}, Idempotency_Key=key)
        except (Lost, TimeoutError):
            return False
        if reply.status == 200:
            self.answered[key] = reply.json["seq"]
        else:
            assert reply.status == 503, reply
            self.refused.append(key)
        return reply.status == 200

    def stop(self):
        self.stopping = True
        for thread in self.threads:
            thread.join()

    def check(self):
        seqs = {}
        for job in self.jobs:
            events = self.client(self.server).activity(job)
            assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
            for event in events[1:]:
                assert event["note"] not in seqs, "an update is there twice"
                seqs[event["note"]] = event["seq"]
        for key, seq in self.answered.items():
            assert seqs.get(key) == seq, f"{key} was answered with {seq}, and the log has {seqs.get(key)}"


@pytest.fixture(params=[1, 8], ids=["one job", "a job for each worker"])
def start_load(request, client, postgres, database):
    """With a job for each worker, two groups are under way most of the time, because PostgreSQL takes time to commit."""
    if request.param > 1:
        for setting in "commit_delay = 4000", "commit_siblings = 0":
            postgres.sql("postgres", f"ALTER DATABASE {database} SET {setting}")
    return lambda server: Load(server, client, [client(server).create_job()["id"] for _ in range(request.param)], max(4, request.param))


def progress(load, count=50):
    before = len(load.answered)
    until(lambda: len(load.answered) >= before + count, 30, "more updates to be answered")


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGQUIT], ids=["restarted", "crashed"])
def test_a_restart_loses_nothing(node, start_load, postgres, how):
    server = node()
    load = start_load(server)
    for _ in range(3):
        progress(load)
        postgres.restart(how)
    progress(load)
    load.stop()
    load.check()


def backends(postgres, database):
    return [int(pid) for pid in postgres.sql(
        "postgres", f"SELECT pid FROM pg_stat_activity WHERE datname = '{database}'").split()]


def test_connections_that_are_ended_lose_nothing(node, start_load, postgres, database):
    server = node()
    load = start_load(server)
    for _ in range(20):
        progress(load, 10)
        postgres.sql("postgres", f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{database}'")
    progress(load)
    load.stop()
    load.check()


def test_a_backend_that_is_killed_loses_nothing(node, start_load, postgres, database):
    """The server then restarts all of its processes, and is in recovery for a while."""
    server = node()
    load = start_load(server)
    progress(load)
    os.kill(backends(postgres, database)[0], signal.SIGKILL)
    progress(load)
    load.stop()
    load.check()


def test_a_server_that_is_stopped_is_noticed_and_nothing_waits_for_it(node, client, start_load, postgres):
    server = node()
    api = client(server)
    load = start_load(server)
    progress(load)
    postgres.pause()
    try:
        began = time.monotonic()
        until(lambda: api.get("/readyz").status == 503, 3, "readiness to say so")
        assert time.monotonic() - began < 3
        for _ in range(20):     # a loop that waits for a database would not answer
            began = time.monotonic()
            assert api.get("/healthz").status == 200
            assert time.monotonic() - began < 0.5
    finally:
        postgres.resume()
    until(lambda: api.get("/readyz").status == 200, 10, "readiness")
    progress(load)
    load.stop()
    load.check()


def test_a_server_that_takes_no_writes_is_said_to_be_so(node, client, postgres):
    server = node()
    api = client(server)
    job = api.create_job()["id"]
    try:
        postgres.sql("postgres", "ALTER SYSTEM SET default_transaction_read_only = on")
        postgres.sql("postgres", "SELECT pg_reload_conf()")
        until(lambda: api.update(job, {"taskId": "t"}).status == 503, 5, "writes to be refused")
        reply = api.get("/readyz")
        assert reply.status == 503 and ("takes no writes" in reply.body.decode() or "read-only" in reply.body.decode()), reply
        assert api.job(job)["id"] == job
    finally:
        (postgres.data / "postgresql.auto.conf").write_text("")
        postgres.sql("postgres", "SELECT pg_reload_conf()")
    until(lambda: api.get("/readyz").status == 200, 5, "readiness")
    assert api.update(job, {"taskId": "t"}).status == 200
