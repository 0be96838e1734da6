"""The rows of the table: what is loaded onto whom, which figure is read, and its bars.

A row more is an entry here; a server more is an entry in servers.py (and a row in peer.c). The first server of a row is
the one whose figures are judged.
"""
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Bar:
    """A limit for our figure, or for its ratio to another server's in the same run."""

    at_least: float | None = None
    at_most: float | None = None
    against: str | None = None
    plus: float = 0.0  # allowed beyond the other server's figure
    or_plus: float | None = None  # or so much more than the other server's figure is enough
    goal: bool = False  # printed with its outcome, but does not decide the exit status

    def holds(self, value):
        enough = self.at_least is None or value >= self.at_least
        little = self.at_most is None or value <= self.at_most
        return enough and little

    def text(self):
        sign, limit = ("≥", self.at_least) if self.at_least is not None else ("≤", self.at_most)
        words = f"{sign} {limit:g}" + (f"x {self.against}" if self.against else "")
        words += f" + {self.plus:g}" if self.plus else ""
        words += f", or + {self.or_plus:g}" if self.or_plus else ""
        return f"({words})" if self.goal else words


@dataclass(frozen=True)
class Figure:
    name: str
    path: str  # in the generator's JSON, dots between levels
    scale: float = 1.0
    decimals: int = 0
    bars: tuple = ()


@dataclass(frozen=True)
class Row:
    key: str
    title: str
    load: str  # words for the load generator
    servers: tuple
    figures: tuple
    quick: bool = False  # part of `script/bench quick`
    rounds: int | None = None  # instead of the run's own number
    options: str = ""  # of joblight, beyond its defaults
    only: dict = field(default_factory=dict)  # more words for the generator, for one of the servers
    course: str = "load"  # what is done: see COURSES in run.py


ANSWERS = "committed answers/s"
PER_CPU = "deliveries per server-CPU-second"


def goals(**least):
    """floor_co=0.6: at least 0.6x of floor-co, as a goal."""
    return tuple(Bar(at_least=value, against=name.replace("_", "-"), goal=True) for name, value in least.items())


def deliveries(*bars):
    return Figure(PER_CPU, "deliveries_per_cpu_s", bars=bars)


def latency(name, path, decimals=2, *bars):
    return Figure(name, path, 1e-3, decimals, bars)


P50 = latency("publish to delivery p50, ms", "delivery_us.p50")
P99 = latency("publish to delivery p99, ms", "delivery_us.p99")

# Commits: answers are given after COMMIT with FULL; the peers' after less (see README.md).
WRITING = (
    Row(
        "answers-32", "webhook, 32 workers", "--publishers 32", ("joblight", "express"),
        (
            Figure(ANSWERS, "answers_per_s", bars=(Bar(at_least=8, against="express"), *goals(express=10))),
            latency("answer p50, ms", "answer_us.p50"),
        ),
        quick=True,
    ),
    Row(
        "answers-1", "webhook, 1 worker", "--publishers 1", ("joblight", "express"),
        (
            latency("answer p50, ms", "answer_us.p50", 3, Bar(at_most=0.4, goal=True)),
            Figure(ANSWERS, "answers_per_s"),
        ),
        quick=True,
    ),
    Row(
        "answers-128", "webhook, 128 workers", "--publishers 128", ("joblight", "express"),
        (Figure(ANSWERS, "answers_per_s", bars=goals(express=12)),),
    ),
    Row(
        "ws-pipeline-64", "WebSocket, 1 worker, 64 updates under way",
        "--publishers 1 --publish-over ws --depth 64", ("joblight",),
        (
            Figure(ANSWERS, "answers_per_s", bars=(Bar(at_least=25000, goal=True),)),
            latency("answer p50, ms", "answer_us.p50"),
        ),
        quick=True,
    ),
)

P1 = goals(floor=0.95, nchan=1.3)
P2 = goals(floor=0.9, nchan=1.4)
P3 = goals(floor=5, nchan=8)

