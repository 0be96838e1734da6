"""Three nodes that are restarted one after another, behind haproxy and under load: no update and no event is lost or
comes twice, and watchers that do what the server tells them are soon back.

JOBLIGHT_TEST_ROLLING_WATCHERS and _RATE, in updates per second, make it as large as the promise: 3,000 and 2,000.
"""
import itertools
import json
import os
import resource
import statistics
import threading
import time

import pytest

from support.api import Api, Lost
from support.history import log_with_texts
from support.load import Crew
from support.many import Many
from support.wait import SCALE, until

WATCHERS = int(os.environ.get("JOBLIGHT_TEST_ROLLING_WATCHERS", "300"))
RATE = int(os.environ.get("JOBLIGHT_TEST_ROLLING_RATE", "200"))
EACH = 3                # watchers of a job
THREADS = 3             # of watchers
WORKERS = 12
BATCH = 10              # updates in a request
AWAY_MAX_S = 8
AWAY_MEDIAN_S = 3
FILES = 4 * WATCHERS + 1000


class Worker:
    """Sends batches to its jobs in turn, each at its time, and repeats one with its key until it is answered."""

    def __init__(self, address, jobs, period_s):
        self.address, self.jobs, self.period_s = address, jobs, period_s
        self.sent = {job: 0 for job in jobs}
        self.answered = {job: [] for job in jobs}
        self.repeated = 0
        self.pause = threading.Event()

    def run(self, crew):
        api, began = Api(self.address, within=10), time.monotonic()
        for number in itertools.count():
            self.pause.wait(max(0, began + number * self.period_s - time.monotonic()))
            if not crew.working:
                break
            job = self.jobs[number % len(self.jobs)]
            while not self.send(api, job):
                self.repeated += 1
                assert crew.working or crew.stopped_for() < 30 * SCALE, "no last answer"
                api.close()
                self.pause.wait(0.05)
                api = Api(self.address, within=10)
            self.sent[job] += BATCH
        api.close()

    def send(self, api, job):
        first = self.sent[job]
        updates = [{"taskId": f"t{i}", "note": str(first + i)} for i in range(BATCH)]
        try:
            reply = api.update(job, updates, Idempotency_Key=f"{job}-{first}")
        except (Lost, TimeoutError, ConnectionError):
            return False
        if reply.status == 200:
            self.answered[job] += [answer["seq"] for answer in reply.json]
        else:
            assert reply.status in (502, 503, 504), reply
        return reply.status == 200


@pytest.fixture
def files():
    """Enough descriptors for the watchers, and for the proxy and the nodes, which inherit it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < FILES:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(FILES, hard), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def raised(*crews):
    for crew in crews:
        for error in crew.errors:
            raise error


def all_back(groups, *crews):
    """Whether every watcher is connected; it fails as soon as one of the crews has."""
    raised(*crews)
    return sum(len(group.connected) for group in groups) == EACH * sum(len(group.texts) for group in groups)


def goes_on(workers, *crews):
    """Waits until the updates of a second are answered, some of each worker."""
    sent = [sum(worker.sent.values()) for worker in workers]

    def is_on():
        raised(*crews)
        more = [sum(worker.sent.values()) - before for worker, before in zip(workers, sent, strict=True)]
        return min(more) > 0 and sum(more) >= RATE
    until(is_on, 30, "every worker getting on")


def check_job(api, job, worker, group):
    """Each answered update once and in order, and every watcher of the job has seen these bytes."""
    log = log_with_texts(api, job)
    notes = [int(event["note"]) for event, _ in log if "note" in event]
    assert notes == list(range(worker.sent[job])), f"updates of {job} are lost, or there twice"
    assert worker.answered[job] == [event["seq"] for event, _ in log if "note" in event]
    assert [event["seq"] for event, _ in log] == list(range(1, len(log) + 1))
    assert group.texts[job] == {event["seq"]: text for event, text in log if event["seq"] > 1}


def test_three_nodes_that_are_restarted_in_turn_under_load(files, cluster, record_property):
    del files
    with Api(cluster.proxy) as api:
        jobs = [api.create_job()["id"] for _ in range(WATCHERS // EACH)]
    groups = [Many(cluster.proxy, jobs[i::THREADS], EACH, as_told=True) for i in range(THREADS)]
    workers = [Worker(cluster.proxy, jobs[i::WORKERS], WORKERS * BATCH / RATE) for i in range(WORKERS)]
    with Crew() as watching, Crew() as working:
        for group in groups:
            watching.hire(lambda crew, group=group: group.run(crew))
        until(lambda: all_back(groups, watching), 60, "all watchers")
        began = time.monotonic()
        for worker in workers:
            working.hire(lambda crew, worker=worker: worker.run(crew))
        for node in cluster.nodes:
            goes_on(workers, watching, working)
            node.stop()
            node.start()
            cluster.connected()
            until(lambda: all_back(groups, watching, working), 30, "all watchers being back")
        goes_on(workers, watching, working)
        working.stop()
        took_s = time.monotonic() - began
        with Api(cluster.proxy) as api:
            heads = {job: api.job(job)["seq"] for job in jobs}
            for group in groups:
                group.heads = heads
            watching.stop()
            by_job = {job: worker for worker in workers for job in worker.jobs}
            for group in groups:
                for job in group.texts:
                    check_job(api, job, by_job[job], group)
    aways = sorted(away for group in groups for away in group.aways_s)
    rate = sum(sum(worker.sent.values()) for worker in workers) / took_s
    record_property("history", json.dumps({
        "watchers": EACH * len(jobs), "updates/s": round(rate), "times away": len(aways), "p50 s": round(statistics.median(aways), 2),
        "longest s": round(aways[-1], 2), "requests repeated": sum(worker.repeated for worker in workers)}))
    assert len(aways) >= EACH * len(jobs), "not every node had watchers"
    assert statistics.median(aways) <= AWAY_MEDIAN_S * SCALE
    assert aways[-1] <= AWAY_MAX_S * SCALE
