"""`joblight run`: nothing of the output is lost or reordered, the job is reported whatever the network does, signals and
the exit status pass, and the command outlives a `joblight run` that is killed."""
import hashlib
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time

import pytest

from support.api import Api
from support.command import Fake, Running, joblight, json_answer, problem, terminal  # noqa: F401
from support.keyed import client, make, db, root  # noqa: F401
from support.server import BINARY, KILL, with_descriptors
from support.wait import until

PYTHON = sys.executable
CREATED = json_answer("{}", 201)
NOT_THERE = "http://127.0.0.1:1"


def python(code):
    """A command that runs this program."""
    return PYTHON, "-c", "import os, sys, time, signal\n" + code


def job_of(err):
    """The job's id, from the line on standard error."""
    return re.search(r"/jobs/(\S+)", err)[1]


def sees(api, job, condition, what):
    """The job, as soon as the condition holds for it."""
    def look():
        reply = api.get(f"/api/jobs/{job}")
        return reply.status == 200 and condition(reply.json) and reply.json
    return until(look, 20, what)


def task_of(job):
    return job["tasks"][0]


@pytest.fixture
def running():
    started = []

    def start(*words, **more):
        started.append(Running("run", *words, **more))
        return started[-1]
    yield start
    for one in started:
        one.bury()


# -- the job -------------------------------------------------------------------------------------------

@pytest.mark.one_node("it compares addresses")
def test_a_command_that_succeeds_is_a_completed_job(server, api):
    done = joblight("run", "--title", "The build", "--", *python("print('[1/4] a'); print('out'); print('err', file=sys.stderr)"),
                    url=server.url)
    assert (done.status, done.out) == (0, "[1/4] a\nout\n"), done
    first, rest = done.err.split("\n", 1)
    assert first == f"joblight: {server.url}/jobs/{job_of(first)}" and rest == "err\n"
    job = api.job(job_of(first))
    assert (job["status"], job["title"]) == ("completed", "The build")
    task = task_of(job)
    assert (task["status"], task["title"], task["progress"]) == ("completed", "The build", 100) and "note" not in task
    assert task["heartbeatTimeoutMs"] == 180000


def test_a_command_that_fails_is_a_failed_job_with_the_end_of_its_errors(server, api):
    code = "print('out')\nfor n in range(40): print('\\033[31mline', n, '\\033[0m', file=sys.stderr)\nsys.exit(7)"
    done = joblight("run", *python(code), url=server.url)
    assert done.status == 7
    job = api.job(job_of(done.err))
    note = task_of(job)["note"].split("\n")
    assert (job["status"], task_of(job)["status"]) == ("failed", "failed")
    assert note[0] == "exit status 7" and note[1:] == [f"line {n} " for n in range(20, 40)]


@pytest.mark.parametrize("words, status, says", [
    (["sh", "-c", "kill -SEGV $$"], 128 + signal.SIGSEGV, "ended by signal 11"), (["sh", "-c", "exit 255"], 255, "exit status 255"),
    (["no-such-command"], 127, "no-such-command: No such file"), (["/etc/passwd"], 126, "/etc/passwd: Permission denied")])
def test_the_exit_status_is_kept(server, api, words, status, says):
    done = joblight("run", *words, url=server.url)
    assert done.status == status
    assert says in task_of(api.job(job_of(done.err)))["note"]


def test_the_names_are_those_of_the_command_or_given_ones(server, api):
    job = api.job(job_of(joblight("run", "/bin/echo", "a  b", "c\td", url=server.url).err))
    assert re.fullmatch(r"echo-[0-9a-f]{10}", job["id"]) and job["title"] == "/bin/echo a  b c d"
    assert task_of(job)["id"] == "echo"
    done = joblight("run", "--job", "mine", "--task", "part", "true", url=server.url)
    assert done.status == 0 and task_of(api.job("mine"))["id"] == "part"
    long = api.job(job_of(joblight("run", "echo", "\u00e4" * 300, url=server.url).err))
    assert 190 < len(long["title"].encode()) <= 200


