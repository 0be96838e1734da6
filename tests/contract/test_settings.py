"""Settings on the command line and in the environment: what is not understood stops the start."""
import re
import subprocess

import pytest

from support.server import BINARY, SETTING, command, run_to_exit
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


# -- sizes, times, rates and counts, in each source ----------------------------------------------------

SIZE = "must be a size from 16B to 1MiB (bytes, or with KiB, MiB, GiB, TiB, kB, MB, GB or TB)"
TIME = "must be a time from 100ms to 10min (milliseconds, or with ms, s, min, h or d)"
RATE = "must be a rate from 0 to 1000000/s"
COUNT = "must be a whole number from 1 to 4096"
SWITCH = "must be 1, 0, true or false"
BAD = [("max-note", value, SIZE) for value in (
           "", "many", "-1", "+16", "15", "1048577", "1025KiB", "2MiB", "1.5KiB", "1,000", "16KB", "16kib", "16K", "30s",
           "16/s", "0x10", "1e3", "16KiB KiB", "99999999999999999999", "9999999999999999999TiB", "18446744073709551632")]
BAD += [("stall-ms", value, TIME) for value in (
            "99", "99ms", "600001", "601s", "11min", "0.5s", "-5s", "1m", "1S", "1 day", "16KiB", "9999999999999999999d")]
BAD += [("address-requests", value, RATE) for value in ("-1/s", "1000001", "1000001/s", "20/min", "1k/s", "often")]
BAD += [("max-batch", value, COUNT) for value in ("0", "4097", "1KiB", "1s", "2/s", "-1", "0.5", "")]
BAD += [("verbose", value, SWITCH) for value in ("", "2", "on")]
BAD += [("durability", value, "it must be full or process") for value in ("Full", "1")]
BAD += [("host", value, "it must be a name such as jobs.example") for value in ("http://a.example", "a.example:80")]
BAD += [("trusted-proxy", value, "it must be an address such as 192.0.2.1") for value in ("proxy", "10.0.0.0/33")]
BAD += [("jwt-jobs", value, "it must be a JSON pointer") for value in ("jobs", "/a~2")]


def by_flag(flag, value, tmp_path):
    done = subprocess.run([*command(**WHERE), f"--{flag}={value}"], stdin=subprocess.DEVNULL, capture_output=True,
                          text=True, env=SETTING, timeout=10 * SCALE, check=False)
    return f"--{flag}", (done.returncode, done.stderr)


def by_variable(flag, value, tmp_path):
    name = "JOBLIGHT_" + flag.upper().replace("-", "_")
    return f"{name} in the environment", start_with(**{name: value})


def by_file(flag, value, tmp_path):
    path = tmp_path / "joblight.conf"
    path.write_text(f"\n{flag} = {value}\n")
    return f"{path}:2: {flag}", run_to_exit(**WHERE, config=path)[::2]


@pytest.mark.parametrize("source", [by_flag, by_variable, by_file], ids=lambda source: source.__name__)
def test_a_value_that_is_wrong_is_refused_with_what_may_stand_there(source, tmp_path):
    for flag, value, must in BAD:
        name, (code, err) = source(flag, value, tmp_path)
        assert code == 2, (flag, value, err)
        assert err.startswith(f"joblight: {name}") and must in err and f'"{value}"' in err, (flag, value, err)
        assert err.count("\n") == 1


@pytest.mark.parametrize("size", ["32", "32B", "32 B"])
def test_a_size_is_the_same_in_each_source(serve, client, tmp_path, monkeypatch, size):
    path = tmp_path / "joblight.conf"
    path.write_text(f"max-note = {size}\n")
    assert largest_note(client(serve(config=path))) == 32
    assert largest_note(client(serve(max_note=size))) == 32
    monkeypatch.setitem(SETTING, "JOBLIGHT_MAX_NOTE", size)
    assert largest_note(client(serve())) == 32


@pytest.mark.parametrize("size, largest", [("1kB", 1000), ("1KiB", 1024)])
def test_a_kilobyte_is_1000_bytes_and_a_kibibyte_1024(serve, client, size, largest):
    assert largest_note(client(serve(max_note=size)), largest - 1, largest, largest + 1) == largest


def largest_note(api, *lengths):
    """The longest note of these lengths that is taken."""
    job = api.create_job()["id"]
    taken = [length for length in lengths or (31, 32, 33)
             if api.update(job, {"taskId": "t", "note": "n" * length}).status == 200]
    return max(taken)


# -- flags ---------------------------------------------------------------------------------------------

