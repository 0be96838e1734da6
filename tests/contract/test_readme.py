"""README.md and docs/ hold: their examples run as they stand, and what they name is there.

An example is a fenced block with a name after its language (```sh watch). It runs in a folder of its
own against a real server; only the address is another one. curl fails on a problem (.curlrc), the
examples for pages run in Chromium. A block without a test, and a test without a block, fail.
"""
import contextlib
import json
import os
import re
import select
import shutil
import signal
import socket
import subprocess
import threading
from pathlib import Path

import pytest

from support import tls
from support.api import Api, Lost
from support.document import anchors, outside_of_code
from support.keyed import Keyed
from support.server import BINARY, ROOT
from support.wait import Deadline, readable, until

README = (ROOT / "README.md").read_text()
DOCUMENTS = {path.relative_to(ROOT): path.read_text()
             for path in [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), *ROOT.glob("tests/*/README.md")]}
ALL = "\n".join(DOCUMENTS.values())
ADDRESS = "127.0.0.1:3001"
CLAIMED = {"app"}   # it runs in every page


def find_examples():
    blocks = re.findall(r"^```(\w+) (\w+)\n(.*?)^```$", ALL, re.M | re.S)
    examples = {name: (language, text) for language, name, text in blocks}
    assert len(examples) == len(blocks), "two examples have one name"
    return examples


EXAMPLES = find_examples()


def example(*names):
    """The test runs once for each of these examples."""
    CLAIMED.update(names)
    return pytest.mark.parametrize("name", names)


# -- running them -----------------------------------------------------------------------------------


class Running:
    """A program under way, whose words can be waited for."""

    def __init__(self, command, folder):
        environment = {**os.environ, "HOME": str(folder), "CURL_HOME": str(folder),
                       "PYTHONUNBUFFERED": "1",
                       "PATH": f"{Path(BINARY).resolve().parent}:{os.environ['PATH']}"}    # joblight is installed
        (folder / ".curlrc").write_text("fail-with-body\nno-progress-meter\n")
        self.said = ""
        self.process = subprocess.Popen([str(word) for word in command], cwd=folder, env=environment,
                                        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                        stderr=subprocess.STDOUT, start_new_session=True)

    def _take(self):
        data = os.read(self.process.stdout.fileno(), 65536)
        self.said += data.decode("utf-8", "replace")
        return bool(data)

    def _read(self, deadline):
        readable(self.process.stdout, deadline)
        return self._take()

    def has_said(self, text):
        while select.select([self.process.stdout], [], [], 0)[0] and self._take():
            pass
        return text in self.said

    def _read_until(self, done, what, within):
        deadline = Deadline(within, what)
        try:
            while not done() and self._read(deadline):
                pass
        except AssertionError as late:
            raise AssertionError(f"{late}; it said:\n{self.said}") from None

    def says(self, text, within=20):
        self._read_until(lambda: text in self.said, repr(text), within)
        assert text in self.said, f"it ended without {text!r}:\n{self.said}"

    def ends(self, within=30):
        """Waits for its end, which must be a good one; gives all it said."""
        self._read_until(lambda: False, "its end", within)
        code = self.process.wait()
        assert code == 0, f"exit code {code}:\n{self.said}"
        return self.said

    def bury(self):
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        self.process.stdout.close()


def node():
    """Node.js 18 or later, which the JavaScript worker is written for."""
    program = shutil.which("node")
    assert program, "the JavaScript examples need node 18 or later; there is none (apt-get install nodejs)"
    version = subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout
    assert int(re.match(r"v(\d+)", version).group(1)) >= 18, f"node 18 or later is needed, this is {version}"
    return program


RUNNERS = {
    "sh": lambda file: ["sh", "-e", file],
    "python": lambda file: ["/usr/bin/python3", file],
    "js": lambda file: [node(), file],
}
ENDINGS = {"sh": ".sh", "python": ".py", "js": ".mjs"}


@pytest.fixture
def run(tmp_path):
    """run(name, address): an example under way in tmp_path; run(command=[…]) something else."""
    started = []

    def start(name=None, address=None, command=None):
        if name:
            language, text = EXAMPLES[name]
            file = tmp_path / ("example_" + name + ENDINGS[language])
            file.write_text(text.replace(ADDRESS, "{}:{}".format(*address)))
            command = RUNNERS[language](file)
        started.append(Running(command, tmp_path))
        return started[-1]

    yield start
    for program in started:
        program.bury()


