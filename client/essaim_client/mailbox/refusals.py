"""What the members of a swarm say against one request, and what of it is believed.

One member may lie. So what would end the request is believed when r - W + 1 members say it, or, when the rounds are
over, all of those that answered; and what one member asks for is done once in a round, then another is asked.
"""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from essaim.protocol.errors import ProtocolError
from essaim.protocol.view import Node
from essaim_client.mailbox.patience import Patience
from essaim_client.network.failure import DestinationRefusedError

if TYPE_CHECKING:
    from essaim_client.mailbox.swarm_call import Swarms

ANOTHER_MEMBER = {"DISK_FULL", "BUSY"}
PASSING_CODES = {4, 13, 14}
"""google.rpc.Code DEADLINE_EXCEEDED, INTERNAL, UNAVAILABLE: not this member, not now, whatever it calls the reason."""
CORRECTED = {"WRONG_SWARM", "CLOCK", "PUZZLE_REQUIRED"}

Solve = Callable[[DestinationRefusedError], Awaitable[None]]


class SwarmRefusedError(DestinationRefusedError):
    """The mailbox will not have it: more than one member's word."""


class Refusals:
    """Of one operation on one mailbox. `solve` makes its requests fit a PUZZLE_REQUIRED; `patience` is told who asks to
    be left alone for how long."""

    def __init__(
        self, swarms: "Swarms", mailbox_id: bytes, solve: Solve | None = None, patience: Patience | None = None
    ) -> None:
        self._swarms = swarms
        self._mailbox_id = mailbox_id
        self._solve = solve
        self._patience = patience
        self._said: dict[bytes, ProtocolError] = {}
        self._answered: set[bytes] = set()
        self._obeyed: set[bytes] = set()

    async def heard(self, node: Node, error: DestinationRefusedError) -> bool:
        """True: view, clock or puzzle was mended, begin again; False: take another member.

        Raises SwarmRefusedError (PuzzleTooHardError) once enough members say the same.
        """
        self._answered.add(node.node_id)
        if self._patience is not None:
            self._patience.heard(node, error)
        if error.refused_reason in CORRECTED:
            return await self._corrected(node, error)
        if error.refused_reason not in ANOTHER_MEMBER and error.refusal.code not in PASSING_CODES:
            self._hold(node, error)
        return False

    async def _corrected(self, node: Node, error: DestinationRefusedError) -> bool:
        if node.node_id in self._obeyed:
            return False
        self._obeyed.add(node.node_id)
        if not await self._swarms.correct(error):
            try:
                await self._solved(error)
            except ProtocolError as refused:  # a puzzle too hard, or for what needs none
                self._hold(node, refused)
                return False
        self._said.clear()  # the next request is another one
        return True

    async def _solved(self, error: DestinationRefusedError) -> None:
        if self._solve is None:
            raise error
        await self._solve(error)

    def _hold(self, node: Node, error: ProtocolError) -> None:
        self._said[node.node_id] = error
        if sum(_same(each, error) for each in self._of_members()) >= self._swarms.quorum_read(self._mailbox_id):
            raise _believed(error)

    def begin_round(self) -> None:
        """Each member may ask for one correction again."""
        self._obeyed.clear()

    def without_who_said(self, nodes: list[Node]) -> list[Node]:
        """Those that have not said yet that the request is wrong: the others need not be asked again."""
        return [node for node in nodes if node.node_id not in self._said]

    def settle(self) -> None:
        """The rounds are over: raise what all that answered say; nothing where they differ."""
        said = self._of_members()
        if said and self._answered <= self._said.keys() and all(_same(each, said[0]) for each in said):
            raise _believed(said[0])

    def _of_members(self) -> list[ProtocolError]:
        members = (node.node_id for node in self._swarms.views.current.swarm_of(self._mailbox_id).members)
        return [self._said[node_id] for node_id in members if node_id in self._said]


def _same(one: ProtocolError, other: ProtocolError) -> bool:
    return _reason(one) == _reason(other)


def _reason(error: ProtocolError) -> tuple[int, str]:
    if isinstance(error, DestinationRefusedError):
        return error.refusal.code, error.refused_reason
    return 0, error.reason


def _believed(error: ProtocolError) -> ProtocolError:
    return SwarmRefusedError(error.refusal) if isinstance(error, DestinationRefusedError) else error
