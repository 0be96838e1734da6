"""The recipes of docs/scaling.md for a proxy before several nodes: nobody notices that one of them stops."""
import re
import threading

import pytest

from support import proxies
from support.api import Api
from support.cluster import paused, recipes, with_servers
from support.ports import free_port
from support.server import ROOT
from support.wait import until
from support.watcher import TRANSPORTS


def nginx_of(port, addresses):
    """The site of docs/proxy.md, without TLS, and with the lines that docs/scaling.md gives."""
    upstream, lines = recipes("nginx")
    [site] = re.findall(r"^```nginx\n(.*?)^```$", (ROOT / "docs" / "proxy.md").read_text(), re.M | re.S)
    site = re.sub(r"^    (ssl_certificate|server_name).*\n", "", site, flags=re.M)
    for old, new in (("listen 443 ssl http2;", f"listen 127.0.0.1:{port};"), ("        proxy_pass http://127.0.0.1:3001;\n", lines)):
        assert old in site
        site = site.replace(old, new)
    return with_servers(upstream, r"^    server 10\.0\.0\.\d:3001 .*;\n", addresses) + site


@pytest.fixture
def nginx(cluster):
    port = free_port()
    with proxies.folder_for_all() as folder:
        text = nginx_of(port, [(node.host, node.port) for node in cluster.nodes])
        with proxies.running(proxies.nginx(folder, text, port), folder, ("127.0.0.1", port)):
            yield "127.0.0.1", port


class Worker(threading.Thread):
    """Sends one update after another, and notes every answer that is not 200.  `key`: with an Idempotency-Key."""

    def __init__(self, address, job, name):
        super().__init__()
        self.address, self.job, self.name_of_task = address, job, name
        self.answered, self.others, self.ends = 0, [], threading.Event()

    def run(self):
        with Api(self.address) as api:
            while not self.ends.is_set():
                reply = api.update(self.job, {"taskId": self.name_of_task, "note": str(self.answered)},
                                   Idempotency_Key=f"{self.name_of_task}-{self.answered}")
                if reply.status == 200:
                    self.answered += 1
                else:
                    self.others.append(reply)

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.ends.set()
        self.join()

    def goes_on(self):
        until(lambda goal=self.answered + 20: self.answered >= goal, 20, "20 answers")


def test_workers_behind_haproxy_notice_no_node_that_stops(cluster):
    with Api(cluster.proxy) as api:
        job = api.create_job()["id"]
        with Worker(cluster.proxy, job, "a") as a, Worker(cluster.proxy, job, "b") as b:
            for node in cluster.nodes:
                a.goes_on()
                node.stop()
                a.goes_on()
                b.goes_on()
                node.start()
                ready(node)
    assert (a.others, b.others) == ([], [])
    assert notes_of(cluster, job, "a") == list(range(a.answered))
    assert notes_of(cluster, job, "b") == list(range(b.answered))


def notes_of(cluster, job, task):
    with Api(cluster.addresses[0]) as api:
        return [int(event["note"]) for event in api.activity(job)[1:] if event["taskId"] == task]


def ready(node):
    with Api(node.address) as api:
        until(lambda: api.get("/readyz").status == 200, 15, "the node to be ready")


def test_a_killed_node_is_noticed_by_no_worker_behind_haproxy(cluster):
    """What it has not answered is sent again, and counts once."""
    with Api(cluster.proxy) as api:
        job = api.create_job()["id"]
        with Worker(cluster.proxy, job, "a") as worker:
            for node in cluster.nodes[:2]:
                worker.goes_on()
                node.kill9()
                worker.goes_on()
                node.start()
                ready(node)
    assert not worker.others
    assert notes_of(cluster, job, "a") == list(range(worker.answered))


def test_an_update_without_a_key_is_not_sent_again_by_haproxy(cluster):
    """A 503 may come after a commit whose answer was lost."""
    with Api(cluster.proxy) as api:
        job = api.create_job()["id"]
        with paused(cluster.engines.postgres):
            assert api.update(job, {"taskId": "t"}).status == 503
        until(lambda: api.get(f"/api/jobs/{job}").status == 200, 20, "the database to be back")
        assert len(api.activity(job)) <= 2


def test_behind_nginx_nodes_that_stop_are_no_answer_of_a_get_and_no_lost_update(nginx, cluster):
    with Api(nginx) as api:
        job = api.create_job()["id"]
        for stopped, node in enumerate(cluster.nodes):
            node.stop()
            for number in range(6):
                key = f"{stopped}-{number}"
                until(lambda key=key: api.update(job, {"taskId": "t", "note": key}, Idempotency_Key=key).status == 200, 10, "the answer")
                assert api.get(f"/api/jobs/{job}").status == 200
            node.start()
            ready(node)
        assert [event["note"] for event in api.activity(job)[1:]] == [f"{i}-{number}" for i in range(3) for number in range(6)]
        with TRANSPORTS["sse"](nginx, job) as watcher:
            watcher.connected()
