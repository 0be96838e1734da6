"""What every subscriber may rely on, whatever the transport: each of these runs over all of them.

Order, exactly once, the same bytes, no silent gap, snapshots that fit, isolation, the end.
"""
import pytest

from support.api import Api
from support.fold import assert_is_fold
from support.history import History, log_with_texts
from support.load import Crew
from support.wait import until
from support.watcher import TRANSPORTS, Cut

SUBSCRIBE_ROUNDS = 2000


def reset_for(watch, job, since):
    said = watch(job, since).connected()
    assert said["resume"] == "reset", said
    return said


# -- how a subscription begins --------------------------------------------------------------------

def test_a_first_subscriber_gets_the_snapshot_and_what_follows(watch, api, snapshot):
    watcher = watch(snapshot["id"])
    said = watcher.connected()
    assert (said["resume"], said["job"]) == ("fresh", snapshot)
    assert (said["cursor"], said["head"]) == (snapshot["cursor"], 1)
    api.report(snapshot["id"], "t1", note="n")
    assert watcher.event().seq == 2


def test_a_subscriber_who_comes_back_gets_exactly_what_it_missed(watch, api, snapshot):
    watcher = watch(snapshot["id"])
    watcher.connected()
    api.burst(snapshot["id"], 5)
    watcher.events(5)
    watcher.close()
    api.burst(snapshot["id"], 5)
    again = watch(snapshot["id"], watcher.position)
    said = again.connected()
    assert said["resume"] == "exact" and "job" not in said
    assert [event.seq for event in again.events(5)] == [7, 8, 9, 10, 11]


def test_a_position_of_another_epoch_is_reset(watch, api, snapshot):
    job = snapshot["id"]
    api.delete(f"/api/jobs/{job}")
    again = api.create_job(id=job, title="Second life")
    said = reset_for(watch, job, snapshot["cursor"])
    assert (said["reason"], said["job"], said["cursor"]) == ("epoch", again, again["cursor"])


def test_a_position_of_another_job_is_reset(watch, api, snapshot):
    other = api.create_job()
    said = reset_for(watch, snapshot["id"], other["cursor"])
    assert (said["reason"], said["job"]) == ("epoch", snapshot)


def test_a_position_in_the_future_is_reset(watch, snapshot):
    said = reset_for(watch, snapshot["id"], f"{snapshot['epoch']}.2")
    assert (said["reason"], said["cursor"]) == ("future", snapshot["cursor"])


def test_a_position_that_cannot_be_read_is_reset(watch, snapshot):
    for since in ("abc", f"{snapshot['epoch']}.-1", f"{snapshot['epoch']}.18446744073709551616",
                  f"{snapshot['epoch']}.1x", f"{snapshot['epoch']}.", ".1", "x" * 65):
        said = reset_for(watch, snapshot["id"], since)
        assert (said["reason"], said["job"]) == ("invalid", snapshot)


def test_a_position_that_was_pruned_is_reset(serve, client, watch_on):
    server = serve(retention_events=5, retention_ms=1000)
    api = client(server)
    snapshot = api.create_job()
    job, epoch = snapshot["id"], snapshot["epoch"]
    api.burst(job, 50)
    api.finish(job)
    until(lambda: pruned(api, job), 20, "the log being pruned")
    said = reset_for(lambda *args: watch_on(server, *args), job, f"{epoch}.2")
    assert (said["reason"], said["job"]["seq"], said["cursor"]) == ("pruned", 52, f"{epoch}.52")
    assert watch_on(server, job, f"{epoch}.52").next().kind == "over"


def pruned(api, job):
    """The first page of the log no longer begins with the first event."""
    page = api.get(f"/api/jobs/{job}/activity?order=asc&limit=1").json["activity"]
    return not page or page[0]["seq"] > 1


