"""A server with a long past: how soon it is there again, and what its largest answers take."""
import http.client
import json
import statistics
import time

TASKS = 1000
ASKED = 200


def ask(connection, method, path, body=None):
    connection.request(method, path, json.dumps(body) if body else None, {"Content-Type": "application/json"})
    answer = connection.getresponse()
    text = answer.read()
    if answer.status // 100 != 2:
        raise RuntimeError(f"{method} {path} answered {answer.status}: {text[:200]}")
    return text


def snapshot_ms(port):
    """Median of asking for a job of TASKS tasks, read to its last byte."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    tasks = [{"id": f"task-{i}", "title": f"Render page {i}", "status": "in_progress"} for i in range(TASKS)]
    ask(connection, "POST", "/api/jobs", {"id": "large", "title": "Large", "status": "in_progress", "tasks": tasks})
    times = []
    for _ in range(ASKED):
        begin = time.perf_counter()
        text = ask(connection, "GET", "/api/jobs/large")
        times.append(time.perf_counter() - begin)
    if len(json.loads(text)["tasks"]) != TASKS:
        raise RuntimeError("a snapshot without all tasks")
    return 1000 * statistics.median(times)


def run_start(start, folder, load):
    """Fills a log, stops the server, and starts it again."""
    with start() as server:
        result = load(server)
    if not result:
        return None
    size = sum(file.stat().st_size for file in folder.glob("joblight.db*"))
    with start() as server:
        result["start_s"] = server.start_s
        result["snapshot_ms"] = snapshot_ms(server.port)
    result["bytes_each"] = size / result["updates"]
    return result
