"""--durability on the real server: what is on the disk when an answer comes. A power cut cannot be
had here, so what the system was asked for is counted.
"""
import pytest

from support.preload import compiled
from support.server import SETTING


@pytest.fixture
def serve_counted(serve, tmp_path, monkeypatch):
    """serve_counted(**options): a server, and a function that returns how often it has synced."""
    counter = tmp_path / "syncs"
    monkeypatch.setitem(SETTING, "LD_PRELOAD", str(compiled("counting_syncs", tmp_path)))
    monkeypatch.setitem(SETTING, "JOBLIGHT_TEST_SYNCS", str(counter))
    return lambda **options: (serve(**options), lambda: counter.stat().st_size)


def syncs_of_each_report(api, syncs):
    job = api.create_job()["id"]
    counts = []
    for n in range(10):
        before = syncs()
        api.report(job, "t", note=str(n))
        counts.append(syncs() - before)
    return counts


@pytest.mark.parametrize("options", [{}, {"durability": "full"}], ids=["standard", "full"])
def test_an_answer_under_full_durability_comes_after_a_sync(serve_counted, client, options):
    server, syncs = serve_counted(**options)
    assert min(syncs_of_each_report(client(server), syncs)) >= 1


def test_an_answer_under_process_durability_waits_for_no_disk(serve_counted, client):
    server, syncs = serve_counted(durability="process")
    assert sum(syncs_of_each_report(client(server), syncs)) == 0
