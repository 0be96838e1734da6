"""The command line under test: verbs that run to their end, that run on, that have a terminal; and a server that
answers what a test wants."""
import contextlib
import fcntl
import http.server
import os
import pty
import re
import resource
import struct
import subprocess
import termios
import threading

import pytest

from . import tls
from .server import BINARY, KILL, SETTING
from .wait import SCALE, Deadline, readable

PLAIN = {"TERM": "xterm", "LANG": "C.UTF-8", "PATH": os.environ["PATH"]}


def setting(url=None, key=None, **more):
    """The environment of a verb, without that of the tests; the values are texts, None takes one out."""
    chosen = {**PLAIN, "HOME": "/nonexistent"}
    chosen.update({name: value for name, value in os.environ.items()
                   if name.endswith("SAN_OPTIONS") or name.startswith(("GCOV", "LLVM"))})
    if url:
        chosen["JOBLIGHT_URL"] = url
    if url and url.startswith("https:") and tls.EVERYWHERE:
        chosen["CURL_CA_BUNDLE"] = str(tls.everywhere().certificate)
    if key:
        chosen["JOBLIGHT_KEY"] = key
    chosen.update(more)
    return {name: value for name, value in chosen.items() if value is not None}


class Done:
    def __init__(self, process):
        self.status = process.returncode
        self.out = process.stdout.decode("utf-8", "replace")
        self.err = process.stderr.decode("utf-8", "replace")
        self.bytes = process.stdout

    def __repr__(self):
        return f"<{self.status} {self.out[-2000:]!r} {self.err[-2000:]!r}>"


def joblight(*words, url=None, key=None, input=None, within=20, cwd=None, **more):
    """Runs a verb to its end."""
    return Done(subprocess.run([BINARY, *map(str, words)], env=setting(url, key, **more), capture_output=True, cwd=cwd,
                               check=False, timeout=within * SCALE, **given(input)))


def given(input):
    return {"stdin": subprocess.DEVNULL} if input is None else {"input": input}


def run(*words, stdin=None, largest_file=None, within=60, **env):
    """(exit status, stdout, stderr) as bytes; `stdin`: bytes; `largest_file`: what a disk that is full would refuse."""
    done = subprocess.run([BINARY, *map(str, words)], input=stdin or b"", capture_output=True, check=False,
                          timeout=within * SCALE, env={**SETTING, **env}, preexec_fn=limit_of_files(largest_file))
    return done.returncode, done.stdout, done.stderr


def limit_of_files(size):
    return size and (lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, size)))


def ok(*words, **options):
    """stdout of a verb that succeeds without a word on stderr."""
    code, out, err = run(*words, **options)
    assert (code, err) == (0, b""), (words, code, out, err)
    return out


def refused(*words, code=1, **options):
    """stderr of a verb that fails with one of these statuses and prints nothing else."""
    done, out, err = run(*words, **options)
    assert done in (code if isinstance(code, tuple) else (code,)) and out == b"", (words, done, out, err)
    return err.decode()


def start(*words, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL):
    return subprocess.Popen([BINARY, *map(str, words)], stdin=stdin, stdout=stdout, stderr=subprocess.PIPE,
                            env={**os.environ, **SETTING})


class Running:
    """A verb that runs on: its output is read as it comes."""

    def __init__(self, *words, url=None, key=None, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                 stderr=subprocess.PIPE, **more):
        self.process = subprocess.Popen([BINARY, *map(str, words)], env=setting(url, key, **more), stdin=stdin,
                                        stdout=stdout, stderr=stderr, start_new_session=True)
        self.out = b""

    @property
    def pid(self):
        return self.process.pid

    def read_until(self, text, within=10):
        """All of standard output until `text` is in it."""
        deadline = Deadline(within, f"{text!r} on standard output, after {self.out[-500:]!r}")
        while text not in self.out:
            readable(self.process.stdout, deadline)
            data = os.read(self.process.stdout.fileno(), 65536)
            assert data, f"it ended without {text!r}: {self.out[-500:]!r}"
            self.out += data
        return self.out

    def line(self, within=10):
        """The next line of standard error."""
        deadline, line = Deadline(within, "a line on standard error"), b""
        while not line.endswith(b"\n"):
            readable(self.process.stderr, deadline)
            byte = os.read(self.process.stderr.fileno(), 1)
            assert byte, f"standard error ended with {line!r}"
            line += byte
        return line.decode()

    def signal(self, number):
        self.process.send_signal(number)

    def end(self, within=20):
        """Its exit status; then `out` and `err` have everything."""
        out, err = self.process.communicate(timeout=within * SCALE)
        self.out += out or b""
        self.err = (err or b"").decode("utf-8", "replace")
        return self.process.returncode

    def bury(self):
        if self.process.poll() is None:
            self.process.send_signal(KILL)
            self.process.wait()
        for stream in (self.process.stdout, self.process.stderr, self.process.stdin):
            if stream:
                stream.close()


