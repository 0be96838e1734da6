"""The rows of the table: what is loaded onto whom, which figure is read, and its bars.

A row more is an entry here; a server more is an entry in servers.py (and a row in peer.c).
"""
from dataclasses import dataclass


@dataclass(frozen=True)
class Bar:
    """A limit for joblight's figure, or for its ratio to another server's in the same run."""

    at_least: float | None = None
    at_most: float | None = None
    against: str | None = None
    goal: bool = False  # printed with its outcome, but does not decide the exit status

    def holds(self, value):
        enough = self.at_least is None or value >= self.at_least
        little = self.at_most is None or value <= self.at_most
        return enough and little

    def text(self):
        sign, limit = ("≥", self.at_least) if self.at_least is not None else ("≤", self.at_most)
        words = f"{sign} {limit:g}" + (f"x {self.against}" if self.against else "")
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
    quick: bool = True  # part of `script/bench quick`
    rounds: int | None = None  # instead of the run's own number


ANSWERS = "committed answers/s"
PER_CPU = "deliveries per server-CPU-second"
DELIVERY_P99 = Figure("publish to delivery p99, ms", "delivery_us.p99", 1e-3, 2)


def deliveries(*bars):
    return Figure(PER_CPU, "deliveries_per_cpu_s", bars=bars)


ROWS = (
    Row(
        "answers-32", "webhook, 32 workers", "--publishers 32",
        ("joblight", "express"),
        (
            Figure(ANSWERS, "answers_per_s", 1, 0, (
                Bar(at_least=8, against="express"),
                Bar(at_least=10, against="express", goal=True),
            )),
            Figure("answer p50, ms", "answer_us.p50", 1e-3, 2),
        ),
    ),
    Row(
        "answers-1", "webhook, 1 worker", "--publishers 1",
        ("joblight", "express"),
        (
            Figure("answer p50, ms", "answer_us.p50", 1e-3, 3, (Bar(at_most=0.4, goal=True),)),
            Figure(ANSWERS, "answers_per_s"),
        ),
    ),
    Row(
        "sse-100", "SSE, 100 subscribers, 1 publisher", "--subscribers 100 --publishers 1",
        ("joblight", "floor", "express"),
        (
            deliveries(
                Bar(at_least=4, against="express"),
                Bar(at_least=0.95, against="floor", goal=True),
            ),
            Figure("publish to delivery p50, ms", "delivery_us.p50", 1e-3, 2),
        ),
    ),
    Row(
        "idle-10000", "10,000 idle SSE connections", "--idle 10000",
        ("joblight",),
        (
            Figure("RSS per connection, KiB", "rss_bytes_each", 1 / 1024, 2, (
                Bar(at_most=1.5), Bar(at_most=1.25, goal=True))),
            Figure("CPU at rest, %", "rest_cpu_percent", 1, 1, (Bar(at_most=0.0),)),
            Figure("set-up per connection, µs of CPU", "setup_cpu_us_each", 1, 0, (
                Bar(at_most=40, goal=True),)),
        ),
        rounds=1,
    ),
    Row(
        "answers-128", "webhook, 128 workers", "--publishers 128",
        ("joblight", "express"),
        (Figure(ANSWERS, "answers_per_s", 1, 0, (
            Bar(at_least=12, against="express", goal=True),)),),
        quick=False,
    ),
    Row(
        "sse-1000", "SSE, 1000 subscribers, 1 publisher", "--subscribers 1000 --publishers 1",
        ("joblight", "floor", "express"),
        (deliveries(
            Bar(at_least=0.9, against="floor", goal=True),
            Bar(at_least=3, against="express", goal=True),
        ),),
        quick=False,
    ),
    Row(
        "sse-10000", "SSE, 10,000 subscribers, at most 3 updates undelivered",
        "--subscribers 10000 --publishers 4 --window 3", ("joblight", "floor", "express"),
        (deliveries(
            Bar(at_least=5, against="floor", goal=True),
            Bar(at_least=15, against="express", goal=True),
        ),),
        quick=False,
    ),
    Row(
        "sse-1000-32", "SSE, 1000 subscribers, 32 publishers", "--subscribers 1000 --publishers 32",
        ("joblight", "floor-co", "express"),
        (deliveries(
            Bar(at_least=0.6, against="floor-co", goal=True),
            Bar(at_least=50, against="express", goal=True),
        ),),
        quick=False,
    ),
    Row(
        "sse-100-32", "SSE, 100 subscribers, 32 publishers", "--subscribers 100 --publishers 32",
        ("joblight", "floor-co", "express"),
        (deliveries(
            Bar(at_least=0.5, against="floor-co", goal=True),
            Bar(at_least=35, against="express", goal=True),
        ),),
        quick=False,
    ),
    Row(
        "busy-10000", "10,000 idle and 10 watchers at 1000 updates/s",
        "--subscribers 10 --idle 10000 --publishers 8 --rate 1000",
        ("joblight", "floor", "express"),
        (deliveries(Bar(at_least=0.6, against="floor", goal=True)), DELIVERY_P99),
        quick=False,
    ),
)
