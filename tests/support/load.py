"""Work in the background: threads that post or watch while the test does something to the server.

A Crew's threads run until stop() and hand every exception of theirs to the test.
"""
import threading

from .wait import SCALE


class Crew:
    def __init__(self):
        self.stopping = threading.Event()
        self.threads = []
        self.errors = []

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        self.stop(quietly=kind is not None)

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

    def stop(self, quietly=False, within=60):
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
