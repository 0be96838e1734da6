"""`joblight job …`, `joblight command` and `joblight token …` against a server."""
import json
import re

import pytest

from support.command import Fake, Running, Terminal, joblight, json_answer
from support.keyed import client, db, make, root  # noqa: F401
from support.server import BINARY
from support.wait import until


def on_terminal(*words, **more):
    """(exit status, lines)"""
    terminal = Terminal(BINARY, *words, NO_COLOR="1", **more)
    try:
        return terminal.end(), terminal.text.decode().splitlines()
    finally:
        terminal.close()


# -- jobs ----------------------------------------------------------------------------------------------

def test_a_job_is_created(server, api):
    done = joblight("job", "create", "Q4 \"report\"", "--id", "q4", "--status", "pending", "--tasks", "text, figures,",
                    "--metadata", '{"a": [1, 2]}', url=server.url)
    assert done.status == 0, done
    job = api.job("q4")
    assert json.loads(done.out) == job
    assert (job["title"], job["status"], job["metadata"]) == ('Q4 "report"', "pending", {"a": [1, 2]})
    assert [task["id"] for task in job["tasks"]] == ["text", "figures"]
    done = joblight("job", "create", "again", "--id", "q4", url=server.url)
    assert done.status == 8 and "q4" in done.err


@pytest.mark.one_node("it compares addresses")
def test_a_person_gets_the_address_of_the_new_job(server, api):
    status, lines = on_terminal("job", "create", "T", "--id", "t1", url=server.url)
    assert (status, lines) == (0, [f"{server.url}/jobs/t1"]) and api.job("t1")["status"] == "in_progress"


def test_a_creation_with_an_own_key_is_done_once(server, api):
    first, second = (joblight("job", "create", "T", "--idempotency-key", "once-1", url=server.url) for _ in range(2))
    assert json.loads(first.out)["id"] == json.loads(second.out)["id"]


def test_jobs_are_listed_page_after_page(serve, client):  # noqa: F811
    server = serve(page_rows=3)
    api = client(server)
    for n in range(8):
        api.create_job(id=f"j{n}", title=f"Job {n}", status="in_progress" if n % 2 else "pending")
    listed = [json.loads(line) for line in joblight("job", "list", "--limit", "3", url=server.url).out.splitlines()]
    assert [job["id"] for job in listed] == ["j7", "j6", "j5"]
    listed = [json.loads(line) for line in joblight("job", "list", "--limit", "3", "--status", "pending", url=server.url).out.splitlines()]
    assert [job["id"] for job in listed] == ["j6", "j4", "j2"]


def test_a_list_follows_the_pages_up_to_its_limit():
    first, second = ('{"jobs":[%s],"nextPageToken":"a/b"}' % ",".join(f'{{"id":"{n}"}}' for n in part) for part in (range(100), range(50)))
    with Fake(json_answer(first), json_answer(second)) as fake:
        assert joblight("job", "list", "--limit", "150", url=fake.url).out.count("\n") == 150
        assert [request[1] for request in fake.asked] == ["/api/jobs?limit=150", "/api/jobs?limit=50&pageToken=a%2Fb"]


def test_a_list_ends_whatever_the_pages_say():
    with Fake(json_answer('{"jobs":[{"id":"a"},{"id":"b"}],"nextPageToken":"t"}')) as fake:
        assert joblight("job", "list", "--limit", 1, url=fake.url).out == '{"id":"a"}\n' and len(fake.asked) == 1
    with Fake(json_answer('{"jobs":[],"nextPageToken":"t"}')) as fake:
        done = joblight("job", "list", url=fake.url)
        assert (done.status, done.out) == (0, "") and len(fake.asked) == 1


def test_a_person_sees_a_line_for_each_job_and_task(server, api):
    api.create_job(id="seen", title="A job that is seen", tasks=[{"id": "a"}, {"id": "b", "status": "failed"}])
    api.report("seen", "a", progress=40, status="in_progress", note="two\nlines")
    status, lines = on_terminal("job", "show", "seen", url=server.url)
    assert status == 0 and lines[0] == "\u25b6 A job that is seen"
    assert re.fullmatch(r"\u25b6 a +\[\u2588{4}\u00b7{6}\]  40%  two lines", lines[1]) and lines[2].startswith("\u2718 b")
    status, lines = on_terminal("job", "list", "--limit", "1", url=server.url)
    assert status == 0 and re.fullmatch(r"\u25b6 seen +\[\u2588{7}\u00b7{3}\]  70%  A job that is seen", lines[0])


def test_a_job_is_shown_as_it_is(server, api, job):
    assert json.loads(joblight("job", "show", job, url=server.url).out) == api.job(job)
    assert joblight("job", "show", "none", url=server.url).status == 4


@pytest.mark.parametrize("words, status", [([], "completed"), (["--status", "failed"], "failed"), (["--status", "cancelled"], "cancelled")])
def test_a_job_is_ended(server, api, job, words, status):
    done = joblight("job", "end", job, *words, url=server.url)
    assert done.status == 0 and json.loads(done.out)["status"] == status == api.job(job)["status"]
    assert joblight("job", "end", job, url=server.url).status == 8
    assert on_terminal("job", "show", job, url=server.url)[1][0].endswith("Job")


