"""Where a server listens: several addresses, IPv6, Unix sockets, and sockets that systemd passes."""
import http.client
import os
import re
import signal
import socket
import subprocess
import stat
import sys
import time
from pathlib import Path

import pytest

from support.api import Api
from support.preload import compiled
from support.raw import Raw, ask, request
from support.server import BINARY, SETTING, Server, run_to_exit
from support.sse import SseStream
from support.wait import SCALE, Deadline
from support.ws import WebSocket

HEALTH = request("GET", "/healthz")


class UnixConnection(http.client.HTTPConnection):
    """HTTP to a Unix socket, under any name in Host."""

    def __init__(self, path, host="anything.example"):
        super().__init__(host, timeout=10)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(10)
        self.sock.connect(self.path)


def get(path, target="/healthz"):
    connection = UnixConnection(path)
    connection.request("GET", target)
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    return answer.status, body


def status_at(address):
    return ask(address, HEALTH).status


@pytest.fixture
def path(tmp_path_factory):
    """A short one: the system takes 107 bytes."""
    return str(tmp_path_factory.mktemp("s") / "jl.sock")


@pytest.fixture
def start(tmp_path):
    """Starts a server with passed sockets, which serve() does not know."""
    started = []

    def go(**options):
        started.append(Server(tmp_path / f"passed{len(started)}", **options))
        return started[-1].start()

    yield go
    for server in started:
        server.stop()


def listening_socket(family=socket.AF_INET, address=("127.0.0.1", 0)):
    sock = socket.socket(family)
    sock.bind(address)
    sock.listen(16)
    return sock


@pytest.mark.parametrize("loops", [1, 2])
def test_every_address_serves_the_same_jobs(serve, loops, path):
    server = serve(listen=["127.0.0.1:0", "127.0.0.2:0", f"unix:{path}"], loops=loops)
    first, second, third = server.listening
    assert first[1] != second[1] and third == path
    with Api(first) as one, Api(second) as two:
        job = one.create_job()["id"]
        assert two.job(job)["id"] == job
    for _ in range(8):      # whichever loop accepts it
        assert get(path, f"/api/jobs/{job}")[0] == 200


@pytest.mark.parametrize("value, says", [
    ("127.0.0.1", "takes HOST:PORT"), ("127.0.0.1:65536", "takes HOST:PORT"), (":3001", "takes HOST:PORT"),
    ("127.0.0.1:-1", "takes HOST:PORT"), ("127.0.0.1:", "takes HOST:PORT"), ("unix:", "takes HOST:PORT"),
    ("unix:/" + "x" * 107, "takes HOST:PORT"), ("127.0.0.1:0,mode=0660", '"mode=0660" is not an option'),
    ("127.0.0.1:0,tls", '"tls" is not an option'),
    ("unix:/tmp/x,mode=0888", '"mode=0888" is not an option'), ("unix:/tmp/x,mode=", "is not an option"),
    ("unix:/tmp/x,mode=1777", "is not an option"), ("unix:/tmp/x,owner=nobody-of-this-name", "is not an option"),
    ("unix:/tmp/x,ipv6only", "is not an option"), ("systemd", "systemd has passed no such socket"),
    ("systemd:web", "systemd has passed no such socket"), ("unix:/no/such/folder/x", "No such file"),
    ("no.such.host.invalid:0", "cannot listen on no.such.host.invalid")])
def test_an_address_that_is_none_stops_the_start_and_the_message_says_why(value, says):
    code, out, err = run_to_exit(listen=value, db=":memory:", insecure=True)
    assert code in (1, 2) and out == "" and says in err, err


def test_the_environment_gives_several_addresses_between_spaces(serve, monkeypatch, path):
    monkeypatch.setitem(SETTING, "JOBLIGHT_LISTEN", f"127.0.0.1:0 unix:{path},mode=0600")
    server = Server(os.path.dirname(path), listen=None, passed=())
    server._listeners = lambda: 2
    server.start()
    try:
        assert status_at(server.listening[0]) == 200 and get(server.listening[1])[0] == 200
    finally:
        server.stop()


