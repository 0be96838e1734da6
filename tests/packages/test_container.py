"""Containerfile: its lines are carried out in a system and in an empty folder, as a builder of images would."""
import http.client
import json
import os
import re
import stat
import subprocess

import pytest
from debian import ROOT, System, copy_source, run



def instructions():
    """[(word, rest)] of each stage."""
    text = re.sub(r"\\\n", " ", (ROOT / "Containerfile").read_text())
    stages = []
    for line in text.splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        word, rest = line.split(None, 1)
        if word == "FROM":
            stages.append([])
        stages[-1].append((word, rest))
    return stages


@pytest.fixture(scope="module")
def image(tmp_path_factory):
    """The folder of the last stage, and its other lines."""
    (first, *building), (last, *final) = instructions()
    assert first[1].startswith("docker.io/library/debian:12") and last[1] == "scratch"
    folder = tmp_path_factory.mktemp("image")
    system = System("12", "container")
    try:
        for word, rest in building:
            if word == "RUN":
                system.sh(rest)
            else:
                assert (word, rest) == ("COPY", ". /source")
                copy_source(system.path("source"))
        for word, rest in final:
            if word == "COPY":
                _, source, target = re.fullmatch(r"(--from=build) (\S+) (\S+)", rest).groups()
                run("cp", "-a", f"{system.path(source)}/.", str(folder) + target)
    finally:
        system.close()
    devices(folder)
    return folder, dict(final)


def devices(folder):
    """What every container gets."""
    (folder / "dev").mkdir()
    for name, minor in ("null", 3), ("zero", 5), ("random", 8), ("urandom", 9):
        os.mknod(folder / "dev" / name, 0o666 | stat.S_IFCHR, os.makedev(1, minor))
        (folder / "dev" / name).chmod(0o666)


def start(image, *more):
    folder, lines = image
    words = [*json.loads(lines["ENTRYPOINT"]), *more]
    words[words.index("0.0.0.0:3001")] = "127.0.0.1:0"
    code = f"import os; os.chroot({str(folder)!r}); os.chdir({lines['WORKDIR']!r}); os.setgid(10001); os.setgroups([]); os.setuid(10001); os.execv({words[0]!r}, {words!r})"
    return subprocess.Popen(["/usr/bin/python3", "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                            stdin=subprocess.DEVNULL)


def test_it_serves_as_a_user_without_rights(image):
    assert image[1]["USER"] == "10001:10001"
    process = start(image)
    try:
        port, said = None, []
        for line in process.stderr:
            said.append(line)
            if match := re.search(r"127\.0\.0\.1:([1-9]\d*)", line):
                port = int(match[1])
                break
        assert port, "".join(said)
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        connection.request("POST", "/api/jobs", '{"title":"x"}', {"Content-Type": "application/json"})
        assert connection.getresponse().status == 201
        connection.close()
    finally:
        process.terminate()
        assert process.wait(20) == 0
        process.stderr.close()
        process.stdout.close()


def test_it_has_the_programs_their_libraries_and_nothing_else(image):
    files = {str(path.relative_to(image[0])) for path in image[0].rglob("*") if path.is_file() and not str(path).startswith(str(image[0] / "data"))}
    assert "usr/bin/joblight" in files and any("evlib_uv" in name for name in files)
    programs = {"usr/bin/joblight", "usr/bin/joblight-send"}
    assert {name for name in files if ".so" not in name} == programs
