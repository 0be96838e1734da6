"""The address of a client behind a proxy: X-Forwarded-For and the PROXY protocol, from those that are
trusted and from strangers. How many requests an address has left tells which one was counted."""
import re
import socket
import subprocess
import struct

import pytest

from support import tls
from support.problem import assert_problem
from support.raw import Raw, ask, request
from support.server import BINARY, location, run_to_exit
from support.wait import Deadline
from support.ws import WebSocket, frame_of, handshake
from test_rate_limits import ANN, BOB, fields, health, of

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
LINE = f"PROXY TCP4 {ANN} 198.51.100.2 56324 443\r\n".encode()
LOTS = {"address_requests": 1, "rate_window_ms": 3600000}       # of which one comes back each second
QUOTA = 3600


def v2(source=ANN, command=1, family=1, protocol=1, more=b""):
    kind = socket.AF_INET if "." in source else socket.AF_INET6
    address = socket.inet_pton(kind, source)
    body = address + address + struct.pack(">HH", 4711, 80) + more
    return SIGNATURE + struct.pack(">BBH", 0x20 | command, family << 4 | protocol, len(body)) + body


def used(reply):
    """How many requests its client has made in all; None: it is not limited."""
    assert reply.status == 200, reply
    return QUOTA - fields(reply)["address"][2] if reply.header("RateLimit") else None


def counts(server, *requests):
    return [used(ask(server.address, one)) for one in requests]


# -- X-Forwarded-For -------------------------------------------------------------------------------------

def test_the_client_is_the_last_address_that_is_no_trusted_proxy(serve):
    server = serve(trusted_proxy=["127.0.0.0/8", "10.0.0.0/8"], **LOTS)
    assert counts(server, health(of(ANN)), health(of(f"{BOB}, {ANN}")), health(of(f"{BOB},{ANN}, 10.9.8.7")),
                  health(of(f"{ANN}:1234")), health(of("nonsense"), of(ANN))) == [1, 2, 3, 4, 5]
    assert counts(server, health(of(BOB))) == [1]
    assert counts(server, health(), health(of("nonsense")), health(of(f"{ANN}, nonsense"))) == [None] * 3, \
        "the proxy itself"


def test_a_stranger_is_not_believed(serve):
    server = serve(trusted_proxy="10.0.0.0/8", **LOTS)
    assert counts(server, health(of(ANN))) == [None]


def test_each_request_of_a_connection_has_its_own_client(serve):
    server = serve(trusted_proxy="127.0.0.1", **LOTS)
    with Raw(server.address) as raw:
        for address, count in [(ANN, 1), (BOB, 1), (ANN, 2), (BOB, 2), (BOB, 3)]:
            raw.send(health(of(address)))
            assert used(raw.response()) == count


@pytest.mark.parametrize("value", ["10.0.0.0/33", "proxy.example", "10.0.0.1:80", "/8"])
def test_a_trusted_proxy_that_is_no_address_stops_the_start(value):
    code, out, err = run_to_exit(listen="127.0.0.1:0", db=":memory:", trusted_proxy=value)
    assert code == 2 and out == "" and "--trusted-proxy" in err


# -- the PROXY protocol ------------------------------------------------------------------------------------

@pytest.fixture
def proxied(serve):
    return serve(trusted_proxy="127.0.0.1", proxy_protocol=True, **LOTS)


def test_both_versions_name_the_client(proxied):
    assert counts(proxied, LINE + health(), v2() + health(), v2(more=b"\x04\0\x02ab") + health()) == [1, 2, 3]
    assert counts(proxied, b"PROXY TCP6 2001:db8::1 2001:db8::2 1 2\r\n" + health(),
                  v2("2001:db8::3", family=2) + health()) == [1, 2], "one network"


def test_a_connection_without_a_client_is_the_proxys_own(proxied):
    assert counts(proxied, b"PROXY UNKNOWN\r\n" + health(), v2(command=0) + health(),
                  v2(family=0, protocol=0) + health()) == [None] * 3


@pytest.mark.parametrize("header", [LINE, v2(more=b"\x04\0\x02ab")], ids=["version 1", "version 2"])
def test_a_header_may_arrive_in_any_two_parts(proxied, header):
    data = header + health()
    for cut in range(1, len(header) + 3):
        with Raw(proxied.address) as raw:
            raw.send(data[:cut])
            raw.send(data[cut:])
            assert used(raw.response()), "the client is counted, and not the proxy"


