"""joblight doctor: it names what is wrong before a server, and only that."""
import http.server
import re
import signal
import socket
import subprocess
import threading

import pytest

from support import tls
from support.api import Api
from support.doctor import behind, complaint, examine, nginx, on_a_terminal, run, trusting  # noqa: F401
from support.keyed import client, db, make, root  # noqa: F401
from support.meddler import Meddler
from support.ports import free_port
from support.server import BINARY, ROOT
from support.wait import SCALE, until


def test_a_server_without_a_proxy_is_in_order(trusting):
    found = examine(trusting.url, "--idle", "0")
    assert found.status == 0 and found.complaints() == {}, found
    assert found.checks["X-Forwarded-For"]["says"] == "no proxy: the server sees 127.0.0.1"
    for check in ("server", "key", "clock", "Host", "job", "stream", "WebSocket", "polling", "body", "compression"):
        assert found.checks[check]["verdict"] == "ok", found
    with Api(trusting.address) as api:
        assert api.get("/api/jobs").json["jobs"] == [], "its job is removed"


def test_a_good_proxy_is_in_order(trusting):
    with nginx(trusting) as url:
        found = examine(url, "--idle", "1500ms")
    assert found.complaints() == {} and found.status == 0, found
    assert "stay open for" in found.checks["idle"]["says"]


def test_the_lines_for_people_have_the_same(trusting):
    with nginx(trusting, host="") as url:
        status, lines = on_a_terminal(url, "--idle", "0")
    assert all(re.match(r"(ok  |warn|FAIL|skip) [A-Za-z]", line) for line in lines)
    line, = [line for line in lines if line.startswith("FAIL")]
    assert line.startswith("FAIL Host - the server gets ") and line.endswith("(nginx: proxy_set_header Host $http_host;)")
    assert status == 1


NGINX = {
    "no upgrade": ({"upgrade": ""}, "WebSocket", "fail", "answered 426", "nginx: proxy_set_header Upgrade $http_upgrade;"),
    "another Host": ({"host": "proxy_set_header Host $proxy_host;"}, "Host", "fail", "instead of",
                     "nginx: proxy_set_header Host $http_host;"),
    "a Host without its port": ({"host": "proxy_set_header Host $host;"}, "Host", "fail", "nginx: proxy_set_header Host $http_host;"),
    "a name that is not served": ({"host": "proxy_set_header Host upstream.example;"}, "Host", "fail",
                                  '"upstream.example", is not served', "nginx: proxy_set_header Host $http_host;"),
    "compressed": ({"gzip": "gzip on; gzip_types text/event-stream;"}, "compression", "fail", "gzip", "nginx: gzip off;"),
    "HTTP/1.0": ({"version": ""}, "HTTP version to the server", "fail", "HTTP/1.0", "nginx: proxy_http_version 1.1;"),
    "no address": ({"for": ""}, "X-Forwarded-For", "warn", "does not get it", "nginx: proxy_set_header X-Forwarded-For"),
    "small bodies": ({"body": "client_max_body_size 200k;"}, "body", "fail", "262144 bytes", "nginx: client_max_body_size 16m;"),
}


@pytest.mark.parametrize("name", list(NGINX))
def test_a_broken_nginx(name, trusting):
    changed, *expected = NGINX[name]
    with nginx(trusting, **changed) as url:
        complaint(examine(url, "--idle", "0"), *expected)


def test_a_proxy_that_is_not_trusted(serve):
    server = serve(host=None, listen=f"127.0.0.1:0{',plain' if tls.EVERYWHERE else ''}")
    with nginx(server) as url:
        complaint(examine(url, "--idle", "0"), "X-Forwarded-For", "warn", "start joblight with --trusted-proxy 127.0.0.1")


class Answers(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(self.server.status)
        self.send_header("Content-Length", "0")
        if self.server.status == 301:
            self.send_header("Location", "https://jobs.example/")
        self.end_headers()

    def log_message(self, *_):
        pass


@pytest.mark.parametrize("status, words", [
    (200, "not by joblight"), (404, "not by joblight"), (301, "redirects to https://jobs.example/"),
    (502, "the proxy answers 502"), (504, "the proxy answers 504")])
def test_something_else_answers(status, words):
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answers) as other:
        other.status = status
        threading.Thread(target=other.serve_forever, daemon=True).start()
        found = examine(f"http://127.0.0.1:{other.server_port}")
        other.shutdown()
    complaint(found, "server", "fail", words)
    assert "key" not in found.checks


def test_nobody_answers():
    found = examine(f"http://127.0.0.1:{free_port()}")
    complaint(found, "server", "fail", "is it running")


def test_another_clock(trusting):
    found = examine(trusting.url, "--idle", "0", before=["faketime", "-f", "+1h"], ASAN_OPTIONS="verify_asan_link_order=0")
    complaint(found, "clock", "warn", "s behind of the one here", "NTP")