@pytest.fixture
def report(api):
    """The job that the examples write to, fresh for each of them."""
    api.delete("/api/jobs/report")
    return api.create_job(id="report", title="Q4 report")["id"]


def told(api, task):
    """What the log says of one task."""
    return [event for event in api.activity("report") if event.get("taskId") == task]


# -- the first screen, and workers ------------------------------------------------------------------


@example("first", "start")
def test_the_first_example_makes_a_job_with_a_task_at_work(name, run, server, api):
    api.delete("/api/jobs/report")
    said = run(name, server.address).ends()
    assert name == "first" or '"ok":true' in said
    job = api.job("report")
    task = job["tasks"][0]
    assert (job["title"], job["status"]) == ("Q4 report", "in_progress")
    assert (task["id"], task["status"], task["progress"]) == ("render", "in_progress", 42)
    assert task["note"] == "page 42 of 100"


class LosesAnAnswer(threading.Thread):
    """In front of the server: carries the first request to it, and loses the answer."""

    def __init__(self, server):
        super().__init__(daemon=True)
        self.server = server
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.address = self.socket.getsockname()
        self.lost = 0

    def run(self):
        while True:
            try:
                client = self.socket.accept()[0]
            except OSError:
                return   # closed: the test is over
            threading.Thread(target=self._carry, args=(client,), daemon=True).start()

    def _carry(self, client):
        with contextlib.suppress(OSError), client, \
                socket.create_connection(self.server.address) as server:
            while True:
                for source in select.select([client, server], [], [])[0]:
                    data = source.recv(65536)
                    if not data:
                        return
                    if source is server and not self.lost:
                        self.lost += 1
                        return
                    (client if source is server else server).sendall(data)


@pytest.fixture
def lossy(server):
    lossy = LosesAnAnswer(server)
    lossy.start()
    yield lossy
    lossy.socket.shutdown(socket.SHUT_RDWR)   # wakes its accept()
    lossy.socket.close()


@example("shell", "javascript", "python")
def test_a_worker_repeats_what_was_not_answered_and_nothing_is_there_twice(
        name, run, lossy, api, report, tmp_path):
    proof_read = tmp_path / "proof-read"
    proof_read.write_text("#!/bin/sh\n")
    proof_read.chmod(0o755)
    run(name, lossy.address).ends()
    assert lossy.lost == 1
    assert [event["status"] for event in told(api, "proof")] == ["in_progress", "completed"]


@example("shell")
def test_the_shell_worker_tells_when_its_command_fails(name, run, server, api, report, tmp_path):
    proof_read = tmp_path / "proof-read"
    proof_read.write_text("#!/bin/sh\nexit 3\n")
    proof_read.chmod(0o755)
    run(name, server.address).ends()
    assert told(api, "proof")[-1]["status"] == "failed"


@example("ways")
def test_batches_forms_and_silence(name, run, server, api, report):
    run(name, server.address).ends()
    assert [event["taskId"] for event in api.activity(report)[1:5]] == ["text", "figures", "text", "render"]
    assert api.job(report)["tasks"][0]["note"] == "one more comma"
    until(lambda: told(api, "render")[-1].get("stalled"), 10, "the silent task being stalled")
    run(name, server.address).ends()
    assert len(told(api, "figures")) == 1, "the batch had the same key"


@example("job")
def test_deliverables_commands_presence_and_the_end(name, run, server, api, report):
    api.report(report, "render")
    run(name, server.address).ends()
    log = api.activity(report)
    assert [event["type"] for event in log[2:]] == ["deliverable", "command", "job_update"]
    assert api.job(report)["status"] == "completed"


# -- the command line ---------------------------------------------------------------------------------


@pytest.fixture
def on_path(server, monkeypatch):
    """`joblight` is a command, and its server is that of the file."""
    monkeypatch.setenv("PATH", f"{os.path.dirname(BINARY)}:{os.environ['PATH']}")
    monkeypatch.setenv("JOBLIGHT_URL", server.url)
    if server.scheme == "https":
        monkeypatch.setenv("CURL_CA_BUNDLE", str(tls.everywhere().certificate))


