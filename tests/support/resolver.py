"""A resolver of names that a test makes silent: tests/faults/preload/slow_resolver.c."""
import fcntl

from .preload import compiled


class Resolver:
    """Of servers that are started with `environment`; it knows db.test, and that there is no nowhere.test."""

    def __init__(self, folder):
        self.lock = open(folder / "resolver.lock", "wb")
        self.environment = {"LD_PRELOAD": str(compiled("slow_resolver", folder)), "JOBLIGHT_TEST_RESOLVER_LOCK": self.lock.name}

    def falls_silent(self):
        fcntl.flock(self.lock, fcntl.LOCK_EX)

    def answers(self):
        fcntl.flock(self.lock, fcntl.LOCK_UN)

    def close(self):
        self.lock.close()
