"""Work in the background: threads that post or watch while the test does something to the server.

A Crew's threads run until stop() and hand every exception of theirs to the test.
"""
import threading
import time

from .wait import SCALE


class Crew:
    def __init__(self):
        self.stopping = threading.Event()
        self.stopped_at = None
        self.threads = []
        self.errors = []

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        failed = kind is not None       # then nobody waits for what its threads wait for
        self.stop(quietly=failed, within=1 if failed else 60)

    def hire(self, work, *args):
        """Runs work(crew, *args) in a thread; it must return soon after `crew.stopping` is set."""
        thread = threading.Thread(target=self._run, args=(work, args), daemon=True)
        self.threads.append(thread)
        thread.start()

    def _run(self, work, args):
        try:
            work(self, *args)
        except BaseException as error:  # whatever it is, the test must see it
            self.errors.append(error)

    @property
    def working(self):
        return not self.stopping.is_set()

    def stopped_for(self):
        """Seconds since the crew was told to stop."""
        return time.monotonic() - self.stopped_at

    def stop(self, quietly=False, within=60):
        self.stopped_at = self.stopped_at or time.monotonic()
        self.stopping.set()
        for thread in self.threads:
            thread.join(within * SCALE)
            assert quietly or not thread.is_alive(), "a thread did not stop"
        self.threads = []
        if self.errors and not quietly:
            raise self.errors[0]


def together(count, work):
    """Runs work(i) in `count` threads that start at the same moment; gives their results."""
    gate, results, errors = threading.Barrier(count), [None] * count, []

    def one(i):
        try:
            gate.wait(30)
            results[i] = work(i)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=one, args=(i,), daemon=True) for i in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60 * SCALE)
        assert not thread.is_alive(), "a thread did not finish"
    if errors:
        raise errors[0]
    return results
