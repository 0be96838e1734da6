"""joblight demo: a server, a worker that does job after job, and an address that leads to the job it does now."""
import glob
import os
import re
import signal
import subprocess

import pytest

from support.api import Api
from support.raw import ask, request
from support.server import BINARY, EVERYWHERE, SETTING
from support.sse import SseStream
from support.wait import SCALE, Deadline, readable, until

ADDRESS = re.compile(rb"Look at  http://([^/:]+):(\d+)(/.*)?/demo\n")


class Demo:
    def __init__(self, *flags):
        words = [BINARY, "demo", "--listen", "127.0.0.1:0", "--host", "joblight.test",
                 *EVERYWHERE, *flags]
        self.process = subprocess.Popen(words, env=SETTING, stdin=subprocess.DEVNULL,
                                        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        said, deadline = b"", Deadline(20, "the address to look at")
        while not (found := ADDRESS.search(said)):
            readable(self.process.stdout, deadline)
            piece = os.read(self.process.stdout.fileno(), 4096)
            assert piece, f"it ended: {said!r}"
            said += piece
        self.address = found[1].decode(), int(found[2])
        self.below = (found[3] or b"").decode()
        self.api = Api(self.address)

    def page(self, path):
        return ask(self.address, request("GET", path))

    def job(self):
        """The job that the printed address leads to."""
        reply = self.page(f"{self.below}/demo")
        assert (reply.status, reply.header("Cache-Control")) == (302, "no-store")
        path = reply.header("Location")
        assert self.page(path).status == 200
        return path.removeprefix(f"{self.below}/jobs/")

    def stop(self):
        self.api.close()
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(15 * SCALE) == 0
        self.process.stdout.close()


@pytest.fixture
def demo(tmp_path):
    started = []

    def start(db=tmp_path / "demo.db"):
        started.append(Demo("--db", str(db)))
        return started[-1]

    yield start
    for one in started:
        if one.process.poll() is None:
            one.stop()


@pytest.mark.parametrize("how", ["flag", "environment"])
def test_a_database_with_the_name_of_the_default_is_used(tmp_path, monkeypatch, how):
    monkeypatch.chdir(tmp_path)
    if how == "environment":
        monkeypatch.setitem(SETTING, "JOBLIGHT_DB", "joblight.db")
    demo = Demo(*(["--db", "joblight.db"] if how == "flag" else []))
    demo.job()
    demo.stop()
    assert (tmp_path / "joblight.db").stat().st_size


def test_without_a_database_nothing_is_left(tmp_path, monkeypatch):
    """It uses one of its own, in a directory of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delitem(SETTING, "JOBLIGHT_DB", raising=False)
    before = set(glob.glob("/tmp/joblight-demo-*"))
    demo = Demo()
    mine = [path for path in set(glob.glob("/tmp/joblight-demo-*")) - before if is_used_by(path, demo.process.pid)]
    assert len(mine) == 1
    demo.job()
    demo.stop()
    assert not os.path.exists(mine[0])
    assert list(tmp_path.iterdir()) == []


def is_used_by(directory, parent):
    """Whether a child of the process has a file of the directory open."""
    children = open(f"/proc/{parent}/task/{parent}/children").read().split()
    return any(os.readlink(path).startswith(directory) for child in children for path in glob.glob(f"/proc/{child}/fd/*"))


def test_below_a_base_path_the_address_and_the_job_are_below_it(tmp_path):
    demo = Demo("--db", str(tmp_path / "demo.db"), "--base-path", "/joblight/")
    assert demo.below == "/joblight"
    assert re.fullmatch(r"demo-\d+", demo.job())
    demo.stop()


def test_an_address_that_is_in_use_ends_it(server, tmp_path):
    done = subprocess.run([BINARY, "demo", "--listen", f"{server.host}:{server.port}", "--db", str(tmp_path / "demo.db")],
                          env=SETTING, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=20 * SCALE, check=False)
    assert done.returncode == 1
    assert "in use" in done.stderr


@pytest.mark.parametrize("ignored", [False, True])
def test_a_terminal_that_is_closed_ends_it(tmp_path, ignored):
    """nohup starts programs with SIGHUP ignored."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN if ignored else signal.SIG_DFL)
    try:
        demo = Demo("--db", str(tmp_path / "demo.db"))
    finally:
        signal.signal(signal.SIGHUP, before)
    demo.process.send_signal(signal.SIGHUP)
    if ignored:
        demo.job()
        demo.stop()
    else:
        assert demo.process.wait(15 * SCALE) == 0
        demo.api.close()
        demo.process.stdout.close()


def test_the_printed_address_leads_to_a_job_at_work(demo):
    it = demo()
    job = it.job()
    until(lambda: it.api.job(job)["seq"] > 3, 15, "the worker at work")
    assert it.api.job(job)["status"] == "in_progress"


def test_the_worker_says_that_it_is_there(demo):
    it = demo()

    def agents():
        with SseStream(it.address, it.job()) as stream:
            return [agent["id"] for agent in stream.connected().json["agents"]]

    assert until(agents, 15, "the worker's presence") == ["demo-worker"]


def test_when_a_job_ends_the_address_leads_to_the_next_one(demo):
    it = demo()
    first = it.job()
    it.api.finish(first, "cancelled")
    until(lambda: it.job() != first, 15, "the next job")
    assert it.api.job(it.job())["status"] == "in_progress"
    assert it.page(f"/jobs/{first}").status == 200, "the old one is still there"


def test_the_worker_obeys_when_a_task_is_cancelled(demo):
    it = demo()
    job = it.job()
    until(lambda: it.api.job(job)["seq"] > 3, 15, "the worker at work")
    it.api.post(f"/api/jobs/{job}/commands", {"command": "cancel", "taskId": "collect"})

    def states():
        return {task["id"]: task["status"] for task in it.api.job(job)["tasks"]}

    until(lambda: states()["outline"] == "in_progress", 15, "the worker at its next task")
    assert states()["collect"] == "cancelled" and it.api.job(job)["status"] == "in_progress"


def test_the_worker_obeys_when_the_job_is_cancelled(demo):
    it = demo()
    job = it.job()
    until(lambda: it.api.job(job)["seq"] > 3, 15, "the worker at work")
    it.api.post(f"/api/jobs/{job}/commands", {"command": "go"})
    it.api.post(f"/api/jobs/{job}/commands", {"command": "cancel"})
    until(lambda: it.api.job(job)["status"] == "cancelled", 15, "the worker stopping")
    assert {task["status"] for task in it.api.job(job)["tasks"]} == {"cancelled"}
    assert it.job() != job


def test_a_demo_on_a_database_of_an_earlier_one_goes_on(demo):
    it = demo()
    first = it.job()
    it.stop()
    again = demo()
    assert again.job() != first


def test_its_pages_say_that_it_is_a_demonstration(demo):
    it = demo()
    for path in ["/", "/jobs/" + it.job()]:
        assert b'<html data-demo lang="en">' in it.page(path).body
