#!/usr/bin/env python3
"""The house's rules that a compiler does not hold: layers.py COMPILER NM BUILD (ctest calls it).

Includes and calls go one way, no .c files of a folder call each other in a circle, foreign headers stay where
they belong, core has no I/O, threads or clock of its own, headers compile alone, and functions and lines stay short.
"""
import collections
import fnmatch
import functools
import glob
import os
import re
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
LINE_COLUMNS = 100
FUNCTION_LINES = 60
TAB = 8

# Who may include and call whom.
SEES = {
    "base": {"base"},
    "core": {"core", "base"},
    "store": {"store", "core", "base"},
    "bus": {"bus", "core", "base"},
    "work": {"work", "store", "core", "base"},
    "net": {"net", "core", "base"},
    "transport": {"transport", "net", "core", "base"},
    "api": {"api", "transport", "net", "core", "base"},
    "serve": {"serve", "api", "transport", "net", "work", "bus", "store", "core", "base"},
    "cli": {"cli", "serve", "core", "base"},
    "send": {"send", "base"}, # a program of its own
}

WEBSOCKET = "transport/websocket*.c" # of one connection: its input, its timeouts, the close

# Foreign headers that have one home (a layer, or files of one).
HOMES = {
    r"libwebsockets\.h": {"net", WEBSOCKET},
    r"uv(/.*)?\.h": {"net", "bus"},
    r"hiredis/.*": {"bus/redis*.c"},
    r"sqlite3(ext)?\.h": {"store"},
    r"libpq-fe\.h": {"base/postgres*", "store/postgres*", "bus/postgres*"}, # of modules
    r"dlfcn\.h": {"base/module.c", "cli/curl_library.c"},
    r"cjson/.*": {"core/decode_tree.h", "cli", "send"},
    r"openssl/.*": {"base/digest.c", "base/jws.c", "net/tls.c", "net/certificates.c", "base/pem_file.c", "base/tls_context.c", "bus/redis_tls.c"},
    r"curl/.*": {"cli", "send"},
    r"ini\.h": {"serve"},
    r"zlib\.h": {"api/gzip.c"},
    r"pthread\.h|threads\.h": {"base", "store", "bus", "work", "net", "serve", "cli"},
    r"time\.h|sys/time\.h": {"base", "store", "work", "net", "transport", "api", "serve", "cli", "send"},
    r"unistd\.h|fcntl\.h|poll\.h|signal\.h|sys/.*|netinet/.*|arpa/.*|netdb\.h": {"base", "store", "bus", "work", "net", "transport", "api", "serve", "cli", "send"},
}

# The same for the functions of these libraries, which can be called through a header of ours that includes theirs.
FUNCTIONS = {
    r"lws_\w+": {"net", WEBSOCKET},
    r"uv_now|uv_async_send": {"net", "transport", "bus"}, # inline functions of net/loop_private.h
    r"uv_\w+": {"net", "bus"},
    r"redis[A-Z]\w+|freeReplyObject": {"bus/redis*.c"},
    r"sqlite3_\w+": {"store"},
    r"PQ\w+": {"base/postgres*.c", "store/postgres*.c", "bus/postgres*.c"},
    r"dlopen": {"base/module.c", "cli/curl_library.c"},
    r"cJSON_\w+": {"core/decode*.c", "core/message.c", "core/jwt*.c", "cli", "send"},
    r"curl_\w+": {"cli", "send"},
    r"ini_\w+": {"serve"},
    r"deflate\w*": {"api/gzip.c"},
}

# What core must be given instead of asking for it.
NOT_IN_CORE = re.compile(
    r"(?<![>.\w])(clock_wall_ms|clock_wall_us|clock_monotonic_ms|clock_gettime|gettimeofday|time|rand|random|random_bytes"
    r"|random_u64|getenv|malloc|calloc|realloc|strdup|printf|fprintf|puts|perror|exit|fopen|open|read|write"
    r"|log_event|log_debug|log_info|log_warn|log_error"
    r"|mailbox_init|mailbox_post|mailbox_post_wait|mailbox_take|mailbox_wait|mailbox_close)\("
)

