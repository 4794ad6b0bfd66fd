"""The story of a deployment, in the order of this file; the first step that fails ends it (`make e2e` gives -x)."""

import asyncio
import json
import time
from pathlib import Path

import pytest

from correspondence import Correspondence, network_file
from deployment import Deployment
from essaim.protocol.view import NetworkView, Role
from essaim_client.messaging.addresses import public_inbox
from gathering import gather
from installed import READY_SECONDS, VALUES, Network, is_ready
from journal import Journal
from leavings import named
from waking import Bell, own_address, wake_through

MESSAGES = 200
PAUSE_SECONDS = 0.2
HOST_PORT = 7441


@pytest.fixture(scope="module")
def network(deployment: Deployment):
    network = Network(deployment)
    if not deployment.local:  # which node ports are free is for its owner to say; these are the chart's own
        address = deployment.node_address
        for component in ("relay", "discovery"):
            network.sets[f"{component}.exposure"] = {"type": "NodePort", "addresses": [address]}
    yield network
    network.say_goodbye()


def test_install_makes_every_pod_ready(network: Network, journal: Journal):
    with journal.step("install") as seen:
        network.deployment.install(VALUES, sets=network.sets)
        pods = network.pods()
        seen |= {"pods ready": sum(map(is_ready, pods.values())), "of": len(pods)}
        assert len(pods) == 13
        assert all(map(is_ready, pods.values()))


def test_pods_are_confined_and_keep_their_data_on_volumes(network: Network, journal: Journal):
    with journal.step("confinement and volumes, as the kubelet made them") as seen:
        for pod in ("essaim-relay-0", "essaim-storage-0", "essaim-discovery-0"):
            told = network.deployment.kubectl("exec", pod, "--", "/opt/essaim/bin/python", "-c", LOOK).stdout
            facts = json.loads(told)
            assert facts["uid"] == 10_001
            assert facts["read-only root"] is True
            assert facts["token mounted"] is ("discovery" in pod)  # its agent's
            assert facts["pip"] is False
            assert facts["no new privileges"] is True
            assert facts["seccomp"] == "2"  # a filter
            assert facts["capabilities"] == "0000000000000000"
            assert "identity.key" in facts["data"]
        claims = network.deployment.get("persistentvolumeclaims")["items"]
        assert {each["status"]["phase"] for each in claims} == {"Bound"}
        seen |= {**facts, "claims bound": len(claims)}


LOOK = """
import json, os, pathlib, importlib.util
status = dict(line.split(":\\t", 1) for line in open("/proc/self/status").read().splitlines() if ":\\t" in line)
mounts = [line.split() for line in open("/proc/self/mounts")]
print(json.dumps({
    "uid": os.getuid(),
    "read-only root": "ro" in next(each[3] for each in mounts if each[1] == "/").split(","),
    "token mounted": os.path.exists("/var/run/secrets/kubernetes.io/serviceaccount/token"),
    "pip": any(importlib.util.find_spec(name) for name in ("pip", "setuptools", "ensurepip")),
    "no new privileges": status["NoNewPrivs"].strip() == "1",
    "seccomp": status["Seccomp"].strip(),
    "capabilities": status["CapEff"].strip(),
    "data": sorted(os.listdir("/var/lib/essaim")),
}))
"""


def test_every_node_is_a_service_node(network: Network, journal: Journal):
    with journal.step("kubectl get servicenodes") as seen:
        found = await_homes(network, 12)
        assert {pod for pod in found if "relay" in pod} == {f"essaim-relay-{number}" for number in range(6)}
        assert all(each["status"]["health"] == "Healthy" for each in found.values())
        assert len({each["status"].get("swarm") for pod, each in found.items() if "storage" in pod}) == 2
        told = network.deployment.kubectl("get", "servicenodes").stdout.splitlines()
        assert told[0].split() == ["NAME", "ROLE", "SWARM", "SERIAL", "HEALTH", "VERSION", "AGE"]
        assert all(len(line.split()) >= 6 for line in told[1:])
        lease = network.deployment.get("lease", "essaim-discovery")["spec"]
        assert lease["holderIdentity"].startswith("essaim-discovery-0-")
        seen |= {"shown": len(told) - 1, "in a pod": len(found), "first": " ".join(told[1].split())}


