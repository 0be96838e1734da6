"""A checker for histories: writers and subscribers write down what they saw, check() judges it.

Writers note (key, outcome, seq), where the outcome is ok, fail (a refusal that says nothing was
stored) or unknown (the answer was lost). Subscribers note every connection with the position
they asked for, what the server said first, and the hash of each event's bytes.
"""
import hashlib
import json
import threading
from collections import Counter
from dataclasses import dataclass, field

from .fold import assert_is_fold


def digest(text):
    return hashlib.sha256(text.encode()).hexdigest()[:16]


@dataclass
class Connection:
    subscriber: str
    transport: str
    asked: str | None
    epoch: str = ""
    start: int = 0                               # the seq after which this connection goes on
    resume: str = ""
    snapshot: dict | None = None
    seen: list = field(default_factory=list)     # (seq, hash) in order


class History:
    """`resets`: whether the test does something after which a reset is right."""

    def __init__(self, job, resets=False):
        self.job = job
        self.resets = resets
        self.lock = threading.Lock()
        self.writes = {}         # key -> [(outcome, seq)]
        self.connections = []

    # -- taking notes -------------------------------------------------------------------------
    def wrote(self, key, outcome, seq=None):
        with self.lock:
            self.writes.setdefault(key, []).append((outcome, seq))

    def opened(self, subscriber, watcher, connected):
        """A connection that began with `connected`; `watcher.asked` is what it had asked for."""
        epoch, seq = connected["cursor"].split(".")
        connection = Connection(subscriber, watcher.transport, watcher.asked, epoch, int(seq),
                                connected["resume"], connected.get("job"))
        with self.lock:
            self.connections.append(connection)
        return connection

    def saw(self, connection, message):
        connection.seen.append((message.seq, digest(message.text)))

    def answered(self):
        """key -> seq of every write that got its 2xx at least once."""
        with self.lock:
            return {key: seq for key, tries in self.writes.items()
                    for outcome, seq in tries if outcome == "ok"}

    def summary(self, events, key_of):
        """One line about what was seen, and what is wrong with it; check() says more."""
        rows = Counter(key_of(event) for event in events)
        answered = self.answered()
        repeated = sum(outcome == "unknown" for tries in self.writes.values() for outcome, _ in tries)
        lost = sum(not rows[key] for key in answered)
        twice = sum(count > 1 for key, count in rows.items() if key is not None)
        gaps = sum(seq > due for due, seq in self._seen())
        doubles = sum(seq < due for due, seq in self._seen())
        return (f"{len(events)} events, {len(answered)} answers ({repeated} repeated), "
                f"{len({c.subscriber for c in self.connections})} watchers on {len(self.connections)} connections: "
                f"{lost + gaps} lost, {twice + doubles} twice")

    def _seen(self):
        """(seq that was due, seq that came) of everything that subscribers saw, over their connections."""
        at = {}
        for connection in self.connections:
            due = connection.start + 1
            if connection.asked is not None:
                yield at.get(connection.subscriber, due), due
            for seq, _ in connection.seen:
                yield due, seq
                due = seq + 1
            at[connection.subscriber] = due

    # -- judging ------------------------------------------------------------------------------
    def check(self, log, snapshot, key_of):
        """`log`: the job's activity as (event, text); `key_of(event)`: the write it came from."""
        events = [event for event, _ in log]
        rows = {event["seq"]: digest(text) for event, text in log}
        self._log_has_no_hole(events)
        self._writes_are_there_once(events, key_of)
        self._connections_are_exact(rows)
        self._subscribers_resumed_where_they_were()
        self._everyone_is_at_head(events[-1]["seq"])
        assert_is_fold(snapshot, events)
        for connection in self.connections:
            if connection.snapshot:
                assert_is_fold(connection.snapshot, events)

    def _log_has_no_hole(self, events):
        seqs = [event["seq"] for event in events]
        assert seqs == list(range(1, len(seqs) + 1)), f"the log has a hole or a double: {seqs}"

    def _writes_are_there_once(self, events, key_of):
        rows = {}
        for event in events:
            key = key_of(event)
            if key is not None:
                rows.setdefault(key, []).append(event["seq"])
        for key, seqs in rows.items():
            assert len(seqs) == 1, f"write {key} has the rows {seqs}"
            assert key in self.writes, f"row {seqs} comes from a write nobody made: {key}"
        for key, tries in self.writes.items():
            self._one_write(key, tries, rows.get(key, []))

    def _one_write(self, key, tries, rows):
        answers = {seq for outcome, seq in tries if outcome == "ok"}
        assert len(answers) <= 1, f"write {key} was answered with the seqs {answers}"
        if answers:
            assert list(answers) == rows, f"write {key} was answered {answers}, rows {rows}"
        elif all(outcome == "fail" for outcome, _ in tries):
            assert not rows, f"write {key} was refused and is there: {rows}"

    def _connections_are_exact(self, rows):
        for connection in self.connections:
            due = connection.start + 1
            for seq, found in connection.seen:
                assert seq == due, f"{connection.subscriber}: event {seq} where {due} was due"
                assert rows.get(seq) == found, f"{connection.subscriber}: other bytes at {seq}"
                due += 1

    def _subscribers_resumed_where_they_were(self):
        for connection in self.connections:
            if connection.asked is None:
                assert connection.resume == "fresh", connection
            elif connection.resume == "exact":
                assert connection.asked == f"{connection.epoch}.{connection.start}", connection
            else:
                assert self.resets, f"{connection.subscriber} was reset for no reason"

    def _everyone_is_at_head(self, head):
        last = {connection.subscriber: connection for connection in self.connections}
        for name, connection in last.items():
            at = connection.seen[-1][0] if connection.seen else connection.start
            assert at == head, f"{name} stands at {at}, the head is {head}"


def log_with_texts(api, job):
    """The job's activity as (event, text as it stood in the page)."""
    from .rawjson import elements
    rows, after = [], 0
    while after is not None:
        reply = api.get(f"/api/jobs/{job}/activity?order=asc&limit=1000&after={after}")
        assert reply.status == 200, reply
        rows += [(json.loads(text), text) for text in elements(reply.body.decode(), "activity")]
        after = reply.json.get("nextAfter")
    return rows
