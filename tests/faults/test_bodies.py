"""Section B of the faults: bodies. One test per row, named after it; nothing of them is stored."""
import re

import pytest

from support.api import compact, hook
from support.poll import Poller
from support.problem import assert_problem
from support.sse import SseStream
from support.watcher import TRANSPORTS

JSON = "application/json"


def send(api, job, body, kind=JSON):
    return api.post(hook(job), body, Content_Type=kind)


@pytest.fixture
def untouched(api, job):
    """The job's log and snapshot must be the same after the test."""
    before = api.job(job)
    yield
    assert api.job(job) == before and len(api.activity(job)) == 1


@pytest.mark.parametrize("body", [
    b"", b" ", b"nonsense", b"{", b'{"taskId":"t"', b'{"taskId":"t"}x', b'{"taskId":"t"}{}',
    b'{"taskId":"t"},', b"{'taskId':'t'}", b'{"taskId":"t",}', b'{taskId:"t"}', b'{"taskId":t}',
    b'{"taskId":"t","progress":01}', b'{"taskId":"t","progress":.5}', b'{"taskId":"t"}\0',
    b'{"taskId":"t","progress":NaN}', b'{"taskId":"t","progress":+1}',
    b'\xef\xbb\xbf\xef\xbb\xbf{"taskId":"t"}', b'{\xef\xbb\xbf"taskId":"t"}',
    b'{"taskId":"t"} // yes', b'{"taskId":"t","note":"tab\there"}', b'{"taskId":"t","note":"\\x"}',
    b'{"taskId":"t","note":"a\nb"}', b'{"taskId":"t","progress":0x10}', b"[", b'[{"taskId":"t"},]',
    '{"taskId":"t"}'.encode("utf-16"),
])
def test_b1_what_is_not_exactly_one_json_value_is_400(api, job, untouched, body):
    assert_problem(send(api, job, body), 400, "invalid_json")


def test_b1_a_byte_order_mark_in_front_is_skipped(api, job):
    assert send(api, job, b'\xef\xbb\xbf{"taskId":"t"}').status == 200


@pytest.mark.parametrize("body", [
    b'{"taskId":"t","taskId":"t"}', b'{"taskId":"t","note":"a","no\\u0074e":"b"}',
    b'[{"taskId":"t"},{"taskId":"t","status":"pending","status":"x"}]',
])
def test_b2_a_key_that_is_there_twice_is_400(api, job, untouched, body):
    assert_problem(send(api, job, body), 400, "duplicate_key")


def test_b2_a_key_twice_inside_metadata_is_400(api, job, untouched):
    reply = api.request("PATCH", f"/api/jobs/{job}", b'{"metadata":{"a":{"b":1,"b":2}}}',
                        {"Content-Type": JSON})
    assert_problem(reply, 400, "duplicate_key")


@pytest.mark.parametrize("key", ["STATUS", "Status", "status ", "unknown", "", "__proto__", "seq"])
def test_b2_an_unknown_key_is_422(api, job, untouched, key):
    assert_problem(send(api, job, compact({"taskId": "t", key: "pending"})), 422, "unknown_field")


@pytest.mark.parametrize("value", [
    rb'"completed\u0000x"', rb'"\ud800"', rb'"\udc00\ud800"', rb'"\ud800\u0041"', b'"\xff"',
    b'"\xc0\xaf"', b'"\xed\xa0\x80"', b'"\xf4\x90\x80\x80"', b'"\xe2\x82"', b'"a\x00b"',
])
@pytest.mark.parametrize("field", [b"status", b"note", b"taskId"])
def test_b3_text_that_is_no_text_is_400(api, job, untouched, field, value):
    other = b"" if field == b"taskId" else b'"taskId":"t",'
    reply = send(api, job, b"{" + other + b'"' + field + b'":' + value + b"}")
    assert_problem(reply, 400)


def test_b3_a_key_that_is_no_text_is_400(api, job, untouched):
    assert_problem(send(api, job, b'{"taskId":"t","no\\u0000te":"x"}'), 400)
    assert_problem(send(api, job, b'{"taskId":"t","note\xff":"x"}'), 400)


