"""An entry of a view: opaque pieces, hashed as they are. Order: NodeStatus, SignedDescriptor, SignedKeyRecords.

piece hash  BLAKE2b-256("essaim/view-piece/v1" || piece)
entry hash  BLAKE2b-256("essaim/view-entry/v1" || piece hashes in order)
root        BLAKE2b-256("essaim/view-root/v1" || entry hashes in order of node id)
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

from essaim.protocol.kdf import blake2b256
from essaim.protocol.onion.keyring import KeyPeriods
from essaim.protocol.view.descriptor import Descriptor
from essaim.protocol.view.key_record import KeyRecord
from essaim.protocol.view.node import Move, Node
from essaim.protocol.view.refusal import MalformedError
from essaim.protocol.view.roles import NodeState
from essaim.protocol.view.wire import parse, require
from essaim.view.v1 import view_pb2

PIECE_LABEL = b"essaim/view-piece/v1"
ENTRY_LABEL = b"essaim/view-entry/v1"
ROOT_LABEL = b"essaim/view-root/v1"
MAX_PIECES = 34


@dataclass(frozen=True)
class Entry:
    """A node's pieces as transported, and the node that they describe."""

    pieces: tuple[bytes, ...]
    node: Node

    @cached_property
    def hash(self) -> bytes:
        return blake2b256(ENTRY_LABEL, *(blake2b256(PIECE_LABEL, piece) for piece in self.pieces))

    @classmethod
    def parse(cls, pieces: Sequence[bytes], network_id: bytes, periods: KeyPeriods) -> "Entry":
        """Every signature of the node is checked; MalformedError, BadSignatureError."""
        require(2 <= len(pieces) <= MAX_PIECES, "an entry has a status, a descriptor and key records")
        status = parse(view_pb2.NodeStatus, pieces[0])
        descriptor = Descriptor.parse(parse(view_pb2.SignedDescriptor, pieces[1]))
        require(descriptor.network_id == network_id, "a descriptor of another network")
        require(descriptor.node_id == status.node_id, "an entry is about one node")
        require(status.state > 0, "a node is in some state")
        records = [KeyRecord.parse(parse(view_pb2.SignedKeyRecord, piece)) for piece in pieces[2:]]
        of_this_start = all(
            record.node_id == descriptor.node_id and record.start_id == descriptor.start_id for record in records
        )
        require(of_this_start, "the onion keys are those of the descriptor's start")
        keys = tuple(key for record in records if record.kind.known for key in record.period_keys())
        require(len({(key.kind, key.period) for key in keys}) == len(keys), "one onion key for each period")
        swarm_id = status.swarm_id if status.has_swarm else None
        state = NodeState(status.state)
        return cls(tuple(pieces), Node(descriptor, state, swarm_id, keys, periods, _move(status), status.registered_ms))


def _move(status: view_pb2.NodeStatus) -> Move | None:
    if not status.moving:
        return None
    require(status.has_swarm or status.has_next_swarm, "a node that moves is in a swarm, now or next")
    require(status.move_serial > 0, "a move began with a view")
    return Move(status.next_swarm_id if status.has_next_swarm else None, status.move_serial)


def status_piece(
    node_id: bytes, state: NodeState, swarm_id: int | None, registered_ms: int, move: Move | None = None
) -> bytes:
    """The authorities' word on a node."""
    status = view_pb2.NodeStatus(
        node_id=node_id,
        state=view_pb2.NodeState.ValueType(state),
        swarm_id=swarm_id or 0,
        has_swarm=swarm_id is not None,
        registered_ms=registered_ms,
    )
    if move is not None:
        status.moving, status.move_serial = True, move.serial
        status.next_swarm_id, status.has_next_swarm = move.swarm_id or 0, move.swarm_id is not None
    return status.SerializeToString(deterministic=True)


def root_of(entries: Iterable[Entry]) -> bytes:
    """Commits to entries that are in order of node id."""
    return blake2b256(ROOT_LABEL, *(entry.hash for entry in entries))


def ordered(entries: Iterable[Entry]) -> dict[bytes, Entry]:
    """By node id, ascending; MalformedError when a node is there twice."""
    listed = sorted(entries, key=lambda entry: entry.node.node_id)
    by_id = {entry.node.node_id: entry for entry in listed}
    if len(by_id) < len(listed):
        raise MalformedError("a node is listed twice")
    return by_id
