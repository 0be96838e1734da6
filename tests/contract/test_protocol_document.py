"""docs/protocol.md says what the server does: nothing is missing in it, and nothing is invented.

What is compared comes from a running server where it tells it (fields that are sent, fields that it
knows, types, kinds of messages, limits), otherwise from the tables of its source. The last tests
change the document, and the comparison must notice.
"""
import re
import subprocess

import pytest

from support.api import Api, hook
from support.document import Comparison, Document, Row, anchor_of
from support.poll import Poller
from support.raw import ask
from support.reply import parse_json
from support.server import BINARY, ROOT, Server
from support.sse import SseStream, stream_request, type_of
from support.wait import Deadline, until
from support.watcher import SseWatcher
from support.ws import BINARY as BINARY_FRAME, WebSocket, path_of

TEXT = (ROOT / "docs/protocol.md").read_text()
DOCUMENT = Document(TEXT)
TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
METHODS = "GET|POST|PUT|PATCH|DELETE"
FULL_TASK = {"id": "t1", "title": "One", "status": "in_progress", "note": "n", "progress": 5.5,
             "attempt": 1, "heartbeatTimeoutMs": 1}
DELIVERABLE = {"id": "d1", "title": "report", "url": "https://files.test/a", "mediaType": "text/plain"}


def source(pattern):
    """The text of our source files of this name."""
    files = [path for top in ("src", "include") for path in sorted((ROOT / top).rglob(pattern))]
    assert files, pattern
    return "\n".join(path.read_text() for path in files)


def differences(what, there, told):
    return ([f"{what} {one} is missing in the document" for one in sorted(there - told)]
            + [f"{what} {one} is documented and does not exist" for one in sorted(told - there)])


# -- what the server's tables say -------------------------------------------------------------------


def compare_routes(document):
    there = set(re.findall(r'^(?:WRITE_)?ROUTE\((\w+), "([^"]+)"', source("routes.def"), re.M))
    told = {tuple(name.split(" ")) for title in document.headings()
            for name in re.findall(rf"`((?:{METHODS}) /[^`]*)`", title)}
    named = {tuple(name.split(" ")) for name in re.findall(rf"`((?:{METHODS}) /[^`? ]*)`", document.text)}
    return differences("route", there, told | named) + differences("route", there, told)


def compare_errors(document):
    rows = re.findall(r'^OUTCOME\(\w+, (\d+), "(\w+)"', source("outcome.def"), re.M)
    there = {f"`{code}` {status}" for status, code in rows if int(status) >= 400}
    told = {f"{code} {status}" for code, status, *_ in document.table("error-codes", "code")}
    return differences("error", there, told)


def compare_close_codes(document):
    """Those of ours that something is closed with, and those of libwebsockets itself."""
    text = source("*.[ch]")
    ours = dict(re.findall(r"^#define CLOSE_(?!\w*_MS)(\w+) (\d{4})\b", text, re.M))
    used = {code for name, code in ours.items() if len(re.findall(rf"\bCLOSE_{name}\b", text)) > 1}
    told = {code.strip("`") for code, *_ in document.table("close-codes", "code")}
    return differences("close code", used | {"1007"}, told)


CLIENT_TYPES = {  # an interface of www/joblight.d.ts: the table that it repeats
    "TaskState": "the-task-state-object", "Task": "the-task-object", "Job": "the-snapshot-object",
    "JobDeliverable": "the-deliverable-object", "Agent": "the-agent-object",
}


def members(text, name):
    """{member?} of an interface and of those that it extends, except what only the client knows."""
    parent, body = re.search(rf"^(?:export )?interface {name}(?: extends (\w+))? {{\n(.*?)^}}", text, re.M | re.S).groups()
    own = {member + mark for member, mark, type_ in re.findall(r"^  (\w+)(\??): (.*);$", body, re.M)
           if member != "snapshot" and type_ != "undefined"}
    return own | (members(text, parent) if parent else set())


