"""An upgrade under load: no request fails, and no watcher loses an event or gets one twice.

JOBLIGHT_TEST_UPGRADE_WATCHERS, _WORKERS and _ROUNDS make it as large as the promise: 2,000 watchers and 50
workers through ten upgrades.
"""
import os
import threading

import pytest

from support.api import Api
from support.history import log_with_texts
from support.load import Crew
from support.many import Many
from support.upgrade import ended, upgrade, waited_ms
from support.wait import SCALE, until

WATCHERS = int(os.environ.get("JOBLIGHT_TEST_UPGRADE_WATCHERS", "100"))
WORKERS = int(os.environ.get("JOBLIGHT_TEST_UPGRADE_WORKERS", "10"))
ROUNDS = int(os.environ.get("JOBLIGHT_TEST_UPGRADE_ROUNDS", "2"))
PAUSE_S = 0.02 * WORKERS / 10       # between two updates of one worker
THREADS = 4                         # of watchers


class Work:
    """Updates and reads on one kept connection; every answer must be 200, and none may be lost."""

    def __init__(self, address, job):
        self.address, self.job, self.answered, self.longest = address, job, [], 0
        self.pause = threading.Event()

    def run(self, crew):
        with Api(self.address) as api:
            while crew.working:
                number = len(self.answered)
                reply = api.update(self.job, {"taskId": "t", "note": f"{number}"},
                                   Idempotency_Key=f"{self.job}-{number}")
                assert reply.status == 200, reply
                assert reply.header("Idempotency-Replayed") is None
                self.answered.append(reply.json["seq"])
                if number % 5 == 0:
                    assert api.get(f"/api/jobs/{self.job}").status == 200
                self.pause.wait(PAUSE_S)


@pytest.mark.parametrize("loops", [1, 2])
def test_e13_upgrades_under_load_lose_and_repeat_nothing(serve, client, loops):
    server = serve(loops=loops, heartbeat_ms=2000, address_connections=0, address_streams=0)
    api = client(server)
    jobs = [api.create_job()["id"] for _ in range(WORKERS)]
    work = [Work(server.address, job) for job in jobs]
    groups = [Many(server.address, jobs[i::THREADS], WATCHERS // WORKERS) for i in range(THREADS)]
    with Crew() as watching, Crew() as working:
        for group in groups:
            watching.hire(lambda crew, group=group: group.run(crew))
        until(lambda: sum(len(group.connected) for group in groups) == WATCHERS or watching.errors, 60, "all watchers")
        for one in work:
            working.hire(lambda crew, one=one: one.run(crew))
        for number in range(ROUNDS):
            done = [len(one.answered) for one in work]
            old = upgrade(server, 30)
            until(lambda: working.errors or all(len(one.answered) > n + 3 for one, n in zip(work, done, strict=True)),
                  30, "every worker getting on")
            ended(old)
            assert waited_ms(server)[-1] <= 1000 * SCALE
            until(lambda: watching.errors or all(w.returns > number for group in groups for w in group.watchers)
                  and sum(len(group.connected) for group in groups) == WATCHERS, 60, "all watchers being back")
            assert not working.errors and not watching.errors, (working.errors + watching.errors)[0]
        working.stop()
        heads = {job: api.job(job)["seq"] for job in jobs}
        for group in groups:
            group.heads = heads
        watching.stop()
    for one in work:
        check(api, one, {seq: text for group in groups for seq, text in group.texts.get(one.job, {}).items()})


def check(api, work, seen):
    log = log_with_texts(api, work.job)
    notes = [event["note"] for event, _ in log if "note" in event]
    assert notes == [f"{n}" for n in range(len(work.answered))], "an update is lost, or is there twice"
    assert [event["seq"] for event, _ in log] == list(range(1, len(log) + 1))
    assert work.answered == [event["seq"] for event, _ in log if "note" in event]
    assert seen == {event["seq"]: text for event, text in log if event["seq"] > 1}