@example("commands")
def test_a_job_is_done_by_the_command_line(name, run, on_path, server, api):
    api.delete("/api/jobs/report")
    said = run(name, server.address).ends()
    assert api.job("report")["status"] == "completed"
    tasks = {task["id"]: (task["status"], task["progress"]) for task in api.job("report")["tasks"]}
    assert tasks == {"render": ("in_progress", 42), "figures": ("completed", 100)}
    assert "[2/2] print\n" in said and said.count('"type":"job_update"') == 2


@example("cli")
def test_a_worker_reports_by_the_command_line(name, run, on_path, server, api, report, tmp_path):
    proof_read = tmp_path / "proof-read"
    proof_read.write_text("#!/bin/sh\necho 'page 3 of 4'\n")
    proof_read.chmod(0o755)
    run(name, server.address).ends()
    assert told(api, "proof")[0]["note"] == "reads the proofs" and told(api, "proof")[-1]["status"] == "completed"
    assert api.job("report")["status"] == "in_progress"


@example("run")
def test_a_command_is_a_job(name, run, on_path, server, api):
    api.delete("/api/jobs/build")
    said = run(name, server.address).ends()
    assert "[3/3] step 3" in said and "/jobs/build\n" in said and '"status":"completed"' in said


# -- tokens -----------------------------------------------------------------------------------------


@pytest.fixture
def keyed(serve, client, monkeypatch):
    """A server with a key, which the examples have in $KEY, and a client that sends it; with the job of the examples."""
    server = serve()
    key = client(server).post("/api/keys", {"scope": ["admin", "create", "watch", "report"]}).json["key"]
    monkeypatch.setenv("KEY", key)
    everything = Keyed(server.address, key)
    everything.create_job(id="report", title="Q4 report")
    yield server, everything
    everything.close()


@example("token")
def test_a_token_is_made_with_curl(name, run, keyed, client):
    server, _ = keyed
    made = json.loads(run(name, server.address).ends())
    reply = client(server).get("/api/jobs/report", Authorization=f"Bearer {made['token']}")
    assert reply.status == 200 and made["scope"] == ["watch"]


@example("ticket")
def test_a_ticket_opens_a_stream_of_curl(name, run, keyed):
    server, everything = keyed
    curl = run(name, server.address)
    curl.says('"type":"connected"')
    everything.report("report", "render", note="seen by curl")
    curl.says("seen by curl")


# -- watching ---------------------------------------------------------------------------------------


@example("watch")
def test_curl_sees_it_all_and_ends_with_the_job(name, run, server, api, report):
    curl = run(name, server.address)
    curl.says('"type":"connected"')
    api.report(report, "render", note="seen by curl")
    curl.says("seen by curl")
    api.finish(report)
    assert '"type":"end"' in curl.ends()


@example("poll")
def test_polling_waits_for_what_comes_next(name, run, server, api, report):
    curl = run(name, server.address)

    def answered():
        api.report(report, "render", note="seen by polling")
        return curl.process.poll() is not None

    until(answered, 20, "the long poll being answered")
    assert '"events":[{"type":"task_update"' in curl.ends()


def chromium_at(url, folder):
    return ["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run",
            "--disable-background-networking", "--remote-debugging-port=0",
            f"--user-data-dir={folder}/profile", "--enable-logging=stderr", url]


@pytest.fixture
def browse(serve, client, run, tmp_path):
    """browse(name, page): Chromium on that script in that page, and the API of its server."""
    def start(name, page="page"):
        www = tmp_path / "www"
        shutil.copytree(ROOT / "www", www)
        (www / "app.js").write_text(EXAMPLES[name][1])
        script = '<script type="module" src="/app.js"></script>'
        html = EXAMPLES[page][1] if page == "page" else EXAMPLES[page][1] + script
        (www / "index.html").write_text("<!doctype html>\n" + html)
        server = serve(www=www)
        api = client(server)
        api.create_job(id="report", title="Q4 report")
        return run(command=chromium_at(server.url, tmp_path)), api

    return start


@example("page", "element")
def test_the_element_hands_on_what_happens(name, browse):
    """Repeated, because what is committed while the page connects comes with its snapshot."""
    chromium, api = browse("app", name)

    def seen():
        api.report("report", "render", status="in_progress", note="seen by the page")
        return chromium.has_said("render in_progress seen by the page")

    until(seen, 30, "the update on the page")
    api.finish("report")
    chromium.says("the job is completed")


