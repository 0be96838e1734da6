"""Many SSE streams in one thread: a thousand viewers connect, watch and are disconnected.

Each viewer is a state machine on a selector. pump() moves all of them until a condition holds.
"""
import selectors
import socket
import ssl

from . import tls
from .sse import Dechunker, SseParser, stream_request, type_of
from .wait import Deadline

BURST = 1 << 16


class Viewer:
    def __init__(self, address, job, since=None, receive_buffer=None):
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        if address in tls.secured:  # the handshake is waited for
            self.socket.connect(address)
            self.socket = tls.secure(self.socket, address)
        self.socket.setblocking(False)
        if not isinstance(self.socket, ssl.SSLSocket):
            self.socket.connect_ex(address)
        self.to_send = stream_request(job, since)
        self.head = b""
        self.status = None
        self.decode = None
        self.parser = SseParser()
        self.blocks = []
        self.over = False

    @property
    def last_id(self):
        return self.parser.last_id

    def of_type(self, kind):
        return [block for block in self.blocks if type_of(block) == kind]

    def take(self, data):
        if self.status is None:
            self.head += data
            if b"\r\n\r\n" not in self.head:
                return
            head, data = self.head.split(b"\r\n\r\n", 1)
            self.status = int(head.split()[1])
            chunked = b"transfer-encoding: chunked" in head.lower()
            self.decode = Dechunker().feed if chunked else (lambda piece: piece)
        self.blocks += self.parser.feed(self.decode(data))


class Viewers:
    def __init__(self):
        self.selector = selectors.DefaultSelector()
        self.all = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for viewer in self.all:
            viewer.socket.close()
        self.selector.close()

    def join(self, address, job, count=1, since=None, receive_buffer=None):
        """Adds `count` viewers, which connect during the next pump()."""
        came = [Viewer(address, job, since, receive_buffer) for _ in range(count)]
        for viewer in came:
            self.selector.register(viewer.socket, selectors.EVENT_WRITE, viewer)
        self.all += came
        return came

    def pump(self, condition, within, what):
        """Serves all viewers until condition() holds."""
        deadline = Deadline(within, what)
        while not condition():
            for key, ready in self.selector.select(min(0.2, deadline.left())):
                if ready & selectors.EVENT_WRITE:
                    self._send(key.data)
                if ready & selectors.EVENT_READ:
                    self._receive(key.data)

    def _send(self, viewer):
        try:
            sent = viewer.socket.send(viewer.to_send)
        except OSError:
            self._leave(viewer)
            return
        viewer.to_send = viewer.to_send[sent:]
        if not viewer.to_send:
            self.selector.modify(viewer.socket, selectors.EVENT_READ, viewer)

    def _receive(self, viewer):
        try:
            data = viewer.socket.recv(BURST)
        except (BlockingIOError, ssl.SSLWantReadError):
            return
        except OSError:
            data = b""
        if data:
            viewer.take(data)
            if tls.has_pending(viewer.socket):
                self._receive(viewer)
        else:
            self._leave(viewer)

    def _leave(self, viewer):
        viewer.over = True
        self.selector.unregister(viewer.socket)
        viewer.socket.close()

    def all_over(self):
        return all(viewer.over for viewer in self.all)
