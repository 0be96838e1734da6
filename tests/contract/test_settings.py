"""Settings on the command line and in the environment: what is not understood stops the start."""
import re
import subprocess

import pytest

from support.server import SETTING, command, run_to_exit
from support.wait import SCALE, until

WHERE = {"listen": "127.0.0.1:0", "db": ":memory:"}


def start_with(**environment):
    """What a server says that is started with these variables and refuses: (exit code, stderr)."""
    done = subprocess.run(command(**WHERE), stdin=subprocess.DEVNULL, capture_output=True, check=False,
                          env={**SETTING, **environment}, timeout=10 * SCALE)
    return done.returncode, done.stderr.decode()


@pytest.mark.parametrize("name, nearest", [
    ("JOBLIGHT_LISTN", "JOBLIGHT_LISTEN"), ("JOBLIGHT_MAXBODY", "JOBLIGHT_MAX_BODY"),
    ("JOBLIGHT_RETENTION_MSEC", "JOBLIGHT_RETENTION_MS"), ("JOBLIGHT_HOSTS", "JOBLIGHT_HOST"),
    ("JOBLIGHT_db", "JOBLIGHT_DB"), ("JOBLIGHT_LISTEN_", "JOBLIGHT_LISTEN"), ("JOBLIGHT_", ""),
    ("JOBLIGHT_TESTS", ""), ("JOBLIGHT_SERVICES", ""), ("JOBLIGHT_PORTS", ""), ("JOBLIGHT_URLS", ""),
    ("JOBLIGHT_" + "X" * 2000, "")])
def test_a_variable_that_is_no_setting_stops_the_start_and_the_nearest_is_named(name, nearest):
    code, err = start_with(**{name: "1"})
    assert code == 2
    assert name[:200] in err and f"did you mean {nearest}" in err


def test_every_unknown_variable_is_named():
    code, err = start_with(JOBLIGHT_DBB="x", JOBLIGHT_LOOP="2")
    assert code == 2 and "JOBLIGHT_DBB" in err and "JOBLIGHT_LOOP " in err


def test_what_container_platforms_set_is_ignored_with_one_line(serve, monkeypatch):
    names = ["JOBLIGHT_PORT", "JOBLIGHT_PORT_3001_TCP", "JOBLIGHT_PORT_3001_TCP_ADDR",
             "JOBLIGHT_SERVICE_HOST", "JOBLIGHT_SERVICE_PORT", "JOBLIGHT_SERVICE_PORT_HTTP"]
    for name in names:
        monkeypatch.setitem(SETTING, name, "tcp://10.0.0.7:3001")
    lines = [line for line in serve().log().splitlines() if "ignored" in line]
    assert len(lines) == 1
    assert sorted(lines[0].split('names="')[1].rstrip('"').split()) == names


def test_the_names_of_our_own_tools_are_nothing_to_speak_of(serve, monkeypatch):
    for name in ("JOBLIGHT_URL", "JOBLIGHT_KEY", "JOBLIGHT_TEST_", "JOBLIGHT_TEST_ANYTHING"):
        monkeypatch.setitem(SETTING, name, "x")
    log = serve().log()
    assert "ignored" not in log and "JOBLIGHT" not in log


def test_a_setting_of_the_environment_is_taken_and_a_flag_wins(serve, monkeypatch):
    monkeypatch.setitem(SETTING, "JOBLIGHT_DURABILITY", "process")
    assert durability_of(serve()) == "process"
    assert durability_of(serve(durability="full")) == "full"


def durability_of(server):
    line = until(lambda: re.search(r"msg=serving .*durability=(\w+)", server.log()), 5, "its line")
    return line[1]


@pytest.mark.parametrize("flag, values", [
    ("www", ["a", "b"]), ("db", [":memory:", "other.db"]),
    ("durability", ["full", "process"])])
def test_two_values_of_what_takes_one_are_an_error(flag, values):
    code, out, err = run_to_exit(**{**WHERE, flag: values})
    assert code == 2 and out == "" and f"--{flag} is given twice" in err


def test_numbers_may_come_again_and_the_last_one_counts(serve, client):
    server = serve(max_note=[32, 16])
    api = client(server)
    job = api.create_job()["id"]
    assert api.update(job, {"taskId": "t", "note": "n" * 16}).status == 200
    assert api.update(job, {"taskId": "t", "note": "n" * 17}).status == 422


@pytest.mark.parametrize("value", ["0", "false"])
def test_a_switch_that_is_off_in_the_environment_is_off(value):
    done = subprocess.run(command(listen="0.0.0.0:0", db=":memory:"), stdin=subprocess.DEVNULL,
                          capture_output=True, check=False, timeout=10 * SCALE,
                          env={**SETTING, "JOBLIGHT_INSECURE": value})
    assert done.returncode == 1 and b"is not a loopback address" in done.stderr


@pytest.mark.parametrize("value", ["", "no", "off", "yes", "2", "TRUE"])
def test_a_switch_in_the_environment_that_is_neither_on_nor_off_stops_the_start(value):
    code, err = start_with(JOBLIGHT_INSECURE=value)
    assert code == 2 and "--insecure must be 1, 0, true or false" in err
