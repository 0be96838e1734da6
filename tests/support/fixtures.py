"""The fixtures of contract and fault tests. Import them by name in a folder's conftest.py.

serve(**flags)   starts a server of the test's own; stopped (SIGTERM, exit code 0) at the end
server           one server per file, with the default limits, checked after every test
api, job         a client of `server` and a fresh job in it
watch            opens a watcher of `server`; a test that takes it runs once per transport
"""
import contextlib
import itertools

import pytest

from .api import Api
from .cluster import InTurn
from .raw import Raw, ask, request
from .server import ON_NODES, Server
from .watcher import TRANSPORTS


@pytest.fixture
def serve(tmp_path):
    started, names = [], itertools.count(1)

    def start(**options):
        server = Server(tmp_path / f"server{next(names)}", **options)
        started.append(server)
        return server.start()

    yield start
    with contextlib.ExitStack() as stack:   # all of them are stopped, even if one raises
        for server in started:
            stack.callback(server.stop)


@pytest.fixture
def client():
    """client(server): an Api that is closed at the end of the test."""
    opened = []

    def connect(server):
        opened.append(Api(server.address))
        return opened[-1]

    yield connect
    for api in opened:
        api.close()


@pytest.fixture(scope="module")
def module_server(tmp_path_factory):
    server = (InTurn if ON_NODES else Server)(tmp_path_factory.mktemp("server"))
    yield server
    server.stop()


@pytest.fixture
def server(module_server):
    """The first test that needs it starts it; it is started again after a test that ended it.

    A test that kills it or makes it hang fails, and no later test does.
    """
    if not module_server.alive:
        module_server.start()
    yield module_server
    try:
        module_server.check()
        assert ask(module_server.address, request("GET", "/healthz"), within=5).status == 200
    except BaseException:
        module_server.bury()
        raise


@pytest.fixture
def api(server):
    with Api(server.address) as api:
        yield api


@pytest.fixture
def snapshot(api):
    """A fresh job in progress, as its creation answered it."""
    return api.create_job()


@pytest.fixture
def job(snapshot):
    return snapshot["id"]


@pytest.fixture(params=list(TRANSPORTS))
def transport(request):
    return TRANSPORTS[request.param]


@pytest.fixture
def watch_on(transport):
    """watch_on(server, job, since=None): a watcher, closed at the end of the test."""
    opened = []

    def open_one(server, job, since=None, **options):
        opened.append(transport(server.address, job, since, **options))
        return opened[-1]

    yield open_one
    for watcher in opened:
        watcher.close()


@pytest.fixture
def watch(server, watch_on):
    """watch(job, since=None): a watcher of the file's server."""
    return lambda job, since=None, **options: watch_on(server, job, since, **options)


def dial_first(server):
    return Raw(server.address)


def dial_second(server):
    """A connection on which one request was answered before."""
    raw = Raw(server.address)
    raw.send(request("GET", "/healthz"))
    assert raw.response(within=5).status == 200
    return raw


@pytest.fixture(params=[dial_first, dial_second], ids=["first", "second"])
def dial(request):
    """Opens a connection whose next request is its first, or its second."""
    return request.param