def test_a_job_that_exists_stays_open(server, api, job):
    done = joblight("run", "--job", job, "--task", "one", "sh", "-c", "exit 3", url=server.url)
    assert done.status == 3
    after = api.job(job)
    assert after["status"] == "in_progress" and task_of(after)["status"] == "failed"


def test_a_key_that_may_only_report_reports_to_a_job_that_exists(serve, db, root, client, make):  # noqa: F811
    key = make("report", "own-*")
    server = serve(db=db)
    api = client(server, root)
    api.create_job(id="own-1")
    done = joblight("run", "--job", "own-1", "true", url=server.url, key=key)
    assert done.status == 0 and "could not" not in done.err
    assert task_of(api.job("own-1"))["status"] == "completed"


# -- progress ------------------------------------------------------------------------------------------

def test_progress_is_reported_while_it_runs_and_the_page_is_live_at_once(server, api, running):
    began = time.monotonic()
    run = running(*python("print(' 10%', flush=True); sys.stdin.read(1); print('\\r\\033[1m[7/1', end='', flush=True)\n"
                          "sys.stdin.read(1); print('0]', end='', flush=True); sys.stdin.read()"), url=server.url, stdin=subprocess.PIPE)
    job = job_of(run.line())
    assert sees(api, job, lambda now: task_of(now).get("progress") == 10, "10%")["status"] == "in_progress"
    assert time.monotonic() - began < 1
    run.process.stdin.write(b"12")
    run.process.stdin.flush()
    sees(api, job, lambda now: task_of(now).get("progress") == 70, "70%")
    assert run.end() == 0
    assert api.job(job)["status"] == "completed"


def test_progress_only_grows_and_is_not_reported_for_every_line(server, api, running):
    """Five times 600 lines, each time after the last one was seen; of two lines the second goes back."""
    code = "for n in range(3000):\n print('%d%%' % (n // 30 // (1 + n % 2)), flush=True)\n if n % 600 == 599: sys.stdin.readline()"
    run = running(*python(code), url=server.url, stdin=subprocess.PIPE)
    job = job_of(run.line())
    for most in (19, 39, 59, 79, 99):
        sees(api, job, lambda now, most=most: task_of(now).get("progress") == most, f"{most} %")
        run.process.stdin.write(b"\n")
        run.process.stdin.flush()
    assert run.end() == 0
    values = [event["progress"] for event in api.activity(job) if "progress" in event]
    assert values == sorted(values) and 5 <= len(values) <= 12


def test_progress_of_errors_counts_too(server, api):
    done = joblight("run", *python("print('30%', file=sys.stderr); sys.exit(1)"), url=server.url)
    assert task_of(api.job(job_of(done.err)))["progress"] == 30


# -- output --------------------------------------------------------------------------------------------

def digest(data):
    return hashlib.sha256(data).hexdigest()


BINARY_OUTPUT = """
import random
random.seed(7)
for n in range(40):
    os.write(1, random.randbytes(random.randrange(1, 200000)))
"""
LONG_LINE = "os.write(1, b'x' * 10 * 2**20 + b'\\n'); os.write(1, b'end')"
MANY_LINES = "sys.stdout.writelines('line %d of many lines [%d/200000]\\n' % (n, n) for n in range(200000))"


@pytest.mark.parametrize("code", [BINARY_OUTPUT, LONG_LINE, MANY_LINES], ids=["binary", "long line", "many lines"])
def test_every_byte_is_passed_on(server, code):
    bare = subprocess.run(python(code), capture_output=True, check=True).stdout
    done = joblight("run", *python(code), url=server.url, within=60)
    assert done.status == 0 and (len(done.bytes), digest(done.bytes)) == (len(bare), digest(bare))


def test_outputs_to_one_place_keep_their_order(server):
    code = "for n in range(20000): os.write(1 + n % 2, b'%d\\n' % n)"
    done = subprocess.run([BINARY, "run", *python(code)], env={"JOBLIGHT_URL": server.url, "PATH": os.environ["PATH"]},
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=True)
    assert done.stdout.split(b"\n", 1)[1] == b"".join(b"%d\n" % n for n in range(20000))


