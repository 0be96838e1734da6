"""Workers and watchers of one job on every node of a cluster, while a test does something to it.

    with Traffic(cluster) as traffic:
        do_something()
        traffic.goes_on()       # updates are answered again, and every watcher has seen them
    traffic.report              # one line, after everything has been checked

Each node has a worker and a watcher of each transport that stay with it, some of them slow readers of a first
message that is larger than every buffer. Others go from node to node: through the proxy, and by themselves after
each connection. An update whose answer was lost is repeated with its key, at the next node.
"""
import itertools
import threading
import time

from .api import Api, Lost
from .history import History, log_with_texts
from .load import Crew
from .wait import SCALE, TimedOut, until
from .watcher import TRANSPORTS, Cut
from .wire import Unavailable
from .workload import key_of, last_event, seq_of, send_once

NOTE = "n" * 16000
TASKS = 40          # 640 KB
PAUSE_S = 0.05      # of a worker after each answer
SILENCE_S = 30      # without an event, after which a watcher fails
ANSWERS = 20        # after which traffic goes on


def large_job(api):
    job = api.create_job()["id"]
    for first in range(0, TASKS, 10):
        tasks = [{"taskId": f"large{i}", "note": NOTE} for i in range(first, first + 10)]
        assert api.update(job, tasks).status == 200
    return job


def key_of_worker(event):
    """The key of an update that is not of large_job()."""
    return None if event.get("note") == NOTE else key_of(event)


class Traffic:
    def __init__(self, cluster, slow=True):
        self.cluster, self.slow = cluster, slow
        self.addresses = [*cluster.addresses, cluster.proxy]
        self.faults = []
        self.heads, self.positions = {}, {}
        self.readers, self.writers = Crew(), Crew()
        self.longest_s = 0      # until traffic went on after a fault
        self.report = "nothing was checked"
        with Api(cluster.addresses[0]) as api:
            self.job = large_job(api)
        self.history = History(self.job)

    # -- life ---------------------------------------------------------------------------------
    def __enter__(self):
        for (i, address), transport in itertools.product(enumerate(self.addresses), TRANSPORTS.values()):
            self._watch(f"{transport.transport} {i + 1}", transport, [address], self.slow and i == 1)
        for transport in TRANSPORTS.values():
            self._watch(f"{transport.transport} moving", transport, self.addresses, False)
        for i in range(len(self.addresses)):
            self.writers.hire(self._work, f"worker{i + 1}", self.addresses[i:] + self.addresses[:i])
        self.goes_on()
        return self

    def _watch(self, name, *rest):
        self.positions[name] = 0
        self.readers.hire(self._watcher, name, *rest)

    def __exit__(self, kind, *_):
        if kind is not None:
            self.writers.stop(quietly=True, within=1)
            self.readers.stop(quietly=True, within=1)
            return
        self.writers.stop()
        with Api(self.cluster.proxy) as api:
            last_event(api, self.job, self.history, self.heads)
        self.readers.stop()
        self._check()

    def _check(self):
        """Every node has the same log, and the history agrees with it."""
        logs = []
        for address in self.cluster.addresses:
            with Api(address) as api:
                logs.append((log_with_texts(api, self.job), api.job(self.job)))
        events = [event for event, _ in logs[0][0]]
        self.report = self.history.summary(events, key_of_worker)
        if self.faults:
            self.report += f"; faults: {', '.join(self.faults)}; back after {self.longest_s:.1f} s at most"
        assert all(log == logs[0][0] for log, _ in logs), "the nodes have different logs"
        self.history.check(*logs[0], key_of_worker)

    # -- what a test does ---------------------------------------------------------------------
    def fault(self, name, within=30):
        """A context: what happens in it, and then the traffic goes on."""
        return Fault(self, name, within)

    def answered(self):
        return len(self.history.answered())

    def goes_on(self, answers=ANSWERS, within=30):
        """Waits until updates are answered, and until every watcher has seen what was answered meanwhile."""
        wanted = self.answered() + answers
        until(lambda: self._errors() or self.answered() >= wanted, within, "updates being answered")
        head = max(self.history.answered().values())
        until(lambda: self._errors() or self._behind(head) is None, within, f"every watcher seeing {head}")
        if errors := self._errors():
            raise errors[0]

    def _behind(self, head):
        """The name of a watcher that has not seen this event yet."""
        return next((name for name, at in self.positions.items() if at < head), None)

    def _errors(self):
        return self.writers.errors + self.readers.errors

    # -- the threads --------------------------------------------------------------------------
    def _work(self, crew, name, addresses):
        pause, ways = threading.Event(), itertools.cycle(addresses)
        for number in itertools.count():
            api, padding = Api(addresses[0], within=10), NOTE[:6000] if number % 10 == 0 else ""
            while not self._sent(api, name, number, padding):
                assert crew.working or crew.stopped_for() < 30 * SCALE, "no last answer"
                api.close()
                pause.wait(0.05)
                api = Api(next(ways), within=10)
            api.close()
            if not crew.working:
                return
            pause.wait(PAUSE_S)

    def _sent(self, api, name, number, padding):
        return send_once(api, self.job, name, number, self.history, padding, refusals=Unavailable.STATUSES)

    def _watcher(self, crew, name, transport, addresses, slow):
        """Watches until the final event was seen, each time from its position and at the next address."""
        position, ways, last = None, itertools.cycle(addresses), time.monotonic()
        while crew.working or self._is_before_end(position):
            try:
                with transport(next(ways), self.job, position, within=SILENCE_S, slow=slow) as watcher:
                    connection = self.history.opened(name, watcher, watcher.connected(within=SILENCE_S))
                    position = watcher.position
                    while self._is_before_end(position):
                        self.history.saw(connection, watcher.event(within=SILENCE_S))
                        position, last = watcher.position, time.monotonic()
                        self.positions[name] = seq_of(position)
            except (Cut, Unavailable, ConnectionError, Lost, TimeoutError):
                assert time.monotonic() - last < SILENCE_S * SCALE, f"{name} sees nothing any more"
                crew.stopping.wait(0.05)
            except TimedOut as error:
                raise AssertionError(f"{name} at {position}: {error}") from error

    def _is_before_end(self, position):
        return self.heads.get("final", 10**18) > seq_of(position)


class Fault:
    """Traffic must go on within this time after the end of the block."""

    def __init__(self, traffic, name, within):
        self.traffic, self.name, self.within = traffic, name, within

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        if kind is None:
            self.traffic.faults.append(self.name)
            began = time.monotonic()
            self.traffic.goes_on(within=self.within)
            self.traffic.longest_s = max(self.traffic.longest_s, time.monotonic() - began)
