"""What must hold for every object of every scenario: Pod Security restricted, least rights, least network, labels."""

import itertools

import pytest

COMPONENTS = ("discovery", "relay", "storage")
LABELS = (
    "app.kubernetes.io/name",
    "app.kubernetes.io/instance",
    "app.kubernetes.io/component",
    "app.kubernetes.io/version",
    "app.kubernetes.io/part-of",
    "app.kubernetes.io/managed-by",
    "helm.sh/chart",
)
VOLUMES = {"configMap", "secret", "emptyDir", "persistentVolumeClaim", "projected", "downwardAPI", "csi", "ephemeral"}
EDGES = {
    ("relay", "discovery", 7440),
    ("relay", "relay", 7440),
    ("relay", "storage", 7440),
    ("storage", "discovery", 7440),
    ("storage", "storage", 7440),
    ("test", "discovery", 7440),
    ("test", "relay", 7440),
    ("grade", "discovery", 7440),
    ("grade", "relay", 7440),
    ("grade", "storage", 7440),
    ("discovery", "relay", 7440),
    ("discovery", "storage", 7440),
}
ROOMS = {
    ("discovery", "opengroup", 7440),
    ("relay", "opengroup", 7440),
    ("opengroup", "discovery", 7440),
    ("grade", "opengroup", 7440),
}
"""Where there is a host of open groups."""
PUSH = {
    ("discovery", "push", 7440),
    ("relay", "push", 7440),
    ("storage", "push", 7440),
    ("push", "storage", 7440),
    ("push", "discovery", 7440),
    ("grade", "push", 7440),
}
"""Where there is a push host."""


def test_every_pod_is_restricted(scenario):
    for name, pod in scenario.pods:
        assert not {"hostNetwork", "hostPID", "hostIPC"} & set(pod), name
        security = pod["securityContext"]
        assert security["runAsNonRoot"] is True, name
        assert security["runAsUser"] >= 10_000, name
        assert security["seccompProfile"] == {"type": "RuntimeDefault"}, name
        assert {key for volume in pod["volumes"] for key in volume} - {"name"} <= VOLUMES, name
        for container in pod["containers"] + pod.get("initContainers", []):
            inside = container["securityContext"]
            assert inside["allowPrivilegeEscalation"] is False, name
            assert inside["readOnlyRootFilesystem"] is True, name
            assert inside["capabilities"] == {"drop": ["ALL"]}, name
            assert not [port for port in container.get("ports", []) if "hostPort" in port], name


def test_every_container_states_what_it_needs(scenario):
    for name, pod in scenario.pods:
        for container in pod["containers"]:
            resources = container["resources"]
            assert set(resources["requests"]) == {"cpu", "memory"}, name
            assert "memory" in resources["limits"], name


def test_only_the_founding_job_and_the_agent_have_a_token(scenario):
    assert all(account["automountServiceAccountToken"] is False for account in scenario.of("ServiceAccount"))
    holders = {name for name, pod in scenario.pods if pod["automountServiceAccountToken"]}
    assert holders == {scenario.of("Job")[0]["metadata"]["name"], "net-essaim-discovery"}
    accounts = [account["metadata"]["name"] for account in scenario.of("ServiceAccount")]
    assert {pod["serviceAccountName"] for _, pod in scenario.pods} == set(accounts)
    assert "default" not in accounts


def test_rights_of_founding_are_to_make_two_objects_and_to_read_those(scenario):
    role = scenario.one("Role", "net-essaim-genesis")
    for rule in role["rules"]:
        assert rule["verbs"] == ["create"] or (rule["verbs"] == ["get"] and len(rule["resourceNames"]) == 1)
        assert set(rule["resources"]) <= {"secrets", "configmaps"}
    for each in [role, scenario.one("RoleBinding", "net-essaim-genesis"), *scenario.of("Job")]:
        assert "hook-succeeded" in each["metadata"]["annotations"]["helm.sh/hook-delete-policy"]


