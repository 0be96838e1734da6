"""Requests as bytes, for everything that a correct client never sends."""
from .reply import Reply
from .wait import Deadline
from .wire import Closed, Wire

BODILESS = (204, 304)


def request(method, target, headers=(), body=b"", host="joblight.test", version="1.1"):
    """The bytes of a request; a correct Content-Length is added when there is a body."""
    lines = [f"{method} {target} HTTP/{version}"]
    if host:
        lines.append(f"Host: {host}")
    lines += list(headers)
    if body:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body


def json_post(target, body, *headers):
    return request("POST", target, ("Content-Type: application/json", *headers), body)


class Raw(Wire):
    def response(self, within=10, head=False):
        """The next answer on this connection, read strictly; `head`: it answers a HEAD."""
        deadline = Deadline(within, "an answer")
        status, headers = self.head_of_response(deadline)
        if 100 <= status < 200 or status in BODILESS or head:
            return Reply(status, headers, b"")
        return Reply(status, headers, self._body(Reply(status, headers, b""), deadline))

    def head_of_response(self, deadline):
        """(status, headers), leaving the connection at the first byte of the body."""
        lines = self.until(b"\r\n\r\n", deadline).decode("latin-1").split("\r\n")[:-2]
        version, status = lines[0].split(" ")[:2]
        assert version in ("HTTP/1.1", "HTTP/1.0"), lines[0]
        return int(status), [read_header(line) for line in lines[1:]]

    def _body(self, reply, deadline):
        if reply.header("Transfer-Encoding") == "chunked":
            return b"".join(self.chunks(deadline))
        length = reply.header("Content-Length")
        if length is not None:
            return self.exactly(int(length), deadline)
        return self.rest(deadline.within)

    def chunks(self, deadline):
        while (size := int(self.until(b"\r\n", deadline), 16)) > 0:
            yield self.exactly(size, deadline)
            assert self.exactly(2, deadline) == b"\r\n"
        assert self.exactly(2, deadline) == b"\r\n"

    def answers_until_close(self, within=10):
        """Every answer the server gives on this connection before it closes it."""
        answers = []
        try:
            while True:
                answers.append(self.response(within))
        except Closed:
            return answers


def read_header(line):
    name, separator, value = line.partition(":")
    assert separator and name == name.strip(), f"not a header: {line!r}"
    assert not set(line) & set("\r\n\0"), f"a control character in {line!r}"
    return name, value.strip()


def ask(address, data, within=10, head=False):
    """Sends `data` on a connection of its own and gives the first answer."""
    with Raw(address) as raw:
        raw.send(data)
        return raw.response(within, head)


def ask_on(raw, data, within=5):
    """Does the same on an existing connection, and closes it."""
    with raw:
        raw.send(data)
        return raw.response(within)
