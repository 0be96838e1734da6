"""A collector of OpenTelemetry: takes spans by OTLP/HTTP as JSON, and checks them against the specification.

`answers` says how the next requests are answered: a status, (status, headers), (status, headers, body), or a
function of the socket that does what it likes; 200 when it is empty.
"""
import json
import re
import socket
import threading
from collections import deque
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from .wait import until

HEX = {16: re.compile(r"[0-9a-f]{16}"), 32: re.compile(r"[0-9a-f]{32}")}
VALUES = {"stringValue": str, "intValue": str, "boolValue": bool}


def check_attributes(attributes):
    assert isinstance(attributes, list)
    keys = [one["key"] for one in attributes]
    assert len(keys) == len(set(keys)), keys
    for one in attributes:
        assert set(one) == {"key", "value"} and one["key"]
        (kind, value), = one["value"].items()
        assert isinstance(value, VALUES[kind]), one
        assert kind != "intValue" or re.fullmatch(r"-?\d+", value)


def attributes_of(thing):
    return {one["key"]: int(value) if kind == "intValue" else value
            for one in thing["attributes"] for kind, value in one["value"].items()}


def check_span(span):
    """opentelemetry/proto/trace/v1/trace.proto, with the rules of its JSON encoding."""
    known = {"traceId", "spanId", "parentSpanId", "flags", "name", "kind", "startTimeUnixNano", "endTimeUnixNano",
             "attributes", "events", "status"}
    assert set(span) <= known, set(span) - known
    assert HEX[32].fullmatch(span["traceId"]) and span["traceId"] != "0" * 32
    assert HEX[16].fullmatch(span["spanId"]) and span["spanId"] != "0" * 16
    assert "parentSpanId" not in span or HEX[16].fullmatch(span["parentSpanId"])
    assert span["kind"] == 2 and span["name"]
    assert span["flags"] == (0x301 if "parentSpanId" in span else 0x101)
    times = [span["startTimeUnixNano"], *(event["timeUnixNano"] for event in span.get("events", ())), span["endTimeUnixNano"]]
    assert all(isinstance(time, str) and re.fullmatch(r"\d{19}", time) for time in times)
    assert times == sorted(times)
    check_attributes(span["attributes"])
    for event in span.get("events", ()):
        assert set(event) == {"timeUnixNano", "name", "attributes"} and event["name"] == "commit"
        check_attributes(event["attributes"])
    assert span.get("status", {"code": 2}) == {"code": 2}


def spans_of(request):
    """The spans of an ExportTraceServiceRequest, after checking all of it."""
    assert set(request) == {"resourceSpans"}
    spans = []
    for resource in request["resourceSpans"]:
        assert set(resource) == {"resource", "scopeSpans"}
        check_attributes(resource["resource"]["attributes"])
        about = attributes_of(resource["resource"])
        assert about["service.name"] == "joblight" and {"service.version", "service.instance.id"} <= set(about)
        for scope in resource["scopeSpans"]:
            assert set(scope) == {"scope", "spans"} and scope["scope"]["name"] == "joblight"
            spans += scope["spans"]
    for span in spans:
        check_span(span)
    return spans


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        collector = self.server.collector
        body = self.rfile.read(int(self.headers["Content-Length"]))
        collector.requests.append((self.path, dict(self.headers), body))
        answer = collector.answers.popleft() if collector.answers else collector.default
        if callable(answer):
            answer(self)
            self.close_connection = True
            return
        status, headers, text = (*((answer,) if isinstance(answer, int) else answer), {}, b"{}")[:3]
        if 200 <= status < 300:
            collector.take(json.loads(body))
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_):
        pass


class Collector:
    def __init__(self, host="127.0.0.1", context=None):
        family = {"address_family": socket.AF_INET6} if ":" in host else {}
        self.http = type("Http", (ThreadingHTTPServer,), {**family, "daemon_threads": True})((host, 0), Handler)
        self.http.collector = self
        self.scheme = "http"
        if context:
            self.http.socket = context.wrap_socket(self.http.socket, server_side=True)
            self.scheme = "https"
        self.host, self.port = host, self.http.server_address[1]
        self.requests, self.answers, self.default = [], deque(), 200
        self.spans, self.faults = [], []
        self.thread = threading.Thread(target=self.http.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self.thread.start()

    def take(self, request):
        try:
            self.spans += spans_of(request)
        except Exception as error:              # told by the test's thread
            self.faults.append(f"{error!r}: {request}")

    def url(self, path="", host=None):
        name = host or (f"[{self.host}]" if ":" in self.host else self.host)
        return f"{self.scheme}://{name}:{self.port}{path}"

    def wait_for(self, count, within=10):
        """The spans, once there are so many."""
        until(lambda: len(self.spans) >= count or self.faults, within, f"{count} spans, not {len(self.spans)}")
        assert not self.faults, self.faults
        return list(self.spans)

    def close(self):
        self.http.shutdown()
        self.http.server_close()
        self.thread.join()
        assert not self.faults, self.faults
