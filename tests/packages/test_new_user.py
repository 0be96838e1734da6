"""What a new user does on an empty machine, with the commands of README.md and docs/ and no others."""
import os
import re
import signal
import subprocess
import time

import pytest
from debian import ROOT, System, copy_source

README = (ROOT / "README.md").read_text()


def example(name, document=README):
    """The text of a block such as ```sh first."""
    return re.search(rf"^```\w+ {name}\n(.*?)^```$", document, re.M | re.S)[1]


@pytest.fixture(scope="module")
def machine():
    """Debian 12 as it is installed, with a checkout."""
    system = System("12", "new-user")
    try:
        copy_source(system.path("checkout"))
        yield system
    finally:
        system.close()


class Demo:
    """script/demo, until it has printed its address."""

    def __init__(self, machine):
        began = time.monotonic()
        self.process = subprocess.Popen(["/usr/sbin/chroot", str(machine.folder), "/bin/sh", "-c", "cd /checkout && exec script/demo"],
                                        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, text=True,
                                        start_new_session=True, env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root"})
        self.said, self.url = [], None
        for line in self.process.stdout:
            self.said.append(line)
            if match := re.search(r"http://127\.0\.0\.1:\d+\S*", line):
                self.url = match[0]
                break
        self.took = time.monotonic() - began
        assert self.url, "".join(self.said)

    def stop(self):
        os.killpg(self.process.pid, signal.SIGINT)
        assert self.process.wait(30) in (0, 130)
        self.process.stdout.close()


def curl(machine, script):
    """A block of the documents, in a shell of this machine, which has curl."""
    return subprocess.run(["/bin/bash", "-ec", script], capture_output=True, text=True, check=True, timeout=60).stdout


def test_the_first_command_leads_to_a_live_page_and_the_second_time_at_once(machine):
    demo = Demo(machine)
    try:
        print(f"# from nothing to a page: {demo.took:.0f} s")  # a figure, which needs a quiet machine
        assert any("installing" in line for line in demo.said), "".join(demo.said)
        page = curl(machine, f"curl -sSfL {demo.url}")
        assert "<html" in page
        base = re.match(r"http://[^/]+", demo.url)[0]
        curl(machine, example("first").replace("http://127.0.0.1:3001", base))
        assert '"title":"Q4 report"' in curl(machine, f"curl -sSf {base}/api/jobs/report")
        events = curl(machine, f"curl -sSN --max-time 2 {base}/api/jobs/report/task-events || true")
        assert '"type":"connected"' in events and "page 42 of 100" in events
        port = base.rsplit(":", 1)[1]
        machine.sh(f"cd /checkout && JOBLIGHT_URL=http://127.0.0.1:{port} build/joblight job list")
    finally:
        demo.stop()
    again = Demo(machine)
    again.stop()
    print(f"# the second time: {again.took:.1f} s")
    assert not [line for line in again.said if line.startswith("==")], "it installed or built something again"
