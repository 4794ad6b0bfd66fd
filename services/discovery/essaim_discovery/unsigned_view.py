"""The view of a state, before any signature: entries in order of node id, and the bytes of the header."""

from collections.abc import Mapping

from essaim.protocol import view
from essaim.protocol.view import Entry, Header
from essaim.protocol.view.entry import root_of, status_piece
from essaim.protocol.view.header import NO_HASH
from essaim.view.v1 import view_pb2
from essaim_discovery.state import Member, State

EPOCH = 1
"""Of an embedded authority there is one."""

Pieces = tuple[bytes, ...]


def pieces_of(state: State) -> dict[bytes, Pieces]:
    """What the view shows of each node, by node id, ascending. Proofs of uptime do not show."""
    return {node_id: _pieces(state, state.members[node_id]) for node_id in sorted(state.members)}


def _pieces(state: State, member: Member) -> Pieces:
    move = state.move_of(member)
    part = view.Move(member.next_id, move.serial) if move is not None else None
    status = status_piece(member.node_id, member.state, member.swarm_id, member.registered_ms, part)
    return status, member.descriptor_piece, *(each.piece for each in member.keys)


def entries_of(state: State, known: Mapping[bytes, Entry]) -> dict[bytes, Entry]:
    """The entries; those that are among `known` as they are need not be read again."""
    periods = state.parameters.key_periods
    entries = {}
    for node_id, pieces in pieces_of(state).items():
        entry = known.get(node_id)
        same = entry is not None and entry.pieces == pieces
        entries[node_id] = entry if entry and same else Entry.parse(pieces, state.network_id, periods)
    return entries


def header_of(state: State, entries: Mapping[bytes, Entry], before: Header | None) -> Header:
    """The header that follows `before`, or the first; made at the state's time.

    Its serial is the state's where that leaps (`Publication.begin`)."""
    parameters = state.parameters
    made_ms = max(state.now_ms, before.valid_from_ms if before is not None else 0)
    serial = max(before.serial + 1 if before is not None else 1, state.serial)
    message = view_pb2.Header(
        network_id=state.network_id,
        epoch=before.epoch if before is not None else EPOCH,
        serial=serial,
        previous_hash=before.hash if before is not None else NO_HASH,
        valid_from_ms=made_ms,
        fresh_until_ms=made_ms + parameters.fresh_seconds * 1_000,
        valid_until_ms=made_ms + parameters.valid_seconds * 1_000,
        nodes_root=root_of(entries.values()),
        parameters=parameters.to_message(),
        draws_tests=state.round.serial == serial,
    )
    return Header.parse(message.SerializeToString(deterministic=True))
