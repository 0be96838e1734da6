"""What several nodes promise together, over each bus and haproxy."""
import contextlib
import glob
import time

import pytest

from support import proxies
from support.api import Api
from support.cluster import Cluster, recipes
from support.load import together
from support.poll import Poller
from support.ports import free_port
from support.preload import compiled
from support.server import HOSTS
from support.wait import until
from support.watcher import TRANSPORTS
from support.ws import WebSocket, path_of


def test_f5_one_key_fifty_times_over_http_and_websocket_and_all_nodes_is_one_event(cluster):
    update = {"note": "n", "progress": 5}
    with Api(cluster.proxy) as api:
        job = api.create_job()["id"]

        def send(i):
            address = [*cluster.addresses, cluster.proxy][i % 4]
            if i % 2:
                with WebSocket(address) as socket:
                    return socket.update("shared", job, **update)["seq"]
            with Api(address) as own:
                reply = own.update(job, {"taskId": "t", **update}, Idempotency_Key="shared")
                assert reply.status == 200, reply
                return reply.json["seq"]

        assert set(together(50, send)) == {2}
        assert len(api.activity(job)) == 2


def test_what_one_node_answers_is_there_on_the_next(cluster):
    """A client of a proxy reads what it has written, whichever node it is given."""
    with Api(cluster.proxy) as api:
        for number in range(30):
            job = api.create_job()["id"]
            seq = api.report(job, "t", note=str(number))["seq"]
            assert [api.job(job)["seq"] for _ in cluster.nodes] == [seq] * len(cluster.nodes)


def clock_of(tmp_path, difference):
    """The environment of a server whose wall clock is off by this."""
    [library] = glob.glob("/usr/lib/*/faketime/libfaketime.so.1")
    return {"LD_PRELOAD": f"{compiled('own_waits', tmp_path)} {library}", "FAKETIME": difference,
            "FAKETIME_DONT_FAKE_MONOTONIC": "1", "FAKETIME_NO_CACHE": "1"}


@pytest.fixture
def skewed(engines, tmp_path, carrier):
    """A node ten minutes behind, one that is right, and one ten minutes ahead."""
    environments = [clock_of(tmp_path, "-10m"), {}, clock_of(tmp_path, "+10m")]
    with Cluster(engines, tmp_path, carrier, environments=environments, min_heartbeat_timeout_ms=100) as started:
        started.connected()
        yield started


def test_clocks_that_are_ten_minutes_apart_change_no_order_and_no_silence(skewed):
    apis = [Api(address) for address in skewed.addresses]
    job = apis[0].create_job()["id"]
    watchers = [transport(address, job) for address in skewed.addresses for transport in TRANSPORTS.values()]
    for watcher in watchers:
        watcher.connected()
    for number in range(30):
        assert apis[number % 3].report(job, f"t{number % 3}", note=str(number))["seq"] == number + 2
    for watcher in watchers:
        assert [event.seq for event in watcher.events(30)] == list(range(2, 32))
        watcher.close()
    for i, api in enumerate(apis):
        api.report(job, f"patient{i}", status="in_progress", heartbeatTimeoutMs=300_000)
        api.report(job, f"quick{i}", status="in_progress", heartbeatTimeoutMs=500)

    def stalled():
        return {task["id"] for task in apis[1].job(job)["tasks"] if task.get("stalled")}
    until(lambda: len(stalled()) >= 3, 15, "the silence of half a second")
    assert stalled() == {"quick0", "quick1", "quick2"}
    seqs = [event["seq"] for event in apis[2].activity(job)]
    assert seqs == list(range(1, len(seqs) + 1))
    for api in apis:
        api.close()


@pytest.mark.parametrize("transport", sorted(TRANSPORTS))
def test_a_watcher_whose_node_is_killed_goes_on_at_another(cluster, transport):
    with Api(cluster.addresses[2]) as api:
        job = api.create_job()["id"]
        with TRANSPORTS[transport](cluster.addresses[0], job) as watcher:
            watcher.connected()
            api.report(job, "t", note="before")
            assert watcher.event().seq == 2
            position = watcher.position
        cluster.nodes[0].kill9()
        api.report(job, "t", note="meanwhile")
        with TRANSPORTS[transport](cluster.addresses[1], job, position) as watcher:
            assert watcher.connected()["resume"] == "exact"
            api.report(job, "t", note="after")
            assert [event.seq for event in watcher.events(2)] == [3, 4]
    cluster.nodes[0].start()


