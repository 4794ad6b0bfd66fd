"""The agent's loop: look at the cluster, retire, mirror; again whenever the view, a StatefulSet or a pod changes."""

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

from essaim.discovery.v1 import discovery_pb2
from essaim.protocol.keys import SigningKey
from essaim.protocol.view import NetworkView
from essaim.protocol.view.transaction import sign_transaction
from essaim.runtime import logs
from essaim.runtime.logs import INFO, LogLevel
from essaim.runtime.persist import backoff
from essaim_discovery import metrics
from essaim_discovery.cluster.api import Api, ApiRefusedError
from essaim_discovery.cluster.election import Election
from essaim_discovery.cluster.homes import homes, unknown_pods
from essaim_discovery.cluster.kinds import CLAIMS, PODS, SERVICE_NODES, STATEFUL_SETS
from essaim_discovery.cluster.mirror import changes
from essaim_discovery.cluster.proof import certificate_at
from essaim_discovery.cluster.retiring import Retirement, retirements
from essaim_discovery.cluster.scene import Pod, Scene, pod_of, record_of, workload_of
from essaim_discovery.cluster.writing import Writer, owned_by
from essaim_discovery.driver import Driver

RESYNC_SECONDS = 30.0
"""The longest between two looks: what a watch has missed is noticed within it."""
ASK_SECONDS = 5.0
"""Until the next look while there are pods of which nobody knows who lives there."""
PAUSE_SECONDS = 0.2
"""Between two looks, so that a burst of changes is one."""
LEASE_SECONDS = 15
PATIENCE = 5
ASKED_AT_ONCE = 16


class AgentEvent(logs.Event):
    """What the agent has to say."""

    LEADING = "agent_leading"
    STOPPED = "agent_stopped"
    FAILED = "agent_failed"
    RETIRED = "agent_retired"
    REFUSED = "agent_refused"


@dataclass(frozen=True)
class Reach:
    """What of a namespace the agent minds: objects with these labels; and the name of its Lease."""

    selector: str
    lease: str

    @property
    def labels(self) -> Mapping[str, str]:
        """For the objects that it makes."""
        return dict(each.split("=", 1) for each in self.selector.split(","))