@pytest.mark.parametrize("progress", [b"1e999", b"-1", b"101", b'"50"', b"-0.001", b"100.0001",
                                      b"true", b"[]", b"{}", b"1e400", b"-1e999"])
def test_b4_progress_outside_its_range_is_422(api, job, untouched, progress):
    reply = send(api, job, b'{"taskId":"t","progress":' + progress + b"}")
    assert_problem(reply, 422, "invalid_field", "progress")


@pytest.mark.parametrize("attempt", [b"-1", b"1.5", b"1e99", b'"1"', b"9223372036854775808"])
def test_b4_an_attempt_that_is_no_count_is_422(api, job, untouched, attempt):
    reply = send(api, job, b'{"taskId":"t","attempt":' + attempt + b"}")
    assert_problem(reply, 422, "invalid_field", "attempt")


@pytest.mark.parametrize("body", [b"[" * 33 + b"]" * 33, b'{"a":' * 33 + b"1" + b"}" * 33,
                                  b"[" * 200_000, b'{"a":' * 40_000, b'[{"a":[' * 20_000])
def test_b5_a_body_that_is_too_deep_is_400(api, job, untouched, body):
    assert_problem(send(api, job, body), 400, "invalid_json")


def test_b5_two_million_brackets_do_not_touch_the_stack(serve, client):
    server = serve(max_body=4 << 20)
    api = client(server)
    job = api.create_job()["id"]
    before = server.rss_kib()
    assert_problem(send(api, job, b"[" * 2_000_000), 400, "invalid_json")
    assert server.rss_kib() - before < 16 * 1024
    assert api.job(job)["seq"] == 1


def test_b6_an_unknown_status_leaves_no_row_and_no_event(server, api, job, untouched):
    with SseStream(server.address, job) as stream:
        stream.connected()
        for status in ("done", "COMPLETED", "revisions", "", " completed"):
            reply = send(api, job, compact({"taskId": "t", "status": status}))
            assert_problem(reply, 422, "invalid_field", "status")
        assert not stream.blocks and stream.raw.silent_for(0.1)


def test_b6_a_move_out_of_a_terminal_job_leaves_no_row_and_no_event(api, job):
    api.finish(job, "cancelled")
    assert_problem(send(api, job, b'{"taskId":"t"}'), 409, "job_ended")
    assert_problem(api.patch(f"/api/jobs/{job}", {"status": "in_progress"}), 409, "job_ended")
    assert len(api.activity(job)) == 2 and api.job(job)["tasks"] == []


def test_b6_a_lower_attempt_leaves_no_row_and_no_event(server, api, job):
    api.report(job, "t", attempt=2)
    with SseStream(server.address, job) as stream:
        stream.connected()
        reply = api.update(job, {"taskId": "t", "attempt": 1, "status": "failed"})
        assert_problem(reply, 409, "stale_attempt")
        assert not stream.blocks and stream.raw.silent_for(0.1)
    assert len(api.activity(job)) == 2


@pytest.mark.parametrize("kind", ["text/plain", "application/jsonp", "application/json2",
                                  "multipart/form-data; boundary=x", "json", "",
                                  "text/html; application/json"])
def test_b7_a_wrong_content_type_is_415(api, job, untouched, kind):
    assert_problem(send(api, job, b'{"taskId":"t"}', kind), 415, "unsupported_media_type")


def test_b7_no_content_type_is_415(api, job, untouched):
    reply = api.request("POST", hook(job), b'{"taskId":"t"}')
    assert_problem(reply, 415, "unsupported_media_type")


@pytest.mark.parametrize("name", ["x" * 10_000, "", "..", "'; DROP TABLE jobs", "a\0b", "a/../b",
                                  "%2e%2e", "\u202eabc", "a" * 129, "\n"])
def test_b8_an_id_of_other_letters_is_400(api, job, untouched, name):
    assert_problem(send(api, job, compact({"taskId": name})), 400)
    assert_problem(api.post("/api/jobs", {"id": name, "title": "x"}), 400)


