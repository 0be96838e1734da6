"""E3, E12: --durability on the real server, seen by strace: whether the write-ahead log is synced between
the write of an update and its answer. What a power cut leaves is in test_power_cut.py.
"""
import re

import pytest

import support.server
from support.api import Lost
from support.preload import Faults
from support.wait import until
from support.watcher import TRANSPORTS

UPDATES = 10
CALLS = "pwrite64,fdatasync,fsync,write,writev,send,sendto,sendmsg"
# 1234 fdatasync(9</tmp/x/joblight.db-wal>) = 0, or in two lines when another thread came between
CALL = re.compile(r"^\d+ +(?P<name>\w+)\(\d+<(?P<file>[^>]*)>(?P<rest>.*)$")
RESUMED = re.compile(r"^\d+ +<\.\.\. (?P<name>\w+) resumed>")


def calls(lines):
    begun = {}
    for line in lines:
        thread = line.split()[0]
        if match := RESUMED.match(line):
            if thread in begun:
                yield begun.pop(thread)
        elif match := CALL.match(line):
            call = match["name"], match["file"], match["rest"]
            if line.endswith("<unfinished ...>") and match["name"].startswith("f"):
                begun[thread] = call        # a sync counts when it has ended
            else:
                yield call


def kinds(trace):
    """A letter for each call: w(rite of the log), s(ync of it), a(nswer), j(ob made)."""
    for name, file, rest in trace:
        if file.endswith("-wal"):
            yield "s" if name.startswith("f") else "w"
        elif "HTTP/1.1 200" in rest:
            yield "a"
        elif "HTTP/1.1 201" in rest:
            yield "j"


@pytest.fixture
def traced_updates(serve, client, tmp_path, monkeypatch):
    """traced_updates(**options): the kinds of calls of a server that answers UPDATES updates."""
    trace, plain = tmp_path / "trace", support.server.command
    monkeypatch.setattr(support.server, "command", lambda **options: [
        "strace", "-D", "-f", "-q", "-y", "-s", "64", "-e", f"trace={CALLS}", "-o", str(trace),
        *plain(**options)])

    def so_far():
        lines = trace.read_text(errors="replace").split("\n")[:-1]
        return "".join(kinds(calls(lines))).partition("j")[2]

    def run(**options):
        api = client(serve(**options))
        job = api.create_job()["id"]
        for number in range(UPDATES):
            api.report(job, "t", note=str(number))
        until(lambda: so_far().count("a") == UPDATES, 20, "the whole trace")
        return so_far()
    return run


@pytest.mark.parametrize("options", [{}, {"durability": "full"}], ids=["standard", "full"])
def test_an_answer_under_full_durability_comes_after_a_sync(traced_updates, options):
    """Between two answers are writes and then a sync; a chore may write at any time."""
    assert re.fullmatch(rf"([ws]*ws[ws]*a){{{UPDATES}}}[ws]*", traced_updates(**options))


def test_an_answer_under_process_durability_waits_for_no_disk(traced_updates):
    assert re.fullmatch(rf"(w+a){{{UPDATES}}}w*", traced_updates(durability="process"))


def test_e12_what_was_committed_before_a_kill_reaches_who_comes_back(serve, client, faults):
    """Killed in the sync of a commit: its bytes are written, and nobody was told."""
    server = serve()
    api = client(server)
    job = api.create_job()["id"]
    watchers = [transport(server.address, job) for transport in TRANSPORTS.values()]
    for watcher in watchers:
        watcher.connected()
    faults.begin(Faults.SYNCS, suffix="-wal", error=Faults.KILLED)
    update = {"taskId": "t", "note": "committed"}
    with pytest.raises(Lost):
        api.update(job, update, Idempotency_Key="k")
    server.bury()
    faults.end()
    server.start()
    for watcher in watchers:
        with watcher, type(watcher)(server.address, job, watcher.position) as again:
            assert again.connected()["resume"] == "exact"
            event = again.event()
            assert (event.seq, event.json["note"]) == (2, "committed")
    assert client(server).update(job, update, Idempotency_Key="k").json["seq"] == 2
