"""The shape of every error: RFC 9457, with a code that programs can read and no internals."""
import re

MEMBERS = {"type", "title", "status", "code", "detail"}
INTERNALS = re.compile(r"(?i:sqlite|SELECT |INSERT |\.c:\d|/src/|cJSON|libwebsockets|errno)"
                       r"|0x[0-9a-f]{6}|NULL")


def assert_problem(reply, status, code=None, field=None):
    """`reply` is this error, in the shape of the contract; gives the problem."""
    assert reply.status == status, reply
    assert reply.header("Content-Type").split(";")[0] == "application/problem+json", reply
    problem = reply.json
    assert MEMBERS <= set(problem) <= MEMBERS | {"errors"}, problem
    assert problem["type"] == "about:blank" and problem["status"] == status, problem
    assert problem["title"] and re.fullmatch(r"[a-z0-9_]+", problem["code"]), problem
    assert not INTERNALS.search(reply.body.decode()), problem
    assert code in (None, problem["code"]), problem
    if field is not None:
        assert field in [error["field"] for error in problem["errors"]], problem
    for error in problem.get("errors", []):
        assert set(error) == {"field", "message"} and error["message"], problem
    return problem
