"""Histories over three nodes of which one is cut off from an engine, by packets that are dropped, and comes back.

Each test runs this file in a network of its own, where nft drops what one node, which reaches the engines under an
address of its own, sends and gets (support/cluster.py).  The network is gone when the process is.
"""
import os
import subprocess
import sys
from pathlib import Path

import pytest

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from support.cluster import ADDRESSES, Cluster, Engines, ready
from support.traffic import Traffic
from support.wait import SCALE, until

NODE = 1        # the one that is cut off
ENGINES = {"PostgreSQL": "postgres", "Redis": "redis"}
WAYS = {"both ways": ("daddr {} tcp dport {}", "saddr {} tcp sport {}"), "what it sends": ("daddr {} tcp dport {}",),
        "what it gets": ("saddr {} tcp sport {}",)}


# -- in a network of its own ---------------------------------------------------------------------------

def dropping(*rules):
    """From now on packets that come in by one of the rules are dropped; none: no more."""
    lines = ["table inet faults", "delete table inet faults", "table inet faults {", "chain input {",
             "type filter hook input priority 0;", *(f"ip {rule} counter drop" for rule in rules), "}", "}"]
    subprocess.run(["nft", "-f", "-"], input="\n".join(lines), text=True, check=True, timeout=30)


def is_cut_off(node, engine):
    said = ready(node.address)
    return "not_ready" in said if engine == "PostgreSQL" else '"bus":"away' in said


def scenario(engine, way, carrier, folder):
    subprocess.run(["ip", "link", "set", "lo", "up", "mtu", "1500"], check=True, timeout=30)
    with Engines() as engines, Cluster(engines, folder, carrier) as cluster:
        cluster.connected()
        traffic = Traffic(cluster)
        with traffic:
            port = getattr(engines, ENGINES[engine]).port
            with traffic.fault(f"node {NODE + 1} without {engine}, {way}"):
                dropping(*(rule.format(ADDRESSES[NODE], port) for rule in WAYS[way]))
                until(lambda: is_cut_off(cluster.nodes[NODE], engine), 10, "the node saying that it is cut off")
                answered = traffic.answered()
                until(lambda: traffic.answered() > answered + 20, 10, "updates that the other nodes answer")
                dropping()
            cluster.connected()
        print(traffic.report)


# -- the tests -----------------------------------------------------------------------------------------

@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("engine, carrier", [("PostgreSQL", "Redis"), ("Redis", "Redis"), ("PostgreSQL", "PostgreSQL")])
def test_a_node_that_is_cut_off_comes_back(tmp_path, record_property, engine, carrier, way):
    done = subprocess.run(["unshare", "--net", "--pid", "--fork", "--kill-child", sys.executable, __file__, engine, way, carrier,
                           str(tmp_path)], check=False, capture_output=True, text=True, timeout=240 * SCALE,
                          env=dict(os.environ))
    record_property("history", done.stdout.strip() or "nothing was checked")
    assert done.returncode == 0, done.stdout + done.stderr


if __name__ == "__main__":
    scenario(*sys.argv[1:])
