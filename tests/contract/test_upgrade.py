"""SIGUSR2: another process takes the place of the server, and its clients notice nothing.

tests/faults/test_upgrade_load.py does it under load.
"""
import os
import re
import signal
import socket
import sqlite3
import stat
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path

import pytest

import support.server
from support import tls
from support.api import Api, compact, hook
from support.command import ok, start
from support.keyed import Keyed, joblight_key
from support.notify import NotifySocket
from support.raw import Raw, ask, json_post, request
from support.server import SETTING, Server, run_to_exit
from support.sse import SseStream
from support.upgrade import Grandchild, begin, ended, follow, upgrade
from support.wait import Deadline, until
from support.ws import WebSocket

HEALTH = request("GET", "/healthz", host="localhost")


# -- what clients see ------------------------------------------------------------------------------
def test_a_kept_connection_goes_on_as_if_nothing_had_happened(serve):
    server = serve()
    with Api(server.address) as api:
        job = api.create_job()["id"]
        own = api.connection.sock.getsockname()
        for n in range(3):
            old = upgrade(server)
            assert api.report(job, "t", note=f"{n}")["seq"] == 2 + n
            assert api.job(job)["seq"] == 2 + n
            assert api.connection.sock.getsockname() == own
            ended(old)
        assert [event.get("note") for event in api.activity(job)][1:] == ["0", "1", "2"]


def test_more_kept_connections_than_the_socket_between_the_processes_holds_are_all_passed(serve):
    server = serve(loops=2)
    kept = [Raw(server.address) for _ in range(700)]
    for _ in range(2):
        for raw in kept:
            raw.send(HEALTH)
        for raw in kept:
            assert raw.response().status == 200
        ended(upgrade(server))
    for raw in kept:
        raw.close()


@pytest.mark.parametrize("cut", [1, 20, -1])
def test_a_request_that_is_half_sent_is_answered_by_the_next_process(serve, cut):
    server = serve()
    whole = request("GET", "/api/jobs", ["X: " + "x" * 5000])
    with closing(Raw(server.address)) as first, closing(Raw(server.address)) as second:
        second.send(HEALTH)
        assert second.response().status == 200
        for raw in (first, second):
            raw.send(whole[:cut])
        old = upgrade(server)
        ended(old)
        for raw in (first, second):
            raw.send(whole[cut:] + HEALTH)      # the next one too
            assert raw.response().json == {"jobs": []}
            assert raw.response().json == {"status": "ok"}


def test_requests_ahead_of_their_answers_are_all_answered(serve, client):
    server = serve()
    job = client(server).create_job()["id"]
    with closing(Raw(server.address)) as raw:
        for n in range(200):
            raw.send(json_post(hook(job), compact({"taskId": "t", "note": f"{n}"})))
            if n == 100:
                begin(server)
        assert [raw.response().json["seq"] for _ in range(200)] == list(range(2, 202))
    upgrade_was_done(server)


def upgrade_was_done(server):
    """Follows an upgrade that was begun before."""
    ended(follow(server))


def test_a_body_that_takes_longer_than_the_upgrade_is_refused_and_can_be_repeated(serve, client):
    server = serve()
    api = client(server)
    job = api.create_job()["id"]
    whole = json_post(hook(job), compact({"taskId": "t", "note": "late"}), "Idempotency-Key: k")
    with closing(Raw(server.address)) as raw:
        raw.send(whole[:-3])
        old = upgrade(server)
        reply = raw.response()
        assert (reply.status, reply.json["code"]) == (503, "stopping")
        ended(old)
    assert ask(server.address, whole).json["seq"] == 2


def test_streams_are_told_to_reconnect_and_go_on_where_they_were(serve, client):
    server = serve(loops=2)
    api = client(server)
    job = api.create_job()["id"]
    with SseStream(server.address, job) as stream, WebSocket(server.address) as one:
        stream.connected()
        assert one.ask("ping", "pong").type == "pong"
        seq = api.report(job, "t")["seq"]
        assert stream.event().json["seq"] == seq
        old = upgrade(server)
        assert [block.retry for block in stream.all_blocks() if block.retry is not None]
        assert one.close_code() == 1012
        api.report(job, "t", note="after")
    with SseStream(server.address, job, since=f"{api.job(job)['epoch']}.{seq}") as again:
        assert again.connected().json["resume"] == "exact"
        assert again.event().json["note"] == "after"
    ended(old)


