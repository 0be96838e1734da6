"""A subscriber of one job over any transport: the same expectations, one row per driver.

A watcher hands out messages in the order the server gave them:

    connected  always first. json has resume, reason, epoch, cursor, head, job (the snapshot)
    event      a logged event: seq, json, and `text`, the JSON exactly as it came
    reset      within a stream: it could not be continued; json as in connected
    heartbeat  of transports that have one, and presence: neither is in the log
    end        the job is over; nothing follows
    over       instead of connected: the position was at the end of an ended job

`position` is the cursor to reconnect with. To add a transport: a class with the same methods
and a row in TRANSPORTS; every transcript that takes the `watch` fixture then runs over it.
"""
from collections import deque
from dataclasses import dataclass, field

from .api import Lost
from .poll import Poller
from .sse import SseStream, type_of
from .wait import Deadline
from .wire import Closed, Unavailable
from .ws import WebSocket

ANSWERED = 200
OVER = 204
TERMINAL = ("completed", "failed", "cancelled")
NOT_EVENTS = ("connected", "reset", "heartbeat", "presence", "end")


class Cut(Exception):
    """The connection ended without an `end`."""


@dataclass
class Message:
    kind: str
    json: dict = field(default_factory=dict)
    text: str = ""

    @property
    def seq(self):
        return self.json["seq"]


def cursor_of(epoch, seq):
    return f"{epoch}.{seq}"


SMALL_BUFFER = 4096
UNAVAILABLE = ("storage_unavailable", "overloaded", "stopping")     # codes of an error


def answered_or_unavailable(status, what):
    if status in Unavailable.STATUSES:
        raise Unavailable(what)
    assert status == ANSWERED, what


class Watcher:
    """What all transports share: a driver gives _more(deadline), which queues messages.

    A `slow` watcher has very small kernel buffers: the server has to keep what it does not read.
    """

    transport = None

    def __init__(self, job, since):
        self.job = job
        self.asked = since
        self.position = since
        self.epoch = None
        self.waiting = deque()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def next(self, within=10, what="a message"):
        """The next message of any kind."""
        deadline = Deadline(within, f"{what} on {self.transport} of job {self.job}")
        while not self.waiting:
            self._more(deadline)
        message = self.waiting.popleft()
        if message.kind in ("connected", "reset"):
            self.epoch = message.json["epoch"]
            self.position = message.json["cursor"]
        elif message.kind == "event":
            self.position = cursor_of(self.epoch, message.seq)
        return message

    def connected(self, within=10):
        message = self.next(within, "connected")
        assert message.kind == "connected", message
        return message.json

    def event(self, within=10):
        """The next logged event; a reset, an end or a cut on the way is a failure."""
        return self._pass_heartbeats("event", within)

    def events(self, count, within=10):
        deadline = Deadline(within, f"{count} events")
        return [self.event(deadline.left()) for _ in range(count)]

    def end(self, within=10):
        return self._pass_heartbeats("end", within).json

    def until_end(self, within=10):
        """(the events still to come, the end)"""
        deadline, events = Deadline(within, "the end of the job"), []
        while (message := self._pass_heartbeats(None, deadline.left())).kind == "event":
            events.append(message)
        assert message.kind == "end", message
        return events, message.json

    def _pass_heartbeats(self, kind, within):
        deadline = Deadline(within, kind or "an event or the end")
        while (message := self.next(deadline.left(), deadline.what)).kind in UNLOGGED:
            pass
        assert kind in (None, message.kind), f"wanted {kind}, got {message}"
        return message


UNLOGGED = ("heartbeat", "presence")  # not logged: they may come between any two events


class SseWatcher(Watcher):
    transport = "sse"

    def __init__(self, address, job, since=None, within=10, slow=False):
        super().__init__(job, since)
        try:
            self.stream = SseStream(address, job, since, within=within,
                                    receive_buffer=SMALL_BUFFER if slow else None)
        except (OSError, Closed) as error:
            raise Cut(repr(error)) from error
        self.stream.ends_with_body = True
        if self.stream.status == OVER:
            self.waiting.append(Message("over"))
        else:
            answered_or_unavailable(self.stream.status, f"SSE answered {self.stream.status}")

    def close(self):
        self.stream.close()

    def _more(self, deadline):
        block = self.stream.block(deadline.left(), deadline.what)
        if block is None:
            raise Cut(f"stream of {self.job} closed at {self.position}")
        kind = type_of(block)
        if kind is None:
            return
        if kind == "refused":
            raise Unavailable(f"SSE answered {block}")
        if kind not in NOT_EVENTS:
            kind = "event"
        self.waiting.append(Message(kind, block.json, block.data))


