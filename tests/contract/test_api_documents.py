"""/openapi.json and /asyncapi.json say what the server does: every route, field, limit and error."""
import json
import os
import re
import signal
import subprocess

import pytest
from jsonschema import Draft202012Validator, RefResolver

from support.api import Api, hook
from support.keyed import Keyed, client, db, make, root  # noqa: F401
from support.server import ROOT
from support.sse import SseStream, type_of
from support.wait import until
from support.ws import WebSocket

LIMITS = {"max_note": 64, "max_title": 32, "max_metadata": 48, "max_args": 40, "max_batch": 3, "max_tasks": 4,
          "poll_events": 7, "page_rows": 9, "poll_wait_ms": 3000, "min_heartbeat_timeout_ms": 1500}
DECLARED = set(re.findall(r'^(?:WRITE_)?ROUTE\((\w+), "([^"]+)"', (ROOT / "src/api/routes.def").read_text(), re.M))

STATUS_OF = {code: status for status, code in
                re.findall(r'^OUTCOME\(\w+, (\d+), "(\w+)"', (ROOT / "include/joblight/core/outcome.def").read_text(), re.M)}


class Description:
    def __init__(self, document):
        self.document = document
        self.resolver = RefResolver.from_schema(document)

    def resolve(self, value):
        return self.resolver.resolve(value["$ref"])[1] if "$ref" in value else value

    def faults(self, schema, value):
        return [f"{'/'.join(map(str, e.absolute_path))}: {e.message}"
                for e in Draft202012Validator(schema, resolver=self.resolver).iter_errors(value)]

    def operations(self):
        for path, methods in self.document["paths"].items():
            for method, operation in methods.items():
                yield method.upper(), path, operation

    def operation(self, method, target):
        path = target.split("?")[0].rstrip("/") or "/"
        for m, template, operation in self.operations():
            pattern = re.sub(r"\\{\w+\\}", "[^/]+", re.escape(template))
            if m == ("GET" if method == "HEAD" else method) and re.fullmatch(pattern, path):
                return operation
        return None


class Described(Keyed):
    """A client that compares every answer with the description."""

    def __init__(self, address, description, key=None):
        super().__init__(address, key)
        self.description, self.seen = description, set()

    def request(self, method, path, body=None, headers=None):
        reply = super().request(method, path, body, headers)
        operation = self.description.operation(method, path)
        assert operation, (method, path)
        answer = operation["responses"].get(str(reply.status))
        assert answer, (method, path, reply)
        self.seen.add((operation["operationId"], str(reply.status)))
        content = self.description.resolve(answer).get("content", {})
        if not reply.body:
            assert not content or method == "HEAD", (method, path, reply)
            return reply
        type_ = reply.header("content-type").split(";")[0]
        assert type_ in content, (method, path, type_)
        if type_.endswith("json") and not type_.endswith("ndjson"):
            assert not self.description.faults(content[type_]["schema"], reply.json), (method, path, reply)
        return reply


@pytest.fixture
def limited(serve, db, root):
    return serve(db=db, **LIMITS)


@pytest.fixture
def described(limited, client, root):
    description = Description(client(limited, root).get("/openapi.json").json)
    with Described(limited.address, description, root) as api:
        yield api


