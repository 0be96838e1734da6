"""What only PostgreSQL as a bus (--bus postgres) has to survive: its limits, and what others send on its channels."""
import base64
import json
import time

import pytest

from support.metrics import parse
from support.postgres import Pooler, Postgres
from support.wait import SCALE, until
from support.watcher import TRANSPORTS


@pytest.fixture
def bus_node(node, client):
    """Like node(), over the database; returns when the bus is connected."""
    def start(**options):
        server = node(**{"bus": "postgres", **options})
        connected(client(server))
        return server
    return start


@pytest.fixture
def engine():
    """One that only carries the bus, so that the database is there when it is away."""
    server = Postgres().start()
    yield server
    server.remove()


def bus_of(api):
    reply = api.get("/readyz")
    assert reply.status == 200, reply
    return reply.json["bus"]


def connected(api, within=10):
    until(lambda: bus_of(api).startswith("connected"), within, "the bus to be connected")


def counted(api, name):
    return parse(api.get("/metrics").body.decode())[name]


def listeners(postgres, database, then="count(*)"):
    return postgres.sql(database, f"SELECT {then} FROM pg_stat_activity WHERE datname = '{database}' "
                                  "AND application_name = 'joblight bus'")


def watched(server, job):
    """A watcher that has its first message, and whose channel delivers."""
    watcher = TRANSPORTS["sse"](server.address, job)
    watcher.connected()
    return watcher


def seen_with_texts(watcher, count):
    return [json.loads(event.text) for event in watcher.events(count, within=20)]


@pytest.mark.parametrize("size", [10, 4000, 6000, 8000, 16000])
def test_an_event_that_is_larger_than_a_notification_is_read(bus_node, client, size):
    servers = [bus_node(), bus_node()]
    api = client(servers[0])
    job = api.create_job()["id"]
    with watched(servers[1], job) as watcher:
        for number in range(3):
            api.report(job, f"t{number}", note=chr(97 + number) * size)
        assert seen_with_texts(watcher, 3) == api.activity(job)[1:]


def test_a_commit_of_many_events_comes_in_several_notifications(bus_node, client):
    servers = [bus_node(), bus_node()]
    api = client(servers[0])
    job = api.create_job()["id"]
    with watched(servers[1], job) as watcher:
        api.report(job, "first", note="n")
        assert watcher.event().seq == 2
        holes = counted(client(servers[1]), "joblight_bus_holes_total")
        assert api.update(job, [{"taskId": f"t{i}", "note": "n" * 400} for i in range(60)]).status == 200
        assert seen_with_texts(watcher, 60) == api.activity(job)[2:]
        assert counted(client(servers[1]), "joblight_bus_holes_total") == holes


def test_names_of_any_length_are_channels(bus_node, client):
    """An identifier of PostgreSQL has 63 bytes, a prefix up to 64 and the id of a job up to 128."""
    prefix, ids = "P" * 64, ["j" * 128, "j" * 127 + "k", "short"]
    servers = [bus_node(bus_prefix=prefix), bus_node(bus_prefix=prefix)]
    apis = [client(server) for server in servers]
    for job in ids:
        assert apis[0].post("/api/jobs", {"id": job, "title": job[-1]}).status == 201
    watchers = [watched(servers[1], job) for job in ids]
    for watcher, job in zip(watchers, ids):
        apis[0].report(job, "t", note=job[-1])
    for watcher, job in zip(watchers, ids):
        assert watcher.event().json["note"] == job[-1]
        watcher.close()


def test_what_others_notify_is_counted_and_ignored(bus_node, client, postgres, database):
    servers = [bus_node(), bus_node()]
    apis = [client(server) for server in servers]
    job = apis[0].create_job()["id"]
    with watched(servers[1], job) as watcher:
        apis[0].report(job, "t", note="1")
        assert watcher.event().seq == 2
        before = counted(apis[1], "joblight_bus_dropped_total")
        payloads = ["hello", "", "jl", "!", "joblight:nodes amwB", "a b c", "é" * 3999, "A" * 7999,
                    *(base64.urlsafe_b64encode(head).decode().rstrip("=") for head in (b"jl\x01\x01", b"jl\x02\x01" + bytes(20), b"\xff" * 99))]
        for channel in (f"joblight:job:{job}", "joblight:nodes"):
            for payload in payloads:
                postgres.sql(database, f"SELECT pg_notify('{channel}', '{payload}')")
        until(lambda: counted(apis[1], "joblight_bus_dropped_total") >= before + 2 * len(payloads), 5, "the messages of others")
        apis[0].report(job, "t", note="2")
        assert watcher.event().seq == 3
    assert all(bus_of(api).startswith("connected") for api in apis)


def test_a_message_that_comes_again_and_late_changes_nothing(bus_node, client, postgres, database):
    """What was notified is kept, and notified again in the reverse order."""
    servers = [bus_node(), bus_node()]
    api = client(servers[0])
    job = api.create_job()["id"]
    heard = TRANSPORTS["sse"](servers[1].address, job)
    heard.connected()
    with postgres.listening(database, f"joblight:job:{job}") as notified:
        for number in range(5):
            api.report(job, "t", note=str(number))
        payloads = notified(5)
    assert [event.seq for event in heard.events(5)] == [2, 3, 4, 5, 6]
    for payload in reversed(payloads):
        postgres.sql(database, f"SELECT pg_notify('joblight:job:{job}', '{payload}')")
    api.report(job, "t", note="last")
    assert heard.event().seq == 7
    heard.close()


