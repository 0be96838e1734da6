"""`joblight reload`: the running server reads its settings again, and says what came of it."""
import os
import signal
import socket
import subprocess
import threading
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from support import tls
from support.api import Api
from support.raw import Raw, ask
from support.server import BINARY, SETTING
from support.sse import SseStream
from support.wait import SCALE, happens, until
from support.watcher import TRANSPORTS
from support.ws import WebSocket
from test_config_file import WHERE, config, largest_note, writes_from  # noqa: F401
from test_rate_limits import ANN, BOB, health, of
from test_trusted_proxies import LINE, LOTS, counts, used


def joblight(*words):
    """(exit status, stdout, stderr)"""
    done = subprocess.run([BINARY, *map(str, words)], env=SETTING, stdin=subprocess.DEVNULL, capture_output=True,
                          text=True, timeout=30 * SCALE, check=False)
    return done.returncode, done.stdout, done.stderr


def reload(*words):
    return joblight("reload", *words)


def told(server):
    """The lines that a reload by the pid of the server answers."""
    status, out, err = reload("--pid", server.process.pid)
    assert (status, err) == (0, "")
    return out.splitlines()


def refused(server):
    status, out, err = reload("--pid", server.process.pid)
    assert (status, out) == (1, "")
    first, *lines = err.splitlines()
    assert first == f"joblight: the server (pid {server.process.pid}) has changed nothing:"
    return "\n".join(lines)


# -- the answer ----------------------------------------------------------------------------------------

@pytest.mark.sqlite("a server is found by the lock of its file")
def test_it_finds_the_server_by_its_database_and_says_what_has_changed(serve, client, config):  # noqa: F811
    server = serve(config=config("max-note = 16\n"))
    path = config("max-note = 32\nqueued-writes = 5\n")
    assert reload("--config", path, "--db", server.db) == (
        0, "changed: max-note\nneeds a restart: queued-writes\n", "")
    assert largest_note(client(server)) == 32
    assert reload("--config", path, "--db", server.db) == (
        0, "changed: nothing\nneeds a restart: queued-writes\n", "")


def test_the_change_is_in_force_when_it_has_answered(serve, client, config):  # noqa: F811
    server = serve(config=config("max-note = 16\n"), loops=2)
    api = client(server)
    job = api.create_job()["id"]
    for length in range(17, 47):
        config(f"max-note = {length}\n")
        assert told(server) == ["changed: max-note"]
        with Api(server.address) as fresh:
            for one in (api, fresh):
                assert one.update(job, {"taskId": "t", "note": "n" * length}).status == 200
                assert one.update(job, {"taskId": "t", "note": "n" * (length + 1)}).status == 422


def test_it_answers_when_the_slowest_loop_has_taken_the_settings(serve, config, tmp_path):  # noqa: F811
    """A loop whose every turn takes 300 ms."""
    server = serve(config=config("max-note = 16\n"), loops=2)
    threads = f"/proc/{server.process.pid}/task"
    loop = next(tid for tid in os.listdir(threads) if Path(f"{threads}/{tid}/comm").read_text() == "loop\n")
    slow = subprocess.Popen(["strace", "-qq", "-o", tmp_path / "calls", "-p", loop, "-e",
                             "inject=epoll_pwait,epoll_wait:delay_exit=300000"], env=SETTING)
    try:
        until(lambda: "TracerPid:\t0\n" not in Path(f"{threads}/{loop}/status").read_text(), 5, "strace")
        config("max-note = 32\n")
        began = time.monotonic()
        assert told(server)[-1].startswith("changed: ")
        assert time.monotonic() - began >= 0.3
    finally:
        slow.terminate()
        slow.wait()


def test_it_finds_the_server_by_its_pid_file(serve, tmp_path):
    path = tmp_path / "joblight.pid"
    path.write_text("1\n")
    server = serve(pid_file=path, db=":memory:")
    assert path.read_text() == f"{server.process.pid}\n"
    assert reload("--pid-file", path) == (0, "changed: nothing\n", "")
    server.stop()
    assert not path.exists()
    status, out, err = reload("--pid-file", path)
    assert (status, out) == (1, "") and f"--pid-file {path}: No such file" in err


