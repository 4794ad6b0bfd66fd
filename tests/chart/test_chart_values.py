"""Wrong values are refused by the schema with the field's name; layouts that cannot work, with a sentence."""

import importlib
import json
from pathlib import Path

import pytest

from essaim.runtime.settings import read

CHART = Path(__file__).resolve().parent.parent.parent / "deploy" / "helm" / "essaim"
SERVICES = ("discovery", "relay", "storage")

REFUSED_BY_SCHEMA = {
    "relays.replicas=3": "relays",
    "relay.replica=3": "replica",
    "relay.replicas=three": "/relay/replicas",
    "relay.replicas=-1": "/relay/replicas",
    "discovery.replicas=2": "/discovery/replicas",
    "relay.port=80": "/relay/port",
    "relay.exposure.type=Ingress": "/relay/exposure/type",
    "relay.exposure.addresses[0]=relay.example.org": "/relay/exposure/addresses/0",
    "relay.settings.puzzle_bits=4": "puzzle_bits",
    "storage.settings.puzzle_bits=41": "/storage/settings/puzzle_bits",
    "storage.persistence.size=lots": "/storage/persistence/size",
    "network.swarm.target=0": "/network/swarm/target",
    "network.suites[0]=3": "/network/suites/0",
    "network.name=an-exceedingly-long-name-for-one-network": "/network/name",
    "operatorId=AB": "/operatorId",
    "region=EU": "/region",
    "drainSeconds=301": "/drainSeconds",
    "logLevel=trace": "/logLevel",
    "probes=http": "/probes",
    "image.pullPolicy=Sometimes": "/image/pullPolicy",
    "metrics.podMonitor.enabled=maybe": "/metrics/podMonitor/enabled",
    "networkPolicy.outside[0]=everywhere": "/networkPolicy/outside/0",
    "networkPolicy.apiServer[0]=kubernetes.default": "/networkPolicy/apiServer/0",
    "discovery.agent.enabled=maybe": "/discovery/agent/enabled",
    "discovery.settings.agent_lease=x": "agent_lease",
}

IMPOSSIBLE = {
    ("storage.replicas=2",): "storage.replicas is 2: the first swarm forms from network.swarm.minimum (3)",
    ("relay.replicas=2",): "relay.replicas is 2: a path has three relays.",
    ("network.swarm.target=6",): "network.swarm.target is 6: it must lie between minimum (3) and maximum (5).",
    ("network.swarm.target=2",): "network.swarm.target is 2: it must lie between minimum (3) and maximum (5).",
    ("network.swarm.maximum=4",): "network.swarm.maximum is 4: a swarm that outgrows it could not be divided",
    ("network.awaySeconds=60",): "network.uptimeSeconds must be less than awaySeconds",
    ("network.freshSeconds=10800",): "network.freshSeconds must be less than validSeconds",
    ("network.viewMinIntervalMs=3600001",): "network.viewMinIntervalMs must not be longer than freshSeconds",
    ("network.x25519PeriodSeconds=86401",): "network.x25519PeriodSeconds must not be longer",
    (f"operatorId={'ab' * 32}",): "operatorId is the public key of genesis.operatorSecret",
    ("genesis.create=false",): "name the ConfigMap with the network's genesis.bin",
    ("genesis.create=false", "genesis.configMap=g"): "name the Secret with the authority's keys",
    ("discovery.enabled=false",): "genesis.create founds a network, which needs discovery",
    ("discovery.enabled=false", "genesis.create=false", "genesis.configMap=g"): "which discovery the nodes join",
    ("discovery.enabled=false", "relay.enabled=false", "storage.enabled=false"): "Nothing is enabled",
    ("relay.exposure.type=NodePort",): "relay.exposure.addresses has 0 entries: NodePort needs one for all nodes",
    (
        "relay.exposure.type=NodePort",
        "relay.exposure.addresses[0]=198.51.100.1",
        "relay.exposure.port=32763",
    ): "relay.exposure.port is 32763: 6 node ports from there on",
    ("relay.exposure.type=LoadBalancer", "relay.exposure.addresses[0]=198.51.100.1"): "one for each of the 6 nodes",
    ("relay.exposure.addresses[0]=198.51.100.1",): "means nothing with type None",
    ("minimumKubernetesVersion=1.36",): "Kubernetes v1.35.0 is older than 1.36",
}


@pytest.mark.parametrize("value", REFUSED_BY_SCHEMA)
def test_schema_refuses_with_the_name_of_the_field(render, value):
    refusal = render("default", value).refusal
    assert "values don't meet the specifications of the schema" in refusal
    assert REFUSED_BY_SCHEMA[value] in refusal


@pytest.mark.parametrize("values", IMPOSSIBLE)
def test_impossible_layout_fails_with_a_sentence(render, values):
    assert IMPOSSIBLE[values] in render("default", *values).refusal


def test_long_or_numeric_names_are_refused(render):
    for name in ("9net", "n" * 41):
        assert "Set fullnameOverride" in render("default", f"fullnameOverride={name}").refusal


def test_older_kubernetes_is_a_value(render):
    assert "older than 1.31" in render("default", kube="1.29.0").refusal
    assert not render("default", "minimumKubernetesVersion=1.20", kube="1.29.0").refusal


def test_every_object_of_the_schema_is_closed():
    def walk(node, path):
        if isinstance(node, dict):
            if node.get("type") == "object" and "properties" in node:
                assert node.get("additionalProperties") is False, path
            for key, value in node.items():
                walk(value, f"{path}/{key}")
        elif isinstance(node, list):
            for number, value in enumerate(node):
                walk(value, f"{path}/{number}")

    walk(json.loads((CHART / "values.schema.json").read_text()), "")


@pytest.mark.parametrize("service", SERVICES)
def test_settings_of_the_schema_are_those_of_the_service(service):
    """Whatever the chart does not set itself can be set, and nothing that the service does not know."""
    kind = getattr(importlib.import_module(f"essaim_{service}.settings"), f"{service.title()}Settings")
    schema = json.loads((CHART / "values.schema.json").read_text())
    offered = set(schema["properties"][service]["properties"]["settings"]["properties"])
    ours = {"data_dir", "listen", "advertised", "metrics", "genesis", "discovery", "operator_id", "region"}
    ours |= {"log_level", "drain_seconds", "operator_key", "admission"}  # the last is of one node alone
    ours |= {"agent_selector", "agent_lease", "retire_seconds", "retire_notice_seconds"}
    assert offered == set(kind.model_fields) - ours


def test_no_variable_of_a_service_is_a_setting(monkeypatch):
    """Kubernetes puts these into the environment; of a release called essaim they begin as our settings do."""
    for service in SERVICES:
        for name in (
            "SERVICE_HOST",
            "SERVICE_PORT",
            "SERVICE_PORT_GRPC",
            "PORT",
            "PORT_7440_TCP",
            "PORT_7440_TCP_ADDR",
        ):
            monkeypatch.setenv(f"ESSAIM_{service.upper()}_{name}", "tcp://10.0.0.1:7440")
    for service in SERVICES:
        kind = getattr(importlib.import_module(f"essaim_{service}.settings"), f"{service.title()}Settings")
        told = read(kind, ["--data-dir", "/data"])
        assert told.model_dump(exclude={"data_dir"}) == kind.model_construct().model_dump(exclude={"data_dir"})
