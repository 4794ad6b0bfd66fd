"""What a client checks of a room's history: signatures, the chain, and what other members say they have seen.

The newest (sequence, chain) that was checked is kept on this device. A host that forges, reorders or forks is found out
by the next entry that does not fit: HistoryForkedError, and nothing of it is shown.
"""

from collections import OrderedDict
from collections.abc import Sequence
from typing import Protocol

from essaim.opengroup.v1 import room_pb2
from essaim.protocol.opengroup import chain
from essaim.protocol.opengroup.refusal import HistoryForkedError, RoomRefusedError
from essaim.protocol.opengroup.statement import Statement

REMEMBERED = 4_096
"""Hashes of the chain that statements' claims are compared with."""


class Kept(Protocol):
    """The encrypted store: named values."""

    def get(self, key: str) -> bytes | None: ...
    def put(self, key: str, value: bytes) -> None: ...


class History:
    """One room, from the first entry that this device has checked."""

    def __init__(self, host_id: bytes, room_id: bytes, kept: Kept) -> None:
        self.host_id = host_id
        self.room_id = room_id
        self._kept = kept
        self._name = f"room-chain:{host_id.hex()}:{room_id.hex()}"
        self._chains: OrderedDict[int, bytes] = OrderedDict()
        held = kept.get(self._name)
        self.known = held is not None
        self.sequence, self.chain = 0, chain.first(host_id, room_id)
        if held is not None:
            self.sequence, self.chain = int.from_bytes(held[:8]), held[8:]
        self._chains[self.sequence] = self.chain

    def begin(self, sequence: int, at: bytes) -> None:
        """Trust on first use: what the host says now is where the checking begins."""
        if not self.known:
            self._move(sequence, at)
            self._keep()

    def restart(self, sequence: int, at: bytes) -> None:
        """The person goes on with a host whose history contradicted itself, as one restored from a backup does."""
        self._chains.clear()
        self._move(sequence, at)
        self._keep()

    def advance(self, entries: Sequence[room_pb2.Entry], chain_before: bytes) -> list[Statement | None]:
        """The statements of entries that follow what is known; None for those withheld. HistoryForkedError."""
        if not entries:
            return []
        if entries[0].sequence != self.sequence + 1 or chain_before != self.chain:
            raise HistoryForkedError("the host's history does not continue what it told before")
        known = self.sequence, self.chain
        try:
            statements = [self._step(entry) for entry in entries]
        except HistoryForkedError:
            for sequence in range(known[0] + 1, self.sequence + 1):
                self._chains.pop(sequence, None)
            self.sequence, self.chain = known
            raise
        self._keep()
        return statements

    def _step(self, entry: room_pb2.Entry) -> Statement | None:
        statement = self.check(entry)
        digest = statement.digest if statement is not None else entry.digest
        if entry.sequence != self.sequence + 1 or len(digest) != chain.CHAIN_SIZE:
            raise HistoryForkedError("the host left an entry out")
        self._move(entry.sequence, chain.step(self.chain, entry.sequence, entry.time_ms, digest))
        return statement

    def check(self, entry: room_pb2.Entry) -> Statement | None:
        """An entry by itself: signed by its author, for this room, after what we both have seen."""
        if not entry.statement:
            return None
        try:
            statement = Statement.parse(entry.statement, entry.author, entry.signature)
            statement.check_signature()
        except RoomRefusedError as error:
            raise HistoryForkedError("the host showed a statement that nobody signed") from error
        message = statement.message
        if (message.host_id, message.room_id) != (self.host_id, self.room_id):
            raise HistoryForkedError("the host showed a statement of another room")
        mine = self._chains.get(message.seen_sequence)
        if message.seen_sequence >= entry.sequence or (mine is not None and mine != message.seen_chain):
            raise HistoryForkedError("a member has seen another history than this one")
        return statement

    def _move(self, sequence: int, at: bytes) -> None:
        self.sequence, self.chain = sequence, at
        self._chains[sequence] = at
        while len(self._chains) > REMEMBERED:
            self._chains.popitem(last=False)

    def _keep(self) -> None:
        self.known = True
        self._kept.put(self._name, self.sequence.to_bytes(8) + self.chain)