class Terminal:
    """A command that has a terminal of its own, which it controls."""

    def __init__(self, *command, url=None, key=None, columns=80, stdout=None, **more):
        self.master, slave = pty.openpty()
        self.resize(columns)
        self.text = b""

        def prepare():
            os.setsid()
            fcntl.ioctl(0, termios.TIOCSCTTY, 0)
        self.process = subprocess.Popen([str(word) for word in command], env=setting(url, key, **more), stdin=slave,
                                        stdout=stdout or slave, stderr=slave, preexec_fn=prepare)
        self.before = termios.tcgetattr(self.master)
        os.close(slave)

    def resize(self, columns):
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))

    def write(self, data):
        os.write(self.master, data)

    def _read(self, deadline):
        readable(self.master, deadline)
        try:
            data = os.read(self.master, 65536)
        except OSError:     # the other side is closed
            data = b""
        self.text += data
        return bool(data)

    def read_until(self, text, within=10):
        deadline = Deadline(within, f"{text!r} on the terminal, after {self.text[-500:]!r}")
        while text not in self.text:
            assert self._read(deadline), f"it ended without {text!r}: {self.text[-500:]!r}"
        return self.text

    def read_pattern(self, pattern, within=10):
        """The match of the pattern in all of the text."""
        deadline = Deadline(within, f"{pattern!r} on the terminal, after {self.text[-500:]!r}")
        while not (match := re.search(pattern, self.text)):
            assert self._read(deadline), f"it ended without {pattern!r}: {self.text[-500:]!r}"
        return match

    def end(self, within=20):
        """Its exit status; then `text` has everything."""
        deadline = Deadline(within, f"the end, after {self.text[-500:]!r}")
        while self._read(deadline):
            pass
        return self.process.wait(deadline.left())

    def modes(self):
        return termios.tcgetattr(self.master)

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        os.close(self.master)


@pytest.fixture
def terminal():
    """terminal(*command): a Terminal that is closed at the end."""
    opened = []

    def open_one(*command, **more):
        opened.append(Terminal(*command, **more))
        return opened[-1]
    yield open_one
    for one in opened:
        one.close()


class Fake(http.server.ThreadingHTTPServer):
    """Answers with what is in `answers`, one after the other, and the last one again and again: (status, headers,
    body), None to cut the connection without an answer, or a function of the handler.  `asked` has the requests."""

    daemon_threads = True

    def __init__(self, *answers):
        super().__init__(("127.0.0.1", 0), FakeHandler)
        self.answers, self.asked, self.lock = list(answers), [], threading.Lock()
        self.url = "http://127.0.0.1:%d" % self.server_address[1]
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()

    def next_answer(self, request):
        with self.lock:
            self.asked.append(request)
            return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]

    def __exit__(self, *error):
        self.shutdown()
        self.server_close()

    def handle_error(self, request, client_address):
        pass    # a client that went away


class FakeHandler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_any(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        answer = self.server.next_answer((self.command, self.path, dict(self.headers), body))
        if callable(answer):
            answer(self)
        elif answer is None:
            self.close_connection = True
            with contextlib.suppress(OSError):
                self.connection.shutdown(2)
        else:
            self.reply(*answer)

    def reply(self, status, headers=None, body=b""):
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        if status != 204:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_any


def problem(status, code="", detail="no", **headers):
    """An answer of Fake."""
    body = '{"type":"about:blank","title":"T","status":%d,"code":"%s","detail":"%s"}' % (status, code, detail)
    return status, {"Content-Type": "application/problem+json", **{k.replace("_", "-"): v for k, v in headers.items()}}, \
        body.encode()


def json_answer(body, status=200):
    return status, {"Content-Type": "application/json"}, body.encode()
