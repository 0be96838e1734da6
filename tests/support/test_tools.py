"""The tools, tested: a parser that forgives or a checker that never fails would prove nothing."""
import copy
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

from support import disk
from support.blocked import Blocked
from support.history import Connection, History, digest
from support.rawjson import elements
from support.reply import DuplicateKey, parse_json
from support.sse import Dechunker, SseParser, type_of
from support.wait import until
from support.ws import CONTINUATION, TEXT, fragments, frame_of, masked


def parsed(data, size=None):
    """The blocks of `data`, fed in pieces of `size`."""
    parser, blocks = SseParser(), []
    for at in range(0, len(data), size or len(data)):
        blocks += parser.feed(data[at:at + (size or len(data))])
    return [(block.id, block.event, block.data) for block in blocks], parser.last_id


STREAMS = [
    (b"data: a\n\n", [(None, None, "a")]),
    (b"\xef\xbb\xbfdata: a\n\n", [(None, None, "a")]),
    (b"data: a\r\n\r\ndata: b\r\rdata: c\n\n", [(None, None, c) for c in "abc"]),
    (b"data\n\ndata\ndata\n\ndata:", [(None, None, ""), (None, None, "\n")]),
    (b"data:test\n\ndata: test\n\ndata:  test\n\n",
     [(None, None, "test"), (None, None, "test"), (None, None, " test")]),
    (b": comment\n\ndata: x\n\n", [(None, None, None), (None, None, "x")]),
    (b"id: 1\ndata: a\n\nid\ndata: b\n\nid: 2\0\ndata: c\n\n",
     [("1", None, "a"), ("", None, "b"), (None, None, "c")]),
    (b"event: beat\ndata: {}\n\n", [(None, "beat", "{}")]),
    (b"id: 9\n\n", [("9", None, None)]),
    ("data: é\u2028x\n\n".encode(), [(None, None, "é\u2028x")]),
    (b"\n\n\n", []),
    (b"Data: a\ndata : b\n\n", [(None, None, None)]),
]


@pytest.mark.parametrize("data, expected", STREAMS)
@pytest.mark.parametrize("size", [None, 1, 2, 3])
def test_the_parser_reads_what_the_specification_says(data, expected, size):
    assert parsed(data, size)[0] == expected


def test_the_parser_keeps_the_last_id_for_the_reconnect():
    assert parsed(b"id: 7\ndata: a\n\ndata: b\n\n")[1] == "7"


def test_a_heartbeat_is_known_by_its_event_name():
    block = SseParser().feed(b'event: heartbeat\ndata: {"head":1}\n\n')[0]
    assert type_of(block) == "heartbeat"


@pytest.mark.parametrize("size", [1, 2, 5, 100])
def test_chunks_are_taken_apart_at_any_border(size):
    data, dechunker = b"5\r\nhello\r\na\r\n, chunked!\r\n0\r\n\r\n", Dechunker()
    pieces = [dechunker.feed(data[at:at + size]) for at in range(0, len(data), size)]
    assert b"".join(pieces) == b"hello, chunked!" and dechunker.done


def test_elements_are_the_bytes_as_they_stood():
    text = '{ "a":{"events":[9]}, "events" : [ {"x":1.0} ,"]", [] ] }'
    assert elements(text, "events") == ['{"x":1.0}', '"]"', "[]"]
    assert elements('{"events":[]}', "events") == []


def test_json_with_a_key_twice_is_not_accepted():
    with pytest.raises(DuplicateKey):
        parse_json(b'{"a":1,"a":1}')


def test_a_frame_is_the_example_of_rfc_6455():
    assert frame_of(TEXT, b"Hello", mask=b"\x37\xfa\x21\x3d") == bytes.fromhex(
        "818537fa213d7f9f4d5158")
    assert frame_of(TEXT, b"Hel", fin=False, mask=None) == b"\x01\x03Hel"
    assert frame_of(CONTINUATION, b"lo", mask=None) == b"\x80\x02lo"
    assert frame_of(TEXT, b"x" * 256, mask=None)[:4] == b"\x81\x7e\x01\x00"
    assert frame_of(TEXT, b"", length=65536, mask=None) == b"\x81\x7f" + (65536).to_bytes(8, "big")


