"""The alert rules and the dashboard of docs/monitoring, with the Prometheus of Debian."""
import json
import math
import re
import subprocess
from pathlib import Path

import pytest

from support.api import Api
from support.metrics import scrape
from support.prometheus import Prometheus
from support.raw import Raw, request
from support.sse import SseStream
from support.wait import SCALE, until
from support.ws import WebSocket, path_of as socket_path

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "docs/monitoring"
RULES = FOLDER / "alerts.yml"
AT = 'instance="a:1",job="joblight"'


def rules():
    """{name: (expression, how long it must hold, severity, runbook)} of alerts.yml, which has one form."""
    found = re.findall(r"^      - alert: (\w+)\n        expr: (.+)\n(?:        for: (\w+)\n)?        labels: { severity: (\w+) }\n"
                       r"        annotations:\n          summary: '.+'\n          runbook: (\S+)$", RULES.read_text(), re.M)
    assert len(found) == RULES.read_text().count("- alert:")
    return {name: (expression.strip("'"), how_long or "0m", severity, runbook)
            for name, expression, how_long, severity, runbook in found}


def panels():
    return [panel for panel in json.loads((FOLDER / "grafana.json").read_text())["panels"] if panel["type"] != "row"]


# -- rules ---------------------------------------------------------------------------------------------------

# alert: (series and values a minute apart that fire it, those that do not, labels of the alert besides AT)
def histogram(name, slow):
    """60 values a minute, which are all fast or all slower than 2.5 s."""
    return {f'{name}_bucket{{le="0.00005",{AT}}}': "0x30" if slow else "0+60x30",
            f'{name}_bucket{{le="2.5",{AT}}}': "0x30" if slow else "0+60x30",
            f'{name}_bucket{{le="5.0",{AT}}}': "0+60x30", f'{name}_bucket{{le="+Inf",{AT}}}': "0+60x30"}


def one(name, value, labels=""):
    return {f"{name}{{{AT}{labels and ','}{labels}}}": value}


