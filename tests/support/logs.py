"""The lines of the log as dicts, read strictly: logfmt as its Go parsers read it, and JSON."""
import json
import re

PAIR = re.compile(r'(?P<key>[^\s="]+)=(?:"(?P<quoted>(?:[^"\\]|\\.)*)"|(?P<bare>[^\s="\\]*))(?: |$)')
NUMBERS = ("status", "bytes", "duration_us", "suppressed", "lost")


def parse_logfmt(line):
    pairs, at = {}, 0
    while at < len(line):
        match = PAIR.match(line, at)
        assert match, f"not logfmt from {at}: {line!r}"
        assert match["key"] not in pairs, f"{match['key']} twice: {line!r}"
        value = match["bare"] if match["quoted"] is None else json.loads(f'"{match["quoted"]}"')
        pairs[match["key"]] = int(value) if match["key"] in NUMBERS and value.isdigit() else value == "true" or value
        at = match.end()
    return pairs


def without_repetition(pairs):
    names = [name for name, _ in pairs]
    assert len(names) == len(set(names)), names
    return dict(pairs)


def parse_json_line(line):
    return json.loads(line, object_pairs_hook=without_repetition)


PARSERS = {"logfmt": parse_logfmt, "json": parse_json_line}


def lines_of(text, form="logfmt"):
    """All whole lines; each must be one of this format."""
    return [PARSERS[form](line) for line in text.splitlines(keepends=False)]


def requests_of(text, form="logfmt"):
    return [line for line in lines_of(text, form) if line["msg"] == "request"]
