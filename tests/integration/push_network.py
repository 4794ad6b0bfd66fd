"""For tests/**/test_push_*.py: push hosts as real processes, and a storage node's side of the network in this one.

The stand-in registers with discovery as a storage node does, over real links. It brings the cells of devices, too: a
path of one layer, for what a host may be asked by whom is not judged by the number of relays.
"""

import asyncio
import os
import sys
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path

import grpc.aio

from essaim.network.links import Links
from essaim.network.tls import SERVER_OPTIONS, server_credentials
from essaim.onion.v1 import request_pb2
from essaim.protocol.geometry import CellClass, Suite
from essaim.protocol.keys import SigningKey
from essaim.protocol.link.hello import LinkIdentity
from essaim.protocol.onion import CellSpec, Reply, minute_of, wrap
from essaim.protocol.push.authorization import Method, Request
from essaim.protocol.push.push_id import day_of
from essaim.protocol.push.wake import Wake, WakeAnswer, WakeBatch, parse
from essaim.protocol.status import Refusal, read_status
from essaim.protocol.view import NetworkView, Node, Role
from essaim.push.v1 import push_pb2
from essaim.runtime.address import Address
from essaim.runtime.calls import CallInterceptor
from essaim.runtime.clock import SystemClock
from essaim.runtime.endpoint import Endpoint
from essaim.runtime.identity import load_identity
from essaim.runtime.membership import Membership
from essaim.runtime.settings import NodeSettings
from essaim.runtime.start import Start
from push_host import HOST_KEY, sealed, split
from testnet.layout import Layout
from testnet.network import Testnet
from testnet.process import NodeProcess

PATIENCE_SECONDS = 30.0
PROGRAM = ("essaim_push",)
SPEC = CellSpec(Suite.HYBRID, CellClass.SMALL, CellClass.SMALL)
SERVICE = push_pb2.DESCRIPTOR.services_by_name["PushService"].full_name


