"""The cases of the Autobahn test suite for WebSocket servers, groups 1 to 7 and 10, under their numbers.

Autobahn's server under test sends back what it gets. This one answers `{"type":"ping"}` with `{"type":"pong"}`, in
which white space makes up the size, and an update with an ack, after which its note is compared; so "echo" is one of
these here. The frames are made and checked by wsproto, which refuses a reserved bit, a fragment out of order, a long
control frame, and text that is not UTF-8.

Each case is a transcript: what the client sends (pieces of `chop` bytes, all in one write without it), and what it
must hear. Where this server does something else than Autobahn's "OK", the case says so:
  - binary messages are 1003, and a text that is no message is 4400 (docs/protocol.md);
  - when a message and a violation come in one write, the close may come before the answer (Autobahn: "NON-STRICT");
  - libwebsockets sends a pong when the socket is writable again, so that an answer may come before it (5.6, 5.8, 5.20),
    and ignores a ping that comes before that (5.20).
"""
import itertools
import json

import pytest
from wsproto.frame_protocol import FrameProtocol, Opcode, RsvBits

from support.raw import Raw
from support.wait import Deadline
from support.wire import Closed
from support.ws import handshake

TEXT, BINARY, CONTINUATION = Opcode.TEXT, Opcode.BINARY, Opcode.CONTINUATION
PING, PONG, CLOSE = Opcode.PING, Opcode.PONG, Opcode.CLOSE
PONG_MESSAGE = '{"type":"pong"}'
KNOWN = set(Opcode)


def sized(size):
    """A message of so many bytes that is answered with pong."""
    return b'{"type":"ping"' + b" " * (size - 15) + b"}" if size >= 15 else b" " * size


NUMBERS = itertools.count()
JOB = "autobahn"


def update(note):
    """A message that carries these bytes as the note of a task of its own."""
    number = next(NUMBERS)
    return f'{{"type":"update","id":"k{number}","jobId":"{JOB}","taskId":"t{number}","note":"'.encode() + note + b'"}'


# -- steps ----------------------------------------------------------------------------------------

def send(*frames, chop=None):
    return "send", frames, chop


def frame(opcode, payload=b"", fin=True, rsv=0):
    return opcode, payload, fin, rsv


def text(payload, fin=True, rsv=0):
    return frame(TEXT, payload, fin, rsv)


def more(payload, fin=True):
    return frame(CONTINUATION, payload, fin)


def ping(payload=b"", fin=True, rsv=0):
    return frame(PING, payload, fin, rsv)


def pong(payload=b"", fin=True):
    return frame(PONG, payload, fin)


def close(code=None, reason=b"", rsv=0):
    return frame(CLOSE, (b"" if code is None else code.to_bytes(2, "big")) + reason, True, rsv)


def parts(payload, size, opcode=TEXT):
    """The message in fragments of `size` bytes."""
    cut = [payload[at:at + size] for at in range(0, len(payload), size)]
    return [frame(CONTINUATION if i else opcode, part, i == len(cut) - 1) for i, part in enumerate(cut)]


def hears(*answers):
    """These, in any order: the payload of a pong, or ECHO."""
    return "hears", answers


ECHO = "the answer to a message of sized()"
STORED = ("stored",)          # the ack of update(), and the note in the job
MAYBE_ECHO = ("maybe",)


def ends(code):
    """The server closes with this code, or with one of a set."""
    return "ends", code if isinstance(code, set) else {code}


BYE = [send(close(1000)), ends(1000)]
VIOLATION = ends(1002)
CUT = ends({1002, None})    # or the end of the connection, which Autobahn counts as good too
MESSAGE = sized(40)
HALVES = MESSAGE[:20], MESSAGE[20:]


