"""`joblight job export` and `import`, on a database file and on a running server."""
import hashlib
import json
import socket
import threading

import pytest

from support.api import Api
from support.command import Fake, json_answer, ok, refused, run
from support.server import Server


def fill(api, job, **fields):
    """A job with some of everything."""
    api.create_job(id=job, metadata={"a": [1.50, None]}, tasks=[{"id": "z"}, {"id": "a"}], **fields)
    api.burst(job, 30, task="a", note="é\n\"" * 20)
    api.post(f"/api/jobs/{job}/deliverables", {"title": "D", "url": "https://files.example/1"})
    api.post(f"/api/jobs/{job}/commands", {"command": "stop", "args": {"n": 1}})


@pytest.fixture
def files(tmp_path):
    """Two databases that no server uses: one with a job that goes on and one that is over, and an empty one."""
    server = Server(tmp_path / "from").start()
    with Api(server.address) as api:
        fill(api, "going")
        fill(api, "over")
        api.finish("over")
    server.stop()
    other = Server(tmp_path / "to").start()
    other.stop()
    return server.db, other.db


@pytest.fixture(params=["database", "server"])
def places(request, files, tmp_path):
    """What names the source and the target of a transfer: --db, or --url of a running server."""
    if request.param == "database":
        yield [["--db", str(db)] for db in files]
        return
    servers = [Server(tmp_path / f"run{i}", db=str(db)).start() for i, db in enumerate(files)]
    yield [["--url", server.url] for server in servers]
    for server in servers:
        server.stop()


def exported(place, job="over"):
    return ok("job", "export", job, *place)


def test_an_export_is_lines_of_json_with_a_sum(places):
    lines = exported(places[0]).splitlines(keepends=True)
    assert json.loads(lines[0]) | {"epoch": ""} == {"joblight": "job", "version": 1, "id": "over", "epoch": "", "first": 1}
    end = json.loads(lines[-1])["end"]
    assert end.pop("sha256") == hashlib.sha256(b"".join(lines[:-1])).hexdigest()
    assert end == {"events": 34, "tasks": 2, "deliverables": 1}
    assert [json.loads(line)["seq"] for line in lines[1:35]] == list(range(1, 35))


def test_a_job_moves_to_another_place_and_back(places):
    source, target = places
    file = exported(source)
    answer = json.loads(ok("job", "import", *target, stdin=file))
    assert (answer["id"], answer["seq"], answer["epochKept"]) == ("over", 34, True)
    assert exported(target) == file
    assert "there is a job \"over\" already" in refused("job", "import", *target, stdin=file, code=(1, 8))
    ok("job", "import", "--replace", *target, stdin=file)
    assert exported(target) == file


def test_a_job_is_copied_under_another_id(places):
    source, target = places
    answer = json.loads(ok("job", "import", "--as", "copy", *source, stdin=exported(source)))
    assert (answer["id"], answer["epochKept"]) == ("copy", False)
    copy = exported(source, "copy")
    assert copy.count(b'"jobId":"copy"') == 34 and b'"jobId":"over"' not in copy
    assert json.loads(ok("job", "import", *target, stdin=copy))["id"] == "copy"


def test_a_job_that_goes_on_gets_a_new_epoch_unless_asked(places):
    source, target = places
    file = exported(source, "going")
    assert json.loads(ok("job", "import", *target, stdin=file))["epochKept"] is False
    assert json.loads(ok("job", "import", "--replace", "--keep-epoch", *target, stdin=file))["epochKept"] is True


