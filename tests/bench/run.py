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

import ageing
import attacked
import servers
import slowing
import table
from rows import ROWS

LOADGEN = servers.BUILD / "loadgen"
PATIENCE_S = 150  # beyond its own length a run that hangs is given up
FILES = 20000  # what the generator and each server may open

# rounds, warm-up, measured part, time at rest
QUICK = (3, 300, 1300, 30000)
FULL = (5, 500, 4000, 30000)


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
    if "JOBLIGHT_TEST_BINARY" not in os.environ:
        if cache_value("CMAKE_BUILD_TYPE") != "Release":
            call("cmake", "--preset", "release", cwd=servers.ROOT)
        call("cmake", "--build", servers.ROOT / "build", jobs, "--target", "joblight")


def install_node(folder):
    """better-sqlite3 is compiled where its prebuilt program cannot be had; then it needs node's
    headers, which are taken from the system when they are there."""
    lock, done = folder / "package-lock.json", folder / "node_modules" / ".installed"
    if done.exists() and done.read_text() == lock.read_text():
        return
    say(f"bench: npm ci in {folder} (once; for Express a minute or two)")
    environment = dict(os.environ)
    if pathlib.Path("/usr/include/node/node.h").exists():
        environment.setdefault("npm_config_nodedir", "/usr")
    call("npm", "ci", cwd=folder, env=environment)
    done.write_text(lock.read_text())


def install(rows):
    """Only what these rows need; programs that are not npm's are script/bench's."""
    for name in {name for row in rows for name in row.servers} & {"express", "ws"}:
        install_node(servers.BENCH / name)


def raise_file_limit():
    """Ten thousand connections are ten thousand files, in the generator and in each server."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = FILES if hard == resource.RLIM_INFINITY else min(hard, FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def generate(server, row, timing):
    """One load on a server that runs; the generator's result, or None when it did not come to its end."""
    _, warm_ms, run_ms, rest_ms = timing
    words = [LOADGEN, "--warm-ms", warm_ms, "--run-ms", run_ms]
    if "--publishers" not in row.load:
        words += ["--rest-ms", rest_ms]
    words += [*row.load.split(), *row.only.get(server.name, "").split()]
    words += ["--peer", server.peer, "--port", server.port, "--pid", server.pid]
    done = subprocess.run([str(word) for word in words], stdout=subprocess.PIPE,
                          timeout=PATIENCE_S + run_ms / 1000, check=False)
    return json.loads(done.stdout) if done.stdout.strip() else None


def run_load(start, _folder, load):
    with start() as server:
        return load(server)


COURSES = {"load": run_load, "start": ageing.run_start, "slowed": slowing.run_slowed,
           "attacked": attacked.course(servers.BUILD / "attacker")}


def run_once(row, name, timing):
    """One server, one course; its figures, or None when it did not come to its end. A course gets what starts the
    server, the folder of its data, and what puts the row's load onto it."""
    with (
        tempfile.TemporaryDirectory(dir=servers.BUILD) as folder,
        open(servers.BUILD / f"{name}.log", "ab") as log,
    ):
        path = pathlib.Path(folder)
        return COURSES[row.course](
            lambda: servers.Server(name, path, log, row.options), path,
            lambda server: generate(server, row, timing))


def run_guarded(row, name, timing):
    try:
        return run_once(row, name, timing)
    except (RuntimeError, OSError, ValueError, subprocess.TimeoutExpired) as problem:
        say(f"bench: {row.key}, {name}: {problem}")
        return None


def run_row(row, timing):
    results = {name: [] for name in row.servers}
    rounds = row.rounds or timing[0]
    for turn in range(rounds):
        for name in row.servers:
            results[name].append(result := run_guarded(row, name, timing))
            figure = row.figures[0]
            value = table.median([result], figure)
            say(f"bench: {row.key} {turn + 1}/{rounds} {name}: "
                f"{table.number(value, figure.decimals)} {figure.name}")
    return results


def processor():
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.machine()


def version(command):
    """The last word of what a program says of itself."""
    said = subprocess.run(command, capture_output=True, text=True, check=False)
    return (said.stdout + said.stderr).split()[-1].split("/")[-1]


PROGRAMS = {
    "node": (("express", "ws"), ("node", "--version")),
    "nginx": (("nchan",), ("/usr/sbin/nginx", "-v")),
    "nats": (("nats",), ("nats-server", "--version")),
}


def versions(rows):
    names = {name for row in rows for name in row.servers}
    used = [(word, command) for word, (users, command) in PROGRAMS.items() if names & set(users)]
    return "".join(f", {word} {version(command)}" for word, command in used)


def print_machine(command, used=""):
    print(f"`{command}` on {os.cpu_count()} cores ({processor()}), Linux {platform.release()}{used}.")


def print_preamble(rows, timing, command):
    print_machine(command, versions(rows))
    print(f"Medians of {timing[0]} rounds of {timing[2] / 1000:g} s each in turns, freshly started servers; joblight "
          "commits with FULL, Express with NORMAL, the others keep nothing. Goals in brackets.\n")


def parse():
    keys = " ".join(row.key for row in ROWS)
    peers = [name for name in servers.SERVERS if name != "joblight"]
    parser = argparse.ArgumentParser(
        prog="script/bench", description="measures joblight against the floor and its peers")
    parser.add_argument("rows", nargs="*", metavar="quick|ROW",
                        help="quick: the short table; or rows by name: " + keys)
    parser.add_argument("--rounds", type=int, help="rounds of every row")
    parser.add_argument("--run-ms", type=int, help="length of every measurement")
    parser.add_argument("--rest-ms", type=int, help="how long servers are watched at rest")
    parser.add_argument("--no-build", action="store_true", help="take the programs as they are")
    parser.add_argument("--without", action="append", default=[], choices=peers,
                        help="leave a server out of all rows")
    words = parser.parse_intermixed_args()
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
    asked = (words.rounds, None, words.run_ms, words.rest_ms)
    timing = tuple(other or usual for other, usual in zip(asked, timing))
    rows = [without(row, words.without) for row in chosen_rows(words)]
    servers.BUILD.mkdir(parents=True, exist_ok=True)
    if not words.no_build:
        build()
    install(rows)
    raise_file_limit()
    call(LOADGEN, "--self-test")
    begin = time.monotonic()
    results = {row.key: run_row(row, timing) for row in rows}
    (servers.BUILD / "results.json").write_text(json.dumps(results, indent=1))
    print_preamble(rows, timing, " ".join(["script/bench", *sys.argv[1:]]))
    good = table.print_table(rows, results)
    say(f"bench: {time.monotonic() - begin:.0f} s; every run in {servers.BUILD / 'results.json'}")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