def await_homes(network: Network, count: int) -> dict[str, dict]:
    """ServiceNodes by the pod that each lives in, once all of so many are known and nothing moves."""
    deadline, told = time.monotonic() + READY_SECONDS, "none"
    while time.monotonic() < deadline:
        items = network.deployment.get("servicenodes")["items"]
        at_home = {each["status"]["pod"]: each for each in items if each.get("status", {}).get("pod")}
        still = [each for each in at_home.values() if "moveSerial" not in each["status"]]
        if (len(items), len(still)) == (count, count):
            return at_home
        told = f"{len(items)} ServiceNodes, {len(at_home)} in a pod, {len(still)} of these still"
        time.sleep(0.5)
    raise AssertionError(f"not {count} ServiceNodes within {READY_SECONDS} s: {told}")


def test_helm_test_sends_and_reads_a_message(network: Network, journal: Journal):
    with journal.step("helm test") as seen:
        done = network.deployment.helm("test", network.deployment.release, "--logs", "--timeout", "180s")
        assert "a message was sent and read through the onion" in done.stdout
        seen["said"] = next(line for line in done.stdout.splitlines() if "through the onion" in line)


def test_clients_outside_reach_the_guards_that_the_view_names(network: Network, journal: Journal, tmp_path_factory):
    with journal.step("clients outside the cluster") as seen:
        network.meet(Correspondence(network_file(network.deployment), tmp_path_factory.mktemp("people")))
        view = network.await_view(storage=6, swarms=2)
        relays = [node for node in view.nodes.values() if node.role is Role.RELAY]
        assert {node.address.rpartition(":")[0] for node in relays} == {network.deployment.node_address}
        waiting = network.people.write_to_those_away()
        seen |= {
            "relays by a node port in the view": len(relays),
            "messages that wait for people who are away": waiting,
        }
        assert waiting == 18