@pytest.mark.parametrize("header", [LINE, v2()], ids=["version 1", "version 2"])
def test_a_header_may_arrive_byte_by_byte(proxied, header):
    with Raw(proxied.address) as raw:
        for byte in header + health():
            raw.send(bytes([byte]))
        assert used(raw.response()) == 1
        raw.send(health() * 2)
        assert [used(raw.response()) for _ in range(2)] == [2, 3], "the connection stays this client's"


def test_a_websocket_follows_a_header(proxied):
    with Raw(proxied.address) as raw:
        raw.send(LINE + handshake())
        assert raw.head_of_response(Deadline(10, "the upgrade"))[0] == 101
        raw.send(frame_of(1, b'{"type":"ping"}'))
        assert b"pong" in raw.exactly(2 + len(b'{"type":"pong"}'), Deadline(10, "a pong"))
    assert counts(proxied, LINE + health()) == [3], "the upgrade and the ping were two"


@pytest.mark.parametrize("header", [
    b"", b"PROXY TCP4 nonsense\r\n", b"PROXY " + b"x" * 200, v2(protocol=2), v2(family=4), SIGNATURE + b"\x31\x11\0\0",
    SIGNATURE + b"\x21\x11\xff\xff", SIGNATURE + b"\x21\x11\0\x04abcd", LINE[:-2] + b"\n", b"proxy UNKNOWN\r\n"])
def test_what_is_no_header_is_refused(proxied, header):
    with Raw(proxied.address) as raw:
        raw.send(header + health())
        assert "PROXY" in assert_problem(raw.response(), 400, "bad_request")["detail"]
        assert raw.rest() == b""


def test_a_header_that_is_not_complete_in_time_is_refused(serve):
    server = serve(trusted_proxy="127.0.0.1", proxy_protocol=True, header_timeout_ms=1000)
    with Raw(server.address) as raw:
        raw.send(LINE[:20])
        assert_problem(raw.response(), 408)
    with Raw(server.address) as raw:
        raw.send(v2()[:20])
        raw.half_close()
        assert raw.rest() == b"", "one that has gone is not waited for"


def test_the_header_of_a_stranger_is_refused(serve):
    server = serve(trusted_proxy="10.0.0.0/8", proxy_protocol=True)
    assert ask(server.address, health()).status == 200, "a stranger is an ordinary client"
    assert_problem(ask(server.address, LINE + health()), 405)     # a method that does not exist
    assert_problem(ask(server.address, v2() + health()), 400, "bad_request")


def test_without_the_setting_a_header_is_refused_from_everybody(serve):
    server = serve(trusted_proxy="127.0.0.1")
    assert_problem(ask(server.address, LINE + health()), 405)     # a method that does not exist
    assert_problem(ask(server.address, v2() + health()), 400, "bad_request")


def test_behind_two_proxies_the_header_and_the_list_are_read(serve):
    server = serve(trusted_proxy=["127.0.0.1", "10.0.0.0/8"], proxy_protocol=True, **LOTS)
    inner = b"PROXY TCP4 10.0.0.1 127.0.0.1 4711 80\r\n"
    assert counts(server, inner + health(of(ANN)), LINE + health(of(BOB))) == [1, 2], \
        "only a trusted proxy is believed about its client"


def test_a_full_server_reads_the_header_before_it_refuses(serve):
    server = serve(trusted_proxy="127.0.0.1", proxy_protocol=True, max_connections=95, loops=1)
    held = [Raw(server.address) for _ in range(95)]
    for raw in held:
        raw.send(LINE + health())
        assert raw.response().status == 200
    assert_problem(ask(server.address, LINE + health()), 503, "overloaded")
    for raw in held:
        raw.close()


def cookie_of(server, api, key, headers):
    reply = api.request("POST", "/login", {"key": key}, headers)
    return reply.status, reply.header("Set-Cookie") or ""


@pytest.mark.parametrize("proto, named", [("https", True), ("HTTPS", True), ("http, https", True), ("https, http", False),
                                          ("http", False), ("", False), ("httpsx", False)])
