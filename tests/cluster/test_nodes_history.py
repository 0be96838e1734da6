"""Histories over three nodes with faults: nothing that was answered is lost, nothing comes twice, and every watcher
of every node has everything in the end, in order.

Watchers of each transport and workers are on every node, and others move from node to node (support/traffic.py).
JOBLIGHT_TEST_CLUSTER_ROUNDS (2) is how often each fault comes.  The seed of the moments is printed.
Every test runs over Redis and over PostgreSQL alone, except those of faults that only one of them has.
"""
import os
import random
import signal

import pytest

from support.wait import Deadline, SCALE, until

ROUNDS = int(os.environ.get("JOBLIGHT_TEST_CLUSTER_ROUNDS", "2"))
SEED = int(os.environ.get("JOBLIGHT_TEST_CLUSTER_SEED", "0")) or random.SystemRandom().randrange(1, 10**9)
PAUSED_S = 4    # longer than the patience with an engine


@pytest.fixture
def chance():
    print("seed", SEED)
    return random.Random(SEED)


def lasts(seconds):
    """The moment, or the length, of a fault."""
    until(Deadline(seconds / SCALE, "a fault").passed, 60, "the time of a fault")


def test_events_of_every_node_reach_the_watchers_of_every_node(traffic):
    traffic.goes_on(answers=200)


def test_nodes_that_are_killed(traffic, cluster, chance):
    for _ in range(3 * ROUNDS):
        node = chance.choice(cluster.nodes)
        with traffic.fault("kill -9"):
            lasts(chance.uniform(0, 0.5))
            node.kill9()
            lasts(chance.uniform(0, 1))
            node.start()


def test_all_nodes_at_once(traffic, cluster):
    with traffic.fault("kill -9 of all"):
        for node in cluster.nodes:
            node.kill9()
        for node in cluster.nodes:
            node.start()


def test_a_rolling_restart(traffic, cluster):
    for _ in range(ROUNDS):
        for node in cluster.nodes:
            with traffic.fault("stop and start", within=8):
                node.stop()
                node.start()


# -- Redis ---------------------------------------------------------------------------------------------

def flush(redis, _chance):
    assert "OK" in redis.say("FLUSHALL")


def kill_clients(redis, _chance):
    for kind in ("pubsub", "normal"):
        assert not redis.say("CLIENT", "KILL", "TYPE", kind, "SKIPME", "yes").startswith("ERR")


def cut_by_output(redis, _chance):
    """Every answer of more than a few bytes closes its connection."""
    before = redis.log().count("overcoming of output buffer limits")
    redis.say("CONFIG", "SET", "client-output-buffer-limit", "pubsub 1 1 1")
    until(lambda: redis.log().count("overcoming of output buffer limits") > before, 30, "a cut by Redis")
    redis.say("CONFIG", "SET", "client-output-buffer-limit", "pubsub 33554432 8388608 60")


def restart_redis(redis, chance):
    redis.kill()
    lasts(chance.uniform(0, 2))
    redis.start()


def pause_redis(redis, _chance):
    redis.pause()
    lasts(PAUSED_S)
    redis.resume()


REDIS = {"FLUSHALL": flush, "CLIENT KILL": kill_clients, "output buffer limit": cut_by_output,
         "Redis restarted": restart_redis, "Redis stopped for 4 s": pause_redis}


@pytest.mark.parametrize("name", REDIS)
@pytest.mark.parametrize("carrier", ["Redis"], indirect=True)
def test_f4_redis(traffic, engines, chance, name):
    try:
        for _ in range(ROUNDS):
            with traffic.fault(name):
                REDIS[name](engines.redis, chance)
    finally:
        engines.redis.restart()


@pytest.mark.parametrize("carrier", ["Redis"], indirect=True)
def test_f4_without_redis_events_still_come(traffic, engines):
    """They are read from the database, once in a second."""
    engines.redis.kill()
    try:
        with traffic.fault("without Redis", within=10):
            traffic.goes_on(within=10)
    finally:
        engines.redis.start()
    with traffic.fault("Redis is back", within=10):
        pass


# -- PostgreSQL ----------------------------------------------------------------------------------------

def restart_postgres(postgres, _database, chance):
    postgres.stop()
    lasts(chance.uniform(0, 1))
    postgres.start()


def crash_postgres(postgres, _database, _chance):
    postgres.restart(signal.SIGQUIT)


def pause_postgres(postgres, _database, _chance):
    postgres.pause()
    lasts(PAUSED_S)
    postgres.resume()


def end_connections(postgres, database, _chance):
    for _ in range(5):
        postgres.sql("postgres", f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{database}'")


def kill_backend(postgres, database, _chance):
    """PostgreSQL restarts all its processes, and is in recovery for a while."""
    pid = postgres.sql("postgres", f"SELECT pid FROM pg_stat_activity WHERE datname = '{database}' LIMIT 1")
    os.kill(int(pid), signal.SIGKILL)


POSTGRES = {"PostgreSQL restarted": restart_postgres, "PostgreSQL crashed": crash_postgres,
            "PostgreSQL stopped for 4 s": pause_postgres, "connections ended": end_connections,
            "backend killed": kill_backend}


@pytest.mark.parametrize("name", POSTGRES)
def test_f4_postgresql(traffic, cluster, engines, chance, name):
    for _ in range(ROUNDS):
        with traffic.fault(name):
            POSTGRES[name](engines.postgres, cluster.database, chance)


# -- the bus in PostgreSQL ----------------------------------------------------------------------------

def of_listeners(postgres, database, what):
    return postgres.sql("postgres", f"SELECT count({what}) FROM pg_stat_activity "
                                    f"WHERE datname = '{database}' AND application_name = 'joblight bus'")


def end_listeners(postgres, database):
    return of_listeners(postgres, database, "pg_terminate_backend(pid)")


@pytest.mark.parametrize("carrier", ["PostgreSQL"], indirect=True)
def test_f4_connections_that_listen_are_ended(traffic, cluster, engines):
    for _ in range(ROUNDS):
        until(lambda: of_listeners(engines.postgres, cluster.database, "pid") == "3", 20, "three listeners")
        with traffic.fault("listeners ended"):
            assert end_listeners(engines.postgres, cluster.database) == "3"
            cluster.connected()


def cut_bus(engines, cluster, chance):
    if cluster.carrier == "Redis":
        kill_clients(engines.redis, chance)
    else:
        end_listeners(engines.postgres, cluster.database)


# -- all of it -----------------------------------------------------------------------------------------

def test_smoke_of_three_nodes_with_faults(traffic, cluster, engines, chance):
    """What script/test runs for each change."""
    with traffic.fault("kill -9"):
        cluster.nodes[1].restart()
    with traffic.fault("the bus cut off"):
        cut_bus(engines, cluster, chance)
    with traffic.fault("connections ended"):
        end_connections(engines.postgres, cluster.database, chance)
