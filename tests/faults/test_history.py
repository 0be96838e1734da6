"""Histories with first messages larger than every buffer, read slowly over every transport at once.

The first message is 2.5 MB and a reader's receive buffer 4 KB, so every first message is cut into many
writes while writers go on. Three readers of each transport: one starts anew each time, one continues at its
position, and one leaves in the middle of a first message and starts anew. The ring holds a few events
only, so whoever has read a first message continues from the database.
"""
import pytest

from support.api import Api
from support.history import History, log_with_texts
from support.load import Crew
from support.poll import path_of
from support.raw import Raw, request
from support.wait import Deadline
from support.watcher import SMALL_BUFFER, TRANSPORTS

NOTE = "n" * 16000
TASKS = 160
WRITERS = 3
WRITES = 40
ROUNDS = 4
WITHIN = 60


def large_job(api):
    job = api.create_job()["id"]
    for first in range(0, TASKS, 10):
        tasks = [{"taskId": f"t{i}", "note": NOTE} for i in range(first, first + 10)]
        assert api.update(job, tasks).status == 200
    return job


def seq_of(position):
    return int(position.split(".")[1])


def write(_crew, address, job, history, name):
    with Api(address) as api:
        for i in range(WRITES):
            key = f"{name}-{i}"
            note = key + " " + NOTE[: i % 3 * 8000]
            reply = api.update(job, {"taskId": name, "note": note}, Idempotency_Key=key)
            history.wrote(key, "ok" if reply.status == 200 else "fail", reply.json.get("seq"))


def read(history, name, transport, address, job, since, patience, head):
    """One connection: its first message and up to `patience` events; gives its position."""
    with transport(address, job, since, within=WITHIN, slow=True) as watcher:
        connection = history.opened(name, watcher, watcher.connected(within=WITHIN))
        for _ in range(patience):
            if seq_of(watcher.position) == head:
                break
            history.saw(connection, watcher.event(within=WITHIN))
        return watcher.position


def starts_anew(_crew, address, job, history, name, transport, head):
    for patience in [5] * ROUNDS + [head]:
        read(history, name, transport, address, job, None, patience, head)


def continues(_crew, address, job, history, name, transport, head):
    position = read(history, name, transport, address, job, None, 1, head)
    while seq_of(position) < head:
        position = read(history, name, transport, address, job, position, 7, head)


def leaves(_crew, address, job, history, name, transport, head):
    for _ in range(ROUNDS):
        transport(address, job, slow=True).close()
        with Raw(address, receive_buffer=SMALL_BUFFER) as question:
            question.send(request("GET", path_of(job)))
            question.fill(Deadline(WITHIN, "the first bytes of an answer"))
        read(history, name, transport, address, job, None, 0, head)
    read(history, name, transport, address, job, None, head, head)


@pytest.mark.parametrize("flags", [{}, {"loops": 2}, {"ring_events": 4, "read_bytes": 1024}], ids=str)
def test_c0_exactly_once_with_first_messages_larger_than_every_buffer(serve, client, flags):
    server = serve(**flags)
    api = client(server)
    job = large_job(api)
    head = seq_of(api.job(job)["cursor"]) + WRITERS * WRITES
    history = History(job)
    with Crew() as crew:
        for way in (starts_anew, continues, leaves):
            for name, transport in TRANSPORTS.items():
                crew.hire(way, server.address, job, history, f"{name} {way.__name__}", transport, head)
        for i in range(WRITERS):
            crew.hire(write, server.address, job, history, f"writer{i}")
        crew.stop(within=WITHIN)
    history.check(log_with_texts(api, job), api.job(job), key_of)


def key_of(event):
    """The key that a writer put in front of its note."""
    note = event.get("note", "")
    return note.split(" ")[0] if note.startswith("writer") else None
