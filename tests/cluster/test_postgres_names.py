"""The host of PostgreSQL by its name: a resolver that does not answer, several hosts, and certificates."""
import os
import shutil
import socket
import tempfile
import time

import pytest

from support import tls
from support.postgres import Postgres
from support.server import run_to_exit
from support.sse import SseStream
from support.wait import SCALE, until

SESSIONS = 5     # that write or read
WORDS = "the name of the host is not resolved in time"


def end_connections(postgres, database):
    postgres.sql("postgres", f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{database}'")


def took(call):
    began = time.monotonic()
    result = call()
    return result, time.monotonic() - began


def test_a_resolver_that_hangs_holds_up_neither_answers_nor_deliveries(serve, client, postgres, redis, database, resolver):
    bus = {"bus": redis.url, "bus_prefix": database}
    server = serve(db=postgres.tcp_url(database, host="db.test"), environment=resolver.environment, **bus)
    other = serve(db=postgres.url(database), **bus)
    api = client(server)
    job = api.create_job()["id"]
    threads = threads_of(server)
    with SseStream(server.address, job) as stream:
        stream.connected()
        server.logs("the bus is connected")
        resolver.falls_silent()
        end_connections(postgres, database)
        reply, seconds = took(lambda: api.update(job, {"taskId": "t", "note": "n"}, Idempotency_Key="k"))
        assert reply.status == 503 and seconds < 5 * SCALE, (reply, seconds)
        until(lambda: WORDS in api.get("/readyz").body.decode(), 5, "readiness to say why")
        assert api.get("/readyz").status == 503
        for number in range(10):
            until(lambda number=number: client(other).update(job, {"taskId": "t", "note": f"n{number}"}).status == 200, 10,
                  "the other node having a connection again")
            _, seconds = took(lambda number=number: block_with(stream, f'"note":"n{number}"'))
            assert seconds < 1 * SCALE
        for _ in range(5):          # nobody waits again for an attempt that takes too long already
            reply, seconds = took(lambda: api.update(job, {"taskId": "t"}))
            assert reply.status == 503 and seconds < 1 * SCALE, (reply, seconds)
        assert threads_of(server) <= threads + SESSIONS, "an attempt for each session, and no more"
        resolver.answers()
        until(lambda: api.get("/readyz").status == 200, 10, "readiness")
        assert api.update(job, {"taskId": "t", "note": "n"}, Idempotency_Key="k").status == 200
        block_with(stream, '"note":"n"')


def block_with(stream, text):
    while text not in (block := stream.message()).data:
        pass
    return block


def threads_of(server):
    return len(os.listdir(f"/proc/{server.process.pid}/task"))


def test_a_server_whose_resolver_hangs_stops_in_time(serve, client, postgres, database, resolver):
    server = serve(db=postgres.tcp_url(database, host="db.test"), environment=resolver.environment)
    api = client(server)
    job = api.create_job()["id"]
    resolver.falls_silent()
    end_connections(postgres, database)
    assert api.update(job, {"taskId": "t"}).status == 503
    _, seconds = took(server.stop)
    assert seconds < 10 * SCALE


def test_a_server_does_not_start_while_its_resolver_hangs(postgres, database, resolver):
    resolver.falls_silent()
    (code, _, errors), seconds = took(lambda: run_to_exit(within=20, db=postgres.tcp_url(database, host="db.test"),
                                                          listen="127.0.0.1:0", environment=resolver.environment))
    assert code == 1 and WORDS in errors and seconds < 10 * SCALE


# -- several hosts ---------------------------------------------------------------------------------

@pytest.fixture
def silent_port():
    """Of a machine that takes no packets: connections wait for place in a queue that is full."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        waiting = []
        try:
            for _ in range(3):
                one = socket.socket()
                one.setblocking(False)
                one.connect_ex(listener.getsockname())
                waiting.append(one)
            yield listener.getsockname()[1]
        finally:
            for one in waiting:
                one.close()


def url_of_hosts(database, *hosts):
    return f"postgres://trusted@{','.join(f'{host}:{port}' for host, port in hosts)}/{database}?sslmode=disable"


def test_the_next_host_is_taken_when_one_does_not_answer(serve, client, postgres, database, silent_port):
    hosts = ("127.0.0.1", silent_port), ("127.0.0.1", postgres.port)
    server = serve(db=url_of_hosts(database, *hosts), readers=1)     # each session tries both when it starts
    api = client(server)
    job = api.create_job()["id"]
    end_connections(postgres, database)
    until(lambda: api.update(job, {"taskId": "t"}).status == 200, 20, "the other host")
    until(lambda: api.get("/readyz").status == 200, 20, "readiness")


def test_a_host_whose_name_is_unknown_is_passed_over(serve, client, postgres, database, resolver):
    folder = f"{postgres.folder}".replace("/", "%2F")
    url = f"postgres://postgres@nowhere.test:1,{folder}:{postgres.port}/{database}"
    assert client(serve(db=url, environment=resolver.environment)).create_job()["seq"] == 1


# -- certificates ----------------------------------------------------------------------------------

@pytest.fixture
def sealed():
    """A PostgreSQL with a certificate for db.test; gives it and the file to trust."""
    with tempfile.TemporaryDirectory(prefix="joblight-pg-tls-") as folder:
        pair = tls.make(folder, "db.test")
        os.chmod(folder, 0o755)
        os.chmod(pair.key, 0o600)
        if not os.getuid():
            shutil.chown(pair.key, "postgres", "postgres")
        server = Postgres(ssl="on", ssl_cert_file=str(pair.certificate), ssl_key_file=str(pair.key)).start()
        try:
            yield server, pair.certificate
        finally:
            server.remove()


def test_the_name_in_the_certificate_is_that_of_the_host(serve, client, sealed, resolver):
    server, certificate = sealed
    server.create("d")
    url = server.tcp_url("d", host="{}").replace("disable", f"verify-full&sslrootcert={certificate}")
    assert client(serve(db=url.format("db.test"), environment=resolver.environment)).create_job()["seq"] == 1
    code, _, errors = run_to_exit(db=url.format("localhost"), listen="127.0.0.1:0")
    assert code == 1 and "does not match host name" in errors