def test_keys_tokens_and_idempotency_keys_stay_in_force(serve, tmp_path):
    db = tmp_path / "keyed.db"
    key = joblight_key("create", "--db", db, "--scope", "admin,create,report,watch,control")
    server = serve(db=str(db))
    with Keyed(server.address, key) as api:
        job = api.create_job()["id"]
        token = api.post(f"/api/jobs/{job}/tokens", {"scope": ["watch"]}).json["token"]
        first = api.update(job, {"taskId": "t"}, Idempotency_Key="once")
        ended(upgrade(server))
        again = api.update(job, {"taskId": "t"}, Idempotency_Key="once")
        assert again.json == first.json and again.header("Idempotency-Replayed") == "true"
        with Keyed(server.address, token) as page:
            assert page.get(f"/api/jobs/{job}").status == 200


# -- where it listens ------------------------------------------------------------------------------
@pytest.fixture
def path(tmp_path_factory):
    return str(tmp_path_factory.mktemp("s") / "jl.sock")


def test_every_address_stays_and_the_file_of_a_unix_socket_too(serve, path):
    server = serve(listen=["127.0.0.1:0", "127.0.0.2:0", f"unix:{path},mode=0600"], loops=2)
    inode = os.stat(path).st_ino
    with closing(Raw(path)) as kept:
        kept.send(HEALTH[:9])
        for _ in range(2):
            ended(upgrade(server))
            for address in server.listening:
                assert ask(address, HEALTH).status == 200
        assert os.stat(path).st_ino == inode and stat.S_IMODE(os.stat(path).st_mode) == 0o600
        kept.send(HEALTH[9:])
        assert kept.response().status == 200
    server.stop()
    assert not os.path.exists(path)


def test_a_new_process_that_cannot_listen_leaves_the_file_of_a_unix_socket(tmp_path, path):
    config = tmp_path / "joblight.conf"
    config.write_text(f"listen = unix:{path}\n", encoding="ascii")
    server = Server(tmp_path / "s", listen=None, config=str(config))
    server._listeners = lambda: 1
    server.start()
    try:
        with closing(socket.socket()) as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            config.write_text(f"listen = unix:{path}\nlisten = 127.0.0.1:{taken.getsockname()[1]}\n", encoding="ascii")
            begin(server)
            until(lambda: failures(server) == 1, 10, "the failure")
        assert ask(path, HEALTH).status == 200
    finally:
        server.stop()


@pytest.mark.parametrize("loops", [(1, 3), (3, 1), (2, 2)])
def test_another_number_of_loops_serves_the_same_sockets(serve, tmp_path, loops):
    config = tmp_path / "joblight.conf"
    config.write_text(f"loops = {loops[0]}\n", encoding="ascii")
    server = serve(config=str(config))
    for number in (loops[1], loops[0], loops[1]):
        config.write_text(f"loops = {number}\n", encoding="ascii")
        with closing(Raw(server.address)) as kept:
            ended(upgrade(server))
            kept.send(HEALTH)
            assert kept.response().status == 200
        names = [(task / "comm").read_text().strip() for task in Path(f"/proc/{server.process.pid}/task").iterdir()]
        assert names.count("loop") == number
        for _ in range(30):     # the kernel spreads them over all sockets
            assert ask(server.address, HEALTH).status == 200


def test_clients_with_all_the_descriptors_prevent_no_upgrade(serve):
    server = serve(listen=[f"127.0.0.{n}:0" for n in range(1, 17)], loops=2, readers=1, descriptors=150)
    idle = server.fds()
    clients = [Raw(server.listening[0]) for _ in range(150)]
    for raw in clients:
        raw.send(HEALTH)
    until(lambda: server.fds() > idle + 20, 5, "the clients")
    begin(server)
    until(lambda: "no upgrade is possible" in server.log() or "another process serves now" in server.log(), 15, "it")
    assert "no upgrade is possible" not in server.log()
    for raw in clients:
        raw.close()
    upgrade_was_done(server)
    server.fds_back_to(idle + 5, 5)
    for address in server.listening:
        assert ask(address, HEALTH).status == 200


def test_an_address_that_is_added_is_bound_and_one_that_is_dropped_is_closed(serve, tmp_path):
    config = tmp_path / "joblight.conf"
    config.write_text("listen = 127.0.0.1:0\nlisten = 127.0.0.2:0\n", encoding="ascii")
    server = Server(tmp_path / "s", listen=None, config=str(config))
    server._listeners = lambda: 2
    server.start()
    try:
        config.write_text("listen = 127.0.0.1:0\nlisten = 127.0.0.3:0\n", encoding="ascii")
        ended(upgrade(server))
        assert ask(server.listening[0], HEALTH).status == 200
        with pytest.raises(ConnectionRefusedError):
            Raw(server.listening[1])
        assert server.logs("listen=http://127.0.0.3:")
    finally:
        server.stop()


