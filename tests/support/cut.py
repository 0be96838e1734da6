"""A TCP proxy before PostgreSQL that breaks a connection while a transaction is committed.

    with Cutter(port) as cutter:
        cutter.cut("after")     # the next commit happens, and its answer is lost
        cutter.cut("before")    # the next commit is not sent
        cutter.cut("late")      # the next commit is held back, and its client loses the connection
        cutter.deliver()        # now it is sent; whether the server commits it
        cutter.cut("after two") # the next two commits happen, and the answers to both are lost
        cutter.cut("between")   # the next commit happens, its answer is lost, and the one after it is not sent
        cutter.wait_withheld()  # the first of the two has happened

It reads the messages of the protocol as far as it must: the statement that was prepared as COMMIT, when it is bound, and
the answer to it.  The clients must not ask for TLS (sslmode=disable).
"""
import queue
import select
import socket
import struct
import threading


class Messages:
    """The messages in a stream of bytes; the first one of a client has no type."""

    def __init__(self, first_has_type):
        self.bytes = b""
        self.typed = first_has_type

    def take(self, more):
        self.bytes += more
        while True:
            at = 1 if self.typed else 0
            if len(self.bytes) < at + 4:
                return
            length = struct.unpack("!I", self.bytes[at:at + 4])[0]
            if len(self.bytes) < at + length:
                return
            message, self.bytes = self.bytes[:at + length], self.bytes[at + length:]
            self.typed = True
            yield message[:at], message[at + 4:]


class Link:
    """One connection, in a thread of its own."""

    def __init__(self, cutter, client):
        self.cutter = cutter
        self.client = client
        self.server = socket.create_connection(("127.0.0.1", cutter.target))
        self.requests, self.answers = Messages(False), Messages(True)
        self.commits = set()    # names of prepared statements
        self.held = None
        self.two = None         # how two commits are cut; since then:
        self.withheld = 0       # their answers

    def run(self):
        try:
            while self.pump():
                pass
        except OSError:
            pass
        finally:
            self.client.close()
            if self.held is None:
                self.server.close()

    def pump(self):
        for ready in select.select([self.client, self.server], [], [])[0]:
            data = ready.recv(65536)
            if not data:
                return False
            is_request = ready is self.client
            if self.is_cut(data, is_request):
                return False
            if self.held is not None:
                self.cutter.held.put(self)
                return False
            if is_request or not self.two:
                (self.server if is_request else self.client).sendall(data)
        return True

    def is_cut(self, data, is_request):
        """All messages are looked at, so that the streams stay understood."""
        commits = [self.is_commit(*message) for message in self.requests.take(data)] if is_request else \
            [kind == b"C" and rest == b"COMMIT\0" for kind, rest in self.answers.take(data)]
        if self.two or any(commits) and not is_request and any(self.takes_two(how) for how in ("after two", "between")):
            return self.is_second(sum(commits), is_request)
        if is_request and any(commits) and self.cutter.takes("late"):
            self.held = data
            return False
        return any(commits) and self.cutter.takes("before" if is_request else "after")

    def takes_two(self, how):
        self.two = how if self.cutter.takes(how) else None
        return self.two

    def is_second(self, commits, is_request):
        if not is_request:
            if commits and not self.withheld:
                self.cutter.withheld.put(self)
            self.withheld += commits
        is_cut = commits and self.two == "between" if is_request else self.withheld == 2
        self.cutter.both += bool(is_cut)
        return is_cut

    def is_commit(self, kind, rest):
        if kind == b"P":
            name, query = rest.split(b"\0")[:2]
            (self.commits.add if query == b"COMMIT" else self.commits.discard)(name)    # "" is used again
        return kind == b"B" and rest.split(b"\0")[1] in self.commits


class Cutter:
    def __init__(self, target):
        self.target = target
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.lock = threading.Lock()
        self.how = None
        self.cuts = 0   # those of two commits are also counted in:
        self.both = 0
        self.held = queue.Queue()   # the connections whose commits are
        self.withheld = queue.Queue()   # those whose answers are
        threading.Thread(target=self.accept, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.listener.close()

    def accept(self):
        while True:
            try:
                client = self.listener.accept()[0]
            except OSError:
                return
            threading.Thread(target=Link(self, client).run, daemon=True).start()

    def cut(self, how):
        with self.lock:
            self.how = how

    def deliver(self):
        """Returns after the server has answered."""
        late = self.held.get(timeout=10)
        with late.server:
            try:
                late.server.sendall(late.held)
                return b"COMMIT" in late.server.recv(65536)
            except OSError:
                return False

    def wait_withheld(self):
        self.withheld.get(timeout=10)

    def takes(self, how):
        with self.lock:
            taken = self.how == how
            if taken:
                self.how = None
                self.cuts += 1
            return taken
