"""E2: the power is cut. What was not synced to the disk is gone, or there in part, and a server that
starts on what is left has every update that was answered, once, at its seq.

A library records what the server asks of its files while workers use it; tests/support/disk.py makes
of the record what the disk has after a cut at any moment of it. JOBLIGHT_TEST_POWER_CUTS (10) is how
many moments are tried. The seed of the moments is printed.
"""
import os
import random
import sqlite3
from contextlib import closing

import pytest

from support import disk
from support.api import Api
from support.history import History, log_with_texts
from support.load import Crew
from support.preload import compiled
from support.server import SETTING, Server
from support.wait import until
from support.workload import key_of, work

CUTS = int(os.environ.get("JOBLIGHT_TEST_POWER_CUTS", "10"))
SEED = int(os.environ.get("JOBLIGHT_TEST_POWER_SEED", "0")) or \
    random.SystemRandom().randrange(1, 10**9)
WORKERS = 8
PADDING = " " + "n" * 3000
RECORD_BYTES = 24 << 20     # three times what the write-ahead log grows between two checkpoints
LUCK = (0, 0, 0.5, 0.9)     # how much of what was not synced is there all the same


class TimedHistory(History):
    """Notes with each answer how much the record of the disk had when it came."""

    def __init__(self, job, moment):
        super().__init__(job)
        self.moment = moment
        self.notes = []

    def wrote(self, key, outcome, seq=None):
        self.notes.append((self.moment(), key, outcome, seq))

    def until(self, moment):
        """What was known at this moment: what was answered later may be there, or not."""
        history = History(self.job)
        for at, key, outcome, seq in self.notes:
            history.wrote(key, *((outcome, seq) if at <= moment else ("unknown",)))
        return history


class Load:
    """What workers did to a server whose disk was recorded."""

    def __init__(self, folder, **options):
        self.folder = folder / "files"
        self.record = folder / "record"
        self.jobs = []          # (moment, id, "made" or "deleted")
        self.server = Server(self.folder, retention_ms=1000, **options)

    def moment(self):
        return self.record.stat().st_size

    def start(self):
        self.server.start()
        with Api(self.server.address) as api:
            self.history = TimedHistory(api.create_job()["id"], self.moment)
            self.made = self.moment()

    def work(self):
        with Crew() as crew:
            for i in range(WORKERS):
                crew.hire(work, self.server.address, self.history.job, f"worker{i}", self.history,
                          PADDING)
            crew.hire(self.make_and_delete)
            until(lambda: crew.errors or self.was_enough(), 90, "a load with checkpoints")

    def was_enough(self):
        return self.moment() > RECORD_BYTES and self.server.db.stat().st_size > 1 << 20

    def make_and_delete(self, crew):
        """Jobs that end and are pruned, and jobs that are deleted."""
        with Api(self.server.address) as api:
            for number in range(10**6):
                if not crew.working:
                    return
                job = api.create_job()["id"]
                self.jobs.append((self.moment(), job, "made"))
                api.burst(job, 20)
                if number % 2:
                    api.finish(job)
                else:
                    assert api.delete(f"/api/jobs/{job}").status == 204
                    self.jobs.append((self.moment(), job, "deleted"))

    def moments(self, count, chance):
        """Half of them by chance, half beside what is rare: files made, synced, cut."""
        ends = [(end, kind) for end, kind, *_ in disk.records(self.record)]
        rare = [end for end, kind in ends if kind != disk.WRITTEN]
        return [chance.choice(rare) if i % 2 else chance.randrange(ends[-1][0])
                for i in range(count)]


@pytest.fixture(scope="module")
def recorded_disk(tmp_path_factory):
    return compiled("recorded_disk", tmp_path_factory.mktemp("preload"))


@pytest.fixture
def load_of(recorded_disk, tmp_path, monkeypatch):
    """load_of(**options): the Load of a server with these options; idle: it only makes a job."""
    def run(idle=False, **options):
        load = Load(tmp_path, **options)
        with monkeypatch.context() as patch:
            for name, value in disk.environment(load.folder, load.record, recorded_disk).items():
                patch.setitem(SETTING, name, value)
            load.start()
            if not idle:
                load.work()
            load.server.stop()
            return load
    return run


def cuts(load, moments, chance, lucks):
    """(moment, folder with what is left) for each of the moments."""
    for i, (moment, state) in enumerate(disk.at(load.record, moments, load.folder)):
        luck = lucks[i % len(lucks)]
        copy = load.folder.parent / f"cut{i}"
        disk.put(state.left(chance, luck), load.folder, copy)
        print(f"cut {i} at {moment}, luck {luck}:",
              {file.name: file.stat().st_size for file in copy.iterdir()})
        yield moment, copy


def check_jobs(api, load, moment):
    fate = {}
    for at, job, what in load.jobs:
        fate.setdefault(job, []).append((at <= moment, what))
    for job, notes in fate.items():
        known = [what for is_known, what in notes if is_known]
        if "deleted" in known:
            assert api.get(f"/api/jobs/{job}").status == 404, f"{job} is back"


def check_cut(load, moment, copy):
    """The server that starts on what is left has all that was answered before the cut."""
    server = Server(copy).start(within=20)
    try:
        with Api(server.address) as api:
            job = load.history.job
            if moment < load.made and api.get(f"/api/jobs/{job}").status == 404:
                job = api.create_job()["id"]
            else:
                check_jobs(api, load, moment)
                load.history.until(moment).check(log_with_texts(api, job), api.job(job), key_of)
            before = api.job(job)["seq"]
            assert api.report(job, "later")["seq"] == before + 1
        server.stop()
    finally:
        server.bury()
    with closing(sqlite3.connect(server.db)) as database:
        assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


def checkpoints(load):
    """How often the database itself was synced."""
    opened, count = {}, 0
    for _, kind, number, _, data in disk.records(load.record):
        if kind == disk.OPENED:
            opened[number] = data.decode()
        elif kind == disk.SYNCED and opened[number] == str(load.server.db):
            count += 1
    return count


def test_e2_a_power_cut_loses_nothing_that_was_answered(load_of):
    print(f"seed {SEED}, {CUTS} cuts")
    load, chance = load_of(), random.Random(SEED)
    assert len(load.history.notes) > 100 and checkpoints(load) >= 2
    for moment, copy in cuts(load, load.moments(CUTS, chance), chance, LUCK):
        check_cut(load, moment, copy)


def test_e2_without_syncs_a_power_cut_loses_what_was_answered(load_of):
    """So the test above can fail. --durability process promises nothing about the power; before the
    first checkpoint nothing was synced."""
    load = load_of(durability="process")
    for moment, copy in cuts(load, [2 << 20, 4 << 20], random.Random(SEED), [0]):
        with pytest.raises(AssertionError, match="not_found|was answered"):
            check_cut(load, moment, copy)


def test_e2_a_power_cut_while_the_database_is_made_or_closed_spoils_no_start(load_of):
    print(f"seed {SEED}, {CUTS} cuts")
    load, chance = load_of(idle=True), random.Random(SEED)
    ends = [end for end, *_ in disk.records(load.record)]
    moments = chance.sample(ends, min(CUTS, len(ends)))
    for moment, copy in cuts(load, moments, chance, LUCK):
        check_cut(load, moment, copy)