ONLY = {"instance": "a:1"}
CASES = {
    "JoblightDown": (one("up", "0x30"), one("up", "1x30"), {"job": "joblight"}),
    "JoblightRestarts": (one("process_start_time_seconds", "0+60x30"), one("process_start_time_seconds", "7x30"), {"job": "joblight"}),
    "JoblightStoreFailing": (one("joblight_commit_failures_total", "0+1x30"), one("joblight_commit_failures_total", "3x30"),
                             {"job": "joblight"}),
    "JoblightChoreFailing": (one("joblight_chore_failing", "1x30", 'chore="prune"'), one("joblight_chore_failing", "0x30", 'chore="prune"'),
                             {"job": "joblight", "chore": "prune"}),
    "JoblightSlowDisk": (histogram("joblight_fsync_seconds", True), histogram("joblight_fsync_seconds", False), {}),
    "JoblightSlowCommits": (histogram("joblight_commit_seconds", True), histogram("joblight_commit_seconds", False), {}),
    "JoblightSlowDelivery": (histogram("joblight_commit_to_write_seconds", True), histogram("joblight_commit_to_write_seconds", False), {}),
    "JoblightWritesQueued": (one("joblight_mailbox_depth", "60x30", 'mailbox="writes"') | one("joblight_max_queued_writes", "100x30"),
                             one("joblight_mailbox_depth", "50x30", 'mailbox="writes"') | one("joblight_max_queued_writes", "100x30"),
                             {"job": "joblight"}),
    "JoblightReadsQueued": (one("joblight_mailbox_depth", "60x30", 'mailbox="reads"') | one("joblight_max_queued_reads", "100x30"),
                            one("joblight_mailbox_depth", "60x30", 'mailbox="writes"') | one("joblight_max_queued_reads", "100x30"),
                            {"job": "joblight"}),
    "JoblightConnectionsFull": (one("joblight_open_connections", "91x30") | one("joblight_max_connections", "100x30"),
                                one("joblight_open_connections", "90x30") | one("joblight_max_connections", "100x30"), {"job": "joblight"}),
    "JoblightStreamsFull": (one("joblight_streams", "91x30") | one("joblight_max_streams", "100x30"),
                            one("joblight_streams", "90x30") | one("joblight_max_streams", "100x30"), {"job": "joblight"}),
    "JoblightRefusing": (one("joblight_refusals_total", "0+1x30", 'reason="streams"'), one("joblight_refusals_total", "5x30", 'reason="streams"'),
                         {"reason": "streams"}),
    "JoblightMemoryShort": (one("process_resident_memory_bytes", "91x30") | one("joblight_max_memory_bytes", "100x30"),
                            one("process_resident_memory_bytes", "90x30") | one("joblight_max_memory_bytes", "100x30"), {"job": "joblight"}),
    "JoblightDescriptorsShort": (one("process_open_fds", "96x30") | one("process_max_fds", "100x30"),
                                 one("process_open_fds", "95x30") | one("process_max_fds", "100x30"), {"job": "joblight"}),
    "JoblightAuthFailures": (one("joblight_auth_failures_total", "0+120x30", 'credential="key"'),
                             one("joblight_auth_failures_total", "0+50x30", 'credential="key"'), {"credential": "key"}),
    "JoblightRateLimited": (one("joblight_rate_limited_total", "0+120x30", 'limit="wrong-keys"'),
                            one("joblight_rate_limited_total", "0+50x30", 'limit="wrong-keys"'), {"limit": "wrong-keys"}),
    "JoblightReloadFailing": (one("joblight_reload_failing", "1x30", 'file="config"'), one("joblight_reload_failing", "0x30", 'file="config"'),
                              {"job": "joblight", "file": "config"}),
    "JoblightReadersBehind": (one("joblight_refills_total", "0+900x30"), one("joblight_refills_total", "0+500x30"), {}),
    "JoblightResets": (one("joblight_resets_total", "0+1x30"), one("joblight_resets_total", "4x30"), {"job": "joblight"}),
    "JoblightSlowCloses": (one("joblight_slow_closes_total", "0+120x30", 'cause="stalled"'),
                           one("joblight_slow_closes_total", "0+50x30", 'cause="stalled"'), {"cause": "stalled"}),
    "JoblightBusDown": (one("joblight_bus_up", "0x30", 'bus="null"') | one("joblight_bus_up", "0x30", 'bus="redis"'),
                        one("joblight_bus_up", "0x30", 'bus="null"') | one("joblight_bus_up", "1x30", 'bus="redis"'), {}),
    "JoblightPruneBacklog": (one("joblight_prune_backlog_rows", "9x90"), one("joblight_prune_backlog_rows", "0x90"), {"job": "joblight"}),
    "JoblightWalLarge": (one("joblight_wal_bytes", "300000000x30"), one("joblight_wal_bytes", "200000000x30"), {"job": "joblight"}),
}


def minutes(text):
    return int(text[:-1]) * {"m": 1, "h": 60}[text[-1]]


def case(name, series, fires):
    _, how_long, severity, runbook = rules()[name]
    at = max(6, minutes(how_long) + 4)      # a rate needs two values
    alerts = [{"exp_labels": {**ONLY, **CASES[name][2], "severity": severity}}] if fires else []
    return {"interval": "1m", "input_series": [{"series": at_, "values": values} for at_, values in series.items()],
            "alert_rule_test": [{"alertname": name, "eval_time": f"{at}m", "exp_alerts": alerts}]}


def check(tmp_path, tests):
    """promtool compares annotations too, which have values in them; they are taken out of the rules for it."""
    bare = re.sub(r"\n        annotations:\n          summary: .+\n          runbook: .+", "", RULES.read_text())
    assert "annotations" not in bare
    (tmp_path / "alerts.yml").write_text(bare)
    (tmp_path / "test.yml").write_text(json.dumps({"rule_files": ["alerts.yml"], "evaluation_interval": "1m", "tests": tests}))
    done = subprocess.run(["promtool", "test", "rules", str(tmp_path / "test.yml")], capture_output=True, text=True, check=False,
                          timeout=60 * SCALE)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_alert_fires_and_does_not_fire_when_all_is_well(tmp_path):
    assert CASES.keys() == rules().keys()
    check(tmp_path, [case(name, series[0], True) for name, series in CASES.items()]
          + [case(name, series[1], False) for name, series in CASES.items()])


