"""`joblight completion`: what the shells offer, which is what the program has."""
import re
import shutil
import subprocess

import pytest

from support.command import joblight
from support.server import BINARY

SHELLS = {
    "bash": """source <({binary} completion bash)
COMP_WORDS=({words} "$last"); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)); _joblight; printf '%s\\n' "${{COMPREPLY[@]}}" """,
    "fish": """{binary} completion fish | source; complete -C "{words} $last" | cut -f 1""",
}


def offered(shell, line):
    *words, last = line.split(" ")
    script = SHELLS[shell].format(binary=BINARY, words=" ".join(words))
    first = f"set last '{last}'\n" if shell == "fish" else f"last='{last}'\n"
    program = [shutil.which(shell) or shell, *(["--norc"] if shell == "bash" else ["--no-config"]), "-c", first + script]
    done = subprocess.run(program, capture_output=True, text=True, check=True, timeout=30)
    assert done.stderr == ""
    return set(done.stdout.split())


def flags(*words):
    all_flags = "--help-all" if words == ("serve",) else "--help"
    return set(re.findall(r"^  (--[a-z0-9-]+)", joblight(*words, all_flags).out, re.M)) | {"--help", all_flags}


@pytest.mark.parametrize("shell", SHELLS)
def test_verbs_are_offered(shell):
    verbs = set(re.findall(r"^  ([a-z-]+) +\w", joblight("--help").out, re.M))
    assert offered(shell, "joblight ") == verbs
    assert offered(shell, "joblight re") == {"reload", "report"}
    assert offered(shell, "joblight job ") == {"create", "list", "show", "end", "export", "import"}
    assert offered(shell, "joblight key re") == {"revoke"}
    assert offered(shell, "joblight config ") == {"print", "check", "docs"}


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("words", [["report"], ["job", "create"], ["token", "create"], ["watch"], ["doctor"], ["bench"], ["serve"]], ids=" ".join)
def test_flags_are_those_of_the_help(shell, words):
    assert offered(shell, f"joblight {' '.join(words)} --") == flags(*words)


@pytest.mark.parametrize("shell", SHELLS)
def test_values_are_offered(shell, tmp_path):
    assert offered(shell, "joblight job end j --status ") == {"completed", "failed", "cancelled"}
    assert offered(shell, "joblight report j t --status b") == {"blocked"}
    assert offered(shell, "joblight doctor --proxy ") == {"nginx", "caddy", "haproxy", "apache"}
    (tmp_path / "key-of-ours").touch()
    assert {name.removeprefix("--key-file=") for name in offered(shell, f"joblight watch j --key-file {tmp_path}/key-o")} == {
        f"{tmp_path}/key-of-ours"}
    assert offered(shell, "joblight completion ") >= {"bash", "zsh", "fish"}


def test_bash_offers_commands_to_run():
    assert "true" in offered("bash", "joblight run tru")


def test_zsh_takes_the_script():
    done = subprocess.run(["zsh", "-f", "-c", f"source <({BINARY} completion zsh); print $_comps[joblight]"],
                          capture_output=True, text=True, check=True, timeout=30)
    assert done.stderr == "" and "_joblight" in done.stdout
