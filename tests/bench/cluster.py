"""The numbers of several servers on PostgreSQL and Redis, each as a ratio in one run: `script/bench cluster`.

PostgreSQL and Redis are started for it, on private ports; every measurement has a database of its own, and what is
compared runs in turns. A figure is the median of its rounds. See README.md.
"""
import argparse
import contextlib
import json
import math
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass

import costs
import run
import servers
import slowing
from table import FAULTS

sys.path.insert(0, str(servers.BENCH.parent))
from support.cluster import Engines as Together  # noqa: E402
from support.cluster import ready  # noqa: E402
from support.postgres import Postgres  # noqa: E402
from support.redis import Redis  # noqa: E402
from support.wait import until  # noqa: E402

# What an operator would set first; all else is Debian's default, and so synchronous_commit is on.
POSTGRES = {"fsync": "on", "synchronous_commit": "on", "shared_buffers": "256MB", "max_connections": "400", "autovacuum_naptime": "60s"}
TRANSACTIONS = servers.BUILD / "transactions"
CONNECT_LIMIT_S = 20
WORKERS = 32
JOBS_SHARED = 10
JOBS_DEALT = 12     # a multiple of the nodes, over which publishers are dealt out: those of a job post to one node
# 10 watchers for each job: with more, a node that hears of an update has more to spread the cost over.
WATCHED = "--jobs 50 --subscribers 500 --publishers 50 --rate 1000"
CALM = "--jobs 10 --subscribers 100 --publishers 10 --rate 100"


@dataclass(frozen=True)
class Load:
    """One measurement: who runs, and what is loaded onto them."""

    key: str
    words: str
    nodes: int = 0          # of joblight, or instead:
    server: str = ""        # of servers.py
    program: str = ""       # a shape of transactions.c, which makes its own load
    post_to: tuple = ()     # the nodes that publishers are dealt out over; the first is also the one that is watched
    watched: int = 0


LOADS = (
    Load("1 worker", "--publishers 1 --jobs 1", nodes=1, post_to=(0,)),
    Load("32 workers", f"--publishers {WORKERS} --jobs {WORKERS}", nodes=1, post_to=(0,)),
    Load("32 workers with keys", f"--publishers {WORKERS} --jobs {WORKERS} --keys 1", nodes=1, post_to=(0,)),
    Load("256 under way", f"--publishers {WORKERS} --jobs {WORKERS} --publish-over ws --depth 8", nodes=1, post_to=(0,)),
    Load("nine statements", f"--publishers {WORKERS} --jobs {WORKERS} --keys 1", server="nine"),
    Load("one statement", f"--publishers {WORKERS} --jobs {WORKERS} --keys 1", server="one"),
    Load("one function", f"--publishers {WORKERS} --jobs {WORKERS} --keys 1", server="function"),
    Load("nine without HTTP", f"--connections {WORKERS} --jobs {WORKERS}", program="nine"),
    Load("one without HTTP", f"--connections {WORKERS} --jobs {WORKERS}", program="one"),
    Load("express-pg", f"--publishers {WORKERS} --jobs {WORKERS}", server="express-pg"),
    Load("fan-out, local", WATCHED, nodes=2, post_to=(0,), watched=0),
    Load("fan-out, remote", WATCHED, nodes=2, post_to=(0,), watched=1),
    Load("calm, local", CALM, nodes=2, post_to=(0,), watched=0),
    Load("calm, remote", CALM, nodes=2, post_to=(0,), watched=1),
    Load("one writer", f"--publishers {WORKERS} --jobs {JOBS_SHARED} --subscribers {JOBS_SHARED}", nodes=1, post_to=(0,)),
    Load("three writers", f"--publishers {3 * WORKERS} --jobs {JOBS_SHARED} --subscribers {JOBS_SHARED}", nodes=3, post_to=(0, 1, 2)),
    Load("a writer for each job", f"--publishers {3 * WORKERS} --jobs {JOBS_DEALT} --subscribers {JOBS_DEALT}", nodes=3, post_to=(0, 1, 2)),
)


