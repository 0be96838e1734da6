"""GET /api/connection: how a request has reached the server."""
import json

from support import tls
from support.keyed import client, db, make  # noqa: F401
from support.problem import assert_problem
from support.raw import Raw, ask, request
from support.server import ROOT


def arrived(server, *headers, host="joblight.test", version="1.1"):
    reply = ask(server.address, request("GET", "/api/connection", headers, host=host, version=version))
    assert reply.status == 200 and reply.header("Cache-Control") == "no-store"
    return reply.json


def test_it_tells_the_request_as_it_arrived(server):
    with Raw(server.address) as raw:
        raw.send(request("GET", "/api/connection", host="127.0.0.1:81"))
        said = raw.response().json
        assert (said["client"], said["port"]) == raw.socket.getsockname()
    assert (said["host"], said["http"]) == ("127.0.0.1:81", "1.1")
    assert said["tls"] == said["https"] == tls.EVERYWHERE
    assert not said["forwardedFor"] and not said["forwardedProto"] and not said["trusted"]
    assert arrived(server, version="1.0")["http"] == "1.0"


def test_what_a_proxy_says_counts_if_it_is_trusted(serve, server):
    said = "X-Forwarded-For: 192.0.2.7", "X-Forwarded-Proto: https"
    stranger, trusted = arrived(server, *said), arrived(serve(trusted_proxy="127.0.0.1"), *said)
    assert stranger["client"] == "127.0.0.1" and stranger["https"] == tls.EVERYWHERE and not stranger["trusted"]
    assert trusted["client"] == "192.0.2.7" and trusted["https"] and trusted["trusted"]
    for one in (stranger, trusted):
        assert one["forwardedFor"] and one["forwardedProto"]


def test_it_tells_the_settings_that_a_client_meets(serve):
    said = arrived(serve(base_path="/x/", max_body=1000, max_connections=70, heartbeat_ms=7000))
    assert (said["basePath"], said["maxBody"], said["maxConnections"], said["heartbeatMs"]) == ("/x", 1000, 70, 7000)
    assert said["open"] and f"VERSION {said['version']} " in (ROOT / "CMakeLists.txt").read_text()


def test_a_name_that_is_not_utf_8_is_mended(serve, tmp_path):
    path = str(tmp_path / "s")
    serve(listen=["127.0.0.1:0", f"unix:{path}"])
    reply = ask(path, request("GET", "/api/connection", host="\xff\xfe.example"))
    assert json.loads(reply.body.decode())["host"] == "??.example"


def test_a_unix_socket_has_no_port(serve, tmp_path):
    path = str(tmp_path / "s")
    serve(listen=["127.0.0.1:0", f"unix:{path}"])
    said = ask(path, request("GET", "/api/connection")).json
    assert (said["client"], said["port"]) == ("unix", 0)


def test_it_needs_any_right(serve, db, make, client):
    keys = [make("watch"), make("report")]
    server = serve(db=db)
    assert_problem(client(server).get("/api/connection"), 401)
    for key in keys:
        said = client(server, key).get("/api/connection")
        assert said.status == 200 and said.json["open"] is False
