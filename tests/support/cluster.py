"""A cluster: PostgreSQL and Redis of the tests' own, nodes that share them, and haproxy before the nodes.

    with Engines() as engines, Cluster(engines, folder, count=3) as cluster:
        cluster.nodes[0]        # a Server
        cluster.proxy           # the address of haproxy, which takes the nodes as docs/scaling.md says

Each node reaches the engines under a loopback address of its own, 127.0.0.(1 + number), so that a rule of nft
can cut one node off from one engine.
"""
import atexit
import contextlib
import functools
import itertools
import re
from pathlib import Path

from . import proxies
from .postgres import Postgres
from .ports import free_port
from .redis import Redis
from .server import HOSTS, ROOT, Server
from .wait import until

NODES_MAX = 3
CARRIERS = ["Redis", "PostgreSQL"]
ADDRESSES = [f"127.0.0.{1 + i}" for i in range(NODES_MAX)]
FRONTEND = """defaults
    mode http
    timeout connect 1s
    timeout http-request 10s
    timeout client 120s
    timeout server 120s
    timeout tunnel 1h
frontend jobs
    bind 127.0.0.1:{port}
    default_backend joblight
"""
SCALING = (ROOT / "docs" / "scaling.md").read_text()


def recipes(language):
    """The blocks of docs/scaling.md in this language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", SCALING, re.M | re.S)


def with_servers(text, line, addresses):
    """`line` is a pattern of the lines that name the servers, one after another; instead there is one for each address."""
    lines = re.findall(line, text, re.M)
    assert len(lines) == 3 and "".join(lines) in text, lines
    made = (lines[0].replace("10.0.0.1:3001", f"{host}:{port}").replace("server a ", f"server node{i + 1} ")
            for i, (host, port) in enumerate(addresses))
    return text.replace("".join(lines), "".join(made))


def haproxy_of(port, addresses, host):
    backend, _ = recipes("haproxy")
    assert "hdr Host jobs.example" in backend and "inter 1s" in backend
    backend = backend.replace("jobs.example", host).replace("inter 1s", "inter 300ms")
    return FRONTEND.format(port=port) + with_servers(backend, r"^ +server \S+ 10\.0\.0\.\d:3001\n", addresses)


class Engines:
    """PostgreSQL, which syncs as one that is operated does, and Redis."""

    def __init__(self, postgres=None, redis=None):
        self.postgres = postgres or Postgres(fsync="on", listen_addresses=",".join(ADDRESSES), max_connections="200")
        self.redis = redis or Redis(addresses=ADDRESSES)
        self.names = itertools.count(1)

    def __enter__(self):
        try:
            self.postgres.start()
            self.redis.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        self.redis.remove()
        self.postgres.remove()

    def database(self):
        """The name of an empty database."""
        name = f"c{next(self.names)}"
        self.postgres.create(name)
        return name


class Cluster:
    """Its options are given to each node; each cluster has a database and a prefix of its own.

    `carrier`: what the nodes have as a bus, Redis or PostgreSQL.  `environments`: one for each node, besides that of the tests.
    """

    def __init__(self, engines, folder, carrier="Redis", count=NODES_MAX, environments=None, with_proxy=True, **options):
        self.with_proxy = with_proxy
        self.carrier = carrier
        self.engines = engines
        self.folder = Path(folder)
        self.database = engines.database()
        environments = environments or [None] * count
        self.nodes = [Server(self.folder / f"node{i + 1}", environment=environments[i], **self._options(i, options))
                      for i in range(count)]
        self.proxy = None
        self.stack = contextlib.ExitStack()

    def _options(self, number, options):
        postgres, redis = self.engines.postgres, self.engines.redis
        bus = redis.url_at(ADDRESSES[number]) if self.carrier == "Redis" else "postgres"
        return {"db": postgres.tcp_url(self.database, host=ADDRESSES[number]), "bus": bus,
                "bus_prefix": self.database, "address_connections": 0, "address_streams": 0, **options}

    def __enter__(self):
        try:
            for node in self.nodes:
                self.stack.callback(node.bury)
                node.start()
            if self.with_proxy:
                self._start_proxy()
        except BaseException:
            self.stack.close()
            raise
        return self

    def __exit__(self, kind, *_):
        with self.stack:
            if kind is None:
                for node in self.nodes:
                    node.stop()

    def _start_proxy(self):
        folder = self.stack.enter_context(proxies.folder_for_all())
        port = free_port()
        text = haproxy_of(port, [(node.host, node.port) for node in self.nodes], HOSTS[0])
        command = proxies.haproxy(folder, text, port)
        self.proxy = self.stack.enter_context(proxies.running(command, folder, ("127.0.0.1", port)))

    @property
    def addresses(self):
        return [node.address for node in self.nodes]

    def connected(self):
        """Waits until every node has its bus."""
        for node in self.nodes:
            until(lambda node=node: '"bus":"connected' in ready(node.address), 15, f"the bus of {node.folder.name}")


@contextlib.contextmanager
def paused(engine):
    """Neither answers nor closes anything within the block."""
    engine.pause()
    try:
        yield
    finally:
        engine.resume()


def ready(address):
    """What /readyz answers to somebody on this machine."""
    from .api import Api
    with Api(address) as api:
        return api.get("/readyz").body.decode()


@functools.cache
def shared_engines():
    """Those of all tests of this process."""
    engines = Engines()
    atexit.register(engines.__exit__)
    return engines.__enter__()


class InTurn:
    """Three nodes in the place of one Server: each time its address is asked for, it is that of the next node.

    Who asks for the host and the port gets those of the first one.
    """

    scheme = "http"

    def __init__(self, folder):
        self.folder = Path(folder)
        self.cluster = None
        self.numbers = itertools.count()

    def start(self):
        self.cluster = Cluster(shared_engines(), self.folder / str(next(self.numbers)), with_proxy=False).__enter__()
        self.cluster.connected()
        self.ways = itertools.cycle(self.cluster.nodes)
        return self

    def stop(self):
        if self.cluster:
            self.cluster.__exit__(None)

    def bury(self):
        if self.cluster:
            self.cluster.__exit__(AssertionError)
        self.cluster = None

    def check(self):
        for node in self.cluster.nodes:
            node.check()

    def log(self):
        return "".join(node.log() for node in self.cluster.nodes)

    @property
    def alive(self):
        return self.cluster is not None and all(node.alive for node in self.cluster.nodes)

    @property
    def address(self):
        return next(self.ways).address

    @property
    def url(self):
        return next(self.ways).url

    @property
    def host(self):
        return self.cluster.nodes[0].host

    @property
    def port(self):
        return self.cluster.nodes[0].port
