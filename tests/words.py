#!/usr/bin/env python3
"""Words that the project no longer uses, and the ones that took their place: words.py (ctest calls it).

The glossary in docs/design.md has the terms. Here stand the coined words of earlier versions, each with what to
write instead, so that none comes back in a name, a comment or a document. A name that meant two things is here too.
"""
import os
import re
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
TOPS = ("src", "include", "docs", "www", "tests", "script", "README.md", "CONTRIBUTING.md", "SECURITY.md",
        "CHANGELOG.md")
ENDS = (".c", ".h", ".def", ".sql", ".md", ".js", ".jsx", ".ts", ".html", ".py", ".sh")
NOT_OURS = ("node_modules", "dist", "__pycache__")

# A word in any case, in the singular or the plural, as words of text, also over the end of a line, or as a part of a
# name (crowd_tick, isCrowd, inboxSize).
GONE = {
    "crowd": "paced channel, or attendance",
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

GAP = r"\s+(?:(?:\*|#|//)\s*)?" # between two words, which may be on two lines of a comment


def pattern_of(word):
    text, capital = GAP.join(word.split()), GAP.join((word[0].upper() + word[1:]).split())
    return re.compile(rf"(?:(?<![A-Za-z])(?i:{text})|(?<=[a-z]){capital})(?:e?s)?(?![a-z-])")


WORD = {word: pattern_of(word) for word in GONE}
NAME = {name: re.compile(name) for name in TWICE}


def files():
    for top in TOPS:
        path = os.path.join(ROOT, top)
        if os.path.isfile(path):
            yield path
        for folder, folders, names in os.walk(path):
            folders[:] = [name for name in folders if name not in NOT_OURS]
            for name in sorted(names):
                file = os.path.join(folder, name)
                if (name.endswith(ENDS) or (top == "script" and "." not in name)) and file != os.path.abspath(__file__):
                    yield file


def found(text):
    """(line, word, what to write) of each."""
    small = text.lower()
    for rules, words in ((WORD, GONE), (NAME, TWICE)):
        for word, pattern in rules.items():
            if rules is WORD and word.split()[0] not in small:
                continue # a plain search is much faster
            for match in pattern.finditer(text):
                yield text.count("\n", 0, match.start()) + 1, word, words[word]


def main():
    samples = {"a crowd of them": 1, "crowds": 1, "crowd_tick(c)": 1, "crowdOf(job)": 1, "isCrowd": 1, "paneCrowd(x)": 1,
               "CROWD_NICE": 1, "for\n\t * ever": 1, "for\never": 1, "no words": 0, "struct slot s": 1, "crowded": 0}
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
