"""A node that is a destination: links from others, the delivery endpoint, and the same servicers for direct calls."""

from collections.abc import Callable, Sequence
from types import TracebackType

from prometheus_client import Counter

from essaim.network.acceptor import SERVICE, Acceptance, LinkAcceptor
from essaim.network.call import IncomingCall
from essaim.network.settings import LinkSettings
from essaim.protocol.onion import CellRefusedError, Deliver, Forward, Keyring, Refusal, ReplySealer, unwrap
from essaim.runtime.delivery import Delivery, DeliverySettings
from essaim.runtime.offer import Offer
from essaim.runtime.standing import Standing
from essaim.runtime.start import Mount

CELLS = Counter("essaim_destination_cells", "Cells that came to a destination, by what became of them.", ["outcome"])


class Endpoint:
    """`async with Endpoint(standing, keyring, offers, "storage.essaim", on_message=...) as endpoint`."""

    def __init__(
        self,
        standing: Standing,
        keyring: Keyring,
        offers: Sequence[Offer],
        domain: str,
        *,
        on_message: Callable[[bytes, bytes], None] | None = None,
        on_peer: Callable[[bytes, bool], None] | None = None,
        links: LinkSettings | None = None,
        delivery: DeliverySettings | None = None,
    ) -> None:
        self._standing = standing
        self._keyring = keyring
        self._offers = offers
        self._delivery = Delivery(offers, domain, standing.now_ms, delivery)
        acceptance = Acceptance(
            standing.own_id, standing.listed, standing.view_serial, standing.now_ms, self.on_call, on_message, on_peer
        )
        self._acceptor = LinkAcceptor(acceptance, links)

    @property
    def mounts(self) -> Sequence[Mount]:
        """The link service and the services offered, for `runtime.start.Service`."""
        return (Mount(SERVICE, self._acceptor.add_to), *(offer.mount for offer in self._offers))

    def refuse_calls(self) -> None:
        """Before `go_away`, where the calls under way need messages from other nodes to end."""
        self._acceptor.refuse_calls()

    async def go_away(self) -> None:
        """The drain's hook: peers open nothing new here."""
        self._acceptor.go_away()

    async def __aenter__(self) -> "Endpoint":
        await self._delivery.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._delivery.__aexit__(kind, error, trace)

    def on_call(self, call: IncomingCall) -> None:
        """Open the last layer and deliver; this node passes nothing on."""
        now_ms = self._standing.now_ms()
        try:
            step = unwrap(call.cell, self._keyring, now_ms, self._standing.suites())
        except CellRefusedError as error:
            CELLS.labels(error.reason).inc()
            call.refuse(error.refusal, now_ms if error.refusal == Refusal.STALE else 0)
            return
        CELLS.labels(type(step).__name__.upper()).inc()
        if isinstance(step, Deliver):
            self._delivery.deliver(call, step.payload, step.keys)
        elif isinstance(step, Forward):
            call.refuse(Refusal.BAD_CELL)
        else:
            call.reply(*ReplySealer(step.keys).seal(b"", last=True))
            call.end()