SSE = (
    Row(
        "sse-100", "SSE, 100 subscribers, 1 publisher", "--subscribers 100 --publishers 1",
        ("joblight", "floor", "express", "nchan"),
        (deliveries(Bar(at_least=4, against="express"), *P1), P50),
        quick=True,
    ),
    Row(
        "half-load", "SSE, 100 subscribers, 500 updates/s (half load)",
        "--subscribers 100 --publishers 8 --rate 500", ("joblight", "floor", "nchan"),
        (
            latency("publish to delivery p50, ms", "delivery_us.p50", 2, Bar(at_most=1.2, goal=True)),
            Figure(PER_CPU, "deliveries_per_cpu_s", bars=goals(floor=0.95)),
        ),
    ),
    Row(
        "sse-1000", "SSE, 1000 subscribers, 1 publisher", "--subscribers 1000 --publishers 1",
        ("joblight", "floor", "express", "nchan"), (deliveries(*P2, *goals(express=3)), P50),
    ),
    Row(
        "sse-10000", "SSE, 10,000 subscribers, at most 3 updates undelivered",
        "--subscribers 10000 --publishers 4 --window 3", ("joblight", "floor", "express", "nchan"),
        (deliveries(*P3, *goals(express=15)), P50),
    ),
    Row(
        "sse-100-32", "SSE, 100 subscribers, 32 publishers", "--subscribers 100 --publishers 32",
        ("joblight", "floor-co", "express", "nchan"),
        (deliveries(*goals(floor_co=0.5, nchan=9, express=35)),),
    ),
    Row(
        "sse-1000-32", "SSE, 1000 subscribers, 32 publishers", "--subscribers 1000 --publishers 32",
        ("joblight", "floor-co", "express", "nchan"),
        (deliveries(*goals(floor_co=0.6, nchan=20, express=50)),),
    ),
)

WEBSOCKET = (
    Row(
        "ws-100", "WebSocket, 100 subscribers, 1 publisher",
        "--transport ws --subscribers 100 --publishers 1", ("joblight", "floor", "nchan", "ws", "nats"),
        (deliveries(*P1), P50),
    ),
    Row(
        "ws-1000", "WebSocket, 1000 subscribers, 1 publisher",
        "--transport ws --subscribers 1000 --publishers 1", ("joblight", "floor", "nchan", "ws", "nats"),
        (deliveries(*P2), P50),
    ),
    Row(
        "ws-10000", "WebSocket, 10,000 subscribers, at most 3 updates undelivered",
        "--transport ws --subscribers 10000 --publishers 4 --window 3",
        ("joblight", "floor", "nchan", "ws", "nats"), (deliveries(*P3), P50),
    ),
    Row(
        "ws-100-32", "WebSocket, 100 subscribers, 32 publishers",
        "--transport ws --subscribers 100 --publishers 32", ("joblight", "floor-co", "nchan", "ws", "nats"),
        (deliveries(*goals(floor_co=0.5, nchan=9)),),
    ),
    Row(
        "ws-1000-32", "WebSocket, 1000 subscribers, 32 publishers",
        "--transport ws --subscribers 1000 --publishers 32",
        ("joblight", "floor-co", "nchan", "ws", "nats"),
        (deliveries(*goals(floor_co=0.6, nchan=20, nats=2.5)),),
    ),
    Row(
        "ws-1000-32x16", "WebSocket, 1000 subscribers, 32 publishers with 16 updates under way each, over WebSocket",
        "--transport ws --publish-over ws --subscribers 1000 --publishers 32 --depth 16",
        ("joblight", "ws", "nats"), (deliveries(*goals(nats=2.5)),),
    ),
)

# Heartbeats aside: the first of them comes after the run.
SILENT = "--heartbeat-ms 600000"


def idle(transport, count, memory, quick=False):
    """How many wait, and what they cost while nothing happens."""
    name = "WebSocket" if transport == "ws" else "SSE"
    return Row(
        f"{transport}-idle-{count}", f"{count:,} idle {name} connections, heartbeats aside",
        f"--transport {transport} --idle {count}", ("joblight",),
        (
            Figure("RSS per connection, KiB", "rss_bytes_each", 1 / 1024, 2, memory),
            Figure("CPU at rest, %", "rest_cpu_percent", 1, 2, (Bar(at_most=0.04),)),
            Figure("set-up per connection, µs of CPU", "setup_cpu_us_each", bars=(Bar(at_most=40, goal=True),)),
        ),
        quick=quick, rounds=1, options=f"{SILENT} --max-connections 18500 --max-streams 18500",
    )


