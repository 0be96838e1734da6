"""Redis servers that belong together: a master with replicas and Sentinels, and a Cluster of three masters.

    with Replicated() as group:
        group.master, group.replica     # each a Redis
        group.sentinels                 # Redis servers that are Sentinels, and watch the master under the name "jobs"
        group.fail_over()               # the replica has become the master when this returns
    with Shards() as nodes:             # three Redis servers of one Cluster
"""
import contextlib

from .ports import free_port
from .redis import Redis
from .wait import until

MASTER_NAME = "jobs"
SENTINEL = """port {port}
bind 127.0.0.1
dir {folder}
sentinel monitor {name} 127.0.0.1 {master} {quorum}
sentinel down-after-milliseconds {name} 1000
sentinel failover-timeout {name} 5000
{more}
"""


class Sentinel(Redis):
    """`password`: of the Redis servers; it has none itself."""

    def __init__(self, master, quorum, password=None):
        super().__init__()
        more = f"sentinel auth-pass {MASTER_NAME} {password}" if password else ""
        self.file = self.folder / "sentinel.conf"
        self.file.write_text(SENTINEL.format(port=self.port, folder=self.folder, name=MASTER_NAME, master=master.port, quorum=quorum,
                                             more=more))

    def command(self):
        return ["redis-server", str(self.file), "--sentinel"]

    def knows(self, others):
        """Whether it has found the replica and so many other Sentinels."""
        told = self.say("SENTINEL", "MASTER", MASTER_NAME).split()
        return told[told.index("num-slaves") + 1] == "1" and told[told.index("num-other-sentinels") + 1] == str(others)

    def master_port(self):
        return int(self.say("SENTINEL", "GET-MASTER-ADDR-BY-NAME", MASTER_NAME).split()[1])


class Replicated:
    def __init__(self, sentinels=3, password=None):
        secret = {"requirepass": password, "masterauth": password} if password else {}
        self.password = password
        self.master, self.replica = Redis(**secret), Redis(repl_diskless_sync_delay="0", **secret)
        self.count = sentinels
        self.sentinels = []
        self.stack = contextlib.ExitStack()

    def __enter__(self):
        with self.stack:
            for server in (self.master, self.replica):
                self.stack.callback(server.remove)
                server.start()
            self.replica.say("REPLICAOF", "127.0.0.1", str(self.master.port))
            until(lambda: "connected" in self.replica.say("ROLE").split(), 20, "the replica to follow its master")
            for _ in range(self.count):
                sentinel = Sentinel(self.master, self.count // 2 + 1, self.password)
                self.sentinels.append(sentinel)
                self.stack.callback(sentinel.remove)
                sentinel.start()
            until(lambda: all(sentinel.knows(self.count - 1) for sentinel in self.sentinels), 30, "the Sentinels to know each other")
            self.stack = self.stack.pop_all()
        return self

    def __exit__(self, *_):
        self.stack.close()

    def fail_over(self):
        """Kills the master, and waits until the Sentinels have made the replica one."""
        self.master.kill()
        until(lambda: self.replica.say("ROLE").startswith("master"), 60, "the replica to become the master")
        until(lambda: all(sentinel.master_port() == self.replica.port for sentinel in self.sentinels), 30, "the Sentinels to agree")


class Shards:
    """A Cluster of three masters, which have all slots between them."""

    def __enter__(self):
        self.stack = contextlib.ExitStack()
        with self.stack:
            nodes = [Redis(cluster_enabled="yes", cluster_port=str(free_port())) for _ in range(3)]
            for node in nodes:
                self.stack.callback(node.remove)
                node.start()
            for number, node in enumerate(nodes):
                node.say("CLUSTER", "ADDSLOTSRANGE", str(number * 16384 // 3), str((number + 1) * 16384 // 3 - 1))
                node.say("CLUSTER", "SET-CONFIG-EPOCH", str(number + 1))
                node.say("CLUSTER", "MEET", "127.0.0.1", str(nodes[0].port), nodes[0].settings["cluster_port"])
            until(lambda: all("cluster_state:ok" in node.say("CLUSTER", "INFO") for node in nodes), 30, "the Cluster to be ready")
            self.stack = self.stack.pop_all()
        return nodes

    def __exit__(self, *_):
        self.stack.close()