@pytest.mark.parametrize("damage, words", [
    (lambda file: file[:len(file) // 2], "the export ends here, incomplete"),
    (lambda file: file[:-1], "the export ends here, incomplete"),
    (lambda file: file.replace(b'"note":"', b'"note":"x', 1), "line "),
    (lambda file: file.replace(b'"seq":9,', b'"seq":8,', 1), "line 10: this event was there before"),
    (lambda file: file.replace(b"\xc3\xa9", b"\xff\xa9", 1), "line 3: it is not valid JSON in UTF-8"),
    (lambda file: file.replace(b'"version":1', b'"version":2'), "line 1: its version is 2, and this joblight knows 1"),
    (lambda file: b"", "line 1: there is nothing to import"),
    (lambda file: b"{}\n" + file, "line 1: this is not the export of a job"),
    (lambda file: file + b"{}\n", "there is more after the end"),
    (lambda file: b"x" * (33 << 20), "line 1: it has more than 33554432 bytes"),
], ids=["cut", "no last newline", "byte", "twice", "utf-8", "version", "nothing", "other", "more", "gigantic line"])
def test_a_damaged_export_is_refused_and_leaves_nothing(places, damage, words):
    source, target = places
    err = refused("job", "import", *target, stdin=damage(exported(source)), code=(1, 8))
    assert words in err and "nothing was imported" in err
    assert "there is no job" in refused("job", "export", "over", *target, code=(1, 4))
    ok("job", "import", *target, stdin=exported(source))


def test_a_job_that_is_missing_is_said(places):
    assert "there is no job" in refused("job", "export", "nobody", *places[0], code=(1, 4))


@pytest.mark.sqlite("its disk is full")
def test_a_full_disk_imports_nothing(files):
    source, target = (["--db", str(db)] for db in files)
    file = exported(source)
    refused("job", "import", *target, stdin=file, largest_file=40_000)
    ok("db", "check", *target)
    assert "there is no job" in refused("job", "export", "over", *target)
    ok("job", "import", *target, stdin=file)


def test_a_reader_that_goes_away_ends_the_export(files):
    """A closed pipe is no reason to print anything."""
    code, out, err = run("job", "export", "over", "--db", files[0], within=10)
    assert code == 0 and out and not err


@pytest.mark.parametrize("words", [["export"], ["export", "a", "b"], ["export", "a", "--as", "b"], ["import", "file"],
                                   ["move"], []])
def test_wrong_arguments_are_refused(words):
    code, out, err = run("job", *words)
    assert (code, out) == (2, b"") and err


def test_ids_and_flags_are_checked_first():
    assert "this is not the id of a job" in refused("job", "export", "a/b", code=2)
    assert "this is not the id of a job" in refused("job", "import", "--as", "", code=2)
    assert "--as needs a value" in refused("job", "import", "--as", code=2)
    assert "import has no --so" in refused("job", "import", "--so", code=2)
    assert "cannot be used with --db" in refused("job", "export", "a", "--db", "x", "--url", "http://a", code=2)
    assert "such as 30s" in refused("job", "export", "a", "--url", "http://a", "--timeout", "1", code=2)


def test_a_server_that_cannot_be_asked_has_its_own_status():
    assert refused("job", "export", "over", "--url", "http://127.0.0.1:1", code=6)
    assert refused("job", "import", "--url", "http://127.0.0.1:1", stdin=b"x", code=6)
    assert refused("db", "vacuum", "--url", "http://127.0.0.1:1", code=6)


def test_an_export_of_a_server_that_says_nothing_ends():
    """After --timeout, also when a part has come: that is no export."""
    def begin(handler):
        handler.send_response(200)
        handler.end_headers()
        handler.wfile.write(b"{}\n")
        handler.wfile.flush()
        silent.wait(60)

    silent = threading.Event()
    for answer, code, words in ((begin, 1, "before it was complete"), (lambda _: silent.wait(60) and None, 7, "")):
        with Fake(answer) as fake:
            done, _, err = run("job", "export", "a", "--url", fake.url, "--timeout", "300ms")
            assert done == code and words in err.decode(), err
            silent.set()
        silent.clear()


def test_an_import_that_is_not_taken_ends():
    """A server that takes no byte of a body that is larger than every buffer."""
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        url = "http://127.0.0.1:%d" % nobody.getsockname()[1]
        refused("job", "import", "--url", url, "--timeout", "300ms", stdin=b"x" * (32 << 20), code=7)


@pytest.mark.parametrize("answer", [(201, {}, b"\x1b[2J"), json_answer("{}", 200), (200, {}, b"")], ids=["no JSON", "200", "empty"])
def test_a_server_that_is_none_is_said(answer):
    with Fake(answer) as fake:
        assert "is not a joblight server" in refused("job", "import", "--url", fake.url, stdin=b"")
        if answer[2] != b"{}":
            assert "is not a joblight server" in refused("db", "vacuum", "--url", fake.url)