def visible(transport, count):
    """Watchers whose pages are visible: they ask for a heartbeat every 10 s."""
    name = "WebSocket" if transport == "ws" else "SSE"
    return Row(
        f"{transport}-visible-{count}", f"{count:,} idle {name} connections with a heartbeat every 10 s",
        f"--transport {transport} --idle {count} --heartbeat 10 --rest-ms 30000", ("joblight",),
        (Figure("CPU at rest, %", "rest_cpu_percent", 1, 2, (Bar(at_most=2),)),),
        rounds=1, options="--max-connections 18500",
    )


IDLE = (
    visible("sse", 10000),
    visible("ws", 10000),
    idle("sse", 10000, (Bar(at_most=1.5), Bar(at_most=1.25, goal=True)), quick=True),
    idle("ws", 10000, (Bar(at_most=2, goal=True),)),
    idle("sse", 1000, ()),
    idle("sse", 18000, (Bar(at_most=1.25, goal=True),)),
    idle("ws", 1000, ()),
    idle("ws", 18000, (Bar(at_most=2, goal=True),)),
    Row(
        "busy-10000", "10,000 idle and 10 watchers at 1000 updates/s",
        "--subscribers 10 --idle 10000 --publishers 32 --rate 1000",
        ("joblight", "floor", "express", "nchan"),
        (
            deliveries(*goals(floor=0.6)),
            latency("publish to delivery p99, ms", "delivery_us.p99", 2,
                    Bar(at_most=1, against="floor", plus=1.0, goal=True)),
        ),
    ),
)



def with_tls(key, title, load, *figures):
    """The ratio of joblight with TLS to joblight without it."""
    return Row(f"tls-{key}", f"TLS: {title}", load, ("joblight-tls", "joblight"), figures,
               only={"joblight-tls": "--tls 1"})


PLAIN = Bar(at_least=0.6, against="joblight")

TLS = (
    with_tls("sse-100", "SSE, 100 subscribers, 1 publisher", "--subscribers 100 --publishers 1", deliveries(PLAIN), P50),
    with_tls("ws-100", "WebSocket, 100 subscribers, 1 publisher", "--transport ws --subscribers 100 --publishers 1",
             deliveries(PLAIN), P50),
    with_tls("busy-10000", "10,000 idle and 10 watchers at 1000 updates/s",
             "--subscribers 10 --idle 10000 --publishers 32 --rate 1000", deliveries(PLAIN),
             latency("publish to delivery p99, ms", "delivery_us.p99", 2)),
    with_tls("answers-32", "webhook, 32 workers", "--publishers 32", Figure("committed answers per server-CPU-second", "answers_per_cpu_s", bars=(PLAIN,)),
             latency("answer p50, ms", "answer_us.p50")),
)

HEARTBEAT_MS = 2000


def storm(key, title, cpu_us, load, options=""):
    """10,000 connections are cut and come back at once; 100 workers with 2 updates a second each, 20 watchers and
    100 idle connections look on."""
    bars = (Bar(at_most=cpu_us, goal=True),) if cpu_us else ()
    return Row(
        key, title,
        "--subscribers 20 --idle 100 --publishers 100 --rate 200 --storm 10000 --width 4000 "
        f"--after-ms {HEARTBEAT_MS + 500} {load}",
        ("joblight",),
        (
            Figure("server CPU per connection brought back, µs", "storm.cpu_us_each", bars=bars),
            Figure("server CPU per connection cut off, µs", "storm.cut_cpu_us_each"),
            Figure("until the last has all it missed, s", "storm.seconds", 1, 2),
            latency("publish p99 meanwhile, ms", "storm.answer_us.p99", 1, Bar(at_most=50, goal=True)),
            Figure(f"longest silence of others, ms (heartbeat {HEARTBEAT_MS})", "storm.silence_ms",
                   bars=(Bar(at_most=1.1 * HEARTBEAT_MS + 100, goal=True),)),
        ),
        options=f"--heartbeat-ms {HEARTBEAT_MS} {options}",
    )


STORMS = (
    storm("storm-ring", "10,000 SSE back at once, 20 events missed, in the ring", 60, ""),
    storm("storm-store", "10,000 SSE back at once, 200 events missed each, from the store", 250,
          "--storm-missed 200", "--ring-events 64"),
    storm("storm-fresh", "10,000 SSE back at once without a position, snapshot of 100 tasks", None,
          "--storm-fresh 1 --tasks 100"),
    storm("storm-ws", "10,000 WebSocket back at once, 20 events missed, in the ring", 60, "--transport ws"),
)

