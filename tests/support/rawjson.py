"""Finds the bytes of each element of an array inside a JSON document.

An event has the same bytes on every transport. Parsing would hide a difference, so the checker
needs the slices of a polling answer or an activity page as they stood there.
"""
import json

SPACE = " \t\r\n"
DECODER = json.JSONDecoder()


def _skip(text, at):
    while at < len(text) and text[at] in SPACE:
        at += 1
    return at


def members(text):
    """name -> (start, end) of each member of the object that `text` is."""
    at = _skip(text, 0)
    assert text[at] == "{", "not an object"
    found, at = {}, _skip(text, at + 1)
    while text[at] != "}":
        name, at = DECODER.raw_decode(text, at)
        at = _skip(text, at)
        assert text[at] == ":"
        start = _skip(text, at + 1)
        _, end = DECODER.raw_decode(text, start)
        found[name] = (start, end)
        at = _skip(text, end)
        if text[at] == ",":
            at = _skip(text, at + 1)
    return found


def elements(text, name):
    """The text of each element of the array under `name`."""
    start, end = members(text)[name]
    slices, at = [], _skip(text, start + 1)
    while text[at] != "]":
        _, stop = DECODER.raw_decode(text, at)
        slices.append(text[at:stop])
        at = _skip(text, stop)
        if text[at] == ",":
            at = _skip(text, at + 1)
    assert at == end - 1
    return slices
