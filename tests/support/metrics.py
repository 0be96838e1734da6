"""The text formats of metrics, read strictly: what Prometheus would take, and nothing else.

parse(text) is for the format 0.0.4, parse_openmetrics(text) for OpenMetrics 1.0.0. Both check the order of the
lines, the names, the labels and the numbers, that no series stands twice, and that histograms are cumulative.
"""
import math
import re
from collections import namedtuple

NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
SAMPLE = re.compile(r"([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)")
LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"(,|$)')
NUMBER = re.compile(r"[0-9]+(\.[0-9]+)?")
KINDS = {"counter", "gauge", "histogram"}

Family = namedtuple("Family", "name kind help unit samples")


class Metrics:
    """Families by the name of their metric, and the values of their series."""

    def __init__(self, families):
        self.families = families
        self.series = {}
        for family in families.values():
            for name, labels, value in family.samples:
                key = name, frozenset(labels.items())
                assert key not in self.series, f"a series stands twice: {key}"
                self.series[key] = value

    def __getitem__(self, name):
        """metrics["joblight_events_total"]: the sum over its series."""
        found = [value for (at, _), value in self.series.items() if at == name]
        assert found, f"no series {name}"
        return sum(found)

    def of(self, name, **labels):
        return self.series[name, frozenset(labels.items())]

    def labels(self, name):
        """{label: its values} of a metric, without le."""
        found = {}
        for _, labels, _ in self.families[name].samples:
            for label, value in labels.items():
                if label != "le":
                    found.setdefault(label, []).append(value)
        return {label: list(dict.fromkeys(values)) for label, values in found.items()}


def number(text):
    assert NUMBER.fullmatch(text), f"not a number: {text!r}"
    return float(text)


def labels_of(text):
    found, at = {}, 0
    while text and at < len(text):
        match = LABEL.match(text, at)
        assert match, f"not labels: {text!r}"
        assert match[1] not in found, f"a label stands twice: {text!r}"
        found[match[1]] = re.sub(r"\\(.)", lambda one: {"n": "\n"}.get(one[1], one[1]), match[2])
        at = match.end()
        assert bool(match[3]) == (at < len(text)), f"a comma at the end: {text!r}"
    return found


def check_histogram(family):
    """Its buckets are in order and cumulative, the last is +Inf and the count, and there is a sum."""
    groups = {}
    for name, labels, value in family.samples:
        rest = frozenset((label, text) for label, text in labels.items() if label != "le")
        groups.setdefault(rest, []).append((name, labels.get("le"), value))
    for lines in groups.values():
        *buckets, total, count = lines
        bounds = [math.inf if le == "+Inf" else number(le) for _, le, _ in buckets]
        counts = [value for _, _, value in buckets]
        assert all(name == family.name + "_bucket" for name, _, _ in buckets)
        assert bounds == sorted(set(bounds)) and bounds[-1] == math.inf, bounds
        assert counts == sorted(counts), f"not cumulative: {family.name} {counts}"
        assert total[0] == family.name + "_sum" and count[0] == family.name + "_count"
        assert count[2] == counts[-1]
        assert total[2] > 0 or counts[-1] == counts[0], f"values above 0 have a sum: {family.name}"


def finish(family, openmetrics):
    if not family:
        return
    assert family.kind and family.samples, family
    sample = family.name + ("_total" if openmetrics and family.kind == "counter" else "")
    if family.kind == "histogram":
        check_histogram(family)
    else:
        assert {name for name, _, _ in family.samples} == {sample}, family
    if family.kind == "counter":
        assert sample.endswith("_total"), sample
    else:
        assert not sample.endswith("_total"), sample
    if family.unit:
        assert family.name.endswith("_" + family.unit), family


def read(text, openmetrics):
    assert text.endswith("\n")
    families, family = {}, None
    lines = text[:-1].split("\n")
    if openmetrics:
        assert lines.pop() == "# EOF"
    for line in lines:
        if line.startswith("# HELP "):
            finish(family, openmetrics)
            name, told = line[7:].split(" ", 1)
            assert NAME.fullmatch(name) and name not in families and told
            family = families[name] = Family(name, None, told, None, [])
        elif line.startswith("# TYPE "):
            name, kind = line[7:].split(" ")
            assert name == family.name and kind in KINDS and not family.kind and not family.samples
            family = families[name] = family._replace(kind=kind)
        elif openmetrics and line.startswith("# UNIT "):
            name, unit = line[7:].split(" ")
            assert name == family.name and family.kind and not family.unit and not family.samples
            family = families[name] = family._replace(unit=unit)
        else:
            match = SAMPLE.fullmatch(line)
            assert match, f"not a line: {line!r}"
            family.samples.append((match[1], labels_of(match[2]), number(match[3])))
    finish(family, openmetrics)
    return Metrics(families)


def parse(text):
    return read(text, False)


def parse_openmetrics(text):
    return read(text, True)


def scrape(api, **headers):
    """What GET /metrics shows now."""
    reply = api.get("/metrics", **headers)
    assert reply.status == 200, reply
    assert reply.header("Content-Type") == "text/plain; version=0.0.4; charset=utf-8"
    return parse(reply.body.decode())


def check_went_on(before, after):
    """Nothing that only grows has become less, and no series is gone."""
    assert before.series.keys() == after.series.keys()
    for (name, labels), value in before.series.items():
        family = before.families.get(name) or before.families[re.sub("_(bucket|sum|count)$", "", name)]
        assert family.kind == "gauge" or after.series[name, labels] >= value, (name, labels)