def test_localhost_is_a_loopback_address(serve):
    host, port = serve(listen="localhost:0").listening[0]
    assert status_by_name(port, host) == 200     # 127.0.0.1 or ::1, whichever the machine has first


@pytest.mark.parametrize("listen", ["0.0.0.0:0", "[::]:0"])
def test_every_address_must_be_loopback_when_there_are_no_keys(listen, path):
    code, _, err = run_to_exit(listen=["127.0.0.1:0", f"unix:{path}", listen], db=":memory:")
    assert code == 1 and "is not a loopback address" in err
    assert not os.path.exists(path)


# -- IPv6 -------------------------------------------------------------------------------------
def status_by_name(port, host="::1"):
    connection = http.client.HTTPConnection(host, port, timeout=10)
    connection.request("GET", "/healthz", headers={"Host": "localhost"})
    return connection.getresponse().status


def test_an_address_of_ipv6_in_brackets(serve):
    server = serve(listen=["127.0.0.1:0", "[::1]:0"])
    host, port = server.listening[1]
    assert host == "::1" and status_by_name(port) == 200


def test_the_unspecified_address_of_ipv6_takes_ipv4_too(serve):
    server = serve(listen=["127.0.0.1:0", "[::]:0"], insecure=True)
    port = server.listening[1][1]
    assert status_by_name(port) == 200 and status_by_name(port, "127.0.0.1") == 200


def test_unless_it_is_told_not_to(serve):
    server = serve(listen=["127.0.0.1:0", "[::]:0,ipv6only"], insecure=True)
    port = server.listening[1][1]
    assert status_by_name(port) == 200
    with pytest.raises(ConnectionRefusedError):
        status_by_name(port, "127.0.0.1")


# -- Unix sockets -----------------------------------------------------------------------------
def test_everything_works_over_a_unix_socket(serve, path):
    server = serve(listen=["127.0.0.1:0", f"unix:{path}"])
    connection = UnixConnection(path)
    for _ in range(3):      # on one connection
        connection.request("POST", "/api/jobs", b'{"title":"x"}', {"Content-Type": "application/json"})
        answer = connection.getresponse()
        assert answer.status == 201
        answer.read()
    with Api(server.address) as api:
        job = api.create_job()["id"]
        with SseStream(path, job) as stream:
            stream.connected()
            api.report(job, "t")
            assert stream.event().json["seq"] == 2
    with WebSocket(path) as one:
        assert one.ask("ping", "pong").type == "pong"


def test_a_head_in_pieces_over_a_unix_socket_costs_no_cpu(serve, path):
    server = serve(listen=["127.0.0.1:0", f"unix:{path}"])
    with Raw(path) as raw:
        raw.send(HEALTH[:10])
        before = server.cpu_s()
        assert raw.silent_for(1)
        assert server.cpu_s() - before < 0.2
        raw.send(HEALTH[10:])
        assert raw.response().status == 200
        raw.send(HEALTH)    # the second one
        assert raw.response().status == 200


def test_a_large_answer_to_a_slow_reader_of_a_unix_socket(serve, path):
    server = serve(listen=["127.0.0.1:0", f"unix:{path}"], stall_ms=1000)
    with Api(server.address) as api:
        job = api.create_job()["id"]
        for i in range(10):
            api.burst(job, 256, f"task{i}", "n" * 500)
        with Raw(path) as raw:
            raw.send(request("GET", f"/api/jobs/{job}/activity?limit=1000"))
            assert raw.silent_for(0.1) is False
            assert raw.response(within=20).status == 200


def test_the_mode_is_as_it_was_asked_for_and_usually_0660(serve, path):
    serve(listen=["127.0.0.1:0", f"unix:{path}", f"unix:{path}2,mode=0600", f"unix:{path}3,mode=666"])
    modes = [stat.S_IMODE(os.stat(path + suffix).st_mode) for suffix in ("", "2", "3")]
    assert modes == [0o660, 0o600, 0o666]