AGENT = {
    ("servicenodes", "get list create delete"),
    ("servicenodes/status", "patch"),
    ("statefulsets", "list watch"),
    ("pods", "list watch"),
    ("persistentvolumeclaims", "list"),
    ("events", "create"),
    ("leases", "create"),
    ("leases net-essaim-discovery", "get update"),
}


def test_rights_of_the_agent_are_these_and_no_other(scenario):
    """Above all: no Secret, and no way to change or delete a workload, a pod or a volume."""
    assert not scenario.of("ClusterRole")
    assert not scenario.of("ClusterRoleBinding")
    assert {each["metadata"]["name"] for each in scenario.of("Role")} == {"net-essaim-genesis", "net-essaim-discovery"}
    rules = scenario.one("Role", "net-essaim-discovery")["rules"]
    assert {
        (" ".join([resource, *rule.get("resourceNames", [])]), " ".join(rule["verbs"]))
        for rule in rules
        for resource in rule["resources"]
    } == AGENT
    assert not [rule for rule in rules if "*" in rule["apiGroups"] + rule["resources"] + rule["verbs"]]
    binding = scenario.one("RoleBinding", "net-essaim-discovery")
    assert binding["subjects"] == [{"kind": "ServiceAccount", "name": "net-essaim-discovery", "namespace": "essaim"}]
    assert binding["roleRef"]["kind"] == "Role"


def test_without_the_agent_nothing_of_it_is_there(render):
    rendered = render("default", "discovery.agent.enabled=false")
    assert {each["metadata"]["name"] for each in rendered.of("Role")} == {"net-essaim-genesis"}
    names = {each["metadata"]["name"].removeprefix("net-essaim-") for each in rendered.of("NetworkPolicy")}
    assert not names & {"discovery-to-api", "discovery-to-storage", "storage-from-discovery"}
    assert _pod(rendered, "net-essaim-discovery")["automountServiceAccountToken"] is False
    environment = {each["name"] for each in _pod(rendered, "net-essaim-discovery")["containers"][0]["env"]}
    assert not {each for each in environment if "AGENT" in each}


def test_agent_minds_the_objects_of_this_release(scenario):
    environment = {
        each["name"]: each.get("value") for each in _pod(scenario, "net-essaim-discovery")["containers"][0]["env"]
    }
    selector = dict(each.split("=") for each in environment["ESSAIM_DISCOVERY_AGENT_SELECTOR"].split(","))
    for workload in scenario.of("StatefulSet"):
        template = workload["spec"]["template"]["metadata"]["labels"]
        claim = workload["spec"]["volumeClaimTemplates"][0]["metadata"]
        assert claim["name"] == "data"
        for labels in (workload["metadata"]["labels"], template, claim["labels"]):
            assert selector.items() <= labels.items()
    leases = [each for each in scenario.one("Role", "net-essaim-discovery")["rules"] if "resourceNames" in each]
    assert leases[0]["resourceNames"] == [environment["ESSAIM_DISCOVERY_AGENT_LEASE"]]


def test_api_server_can_be_narrowed_down(render):
    rendered = render("default", "networkPolicy.apiServer[0]=10.0.0.1/32")
    for name in ("discovery", "genesis"):
        (rule,) = rendered.one("NetworkPolicy", f"net-essaim-{name}-to-api")["spec"]["egress"]
        assert rule["to"] == [{"ipBlock": {"cidr": "10.0.0.1/32"}}]
        assert [each["port"] for each in rule["ports"]] == [443, 6443]


