"""How a stream ends: the frame, the close, 204 afterwards, and the deleted job."""
from support.raw import Raw
from support.sse import SseStream, stream_request, type_of


def test_end_is_a_bare_data_frame_and_then_the_stream_closes(server, api, job):
    with SseStream(server.address, job) as stream:
        stream.connected()
        api.finish(job)
        blocks = stream.all_blocks()
    assert [type_of(block) for block in blocks] == ["job_update", "end"]
    end = blocks[-1]
    assert end.id is None and end.event is None
    assert end.json == {"type": "end", "jobId": job, "seq": 2, "status": "completed"}


def test_a_reconnect_at_the_end_gets_204_which_stops_an_event_source(server, api, job):
    with SseStream(server.address, job) as stream:
        stream.connected()
        api.finish(job)
        stream.all_blocks()
        last = stream.parser.last_id
    with Raw(server.address) as raw:
        raw.send(stream_request(job, last))
        reply = raw.response()
        assert (reply.status, reply.body) == (204, b"")
        assert reply.header("Transfer-Encoding") is None


def test_204_comes_for_a_position_in_the_query_too(server, api, snapshot):
    api.finish(snapshot["id"])
    query = f"since={snapshot['epoch']}.2"
    with SseStream(server.address, snapshot["id"], query=query) as stream:
        assert stream.status == 204


def test_a_late_subscriber_is_closed_after_snapshot_and_end(server, api, job):
    api.finish(job)
    with SseStream(server.address, job) as stream:
        blocks = [block for block in stream.all_blocks() if block.data is not None]
    assert [type_of(block) for block in blocks] == ["connected", "end"]
    assert blocks[0].json["job"]["status"] == "completed"


def test_a_browser_that_obeys_the_rules_asks_twice_and_no_more(server, api, job):
    """EventSource: read to the end, come back with the last id, stop at 204."""
    api.finish(job)
    last, statuses = None, []
    while not statuses or statuses[-1] == 200:
        with SseStream(server.address, job, last) as stream:
            statuses.append(stream.status)
            if stream.status == 200:
                stream.all_blocks()
                last = stream.parser.last_id
    assert statuses == [200, 204]


def test_the_stream_of_a_deleted_job_ends_as_deleted(server, api, job):
    with SseStream(server.address, job) as stream:
        stream.connected()
        assert api.delete(f"/api/jobs/{job}").status == 204
        blocks = stream.all_blocks()
    assert [type_of(block) for block in blocks] == ["end"]
    assert (blocks[0].json["status"], blocks[0].id) == ("deleted", None)


def test_a_job_created_again_does_not_continue_the_old_stream(server, api, job):
    with SseStream(server.address, job) as stream:
        stream.connected()
        api.delete(f"/api/jobs/{job}")
        api.create_job(id=job)
        api.report(job, "t1")
        assert [type_of(block) for block in stream.all_blocks()] == ["end"]