class Agent:
    """`run` is the task. Nothing that happens here ends discovery."""

    def __init__(self, driver: Driver, authority: SigningKey, now_ms: Callable[[], int], reach: Reach) -> None:
        self._driver = driver
        self._authority = authority
        self._now_ms = now_ms
        self._reach = reach
        self._me = f"{socket.gethostname()}-{os.urandom(4).hex()}"
        self._wake = asyncio.Event()
        self._shown: dict[str, bytes] = {}  # certificates by pod uid

    async def run(self, connect: Callable[[], Api] = Api.in_cluster) -> None:
        """As long as the process lives."""
        number = 0
        while True:
            try:
                async with connect() as api:
                    scene = await self._look(api)
                    owner = owned_by(scene, self._reach.labels)
                    await Election(api, self._reach.lease, self._me, LEASE_SECONDS, owner).lead(lambda: self._lead(api))
                number = 0
            except Exception as error:  # noqa: BLE001 - discovery lives on without its agent, which tries again
                self._tell_failure(error)
                number += 1
            metrics.AGENT.set(0)
            await asyncio.sleep(PATIENCE * backoff(number))

    async def _lead(self, api: Api) -> None:
        logs.write(AgentEvent.LEADING, INFO)
        metrics.AGENT.set(1)
        self._wake.set()
        async with asyncio.TaskGroup() as group:
            group.create_task(self._wake_on(lambda: self._driver.views.follow(0, 0)))
            group.create_task(self._wake_on(lambda: api.watch(STATEFUL_SETS, self._reach.selector)))
            group.create_task(self._wake_on(lambda: api.watch(PODS, self._reach.selector)))
            group.create_task(self._work(api))

    async def _wake_on(self, follow: Callable[[], AsyncIterator[object]]) -> None:
        """Again and again: a watch ends after a while, and whatever came meanwhile is looked at."""
        while True:
            async with aclosing(follow()) as news:  # type: ignore[type-var]
                async for _ in news:
                    self._wake.set()
            self._wake.set()
            await asyncio.sleep(PAUSE_SECONDS)

    async def _work(self, api: Api) -> None:
        unknown = True
        while True:
            try:
                async with asyncio.timeout(ASK_SECONDS if unknown else RESYNC_SECONDS):
                    await self._wake.wait()
            except TimeoutError:
                pass
            self._wake.clear()
            view = self._driver.views.newest
            if view is not None:
                unknown = await self._round(api, view)
                metrics.AGENT_ROUNDS.labels(metrics.DONE).inc()
            await asyncio.sleep(PAUSE_SECONDS)

    async def _round(self, api: Api, view: NetworkView) -> bool:
        """One look and what follows from it; whether there are pods whose nodes are not known."""
        scene = await self._look(api)
        known = homes(view, scene, self._shown)
        await self._retire(retirements(view, scene, known), view)
        unknown = unknown_pods(view, scene, known)
        if unknown:
            await self._ask(unknown)
            known = homes(view, scene, self._shown)
        self._shown = {pod.uid: self._shown[pod.uid] for pod in scene.pods if pod.uid in self._shown}
        writer = Writer(api, owned_by(scene, self._reach.labels), view.serial)
        await writer.write(changes(view, known, scene.records), scene.records)
        return bool(unknown_pods(view, scene, known))

    async def _look(self, api: Api) -> Scene:
        selector = self._reach.selector
        sets, pods, claims, records = await asyncio.gather(
            *(api.all(what, selector) for what in (STATEFUL_SETS, PODS, CLAIMS, SERVICE_NODES))
        )
        return Scene(
            {each.name: each for each in map(workload_of, sets)},
            [pod for pod in map(pod_of, pods) if pod is not None],
            {each["metadata"]["name"]: each["metadata"]["uid"] for each in claims},
            {each.name: each for each in map(record_of, records)},
        )

    async def _ask(self, pods: list[Pod]) -> None:
        limit = asyncio.Semaphore(ASKED_AT_ONCE)

        async def ask(pod: Pod) -> None:
            async with limit:
                found = await certificate_at(pod.address) if pod.address else None
            if found is not None:
                self._shown[pod.uid] = found

        await asyncio.gather(*map(ask, pods))

    async def _retire(self, whom: list[Retirement], view: NetworkView) -> None:
        """An authority's word for each, one after the other on disk before the next look."""
        if not whom:
            return
        seen = self._driver.state.seen(self._authority.public.raw)
        sequence = max(self._now_ms(), seen.sequence + 1 if seen is not None else 0)
        signed = [self._signed(each, view, sequence + number) for number, each in enumerate(whom)]
        for each, outcome in zip(whom, await self._driver.submit(signed), strict=True):
            role = view.nodes[each.node_id].role
            event, level = (AgentEvent.RETIRED, INFO) if outcome is None else (AgentEvent.REFUSED, LogLevel.WARNING)
            logs.write(event, level, role=role)

    def _signed(self, each: Retirement, view: NetworkView, sequence: int) -> discovery_pb2.SignedTransaction:
        retire = discovery_pb2.Retire(node_id=each.node_id, gone=each.gone)
        network_id, authority_id = view.header.network_id, self._authority.public.raw
        transaction = discovery_pb2.Transaction(
            network_id=network_id, node_id=authority_id, sequence=sequence, retire=retire
        )
        return sign_transaction(transaction, self._authority)

    def _tell_failure(self, error: BaseException) -> None:
        while isinstance(error, BaseExceptionGroup):
            error = error.exceptions[0]
        metrics.AGENT_ROUNDS.labels(metrics.FAILED).inc()
        code: dict[str, Any] = {"code": error.code} if isinstance(error, ApiRefusedError) else {}
        logs.write(AgentEvent.FAILED, LogLevel.WARNING, error=type(error), **code)
