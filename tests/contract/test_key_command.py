"""`joblight key` and `joblight login-link` against a running server: the address and the key come from the
environment, or the address from --url."""
import json
import os
import subprocess

import pytest

from support.command import Fake, json_answer
from support.server import BINARY, location
from support.wait import SCALE


@pytest.fixture
def run(serve, tmp_path):
    """run(verb, …): (exit status, stdout, stderr) with JOBLIGHT_URL and JOBLIGHT_KEY of a server and its first key."""
    db = location(tmp_path / "keys.db")
    first = subprocess.run([BINARY, "key", "create", "--scope", "admin,watch,create", "--name", "root", "--db", db],
                           capture_output=True, text=True, check=True).stdout.strip()
    server = serve(db=db)
    url = f"http://{server.host}:{server.port}"

    def run(*words, key=first, url=url, **more):
        env = {**os.environ, "JOBLIGHT_URL": url or "", "JOBLIGHT_KEY": key or "", **more}
        done = subprocess.run([BINARY, *map(str, words)], env=env, stdin=subprocess.DEVNULL, capture_output=True,
                              text=True, timeout=20 * SCALE, check=False)
        return done.returncode, done.stdout, done.stderr
    run.url, run.db, run.first, run.server = url, db, first, server
    return run


def status_with(client, key):
    return client.request("GET", "/api/jobs", None, {"Authorization": f"Bearer {key}"}).status


def listed(run):
    code, out, err = run("key", "list")
    assert code == 0, err
    return [json.loads(line) for line in out.splitlines()]


def test_a_key_is_made_listed_and_revoked_while_the_server_runs(run, client):
    code, made, err = run("key", "create", "--scope", "report,watch", "--jobs", "render-*,x", "--name", "cí \"1\"",
                          "--expires", "2d")
    assert code == 0, err
    row = listed(run)[-1]
    assert {name: row[name] for name in ("name", "scope", "jobs")} == {
        "name": "cí \"1\"", "scope": ["watch", "report"], "jobs": ["render-*", "x"]}
    assert row["expiresAt"] > row["createdAt"]
    assert status_with(client(run.server), made.strip()) == 200
    assert run("key", "revoke", row["id"]) == (0, "", "")
    assert status_with(client(run.server), made.strip()) == 401
    assert listed(run)[-1]["revokedAt"]


def test_what_the_server_refuses_is_printed(run):
    code, out, err = run("key", "list", key="")
    assert (code, out) == (5, "") and "401" not in err
    assert "Authorization: Bearer" in err and "Set JOBLIGHT_KEY" in err
    code, out, err = run("key", "revoke", "aaaaaaaaaaaa")
    assert (code, out) == (4, "") and 'there is no key "aaaaaaaaaaaa"' in err
    code, out, err = run("key", "revoke", "a/../../jobs")
    assert (code, out) == (2, "")


def test_no_answer_says_why(run):
    code, out, err = run("key", "list", "--url", "http://127.0.0.1:1", "--timeout", "0")
    assert (code, out) == (6, "") and "connect" in err
    code, out, err = run("key", "list", "--url", "ftp://127.0.0.1")
    assert (code, out) == (2, "") and "http://127.0.0.1:3001" in err
    code, out, err = run("key", "list", "--url", run.url, "--db", run.db)
    assert code != 0 and out == "" and "--db" in err


def test_another_program_is_not_taken_for_a_server(run):
    with Fake(json_answer("{}")) as fake:
        code, out, err = run("key", "list", "--url", fake.url)
    assert (code, out) == (1, "") and "is not a joblight server" in err


def test_the_database_is_used_without_an_address(run):
    run.server.stop()
    code, out, err = run("key", "list", "--db", run.db, url=None)
    assert code == 0 and json.loads(out)["name"] == "root", err


def test_a_link_logs_in_once(run, client):
    code, out, err = run("login-link")
    assert code == 0, err
    address, code = out.strip().split("#code=")
    assert address == run.url + "/login"
    anybody = client(run.server)
    reply = anybody.post("/login", {"code": code})
    assert reply.status == 200 and reply.json["name"] == "root"
    assert anybody.post("/login", {"code": code}).status == 401


def test_a_link_needs_a_key(run):
    code, out, err = run("login-link", key="")
    assert (code, out) == (5, "") and "JOBLIGHT_KEY" in err
    assert run("login-link", "--colour")[0] == 2
    assert run("login-link", "extra")[0] == 2
    assert "once, within ten minutes" in run("login-link", "--help")[1]


def test_a_missing_libcurl_is_named(run, tmp_path):
    """The library is loaded when it is needed; the server does without it."""
    (tmp_path / "libcurl.so.4").write_text("not a library")
    code, out, err = run("key", "list", LD_LIBRARY_PATH=str(tmp_path))
    assert (code, out) == (1, "") and "libcurl4" in err


def test_a_slash_at_the_end_of_the_address(run):
    assert run("key", "list", "--url", run.url + "//")[0] == 0
    assert run("login-link", "--url", run.url + "/")[1].startswith(run.url + "/login#code=")


@pytest.mark.parametrize("words", [("key", "create", "--scope", "watch"), ("key", "list"), ("login-link",)])
def test_output_that_cannot_be_written_is_an_error(run, words):
    with open("/dev/full", "w", encoding="ascii") as full:
        done = subprocess.run([BINARY, *words], env={**os.environ, "JOBLIGHT_URL": run.url, "JOBLIGHT_KEY": run.first},
                              stdin=subprocess.DEVNULL, stdout=full, stderr=subprocess.PIPE, text=True, check=False,
                              timeout=20 * SCALE)
    assert done.returncode == 1 and "is not a joblight server" not in done.stderr
    if words[:2] == ("key", "create"):
        assert f"joblight key revoke {listed(run)[-1]['id']}" in done.stderr
