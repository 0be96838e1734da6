"""Whether a thread that should only wait for events waits for something else: a lock, a disk, a name.

    with Blocked(pid, "loop") as blocked:
        do_something()
    assert blocked.longest_s < 0.01

It looks at what the kernel says of the thread (/proc/PID/task/TID/syscall): a thread that sleeps in the same system
call as at the last look, other than that in which a loop waits for events, has been blocked meanwhile. Unlike the
time of an answer, this does not depend on how busy the machine is.
"""
import os
import threading
import time
from pathlib import Path

from .threads import thread_of

EPOLL = {"x86_64": {"232", "281", "441"}, "aarch64": {"22", "441"}}[os.uname().machine]
PAUSE_S = 0.002


class Blocked:
    def __init__(self, pid, name):
        self.task = Path(f"/proc/{pid}/task/{thread_of(pid, name)}")
        self.longest_s, self.call, self.looks = 0, None, 0
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.ended.set()
        self.thread.join()

    def _switches(self):
        """How often it has gone to sleep: the same number is the same sleep."""
        return next(line for line in (self.task / "status").read_text().splitlines() if line.startswith("voluntary"))

    def _look(self):
        """The sleep in which it is blocked, or None."""
        before, call = self._switches(), (self.task / "syscall").read_text()
        number = call.split()[0]
        if number == "running" or number == "-1" or number in EPOLL or self._switches() != before:
            return None
        return before, call

    def _run(self):
        last, since = None, 0
        while not self.ended.wait(PAUSE_S):
            sleep, now = self._look(), time.monotonic()
            self.looks += 1
            if sleep is None or sleep != last:
                last, since = sleep, now
            elif now - since > self.longest_s:
                self.longest_s, self.call = now - since, sleep[1]
