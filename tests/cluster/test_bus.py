"""Servers on one PostgreSQL that hear of each other over Redis, and over PostgreSQL itself (--bus)."""
import json
import threading
import time
from pathlib import Path

import pytest

from support.keyed import Keyed
from support.postgres import Postgres
from support.redis import Redis
from support.wait import SCALE, until
from support.watcher import TRANSPORTS


@pytest.fixture
def bus(request, carrier):
    """What is given as --bus."""
    return "postgres" if carrier == "PostgreSQL" else request.getfixturevalue("redis").url


@pytest.fixture
def engine(carrier):
    """A server that only carries the bus, so that it can be away while the database is there."""
    server = (Postgres if carrier == "PostgreSQL" else Redis)().start()
    yield server
    server.remove()


@pytest.fixture
def bus_node(node, bus, client):
    """Like node(); returns when the bus is connected."""
    def start(**options):
        server = node(**{"bus": bus, **options})
        until(lambda: bus_of(client(server)).startswith("connected"), 10, "the bus to be connected")
        return server
    return start


def bus_of(api):
    reply = api.get("/readyz")
    assert reply.status == 200, reply
    return reply.json["bus"]


def bus_at(engine):
    return engine.tcp_url("postgres") if isinstance(engine, Postgres) else engine.url


def in_threads(count, run):
    threads = [threading.Thread(target=run, args=(i,)) for i in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


@pytest.fixture(params=sorted(TRANSPORTS))
def watcher(request):
    return TRANSPORTS[request.param]


def test_only_a_server_with_redis_loads_its_library(node, bus_node, carrier):
    for server, is_loaded in ((node(), False), (bus_node(), carrier == "Redis")):
        assert ("hiredis" in Path(f"/proc/{server.process.pid}/maps").read_text()) == is_loaded


def test_a_watcher_of_one_server_sees_what_another_commits(bus_node, client, watcher):
    servers = [bus_node(), bus_node()]
    api = client(servers[0])
    job = api.create_job()["id"]
    with watcher(servers[1].address, job) as w:
        w.connected()
        for number in range(20):
            api.report(job, "t", note=str(number))
        assert [event.seq for event in w.events(20)] == list(range(2, 22))
        api.finish(job)
        assert w.event().seq == 22
        w.end()


def test_two_servers_write_one_job_and_everybody_sees_the_same(bus_node, client):
    servers = [bus_node(), bus_node(), bus_node()]
    job = client(servers[0]).create_job()["id"]
    watchers = [TRANSPORTS["sse"](server.address, job) for server in servers]
    for w in watchers:
        w.connected()

    def work(index):
        api = client(servers[index % 3])
        for number in range(60):
            api.report(job, f"t{index}", note=str(number))

    in_threads(6, work)
    log = client(servers[0]).activity(job)
    assert [event["seq"] for event in log] == list(range(1, 362))
    for w in watchers:
        assert [json.loads(event.text) for event in w.events(360, within=20)] == log[1:]
        w.close()


def test_watchers_and_agents_are_those_of_all_servers(bus_node, client):
    servers = [bus_node(), bus_node()]
    apis = [client(server) for server in servers]
    job = apis[0].create_job()["id"]
    with TRANSPORTS["sse"](servers[0].address, job) as w:
        w.connected()
        assert apis[1].post(f"/api/jobs/{job}/presence", {"agent": "robot", "state": "working"}).status == 200
        with TRANSPORTS["sse"](servers[1].address, job) as v:
            v.connected()
            until(lambda: apis[0].post(f"/api/jobs/{job}/presence", {"agent": "walker", "state": "idle"}).json["watchers"] == 2,
                  5, "two watchers")
            until(lambda: apis[1].post(f"/api/jobs/{job}/presence", {"agent": "walker", "state": "idle"}).json["watchers"] == 2,
                  5, "two watchers")
            servers[1].kill9()
            until(lambda: apis[0].post(f"/api/jobs/{job}/presence", {"agent": "walker", "state": "idle"}).json["watchers"] == 1,
                  8, "the watcher of the dead server to vanish")


@pytest.mark.parametrize("fault", ["kill", "pause"])
def test_without_the_carrier_events_come_from_the_database(bus_node, client, engine, fault):
    """Also when it is stopped, so that it neither answers nor closes anything."""
    servers = [bus_node(bus=bus_at(engine)), bus_node(bus=bus_at(engine))]
    apis = [client(server) for server in servers]
    job = apis[0].create_job()["id"]
    with TRANSPORTS["sse"](servers[1].address, job) as w:
        w.connected()
        began = time.monotonic()
        {"kill": engine.kill, "pause": engine.pause}[fault]()
        apis[0].report(job, "t", note="1")
        assert w.event(within=5).seq == 2
        until(lambda: all(bus_of(api).startswith("away") for api in apis), 3, "the bus to be away")
        assert time.monotonic() - began < 5 * SCALE
        apis[0].report(job, "t", note="2")
        assert w.event(within=3).seq == 3
        {"kill": engine.start, "pause": engine.resume}[fault]()
        until(lambda: all(bus_of(api).startswith("connected") for api in apis), 8, "the bus to be connected")
        apis[0].report(job, "t", note="3")
        assert w.event(within=3).seq == 4


def test_a_key_that_one_server_revokes_is_refused_by_the_other_within_a_second(bus_node, client):
    servers = [bus_node(), bus_node()]
    first = client(servers[0]).post("/api/keys", {"name": "root", "scope": ["admin", "watch", "create"]}).json["key"]
    apis = [Keyed(server.address, first) for server in servers]
    until(lambda: apis[1].get("/api/keys").status == 200, 1, "the other server to know the key")
    made = apis[0].post("/api/keys", {"name": "second", "scope": ["watch"]}).json
    second = Keyed(servers[1].address, made["key"])
    until(lambda: second.get("/api/jobs").status == 200, 1, "the other server to know the key")
    assert apis[0].delete(f"/api/keys/{made['id']}").status < 300
    until(lambda: second.get("/api/jobs").status == 401, 1, "the other server to refuse the key")
    for api in (*apis, second):
        api.close()


def test_two_clusters_share_an_engine_by_their_prefixes(bus_node, client, serve, postgres, engine, database):
    """They differ in upper and lower case only."""
    server = bus_node(bus=bus_at(engine), bus_prefix="Jobs")
    postgres.create(f"{database}b")
    other = serve(db=postgres.url(f"{database}b"), bus=bus_at(engine), bus_prefix="jobs")
    until(lambda: bus_of(client(other)).startswith("connected"), 10, "the bus to be connected")
    for api, key in ((client(server), "a"), (client(other), "b")):
        assert api.post("/api/jobs", {"id": "same", "title": key}).status == 201
    with TRANSPORTS["sse"](server.address, "same") as w:
        w.connected()
        client(other).report("same", "t", note="of the neighbour")
        client(server).report("same", "t", note="ours")
        assert w.event().json["note"] == "ours"
