"""script/demo --cluster: two nodes and a worker; a node that is killed comes back; nothing is left at the end."""
import glob
import os
import re
import signal
import subprocess

import pytest

from support.raw import ask, request
from support.server import BINARY, ROOT, SETTING
from support.wait import SCALE, Deadline, readable, until
from support.watcher import TRANSPORTS

FIRST = re.compile(rb"Node 1 +http://([^/:]+):(\d+)/demo\n")
SECOND = re.compile(rb"Node 2 +http://([^/:]+):(\d+)/jobs/(\S+)\n")
KILL = re.compile(rb"Kill node 2: +kill -9 (\d+)\n")
FOLDERS = "/tmp/joblight-demo-cluster-*"


class Demo:
    def __init__(self):
        before = set(glob.glob(FOLDERS))
        self.process = subprocess.Popen([ROOT / "script/demo-cluster", BINARY, "0", "0"], stdin=subprocess.DEVNULL,
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                        env={**SETTING, "JOBLIGHT_HOST": "joblight.test"}, start_new_session=True)
        self.said = b""
        self.until(KILL, 60)
        [self.folder] = set(glob.glob(FOLDERS)) - before
        self.first, self.second = self.address(FIRST), self.address(SECOND)
        self.job = SECOND.search(self.said)[3].decode()

    def until(self, pattern, within=30):
        """Reads until it says this."""
        deadline = Deadline(within, pattern.pattern)
        while not pattern.search(self.said):
            readable(self.process.stdout, deadline)
            piece = os.read(self.process.stdout.fileno(), 4096)
            assert piece, f"it ended: {self.said!r}\n{self.process.stderr.read().decode()}"
            self.said += piece
        return pattern.search(self.said)

    def address(self, pattern):
        match = pattern.search(self.said)
        return match[1].decode(), int(match[2])

    def stop(self, number):
        self.process.send_signal(number)
        code = self.process.wait(30 * SCALE)
        self.process.stdout.close()
        self.process.stderr.close()
        return code


@pytest.fixture
def demo():
    started = Demo()
    yield started
    if started.process.poll() is None:
        started.stop(signal.SIGTERM)


def processes_of(folder):
    found = []
    for path in glob.glob("/proc/[0-9]*/cmdline") + glob.glob("/proc/[0-9]*/environ"):
        try:
            with open(path, "rb") as file:
                if folder.encode() in file.read():
                    found.append(path)
        except OSError:     # it has ended
            pass
    return found


def test_the_worker_of_one_node_is_seen_on_the_other(demo):
    for address in (demo.first, demo.second):
        assert ask(address, request("GET", f"/jobs/{demo.job}")).status == 200
        with TRANSPORTS["sse"](address, demo.job) as watcher:
            watcher.connected()
            watcher.events(3, within=20)


def test_a_node_that_is_killed_comes_back_and_has_missed_nothing(demo):
    with TRANSPORTS["sse"](demo.second, demo.job) as watcher:
        watcher.connected()
        watcher.event(within=20)
        position, pid = watcher.position, int(KILL.search(demo.said)[1])
        demo.said = b""
        os.kill(pid, signal.SIGKILL)
    with TRANSPORTS["sse"](demo.first, demo.job) as watcher:
        watcher.connected()
        watcher.events(3, within=20)
    assert int(demo.until(KILL)[1]) != pid
    with TRANSPORTS["sse"](demo.second, demo.job, position) as watcher:
        assert watcher.connected()["resume"] == "exact"
        watcher.events(3, within=20)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_nothing_is_left_when_it_is_stopped(demo, number):
    assert processes_of(demo.folder)
    assert demo.stop(number) == 0
    assert not os.path.exists(demo.folder)
    until(lambda: not processes_of(demo.folder), 5, "its processes to end")
