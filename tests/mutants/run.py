#!/usr/bin/env python3
"""Whether the tests see mistakes: run.py [--only NAME]… (script/test mutants calls it).

Each *.patch beside this file is a mistake. It begins with what the mistake is and with a line

    Killed by: SUITE FILE::TEST

Each is made in a copy of the tree, build/mutants, which is built again as far as it changed; then
the test must fail by an assertion, and without the mistake it must pass. A mistake that no test
sees, a patch that does not apply and any other end are errors.
"""
import re
import sys
import time
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from patched_tree import FAILED, PASSED, SUITES, Trouble, apply, chosen, copy_tree  # noqa: E402

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
    mutants = chosen(HERE, read, "Makes mistakes; the tests must see them.")
    ends = []
    for mutant in mutants:
        began = time.monotonic()
        ends.append(judge(mutant))
        print(f"{mutant.name:<50} {ends[-1]:<9} {time.monotonic() - began:3.0f} s  "
              f"{mutant.suite} {Path(mutant.file).name}::{mutant.test}", flush=True)
    copy_tree()
    print(f"{ends.count(KILLED)} of {len(ends)} mistakes were seen")
    return ends.count(KILLED) < len(ends)


if __name__ == "__main__":
    sys.exit(main())
