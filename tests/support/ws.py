"""A WebSocket on a socket: RFC 6455 as a client speaks it, and as a hostile one does.

What the server sends is read strictly: unmasked, no reserved bits, whole messages, its UTF-8 good.
Pings are answered as they are read, unless `answer_pings` is off, which simulates a dead peer.
"""
import base64
import hashlib
import json
import os
import struct
from dataclasses import dataclass
from urllib.parse import quote

from .api import compact
from .raw import Raw, request
from .reply import Reply, parse_json
from .wait import Deadline
from .wire import Closed, Unavailable, full_path

PATH = "/api/ws"
PROTOCOL = "joblight.v1"
GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
UPGRADED = 101
UNASKED = ("heartbeat", "presence", "watchers", "opening")  # may come between what one waits for


def path_of(**query):
    words = [f"{name}={quote(str(value), safe='')}" for name, value in query.items()
             if value is not None]
    return PATH + ("?" + "&".join(words) if words else "")


def handshake(path=PATH, key="dGhlIHNhbXBsZSBub25jZQ==", version="13", protocol=None, origin=None,
              method="GET", http="1.1", host="joblight.test", headers=()):
    """The bytes of an upgrade request; None leaves a header out."""
    lines = ["Upgrade: websocket", "Connection: Upgrade"]
    lines += [f"{name}: {value}" for name, value in (
        ("Sec-WebSocket-Key", key), ("Sec-WebSocket-Version", version),
        ("Sec-WebSocket-Protocol", protocol), ("Origin", origin)) if value is not None]
    return request(method, path, [*lines, *headers], host=host, version=http)


