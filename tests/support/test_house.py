"""tests/house/run.py: it counts what a patch touches, and notices what it may not touch."""
import importlib.util
import os
import subprocess

import pytest

from .server import ROOT

SPEC = importlib.util.spec_from_file_location("house", ROOT / "tests/house/run.py")
PATCHES = [*(ROOT / "tests/mutants").glob("*.patch"), *(ROOT / "tests/house").glob("*.patch")]
HEADER = """One more.

    Row: a.def
    Document: docs/a.md
    Test: tests/a.py
    Tested by: unit tests/unit/test_a.c
    Places: 2

"""


@pytest.fixture(scope="module")
def house():
    module = importlib.util.module_from_spec(SPEC)
    SPEC.loader.exec_module(module)
    return module


def change(file, *hunks, new=False):
    lines = [f"diff --git a/{file} b/{file}", *(["new file mode 100644"] if new else []),
             f"--- {'/dev/null' if new else 'a/' + file}", f"+++ b/{file}"]
    for hunk in hunks:
        lines += ["@@ -1 +1 @@", *hunk]
    return "\n".join(lines) + "\n"


def check(house, tmp_path, *changes):
    patch = tmp_path / "01.patch"
    patch.write_text(HEADER + "".join(changes))
    return house.check_places(house.read(patch))


ROW = change("a.def", [" x", "+y", " z"])
NEW = change("src/a.c", ["+a", "+-b", "+++c"], new=True)


def test_a_place_is_a_group_of_lines_in_a_table_or_a_document(house, tmp_path):
    told = check(house, tmp_path, ROW, NEW, change("docs/a.md", ["+a"], ["+b"]),
                 change("tests/a.py", ["-a", "+b"], ["+c"]))
    assert told == ("2 places: 1 in tables, 1 documents (2 sections); 1 new files, "
                    "2 changes of tests")


@pytest.mark.parametrize("wrong, said", [
    (change("src/b.c", ["+a"]), "src/b.c is not named in the header"),
    (change("a.def", [" x", "-y", "+z"]), "a.def loses or changes a row"),
    (change("a.def", ["+x", " y", "+z", " a", "+b"]), "it has 3 places, 2 at most"),
    (change("cmake/a", ["+a"], new=True), "cmake/a is new in a folder that is not ours"),
])
def test_what_touches_more_is_an_error(house, tmp_path, wrong, said):
    with pytest.raises(house.Trouble, match=said):
        check(house, tmp_path, NEW, wrong)


@pytest.mark.parametrize("row", ["src/a.c", "README.md"])
def test_a_row_stands_in_a_table(house, tmp_path, row, monkeypatch):
    monkeypatch.setitem(globals(), "HEADER", HEADER.replace("a.def", row))
    with pytest.raises(house.Trouble, match="is no row"):
        check(house, tmp_path, change(row, ["+a"]))


def test_a_patch_without_its_tests_is_no_patch(house, tmp_path, monkeypatch):
    monkeypatch.setitem(globals(), "HEADER", HEADER.replace("Tested by", "By"))
    with pytest.raises(SystemExit):
        check(house, tmp_path, ROW)


def test_the_patches_of_the_tree_touch_what_they_may(house):
    for patch in sorted((ROOT / "tests/house").glob("*.patch")):
        assert house.check_places(house.read(patch))


@pytest.mark.parametrize("patch", sorted(PATCHES), ids=lambda patch: f"{patch.parent.name}/{patch.stem}")
def test_each_patch_applies_to_the_tree(patch):
    """Those of mutants and house are only tried by script/test full; here they are kept fit."""
    done = subprocess.run(["git", "apply", "--check", str(patch)], cwd=ROOT,
                          env={**os.environ, "GIT_CEILING_DIRECTORIES": str(ROOT.parent)}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
