"""Large answers: at the speed of their reader, in memory once, and no end before the last byte."""
import re
import socket
import subprocess
import threading
import time

import pytest

from support.raw import Raw, request
from support.wait import SCALE, Deadline, until

MIB = 1024 * 1024


def large_job(api, mib):
    """A job whose snapshot has at least so many MiB."""
    job = api.create_job()["id"]
    for i in range(mib * 4 + mib // 4 + 1):
        batch = [{"taskId": f"t{i}-{n}", "note": "n" * 16000} for n in range(16)]
        assert api.update(job, batch).status == 200
    return job


def path_of(job):
    return f"/api/jobs/{job}"


@pytest.fixture
def large(server, api):
    return large_job(api, 4)


def test_a_connection_is_kept_after_a_large_answer(server, api, large):
    with Raw(server.address) as raw:
        for _ in range(3):
            raw.send(request("GET", path_of(large)))
            answer = raw.response()
            assert answer.status == 200 and answer.header("Connection") != "close"
            assert answer.json["id"] == large and len(answer.body) > 4 * MIB
        raw.send(request("GET", "/healthz"))
        assert raw.response().status == 200


def test_large_answers_come_in_the_order_of_the_requests(server, api, large):
    other = api.create_job()["id"]
    paths = [path_of(large), path_of(other), f"{path_of(large)}/updates", path_of(other)]
    with Raw(server.address) as raw:
        raw.send(b"".join(request("GET", path) for path in paths))
        answers = [raw.response() for _ in paths]
    assert [answer.status for answer in answers] == [200] * 4
    assert [answer.json.get("id", answer.json.get("jobId")) for answer in answers] == \
        [large, other, large, other]
    assert answers[2].json["job"] == answers[0].json


def test_a_large_answer_of_which_the_head_alone_is_wanted(server, large):
    with Raw(server.address) as raw:
        raw.send(request("HEAD", path_of(large)) + request("GET", path_of(large)))
        head = raw.response(head=True)
        assert int(head.header("Content-Length")) == len(raw.response().body)


def test_an_answer_that_flows_has_all_the_time_it_needs(serve, client):
    server = serve(stall_ms=500)
    job = large_job(client(server), 4)
    with Raw(server.address, receive_buffer=64 * 1024) as raw:
        raw.send(request("GET", path_of(job)))
        deadline = Deadline(60, "the whole answer")
        status, headers = raw.head_of_response(deadline)
        left, began = int(dict(headers)["Content-Length"]), time.monotonic()
        while left:
            left -= len(raw.exactly(min(left, 128 * 1024), deadline))
            threading.Event().wait(0.05)    # a slow client: that is the subject here
    assert status == 200 and time.monotonic() - began > 2 * 0.5


def test_who_hangs_up_in_the_middle_of_an_answer_is_noticed(serve, client):
    server = serve()
    job = large_job(client(server), 8)
    before = server.fds()
    for wanted in (1000, MIB):
        with Raw(server.address, receive_buffer=4096) as raw:
            raw.send(request("GET", path_of(job)))
            raw.exactly(wanted, Deadline(30, "the beginning of an answer"))
        server.fds_back_to(before, within=2)


def test_who_says_that_it_has_said_all_gets_the_whole_answer(server, large):
    with Raw(server.address) as raw:
        raw.send(request("GET", path_of(large)))
        raw.half_close()
        assert raw.response().json["id"] == large


def test_who_takes_nothing_of_an_answer_is_closed(serve, client):
    server = serve(stall_ms=300)
    api = client(server)
    job = large_job(api, 8)
    before = server.fds()
    with Raw(server.address, receive_buffer=4096) as raw:
        raw.send(request("GET", path_of(job)))
        raw.head_of_response(Deadline(10, "a head"))
        until(lambda: server.fds() <= before, 10, "the connection being given up")
        assert len(raw.rest()) < 8 * MIB


def socket_bytes(server):
    """What the system holds of the server's answers, of each connection."""
    shown = subprocess.run(["ss", "-tmnH", "sport", "=", f":{server.port}"], capture_output=True,
                           text=True, check=True).stdout
    return [int(queued) for queued in re.findall(r",w(\d+),o\d", shown)]


def unread(server, path, count):
    sockets = []
    for _ in range(count):
        sockets.append(socket.create_connection(server.address))
        sockets[-1].sendall(request("GET", path))
    for one in sockets:
        assert one.recv(12) == b"HTTP/1.1 200"
    return sockets


# The buffer that a socket has at first, which the system lets the last write go beyond.
HELD = (64 + 16) * 1024
HELD_OF_A_STREAM = (64 + 24) * 1024


@pytest.mark.parametrize("count, path, most", [(64, "", HELD), (64, "/updates", HELD),
                                               (64, "/tasks", HELD),
                                               (200, "/task-events", HELD_OF_A_STREAM)])
def test_answers_that_are_not_read_are_in_memory_once(serve, client, count, path, most):
    server = serve()
    job = large_job(client(server), 16)
    client(server).job(job)
    before = server.rss_kib()
    sockets = unread(server, path_of(job) + path, count)
    assert len(socket_bytes(server)) >= count
    until(lambda: max(socket_bytes(server)) <= most, 10, "the sockets holding no more")
    assert server.rss_kib() - before < 20 * 1024
    for one in sockets:
        one.close()


def wide_sockets(serve, client, **options):
    server = serve(**options)
    job = large_job(client(server), 8)
    sockets = [Raw(server.address, receive_buffer=4096) for _ in range(3)]
    deadline = Deadline(30, "the beginning of an answer")
    for raw in sockets:
        raw.send(request("GET", path_of(job)))
        raw.exactly(MIB, deadline)
    held = sorted(socket_bytes(server))[-3:]
    for raw in sockets:
        raw.close()
    return sum(bytes_of_one > 128 * 1024 for bytes_of_one in held)


@pytest.mark.parametrize("room, wide", [(0, 0), (2 * MIB - 1, 0), (2 * MIB, 1), (4 * MIB, 2),
                                        (64 * MIB, 3)])
def test_as_many_sockets_are_wide_as_there_is_room_for(serve, client, room, wide):
    assert wide_sockets(serve, client, max_wide=room) == wide


def seconds_for(address, question, size):
    """To receive so many bytes."""
    with socket.create_connection(address) as one:
        one.sendall(question)
        began, left = time.monotonic(), size
        while left > 0:
            left -= len(one.recv(256 * 1024))
        return time.monotonic() - began


def plain_server(data):
    """A socket from which everybody who says something gets `data`."""
    listening = socket.create_server(("127.0.0.1", 0))

    def serve_all():
        while True:
            try:
                one, _ = listening.accept()
            except OSError:
                return
            with one:
                one.recv(4096)
                one.sendall(data)

    threading.Thread(target=serve_all, daemon=True).start()
    return listening


def test_an_answer_is_as_fast_as_a_plain_socket(server, api, large):
    size = len(api.get(path_of(large)).body)
    question = request("GET", path_of(large))
    with plain_server(b"x" * size) as plain:
        ours = min(seconds_for(server.address, question, size) for _ in range(7))
        theirs = min(seconds_for(plain.getsockname(), question, size) for _ in range(7))
    assert ours < 10 * max(theirs, 0.002) * SCALE


@pytest.mark.parametrize("path, status", [("", 200), ("/updates", 200), ("/tasks", 200),
                                          ("/activity", 200), ("/nothing", 404)])
def test_an_answer_in_json_ends_in_a_newline(api, job, path, status):
    answer = api.get(path_of(job) + path)
    assert (answer.status, answer.body[-2:]) == (status, b"}\n")
    assert api.get("/api/jobs").body.endswith(b"}\n")