def test_the_committed_files_are_what_the_script_writes():
    done = subprocess.run([ROOT / "script/api-documents", "--check"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_every_route_is_described_and_no_other(api):
    description = Description(api.get("/openapi.json").json)
    told = {(method, re.sub(r"\{(\w+)\}", r":\1", path)) for method, path, _ in description.operations()}
    assert told == DECLARED - {("GET", "/*")}
    for method, path, operation in description.operations():
        for status, answer in operation["responses"].items():
            if int(status) >= 400:
                codes = description.resolve(answer)["content"]["application/problem+json"]["schema"]["allOf"][1]
                assert {STATUS_OF[code] for code in codes["properties"]["code"]["enum"]} == {status}, (method, path)


def test_every_error_is_described(api):
    text = api.get("/openapi.json").body.decode()
    assert not [code for code, status in STATUS_OF.items()
                if int(status) >= 400 and f'"{code}"' not in text and code not in ("method_not_allowed", "too_many_subscriptions")]


@pytest.mark.parametrize("path", ["/openapi.json", "/asyncapi.json"])
def test_a_description_needs_no_key_and_is_revalidated(limited, path):
    with Api(limited.address) as stranger:
        reply = stranger.get(path)
        assert reply.status == 200 and b"@" not in reply.body, reply
        assert stranger.get(path, If_None_Match=reply.header("etag")).status == 304


def test_the_limits_are_those_of_the_server(serve, tmp_path):
    file = tmp_path / "joblight.conf"
    file.write_text("max-note = 77\n")
    server = serve(config=file, poll_wait_ms=5000)

    def schemas(path="/openapi.json"):
        with Api(server.address) as api:
            return api.get(path).json["components"]["schemas"]

    assert schemas()["Update"]["properties"]["note"]["anyOf"][0]["maxLength"] == 77
    assert schemas("/asyncapi.json")["Task"]["properties"]["note"]["maxLength"] == 77
    with Api(server.address) as api:
        wait = next(p for p in api.get("/openapi.json").json["paths"]["/api/jobs/{job}/updates"]["get"]["parameters"]
                    if p.get("name") == "wait")
    assert wait["schema"]["maximum"] == 5
    file.write_text("max-note = 78\n")
    server.process.send_signal(signal.SIGHUP)
    until(lambda: schemas()["Update"]["properties"]["note"]["anyOf"][0]["maxLength"] == 78, 10, "the new limit")


# -- what is sent to it -----------------------------------------------------------------------------

def target_of(path, job):
    return path.replace("{job}", job).replace("{task}", "t").replace("{key}", "0" * 12)


def bodies(description):
    return [(method, path, operation, operation["requestBody"]["content"]["application/json"])
            for method, path, operation in description.operations()
            if "application/json" in operation.get("requestBody", {}).get("content", {})]


def properties(description, content):
    """{name: schema}, of the object that a body is."""
    schema = content["schema"]
    for group in "allOf", "oneOf":
        schema = schema[group][0] if group in schema else schema
    return description.resolve(schema)["properties"]


def flat(description, schema):
    """The alternatives of a schema."""
    schema = description.resolve(schema)
    for group in "anyOf", "allOf":
        if group in schema:
            return [one for part in schema[group] for one in flat(description, part)]
    return [schema]


def values(description, schema):
    """Values on both sides of every limit of a schema."""
    found = []
    for one in flat(description, schema):
        kind = one.get("type")
        found += one.get("enum", [])
        found += [one["const"]] if "const" in one else []
        if kind == "string":
            most = one.get("maxLength")
            found += ["a", "", " ", "-a", "A~b", "a b", 5, ["a"]]
            found += ["a" * most, "a" * (most + 1)] if most else []
            found += ["a" * 64, "a" * 65, "a" * 128, "a" * 129] if "pattern" in one and not most else []
        if kind in ("integer", "number"):
            for edge, step in (("minimum", -1), ("maximum", 1)):
                found += [one[edge], one[edge] + step] if edge in one and abs(one[edge]) < 1 << 53 else []
            found += ["5", True, 1.5]
        if "x-maxBytes" in one:
            room = one["x-maxBytes"] - len('{"k":""}')
            found += [{"k": "a" * room}, {"k": "a" * (room + 1)}, [], "x"]
    return [value for index, value in enumerate(found) if value not in found[:index] or value is True] + [None]


def is_valid(description, schema, value):
    if isinstance(value, dict) and "x-maxBytes" in (schemas := flat(description, schema)[0]):
        return len(json.dumps(value, separators=(",", ":"))) <= schemas["x-maxBytes"]
    return not description.faults(schema, value)


# What a schema does not say: (field, value) that a rule about several fields decides.
BESIDE_THE_SCHEMA = {
    ("url", "a"), ("url", " "), ("url", "-a"), ("url", "A~b"), ("url", "a b"), ("url", ""),     # the form of a URL
    ("url", "a" * 2048), ("mediaType", "a"), ("mediaType", ""), ("mediaType", " "), ("mediaType", "-a"),
    ("mediaType", "A~b"), ("mediaType", "a b"), ("mediaType", "a" * 127),
}


@pytest.mark.parametrize("operation_id", ["createJob", "changeJob", "createTask", "putTask", "reportTasks", "addDeliverable",
                                          "sendCommand", "reportPresence"])
def test_the_server_accepts_what_a_schema_allows_and_nothing_else(described, operation_id):
    description = described.description
    method, path, _, content = next(row for row in bodies(description) if row[2]["operationId"] == operation_id)
    tried, faults = 0, []
    for name, schema in properties(description, content).items():
        for value in values(description, schema) if name not in ("tasks",) else []:
            if isinstance(value, str) and (name, value) in BESIDE_THE_SCHEMA or value is None and name in ("metadata", "args"):
                continue
            job = described.create_job(tasks=[{"id": "t", "status": "in_progress"}])["id"]
            body = {key: item for key, item in content["example"].items() if not (operation_id == "createJob" and key == "id")}
            body |= {name: value}
            if name == "taskId" and operation_id == "sendCommand" and is_valid(description, schema, value):
                body["taskId"] = value = "t"
            reply = Keyed.request(described, method, target_of(path, job), body)
            tried += 1
            if (reply.status < 300) != is_valid(description, schema, value) and reply.status != 409:
                faults.append(f"{name}={value!r}: {reply.status} {reply.body[:120]}")
    assert not faults and tried > 5, "\n".join(faults)


def test_the_examples_are_accepted(described, root):
    for method, path, operation, content in bodies(described.description):
        job = described.create_job(tasks=[{"id": "t"}])["id"]
        body = {**content["example"], **({"key": root} if path == "/login" else {})}
        assert not described.description.faults(content["schema"], content["example"])
        reply = described.request(method, target_of(path, job), body)
        assert reply.status < 300, (operation["operationId"], reply)


@pytest.mark.parametrize("count", [3, 4])
def test_the_largest_batch(described, count):
    method, path, _, content = next(row for row in bodies(described.description) if row[2]["operationId"] == "reportTasks")
    body = [{"taskId": f"t{i}"} for i in range(count)]
    reply = described.request(method, target_of(path, described.create_job()["id"]), body)
    assert (reply.status == 200) == (not described.description.faults(content["schema"], body)) == (count == 3)


# -- what it answers --------------------------------------------------------------------------------

def test_every_answer_is_described(described, limited, root):
    """Each route is called well and badly; what comes back is compared with the description."""
    api = described
    job = api.create_job(id="one", tasks=[{"id": "t"}])["id"]
    at = f"/api/jobs/{job}"
    assert api.post("/api/jobs?token=watch", {"title": "x"}).json["token"]
    api.post("/api/jobs", {"title": "x", "id": job})
    api.post("/api/jobs", {"nope": 1})
    api.post("/api/jobs", b"{", Content_Type="application/json")
    api.post("/api/jobs", b"{}", Content_Type="text/plain")
    api.post("/api/jobs", {"title": "x", "metadata": {"a": "b" * 300000}})
    api.get("/api/jobs?status=nope")
    for path in ("/api/jobs", "/api/jobs?limit=1", at, f"{at}/tasks", f"{at}/deliverables", f"{at}/activity",
                 f"{at}/activity?limit=1", f"{at}/updates", f"{at}/updates?since=nope", "/api/session", "/api/keys",
                 "/healthz", "/readyz", "/metrics", "/api/connection", "/docs", "/llms.txt", "/", "/login", "/jobs/one", "/api/ws", "/demo"):
        api.get(path)
    for path in (at, f"{at}/updates", f"{at}/activity", f"{at}/tasks", f"{at}/task-events", f"{at}/deliverables"):
        api.get(path.replace("one", "nobody"))
        api.get(path.replace("one", "-"))
    api.post(f"{at}/tasks", {"title": "T", "id": "t2"})
    api.post(f"{at}/tasks", {"title": "T", "id": "t2"})
    api.put(f"{at}/tasks/t3", {"attempt": 2})
    api.put(f"{at}/tasks/t3", {"attempt": 1})
    api.put(f"{at}/tasks/t3", {"attempt": 3})
    api.post(hook(job), {"taskId": "t", "progress": 1}, Idempotency_Key="k")
    api.post(hook(job), {"taskId": "t", "progress": 2}, Idempotency_Key="k")
    api.post(hook(job), [{"taskId": "t"}])
    api.post(hook(job), [{"taskId": f"u{i}"} for i in range(3)])      # too many tasks
    for _ in range(2):
        api.post(f"{at}/deliverables", {"title": "d", "id": "d"})
    api.post(f"{at}/commands", {"command": "cancel"})
    api.post(f"{at}/commands", {"command": "cancel", "taskId": "nobody"})
    api.post(f"{at}/presence", {"agent": "a", "state": "s"})
    token = api.post(f"{at}/tokens", {"scope": ["watch"]}).json["token"]
    api.delete("/api/session")
    api.post(f"{at}/tickets")
    key = api.post("/api/keys", {"scope": ["watch"], "jobs": ["other"]}).json
    api.post("/api/login-codes")
    cursor = api.get(at).header("etag")
    api.get(at, If_None_Match=cursor)
    api.get(f"{at}/updates?since={cursor.strip(chr(34))}", If_None_Match=cursor)
    api.patch(at, {"title": "x"}, If_Match='"nope"')
    file = api.get(f"{at}/export").body
    for query, body in (("?as=two", file), ("", file), ("?as=three", file[:-9]), ("?replace=2", file)):
        api.request("POST", f"/api/imports{query}", body, {"Content-Type": "application/x-ndjson"})
    api.post("/api/database/rewrite")
    with Described(limited.address, api.description, key["key"]) as narrow:
        narrow.get(at)
        narrow.post("/api/jobs", {"title": "x"})
    with Described(limited.address, api.description) as nobody:
        nobody.seen = api.seen
        nobody.get(at)
        nobody.delete("/api/session", Authorization=f"Bearer {token}")
        nobody.post("/login", {"key": "x"})
        cookie = nobody.post("/login", {"key": root}).header("set-cookie").split(";")[0]
        nobody.post("/logout", Cookie=cookie)
    api.delete(f"/api/keys/{key['id']}")
    api.delete(f"/api/keys/{'0' * 12}")
    api.patch(at, {"status": "completed"})
    api.patch(at, {"status": "failed"})
    assert api.get(f"{at}/task-events?since={api.get(at).json['cursor']}").status == 204
    api.delete(at)
    assert len(api.seen) > 60, api.seen
    good = {operation for operation, status in api.seen if int(status) < 400}
    assert {operation["operationId"] for _, _, operation in api.description.operations()} - good == \
        {"openWebSocket", "getDemoPage", "getOpenApi", "getAsyncApi"}


def test_the_messages_of_a_stream_are_described(described, limited, root):
    job = described.create_job(tasks=[{"id": "t"}])["id"]
    answer = described.description.operation("GET", f"/api/jobs/{job}/task-events")["responses"]["200"]
    data = answer["content"]["text/event-stream"]["itemSchema"]["properties"]["data"]["contentSchema"]
    kinds = set()
    with SseStream(limited.address, job, query="heartbeat=5", headers=(f"Authorization: Bearer {root}",)) as stream:
        described.report(job, "t", note="n")
        described.post(f"/api/jobs/{job}/commands", {"command": "cancel"})
        described.post(f"/api/jobs/{job}/deliverables", {"title": "d"})
        described.patch(f"/api/jobs/{job}", {"title": "x"})
        while "heartbeat" not in kinds:
            block = stream.block(within=10)
            if block.data is not None:
                kinds.add(type_of(block))
                assert not described.description.faults(data, block.json), block
        described.finish(job)
        while (block := stream.block(within=10)) is not None:
            if block.data is not None:
                kinds.add(type_of(block))
                assert not described.description.faults(data, block.json), block
    assert {"connected", "task_update", "job_update", "command", "deliverable", "heartbeat", "end"} <= kinds


# -- the WebSocket ----------------------------------------------------------------------------------

def test_every_message_of_a_websocket_is_described(limited, described, root):
    description = Description(described.get("/asyncapi.json").json)
    messages = description.document["components"]["messages"]
    sent = {message["name"]: message["payload"] for name, message in messages.items() if not name.endswith("ClientMessage")}
    own = {message["name"]: message["payload"] for name, message in messages.items() if name.endswith("ClientMessage")}
    job, seen, headers = described.create_job(tasks=[{"id": "t"}])["id"], set(), (f"Authorization: Bearer {root}",)
    assert set(own) == set(re.findall(r'MESSAGE\(\w+, "(\w+)"', (ROOT / "include/joblight/core/messages.def").read_text()))

    def take(ws, until_type):
        while (said := ws.next(10)) is not None:
            seen.add(said.type)
            assert not description.faults(sent[said.type], said.json), said
            if said.type == until_type:
                return

    with WebSocket(limited.address, headers=headers) as ws:
        for kind, fields, answer in (
                ("subscribe", {"jobId": job}, "connected"), ("update", {"id": "1", "jobId": job, "taskId": "t"}, "ack"),
                ("update", {"id": "b", "jobId": job, "updates": [{"taskId": "t"}, {"taskId": "t"}]}, "ack"),
                ("command", {"id": "2", "jobId": job, "command": "cancel"}, "ack"),
                ("presence", {"jobId": job, "state": "x", "agent": "a"}, "presence"),
                ("update", {"id": "1", "jobId": job, "taskId": "t", "progress": 5}, "error"),
                ("token", {"id": "3", "token": root}, "ack"), ("ping", {}, "pong"),
                ("unsubscribe", {"jobId": job}, "end")):
            assert not description.faults(own[kind], {"type": kind, **fields})
            ws.send(kind, **fields)
            take(ws, answer)
    assert {"connected", "ack", "error", "presence", "pong", "end", "task_update", "command"} <= seen


@pytest.mark.parametrize("kind, fields", [
    ("subscribe", {}), ("subscribe", {"jobId": "-"}), ("update", {"jobId": "j", "taskId": "t"}),
    ("command", {"id": "1", "jobId": "j", "command": "A"}), ("presence", {"jobId": "j"}), ("token", {"id": "1"}),
    ("subscribe", {"jobId": "j", "tabs": 33}), ("subscribe", {"jobId": "j", "heartbeat": 4}), ("unsubscribe", {"jobId": 1}),
    ("update", {"id": "1", "jobId": "j", "updates": [{"taskId": "t"}] * 4}),
])
def test_a_message_that_the_description_does_not_allow_is_refused(limited, described, root, kind, fields):
    description = Description(described.get("/asyncapi.json").json)
    name = kind.capitalize() + "ClientMessage"
    assert description.faults(description.document["components"]["messages"][name]["payload"], {"type": kind, **fields})
    described.create_job(id="j", tasks=[{"id": "t"}])
    with WebSocket(limited.address, headers=(f"Authorization: Bearer {root}",)) as ws:
        assert ws.ask(kind, "error", **fields)["status"] in (400, 422)


def test_close_codes_are_those_of_the_protocol(api):
    codes = api.get("/asyncapi.json").json["channels"]["socket"]["x-closeCodes"]
    assert {"1000", "1012", "4001", "4404"} <= set(codes)


# -- others read it ---------------------------------------------------------------------------------

def test_a_linter_accepts_both(api, tmp_path):
    for name in "openapi.json", "asyncapi.json":
        (tmp_path / name).write_bytes(api.get(f"/{name}").body)
    # a WebSocket and a redirect have no 2xx
    (tmp_path / "redocly.yaml").write_text("extends: [recommended]\nrules: {operation-2xx-response: off}\n")
    done = subprocess.run([ROOT / "tests/clients/node_modules/.bin/redocly", "lint", "openapi.json", "asyncapi.json",
                           "--format=json"], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=120,
                          env={"PATH": os.environ["PATH"], "HOME": str(tmp_path), "REDOCLY_TELEMETRY": "off", "REDOCLY_SUPPRESS_UPDATE_NOTICE": "true"})
    found = re.findall(r'"(?:errors|warnings)": (\d+)', done.stdout)
    assert done.returncode == 0 and found and set(found) == {"0"}, done.stdout + done.stderr


def test_the_summary_names_every_route(api):
    reply = api.get("/llms.txt")
    assert reply.status == 200 and reply.header("content-type").startswith("text/plain")
    lines = re.findall(r"^- `(\w+) ([^`]+)`: \S", reply.body.decode(), re.M)
    assert {(method, re.sub(r"\{(\w+)\}", r":\1", path)) for method, path in lines} == DECLARED - {("GET", "/*")}
