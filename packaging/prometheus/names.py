"""Compares the alert rules and the dashboard with the metrics of a server.

names.py METRICS ALERTS DASHBOARD QUERIES: METRICS is the text of /metrics. The dashboard's queries are
written to QUERIES as rules, for `promtool check rules`. Exits with 1 if a rule or a query names a metric,
a label or a route that is not in METRICS, an alert has no test, or a runbook is not in the documentation.
"""

import json
import pathlib
import re
import sys

import yaml

metrics, alerts, dashboard, queries = map(pathlib.Path, sys.argv[1:])
problems = []

# The names and labels of the samples: `name{label="value",…} 1`.
exposed = {}
for name, labels in re.findall(r"^(\w+)(?:\{(.*)\})? \S+$", metrics.read_text(), re.MULTILINE):
    exposed.setdefault(name, {"job": set(), "instance": set()})
    for label, value in re.findall(r'(\w+)="((?:[^"\\]|\\.)*)"', labels):
        exposed[name].setdefault(label, set()).add(value)
# Those of Prometheus itself.
exposed["up"] = {"job": set(), "instance": set()}


def check(where, query):
    for name, selector in re.findall(r"\b(packhouse_\w+|up)\b(?:\{(.*?)\}(?=[\[)\s]|$))?", query):
        if name not in exposed:
            problems.append(f"{where}: the server has no metric {name}")
            continue
        for label, value in re.findall(r'(\w+)=~?"((?:[^"\\]|\\.)*)"', selector):
            if label not in exposed[name]:
                problems.append(f"{where}: {name} has no label {label}")
            elif label == "route" and value not in exposed[name][label]:
                problems.append(f"{where}: {name} has no route {value}")


rules = [rule for group in yaml.safe_load(alerts.read_text())["groups"] for rule in group["rules"]]
tested = [
    test
    for file in alerts.parent.glob("alerts*_test.yml")
    for part in yaml.safe_load(file.read_text())["tests"]
    for test in part["alert_rule_test"]
]
docs = alerts.resolve().parents[2]
for rule in rules:
    name = rule["alert"]
    check(name, rule["expr"])
    for fires in (True, False):
        if not any(test["alertname"] == name and fires == bool(test.get("exp_alerts")) for test in tested):
            problems.append(f"{name}: no test in which it {'fires' if fires else 'does not fire'}")
    page, _, heading = rule["annotations"]["runbook"].partition("#")
    headings = re.findall(r"^#+ (.*)$", (docs / page).read_text(), re.MULTILINE) if (docs / page).exists() else []
    if heading not in [re.sub(r"[^\w -]", "", text).lower().replace(" ", "-") for text in headings]:
        problems.append(f"{name}: no section {rule['annotations']['runbook']}")

shown = []
board = json.loads(dashboard.read_text())
for panel in board["panels"]:
    for target in panel.get("targets", []):
        check(f"dashboard, {panel['title']}", target["expr"])
        shown.append(target["expr"].replace("$__rate_interval", "5m").replace("$job", "packhouse").replace("$instance", ".*"))
for variable in board["templating"]["list"]:
    if variable["type"] == "query":
        check(f"dashboard, ${variable['name']}", variable["definition"].removeprefix("label_values("))
places = [tuple(panel["gridPos"].values()) for panel in board["panels"]]
for n, (x, y, w, h) in enumerate(places):
    if any(x < a + c and a < x + w and y < b + d and b < y + h for a, b, c, d in places[:n]):
        problems.append(f"dashboard: {board['panels'][n]['title']} covers another panel")

names = [{"record": f"dashboard:query{n}", "expr": query} for n, query in enumerate(shown)]
queries.write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": names}]}))
print(f"{len(rules)} alerts and {len(shown)} queries; the server has {len(exposed)} kinds of samples")
print("\n".join(problems), file=sys.stderr)
sys.exit(bool(problems))
