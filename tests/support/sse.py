"""Server-sent events: the parsing rules of the WHATWG specification, and a stream client.

The parser takes bytes in pieces of any size. It hands out more than a browser shows to page
code (comments, retry, whether there was an id line), because the contract speaks of those too.
"""
import re
from collections import deque

from .raw import Raw, request
from .reply import parse_json
from .wait import Deadline
from .wire import full_path

LINE_END = re.compile(rb"\r\n|\n|\r")


class Block:
    """The lines between two empty ones. `id`, `event`, `retry` are None without their line."""

    def __init__(self):
        self.id = None
        self.event = None
        self.retry = None
        self.data_lines = []
        self.comments = []

    @property
    def data(self):
        """None when nothing is dispatched: a browser drops a block without a data line."""
        return "\n".join(self.data_lines) if self.data_lines else None

    @property
    def json(self):
        return parse_json(self.data.encode())

    def __repr__(self):
        return f"<block id={self.id!r} event={self.event!r} retry={self.retry!r} {self.data!r}>"


class SseParser:
    def __init__(self):
        self.pending = b""
        self.block = Block()
        self.empty = True
        self.first = True
        self.last_id = ""   # what a browser would send as Last-Event-ID

    def feed(self, data):
        """Adds bytes; gives the blocks they completed."""
        self.pending += data
        if self.first and len(self.pending) >= 3:
            self.pending = self.pending.removeprefix(b"\xef\xbb\xbf")
            self.first = False
        blocks, at = [], 0
        for match in LINE_END.finditer(self.pending):
            # A \r at the very end may be half of \r\n: it waits for the next piece.
            if match.group() == b"\r" and match.end() == len(self.pending):
                break
            if block := self._line(self.pending[at:match.start()]):
                blocks.append(block)
            at = match.end()
        self.pending = self.pending[at:]
        return blocks

    def _line(self, line):
        if line:
            self.empty = False
            self._field(line.decode("utf-8"))
            return None
        done, empty = self.block, self.empty
        self.block, self.empty = Block(), True
        return None if empty else done

    def _field(self, line):
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if line.startswith(":"):
            self.block.comments.append(line[1:])
        elif name == "data":
            self.block.data_lines.append(value)
        elif name == "event":
            self.block.event = value
        elif name == "id" and "\0" not in value:
            self.block.id = self.last_id = value
        elif name == "retry" and value.isdigit():
            self.block.retry = int(value)


class Dechunker:
    """Decodes the chunked coding, in pieces of any size."""

    def __init__(self):
        self.pending = b""
        self.left = 0           # of the chunk being read, with its trailing CRLF
        self.done = False

    def feed(self, data):
        self.pending += data
        out = b""
        while self.pending and not self.done:
            if self.left:
                piece, self.pending = self.pending[:self.left], self.pending[self.left:]
                out += piece[:max(0, self.left - 2)]
                self.left -= len(piece)
            elif b"\r\n" in self.pending:
                size, self.pending = self.pending.split(b"\r\n", 1)
                self.done = int(size, 16) == 0
                self.left = int(size, 16) + 2
            else:
                break
        return out


def path_of(job, query=""):
    return f"/api/jobs/{job}/task-events" + (f"?{query}" if query else "")


def stream_request(job, since=None, query="", version="1.1", headers=(),
                   accept="text/event-stream", address=None):
    lines = [f"Accept: {accept}", *headers]
    if since is not None:
        lines.append(f"Last-Event-ID: {since}")
    return request("GET", full_path(address, path_of(job, query)), lines, version=version)


class SseStream:
    """One open stream, read block by block. `status` other than 200 leaves it without blocks.

    It ends when the connection is closed; with `ends_with_body`, at the last chunk, after which a proxy
    keeps the connection.
    """

    ends_with_body = False

    def __init__(self, address, job, since=None, query="", version="1.1", headers=(), within=10,
                 receive_buffer=None):
        self.raw = Raw(address, receive_buffer)
        self.parser = SseParser()
        self.blocks = deque()
        self.bytes = bytearray()    # the body as received, without the chunked coding
        self.raw.send(stream_request(job, since, query, version, headers, address=address))
        self.status, self.headers = self.raw.head_of_response(Deadline(within, "stream headers"))
        self.chunks = Dechunker() if self._chunked() else None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.raw.close()

    def header(self, name):
        found = [value for key, value in self.headers if key.lower() == name.lower()]
        return ", ".join(found) if found else None

    def _chunked(self):
        return (self.header("Transfer-Encoding") or "").lower() == "chunked"

    def block(self, within=10, what="the next block of a stream"):
        """The next block; None once the server has closed the stream."""
        deadline = Deadline(within, what)
        while not self.blocks:
            if self.ends_with_body and self.chunks and self.chunks.done:
                return None
            data = self.raw.some(deadline)
            if not data:
                return None
            self._take(self.chunks.feed(data) if self.chunks else data)
        return self.blocks.popleft()

    def _take(self, text):
        self.bytes += text
        self.blocks.extend(self.parser.feed(text))

    def message(self, kind=None, within=10):
        """The next block with data, or the next of one type, skipping the others."""
        deadline = Deadline(within, f"a {kind or 'message'} on the stream")
        while True:
            block = self.block(deadline.left(), deadline.what)
            assert block is not None, f"the stream closed before a {kind or 'message'}"
            if block.data is not None and kind in (None, type_of(block)):
                return block

    def connected(self):
        return self.message("connected")

    def event(self, within=10):
        """The next logged event, as its block."""
        deadline = Deadline(within, "a logged event on the stream")
        while True:
            block = self.message(None, deadline.left())
            if block.id is not None and type_of(block) not in ("connected", "reset"):
                return block

    def events(self, count, within=10):
        deadline = Deadline(within, f"{count} logged events")
        return [self.event(deadline.left()) for _ in range(count)]

    def all_blocks(self, within=10):
        """Every block up to the server's close."""
        deadline = Deadline(within, "the server ending the stream")
        blocks = []
        while (block := self.block(deadline.left(), deadline.what)) is not None:
            blocks.append(block)
        return blocks


def type_of(block):
    """connected, task_update, heartbeat, end …; None for a block without data."""
    if block.data is None:
        return None
    if block.event == "heartbeat":
        return "heartbeat"
    if block.event == "refused":
        return "refused"
    return block.json["type"]
