"""The table of faults in README.md: complete, and true as far as a program can see that."""
import re
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
ROW = re.compile(r"^\| ([A-F]\d+[a-z]?) \| ([^|]+) \| ([^|]+) \|$", re.M)
TEST = re.compile(r"\btest_\w+(?!\S*::)")
ELSEWHERE = re.compile(r"([\w/.-]+\.(?:c|js))::([^|]+?)(?=, test|$)")
NUMBERS = {"A": 14, "B": 10, "C": 9, "D": 11, "E": 13, "F": 6}
ALSO = {"C0", "E1b", "E4b", "E4c", "F0"}


@pytest.fixture(scope="module")
def rows():
    """number -> (fault, proof)"""
    found = ROW.findall((HERE / "README.md").read_text(encoding="utf-8"))
    assert len(found) == len({number for number, *_ in found}), "a number stands twice"
    return {number: (fault, proof.strip()) for number, fault, proof in found}


@pytest.fixture(scope="module")
def collected():
    done = subprocess.run([sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider",
                           "-p", "no:xdist", "tests/faults", "tests/contract", "tests/cluster"], cwd=ROOT,
                          capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    return set(re.findall(r"::(test_\w+)", done.stdout))


def own_tests(proof):
    return TEST.findall(ELSEWHERE.sub("", proof))


def test_every_fault_has_its_row(rows):
    expected = {f"{letter}{n}" for letter, most in NUMBERS.items() for n in range(1, most + 1)}
    assert set(rows) == expected | ALSO


def test_every_row_names_a_test_or_a_reason(rows):
    for number, (_, proof) in rows.items():
        assert own_tests(proof) or ELSEWHERE.search(proof) or proof.startswith("not here: "), number


def test_every_test_that_is_named_is_collected(rows, collected):
    named = {name for _, proof in rows.values() for name in own_tests(proof)}
    assert len(named) > 100 and not named - collected, sorted(named - collected)


def test_every_test_that_is_named_elsewhere_stands_in_its_file(rows):
    for number, (_, proof) in rows.items():
        for file, name in ELSEWHERE.findall(proof):
            assert name in (ROOT / file).read_text(encoding="utf-8"), (number, file, name)


def test_a_test_with_the_number_of_a_fault_belongs_to_a_row(rows, collected):
    """test_e4b_… is of E4b."""
    numbers = {number.lower() for number in rows}
    for name in collected:
        if found := re.match(r"test_([a-f]\d+[a-z]?)_", name):
            assert found[1] in numbers, name