@example("class")
def test_the_class_reports_watches_and_ends_with_the_job(name, browse):
    chromium, api = browse(name)
    chromium.says('"live"')
    assert told(api, "reading")[0]["status"] == "in_progress"
    api.report("report", "render", note="seen by the class")
    chromium.says("task_update render seen by the class")
    api.finish("report")
    chromium.says("the job is completed")


@example("shared")
def test_streams_of_a_page_share_a_socket_that_goes_both_ways(name, browse):
    """Repeated, because what is committed while the page connects comes with its snapshot."""
    chromium, api = browse(name)

    def seen():
        api.report("report", "binding", status="completed")
        return chromium.has_said("binding completed")

    until(seen, 30, "the update on the page")
    until(lambda: [entry["type"] for entry in api.activity("report")].count("command"), 20, "the comment in the log")
    assert api.get("/api/jobs/report").json["tasks"][0]["status"] == "completed"


@example("eventsource")
def test_an_event_source_needs_three_lines(name, browse):
    chromium, api = browse(name)
    chromium.says('"type":"connected"')
    api.report("report", "render", note="seen by EventSource")
    chromium.says("seen by EventSource")


class WithKey(Api):
    """Sends a key with every request."""

    key = None

    def request(self, method, path, body=None, headers=None):
        return super().request(method, path, body, {"Authorization": f"Bearer {self.key}", **(headers or {})})


@pytest.fixture
def with_keys(serve, tmp_path):
    """with_keys(www=…): a server whose first key is always the same, and an API with this key."""
    path = tmp_path / "key"
    path.touch(0o600)
    path.write_text(subprocess.run([BINARY, "key", "generate"], capture_output=True, text=True, check=True).stdout)
    opened = []

    def start(**options):
        server = serve(key_file=path, db=tmp_path / "keyed.db", **options)
        opened.append(WithKey(server.address))
        opened[-1].key = path.read_text().strip()
        return server, opened[-1]

    yield start
    for api in opened:
        api.close()


@example("customer", "ticketed")
def test_a_page_of_a_server_with_keys_watches_with_a_token(name, with_keys, run, tmp_path):
    server, api = with_keys()
    api.create_job(id="report", title="Q4 report")
    token = api.post("/api/jobs/report/tokens", {"scope": ["watch"]}).json["token"]
    server.stop()
    www = tmp_path / "www"
    shutil.copytree(ROOT / "www", www)
    (www / "token").write_text(token)   # as the application's back end answers
    (www / "app.js").write_text(EXAMPLES[name][1])
    (www / "index.html").write_text("<!doctype html>\n" + EXAMPLES["page"][1])
    server, api = with_keys(www=www)
    chromium = run(command=chromium_at(server.url, tmp_path))

    def seen():
        api.report("report", "render", note="seen with a token")
        return chromium.has_said("seen with a token")

    until(seen, 30, "the update on the page")


@example("backend")
def test_a_back_end_leads_its_customer_to_one_job(name, with_keys, run, monkeypatch, tmp_path):
    server, api = with_keys()
    key = api.post("/api/keys", {"scope": ["create"], "jobs": ["report*"]}).json["key"]
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    monkeypatch.setenv("JOBLIGHT_KEY", key)
    monkeypatch.setenv("PORT", str(port))
    run(name, server.address)
    until(lambda: api.get("/api/jobs/report").status == 200, 20, "the job of the back end")
    back_end = Api(("127.0.0.1", port))
    until(lambda: answers(back_end), 20, "the back end")
    token = back_end.get("/token").body.decode()
    back_end.close()
    assert api.get("/api/jobs/report", Authorization=f"Bearer {token}").status == 200
    assert api.get("/api/jobs", Authorization=f"Bearer {token}").json["jobs"][0]["id"] == "report"
    run(command=chromium_at(f"http://127.0.0.1:{port}/", tmp_path))
    until(lambda: api.get("/api/jobs").json["jobs"][0]["watchers"] == 1, 30, "the customer being live")


def answers(api):
    try:
        return api.get("/token").status == 200
    except Lost:
        return False


@example("socket")
def test_a_worker_on_a_websocket_reports_and_is_told_to_stop(name, run, server, api, report):
    worker = run(name, server.address)
    worker.says("ack 2\n")
    again = api.update(report, {"taskId": "render", "progress": 44}, Idempotency_Key="page-44")
    assert (again.status, again.header("Idempotency-Replayed")) == (200, "true")
    reply = api.post(f"/api/jobs/{report}/commands", {"command": "cancel"})
    assert reply.status == 201, reply
    worker.ends()
    assert told(api, "render")[-1]["status"] == "cancelled"


