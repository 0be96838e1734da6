"""The command line itself: help, mistakes, exit statuses, the environment it runs in."""
import os
import re
import subprocess

import pytest

from support.command import Fake, Running, Terminal, joblight, json_answer, problem
from support.server import BINARY, ROOT

SCREEN = 24
OWN_SETTINGS = ("serve", "demo", "config", "reload")    # their help lists the settings of the server


def verbs_of(text):
    return re.findall(r"^  (?:joblight \w+ )?([a-z-]+)  ", text, re.M)


def all_verbs():
    """Every verb with its words."""
    for verb in re.findall(r"^  ([a-z-]+) +\w", joblight("--help").out, re.M):
        parts = re.findall(rf"^  joblight {verb} ([a-z-]+)", joblight(verb, "--help").out, re.M)
        yield from ([verb, part] for part in parts) if parts else [[verb]]


VERBS = list(all_verbs())


def test_the_help_of_everything_fits_a_screen():
    done = joblight("--help")
    assert done.status == 0 and done.err == ""
    assert done.out.count("\n") <= SCREEN
    assert all(len(line) <= 80 for line in done.out.splitlines())


@pytest.mark.parametrize("words", VERBS, ids=" ".join)
def test_the_help_of_a_verb_fits_a_screen_and_has_an_example(words):
    if words[0] in OWN_SETTINGS:
        return
    for done in (joblight(*words, "--help"), joblight("help", *words), joblight(*words, "-h")):
        assert done.status == 0 and done.err == "", done
        assert done.out.count("\n") <= SCREEN, done.out
        assert all(len(line) <= 80 for line in done.out.splitlines()), done.out
        assert f"usage: joblight {' '.join(words)}" in done.out
        assert re.search(rf"^example: .*joblight {' '.join(words)}", done.out, re.M)


@pytest.mark.parametrize("verb", sorted({words[0] for words in VERBS if len(words) > 1}))
def test_the_help_of_a_group_fits_a_screen(verb):
    done = joblight(verb, "--help")
    assert done.status == 0 and done.out.count("\n") <= SCREEN
    nothing = joblight(verb)
    assert (nothing.status, nothing.out) == (2, "") and nothing.err == done.out


@pytest.mark.parametrize("words, nearest", [
    (["rub"], "did you mean run?"), (["job", "crate"], "did you mean job create?"), (["reprot"], "did you mean report?"),
    (["help", "wach"], "did you mean watch?"), (["report", "j", "t", "--staus", "x"], "did you mean --status?"),
    (["job", "list", "--xyz"], "no --xyz; did you mean"), (["run", "--tittle", "x", "true"], "did you mean --title?"),
    (["report", "-n", "j", "t"], "report has no -n")])
def test_an_unknown_name_names_the_nearest(words, nearest):
    done = joblight(*words)
    assert (done.status, done.out) == (2, "") and nearest in done.err


@pytest.mark.parametrize("words, says", [
    (["KEY"], 'no verb "[hidden]"'), (["job", "KEY"], '"job [hidden]"'), (["help", "KEY"], 'no verb "[hidden]"'),
    (["report", "j", "t", "KEY"], '"[hidden]" is not expected'), (["report", "j", "t", "--token=KEY"], "has no --token;"),
    (["report", "j", "t", "--KEY"], "has no --[hidden];"), (["a\x1b[2J"], 'no verb "a?[2J"')])
def test_a_word_that_is_none_shows_no_key_and_controls_no_terminal(words, says):
    key = "jl_4nQ0vB8sKx2M_9mQ7tVbE3RkzUuW5yXo1LcPhA0dGfJs8iNnTqZ2wCe4"
    done = joblight(*(word.replace("KEY", key) for word in words))
    assert done.status == 2 and says in done.err and key[10:] not in done.err and "\x1b" not in done.err