# From the beginning of the run: a reader stalls once what lies between it and the server is full.
IN_40_S = (Bar(at_most=40, goal=True),)
IN_60_S = (Bar(at_most=60, goal=True),)

TROUBLE = (
    Row(
        "trouble", "100 watchers at 200 updates/s beside 20 each that never read, read 1 byte/s, have half closed, "
        "have vanished; 50 publishers/s that do not wait for their answer",
        "--subscribers 100 --publishers 4 --rate 200 --run-ms 6000 --after-ms 10000", ("joblight", "untroubled"),
        (
            latency("publish to delivery p99, ms", "delivery_us.p99", 2,
                    Bar(at_most=1.1, against="untroubled", plus=1.0, goal=True)),
            Figure("CPU with them and no updates, %", "after_cpu_percent", 1, 2, (Bar(at_most=0.1, goal=True),)),
            *(Figure(f"until the last {which} one is closed, s", f"trouble.{which}_gone_s", 1, 1, bars)
              for which, bars in (("stalled", IN_40_S), ("slow", IN_40_S), ("vanished", IN_60_S), ("half", ()))),
        ),
        rounds=3,
        only={"joblight": "--stalled 20 --slow 20 --half 20 --vanished 20 --quitters 50 --gone-ms 90000"},
    ),
)

# Others than the attackers keep their latency: twice that of the same load without them, or 2 ms more.
ATTACKED_BARS = (Bar(at_most=2, against="untroubled", or_plus=2.0, goal=True),)
ATTACKED = (
    Row(
        "attacked", "100 watchers at 200 updates/s beside 64 attackers that send as fast as they are refused, and 1,000 "
        "new connections/s", "--subscribers 100 --publishers 4 --rate 200", ("joblight", "untroubled"),
        (
            latency("publish to delivery p99, ms", "delivery_us.p99", 2, *ATTACKED_BARS),
            latency("answer p99, ms", "answer_us.p99", 2, *ATTACKED_BARS),
            Figure("requests refused/s", "refused_per_s"),
        ),
        rounds=5, course="attacked", options="--durability process", # or the disk decides the p99
    ),
)

AGE = (
    Row(
        "start", "start with a log of 1,000,000 updates", "--publishers 8 --publish-over ws --depth 8 --batch 32 "
        "--jobs 100 --walk 1 --count 31250 --warm-ms 0 --run-ms 300000", ("joblight",),
        (
            Figure("until it listens, s", "start_s", 1, 3, (Bar(at_most=1, goal=True),)),
            Figure("snapshot of a job of 1000 tasks, ms", "snapshot_ms", 1, 2, (Bar(at_most=5, goal=True),)),
            Figure("log on disk, bytes per update", "bytes_each"),
        ),
        rounds=1, course="start",
    ),
    Row(
        "memory", "1,000,000 updates over 10,000 jobs", "--publishers 8 --publish-over ws --depth 8 --batch 16 "
        "--jobs 10000 --walk 1 --count 62500 --warm-ms 0 --run-ms 300000 --rest-ms 1 --after-ms 10000", ("joblight",),
        (
            Figure("RSS after, of RSS before", "rss_growth", 1, 2, (Bar(at_most=1.1, goal=True),)),
            Figure("RSS before, MiB", "rss_fresh_kib", 1 / 1024, 1),
            Figure("committed updates/s", "updates_per_s"),
        ),
        rounds=1,
    ),
)

# Each loop has 15 % of a core: see slowing.py.
LOOPS = (
    Row(
        "loops", "2 loops: SSE, 1000 subscribers, 256 publishers", "--subscribers 1000 --publishers 256",
        ("joblight-2", "joblight"),
        (Figure("deliveries/s", "deliveries_per_s", bars=goals(joblight=1.7)), deliveries()),
        course="slowed",
    ),
    Row(
        "loops-answers", "2 loops: webhook, 256 workers", "--publishers 256", ("joblight-2", "joblight"),
        (Figure(ANSWERS, "answers_per_s", bars=goals(joblight=1.7)),),
        course="slowed",
    ),
)

ROWS = WRITING + SSE + WEBSOCKET + IDLE + TLS + STORMS + TROUBLE + ATTACKED + AGE + LOOPS
