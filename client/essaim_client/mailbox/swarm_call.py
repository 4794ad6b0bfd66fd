"""One call to some member of a mailbox's swarm: which member, and what to do about each refusal."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from google.protobuf.message import Message

from essaim.protocol.errors import ProtocolError
from essaim.protocol.geometry import CellClass
from essaim.protocol.mailbox import puzzle
from essaim.protocol.view import NetworkView, Node, NodeState
from essaim.storage.v1 import mailbox_pb2
from essaim_client.mailbox.patience import Patience, pause_seconds
from essaim_client.mailbox.refusals import Refusals
from essaim_client.network.clock import CorrectedClock
from essaim_client.network.failure import DestinationLostError, DestinationRefusedError, PathFailedError
from essaim_client.network.guard import Randomness
from essaim_client.network.method import Method
from essaim_client.network.onion_client import OnionClient

SERVICE = mailbox_pb2.DESCRIPTOR.services_by_name["MailboxService"]
PUZZLE_BITS_MAX = 24
"""Some 16 million hashes, a quarter of a minute: more is a refusal in disguise."""
ROUNDS = 6
"""How often all members are tried before the caller hears of it."""


class SwarmUnreachableError(ProtocolError):
    """No member of the mailbox's swarm could do it now; the same request may be repeated."""

    reason = "SWARM_UNREACHABLE"


class PuzzleTooHardError(ProtocolError):
    """The node asks for more work than this client is willing to do."""

    reason = "PUZZLE_TOO_HARD"


class Views(Protocol):
    """The current view; the source of truth on who keeps a mailbox."""

    @property
    def current(self) -> NetworkView: ...
    async def refresh(self, *, direct: bool = False) -> None: ...
    async def correct_clock(self) -> None: ...


class Demand(Protocol):
    """A request that members may answer in part, or ask a puzzle for."""

    def refusal_in(self, answer: Message) -> DestinationRefusedError | None:
        """What an answer still refuses; None when all is done."""

    async def solve(self, error: DestinationRefusedError) -> None:
        """Give the requests made from now on the puzzle that the refusal names; PuzzleTooHardError."""


@dataclass(frozen=True)
class Swarms:
    """What each mailbox call needs of the network."""

    onion: OnionClient
    views: Views
    clock: CorrectedClock
    random: Randomness

    def members(self, mailbox_id: bytes) -> list[Node]:
        """The mailbox's swarm by the current view, in a random order, those that are away or leave last."""
        members = self.views.current.swarm_of(mailbox_id).members
        return sorted(members, key=lambda node: (node.state != NodeState.ACTIVE, self.random(8)))

    async def ask(
        self, node: Node, name: str, request: Message, lane: bytes, reply_class: CellClass = CellClass.SMALL
    ) -> Message:
        """One member, one method; refusals and losses as they come."""
        return await self.onion.unary(
            node.node_id, Method(SERVICE, name), request, lane=lane + node.node_id[:4], reply_class=reply_class
        )

    async def ask_any(
        self, mailbox_id: bytes, name: str, make: Callable[[], Message], demand: Demand | None = None
    ) -> Message:
        """The first member that does it. `make` builds (and signs) the request anew after a correction.

        Raises SwarmRefusedError, for what more than one member says, or SwarmUnreachableError.
        """
        last: ProtocolError | None = None
        patience = self.patience()
        refusals = Refusals(self, mailbox_id, demand.solve if demand else None, patience)
        for number in range(ROUNDS):
            refusals.begin_round()
            waiting = patience.ready(refusals.without_who_said(self.members(mailbox_id)))
            while waiting and not patience.over:
                node = waiting.pop(0)
                try:
                    return await self._done(node, name, make(), mailbox_id, demand)
                except (DestinationLostError, PathFailedError) as error:
                    last = error
                except DestinationRefusedError as error:
                    last = error
                    if await refusals.heard(node, error):
                        waiting = patience.ready(self.members(mailbox_id))
            left = refusals.without_who_said(self.members(mailbox_id))
            if patience.over or not left or not await patience.pause(number, left):
                break
        refusals.settle()
        raise SwarmUnreachableError("no member of the swarm did it") from last

    async def _done(self, node: Node, name: str, request: Message, mailbox_id: bytes, demand: Demand | None) -> Message:
        answer = await self.ask(node, name, request, mailbox_id)
        refusal = demand.refusal_in(answer) if demand else None
        if refusal is not None:
            raise refusal
        return answer

    def quorum_read(self, mailbox_id: bytes) -> int:
        """r - W + 1: so many members that one of them was in any write's quorum."""
        size = len(self.views.current.swarm_of(mailbox_id).members)
        return size - (size // 2 + 1) + 1

    def patience(self) -> Patience:
        """For one operation over several members."""
        return Patience()

    async def correct(self, error: DestinationRefusedError) -> bool:
        """Whether it was of the view or the clock, which are mended then."""
        match error.refused_reason:
            case "WRONG_SWARM":
                await self.views.refresh()
            case "CLOCK":
                await self.views.correct_clock()
            case _:
                return False
        return True

    async def pause(self, number: int) -> None:
        """Between rounds, where nobody said how long."""
        await asyncio.sleep(pause_seconds(number))

    async def solve(self, mailbox_id: bytes, subject: bytes, error: DestinationRefusedError) -> mailbox_pb2.Puzzle:
        """The puzzle that a PUZZLE_REQUIRED names, solved off the event loop."""
        return await self.pay(mailbox_id, subject, price(error))

    async def pay(self, mailbox_id: bytes, subject: bytes, bits: int) -> mailbox_pb2.Puzzle:
        """A puzzle of so many bits, for who knows the price."""
        now_ms = self.clock.now_ms()
        solution = await asyncio.to_thread(puzzle.solve, mailbox_id, subject, bits, now_ms)
        return mailbox_pb2.Puzzle(solution=solution)


def price(error: DestinationRefusedError) -> int:
    """What a PUZZLE_REQUIRED asks for, in bits (PuzzleTooHardError)."""
    return _bits(error.refusal.metadata.get("puzzleBits", ""))


def _bits(text: str) -> int:
    if not (len(text) <= 2 and text.isascii() and text.isdigit()) or int(text) > PUZZLE_BITS_MAX:
        raise PuzzleTooHardError(f"a node asks for a puzzle of more than {PUZZLE_BITS_MAX} bits")
    return int(text)
