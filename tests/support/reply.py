"""One HTTP answer: status, headers, body, and the readings of it that tests need."""
import json


class DuplicateKey(ValueError):
    pass


def strict_object(pairs):
    """A JSON object whose keys are all different: the server must never send another kind."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise DuplicateKey(f"a key is there twice in {pairs!r}")
    return found


def parse_json(data):
    return json.loads(data.decode("utf-8"), object_pairs_hook=strict_object)


class Reply:
    """`headers` is a list of (name, value) as sent; header() finds one without regard to case."""

    def __init__(self, status, headers, body):
        self.status = status
        self.headers = headers
        self.body = body

    def header(self, name):
        found = [value for key, value in self.headers if key.lower() == name.lower()]
        assert len(found) < 2, f"header {name} is there {len(found)} times"
        return found[0] if found else None

    @property
    def json(self):
        return parse_json(self.body)

    def __repr__(self):
        return f"<{self.status} {dict(self.headers)} {self.body[:400]!r}>"
