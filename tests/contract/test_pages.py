"""The pages and files of www/, as the program has them built in: status, type, encoding, cache."""
import gzip
import re

import pytest

from support.raw import Raw, ask, request
from support.server import ROOT, run_to_exit

TEXTS = ["/", "/login", "/login.js", "/job.js", "/style.css", "/joblight.js", "/page/tasks.js", "/package.json", "/joblight.d.ts"]


def fetch(server, path, *headers, method="GET"):
    return ask(server.address, request(method, path, headers), head=method == "HEAD")


def test_the_page_of_a_job_that_is_there(server, job):
    reply = fetch(server, f"/jobs/{job}")
    assert (reply.status, reply.header("Content-Type")) == (200, "text/html; charset=utf-8")


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_the_page_of_a_job_that_is_not_there_is_404(server, job, method):
    reply = fetch(server, "/jobs/nope", method=method)
    assert (reply.status, reply.header("Content-Type")) == (404, "text/html; charset=utf-8")
    if method == "GET":
        assert reply.body == fetch(server, f"/jobs/{job}").body, "people still get the page"


@pytest.mark.parametrize("id", ["-", "a%20b", "%C3%A9", "x" * 129, "a%2Fb"])
def test_the_page_of_what_can_be_no_jobs_id_is_404_too(server, job, id):
    reply = fetch(server, f"/jobs/{id}", "Accept: text/html")
    assert (reply.status, reply.header("Content-Type")) == (404, "text/html; charset=utf-8")
    assert reply.body == fetch(server, f"/jobs/{job}").body


def test_the_page_of_a_deleted_job_is_404_whatever_the_browser_has_kept(server, api):
    job = api.create_job()["id"]
    etag = fetch(server, f"/jobs/{job}").header("ETag")
    assert fetch(server, f"/jobs/{job}", f"If-None-Match: {etag}").status == 304
    api.delete(f"/api/jobs/{job}")
    assert fetch(server, f"/jobs/{job}", f"If-None-Match: {etag}").status == 404


def test_there_is_an_icon(server):
    reply = fetch(server, "/favicon.ico")
    assert (reply.status, reply.header("Content-Type")) == (200, "image/x-icon")
    assert reply.body[:4] == b"\0\0\1\0"


@pytest.mark.parametrize("path", ["/", "/job.html"])
def test_a_page_says_what_it_is(server, path):
    words = re.search(rb'<meta name="description" content="([^"]+)">', fetch(server, path).body)
    assert words and 50 <= len(words[1]) <= 160


@pytest.mark.parametrize("path", TEXTS)
def test_text_is_compressed_for_those_who_take_it(server, path):
    plain = fetch(server, path)
    zipped = fetch(server, path, "Accept-Encoding: gzip, deflate")
    assert (plain.header("Content-Encoding"), zipped.header("Content-Encoding")) == (None, "gzip")
    assert gzip.decompress(zipped.body) == plain.body
    assert len(zipped.body) < len(plain.body)
    assert plain.header("Vary") == zipped.header("Vary") == "Accept-Encoding"
    assert plain.header("Content-Type") == zipped.header("Content-Type")


def test_each_encoding_has_an_etag_of_its_own(server):
    plain = fetch(server, "/job.js").header("ETag")
    zipped = fetch(server, "/job.js", "Accept-Encoding: gzip").header("ETag")
    assert plain != zipped

    def asked(*headers):
        return fetch(server, "/job.js", *headers).status

    assert asked(f"If-None-Match: {plain}") == 304
    assert asked(f"If-None-Match: {zipped}", "Accept-Encoding: gzip") == 304
    assert asked(f"If-None-Match: {plain}", "Accept-Encoding: gzip") == 200
    assert asked(f"If-None-Match: {zipped}") == 200


@pytest.mark.parametrize("said, coding", [
    ("gzip", "gzip"), ("GZIP", "gzip"), ("br, gzip;q=0.5", "gzip"), ("*", "gzip"), ("deflate , gzip", "gzip"),
    ("gzip ; q=0.001", "gzip"), ("gzip;q=1.0", "gzip"), ("*;q=0, gzip", "gzip"),
    ("", None), ("br", None), ("identity", None), ("gzip;q=0", None), ("gzip;q=0.000", None), ("gzip;Q=0", None),
    ("*;q=0", None), ("gzip;q=0, *", None), ("xgzip", None), ("gzipped", None)])
def test_what_a_client_takes_is_understood(server, said, coding):
    reply = fetch(server, "/style.css", f"Accept-Encoding: {said}")
    assert (reply.status, reply.header("Content-Encoding")) == (200, coding)


