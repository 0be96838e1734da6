"""`joblight watch`: every event once, whatever happens to the connection, and the exit status of the job."""
import contextlib
import json
import re
import select
import signal
import socket
import subprocess
import threading

import pytest

from support.command import Fake, Running, joblight, json_answer, problem, terminal  # noqa: F401
from support.server import BINARY
from support.wait import until

STATUS = {"completed": 0, "failed": 1, "cancelled": 3}


def lines_of(text):
    return [json.loads(line) for line in text.splitlines()]


@pytest.fixture
def watching():
    """watching(server, job, …): a watch under way, in JSON."""
    started = []

    def start(url, job, *words, **more):
        started.append(Running("watch", job, *words, url=url, **more))
        return started[-1]
    yield start
    for running in started:
        running.bury()


# -- what it prints ------------------------------------------------------------------------------------

def test_into_a_pipe_it_prints_the_events_as_they_are_sent(server, api, job):
    api.report(job, "t", status="in_progress", note="\u00e4 \"quoted\" \u2028 \u001f")
    api.post(f"/api/jobs/{job}/deliverables", {"title": "D", "url": "/d"})
    api.post(f"/api/jobs/{job}/commands", {"command": "comment", "args": {"big": 12345678901234567890}})
    epoch = api.job(job)["epoch"]
    api.post(f"/api/jobs/{job}/presence", {"agent": "a", "state": "here"})
    api.finish(job)
    done = joblight("watch", job, "--since", "start", url=server.url)
    assert done.status == 0 and done.err == "", done
    sent = api.get(f"/api/jobs/{job}/updates?since={epoch}.0").body.decode()
    lines = done.out.removesuffix("\n").split("\n")
    assert len(lines) == 5 and '"events":[' + ",".join(lines) + "]" in sent


@pytest.mark.parametrize("status", STATUS)
def test_its_status_is_that_of_the_job(server, api, job, watching, status):
    watch = watching(server.url, job)
    until(lambda: api.report(job, "t")["watchers"], 10, "the watcher")
    api.finish(job, status)
    assert watch.end() == STATUS[status]
    assert joblight("watch", job, url=server.url).status == STATUS[status]
    cursor = api.job(job)["cursor"]
    done = joblight("watch", job, "--since", cursor, "--until-ended", url=server.url)
    assert (done.status, done.out) == (STATUS[status], "")


def test_a_job_that_is_deleted_is_not_found_any_more(server, api, job, watching):
    watch = watching(server.url, job)
    until(lambda: api.report(job, "t")["watchers"], 10, "the watcher")
    api.delete(f"/api/jobs/{job}")
    assert watch.end() == 4


def test_until_now_ends_with_what_has_happened(server, api, job):
    for n in range(3):
        api.report(job, "t", note=str(n))
    done = joblight("watch", job, "--since", "start", "--until-now", url=server.url)
    assert done.status == 0 and [event["seq"] for event in lines_of(done.out)] == [1, 2, 3, 4]
    assert joblight("watch", job, "--until-now", url=server.url).out == ""
    cursor = api.job(job)["cursor"]
    assert joblight("watch", job, "--since", cursor, "--until-now", url=server.url).out == ""
    api.finish(job, "failed")
    done = joblight("watch", job, "--since", cursor, "--until-now", url=server.url)
    assert done.status == 0 and [event["seq"] for event in lines_of(done.out)] == [5]


def test_a_position_is_continued(server, api, job):
    api.report(job, "t", note="before")
    cursor = api.job(job)["cursor"]
    api.report(job, "t", note="after")
    api.finish(job)
    done = joblight("watch", job, "--since", cursor, url=server.url)
    assert [event["seq"] for event in lines_of(done.out)] == [3, 4]


def test_large_events_and_many_of_them_arrive(server, api, job, watching):
    watch = watching(server.url, job, "--since", "start")
    watch.read_until(b'"created":true')
    api.burst(job, 400, note="x" * 9000)
    api.burst(job, 5000)
    api.finish(job)
    assert watch.end(within=60) == 0
    assert [event["seq"] for event in lines_of(watch.out.decode())] == list(range(1, 5403))


def test_what_was_pruned_is_told(serve, client):
    server = serve(retention_events=5, retention_ms=1000)
    api = client(server)
    job = api.create_job()["id"]
    cursor = api.job(job)["cursor"]
    api.burst(job, 300)
    api.finish(job)
    until(lambda: api.get(f"/api/jobs/{job}/updates?since={cursor}").json["reset"], 20, "the log being pruned")
    done = joblight("watch", job, "--since", cursor, url=server.url)
    assert done.status == 0 and re.search(r"events are missing before \S+ \(pruned\)", done.err), done


# -- connections ---------------------------------------------------------------------------------------

