"""An engine that is stopped, and neither answers nor closes anything: it is noticed within three seconds, readiness
says so, and no loop waits for it."""
import time

import pytest

from support.api import Api
from support.blocked import Blocked
from support.cluster import Cluster, paused, ready
from support.load import Crew
from support.wait import SCALE, until
from support.watcher import TRANSPORTS

NOTICED_S = 3
BLOCKED_S = 0.01


@pytest.fixture
def server(engines, tmp_path):
    with Cluster(engines, tmp_path, count=1, with_proxy=False) as started:
        started.connected()
        yield started.nodes[0]


def says_no_database(server):
    with Api(server.address) as api:
        return api.get("/readyz").status == 503


def says_no_bus(server):
    return '"bus":"away' in ready(server.address)


NOTICED = {"PostgreSQL": says_no_database, "Redis": says_no_bus}


def update(server, job):
    """Its answer may take as long as the engine is away."""
    with Api(server.address, within=30) as api:
        assert api.update(job, {"taskId": "t", "note": "meanwhile"}).status in (200, 503)


@pytest.mark.parametrize("is_busy", [True, False], ids=["busy", "idle"])
@pytest.mark.parametrize("name", NOTICED)
def test_a_paused_engine_is_noticed_and_blocks_no_loop(server, engines, name, is_busy):
    engine, is_noticed = {"PostgreSQL": engines.postgres, "Redis": engines.redis}[name], NOTICED[name]
    with Api(server.address) as api:
        job = api.create_job()["id"]
        with (Crew() as waiting, TRANSPORTS["sse"](server.address, job) as watcher,
              Blocked(server.process.pid, "loop") as blocked):
            watcher.connected()
            with paused(engine):
                began = time.monotonic()
                if is_busy:
                    waiting.hire(lambda _: update(server, job))
                until(lambda: is_noticed(server), NOTICED_S, f"readiness to say that {name} is away")
                assert time.monotonic() - began < NOTICED_S * SCALE
                for path in ("/healthz", f"/api/jobs/{job}", f"/api/jobs/{job}/activity", "/api/jobs"):
                    with Api(server.address, within=20) as other:
                        other.get(path)
            until(lambda: not is_noticed(server), 10, f"readiness to say that {name} is back")
            assert api.update(job, {"taskId": "t", "note": "after"}).status == 200
            watcher.event()
    assert blocked.looks > 100
    assert blocked.longest_s < BLOCKED_S * SCALE, f"the loop was blocked for {blocked.longest_s:.3f} s in {blocked.call}"