def not_before(poller, cursor, seconds):
    """Polls for so long, and nothing comes."""
    began = time.monotonic()
    while time.monotonic() - began < seconds:
        assert poller.ask(cursor).seqs() == []


def test_polls_without_wait_get_what_another_node_commits(cluster):
    """No watcher is there, so nothing but the polls keeps the ring of the job up to date."""
    with Api(cluster.addresses[0]) as api:
        snapshot = api.create_job()
        with Poller(cluster.addresses[1], snapshot["id"]) as poller:
            not_before(poller, snapshot["cursor"], 7)
            api.report(snapshot["id"], "t")
            until(lambda: poller.ask(snapshot["cursor"]).seqs() == [2], 5, "the event of the other node")
            until(lambda: poller.ask(snapshot["cursor"]).seqs() == [2], 5, "the event, out of the ring")


def test_a_poll_after_the_last_watcher_has_left_gets_what_came_meanwhile(cluster):
    with Api(cluster.addresses[0]) as api:
        snapshot = api.create_job()
        job, cursor = snapshot["id"], snapshot["cursor"]
        with TRANSPORTS["sse"](cluster.addresses[1], job) as watcher:
            watcher.connected()
        with Poller(cluster.addresses[1], job) as poller, TRANSPORTS["sse"](cluster.addresses[2], job) as elsewhere:
            elsewhere.connected()
            not_before(Poller(cluster.addresses[0], job), cursor, 7)
            api.report(job, "t")
            elsewhere.event()
            until(lambda: poller.ask(cursor).seqs() == [2], 5, "the event of the other node")


def agents_at(address, job):
    """The agents that a new viewer is told of."""
    with WebSocket(address, path_of(job=job)) as ws:
        return {agent["id"] for agent in ws.message("connected")["agents"]}


def test_agents_without_a_name_differ_on_all_nodes(cluster):
    """Each node numbers its own connections, and some of these have the same number."""
    sockets = [WebSocket(address) for address in cluster.addresses for _ in range(10)]
    with Api(cluster.addresses[0]) as api:
        job = api.create_job()["id"]
    for socket in sockets:
        socket.send("presence", jobId=job, state="idle")
        assert socket.answers()
    for address in cluster.addresses:
        until(lambda address=address: len(agents_at(address, job)) == len(sockets), 5, "the agents of all nodes")
    for socket in sockets:
        socket.close()


DEFAULTS = """defaults
    mode http
    timeout connect 1s
    timeout client 20s
    timeout server 20s
    retries 3
"""


@contextlib.contextmanager
def proxy_of_the_document(nodes):
    """haproxy as docs/scaling.md has it, which says besides what server has answered a write."""
    _, text = recipes("haproxy")
    port = free_port()
    for i, node in enumerate(nodes):
        text = text.replace(f"10.0.0.{i + 1}:3000", f"{node.host}:{node.port}")
    for theirs, ours in (("bind :80", f"bind 127.0.0.1:{port}"), ("check inter 1s", "check inter 200ms fall 1 rise 1"),
                         ("httpchk GET /readyz", f"httpchk\n    http-check send meth GET uri /readyz ver HTTP/1.1 hdr Host {HOSTS[0]}"),
                         ("balance hash", "http-response set-header X-Writer %s\n    balance hash")):
        assert theirs in text, theirs
        text = text.replace(theirs, ours)
    with proxies.folder_for_all() as folder, \
            proxies.running(proxies.haproxy(folder, DEFAULTS + text, port), folder, ("127.0.0.1", port)) as address:
        yield address


def test_a_proxy_sends_the_writes_of_a_job_to_one_server(engines, tmp_path):
    with Cluster(engines, tmp_path, with_proxy=False) as cluster, proxy_of_the_document(cluster.nodes) as address, Api(address) as api:
        jobs = [api.create_job()["id"] for _ in range(16)]

        def writers(job):
            replies = [api.update(job, {"taskId": "t"}), api.put(f"/api/jobs/{job}/tasks/t", {"note": "n"}), api.update(job, {"taskId": "t"})]
            assert all(reply.status == 200 for reply in replies), replies
            return {reply.header("X-Writer") for reply in replies}
        chosen = [writers(job) for job in jobs]
        assert all(len(names) == 1 for names in chosen), chosen
        assert set().union(*chosen) == {"a", "b"}
        assert api.get(f"/api/jobs/{jobs[0]}").header("X-Writer") is None
        cluster.nodes[0].kill9()
        assert [writers(job) for job in jobs] == [{"b"}] * len(jobs)
        cluster.nodes[0].start()