@pytest.mark.parametrize("words, says", [
    (["report", "j"], "report needs JOB TASK"), (["report", "j", "t", "u"], '"u" is not expected'),
    (["report", "j", "t", "--status"], "--status needs a value"), (["report", "j", "t", "--create=1"], "--create takes no value"),
    (["report", "j", "t", "--status", "done"], "pending in_progress blocked completed failed cancelled"),
    (["report", "j", "t", "--progress", "101"], "0 to 100"), (["report", "j", "t", "--progress", "-1"], "0 to 100"),
    (["report", "j", "t", "--progress", "4x"], "0 to 100"), (["report", "j", "t", "--progress", "nan"], "0 to 100"),
    (["report", "j", "t", "--attempt", "9007199254740992"], "whole number"),
    (["report", "j", "t", "--silence", "30"], "such as 30s"), (["report", "j", "t", "--timeout", "30"], "such as 30s"),
    (["report", "j", "t", "--timeout", "1y"], "such as 30s"), (["report", "j", "t", "--timeout", "4000d"], "such as 30s"),
    (["report", "j", "t", "--timeout", "1.2.3s"], "such as 30s"),
    (["report", "j", "t", "--url", "ftp://a"], "http://127.0.0.1:3001"), (["run"], "run needs COMMAND"),
    (["run", "--job", "a b", "true"], "--job a b: an id has"), (["run", "--task", "/", "true"], "--task /: an id has"),
    (["job", "list", "--limit", "0"], "1 to 1000000"), (["job", "list", "--limit", "1000001"], "1 to 1000000"),
    (["job", "create", "T", "--metadata", "[1]"], "a JSON object"), (["command", "j", "c", "--args", "{"], "a JSON object"),
    (["watch", "j", "--since", "yesterday"], "a cursor, or `start`"), (["token", "create", "j", "--expires", "x"], "such as 1h"),
    (["token", "create", "j", "--link", "--url", "unix:/x"], "a browser cannot reach it"),
    (["report", "j", "t", "--idempotency-key", "a b"], "255 visible"), (["report", "j", "t", "--idempotency-key", "k" * 256], "255"),
    (["completion", "tcsh"], "bash, zsh or fish"), (["version", "x"], '"x" is not expected')])
def test_a_mistake_is_status_2_and_says_what_is_allowed(words, says):
    done = joblight(*words)
    assert (done.status, done.out) == (2, "") and says in done.err, done


@pytest.mark.parametrize("words", [["report", "j", "t", "--note", b"\xff"], ["report", "j", "t", "--title", b"\xff"],
                                   ["job", "create", b"\xff"], ["job", "create", "T", "--tasks", b"\xff"], ["job", "create", "T", "--id", b"\xff"],
                                   ["command", "j", "c", "--task", b"\xff"], ["token", "create", "j", "--scope", b"\xff"],
                                   ["token", "create", "j", "--subject", b"\xff"], ["token", "create", "j", "--commands", b"\xff"],
                                   ["report", "j", b"\xff"], ["command", "j", b"\xff"], ["run", "--title", b"\xff", "true"]])
def test_what_is_not_utf8_is_refused_before_anything_is_sent(words):
    done = subprocess.run([BINARY, *words], capture_output=True, check=False)
    assert done.returncode == 2 and b"not UTF-8" in done.stderr


def test_the_exit_statuses_of_the_document_are_those_of_the_program():
    rows = re.findall(r'^EXIT_ROW\(\w+, (\d+), "([^"]+)", "([^"]+)"\)',
                      (ROOT / "src/cli/exit_status.def").read_text().replace('"\n         "', ""), re.M)
    table = (ROOT / "docs/commands.md").read_text().split("\n## Exit status\n")[1].split("\n## ")[0]
    assert [(number, meaning) for number, _, meaning in rows] == re.findall(r"^\| (\d+) \| (.+) \|$", table, re.M)
    told = re.sub(r"\s+", " ", joblight("--help").out)
    assert all(f"{number} {word}" in told for number, word, _ in rows) and len(rows) > 8


def test_every_verb_and_every_flag_of_the_document_is_one_and_none_is_missing():
    text = (ROOT / "docs/commands.md").read_text()
    for words in VERBS:
        name = " ".join(words)
        section = re.search(rf"^## `joblight {name}.*?`\n(.*?)(?=^## |\Z)", text, re.M | re.S)
        assert section, name
        if words[0] in OWN_SETTINGS:
            continue
        flags = set(re.findall(r"^  --([a-z-]+)", joblight(*words, "--help").out, re.M)) - COMMON
        assert flags == set(re.findall(r"^\| `--([a-z-]+)", section[1], re.M)), name
    common = text.split("\n## The server\n")[1].split("\n## ")[0]
    assert COMMON == set(re.findall(r"^\| `--([a-z-]+)", common, re.M))


COMMON = {"url", "key-file", "ca-file", "timeout", "json"}


# -- the environment -----------------------------------------------------------------------------------

LISTED = json_answer('{"jobs":[{"id":"a","title":"A","status":"in_progress","progress":42}]}')


def test_without_a_terminal_it_prints_json():
    with Fake(LISTED) as fake:
        assert joblight("job", "list", url=fake.url).out == '{"id":"a","title":"A","status":"in_progress","progress":42}\n'