def test_a_trusted_proxy_says_that_the_client_used_https(serve, client, tmp_path, proto, named):
    db = location(tmp_path / "keys.db")
    key = subprocess.run([BINARY, "key", "create", "--scope", "admin", "--db", db], capture_output=True, text=True,
                         check=True).stdout.strip()
    trusting, other = serve(db=db, trusted_proxy="127.0.0.1"), None
    headers = {"X-Forwarded-Proto": proto, "Host": "jobs.example"}
    status, cookie = cookie_of(trusting, client(trusting), key, headers)
    assert (status == 200, cookie.startswith("__Host-joblight=") and "; Secure" in cookie) == (named, named)
    if not named:
        assert status == 403 and not cookie
    trusting.stop()
    other = serve(db=db)
    assert cookie_of(other, client(other), key, headers)[0] == 403      # from a stranger it says nothing


@pytest.mark.parametrize("cut", [1, 11, 12, 15, 27, 28, 60])
def test_a_header_in_two_pieces_over_a_unix_socket(serve, tmp_path, cut):
    """Such a socket cannot wait for more bytes than those that were looked at, so they are read."""
    path = tmp_path / "socket"
    server = serve(listen=["127.0.0.1:0", f"unix:{path}"], trusted_proxy="unix", proxy_protocol=True, **LOTS)
    text = v2() + request("GET", "/healthz")
    with socket.socket(socket.AF_UNIX) as proxy:
        proxy.connect(str(path))
        proxy.sendall(text[:cut])
        proxy.settimeout(0.4)
        spent = server.cpu_s()
        with pytest.raises(TimeoutError):
            proxy.recv(1)       # it would spin for so long
        assert server.cpu_s() - spent < 0.2
        proxy.settimeout(10)
        proxy.sendall(text[cut:])
        assert proxy.recv(4096).startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize("cut", [0, 1, 13, 20, 28, 29])
def test_a_header_comes_before_tls(serve, tmp_path, cut):
    pair = tls.make(tmp_path / "pair", tls.NAME)
    server = serve(trusted_proxy="127.0.0.1", proxy_protocol=True, **pair.flags(), **LOTS)
    for count in (1, 2):
        with socket.create_connection(server.address, 10) as plain:
            plain.sendall(v2()[:cut])
            plain.sendall(v2()[cut:])
            with pair.trusting().wrap_socket(plain, server_hostname=tls.NAME) as sealed:
                sealed.sendall(health())
                head = sealed.recv(65536).decode()
        assert head.startswith("HTTP/1.1 200 ")
        assert int(re.search(r'"address";r=(\d+)', head)[1]) == QUOTA - count


def test_tls_without_the_header_is_refused(serve, tmp_path):
    pair = tls.make(tmp_path / "pair", tls.NAME)
    server = serve(trusted_proxy="127.0.0.1", proxy_protocol=True, **pair.flags())
    with socket.create_connection(server.address, 10) as plain, pytest.raises(OSError):
        pair.trusting().wrap_socket(plain, server_hostname=tls.NAME)
    with Raw(server.address, plain=True) as raw:    # a header, and then no TLS
        raw.send(v2() + health())
        assert raw.head_of_response(Deadline(10, "an answer without TLS"))[0] == 400


def test_behind_a_proxy_header_the_proxy_still_says_https(serve, tmp_path):
    db = location(tmp_path / "keys.db")
    key = subprocess.run([BINARY, "key", "create", "--scope", "admin", "--db", db], capture_output=True, text=True,
                         check=True).stdout.strip()
    server = serve(db=db, trusted_proxy="127.0.0.1", proxy_protocol=True)
    body = b'{"key":"%s"}' % key.encode()
    for proto, status in (("https", 200), ("http", 403)):
        login = request("POST", "/login", ["Content-Type: application/json", f"X-Forwarded-Proto: {proto}"], body,
                        host="jobs.example")
        assert ask(server.address, v2() + login).status == status


@pytest.mark.parametrize("header", [b"PROXY UNKNOWN\r\n", v2(command=0), v2(family=0, protocol=0)])
def test_a_client_without_an_address_is_not_believed(serve, header):
    """Its X-Forwarded-For is its own: what passes connections on does not read requests."""
    server = serve(trusted_proxy="127.0.0.1", proxy_protocol=True, **LOTS)
    assert used(ask(server.address, header + health(of(ANN)))) is None      # the proxy, on loopback
    assert used(ask(server.address, v2() + health())) == 1                  # not the second one of ANN