@pytest.mark.parametrize("loops", [1, 2])
def test_sockets_of_systemd_are_passed_on_with_their_names(tmp_path, path, loops):
    tcp, unix = socket.socket(), socket.socket(socket.AF_UNIX)
    tcp.bind(("127.0.0.1", 0))
    unix.bind(path)
    tcp.listen(), unix.listen()
    server = Server(tmp_path / "s", listen=["systemd:web", "systemd:local", "127.0.0.1:0"], passed=[tcp, unix], loops=loops)
    os.environ["LISTEN_FDNAMES"] = "web:local"
    try:
        server.start()
    finally:
        del os.environ["LISTEN_FDNAMES"]
    try:
        for _ in range(2):
            with closing(Raw(server.listening[0])) as kept:
                kept.send(HEALTH)
                assert kept.response().status == 200
                ended(upgrade(server))
                kept.send(HEALTH)
                assert kept.response().status == 200
            for address in server.listening:
                assert ask(address, HEALTH).status == 200
    finally:
        server.stop()
    assert os.path.exists(path)     # it belongs to systemd


def test_clients_with_tls_connect_again(tmp_path, serve):
    pair = tls.make(tmp_path / "tls", tls.NAME, "127.0.0.1")
    server = serve(**pair.flags(), loops=2)
    with Api(server.address) as busy, Api(server.address) as idle:
        job = busy.create_job()["id"]
        assert idle.get("/healthz").status == 200
        begin(server)
        closed = 0
        while "another process serves" not in server.log():
            closed += busy.report(job, "t") and busy.connection.sock is None
        assert closed > 0, "nobody was told to connect again"
        upgrade_was_done(server)
        assert idle.connection.sock.recv(1) == b""      # it was idle, and was closed
        idle.close()
        assert idle.job(job)["seq"] == busy.job(job)["seq"]


def test_what_a_proxy_has_said_of_its_client_is_kept(serve):
    server = serve(trusted_proxy="127.0.0.1", proxy_protocol=True, address_requests=1)
    with closing(Raw(server.address)) as raw:
        raw.send(b"PROXY TCP4 192.0.2.7 127.0.0.1 4711 80\r\n" + HEALTH)
        assert raw.response().status == 200
        ended(upgrade(server))
        raw.send(HEALTH)
        reply = raw.response()
        assert reply.header("RateLimit-Policy"), "the client counts as one of this machine"


# -- who is told -----------------------------------------------------------------------------------
def test_systemd_is_told_of_the_new_process_before_that_one_is_ready(serve, tmp_path, monkeypatch):
    with closing(NotifySocket(tmp_path)) as notified:
        monkeypatch.setitem(SETTING, "NOTIFY_SOCKET", notified.name)
        monkeypatch.setitem(SETTING, "WATCHDOG_USEC", "200000")
        server = serve()
        notified.until("READY")
        old = upgrade(server)
        fields, pid = notified.until("MAINPID")
        assert (fields, pid) == ({"MAINPID": str(server.process.pid)}, old.pid)
        fields, pid = notified.until("READY")
        assert fields["STATUS"] == f"Serving {server.url}" and pid == server.process.pid
        ended(old)
        while notified.message()[1] != server.process.pid:
            pass
        assert notified.message() == ({"WATCHDOG": "1"}, server.process.pid)
        server.stop()


def test_the_file_of_the_process_id_names_the_new_process_once_it_serves(serve, installed, tmp_path):
    path = tmp_path / "joblight.pid"
    server = serve(pid_file=str(path))
    assert int(path.read_text()) == server.process.pid
    ended(upgrade(server))
    until(lambda: int(path.read_text()) == server.process.pid, 5, "the number of the new process")
    installed(BROKEN["ends when the database is free"])
    begin(server)
    until(lambda: failures(server) == 1, 10, "the failure")
    assert int(path.read_text()) == server.process.pid
    server.stop()
    assert not path.exists()


def test_a_process_without_a_predecessor_takes_no_place(tmp_path, monkeypatch):
    for value in ("3", "999", "x", "-1"):
        monkeypatch.setitem(SETTING, "JOBLIGHT_UPGRADE_FD", value)
        done = subprocess.run(support.server.command(listen="127.0.0.1:0", db=str(tmp_path / "j.db")), env=SETTING,
                              capture_output=True, timeout=10, check=False, stdin=subprocess.DEVNULL)
        assert done.returncode == 1 and b"JOBLIGHT_UPGRADE_FD is set by" in done.stderr