@pytest.mark.parametrize("more, colour, block", [
    ({}, True, "\u2588"), ({"NO_COLOR": "1"}, False, "\u2588"), ({"TERM": "dumb"}, False, "\u2588"), ({"TERM": None}, False, "\u2588"),
    ({"LANG": "C"}, True, "#"), ({"LANG": None, "LC_ALL": "de_DE.utf8"}, True, "\u2588"), ({"LC_ALL": "C"}, True, "#")])
def test_a_terminal_gets_what_it_can_show(more, colour, block):
    with Fake(LISTED) as fake:
        terminal = Terminal(BINARY, "job", "list", url=fake.url, **more)
        assert terminal.end() == 0
        terminal.close()
    text = terminal.text.decode()
    assert ("\033[" in text) == colour and block in text and " 42%" in text


def test_json_is_also_for_terminals():
    with Fake(LISTED) as fake:
        terminal = Terminal(BINARY, "job", "list", "--json", url=fake.url)
        assert terminal.end() == 0 and terminal.text.startswith(b'{"id":"a"')
        terminal.close()


def test_twenty_columns_are_not_exceeded():
    long = "x" * 60
    jobs = ",".join(f'{{"id":"{name}","title":"{long}","status":"failed","progress":{n}}}' for n, name in enumerate(["a", long]))
    with Fake(json_answer(f'{{"jobs":[{jobs}]}}')) as fake:
        terminal = Terminal(BINARY, "job", "list", url=fake.url, columns=20, NO_COLOR="1")
        assert terminal.end() == 0
        terminal.close()
    lines = terminal.text.decode().splitlines()
    assert len(lines) == 2 and all(len(line) <= 20 for line in lines) and "  1%" in lines[1]


def test_a_title_cannot_control_the_terminal():
    title = "a\\u001b[2Jb\\u009b31mc\\u202ed\\u0007\\r\\n"
    with Fake(json_answer(f'{{"jobs":[{{"id":"a","title":"{title}","status":"pending"}}]}}')) as fake:
        terminal = Terminal(BINARY, "job", "list", url=fake.url, NO_COLOR="1")
        assert terminal.end() == 0
        terminal.close()
    assert re.fullmatch(r"[^\x00-\x1f\x7f-\x9f\u202e]*\r\n", terminal.text.decode())


def test_an_error_of_the_server_cannot_control_the_terminal():
    with Fake(problem(403, "forbidden", "a\u001b[2Jb\u009b31mc\u202ed\u0007\r\n")) as fake:
        done = joblight("job", "list", url=fake.url)
    assert done.status and re.fullmatch(r"joblight: [^\x00-\x1f\x7f-\x9f\u202e]*\n", done.err.splitlines(True)[0]), done


HOSTILE = r"a\u001b[2Jb\u009b31mc\u202ed"


@pytest.mark.parametrize("words, answer", [
    (["run", "true"], problem(403, "forbidden", HOSTILE)), (["job", "create", "T"], json_answer('{"id":"%s"}' % HOSTILE)),
    (["job", "show", "j", "--json"], json_answer('{"id":"j","title":"a\x1b[2Jb\u009b31mc\u202ed\x7f"}')),
    (["job", "list", "--json"], json_answer('{"jobs":[{"title":"%s"}]}' % HOSTILE)), (["key", "list"], json_answer('{"keys":[{"name":"%s"}]}' % HOSTILE)),
    (["report", "j", "t", "--json"], json_answer('{"note":"\u009b31m"}')), (["token", "create", "j"], json_answer('{"token":"%s"}' % HOSTILE)),
    (["key", "create", "--scope", "watch"], json_answer('{"key":"%s","id":"k"}' % HOSTILE)), (["login-link"], json_answer('{"code":"%s"}' % HOSTILE)),
    (["watch", "j", "--json"], (200, {"Content-Type": "text/event-stream"}, (
        'data: {"type":"connected","cursor":"e.0","head":1,"heartbeatMs":9000}\n\ndata: {"type":"reset","cursor":"e.1","reason":"%s"}\n\n'
        'id: e.2\ndata: {"type":"x","seq":2,\ndata: "note":"\x1b[2J\u009b31m"}\n\ndata: {"type":"end","status":"completed"}\n\n' % HOSTILE).encode()))],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "")
