"""Redis servers that belong together, as --bus: a master with a replica and Sentinels, and a Cluster."""
import re

import pytest

from support import proxies
from support.ports import free_port
from support.redis_group import Replicated, Shards
from support.wait import until
from support.watcher import TRANSPORTS

PASSWORD = "w0rd"


@pytest.fixture
def linked(serve, postgres, database, client):
    """linked(url, …): a node for each, whose buses are connected."""
    def start(*urls):
        servers = [serve(db=postgres.url(database), environment={"JOBLIGHT_BUS": url}) for url in urls]
        for server in servers:
            connected(client(server))
        return servers
    return start


def connected(api):
    until(lambda: '"bus":"connected' in api.get("/readyz").body.decode(), 20, "the bus to be connected")


def hear_each_other(client, *servers):
    """Each has a watcher, of whom each of the others is told by the bus only."""
    job = client(servers[0]).create_job()["id"]
    watchers = [TRANSPORTS["sse"](server.address, job) for server in servers]
    for watcher in watchers:
        watcher.connected()
    for server in servers:
        until(lambda server=server: client(server).report(job, "t", note="n")["watchers"] == len(servers), 10, "the watchers of all nodes")
    for watcher in watchers:
        watcher.event(within=5)
        watcher.close()


@pytest.fixture
def replicated():
    with Replicated() as group:
        yield group


def test_a_replica_is_left_for_its_master(replicated, linked, client):
    """What is published on a replica does not reach the master."""
    servers = linked(replicated.replica.url, replicated.master.url)
    hear_each_other(client, *servers)
    servers[0].logs("this Redis is a replica; its master is at 127.0.0.1")


def test_a_node_with_the_address_of_the_master_follows_a_failover(replicated, linked, client):
    servers = linked(replicated.master.url, replicated.master.url)
    replicated.fail_over()
    for server in servers:
        until(lambda server=server: server.log().count("the bus is connected") >= 2, 20, "another connection")
    hear_each_other(client, *servers)
    replicated.master.start()
    until(lambda: replicated.master.say("ROLE").startswith("slave"), 30, "a Sentinel to make it a replica")
    hear_each_other(client, *servers, *linked(replicated.master.url))


def test_a_master_that_becomes_a_replica_without_a_word_is_left(replicated, linked, client):
    """A Sentinel would close its connections."""
    servers = linked(replicated.master.url, replicated.master.url)
    for sentinel in replicated.sentinels:
        sentinel.kill()
    replicated.replica.say("REPLICAOF", "NO", "ONE")
    replicated.master.say("REPLICAOF", "127.0.0.1", str(replicated.replica.port))
    for server in servers:
        server.logs("this Redis is a replica")
        until(lambda server=server: server.log().count("the bus is connected") >= 2, 20, "another connection")
    hear_each_other(client, *servers)


def test_a_sentinel_tells_the_master_also_after_a_failover(linked, client):
    """As in most places, the Sentinels have no password, and the Redis servers have one."""
    with Replicated(password=PASSWORD) as group:
        urls = [f"redis://:{PASSWORD}@127.0.0.1:{sentinel.port}" for sentinel in group.sentinels]
        servers = linked(*urls)
        hear_each_other(client, *servers)
        group.fail_over()
        for server in servers:
            until(lambda server=server: server.log().count("the bus is connected") >= 2, 20, "another connection")
        hear_each_other(client, *servers, *linked(urls[0]))


HAPROXY = """defaults
    mode tcp
    timeout connect 1s
    timeout client 1m
    timeout server 1m
listen redis
    bind 127.0.0.1:{port}
    option tcp-check
    tcp-check send info\\ replication\\r\\n
    tcp-check expect string role:master
    default-server check inter 300ms fall 2 rise 1 on-marked-down shutdown-sessions
    server one 127.0.0.1:{one}
    server two 127.0.0.1:{two}
"""


def test_haproxy_that_takes_the_master_is_followed(replicated, linked, client):
    port = free_port()
    text = HAPROXY.format(port=port, one=replicated.master.port, two=replicated.replica.port)
    with proxies.folder_for_all() as folder, proxies.running(proxies.haproxy(folder, text, port), folder, ("127.0.0.1", port)):
        servers = linked(*2 * [f"redis://127.0.0.1:{port}"])
        hear_each_other(client, *servers)
        replicated.fail_over()
        for server in servers:
            until(lambda server=server: server.log().count("the bus is connected") >= 2, 20, "another connection")
        hear_each_other(client, *servers)


def test_nodes_at_three_masters_of_a_cluster_hear_each_other(linked, client):
    with Shards() as nodes:
        servers = linked(*(node.url for node in nodes))
        hear_each_other(client, *servers)
        assert not any(re.search("MOVED|CROSSSLOT", server.log()) for server in servers)
        assert all(node.say("DBSIZE") == "0" for node in nodes)
