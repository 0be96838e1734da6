"""joblight doctor, what it says, and proxies for it, good ones and broken ones."""
import contextlib
import json
import os
import subprocess

import pytest

from . import proxies, tls
from .command import Terminal
from .ports import free_port
from .server import BINARY
from .wait import SCALE


class Findings:
    def __init__(self, done):
        self.status = done.returncode
        self.errors = done.stderr
        self.lines = [json.loads(line) for line in done.stdout.splitlines()]
        self.checks = {line["check"]: line for line in self.lines}

    def complaints(self):
        """What is not in order: the check, and its line."""
        return {line["check"]: line for line in self.lines if line["verdict"] in ("warn", "fail")}

    def __repr__(self):
        return "\n".join(map(str, self.lines)) + self.errors


def run(*words, key=None, before=(), cwd=None, **more):
    environment = {name: value for name, value in os.environ.items() if not name.startswith("JOBLIGHT_")}
    if key:
        environment["JOBLIGHT_KEY"] = key
    return subprocess.run([*before, BINARY, "doctor", *map(str, words)], stdin=subprocess.DEVNULL, capture_output=True,
                          text=True, check=False, timeout=60 * SCALE, cwd=cwd, env={**environment, **more})


def on_a_terminal(*words):
    """(exit status, lines) of people who want no colours."""
    terminal = Terminal(BINARY, "doctor", *words, NO_COLOR="1")
    status = terminal.end(60)
    terminal.close()
    return status, terminal.text.decode().replace("\r\n", "\n").splitlines()


def examine(*words, **more):
    return Findings(run(*words, **more))


GOOD = {
    "listen": "listen 127.0.0.1:@PORT;", "version": "proxy_http_version 1.1;", "host": "proxy_set_header Host $http_host;",
    "upgrade": "proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection $connection_upgrade;",
    "for": "proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;",
    "proto": "proxy_set_header X-Forwarded-Proto $scheme;", "buffering": "proxy_buffering off;",
    "timeout": "proxy_read_timeout 120s;", "gzip": "gzip off;", "body": "client_max_body_size 16m;"}
SITE = """map $http_upgrade $connection_upgrade { default upgrade; '' ''; }
server { @TLS @LISTEN location / { proxy_pass http://@UPSTREAM; @LINES } }
"""
HAPROXY = """defaults
    mode http
    timeout connect 5s
    timeout client @CLIENT
    timeout server @SERVER
    timeout tunnel @TUNNEL
frontend jobs
    bind 127.0.0.1:@PORT
    option forwardfor
    default_backend joblight
backend joblight
    server one @UPSTREAM
"""
APACHE = """<VirtualHost 127.0.0.1:@PORT>
    ProxyPreserveHost On
    ProxyPass / http://@UPSTREAM/ @OPTIONS
    @MORE
</VirtualHost>
"""


@contextlib.contextmanager
def behind(kind, text, server, scheme="http"):
    """The URL of a proxy with this configuration before the server."""
    address = ("127.0.0.1", free_port())
    text = text.replace("@PORT", str(address[1])).replace("@UPSTREAM", f"127.0.0.1:{server.port}")
    with proxies.folder_for_all() as folder:
        with proxies.running(kind(folder, text, address[1]), folder, address):
            yield f"{scheme}://127.0.0.1:{address[1]}"


def site(pair=None, **changed):
    lines = {**GOOD, **changed}
    listen = lines.pop("listen")
    keys = f"ssl_certificate {pair.certificate}; ssl_certificate_key {pair.key};" if pair else ""
    return SITE.replace("@TLS", keys).replace("@LISTEN", listen).replace("@LINES", " ".join(lines.values()))


def nginx(server, **changed):
    return behind(proxies.nginx, site(**changed), server)


@pytest.fixture
def trusting(serve):
    return serve(listen=f"127.0.0.1:0{',plain' if tls.EVERYWHERE else ''}", trusted_proxy="127.0.0.1", host=None)


def complaint(found, check, verdict, *words):
    """The only complaint, which has these words."""
    assert list(found.complaints()) == [check], found
    line = found.checks[check]
    assert line["verdict"] == verdict, found
    for word in words:
        assert word in line["says"] + line.get("change", ""), found
    assert found.status == (1 if verdict == "fail" else 0)


BUFFERING = "proxy_buffering on; proxy_ignore_headers X-Accel-Buffering;"
