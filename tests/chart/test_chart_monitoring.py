"""PodMonitor and PrometheusRule: rendered when the cluster has them or a value asks; rules on metrics that exist."""

import re
from pathlib import Path

import promql_parser
import pytest

from observe.queries import known, metrics_in

ROOT = Path(__file__).resolve().parent.parent.parent
RUNBOOKS = ROOT / "docs" / "operations" / "runbooks.md"
KINDS = ("PodMonitor", "PrometheusRule")
MONITORING = tuple(f"monitoring.coreos.com/v1/{kind}" for kind in KINDS)
SEVERITIES = {"warning", "critical"}


@pytest.mark.parametrize("kind", KINDS)
def test_kinds_are_rendered_where_the_cluster_knows_them(render, kind):
    value = f"metrics.{kind[0].lower()}{kind[1:]}.enabled"
    assert not render("default").of(kind)
    assert render("default", apis=MONITORING).of(kind)
    assert render("default", f"{value}=true").of(kind)
    assert not render("default", f"{value}=false", apis=MONITORING).of(kind)


def test_pod_monitor_finds_the_nodes(render):
    rendered = render("default", apis=MONITORING)
    (monitor,) = rendered.of("PodMonitor")
    (endpoint,) = monitor["spec"]["podMetricsEndpoints"]
    for workload in rendered.of("StatefulSet"):
        template = workload["spec"]["template"]
        assert monitor["spec"]["selector"]["matchLabels"].items() <= template["metadata"]["labels"].items()
        assert endpoint["port"] in {port["name"] for port in template["spec"]["containers"][0]["ports"]}


@pytest.fixture(scope="module")
def rules(render):
    (rule,) = render("default", apis=MONITORING).of("PrometheusRule")
    return [each for group in rule["spec"]["groups"] for each in group["rules"]]


@pytest.fixture(scope="module")
def alerts(rules):
    return [each for each in rules if "alert" in each]


def test_rules_are_on_metrics_that_nodes_have(rules):
    for each in rules:
        named = metrics_in(each["expr"])
        assert named and named <= known(rules), each


def test_rules_are_promql(rules):
    for each in rules:
        promql_parser.parse(each["expr"])
    with pytest.raises(ValueError, match=r"\S"):
        promql_parser.parse("sum by (")


def test_rules_are_of_this_release_alone(rules):
    for each in rules:
        assert "$" not in each["expr"]
        assert 'namespace="essaim"' in each["expr"]
        assert "net-essaim-" in each["expr"] or 'release="net"' in each["expr"]


def test_every_alert_has_its_runbook(alerts):
    headings = {line.lstrip("# ").lower() for line in RUNBOOKS.read_text().splitlines() if line.startswith("### ")}
    for alert in alerts:
        assert alert["labels"]["severity"] in SEVERITIES
        assert re.fullmatch(r"\d+[mh]", alert["for"])
        assert alert["annotations"]["summary"].endswith(".")
        page, _, section = alert["annotations"]["runbook"].partition("#")
        assert section in headings and ROOT / page == RUNBOOKS
    assert headings == {alert["alert"].lower() for alert in alerts}


def test_every_promise_burns_over_two_windows(alerts):
    burning = [each for each in alerts if "window" in each["labels"]]
    for name in {each["alert"] for each in burning}:
        assert sorted(each["labels"]["window"] for each in burning if each["alert"] == name) == ["1d", "1h", "3d", "6h"]
    for each in burning:
        assert len(set(re.findall(r"essaim:slo_burn:rate(\w+)", each["expr"]))) == 2
