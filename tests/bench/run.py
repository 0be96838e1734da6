"""Runs the rows in turns (A B C A B C, every server freshly started) and prints the table.

See script/bench.
"""
import argparse
import json
import os
import pathlib
import platform
import resource
import subprocess
import sys
import tempfile
import time

import servers
import table
from rows import ROWS

EXPRESS = servers.BENCH / "express"
LOADGEN = servers.BUILD / "loadgen"
PATIENCE_S = 150  # beyond its own length a run that hangs is given up

# rounds, warm-up, measured part, time at rest
QUICK = (3, 300, 2500, 10000)
FULL = (5, 1000, 6000, 20000)


def say(*words):
    print(*words, file=sys.stderr, flush=True)


def call(*command, **more):
    subprocess.run([str(word) for word in command], check=True, stdout=sys.stderr, **more)


def cache_value(name):
    cache = servers.ROOT / "build" / "CMakeCache.txt"
    lines = cache.read_text().splitlines() if cache.exists() else []
    return next((line.split("=", 1)[1] for line in lines if line.startswith(name + ":")), None)


def build():
    jobs = f"-j{os.cpu_count()}"
    call("cmake", "-S", servers.BENCH, "-B", servers.BUILD, "-DCMAKE_BUILD_TYPE=Release",
         "--log-level=WARNING")
    call("cmake", "--build", servers.BUILD, jobs)
    if "JOBLIGHT" not in os.environ:
        if cache_value("CMAKE_BUILD_TYPE") != "Release":
            call("cmake", "--preset", "release", cwd=servers.ROOT)
        call("cmake", "--build", servers.ROOT / "build", jobs, "--target", "joblight")


def install_express():
    """better-sqlite3 is compiled where its prebuilt program cannot be had; then it needs node's
    headers, which are taken from the system when they are there."""
    lock, done = EXPRESS / "package-lock.json", EXPRESS / "node_modules" / ".installed"
    if done.exists() and done.read_text() == lock.read_text():
        return
    say("bench: npm ci in tests/bench/express (a minute or two, once)")
    environment = dict(os.environ)
    if pathlib.Path("/usr/include/node/node.h").exists():
        environment.setdefault("npm_config_nodedir", "/usr")
    call("npm", "ci", cwd=EXPRESS, env=environment)
    done.write_text(lock.read_text())


def raise_file_limit():
    """Ten thousand connections are ten thousand files, in the generator and in each server."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 20000 if hard == resource.RLIM_INFINITY else min(hard, 20000)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def run_once(row, name, timing):
    """One server, one load; the generator's result, or None when it did not come to its end."""
    _, warm_ms, run_ms, rest_ms = timing
    words = [LOADGEN, "--warm-ms", warm_ms, "--run-ms", run_ms, *row.load.split()]
    if "--publishers" not in row.load:
        words += ["--rest-ms", rest_ms]
    with (
        tempfile.TemporaryDirectory(dir=servers.BUILD) as folder,
        open(servers.BUILD / f"{name}.log", "ab") as log,
        servers.Server(name, pathlib.Path(folder), log) as server,
    ):
        words += ["--peer", server.peer, "--port", server.port, "--pid", server.pid]
        done = subprocess.run([str(word) for word in words], stdout=subprocess.PIPE,
                              timeout=PATIENCE_S + run_ms / 1000, check=False)
    return json.loads(done.stdout) if done.stdout.strip() else None


def run_guarded(row, name, timing):
    try:
        return run_once(row, name, timing)
    except (RuntimeError, OSError, subprocess.TimeoutExpired) as problem:
        say(f"bench: {row.key}, {name}: {problem}")
        return None


def run_row(row, timing):
    results = {name: [] for name in row.servers}
    rounds = row.rounds or timing[0]
    for turn in range(rounds):
        for name in row.servers:
            results[name].append(result := run_guarded(row, name, timing))
            figure = row.figures[0]
            value = table.dig(result, figure.path) * figure.scale if result else None
            say(f"bench: {row.key} {turn + 1}/{rounds} {name}: "
                f"{table.number(value, figure.decimals)} {figure.name}")
    return results


def processor():
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.machine()


def print_preamble(timing, command):
    node = subprocess.run(["node", "--version"], capture_output=True, text=True, check=False)
    print(f"`{command}` on {os.cpu_count()} cores ({processor()}), Linux {platform.release()}, "
          f"node {node.stdout.strip()}.")
    print(f"Medians of {timing[0]} rounds of {timing[2] / 1000:g} s in turns, freshly started "
          "servers; joblight commits with FULL, Express with NORMAL. Goals in brackets.\n")


def parse():
    keys = " ".join(row.key for row in ROWS)
    peers = [name for name in servers.SERVERS if name != "joblight"]
    parser = argparse.ArgumentParser(
        prog="script/bench", description="measures joblight against the floor and its peers")
    parser.add_argument("rows", nargs="*", metavar="quick|ROW",
                        help="quick: the short table; or rows by name: " + keys)
    parser.add_argument("--rounds", type=int, help="rounds of every row")
    parser.add_argument("--no-build", action="store_true", help="take the programs as they are")
    parser.add_argument("--without", action="append", default=[], choices=peers,
                        help="leave a server out of all rows")
    words = parser.parse_args()
    words.quick = "quick" in words.rows
    words.rows = [key for key in words.rows if key != "quick"]
    unknown = set(words.rows) - {row.key for row in ROWS}
    if unknown:
        parser.error("no such row: " + " ".join(sorted(unknown)))
    return words


def chosen_rows(words):
    if words.rows:
        return [row for row in ROWS if row.key in words.rows]
    return [row for row in ROWS if row.quick or not words.quick]


def without(row, names):
    fields = {**vars(row), "servers": tuple(name for name in row.servers if name not in names)}
    return type(row)(**fields)


def main():
    words = parse()
    timing = QUICK if words.quick else FULL
    if words.rounds:
        timing = (words.rounds, *timing[1:])
    rows = [without(row, words.without) for row in chosen_rows(words)]
    servers.BUILD.mkdir(parents=True, exist_ok=True)
    if not words.no_build:
        build()
    if any("express" in row.servers for row in rows):
        install_express()
    raise_file_limit()
    call(LOADGEN, "--self-test")
    begin = time.monotonic()
    results = {row.key: run_row(row, timing) for row in rows}
    (servers.BUILD / "results.json").write_text(json.dumps(results, indent=1))
    print_preamble(timing, " ".join(["script/bench", *sys.argv[1:]]))
    good = table.print_table(rows, results)
    say(f"bench: {time.monotonic() - begin:.0f} s; every run in {servers.BUILD / 'results.json'}")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
