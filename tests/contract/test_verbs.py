"""The verbs of the command line: what each prints, and the exit status of a mistake."""
import subprocess

import pytest

from support.server import BINARY, SETTING
from support.wait import SCALE

VERBS = ("serve", "demo", "config", "reload", "run", "report", "watch", "job", "db", "command", "key", "token", "doctor", "bench", "login-link", "completion", "version")


def run(*words):
    """(exit status, stdout, stderr)"""
    done = subprocess.run([BINARY, *words], env=SETTING, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          timeout=20 * SCALE, check=False)
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize("word", ["--help", "-h", "help"])
def test_help_lists_the_verbs(word):
    status, out, err = run(word)
    assert (status, err) == (0, "")
    assert [line.split()[0] for line in out.splitlines() if line.startswith("  ") and line[2] != " "] == list(VERBS)


@pytest.mark.parametrize("words", [(), ("server",), ("",), ("-v",), ("--listen", "127.0.0.1:0")])
def test_without_a_verb_it_says_which_there_are(words):
    status, out, err = run(*words)
    assert (status, out) == (2, "")
    assert all(verb in err for verb in VERBS)
    if words:
        assert f'there is no verb "{words[0]}"' in err


@pytest.mark.parametrize("word", ["version", "--version"])
def test_the_version_is_one_line(word):
    status, out, err = run(word)
    assert (status, err) == (0, "")
    assert out.startswith("joblight ") and out.count("\n") == 1


@pytest.mark.parametrize("verb", ["serve", "demo", "key", "doctor"])
def test_each_verb_has_help(verb):
    status, out, err = run(verb, "--help")
    assert (status, err) == (0, "")
    assert f"joblight {verb}" in out
    assert "--db" in out


@pytest.mark.parametrize("words", [
    ("serve", "--no-such-flag"), ("demo", "--no-such-flag"), ("serve", "word"), ("demo", "--loops", "0"),
    ("serve", "--db"), ("key", "--no-such-flag")])
def test_a_mistake_is_status_2_and_nothing_is_started(words):
    status, out, err = run(*words)
    assert (status, out) == (2, "")
    assert err