def test_the_owner_is_as_it_was_asked_for(serve, path):
    if os.geteuid():    # only root can give a file away
        own = f"unix:{path},owner={os.geteuid()}:{os.getegid()}"
        serve(listen=["127.0.0.1:0", own])
        assert (os.stat(path).st_uid, os.stat(path).st_gid) == (os.geteuid(), os.getegid())
        code, out, err = run_to_exit(listen=["127.0.0.1:0", f"unix:{path}2,owner=0"], db=":memory:")
        assert code and out == "" and "not permitted" in err
        return
    serve(listen=["127.0.0.1:0", f"unix:{path},owner=nobody:nogroup", f"unix:{path}2,owner=:12345", f"unix:{path}3,owner=4711"])
    owners = [(os.stat(path + suffix).st_uid, os.stat(path + suffix).st_gid) for suffix in ("", "2", "3")]
    assert owners[0][0] == 65534 and owners[0][1] == 65534
    assert owners[1:] == [(os.geteuid(), 12345), (4711, os.getegid())]


@pytest.mark.parametrize("kind", ["link", "file"])
def test_what_somebody_puts_in_the_place_of_the_socket_keeps_its_mode_and_owner(path, tmp_path, kind):
    """Between the moment at which the socket is there and the one at which its mode is set."""
    secret = Path(path).with_name("secret")
    secret.write_text("s")
    secret.chmod(0o600)
    code, out, err = run_to_exit(
        listen=f"unix:{path},mode=0666,owner={os.geteuid()}:{os.getegid() + 1 if os.geteuid() == 0 else os.getegid()}",
        db=":memory:", environment={"LD_PRELOAD": str(compiled("replaced_socket", tmp_path)),
                                    "ASAN_OPTIONS": "verify_asan_link_order=0",
                                    "JOBLIGHT_TEST_REPLACED": f"@{secret}" if kind == "link" else str(secret)})
    assert code == 1 and out == "" and "cannot listen on" in err, err
    kept = os.stat(secret if kind == "link" else path)
    assert stat.S_IMODE(kept.st_mode) == 0o600 and kept.st_gid == os.getegid()
    assert Path(path).read_text() == "s"        # it was not removed, either


def test_the_file_is_removed_at_the_stop(serve, path):
    server = serve(listen=["127.0.0.1:0", f"unix:{path}"])
    assert os.path.exists(path)
    server.stop()
    assert not os.path.exists(path)


def test_the_file_of_another_server_is_left_alone(serve, path):
    server = serve(listen=["127.0.0.1:0", f"unix:{path}"])
    os.unlink(path)
    other = serve(listen=["127.0.0.1:0", f"unix:{path}"])
    server.stop()
    assert get(path)[0] == 200
    other.stop()
    assert not os.path.exists(path)


def test_the_file_that_a_killed_server_has_left_is_replaced(serve, path):
    server = serve(listen=["127.0.0.1:0", f"unix:{path}"])
    server.kill9()
    assert os.path.exists(path)
    server.start()
    assert get(path)[0] == 200


def test_a_socket_on_which_somebody_listens_is_not_taken(serve, path):
    serve(listen=["127.0.0.1:0", f"unix:{path}"])
    code, _, err = run_to_exit(listen=f"unix:{path}", db=":memory:")
    assert code == 1 and "another process listens there" in err
    assert get(path)[0] == 200


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_a_file_that_is_no_socket_is_not_removed(path, kind):
    if kind == "file":
        open(path, "w", encoding="ascii").write("precious")
    else:
        os.mkdir(path)
    code, _, err = run_to_exit(listen=f"unix:{path}", db=":memory:")
    assert code == 1 and "not a socket" in err and os.path.exists(path)