# -- when it fails ---------------------------------------------------------------------------------
TAKE = """#!{python}
import os, signal, socket, sqlite3, sys
control = socket.socket(fileno=int(os.environ["JOBLIGHT_UPGRADE_FD"]))
assert control.recv(65536)[:1] == b"L"
"""
PREPARED = TAKE + "control.send(b'P')\n"
RELEASED = PREPARED + "assert control.recv(100) == b'R'\n"
BROKEN = {
    "not a program": "this is no program\n",
    "ends at once": "#!/bin/sh\nexit 3\n",
    "killed at once": "#!/bin/sh\nkill -9 $$\n",
    "says something else": TAKE + "control.send(b'S'); signal.pause()",
    "ends when it was to wait": PREPARED,
    "ends when the database is free": RELEASED,
    "killed when the database is free": RELEASED + "os.kill(os.getpid(), signal.SIGKILL)",
    "killed with the database open": RELEASED + """
database = sqlite3.connect(sys.argv[sys.argv.index("--db") + 1])
database.execute("BEGIN IMMEDIATE")
database.execute("DELETE FROM jobs")
os.kill(os.getpid(), signal.SIGKILL)""",
    "hangs with the database": RELEASED + "signal.pause()",
}


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """The program at a path of its own, where another can be put."""
    program = tmp_path / "joblight"
    program.write_bytes(Path(support.server.BINARY).read_bytes())
    for module in Path(support.server.BINARY).parent.glob("joblight-*.so"):
        (tmp_path / module.name).symlink_to(module.resolve())
    program.chmod(0o755)
    original, gate = support.server.BINARY, tmp_path / "gate"
    os.mkfifo(gate)
    monkeypatch.setattr(support.server, "BINARY", str(program))

    def replace(text):
        new = tmp_path / "new"
        if text is None:
            new.write_bytes(Path(original).read_bytes())
        else:
            for name, value in ("python", sys.executable), ("original", original), ("gate", str(gate)):
                text = text.replace(f"{{{name}}}", value)
            new.write_text(text, encoding="ascii")
        new.chmod(0o755)
        new.rename(program)
    replace.gate, replace.original = gate, original
    return replace


def failures(server):
    return server.log().count("the upgrade has failed, and this process goes on")


@pytest.mark.parametrize("program", BROKEN)
def test_a_broken_program_changes_nothing(serve, client, installed, program):
    server = serve(loops=2)
    api = client(server)
    job = api.create_job()["id"]
    with SseStream(server.address, job) as stream:
        stream.connected()
        installed(BROKEN[program])
        sent = threading.Thread(target=lambda: seqs.extend(api.report(job, "t", note=f"{n}")["seq"] for n in range(50)))
        seqs = []
        begin(server)
        sent.start()
        until(lambda: failures(server) == 1, 15, "the failure")
        sent.join(15)
        assert seqs == list(range(2, 52))
        for seq in seqs:
            assert stream.event().json["seq"] == seq        # the stream was not cut
        assert ask(server.address, HEALTH).status == 200
        installed(None)                                     # the right one is taken
        old = upgrade(server)
        assert api.report(job, "t")["seq"] == 52
        ended(old)


@pytest.mark.sqlite("it writes into the file")
def test_a_newer_schema_that_its_program_has_left_ends_the_server(serve, client, installed):
    server = serve()
    client(server).create_job()
    installed(RELEASED + """
database = sqlite3.connect(sys.argv[sys.argv.index("--db") + 1])
database.execute("PRAGMA user_version = 99")
database.close()""")
    begin(server)
    assert server.gone(15) == 1
    assert server.logs("schema version is 99")


def test_a_program_that_does_not_know_a_setting_changes_nothing(serve, client, installed):
    server = serve()
    api = client(server)
    job = api.create_job()["id"]
    installed("""#!/bin/sh
exec {original} "$@" --no-such-flag-yet
""")
    begin(server)
    until(lambda: failures(server) == 1, 10, "the failure")
    assert server.logs("ended with status 2")
    assert api.report(job, "t")["seq"] == 2


# It begins when something is written into the FIFO installed.gate.
SLOW = """#!/bin/sh
read go < {gate}
exec {original} "$@"
"""