class Client:
    """One connection, on which wsproto makes and checks the frames."""

    def __init__(self, address):
        self.raw = Raw(address)
        self.raw.send(handshake())
        assert self.raw.head_of_response(Deadline(10, "the upgrade"))[0] == 101
        self.protocol = FrameProtocol(client=True, extensions=[])
        self.message = ""       # the text so far

    def bytes_of(self, opcode, payload, fin, rsv):
        if rsv or opcode not in KNOWN or (opcode >= 8 and (not fin or len(payload) > 125)):
            return self.forged(opcode, payload, fin, rsv)
        return bytes(self.protocol._serialize_frame(opcode, payload, fin))

    def forged(self, opcode, payload, fin, rsv):
        """What wsproto makes for good values, with the first byte changed; it has no name for the others."""
        made = bytearray(self.protocol._serialize_frame(TEXT, payload, fin))
        made[0] = self.protocol._make_fin_rsv_opcode(fin, RsvBits(rsv & 4, rsv & 2, rsv & 1), 0) & 0x80 | rsv << 4 | opcode
        return bytes(made)

    def send(self, frames, chop):
        data = b"".join(self.bytes_of(*one) for one in frames)
        try:
            for at in range(0, len(data), chop or len(data)):
                self.raw.send(data[at:at + (chop or len(data))])
        except OSError:
            pass    # it has closed; what it said is read afterwards

    def frame(self):
        """The next frame, of which a text is complete; None at the end of the connection."""
        deadline = Deadline(10, "a frame")
        while True:
            for one in self.protocol.received_frames():
                if one.opcode is not TEXT:
                    return one
                self.message += one.payload
                if one.message_finished:
                    said, self.message = self.message, ""
                    return said
            try:
                self.protocol.receive_bytes(self.raw.exactly(1, deadline))
            except (Closed, OSError):
                return None


def hear(client, step):
    heard = client.frame()
    assert heard is not None, f"closed instead of {step}"
    return heard


def run_stored(client, api, sent):
    message = json.loads(sent)
    assert json.loads(hear(client, "the ack"))["id"] == message["id"]
    tasks = {task["id"]: task for task in api.job(JOB)["tasks"]}
    assert tasks[message["taskId"]]["note"] == message["note"]


def run_hears(client, answers):
    heard = [hear(client, answers) for _ in answers]
    echoes = [one for one in heard if isinstance(one, str)]
    pongs = [(one.opcode, bytes(one.payload)) for one in heard if not isinstance(one, str)]
    assert echoes == [PONG_MESSAGE for one in answers if one is ECHO]
    assert pongs == [(PONG, one) for one in answers if one is not ECHO]


def run_ends(client, heard, codes):
    if heard is None:
        assert None in codes, "no close frame"
        return
    assert not isinstance(heard, str) and heard.opcode is CLOSE, f"not a close frame: {heard}"
    assert heard.payload[0] in codes, f"closed with {heard.payload}"
    if heard.payload[0] == 1002:
        return      # libwebsockets reads nothing more, and ends the connection after 5 s
    client.send([close(1000)], None)
    assert client.frame() is None, "a frame after the close"


def payload_of(frames):
    return b"".join(payload for opcode, payload, *_ in frames if opcode in (TEXT, CONTINUATION))


def run(steps, client, api):
    sent, peeked = b"", None
    for kind, *values in steps:
        if kind == "send":
            sent = payload_of(values[0]) or sent
            client.send(*values)
        elif kind == "stored":
            run_stored(client, api, sent)
        elif kind == "hears":
            run_hears(client, values[0])
        elif kind == "maybe":
            heard = client.frame()
            peeked = None if heard == PONG_MESSAGE else [heard]
        else:
            run_ends(client, peeked[0] if peeked else client.frame(), values[0])


# -- the cases ------------------------------------------------------------------------------------

CASES = {}

# 1: framing. An empty text is no message; binary ones are refused whatever their size.
for i, size in enumerate((0, 125, 126, 127, 128, 65535, 65536), 1):
    CASES[f"1.1.{i}"] = [send(text(sized(size))), *([hears(ECHO), *BYE] if size else [ends(4400)])]
    CASES[f"1.2.{i}"] = [send(frame(BINARY, b"\xfe" * size)), ends(1003)]
CASES["1.1.8"] = [send(text(sized(65536)), chop=997), hears(ECHO), *BYE]
CASES["1.2.8"] = [send(frame(BINARY, b"\xfe" * 65536), chop=997), ends(1003)]

# 2: pings and pongs
BYTES = b"\x00\xff\xfe\xfd\xfc\xfb\x00\xff"
CASES["2.1"] = [send(ping()), hears(b""), *BYE]
CASES["2.2"] = [send(ping(b"Hello, world!")), hears(b"Hello, world!"), *BYE]
CASES["2.3"] = [send(ping(BYTES)), hears(BYTES), *BYE]
CASES["2.4"] = [send(ping(b"\xfe" * 125)), hears(b"\xfe" * 125), *BYE]
CASES["2.5"] = [send(ping(b"\xfe" * 126)), VIOLATION]
CASES["2.6"] = [send(ping(b"\xfe" * 125), chop=1), hears(b"\xfe" * 125), *BYE]
CASES["2.7"] = [send(pong()), *BYE]
CASES["2.8"] = [send(pong(b"unsolicited pong payload")), *BYE]
CASES["2.9"] = [send(pong(b"unsolicited pong payload"), ping(b"ping payload")), hears(b"ping payload"), *BYE]
PINGS = [f"payload-{i}".encode() for i in range(10)]
CASES["2.10"] = [step for one in PINGS for step in (send(ping(one)), hears(one))] + BYE
CASES["2.11"] = [step for one in PINGS for step in (send(ping(one), chop=1), hears(one))] + BYE

