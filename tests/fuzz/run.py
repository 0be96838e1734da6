#!/usr/bin/env python3
"""Runs the fuzz targets: run.py SECONDS [TARGET ...]; --merge adds what was found to the corpora.

Each target starts from its corpus (tests/fuzz/corpus/TARGET). An input that breaks a promise is written there, so
that the replay fails until the defect is mended; commit it with the mend. Last comes how many lines of the files in
the head comment of the target ("covers:") were run; fewer than 85 %, or than the "bar:" of the comment, is a failure.
The programs are those of the preset `fuzz`.
"""
import argparse
import glob
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
BUILD = ROOT / "build-fuzz" / "tests" / "fuzz"
BAR = 85
INPUT_TIMEOUT_S = 20    # a run of one input that takes longer is a failure
INPUT_BYTES = 4096


def llvm(tool):
    """The tool of the clang that built the targets: Debian's names carry its version, or not."""
    found = shutil.which(tool) or next(iter(sorted(glob.glob(f"/usr/lib/llvm-*/bin/{tool}"))), None)
    assert found, f"{tool} is missing: apt-get install llvm"
    return found


class Target:
    def __init__(self, source):
        self.name = source.stem.removeprefix("fuzz_")
        self.program = BUILD / source.stem
        self.corpus = HERE / "corpus" / self.name
        comment = re.sub(r"\n \* ?", "\n", source.read_text().split("*/")[0])
        words = re.search(r"^covers: ((?:.+\n)+)", comment, re.M)[1].split()
        if "bar:" in words:
            words = words[:words.index("bar:")]
        self.files = sorted(str(path) for word in words for path in ROOT.glob(word))
        bar = re.search(r"\bbar: (\d+) %,\s+because", comment)
        self.bar = int(bar[1]) if bar else BAR

    def fuzz(self, seconds, found):
        """Runs it; the text of a failure, or None."""
        done = subprocess.run(
            [self.program, found, self.corpus, f"-max_total_time={seconds}", f"-timeout={INPUT_TIMEOUT_S}",
             f"-max_len={INPUT_BYTES}", f"-artifact_prefix={self.corpus}/", "-print_final_stats=1"],
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, check=False, timeout=seconds + 600,
            env={**os.environ, "LLVM_PROFILE_FILE": "/dev/null"})
        text = done.stderr.decode("utf-8", "replace")
        runs = re.search(r"number_of_executed_units: (\d+)", text)
        self.runs = int(runs[1]) if runs else 0
        return text[-6000:] if done.returncode else None

    def merge(self, found):
        subprocess.run([self.program, "-merge=1", self.corpus, found], stderr=subprocess.DEVNULL, check=True,
                       env={**os.environ, "LLVM_PROFILE_FILE": "/dev/null"})

    def lines(self, folder):
        """(lines that ran, lines) of its files, by the corpus and what was found."""
        raw, merged = Path(folder) / "raw", Path(folder) / "merged"
        subprocess.run([self.program, "-runs=0", Path(folder) / "found", self.corpus], check=True,
                       stderr=subprocess.DEVNULL, env={**os.environ, "LLVM_PROFILE_FILE": str(raw)})
        subprocess.run([llvm("llvm-profdata"), "merge", "-o", merged, raw], check=True)
        told = subprocess.run([llvm("llvm-cov"), "export", "-summary-only", f"-instr-profile={merged}", self.program,
                               *self.files], check=True, stdout=subprocess.PIPE)
        lines = json.loads(told.stdout)["data"][0]["totals"]["lines"]
        return lines["covered"], lines["count"]

    def run(self, seconds, merge):
        """Whether it passed."""
        with tempfile.TemporaryDirectory() as folder:
            found = Path(folder) / "found"
            found.mkdir()
            failure = self.fuzz(seconds, found) if seconds else None
            if failure:
                print(f"{self.name}: FAILED after {self.runs} runs; the input is in {self.corpus}\n{failure}", flush=True)
                return False
            if merge:
                self.merge(found)
            covered, count = self.lines(folder)
        share = 100 * covered / count
        print(f"{self.name:14} {len(os.listdir(self.corpus)):5} inputs {getattr(self, 'runs', 0):10} runs"
              f" {covered:5} of {count:5} lines {share:5.1f} % (bar {self.bar} %)"
              f"{'' if share >= self.bar else ': TOO FEW'}", flush=True)
        return share >= self.bar


def run_sse(seconds):
    """The target that runs under Node."""
    return subprocess.run(["node", HERE / "sse.js", str(seconds)], check=False).returncode == 0


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("seconds", type=int)
    parser.add_argument("targets", nargs="*")
    parser.add_argument("--merge", action="store_true")
    options = parser.parse_args()
    targets = [Target(source) for source in sorted(HERE.glob("fuzz_*.c"))]
    chosen = [target for target in targets if not options.targets or target.name in options.targets]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        passed = list(pool.map(lambda target: target.run(options.seconds, options.merge), chosen))
    if not options.targets or "sse" in options.targets:
        passed.append(run_sse(options.seconds))
    return 0 if all(passed) else 1


sys.exit(main())
