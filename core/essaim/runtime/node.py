"""Run and drain: the same order for every service.

Start: settings -> data folder, identity, log -> port -> `build` (database, servicers) -> server, health NOT_SERVING ->
metrics -> listen.json -> background tasks -> `join` (discovery) -> health SERVING -> the log line "ready".
Stop, on SIGTERM or SIGINT: `retire` (a second signal ends it) -> NOT_SERVING -> `leave` (the view) -> `goaway` (peers)
-> calls under way finish within drain_seconds -> tasks end -> `close` -> exit code 0. A background task that raises
ends the process with code 1.

    def main() -> None:
        sys.exit(run(told("essaim_relay.settings:RelaySettings"), build))
"""

import asyncio
import json
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Generic, TypeVar

import grpc.aio

from essaim.network.acceptor import SERVICE as LINK_SERVICE
from essaim.network.tls import SERVER_OPTIONS, server_credentials
from essaim.runtime import logs
from essaim.runtime.address import Address
from essaim.runtime.apart import apart
from essaim.runtime.calls import CallInterceptor
from essaim.runtime.clock import SystemClock
from essaim.runtime.connections import limited_to
from essaim.runtime.health import Health, mount_reflection
from essaim.runtime.heap import tend_heap
from essaim.runtime.identity import NodeIdentity, load_identity
from essaim.runtime.lag import watch_lag
from essaim.runtime.logs import INFO, LogLevel, NodeEvent
from essaim.runtime.metrics import MetricsPage
from essaim.runtime.refusal import WRONG_SETTING, StartError
from essaim.runtime.start import Build, Service, Start
from essaim.runtime.volume import PUBLIC_MODE, Hold, watch_volume, write_durably

if TYPE_CHECKING:
    from essaim.runtime.settings import NodeSettings

S = TypeVar("S", bound="NodeSettings")

DRAINED = 0
FAILED = 1
LISTEN_FILE = "listen.json"
HOOK_SECONDS = 5  # what leave and goaway get: a network that does not answer must not hold a drain up
MAX_STREAMS = ("grpc.max_concurrent_streams", 1_000)  # per HTTP/2 connection


def run(settings: S, build: Build[S]) -> int:
    """Live until told to stop; the exit code: 0 drained, 1 died (one log line), 2 could not start (one sentence)."""
    try:
        asyncio.run(_Life(settings, build).live())
    except Exception as error:  # noqa: BLE001 - the end of the process: by type in the log, never a trace
        cause = _innermost(error)
        if isinstance(cause, StartError):
            sys.stderr.write(f"essaim-{settings.service}: {cause}\n")
            return WRONG_SETTING
        logs.fault(NodeEvent.DIED, cause)
        return FAILED
    return DRAINED


