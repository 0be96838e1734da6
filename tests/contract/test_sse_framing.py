"""How a stream's bytes are cut: chunks, data lines, and what a reader has when it is cut off."""
import json
import re
import signal

import pytest

from support.raw import Raw, request
from support.sse import SseParser, SseStream, path_of, stream_request, type_of
from support.wait import Deadline, readable
from support.wire import Closed

LINE = 32 * 1024
CHUNK = 24576       # --write-bytes


@pytest.fixture
def raw_stream(server):
    """raw_stream(job): a connection that stands behind the head of a stream's answer."""
    opened = []

    def open_one(job, on=server, **options):
        raw = Raw(on.address, options.pop("receive_buffer", None))
        opened.append(raw)
        raw.send(stream_request(job, **options))
        status, _ = raw.head_of_response(Deadline(10, "the head"))
        assert status == 200
        return raw

    yield open_one
    for raw in opened:
        raw.close()


def large_job(api, count, note):
    """A job with `count` tasks whose notes are so long."""
    job = api.create_job(title="large", metadata={"list": [{"id": "a"}, {"id": "b"}]})["id"]
    step = max(1, 200_000 // (note + 100))
    for first in range(0, count, step):
        batch = [{"taskId": f"t{i}", "note": "},{\"id\":\"" * 3 + "n" * (note - 24)}
                 for i in range(first, min(count, first + step))]
        reply = api.update(job, batch)
        assert reply.status == 200, reply
    return job


def lines_of_message(data):
    """The data lines of the first message with one, without "data: "."""
    lines = data.split(b"\n")
    first = next(i for i, line in enumerate(lines) if line.startswith(b"data: "))
    last = next(i for i in range(first, len(lines)) if not lines[i].startswith(b"data: "))
    return lines[first:last], lines[last]


def chunk(raw, within=10):
    """The payload of the next chunk; b"" is the last one."""
    deadline = Deadline(within, "a chunk")
    size = int(raw.until(b"\r\n", deadline), 16)
    payload = raw.exactly(size, deadline)
    assert raw.exactly(2, deadline) == b"\r\n"
    return payload


# -- chunks ---------------------------------------------------------------------------------------

def test_the_headers_of_a_stream_over_http_1_1(server, job):
    with SseStream(server.address, job) as stream:
        assert stream.header("Transfer-Encoding") == "chunked"
        assert stream.header("Incremental") == "?1"
        assert stream.connected().json["resume"] == "fresh"


def test_a_stream_over_http_1_0_is_not_chunked(server, job):
    with SseStream(server.address, job, version="1.0") as stream:
        assert stream.header("Transfer-Encoding") is None
        assert stream.header("Incremental") == "?1"
        assert stream.connected().json["resume"] == "fresh"


def test_head_says_what_get_would(server, job):
    with Raw(server.address) as raw:
        raw.send(request("HEAD", path_of(job)))
        reply = raw.response(head=True)
        assert reply.status == 200 and reply.header("Incremental") == "?1"
        assert reply.header("Transfer-Encoding") == "chunked"
        assert raw.rest() == b""


@pytest.mark.parametrize("query", ["", "named=1"])
def test_each_write_is_one_chunk_of_whole_events(api, job, raw_stream, query):
    raw = raw_stream(job, query=query)
    first = chunk(raw)
    assert first.startswith(b"retry: ") and first.endswith(b"\n\n")
    for seq in range(2, 12):
        api.report(job, "t")
        piece = chunk(raw)
        while b'"type":"presence"' in piece:
            piece = chunk(raw)
        blocks = SseParser().feed(piece)
        assert [block.json["seq"] for block in blocks] == [seq], piece


def test_watchers_at_different_positions_get_their_own_chunks(server, api, snapshot):
    """What is made once for all at one position is not given to those at another."""
    job = snapshot["id"]
    api.burst(job, 50, note="x" * 100)
    streams = [SseStream(server.address, job, f"{snapshot['epoch']}.{1 + i * 5}") for i in range(10)]
    streams += [SseStream(server.address, job, f"{snapshot['epoch']}.{1 + i * 5}", query="named=1")
                for i in range(10)]
    for stream in streams:
        stream.connected()
    api.burst(job, 50, note="y" * 100)
    for i, stream in enumerate(streams):
        first = 2 + i % 10 * 5
        assert [block.json["seq"] for block in stream.events(101 - first + 1)] == \
            list(range(first, 102))
        stream.close()


def test_an_event_reaches_a_client_that_reads_in_blocks_at_once(api, job, raw_stream):
    """Such a client waits for the rest of a chunk, never for more than that."""
    raw = raw_stream(job)
    chunk(raw)
    for _ in range(5):
        seq = api.report(job, "t")["seq"]
        while f'"seq":{seq}'.encode() not in chunk(raw, within=1):
            pass


def test_the_end_of_a_job_is_the_last_chunk(api, job, raw_stream):
    raw = raw_stream(job)
    chunk(raw)
    api.finish(job)
    pieces = []
    while piece := chunk(raw):
        pieces.append(piece)
    assert b'"type":"end"' in pieces[-1]
    assert raw.rest() == b""


def test_a_stop_is_the_last_chunk_and_a_crash_is_none(serve, client, raw_stream):
    server = serve()
    job = client(server).create_job()["id"]
    raw = raw_stream(job, on=server)
    chunk(raw)
    server.signal(signal.SIGTERM)
    pieces = []
    while piece := chunk(raw):
        pieces.append(piece)
    assert re.fullmatch(rb"retry: \d+\n\n", pieces[-1])
    assert raw.rest() == b"" and server.gone() == 0
    server.start()
    raw = raw_stream(job, on=server)
    chunk(raw)
    server.kill9()
    with pytest.raises(Closed):
        while chunk(raw):
            pass


# -- data lines -----------------------------------------------------------------------------------

@pytest.mark.parametrize("version", ["1.1", "1.0"])
def test_a_large_snapshot_is_several_lines_cut_between_tasks(server, api, version):
    job = large_job(api, 300, 1000)
    with SseStream(server.address, job, version=version) as stream:
        block = stream.connected()
        assert block.json["job"] == api.job(job)
        lines, after = lines_of_message(bytes(stream.bytes))
        assert len(lines) >= 10 and all(len(line) <= LINE for line in lines)
        assert all(len(line) > LINE - 2000 for line in lines[:-1]), "as few as there can be"
        for line in lines[1:]:
            assert line.startswith(b'data: {"id":"t')
        assert after == f"id: {block.json['cursor']}".encode()


def test_a_small_snapshot_is_one_line(server, api, snapshot):
    with SseStream(server.address, snapshot["id"]) as stream:
        stream.connected()
        assert len(lines_of_message(bytes(stream.bytes))[0]) == 1


def test_a_task_larger_than_a_line_stands_in_one(serve, client):
    server = serve(max_note=100_000)
    api = client(server)
    job = api.create_job(tasks=[{"id": name} for name in "abc"])["id"]
    api.report(job, "b", note="n" * 50_000)
    with SseStream(server.address, job) as stream:
        assert stream.connected().json["job"] == api.job(job)
        lines, _ = lines_of_message(bytes(stream.bytes))
        assert [line[:15] for line in lines[1:]] == [b'data: {"id":"b"', b'data: {"id":"c"']
        assert [len(line) > LINE for line in lines] == [False, True, False]


def test_a_reset_in_mid_stream_is_cut_like_connected(serve, client):
    """The ring holds one event and the log of an ended job is pruned: the reader must begin anew."""
    server = serve(ring_events=1, ring_bytes=1024)
    api = client(server)
    job = large_job(api, 100, 1000)
    with SseStream(server.address, job, since="0000000000.5") as stream:
        block = stream.connected()
        assert block.json["resume"] == "reset" and block.json["reason"] == "epoch"
        lines, after = lines_of_message(bytes(stream.bytes))
        assert len(lines) > 1 and after.startswith(b"id: ")
        assert json.loads(b"".join(line[6:] for line in lines)) == block.json


def test_the_id_of_a_first_message_stands_behind_its_data(server, api, job):
    for query in ("", "named=1"):
        with SseStream(server.address, job, query=query) as stream:
            block = stream.connected()
            assert re.search(rb"\ndata: [^\n]*\nid: [^\n]*\n\n", bytes(stream.bytes))
            assert block.id == block.json["cursor"]


# -- cut off --------------------------------------------------------------------------------------

def test_a_stop_leaves_slow_readers_of_a_snapshot_at_their_old_position(serve, client):
    """Each has read some of it when the server stops, and reads what is left: no last message
    comes inside another, and a reader without a whole snapshot has no position."""
    server = serve()
    api = client(server)
    job = large_job(api, 160, 16000)
    readers = []
    for i in range(150):
        raw = Raw(server.address, 2048)
        raw.send(stream_request(job, query="named=1" if i % 2 else "", version=("1.1", "1.0")[i % 3 == 0]))
        readers.append(raw)
    for i, raw in enumerate(readers):
        readable(raw.socket, Deadline(30, "the first bytes"))
        while len(raw.buffer) < i * 1000:
            raw.fill(Deadline(30, "more bytes"))
    server.signal(signal.SIGTERM)
    told = [all_of(raw) for raw in readers]
    assert server.gone(15) == 0
    cut = sum(check_cut(*one) for one in told)
    assert cut > 100, "hardly any was within its message"


def all_of(raw):
    """(whether it is chunked, what comes behind the head) of a stream that ends."""
    head = raw.until(b"\r\n\r\n", Deadline(30, "the head"))
    return b"Transfer-Encoding: chunked" in head, raw.rest(30)


def check_cut(chunked, data):
    """Whether this reader was cut off in its first message; its bytes are in order either way."""
    whole = not chunked
    if chunked:
        data, whole = unchunk(data)
    parser = SseParser()
    blocks = parser.feed(data)
    assert all(map(is_whole, blocks)), "a last message that ends half a message"
    kinds = [type_of(block) for block in blocks]
    if "connected" in kinds:
        assert parser.last_id and whole and blocks[-1].retry is not None
        return False
    assert parser.last_id == "" and kinds == [None], kinds
    assert data.count(b"retry: ") == 1, "a last message inside a message"
    assert not (chunked and whole), "the last chunk after half a message"
    return True


def is_whole(block):
    """Whether what a browser hands to the page is JSON."""
    try:
        return block.data is None or json.loads(block.data) is not None
    except ValueError:
        return False


def unchunk(data):
    """(the bytes of all chunks and of half a one, whether the last chunk was there)"""
    out = b""
    while b"\r\n" in data:
        size, data = data.split(b"\r\n", 1)
        if int(size, 16) == 0:
            assert data == b"\r\n"
            return out, True
        out, data = out + data[:int(size, 16)], data[int(size, 16) + 2:]
    return out, False