@pytest.mark.parametrize("size", [0, 1, 3, 4, 5, 1000])
def test_masking_twice_gives_the_payload_back(size):
    payload, mask = bytes(i % 256 for i in range(size)), b"\x01\x80\xff\x00"
    assert masked(masked(payload, mask), mask) == payload


def test_fragments_are_all_of_the_message():
    assert fragments(b"abc", []) == [frame_of(TEXT, b"abc")]
    assert fragments(b"abc", [1, 0]) == [
        frame_of(TEXT, b"a", fin=False), frame_of(CONTINUATION, b"", fin=False),
        frame_of(CONTINUATION, b"bc")]


# -- the checker must find each kind of fault -----------------------------------------------------

STAMP = "2026-02-05T19:00:00.000Z"


def row(seq, note):
    return {"type": "task_update", "jobId": "j", "seq": seq, "taskId": "t", "status": "pending",
            "title": "t", "note": note, "timestamp": STAMP}


def world():
    """(history, log, snapshot) of a job with two writes and one reader that came twice."""
    created = {"type": "job_update", "jobId": "j", "seq": 1, "status": "pending", "title": "J",
               "metadata": {}, "created": True, "tasks": [], "timestamp": STAMP}
    log = [(event, f"text{event['seq']}") for event in (created, row(2, "a"), row(3, "b"))]
    snapshot = {"id": "j", "title": "J", "status": "pending", "metadata": {}, "createdAt": STAMP,
                "updatedAt": STAMP, "seq": 3, "deliverables": [],
                "tasks": [{"id": "t", "title": "t", "status": "pending", "note": "b", "position": 0,
                           "createdAt": STAMP, "updatedAt": STAMP}]}
    history = History("j")
    history.wrote("a", "unknown")
    history.wrote("a", "ok", 2)
    history.wrote("b", "ok", 3)
    history.wrote("c", "fail")
    history.connections += [
        Connection("r", "sse", None, "e", 1, "fresh", seen=[(2, digest("text2"))]),
        Connection("r", "sse", "e.2", "e", 2, "exact", seen=[(3, digest("text3"))])]
    return history, log, snapshot


def judge(history, log, snapshot):
    history.check(log, snapshot, lambda event: event.get("note"))


def test_a_true_history_passes():
    judge(*world())


def lose_a_row(history, log, snapshot):
    del log[1]


def answer_without_a_row(history, log, snapshot):
    history.wrote("d", "ok", 9)


def row_of_a_refused_write(history, log, snapshot):
    history.wrote("x", "fail")
    log.append((row(4, "x"), "text4"))


def row_that_nobody_wrote(history, log, snapshot):
    log.append((row(4, "ghost"), "text4"))


def one_key_two_rows(history, log, snapshot):
    log.append((row(4, "a"), "text4"))


def one_key_two_answers(history, log, snapshot):
    history.wrote("a", "ok", 3)


def other_bytes(history, log, snapshot):
    history.connections[0].seen = [(2, digest("other"))]


def gap_within_a_connection(history, log, snapshot):
    history.connections[0].seen = [(3, digest("text3"))]


def twice_within_a_connection(history, log, snapshot):
    history.connections[1].seen *= 2


def resumed_elsewhere(history, log, snapshot):
    history.connections[1].asked = "e.1"


def reset_without_a_cause(history, log, snapshot):
    history.connections[1].resume = "reset"


def reader_left_behind(history, log, snapshot):
    history.connections[1].seen = []


def snapshot_is_not_the_fold(history, log, snapshot):
    snapshot["tasks"][0]["note"] = "a"


def first_snapshot_is_not_the_fold(history, log, snapshot):
    history.connections[0].snapshot = copy.deepcopy(snapshot) | {"seq": 2}


