"""F3, D1: packets that are lost, partitions one way and both, connections that are reset, while workers
report and watchers watch over every transport: nothing is lost, and nothing comes twice.

Each test runs this file in a network of its own, where it drops packets with nft and resets with
ss -K; the network is gone when the process is, however it ends. With root it is made by
`unshare --net`, otherwise in a user namespace. The first message is larger than every buffer.

JOBLIGHT_TEST_NETWORK_ROUNDS (3) is how often the fault comes. The seed of the moments is printed.
"""
import os
import random
import subprocess
import sys
import time
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from support.api import Api
from support.history import History, log_with_texts
from support.load import Crew
from support.server import Server
from support.wait import SCALE, Deadline, until
from support.watcher import TRANSPORTS
from support.workload import key_of, last_event, watch, work

ROUNDS = int(os.environ.get("JOBLIGHT_TEST_NETWORK_ROUNDS", "3"))
SEED = int(os.environ.get("JOBLIGHT_TEST_NETWORK_SEED", "0")) or \
    random.SystemRandom().randrange(1, 10**9)
HEARTBEAT_MS = 200
PATIENCE = 1.0          # seconds without a word after which a watcher comes back
FAULT_S = 1.5           # longer than the patience of both sides
NOTE = "n" * 16000
TASKS = 160             # 2.5 MB
LARGE = {"loss": 20}    # fewer tasks where every tenth packet is lost, but more than the buffers have


# -- in a network of its own ---------------------------------------------------------------------------

def run(*words):
    subprocess.run(words, check=True, timeout=30)


def nft(*lines):
    subprocess.run(["nft", "-f", "-"], input="\n".join(lines), text=True, check=True, timeout=30)


def dropping(*rules):
    """From now on packets that come in by one of the rules are dropped; none: no more."""
    nft("table inet faults", "delete table inet faults", "table inet faults {", "chain input {",
        "type filter hook input priority 0;", *(f"{rule} counter drop" for rule in rules), "}", "}")


def dropped():
    listing = subprocess.run(["nft", "list", "table", "inet", "faults"], capture_output=True,
                             text=True, check=True, timeout=30).stdout.split()
    return sum(int(listing[i + 1]) for i, word in enumerate(listing) if word == "packets")


def partition(to_server, to_clients):
    def fault(port, chance):
        rules = [f"tcp dport {port}"] * to_server + [f"tcp sport {port}"] * to_clients
        dropping(*rules)
        pause(FAULT_S)
        assert dropped() > 0
        dropping()
        pause(chance.uniform(0.1, 1))
    return fault


def loss(port, _chance):
    one_in_ten = "numgen random mod 10 == 0"
    dropping(f"tcp dport {port} {one_in_ten}", f"tcp sport {port} {one_in_ten}")
    pause(FAULT_S)
    assert dropped() > 0


def reset(port, chance):
    for _ in range(5):
        subprocess.run(["ss", "-K", "-t", "state", "established", "sport", "=", f":{port}"],
                       check=True, timeout=30, capture_output=True)
        pause(chance.uniform(0.05, 0.3))


FAULTS = {"loss": loss, "reset": reset, "partition to the server": partition(True, False),
          "partition to the clients": partition(False, True), "partition": partition(True, True)}


def pause(seconds):
    """The moment, or the length, of a fault."""
    until(Deadline(seconds / SCALE, "a fault").passed, 60, "the time of a fault")


def large_job(api, tasks):
    job = api.create_job()["id"]
    for first in range(0, tasks, 10):
        batch = [{"taskId": f"large{i}", "note": NOTE} for i in range(first, first + 10)]
        assert api.update(job, batch).status == 200
    return job


def key_of_worker(event):
    """The key of an update that is not of large_job()."""
    return None if event.get("note") == NOTE else key_of(event)


def watched(server, name, job, history, chance):
    """Workers and watchers, with the fault between them and the server."""
    heads = {}
    with Crew() as readers, Crew() as writers:
        for transport_name, transport in TRANSPORTS.items():
            for slow in (False, True):
                readers.hire(watch, server.address, job, f"{transport_name} {slow}", transport,
                             history, heads, PATIENCE * (1 + 9 * slow), slow, True)
        for i in range(3):
            writers.hire(work, server.address, job, f"worker{i}", history, "", PATIENCE)
        for _ in range(ROUNDS):
            until(lambda: writers.errors or readers.errors or history.connections, 60, "a watcher")
            FAULTS[name](server.port, chance)
        dropping()
        answered = len(history.answered())
        until(lambda: writers.errors or len(history.answered()) > answered, 60, "answers")
        writers.stop()
        with Api(server.address) as api:
            last_event(api, job, history, heads)
        readers.stop()


def scenario(name, folder):
    run("ip", "link", "set", "lo", "up", "mtu", "1500")
    dropping()
    server = Server(folder, heartbeat_ms=HEARTBEAT_MS, stall_ms=1000, ring_events=64).start()
    try:
        with Api(server.address) as api:
            job = large_job(api, LARGE.get(name, TASKS))
        history = History(job)
        watched(server, name, job, history, random.Random(SEED))
        with Api(server.address) as api:
            history.check(log_with_texts(api, job), api.job(job), key_of_worker)
        server.stop()
    finally:
        server.bury()
    print(f"{len(history.connections)} connections, {len(history.answered())} answered")
    assert name == "loss" or len(history.connections) > 2 * len(TRANSPORTS), "nobody came back"


# The namespace of processes ends the server too.
NAMESPACES = ["--net", "--pid"] if os.geteuid() == 0 else ["--map-root-user", "--net", "--pid"]

# -- the tests -----------------------------------------------------------------------------------------

def in_own_network(name, folder):
    words = ["unshare", *NAMESPACES, "--fork", "--kill-child"]
    can = subprocess.run([*words, "true"], capture_output=True, text=True, check=False, timeout=30)
    assert can.returncode == 0, \
        f"{' '.join(words)} must be permitted for the network tests: {can.stderr}"
    began = time.monotonic()
    done = subprocess.run([*words, sys.executable, __file__, name, str(folder)], check=False,
                          capture_output=True, text=True, timeout=120 * SCALE + 5 * ROUNDS,
                          env={**os.environ, "JOBLIGHT_TEST_NETWORK_SEED": str(SEED)})
    print(f"seed {SEED}, {time.monotonic() - began:.1f} s: {done.stdout}")
    assert done.returncode == 0, done.stdout + done.stderr


def test_f3_a_tenth_of_the_packets_lost(tmp_path):
    in_own_network("loss", tmp_path)


def test_d1_connections_that_are_reset(tmp_path):
    in_own_network("reset", tmp_path)


def test_f3_a_partition_of_what_goes_to_the_server(tmp_path):
    in_own_network("partition to the server", tmp_path)


def test_f3_a_partition_of_what_goes_to_the_clients(tmp_path):
    in_own_network("partition to the clients", tmp_path)


def test_f3_a_partition_both_ways(tmp_path):
    in_own_network("partition", tmp_path)


if __name__ == "__main__":
    scenario(sys.argv[1], Path(sys.argv[2]) / "server")
