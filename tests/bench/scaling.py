#!/usr/bin/env python3
"""What a cluster costs that is larger than one that can be measured: a simulation of the bus and of the groups.

    scaling.py [--nodes N] [--watchers W] [--jobs J] [--updates U] [--seed S] [--costs FILE]

It draws a second of updates, in the order in which they arrive, and passes each through three queues:
the store thread of its node (what arrives during a commit is the next group), the Redis server that has
the channel of its job, and the bus thread of every node that watches the job. The costs of one step are
in costs.json, measured on one machine by `script/bench cluster`, and scale with the count of steps. The result
is one row for each design.
"""
import argparse
import bisect
import heapq
import itertools
import json
import pathlib
import random
from dataclasses import dataclass

# Microseconds of processor time; commit_wait is the wait for the disk, in which no processor works.
#   redis_in    a message that Redis takes
#   redis_out   and gives to one node
#   bus_in      a message that a node decodes and hands to its loops
#   subscribe   a channel, at Redis
#   head        a job whose head is read from PostgreSQL
#   groups      PostgreSQL's for an update, by the size of its group
COSTS_FILE = pathlib.Path(__file__).with_name("costs.json")
COSTS = json.loads(COSTS_FILE.read_text())
LARGEST_GROUP = 256


@dataclass
class Design:
    name: str
    writers: int = 0            # the writes of a job go to one of so many nodes; 0: to any node
    near: int = 0               # its watchers too, to so many nodes; 0: to any
    buckets: int = 0            # channels in all; 0: one for each job
    shards: int = 1             # Redis servers


DESIGNS = (
    Design("as it is"),
    Design("writes of a job go to one of 8 nodes", writers=8),
    Design("and 4 Redis servers", writers=8, shards=4),
    Design("and watchers of a job on 2 nodes", writers=8, near=2, shards=4),
    Design("or 65,536 channels for all jobs", writers=8, buckets=65536, shards=4),
)


def cost_of(size):
    """Of one update in a group of this size, between the measured sizes in a straight line."""
    groups = COSTS["groups"]
    at = bisect.bisect_left([group for group, _ in groups], size)
    if at == 0 or at == len(groups):
        return groups[min(at, len(groups) - 1)][1]
    (below, high), (above, low) = groups[at - 1], groups[at]
    return high + (low - high) * (size - below) / (above - below)


class Popularity:
    """Watchers of jobs: the k-th job has a share of 1/k, and at least one watcher if there are enough."""

    def __init__(self, jobs, watchers):
        harmonic = sum(1 / rank for rank in range(1, jobs + 1))
        self.watchers = [max(1, round(watchers / harmonic / rank)) for rank in range(1, jobs + 1)]

    def __getitem__(self, job):
        return self.watchers[job]


def watching_nodes(design, job, watchers, nodes, draw):
    """The nodes that have a watcher of the job."""
    if design.buckets:      # whoever watches any job of the bucket
        watchers = watchers * 16
    places = range(nodes)
    if design.near:
        places = [(job + i) % nodes for i in range(design.near)]
    if watchers > 8 * len(places):
        return set(places)
    return {places[draw.randrange(len(places))] for _ in range(watchers)}


def simulate(design, options, popularity, draw):
    nodes = options.nodes
    arrivals = sorted(draw.random() * 1e6 for _ in range(options.updates))
    jobs = [draw.randrange(options.jobs) for _ in arrivals]
    waiting = [[] for _ in range(nodes)]
    for at, job in zip(arrivals, jobs):
        waiting[job % min(design.writers, nodes) if design.writers else draw.randrange(nodes)].append((at, job))

    messages, postgres, groups = [], 0.0, 0
    for queue in waiting:
        now, i = 0.0, 0
        while i < len(queue):
            now = max(now, queue[i][0])
            group = list(itertools.takewhile(lambda one, end=now: one[0] <= end, queue[i:i + LARGEST_GROUP]))
            i += len(group)
            now += COSTS["commit_wait"] + len(group) * cost_of(len(group))
            postgres += len(group) * cost_of(len(group))
            groups += 1
            for job in {job for _, job in group}:
                messages.append((now, min(at for at, other in group if other == job), job))
    heapq.heapify(messages)

    redis, free, bus, delays = 0.0, [0.0] * design.shards, [0.0] * nodes, []
    ready = [0.0] * nodes
    while messages:
        committed, arrived, job = heapq.heappop(messages)
        to = watching_nodes(design, job, popularity[job], nodes, draw)
        shard = job % design.shards
        took = COSTS["redis_in"] + len(to) * COSTS["redis_out"]
        free[shard] = max(free[shard], committed) + took
        redis += took
        for node in to:
            ready[node] = max(ready[node], free[shard]) + COSTS["bus_in"]
            bus[node] += COSTS["bus_in"]
            delays.append(ready[node] - arrived)
    delays.sort()
    # a second of work that ends later than the second is a queue that grows
    late = max(max(free), max(ready)) / 1e6
    return {
        "group": options.updates / groups,
        "postgres": postgres / 1e6,
        "redis": redis / 1e6 / design.shards,
        "bus": max(bus) / 1e6,
        "delay": [delays[len(delays) // 2] / 1e3, delays[len(delays) * 99 // 100] / 1e3],
        "grows": late > 1.05,
    }


def standing(design, options, popularity):
    """Channels of a node, and what reconnecting to Redis and being without it cost."""
    nodes = options.nodes
    if design.near:
        share = [1 - (1 - 1 / design.near) ** count for count in popularity.watchers]
        channels = sum(share) * design.near / nodes
    else:
        channels = sum(1 - (1 - 1 / nodes) ** count for count in popularity.watchers)
    heads = channels * nodes * COSTS["head"] / 1e6
    if design.buckets:
        channels = min(channels, design.buckets)
    return channels, channels * nodes * COSTS["subscribe"] / 1e6 / design.shards, heads


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nodes", type=int, default=100)
    parser.add_argument("--watchers", type=int, default=10_000_000)
    parser.add_argument("--jobs", type=int, default=1_000_000)
    parser.add_argument("--updates", type=int, default=40_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--costs", type=pathlib.Path, default=COSTS_FILE, help="measured costs, such as build/bench/costs.json")
    options = parser.parse_args()
    COSTS.update(json.loads(options.costs.read_text()))
    popularity = Popularity(options.jobs, options.watchers)
    print(f"{options.nodes} nodes, {options.watchers:,} watchers, {options.jobs:,} jobs, {options.updates:,} updates/s, seed {options.seed}\n")
    head = ("design", "updates in a group", "PostgreSQL cores", "each Redis", "busiest bus thread", "p50 ms", "p99 ms",
            "channels of a node", "to subscribe again", "polling heads, cores")
    print("| " + " | ".join(head) + " |\n|" + "---|" * len(head))
    for design in DESIGNS:
        seen = simulate(design, options, popularity, random.Random(options.seed))
        channels, again, heads = standing(design, options, popularity)
        p50, p99 = seen["delay"]
        cells = (f"{seen['group']:.1f}", f"{seen['postgres']:.1f}", f"{seen['redis']:.0%}" + (", a queue that grows" if seen["grows"] else ""),
                 f"{seen['bus']:.1%}", f"{p50:.1f}", f"{p99:.1f}", f"{channels:,.0f}", f"{again:.1f} s", f"{heads:.1f}")
        print(f"| {design.name} | " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
