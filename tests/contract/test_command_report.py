"""`joblight report`, and how every verb reaches its server: repeats, keys, sockets, proxies, TLS."""
import json
import os
import socket
import time

import pytest

from support import tls
from support.command import Fake, Running, Terminal, joblight, json_answer, problem
from support.keyed import client, make, db, root  # noqa: F401
from support.server import BINARY

DONE = json_answer('{"ok":true,"seq":7,"cursor":"e.7","watchers":2}')


def task_of(api, job):
    return api.job(job)["tasks"][0]


# -- what is reported ----------------------------------------------------------------------------------

def test_a_task_is_created_and_changed(server, api, job):
    done = joblight("report", job, "text", "--status", "in_progress", "--progress", "42", "--note", "page 42", url=server.url)
    assert done.status == 0 and done.err == "", done
    assert json.loads(done.out) == {"ok": True, "seq": 2, "cursor": api.job(job)["cursor"], "watchers": 0}
    task = task_of(api, job)
    assert (task["id"], task["status"], task["progress"], task["note"]) == ("text", "in_progress", 42, "page 42")
    done = joblight("report", job, "text", "--status", "completed", "--progress", "", "--note", "", "--title", "The text",
                    "--attempt", "3", "--silence", "90s", url=server.url)
    assert done.status == 0, done
    task = task_of(api, job)
    assert (task["status"], task["title"], task["attempt"], task["heartbeatTimeoutMs"]) == ("completed", "The text", 3, 90000)
    assert "progress" not in task and "note" not in task


@pytest.mark.parametrize("progress", ["0", "100", "12.5"])
def test_the_ends_of_progress_are_taken(server, api, job, progress):
    assert joblight("report", job, "t", "--progress", progress, url=server.url).status == 0
    assert task_of(api, job)["progress"] == float(progress)


def test_a_note_comes_from_standard_input(server, api, job):
    note = "line 1\nline \"2\" \u00e4\n\ttabbed"
    assert joblight("report", job, "t", "--note", "-", url=server.url, input=(note + "\n").encode()).status == 0
    assert task_of(api, job)["note"] == note
    assert joblight("report", job, "t", "--note", "-", url=server.url, input=b"").status == 0
    assert "note" not in task_of(api, job)
    done = joblight("report", job, "t", "--note", "-", url=server.url, input=b"\xff\xfe")
    assert done.status == 2 and "not UTF-8" in done.err
    done = joblight("report", job, "t", "--note", "-", url=server.url, input=b"a\0b")
    assert done.status == 2
    done = joblight("report", job, "t", "--note", "-", url=server.url, input=b"x" * 20000)
    assert done.status == 8 and "note" in done.err
    done = joblight("report", job, "t", "--note", "-", url=server.url, input=b"x" * (17 << 20))
    assert done.status == 1 and "16 MiB" in done.err


def test_a_job_is_created_only_if_asked_for(server, api):
    done = joblight("report", "not-there", "t", url=server.url)
    assert done.status == 4 and 'no job "not-there"' in done.err
    for _ in range(2):
        assert joblight("report", "not-there", "t", "--create", url=server.url).status == 0
    assert api.job("not-there")["status"] == "in_progress"


def test_a_person_reads_a_sentence(server, api, job):
    terminal = Terminal(BINARY, "report", job, "t", "--status", "blocked", url=server.url)
    assert terminal.end() == 0 and terminal.text == b"reported as event 2 (0 watching)\r\n"
    terminal.close()


def test_an_ended_job_rejects_it(server, api, job):
    api.finish(job)
    done = joblight("report", job, "t", url=server.url)
    assert done.status == 8 and "completed" in done.err


# -- repeats -------------------------------------------------------------------------------------------

@pytest.mark.parametrize("first", [None, problem(503, "overloaded"), problem(500), problem(502), problem(429, "rate_limited"),
                                   (504, {}, b"<html>")])
def test_it_is_repeated_with_the_same_key(first):
    with Fake(first, first, DONE) as fake:
        done = joblight("report", "j", "t", "--note", "n", url=fake.url)
        assert done.status == 0, done
        assert len(fake.asked) == 3
        keys = {request[2]["Idempotency-Key"] for request in fake.asked}
        assert len(keys) == 1 and len(keys.pop()) == 32
        assert len({request[3] for request in fake.asked}) == 1


def test_an_own_key_is_sent(server, api, job):
    for _ in range(2):
        assert joblight("report", job, "t", "--note", "n", "--idempotency-key", "k1", url=server.url).status == 0
    assert len(api.activity(job)) == 2
    with Fake(DONE) as fake:
        joblight("report", "j", "t", "--idempotency-key", "own", url=fake.url)
        assert fake.asked[0][2]["Idempotency-Key"] == "own"


def test_retry_after_is_obeyed():
    with Fake(problem(429, "rate_limited", Retry_After="1"), DONE) as fake:
        began = time.monotonic()
        assert joblight("report", "j", "t", url=fake.url).status == 0
        assert time.monotonic() - began >= 1


def test_a_retry_after_beyond_the_deadline_is_not_waited_for():
    with Fake(problem(503, "overloaded", "come later", Retry_After="3600")) as fake:
        done = joblight("report", "j", "t", url=fake.url)
        assert done.status == 7 and "come later" in done.err and len(fake.asked) == 1