def test_nothing_acknowledged_is_lost_while_pods_are_deleted(network: Network, journal: Journal):
    with journal.step(f"{MESSAGES} messages while a relay, a storage and the discovery pod are deleted") as seen:
        before = network.await_view(storage=6, swarms=2)
        victims = {
            "relay": "essaim-relay-0",
            "storage": storage_pod_of_the_reader(network, before),
            "discovery": "essaim-discovery-0",
        }
        network.people.begin(PAUSE_SECONDS)
        for number, (component, pod) in enumerate(victims.items()):
            await_messages(network, 10 + number * MESSAGES // 4)
            began, uid = time.monotonic(), network.pods()[pod]["metadata"]["uid"]
            hard = ("--grace-period=0", "--force") if component == "storage" else ()
            network.deployment.kubectl("delete", "pod", pod, "--wait=false", *hard)
            network.await_pod(pod, but=uid)
            seen[f"{pod} ready again after"] = f"{time.monotonic() - began:.0f} s"
        await_messages(network, MESSAGES)
        tally = network.people.end()
        seen |= tally.evidence
        assert len(tally.acknowledged) >= MESSAGES
        assert not tally.lost
        after = network.await_view(storage=6, swarms=2)
        assert set(after.nodes) == set(before.nodes)  # each came back as itself: its identity is on its volume


def storage_pod_of_the_reader(network: Network, view: NetworkView) -> str:
    """One that holds the messages which are being written."""
    mailbox = public_inbox(network.people.reader_id).mailbox_id
    hosts = {node.address.rpartition(":")[0] for node in view.swarm_of(mailbox).members}
    return next(name for name, pod in network.pods("storage").items() if pod["status"]["podIP"] in hosts)


def await_messages(network: Network, count: int) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while network.people.acknowledged < count:
        assert time.monotonic() < deadline, f"only {network.people.acknowledged} of {count} messages were acknowledged"
        time.sleep(0.1)


def test_upgrade_rolls_every_pod_without_a_failed_request(network: Network, journal: Journal):
    with journal.step("upgrade that replaces every pod, while messages are written") as seen:
        before = {name: pod["metadata"]["uid"] for name, pod in network.pods().items()}
        network.people.begin(PAUSE_SECONDS)
        await_messages(network, 5)
        rolled = {f"{each}__podAnnotations": {"rolled": "1"} for each in ("discovery", "relay", "storage")}
        done = network.upgrade(**rolled)
        assert done.returncode == 0, done.stderr
        for name, uid in before.items():
            network.await_pod(name, but=uid)
        await_messages(network, network.people.acknowledged + 5)
        tally = network.people.end()
        seen |= {"pods replaced": len(before), **tally.evidence}
        assert not tally.lost
        assert not tally.failed


def test_storage_scales_up_by_itself(network: Network, journal: Journal):
    with journal.step("storage 6 -> 9, while messages are written") as seen:
        network.people.begin(PAUSE_SECONDS)
        done = network.upgrade(storage__replicas=9)
        assert done.returncode == 0, done.stderr
        network.await_view(storage=9, swarms=3)
        await_messages(network, network.people.acknowledged + 5)
        tally = network.people.end()
        seen |= tally.evidence
        assert not tally.lost


def test_storage_scales_down_after_its_data_has_moved(network: Network, journal: Journal):
    """By kubectl alone: discovery's agent retires the three, their data moves, and only then their pods end."""
    with journal.step("kubectl scale: storage 9 -> 6, while messages are written") as seen:
        await_homes(network, 15)
        network.people.begin(PAUSE_SECONDS)
        began = time.monotonic()
        network.deployment.kubectl("scale", "statefulset", "essaim-storage", "--replicas=6")
        network.sets["storage.replicas"] = 6
        network.await_view(storage=6, swarms=2)
        seen["data moved after"] = f"{time.monotonic() - began:.0f} s"
        for number in (6, 7, 8):
            await_gone(network, f"essaim-storage-{number}")
        seen["pods ended after"] = f"{time.monotonic() - began:.0f} s"
        await_messages(network, network.people.acknowledged + 5)
        tally = network.people.end()
        seen |= tally.evidence
        assert not tally.lost
        seen["ServiceNodes"] = len(await_homes(network, 12))
        reasons = {each["reason"] for each in node_events(network)}
        seen["events of nodes"] = sorted(reasons)
        assert {"NodeRegistered", "NodeLeaving", "NodeLeft"} <= reasons


def node_events(network: Network) -> list[dict]:
    return network.deployment.get("events", "--field-selector", "involvedObject.kind=ServiceNode")["items"]


def await_gone(network: Network, pod: str) -> None:
    """Its container too: a retired node ends at once when it is told to."""
    deadline = time.monotonic() + READY_SECONDS
    while network.deployment.kubectl("get", "pod", pod, fails=True).returncode == 0:
        assert time.monotonic() < deadline, f"{pod} still ends after {READY_SECONDS} s"
        time.sleep(0.5)


def test_room_outlives_its_hosts_pod(network: Network, journal: Journal, tmp_path: Path):
    """A host of open groups, switched on by a value: its pod is killed while a member posts and another follows."""
    with journal.step("a room, while the pod of its host is killed") as seen:
        done = network.upgrade(opengroup__enabled=True)
        assert done.returncode == 0, done.stderr
        pod = "essaim-opengroup-0"
        assert is_ready(network.pods("opengroup")[pod])
        token = network.deployment.kubectl("exec", pod, "--", "cat", "/var/lib/essaim/owner-invitation").stdout

        def kill() -> None:
            began, uid = time.monotonic(), network.pods("opengroup")[pod]["metadata"]["uid"]
            network.deployment.kubectl("delete", "pod", pod, "--wait=false", "--grace-period=0", "--force")
            network.await_pod(pod, but=uid, component="opengroup")
            seen["ready again after"] = f"{time.monotonic() - began:.0f} s"

        minutes = asyncio.run(gather(network_file(network.deployment), tmp_path, token.strip(), kill))
        seen |= minutes.evidence
        assert not minutes.refused, "a client asks again by itself while the host is away"
        assert not minutes.lost
        assert not minutes.repeated


def test_wake_outlives_its_hosts_pod(network: Network, journal: Journal, tmp_path: Path):
    """A push host, switched on by a value, calls this machine; its pod is killed with a wake in its queue."""
    pod, deployment = "essaim-push-0", network.deployment
    address = own_address(deployment.node_address)
    with journal.step("a wake, while the pod of its push host is killed") as seen, Bell(address) as bell:
        here = f"{address}/32"
        settings = {"endpoint_networks": here, "endpoint_http": True, "retry_most_seconds": 5}
        endpoints = {"to": [{"ipBlock": {"cidr": here}}], "ports": [bell.port]}
        done = network.upgrade(push__enabled=True, push__settings=settings, push__endpoints=endpoints)
        assert done.returncode == 0, done.stderr
        assert is_ready(network.pods("push")[pod])
        killed = []

        def delete() -> None:
            killed.append(network.pods("push")[pod]["metadata"]["uid"])
            deployment.kubectl("delete", "pod", pod, "--wait=false", "--grace-period=0", "--force")

        def bring_back() -> None:
            network.await_pod(pod, but=killed[-1], component="push")

        seen |= asyncio.run(wake_through(network_file(deployment), tmp_path, bell, delete, bring_back))


def test_node_of_another_release_joins_and_is_reached_by_its_host_port(network: Network, journal: Journal):
    """A relay in a namespace of its own, let in by the operator's key, signs the machine's address."""
    with journal.step("a relay of another release joins by a host port") as seen:
        guest = Deployment(network.deployment.kubeconfig, network.deployment.local, "guest", "essaim-e2e-guest")
        guest.clear()
        guest.kubectl("create", "namespace", guest.namespace)
        lend(network.deployment, guest, "secret", "essaim-operator")
        lend(network.deployment, guest, "configmap", "essaim-genesis")
        sets = {
            "genesis": {"create": False, "configMap": "essaim-genesis", "operatorSecret": "essaim-operator"},
            "discovery": {"enabled": False, "address": network_file(network.deployment).seed_addresses[0]},
            "storage.enabled": False,
            "relay.replicas": 1,
            "relay.exposure": {"type": "HostPort", "port": HOST_PORT},
        }
        guest.install(VALUES, sets=sets)
        address = f"{network.deployment.node_address}:{HOST_PORT}"
        (node,) = [each for each in network.people.newest_view().nodes.values() if each.address == address]
        assert network.people.is_answered_by(node)
        seen |= {"signed and answered at": f"the machine's address, port {HOST_PORT}"}
        guest.uninstall()
        guest.clear()


def lend(owner: Deployment, guest: Deployment, kind: str, name: str) -> None:
    """A copy of an object in the other namespace."""
    content = owner.get(kind, name)
    content["metadata"] = {"name": name}
    guest.create(content)


def test_people_who_were_away_read_everything(network: Network, journal: Journal):
    with journal.step("people who were away come back") as seen:
        tally = network.people.await_those_away()
        seen |= {"acknowledged before all this": len(tally.acknowledged), "lost": len(tally.lost)}
        assert not tally.lost


def test_the_cluster_names_nobody(network: Network, journal: Journal):
    with journal.step("events, objects and logs are searched for the people") as seen:
        searched, found = named(network.deployment, network.people.accounts)
        seen |= {"bytes searched": searched, "found": found}
        assert searched > 50_000
        assert not found


def test_uninstall_leaves_keys_and_volumes_and_nothing_else(network: Network, journal: Journal):
    with journal.step("uninstall") as seen:
        network.say_goodbye()
        network.deployment.uninstall()
        deadline = time.monotonic() + READY_SECONDS
        while not (left := what_is_left(network)) <= KEPT:  # the pods go after the release, one by one
            assert time.monotonic() < deadline, f"left after {READY_SECONDS} s: {sorted(left - KEPT)}"
            time.sleep(0.5)
        claims = network.deployment.get("persistentvolumeclaims")["items"]
        seen |= {"left": sorted(left), "claims left": len(claims)}
        assert claims


def what_is_left(network: Network) -> set[str]:
    """Of this release, by kind and name."""
    kinds = "statefulset,job,service,configmap,secret,serviceaccount,role,rolebinding,networkpolicy,poddisruptionbudget"
    found = network.deployment.get(f"pod,lease,{kinds}")["items"]
    names = {f"{each['kind']} {each['metadata']['name']}" for each in found}
    nodes = {f"ServiceNode {each['metadata']['name']}" for each in network.deployment.get("servicenodes")["items"]}
    return nodes | {name for name in names if f" {network.deployment.release}" in name}


KEPT = {
    "Secret essaim-authority",
    "Secret essaim-operator",
    "ConfigMap essaim-genesis",
    "Pod essaim-message",  # the tests' own pods are kept for their logs
    "Pod essaim-linkgrade",
}