def test_an_upgrade_during_an_upgrade_is_refused(serve, installed):
    server = serve()
    installed(SLOW)
    begin(server)
    until(lambda: "msg=upgrading" in server.log(), 5, "the first")
    begin(server)
    until(lambda: "an upgrade is under way already" in server.log(), 5, "the second")
    installed.gate.write_text("\n")
    upgrade_was_done(server)
    assert server.log().count("msg=upgrading") == 1
    assert ask(server.address, HEALTH).status == 200


def slow_reader(server, client):
    """A client that has begun to take a long answer; until it goes on, a process drains."""
    api = client(server)
    job = api.create_job()["id"]
    for i in range(8):
        api.update(job, [{"taskId": f"t{i}-{n}", "note": "n" * 16000} for n in range(16)])
    slow = Raw(server.address, receive_buffer=4096)
    slow.send(request("GET", f"/api/jobs/{job}"))
    assert slow.fill(Deadline(10, "the answer having begun"))
    return slow


def test_a_process_whose_predecessor_still_drains_starts_no_other(serve, client):
    server = serve(drain_ms=9000)
    with closing(slow_reader(server, client)) as slow:
        old = upgrade(server)
        begin(server)
        until(lambda: "the process before this one has not ended yet" in server.log(), 5, "a refusal")
        assert old.poll() is None
        assert slow.response(20).status == 200          # the old process sends all of it
        slow.send(HEALTH)                               # and the new one answers what follows
        assert slow.response().status == 200
    ended(old)
    ended(upgrade(server))


def test_a_stop_during_an_upgrade_is_a_stop(serve, installed):
    server = serve()
    slow_upgrade(server, installed)
    server.stop()
    assert failures(server) == 1


def test_a_reload_during_an_upgrade_that_fails_is_done_after_it(serve, installed):
    server = serve()
    slow_upgrade(server, installed, "#!/bin/sh\nread go < {gate}\nexit 1\n")
    server.signal(signal.SIGHUP)
    until(lambda: not is_pending(server.process.pid, signal.SIGHUP), 5, "the signal being taken")
    assert "the configuration was read again" not in server.log()
    installed.gate.write_text("\n")
    until(lambda: "the configuration was read again" in server.log(), 5, "the reload")
    assert failures(server) == 1


def slow_upgrade(server, installed, script=SLOW):
    """Begins an upgrade that waits for installed.gate."""
    installed(script)
    begin(server)
    until(lambda: "msg=upgrading" in server.log(), 5, "the upgrade")


def test_a_reload_during_an_upgrade_is_done_by_the_new_process(serve, installed):
    server = serve()
    slow_upgrade(server, installed)
    server.signal(signal.SIGHUP)
    until(lambda: not is_pending(server.process.pid, signal.SIGHUP), 5, "the signal being taken")
    installed.gate.write_text("\n")
    upgrade_was_done(server)
    until(lambda: "the configuration was read again" in server.log(), 5, "the reload")


def is_pending(pid, number):
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    return int(re.search(r"^ShdPnd:\s*([0-9a-f]+)$", status, re.M)[1], 16) >> (number - 1) & 1