def test_standard_input_passes(server):
    data = os.urandom(300000)
    done = joblight("run", "cat", url=server.url, input=data)
    assert done.bytes == data
    assert joblight("run", "cat", url=server.url).bytes == b""


@pytest.mark.parametrize("numbers", [[0], [1], [2], [0, 1, 2]])
def test_closed_descriptors_are_no_trouble(server, api, numbers):
    closing = " ".join(f"{number}>&-" if number else "0<&-" for number in numbers)
    command = f"{BINARY} run --job closed-{''.join(map(str, numbers))} sh -c 'echo out; echo err >&2; cat; exit 3' {closing}"
    done = subprocess.run(command, shell=True, env={"JOBLIGHT_URL": server.url, "PATH": os.environ["PATH"]}, capture_output=True,
                          check=False)
    assert done.returncode == 3
    assert (done.stdout == b"out\n") == (1 not in numbers) and (b"err\n" in done.stderr) == (2 not in numbers)


def test_a_command_that_closes_its_output_is_waited_for(server, running):
    run = running(*python("os.close(1); os.close(2); sys.stdin.read(); os._exit(5)"), url=server.url, stdin=subprocess.PIPE)
    run.line()
    assert run.process.poll() is None
    run.process.stdin.close()
    run.process.stdin = None
    assert run.end() == 5


def test_a_reader_that_goes_away_ends_the_command_as_without_it(server):
    done = subprocess.run(f"{BINARY} run yes | head -n 2; echo ${{PIPESTATUS[0]}}", shell=True, executable="/bin/bash",
                          env={"JOBLIGHT_URL": server.url, "PATH": os.environ["PATH"]}, capture_output=True, text=True, check=False)
    assert done.stdout == f"y\ny\n{128 + signal.SIGPIPE}\n"


def masks(status):
    """What is blocked and ignored, apart from the signal of the build for coverage."""
    found = {name: int(bits, 16) for name, bits in re.findall(r"^(SigBlk|SigIgn):\t(\w+)$", status, re.M)}
    return {name: bits & ~(1 << (KILL - 1)) for name, bits in found.items()}


def test_the_command_has_the_signals_that_it_would_have_without_it(server):
    words = ["cat", "/proc/self/status"]
    bare = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    done = joblight("run", *words, url=server.url)
    assert masks(done.out) == masks(bare)


@pytest.mark.parametrize("when", ["while joblight lives", "after kill -9"])
def test_an_output_that_never_blocks_loses_nothing(server, running, tmp_path, when):
    read, write = os.pipe()
    os.set_blocking(write, False)
    os.mkfifo(tmp_path / "go")
    code = f"print(os.getpid(), flush=True)\nopen({str(tmp_path / 'go')!r}).read()\nos.write(2, b'x' * 10**6)"
    run = running(*python(code), url=server.url, stdout=write, stderr=subprocess.STDOUT)
    os.close(write)
    text = b""
    while text.count(b"\n") < 2:
        text += os.read(read, 100)
    if when == "after kill -9":
        run.signal(signal.SIGKILL)
        run.process.wait(10)
    (tmp_path / "go").write_text("")
    count = 0
    while data := os.read(read, 1000):
        count += len(data)
    os.close(read)
    assert count == 10**6 and (when == "after kill -9" or run.end() == 0)


@pytest.mark.parametrize("count", range(3, 26))
def test_few_descriptors_are_an_error_or_enough(server, count):
    """It never hangs, and never runs the command without its output."""
    done = subprocess.run([BINARY, "run", "--timeout", "0", "echo", "out"], env={"JOBLIGHT_URL": server.url, "PATH": os.environ["PATH"]},
                          capture_output=True, text=True, check=False, timeout=30, preexec_fn=with_descriptors(count))
    assert done.returncode in (0, 1, 127) and (done.returncode != 0 or done.stdout == "out\n"), done
    assert done.returncode != 1 or "Too many open files" in done.stderr or "a thread" in done.stderr, done