def compare_client_types(document):
    """Those of the objects, of every event, and of a report."""
    text, faults = (ROOT / "www/joblight.d.ts").read_text(), []
    tables = {name: document.rows(anchor, "field") for name, anchor in CLIENT_TYPES.items()}
    events = {type_: name for name, type_ in re.findall(
        r"^export interface (\w+)(?: extends \w+)? {\n  type: '(\w+)';", text, re.M)}
    for title in document.headings("Event "):
        type_ = title.split("`")[1]
        if type_ in events:
            tables[events[type_]] = document.rows(anchor_of(title), "field")
        else:
            faults.append(f"event {type_} has no type in www/joblight.d.ts")
    tables["Update"] = {"taskId": Row("taskId", False, "id", "")} | {
        name: row for name, row in document.rows("task-fields", "request field").items() if name != "taskId"}
    for name, rows in tables.items():
        told = {row.name + "?" * row.optional for row in rows.values()}
        faults += differences(f"{name}:", members(text, name), told)
    return faults


def compare_query(document):
    there = set(re.findall(r'\brequest_(?:arg|number)\(\w+, "(\w+)"', source("*.c")))
    told = {name for anchor in document.sections for name in document.rows(anchor, "query")}
    return differences("query argument", there, told)


def compare_rights(document):
    """The rights that a route needs."""
    rows = re.findall(r'^(?:WRITE_)?ROUTE\((\w+), "(/api/[^"]+)", ([^,]+),', source("routes.def"), re.M)
    there = {f"{method} {path}: {', '.join(re.findall('[a-z]+', rights.lower().replace('right_', '')))}"
             for method, path, rights in rows}
    told = {f"{route.strip('`')}: {', '.join(re.findall('`([a-z]+)`', needs.split(';')[0]))}"
            for route, needs in document.table("keys-and-rights", "route")}
    return differences("right", there, told)


@pytest.mark.parametrize("compare", [compare_routes, compare_rights, compare_errors, compare_close_codes, compare_query,
                                     compare_client_types])
def test_the_tables_of_the_source_are_those_of_the_document(compare):
    assert not compare(DOCUMENT)


def test_its_limits_are_flags_with_these_defaults():
    told = DOCUMENT.table("limits", "limit")
    rows = re.findall(r'^LIMIT\(\w+, "([\w-]+)", (\d+),', source("limits.def"), re.M)
    assert {(flag.strip("`"), default) for flag, default, _ in told} <= {(f"--{f}", d) for f, d in rows}
    known = subprocess.run([BINARY, "serve", "--help-all"], capture_output=True, text=True, check=True).stdout
    named = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", TEXT)) - {"--help", "--help-all"}
    assert not [flag for flag in named if f"  {flag} " not in known]


