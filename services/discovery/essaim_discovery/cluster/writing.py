"""Writing ServiceNodes and the Events of their churn. An Event names a ServiceNode and nothing else: no address, no
person, and its sentence is one of a few."""

from collections.abc import Mapping
from datetime import UTC, datetime
from os import urandom
from typing import Any

from essaim_discovery.cluster.api import CONFLICT, MISSING, Api, ApiRefusedError
from essaim_discovery.cluster.kinds import EVENTS, SERVICE_NODES
from essaim_discovery.cluster.mirror import FIELDS, Changes, Happening, Wanted
from essaim_discovery.cluster.scene import Record, Scene

VERSION, KIND = "essaim.network/v1alpha1", "ServiceNode"
MOST_EVENTS = 50
"""In one round: the first look at a large network is no news."""
WORDS: Mapping[Happening, str] = {
    Happening.REGISTERED: "The node is listed in the network view.",
    Happening.RETURNED: "The node is active again.",
    Happening.WENT_AWAY: "The node gives no sign of life; it keeps its place.",
    Happening.LEAVING: "The node leaves for good; its data is moving, if it has any.",
    Happening.EXPELLED: "The node is expelled until an authority takes it back.",
    Happening.LEFT: "The node is no longer listed in the network view.",
}
WARNINGS = frozenset({Happening.WENT_AWAY, Happening.EXPELLED})


def owned_by(scene: Scene, labels: Mapping[str, str]) -> Mapping[str, Any]:
    """Metadata of what the agent makes: it goes when discovery's StatefulSet goes."""
    owners = [
        {"apiVersion": "apps/v1", "kind": "StatefulSet", "name": each.name, "uid": each.uid}
        for each in scene.workloads.values()
        if each.role is None
    ]
    return {"labels": dict(labels), "ownerReferences": owners}


class Writer:
    """Of one round, in which the view is that of `serial`."""

    def __init__(self, api: Api, metadata: Mapping[str, Any], serial: int) -> None:
        self._api = api
        self._metadata = metadata
        self._serial = serial

    async def write(self, changes: Changes, records: Mapping[str, Record]) -> None:
        """One after the other: a round is in no hurry, and the API server is others' too."""
        uids = {name: record.uid for name, record in records.items()}
        for wanted in changes.created:
            uids[wanted.name] = await self._create(wanted)
        for wanted in changes.updated:
            await self._update(wanted)
        for record in changes.deleted:
            await self._api.delete(SERVICE_NODES, record.name)
        for happening, name in changes.happened[:MOST_EVENTS]:
            await self._tell(happening, name, uids[name])

    async def _create(self, wanted: Wanted) -> str:
        content = {
            "apiVersion": VERSION,
            "kind": KIND,
            "metadata": {"name": wanted.name, **self._metadata},
            "spec": {"nodeId": wanted.node_id.hex(), "role": wanted.role},
        }
        try:
            made = await self._api.create(SERVICE_NODES, content)
        except ApiRefusedError as error:
            if error.code != CONFLICT:
                raise
            made = await self._api.get(SERVICE_NODES, wanted.name)
        return str(made["metadata"]["uid"])

    async def _update(self, wanted: Wanted) -> None:
        """`serial`: of the first view that showed the node as it is shown."""
        try:
            cleared = dict.fromkeys(FIELDS)
            status = {**cleared, **wanted.status, "serial": self._serial}
            await self._api.patch_status(SERVICE_NODES, wanted.name, status)
        except ApiRefusedError as error:
            if error.code != MISSING:  # removed by hand: the next round makes it anew
                raise

    async def _tell(self, happening: Happening, name: str, uid: str) -> None:
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        about = {"apiVersion": VERSION, "kind": KIND, "name": name, "namespace": self._api.namespace, "uid": uid}
        event = {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"name": f"{name}.{urandom(6).hex()}"},
            "involvedObject": about,
            "reason": happening.value,
            "message": WORDS[happening],
            "type": "Warning" if happening in WARNINGS else "Normal",
            "source": {"component": "essaim-discovery"},
            "firstTimestamp": now,
            "lastTimestamp": now,
            "count": 1,
        }
        await self._api.create(EVENTS, event)
