"""What bare gRPC takes for a store and a retrieve: the messages of `e2e.*` and nothing else.

The same processes as in network_bench: relays, two swarms of three, clients in closed loops, each a process, real TLS
with the same options, one `grpc.aio` stream for each direction of each pair. A request of 16 KiB crosses three relays,
its reply comes back; for a store the destination also sends an envelope of 4 KiB to both other members and waits for
the first of their answers. There is no onion, frame, grant, pacing, disk, database or metric: a message is handed on as
it came. So what `e2e.*_cpu_x25519` can come down to with one cell in a message is seen in the same run.

`python tests/bench/floor_bench.py [SECONDS]` prints the figures; `... node|client` are the processes that it starts.
"""

import asyncio
import json
import os
import random
import struct
import sys
import time
from asyncio.subprocess import PIPE, Process
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent.parent / "tools"))

import grpc.aio
from network_bench import x25519_us
from relay_bench import Facts, peer_of, tell, told, until_closed
from scale import Scale

from essaim.network.raw import link_stream
from essaim.network.tls import SERVER_OPTIONS, Certificate, dial_peer, server_credentials
from figures import Figures
from loadgen.processor import cpu_seconds

SWARM = 3
CELL = 16_384
ENVELOPE = 4_096
CLIENT_SECONDS = 0.002
"""Processor time of a client for each request: what real ones take to build a cell and to open its reply. Without it
the messages would come closer together, and find warmer caches, than on the network."""
MOST_SECONDS = 8.0
"""Of a window: every process does the same all the time, so longer ones show nothing more."""
SERVICE, METHOD = "essaim.link.v1.LinkService", "Link"
HEAD = struct.Struct(">IBB4B")
"""Call, kind, index of the hop that reads it, the four nodes of the path."""
RETRIEVE, STORE, COPY, TAKEN = range(4)
HOPS = 4
Write = Callable[[bytes], Awaitable[None]]


class Writer:
    """One direction of a stream, one message at a time."""

    def __init__(self) -> None:
        self._waiting: deque[bytes] = deque()
        self._ready = asyncio.Event()

    def put(self, message: bytes) -> None:
        self._waiting.append(message)
        self._ready.set()

    async def run(self, write: Write) -> None:
        while await self._ready.wait():
            self._ready.clear()
            while self._waiting:
                await write(self._waiting.popleft())


class Dialler:
    """Streams to other nodes, each dialled when first used; `on_message` hears what comes back on them."""

    def __init__(self, nodes: Sequence[Facts], on_message: Callable[[bytes], None]) -> None:
        self._nodes = nodes
        self._on_message = on_message
        self._writers: dict[int, Writer] = {}
        self._tasks: list[asyncio.Task[None]] = []

    def put(self, to: int, message: bytes) -> None:
        writer = self._writers.get(to)
        if writer is None:
            writer = self._writers[to] = Writer()
            stream = link_stream(dial_peer(peer_of(self._nodes[to])))
            self._tasks += [asyncio.create_task(writer.run(stream.write)), asyncio.create_task(self._read(stream))]
        writer.put(message)

    async def _read(self, stream: "grpc.aio.StreamStreamCall[bytes, bytes]") -> None:
        while isinstance(message := await stream.read(), bytes):
            self._on_message(message)


class Node:
    """A relay, and a destination: which of them the message says."""

    def __init__(self, nodes: Sequence[Facts], own: int) -> None:
        self._own = own
        self._dialler = Dialler(nodes, self._back)
        self._others = [each for each in _swarm_of(own) if each != own]
        self._calls: dict[int, tuple[Writer, bytes]] = {}
        self._number = 0

    async def serve(self, _: AsyncIterator[bytes], context: "grpc.aio.ServicerContext[bytes, bytes]") -> None:
        writer = Writer()
        writing = asyncio.create_task(writer.run(context.write))
        while isinstance(message := await context.read(), bytes):
            self._take(writer, message)
        writing.cancel()

    def _take(self, upstream: Writer, message: bytes) -> None:
        call, kind, hop, *path = HEAD.unpack_from(message)
        if kind == TAKEN:
            self._back(message)
        elif kind == COPY:
            self._dialler.put(path[0], HEAD.pack(call, TAKEN, hop, *path))
        elif hop + 1 < HOPS:
            head = HEAD.pack(self._keep(upstream, message), kind, hop + 1, *path)
            self._dialler.put(path[hop + 1], head + message[HEAD.size :])
        elif kind == STORE:
            copy = HEAD.pack(self._keep(upstream, message), COPY, hop, self._own, 0, 0, 0) + message[:ENVELOPE]
            for other in self._others:
                self._dialler.put(other, copy)
        else:
            upstream.put(message)

    def _keep(self, upstream: Writer, message: bytes) -> int:
        self._number = self._number + 1 & 0xFFFFFFFF
        self._calls[self._number] = upstream, message
        return self._number

    def _back(self, message: bytes) -> None:
        """A reply, or the first answer of a member; the second finds nobody."""
        upstream, request = self._calls.pop(HEAD.unpack_from(message)[0], (None, b""))
        if upstream is not None:
            upstream.put(request[: HEAD.size] + message[HEAD.size :].ljust(CELL - HEAD.size, b"\0"))