@pytest.mark.parametrize("path", [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")], ids=lambda path: path.name)
def test_what_other_documents_name_is_in_this_one(path):
    """Routes, and codes behind their status."""
    text = path.read_text()
    codes = {f"{code} {status}" for code, status, *_ in DOCUMENT.table("error-codes", "code")}
    told = {f"`{code}` {status}" for status, code in re.findall(r"\b([45]\d\d) `([a-z_]+)`", text)}
    routes = {name for title in DOCUMENT.headings() for name in re.findall(r"`([A-Z]+ /[^`]*)`", title)}
    assert told <= codes
    assert set(re.findall(rf"`((?:{METHODS}) /[^`? ]*)`", text)) <= routes


# -- what the server tells of itself ----------------------------------------------------------------

BODIES = {  # a route's section: what is sent to it, so that it names the fields that it knows
    "POST /api/jobs": ("POST", "/api/jobs"),
    "PATCH /api/jobs/:job": ("PATCH", "/api/jobs/{job}"),
    "POST /api/jobs/:job/tasks": ("POST", "/api/jobs/{job}/tasks"),
    "PUT /api/jobs/:job/tasks/:task": ("PUT", "/api/jobs/{job}/tasks/t"),
    "POST /api/agent-hooks/task-update/:job": ("POST", "/api/agent-hooks/task-update/{job}"),
    "POST /api/jobs/:job/deliverables": ("POST", "/api/jobs/{job}/deliverables"),
    "POST /api/jobs/:job/commands": ("POST", "/api/jobs/{job}/commands"),
    "POST /api/jobs/:job/tokens": ("POST", "/api/jobs/{job}/tokens"),
}


def known_fields(api, method, path, body):
    problem = api.request(method, path, body).json
    message = next(error["message"] for error in problem["errors"] if "known are" in error["message"])
    return set(message.split("known are ")[1].split(", "))


def compare_request_fields(document, api, job):
    faults = []
    for name, (method, path) in BODIES.items():
        there = known_fields(api, method, path.format(job=job), {"nope": 1})
        faults += differences(f"{name}: field", there, set(document.rows(anchor_of(name), "request field")))
    there = known_fields(api, "POST", "/api/jobs", {"title": "t", "tasks": [{"nope": 1}]})
    return faults + differences("new task: field", there, set(document.rows("a-new-task", "request field")))


def test_the_fields_of_bodies_are_those_that_the_server_knows(api, job):
    assert not compare_request_fields(DOCUMENT, api, job)


MESSAGES = {  # a message of a client that has every field
    "subscribe": {"id": "1", "since": None, "types": "command", "heartbeat": 5, "tabs": 1},
    "unsubscribe": {"id": "2"},
    "update": {"id": "3", "taskId": "t1", "status": "in_progress", "title": "One", "note": "n", "progress": 5,
               "attempt": 1, "heartbeatTimeoutMs": 1000, "traceparent": TRACEPARENT},
    "command": {"id": "4", "command": "cancel", "taskId": "t1", "args": {}, "traceparent": TRACEPARENT},
    "presence": {"id": "5", "state": "typing", "taskId": "t1", "agent": "ann"},
    "token": {"id": "6", "token": "x"},
    "ping": {"id": "7"},
}
WITHOUT_JOB = ("token", "ping")
ANSWERS = {"subscribe": "connected", "unsubscribe": "end", "update": "ack", "command": "ack", "presence": "presence",
           "token": "ack", "ping": "pong"}


def compare_kinds(document, address):
    with WebSocket(address) as ws:
        ws.send("nope")
        there = set(re.search(r"one of (.*)", ws.closed()[1])[1].split(", "))
    told = {title.split("`")[1] for title in document.headings("Client message ")}
    return differences("client message", there, told)


def compare_message_fields(document):
    """One more than the document has would be unknown: the server's own list is in its source."""
    there = set(re.findall(r'\btake(?:_string|_number)?\(e, "(\w+)"', source("*.c")))
    told = {name for title in document.headings("Client message ")
            for name in document.rows(anchor_of(title), "request field")}
    return [f"field {name} of a client's message is missing in the document" for name in sorted(there - told)]


def test_the_kinds_and_fields_of_client_messages(server, api):
    assert not compare_kinds(DOCUMENT, server.address)
    assert not compare_message_fields(DOCUMENT)
    job = api.create_job(tasks=[{"id": "t1"}])["id"]
    with WebSocket(server.address) as ws:
        for kind, fields in MESSAGES.items():
            target = {} if kind in WITHOUT_JOB else {"jobId": job}
            told = set(DOCUMENT.rows(anchor_of(f"Client message {kind}"), "request field")) - {"updates"}
            assert told == {"type", *target, *fields}, kind
            if kind == "presence":
                ws.ask("subscribe", "connected", jobId=job)
            ws.ask(kind, ANSWERS[kind], **target, **fields)


BATCH = {"updates": [{"taskId": "t1", "status": "in_progress"}]}  # stands for the fields of one update


def test_a_field_of_a_client_message_without_a_question_mark_is_needed(server, api):
    """And one with a question mark is not."""
    job = api.create_job(tasks=[{"id": "t1"}])["id"]
    for kind, fields in MESSAGES.items():
        rows = DOCUMENT.rows(anchor_of(f"Client message {kind}"), "request field")
        needed = {name for name, row in rows.items() if not row.optional} - {"type"}
        whole = {"jobId": job, **fields} if "jobId" in rows else dict(fields)
        with WebSocket(server.address) as ws:
            if kind == "presence":
                ws.ask("subscribe", "connected", jobId=job)
            ws.ask(kind, ANSWERS[kind], **{name: whole[name] for name in needed}, **(BATCH if "updates" in rows else {}))
            for name in needed:
                less = {one: value for one, value in whole.items() if one != name}
                assert ws.ask(kind, "error", **less)["status"] in (400, 422), (kind, name)


@pytest.mark.parametrize("kind", MESSAGES)
def test_the_id_of_a_client_message_comes_back_in_every_error(server, api, kind):
    """Of a mistake in the message, and of one that only the store knows."""
    with WebSocket(server.address) as ws:
        target = {} if kind in WITHOUT_JOB else {"jobId": "nobody"}
        mistakes = [{"nope": 1}] if kind in (*WITHOUT_JOB, "unsubscribe") else [{"nope": 1}, {}]
        for mistake in mistakes:
            said = ws.ask(kind, "error", **target, **MESSAGES[kind], **mistake).json
            assert said.get("id") == MESSAGES[kind]["id"], said
        said = ws.ask(kind, "error", **target, **{**MESSAGES[kind], "id": "b d"}).json
        assert said["status"] == 422, "every id is checked"


def compare_types(document, api, job):
    problem = api.get(f"/api/jobs/{job}/updates?types=nope").json
    there = set(problem["detail"].split("list of ")[1].split(", "))
    told = {title.split("`")[1] for title in document.headings("Event ")}
    sent = set(re.findall(r'\\"type\\":\\"(\w+)\\"', source("*.c")))
    messages = {title.split("`")[1] for title in document.headings("Message ")} | told
    return (differences("event type", there, told)
            + [f"message {name} is missing in the document" for name in sorted(sent - messages)])


def test_the_types_of_events_and_messages(api, job):
    assert not compare_types(DOCUMENT, api, job)


# -- what it sends ----------------------------------------------------------------------------------


class Traffic(list):
    """What servers sent: (section of the document, object)."""

    def add(self, anchor, value):
        self.append((anchor, value))
        return value

    def reply(self, reply, name, status):
        assert reply.status == status, reply
        return self.add(anchor_of(name), reply.json)

    def problem(self, reply):
        assert reply.status >= 400, reply
        return self.add("the-problem-object", reply.json)

    def block(self, block):
        if block.event == "refused":
            return self.add("message-refused", block.json)
        return self.message(block.json, type_of(block))

    def message(self, json, kind=None):
        kind = kind or json["type"]
        is_event = anchor_of(f"Event {kind}") in DOCUMENT.sections
        return self.add("events" if is_event else f"message-{kind}", json)

    def socket(self, ws, until_type, within=10):
        """Takes the messages of a WebSocket up to one of this type."""
        deadline = Deadline(within, f"a message {until_type}")
        while (said := ws.next(deadline.left(), deadline.what)) is not None:
            self.message(said.json)
            if said.type == until_type:
                return said.json
        raise AssertionError(f"closed before {until_type}")

    def stream(self, stream, until_type, within=10):
        deadline = Deadline(within, f"a message {until_type}")
        while (block := stream.block(deadline.left(), deadline.what)) is not None:
            if block.data is None:
                continue
            self.block(block)
            if type_of(block) == until_type:
                return block
        raise AssertionError(f"ended before {until_type}")


def say_everything_that_writes(t, api, job):
    """Every route that writes, with every field; the job has a task t1 that is silent for too long."""
    at = f"/api/jobs/{job}"
    t.reply(api.patch(at, {"title": "Two", "metadata": {"a": 1}, "heartbeatTimeoutMs": 86400000}),
            "PATCH /api/jobs/:job", 200)
    t.reply(api.post(f"{at}/tasks", {**FULL_TASK, "id": "t2"}), "POST /api/jobs/:job/tasks", 201)
    t.reply(api.put(f"{at}/tasks/t3", {"status": "completed"}), "PUT /api/jobs/:job/tasks/:task", 201)
    t.reply(api.put(f"{at}/tasks/t4", {"status": "in_progress"}), "PUT /api/jobs/:job/tasks/:task", 201)
    t.reply(api.put(f"{at}/tasks/t4", {"status": "failed"}), "PUT /api/jobs/:job/tasks/:task", 200)
    webhook = "POST /api/agent-hooks/task-update/:job"
    t.reply(api.post(hook(job), {"taskId": "t5", "note": "n"}), webhook, 200)
    for one in api.post(hook(job), [{"taskId": "t5"}, {"taskId": "t6"}]).json:
        t.add(anchor_of(webhook), one)
    t.reply(api.post(f"{at}/deliverables", DELIVERABLE), "POST /api/jobs/:job/deliverables", 201)
    t.reply(api.post(f"{at}/commands", {"command": "comment", "taskId": "t1", "args": {"text": "x"}}),
            "POST /api/jobs/:job/commands", 201)
    t.reply(api.post(f"{at}/presence", {"agent": "ann", "state": "typing", "taskId": "t1"}),
            "POST /api/jobs/:job/presence", 200)


def read_everything(t, api, job):
    at = f"/api/jobs/{job}"
    until(lambda: [task for task in api.job(job)["tasks"] if task.get("stalled")], 10, "a stalled task")
    t.reply(api.get(at), "GET /api/jobs/:job", 200)
    t.reply(api.get(f"{at}/tasks"), "GET /api/jobs/:job/tasks", 200)
    t.reply(api.get(f"{at}/deliverables"), "GET /api/jobs/:job/deliverables", 200)
    t.reply(api.get(f"{at}/activity?limit=1"), "GET /api/jobs/:job/activity", 200)
    t.reply(api.get(f"{at}/activity"), "GET /api/jobs/:job/activity", 200)
    t.reply(api.get("/api/jobs?limit=1"), "GET /api/jobs", 200)
    t.reply(api.get("/api/jobs"), "GET /api/jobs", 200)
    t.reply(api.get("/healthz"), "GET /healthz", 200)
    t.reply(api.get("/readyz"), "GET /readyz", 200)


def poll(t, poller, since=None):
    return t.reply(poller.ask(since).reply, "GET /api/jobs/:job/updates", 200)


def make_mistakes(t, api, job):
    for reply in (api.get("/api/jobs/nobody"), api.post("/api/jobs", {"title": 1, "nope": 2}),
                  api.post("/api/jobs", {"title": "x", "id": job}), api.get("/nothing"), api.get("/api/ws"),
                  api.delete("/healthz"), api.post("/api/jobs", b"{", Content_Type="application/json")):
        t.problem(reply)


def go_over_a_socket(t, server, api, job):
    """What only a WebSocket says."""
    big = api.create_job(tasks=[{"id": f"big{i}", "note": "n" * 16000} for i in range(6)])["id"]
    with WebSocket(server.address) as ws:
        for fields in (1, 1), (2, 2):     # the same key with the same content, and with another
            ws.send("update", id="k", jobId=job, taskId="t7", progress=fields[0])
            t.socket(ws, "ack" if fields[0] == 1 else "error")
        ws.send("update", id="k", jobId=job, taskId="t7", progress=1)
        assert t.socket(ws, "ack")["duplicate"]
        with SseStream(server.address, job) as stream:
            t.stream(stream, "connected")
            t.socket(ws, "watchers")
        ws.send("subscribe", jobId=big)
        t.socket(ws, "connected")
        ws.send("subscribe", jobId=job, since="nonsense")
        t.socket(ws, "connected")
        ws.send("subscribe", jobId="nobody")
        t.socket(ws, "error")
        ws.send("ping")
        t.socket(ws, "pong")
        ws.send("unsubscribe", jobId=big)
        t.socket(ws, "end")


def write_in_a_trace(t, server, api):
    """One event of each type, with the traceparent of its request."""
    trace = {"Traceparent": TRACEPARENT}
    job = api.post("/api/jobs", {"title": "One"}, **trace).json["id"]
    api.update(job, {"taskId": "t1"}, **trace)
    api.post(f"/api/jobs/{job}/deliverables", DELIVERABLE, **trace)
    api.post(f"/api/jobs/{job}/commands", {"command": "cancel"}, **trace)
    with Poller(server.address, job) as poller:
        assert poll(t, poller, f"{api.job(job)['epoch']}.0")["events"][3]["traceparent"] == TRACEPARENT


def watch_and_end(t, server, api, job):
    """All transports, with a filter and without, from before the first word to the end."""
    with SseStream(server.address, job, query="heartbeat=5") as plain, \
            SseStream(server.address, job, query="named=1&types=command&heartbeat=5") as named, \
            WebSocket(server.address) as ws, \
            WebSocket(server.address, path_of(job=job, types="command", heartbeat=5)) as only, \
            Poller(server.address, job) as poller:
        ws.send("subscribe", jobId=job, heartbeat=5)
        for stream in plain, named:
            t.stream(stream, "connected")
        for socket in ws, only:
            t.socket(socket, "connected")
        say_everything_that_writes(t, api, job)
        cursor = poll(t, poller)["cursor"]
        poll(t, poller, "nonsense")
        read_everything(t, api, job)
        t.stream(plain, "presence")
        t.socket(ws, "presence")
        for take, road in ((t.stream, plain), (t.stream, named), (t.socket, ws), (t.socket, only)):
            take(road, "heartbeat")
        api.finish(job)
        poll(t, poller, cursor)
        for take, road in ((t.stream, plain), (t.stream, named), (t.socket, ws), (t.socket, only)):
            take(road, "end")
        t.reply(api.get("/api/jobs"), "GET /api/jobs", 200)
        api.delete(f"/api/jobs/{job}")
        assert poll(t, poller, cursor)["status"] == "deleted"


def hear_the_server_stop(t, server, api):
    job = api.create_job()["id"]
    with WebSocket(server.address, path_of(job=job)) as ws:
        t.socket(ws, "connected")
        api.close()
        server.stop()
        t.socket(ws, "restart")
        assert ws.close_code() == 1012


def fall_behind(t, server):
    """A slow reader whose events have been pruned: a reset in mid-stream; and a log without its begin."""
    with Api(server.address) as api:
        job = api.create_job(heartbeatTimeoutMs=86400000)["id"]
        with SseWatcher(server.address, job, slow=True) as slow:
            t.stream(slow.stream, "connected")
            api.burst(job, 1000, note="n" * 8192)
            api.finish(job)
            page = f"/api/jobs/{job}/activity?limit=1"
            until(lambda: "first" in api.get(page).json, 20, "the log being pruned")
            t.reply(api.get(page), "GET /api/jobs/:job/activity", 200)
            t.stream(slow.stream, "reset", 30)
            t.stream(slow.stream, "end", 30)


def move_a_job(t, server):
    """Out of the server, and into it again under another id."""
    with Api(server.address) as api:
        job = api.create_job()["id"]
        body = api.get(f"/api/jobs/{job}/export").body
        t.reply(api.request("POST", "/api/imports?as=copy", body, {"Content-Type": "application/x-ndjson"}),
                "POST /api/imports", 201)
    with Api(server.address) as api:
        t.reply(api.post("/api/database/rewrite"), "POST /api/database/rewrite", 200)


def be_refused(t, server):
    with Api(server.address) as api:
        job = api.create_job()["id"]
        t.problem(api.get(f"/api/jobs/{job}/task-events"))
    data = ask(server.address, stream_request(job)).body.split(b"data: ")[1]
    t.add("message-refused", parse_json(data))


def exceed_a_rate(t, server):
    with Api(server.address) as api:
        t.reply(api.get("/api/session"), "GET /api/session", 200)
        t.reply(api.get("/api/connection"), "GET /api/connection", 200)
    with WebSocket(server.address) as ws:
        ws.send_many([{"type": "command", "id": str(i), "jobId": "nobody", "command": "c"} for i in range(5)])
        for _ in range(5):
            t.message(ws.message("error").json)


def manage_keys(t, server):
    """What a server with keys says; the first one closes it."""
    with Api(server.address) as api:
        made = api.post("/api/keys", {"scope": ["admin", "create", "control", "watch"]})
        key = t.reply(made, "POST /api/keys", 201)
        t.problem(api.get("/api/keys"))
        mine = {"Authorization": f"Bearer {key['key']}"}
        other = t.reply(api.post("/api/keys", {"name": "n", "scope": ["watch"], "jobs": ["a-*"],
                                               "expiresIn": 3600}, **mine), "POST /api/keys", 201)
        t.problem(api.post("/api/jobs", {"title": "T"}, Authorization=f"Bearer {other['key']}"))
        api.delete(f"/api/keys/{other['id']}", **mine)
        t.reply(api.get("/api/keys", **mine), "GET /api/keys", 200)
        api.post("/api/jobs", {"title": "T", "id": "a-1"}, **mine)
        api.post("/api/jobs/a-1/commands", {"command": "cancel"}, **mine)
        t.reply(api.get("/api/jobs/a-1/activity", **mine), "GET /api/jobs/:job/activity", 200)
        use_tokens(t, server, api, mine, key["key"])


def use_tokens(t, server, api, mine, key):
    """Tokens, tickets, sessions and codes."""
    t.reply(api.post("/api/jobs?token=watch", {"title": "T", "id": "a-2"}, **mine), "POST /api/jobs", 201)
    token = t.reply(api.post("/api/jobs/a-1/tokens", {"subject": "ann"}, **mine), "POST /api/jobs/:job/tokens", 201)["token"]
    t.reply(api.post("/api/jobs/a-1/tickets", Authorization=f"Bearer {token}"), "POST /api/jobs/:job/tickets", 201)
    narrow = api.post("/api/jobs/a-1/tokens", {"scope": ["control"], "commands": ["comment"]}, **mine).json["token"]
    t.reply(api.get("/api/session", Authorization=f"Bearer {narrow}"), "GET /api/session", 200)
    code = t.reply(api.post("/api/login-codes", **mine), "POST /api/login-codes", 201)["code"]
    t.reply(api.post("/login", {"code": code}), "POST /login", 200)
    t.problem(api.post("/login", {"code": code}))
    t.reply(api.post("/login", {"key": key}), "POST /login", 200)
    assert api.post("/logout").status == 204
    assert api.delete("/api/session", Authorization=f"Bearer {narrow}").status == 204
    t.problem(api.delete("/api/session", **mine))
    with WebSocket(server.address, headers=[f"Authorization: Bearer {key}"]) as ws:
        ws.send("token", id="1", token="nothing")
        t.socket(ws, "error")
        ws.send("token", id="1", token=token)
        t.socket(ws, "ack")


@pytest.fixture(scope="module")
def traffic(tmp_path_factory):
    """What a server sends on every route and over every transport."""
    t, folder = Traffic(), tmp_path_factory.mktemp("traffic")
    servers = [Server(folder / name, **flags) for name, flags in (
        ("first", {"min_heartbeat_timeout_ms": 1}),
        ("short", {"ring_events": 8, "retention_events": 5, "retention_ms": 1000}),
        ("full", {"max_memory": 1}), ("keyed", {}), ("limited", {"all_updates": 1, "rate_window_ms": 1000, "listen": "0.0.0.0:0", "insecure": True}))]
    first, short, full, keyed, limited = (server.start() for server in servers)
    with Api(first.address) as api:
        created = api.post("/api/jobs", {"title": "One", "status": "in_progress", "metadata": {"a": 1},
                                         "heartbeatTimeoutMs": 86400000, "tasks": [FULL_TASK]})
        job = t.reply(created, "POST /api/jobs", 201)["id"]
        make_mistakes(t, api, job)
        go_over_a_socket(t, first, api, job)
        write_in_a_trace(t, first, api)
        watch_and_end(t, first, api, job)
        hear_the_server_stop(t, first, api)
    fall_behind(t, short)
    move_a_job(t, short)
    be_refused(t, full)
    manage_keys(t, keyed)
    exceed_a_rate(t, limited)
    limited.stop()
    keyed.stop()
    short.stop()
    full.stop()
    return t


def compare_traffic(document, traffic):
    comparison = Comparison(document)
    for anchor, value in traffic:
        comparison.check(anchor, value)
    return sorted(comparison.faults | comparison.unseen())


def test_every_field_that_is_sent_is_documented_and_no_other(traffic):
    assert not compare_traffic(DOCUMENT, traffic)


def test_the_head_of_a_stream_is_the_one_that_is_shown(server, job):
    told = re.search(r"^```text\n(HTTP/1.1 200 OK\n.*?)^```$", TEXT, re.M | re.S)[1].splitlines()[1:]
    with SseStream(server.address, job) as stream:
        assert [f"{name}: {value}" for name, value in stream.headers if name not in ("Date", "X-Request-Id")] == told


def make_the_first_key(api):
    """It ends what was opened without one."""
    assert api.post("/api/keys", {"scope": ["admin"]}).status == 201


CAUSES = {  # what ends a connection of this job with which code; 1012 and 1013 need a server in trouble
    "1000": lambda ws, api, job: api.finish(job),
    "1002": lambda ws, api, job: ws.send_frame(3, b"x"),
    "1003": lambda ws, api, job: ws.send_frame(BINARY_FRAME, b"x"),
    "1007": lambda ws, api, job: ws.send_text(b"\xff"),
    "1009": lambda ws, api, job: ws.send_text(b" " * 65537),
    "4001": lambda ws, api, job: make_the_first_key(api),
    "4029": lambda ws, api, job: ws.message("connected") and ws.send_many(     # it would begin the count again
        [{"type": "subscribe", "jobId": f"nobody{i}"} for i in range(50)]),
    "4400": lambda ws, api, job: ws.send_text(b"{"),
    "4404": lambda ws, api, job: None,
}


@pytest.mark.parametrize("code", CAUSES)
def test_a_close_code_has_its_cause(serve, client, code):
    server = serve()
    api = client(server)
    job = api.create_job()["id"]
    path = path_of(job="nobody" if code == "4404" else job)
    with WebSocket(server.address, path) as ws:
        CAUSES[code](ws, api, job)
        assert ws.close_code() == int(code)


def test_every_other_close_code_is_of_a_server_in_trouble():
    assert {code.strip("`") for code, *_ in DOCUMENT.table("close-codes", "code")} - set(CAUSES) == {"1012", "1013"}


# -- the comparison notices -------------------------------------------------------------------------


def changed(old, new):
    assert old in TEXT, old
    return Document(TEXT.replace(old, new, 1))


@pytest.mark.parametrize("compare, old, new, fault", [
    (compare_routes, "### `GET /healthz`", "### Health", "('GET', '/healthz') is missing"),
    (compare_routes, "### `GET /healthz`", "### `GET /healthz`, `GET /livez`", "('GET', '/livez') is documented"),
    (compare_errors, "| `job_ended` | 409 |", "| `job_over` | 409 |", "`job_ended` 409 is missing"),
    (compare_errors, "| `job_ended` | 409 |", "| `job_ended` | 410 |", "`job_ended` 410 is documented"),
    (compare_close_codes, "| `1013` |", "| `1014` |", "1013 is missing"),
    (compare_close_codes, "| `1013` |", "| `1014` |", "1014 is documented"),
    (compare_client_types, "| `mediaType`? | string | type and", "| `mediaType` | string | type and",
     "JobDeliverable: mediaType? is missing"),
    (compare_query, "| `pageToken` |", "| `page` |", "pageToken is missing"),
    (compare_query, "| `pageToken` |", "| `page` |", "page is documented"),
    (compare_message_fields, "| `tabs`? | integer | 1 to 32 |", "", "field tabs of a client's message is missing"),
])
def test_a_change_of_a_table_is_noticed(compare, old, new, fault):
    assert any(fault in one for one in compare(changed(old, new)))


@pytest.mark.parametrize("old, new, fault", [
    ("| `mediaType`? | string | type and", "| `media`? | string | type and", "mediaType is sent and not documented"),
    ("| `taskCount` | integer |", "| `tasksInAll`? | integer |", "tasksInAll is documented and never sent"),
    ("| `timestamp` | time |", "| `timestamp` | integer |", "timestamp is not integer"),
    ("| `note`? | string | at most `--max-note` |", "| `note` | string | |", "note is missing"),
    ("### Message `watchers`", "### Message", "watchers is sent and not documented"),
])
def test_a_change_of_a_field_is_noticed(traffic, old, new, fault):
    assert any(fault in one for one in compare_traffic(changed(old, new), traffic))


def test_a_change_of_what_clients_send_is_noticed(server, api, job):
    there = changed("| `attempt`? | integer | 0 to 2^53 - 1, a fence", "| `try`? | integer | a fence")
    faults = compare_request_fields(there, api, job)
    assert any("attempt is missing" in one for one in faults) and any("try is documented" in one for one in faults)
    faults = compare_kinds(changed("### Client message `ping`", "### Client message `pang`"), server.address)
    assert len(faults) == 2
    faults = compare_types(changed("### Event `command`", "### Event `order`"), api, job)
    assert len(faults) == 2
