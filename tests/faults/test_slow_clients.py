"""F1, D6, E11: slow clients by the thousand. What they cost is bounded, and others are served as if they
were not there: each figure is compared with the same one without them.

JOBLIGHT_TEST_REPLY_MIB (8) is the size of the reply that flows beside stalled readers,
JOBLIGHT_TEST_CHURN_ROUNDS (8) how often clients come and go.
"""
import os
import re
import resource
import statistics
import subprocess
import time
from contextlib import ExitStack

import pytest

from support.raw import Raw, request
from support.viewers import Viewers
from support.wait import SCALE, Deadline, until
from support.watcher import SMALL_BUFFER, TRANSPORTS
from support.wire import Closed

REPLY_MIB = int(os.environ.get("JOBLIGHT_TEST_REPLY_MIB", "8"))
CHURN = int(os.environ.get("JOBLIGHT_TEST_CHURN_ROUNDS", "8"))
SLOW = 1500
STALLED = 1000
MOST_BYTES = 64 * 1024      # that a stalled reader may cost
ALLOWANCE_S = 0.05          # by which a good request may be later than without them
HEAD = request("GET", "/healthz")
BODY = request("POST", "/api/jobs", ("Content-Type: application/json", "Content-Length: 100"))


@pytest.fixture(autouse=True)
def descriptors():
    """As many as the system gives: this process holds thousands of connections."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def median_s(action, times=50):
    took = []
    for _ in range(times):
        began = time.monotonic()
        action()
        took.append(time.monotonic() - began)
    return statistics.median(took)


def drip(connections, number):
    """The next byte of each connection's request."""
    for raw, data in connections:
        raw.send(data[number:number + 1])


def is_closed(raw):
    """Whether the server has closed it, perhaps behind an answer."""
    try:
        while raw.fill(Deadline(10, "the server closing a slow connection")):
            pass
    except Closed:
        pass
    return raw.ended


def test_f1_1500_slow_requests_delay_nobody_and_are_closed(serve, client):
    server = serve(header_timeout_ms=3000, body_timeout_ms=3000)
    api = client(server)
    job = api.create_job()["id"]

    def good():
        assert api.get("/healthz").status == 200
        api.report(job, "t")
    before, alone = server.fds(), median_s(good)
    with ExitStack() as stack:
        slow = [(stack.enter_context(Raw(server.address)), data)
                for data in [HEAD, BODY + b"{"] * (SLOW // 2)]
        for raw, data in slow:
            raw.send(data[:len(data) - 20] if data is HEAD else data)
        among = median_s(good)
        drip(slow, len(HEAD) - 20)
        print(f"median {alone * 1000:.1f} ms alone, {among * 1000:.1f} ms among {SLOW}")
        assert among <= alone + ALLOWANCE_S * SCALE
        assert all(is_closed(raw) for raw, _ in slow)
        assert api.get("/healthz").status == 200
    server.fds_back_to(before, within=10)


# -- readers that stall ----------------------------------------------------------------------------------

def kernel_bytes(server):
    """What the system holds of each connection of the server: received, and not sent."""
    listing = subprocess.run(["ss", "-tmnH", "state", "established", "sport", "=", f":{server.port}"],
                             capture_output=True, text=True, check=True, timeout=60).stdout
    held = re.findall(r"skmem:\(r(\d+),rb\d+,t\d+,tb\d+,f\d+,w(\d+),", listing)
    assert len(held) >= STALLED
    return [int(received) + int(queued) for received, queued in held]


def reply_of(api, mib):
    """The path of a reply of so many MiB, and its length."""
    job = api.create_job()["id"]
    for i in range(mib * 4 + mib // 3):
        batch = [{"taskId": f"t{i}-{n}", "note": "n" * 16000} for n in range(16)]
        assert api.update(job, batch).status == 200
    return f"/api/jobs/{job}", len(api.get(f"/api/jobs/{job}").body)


def best_s(server, path, size, times=5):
    """The shortest time of a reply with a body of `size` bytes, taken as fast as it comes."""
    took, space = [], bytearray(1 << 20)
    for _ in range(times):
        with Raw(server.address) as raw:
            began = time.monotonic()
            raw.send(request("GET", path))
            raw.head_of_response(Deadline(60, "the head of the reply"))
            left = size - len(raw.buffer)
            while left > 0:
                came = raw.socket.recv_into(space)
                assert came, "closed in the middle"
                left -= came
            took.append(time.monotonic() - began)
    return min(took)


def all_connected(viewers):
    return all(len(viewer.blocks) > 1 for viewer in viewers)


def test_d6_1000_stalled_readers_cost_little_and_slow_no_reply(serve, client):
    server = serve(stall_ms=600_000, heartbeat_ms=600_000, loops=1)
    api = client(server)
    path, size = reply_of(api, REPLY_MIB)
    job = api.create_job()["id"]
    alone = best_s(server, path, size)
    with Viewers() as viewers:
        stalled = viewers.join(server.address, job, STALLED, receive_buffer=SMALL_BUFFER)
        viewers.pump(lambda: all_connected(stalled), 60 * SCALE, "a thousand first messages")
        before = server.rss_kib()
        api.burst(job, 5000, note="n" * 1000)
        held, grown = kernel_bytes(server), (server.rss_kib() - before) * 1024
        among = best_s(server, path, size)
        print(f"kernel {max(held)} bytes at most, {sum(held) // len(held)} on average; process "
              f"{grown // STALLED} bytes for each; {size / 1e6 / alone:.0f} MB/s alone, "
              f"{size / 1e6 / among:.0f} MB/s among {STALLED}")
        assert max(held) <= MOST_BYTES
        assert grown <= STALLED * MOST_BYTES
        assert among <= 2 * alone + ALLOWANCE_S * SCALE


# -- clients that come and go ----------------------------------------------------------------------------

def come_and_go(server, job, count):
    """Watchers on every transport, requests and connections without a word; all hang up."""
    with ExitStack() as stack:
        for transport in TRANSPORTS.values():
            for _ in range(count):
                stack.enter_context(transport(server.address, job)).connected()
        for _ in range(count):
            raw = stack.enter_context(Raw(server.address))
            raw.send(HEAD)
            stack.enter_context(Raw(server.address)).send(HEAD[:10])
            assert raw.response().status == 200


def test_e11_clients_that_come_and_go_leave_nothing(serve, client):
    """Timers are much faster than by default, so that each has ended many times."""
    server = serve(heartbeat_ms=400, stall_ms=400, keepalive_ms=1000, header_timeout_ms=1000,
                   linger_ms=0, presence_ms=200, loops=1, snapshot_cache=0)
    with client(server) as api:
        jobs = [api.create_job()["id"] for _ in range(CHURN)]
    fds = server.fds()
    for number, job in enumerate(jobs):
        come_and_go(server, job, 50)
        server.fds_back_to(fds, within=10)
        if number == CHURN // 2:
            before = server.rss_kib()
    assert server.rss_kib() - before < 2048, "it grows"
    cpu, began = server.cpu_s(), time.monotonic()
    until(Deadline(0.5 / SCALE, "half a second of rest").passed, 5, "rest")
    assert server.cpu_s() - cpu < 0.2 * (time.monotonic() - began), "it does not rest"
