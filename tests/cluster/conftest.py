"""Makes tests/support importable, and starts the engines of the cluster: nothing of the machine's own is used."""
import contextlib
import glob
import itertools
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
pytest.register_assert_rewrite("support")

from support.fixtures import client, serve  # noqa: E402,F401
from support.cluster import CARRIERS, Cluster, Engines  # noqa: E402
from support.postgres import Postgres  # noqa: E402
from support.traffic import Traffic  # noqa: E402
from support.preload import compiled  # noqa: E402
from support.redis import Redis  # noqa: E402
from support.resolver import Resolver  # noqa: E402


@pytest.fixture(scope="module")
def postgres():
    """A PostgreSQL for the tests of a file; it syncs as one that is operated does."""
    server = Postgres(fsync="on").start()
    yield server
    server.remove()


@pytest.fixture
def database(postgres, names=itertools.count(1)):
    """The name of an empty database."""
    name = f"d{next(names)}"
    postgres.create(name)
    return name


@pytest.fixture
def node(serve, postgres, database):
    """node(**flags): another server on the same database."""
    return lambda **options: serve(**{"db": postgres.url(database), **options})


@pytest.fixture(scope="session")
def engines():
    """A PostgreSQL and a Redis for all tests with several nodes."""
    with Engines() as started:
        yield started


@pytest.fixture(params=CARRIERS)
def carrier(request):
    """What carries the bus: every test that has it, or a cluster, runs over each."""
    return request.param


@pytest.fixture
def cluster(engines, tmp_path, carrier):
    with Cluster(engines, tmp_path, carrier) as started:
        started.connected()
        yield started


@pytest.fixture
def traffic(cluster, record_property):
    """Workers and watchers on three nodes; what they saw is checked after the test, and told at the end."""
    made = Traffic(cluster)
    try:
        with made:
            yield made
    finally:
        record_property(HISTORY, made.report)


HISTORY = "history"


def pytest_terminal_summary(terminalreporter):
    """What each history was, also of a test that has passed."""
    reports = [report for group in ("", "passed", "failed", "error") for report in terminalreporter.stats.get(group, ())]
    lines = {(report.nodeid.split("::")[-1], text) for report in reports
             for name, text in getattr(report, "user_properties", ()) if name == HISTORY}
    if lines:
        terminalreporter.section("histories over several nodes")
    for test, text in sorted(lines):
        terminalreporter.write_line(f"{test}: {text}")


@pytest.fixture(scope="module")
def redis():
    server = Redis().start()
    yield server
    server.remove()


@pytest.fixture(params=["without a bus", "with Redis", "with PostgreSQL"])
def member(request, node, database):
    """member(**flags): the same, of a cluster with and without a bus.  With one, it is connected when this returns."""
    if request.param == "without a bus":
        return node
    bus = request.getfixturevalue("redis").url if request.param == "with Redis" else "postgres"

    def start(**options):
        server = node(bus=bus, bus_prefix=database, **options)
        server.logs("the bus is connected")
        return server
    return start


@pytest.fixture
def resolver(tmp_path):
    """A name server for db.test that a test makes silent, for servers with its environment."""
    with contextlib.closing(Resolver(tmp_path)) as made:
        yield made


@pytest.fixture
def faketime(tmp_path):
    """faketime(seconds): the environment of a server whose wall clock shows so much more or less."""
    def environment(seconds):
        file = tmp_path / f"clock{seconds}"
        file.write_text(f"{seconds}\n", encoding="ascii")
        [library] = glob.glob("/usr/lib/*/faketime/libfaketime.so.1")
        return {"LD_PRELOAD": f"{compiled('own_waits', tmp_path)} {library}", "FAKETIME_TIMESTAMP_FILE": str(file), "FAKETIME_NO_CACHE": "1",
                "FAKETIME_DONT_FAKE_MONOTONIC": "1", "FAKETIME_DONT_RESET": "1"}
    return environment
