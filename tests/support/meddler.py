"""A server between a client and the real one, which answers some requests itself.

rules: {path prefix: what happens}. Bytes are the answer; a function gets the client's socket; requests that no
rule names are passed on. After each answer the connection is closed, so that every request is seen.
"""
import contextlib
import re
import socket
import threading


def answer(status, body=b"", *lines):
    head = [f"HTTP/1.1 {status} X", f"Content-Length: {len(body)}", "Connection: close", *lines]
    return "\r\n".join(head).encode() + b"\r\n\r\n" + body


def break_off(client):
    client.close()


class Between:
    """What stands between a client and the real server.  _take(client) gets each connection in a thread of its own."""

    def __init__(self, server):
        self.target = server.address
        self.listening = socket.create_server(("127.0.0.1", 0))
        self.url = "http://127.0.0.1:%d" % self.listening.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.listening.close()

    def _serve(self):
        with contextlib.suppress(OSError):
            while True:
                client, _ = self.listening.accept()
                threading.Thread(target=self._take, args=(client,), daemon=True).start()


class Meddler(Between):
    def __init__(self, server, rules=None):
        self.rules = rules or {}
        super().__init__(server)

    def _take(self, client):
        with contextlib.suppress(OSError):
            data = b""
            while b"\r\n\r\n" not in data and (piece := client.recv(65536)):
                data += piece
            path = data.split(b" ")[1].decode()
            rule = next((rule for start, rule in self.rules.items() if re.match(start, path)), None)
            if rule is None:
                self._pass_on(client, data)
            elif isinstance(rule, bytes):
                self._drain(client, data)
                client.sendall(rule)
                client.close()
            else:
                rule(client)

    @staticmethod
    def _drain(client, data):
        """Reads the body, because a close with unread bytes is a reset."""
        head, _, body = data.partition(b"\r\n\r\n")
        length = int((re.search(rb"(?i)content-length: (\d+)", head) or [0, 0])[1])
        while len(body) < length and (piece := client.recv(65536)):
            body += piece

    def _pass_on(self, client, data):
        far = socket.create_connection(self.target)
        if b"Upgrade:" not in data:
            data = data.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n", 1)
        far.sendall(data)
        threading.Thread(target=self._pump, args=(client, far), daemon=True).start()
        self._pump(far, client)

    @staticmethod
    def _pump(source, target):
        with contextlib.suppress(OSError):
            while piece := source.recv(65536):
                target.sendall(piece)
            target.shutdown(socket.SHUT_WR)