def test_b8_an_id_of_other_letters_in_the_path_is_400(api, job, untouched):
    for name in ("'%3B%20DROP%20TABLE%20jobs", "x" * 129, "a%26b", "-", "%C3%A9"):
        for path in (f"/api/jobs/{name}", f"/api/agent-hooks/task-update/{name}"):
            method = "GET" if "hooks" not in path else "POST"
            body = None if method == "GET" else {"taskId": "t"}
            assert_problem(api.request(method, path, body), 400)
        assert_problem(api.put(f"/api/jobs/{job}/tasks/{name}", {}), 400)


NOTES = {
    "lf": "a\nb", "cr": "a\rb", "crlf": "a\r\nb", "only_newlines": "\n\r\n\r",
    "frame": "x\n\nid: 9.9", "fields": "\n\nevent: end\ndata: {}\n\n",
    "separators": "a\u2028b\u2029c\u0085d", "bom": "\ufeffx",
    "emoji": "👩‍👩‍👧‍👦 \U0001f600", "script": "</script><script>alert(1)</script>",
    "format": "%s%n%d %%", "escapes": "\\u0041 \\n \\", "quotes": '"\'`', "ansi": "\x1b[31mred\x07",
    "controls": "".join(map(chr, range(1, 32))) + "\x7f", "empty": "", "spaces": "  x  ",
    "noncharacters": "\ufffe\uffff\U0010ffff", "16_kib": "\n" * 16384, "log": "level=error x=\"y\"",
}


@pytest.mark.parametrize("name", NOTES)
def test_b9_a_note_of_any_text_arrives_as_it_was_sent(server, api, job, name):
    note = NOTES[name]
    watchers = [watcher(server.address, job) for watcher in TRANSPORTS.values()]
    for watcher in watchers:
        watcher.connected()
    before = len(server.log())
    api.report(job, "t", note=note, title="T")
    api.report(job, "t", note="after")
    events = [watcher.events(2) for watcher in watchers]
    assert [pair[0].json["note"] for pair in events] == [note] * len(watchers)
    assert len({pair[0].text for pair in events}) == 1
    assert [pair[1].json["note"] for pair in events] == ["after"] * len(watchers)
    assert len(api.activity(job)) == 3
    for line in server.log()[before:].splitlines():
        assert re.match(r"\S+=", line), f"not a log line of its own: {line!r}"
    for watcher in watchers:
        watcher.close()


def test_b9_a_title_of_any_text_arrives_as_it_was_sent(server, api, job):
    blank = ("empty", "only_newlines", "controls")
    titles = [note for name, note in NOTES.items() if name not in blank and len(note.encode()) <= 512]
    for title in titles:
        assert api.patch(f"/api/jobs/{job}", {"title": title}).status == 200
        assert api.job(job)["title"] == title
    with Poller(server.address, job) as poller:
        assert poller.ask()["job"]["title"] == title


@pytest.mark.parametrize("title", ["", " ", "\t", "\n\r\n\r", "   ", "\x01\x1f\x7f"])
def test_b9_a_title_that_shows_nothing_is_refused(api, job, title):
    assert_problem(api.patch(f"/api/jobs/{job}", {"title": title}), 422, "invalid_field")


@pytest.mark.parametrize("item, field", [
    ({"taskId": "t", "status": "done"}, "[2].status"), ({"taskId": "t", "x": 1}, "[2].x"),
    ({"taskId": "t", "progress": 1000}, "[2].progress"), ({}, "[2].taskId"),
    ("text", "[2]"), (None, "[2]"), ([], "[2]"),
])
def test_b10_a_batch_with_one_bad_item_names_it_and_stores_nothing(api, job, untouched, item,
                                                                   field):
    batch = [{"taskId": "a"}, {"taskId": "b"}, item, {"taskId": "c"}]
    assert_problem(api.update(job, batch), 422, field=field)


def test_b10_a_batch_with_a_bad_id_stores_nothing(api, job, untouched):
    assert_problem(api.update(job, [{"taskId": "a"}, {"taskId": "../b"}]), 400, "invalid_id")