def test_a_server_that_is_not_on_this_machine_has_no_https(trusting):
    with Meddler(trusting) as other:
        found = examine(other.url.replace("127.0.0.1", "0.0.0.0"), "--idle", "0")
    assert found.checks["certificate"]["verdict"] == "warn" and "use https" in found.checks["certificate"]["change"]


def jobs_of(server):
    with Api(server.address) as api:
        return api.get("/api/jobs").json["jobs"]


def test_control_characters_of_a_stranger_are_not_printed():
    with Meddler(type("Nobody", (), {"address": ("127.0.0.1", 1)}), {"/": b"HTTP/1.1 301 X\r\nLocation: http://a/\x1b[31m\x85\r\nContent-Length: 0\r\n\r\n"}) as other:
        _, lines = on_a_terminal(other.url)
    text = "\n".join(lines)
    assert "\x1b" not in text and "\x85" not in text and "redirects to http://a/ [31m" in text


def test_ipv6(serve):
    server = serve(listen=f"[::1]:0{',plain' if tls.EVERYWHERE else ''}", host=None)
    found = examine(f"http://[::1]:{server.port}", "--idle", "0")
    assert found.complaints() == {}, found


def test_a_name_of_this_machine_and_the_default_port_may_be_left_out(trusting):
    found = examine(f"http://localhost:{trusting.port}/", "--idle", "0")
    assert found.complaints() == {} and found.checks["certificate"]["verdict"] == "skip", found


def test_without_a_key_it_says_so(serve, db, root):
    server = serve(db=db)
    complaint(examine(server.url), "key", "fail", "set JOBLIGHT_KEY to a key of this server")
    complaint(examine(server.url, key="jl_" + "0" * 56), "key", "fail", "JOBLIGHT_KEY")


def test_a_job_that_its_key_may_not_delete_is_ended(serve, db, make, root, client):
    key = make("watch,report,create")
    server = serve(db=db)
    found = examine(server.url, "--idle", "0", key=key)
    assert found.complaints() == {}, found
    job, = client(server, root).get("/api/jobs").json["jobs"]
    assert job["id"].startswith("doctor-") and job["status"] == "completed"


def test_a_key_for_other_jobs_watches_none(serve, db, make, root):
    key = make("watch,report,create", "ci-*")
    found = examine(serve(db=db).url, "--idle", "0", key=key)
    assert found.complaints() == {} and found.checks["job"]["verdict"] == "skip", found


def test_few_descriptors(serve):
    complaint(examine(serve(max_connections=100).url, "--idle", "0"), "descriptors", "warn", "takes 100 connections",
              "LimitNOFILE")


@pytest.mark.sqlite("it checks the file")
def test_the_database_and_the_disk(trusting, tmp_path):
    found = examine(trusting.url, "--idle", "0", "--db", trusting.db)
    assert found.checks["database"]["says"] == f"{trusting.db} passes the quick check of SQLite"
    assert re.match(r"a sync takes [\d.]+ ms", found.checks["disk"]["says"])
    assert [path.name for path in trusting.db.parent.iterdir() if "doctor" in path.name] == []
    found = examine(trusting.url, "--idle", "0", cwd=tmp_path)
    assert found.checks["database"]["verdict"] == found.checks["disk"]["verdict"] == "skip"


@pytest.mark.sqlite("it checks the file")
def test_the_database_is_found_where_a_server_here_has_it(trusting):
    for where in ({"cwd": trusting.db.parent}, {"JOBLIGHT_DB": str(trusting.db)}):
        found = examine(trusting.url, "--idle", "0", **where)
        assert found.checks["database"]["verdict"] == "ok", found


def test_a_broken_database(tmp_path):
    (tmp_path / "broken.db").write_bytes(b"SQLite format 3\0" + b"\1" * 8000)
    (tmp_path / "other.db").write_bytes(b"something else, which is no database at all" * 100)
    nobody = f"http://127.0.0.1:{free_port()}"
    for name in ("broken.db", "other.db"):
        found = examine(nobody, "--db", tmp_path / name)
        assert found.checks["database"]["verdict"] == "fail" and "restore a backup" in found.checks["database"]["change"]
    found = examine(nobody, "--db", tmp_path / "absent" / "no.db")
    assert found.checks["database"]["verdict"] == "warn" and "unable to open" in found.checks["database"]["says"]
    assert found.checks["disk"]["verdict"] == "warn" and "No such file" in found.checks["disk"]["says"]


@pytest.mark.sqlite("it damages the file")
def test_a_database_with_a_damaged_page(tmp_path, trusting):
    with Api(trusting.address) as api:
        for _ in range(50):
            api.create_job()
    trusting.stop()
    pages = bytearray(trusting.db.read_bytes())
    for at in range(4096 * 2, len(pages), 4096):
        pages[at:at + 100] = b"\xff" * 100
    (tmp_path / "damaged.db").write_bytes(pages)
    found = examine(trusting.url, "--db", tmp_path / "damaged.db")
    assert found.checks["database"]["verdict"] == "fail", found