def test_who_asks_for_a_reload_during_an_upgrade_is_answered_by_the_new_process(serve, installed):
    server = serve()
    slow_upgrade(server, installed)
    asked = sockets_of_reloads()
    reload = subprocess.Popen([installed.original, "reload", "--pid", str(server.process.pid)], env=SETTING,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    until(lambda: sockets_of_reloads() > asked, 5, "its socket for the answer, after which it sends the signal")
    installed.gate.write_text("\n")
    out, err = reload.communicate(timeout=30)
    assert (reload.returncode, out, err) == (0, "changed: nothing\n", "")
    upgrade_was_done(server)


def sockets_of_reloads():
    return Path("/proc/net/unix").read_text(encoding="utf-8").count("@joblight-reload-")


@pytest.mark.sqlite("a server is found by the lock of its file")
@pytest.mark.parametrize("by_file", [False, True])
def test_reloads_during_upgrades_are_all_answered(serve, tmp_path, by_file):
    server = serve(pid_file=str(tmp_path / "pid") if by_file else None)
    words = ["--pid-file", str(tmp_path / "pid")] if by_file else ["--db", server.db]
    stop, answers = threading.Event(), []

    def ask_again_and_again():
        while not stop.is_set():
            done = subprocess.run([support.server.BINARY, "reload", *words], env=SETTING, capture_output=True, text=True,
                                  stdin=subprocess.DEVNULL, timeout=30, check=False)
            answers.append((done.returncode, done.stderr))
    asking = [threading.Thread(target=ask_again_and_again) for _ in range(3)]
    for one in asking:
        one.start()
    for _ in range(6):
        ended(upgrade(server))
    stop.set()
    for one in asking:
        one.join(30)
    assert set(answers) == {(0, "")}


def test_a_reload_that_comes_to_a_process_that_drains_is_passed_on(serve, client):
    server = serve(drain_ms=9000)
    with closing(slow_reader(server, client)) as slow:
        old = upgrade(server)
        old.send_signal(signal.SIGHUP)
        until(lambda: "the configuration was read again" in server.log(), 5, "the reload")
        assert old.poll() is None
        slow.response(20)
    ended(old)


def test_a_server_that_is_killed_during_its_upgrade_is_replaced_all_the_same(serve, client, installed):
    server = serve()
    job = client(server).create_job()["id"]
    installed(SLOW)
    begin(server)
    pid = until(lambda: [line for line in server.log().splitlines() if "msg=upgrading" in line], 5, "it")[0].split("pid=")[1]
    server.process.kill()
    server.process.wait(5)
    server.process = Grandchild(int(pid), server.process.stdout)
    installed.gate.write_text("\n")
    with Api(server.address) as api:        # waits in the queue of the socket
        assert api.report(job, "t")["seq"] == 2
    assert server.logs("the process that was to be replaced has ended")


def test_a_database_in_memory_stays_where_it_is(serve, client):
    server = serve(db=":memory:")
    api = client(server)
    job = api.create_job()["id"]
    begin(server)
    until(lambda: "the database is in the memory of this process" in server.log(), 5, "a refusal")
    assert api.report(job, "t")["seq"] == 2


@pytest.mark.sqlite("it writes into the file")
def test_what_is_not_in_the_database_is_not_lost_by_a_wal_of_any_size(serve, client):
    server = serve()
    api = client(server)
    job = api.create_job()["id"]
    seq = api.burst(job, 3000, note="n" * 2000)["seq"]
    ended(upgrade(server))
    assert api.job(job)["seq"] == seq
    assert api.report(job, "t")["seq"] == seq + 1
    server.stop()
    with closing(sqlite3.connect(server.db)) as database:
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert database.execute("SELECT count(*) FROM job_activity").fetchone() == (seq + 1,)


# -- the upkeep of the database ------------------------------------------------------------------------

def test_an_upgrade_ends_a_rewriting_and_an_import(serve, client):
    """Both can be repeated, nothing is lost, and no part of the import stays."""
    server = serve()
    api = client(server)
    job = api.create_job()["id"]
    api.burst(job, 3000, note="x" * 300)
    export = ok("job", "export", job, "--url", server.url)
    importing = start("job", "import", "--as", "copy", "--url", server.url, stdin=subprocess.PIPE)
    importing.stdin.write(export[:len(export) // 2])
    importing.stdin.flush()
    rewriting = start("db", "vacuum", "--url", server.url)
    ended(upgrade(server))
    importing.stdin.close()
    assert rewriting.wait(20) in (0, 6, 7) and importing.wait(20) != 0
    for process in (importing, rewriting):
        process.stderr.close()
    with Api(server.address) as again:
        again.report(job, "t")
        assert again.get("/api/jobs/copy").status == 404
    ok("job", "import", "--as", "copy", "--url", server.url, stdin=export)
    ok("db", "vacuum", "--url", server.url)
    ok("db", "check", "--db", server.db)


def test_the_first_process_of_a_container_stays_because_its_end_would_end_the_new_one(tmp_path):
    words = ["unshare", "--pid", "--fork", "--kill-child", *([] if os.geteuid() == 0 else ["--map-root-user"])]
    log = tmp_path / "stderr.log"
    with open(log, "wb") as stderr:
        outer = subprocess.Popen([*words, *support.server.command(listen="127.0.0.1:0", db=str(tmp_path / "j.db"))],
                                 env=SETTING, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=stderr)
    with outer:
        try:
            assert b"listening" in outer.stdout.readline()
            server = int(Path(f"/proc/{outer.pid}/task/{outer.pid}/children").read_text(encoding="ascii"))
            os.kill(server, signal.SIGUSR2)
            until(lambda: "no upgrade is possible" in log.read_text(), 10, "the refusal")
            assert "first process of a container" in log.read_text()
            os.kill(server, signal.SIGTERM)
            assert outer.wait(15) == 0
        finally:
            outer.kill()
