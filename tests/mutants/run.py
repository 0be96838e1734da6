#!/usr/bin/env python3
"""Whether the tests see mistakes: run.py [--only NAME]… (script/test mutants calls it).

Each *.patch beside this file is a mistake. It begins with what the mistake is and with a line

    Killed by: SUITE FILE::TEST

Each is made in a copy of the tree, build/mutants, which is built again as far as it changed; then
the test must fail by an assertion, and without the mistake it must pass. A mistake that no test
sees, a patch that does not apply and any other end are errors.
"""
import argparse
import re
import sys
import time
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from patched_tree import FAILED, PASSED, SUITES, Trouble, apply, copy_tree  # noqa: E402

KILLED = "killed"


@dataclass
class Mutant:
    name: str
    patch: Path
    suite: str
    file: str
    test: str


def read(patch):
    line = re.search(r"^Killed by: (\w+) (\S+?)::(.+)$", patch.read_text(), re.M)
    if not line or line[1] not in SUITES:
        sys.exit(f"{patch.name}: a line \"Killed by: SUITE FILE::TEST\" is missing")
    return Mutant(patch.stem, patch, *line.groups())


def judge(mutant):
    """killed, SURVIVED, or an error in words."""
    test = SUITES[mutant.suite]
    try:
        copy_tree()
        if test(mutant.file, mutant.test) != PASSED:
            return "error: its test fails without it"
        apply(mutant.patch)
        return KILLED if test(mutant.file, mutant.test) == FAILED else "SURVIVED"
    except Trouble as trouble:
        print(trouble, file=sys.stderr)
        return f"error: {str(trouble).splitlines()[0]}"


def main():
    options = argparse.ArgumentParser(description="Makes mistakes; the tests must see them.")
    options.add_argument("--only", action="append", metavar="NAME",
                         help="those whose names begin so")
    only = options.parse_args().only
    mutants = [read(patch) for patch in sorted(HERE.glob("*.patch"))]
    chosen = [mutant for mutant in mutants if not only or mutant.name.startswith(tuple(only))]
    if not chosen:
        sys.exit("there is no such mutant")
    ends = []
    for mutant in chosen:
        began = time.monotonic()
        ends.append(judge(mutant))
        print(f"{mutant.name:<50} {ends[-1]:<9} {time.monotonic() - began:3.0f} s  "
              f"{mutant.suite} {Path(mutant.file).name}::{mutant.test}", flush=True)
    copy_tree()
    print(f"{ends.count(KILLED)} of {len(ends)} mistakes were seen")
    return ends.count(KILLED) < len(ends)


if __name__ == "__main__":
    sys.exit(main())