def test_a_rule_that_does_not_fire_is_noticed(tmp_path):
    """The test of the rules is one."""
    with pytest.raises(AssertionError, match="JoblightBusDown"):
        check(tmp_path, [case("JoblightBusDown", CASES["JoblightBusDown"][1], True)])


def test_promtool_takes_the_rules():
    done = subprocess.run(["promtool", "check", "rules", "--lint-fatal", str(RULES)], capture_output=True, text=True, check=False,
                          timeout=60 * SCALE)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_alert_has_its_section_of_the_runbook_and_no_other_has_one():
    sections = re.findall(r"^### (Joblight\w+)$", (ROOT / "docs/operating.md").read_text(), re.M)
    assert sections == list(rules())
    for name, (_, _, severity, runbook) in rules().items():
        assert runbook == f"docs/operating.md#{name.lower()}"
        assert severity in ("critical", "warning", "info")


# -- every expression, with a real Prometheus ------------------------------------------------------------------

def names_in(expressions):
    names = set()
    for expression in expressions:
        names |= set(re.findall(r"\b((?:joblight|process)_\w+)", expression))
    return {re.sub("_bucket$", "", name) for name in names}


def dashboard_expressions():
    return [target["expr"] for panel in panels() for target in panel["targets"]]


def test_the_dashboard_shows_every_metric(api):
    assert names_in(dashboard_expressions()) == set(scrape(api).families)


def test_panels_have_titles_units_and_places_of_their_own():
    seen, titles = set(), set()
    for panel in json.loads((FOLDER / "grafana.json").read_text())["panels"]:
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert at["x"] + at["w"] <= 24 and not cells & seen, panel["title"]
        assert panel["title"] not in titles
        seen |= cells
        titles.add(panel["title"])
    assert all(panel["fieldConfig"]["defaults"]["unit"] for panel in panels())


def load(api, server, job):
    """Some of everything that the histograms count."""
    with Raw(server.address) as poll:
        cursor = api.job(job)["cursor"]
        poll.send(request("GET", f"/api/jobs/{job}/updates?wait=10&since={cursor}"))
        for i in range(20):
            api.report(job, f"t{i}", note="n" * 100)
        assert poll.response().status == 200
    assert api.get("/api/jobs/nobody").status == 404


def plain(expression):
    """As Prometheus takes it: Grafana puts the values in."""
    return expression.replace("$__rate_interval", "1m").replace("$instance", ".*")


def as_values(expression):
    """The same rule with 0 and 1 for no and yes, so that it has a series when it does not fire."""
    return re.sub(r" (>|==) ", r" \1 bool ", expression)


@pytest.mark.sqlite("PostgreSQL syncs its own files")
def test_every_expression_has_a_series_in_a_loaded_prometheus(serve, tmp_path):
    server = serve(loops=2)
    with Api(server.address) as api:
        job = api.create_job()["id"]
        with SseStream(server.address, job) as stream, WebSocket(server.address, socket_path(job=job)) as ws, \
                Prometheus(tmp_path / "prometheus", "%s:%d" % server.address, RULES) as prometheus:
            stream.connected(), ws.message("connected")

            def scraped():
                load(api, server, job)
                found = prometheus.query("count_over_time(joblight_build_info[1m])")
                return found and found[0][1] >= 4
            until(scraped, 60, "four scrapes")
            expressions = [plain(one) for one in dashboard_expressions()] + [as_values(one[0]) for one in rules().values()]
            missing = [one for one in expressions
                       if not any(not math.isnan(value) for _, value in prometheus.query(one))]
            assert not missing, "\n".join(missing)
            groups = prometheus.ask("rules")["groups"]
            assert [(one["name"], one["health"], one["state"]) for one in groups[0]["rules"]] == [
                (name, "ok", "inactive") for name in rules()]
            [target] = prometheus.ask("targets")["activeTargets"]
            assert (target["health"], target["lastError"]) == ("up", "")
