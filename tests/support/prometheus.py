"""A Prometheus of Debian on loopback, with files of its own, that scrapes one server."""
import json
import subprocess
import urllib.parse
import urllib.request
from pathlib import Path

from .ports import free_port
from .wait import SCALE, until


class Prometheus:
    def __init__(self, folder, target, rules, interval="1s"):
        self.folder = Path(folder)
        self.folder.mkdir()
        self.address = f"127.0.0.1:{free_port()}"
        config = {"global": {"scrape_interval": interval, "evaluation_interval": interval},
                  "rule_files": [str(rules)],
                  "scrape_configs": [{"job_name": "joblight", "static_configs": [{"targets": [target]}]}]}
        (self.folder / "prometheus.yml").write_text(json.dumps(config))     # YAML has JSON in it
        self.log = self.folder / "log"
        self.process = None

    def __enter__(self):
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                ["prometheus", f"--config.file={self.folder}/prometheus.yml", f"--storage.tsdb.path={self.folder}/data",
                 f"--web.listen-address={self.address}", "--log.level=warn"], stdout=log, stderr=log)
        try:
            until(self.is_ready, 30, "Prometheus")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        self.process.terminate()
        try:
            self.process.wait(20 * SCALE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def is_ready(self):
        assert self.process.poll() is None, self.log.read_text()
        try:
            with urllib.request.urlopen(f"http://{self.address}/-/ready", timeout=5) as answer:
                return answer.status == 200
        except OSError:
            return False

    def ask(self, path, **query):
        """The `data` of an answer of its API."""
        url = f"http://{self.address}/api/v1/{path}?{urllib.parse.urlencode(query)}"
        try:
            with urllib.request.urlopen(url, timeout=20 * SCALE) as answer:
                return json.load(answer)["data"]
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{query}: {error.read().decode()}") from error

    def query(self, expression):
        """[(labels, value)] of an expression now."""
        return [(one["metric"], float(one["value"][1])) for one in self.ask("query", query=expression)["result"]]
