#!/usr/bin/env python3
"""Whether one more of something is one row: run.py [--only NAME]… (script/test house calls it).

Each *.patch beside this file adds one more of something to the tree. It begins with what that is,
and with lines that name everything that it touches beside its new files:

    Row: FILE               a table; the patch only adds to it, and each group of lines is a place
    Document: FILE          of docs/, or the types of the client; it is one place
    Test: FILE              of tests/; it is no place
    Tested by: SUITE FILE
    Places: N               there are no more than so many

Each is made in a copy of the tree, which is built; then tests/layers.py, tests/words.py and its
tests must pass. A patch that does not apply, or touches anything else, is an error: either it is
made again, or the tree has lost the place where one row was enough.
"""
import re
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from patched_tree import (PASSED, SUITES, Trouble, apply, build, chosen,  # noqa: E402
                          copy_tree, must)

KINDS = {"Row": r".*\.def", "Document": r"docs/.*|www/joblight\.d\.ts", "Test": r"tests/.*"}
WHOLE_FILES = ("unit", "contract", "faults")     # suites that run a whole file
NEW = r"(src|include|tests)/.*"


@dataclass
class Change:
    """What a patch does to one file."""
    file: str
    new: bool = False
    groups: list = field(default_factory=list)    # of lines that follow each other: "+++-", …


@dataclass
class Addition:
    name: str
    patch: Path
    allowed: dict       # file -> kind
    tests: list         # (suite, file)
    places: int
    changes: list


def read_changes(text):
    changes, inside = [], False
    for line in text.splitlines():
        if match := re.match(r"diff --git a/(\S+) b/\1$", line):
            changes.append(Change(match[1]))
            inside = False
        elif line.startswith("new file mode"):
            changes[-1].new = True
        elif line.startswith("@@"):
            inside, group = True, False
        elif inside and line[:1] in ("+", "-"):
            if not group:
                changes[-1].groups.append("")
            changes[-1].groups[-1] += line[0]
            group = True
        else:
            group = False
    return changes


def read(patch):
    header, _, text = patch.read_text().partition("\ndiff --git ")
    lines = re.findall(r"^ +(\w[\w ]*): (.+)$", header, re.M)
    values = {name: [value for key, value in lines if key == name] for name, _ in lines}
    tests = [tuple(value.split(" ")) for value in values.get("Tested by", [])]
    if not tests or any(suite not in WHOLE_FILES for suite, _ in tests) or len(values.get("Places", [])) != 1:
        sys.exit(f"{patch.name}: lines \"Tested by: SUITE FILE\" and a line \"Places: N\" are missing")
    allowed = {file: kind for kind in KINDS for file in values.get(kind, [])}
    return Addition(patch.stem, patch, allowed, tests, int(values["Places"][0]),
                    read_changes("diff --git " + text))


# -- what it touches -------------------------------------------------------------------------------

def mistake(addition, change):
    """Why the patch may not do this; None: it may."""
    kind = addition.allowed.get(change.file)
    if change.new:
        return None if re.fullmatch(NEW, change.file) else "is new in a folder that is not ours"
    if not kind:
        return "is not named in the header"
    if not re.fullmatch(KINDS[kind], change.file):
        return f"is no {kind.lower()}"
    if kind == "Row" and "-" in "".join(change.groups):
        return "loses or changes a row"
    return None


def count(addition, kind):
    """(places, groups of lines) of the changes of this kind."""
    groups = [len(change.groups) for change in addition.changes
              if not change.new and addition.allowed[change.file] == kind]
    return sum(groups) if kind == "Row" else len(groups), sum(groups)


def check_places(addition):
    """What it touches, in words."""
    faults = [f"{change.file} {why}" for change in addition.changes
              if (why := mistake(addition, change))]
    if faults:
        raise Trouble("it touches more than it may: " + ", ".join(faults))
    (rows, _), (documents, sections) = count(addition, "Row"), count(addition, "Document")
    if rows + documents > addition.places:
        raise Trouble(f"it has {rows + documents} places, {addition.places} at most")
    return (f"{rows + documents} places: {rows} in tables, {documents} documents ({sections} sections); "
            f"{sum(change.new for change in addition.changes)} new files, "
            f"{count(addition, 'Test')[1]} changes of tests")


# -- all of them -----------------------------------------------------------------------------------

def judge(addition):
    """(whether it passed, in words)"""
    try:
        told = check_places(addition)
        copy_tree()
        apply(addition.patch)
        build("all")
        must("it breaks a rule of the source", sys.executable, "tests/layers.py", "cc", "nm", "build")
        must("it has a word that is gone", sys.executable, "tests/words.py")
        for suite, file in addition.tests:
            if SUITES[suite](file) != PASSED:
                return False, f"{file} fails"
        return True, told
    except Trouble as trouble:
        print(trouble, file=sys.stderr)
        return False, f"error: {str(trouble).splitlines()[0]}"


def main():
    additions = chosen(HERE, read, "Adds one more of something; one row must do.")
    good = 0
    for addition in additions:
        began = time.monotonic()
        passed, told = judge(addition)
        good += passed
        print(f"{addition.name:<16} {'passed' if passed else 'FAILED'} {time.monotonic() - began:4.0f} s  "
              f"{told}", flush=True)
    copy_tree()
    print(f"{good} of {len(additions)} additions passed")
    return good < len(additions)


if __name__ == "__main__":
    sys.exit(main())
