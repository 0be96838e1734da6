#!/usr/bin/env python3
"""What the compiled files call of each other: objects.py BUILD_FOLDER (ctest calls it).

No folder calls one that the table does not allow, and in the folders that are listed no .c files
call each other in a cycle.  `objects.py BUILD_FOLDER graph` prints who calls whom.
"""
import collections
import glob
import os
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))

# Which folder may call which.  layers.py has the same for includes.
CALLS = {
    "base": set(),
    "core": {"base"},
    "store": {"core", "base"},
    "bus": {"core", "base"},
    "work": {"store", "core", "base"},
    "serve": {"api", "net", "work", "bus", "store", "core", "base"},
    "cli": {"serve", "core", "base"},
}
NO_CYCLE = {"base", "store", "bus", "work", "serve", "cli"}

faults = []


def objects(build):
    """{file: object} of every .c file of src; an object whose source was removed does not count."""
    found = {}
    for path in glob.glob(f"{build}/CMakeFiles/joblight*.dir/src/**/*.o", recursive=True):
        name = path.split(".dir/src/", 1)[1]
        if os.path.exists(os.path.join(ROOT, "src", name[: -len(".o")])):
            found[name[: -len(".o")]] = path
    return found


def symbols(path):
    """(defined, wanted) names of one object."""
    listing = subprocess.run(["nm", path], capture_output=True, text=True, check=True).stdout
    defined, wanted = set(), set()
    for line in listing.splitlines():
        *_, kind, name = line.split()
        if kind == "U":
            wanted.add(name)
        elif kind.isupper():
            defined.add(name)
    return defined, wanted


def graph_of(found):
    """{file: {file that it calls: names}}"""
    table = {name: symbols(path) for name, path in found.items()}
    home = {symbol: name for name, (defined, _) in table.items() for symbol in defined}
    graph = {}
    for name, (_, wanted) in table.items():
        graph[name] = collections.defaultdict(set)
        for symbol in wanted & home.keys():
            graph[name][home[symbol]].add(symbol)
    return graph


def folder(name):
    return name.split("/")[0]


def check_calls(graph):
    for name, targets in sorted(graph.items()):
        allowed = CALLS.get(folder(name))
        for target, used in sorted(targets.items()):
            if allowed is not None and folder(target) not in allowed | {folder(name)}:
                faults.append(f"src/{name}: calls {', '.join(sorted(used))} of {target}")


def check_cycles(graph):
    done = set()

    def walk(name, road):
        if name in road:
            faults.append("files call in a circle: " + " > ".join(road[road.index(name):] + [name]))
        elif name not in done:
            for target in sorted(graph[name]):
                if folder(target) == folder(name):
                    walk(target, road + [name])
            done.add(name)

    for name in sorted(graph):
        if folder(name) in NO_CYCLE:
            walk(name, [])


def main():
    found = objects(sys.argv[1])
    graph = graph_of(found)
    if sys.argv[2:] == ["graph"]:
        for name, targets in sorted(graph.items()):
            print(name, "->", " ".join(sorted(targets)))
    check_calls(graph)
    check_cycles(graph)
    missing = NO_CYCLE - {folder(name) for name in graph}
    faults.extend(f"no object of src/{name} was found in {sys.argv[1]}" for name in sorted(missing))
    print("\n".join(faults + [f"{len(graph)} objects, {len(faults)} faults"]))
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