def test_no_answer_can_control_the_terminal(words, answer):
    with Fake(answer) as fake:
        terminal = Terminal(BINARY, *words, url=fake.url)
        terminal.end()
    terminal.close()
    assert re.fullmatch(r"([^\x00-\x1f\x7f-\x9f\u202e]+\r\n)+", terminal.text.decode()), terminal.text


def test_a_pipe_that_is_closed_early_ends_it_quietly():
    jobs = ",".join('{"id":"%s"}' % ("x" * 100) for _ in range(1000))
    with Fake(json_answer(f'{{"jobs":[{jobs}],"nextPageToken":"t"}}')) as fake:
        running = Running("job", "list", "--limit", "1000000", url=fake.url)
        running.read_until(b"\n")
        running.process.stdout.close()
        running.process.stdout = None
        assert running.end() == -13 and running.err == ""


def test_output_that_cannot_be_written_is_an_error():
    with open("/dev/full", "wb") as full, Fake(LISTED) as fake:
        running = Running("job", "list", url=fake.url, stdout=full)
        assert running.end() == 1 and "standard output" in running.err


def test_ctrl_c_is_130_at_once():
    running = Running("job", "list", "--url", "http://127.0.0.1:1", "--timeout", "1h")
    assert "trying again" in running.line() + running.line()
    running.signal(2)
    assert running.end(within=5) == 130


def test_a_ctrl_c_that_is_ignored_stays_ignored():
    running = subprocess.Popen(["sh", "-c", f"trap '' INT; exec {BINARY} job list --url http://127.0.0.1:1 --timeout 1s"],
                               stderr=subprocess.PIPE)
    assert b"127.0.0.1:1" in running.stderr.readline()
    running.send_signal(2)
    running.stderr.read()
    assert running.wait(20) == 6


@pytest.mark.parametrize("url, says", [
    ("http://", "the host is missing"), ("https:///", "the host is missing"), ("http://:80", "the host is missing"),
    ("unix:/", "the name of the socket is missing"), ("unix:@", "the name of the socket is missing"),
    ("http://a b", "cannot have"), ("http://a\x1b[2J", "cannot have"), ("http://a?x=1", "leave out ?"), ("http://a/#x", "leave out ?"),
    ("http://u:secret@a", "JOBLIGHT_KEY")])
def test_an_address_that_none_can_be_is_refused(url, says):
    for words in (["job", "list"], ["run", "true"]):
        done = joblight(*words, url=url)
        assert (done.status, done.out) == (2, "") and says in done.err and "secret" not in done.err and "\x1b" not in done.err


def test_no_network_is_named(tmp_path):
    done = subprocess.run(["unshare", *([] if os.getuid() == 0 else ["-r"]), "-n", BINARY, "job", "list", "--url", "http://192.0.2.1", "--timeout", "300ms"],
                          env={"PATH": os.environ["PATH"]}, capture_output=True, text=True, check=False)
    assert done.returncode == 6 and "http://192.0.2.1: " in done.stderr


@pytest.mark.parametrize("words", [["login-link"], ["job", "list"], ["job", "show", "j"], ["key", "list"]])
def test_another_program_is_not_taken_for_a_server(words):
    for body in ("{}", "[]", "hello"):
        if (words, body) == (["job", "show", "j"], "{}"):
            continue
        with Fake(json_answer(body)) as fake:
            done = joblight(*words, url=fake.url)
            assert (done.status, done.out) == (1, "") and "is not a joblight server" in done.err


@pytest.mark.parametrize("answer, status", [
    (problem(401, "unauthorized"), 5), (problem(403, "forbidden"), 5), (problem(404, "not_found"), 4),
    (problem(409, "job_ended"), 8), (problem(413, "body_too_large"), 8), (problem(422, "invalid_field"), 8),
    ((301, {"Location": "/x"}, b""), 8), ((200, {}, b"<html>"), 1), ((200, {}, b"[]"), 1),
    ((200, {}, b""), 1)])
def test_an_answer_has_its_exit_status(answer, status):
    with Fake(answer) as fake:
        done = joblight("report", "j", "t", url=fake.url)
        assert (done.status, done.out) == (status, "") and done.err.startswith(f"joblight: {fake.url}"), done
        assert len(fake.asked) == 1


def test_the_server_does_not_load_libcurl():
    needed = subprocess.run(["readelf", "-d", BINARY], capture_output=True, text=True, check=True).stdout
    names = re.findall(r"\(NEEDED\).*\[(.+)\]", needed)
    own = [name for name in names if "san.so" not in name]     # of a build with sanitizers
    assert not [name for name in own if "curl" in name] and len(own) <= 12, names
