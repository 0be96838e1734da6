"""A Redis that speaks TLS, as --bus rediss://…: whom a server trusts, and what it says of the others."""
import contextlib
import json
import socketserver
import threading
from types import SimpleNamespace

import pytest

from support import tls
from support.redis import speaking_tls
from support.wait import until
from support.watcher import TRANSPORTS


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A Redis with a certificate for 127.0.0.1 and localhost, which asks for none."""
    pair = tls.make(tmp_path_factory.mktemp("redis"), "127.0.0.1", "localhost")
    redis = speaking_tls(pair).start()
    yield SimpleNamespace(redis=redis, pair=pair)
    redis.remove()


@pytest.fixture
def speaking():
    """speaking(pair, **settings): another Redis with this certificate, for this test only."""
    with contextlib.ExitStack() as stack:
        def start(pair, **settings):
            redis = speaking_tls(pair, **settings).start()
            stack.callback(redis.remove)
            return redis
        yield start


@pytest.fixture
def away(node, client):
    """away(**flags): what readiness says of the bus of a server that cannot connect to it."""
    def start(**options):
        server = node(**options)
        api = client(server)
        until(lambda: "not connected yet" not in bus_of(api), 10, "the bus to be away")
        job = api.create_job()["id"]
        api.report(job, "t", note="is stored all the same")
        assert len(api.activity(job)) == 2
        return bus_of(api)
    return start


def bus_of(api):
    return api.get("/readyz").json["bus"]


def connected(server):
    server.logs("the bus is connected")
    return server


def joined(made, node, **options):
    return connected(node(**{"bus": made.redis.tls_url, "bus_ca": made.pair.certificate, **options}))


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_a_watcher_of_one_server_sees_what_another_commits(made, node, client, host):
    servers = [joined(made, node, bus=made.redis.tls_url_at(host)) for _ in range(2)]
    api = client(servers[0])
    job = api.create_job()["id"]
    with TRANSPORTS["sse"](servers[1].address, job) as watcher:
        watcher.connected()
        for number in range(50):
            api.report(job, "t", note=str(number))
        assert [event.seq for event in watcher.events(50)] == list(range(2, 52))
    assert "name=joblight" in made.redis.say("CLIENT", "LIST")


def test_a_dot_at_the_end_of_a_name_is_not_in_a_certificate(tmp_path, node, resolver, speaking):
    pair = tls.make(tmp_path, "db.test")
    redis = speaking(pair)
    for host in ("db.test", "db.test."):
        connected(node(bus=redis.tls_url_at(host), bus_ca=pair.certificate, environment=resolver.environment))


def test_messages_larger_than_every_buffer_arrive(made, node, client):
    """Of TLS a record has 16 KiB, and of the bus a message 1 MiB."""
    servers = [joined(made, node, max_note="400KiB", max_body="2MiB") for _ in range(2)]
    api = client(servers[0])
    job = api.create_job()["id"]
    note = "Grüße, " * 45_000 + "Ende"
    with TRANSPORTS["sse"](servers[1].address, job) as watcher:
        watcher.connected()
        for number in range(6):
            assert api.update(job, [{"taskId": f"t{number}-{i}", "note": note} for i in range(3)]).status == 200
        texts = [json.loads(event.text)["note"] for event in watcher.events(18, within=20)]
    assert texts == [note] * 18


def test_what_is_missed_while_the_connection_is_cut_is_read(made, node, client):
    servers = [joined(made, node) for _ in range(2)]
    api = client(servers[0])
    job = api.create_job()["id"]
    with TRANSPORTS["sse"](servers[1].address, job) as watcher:
        watcher.connected()
        for number in range(60):
            api.report(job, "t", note=str(number))
            if number % 20 == 10:
                made.redis.say("CLIENT", "KILL", "TYPE", "normal")
                made.redis.say("CLIENT", "KILL", "TYPE", "pubsub")
                servers[1].logs("the bus is away")
        assert [event.seq for event in watcher.events(60, within=30)] == list(range(2, 62))


def test_the_certificates_of_the_system_are_trusted_without_a_setting(made, node):
    connected(node(bus=made.redis.tls_url, environment={"SSL_CERT_FILE": str(made.pair.certificate)}))


def test_a_redis_that_nobody_vouches_for_gets_no_password(made, away):
    """Not even the name of the user."""
    before = made.redis.say("INFO", "commandstats")
    assert "certificate of Redis is not accepted: self-signed certificate" in away(environment={
        "JOBLIGHT_BUS": made.redis.tls_url.replace("//", "//:w0rd@")})
    assert "cmdstat_auth" not in before + made.redis.say("INFO", "commandstats")


@pytest.mark.parametrize("names, ended, why", [
    (("127.0.0.2", "redis.test"), 0, "IP address mismatch"), (("127.0.0.1",), 1, "certificate has expired"),
])
def test_a_certificate_that_does_not_fit_is_not_accepted(tmp_path, away, names, ended, why, speaking):
    pair = tls.make(tmp_path, *names, ended=ended)
    redis = speaking(pair)
    assert f"certificate of Redis is not accepted: {why}" in away(bus=redis.tls_url, bus_ca=pair.certificate)


def test_a_certificate_for_another_name_is_not_accepted(tmp_path, away, speaking):
    pair = tls.make(tmp_path, "127.0.0.1", "other.test")
    redis = speaking(pair)
    assert "hostname mismatch" in away(bus=redis.tls_url_at("localhost"), bus_ca=pair.certificate)


def test_a_redis_may_ask_for_a_certificate(tmp_path, made, node, away, speaking):
    own = tls.make(tmp_path, "node.test", stem="node")
    both = tmp_path / "both.pem"
    both.write_text(own.certificate.read_text() + own.key.read_text())
    both.chmod(0o600)
    redis = speaking(made.pair, trusted=own)
    connected(node(bus=redis.tls_url, bus_ca=made.pair.certificate, bus_certificate=both))
    assert "TLS: Redis wants a certificate: --bus-certificate" in away(bus=redis.tls_url, bus_ca=made.pair.certificate)
    stranger = tmp_path / "stranger.pem"
    pair = tls.make(tmp_path, "stranger.test", stem="other")
    stranger.write_text(pair.certificate.read_text() + pair.key.read_text())
    assert "TLS: Redis does not accept the certificate of --bus-certificate" in away(
        bus=redis.tls_url, bus_ca=made.pair.certificate, bus_certificate=stranger)


@pytest.mark.parametrize("trusted", ["root", "middle", "leaf"])
def test_any_certificate_of_the_file_is_trusted(tmp_path, node, trusted, speaking):
    """Redis sends its own and the one in the middle."""
    root = tls.make(tmp_path, "root.test", stem="root", usage="keyCertSign")
    middle = tls.signed(tmp_path, "middle", root, "basicConstraints=critical,CA:TRUE", "keyUsage=critical,keyCertSign")
    leaf = tls.signed(tmp_path, "leaf", middle, "subjectAltName=IP:127.0.0.1")
    ca = tmp_path / "ca.pem"
    ca.write_text({"root": root, "middle": middle, "leaf": leaf}[trusted].certificate.read_text())
    leaf.certificate.write_text(leaf.certificate.read_text() + middle.certificate.read_text())
    redis = speaking(leaf)
    connected(node(bus=redis.tls_url, bus_ca=ca))


@pytest.mark.parametrize("words", [b"-ERR this is a banner\r\n", b"HTTP/1.1 400 Bad Request\r\n\r\n"])
def test_what_answers_in_plain_text_does_not_speak_tls(made, away, words):
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), type("Plain", (socketserver.BaseRequestHandler,), {
            "handle": lambda self: (self.request.recv(4096), self.request.sendall(words), self.request.recv(1))})) as peer:
        threading.Thread(target=peer.serve_forever, daemon=True).start()
        try:
            assert "TLS: what answers does not speak TLS" in away(bus=f"rediss://127.0.0.1:{peer.server_address[1]}",
                                                                 bus_ca=made.pair.certificate)
        finally:
            peer.shutdown()


def test_a_redis_without_tls_is_told_from_one_that_is_away(redis, made, away):
    assert "Redis does not answer; its port may be one without TLS" in away(bus=redis.url.replace("redis:", "rediss:"), bus_ca=made.pair.certificate)


def test_a_redis_that_wants_tls_is_not_spoken_to_without(made, away):
    assert "away" in away(bus=made.redis.tls_url.replace("rediss:", "redis:"))


def test_a_password_and_a_prefix_are_as_without_tls(tmp_path, made, node, client, speaking):
    redis = speaking(made.pair, requirepass="w0rd")
    password = tmp_path / "password"
    password.write_text("w0rd\n")
    password.chmod(0o600)
    server = connected(node(bus=redis.tls_url, bus_ca=made.pair.certificate, bus_password=password, bus_prefix="mine"))
    assert "mine:" in redis.say("PUBSUB", "CHANNELS") and bus_of(client(server)).startswith("connected")


def test_a_redis_that_stops_in_the_handshake_is_given_up(made, node, client):
    made.redis.pause()
    try:
        server = node(bus=made.redis.tls_url, bus_ca=made.pair.certificate)
        until(lambda: "Redis does not answer" in bus_of(client(server)), 10, "the bus to be away")
    finally:
        made.redis.resume()
    connected(server)