def test_only_discovery_mounts_the_authority(scenario):
    holders = {
        (volume["secret"]["secretName"], name)
        for name, pod in scenario.pods
        for volume in pod["volumes"]
        if "secret" in volume
    }
    nodes = {("net-essaim-operator", f"net-essaim-{name}") for name in ("relay", "storage")}
    if scenario.of("StatefulSet", "opengroup"):
        nodes |= {("net-essaim-operator", "net-essaim-opengroup"), ("rooms-host-key", "net-essaim-opengroup")}
    if scenario.of("StatefulSet", "push"):
        mounted = ("net-essaim-operator", "push-host-key", "push-providers")
        nodes |= {(secret, "net-essaim-push") for secret in mounted}
    assert holders == {("net-essaim-authority", "net-essaim-discovery")} | nodes


def test_every_object_is_labelled_and_in_the_namespace(scenario):
    for doc in scenario.docs:
        metadata = doc["metadata"]
        assert not [label for label in LABELS if label not in metadata["labels"]], metadata["name"]
        assert metadata["namespace"] == "essaim", metadata["name"]
        assert len(metadata["name"]) <= 63


def test_pods_with_the_longest_name_fit(render):
    rendered = render("default", f"fullnameOverride={'n' * 40}")
    names = [doc["metadata"]["name"] for doc in rendered.docs]
    # A hook's pod adds six characters, a StatefulSet's pod its ordinal, its revision label eleven.
    assert max(map(len, names)) <= 63
    assert max(len(doc["metadata"]["name"]) for doc in rendered.of("StatefulSet")) <= 52


@pytest.mark.parametrize("component", COMPONENTS)
def test_selectors_find_the_pods(scenario, component):
    name = f"net-essaim-{component}"
    workload = scenario.one("StatefulSet", name)
    labels = workload["spec"]["template"]["metadata"]["labels"]
    assert workload["spec"]["serviceName"] == scenario.one("Service", name)["metadata"]["name"]
    selectors = [
        workload["spec"]["selector"]["matchLabels"],
        scenario.one("Service", name)["spec"]["selector"],
        scenario.one("PodDisruptionBudget", name)["spec"]["selector"]["matchLabels"],
        *(each["labelSelector"]["matchLabels"] for each in _pod(scenario, name)["topologySpreadConstraints"]),
    ]
    assert all(selector.items() <= labels.items() for selector in selectors)


def test_every_service_port_names_its_protocol(scenario):
    assert all(port["protocol"] == "TCP" for service in scenario.of("Service") for port in service["spec"]["ports"])


@pytest.mark.parametrize("component", COMPONENTS)
def test_pod_has_time_to_drain(scenario, component):
    pod = _pod(scenario, f"net-essaim-{component}")
    environment = {each["name"]: each.get("value") for each in pod["containers"][0]["env"]}
    drain = float(environment[f"ESSAIM_{component.upper()}_DRAIN_SECONDS"])
    assert pod["terminationGracePeriodSeconds"] >= drain + 15


def test_storage_pod_has_time_to_move_its_data(scenario):
    """What the node waits for at most is less than what Kubernetes waits for; all that are to go leave together."""
    pod = _pod(scenario, "net-essaim-storage")
    environment = {each["name"]: each.get("value") for each in pod["containers"][0]["env"]}
    waits = [float(environment[f"ESSAIM_STORAGE_RETIRE_{each}SECONDS"]) for each in ("NOTICE_", "")]
    drain = float(environment["ESSAIM_STORAGE_DRAIN_SECONDS"])
    assert pod["terminationGracePeriodSeconds"] >= sum(waits) + drain + 15
    assert scenario.one("StatefulSet", "net-essaim-storage")["spec"]["podManagementPolicy"] == "Parallel"


@pytest.mark.parametrize(("interval_ms", "seconds"), [(1, "5"), (1_000, "7"), (10_000, "25"), (600_000, "60")])
def test_storage_pod_waits_for_two_views_to_learn_that_it_leaves(render, interval_ms, seconds):
    pod = _pod(render("default", f"network.viewMinIntervalMs={interval_ms}"), "net-essaim-storage")
    environment = {each["name"]: each.get("value") for each in pod["containers"][0]["env"]}
    assert environment["ESSAIM_STORAGE_RETIRE_NOTICE_SECONDS"] == seconds