def _swarm_of(own: int) -> range:
    first = own // SWARM * SWARM
    return range(first, first + SWARM)


async def node() -> None:
    """The process: tell where it is, hear of all nodes and its own number, serve."""
    certificate = Certificate.make()
    server = grpc.aio.server(options=SERVER_OPTIONS)
    port = server.add_secure_port("127.0.0.1:0", server_credentials(certificate))
    tell({"node_id": os.urandom(32).hex(), "address": f"127.0.0.1:{port}", "certificate": certificate.der.hex()})
    nodes, own = json.loads(await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline))
    handler = grpc.stream_stream_rpc_method_handler(Node(nodes, own).serve)
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, {METHOD: handler}),))
    await server.start()
    tell("ready")
    await until_closed()
    os._exit(0)  # nothing to drain: gRPC would write a trace for each stream that is cut


class Client:
    """One guard, a random path for each request."""

    def __init__(self, nodes: Sequence[Facts], relays: int, guard: int) -> None:
        self._nodes, self._relays, self._guard = nodes, relays, guard
        self._answers: asyncio.Queue[bytes] = asyncio.Queue()
        self._dialler = Dialler(nodes, self._answers.put_nowait)
        self._body = os.urandom(CELL - HEAD.size)

    async def ask(self, kind: int, call: int) -> None:
        others = [each for each in range(self._relays) if each != self._guard]
        middle, exit_ = random.sample(others, 2)
        end = random.randrange(self._relays, len(self._nodes))
        message = HEAD.pack(call, kind, 0, self._guard, middle, exit_, end) + self._body
        until = time.thread_time() + CLIENT_SECONDS
        while time.thread_time() < until:
            os.urandom(CELL)
        self._dialler.put(self._guard, message)
        answer = await self._answers.get()
        assert HEAD.unpack_from(answer)[0] == call and len(answer) == CELL

    async def loop(self, kind: int, begin: float, end: float) -> int:
        operations = call = 0
        while time.monotonic() < end:
            call += 1
            await self.ask(kind, call)
            operations += begin <= time.monotonic() <= end
        return operations


async def client() -> None:
    """The process: hear of all nodes, then of a window at a time."""
    loop = asyncio.get_running_loop()
    made = Client(*json.loads(await loop.run_in_executor(None, sys.stdin.readline)))
    tell("ready")
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        tell(await made.loop(*json.loads(line)))
    os._exit(0)


async def _started(stack: AsyncExitStack, kind: str) -> Process:
    made = await asyncio.create_subprocess_exec(sys.executable, __file__, kind, stdin=PIPE, stdout=PIPE, limit=1 << 20)

    async def end() -> None:
        assert made.stdin is not None
        made.stdin.close()
        await made.wait()

    stack.push_async_callback(end)
    return made


async def _ask(made: Process, what: object) -> object:
    assert made.stdin is not None
    made.stdin.write(json.dumps(what).encode() + b"\n")
    return json.loads(await told(made))


async def measure(scale: Scale) -> list[Figures]:
    """A network of bare streams, and `runs` windows of each operation, in turn."""
    relays, storage = scale.layout.relays, scale.layout.storage
    async with AsyncExitStack() as stack:
        nodes = [await _started(stack, "node") for _ in range(relays + storage)]
        facts = [json.loads(await told(each)) for each in nodes]
        await asyncio.gather(*(_ask(each, (facts, own)) for own, each in enumerate(nodes)))
        clients = [await _started(stack, "client") for _ in range(scale.clients)]
        await asyncio.gather(*(_ask(each, (facts, relays, at % relays)) for at, each in enumerate(clients)))
        pids = [each.pid for each in nodes]
        return [
            await _window(clients, pids, scale, "store", STORE)
            | await _window(clients, pids, scale, "retrieve", RETRIEVE)
            for _ in range(scale.runs)
        ]


async def _window(clients: Sequence[Process], pids: Sequence[int], scale: Scale, name: str, kind: int) -> Figures:
    unit, begin = x25519_us(), time.monotonic() + scale.warm_up_seconds
    end = begin + scale.window_seconds
    working = asyncio.gather(*(_ask(each, (kind, begin, end)) for each in clients))
    await asyncio.sleep(begin - time.monotonic())
    spent = cpu_seconds(pids)
    await asyncio.sleep(end - time.monotonic())
    spent = cpu_seconds(pids) - spent
    operations = sum(int(str(each)) for each in await working)
    us = spent * 1e6 / operations
    return {
        f"e2e.floor_{name}_cpu_x25519": us / ((unit + x25519_us()) / 2),
        f"e2e.floor_{name}_cpu_us": us,
        f"e2e.floor_{name}_per_s": operations / scale.window_seconds,
    }


def run(scale: Scale) -> list[Figures]:
    """The figures of this bench, one dictionary a run."""
    return asyncio.run(measure(scale.shortened(min(MOST_SECONDS, scale.window_seconds), scale.runs)))


def main(arguments: list[str]) -> None:
    match arguments:
        case ["node"]:
            asyncio.run(node())
        case ["client"]:
            asyncio.run(client())
        case _:
            seconds = float(arguments[0]) if arguments else 10.0
            print(json.dumps(run(Scale().shortened(seconds, 1)), indent=1))


if __name__ == "__main__":
    main(sys.argv[1:])
