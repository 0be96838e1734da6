#!/usr/bin/env python3
"""Mistakes drawn at random: drawn.py [--seed N] [--count N] (script/test drawn calls it).

Each is one operator of one line, in a file that decides who may do what, what is stored, or what is sent. It is made
in the copy of the tree that run.py uses. It is seen when a unit test or a contract test fails, fails again by itself,
and passes without the mistake; a mistake that does not compile, leaves the program as it was, or makes the tests take too long is drawn again. The seed is printed, so that a draw can be repeated.
"""
import argparse
import random
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from patched_tree import ENVIRONMENT, ROOT, TREE, Trouble, build, copy_tree, must  # noqa: E402

FILES = ("src/core/*.c", "src/store/sqlite*.c", "src/work/writer.c", "src/net/access.c", "src/net/tickets.c",
         "src/net/quota.c", "src/net/client_address.c", "src/net/proxy_header.c", "src/api/gate.c", "src/api/origin*.c",
         "src/api/session.c", "src/api/ticket.c", "src/api/tokens.c", "src/transport/*.c")
OPERATORS = {
    r" == ": " != ", r" != ": " == ", r" < ": " <= ", r" <= ": " < ", r" > ": " >= ", r" >= ": " > ",
    r" && ": " || ", r" \|\| ": " && ", r"return false;": "return true;", r"return true;": "return false;",
    r"(?<=[( ])!(?=[a-z(])": "", r" \+ 1\b": " + 0", r" - 1\b": " - 0",
}
ALL_TESTS_S = 900


def code_lines(text):
    """(number, line) of lines that are code: not in a comment, not for the preprocessor, not in an assertion."""
    inside = False
    for number, line in enumerate(text.splitlines()):
        if inside or line.lstrip().startswith("/*"):
            inside = "*/" not in line
        elif not line.lstrip().startswith(("#", "*", "//")) and '"' not in line and "assert" not in line \
                and not line.startswith("static const"):
            yield number, line


def candidates():
    for pattern in FILES:
        for path in sorted(ROOT.glob(pattern)):
            for number, line in code_lines(path.read_text()):
                for operator, other in OPERATORS.items():
                    for match in re.finditer(operator, line):
                        yield path.relative_to(ROOT), number, line[:match.start()] + other + line[match.end():]


def make(path, number, changed):
    lines = (ROOT / path).read_text().splitlines(keepends=True)
    was, lines[number] = lines[number].strip(), changed + "\n"
    (TREE / path).write_text("".join(lines))
    return f"{path}:{number + 1}: {was}  ->  {changed.strip()}"


def quiet(*words, **more):
    try:
        return subprocess.run(words, cwd=TREE, env=ENVIRONMENT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, errors="replace", check=False, timeout=ALL_TESTS_S,
                              **more)
    except subprocess.TimeoutExpired:
        raise Trouble("the tests take too long with it") from None


def unit(*which):
    return quiet("ctest", "--test-dir", "build", "-j", "2", *which)


def contract(*which):
    return quiet(sys.executable, "-m", "pytest", "-q", "--no-header", "--tb=no", "-p", "no:cacheprovider", *which)


def suspects():
    """(name, a function that runs it alone) of the tests that fail."""
    for name in re.findall(r"^\s*\d+ - (\S+) \(", unit("-E", "layers|words").stdout, re.M):
        yield f"unit {name}", lambda name=name: unit("-R", f"^{name}$").returncode
    said = contract("--maxfail=5", "-n", "2", "--dist", "loadfile", "tests/contract").stdout
    for name in re.findall(r"^(?:FAILED|ERROR) (.+?)(?: - .*)?$", said, re.M):
        yield f"contract {name}", lambda name=name: contract(name).returncode


def who_sees_it(path):
    """The first test that fails because of the mistake in this file, or None."""
    mistake = (TREE / path).read_text()
    for name, run in suspects():
        if not run():
            continue                # it fails now and then
        copy_tree()
        build("all")
        is_witness = run() == 0
        (TREE / path).write_text(mistake)
        build("all")
        if is_witness:
            return name
    return None


def draw(dice, pool, binary):
    """One that compiles, and changes the program."""
    while True:
        path, number, changed = pool.pop(dice.randrange(len(pool)))
        copy_tree()
        what = make(path, number, changed)
        try:
            build("all")
        except Trouble:
            continue
        stripped = TREE / "build/stripped"
        shutil.copy(TREE / "build/joblight", stripped)
        must("the program cannot be stripped", "strip", str(stripped))
        if stripped.read_bytes() != binary:
            return path, what


def main():
    parser = argparse.ArgumentParser(description="Makes random mistakes; the tests must see them.")
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--count", type=int, default=10)
    options = parser.parse_args()
    dice = random.Random(options.seed)
    print(f"seed {options.seed}", flush=True)
    copy_tree()
    build("all")
    stripped = TREE / "build/stripped"
    shutil.copy(TREE / "build/joblight", stripped)
    must("the program cannot be stripped", "strip", str(stripped))
    binary, pool, seen = stripped.read_bytes(), list(candidates()), 0
    done = 0
    while done < options.count:
        path, what = draw(dice, pool, binary)
        try:
            witness = who_sees_it(path)
        except Trouble as trouble:
            print(f"{what}\n    drawn again: {trouble}", flush=True)
            continue
        done += 1
        seen += witness is not None
        print(f"{what}\n    {witness or 'SURVIVED'}", flush=True)
    copy_tree()
    build("all")
    print(f"{seen} of {options.count} mistakes were seen, of {len(pool)} that can be drawn")
    return seen < options.count


if __name__ == "__main__":
    sys.exit(main())