# -- measuring -----------------------------------------------------------------------------------------

class Engines(Together):
    def __init__(self):
        super().__init__(Postgres(**POSTGRES), Redis())

    @contextlib.contextmanager
    def database(self):
        """An empty one; what the one before left to write does not disturb its measurement."""
        name = f"bench{next(self.names)}"
        self.postgres.create(name)
        self.postgres.sql("postgres", "CHECKPOINT")
        yield name
        self.postgres.sql("postgres", f'DROP DATABASE "{name}" WITH (FORCE)')

    @property
    def pids(self):
        return f"{self.postgres.pid},{self.redis.process.pid}"


def ask(command, patience_s):
    done = subprocess.run([str(word) for word in command], stdout=subprocess.PIPE, timeout=run.PATIENCE_S + patience_s,
                          check=False)
    if not done.stdout.strip():
        raise RuntimeError(f"{pathlib.Path(command[0]).name} ended with {done.returncode}")
    return json.loads(done.stdout)


def timed(words, timing):
    return ["--warm-ms", timing.warm_ms, "--run-ms", timing.run_ms, *words.split()]


def generate(engines, load, running, timing):
    """The load of the generator on servers that run."""
    words = [*timed(load.words, timing), "--peer", running[0].peer, "--port", running[load.watched].port,
             "--pid", ",".join(str(server.pid) for server in running), "--engines", engines.pids,
             "--post-to", ",".join(str(running[i].port) for i in load.post_to or (0,))]
    return ask([run.LOADGEN, *words], timing.run_ms / 1000)


def run_nodes(engines, load, name, folder, log, timing):
    options = f"--db {engines.postgres.url(name)} --address-connections 0 --address-streams 0"
    if load.nodes > 1:
        options += f" --bus {engines.redis.url} --bus-prefix {name}"
    with contextlib.ExitStack() as stack:
        running = [stack.enter_context(servers.Server("node", folder, log, options)) for _ in range(load.nodes)]
        if load.nodes > 1:
            for server in running:
                until(lambda address=("127.0.0.1", server.port): '"bus":"connected' in ready(address), CONNECT_LIMIT_S, "the bus")
        before = [bus_us(server) for server in running]
        result = generate(engines, load, running, timing)
        used = [bus_us(server) - earlier for server, earlier in zip(running, before, strict=True)]
    seen = look(engines.postgres, name)
    return {**result, **seen, "bus_us_each": [one / seen["events"] for one in used]}


def bus_us(server):
    """Processor time of the thread of the bus, 0 without one."""
    threads = slowing.threads(server.pid, "bus")
    return sum(int(pathlib.Path(f"/proc/{server.pid}/task/{thread}/schedstat").read_text().split()[0]) / 1e3 for thread in threads)


HOLES = """SELECT count(*) FROM (SELECT 1 FROM job_activity GROUP BY job HAVING min(seq) <> 1 OR max(seq) <> count(*)) x"""
# A group of updates is one transaction, and all its rows have its number.
GROUPS = "SELECT count(*), count(DISTINCT xmin::text) FROM job_activity"
HOT = "SELECT n_tup_hot_upd, n_tup_upd FROM pg_stat_user_tables WHERE relname = 'jobs'"


def look(postgres, name):
    """What the database says, after the last connection has told its statistics."""
    hot, updated = map(int, postgres.sql(name, HOT).split("|"))
    deadlocks = postgres.sql(name, f"SELECT deadlocks FROM pg_stat_database WHERE datname = '{name}'")
    events, groups = map(int, postgres.sql(name, GROUPS).split("|"))
    return {"events": events, "group": events / groups,
            "holes": int(postgres.sql(name, HOLES)), "deadlocks": int(deadlocks),
            "hot_percent": 100 * hot / updated if updated else math.nan}