class PushNetwork:
    """`with PushNetwork(folder) as network`: discovery, and as many push hosts' processes as are made."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.net = Testnet(folder / "net", Layout(relays=0, storage=0))
        self.made: list[NodeProcess] = []

    def __enter__(self) -> "PushNetwork":
        self.net.create()
        self.net.node("discovery").start()
        self.net.node("discovery").await_ready(PATIENCE_SECONDS)
        (self.folder / "push-key").write_text(HOST_KEY.seed.hex())
        return self

    def __exit__(self, *error: object) -> None:
        for process in self.made:
            process.kill()
        self.net.down()

    def host(
        self, url: str | None = None, program: tuple[str, ...] = ("essaim_push",), **settings: object
    ) -> NodeProcess:
        """Not started yet."""
        name = f"push-{len(self.made) + 1}"
        folder = self.folder / name
        flags = {
            "data-dir": folder,
            "genesis": self.net.genesis_file,
            "discovery": self.net.discovery_address,
            "host-key": self.folder / "push-key",
            "endpoint-networks": "127.0.0.0/8",
            "subscribes-per-second": 1_000,
            **({"database": url} if url else {}),
            **{key.replace("_", "-"): value for key, value in settings.items()},
        }
        given = [part for key, value in flags.items() for part in (f"--{key}", str(value))]
        process = NodeProcess(name, (sys.executable, "-m", *program, *given, "--endpoint-http"), folder)
        self.made.append(process)
        return process


class StorageStandIn:
    """`async with StorageStandIn(net, folder) as storage`: a storage node of the view that keeps nothing."""

    def __init__(self, net: Testnet, folder: Path, role: Role = Role.STORAGE) -> None:
        self.net = net
        self.folder = folder
        self.role = role
        self.stack = AsyncExitStack()
        self.answers: dict[int, asyncio.Future[WakeAnswer]] = {}
        self.batch = 0

    async def __aenter__(self) -> "StorageStandIn":
        identity = load_identity(self.folder)
        server = grpc.aio.server(interceptors=[CallInterceptor("storage.essaim", 20)], options=SERVER_OPTIONS)
        port = server.add_secure_port("127.0.0.1:0", server_credentials(identity.certificate))
        settings = NodeSettings(data_dir=self.folder, discovery=self.net.discovery_address)
        start = Start(settings, identity, Address("127.0.0.1", port), SystemClock(), os.urandom)
        self.membership = Membership(start, self.net.genesis, self.role)
        await self.membership.open()
        self.stack.push_async_callback(self.membership.close)
        standing = self.membership.standing
        endpoint = Endpoint(standing, self.membership.keyring, (), "storage.essaim", on_message=self._on_message)
        await self.stack.enter_async_context(endpoint)
        for mount in endpoint.mounts:
            mount.add(server)
        await server.start()
        self.stack.push_async_callback(server.stop, None)
        signed = LinkIdentity(identity.node_id, identity.signing.sign, standing.view_serial)
        self.links = await self.stack.enter_async_context(Links(signed))
        self.tasks = [asyncio.create_task(each()) for each in self.membership.background]
        self.stack.push_async_callback(self._stop)
        async with asyncio.timeout(PATIENCE_SECONDS):
            await self.membership.join()
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.stack.aclose()

    async def _stop(self) -> None:
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)

    def _on_message(self, node_id: bytes, message: bytes) -> None:
        answer = parse(message)
        assert isinstance(answer, WakeAnswer)
        waiting = self.answers.pop(answer.batch, None)
        if waiting is not None and not waiting.done():
            waiting.set_result(answer)

    async def node(self, process: NodeProcess) -> Node:
        """As the view has this start of it."""
        node_id, address = bytes.fromhex(process.facts["node_id"]), process.facts["address"]
        async with asyncio.timeout(PATIENCE_SECONDS):
            view = await self.membership.holder.wait_for(partial(_names, node_id=node_id, address=address))
        return view.nodes[node_id]

    async def wake(self, node: Node, wakes: list[Wake], seconds: float = PATIENCE_SECONDS) -> WakeAnswer | None:
        """The host's answer; None where none came in time."""
        self.batch += 1
        waiting = self.answers[self.batch] = asyncio.get_running_loop().create_future()
        batch = self.batch
        self.links.tell(node, WakeBatch(batch, tuple(wakes)).encode())
        try:
            async with asyncio.timeout(seconds):
                return await waiting
        except TimeoutError:
            self.answers.pop(batch, None)
            return None

    async def ask(self, node: Node, method: str, request, links: Links | None = None):
        """The response, or the refusal, of a request that this node brings as a cell."""
        envelope = request_pb2.Request(
            service=SERVICE, method=method, request_id=os.urandom(16), body=request.SerializeToString()
        )
        now_ms = SystemClock().now_ms()
        hop = node.hop(now_ms)
        assert hop is not None
        cell, opener = wrap([hop], envelope.SerializeToString(), SPEC, minute_of(now_ms), os.urandom)
        async with await (links or self.links).call(node, cell) as call:
            async for seq, sealed_reply in call.replies():
                reply = opener.open(seq, sealed_reply)
                assert isinstance(reply, Reply)
                return _outcome(request_pb2.Reply.FromString(reply.payload), method)
        raise AssertionError("no reply")

    async def subscribe(
        self, node: Node, endpoint, *, prompt: bool = True, days: int = 1, lanes: int = 1
    ) -> list[bytes]:
        """A new device's push ids."""
        ids = push_pb2.PushIds(first_day=day_of(SystemClock().now_ms()), days=days, lanes=lanes)
        new = push_pb2.NewSubscription(
            subscription_id=os.urandom(16), sealed_endpoint=sealed(endpoint), prompt=prompt, ids=ids
        )
        body = new.SerializeToString()
        signed = Request(HOST_KEY.public.host_id.raw, Method.SUBSCRIBE, body)
        authorization = signed.authorize(SigningKey(os.urandom(32)), SystemClock().now_ms())
        response = await self.ask(node, "Subscribe", push_pb2.SubscribeRequest(authorization=authorization, body=body))
        return split(response.push_ids)


def _names(view: NetworkView, node_id: bytes, address: str) -> bool:
    node = view.nodes.get(node_id)
    return node is not None and node.address == address and node.hop(SystemClock().now_ms()) is not None


def _outcome(reply: request_pb2.Reply, method: str):
    if reply.HasField("error"):
        refusal = read_status(reply.error)
        assert isinstance(refusal, Refusal)
        return refusal
    return getattr(push_pb2, f"{method}Response").FromString(reply.body)
