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
PAUSE_SECONDS = 0.25
PATIENCE_SECONDS = 60.0
"""After this no new round begins: somebody waits for an answer, even if it is that there is none."""
ANOTHER_MEMBER = {"DISK_FULL", "BUSY"}
PASSING_CODES = {4, 13, 14}
"""google.rpc.Code DEADLINE_EXCEEDED, INTERNAL, UNAVAILABLE: not this member, not now, whatever it calls the reason."""


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


class Patience:
    """How long rounds go on, from now."""

    def __init__(self) -> None:
        self._until = asyncio.get_running_loop().time() + PATIENCE_SECONDS

    @property
    def over(self) -> bool:
        return asyncio.get_running_loop().time() >= self._until


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

    async def ask_any(self, mailbox_id: bytes, name: str, make: Callable[[], Message]) -> Message:
        """The first member that does it. `make` builds (and signs) the request anew after a correction."""
        last: ProtocolError | None = None
        patience = self.patience()
        for number in range(ROUNDS):
            for node in self.members(mailbox_id):
                try:
                    return await self.ask(node, name, make(), mailbox_id)
                except (DestinationLostError, PathFailedError) as error:
                    last = error
                except DestinationRefusedError as error:
                    last = error
                    if await self.correct(error):
                        break
                if patience.over:
                    raise SwarmUnreachableError("no member of the swarm answered in time") from last
            await self.pause(number)
        raise SwarmUnreachableError("no member of the swarm answered") from last

    def patience(self) -> Patience:
        """For one operation over several members."""
        return Patience()

    async def correct(self, error: DestinationRefusedError) -> bool:
        """True: the view or clock was mended, begin again; False: take another member. Else raises the refusal."""
        match error.refused_reason:
            case "WRONG_SWARM":
                await self.views.refresh()
                return True
            case "CLOCK":
                await self.views.correct_clock()
                return True
            case reason if reason in ANOTHER_MEMBER or error.refusal.code in PASSING_CODES:
                return False
            case _:
                raise error

    async def pause(self, number: int) -> None:
        """Between rounds: a swarm that just lost a member needs a moment; doubled each time, to four seconds."""
        await asyncio.sleep(min(4.0, PAUSE_SECONDS * 2**number))

    async def solve(self, mailbox_id: bytes, subject: bytes, error: DestinationRefusedError) -> mailbox_pb2.Puzzle:
        """The puzzle that a PUZZLE_REQUIRED names, solved off the event loop."""
        bits = _bits(error.refusal.metadata.get("puzzleBits", ""))
        now_ms = self.clock.now_ms()
        solution = await asyncio.to_thread(puzzle.solve, mailbox_id, subject, bits, now_ms)
        return mailbox_pb2.Puzzle(solution=solution)


def _bits(text: str) -> int:
    if not (len(text) <= 2 and text.isascii() and text.isdigit()) or int(text) > PUZZLE_BITS_MAX:
        raise PuzzleTooHardError(f"a node asks for a puzzle of more than {PUZZLE_BITS_MAX} bits")
    return int(text)