def run_transactions(engines, load, name, timing):
    return ask([TRANSACTIONS, load.program, *timed(load.words, timing), "--engines", engines.postgres.pid,
                engines.postgres.url(name)], timing.run_ms / 1000)


def run_server(engines, load, name, folder, log, timing):
    where = engines.postgres
    database = {"DB": f"postgres://postgres@localhost/{name}?host={where.folder}&port={where.port}", "POOL": str(WORKERS),
                "PGHOST": where.folder, "PGPORT": where.port, "PGUSER": "postgres", "PGDATABASE": name}
    environment = {key: str(value) for key, value in database.items()}
    with servers.Server(load.server, folder, log, environment=environment) as server:
        return generate(engines, load, [server], timing)


def measure(engines, load, timing):
    with (
        engines.database() as name,
        tempfile.TemporaryDirectory(dir=servers.BUILD) as folder,
        open(servers.BUILD / "cluster.log", "ab") as log,
    ):
        if load.server:
            return run_server(engines, load, name, pathlib.Path(folder), log, timing)
        if load.program:
            return run_transactions(engines, load, name, timing)
        return run_nodes(engines, load, name, pathlib.Path(folder), log, timing)


# -- judging -------------------------------------------------------------------------------------------

class Results:
    def __init__(self, loads):
        self.all = {load.key: [] for load in loads}

    def median(self, key, figure):
        """None if it was not measured."""
        values = [figure(result) for result in self.all.get(key, []) if result]
        return statistics.median(values) if values else None

    def worst(self, key, figure):
        values = [figure(result) for result in self.all.get(key, []) if result]
        return max(values) if values else None

    def failed(self):
        return [key for key, results in self.all.items() if None in results]

    def faults(self):
        return sum(result.get(fault, 0) for results in self.all.values() for result in results if result
                   for fault in (*FAULTS, "errors"))


def per_s(result):
    return result["updates_per_s"]


def postgres_us(result):
    return 1e6 * result["engines_cpu_s"][0] / result["updates"]


def redis_us(result):
    return 1e6 * result["engines_cpu_s"][1] / result["updates"]


def own_us(result):
    return 1e6 * result["cpu_s"] / result["updates"]


def all_us(result):
    return own_us(result) + postgres_us(result)


def delivery_ms(result):
    return result["delivery_us"]["p50"] / 1e3


@dataclass(frozen=True)
class Line:
    """A figure of one load, compared with that of another."""

    title: str
    figure: object
    key: str
    other: str
    unit: str
    decimals: int
    at_least: float | None = None   # ours / theirs
    at_most: float | None = None
    difference: bool = False        # ours - theirs is judged

    def cells(self, results):
        """What is printed, and whether the bar is held: None without one."""
        ours, theirs = results.median(self.key, self.figure), results.median(self.other, self.figure)
        if ours is None or theirs is None:
            return (self.title, "-", "-", "-", self.bar() + " not measured"), self.bar() == "-"
        value = ours - theirs if self.difference else ours / theirs
        held = (self.at_least is None or value >= self.at_least) and (self.at_most is None or value <= self.at_most)
        shown = f"{value:+.{self.decimals}f} {self.unit}" if self.difference else f"{value:.2f}x"
        verdict = "" if self.bar() == "-" else " ✓" if held else " **MISSED**"
        return (self.title, f"{ours:,.{self.decimals}f} {self.unit}", f"{self.other}: {theirs:,.{self.decimals}f}", shown,
                self.bar() + verdict), held

    def bar(self):
        unit = f" {self.unit}" if self.difference else "x"
        if self.at_least is not None:
            return f"≥ {self.at_least:g}{unit}"
        return f"≤ {self.at_most:g}{unit}" if self.at_most is not None else "-"