# 3: reserved bits
CASES["3.1"] = [send(text(MESSAGE, rsv=1)), VIOLATION]
CASES["3.2"] = [send(text(MESSAGE), text(MESSAGE, rsv=2), ping()), MAYBE_ECHO, VIOLATION]
CASES["3.3"] = [send(text(MESSAGE)), hears(ECHO), send(text(MESSAGE, rsv=3)), VIOLATION]
CASES["3.4"] = [send(text(MESSAGE), text(MESSAGE, rsv=4), ping(), chop=1), MAYBE_ECHO, VIOLATION]
CASES["3.5"] = [send(frame(BINARY, b"\xff" * 8, rsv=5)), VIOLATION]
CASES["3.6"] = [send(ping(b"x", rsv=6)), VIOLATION]
CASES["3.7"] = [send(close(rsv=7)), VIOLATION]

# 4: reserved opcodes
for group, first in (("4.1", 3), ("4.2", 11)):
    CASES[f"{group}.1"] = [send(frame(first)), VIOLATION]
    CASES[f"{group}.2"] = [send(frame(first + 1, b"reserved opcode payload")), VIOLATION]
    CASES[f"{group}.3"] = [send(text(MESSAGE), frame(first + 2), ping()), MAYBE_ECHO, VIOLATION]
    CASES[f"{group}.4"] = [send(text(MESSAGE), frame(first + 3, b"reserved opcode payload"), ping()), MAYBE_ECHO, VIOLATION]
    CASES[f"{group}.5"] = [send(text(MESSAGE), frame(first + 4, b"reserved opcode payload"), ping(), chop=1), MAYBE_ECHO, VIOLATION]

# 5: fragments
CASES["5.1"] = [send(ping(b"frag", fin=False), more(b"ment")), VIOLATION]
CASES["5.2"] = [send(pong(b"frag", fin=False), more(b"ment")), VIOLATION]
CASES["5.3"] = [send(*parts(MESSAGE, 20)), hears(ECHO), *BYE]
CASES["5.4"] = [*(send(one) for one in parts(MESSAGE, 20)), hears(ECHO), *BYE]
CASES["5.5"] = [send(*parts(MESSAGE, 20), chop=1), hears(ECHO), *BYE]
BETWEEN = [text(HALVES[0], fin=False), ping(b"ping payload"), more(HALVES[1])]
CASES["5.6"] = [send(*BETWEEN), hears(b"ping payload", ECHO), *BYE]
CASES["5.7"] = [send(*BETWEEN[:2]), hears(b"ping payload"), send(BETWEEN[2]), hears(ECHO), *BYE]
CASES["5.8"] = [send(*BETWEEN, chop=1), hears(b"ping payload", ECHO), *BYE]
for number, fin in ((9, True), (12, False)):
    ALONE = [more(b"non-continuation payload", fin), text(MESSAGE)]
    CASES[f"5.{number}"] = [send(*ALONE), VIOLATION]
    CASES[f"5.{number + 1}"] = [*(send(one) for one in ALONE), VIOLATION]
    CASES[f"5.{number + 2}"] = [send(*ALONE, chop=1), VIOLATION]
CASES["5.15"] = [send(*parts(MESSAGE, 20), more(b"x", fin=False), text(MESSAGE)), MAYBE_ECHO, VIOLATION]
CASES["5.16"] = [send(*[more(b"x", fin=False), *parts(MESSAGE, 20)] * 2), VIOLATION]
CASES["5.17"] = [send(*[more(b"x"), *parts(MESSAGE, 20)] * 2), VIOLATION]
CASES["5.18"] = [send(text(HALVES[0], fin=False), text(HALVES[1])), VIOLATION]
FIVE = parts(MESSAGE, 8)
PINGED = [*FIVE[:2], ping(b"pongme 1!"), *FIVE[2:4], ping(b"pongme 2!"), FIVE[4]]
CASES["5.19"] = [send(*PINGED[:3]), hears(b"pongme 1!"), send(*PINGED[3:6]), hears(b"pongme 2!"), send(PINGED[6]), hears(ECHO), *BYE]
CASES["5.20"] = [send(*PINGED), hears(b"pongme 1!", ECHO), send(ping(b"last")), hears(b"last"), *BYE]

