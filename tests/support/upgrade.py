"""A server that is upgraded: SIGUSR2, and from then on the process that has taken its place."""
import ctypes
import os
import re
import select
import signal
import subprocess

from .wait import SCALE, until

SUBREAPER = 36      # PR_SET_CHILD_SUBREAPER: the children of our children become ours, prctl(2)
DONE = re.compile(r'msg="upgraded: another process serves now" pid=(\d+) waited_ms=(\d+)\n')
ctypes.CDLL(None).prctl(SUBREAPER, 1, 0, 0, 0)


class Grandchild:
    """A process that a child of ours has started, with the interface of Popen that Server uses."""

    def __init__(self, pid, stdout):
        self.pid, self.stdout, self.returncode = pid, stdout, None

    def poll(self):
        if self.returncode is None:
            try:
                done, status = os.waitpid(self.pid, os.WNOHANG)
            except ChildProcessError:       # its parent lives
                return None
            if done:
                self.returncode = os.waitstatus_to_exitcode(status)
        return self.returncode

    def wait(self, timeout=10):
        if self.returncode is None:
            process = os.pidfd_open(self.pid)
            ended = select.select([process], [], [], timeout)[0]
            os.close(process)
            if not ended:
                raise subprocess.TimeoutExpired(str(self.pid), timeout)
        return self.poll()

    def send_signal(self, number):
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self):
        self.send_signal(signal.SIGKILL)


def begin(server):
    """Asks for an upgrade."""
    server.signal(signal.SIGUSR2)


def upgrade(server, within=10):
    """Upgrades the server, and follows the process that has taken its place. Gives the one before."""
    before = len(DONE.findall(server.log()))
    begin(server)
    return follow(server, before, within)


def follow(server, before=0, within=10):
    """The same for an upgrade that was begun; there have been `before` others."""
    old = server.process
    until(lambda: len(DONE.findall(server.log())) > before, within, "the upgrade")
    server.process = Grandchild(int(DONE.findall(server.log())[-1][0]), old.stdout)
    return old


def ended(old, within=15):
    """Waits for the end of the process before."""
    code = old.wait(within * SCALE)
    assert code == 0, f"the old process ended with {code}"


def waited_ms(server):
    """How long requests had to wait, of each upgrade."""
    return [int(ms) for _, ms in DONE.findall(server.log())]