@dataclass(frozen=True)
class Single:
    """A figure that is compared with nothing."""

    title: str
    figure: object
    key: str
    unit: str
    decimals: int
    at_least: float | None = None
    at_most: float | None = None

    def cells(self, results):
        value = results.worst(self.key, self.figure) if self.at_most is not None else results.median(self.key, self.figure)
        if value is None:
            return (self.title, "-", "", "", self.bar() + " not measured"), self.bar() == "-"
        held = (self.at_least is None or value >= self.at_least) and (self.at_most is None or value <= self.at_most)
        verdict = "" if self.bar() == "-" else " ✓" if held else " **MISSED**"
        return (self.title, f"{value:,.{self.decimals}f}{self.unit}", "", "", self.bar() + verdict), held

    def bar(self):
        if self.at_least is not None:
            return f"≥ {self.at_least:g}{self.unit}"
        return f"≤ {self.at_most:g}{self.unit}" if self.at_most is not None else "-"


def measured_costs(engines, results):
    """For scaling.py; None if a load was left out."""
    groups = [(results.median(key, lambda r: r["group"]), results.median(key, postgres_us)) for key in GROUP_LOADS]
    bus_in = results.median("fan-out, remote", lambda r: r["bus_us_each"][1])
    if bus_in is None or None in groups[0] or None in groups[1] or None in groups[2]:
        return None
    alone = results.median("1 worker", lambda r: r["answer_us"]["p50"]) - groups[0][1] - results.median("1 worker", own_us)
    with engines.database() as name:
        subprocess.run([servers.node_of_cluster(None, 0)[0], "db", "migrate", "--db", engines.postgres.url(name)], check=True,
                       stdout=subprocess.DEVNULL)
        steps = {**costs.of_redis(engines.redis), **costs.of_heads(engines.postgres, name), "bus_in": bus_in, "commit_wait": max(0, alone)}
    return {**{step: round(us, 2) for step, us in steps.items()}, "groups": [[round(size, 1), round(us, 1)] for size, us in groups]}


GROUP_LOADS = ("1 worker", "32 workers", "256 under way")
LINES = (
    Line("32 workers over HTTP, with idempotency keys, updates/s", per_s, "32 workers with keys", "nine statements", "/s", 0, at_least=4),
    Line("", per_s, "32 workers with keys", "one statement", "/s", 0, at_least=2),
    Line("", per_s, "32 workers with keys", "one function", "/s", 0),
    Line("", per_s, "32 workers with keys", "nine without HTTP", "/s", 0),
    Line("", per_s, "32 workers with keys", "one without HTTP", "/s", 0),
    Line("PostgreSQL's processor time for an update", postgres_us, "32 workers with keys", "nine statements", "µs", 0, at_most=0.25),
    Line("", postgres_us, "32 workers with keys", "one statement", "µs", 0),
    Line("", postgres_us, "32 workers with keys", "one function", "µs", 0),
    Single("joblight's own", own_us, "32 workers with keys", " µs", 0),
    Single("updates in a transaction", lambda r: r["group"], "32 workers with keys", "", 1),
    Line("32 workers over HTTP, without keys, updates/s", per_s, "32 workers", "express-pg", "/s", 0, at_least=3),
    Line("PostgreSQL's processor time for an update", postgres_us, "32 workers", "express-pg", "µs", 0),
    Single("joblight's own", own_us, "32 workers", " µs", 0),
    Line("256 updates under way, updates/s", per_s, "256 under way", "nine statements", "/s", 0, at_least=6),
    Line("PostgreSQL's processor time for an update", postgres_us, "256 under way", "nine statements", "µs", 0),
    Single("updates of the row of a job that are HOT", lambda r: r["hot_percent"], "32 workers", " %", 1, at_least=95),
    Line("deliveries per CPU-second of all servers, 10 watchers for each job on another node",
         lambda r: r["deliveries"] / r["cpu_s"], "fan-out, remote", "fan-out, local", "/s", 0, at_least=0.8),
    Line("the same, with PostgreSQL and Redis", lambda r: r["deliveries"] / (r["cpu_s"] + sum(r["engines_cpu_s"])),
         "fan-out, remote", "fan-out, local", "/s", 0),
    Single("Redis' processor time for an update", redis_us, "fan-out, remote", " µs", 1),
    Line("publish to delivery p50 at another node, ms", delivery_ms, "calm, remote", "calm, local", "ms", 2, at_most=0.5, difference=True),
    Line("the same at 1,000 updates/s", delivery_ms, "fan-out, remote", "fan-out, local", "ms", 2, difference=True),
    Line("three nodes with 32 workers each on the same 10 jobs: processor time of servers and PostgreSQL for an update", all_us,
         "three writers", "one writer", "µs", 0, at_most=1.25),
    Line("PostgreSQL's part", postgres_us, "three writers", "one writer", "µs", 0),
    Line("updates/s", per_s, "three writers", "one writer", "/s", 0),
    Line("three nodes, when the writes of a job come to one of them: the same", all_us, "a writer for each job", "one writer", "µs", 0),
    Line("PostgreSQL's part", postgres_us, "a writer for each job", "one writer", "µs", 0),
    Line("updates/s", per_s, "a writer for each job", "one writer", "/s", 0),
    Single("holes in a log", lambda r: r["holes"], "three writers", "", 0, at_most=0),
    Single("deadlocks", lambda r: r["deadlocks"], "three writers", "", 0, at_most=0),
)