def test_it_survives_restarts_of_the_server(serve, client, watching):
    server = serve()
    job = client(server).create_job()["id"]
    watch = watching(server.url, job, "--since", "start")
    for turn in range(4):
        api = client(server)
        for n in range(5):
            api.report(job, "t", note=f"{turn}.{n}")
        watch.read_until(f'"{turn}.3"'.encode())
        if turn % 2:
            server.stop()
            server.start()
        else:
            server.restart()
    client(server).finish(job, "failed")
    assert watch.end(within=40) == 1
    assert [event["seq"] for event in lines_of(watch.out.decode())] == list(range(1, 23))
    assert watch.err == ""


class Cutter(threading.Thread):
    """In front of the server: cuts each connection after so many bytes of it."""

    def __init__(self, server, size):
        super().__init__(daemon=True)
        self.server, self.size, self.cut = server, size, 0
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.url = "http://127.0.0.1:%d" % self.socket.getsockname()[1]
        self.start()

    def run(self):
        with contextlib.suppress(OSError):
            while True:
                client = self.socket.accept()[0]
                self._carry(client)

    def _carry(self, client):
        left = self.size + self.cut * 37        # another place each time, and never stuck at one event
        with contextlib.suppress(OSError), client, socket.create_connection(self.server.address) as server:
            while left:
                for source in select.select([client, server], [], [])[0]:
                    data = source.recv(left if source is server else 65536)
                    if not data:
                        return
                    left -= len(data) if source is server else 0
                    (client if source is server else server).sendall(data)
            self.cut += 1


def test_cut_connections_lose_and_repeat_nothing(server, api, job, watching):
    for n in range(60):
        api.report(job, "t", note=f"{n} " + "x" * 50)
    api.finish(job)
    cutter = Cutter(server, 1500)
    watch = watching(cutter.url, job, "--since", f"{api.job(job)['epoch']}.0")
    assert watch.end(within=60) == 0
    assert [event["seq"] for event in lines_of(watch.out.decode())] == list(range(1, 63))
    assert cutter.cut > 3
    cutter.socket.close()


def stream(*blocks, then=None):
    """An answer of Fake: a stream of these blocks, which then ends, or waits for `then`."""
    def answer(handler):
        handler.send_response(200)
        handler.send_header("Content-Type", "text/event-stream")
        handler.send_header("Connection", "close")
        handler.end_headers()
        for block in blocks:
            handler.wfile.write(block.encode() + b"\n\n")
        handler.wfile.flush()
        if then:
            then.wait(20)
        handler.close_connection = True
    return answer


def connected(seq, heartbeat_ms=30000, head=None):
    return "data: " + json.dumps({"type": "connected", "cursor": f"e.{seq}", "head": head or seq, "resume": "exact",
                                  "heartbeatMs": heartbeat_ms, "status": "in_progress"})


def event(seq):
    return f"id: e.{seq}\ndata: " + json.dumps({"type": "task_update", "seq": seq, "taskId": "t", "status": "pending"})


END = 'data: {"type":"end","status":"completed"}'


@pytest.mark.parametrize("first", [None, problem(503, "overloaded"), problem(500), problem(429, "rate_limited", Retry_After="1"),
                                   (502, {"Content-Type": "text/html"}, b"<html>"), (404, {"Content-Type": "text/html"}, b"gone"),
                                   (403, {}, b""), (200, {}, b"<html>")])
def test_what_is_no_final_answer_of_the_server_is_repeated(watching, first):
    with Fake(first, stream(connected(4), event(5), END)) as fake:
        watch = watching(fake.url, "j", "--since", "e.4")
        assert watch.end() == 0 and watch.err == "" and watch.out.count(b"\n") == 1
        assert [request[1] for request in fake.asked] == ["/api/jobs/j/task-events?since=e.4"] * 2


@pytest.mark.parametrize("answer, status", [(problem(404, "not_found", "no such job"), 4), (problem(401, "unauthorized", "no key"), 5),
                                            (problem(403, "forbidden", "no right"), 5), (problem(400, "bad_request", "bad"), 8)])
def test_a_final_answer_ends_it(watching, answer, status):
    with Fake(answer) as fake:
        watch = watching(fake.url, "j")
        assert watch.end() == status and json.loads(answer[2])["detail"] in watch.err
        assert len(fake.asked) == 1


def test_an_event_that_comes_again_is_not_printed_again(watching):
    with Fake(stream(connected(0), event(1), event(2)), stream(connected(1), event(1), event(2), event(3), END)) as fake:
        watch = watching(fake.url, "j")
        assert watch.end() == 0
        assert [one["seq"] for one in lines_of(watch.out.decode())] == [1, 2, 3]
        assert fake.asked[1][1].endswith("?since=e.2")


