"""Many watchers over server-sent events in one thread, which check what they get as it comes.

A watcher comes back at its position when its connection is cut, and must get the event after that one: none is
lost, and none comes twice.  It waits as long as the server told it if `as_told`, otherwise a second at most.
"""
import heapq
import random
import re
import selectors
import socket
import time

from .sse import SseParser

HEAD = re.compile(rb"HTTP/1\.1 (\d+) ")


class Watcher:
    def __init__(self, job):
        self.job, self.seq, self.position = job, None, None
        self.socket, self.parser, self.head = None, None, b""
        self.retry_ms = 0
        self.returns = 0
        self.cut_at = None                  # while it is not connected


class Many:
    def __init__(self, address, jobs, each, as_told=False):
        self.as_told = as_told
        self.aways_s = []                   # from each cut until it was connected again
        self.address = address
        self.watchers = [Watcher(job) for job in jobs for _ in range(each)]
        self.selector = selectors.DefaultSelector()
        self.due = []                       # (when, number of a watcher)
        self.texts = {job: {} for job in jobs}
        self.open = 0
        self.connected = set()

    def run(self, crew):
        """The work of a Crew."""
        for n, _ in enumerate(self.watchers):
            heapq.heappush(self.due, (0, n))
        while crew.working or not self.is_done():
            self.turn()
            assert crew.working or crew.stopped_for() < 60, "watchers did not get to the end"
        self.close()

    heads = None                            # {job: seq} of the ends, once they are known

    def is_done(self):
        return self.heads is not None and all(w.seq == self.heads[w.job] for w in self.watchers)

    def turn(self):
        now = time.monotonic()
        for _ in range(100):
            if not self.due or self.due[0][0] > now:
                break
            self.dial(heapq.heappop(self.due)[1])
        for key, _ in self.selector.select(0.02):
            self.take(key.data)

    def dial(self, number):
        w = self.watchers[number]
        w.socket, w.parser, w.head = socket.create_connection(self.address, 30), SseParser(), b""
        position = f"Last-Event-ID: {w.position}\r\n" if w.position else ""
        w.socket.sendall(f"GET /api/jobs/{w.job}/task-events HTTP/1.0\r\nHost: localhost\r\n{position}\r\n".encode())
        w.socket.setblocking(False)
        self.selector.register(w.socket, selectors.EVENT_READ, number)
        self.open += 1

    def take(self, number):
        w = self.watchers[number]
        try:
            data = w.socket.recv(65536)
        except BlockingIOError:
            return
        except ConnectionError:
            data = b""
        if not data:
            self.cut(number, w)
            return
        if w.head is not None:
            w.head += data
            head, end, data = w.head.partition(b"\r\n\r\n")
            if not end:
                return
            status = int(HEAD.match(head)[1])
            assert status == 200, head
            w.head = None
        for block in w.parser.feed(data):
            self.block(number, w, block)

    def cut(self, number, w):
        self.selector.unregister(w.socket)
        w.socket.close()
        self.open -= 1
        self.connected.discard(number)
        w.returns += 1
        now = time.monotonic()
        w.cut_at = w.cut_at or now
        pause_ms = w.retry_ms if self.as_told else random.random() * min(w.retry_ms, 1000)
        heapq.heappush(self.due, (now + pause_ms / 1000, number))

    def block(self, number, w, block):
        if block.retry is not None:
            w.retry_ms = block.retry
        if block.id is None or block.data is None:
            return
        seq = int(block.id.split(".")[1])
        if '"type":"connected"' in block.data[:40]:
            self.connected.add(number)
            if w.cut_at:
                self.aways_s.append(time.monotonic() - w.cut_at)
                w.cut_at = None
            assert w.seq is None or (seq == w.seq and '"resume":"exact"' in block.data), (w.seq, block)
        else:
            assert w.seq is not None and seq == w.seq + 1, f"event {seq} after {w.seq} of {w.job}"
            known = self.texts[w.job].setdefault(seq, block.data)
            assert known == block.data, f"other bytes at {seq} of {w.job}"
        w.seq, w.position = seq, block.id

    def close(self):
        for w in self.watchers:
            w.socket.close()
        self.selector.close()
