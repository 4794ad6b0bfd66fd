"""Where nodes listen and what they sign as their address; the services' own settings classes read the environment."""

import importlib
import re

import pytest

from essaim.runtime.settings import read

POD = {"POD_IP": "10.1.2.3", "HOST_IP": "192.0.2.9", "NET_ESSAIM_DISCOVERY_SERVICE_HOST": "10.96.0.7"}
ELSEWHERE = ("discovery.enabled=false", "discovery.address=198.51.100.7:30440", "genesis.create=false")


def settings_of(rendered, component, monkeypatch, tmp_path, ordinal=0, pod=POD):
    """The settings that the pod's process would have; the kubelet's part is played by `pod`."""
    name = f"net-essaim-{component}"
    container = dict(rendered.pods)[name]["containers"][0]
    for each in container["env"]:
        if "value" in each:
            value = re.sub(r"\$\((\w+)\)", lambda found: pod[found[1]], each["value"])
            monkeypatch.setenv(each["name"], value)
    if any(mount["mountPath"].startswith("/etc/essaim/settings/") for mount in container["volumeMounts"]):
        told = rendered.one("ConfigMap", f"{name}-addresses")["data"][f"{name}-{ordinal}"]
        (tmp_path / "advertised").write_text(told)
        monkeypatch.setenv(f"ESSAIM_{component.upper()}_SECRETS", str(tmp_path))
    kind = getattr(importlib.import_module(f"essaim_{component}.settings"), f"{component.title()}Settings")
    return read(kind, [])


@pytest.mark.parametrize("component", ["discovery", "relay", "storage"])
def test_service_accepts_what_the_chart_tells_it(scenario, component, monkeypatch, tmp_path):
    settings = settings_of(scenario, component, monkeypatch, tmp_path)
    assert settings.listen == "0.0.0.0:7440"
    assert settings.metrics == "0.0.0.0:9440"
    assert settings.discovery == (None if component == "discovery" else "10.96.0.7:7440")
    assert str(settings.genesis) == "/etc/essaim/genesis/genesis.bin"


def test_a_node_inside_is_found_at_its_pod(render, monkeypatch, tmp_path):
    assert settings_of(render("default"), "relay", monkeypatch, tmp_path).advertised == "10.1.2.3:7440"


def test_settings_reach_the_service(render, monkeypatch, tmp_path):
    settings = settings_of(render("production"), "storage", monkeypatch, tmp_path)
    assert settings.max_bytes == 200_000_000_000
    assert settings.scrub_seconds == 5
    assert settings.region == "eu-west"
    assert str(settings.operator_key) == "/etc/essaim/operator/operator.key" and not settings.operator_id


def test_node_of_a_network_elsewhere_names_its_operator_without_a_key(render, monkeypatch, tmp_path):
    elsewhere = ("discovery.enabled=false", "discovery.address=198.51.100.7:30440", "genesis.create=false")
    rendered = render("tiny", *elsewhere, "genesis.configMap=theirs", f"operatorId={'ab' * 32}")
    settings = settings_of(rendered, "relay", monkeypatch, tmp_path)
    assert settings.operator_id == "ab" * 32 and settings.operator_key is None


def test_large_and_fractional_settings_keep_their_value(render, monkeypatch, tmp_path):
    sets = (
        "storage.settings.scrub_seconds=0.5",
        "storage.settings.max_bytes=12345678901234",
        "storage.settings.restored=true",
    )
    settings = settings_of(render("default", *sets), "storage", monkeypatch, tmp_path)
    assert (settings.scrub_seconds, settings.max_bytes, settings.restored) == (0.5, 12_345_678_901_234, True)


def test_host_port_is_signed_with_the_machine(render, monkeypatch, tmp_path):
    rendered = render("default", "relay.exposure.type=HostPort", "relay.exposure.port=7441")
    assert settings_of(rendered, "relay", monkeypatch, tmp_path).advertised == "192.0.2.9:7441"
    ports = dict(rendered.pods)["net-essaim-relay"]["containers"][0]["ports"]
    assert ports[0] == {"name": "grpc", "containerPort": 7440, "protocol": "TCP", "hostPort": 7441}


def test_each_node_port_leads_to_the_pod_that_signs_it(render, monkeypatch, tmp_path):
    rendered = render("tiny", "relay.exposure.type=NodePort", "relay.exposure.addresses[0]=198.51.100.1")
    for ordinal in range(3):
        settings = settings_of(rendered, "relay", monkeypatch, tmp_path, ordinal)
        service = rendered.one("Service", f"net-essaim-relay-{ordinal}-outside")["spec"]
        assert settings.advertised == f"198.51.100.1:{service['ports'][0]['nodePort']}"
        assert service["selector"]["statefulset.kubernetes.io/pod-name"] == f"net-essaim-relay-{ordinal}"
        assert service["ports"][0]["targetPort"] == "grpc"


def test_each_load_balancer_has_the_address_that_its_pod_signs(render, monkeypatch, tmp_path):
    rendered = render("production")
    for ordinal in (0, 11):
        settings = settings_of(rendered, "relay", monkeypatch, tmp_path, ordinal)
        service = rendered.one("Service", f"net-essaim-relay-{ordinal}-outside")
        assert settings.advertised == f"203.0.113.{ordinal + 1}:443"
        assert service["spec"]["ports"][0]["port"] == 443
        assert service["metadata"]["annotations"] == {"metallb.io/loadBalancerIPs": f"203.0.113.{ordinal + 1}"}


def test_ipv6_addresses_are_bracketed(render, monkeypatch, tmp_path):
    sixth = {"POD_IP": "fd00::3", "NET_ESSAIM_DISCOVERY_SERVICE_HOST": "fd00::7"}
    settings = settings_of(render("tiny", "network.ipFamily=IPv6"), "relay", monkeypatch, tmp_path, pod=sixth)
    assert (settings.listen, settings.advertised) == ("[::]:7440", "[fd00::3]:7440")
    assert settings.discovery == "[fd00::7]:7440"


def test_nodes_can_join_a_network_elsewhere(render, monkeypatch, tmp_path):
    rendered = render(
        "default", *ELSEWHERE, "genesis.configMap=their-genesis", "relay.replicas=1", "storage.enabled=false"
    )
    assert not rendered.refusal
    assert [doc["metadata"]["name"] for doc in rendered.of("StatefulSet")] == ["net-essaim-relay"]
    assert not rendered.of("Job") + rendered.of("Role") + rendered.of("Service", "discovery")
    assert settings_of(rendered, "relay", monkeypatch, tmp_path).discovery == "198.51.100.7:30440"
    assert rendered.one("NetworkPolicy", "net-essaim-to-outside")
    (volume,) = [each for each in dict(rendered.pods)["net-essaim-relay"]["volumes"] if each["name"] == "genesis"]
    assert volume["configMap"]["name"] == "their-genesis"


def test_the_variable_is_that_of_the_service(render):
    rendered = render("tiny", release="my-net")
    (service,) = rendered.of("Service", "discovery")
    variable = service["metadata"]["name"].upper().replace("-", "_") + "_SERVICE_HOST"
    environment = dict(rendered.pods)["my-net-essaim-relay"]["containers"][0]["env"]
    assert {"name": "ESSAIM_RELAY_DISCOVERY", "value": f"$({variable}):7440"} in environment
    assert all(pod["enableServiceLinks"] is (name != "my-net-essaim-genesis") for name, pod in rendered.pods)