# 6: UTF-8
GREEK = "κόσμε".encode()
CASES["6.1.1"] = [send(text(b"")), ends(4400)]
CASES["6.1.2"] = [send(text(b"", fin=False), more(b"", fin=False), more(b"")), ends(4400)]
CASES["6.1.3"] = [send(text(b"", fin=False), more(MESSAGE, fin=False), more(b"")), hears(ECHO), *BYE]
HELLO = "Hello-µ@ßöäüàá-UTF-8!!".encode()
CASES["6.2.1"] = [send(text(update(HELLO))), STORED, *BYE]
CASES["6.2.2"] = [send(*parts(update(HELLO), 68)), STORED, *BYE]         # within the text, between two characters
CASES["6.2.3"] = [send(*parts(update(HELLO), 1)), STORED, *BYE]
CASES["6.2.4"] = [send(*parts(update(GREEK), 1)), STORED, *BYE]
WRONG = GREEK + b"\xed\xa0\x80" + b"edited"
CASES["6.3.1"] = [send(text(WRONG)), ends(1007)]
CASES["6.3.2"] = [send(*parts(WRONG, 1)), ends(1007)]
CASES["6.4.1"] = [send(text(GREEK, fin=False), more(b"\xf4\x90\x80\x80", fin=False), more(b"edited")), ends(1007)]
CASES["6.4.2"] = [send(text(GREEK + b"\xf4", fin=False), more(b"\x90", fin=False), more(b"\x80\x80edited")), ends(1007)]
CASES["6.4.3"] = [send(text(GREEK + b"\xf4\x90\x80\x80edited"), chop=len(GREEK) + 4), ends(1007)]
CASES["6.4.4"] = [send(text(GREEK + b"\xf4\x90\x80\x80edited"), chop=1), ends(1007)]

# A sequence that may be sent has True; it goes through the store as a note.
SEQUENCES = {
    "6.5": [(True, text_.encode()) for text_ in ("hello$world", "hello¢world", "hello€world", "hello\U00024b62world", "κόσμε")],
    "6.6": [(len(GREEK[:i].decode("utf-8", "ignore").encode()) == i, GREEK[:i]) for i in range(1, len(GREEK) + 1)],
    "6.7": [(True, b"\x7f"), (True, b"\xc2\x80"), (True, b"\xe0\xa0\x80"), (True, b"\xf0\x90\x80\x80")],
    "6.8": [(False, b"\xf8\x88\x80\x80\x80"), (False, b"\xfc\x84\x80\x80\x80\x80")],
    "6.9": [(True, b"\x7f"), (True, b"\xdf\xbf"), (True, b"\xef\xbf\xbf"), (True, b"\xf4\x8f\xbf\xbf")],
    "6.10": [(False, b"\xf7\xbf\xbf\xbf"), (False, b"\xfb\xbf\xbf\xbf\xbf"), (False, b"\xfd\xbf\xbf\xbf\xbf\xbf")],
    "6.11": [(True, b"\xed\x9f\xbf"), (True, b"\xee\x80\x80"), (True, b"\xef\xbf\xbd"), (True, b"\xf4\x8f\xbf\xbf"),
             (False, b"\xf4\x90\x80\x80")],
    "6.12": [(False, one) for one in (b"\x80", b"\xbf", b"\x80\xbf", b"\x80\xbf\x80", b"\x80\xbf\x80\xbf", b"\x80\xbf\x80\xbf\x80",
                                      b"\x80\xbf\x80\xbf\x80\xbf", bytes(range(0x80, 0xc0)))],
    "6.13": [(False, b"".join(bytes([start]) + b" " for start in range(*span)))
             for span in ((0xc0, 0xe0), (0xe0, 0xf0), (0xf0, 0xf8), (0xf8, 0xfc), (0xfc, 0xfe))],
    "6.14": [(False, one) for one in (b"\xc0", b"\xe0\x80", b"\xf0\x80\x80", b"\xf8\x80\x80\x80", b"\xfc\x80\x80\x80\x80", b"\xdf",
                                      b"\xef\xbf", b"\xf7\xbf\xbf", b"\xfb\xbf\xbf\xbf", b"\xfd\xbf\xbf\xbf\xbf")],
    "6.15": [(False, b"\xc0\xe0\x80\xf0\x80\x80\xf8\x80\x80\x80\xfc\x80\x80\x80\x80\xdf\xef\xbf\xf7\xbf\xbf\xfb\xbf\xbf\xbf\xfd\xbf\xbf\xbf\xbf")],
    "6.16": [(False, b"\xfe"), (False, b"\xff"), (False, b"\xfe\xfe\xff\xff")],
    "6.17": [(False, one) for one in (b"\xc0\xaf", b"\xe0\x80\xaf", b"\xf0\x80\x80\xaf", b"\xf8\x80\x80\x80\xaf", b"\xfc\x80\x80\x80\x80\xaf")],
    "6.18": [(False, one) for one in (b"\xc1\xbf", b"\xe0\x9f\xbf", b"\xf0\x8f\xbf\xbf", b"\xf8\x87\xbf\xbf\xbf", b"\xfc\x83\xbf\xbf\xbf\xbf")],
    "6.19": [(False, one) for one in (b"\xc0\x80", b"\xe0\x80\x80", b"\xf0\x80\x80\x80", b"\xf8\x80\x80\x80\x80", b"\xfc\x80\x80\x80\x80\x80")],
    "6.20": [(False, one) for one in (b"\xed\xa0\x80", b"\xed\xad\xbf", b"\xed\xae\x80", b"\xed\xaf\xbf", b"\xed\xb0\x80", b"\xed\xbe\x80", b"\xed\xbf\xbf")],
    "6.21": [(False, high + low) for high in (b"\xed\xa0\x80", b"\xed\xad\xbf", b"\xed\xae\x80", b"\xed\xaf\xbf")
             for low in (b"\xed\xb0\x80", b"\xed\xbf\xbf")],
    "6.22": [(True, chr(plane << 16 | last).encode()) for plane in range(17) for last in (0xfffe, 0xffff)],
    "6.23": [(True, chr(code).encode()) for code in range(0xfff9, 0x10000)],
}
for group, sequences in SEQUENCES.items():
    for i, (good, one) in enumerate(sequences, 1):
        CASES[f"{group}.{i}"] = [send(text(update(one))), STORED, *BYE] if good else [send(text(one)), ends(1007)]