class _Life(Generic[S]):
    """One start of a node, to its end."""

    def __init__(self, settings: S, build: Build[S]) -> None:
        self._settings = settings
        self._build = build
        self._stop = asyncio.Event()
        self._hurry = asyncio.Event()
        self._calls = CallInterceptor(f"{settings.service}.essaim", settings.call_seconds, settings.concurrent_calls)

    async def live(self) -> None:
        loop = asyncio.get_running_loop()
        for each in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(each, self._told_to_stop)
        async with AsyncExitStack() as stack:
            identity = self._identify(stack)
            logs.watch_loop(loop)
            server, port = self._listen(identity)
            service = await self._build(self._start(identity, port))
            stack.push_async_callback(service.close)
            stack.push_async_callback(server.stop, None)
            health = await self._mount(server, service)
            await server.start()
            page = MetricsPage(Address.parse(self._settings.metrics), self._settings.service, self._settings.release)
            ports = {"port": port, "metrics_port": page.address.port}
            self._tell(identity, port, page.address)
            logs.write(NodeEvent.LISTENING, INFO, **ports)
            await self._serve(service, server, health, ports)
        logs.write(NodeEvent.STOPPED)

    def _told_to_stop(self) -> None:
        (self._hurry if self._stop.is_set() else self._stop).set()

    def _identify(self, stack: AsyncExitStack) -> NodeIdentity:
        folder = self._settings.data_dir
        stack.callback(Hold(folder).release)
        watch_volume(folder)
        (folder / LISTEN_FILE).unlink(missing_ok=True)  # an earlier start's ports would mislead
        identity = load_identity(folder, doing=apart)
        settings = self._settings
        logs.configure(settings.service, identity.node_id, LogLevel(settings.log_level), traces=settings.development)
        return identity

    def _listen(self, identity: NodeIdentity) -> tuple[grpc.aio.Server, int]:
        settings = self._settings
        server = grpc.aio.server(
            interceptors=[self._calls],
            options=[*SERVER_OPTIONS, MAX_STREAMS, limited_to(settings.connections)],
        )
        try:
            return server, server.add_secure_port(settings.listen, server_credentials(identity.certificate))
        except RuntimeError:
            raise StartError("the address (--listen) cannot be listened on.") from None

    def _start(self, identity: NodeIdentity, port: int) -> Start[S]:
        told = self._settings.advertised
        address = Address.parse(told) if told else Address.parse(self._settings.listen).with_port(port)
        if address.is_unspecified:
            raise StartError("--advertised is needed when --listen is every address of the machine.")
        return Start(self._settings, identity, address, SystemClock(), os.urandom)

    async def _mount(self, server: grpc.aio.Server, service: Service) -> Health:
        names = [each.name for each in service.mounts]
        if LINK_SERVICE in names:
            self._calls.make_room_for_links(self._settings.plain_calls)
        for each in service.mounts:
            each.add(server)
        health = Health(names)
        await health.mount(server)
        if self._settings.development:
            mount_reflection(server, names)
        return health

    def _tell(self, identity: NodeIdentity, port: int, metrics: Address) -> None:
        """For tools on the same machine: where this start listens."""
        facts = {
            "address": str(Address.parse(self._settings.listen).with_port(port)),
            "metrics": str(metrics),
            "node_id": identity.node_id.hex(),
            "pid": os.getpid(),
        }
        write_durably(self._settings.data_dir / LISTEN_FILE, json.dumps(facts).encode(), PUBLIC_MODE)

    async def _serve(self, service: Service, server: grpc.aio.Server, health: Health, ports: Mapping[str, int]) -> None:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(each()) for each in (*service.background, watch_lag, tend_heap)]
            if await self._unless(self._stop, service.join()):
                await health.serving()
                logs.write(NodeEvent.READY, INFO, **ports)
                await self._stop.wait()
                await self._unless(self._hurry, _retired(service))
            await self._drain(service, server, health)
            for each in tasks:
                each.cancel()

    async def _unless(self, told: asyncio.Event, hook: Awaitable[object]) -> bool:
        """Whether a hook came to its end before a signal."""
        working, waiting = asyncio.ensure_future(hook), asyncio.ensure_future(told.wait())
        try:
            await asyncio.wait((working, waiting), return_when=asyncio.FIRST_COMPLETED)
            if working.done():
                await working
            return working.done()
        finally:
            working.cancel()
            waiting.cancel()
            await asyncio.wait((working, waiting))

    async def _drain(self, service: Service, server: grpc.aio.Server, health: Health) -> None:
        logs.write(NodeEvent.DRAINING)
        await health.draining()
        await _attempt(service.leave)
        await _attempt(service.goaway)
        await server.stop(self._settings.drain_seconds)


async def _retired(service: Service) -> None:
    try:
        await service.retire()
    except Exception as error:  # noqa: BLE001 - whatever it is, the drain comes
        logs.fault(NodeEvent.DRAIN_STEP_FAILED, error)


async def _attempt(hook: Callable[[], Awaitable[None]]) -> None:
    """A step of the drain that may fail: the next one comes all the same."""
    try:
        async with asyncio.timeout(HOOK_SECONDS):
            await hook()
    except Exception as error:  # noqa: BLE001 - whatever it is, the drain goes on
        logs.fault(NodeEvent.DRAIN_STEP_FAILED, error)


def _innermost(error: BaseException) -> BaseException:
    """The first real cause in (nested) groups of a task group."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