def print_table(results, lines=LINES):
    """Returns whether every bar was held."""
    print("| figure | joblight | compared with | ratio or difference | bar |")
    print("|---|---|---|---|---|")
    good = True
    for line in lines:
        cells, held = line.cells(results)
        print("| " + " | ".join(cells) + " |")
        good = good and held
    faults = results.faults()
    print(f"\nEvents lost, twice, out of order or of another job, and errors: {faults}.")
    return good and not faults and not results.failed()


# -- the program ---------------------------------------------------------------------------------------

@dataclass(frozen=True)
class Timing:
    rounds: int
    run_ms: int
    warm_ms: int = 700


def parse(words):
    parser = argparse.ArgumentParser(prog="script/bench cluster", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--run-ms", type=int, default=4000, help="length of every measurement")
    parser.add_argument("--no-build", action="store_true", help="take the programs as they are")
    parser.add_argument("--only", action="append", default=[], choices=[load.key for load in LOADS], metavar="LOAD",
                        help="; ".join(load.key for load in LOADS))
    return parser.parse_args(words)


def guarded(engines, load, timing):
    try:
        return measure(engines, load, timing)
    except (RuntimeError, OSError, ValueError, AssertionError, subprocess.TimeoutExpired) as problem:
        run.say(f"bench: {load.key}: {problem}")
        return None


def main(words):
    options = parse(words)
    servers.BUILD.mkdir(parents=True, exist_ok=True)
    if not options.no_build:
        run.build()
    run.install_node(servers.BENCH / "express-pg")
    run.raise_file_limit()
    timing = Timing(options.rounds, options.run_ms)
    loads = [load for load in LOADS if not options.only or load.key in options.only]
    results = Results(loads)
    began = time.monotonic()
    with Engines() as engines:
        for turn in range(timing.rounds):
            for load in loads:
                results.all[load.key].append(result := guarded(engines, load, timing))
                run.say(f"bench: {load.key} {turn + 1}/{timing.rounds}: {per_s(result):,.0f} updates/s" if result else f"bench: {load.key}: failed")
        measured = measured_costs(engines, results)
    if measured:
        (servers.BUILD / "costs.json").write_text(json.dumps(measured, indent=1) + "\n")
        run.say(f"bench: the costs for scaling.py are in {servers.BUILD / 'costs.json'}")
    (servers.BUILD / "cluster.json").write_text(json.dumps(results.all, indent=1))
    run.print_machine(" ".join(["script/bench cluster", *words]))
    print(f"Medians of {timing.rounds} rounds of {timing.run_ms / 1000:g} s each in turns. PostgreSQL with synchronous_commit=on.\n")
    good = print_table(results)
    run.say(f"bench: {time.monotonic() - began:.0f} s; every run in {servers.BUILD / 'cluster.json'}")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
