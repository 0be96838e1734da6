"""docs/protocol.md as data: its sections, and their tables of fields.

A section is found by the anchor of its heading. A table whose first column is called `field` lists
what the server sends, `request field` what a client sends, `query` what stands in the URL. A row
"fields of [a job](#the-job-object)" stands for all rows of that section's table; a type that is a
link is an object of that section. `#events` is the section of the event's own type.
"""
import re
from dataclasses import dataclass, field

HEADING = re.compile(r"^(#+) (.*)$")
LINK = re.compile(r"\[[^]]*\]\(#([^)]+)\)")
NAME = re.compile(r"^`([^`]+)`(\?)?$")
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._~-]{0,127}")
CURSOR = re.compile(r"[0-9a-z]{1,10}\.\d{1,20}")


def anchor_of(heading):
    """The anchor that GitHub gives a heading."""
    text = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading)
    return re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-")


def outside_of_code(text):
    """The lines that are not inside a fenced block."""
    inside = False
    for line in text.split("\n"):
        if line.startswith("```"):
            inside = not inside
        elif not inside:
            yield line


def headings(text):
    """(anchor, heading) of each; GitHub gives a second one of the same anchor a number."""
    counts = {}
    for line in outside_of_code(text):
        if match := HEADING.match(line):
            anchor = anchor_of(match[2])
            counts[anchor] = count = counts.get(anchor, -1) + 1
            yield f"{anchor}-{count}" if count else anchor, match[2]


def anchors(text):
    return {anchor for anchor, _ in headings(text)}


@dataclass
class Row:
    name: str           # "" : all rows of another section's table
    optional: bool
    type: str
    section: str
    text: str = ""      # what the last column says


@dataclass
class Section:
    title: str
    text: list = field(default_factory=list)
    tables: dict = field(default_factory=dict)   # name of the first column -> its rows, cell by cell


class Document:
    def __init__(self, text):
        self.text = text
        self.sections = {}
        self._read(text)

    def _read(self, text):
        section, table, known = Section("", []), None, headings(text)
        for line in outside_of_code(text):
            if match := HEADING.match(line):
                section, table = Section(match[2]), None
                self.sections[next(known)[0]] = section
            section.text.append(line)
            if not line.startswith("|"):
                table = None
            elif line.startswith("|-"):
                continue
            elif table is None:
                table = section.tables.setdefault(cells(line)[0], [])
            else:
                table.append(cells(line))

    def table(self, anchor, kind):
        """The rows of one table, cell by cell; none when the section has no such table."""
        found = self.sections.get(anchor)
        return found.tables.get(kind, []) if found else []

    def rows(self, anchor, kind):
        """Every row of a table of fields, with those that stand in other sections, by name."""
        found = {}
        for first, type_, *text in self.table(anchor, kind):
            if name := NAME.match(first):
                found[name[1]] = Row(name[1], bool(name[2]), type_, anchor, *text)
            elif link := LINK.search(first):
                found |= self.rows(link[1], kind)
        return found

    def headings(self, start=""):
        return [section.title for section in self.sections.values()
                if section.title.startswith(start)]


def cells(line):
    return [cell.strip() for cell in line.strip().strip("|").split(" | ")]


# -- comparing what a server sent -------------------------------------------------------------------

PLAIN = {
    "string": lambda v: isinstance(v, str),
    "id": lambda v: isinstance(v, str) and ID.fullmatch(v),
    "time": lambda v: isinstance(v, str) and TIME.fullmatch(v),
    "cursor": lambda v: isinstance(v, str) and CURSOR.fullmatch(v),
    "integer": lambda v: isinstance(v, int) and not isinstance(v, bool),
    "number": lambda v: isinstance(v, (int, float)) and not isinstance(v, bool),
    "boolean": lambda v: isinstance(v, bool),
    "object": lambda v: isinstance(v, dict),
    "array": lambda v: isinstance(v, list),
    "array of string": lambda v: isinstance(v, list) and all(isinstance(item, str) for item in v),
}


class Comparison:
    """Collects what differs between the document and what was sent, and what was seen of it."""

    def __init__(self, document):
        self.document = document
        self.faults = set()
        self.seen = set()       # (section, name)

    def check(self, anchor, value):
        """`value`, an object that the server sent, is what this section says."""
        if anchor == "events":
            anchor = f"event-{value['type']}"
        rows = self.document.rows(anchor, "field")
        for name, item in value.items():
            if name in rows:
                self.seen.add((rows[name].section, name))
                self._check_type(f"{anchor}: {name}", rows[name].type, item)
            else:
                self.faults.add(f"{anchor}: {name} is sent and not documented")
        for row in rows.values():
            if not row.optional and row.name not in value:
                self.faults.add(f"{anchor}: {row.name} is missing, and not documented as optional")

    def _check_type(self, where, type_, value):
        if link := LINK.search(type_):
            many = type_.startswith("array of ")
            if not isinstance(value, list if many else dict):
                self.faults.add(f"{where} is not {type_}: {value!r}")
                return
            for item in value if many else [value]:
                self.check(link[1], item)
        elif not PLAIN[type_](value):
            self.faults.add(f"{where} is not {type_}: {value!r}")

    def unseen(self):
        """The documented fields that no message had."""
        documented = {(anchor, name[1]) for anchor, section in self.document.sections.items()
                      for first, *_ in section.tables.get("field", []) if (name := NAME.match(first))}
        return {f"{anchor}: {name} is documented and never sent" for anchor, name in documented - self.seen}