@pytest.mark.parametrize("component", COMPONENTS)
def test_data_outlives_the_release(scenario, component):
    spec = scenario.one("StatefulSet", f"net-essaim-{component}")["spec"]
    assert spec["persistentVolumeClaimRetentionPolicy"] == {"whenDeleted": "Retain", "whenScaled": "Retain"}
    assert spec["volumeClaimTemplates"][0]["spec"]["accessModes"] == ["ReadWriteOnce"]


# The network


def test_everything_is_denied_first(scenario):
    deny = scenario.one("NetworkPolicy", "net-essaim-deny")["spec"]
    assert set(deny) == {"podSelector", "policyTypes"}
    assert deny["policyTypes"] == ["Ingress", "Egress"]
    labels = [doc["spec"]["template"]["metadata"]["labels"] for doc in scenario.of("StatefulSet") + scenario.of("Job")]
    labels.append(scenario.of("Pod")[0]["metadata"]["labels"])
    assert all(deny["podSelector"]["matchLabels"].items() <= each.items() for each in labels)


def test_edges_are_the_known_ones_and_no_other(scenario):
    """A connection inside needs both sides' policies: computed as a network plugin would."""
    policies = [doc["spec"] for doc in scenario.of("NetworkPolicy")]
    out = {edge for policy in policies for edge in _edges(policy, "egress")}
    into = {(source, target, port) for policy in policies for target, source, port in _edges(policy, "ingress")}
    rooms = ROOMS if scenario.of("StatefulSet", "opengroup") else set()
    push = PUSH if scenario.of("StatefulSet", "push") else set()
    assert out & into == EDGES | rooms | push
    assert out == into, "a policy without its other half"


def test_nobody_may_ask_dns_or_reach_outside_by_default(render):
    for doc in render("default").of("NetworkPolicy"):
        for rule in doc["spec"].get("egress") or []:
            assert not [port for port in rule["ports"] if port.get("port") == 53]
            assert doc["metadata"]["name"].endswith("-to-api") or all("podSelector" in peer for peer in rule["to"])


def test_exposed_nodes_are_reached_and_reach_each_other(render):
    rendered = render("production")
    names = {doc["metadata"]["name"].removeprefix("net-essaim-") for doc in rendered.of("NetworkPolicy")}
    assert {"relay-from-outside", "discovery-from-outside", "to-outside"} <= names
    assert "storage-from-outside" not in names
    (outside,) = rendered.one("NetworkPolicy", "net-essaim-to-outside")["spec"]["egress"][0]["to"]
    assert outside["ipBlock"] == {"cidr": "0.0.0.0/0", "except": ["169.254.0.0/16"]}


def test_metrics_are_for_the_monitoring_namespace(scenario):
    for component in COMPONENTS:
        policy = scenario.one("NetworkPolicy", f"net-essaim-{component}-metrics")["spec"]
        (rule,) = policy["ingress"]
        assert rule["ports"] == [{"protocol": "TCP", "port": 9440}]
        assert "namespaceSelector" in rule["from"][0]


def test_policies_can_be_left_out(render):
    assert not render("default", "networkPolicy.enabled=false").of("NetworkPolicy")


def _pod(rendered, name):
    return dict(rendered.pods)[name]


def _edges(policy, direction):
    """(own component, peer's component, port) for peers inside the release."""
    own = policy["podSelector"]["matchLabels"].get("app.kubernetes.io/component")
    for rule in policy.get(direction) or []:
        peers = rule.get("to" if direction == "egress" else "from", [])
        for peer, port in itertools.product(peers, rule["ports"]):
            if "podSelector" in peer and "namespaceSelector" not in peer:
                yield own, peer["podSelector"]["matchLabels"]["app.kubernetes.io/component"], port["port"]
