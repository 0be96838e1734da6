"""Waiting for the thing itself, never for time to pass.

JOBLIGHT_TEST_SCALE stretches every deadline, for builds that are slow on purpose (sanitizers,
valgrind). A deadline is where a test gives up; no test gets faster or slower by changing it.
"""
import os
import select
import time

SCALE = float(os.environ.get("JOBLIGHT_TEST_SCALE", "1"))
LOOK_AGAIN_S = 0.005


class TimedOut(AssertionError):
    """What a test waited for did not happen in time."""


class Deadline:
    """A moment after which waiting for `what` is a failure."""

    def __init__(self, within, what):
        self.within = within * SCALE
        self.what = what
        self.at = time.monotonic() + self.within

    def left(self):
        """Seconds left, always more than 0; raises TimedOut when there are none."""
        left = self.at - time.monotonic()
        if left <= 0:
            raise TimedOut(f"waited {self.within:g} s for {self.what}")
        return left

    def passed(self):
        return time.monotonic() >= self.at


def until(condition, within, what):
    """The first true value of condition(). For states that cannot be waited on, such as /proc."""
    deadline = Deadline(within, what)
    while not (value := condition()):
        deadline.left()
        select.select([], [], [], LOOK_AGAIN_S)
    return value


def happens(condition, within, what="it"):
    """Whether the condition comes true in this time."""
    try:
        until(condition, within, what)
    except TimedOut:
        return False
    return True


def readable(source, deadline):
    """Returns when `source` can be read without blocking."""
    poller = select.poll()
    poller.register(source, select.POLLIN)
    while not poller.poll(max(1, int(deadline.left() * 1000))):
        pass
