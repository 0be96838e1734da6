"""Every limit from both sides: the last size that passes and the first that does not."""
import json
import time

import pytest

from support.api import compact, hook
from support.problem import assert_problem
from support.raw import ask, json_post, request
from support.wait import SCALE

KIB = 1024
NOTE, TITLE, METADATA, BODY, URL, HEADERS = 16 * KIB, 512, 16 * KIB, 256 * KIB, 4 * KIB, 8 * KIB
DEPTH, BATCH, TASKS, ID = 32, 256, 10_000, 128


def nested(depth):
    """A JSON object that is `depth` levels deep, the outermost included."""
    value = {}
    for _ in range(depth - 1):
        value = {"k": value}
    return value


def test_a_note_of_16_kib_is_stored_whole(api, job):
    api.report(job, "t", note="n" * NOTE)
    assert api.job(job)["tasks"][0]["note"] == "n" * NOTE


def test_a_note_one_byte_longer_is_refused(api, job):
    assert_problem(api.update(job, {"taskId": "t", "note": "n" * (NOTE + 1)}), 422,
                   "invalid_field", "note")


def test_the_limit_of_a_note_counts_bytes_not_characters(api, job):
    assert api.update(job, {"taskId": "t", "note": "é" * (NOTE // 2)}).status == 200
    assert_problem(api.update(job, {"taskId": "t", "note": "é" * (NOTE // 2) + "x"}), 422)


def test_escapes_do_not_count_against_the_note(api, job):
    body = b'{"taskId":"t","note":"' + b"\\u006e" * NOTE + b'"}'
    assert api.post(hook(job), body, Content_Type="application/json").status == 200
    assert api.job(job)["tasks"][0]["note"] == "n" * NOTE


@pytest.mark.parametrize("title", ["t" * TITLE, "é" * (TITLE // 2)])
def test_a_title_of_512_bytes_passes(api, job, title):
    assert api.create_job(title=title)["title"] == title
    api.report(job, "t", title=title)
    assert api.job(job)["tasks"][0]["title"] == title


@pytest.mark.parametrize("title", ["t" * (TITLE + 1), "é" * (TITLE // 2) + "x"])
def test_a_title_one_byte_longer_is_refused(api, job, title):
    assert_problem(api.post("/api/jobs", {"title": title}), 422, "invalid_field", "title")
    assert_problem(api.update(job, {"taskId": "t", "title": title}), 422, "invalid_field",
                   "title")


def metadata_of(size):
    """Metadata whose compact JSON has exactly `size` bytes."""
    return {"k": "v" * (size - len('{"k":""}'))}


def test_metadata_of_16_kib_passes(api):
    metadata = metadata_of(METADATA)
    assert len(compact(metadata)) == METADATA
    assert api.create_job(metadata=metadata)["metadata"] == metadata


def test_metadata_one_byte_longer_is_refused(api, job):
    body = {"title": "x", "metadata": metadata_of(METADATA + 1)}
    assert_problem(api.post("/api/jobs", body), 422, "invalid_field", "metadata")
    assert_problem(api.patch(f"/api/jobs/{job}", {"metadata": body["metadata"]}), 422,
                   "invalid_field", "metadata")


def test_a_body_32_levels_deep_passes(api):
    metadata = nested(DEPTH - 1)
    assert api.create_job(metadata=metadata)["metadata"] == metadata


def test_a_body_33_levels_deep_is_refused(api):
    assert_problem(api.post("/api/jobs", {"title": "x", "metadata": nested(DEPTH)}), 400,
                   "invalid_json")


def test_a_batch_of_256_passes(api, job):
    reply = api.update(job, [{"taskId": f"t{i}"} for i in range(BATCH)])
    assert [answer["seq"] for answer in reply.json] == list(range(2, 2 + BATCH))


def test_a_batch_of_257_is_refused(api, job):
    assert_problem(api.update(job, [{"taskId": "t"}] * (BATCH + 1)), 422)
    assert api.job(job)["seq"] == 1


def test_a_job_has_ten_thousand_tasks_and_no_more(api, job):
    for start in range(0, TASKS, BATCH):
        batch = [{"taskId": f"t{i}"} for i in range(start, min(TASKS, start + BATCH))]
        assert api.update(job, batch).status == 200
    assert_problem(api.update(job, {"taskId": "one-more"}), 409, "too_many_tasks")
    assert_problem(api.put(f"/api/jobs/{job}/tasks/one-more", {}), 409, "too_many_tasks")
    assert_problem(api.post(f"/api/jobs/{job}/tasks", {"title": "x"}), 409, "too_many_tasks")
    assert api.report(job, "t0", note="an old one still moves")["seq"] == TASKS + 2
    assert len(api.job(job)["tasks"]) == TASKS


def test_a_batch_that_crosses_the_limit_of_tasks_stores_nothing(serve, client):
    api = client(serve(max_tasks=5))
    job = api.create_job()["id"]
    api.update(job, [{"taskId": f"t{i}"} for i in range(4)])
    reply = api.update(job, [{"taskId": "t4"}, {"taskId": "t5"}])
    assert_problem(reply, 409, "too_many_tasks")
    assert len(api.job(job)["tasks"]) == 4 and api.job(job)["seq"] == 5


def padded(job_update, size):
    return job_update + b" " * (size - len(job_update))


def test_a_body_of_256_kib_passes(api, job):
    body = padded(b'{"taskId":"t"}', BODY)
    assert api.post(hook(job), body, Content_Type="application/json").status == 200


def test_a_body_one_byte_longer_is_refused(server, api, job):
    reply = ask(server.address, json_post(hook(job), padded(b'{"taskId":"t"}', BODY + 1)))
    assert_problem(reply, 413, "body_too_large")
    assert api.job(job)["seq"] == 1


def target_of(size):
    return "/healthz?x=" + "a" * (size - len("/healthz?x="))


def test_a_url_of_4_kib_passes(server):
    assert ask(server.address, request("GET", target_of(URL))).status == 200


def test_a_longer_url_is_refused(server):
    assert_problem(ask(server.address, request("GET", target_of(URL + 1))), 414, "uri_too_long")


def headers_of(size):
    """A GET whose header lines have `size` bytes together."""
    fixed = len("Host: joblight.test\r\n") + len("X-Filler: \r\n")
    return request("GET", "/healthz", ["X-Filler: " + "f" * (size - fixed)])


def test_headers_below_8_kib_pass(server):
    assert ask(server.address, headers_of(HEADERS - 256)).status == 200


def test_headers_above_8_kib_are_refused(server):
    assert_problem(ask(server.address, headers_of(HEADERS + 256)), 431, "headers_too_large")


@pytest.mark.parametrize("name", ["a" * ID, "A", "0", "a._~-Z9"])
def test_an_id_of_the_right_letters_passes(serve, client, name):
    api = client(serve())
    assert api.create_job(id=name, tasks=[{"id": name, "title": "x"}])["id"] == name
    assert api.report(name, name)["seq"] == 2


@pytest.mark.parametrize("name", [7, None, [], "a" * (ID + 1), "",
                                  ".", "..", "-a", "_a", "a b", "a/b", "a%b",
                                  "é", "a\n", "a\x7f", "'; DROP TABLE jobs"])
def test_any_other_id_is_refused(api, job, name):
    assert_problem(api.post("/api/jobs", {"id": name, "title": "x"}), 400, "invalid_id")
    assert_problem(api.post(f"/api/jobs/{job}/tasks", {"id": name, "title": "x"}), 400,
                   "invalid_id")
    assert_problem(api.update(job, {"taskId": name}), 400, "invalid_id")


def test_an_error_is_small_however_many_mistakes_there_are(api, job):
    """Thousands of unknown fields must not become megabytes of advice."""
    reply = api.update(job, {"taskId": "t", **{f"x{i}": 0 for i in range(20_000)}})
    assert_problem(reply, 422, "unknown_field")
    assert len(reply.body) < 64 * KIB


def test_a_body_of_many_fields_is_decided_quickly(api, job):
    """Work in proportion to the size: the loop that decodes it serves everybody else too."""
    form = b"taskId=t&" + b"&".join(b"x%d" % i for i in range(35_000))
    keys = b"{" + b",".join(b'"x%d":0' % i for i in range(24_000)) + b"}"
    for body, kind, status in ((form, "application/x-www-form-urlencoded", 400),
                               (keys, "application/json", 422)):
        began = time.monotonic()
        assert api.post(hook(job), body, Content_Type=kind).status == status
        assert time.monotonic() - began < 0.5 * SCALE


def test_smaller_limits_can_be_set(serve, client):
    api = client(serve(max_body=1000, max_batch=2))
    job = api.create_job()["id"]
    assert api.update(job, [{"taskId": "a"}] * 2).status == 200
    assert_problem(api.update(job, [{"taskId": "a"}] * 3), 422)
    assert_problem(api.update(job, {"taskId": "a", "note": "n" * 1000}), 413, "body_too_large")


def test_the_sizes_here_are_the_ones_that_clients_read(api, job):
    """A full batch of ordinary updates fits into one body."""
    update = {"taskId": "t" * 36, "status": "in_progress", "progress": 42, "note": "n" * 512}
    assert len(json.dumps([update] * BATCH)) < BODY
    assert api.update(job, [update] * BATCH).status == 200
