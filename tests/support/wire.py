"""A connection, by TCP or to a Unix socket, with a read buffer and a deadline on every read.

Everything that speaks to the server below the level of http.client uses it: it shows the bytes
as they came, and it distinguishes an orderly close from a reset.
"""
import socket
import ssl

from . import tls
from .wait import SCALE, Deadline, TimedOut, readable


class Closed(Exception):
    """The peer closed before what was asked for had arrived."""


class Unavailable(AssertionError):
    """The server, or the proxy before it, cannot serve now: a failure, except in a test that has caused it."""

    STATUSES = (502, 503, 504)


class Below(tuple):
    """The address (host, port) of a server that is reached below a path, such as /joblight."""

    def __new__(cls, address, path):
        made = super().__new__(cls, address)
        made.path = path
        return made


def full_path(address, path):
    """The path of a request to this address."""
    return getattr(address, "path", "") + path


class Wire:
    def __init__(self, address, receive_buffer=None, plain=False):
        local = isinstance(address, str)    # the path of a Unix socket
        self.socket = socket.socket(socket.AF_UNIX if local else socket.AF_INET, socket.SOCK_STREAM)
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.settimeout(10 * SCALE)
        self.socket.connect(address)
        if not local:
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = b""
        self.ended = False      # no more bytes will come
        self.was_reset = False  # and they ended with a RST
        try:
            self.socket = self.socket if plain else tls.secure(self.socket, address)
        except ConnectionResetError:
            self.ended = self.was_reset = True
        except ssl.SSLEOFError:
            self.ended = True

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.socket.close()

    def hang_up(self):
        """Closes with a RST, as a process that dies with unread data does."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self.socket.close()

    def half_close(self):
        tls.end_output(self.socket)

    def send(self, data):
        """Sends all of it. A peer that has refused early may have closed: that shows in reading."""
        try:
            self.socket.sendall(data)
        except (BrokenPipeError, ConnectionResetError, ssl.SSLEOFError, ssl.SSLZeroReturnError):
            pass

    def fill(self, deadline):
        """Adds what has come, at least one byte, to the buffer. False when the peer has closed."""
        if self.ended:
            return False
        data = None
        while data is None:
            data = self._receive(deadline)
        self.buffer += data
        self.ended = not data
        return bool(data)

    def _receive(self, deadline):
        """Bytes; b"" at the end; None when what arrived was a record of TLS itself."""
        if not tls.has_pending(self.socket):
            readable(self.socket, deadline)
        try:
            if not isinstance(self.socket, ssl.SSLSocket):
                return self.socket.recv(1 << 16)
            self.socket.settimeout(0)
            try:
                return self.socket.recv(1 << 16)
            finally:
                self.socket.settimeout(10 * SCALE)
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return None
        except ConnectionResetError:
            self.was_reset = True
            return b""

    def until(self, mark, deadline):
        """Takes the bytes up to and with `mark`."""
        while mark not in self.buffer:
            if not self.fill(deadline):
                raise Closed(f"closed before {mark!r}, had {self.buffer[:200]!r}")
        cut = self.buffer.index(mark) + len(mark)
        return self._take(cut)

    def exactly(self, count, deadline):
        while len(self.buffer) < count:
            if not self.fill(deadline):
                raise Closed(f"closed after {len(self.buffer)} of {count} bytes")
        return self._take(count)

    def some(self, deadline):
        """The bytes that have arrived, at least one; b"" after the peer has closed."""
        if not self.buffer:
            self.fill(deadline)
        return self._take(len(self.buffer))

    def silent_for(self, seconds):
        """True if nothing arrives and nothing is closed for this long; for tests of silence."""
        try:
            self.fill(Deadline(seconds, "a byte or the close"))
            return False
        except TimedOut:
            return True

    def rest(self, within=10):
        """Everything up to the peer's close."""
        deadline = Deadline(within, "the server closing the connection")
        while self.fill(deadline):
            pass
        return self._take(len(self.buffer))

    def _take(self, count):
        taken, self.buffer = self.buffer[:count], self.buffer[count:]
        return taken