def test_a_silent_connection_is_given_up(watching):
    never = threading.Event()
    with Fake(stream(connected(0, heartbeat_ms=200), event(1), then=never), stream(connected(1), END)) as fake:
        watch = watching(fake.url, "j")
        assert watch.end() == 0 and len(fake.asked) == 2
    never.set()


def test_a_heartbeat_keeps_the_position(watching):
    with Fake(stream(connected(0), event(1), 'event: heartbeat\ndata: {"head":9}'), stream(connected(1), END)) as fake:
        assert watching(fake.url, "j").end() == 0
        assert fake.asked[1][1].endswith("?since=e.1")


@pytest.mark.parametrize("heartbeat", ["0", "-1", "1e300"])
def test_a_heartbeat_that_cannot_be_is_the_usual_one(watching, heartbeat):
    with Fake(stream(connected(0).replace("30000", heartbeat), event(1)), stream(connected(1), event(2), END)) as fake:
        watch = watching(fake.url, "j")
        assert watch.end(within=5) == 0 and len(fake.asked) == 2
        assert [one["seq"] for one in lines_of(watch.out.decode())] == [1, 2]


def test_a_line_without_an_end_is_not_kept_for_ever(watching):
    never = threading.Event()
    with Fake(stream("data: " + "x" * (65 << 20), then=never), stream(connected(0), event(1), END)) as fake:
        watch = watching(fake.url, "j")
        assert watch.end(within=10) == 0 and watch.out.count(b"\n") == 1 and len(fake.asked) == 2
    never.set()


def test_a_server_that_stays_away_is_unreachable(watching):
    watch = watching("http://127.0.0.1:1", "j", "--timeout", "700ms")
    assert watch.end() == 6 and "connect" in watch.err.lower()
    with Fake(problem(503, "overloaded", "busy")) as fake:
        watch = watching(fake.url, "j", "--timeout", "700ms")
        assert watch.end() == 7 and "busy" in watch.err


def test_start_needs_an_answer_of_joblight(watching):
    with Fake(json_answer("{}")) as fake:
        watch = watching(fake.url, "j", "--since", "start")
        assert watch.end() == 1 and "is not a joblight server" in watch.err
    with Fake((204, {}, b""), json_answer("[]")) as fake:
        watch = watching(fake.url, "j", "--since", "e.4")
        assert watch.end() == 1


# -- the reader of its output --------------------------------------------------------------------------

def test_a_reader_that_goes_away_ends_it_without_an_event(server, job, watching):
    watch = watching(server.url, job, "--since", "start")
    watch.read_until(b"\n")
    watch.process.stdout.close()
    watch.process.stdout = None
    assert watch.end() == -signal.SIGPIPE and watch.err == ""


def test_ctrl_c_is_130(server, job, watching):
    watch = watching(server.url, job, "--since", "start")
    watch.read_until(b"\n")
    watch.signal(signal.SIGINT)
    assert watch.end() == 130 and watch.err == ""


# -- on a terminal -------------------------------------------------------------------------------------

def shown(text):
    """What stays on the screen: lines without control sequences, of redrawn ones what came last."""
    plain = re.sub(r"\033\[\d*m", "", text.decode())
    return [line.split("\033[K")[-1].rstrip("\r") for line in plain.replace("\r\033[K", "\033[K").split("\n")]


def test_a_person_sees_lines_and_the_progress_of_the_job(server, api, terminal):
    job = api.create_job(title="The report", tasks=[{"id": "a", "title": "Alpha"}, {"id": "b"}])["id"]
    screen = terminal(BINARY, "watch", job, url=server.url)
    screen.read_until(b"The report")
    screen.read_until(b"0/2")
    api.report(job, "a", status="in_progress", progress=50, note="half\tof it")
    screen.read_until(b"half")
    screen.read_until(" 25%".encode())
    api.report(job, "b", status="completed")
    api.post(f"/api/jobs/{job}/deliverables", {"title": "report.pdf", "url": "/r.pdf"})
    api.post(f"/api/jobs/{job}/commands", {"command": "comment", "args": {"text": "A4, please"}})
    api.finish(job)
    assert screen.end() == 0
    lines = shown(screen.text)
    assert lines[0] == "\u25b6 The report" and lines[1].startswith("\u25cb a")
    times = [re.sub(r"^\d\d:\d\d:\d\d ", "", line) for line in lines[3:]]
    assert re.fullmatch(r"\u25b6 Alpha +50%  half of it", times[0])
    assert [re.sub(r" {2,}", "  ", line) for line in times[1:]] == [
        "\u2714 b", "\u2714 report.pdf  /r.pdf", "\u25a0 comment  A4, please", "\u2714 The report  completed", ""]