def test_a_job_that_goes_on_is_never_pruned(serve, client):
    """The retention counts from a job's end: an active one keeps every event."""
    server = serve(retention_events=5, retention_ms=1000)
    api = client(server)
    over, going = api.create_job()["id"], api.create_job()["id"]
    for job in (over, going):
        api.burst(job, 50)
    api.finish(over)
    until(lambda: pruned(api, over), 20, "the ended job's log being pruned")
    assert len(api.activity(going)) == 51


def test_a_reset_goes_on_after_its_snapshot(watch, api, snapshot):
    watcher = watch(snapshot["id"], "abc")
    watcher.connected()
    api.report(snapshot["id"], "t1")
    assert watcher.event().seq == 2


# -- what a subscription carries ------------------------------------------------------------------

def test_the_same_bytes_come_on_every_transport_and_stand_in_the_log(server, api, snapshot):
    job = snapshot["id"]
    watchers = [watcher(server.address, job) for watcher in TRANSPORTS.values()]
    for watcher in watchers:
        watcher.connected()
    api.report(job, "t1", status="in_progress", note='é "q" \\ / \u2028 \U0001f600', progress=0.1)
    api.patch(f"/api/jobs/{job}", {"title": "<b>", "metadata": {"z": 1, "a": [True, 1e3]}})
    api.update(job, [{"taskId": "t2"}, {"taskId": "t1", "note": None}])
    log = [text for _, text in log_with_texts(api, job)][1:]
    for watcher in watchers:
        assert [event.text for event in watcher.events(4)] == log
        watcher.close()
        replay = type(watcher)(server.address, job, snapshot["cursor"])
        assert replay.connected()["resume"] == "exact"
        assert [event.text for event in replay.events(4)] == log
        replay.close()


def test_events_come_in_order_without_holes_under_many_writers(watch, server, api, snapshot):
    job = snapshot["id"]
    watcher = watch(job)
    watcher.connected()

    def write(_crew, name):
        with Api(server.address) as own:
            for i in range(100):
                own.report(job, name, progress=i)

    with Crew() as crew:
        for i in range(8):
            crew.hire(write, f"t{i}")
        assert [event.seq for event in watcher.events(800, within=30)] == list(range(2, 802))


def test_many_subscribers_see_the_same(server, watch, api, job):
    watchers = [watch(job) for _ in range(20)]
    for watcher in watchers:
        watcher.connected()
    api.burst(job, 50)
    seen = [[event.text for event in watcher.events(50)] for watcher in watchers]
    assert all(one == seen[0] for one in seen)


def test_a_subscriber_gets_nothing_of_another_job(watch, api, job):
    other = api.create_job()["id"]
    watcher = watch(job)
    watcher.connected()
    api.burst(other, 20)
    api.report(job, "t1")
    assert (watcher.event().json["jobId"], watcher.position.split(".")[1]) == (job, "2")


def test_a_reader_that_was_lapped_misses_nothing(serve, client, watch_on):
    """16 MB, far more than ring and kernel hold, to someone who does not read meanwhile."""
    server = serve(ring_events=8, ring_bytes=65536)
    api = client(server)
    job = api.create_job()["id"]
    watcher = watch_on(server, job, slow=True)
    watcher.connected()
    api.burst(job, 2000, note="n" * 8192)
    assert [event.seq for event in watcher.events(2000, within=60)] == list(range(2, 2002))
    api.report(job, "t1", note="and live again")
    assert watcher.event().json["note"] == "and live again"


def test_a_snapshot_larger_than_any_buffer_arrives_whole(serve, client, watch_on):
    """3000 tasks with notes, 1 MB, to a slow reader, while the job goes on."""
    server = serve()
    api = client(server)
    job = api.create_job()["id"]
    for start in range(0, 3000, 250):
        tasks = [{"taskId": f"t{i}", "note": "n" * 200} for i in range(start, start + 250)]
        assert api.update(job, tasks).status == 200
    watcher = watch_on(server, job, slow=True)
    api.burst(job, 100, task="t0")
    snapshot = watcher.connected(within=20)["job"]
    assert len(snapshot["tasks"]) == 3000
    due = 3101 - snapshot["seq"]
    assert [event.seq for event in watcher.events(due)] == list(range(snapshot["seq"] + 1, 3102))


