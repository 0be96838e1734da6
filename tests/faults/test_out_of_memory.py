"""E7 on the real server: an allocation that fails is 503 and not the client's mistake, and a process
that cannot go on ends with a line.
"""
import contextlib
import re
import signal
import subprocess

import pytest

from support.api import Api, Lost, compact, hook
from support.preload import compiled
from support.problem import assert_problem
from support.server import SETTING, command
from support.ws import WebSocket

SIZE = 7777     # of a string in a body; no other allocation is so large and no larger
AROUND = 4      # what a parser adds to it


@pytest.fixture(scope="module")
def failing_malloc(tmp_path_factory):
    return compiled("failing_malloc", tmp_path_factory.mktemp("preload"))


@pytest.fixture
def serve_without(serve, failing_malloc, monkeypatch):
    """A server in which allocations of these sizes fail."""
    def start(first, last, **options):
        for name, value in (("LD_PRELOAD", failing_malloc), ("JOBLIGHT_TEST_FAIL_FROM", first),
                            ("JOBLIGHT_TEST_FAIL_TO", last)):
            monkeypatch.setitem(SETTING, name, str(value))
        return serve(**options)
    return start


@pytest.fixture
def poor(serve_without):
    return serve_without(SIZE, SIZE + AROUND)


def assert_told_to_come_back(reply):
    assert_problem(reply, 503, "out_of_memory")
    assert int(reply.header("Retry-After")) >= 1


def test_e7_a_body_that_finds_no_memory_is_503_and_not_invalid(poor, client):
    api = client(poor)
    job = api.create_job()["id"]
    update = {"taskId": "t", "note": "n" * SIZE}
    assert_told_to_come_back(api.update(job, update))
    assert_told_to_come_back(api.update(job, [{"taskId": "u"}, update]))
    assert_told_to_come_back(api.post("/api/jobs", {"title": "J", "metadata": {"k": "v" * SIZE}}))
    assert [event["type"] for event in api.activity(job)] == ["job_update"], "nothing was stored"
    assert api.update(job, {"taskId": "t", "note": "n" * (SIZE - 8)}).status == 200


def test_e7_a_form_that_finds_no_memory_loses_no_field(poor, client):
    api = client(poor)
    job = api.create_job()["id"]
    form = {"Content_Type": "application/x-www-form-urlencoded"}
    reply = api.post(hook(job), b"taskId=t&status=in_progress&note=" + b"n" * SIZE, **form)
    assert_told_to_come_back(reply)
    assert len(api.activity(job)) == 1, "nothing was stored"


def test_e7_a_websocket_message_that_finds_no_memory_is_1013(poor, client):
    job = client(poor).create_job()["id"]
    with WebSocket(poor.address) as ws:
        ws.send_text(compact({"type": "update", "id": "k", "jobId": job, "taskId": "t",
                              "note": "n" * SIZE}))
        assert ws.close_code() == 1013


def test_e7_a_process_that_cannot_go_on_says_so(serve_without, client):
    server = serve_without(200_000, 10**9, max_body=1_000_000, max_note=500_000)
    api = client(server)
    job = api.create_job()["id"]
    with pytest.raises(Lost):
        api.update(job, {"taskId": "t", "note": "n" * 300_000})
    assert server.process.wait(10) == -signal.SIGABRT
    assert server.log().endswith("joblight: out of memory\n")
    server.bury()


@pytest.mark.parametrize("size", [64, 88, 160, 256, 512, 848, 1024, 1032, 2048, 4096])
def test_e7_a_server_that_ends_because_a_size_fails_says_so(failing_malloc, tmp_path, size):
    """Whichever allocation it was, and in whose library: hash tables begin with 512 bytes.  At 16, 56, 72 and 128 libcrypto
    itself ends the process."""
    environment = {**SETTING, "LD_PRELOAD": str(failing_malloc), "JOBLIGHT_TEST_FAIL_FROM": str(size),
                   "JOBLIGHT_TEST_FAIL_TO": str(size + 7)}
    words = command(listen="127.0.0.1:0", db=str(tmp_path / "j.db"))
    process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, env=environment)
    use(process.stdout.readline().decode())
    process.terminate()
    lines = process.communicate(timeout=20)[1].decode().splitlines()
    assert process.returncode in (0, 1, -signal.SIGABRT)
    assert process.returncode == 0 or lines and "msg=serving" not in lines[-1], "it ended in silence"


def test_a_server_whose_openssl_has_no_sha_256_says_so(tmp_path):
    """As where openssl.cnf names a provider and forgets the usual one."""
    configuration = tmp_path / "openssl.cnf"
    configuration.write_text("openssl_conf = top\n[top]\nproviders = all\n[all]\nnull = one\n[one]\nactivate = 1\n")
    process = subprocess.run(command(listen="127.0.0.1:0", db=str(tmp_path / "j.db")), stdin=subprocess.DEVNULL, timeout=20,
                             capture_output=True, env={**SETTING, "OPENSSL_CONF": str(configuration)}, check=False)
    assert process.returncode == -signal.SIGABRT
    assert b"joblight: OpenSSL has no SHA-256, or no memory for it: " in process.stderr


def use(ready_line):
    """Makes the first job of a server, if it has started, which makes its tables."""
    address = re.search(r"http://([^:]+):(\d+)", ready_line)
    with contextlib.suppress(Lost):
        if address:
            with Api((address[1], int(address[2]))) as api:
                api.create_job()