@pytest.mark.parametrize("columns", [20, 5, 1])
def test_a_narrow_terminal_is_not_exceeded(server, api, job, terminal, columns):
    api.report(job, "t" * 60, progress=5, note="n" * 60, title="T" * 60)
    api.finish(job)
    screen = terminal(BINARY, "watch", job, "--since", "start", url=server.url, columns=columns)
    assert screen.end() == 0
    assert all(len(line) <= max(columns, 2) for line in shown(screen.text))    # a mark and a space


def test_a_dumb_terminal_gets_plain_lines(server, api, job, terminal):
    api.report(job, "t", status="failed", note="no")
    api.finish(job)
    screen = terminal(BINARY, "watch", job, "--since", "start", url=server.url, TERM="dumb", LANG="C")
    assert screen.end() == 0
    assert b"\033" not in screen.text and b"x t" in screen.text


def test_events_of_every_kind_have_a_line(terminal):
    events = [
        {"type": "job_update", "status": "revisions", "tasks": [{"id": "a"}, {"title": "no id"}]},
        {"type": "task_update", "taskId": "a", "status": "in_progress", "stalled": True, "title": "\u6f22\u5b57 \U0001f600 e\u0301"},
        {"type": "task_update", "taskId": "a", "status": "cancelled", "progress": 7}, {"type": "task_update", "status": "failed"},
        {"type": "task_update", "taskId": "b", "status": "unheard-of"}, {"type": "deliverable", "title": "D"},
        {"type": "deliverable"}, {"type": "command"}, {"type": "command", "command": "go", "taskId": "b"}, {"type": "news"}]
    blocks = [f"id: e.{n}\ndata: " + json.dumps({**one, "seq": n, "timestamp": "2026-02-05T19:00:00.000Z"}, ensure_ascii=False)
              for n, one in enumerate(events, 1)]
    bad = ["data: no JSON", "data: []", 'data: {"seq":99}', 'data: {"type":"connected"}', 'data: {"type":"connected","cursor":"%s.1"}' % ("e" * 40)]
    with Fake(stream(connected(0), *bad, *blocks, 'data: {"type":"end","status":"nothing"}')) as fake:
        screen = terminal(BINARY, "watch", "j", url=fake.url, TZ="UTC")
        assert screen.end() == 1
    lines = [re.sub(r" {2,}", "  ", line.removeprefix("19:00:00 ")) for line in shown(screen.text)]
    assert lines == ["\u25b6  revisions", "\u25b6 \u6f22\u5b57 \U0001f600 e\u0301  stalled: nothing was heard of it", "\u2013 a  7%", "? b", "\u2714 D",
                     "\u2714 ", "\u25a0 ", "\u25a0 go  b", ""]


def test_what_is_no_text_is_a_question_mark(terminal):
    with Fake(stream(connected(0), "id: e.1\ndata: " + '{"type":"deliverable","seq":1,"title":"a\u00e4\u6f22"}', END)) as fake:
        screen = terminal(BINARY, "watch", "j", url=fake.url, LANG="C", NO_COLOR="1")
        assert screen.end() == 0 and b"+ a??" in screen.text


def test_ctrl_c_leaves_the_terminal_as_it_was(server, job, terminal):
    screen = terminal(BINARY, "watch", job, url=server.url)
    screen.read_until(b"0/0")
    screen.write(b"\x03")
    assert screen.end() == 130
    assert screen.text.endswith(b"\r\x1b[K") and screen.modes() == screen.before


def test_many_tasks_are_summed_up(server, api, terminal):
    job = api.create_job(tasks=[{"id": f"t{n}"} for n in range(500)])["id"]
    screen = terminal(BINARY, "watch", job, "--until-now", url=server.url)
    assert screen.end() == 0
    lines = [line for line in shown(screen.text) if line]
    assert len(lines) == 22 and lines[-1] == "  and 480 more"


def test_a_person_is_told_that_it_reconnects(watching, terminal):
    never = threading.Event()
    with Fake(stream(connected(0), event(1)), problem(503, "overloaded"), stream(connected(1), event(2), END)) as fake:
        screen = terminal(BINARY, "watch", "j", url=fake.url)
        screen.read_until(b"reconnecting")
        assert screen.end() == 0
    never.set()


def test_several_watches_may_share_a_pipe():
    with Fake(stream(connected(0), *[event(n) for n in range(1, 200)], END)) as fake:
        done = subprocess.run(f"{BINARY} watch j | head -n 3", shell=True, capture_output=True, check=False,
                              env={"JOBLIGHT_URL": fake.url, "PATH": "/usr/bin:/bin"})
        assert done.stdout.count(b"\n") == 3 and done.stderr == b""