def test_a_slow_reader_of_a_job_that_ends_gets_all_of_it_first(serve, client, watch_on):
    server = serve(ring_events=8)
    api = client(server)
    job = api.create_job()["id"]
    watcher = watch_on(server, job, slow=True)
    watcher.connected()
    api.burst(job, 1000, note="n" * 8192)
    api.finish(job)
    events, end = watcher.until_end(within=30)
    assert [event.seq for event in events] == list(range(2, 1003))
    assert events[-1].json["type"] == "job_update" and end["seq"] == 1002


def test_a_slow_reader_of_a_job_that_is_pruned_is_told_so(serve, client, watch_on):
    """In mid-stream, because nothing else is honest: reset, the reason, the snapshot, the end."""
    server = serve(ring_events=8, retention_events=5, retention_ms=1000)
    api = client(server)
    job = api.create_job()["id"]
    watcher = watch_on(server, job, slow=True)
    watcher.connected()
    api.burst(job, 1000, note="n" * 8192)
    api.finish(job)
    until(lambda: pruned(api, job), 20, "the log being pruned")
    seen, message = [], watcher.next(within=30)
    while message.kind in ("event", "heartbeat"):
        seen += [message.seq] if message.kind == "event" else []
        message = watcher.next(within=30)
    assert seen == list(range(2, 2 + len(seen))) and len(seen) < 1000
    assert (message.kind, message.json["reason"]) == ("reset", "pruned")
    assert (message.json["job"]["seq"], message.json["cursor"]) == (1002, watcher.position)
    assert watcher.until_end()[0] == []


def test_a_slow_reader_of_a_job_that_is_deleted_comes_to_an_end(serve, client):
    server = serve(ring_events=8)
    api = client(server)
    job = api.create_job()["id"]
    with TRANSPORTS["sse"](server.address, job, slow=True) as watcher:
        watcher.connected()
        api.burst(job, 1000, note="n" * 8192)
        api.delete(f"/api/jobs/{job}")
        events, end = watcher.until_end(within=30)
    assert [event.seq for event in events] == list(range(2, 2 + len(events)))
    assert end["status"] == "deleted"


def test_a_snapshot_is_the_fold_of_the_log_at_its_seq(server, watch, api, job):
    """First connects in the middle of writing: every snapshot must fit the log."""
    def write(crew):
        with Api(server.address) as own:
            i = 0
            while crew.working:
                i += 1
                own.update(job, [{"taskId": f"t{i % 7}", "progress": i % 101, "note": str(i)},
                                 {"taskId": f"t{i % 3}", "status": "in_progress"}])

    snapshots = []
    with Crew() as crew:
        crew.hire(write)
        for _ in range(50):
            watcher = watch(job)
            snapshots.append(watcher.connected()["job"])
            watcher.close()
    log = api.activity(job)
    for snapshot in snapshots:
        assert_is_fold(snapshot, log)


def test_whoever_subscribes_while_others_publish_starts_right_after_the_snapshot(
        server, transport, api, job):
    """D2 of the faults, in short: the first event is the snapshot's seq plus one, every time."""
    def publish(crew):
        with Api(server.address) as own:
            while crew.working:
                own.report(job, "t1", note="x")

    with Crew() as crew:
        crew.hire(publish)
        for _ in range(SUBSCRIBE_ROUNDS):
            with transport(server.address, job) as watcher:
                said = watcher.connected()
                assert said["job"]["seq"] == int(said["cursor"].split(".")[1])
                assert watcher.event().seq == said["job"]["seq"] + 1


