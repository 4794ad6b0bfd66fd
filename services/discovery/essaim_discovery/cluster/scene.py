"""What the agent sees of the cluster: StatefulSets, their pods and volume claims, and the ServiceNodes as they are."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from essaim.protocol.view import Role

ROLES: Mapping[str, Role] = {role.name.lower(): role for role in Role}
"""Of the label app.kubernetes.io/component."""
COMPONENT = "app.kubernetes.io/component"
DATA_VOLUME, PORT = "data", "grpc"


@dataclass(frozen=True)
class Workload:
    """A StatefulSet; `role` is None for discovery's own."""

    name: str
    uid: str
    role: Role | None
    replicas: int
    ending: bool = False


@dataclass(frozen=True)
class Pod:
    """A pod of one of them. `address` is (ip, port), None while it has none."""

    name: str
    uid: str
    workload: str
    claim: str
    address: tuple[str, int] | None = None
    ending: bool = False


@dataclass(frozen=True)
class Home:
    """Where a node lives: its identity is on the claim, whatever pod has it mounted."""

    workload: str
    pod: str
    pod_uid: str
    claim: str
    claim_uid: str

    @property
    def ordinal(self) -> int:
        """Of the pod in its StatefulSet."""
        return ordinal_of(self.pod)


@dataclass(frozen=True)
class Record:
    """A ServiceNode. `status` without its `serial` is what is compared."""

    name: str
    uid: str
    node_id: bytes
    status: Mapping[str, Any]
    serial: int = 0


@dataclass(frozen=True)
class Scene:
    """All of it at one time. `claims` are uids by name."""

    workloads: Mapping[str, Workload] = field(default_factory=dict)
    pods: Sequence[Pod] = ()
    claims: Mapping[str, str] = field(default_factory=dict)
    records: Mapping[str, Record] = field(default_factory=dict)

    def has_claim(self, home: Home) -> bool:
        """Whether the very volume is still there, not one of the same name."""
        return self.claims.get(home.claim) == home.claim_uid


def ordinal_of(pod: str) -> int:
    """The number at the end of a StatefulSet's pod's name."""
    return int(pod.rpartition("-")[2])


# From what the API server answers


def workload_of(item: Mapping[str, Any]) -> Workload:
    """A StatefulSet."""
    meta = item["metadata"]
    role = ROLES.get(meta.get("labels", {}).get(COMPONENT, ""))
    return Workload(meta["name"], meta["uid"], role, int(item["spec"].get("replicas", 1)), "deletionTimestamp" in meta)


def pod_of(item: Mapping[str, Any]) -> Pod | None:
    """A pod that a StatefulSet controls, with a volume for its node's data; None for any other."""
    meta, spec = item["metadata"], item["spec"]
    owners = [each for each in meta.get("ownerReferences", ()) if each.get("controller")]
    volumes = [each for each in spec.get("volumes", ()) if each["name"] == DATA_VOLUME]
    claim = volumes[0].get("persistentVolumeClaim", {}).get("claimName") if volumes else None
    if not owners or owners[0]["kind"] != "StatefulSet" or not claim:
        return None
    running, ip = item["status"].get("phase") == "Running", item["status"].get("podIP")
    ports = [port for each in spec["containers"] for port in each.get("ports", ()) if port.get("name") == PORT]
    address = (ip, int(ports[0]["containerPort"])) if running and ip and ports else None
    return Pod(meta["name"], meta["uid"], owners[0]["name"], claim, address, "deletionTimestamp" in meta)


def record_of(item: Mapping[str, Any]) -> Record:
    """A ServiceNode."""
    status = dict(item.get("status", {}))
    serial = int(status.pop("serial", 0))
    meta = item["metadata"]
    return Record(meta["name"], meta["uid"], bytes.fromhex(item["spec"]["nodeId"]), status, serial)
