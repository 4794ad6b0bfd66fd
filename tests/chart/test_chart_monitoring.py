"""PodMonitor and PrometheusRule: rendered when the cluster has them or a value asks; alerts on metrics that exist."""

import importlib
import re
from pathlib import Path

import promql_parser
import pytest
from prometheus_client import REGISTRY

RUNBOOKS = Path(__file__).resolve().parent.parent.parent / "docs" / "operations" / "kubernetes.md"
KINDS = ("PodMonitor", "PrometheusRule")
MONITORING = tuple(f"monitoring.coreos.com/v1/{kind}" for kind in KINDS)
DECLARING = ("essaim.runtime.calls", "essaim.runtime.delivery", "essaim.runtime.logs", "essaim.runtime.endpoint")
DECLARING += ("essaim_discovery.metrics", "essaim_relay.count", "essaim_storage.metrics")
NOT_OURS = {"up", "kubelet_volume_stats_available_bytes", "kubelet_volume_stats_capacity_bytes"}
WORDS = {"sum", "by", "rate", "increase", "scalar", "role", "reason"}
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
def alerts(render):
    (rule,) = render("default", apis=MONITORING).of("PrometheusRule")
    (group,) = rule["spec"]["groups"]
    return group["rules"]


def test_alerts_are_on_metrics_that_nodes_have(alerts):
    for name in DECLARING:
        importlib.import_module(name)
    declared = {f"{family.name}_total" if family.type == "counter" else family.name for family in REGISTRY.collect()}
    for alert in alerts:
        bare = re.sub(r'\{[^}]*\}|\[[^]]*\]|"[^"]*"', "", alert["expr"])
        named = set(re.findall(r"[a-z_][a-z0-9_]*", bare)) - WORDS
        assert named <= declared | NOT_OURS, alert["alert"]
        assert named, alert["alert"]


def test_alerts_are_promql(alerts):
    for alert in alerts:
        promql_parser.parse(alert["expr"])
        assert re.fullmatch(r"\d+[mh]", alert["for"])
    with pytest.raises(ValueError, match=r"\S"):
        promql_parser.parse("sum by (")


def test_alerts_are_of_this_release_alone(alerts):
    for alert in alerts:
        assert "$" not in alert["expr"]
        assert 'namespace="essaim"' in alert["expr"]
        assert "net-essaim-" in alert["expr"]


def test_every_alert_has_its_runbook(alerts):
    headings = {line.lstrip("# ").lower() for line in RUNBOOKS.read_text().splitlines() if line.startswith("### ")}
    for alert in alerts:
        assert alert["labels"]["severity"] in SEVERITIES
        assert alert["annotations"]["summary"].endswith(".")
        assert alert["annotations"]["runbook"].partition("#")[2] in headings