def test_what_is_compressed_already_and_json_go_as_they_are(server, job):
    icon = fetch(server, "/favicon.ico", "Accept-Encoding: gzip")
    snapshot = fetch(server, f"/api/jobs/{job}", "Accept-Encoding: gzip")
    assert (icon.header("Content-Encoding"), icon.header("Vary")) == (None, None)
    assert (snapshot.header("Content-Encoding"), snapshot.header("Vary")) == (None, None)


def test_the_pages_of_a_folder_are_those_of_the_folder(serve):
    server = serve(www=ROOT / "www")
    reply = fetch(server, "/job.js", "Accept-Encoding: gzip")
    assert (reply.header("Content-Encoding"), reply.body) == (None, (ROOT / "www" / "job.js").read_bytes())


def folders(depth):
    return "/".join("d" * depth)


def test_a_folder_gives_plain_files_and_nothing_behind_a_link_or_a_dot(serve, tmp_path):
    www, deepest, outside = tmp_path / "www", folders(8), tmp_path / "secret.txt"
    outside.write_text("secret")
    (www / deepest / "d").mkdir(parents=True)
    for name in ("index.html", "a.weird", "noend", ".hidden", f"{deepest}/last.js", f"{deepest}/d/more.js"):
        (www / name).write_text(name)
    (www / "link.txt").symlink_to(outside)
    (www / "up").symlink_to(tmp_path)
    with open(www / "large.txt", "wb") as large:
        large.truncate(16 * 1024 * 1024 + 1)
    server = serve(www=www)
    types = {path: fetch(server, path).header("Content-Type") for path in ("/", "/a.weird", "/noend", f"/{deepest}/last.js")}
    assert list(types.values()) == ["text/html; charset=utf-8", "application/octet-stream", "application/octet-stream",
                                    "text/javascript; charset=utf-8"]
    for path in ("/.hidden", "/link.txt", "/up/secret.txt", "/large.txt", f"/{deepest}/d/more.js", "/d"):
        assert fetch(server, path).status == 404, path


@pytest.mark.parametrize("folder", ["missing", "a-file"])
def test_a_folder_that_cannot_be_read_ends_the_start(tmp_path, folder):
    (tmp_path / "a-file").write_text("x")
    code, out, err = run_to_exit(listen="127.0.0.1:0", db=str(tmp_path / "db"), www=tmp_path / folder)
    assert (code, out) == (1, "")
    assert f"cannot read {tmp_path / folder}" in err


def test_pages_are_answered_on_a_connection_that_stays(server, job):
    with Raw(server.address) as raw:
        for path, status in [(f"/jobs/{job}", 200), ("/jobs/nope", 404), ("/", 200), ("/jobs/nope", 404)]:
            raw.send(request("GET", path, ["Accept-Encoding: gzip"]))
            assert raw.response().status == status


def test_a_server_that_is_no_demonstration_says_so_nowhere(server, job):
    for path in ["/", f"/jobs/{job}"]:
        assert b"data-demo>" not in fetch(server, path).body.split(b"\n", 3)[1]
    assert fetch(server, "/demo").status == 404


# -- what the pages learn of the server ------------------------------------------------------------


@pytest.mark.parametrize("options, insecure", [
    ({}, None), ({"insecure": True}, None), ({"listen": "0.0.0.0:0", "insecure": True}, True)],
    ids=["loopback", "loopback with --insecure", "everywhere"])
def test_a_server_without_keys_says_that_it_is_open_and_to_whom(serve, client, options, insecure):
    session = client(serve(**options)).get("/api/session").json
    assert session["open"] is True and session.get("insecure") is insecure
    assert len(session["scope"]) == 5 and session["jobs"] == ["*"]


def test_with_the_first_key_it_is_neither_open_nor_insecure(serve, client):
    api = client(serve(listen="0.0.0.0:0", insecure=True))
    key = api.post("/api/keys", {"scope": ["admin"]}).json["key"]
    session = api.get("/api/session", Authorization=f"Bearer {key}").json
    assert session["scope"] == ["admin"] and not {"open", "insecure"} & set(session)


@pytest.mark.parametrize("commands", [["comment"], ["comment", "cancel"]], ids=str)
def test_a_token_for_some_commands_says_which(serve, client, commands):
    api = client(serve())
    job = api.create_job()["id"]
    key = {"Authorization": "Bearer " + api.post("/api/keys", {"scope": ["admin", "watch", "control"]}).json["key"]}
    wanted = {"scope": ["watch", "control"], "commands": commands}
    token = api.post(f"/api/jobs/{job}/tokens", wanted, **key).json["token"]
    assert api.get("/api/session", Authorization=f"Bearer {token}").json["commands"] == commands
    assert "commands" not in api.get("/api/session", **key).json