@pytest.mark.parametrize("fault", [
    lose_a_row, answer_without_a_row, row_of_a_refused_write, row_that_nobody_wrote,
    one_key_two_rows, one_key_two_answers, other_bytes, gap_within_a_connection,
    twice_within_a_connection, resumed_elsewhere, reset_without_a_cause, reader_left_behind,
    snapshot_is_not_the_fold, first_snapshot_is_not_the_fold])
def test_the_checker_finds(fault):
    history, log, snapshot = world()
    fault(history, log, snapshot)
    with pytest.raises(AssertionError):
        judge(history, log, snapshot)


# -- what a power cut leaves ------------------------------------------------------------------------

FOLDER = "/f"
MADE = (disk.OPENED, 1, os.O_CREAT, b"/f/a")
FOLDER_SYNCED = [(disk.OPENED, 2, 0, b"/f"), (disk.SYNC_BEGINS, 2, 0, b""), (disk.SYNCED, 2, 0, b"")]
SYNC = [(disk.SYNC_BEGINS, 1, 0, b""), (disk.SYNCED, 1, 0, b"")]


def left(tmp_path, changes, luck=0):
    record = tmp_path / "record"
    record.write_bytes(b"".join(disk.HEAD.pack(kind, number, at, len(data)) + data
                                for kind, number, at, data in changes))
    (_, state), = disk.at(record, [record.stat().st_size], FOLDER)
    return state.left(random.Random(1), luck)


def wrote(at, data):
    return disk.WRITTEN, 1, at, data


@pytest.mark.parametrize("changes, expected", [
    ([MADE, wrote(0, b"ab"), *SYNC], {}),
    ([MADE, *FOLDER_SYNCED, wrote(0, b"ab")], {"/f/a": b""}),
    ([MADE, *FOLDER_SYNCED, wrote(0, b"ab"), SYNC[0]], {"/f/a": b""}),
    ([MADE, *FOLDER_SYNCED, wrote(0, b"ab"), SYNC[0], wrote(2, b"c"), SYNC[1]], {"/f/a": b"ab"}),
    ([MADE, *FOLDER_SYNCED, wrote(2, b"c"), *SYNC], {"/f/a": b"\0\0c"}),
    ([MADE, *FOLDER_SYNCED, wrote(0, b"ab"), *SYNC, (disk.TRUNCATED, 1, 1, b"")], {"/f/a": b"ab"}),
    ([MADE, *FOLDER_SYNCED, wrote(0, b"ab"), (disk.TRUNCATED, 1, 1, b""), *SYNC], {"/f/a": b"a"}),
    ([MADE, *FOLDER_SYNCED, (disk.UNLINKED, 0, 0, b"/f/a")], {"/f/a": b""}),
    ([MADE, (disk.UNLINKED, 0, 0, b"/f/a"), *FOLDER_SYNCED], {}),
    ([MADE, (disk.LINKED, 0, 0, b"/f/a\0/f/b"), *FOLDER_SYNCED, wrote(0, b"a"), *SYNC],
     {"/f/a": b"a", "/f/b": b"a"})])
def test_a_power_cut_leaves_what_was_synced(tmp_path, changes, expected):
    assert left(tmp_path, changes) == expected


def test_with_luck_there_is_more(tmp_path):
    assert left(tmp_path, [MADE, *FOLDER_SYNCED, wrote(0, b"x" * 4096)], luck=1)["/f/a"]


WAITS = {"os.read(pipe, 1)": True, "select.epoll().poll(0.1)": False, "lock.acquire(timeout=0.1)": True}


@pytest.mark.parametrize("wait", WAITS)
def test_a_thread_that_waits_for_anything_but_events_is_blocked(wait):
    program = f"import os, select, threading\npipe, _ = os.pipe()\nlock = threading.Lock()\nlock.acquire()\nprint(1, flush=True)\nwhile True: {wait}"
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE) as process:
        process.stdout.readline()
        name = Path(f"/proc/{process.pid}/comm").read_text(encoding="ascii").strip()
        with Blocked(process.pid, name) as blocked:
            until(lambda: blocked.looks > 200, 30, "enough looks")
        process.kill()
        assert (blocked.longest_s > 0.05) == WAITS[wait], blocked.call