@pytest.mark.parametrize("words, says", [
    (["--lisen", "x"], "--lisen is not a setting; did you mean --listen?"),
    (["--max-nite=5"], "--max-nite is not a setting; did you mean --max-note?"),
    (["--max-not", "16"], "--max-not is not a setting; did you mean --max-note?"),       # no abbreviations
    (["--max-b", "16"], "--max-b is not a setting; did you mean --max-body?"),
    (["--" + "x" * 5000], "is not a setting; did you mean --"),
    (["-l"], '"-l" is not a flag'), (["-db"], '"-d" is not a flag'),
    (["--db"], "--db needs a value: --db FILE"), (["--db", "--loops", "2"], "--db needs a value: --db FILE"),
    (["--max-note", "--loops", "2"], "--max-note needs a value: --max-note SIZE"),
    (["--db="], '--db: "" is not valid: it is empty'),
    (["word"], '"word" is not expected'), (["--verbose", "word"], '"word" is not expected'),
    (["--verbose=2"], "--verbose must be 1, 0, true or false"), (["--", "--db"], '"--db" is not expected')])
def test_a_flag_that_is_none_stops_the_start_and_the_nearest_is_named(words, says):
    done = subprocess.run([BINARY, "serve", *words], env=SETTING, stdin=subprocess.DEVNULL, capture_output=True,
                          text=True, timeout=10 * SCALE, check=False)
    assert (done.returncode, done.stdout) == (2, "") and says in done.stderr and done.stderr.count("\n") == 1


def test_a_flag_switches_off_what_the_environment_switches_on(serve, monkeypatch):
    monkeypatch.setitem(SETTING, "JOBLIGHT_INSECURE", "1")
    code, _, err = run_to_exit(**{"listen": "0.0.0.0:0", "db": ":memory:", "insecure=false": True})
    assert code == 1 and "is not a loopback address" in err


@pytest.mark.parametrize("flag, key", [("key-file", "jl_4nQ0vB8sKx2M_9mQ7tVbE3RkzUuW5yXo1LcPhA0dGfJs8iNnTqZ2wCe4"),
                                       ("tls-key", "jl_4nQ0vB8sKx2M_9mQ7tVbE3RkzUuW5yXo1LcPhA0dGfJs8iNnTqZ2wCe4"),
                                       ("jwt-keys", "eyJhbGciOiJub25lIn0.e30.")])
@pytest.mark.parametrize("source", [by_flag, by_variable, by_file], ids=lambda source: source.__name__)
def test_a_key_in_place_of_its_file_is_refused_and_not_repeated(source, flag, key, tmp_path):
    name, (code, err) = source(flag, key, tmp_path)
    assert code == 2 and err.startswith(f"joblight: {name}") and "no setting takes a key" in err
    assert key[10:] not in err


NAME = "jl_4nQ0vB8sKx2M_9mQ7tVbE3RkzUuW5yXo1LcPhA0dGfJs8iNnTqZ2wCe4"


@pytest.mark.parametrize("words, environment, says", [
    ([NAME], {}, '"[hidden]" is not expected'), (["--" + NAME], {}, "--[hidden] is not a setting"),
    ([f"--{NAME}=1"], {}, "--[hidden] is not a setting"),
    ([], {"JOBLIGHT_" + NAME: "1"}, "JOBLIGHT_[hidden] in the environment is not a setting"),
    (["a\x1b[2J"], {}, '"a?[2J" is not expected'), (["--a\x1b[2J"], {}, "--a?[2J is not a setting"),
    ([], {"JOBLIGHT_\x1b[2J": "1"}, "JOBLIGHT_?[2J in the environment is not a setting")])
def test_a_name_that_is_none_shows_no_key_and_controls_no_terminal(words, environment, says):
    done = subprocess.run([BINARY, "serve", *words], env={**SETTING, **environment}, stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, timeout=10 * SCALE, check=False)
    assert done.returncode == 2 and says in done.stderr
    assert NAME[10:] not in done.stderr and "\x1b" not in done.stderr


def test_a_list_has_64_values_at_most(tmp_path):
    values = [f"https://{number}.example" for number in range(65)]
    for source in (by_variable, by_flag):
        name, (code, err) = source("origin", ",".join(values), tmp_path)
        assert (code, err) == (2, f"joblight: {name} can be given at most 64 times\n")
    code, _, err = run_to_exit(**{**WHERE, "db": "/none/j.db"}, origin=values[:64])
    assert code == 1 and "/none" in err


# -- switches ------------------------------------------------------------------------------------------

@pytest.mark.parametrize("value", ["0", "false"])
def test_a_switch_that_is_off_in_the_environment_is_off(value):
    done = subprocess.run(command(listen="0.0.0.0:0", db=":memory:"), stdin=subprocess.DEVNULL,
                          capture_output=True, check=False, timeout=10 * SCALE,
                          env={**SETTING, "JOBLIGHT_INSECURE": value})
    assert done.returncode == 1 and b"is not a loopback address" in done.stderr


@pytest.mark.parametrize("value", ["", "no", "off", "yes", "2", "TRUE"])
def test_a_switch_in_the_environment_that_is_neither_on_nor_off_stops_the_start(value):
    code, err = start_with(JOBLIGHT_INSECURE=value)
    assert code == 2 and "JOBLIGHT_INSECURE in the environment must be 1, 0, true or false" in err
