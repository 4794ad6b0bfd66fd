"""Discovery's agent on the real API server: real StatefulSets, pods, claims, Lease and ServiceNodes. The pods stay
unscheduled, and the nodes' part is played by TLS servers of this process, so no kubelet is needed and all is quick.
"""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from socket import create_server

import pytest
from kubernetes.aio.client import Configuration
from kubernetes.aio.config import load_kube_config

from deployment import CHART, Deployment
from essaim.network.tls import Certificate
from essaim.protocol.keys import SigningKey
from essaim.protocol.view import Genesis, NodeState, Parameters, Role, SwarmSizes
from essaim.runtime.clock import SystemClock
from essaim.testing.registrant import Registrant
from essaim_discovery.authority import Authority
from essaim_discovery.cluster.agent import Agent, Reach
from essaim_discovery.cluster.api import Api
from essaim_discovery.cluster.kinds import LEASES, PODS, SERVICE_NODES
from essaim_discovery.driver import Driver
from essaim_discovery.log import Log
from journal import Journal

SELECTOR = "app.kubernetes.io/name=essaim,app.kubernetes.io/instance=paper"
REACH = Reach(SELECTOR, "paper-discovery")
SECONDS = 120
NODES, STAYING = 6, 3
KEY = SigningKey(bytes(31) + b"\7")
NOW_MS = SystemClock().now_ms
PARAMETERS = Parameters(
    swarm_sizes=SwarmSizes(3, 3, 5), view_min_interval_ms=500, uptime_seconds=60, away_seconds=3_600, drop_seconds=7_200
)
GENESIS = Genesis.create("paper", [KEY], PARAMETERS, [], NOW_MS())


def stateful_set(component: str, replicas: int, port: int) -> dict:
    labels = {**REACH.labels, "app.kubernetes.io/component": component}
    container = {"name": "node", "image": "none", "ports": [{"name": "grpc", "containerPort": port}]}
    claim = {
        "metadata": {"name": "data", "labels": labels},
        "spec": {
            "accessModes": ["ReadWriteOnce"],
            "storageClassName": "none",
            "resources": {"requests": {"storage": "1Mi"}},
        },
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "metadata": {"name": f"paper-{component}", "labels": labels},
        "spec": {
            "serviceName": "none",
            "replicas": replicas,
            "podManagementPolicy": "Parallel",
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {"schedulerName": "nobody", "containers": [container]},
            },
            "volumeClaimTemplates": [claim],
        },
    }


@pytest.fixture
def elsewhere(deployment: Deployment, tmp_path: Path):
    """A namespace of its own, with the kind."""
    found = Deployment(deployment.kubeconfig, deployment.local, deployment.release, "essaim-e2e-agent")
    found.kubectl("delete", "namespace", found.namespace, "--ignore-not-found", "--wait")
    found.kubectl("create", "namespace", found.namespace)
    found.kubectl("apply", "-f", str(CHART / "crds"))
    yield found
    found.kubectl("delete", "namespace", found.namespace, "--wait=false")


async def connection(deployment: Deployment) -> Callable[[], Api]:
    """As the administrator: what gives a client."""
    configuration = Configuration()
    await load_kube_config(str(deployment.kubeconfig), client_configuration=configuration)
    return lambda: Api(configuration, deployment.namespace)


@asynccontextmanager
async def discovery(folder: Path) -> AsyncIterator[Driver]:
    driver = Driver(GENESIS, Authority.of(GENESIS, KEY), Log(folder), NOW_MS, 1_024)
    async with running(driver.run()):
        await driver.started()
        yield driver
    await driver.close()


@asynccontextmanager
async def running(work):
    task = asyncio.ensure_future(work)
    try:
        yield task
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def serve(node: Registrant, address: str, port: int, folder: Path) -> asyncio.Server:
    """The node's own certificate, at the address that its pod will have."""
    made = Certificate.make()
    node.certificate = made.der
    file = folder / f"{address}.pem"
    file.write_bytes(made.key_pem + ssl.DER_cert_to_PEM_cert(made.der).encode())
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    return await asyncio.start_server(lambda _, writer: writer.close(), address, port, ssl=context)


async def until(what: str, holds):
    """What `holds` gives, once it gives something."""
    try:
        async with asyncio.timeout(SECONDS):
            while not (found := await holds()):  # noqa: ASYNC110 - it is the API server that is asked
                await asyncio.sleep(0.2)
            return found
    except TimeoutError:
        raise AssertionError(f"no {what} within {SECONDS} s") from None


async def complete_moves(driver: Driver, nodes: list[Registrant]) -> None:
    """The data of everybody has moved at once, whenever a view moves something."""
    while True:
        for node in nodes:
            listed = driver.views.newest.nodes.get(node.node_id)
            if listed is not None and listed.move_serial and listed.next_swarm_id is not None:
                await driver.submit([node.complete(listed.next_swarm_id, listed.move_serial)])
        await asyncio.sleep(0.2)


