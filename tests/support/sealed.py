"""A TLS client that holds its records in its hands: it can send half of one, or none, or end its side."""
import ssl

from .wait import Deadline
from .wire import Wire


class Sealed:
    """TLS on a plain Wire. Nothing is sent or read but by the methods that say so."""

    def __init__(self, address, trusting, name="joblight.test", receive_buffer=None):
        self.wire = Wire(address, receive_buffer, plain=True)
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = trusting.wrap_bio(self.incoming, self.outgoing, server_hostname=name)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.wire.close()

    def hello(self):
        """The first bytes of the handshake, not sent."""
        try:
            self.tls.do_handshake()
        except ssl.SSLWantReadError:
            pass
        return self.outgoing.read()

    def flush(self):
        if self.outgoing.pending:
            self.wire.send(self.outgoing.read())

    def handshake(self, within=10):
        deadline = Deadline(within, "a handshake")
        while True:
            try:
                self.tls.do_handshake()
                self.flush()
                return self
            except ssl.SSLWantReadError:
                self.flush()
                self._more(deadline)

    def _more(self, deadline):
        data = self.wire.some(deadline)
        if data:
            self.incoming.write(data)
        else:
            self.incoming.write_eof()

    def seal(self, data):
        """The records of these bytes, not sent."""
        self.tls.write(data)
        return self.outgoing.read()

    def send(self, data):
        self.wire.send(self.seal(data))

    def end(self):
        """Says that we send no more (close_notify), and does not wait for the same."""
        try:
            self.tls.unwrap()
        except ssl.SSLWantReadError:
            pass
        self.flush()

    def closing(self):
        """The record that says that we send no more, not sent."""
        try:
            self.tls.unwrap()
        except ssl.SSLWantReadError:
            pass
        return self.outgoing.read()

    def read(self, within=10):
        """Bytes of the server; b"" when it has said that it sends no more.

        A connection that ends without saying so raises ssl.SSLEOFError."""
        deadline = Deadline(within, "bytes of the server")
        while True:
            try:
                return self.tls.read(1 << 16)
            except ssl.SSLWantReadError:
                self._more(deadline)
            except ssl.SSLZeroReturnError:
                return b""

    def rest(self, within=10):
        data = b""
        while piece := self.read(within):
            data += piece
        return data