def test_a_pid_file_of_another_process_is_left(serve, tmp_path):
    path = tmp_path / "joblight.pid"
    server = serve(pid_file=path)
    path.write_text("1\n")
    server.stop()
    assert path.read_text() == "1\n"


@pytest.mark.parametrize("path, cause", [("/none/joblight.pid", "No such file"), ("/", "directory")])
def test_a_pid_file_that_cannot_be_written_stops_the_start(path, cause):
    status, out, err = joblight("serve", "--pid-file", path, "--listen", WHERE["listen"], "--db", WHERE["db"])
    assert (status, out) == (1, "") and f"joblight: --pid-file {path}: " in err and cause in err


@pytest.mark.sqlite("a server is found by the lock of its file")
def test_a_file_with_a_mistake_is_not_sent(serve, config):  # noqa: F811
    server = serve(config=config(""))
    before = server.log()
    path = config("max-nite = 5\n")
    assert reload("--config", path, "--db", server.db) == (
        2, "", f"joblight: {path}:1: max-nite is not a setting; did you mean max-note?\n"
               "joblight: the server was not told; its settings stay in force\n")
    assert server.log() == before


@pytest.mark.parametrize("text, says", [
    ("max-note = 32\nmax-nite = 5\n", ":2: max-nite is not a setting; did you mean max-note?"),
    ("max-note = 32\nmax-batch = many\n", ":2: max-batch must be a whole number from 1 to 4096, not \"many\""),
    ("max-note = 32\nstall-ms = 1KiB\n", ":2: stall-ms must be a time from 100ms to 10min"),
    ("max-note = 32\nwww = " + "x" * 200, ":2: the line is too long"),
    ("max-note = 32\n\0", ":2: the line has a NUL byte"),
    ("max-note = 32\n[section]\nloops = 2", ":3: there are no sections"), (None, "No such file")])
def test_a_mistake_changes_nothing_and_is_answered_and_logged(serve, client, config, text, says):  # noqa: F811
    path = config("max-note = 16\n")
    server = serve(config=path)
    if text is None:
        path.unlink()
    else:
        config(text)
    assert says in refused(server)
    assert largest_note(client(server)) == 16
    assert "nothing was changed" in server.log() and "joblight.conf" in server.log()


@pytest.mark.parametrize("words, says", [
    (["--pid", "x"], "--pid takes the id of a process"), (["--pid", "0"], "--pid takes"), (["--pid", "-1"], "--pid takes"),
    (["--pid", "99999999999"], "--pid takes"), (["--pid"], "--pid is not a setting"),
    (["--pid", "1", "--db", "x"], "--pid is not a setting"), (["word"], "is not expected")])
def test_a_mistake_in_its_flags_is_status_2(words, says):
    status, out, err = reload(*words)
    assert (status, out) == (2, "") and says in err


def test_its_help_says_how_to_name_a_server():
    status, out, err = reload("--help")
    assert (status, err) == (0, "") and "--pid PID" in out and "--pid-file" in out


def test_without_a_server_it_says_how_to_name_one(tmp_path):
    for db in (tmp_path / "none.db", tmp_path, ":memory:"):
        status, out, err = reload("--db", db)
        assert (status, out) == (1, "") and f"no server on this machine uses {db}" in err and "--pid-file" in err
    assert list(tmp_path.iterdir()) == []
    for text in ("", "x\n", "-5\n", "0\n"):
        (tmp_path / "pid").write_text(text)
        status, out, err = reload("--pid-file", tmp_path / "pid")
        assert (status, out) == (1, "") and "it does not begin with a process id" in err