@pytest.mark.parametrize("words, message", [
    (["jobs.example"], "it begins with http:// or https://"), (["http://"], "the host is missing"),
    (["http://:80"], "the host is missing"), (["http://a/?x"], "leave out ? and #"), (["http://a/#x"], "leave out ? and #"),
    (["http://key@a/"], "the key goes into JOBLIGHT_KEY"), (["http://a b/"], "a character that a URL cannot have"),
    (["--idle", "soon"], "up to 1h, such as 70s"), (["--idle", "-1"], "such as 70s"), (["--idle", "3600001ms"], "up to 1h"),
    (["--idle", "nan"], "such as 70s"), (["--idle", "5"], "such as 70s"), (["unix:/run/joblight"], "it begins with http:// or https://"),
    (["--proxy", "squid"], "--proxy takes one of: nginx caddy haproxy apache"), (["--speed"], "doctor has no --speed"),
    (["http://a", "http://b"], '"http://b" is not expected'), (["http://a", "--url", "http://b"], "--url http://b: the address is there twice"),
    (["--timeout", "3"], "such as 30s")])
def test_a_wrong_command_line_says_what_to_change(words, message):
    done = run(*words)
    assert done.returncode == 2 and message in done.stderr and done.stdout == ""


def test_the_address_may_come_from_the_environment(trusting):
    found = examine("--idle", "0", JOBLIGHT_URL=f"{trusting.url}///")
    assert found.status == 0 and trusting.url + " answers" in found.checks["server"]["says"]


def test_the_largest_idle_is_one_hour():
    found = examine(f"http://127.0.0.1:{free_port()}", "--idle", "1h")
    complaint(found, "server", "fail", "is it running")


def test_the_address_and_the_key_may_come_from_flags(serve, db, root, tmp_path):
    server = serve(db=db)
    (tmp_path / "key").write_text(root + "\n")
    found = examine("--idle", "0", "--url", server.url, "--key-file", tmp_path / "key", JOBLIGHT_URL="http://127.0.0.1:1")
    assert found.complaints() == {} and found.checks["key"]["says"].startswith("it may watch"), found
    done = run(server.url, "--key-file", tmp_path / "absent")
    assert done.returncode == 1 and "absent: No such file" in done.stderr and done.stdout == ""


def test_a_server_that_does_not_answer():
    with socket.create_server(("127.0.0.1", 0)) as silent:
        found = examine("http://127.0.0.1:%d" % silent.getsockname()[1], "--timeout", "300ms")
    complaint(found, "server", "fail", "does not answer within 0.3 s")


def test_a_reader_that_goes_away_ends_it_and_its_job(trusting):
    process = subprocess.Popen([BINARY, "doctor", "--idle", "60s", trusting.url], stdin=subprocess.DEVNULL,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert any(b'"check":"job"' in line for line in process.stdout)
    process.stdout.close()
    assert process.wait(20 * SCALE) == -signal.SIGPIPE and process.stderr.read() == b""
    process.stderr.close()
    assert jobs_of(trusting) == []


def test_below_a_path(serve):
    found = examine(serve(base_path="/joblight/").url + "/joblight/", "--idle", "0")
    assert found.complaints() == {}, found


def test_ctrl_c_ends_its_job(trusting):
    process = subprocess.Popen([BINARY, "doctor", "--idle", "60s", trusting.url], stdin=subprocess.DEVNULL,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    for line in process.stdout:
        if line.startswith(b'{"check":"body","verdict":"ok"'):
            break
    with Api(trusting.address) as api:
        until(lambda: len(api.get("/api/jobs").json["jobs"]) == 1, 5, "its job")
        process.send_signal(signal.SIGINT)
        assert process.wait(10 * SCALE) == 130
        assert api.get("/api/jobs").json["jobs"] == []
    process.stdout.close()
    process.stderr.close()


def test_standard_output_that_is_full():
    with open("/dev/full", "w") as full:
        done = subprocess.run([BINARY, "doctor", "http://127.0.0.1:1"], stdout=full, stderr=subprocess.PIPE, timeout=20 * SCALE,
                              check=False)
    assert done.returncode == 1 and b"standard output" in done.stderr


def test_the_lines_to_change_are_those_of_the_recipes():
    """What the doctor names for nginx stands in docs/proxy.md."""
    text = (ROOT / "docs" / "proxy.md").read_text()
    rows = re.findall(r'^ADVICE\((\w+), "([^"]*)", "([^"]*)", "([^"]*)", "([^"]*)"\)', (ROOT / "src/cli/doctor_advice.def").read_text(), re.M)
    assert len(rows) > 10
    for _, line, *_ in rows:
        for directive in line.split(" and ")[0].split("; ") if line else []:
            assert directive.rstrip(";") in text, directive