def test_connections_that_are_ended_are_made_again_and_listen_again(bus_node, client, postgres, database):
    servers = [bus_node(), bus_node()]
    apis = [client(server) for server in servers]
    job = apis[0].create_job()["id"]
    with watched(servers[1], job) as watcher:
        assert listeners(postgres, database, "count(pg_terminate_backend(pid))") == "2"
        for number in range(10):
            apis[0].report(job, "t", note=str(number))
        assert [event.seq for event in watcher.events(10, within=5)] == list(range(2, 12))
        for api in apis:
            connected(api)
        holes = counted(apis[1], "joblight_bus_holes_total")
        until(lambda: counted(apis[1], "joblight_bus_nodes") == 1, 5, "the other server")
        apis[0].report(job, "t", note="last")
        assert watcher.event().seq == 12
        assert counted(apis[1], "joblight_bus_holes_total") == holes
    assert counted(apis[0], "joblight_bus_connects_total") >= 2


def test_a_stopped_postgresql_is_noticed_and_said_within_3_seconds(bus_node, client, engine):
    server = bus_node(bus=engine.tcp_url("postgres"))
    api = client(server)
    engine.pause()
    began = time.monotonic()
    until(lambda: "PostgreSQL does not answer" in bus_of(api), 3, "the bus to be away")
    assert time.monotonic() - began < 3 * SCALE
    api.create_job()
    engine.resume()
    connected(api)


def test_a_pooler_is_refused_with_the_words_to_change(node, client, postgres, database):
    pooler = Pooler(postgres)
    try:
        url = postgres.tcp_url(database, port=pooler.port)
        through = client(node(db=url, bus="postgres"))
        until(lambda: "--bus postgres://HOST/NAME with the address of PostgreSQL itself" in bus_of(through), 10, "the refusal")
        apis = [client(node(db=url, bus=postgres.tcp_url(database))) for _ in range(2)]
        for api in apis:
            connected(api)
        until(lambda: counted(apis[0], "joblight_bus_nodes") == 1, 5, "the other server")
    finally:
        pooler.stop()


def test_a_password_may_have_any_character_and_is_seen_nowhere(serve, client, postgres, database, tmp_path):
    user, password = "b" + database, "p@s:s/w%rd?#"
    postgres.sql(database, f"CREATE ROLE {user} LOGIN PASSWORD '{password}'")
    escaped = "".join(c if c.isalnum() else f"%{ord(c):02X}" for c in password)
    file = tmp_path / "password"
    file.write_text(password + "\n")
    file.chmod(0o600)
    ways = [{"bus": None, "environment": {"JOBLIGHT_BUS": postgres.tcp_url(database, user, escaped)}},
            {"bus": postgres.tcp_url(database, user), "bus_password": file}]
    for way in ways:
        server = serve(db=postgres.url(database), **way)
        connected(client(server))
        assert password not in server.log() and escaped not in server.log()
    file.write_text("wrong-word\n")
    server = serve(db=postgres.url(database), **ways[1])
    until(lambda: "password authentication failed" in bus_of(client(server)), 5, "the refusal")
    assert "wrong-word" not in server.log() + bus_of(client(server))


def test_a_role_that_only_reads_carries_it(node, client, postgres, database):
    role = f"readonly{database}"
    postgres.sql(database, f"CREATE ROLE {role} SUPERUSER LOGIN; ALTER ROLE {role} SET default_transaction_read_only = on")
    connected(client(node(bus=postgres.url(database, role))))


def test_a_name_server_that_hangs_delays_nothing(bus_node, serve, client, postgres, database, resolver):
    named = {"db": postgres.url(database), "bus": postgres.tcp_url(database, host="db.test"), "environment": resolver.environment}
    servers = [bus_node(), serve(**named)]
    apis = [client(server) for server in servers]
    connected(apis[1])
    job = apis[0].create_job()["id"]
    resolver.falls_silent()
    with watched(servers[1], job) as watcher:
        listeners(postgres, database, "pg_terminate_backend(pid)")
        apis[0].report(job, "t", note="1")
        assert watcher.event(within=3).seq == 2
        connected(apis[1])      # to the address that was known
    late = serve(**named)       # which knows none
    with watched(late, job) as watcher:
        apis[0].report(job, "t", note="2")
        assert watcher.event(within=3).seq == 3
    until(lambda: "name server" in bus_of(client(late)), 5, "the reason")
    late.stop()
    resolver.answers()


def test_a_server_that_stops_is_missed_at_once(bus_node, client):
    """Its last message is sent before its connection ends, also when much waits to be sent."""
    servers = [bus_node(), bus_node()]
    api = client(servers[0])
    job = api.create_job()["id"]
    for _ in range(5):
        until(lambda: counted(api, "joblight_bus_nodes") == 1, 5, "the other server")
        began = time.monotonic()
        servers[1].stop()
        until(lambda: counted(api, "joblight_bus_nodes") == 0, 5, "its end")
        assert time.monotonic() - began < 4 * SCALE
        servers[1].start()
    assert api.report(job, "t", note="n")["seq"] == 2


def test_notices_of_postgresql_are_not_printed(bus_node, client, postgres, database):
    """libpq prints them to standard error, unless it is told not to."""
    server = bus_node()
    listeners(postgres, database, "pg_terminate_backend(pid)")
    server.logs("the bus is away")
    connected(client(server))
    assert "FATAL" not in server.log() and "WARNING:" not in server.log()