class WsWatcher(Watcher):
    """A subscription by message: the socket outlives it, and could carry others."""

    transport = "websocket"

    def __init__(self, address, job, since=None, within=10, slow=False):
        super().__init__(job, since)
        try:
            self.socket = WebSocket(address, within=within,
                                    receive_buffer=SMALL_BUFFER if slow else None)
        except (OSError, Closed) as error:
            raise Cut(repr(error)) from error
        position = {} if since is None else {"since": since}
        self.socket.send("subscribe", jobId=job, **position)

    def close(self):
        self.socket.close()

    def _more(self, deadline):
        said = self.socket.next(deadline.left(), deadline.what)
        if said is None:
            raise Cut(f"socket of {self.job} closed at {self.position}: {self.socket.close_frame}")
        if said.type == "error" and said.json.get("code") in UNAVAILABLE:
            raise Unavailable(f"WebSocket answered {said}")
        if said.type == "restart":
            raise Cut(f"the server of {self.job} stops")
        assert said.type != "error", f"WebSocket answered {said}"
        if said.type == "opening":
            return  # a large first message follows
        kind = said.type if said.type in NOT_EVENTS else "event"
        if kind == "connected" and at_the_end(said):
            kind = "over"
        self.waiting.append(Message(kind, said.json, said.text))


def at_the_end(said):
    """Connected at the end of an ended job: only `end` follows."""
    return (said["resume"] == "exact" and said["status"] in TERMINAL
            and said["cursor"] == cursor_of(said["epoch"], said["head"]))


class PollWatcher(Watcher):
    """Long polling: an answer is turned into the messages that a stream would have sent.

    No data arrives between two requests, even if it is slow.
    """

    transport = "polling"

    def __init__(self, address, job, since=None, within=10, slow=False):
        super().__init__(job, since)
        self.poller = Poller(address, job, receive_buffer=SMALL_BUFFER if slow else None)
        self.cursor = since
        self.began = False

    def close(self):
        self.poller.close()

    def _more(self, deadline):
        wait = min(60, max(1, int(deadline.left())))
        try:
            answer = self.poller.ask(self.cursor, wait=wait if self.began else None)
        except (OSError, Lost) as error:
            raise Cut(repr(error)) from error
        answered_or_unavailable(answer.status, f"polling answered {answer.reply}")
        self._queue(answer)

    def _queue(self, answer):
        terminal = answer["terminal"] and answer["cursor"] == cursor_of(answer["epoch"],
                                                                        answer["head"])
        if not self.began and terminal and not answer["reset"] and not answer.events:
            self.waiting.append(Message("over"))
            return
        if answer["reset"] or not self.began:
            self.waiting.append(self._opening(answer))
        self.began, self.cursor = True, answer["cursor"]
        for event, text in zip(answer.events, answer.texts, strict=True):
            self.waiting.append(Message("event", event, text))
        if terminal:
            self.waiting.append(Message("end", {"type": "end", "jobId": self.job,
                                                "seq": answer["head"],
                                                "status": answer["status"]}))

    def _opening(self, answer):
        """The `connected` (or, later, `reset`) that corresponds to this answer."""
        resume = "exact"
        if answer["reset"]:
            resume = "reset" if "reason" in answer.json else "fresh"
        said = {name: answer[name] for name in ("jobId", "epoch", "head", "status")}
        said |= {name: answer[name] for name in ("reason", "job") if name in answer.json}
        said |= {"resume": resume,
                 "cursor": answer["cursor"] if answer["reset"] else self.cursor}
        return Message("reset" if self.began else "connected", said)


TRANSPORTS = {watcher.transport: watcher for watcher in (SseWatcher, WsWatcher, PollWatcher)}