# The first possible sequence is NUL, which JSON writes as an escape and this server refuses: the text is no message.
CASES["6.7.1"] = [send(text(update(b"\x00"))), ends(4400)]

# 7: closing. What comes after a close frame is not read.
CASES["7.1.1"] = [send(text(MESSAGE)), hears(ECHO), *BYE]
CASES["7.1.2"] = [send(close(1000), close(1000)), ends(1000)]
CASES["7.1.3"] = [send(close(1000), ping()), ends(1000)]
CASES["7.1.4"] = [send(close(1000), text(MESSAGE)), ends(1000)]
CASES["7.1.5"] = [send(text(HALVES[0], fin=False), close(1000), more(HALVES[1])), ends(1000)]
CASES["7.1.6"] = [send(text(sized(256 * 1024)), text(MESSAGE), close(1000), ping()), ends(1009)]     # over --max-message
CASES["7.3.1"] = [send(close()), ends({1000, 1005})]
CASES["7.3.2"] = [send(frame(CLOSE, b"a")), CUT]
CASES["7.3.3"] = [send(close(1000)), ends(1000)]
CASES["7.3.4"] = [send(close(1000, b"Hello World!")), ends(1000)]
CASES["7.3.5"] = [send(close(1000, b"*" * 123)), ends(1000)]
CASES["7.3.6"] = [send(close(1000, b"*" * 124)), VIOLATION]
CASES["7.5.1"] = [send(close(1000, WRONG)), ends({1002, 1007})]
for i, code in enumerate((1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999), 1):
    CASES[f"7.7.{i}"] = [send(close(code)), ends(code)]
for i, code in enumerate((0, 999, 1004, 1005, 1006, 1016, 1100, 2000, 2999), 1):
    CASES[f"7.9.{i}"] = [send(close(code)), VIOLATION]
for i, code in enumerate((5000, 65535), 1):
    CASES[f"7.13.{i}"] = [send(close(code)), CUT]

# 10: automatic fragments
CASES["10.1.1"] = [send(*parts(sized(65536), 1300)), hears(ECHO), *BYE]


@pytest.mark.parametrize("number", CASES)
def test_autobahn(server, api, number):
    if api.get(f"/api/jobs/{JOB}").status == 404:
        api.create_job(id=JOB)
    client = Client(server.address)
    try:
        run(CASES[number], client, api)
    finally:
        client.raw.close()
