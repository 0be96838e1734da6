"""--durability on the real server: what is on the disk when an answer comes. A power cut cannot be
had here, so what the system was asked for is counted.
"""
import os
import subprocess
from pathlib import Path

import pytest

from support.server import SETTING

SOURCE = Path(__file__).parent / "preload" / "counting_syncs.c"


@pytest.fixture
def serve_counted(serve, tmp_path, monkeypatch):
    """serve_counted(**options): a server, and a function that tells how often it has synced."""
    library, counter = tmp_path / "counting_syncs.so", tmp_path / "syncs"
    subprocess.run([os.environ.get("CC", "cc"), "-shared", "-fPIC", "-O1", "-o", str(library),
                    str(SOURCE)], check=True, timeout=60)
    monkeypatch.setitem(SETTING, "LD_PRELOAD", str(library))
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