def test_no_file_is_left_when_a_later_address_cannot_be_bound(path):
    with listening_socket() as taken:
        port = taken.getsockname()[1]
        code, _, err = run_to_exit(listen=[f"unix:{path}", f"127.0.0.1:{port}"], db=":memory:")
    assert code == 1 and "Address already in use" in err
    assert not os.path.exists(path)


# -- systemd ----------------------------------------------------------------------------------
@pytest.mark.parametrize("loops", [1, 2])
def test_passed_sockets_are_served_and_nothing_else(start, path, loops):
    tcp, unix = listening_socket(), listening_socket(socket.AF_UNIX, path)
    server = start(listen=None, passed=[tcp, unix], loops=loops)
    assert server.listening == [tcp.getsockname(), path]
    for _ in range(6):
        assert status_at(tcp.getsockname()) == 200 and get(path)[0] == 200
    server.stop()
    assert os.path.exists(path)     # it belongs to systemd


def test_passed_sockets_may_be_served_beside_others(start):
    tcp = listening_socket()
    server = start(listen=["127.0.0.1:0", "systemd,operators"], passed=[tcp])
    assert [status_at(at) for at in server.listening] == [200, 200]
    assert server.listening[1] == tcp.getsockname()


def test_passed_sockets_are_chosen_by_their_names(start, monkeypatch):
    """FileDescriptorName= of the unit; a name may stand for several sockets, and the last one has none."""
    monkeypatch.setitem(SETTING, "LISTEN_FDNAMES", "web:ops:web")
    passed = [listening_socket() for _ in range(4)]
    server = start(listen=["systemd:ops,operators", "systemd:web"], passed=passed)
    server.listening.append(server._read_ready_line(Deadline(10, "the third address")))
    assert server.listening == [passed[n].getsockname() for n in (1, 0, 2)]
    for at in server.listening:
        assert status_at(at) == 200


@pytest.mark.parametrize("listen, names, says", [
    ("systemd:other", "web", "--listen systemd:other: systemd has passed no such socket"),
    ("systemd:we", "web", "--listen systemd:we: systemd has passed no such socket"),
    ("systemd:web", "", "--listen systemd:web: systemd has passed no such socket"),
    ("systemd:web,mode=0600", "web", '"mode=0600" is not an option of this address')])
def test_a_name_or_an_option_that_fits_no_passed_socket_stops_the_start(tmp_path, monkeypatch, listen, names, says):
    monkeypatch.setitem(SETTING, "LISTEN_FDNAMES", names)
    server = Server(tmp_path, listen=listen, passed=[listening_socket()])
    with pytest.raises(AssertionError, match=re.escape(says)):
        server.start()
    server._forget()


def test_a_passed_socket_of_ipv6_is_announced_and_judged_by_its_address(start, tmp_path):
    server = start(listen=None, passed=[listening_socket(socket.AF_INET6, ("::1", 0))])
    host, port = server.listening[0][:2]
    assert host == "::1" and status_by_name(port) == 200
    other = Server(tmp_path, listen=None, passed=[listening_socket(socket.AF_INET6, ("::", 0))])
    with pytest.raises(AssertionError, match="is not a loopback address"):
        other.start()
    other._forget()


def test_64_addresses_are_listened_on_and_no_more(start, tmp_path):
    """Those that systemd passes count, too."""
    passed = [listening_socket() for _ in range(64)]
    server = start(listen=None, passed=passed)
    assert len(set(server.listening)) == 64 and status_at(passed[-1].getsockname()) == 200
    for count, says in ((64, "at most 64 addresses"), (65, "at most 64 sockets")):
        more = Server(tmp_path / str(count), listen=["127.0.0.1:0", "systemd"], passed=[listening_socket() for _ in range(count)])
        with pytest.raises(AssertionError, match=says):
            more.start()
        more._forget()