INCLUDE = re.compile(r'^\s*#\s*include\s+(["<])([^">]+)[">]', re.M)
LITERAL = re.compile(r'"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'|//[^\n]*|/\*.*?\*/', re.S)

faults = []


def fault(path, line, text):
    faults.append(f"{path}:{line}: {text}")


def sources(*tops):
    """Every C file below these folders, as (path from the root, text)."""
    for top in tops:
        for folder, _, names in os.walk(os.path.join(ROOT, top)):
            for name in sorted(names):
                if name.endswith((".c", ".h", ".def")):
                    path = os.path.join(folder, name)
                    with open(path, encoding="utf-8") as file:
                        yield os.path.relpath(path, ROOT), file.read()


def home(path):
    """(layer, path inside of the sources) of one of our files."""
    inside = re.sub(r"^(include/joblight|src)/", "", path)
    return inside.split("/")[0], inside


def line_of(text, at):
    return text.count("\n", 0, at) + 1


def ours(path, name):
    """The file that an #include "name" in path means, or None."""
    for folder in (os.path.dirname(path), "include", "src"):
        candidate = os.path.normpath(os.path.join(folder, name))
        if os.path.exists(os.path.join(ROOT, candidate)):
            return candidate
    return None


def check_includes(files):
    edges = collections.defaultdict(set)
    for path, text in files:
        layer, inside = home(path)
        for match in INCLUDE.finditer(text):
            line, name = line_of(text, match.start()), match.group(2)
            if match.group(1) == "<":
                check_foreign(path, line, inside, name)
                continue
            target = ours(path, name)
            if not target:
                fault(path, line, f"includes {name}, which is nowhere")
                continue
            edges[path].add(target)
            if home(target)[0] not in SEES[layer]:
                fault(path, line, f"{layer} must not see {home(target)[0]} ({name})")
            if path.startswith("include/") and not target.startswith("include/"):
                fault(path, line, f"a public header includes a private one ({name})")
    check_cycles(edges)


def is_home(inside, homes):
    return inside.split("/")[0] in homes or any(fnmatch.fnmatchcase(inside, home) for home in homes)


def check_foreign(path, line, inside, name):
    for pattern, homes in HOMES.items():
        if re.fullmatch(pattern, name) and not is_home(inside, homes):
            fault(path, line, f"<{name}> belongs to {', '.join(sorted(homes))}")


def check_functions_of_libraries(file, symbols):
    for symbol in sorted(symbols):
        homes = next((homes for pattern, homes in FUNCTIONS.items() if re.fullmatch(pattern, symbol)), None)
        if homes and not is_home(file, homes):
            fault("src/" + file, 1, f"{symbol}() belongs to {', '.join(sorted(homes))}")


def check_cycles(edges):
    done = set()

    def walk(path, road):
        if path in road:
            cycle = road[road.index(path):] + [path]
            fault(path, 1, "includes go in a circle: " + " > ".join(cycle))
        elif path not in done:
            for target in sorted(edges[path]):
                walk(target, road + [path])
            done.add(path)

    for path in sorted(edges):
        walk(path, [])


def read_objects(nm, build):
    """The symbols of every object of ours: ({file: symbols it uses}, {symbol: file that defines it})."""
    uses, defines = {}, {}
    for path in sorted(glob.glob(os.path.join(build, "CMakeFiles/joblight*.dir/src/*/*.c.o"))):
        file = re.sub(r"^.*\.dir/src/|\.o$", "", path)
        if not os.path.exists(os.path.join(ROOT, "src", file)):
            continue # left behind by a file that has another name now
        uses[file] = set()
        listed = subprocess.run([nm, "-P", path], capture_output=True, text=True, check=True)
        for line in listed.stdout.splitlines():
            symbol, kind = line.split()[:2]
            if kind == "U":
                uses[file].add(symbol)
            elif kind.isupper():
                defines[symbol] = file
    return uses, defines


def check_calls(nm, build):
    """Calls and other references between objects, which includes do not tell: a function can be called
    through a header of anybody, and a header includes none of the files that use it."""
    uses, defines = read_objects(nm, build)
    inside = collections.defaultdict(lambda: collections.defaultdict(set))
    for file, symbols in sorted(uses.items()):
        layer = file.split("/")[0]
        check_functions_of_libraries(file, symbols)
        for symbol in sorted(symbols & defines.keys()):
            target = defines[symbol]
            if target.split("/")[0] not in SEES[layer]:
                fault("src/" + file, 1, f"{layer} must not call {target} ({symbol})")
            elif target.split("/")[0] == layer and target != file:
                inside[file][target].add(symbol)
    for circle in circles(inside):
        arrows = [f"  {a} > {b}: {', '.join(sorted(inside[a][b]))}" for a in circle for b in circle if inside[a].get(b)]
        fault("src/" + circle[0], 1, f"{len(circle)} files call each other in a circle:\n" + "\n".join(arrows))
    missing = SEES.keys() - {file.split("/")[0] for file in uses}
    if missing:
        fault(build, 1, f"holds no objects of {', '.join(sorted(missing))}")


def circles(edges):
    """The strongly connected components of more than one node: files that reach each other."""
    def reach(start):
        seen, left = set(), [start]
        while left:
            for target in edges.get(left.pop(), ()):
                if target not in seen:
                    seen.add(target)
                    left.append(target)
        return seen

    reached = {node: reach(node) for node in list(edges)}
    found = {frozenset([node] + [other for other in reached if other in reached[node] and node in reached[other]])
             for node in reached if node in reached[node]}
    return sorted(sorted(circle) for circle in found)


def check_own_header_first(path, text):
    """x.c begins with x.h, so that the header cannot lean on what others include."""
    if not path.endswith(".c"):
        return
    own = os.path.basename(path)[:-2] + ".h"
    first = INCLUDE.search(text)
    names = [os.path.basename(match.group(2)) for match in INCLUDE.finditer(text)]
    if own in names and os.path.basename(first.group(2)) != own:
        fault(path, line_of(text, first.start()), f"{own} comes first")


def check_core(path, text):
    bare = LITERAL.sub(lambda match: re.sub(r"[^\n]", " ", match.group()), text)
    for match in NOT_IN_CORE.finditer(bare):
        fault(path, line_of(bare, match.start()), f"core has no {match.group(1)}() of its own")


def check_lines(path, text):
    for number, line in enumerate(text.split("\n"), 1):
        if len(line.expandtabs(TAB)) > LINE_COLUMNS and not path.endswith(".def"):
            fault(path, number, f"{len(line.expandtabs(TAB))} columns, {LINE_COLUMNS} at most")
        if line != line.rstrip():
            fault(path, number, "white space at the end")


def check_functions(path, text):
    """A function's body stands between a { and a } that are alone in the first column."""
    start = 0
    for number, line in enumerate(text.split("\n"), 1):
        if line == "{":
            start = number
        elif line == "}" and start:
            if number - start - 1 > FUNCTION_LINES:
                fault(path, start, f"a function of {number - start - 1} lines, {FUNCTION_LINES} at most")
            start = 0


@functools.cache
def flags_of_libraries():
    """Where the headers of libraries are that are not in /usr/include."""
    result = subprocess.run(["pkg-config", "--cflags", "libpq"], capture_output=True, text=True, check=False)
    return result.stdout.split()


def compile_alone(compiler, path, folder):
    unit = os.path.join(folder, path.replace("/", "_") + ".c")
    with open(unit, "w", encoding="utf-8") as file: # twice: it has its guard
        file.write(f'#include "{ROOT}/{path}"\n#include "{ROOT}/{path}"\n')
    result = subprocess.run(
        [compiler, "-std=c11", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Werror", "-Wno-unused-function", "-fsyntax-only",
         "-I", f"{ROOT}/include", "-I", f"{ROOT}/src", *flags_of_libraries(), unit],
        capture_output=True, text=True, check=False)
    return path, result


def check_headers(compiler, files):
    headers = [path for path, _ in files if path.endswith(".h")]
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(os.cpu_count()) as pool:
        for path, result in pool.map(lambda header: compile_alone(compiler, header, folder), headers):
            if result.returncode:
                fault(path, 1, "does not compile alone:\n" + result.stderr)
    return len(headers)


def check_format():
    """Every file is as clang-format 14 (of Debian 12) writes it; other versions write it otherwise."""
    program = shutil.which("clang-format-14") or shutil.which("clang-format")
    version = subprocess.run([program, "--version"], capture_output=True, text=True, check=False).stdout if program else ""
    if "version 14." not in version:
        fault(".clang-format", 1, f"needs clang-format 14, and this is {version.strip() or 'not there'}: script/test unit "
                                  "installs it on Debian 12")
        return
    listed = subprocess.run(["git", "ls-files", "*.c", "*.h"], cwd=ROOT, capture_output=True, text=True, check=False)
    names = listed.stdout.split()
    if not names:
        return
    result = subprocess.run([program, "--dry-run", "-Werror", *names], cwd=ROOT, capture_output=True, text=True,
                            check=False)
    for line in result.stderr.splitlines():
        if "error:" in line:
            path, number, _ = line.split(":", 2)
            fault(path, int(number), "is not as clang-format writes it")


def main():
    files, tests = list(sources("include/joblight", "src")), list(sources("tests/unit", "tests/bench"))
    check_format()
    check_includes(files)
    for path, text in files:
        check_own_header_first(path, text)
        if home(path)[0] == "core":
            check_core(path, text)
    for path, text in files + tests:
        check_lines(path, text)
        check_functions(path, text)
    headers = check_headers(sys.argv[1] if len(sys.argv) > 1 else "cc", files)
    if len(sys.argv) > 3:
        check_calls(sys.argv[2], sys.argv[3])
    print("\n".join(faults + [f"{len(files) + len(tests)} files, {headers} headers, {len(faults)} faults"]))
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
