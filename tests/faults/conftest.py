"""Makes tests/support importable and its fixtures known to the tests of this folder."""
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
pytest.register_assert_rewrite("support")

from support.fixtures import (api, client, dial, job, module_server, serve, server,  # noqa: E402,F401
                              snapshot, transport, watch, watch_on)
from support.preload import Faults  # noqa: E402
from support.server import SETTING  # noqa: E402


@pytest.fixture
def faults(tmp_path, monkeypatch):
    """The faults of the disk of each server that the test starts."""
    made = Faults(tmp_path)
    for name, value in made.environment.items():
        monkeypatch.setitem(SETTING, name, value)
    yield made
    made.end()