class Paper:
    """A discovery of this process with its nodes, and what the API server has of them."""

    def __init__(self, deployment: Deployment, api: Api, driver: Driver, nodes: list[Registrant]) -> None:
        self.deployment = deployment
        self.api = api
        self.driver = driver
        self.nodes = nodes

    async def records(self) -> dict[str, dict]:
        return {each["spec"]["nodeId"]: each for each in await self.api.all(SERVICE_NODES, SELECTOR)}

    async def holder(self) -> str:
        return (await self.api.get(LEASES, REACH.lease))["spec"]["holderIdentity"] or ""

    async def run_pods(self) -> None:
        """As if a kubelet did."""

        async def made() -> bool:
            return len(await self.api.all(PODS, SELECTOR)) == NODES

        await until("pods", made)
        for number in range(NODES):
            status = {"phase": "Running", "podIP": f"127.0.1.{number + 1}"}
            await self.api.patch_status(PODS, f"paper-storage-{number}", status)

    async def at_home(self) -> dict[str, dict]:
        known = await self.records()
        homes = [each for each in known.values() if each.get("status", {}).get("pod")]
        return known if len(homes) == NODES else {}

    async def has_retired(self) -> bool:
        staying = {node.node_id for node in self.nodes[:STAYING]}
        shown = {bytes.fromhex(each) for each in await self.records()}
        return set(self.driver.views.newest.nodes) == shown == staying


@asynccontextmanager
async def paper(deployment: Deployment, connect: Callable[[], Api], folder: Path) -> AsyncIterator[Paper]:
    with create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    for component, replicas in (("discovery", 0), ("storage", NODES)):
        file = folder / "set.json"
        file.write_text(json.dumps(stateful_set(component, replicas, port)))
        deployment.kubectl("apply", "-f", str(file))
    nodes = [Registrant(GENESIS, 50 + number, Role.STORAGE) for number in range(NODES)]
    async with AsyncExitStack() as stack:
        api = await stack.enter_async_context(connect())
        for number, node in enumerate(nodes):
            server = await serve(node, f"127.0.1.{number + 1}", port, folder)
            stack.callback(server.close)
        driver = await stack.enter_async_context(discovery(folder))
        assert await driver.submit([node.register(NOW_MS()) for node in nodes]) == [None] * NODES
        await stack.enter_async_context(running(complete_moves(driver, nodes)))
        yield Paper(deployment, api, driver, nodes)


async def test_agent_shows_elects_and_retires(elsewhere: Deployment, journal: Journal, tmp_path: Path):
    with journal.step("agent alone: ServiceNodes, Lease handed over, 6 -> 3 retires three") as seen:
        connect = await connection(elsewhere)
        async with paper(elsewhere, connect, tmp_path) as network:
            first, second = (Agent(network.driver, KEY, NOW_MS, REACH) for _ in range(2))
            async with running(first.run(connect)) as leading:
                await until("ServiceNodes", network.records)
                async with running(second.run(connect)):
                    await shown(network)
                    seen["Lease handed over after"] = await handed_over(network, leading)
                    await retired(network, seen)


async def shown(network: Paper) -> None:
    await network.run_pods()
    known = await until("homes", network.at_home)
    expected = {node.node_id.hex(): f"paper-storage-{number}" for number, node in enumerate(network.nodes)}
    assert {node_id: each["status"]["pod"] for node_id, each in known.items()} == expected
    told = network.deployment.kubectl("get", "servicenodes").stdout
    assert told.splitlines()[0].split() == ["NAME", "ROLE", "SWARM", "SERIAL", "HEALTH", "VERSION", "AGE"]


async def handed_over(network: Paper, leading: "asyncio.Future[None]") -> str:
    """The agent that leads is ended; how soon the other one holds the Lease."""
    leader, began = await network.holder(), asyncio.get_running_loop().time()
    leading.cancel()

    async def held_by_another() -> bool:
        return await network.holder() not in (leader, "")

    await until("other agent", held_by_another)
    return f"{asyncio.get_running_loop().time() - began:.0f} s"


async def retired(network: Paper, seen: dict) -> None:
    network.deployment.kubectl("scale", "statefulset", "paper-storage", f"--replicas={STAYING}")
    await until("retirement", network.has_retired)
    assert all(node.state == NodeState.ACTIVE for node in network.driver.views.newest.nodes.values())
    events = network.deployment.get("events", "--field-selector", "involvedObject.kind=ServiceNode")["items"]
    seen["events"] = sorted({each["reason"] for each in events})
    assert {"NodeRegistered", "NodeLeft"} <= set(seen["events"])
    assert not [each for each in events if "127.0." in json.dumps(each)]