def test_children_do_not_inherit_them(start):
    server = start(listen=None, passed=[listening_socket()])
    flags = open(f"/proc/{server.process.pid}/fdinfo/3", encoding="ascii").read()
    assert int(re.search(r"flags:\s+(\d+)", flags).group(1), 8) & os.O_CLOEXEC


def test_a_passed_socket_must_be_loopback_when_there_are_no_keys(tmp_path):
    server = Server(tmp_path, listen=None, passed=[listening_socket(address=("0.0.0.0", 0))])
    with pytest.raises(AssertionError, match="is not a loopback address"):
        server.start()
    server._forget()


def test_a_descriptor_that_is_no_listening_socket_stops_the_start(tmp_path):
    with socket.socket() as idle:
        server = Server(tmp_path, listen=None, passed=[idle])
        with pytest.raises(AssertionError, match="descriptor 3 is not a listening stream socket"):
            server.start()
        server._forget()


@pytest.mark.parametrize("name, value", [("LISTEN_FDS", "x"), ("LISTEN_FDS", ""), ("LISTEN_FDS", "-1"), ("LISTEN_FDS", "1x"),
                                         ("LISTEN_FDS", "1" * 30), ("LISTEN_PID", "x"), ("LISTEN_PID", "-1")])
def test_what_systemd_would_not_set_stops_the_start(tmp_path, name, value):
    """Otherwise the server would listen on another address than the unit says."""
    set_in_child = "import os, sys; os.environ['LISTEN_PID'] = str(os.getpid()); os.environ['LISTEN_FDS'] = '1'; " \
        "os.environ[sys.argv[1]] = sys.argv[2]; os.execv(sys.argv[3], sys.argv[3:])"
    done = subprocess.run([sys.executable, "-c", set_in_child, name, value, BINARY, "serve", "--listen", "127.0.0.1:0",
                           "--db", str(tmp_path / "x.db")], capture_output=True, text=True, check=False, timeout=10 * SCALE)
    assert done.returncode == 1 and done.stdout == "" and f'{name}: "{value}" is not a number' in done.stderr, done


def test_sockets_of_another_process_are_not_ours(serve, monkeypatch):
    monkeypatch.setitem(SETTING, "LISTEN_PID", "1")
    monkeypatch.setitem(SETTING, "LISTEN_FDS", "1")
    assert status_at(serve().address) == 200


def test_a_stop_is_in_time_while_a_passed_socket_is_idle(start):
    server = start(listen=None, passed=[listening_socket()])
    began = time.monotonic()
    server.signal(signal.SIGTERM)
    assert server.gone() == 0 and time.monotonic() - began < 5


def test_a_passed_socket_holds_as_little_for_a_stalled_reader_as_others(start, serve, client):
    """SO_SNDBUF and the like are inherited by accepted sockets from the listening one."""
    passed = start(listen=None, passed=[listening_socket()])
    assert send_buffer_at(passed) == send_buffer_at(serve())


def send_buffer_at(server):
    with socket.create_connection(server.address, 10) as held:
        held.sendall(request("GET", "/healthz"))
        assert held.recv(4096).startswith(b"HTTP/1.1 200")
        listed = subprocess.run(["ss", "-tnmH", "src", f"127.0.0.1:{server.port}", "dst", f"127.0.0.1:{held.getsockname()[1]}"],
                                capture_output=True, text=True, check=True, timeout=10).stdout
    return re.search(r"tb(\d+)", listed)[1]


@pytest.mark.parametrize("cut", [1, 10, 30])
def test_an_abstract_socket_is_a_unix_socket(start, cut):
    name = f"\0joblight-test-{os.getpid()}-{cut}"
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(name)
        listening.listen(8)
        start(listen=["127.0.0.1:0", "systemd"], passed=[listening])
        with socket.socket(socket.AF_UNIX) as other:
            other.settimeout(10)
            other.connect(name)
            text = request("GET", "/healthz")
            other.sendall(text[:cut])
            other.sendall(text[cut:])
            assert other.recv(4096).startswith(b"HTTP/1.1 200")