def test_another_program_is_not_sent_a_signal():
    """SIGHUP would end it."""
    other = subprocess.Popen(["sleep", "60"])
    try:
        status, out, err = reload("--pid", other.pid)
        assert (status, out) == (1, "") and f"process {other.pid} is no joblight server, but sleep" in err
        assert other.poll() is None
    finally:
        other.kill()
        other.wait()
    status, out, err = reload("--pid", other.pid)
    assert (status, out) == (1, "") and f"there is no process {other.pid}" in err


@pytest.mark.sqlite("a server is found by the lock of its file")
@pytest.mark.parametrize("call", ["socket", "bind", "rt_sigqueueinfo"])
def test_what_the_system_does_not_allow_is_told(serve, tmp_path, call):
    server = serve()
    before = server.log()
    done = subprocess.run(["strace", "-qq", "-o", tmp_path / "calls", "-e", f"inject={call}:error=EPERM", BINARY, "reload",
                           "--pid", str(server.process.pid)], env={**SETTING, "ASAN_OPTIONS": "detect_leaks=0"}, capture_output=True, text=True,
                          timeout=20 * SCALE, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"joblight: the server (pid {server.process.pid}) cannot be told: Operation not permitted\n"
    assert server.log() == before


def test_a_server_that_ends_meanwhile_is_told(serve):
    server = serve()
    pid = server.process.pid
    server.signal(signal.SIGSTOP)
    asking = subprocess.Popen([BINARY, "reload", "--pid", str(pid)], env=SETTING, stderr=subprocess.PIPE, text=True)
    until(lambda: int(pending(pid), 16) & 1, 5, "the signal being sent")
    server.kill9()
    assert asking.wait(10 * SCALE) == 1 and f"(pid {pid}) has ended" in asking.stderr.read()
    asking.stderr.close()


def pending(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as status:
        return next(line.split()[1] for line in status if line.startswith("ShdPnd"))


def test_several_at_once_are_all_answered(serve, config):  # noqa: F811
    server = serve(config=config("max-note = 16\n"))
    asking = [subprocess.Popen([BINARY, "reload", "--pid", str(server.process.pid)], env=SETTING,
                               stdout=subprocess.PIPE, text=True) for _ in range(8)]
    for one in asking:
        assert one.communicate(timeout=20 * SCALE)[0] == "changed: nothing\n" and one.returncode == 0


@pytest.mark.sqlite("a server is found by the lock of its file")
@pytest.mark.parametrize("closed", [(0,), (1,), (2,), (0, 1, 2)])
def test_it_needs_no_standard_descriptors_and_no_home(serve, closed):
    server = serve()
    environment = {name: value for name, value in SETTING.items() if name != "HOME"}
    before = server.log().count("read again")
    done = subprocess.run([BINARY, "reload", "--db", server.db], env=environment, timeout=20 * SCALE, check=False,
                          preexec_fn=lambda: [os.close(fd) for fd in closed])
    assert done.returncode == 0 and server.log().count("read again") > before


# -- what can be changed -------------------------------------------------------------------------------

@pytest.mark.parametrize("loops", [1, 2])
def test_hosts_and_origins_are_changed(serve, client, config, loops):  # noqa: F811
    server = serve(config=config("origin = https://a.example\nhost = one.example\n"), host=None, loops=loops)
    api = client(server)
    assert [writes_from(api, name) for name in "ab"] == [True, False]
    config("origin = https://b.example\nhost = two.example\n")
    assert told(server) == ["changed: host,origin"]
    for one in (api, client(server)):
        assert [writes_from(one, name) for name in "ab"] == [False, True]
        assert [one.get("/api/jobs", Host=host).status for host in ("one.example", "two.example")] == [421, 200]
    config("")
    assert told(server) == ["changed: host,origin"]
    assert [writes_from(api, name) for name in "ab"] == [False, False]


def test_trusted_proxies_are_changed_for_connections_that_come_later(serve, config):  # noqa: F811
    server = serve(config=config("trusted-proxy = 10.0.0.0/8\n"), **LOTS)
    assert counts(server, health(of(ANN))) == [None]
    config("trusted-proxy = 127.0.0.1\n")
    assert told(server) == ["changed: trusted-proxy"]
    assert counts(server, health(of(ANN))) == [1]
    config("trusted-proxy = 127.0.0.1\nproxy-protocol = true\n")
    assert told(server) == ["changed: proxy-protocol"]
    assert ask(server.address, health()).status == 400
    assert ask(server.address, LINE + health()).status == 200
    config("trusted-proxy = 127.0.0.1\n")
    assert told(server) == ["changed: proxy-protocol"]
    with Raw(server.address) as kept:
        kept.send(health(of(BOB)))
        assert used(kept.response()) == 1
        config("")
        assert told(server) == ["changed: trusted-proxy"]
        kept.send(health(of(BOB)))
        assert used(kept.response()) is None, "it is loopback itself now"
    assert counts(server, health(of(ANN))) == [None]


def test_the_level_of_the_log_is_changed(serve, config):  # noqa: F811
    server = serve(config=config(""))
    for text, changed in (("verbose = true\n", "changed: verbose"), ("verbose = true\n", "changed: nothing"),
                          ("", "changed: verbose")):
        config(text)
        before = len(server.log())
        assert told(server) == [changed]
        assert ("level=debug" in server.log()[before:]) == bool(text)


def test_certificates_of_other_files_are_taken_and_connections_go_on(serve, config, tmp_path):  # noqa: F811
    one, two = (tls.make(tmp_path / name, "joblight.test") for name in ("one", "two"))

    def names(pair):
        return f"tls-cert = {pair.certificate}\ntls-key = {pair.key}\n"

    server = serve(config=config(names(one)), tls_cert=None, tls_key=None)
    tls.secured[server.address] = one.trusting()
    with Api(server.address) as api:
        job = api.create_job()["id"]
        with SseStream(server.address, job) as stream:
            stream.connected()
            config(names(two))
            assert told(server) == ["changed: tls-cert,tls-key"]
            tls.secured[server.address] = two.trusting()
            with Api(server.address) as fresh:
                fresh.report(job, "t")
            assert stream.event().json["seq"] == 2
            two.key.write_text("nothing\n")
            config(names(two) + "max-note = 16\n")
            assert "there is no private key in this file" in refused(server)
            config(f"tls-cert = {one.certificate}\n")
            assert "there are 1 --tls-cert and 0 --tls-key" in refused(server)
            assert largest_note(api) != 16
            tls.make(tmp_path / "two", "joblight.test")
            config("")
            assert told(server) == ["changed: nothing", "needs a restart: tls-cert,tls-key"]
            api.report(job, "t")
            assert stream.event().json["seq"] == 3


def test_the_rules_for_tokens_of_others_are_changed_with_their_file(serve, config, tmp_path):  # noqa: F811
    """A file with a mistake leaves the limits beside it unchanged, too."""
    path = tmp_path / "keys.pem"
    private = subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519"], check=True, capture_output=True).stdout
    subprocess.run(["openssl", "pkey", "-pubout", "-out", path], input=private, check=True, capture_output=True)
    rules = f"jwt-keys = {path}\njwt-issuer = a\n"
    server = serve(config=config(rules))
    config(rules.replace("= a", "= b"))
    assert told(server) == ["changed: jwt-issuer"]
    good = path.read_text()
    path.write_text("nothing")
    config(rules + "max-note = 16\n")
    assert f"--jwt-keys {path}: " in refused(server)
    path.write_text(good)
    config("jwt-issuer = a\n")
    assert told(server) == ["changed: nothing", "needs a restart: jwt-keys,jwt-issuer"]


def test_tokens_of_others_cannot_be_turned_on(serve, client, config, tmp_path):  # noqa: F811
    path = tmp_path / "keys.pem"
    server = serve(config=config(""))
    config(f"jwt-keys = {path}\n")
    assert told(server) == ["changed: nothing", "needs a restart: jwt-keys"]
    assert client(server).get("/api/jobs").status == 200


def test_what_is_read_at_the_start_only_is_answered_until_it_is_changed_back(serve, config):  # noqa: F811
    server = serve(config=config(""))
    config("loops = 2\nwww = /none\n")
    for _ in range(2):
        assert told(server) == ["changed: nothing", "needs a restart: loops,www"]
    config("")
    assert told(server) == ["changed: nothing"]


# -- under load ----------------------------------------------------------------------------------------

@pytest.mark.parametrize("loops", [1, 2])
def test_a_storm_of_reloads_touches_no_stream_and_loses_no_update(serve, config, loops):  # noqa: F811
    workers, rounds, per_round = 4, 10, 8
    text = "max-note = {}\nmax-batch = {}\norigin = https://{}.example\nhost = {}.example\nverbose = {}\n"
    server = serve(config=config(text.format(1024, 256, "a", "a", "false")), loops=loops, ring_events=65536)
    with Api(server.address) as api, ExitStack() as stack:
        job = api.create_job()["id"]
        watchers = [stack.enter_context(kind(server.address, job)) for kind in TRANSPORTS.values() for _ in range(4)]
        for watcher in watchers:
            watcher.connected()
        socket_worker = stack.enter_context(WebSocket(server.address))
        failed = []
        stop = threading.Event()

        def work(number):
            with Api(server.address) as own:
                count = 0
                while count < rounds * per_round or not stop.is_set():
                    reply = own.update(job, {"taskId": f"w{number}", "note": f"{count}"})
                    failed.extend([reply.status] * (reply.status != 200))
                    count += 1
                sent.append(count)

        sent = []
        threads = [threading.Thread(target=work, args=(number,)) for number in range(workers)]
        for thread in threads:
            thread.start()
        for turn in range(rounds):
            broken = turn % 3 == 2
            config(text.format(1025 + turn, 257 + turn, f"a{turn}", f"b{turn}", "maybe" if broken else "true"))
            status, out, _ = reload("--pid", server.process.pid)
            assert (status, "max-note" in out) == ((1, False) if broken else (0, True))
            socket_worker.update(f"k{turn}", job)
        stop.set()
        for thread in threads:
            thread.join()
        assert failed == []
        head = 1 + sum(sent) + rounds
        assert api.job(job)["seq"] == head
        for watcher in watchers:
            assert [event.seq for event in watcher.events(head - 1)] == list(range(2, head + 1))
    log = server.log()
    assert log.count("was read again") == rounds - rounds // 3 and log.count("nothing was changed") == rounds // 3


def test_hundreds_of_reloads_keep_no_memory_and_no_descriptors(serve, config):  # noqa: F811
    """Each one reads texts, and makes settings for every loop."""
    server = serve(config=config("".join(f"origin = https://{n}.example\n" for n in range(64))), loops=2)

    def hang_up(times):
        before = server.log().count("was read again")
        for _ in range(times):
            count = server.log().count("was read again")
            server.signal(signal.SIGHUP)
            until(lambda: server.log().count("was read again") > count, 5, "its line")
        assert server.log().count("was read again") >= before + times

    hang_up(200)
    fds, rss = server.fds(), server.rss_kib()
    hang_up(200)
    assert happens(lambda: server.fds() <= fds, 2)
    assert server.rss_kib() < rss + 1024 * SCALE


def test_strangers_cannot_answer_for_the_server(serve):
    """The name of its socket is not known before, and the answer must come from the server."""
    server = serve()
    server.signal(signal.SIGSTOP)
    asking = subprocess.Popen([BINARY, "reload", "--pid", str(server.process.pid)], env=SETTING,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def names():
        with open("/proc/net/unix", encoding="ascii") as listed:
            return [line.split()[-1] for line in listed if "@joblight-reload-" in line]

    until(names, 5, "the socket of the program")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as stranger:
        for name in names():
            stranger.sendto(b"1changed: everything\n", "\0" + name[1:])
    server.signal(signal.SIGCONT)
    out, _ = asking.communicate(timeout=20 * SCALE)
    assert asking.returncode == 0 and "everything" not in out