def test_a_person_sees_the_ended_job(server, job):
    assert on_terminal("job", "end", job, url=server.url) == (0, ["\u2714 Job"])


# -- commands ------------------------------------------------------------------------------------------

def test_a_command_is_sent(server, api, job):
    api.report(job, "t")
    done = joblight("command", job, "comment", "--task", "t", "--args", '{"text": "A4"}', url=server.url)
    assert done.status == 0 and json.loads(done.out)["seq"] == 3
    event = api.activity(job)[-1]
    assert (event["command"], event["taskId"], event["args"]) == ("comment", "t", {"text": "A4"})
    assert on_terminal("command", job, "cancel", url=server.url) == (0, ["sent as event 4"])
    assert joblight("command", job, "Bad Name", url=server.url).status == 8


# -- tokens --------------------------------------------------------------------------------------------

@pytest.fixture
def kept(serve, db, root, client):  # noqa: F811
    """(address, key, a client with the key) of a server with the job "mine"."""
    server = serve(db=db)
    api = client(server, root)
    api.create_job(id="mine")
    return server.url, root, api


def test_a_token_is_made_checked_and_revoked(kept, tmp_path):
    url, key, api = kept
    done = joblight("token", "create", "mine", "--scope", "watch,control", "--expires", "2h", "--subject", "ann",
                    "--commands", "comment,cancel", url=url, key=key)
    assert done.status == 0, done
    made = json.loads(done.out)
    assert made["scope"] == ["watch", "control"]
    checked = joblight("token", "check", url=url, input=made["token"].encode() + b"\n")
    assert checked.status == 0
    said = json.loads(checked.out)
    assert (said["name"], said["jobs"], said["commands"]) == ("ann", ["mine"], ["comment", "cancel"])
    assert said["expiresAt"] == made["tokenExpiresAt"]
    file = tmp_path / "token"
    file.write_text(made["token"])
    status, lines = on_terminal("token", "check", file, url=url)
    assert status == 0 and "scope    watch, control" in lines and "jobs     mine" in lines and "name     ann" in lines
    assert joblight("job", "show", "mine", url=url, key=made["token"]).status == 0
    done = joblight("token", "revoke", file, url=url)
    assert (done.status, done.out, done.err) == (0, "", "")
    done = joblight("token", "check", file, url=url)
    assert done.status == 5 and "it was revoked" in done.err
    assert joblight("job", "show", "mine", url=url, key=made["token"]).status == 5
    assert api.job("mine")


def test_a_link_leads_to_the_page_with_the_token(kept):
    url, key, _ = kept
    link = joblight("token", "create", "mine", "--link", url=url, key=key).out
    address, token = link.strip().split("#token=")
    assert address == f"{url}/jobs/mine"
    assert json.loads(joblight("token", "check", "-", url=url, input=token.encode()).out)["scope"] == ["watch"]
    status, lines = on_terminal("token", "create", "mine", url=url, key=key)
    assert status == 0 and lines[0].startswith("eyJ")


def test_a_key_can_be_checked_and_not_be_revoked_as_a_token(kept):
    url, key, api = kept
    assert json.loads(joblight("token", "check", url=url, input=key.encode()).out)["jobs"] == ["*"]
    assert joblight("token", "revoke", url=url, input=key.encode()).status == 5
    assert api.job("mine")


@pytest.mark.parametrize("expires, status", [("59s", 8), ("60s", 0), ("24h", 0), ("86401s", 8)])
def test_a_token_lasts_a_minute_to_a_day(kept, expires, status):
    url, key, _ = kept
    assert joblight("token", "create", "mine", "--expires", expires, url=url, key=key).status == status


def test_a_token_that_is_missing_or_wrong_is_named(kept, tmp_path):
    url, _, _ = kept
    done = joblight("token", "check", url=url, input=b"\n")
    assert done.status == 1 and "there is no token" in done.err
    done = joblight("token", "check", tmp_path / "none", url=url)
    assert done.status == 1 and "No such file" in done.err
    done = joblight("token", "check", url=url, input=b"eyJhbGciOiJub25lIn0.e30.")
    assert done.status == 5 and "token" in done.err
    with Fake(json_answer("[]")) as fake:
        assert joblight("token", "check", url=fake.url, input=b"x").status == 1
        assert joblight("token", "create", "j", url=fake.url).status == 1


def test_a_server_without_keys_says_that_it_accepts_everything(server):
    done = joblight("token", "check", url=server.url, input=b"anything")
    assert done.status == 0 and "has no keys" in done.err and json.loads(done.out)["open"] is True


def test_a_revoked_token_ends_a_watch(kept):
    url, key, api = kept
    token = json.loads(joblight("token", "create", "mine", url=url, key=key).out)["token"]
    watch = Running("watch", "mine", url=url, key=token)
    until(lambda: api.report("mine", "t")["watchers"], 10, "the watcher")
    assert joblight("token", "revoke", url=url, input=token.encode()).status == 0
    assert watch.end() == 5 and "revoked" in watch.err
