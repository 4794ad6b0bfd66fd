"""Which pod a node lives in. A pod is asked for its certificate; a node is at home where a certificate that its own
signed descriptor names is answered with. Nobody else can sign that descriptor, or answer with that certificate.
"""

from collections.abc import Mapping

from essaim.protocol.view import NetworkView
from essaim.protocol.view.node import Node
from essaim_discovery.cluster.scene import Home, Pod, Record, Scene

KEYS = {"pod": "pod", "podUid": "pod_uid", "claim": "claim", "claimUid": "claim_uid", "workload": "workload"}
"""Where a ServiceNode's status keeps it, so that the next agent knows too."""


def homes(view: NetworkView, scene: Scene, shown: Mapping[str, bytes]) -> Mapping[bytes, Home]:
    """By node id. `shown` are the certificates (DER) that pods answered with, by the pods' uids."""
    former = {each.node_id: home for each in scene.records.values() if (home := home_of(each)) is not None}
    found = {node.node_id: _home(node, former.get(node.node_id), scene, shown) for node in view.nodes.values()}
    return {node_id: home for node_id, home in found.items() if home is not None}


def home_of(record: Record) -> Home | None:
    """What a ServiceNode remembers."""
    known = {name: record.status.get(key, "") for key, name in KEYS.items()}
    return Home(**known) if all(known.values()) else None


def unknown_pods(view: NetworkView, scene: Scene, known: Mapping[bytes, Home]) -> list[Pod]:
    """Those to ask: they run, and no listed node is at home there yet."""
    inhabited = {home.pod_uid for node_id, home in known.items() if node_id in view.nodes}
    return [
        pod for pod in scene.pods if pod.address and not pod.ending and pod.uid not in inhabited and _role(pod, scene)
    ]


def _home(node: Node, former: Home | None, scene: Scene, shown: Mapping[str, bytes]) -> Home | None:
    """A node stays with its volume while that is there: no other pod can take it over."""
    pods = [pod for pod in scene.pods if shown.get(pod.uid) in node.certificates and _role(pod, scene) == node.role]
    if former is not None and scene.has_claim(former):
        pods = [pod for pod in pods if pod.claim == former.claim]
    pods = [pod for pod in pods if pod.claim in scene.claims]
    if not pods:
        return former
    pod = min(pods, key=lambda each: each.name)
    return Home(pod.workload, pod.name, pod.uid, pod.claim, scene.claims[pod.claim])


def _role(pod: Pod, scene: Scene) -> object:
    workload = scene.workloads.get(pod.workload)
    return None if workload is None else workload.role
