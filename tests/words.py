#!/usr/bin/env python3
"""Words that the project no longer uses, and the ones that took their place: words.py (ctest calls it).

The glossary in docs/design.md has the terms. Here stand the coined words of earlier versions, each with what to
write instead, so that none comes back in a name, a comment or a document. A name that meant two things is here too.
"""
import os
import re
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
TOPS = ("src", "include", "docs", "www", "README.md", "CONTRIBUTING.md", "SECURITY.md")
ENDS = (".c", ".h", ".def", ".sql", ".md", ".js", ".ts", ".html")

# A word in any case, as a word of text or as a part of a name (crowd_tick, inboxSize).
GONE = {
    "crowd": "paced channel, or attendance",
    "audience": "remote watchers",
    "doorstep": "admission",
    "guest": "pending connection",
    "hangups": "idle poll",
    "inbox": "thread mail",
    "outbox": "preamble",
    "passing": "ephemeral",
    "deaf": "paused",
    "spoke": "last heard",
    "for ever": "forever",
    "call back": "callback",
    "turned away": "rejected",
    "goodbye": "the last message, or stop",
    "beside that": "apart from that",
    "wins over": "takes precedence over",
    "hands over": "passes, or adds",
    "tells how": "says how",
    "let go": "close, or discard",
    "lets go": "closes, or discards",
    "what of": "a sentence with a subject and a verb",
}
# Each of these had two meanings; each meaning has a name of its own now.
TWICE = {r"struct slot\b": "struct ring_slot or struct conn_slot", r"enum kind\b": "an enum with a longer name",
         r"struct log\b": "struct frame_log"}

WORD = {word: re.compile(rf"(?<![A-Za-z])(?i:{word})(?![a-z-])") for word in GONE}
NAME = {name: re.compile(name) for name in TWICE}


def files():
    for top in TOPS:
        path = os.path.join(ROOT, top)
        if os.path.isfile(path):
            yield path
        for folder, folders, names in os.walk(path):
            folders[:] = [name for name in folders if name != "node_modules"]
            for name in sorted(names):
                if name.endswith(ENDS):
                    yield os.path.join(folder, name)


def found(text):
    """(line, word, what to write) of each."""
    for number, line in enumerate(text.split("\n"), 1):
        for rules, words in ((WORD, GONE), (NAME, TWICE)):
            for word, pattern in rules.items():
                if pattern.search(line):
                    yield number, word, words[word]


def main():
    samples = {"a crowd of them": 1, "crowd_tick(c)": 1, "crowdOf(job)": 1, "no words": 0, "struct slot s": 1, "crowded": 0}
    for text, count in samples.items():
        assert len(list(found(text))) == count, f"the check itself is wrong about {text!r}"
    faults = checked = 0
    for path in files():
        checked += 1
        with open(path, encoding="utf-8") as file:
            for number, word, instead in found(file.read()):
                print(f"{os.path.relpath(path, ROOT)}:{number}: {word}: write {instead}")
                faults += 1
    print(f"{checked} files, {faults} faults")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
