"""Makes tests/support importable and its fixtures known to the tests of this folder."""
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
pytest.register_assert_rewrite("support")

from support.fixtures import (api, client, dial, job, module_server, serve, server,  # noqa: E402,F401
                              snapshot, transport, watch, watch_on)