# -- running it -------------------------------------------------------------------------------------


@pytest.mark.sqlite("it copies the file")
@example("backup")
def test_a_backup_of_a_running_server_can_be_served(name, run, server, api, report, serve, client,
                                                    tmp_path):
    api.report(report, "render", note="safe")
    (tmp_path / "joblight.db").symlink_to(server.db)
    run(name, server.address).ends()
    restored = client(serve(db=tmp_path / "backup.db"))
    assert restored.job(report)["tasks"][0]["note"] == "safe"


@pytest.mark.sqlite("it copies the file")
@example("restore")
def test_a_restored_backup_gets_new_epochs(name, run, server, serve, client, tmp_path):
    own = serve(db=tmp_path / "joblight.db")
    job = client(own).create_job()
    old = job["cursor"]
    own.stop()
    shutil.move(tmp_path / "joblight.db", tmp_path / "backup.db")
    run(name, server.address).ends()
    api = client(own.start())
    page = api.get(f"/api/jobs/{job['id']}/updates?since={old}").json
    assert (page["reset"], page["reason"]) == (True, "epoch")


# -- what they name ---------------------------------------------------------------------------------


def test_every_example_is_run():
    blocks = re.findall(r"^```((?:sh|js|python|html)\b.*)$", ALL, re.M)
    assert len(blocks) == len(EXAMPLES), f"an example has no name: {blocks}"
    assert CLAIMED == set(EXAMPLES)


def test_the_readme_is_short():
    assert README.count("\n") <= 200


def test_every_file_they_name_is_there():
    named = re.findall(r"`((?:src|include|tests|script|www|docs|cmake)/[\w./-]+)`", ALL)
    pictures = re.findall(r'(?:src|srcset)="([^":/][^":]*)"', README)
    assert len(named) > 20 and len(pictures) == 2
    gone = [path for path in named + pictures if "NOUN" not in path and not (ROOT / path).exists()]
    assert not gone


def links(path, text):
    """(target file, anchor or "") of every link to one of our files."""
    for target in re.findall(r"\]\(([^)\s]+)\)", "\n".join(outside_of_code(text))):
        if not re.match(r"https?:", target):
            name, _, anchor = target.partition("#")
            yield (ROOT / path).parent / name if name else ROOT / path, anchor


@pytest.mark.parametrize("path", DOCUMENTS, ids=str)
def test_every_link_leads_somewhere(path):
    for target, anchor in links(path, DOCUMENTS[path]):
        assert target.exists(), target
        assert not anchor or anchor in anchors(target.read_text()), f"{target}#{anchor}"


def test_the_readme_leads_to_every_document():
    reached = {target.resolve() for target, _ in links("README.md", README)}
    assert not [path for path in DOCUMENTS if len(path.parts) < 3 and path.name != "README.md"
                and (ROOT / path).resolve() not in reached]


@pytest.mark.parametrize("name", ["operating", "security", "capacity", "database"])
def test_every_flag_they_name_is_one(name):
    verbs = ("serve", "--help-all"), ("key", "create", "--help"), ("reload", "--help"), ("doctor", "--help"), \
        ("bench", "--help"), ("db", "vacuum", "--help"), ("job", "--help")
    serve, *others = (subprocess.run([BINARY, *words], capture_output=True, text=True, check=True).stdout for words in verbs)
    known = f"{serve}  --help   --help-all   --kill-whom   --preset   --build   --install "     # of systemctl and cmake
    known += "".join(others).replace("--", "  --").replace("\n", " \n")
    flags = re.findall(r"(?<![\w-])--[a-z][a-z-]+", (ROOT / f"docs/{name}.md").read_text())
    assert flags and not [flag for flag in flags if f"  {flag} " not in known]


def console_lines():
    for block in re.findall(r"^```console\n(.*?)^```$", ALL, re.M | re.S):
        yield from (line.removeprefix("$ ").split("  ")[0] for line in block.splitlines())


def names_of(line):
    """What a command of a console block needs: files, presets, suites of script/test."""
    yield from (ROOT / name for name in re.findall(r"\b((?:script|tests)/[\w./-]+)", line) if "build/" not in line)
    yield from (ROOT / f"tests/unit/{name}.c" for name in re.findall(r"(?:-R |build/tests/)(\w+)", line))
    yield from (ROOT / f"tests/browser/{name}" for name in re.findall(r"node --test (\S+)", line))
    yield from (ROOT / "src" / name for name in re.findall(r"build/joblight (serve)", line))


