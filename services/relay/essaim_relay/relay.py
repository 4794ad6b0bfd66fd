"""A relay put together: links in, links out, the door for clients, its own destinations (the view)."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from types import TracebackType

from essaim.network.acceptor import SERVICE, Acceptance, LinkAcceptor
from essaim.network.links import Links
from essaim.network.peer import Peer
from essaim.network.settings import LinkSettings
from essaim.protocol.link.hello import LinkIdentity
from essaim.protocol.onion import Keyring
from essaim.relay.v1.relay_pb2_grpc import add_RelayServiceServicer_to_server
from essaim.runtime.delivery import Delivery, DeliverySettings
from essaim.runtime.offer import Offer
from essaim.runtime.standing import Standing
from essaim.runtime.start import Mount
from essaim_relay.count import CALLS, QUEUED, observe_batch
from essaim_relay.forwarding import Forwarder
from essaim_relay.service import RelayServicer

DOMAIN = "relay.essaim"
RELAY_SERVICE = "essaim.relay.v1.RelayService"


class Relay:
    """`async with Relay(...) as relay`, then serve `relay.mounts`. `next_hop` is the view's word on whom to send to."""

    def __init__(
        self,
        standing: Standing,
        keyring: Keyring,
        identity: LinkIdentity,
        next_hop: Callable[[bytes], Peer | None],
        offers: Sequence[Offer] = (),
        links: LinkSettings | None = None,
        delivery: DeliverySettings | None = None,
    ) -> None:
        settings = replace(links or LinkSettings(), observe_batch=observe_batch)
        self._offers = offers
        self._settings = settings
        self._links = Links(identity, settings)
        self._delivery = Delivery(offers, DOMAIN, standing.now_ms, delivery)
        self.forwarder = Forwarder(standing, keyring, next_hop, self._links, self._delivery)
        acceptance = Acceptance(
            standing.own_id, standing.listed, standing.view_serial, standing.now_ms, self.forwarder.on_call
        )
        self._acceptor = LinkAcceptor(acceptance, settings)
        self._stack = AsyncExitStack()

    @property
    def mounts(self) -> Sequence[Mount]:
        """What it serves."""
        servicer = RelayServicer(self.forwarder.on_call, self._settings, self._acceptor.clients)
        door = Mount(RELAY_SERVICE, lambda server: add_RelayServiceServicer_to_server(servicer, server))
        return (Mount(SERVICE, self._acceptor.add_to), door, *(offer.mount for offer in self._offers))

    async def go_away(self) -> None:
        """The drain's hook: peers open nothing new here."""
        self._acceptor.go_away()

    async def __aenter__(self) -> "Relay":
        # Links go first at the end: what waits for them is told before the destinations close.
        await self._stack.enter_async_context(self._delivery)
        await self._stack.enter_async_context(self._links)
        sweeping = asyncio.create_task(self.forwarder.sweep())
        self._stack.callback(sweeping.cancel)
        CALLS.set_function(lambda: len(self.forwarder))
        QUEUED.set_function(lambda: self._links.queued)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.__aexit__(kind, error, trace)