def test_a_disk_that_is_full_ends_the_command(server):
    with open("/dev/full", "wb") as full:
        done = subprocess.run([BINARY, "run", "yes"], env={"JOBLIGHT_URL": server.url, "PATH": os.environ["PATH"]}, stdout=full,
                              stderr=subprocess.PIPE, check=False, timeout=30)
    assert done.returncode == 128 + signal.SIGPIPE


def test_a_daemon_of_the_command_keeps_its_output(server, running, tmp_path):
    late, later = tmp_path / "late", tmp_path / "later"    # a reader that opened one FIFO again could find its first writer
    os.mkfifo(late)
    os.mkfifo(later)
    run = running("sh", "-c", f"(read x < {late}; echo late; read x < {later}; echo later) & echo early; exit 4", url=server.url)
    run.read_until(b"early\n")
    assert run.process.wait(10) == 4
    for fifo, line in (late, b"late\n"), (later, b"late\nlater\n"):
        fifo.write_text("go\n")
        run.read_until(line)
    out, _ = run.process.communicate(timeout=10)    # the drain has ended, too
    assert out == b""


# -- signals -------------------------------------------------------------------------------------------

TRAPS = """
for name in ('INT', 'TERM', 'HUP', 'USR1', 'USR2'):
    signal.signal(getattr(signal, 'SIG' + name), lambda number, _: os.write(1, b'got %d\\n' % number))
print('ready', flush=True)
while not os.read(0, 1): signal.pause()
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2])
def test_signals_are_passed_on(server, running, number):
    run = running(*python(TRAPS), url=server.url, stdin=subprocess.PIPE)
    run.read_until(b"ready\n")
    for count in (1, 2):
        run.signal(number)
        run.read_until(b"got %d\n" % number)
        run.out = b""
        assert run.process.poll() is None, count
    run.process.stdin.write(b"x")
    run.process.stdin.close()
    run.process.stdin = None
    assert run.end() == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_reaches_the_whole_group_and_the_job_is_cancelled(server, api, running, number, tmp_path):
    marker = tmp_path / "marker"
    waits = "import signal, subprocess, sys; both = {signal.SIGTERM, signal.SIGHUP}; signal.pthread_sigmask(signal.SIG_BLOCK, both)"
    inner = f"{waits}; print('inner', flush=True); signal.sigwait(both); open({str(marker)!r}, 'w').close()"
    outer = f"{waits}; child = subprocess.Popen([sys.executable, '-c', {inner!r}]); signal.sigwait(both); child.wait(); sys.exit(9)"
    run = running(sys.executable, "-c", outer, url=server.url)
    job = job_of(run.line())
    run.read_until(b"inner")
    run.signal(number)
    assert run.end() == 9 and marker.exists()
    ended = api.job(job)
    assert (ended["status"], task_of(ended)["status"]) == ("cancelled", "cancelled")


def test_a_command_that_is_ended_by_a_signal_is_128_and_the_signal(server, api, running):
    run = running(*python("print('ready', flush=True); signal.pause()"), url=server.url)
    job = job_of(run.line())
    run.read_until(b"ready")
    run.signal(signal.SIGTERM)
    assert run.end() == 128 + signal.SIGTERM
    assert task_of(api.job(job))["note"].startswith("ended by signal 15")


def descendants_gone(pids):
    return not [pid for pid in pids if os.path.exists(f"/proc/{pid}") and
                "\nState:\tZ" not in open(f"/proc/{pid}/status", encoding="ascii").read()]


SURVIVOR = """
print(os.getpid(), flush=True)
open(sys.argv[1]).read()    # a FIFO
for n in range(3000): print('after the end of joblight', n)
sys.stdout.flush()
print('to stderr', file=sys.stderr, flush=True)
open(sys.argv[2], 'w').write('survived')
"""


def killed(running, server, tmp_path, **more):
    os.mkfifo(tmp_path / "go")
    run = running(*python(SURVIVOR), tmp_path / "go", tmp_path / "end", url=server.url, **more)
    pid, run.job = int(run.read_until(b"\n").split()[0]), job_of(run.line())
    with Api(server.address) as api:
        sees(api, run.job, lambda now: True, "the job")
    os.kill(run.pid, signal.SIGKILL)
    run.process.wait(10)
    assert os.path.exists(f"/proc/{pid}"), "the command is left alone"
    return run, pid


def test_kill_9_leaves_the_command_alone_and_its_output_goes_on(server, running, tmp_path):
    run, pid = killed(running, server, tmp_path)
    (tmp_path / "go").write_text("")
    run.read_until(b"after the end of joblight 2999\n")
    out, err = run.process.communicate(timeout=10)  # the drain ends with the command
    assert out == b"" and b"to stderr" in err
    until(lambda: descendants_gone([pid]), 10, "the end of the command")
    assert (tmp_path / "end").read_text() == "survived"


def test_kill_9_and_a_reader_that_is_gone_leave_the_command_alone(server, running, tmp_path):
    run, pid = killed(running, server, tmp_path)
    run.process.stdout.close()
    run.process.stderr.close()
    run.process.stdout = run.process.stderr = None
    (tmp_path / "go").write_text("")
    until((tmp_path / "end").exists, 10, "the end of the command")
    until(lambda: descendants_gone([pid]), 10, "the end of the command")


def test_kill_9_shows_as_a_silent_task_later(server, api, running, tmp_path):
    run, _ = killed(running, server, tmp_path)
    (tmp_path / "go").write_text("")
    run.process.communicate(timeout=10)
    job = api.job(run.job)
    assert job["status"] == "in_progress" and task_of(job)["heartbeatTimeoutMs"] == 180000


# -- the network ---------------------------------------------------------------------------------------

def test_a_server_that_is_away_costs_the_command_nothing_and_nothing_is_lost(serve, client, running):  # noqa: F811
    server = serve()
    server.stop()
    run = running(*python("print('60%', flush=True); sys.stdin.read(1); sys.exit(2)"), url=server.url, stdin=subprocess.PIPE)
    job = job_of(run.line())
    run.read_until(b"60%\n")
    run.process.stdin.write(b"x")
    run.process.stdin.flush()
    server.start()
    assert run.end() == 2 and run.err == ""
    ended = client(server).job(job)
    assert (ended["status"], task_of(ended)["progress"]) == ("failed", 60)


def test_a_server_that_restarts_meanwhile_gets_the_newest_state(serve, client, running):  # noqa: F811
    server = serve()
    run = running(*python("for line in sys.stdin: print(line, end='', flush=True)"), url=server.url, stdin=subprocess.PIPE)
    job = job_of(run.line())
    sees(client(server), job, lambda now: True, "the job")
    server.kill9()
    for percent in (10, 20, 30):
        run.process.stdin.write(b"%d%%\n" % percent)
        run.process.stdin.flush()
        run.read_until(b"%d%%\n" % percent)
    server.start()
    api = client(server)
    sees(api, job, lambda now: task_of(now).get("progress") == 30, "30%")
    run.process.stdin.close()
    run.process.stdin = None
    assert run.end() == 0 and api.job(job)["status"] == "completed"
    values = [one["progress"] for one in api.activity(job) if "progress" in one]
    assert values == sorted(values)


def test_an_end_that_cannot_be_reported_is_told():
    done = joblight("run", "--timeout", "500ms", "sh", "-c", "echo out; exit 6", url=NOT_THERE)
    assert (done.status, done.out) == (6, "out\n")
    assert re.search(r"\njoblight: the end of job sh-\w+ could not be reported to http://127.0.0.1:1: .*[Cc]onnect", done.err), done


def test_ctrl_c_after_the_end_does_not_wait_for_the_server(running):
    run = running("sh", "-c", "echo out; exit 6", url=NOT_THERE, stdin=subprocess.DEVNULL)
    run.line()
    run.read_until(b"out\n")
    until(lambda: not children_of(run.pid), 10, "the end of the command")
    run.signal(signal.SIGINT)
    assert run.end(within=5) == 6 and "could not be reported" in run.err


def children_of(pid):
    """The children that do not belong to joblight: the drain has its name."""
    with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
        return [child for child in file.read().split()
                if open(f"/proc/{child}/comm", encoding="ascii").read() != "joblight\n"]


@pytest.mark.parametrize("answer, says", [(problem(401, "unauthorized", "no key"), "no key"), (problem(403, "forbidden", "no right"), "no right"),
                                          (problem(422, "invalid_field", "bad id"), "bad id")])
def test_a_refusal_is_told_at_the_end_and_does_not_touch_the_command(answer, says):
    with Fake(answer) as fake:
        done = joblight("run", *python("print('50%'); sys.exit(4)"), url=fake.url)
        assert (done.status, done.out) == (4, "50%\n")
        assert f"could not be reported to {fake.url}: {says}" in done.err and len(fake.asked) == 1


@pytest.mark.parametrize("away", [(404, {"Content-Type": "text/html"}, b"gone"), (403, {}, b""), (200, {}, b"<html>"),
                                  (302, {"Location": "/login"}, b"")])
def test_a_proxy_that_answers_for_the_server_is_no_refusal(away):
    with Fake(CREATED, away, away, json_answer("{}")) as fake:
        done = joblight("run", "true", url=fake.url)
        assert done.status == 0 and "could not" not in done.err
        assert [request[0] for request in fake.asked] == ["POST"] * 4 + ["PATCH"]


@pytest.mark.parametrize("answer, says", [((200, {}, b"<html>"), "it is not a joblight server"), ((404, {}, b""), "the answer was 404")])
def test_another_program_is_not_taken_for_the_server(answer, says):
    with Fake(answer) as fake:
        done = joblight("run", "true", url=fake.url)
        assert done.status == 0 and f"could not be reported to {fake.url}: {says}" in done.err and len(fake.asked) == 1


def test_a_job_of_others_is_not_taken_when_the_id_is_a_new_one():
    with Fake(problem(409, "job_exists", "there is one")) as fake:
        done = joblight("run", "true", url=fake.url)
        assert done.status == 0 and "could not be reported" in done.err and len(fake.asked) == 1


def test_a_repeated_report_has_the_same_key():
    with Fake(None, problem(503, "overloaded"), CREATED, None, json_answer("{}"), json_answer("{}")) as fake:
        done = joblight("run", *python("sys.exit(1)"), url=fake.url)
        assert done.status == 1 and "could not" not in done.err
    asked = [(method, path.split("/")[2], headers["Idempotency-Key"], body) for method, path, headers, body in fake.asked]
    assert asked[0] == asked[1] == asked[2] and asked[3] == asked[4]
    assert [one[0] for one in asked] == ["POST"] * 5 + ["PATCH"] and len({one[2] for one in asked}) == 3


def test_a_note_that_is_too_long_for_the_server_is_left_out():
    with Fake(CREATED, problem(422, "invalid_field", "note"), json_answer("{}")) as fake:
        done = joblight("run", "sh", "-c", "echo no >&2; exit 1", url=fake.url)
        assert done.status == 1 and "could not" not in done.err
    bodies = [json.loads(request[3]) for request in fake.asked]
    assert bodies[1]["note"] == "exit status 1\nno" and "note" not in bodies[2] and bodies[2]["status"] == "failed"


def test_retry_after_is_obeyed():
    with Fake(problem(429, "rate_limited", Retry_After="1"), CREATED, json_answer("{}")) as fake:
        began = time.monotonic()
        assert joblight("run", "true", url=fake.url).status == 0
        assert time.monotonic() - began >= 1 and len(fake.asked) == 4


def test_a_server_that_does_not_answer_holds_up_nothing():
    stop = threading.Event()
    with Fake(lambda handler: stop.wait(20)) as fake:
        done = joblight("run", "--timeout", "300ms", "echo", "out", url=fake.url, within=8)
        assert (done.status, done.out) == (0, "out\n") and "could not be reported" in done.err
        stop.set()


def test_without_libcurl_the_command_runs(tmp_path):
    (tmp_path / "libcurl.so.4").write_text("not a library")
    done = joblight("run", *python("sys.exit(3)"), url=NOT_THERE, LD_LIBRARY_PATH=str(tmp_path))
    assert done.status == 3 and "libcurl4" in done.err


# -- on a terminal -------------------------------------------------------------------------------------

def test_on_a_terminal_the_command_has_one(server, api, terminal):
    code = "print(*[os.isatty(n) for n in (0, 1, 2)], os.get_terminal_size(1).columns)\nprint('\\033[32m40%\\033[0m', file=sys.stderr)\nsys.exit(1)"
    screen = terminal(BINARY, "run", *python(code), url=server.url, columns=33)
    assert screen.end() == 1
    first, second, third = screen.text.decode().splitlines()
    assert (second, third) == ("True True True 33", "\033[32m40%\033[0m")
    assert screen.modes() == screen.before
    task = task_of(api.job(job_of(first)))
    assert task["progress"] == 40 and task["note"] == "exit status 1\nTrue True True 33\n40%"


def test_on_a_terminal_outputs_keep_their_order(server, terminal):
    code = "for n in range(3000): os.write(1 + n % 2, b'%d\\n' % n)"
    screen = terminal(BINARY, "run", *python(code), url=server.url)
    assert screen.end() == 0
    assert screen.text.split(b"\r\n", 1)[1] == b"".join(b"%d\r\n" % n for n in range(3000))


def test_only_errors_go_to_a_terminal_when_the_output_does_not(server, terminal, tmp_path):
    with open(tmp_path / "out", "wb") as out:
        screen = terminal(BINARY, "run", *python("print(os.isatty(1), os.isatty(2)); print('err', file=sys.stderr)"), url=server.url,
                          stdout=out)
        assert screen.end() == 0
    assert (tmp_path / "out").read_text() == "False True\n" and screen.text.splitlines()[1:] == [b"err"]


def test_the_size_of_the_terminal_is_passed_on(server, terminal):
    code = ("signal.signal(signal.SIGWINCH, lambda *_: os.write(1, b'now %d\\n' % os.get_terminal_size(1).columns))\n"
            "print('ready', flush=True)\nwhile True: signal.pause()")
    screen = terminal(BINARY, "run", *python(code), url=server.url)
    screen.read_until(b"ready")
    screen.resize(44)
    screen.read_until(b"now 44")
    screen.write(b"\x03")
    assert screen.end() == 130


def test_ctrl_c_ends_the_command_and_leaves_the_terminal_as_it_was(server, api, terminal):
    screen = terminal(BINARY, "run", "sh", "-c", "echo ready; exec cat", url=server.url)
    job = job_of(screen.read_until(b"ready").decode())
    screen.write(b"\x03")
    assert screen.end() == 130 and screen.modes() == screen.before
    assert api.job(job)["status"] == "cancelled"


def test_a_person_can_type_into_the_command(server, terminal):
    screen = terminal(BINARY, "run", *python("print('name?', flush=True); print('hello', input(), open('/dev/tty').isatty())"), url=server.url)
    screen.read_until(b"name?")
    screen.write(b"ann\n")
    assert screen.end() == 0 and b"hello ann True" in screen.text


def test_kill_9_on_a_terminal_leaves_the_command_alone(server, terminal, tmp_path):
    """Below a shell, because the end of the process that leads a session hangs up its terminal."""
    os.mkfifo(tmp_path / "go")
    os.mkfifo(tmp_path / "end")
    screen = terminal("sh", "-c", f"{BINARY} run \"$@\"; echo status $?; cat {tmp_path}/end > {tmp_path}/said", "sh",
                      *python(SURVIVOR), tmp_path / "go", tmp_path / "end", url=server.url)
    screen.read_until(b"jobs/")
    pid = int(screen.read_pattern(rb"\r\n(\d+)\r\n")[1])
    runs = [child for child in open(f"/proc/{screen.process.pid}/task/{screen.process.pid}/children", encoding="ascii").read().split()]
    os.kill(int(runs[0]), signal.SIGKILL)
    screen.read_until(b"status 137")
    assert os.path.exists(f"/proc/{pid}")
    (tmp_path / "go").write_text("")
    screen.read_until(b"after the end of joblight 2999")
    assert screen.end() == 0 and (tmp_path / "said").read_text() == "survived"