def masked(payload, mask):
    width = len(payload)
    if not width:
        return b""
    key = (mask * (width // 4 + 1))[:width]
    return (int.from_bytes(payload, "big") ^ int.from_bytes(key, "big")).to_bytes(width, "big")


def frame_of(opcode, payload=b"", fin=True, rsv=0, mask=b"\x11\x22\x33\x44", length=None,
             width=None):
    """One frame. `length` announces another size than the payload's, `width` (7, 16, 64) writes
    the size longer than needed, `mask=None` leaves the masking out."""
    length = len(payload) if length is None else length
    width = width or (7 if length < 126 else 16 if length < 65536 else 64)
    first = fin << 7 | rsv << 4 | opcode
    bit = 0x80 if mask else 0
    size = {7: lambda: bytes([bit | length]), 16: lambda: struct.pack(">BH", bit | 126, length),
            64: lambda: struct.pack(">BQ", bit | 127, length)}[width]()
    return bytes([first]) + size + (mask + masked(payload, mask) if mask else payload)


def fragments(payload, sizes):
    """`payload` as text in fragments of these sizes; the rest is the last one."""
    frames, at = [], 0
    for i, size in enumerate(sizes):
        frames.append(frame_of(TEXT if i == 0 else CONTINUATION, payload[at:at + size], fin=False))
        at += size
    return [*frames, frame_of(CONTINUATION if sizes else TEXT, payload[at:])]


@dataclass
class Frame:
    opcode: int
    fin: bool
    payload: bytes


class Said:
    """One message of the server: `text` as it came."""

    def __init__(self, payload):
        self.text = payload.decode("utf-8")
        self.json = parse_json(payload)
        self.type = self.json["type"]

    def __getitem__(self, name):
        return self.json[name]

    def __repr__(self):
        return self.text


class WebSocket:
    def __init__(self, address, path=PATH, protocol=None, origin=None, headers=(), within=10,
                 receive_buffer=None, answer_pings=True, host="joblight.test"):
        self.raw = Raw(address, receive_buffer)
        self.answer_pings = answer_pings
        self.pings, self.pongs = [], []     # payloads of those that came
        self.close_frame = None             # (code, reason) once the server has said it
        self.within = []                    # opcodes of control frames that came inside a message
        key = base64.b64encode(os.urandom(16)).decode()
        self.raw.send(handshake(full_path(address, path), key, protocol=protocol, origin=origin, headers=headers, host=host))
        self.status, self.headers = self.raw.head_of_response(Deadline(within, "the upgrade"))
        if self.status in Unavailable.STATUSES:
            raise Unavailable(f"the upgrade was answered {self.status}")
        assert self.status == UPGRADED, f"the upgrade was answered {self.status} {self.headers}"
        answer = Reply(self.status, self.headers, b"")
        digest = hashlib.sha1((key + GUID).encode()).digest()
        assert answer.header("Sec-WebSocket-Accept") == base64.b64encode(digest).decode()
        self.protocol = answer.header("Sec-WebSocket-Protocol")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.raw.close()

    # -- sending ----------------------------------------------------------------------------------
    def send_frame(self, opcode, payload=b"", **options):
        self.raw.send(frame_of(opcode, payload, **options))

    def send_text(self, payload):
        self.send_frame(TEXT, payload)

    def send(self, kind, **fields):
        self.send_text(compact({"type": kind, **fields}))

    def send_many(self, messages):
        """All of them in one write: pipelined."""
        self.raw.send(b"".join(frame_of(TEXT, compact(message)) for message in messages))

    def send_close(self, code=1000, reason=b""):
        self.send_frame(CLOSE, struct.pack(">H", code) + reason)

    # -- receiving --------------------------------------------------------------------------------
    def frame(self, deadline):
        """The next frame, whatever it is."""
        first, second = self.raw.exactly(2, deadline)
        assert not first & 0x70, f"reserved bits in {first:#x}"
        assert not second & 0x80, "a server's frame is not masked"
        size = second & 0x7f
        if size >= 126:
            width = 2 if size == 126 else 8
            size = int.from_bytes(self.raw.exactly(width, deadline), "big")
            assert size > (125 if width == 2 else 65535), "a size not written as short as it can be"
        opcode, fin = first & 0x0f, bool(first & 0x80)
        assert opcode in (CONTINUATION, TEXT, CLOSE, PING, PONG), f"opcode {opcode}"
        assert opcode < CLOSE or (fin and size <= 125), "a control frame is short and whole"
        return Frame(opcode, fin, self.raw.exactly(size, deadline))

    def next(self, within=10, what="a message"):
        """The next message, or None once the server has closed, with or without a word."""
        deadline, parts = Deadline(within, what), []
        while True:
            try:
                frame = self.frame(deadline)
            except Closed:
                return None
            if frame.opcode >= CLOSE:
                if parts:
                    self.within.append(frame.opcode)
                self._control(frame)
                if self.close_frame:
                    return None
                continue
            assert (frame.opcode == CONTINUATION) == bool(parts), "fragments out of order"
            parts.append(frame.payload)
            if frame.fin:
                return Said(b"".join(parts))

    def _control(self, frame):
        if frame.opcode == PONG:
            self.pongs.append(frame.payload)
        elif frame.opcode == PING:
            self.pings.append(frame.payload)
            if self.answer_pings:
                self.send_frame(PONG, frame.payload)
        else:
            assert len(frame.payload) != 1, "half a close code"
            code = struct.unpack(">H", frame.payload[:2])[0] if frame.payload else None
            self.close_frame = code, frame.payload[2:].decode("utf-8")

    def message(self, kind=None, within=10):
        """The next message of one type (or a tuple of them), skipping what comes unasked.

        Without a type: the next that did not come unasked.
        """
        wanted = (kind,) if isinstance(kind, str) else kind
        deadline = Deadline(within, f"a message {kind or ''}")
        while (said := self.next(deadline.left(), deadline.what)) is not None:
            if wanted and said.type in wanted:
                return said
            assert said.type in UNASKED, f"waited for {kind}, got {said}"
        raise AssertionError(f"closed {self.close_frame} before {kind}")

    def messages(self, kind, count, within=10):
        deadline = Deadline(within, f"{count} times {kind}")
        return [self.message(kind, deadline.left()) for _ in range(count)]

    def ask(self, kind, answer, within=10, **fields):
        """Sends a message and gives the next one of type `answer`."""
        self.send(kind, **fields)
        return self.message(answer, within)

    def subscribe(self, job, since=None, **fields):
        if since is not None:
            fields["since"] = since
        return self.ask("subscribe", "connected", jobId=job, **fields).json

    def update(self, key, job, task="t", within=10, **fields):
        """An update that must be accepted; gives the ack."""
        return self.ask("update", "ack", within, id=key, jobId=job, taskId=task, **fields).json

    def answers(self, within=10):
        """Asserts that a ping message is answered. Skips earlier messages."""
        self.send("ping")
        deadline = Deadline(within, "a pong")
        while (said := self.next(deadline.left(), deadline.what)) is not None:
            if said.type == "pong":
                return True
        return False

    def wait_for_ping(self, within=10):
        """A ping frame of the server; messages on the way are passed over."""
        deadline, before = Deadline(within, "a ping"), len(self.pings)
        while len(self.pings) == before:
            frame = self.frame(deadline)
            if frame.opcode >= CLOSE:
                self._control(frame)
        return self.pings[-1]

    def wait_for_pong(self, within=10):
        deadline, before = Deadline(within, "a pong"), len(self.pongs)
        while len(self.pongs) == before:
            assert self.close_frame is None, f"closed {self.close_frame}"
            self._control(self.frame(deadline))
        return self.pongs[-1]

    def closed(self, within=10):
        """What the server said when it closed: (code, reason), None without a close frame.

        Earlier messages are skipped; after the close frame the connection must end.
        """
        deadline = Deadline(within, "the server closing")
        while not self.close_frame and self.next(deadline.left(), deadline.what) is not None:
            pass
        if self.close_frame and not self.raw.ended:
            if self.close_frame[0] is not None:
                self.send_close(min(self.close_frame[0], 4999))
            self.raw.rest(deadline.left())
        return self.close_frame

    def close_code(self, within=10):
        said = self.closed(within)
        return said and said[0]


def dumps(**fields):
    """A message as the bytes of its JSON, non-ASCII characters as they are."""
    return json.dumps(fields, ensure_ascii=False).encode()
