"""Makes tests/support importable and its fixtures known to the tests of this folder."""
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
pytest.register_assert_rewrite("support")

from support.fixtures import (api, client, dial, job, module_server, serve, server,  # noqa: E402,F401
                              snapshot, transport, watch, watch_on)
from support.server import ON_NODES, ON_POSTGRES  # noqa: E402


MARKERS = ["sqlite(why): it is about the file of SQLite, and left out with JOBLIGHT_TEST_DB",
           "one_node(why): it is about one process, and left out with JOBLIGHT_TEST_DB=nodes"]


def pytest_configure(config):
    for marker in MARKERS:
        config.addinivalue_line("markers", marker)


def is_about_one_node(item):
    """Tests with servers of their own, and those without the server that all tests of a file share, are."""
    names = item.fixturenames
    return "module_server" not in names or "serve" in names or item.get_closest_marker("one_node")


def is_left_out(item):
    on_engine = ON_POSTGRES or ON_NODES
    return on_engine and item.get_closest_marker("sqlite") or ON_NODES and is_about_one_node(item)


def pytest_collection_modifyitems(config, items):
    left_out = [item for item in items if is_left_out(item)]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if item not in left_out]
