"""A copy of the tree, build/mutants, to which patches are applied, and the tests that run in it.

The copy keeps its own build folder, so it is built again only as far as it changed. The runners of
tests/mutants and tests/house share it.
"""
import argparse
import os
import re
import subprocess
import sys
import xml.etree.ElementTree as xml
from pathlib import Path

from support import postgres

ROOT = Path(__file__).resolve().parents[1]
TREE = ROOT / "build" / "mutants"
KEPT = ("build", "node_modules", "__pycache__")     # folders of the copy that are its own
LONGEST_S = 300                                     # of one build or test
PASSED, FAILED = "passed", "failed"

# The copy has a program of its own, and its tests no settings but the machine's slowness.
ENVIRONMENT = {name: value for name, value in os.environ.items()
               if not name.startswith("JOBLIGHT_") or name == "JOBLIGHT_TEST_SCALE"}


class Trouble(Exception):
    """Neither passed nor failed by an assertion."""


def run(*words, folder=TREE, **environment):
    """(exit status, all that it said)"""
    try:
        done = subprocess.run(words, cwd=folder, env={**ENVIRONMENT, **environment}, text=True,
                              errors="replace", stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, timeout=LONGEST_S, check=False)
    except subprocess.TimeoutExpired:
        raise Trouble(f"{words[0]} took longer than {LONGEST_S} s") from None
    return done.returncode, done.stdout


def must(what, *words, **how):
    status, said = run(*words, **how)
    if status:
        raise Trouble(f"{what}\n{said}")
    return said


# -- the copy of the tree --------------------------------------------------------------------------

def copy_tree():
    """Makes the copy equal to the tree; what is equal keeps its time, and is not built again."""
    listed = must("git cannot list the files", "git", "ls-files", "-coz", "--exclude-standard",
                  folder=ROOT)
    names = {name for name in listed.split("\0") if name and (ROOT / name).is_file()}
    for name in names:
        bytes_, copy = (ROOT / name).read_bytes(), TREE / name
        if copy.is_file() and copy.read_bytes() == bytes_:
            continue
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(bytes_)
        copy.chmod((ROOT / name).stat().st_mode)
    for folder, folders, files in os.walk(TREE):
        folders[:] = [name for name in folders if name not in KEPT]
        for file in (Path(folder) / name for name in files):
            if str(file.relative_to(TREE)) not in names and not file.is_symlink():
                file.unlink()
    for packages in ("tests/browser/node_modules", "tests/clients/node_modules", "script/esbuild/node_modules"):
        if not (TREE / packages).is_symlink():
            (TREE / packages).symlink_to(ROOT / packages)


def chosen(folder, read, description):
    """read(patch) of the patches in the folder that the command line chooses."""
    options = argparse.ArgumentParser(description=description)
    options.add_argument("--only", action="append", metavar="NAME",
                         help="those whose names begin so")
    only = options.parse_args().only
    found = [read(patch) for patch in sorted(folder.glob("*.patch"))]
    found = [one for one in found if not only or one.name.startswith(tuple(only))]
    if not found:
        sys.exit("there is no such patch")
    return found


def apply(patch):
    """As if the copy were no part of a repository."""
    must("its patch does not apply any more: make it again", "git", "apply", str(patch),
         GIT_CEILING_DIRECTORIES=str(TREE.parent))


def build(target):
    if not (TREE / "build/build.ninja").is_file():
        must("it cannot be configured", "cmake", "--preset", "ci")
    must("it does not compile", "cmake", "--build", "build", "-j", "2", "--target", target)


# -- one test, or without `test` all of a file -----------------------------------------------------

def run_unit(file, test="", **environment):
    program = Path(file).stem
    build(program)
    if test:
        environment["JOBLIGHT_TEST_ONLY"] = test
    status, said = run(f"build/tests/{program}", **environment)
    if status == 0 and f"[       OK ] {test}" in said:
        return PASSED
    if status > 0 and f"[  FAILED  ] {test}" in said and "exception" not in said:
        return FAILED
    raise Trouble(f"exit status {status}\n{said}")


def run_postgres(file, test=""):
    """A unit test over a PostgreSQL of its own."""
    build("joblight_module_postgres")
    folder = TREE / "build/postgres"
    postgres.start(folder)
    try:
        return run_unit(file, test, JOBLIGHT_TEST_POSTGRES=str(folder / "url"))
    finally:
        postgres.stop(folder)


def is_assertion(message):
    return re.match(r"AssertionError|assert ", message) is not None


def run_pytest(file, test=""):
    build("joblight")
    report = TREE / "build/report.xml"
    report.unlink(missing_ok=True)
    status, said = run(sys.executable, "-m", "pytest", "-q", "--no-header", "--tb=short", "-p",
                       "no:cacheprovider", f"--junitxml={report}", f"{file}::{test}" if test else file)
    if status > 1 or not report.is_file():
        raise Trouble(f"exit status {status}\n{said}")
    cases = xml.parse(report).getroot()
    failures = [failure.get("message", "") for failure in cases.iter("failure")]
    if status == 0 and not failures:
        return PASSED
    if failures and all(map(is_assertion, failures)) and not list(cases.iter("error")):
        return FAILED
    raise Trouble(said)


def run_cluster(file, test=""):
    for module in ("joblight_module_postgres", "joblight_module_redis"):
        build(module)
    return run_pytest(file, test)


def run_node(file, test):
    build("joblight")
    name = re.escape(test)
    status, said = run("env", "JOBLIGHT_TEST_WHOLE=1", "node", "--test", "--test-reporter=tap",
                       f"--test-name-pattern=^{name}$", Path(file).name, folder=TREE / "tests/browser")
    if status == 0 and re.search(rf"^\s*ok \d+ - {name}$", said, re.M):
        return PASSED
    if status and re.search(rf"^\s*not ok \d+ - {name}$", said, re.M) and "ERR_ASSERTION" in said:
        return FAILED
    raise Trouble(f"exit status {status}\n{said}")


SUITES = {"unit": run_unit, "postgres": run_postgres, "contract": run_pytest, "faults": run_pytest, "cluster": run_cluster, "browser": run_node}