def test_every_command_of_the_documents_is_there():
    lines = list(console_lines())
    assert len(lines) > 10
    presets = {preset["name"] for preset in
               json.loads((ROOT / "CMakePresets.json").read_text())["configurePresets"]}
    assert {name for line in lines for name in re.findall(r"--preset (\w+)", line)} <= presets
    assert not [str(path) for line in lines for path in names_of(line) if not path.exists()]


def test_every_suite_they_name_is_one():
    suites = set(re.findall(r"^suite_(\w+)\(\)", (ROOT / "script/test").read_text(), re.M))
    named = {name for name in re.findall(r"script/test (\w+)(?=`| adds)", ALL)}
    assert named and named <= suites | {"full"}


@pytest.mark.parametrize("name", ["README.md", "docs/design.md"])
def test_their_map_has_every_folder_of_the_source(name):
    mapped = set(re.findall(r"`(?:src/)?(\w+)/?`", "\n".join(
        line.split("|")[1] for line in (ROOT / name).read_text().splitlines() if line.startswith("| "))))
    assert {path.name for path in (ROOT / "src").iterdir() if path.is_dir()} <= mapped


def test_every_count_of_the_log_has_its_metric():
    folder = ROOT / "include/joblight/core"
    names = dict(re.findall(r'^[A-Z]+\((\w+), \w+, "([^"]+)"', (folder / "metrics.def").read_text(), re.M))
    rows = [(key, names[metric] + (f'{{{name.lower()}="{value.lower()}"}}' if name else "")) for key, metric, name, value in
            re.findall(r"^COUNT(?:_OF)?\((\w+), (\w+)(?:, (\w+), (\w+))?\)", (folder / "metric_log.def").read_text(), re.M)]
    text = (ROOT / "docs/capacity.md").read_text().split("\n## The counters\n")[1].split("\n## ")[0]
    assert rows and re.findall(r"^\| `(\w+)` \| `(.+)` \|$", text, re.M) == rows


def figures():
    """(scenario, figure) -> what joblight has, of the table between the marks of script/bench."""
    text = (ROOT / "docs/figures.md").read_text()
    text = text.split("<!-- bench:begin -->\n")[1].split("\n<!-- bench:end -->")[0]
    assert re.search(r"^\|---", text, re.M)
    found, scenario = {}, ""
    for line in text.splitlines():
        if line.startswith("| ") or line.startswith("|  |"):
            first, figure, value = [cell.strip() for cell in line.split("|")[1:4]]
            scenario = first or scenario
            found[scenario, figure] = value
    return found


def number(text):
    return float(text.replace(",", "").replace("k", "e3"))


@pytest.mark.parametrize("words, scenario, figure, unit", [
    ("32,000 committed", "webhook, 32 workers", "committed answers/s", 1),
    ("44,000 from one worker", "WebSocket, 1 worker, 64 updates under way", "committed answers/s", 1),
    ("0.33 ms", "webhook, 1 worker", "answer p50, ms", 1),
    ("540,000 deliveries", "SSE, 1000 subscribers, 1 publisher", "deliveries per server-CPU-second", 1),
    ("4.8 million", "SSE, 1000 subscribers, 32 publishers", "deliveries per server-CPU-second", 1e6),
    ("1.5 KiB", "10,000 idle SSE connections, heartbeats aside", "RSS per connection, KiB", 1),
    ("2.0 KiB", "10,000 idle WebSocket connections, heartbeats aside", "RSS per connection, KiB", 1),
    ("0.7 s until", "10,000 SSE back at once, 20 events missed, in the ring", "until the last has all it missed, s", 1),
])
def test_the_figures_of_the_readme_are_those_of_the_table(words, scenario, figure, unit):
    assert words in " ".join(README.split())
    told = number(words.split(" ")[0]) * unit
    assert abs(told - number(figures()[scenario, figure])) <= told * 0.05


def test_the_changelog_has_this_version():
    said = subprocess.run([BINARY, "version"], capture_output=True, text=True, check=True).stdout
    assert f"\n## {said.split()[1]}" in (ROOT / "CHANGELOG.md").read_text()
