"""LinkService: the links that others dial to this process."""

import os
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from weakref import WeakValueDictionary

import grpc
import grpc.aio

from essaim.network.accepted import AcceptedLink, AcceptedStream
from essaim.network.call import IncomingCall
from essaim.network.raw import decode, encode
from essaim.network.room import LinkRoom, Side, accepted_links
from essaim.network.settings import LinkSettings
from essaim.protocol.errors import ProtocolError
from essaim.protocol.link.calls import Budget, Total
from essaim.protocol.link.frame import MESSAGE_CLASS, NONCE_SIZE, Challenge, Hello, frames_of
from essaim.protocol.link.hello import Dialler, admit
from essaim.protocol.link.refusal import DrainingError, LinkBrokenError

Context = grpc.aio.ServicerContext[bytes, bytes]
SERVICE = "essaim.link.v1.LinkService"


@dataclass(frozen=True)
class Acceptance:
    """Whom a node lets in, and who answers. All are called on the event loop and must not block."""

    own_id: bytes
    listed: Callable[[bytes], bool]
    """Whether the current view lists this node."""
    view_serial: Callable[[], int]
    now_ms: Callable[[], int]
    on_call: Callable[[IncomingCall], None]
    on_message: Callable[[bytes, bytes], None] | None = None
    """(node id, message)"""
    on_peer: Callable[[bytes, bool], None] | None = None
    """(node id, up): a node's link for messages has come or gone."""


class LinkAcceptor:
    """Serves LinkService for one node: `add_to(server)`; `go_away()` before the server stops."""

    def __init__(self, acceptance: Acceptance, settings: LinkSettings | None = None) -> None:
        self._acceptance = acceptance
        self._settings = settings or LinkSettings()
        self._budgets: WeakValueDictionary[bytes | str, Budget] = WeakValueDictionary()
        self._links: set[AcceptedLink] = set()
        self._room = LinkRoom(self._settings)
        self.clients = Total(self._settings.clients_bytes)
        """What all clients hold here; other doors for them count in it too."""
        self._refusing = False
        self._draining = False

    def add_to(self, server: grpc.aio.Server) -> None:
        """Register the service, with whole messages as raw bytes."""
        handler: grpc.RpcMethodHandler[bytes, bytes] = grpc.stream_stream_rpc_method_handler(self._link)
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, {"Link": handler}),))

    def refuse_calls(self) -> None:
        """Drain, its first part: GOAWAY on each link for cells, and no new one. Links for messages stay as they are:
        what is under way may need other nodes to end. A dialler closes its link when the calls on it have ended."""
        self._refusing = True
        for link in self._links:
            if link.link_class != MESSAGE_CLASS:
                link.send_away()

    def go_away(self) -> None:
        """Drain: no new link, GOAWAY on each."""
        self.refuse_calls()
        self._draining = True
        for link in self._links:
            link.send_away()

    async def _link(self, _: AsyncIterator[bytes], context: Context) -> None:
        """Ends with the ProtocolError that breaks the link; the server's interceptor makes a status of it."""
        if self._draining:
            raise DrainingError("this node drains")
        self._room.take_stream(context)
        stream = AcceptedStream(context)
        try:
            await self._talk(stream, context)
        except (ProtocolError, TimeoutError):
            await stream.ending()
            raise
        await stream.ending()

    async def _talk(self, stream: AcceptedStream, context: Context) -> None:
        dialler = await self._greet(stream)
        if not self._takes(dialler):  # since it was greeted
            raise DrainingError("this node drains")
        self._room.take_link(dialler, context)
        await self._serve(dialler, stream, context)

    def _takes(self, dialler: Dialler) -> bool:
        return not self._draining and not (self._refusing and dialler.link_class != MESSAGE_CLASS)

    async def _greet(self, stream: AcceptedStream) -> Dialler:
        challenge = Challenge(os.urandom(NONCE_SIZE), self._acceptance.now_ms())
        async with self._room.greeting():
            await stream.write(encode([challenge.encode()]))
            message = await stream.read()
        if not isinstance(message, bytes):  # grpc.aio.EOF
            raise LinkBrokenError("closed before HELLO")
        frames = list(frames_of(decode(message)))
        if len(frames) != 1 or not isinstance(hello := frames[0], Hello):
            raise LinkBrokenError("HELLO comes first, in a message of its own")
        accept = self._acceptance
        return admit(hello, challenge, accept.own_id, accept.view_serial(), accept.listed)

    async def _serve(self, dialler: Dialler, stream: AcceptedStream, context: Context) -> None:
        budget, on_call = self._budget(dialler, context), self._acceptance.on_call
        link = AcceptedLink(dialler, budget, self._settings, on_call, self._on_message(dialler))
        self._links.add(link)
        self._tell_peer(dialler, up=True)
        try:
            with accepted_links(Side.CLIENT if dialler.node_id is None else Side.NODE):
                await link.run(stream)
        finally:
            self._links.discard(link)
            self._tell_peer(dialler, up=False)

    def _budget(self, dialler: Dialler, context: Context) -> Budget:
        key, settings = dialler.node_id or context.peer(), self._settings
        budget = self._budgets.get(key)
        if budget is None:
            node = dialler.node_id is not None
            budget = Budget(settings.node_calls, settings.node_bytes) if node else client_budget(settings, self.clients)
            self._budgets[key] = budget
        return budget

    def _on_message(self, dialler: Dialler) -> Callable[[bytes], None] | None:
        node_id, on_message = dialler.node_id, self._acceptance.on_message
        if dialler.link_class != MESSAGE_CLASS or node_id is None or on_message is None:
            return None
        return lambda message: on_message(node_id, message)

    def _tell_peer(self, dialler: Dialler, *, up: bool) -> None:
        if dialler.link_class == MESSAGE_CLASS and dialler.node_id is not None and self._acceptance.on_peer is not None:
            self._acceptance.on_peer(dialler.node_id, up)


def client_budget(settings: LinkSettings, clients: Total) -> Budget:
    """For one connection of a client, out of what all of them may hold."""
    return Budget(settings.client_calls, settings.client_bytes, total=clients)