def test_the_deadline_ends_the_repeats():
    with Fake(problem(503, "overloaded", "busy")) as fake:
        done = joblight("report", "j", "t", "--timeout", "1500ms", url=fake.url)
        assert done.status == 7 and "busy" in done.err and len(fake.asked) > 1


def test_a_server_that_does_not_answer_is_a_timeout():
    with socket.create_server(("127.0.0.1", 0)) as silent:
        done = joblight("report", "j", "t", "--timeout", "300ms", "--url", "http://127.0.0.1:%d" % silent.getsockname()[1])
        assert done.status == 7 and "timed out" in done.err.lower()


def test_a_server_that_starts_later_gets_it(serve, tmp_path):
    server = serve()
    server.stop()
    running = Running("report", "j", "t", "--create", url=server.url)
    assert "connect" in running.line().lower()
    server.start()
    assert running.end() == 0


def test_no_server_is_unreachable():
    done = joblight("report", "j", "t", "--timeout", "0", "--url", "http://127.0.0.1:1")
    assert done.status == 6 and "connect" in done.err.lower()


# -- keys ----------------------------------------------------------------------------------------------

def test_the_key_comes_from_the_environment_or_a_file(serve, db, root, client, tmp_path):  # noqa: F811
    server = serve(db=db)
    client(server, root).create_job(id="j")
    file = tmp_path / "key"
    file.write_text(root + "\nmore\n")
    assert joblight("report", "j", "t", url=server.url, key=root).status == 0
    assert joblight("report", "j", "t", "--key-file", file, url=server.url, key="jl_wrong").status == 0
    done = joblight("report", "j", "t", url=server.url)
    assert done.status == 5 and "Set JOBLIGHT_KEY" in done.err
    done = joblight("report", "j", "t", url=server.url, key="jl_wrong")
    assert done.status == 5 and "Set JOBLIGHT_KEY" not in done.err


def test_a_key_file_that_cannot_be_used_is_named(tmp_path):
    done = joblight("report", "j", "t", "--key-file", tmp_path / "none")
    assert done.status == 1 and "No such file" in done.err
    (tmp_path / "empty").touch()
    done = joblight("report", "j", "t", "--key-file", tmp_path / "empty")
    assert done.status == 1 and "it is empty" in done.err
    (tmp_path / "two words").write_text("a b\n")
    done = joblight("report", "j", "t", "--key-file", tmp_path / "two words")
    assert done.status == 2 and "is not a key" in done.err
    assert joblight("report", "j", "t", key="a\nX-Other: header").status == 2


# -- ways to the server --------------------------------------------------------------------------------

@pytest.mark.parametrize("name", ["path", "abstract"])
def test_a_unix_socket_is_a_server(serve, tmp_path, name):
    path = str(tmp_path / "socket") if name == "path" else f"\0joblight-test-{tmp_path.name}-{os.getpid()}"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()
        serve(passed=[listener], listen=None)
        url = "unix:" + path.replace("\0", "@")
        assert joblight("report", "j", "t", "--create", "--url", url, http_proxy="http://127.0.0.1:1").status == 0
        assert json.loads(joblight("job", "show", "j", "--url", url).out)["tasks"][0]["id"] == "t"
        terminal = Terminal(BINARY, "job", "create", "T", "--id", "k", "--url", url)
        assert terminal.end() == 0 and terminal.text == b"k\r\n"
        terminal.close()


def test_https_is_verified(serve, client, tmp_path):  # noqa: F811
    pair = tls.make(tmp_path, tls.NAME, "127.0.0.1")
    server = serve(**pair.flags())
    client(server).create_job(id="j")
    assert joblight("report", "j", "t", "--ca-file", pair.certificate, "--url", server.url).status == 0
    assert joblight("report", "j", "t", "--url", server.url, CURL_CA_BUNDLE=str(pair.certificate)).status == 0
    assert joblight("report", "j", "t", "--url", server.url, SSL_CERT_FILE=str(pair.certificate)).status == 0
    done = joblight("report", "j", "t", "--timeout", "0", "--url", server.url)
    assert done.status == 6 and "certificate" in done.err
    done = joblight("report", "j", "t", "--timeout", "0", "--ca-file", tmp_path / "none", "--url", server.url)
    assert done.status == 6 and "none" in done.err


def test_a_proxy_of_the_environment_is_used():
    with Fake(DONE) as fake:
        done = joblight("report", "j", "t", "--url", "http://jobs.invalid", http_proxy=fake.url)
        assert done.status == 0, done
        assert fake.asked[0][1].startswith("http://jobs.invalid/api/")
        assert joblight("report", "j", "t", "--timeout", "0", "--url", "http://127.0.0.1:1", http_proxy=fake.url,
                        no_proxy="127.0.0.1").status == 6


def test_ids_are_escaped_in_paths():
    with Fake(DONE) as fake:
        for job in ("a/../b", "..", "a?b#c", "\u00e4"):
            assert joblight("report", job, "t", url=fake.url).status == 0
        assert [request[1].rsplit("/", 1)[1] for request in fake.asked] == ["a%2F..%2Fb", "..", "a%3Fb%23c", "%C3%A4"]