def test_whoever_comes_back_while_others_publish_starts_right_after_its_position(
        server, transport, api, job):
    def publish(crew):
        with Api(server.address) as own:
            while crew.working:
                own.report(job, "t1", note="x")

    with Crew() as crew:
        crew.hire(publish)
        position = api.job(job)["cursor"]
        for _ in range(SUBSCRIBE_ROUNDS // 4):
            with transport(server.address, job, position) as watcher:
                assert watcher.connected()["resume"] == "exact"
                assert watcher.event().seq == int(position.split(".")[1]) + 1
                position = watcher.position


@pytest.mark.parametrize("flags", [{}, {"loops": 2}, {"ring_events": 4, "read_bytes": 1024},
                                   {"db": ":memory:"}], ids=str)
def test_exactly_once_over_all_transports_with_cuts(serve, client, flags):
    """Writers with keys, subscribers on every transport who are cut again and again."""
    server = serve(**flags)
    api = client(server)
    job = api.create_job()["id"]
    history = History(job)

    def write(_crew, name):
        with Api(server.address) as own:
            for i in range(150):
                key = f"{name}-{i}"
                reply = own.update(job, {"taskId": name, "note": key}, Idempotency_Key=key)
                history.wrote(key, "ok" if reply.status == 200 else "fail", reply.json.get("seq"))

    def read(_crew, name, transport, patience):
        position, head = None, 1 + 4 * 150
        while position is None or int(position.split(".")[1]) < head:
            with transport(server.address, job, position) as watcher:
                connection = history.opened(name, watcher, watcher.connected())
                for _ in range(patience):
                    if int(watcher.position.split(".")[1]) == head:
                        break
                    history.saw(connection, watcher.event(within=30))
                position = watcher.position

    with Crew() as crew:
        for name, transport in TRANSPORTS.items():
            for i, patience in enumerate((1, 3, 17, 400)):
                crew.hire(read, f"{name}{i}", transport, patience)
        for i in range(4):
            crew.hire(write, f"writer{i}")
        crew.stop()
    history.check(log_with_texts(api, job), api.job(job), lambda event: event.get("note"))


# -- how it ends ----------------------------------------------------------------------------------

@pytest.mark.parametrize("status", ["completed", "failed", "cancelled"])
def test_a_terminal_status_is_an_event_then_the_end(watch, api, job, status):
    watcher = watch(job)
    watcher.connected()
    api.finish(job, status)
    last = watcher.event()
    assert (last.json["type"], last.json["status"]) == ("job_update", status)
    assert watcher.end() == {"type": "end", "jobId": job, "seq": 2, "status": status}


def test_a_position_at_the_end_is_told_that_it_is_over(watch, api, snapshot):
    api.finish(snapshot["id"])
    assert watch(snapshot["id"], f"{snapshot['epoch']}.2").next().kind == "over"


def test_a_position_before_the_end_gets_the_rest_and_the_end(watch, api, snapshot):
    api.burst(snapshot["id"], 3)
    api.finish(snapshot["id"])
    watcher = watch(snapshot["id"], f"{snapshot['epoch']}.2")
    assert watcher.connected()["resume"] == "exact"
    events, end = watcher.until_end()
    assert [event.seq for event in events] == [3, 4, 5] and end["status"] == "completed"


def test_a_late_subscriber_gets_the_snapshot_and_the_end(watch, api, job):
    api.report(job, "t1", status="completed")
    api.finish(job)
    watcher = watch(job)
    said = watcher.connected()
    assert said["resume"] == "fresh" and said["job"] == api.job(job)
    events, end = watcher.until_end()
    assert events == [] and (end["seq"], end["status"]) == (3, "completed")


def test_an_unreadable_position_in_an_ended_job_gets_snapshot_and_end(watch, api, job):
    api.finish(job)
    watcher = watch(job, "abc")
    assert watcher.connected()["reason"] == "invalid"
    assert watcher.until_end()[0] == []


def test_a_restart_of_the_server_is_a_cut_and_not_an_end(serve, client, watch_on):
    server = serve()
    snapshot = client(server).create_job()
    job = snapshot["id"]
    watcher = watch_on(server, job)
    watcher.connected()
    server.kill9()
    with pytest.raises(Cut):
        watcher.event()
    server.start()
    client(server).report(job, "t1")
    again = watch_on(server, job, watcher.position)
    assert again.connected()["resume"] == "exact" and again.event().seq == 2
