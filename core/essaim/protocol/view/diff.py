"""Differences between two views: which pieces of which entries are new, and the headers that prove the chain."""

from collections.abc import Mapping, Sequence

from essaim.protocol.view.entry import Entry, ordered
from essaim.protocol.view.header import Header
from essaim.protocol.view.network_view import NetworkView
from essaim.protocol.view.refusal import MalformedError
from essaim.protocol.view.wire import require
from essaim.view.v1 import view_pb2


def make_diff(old: NetworkView, between: Sequence[bytes], new: NetworkView) -> view_pb2.ViewDiff:
    """What leads from `old` to `new`; `between` are the headers after old's and before new's, oldest first."""
    changed = [
        view_pb2.EntryChange(node_id=node_id, pieces=_changes(old.entries.get(node_id), entry))
        for node_id, entry in new.entries.items()
        if node_id not in old.entries or old.entries[node_id].pieces != entry.pieces
    ]
    removed = [node_id for node_id in old.entries if node_id not in new.entries]
    return view_pb2.ViewDiff(headers=between, latest=new.signed, removed=removed, changed=changed)


def _changes(old: Entry | None, new: Entry) -> list[view_pb2.PieceChange]:
    held = {piece: index for index, piece in enumerate(old.pieces)} if old is not None else {}
    return [
        view_pb2.PieceChange(kept=held[piece]) if piece in held else view_pb2.PieceChange(added=piece)
        for piece in new.pieces
    ]


def check_chain(old: Header, between: Sequence[bytes], new: Header) -> None:
    """WrongChainError, MalformedError unless each header follows the one before, from `old` to `new`."""
    before = old
    for raw in between:
        header = Header.parse(raw)
        header.check_follows(before)
        before = header
    new.check_follows(before)


def apply_diff(old: NetworkView, diff: view_pb2.ViewDiff, header: Header) -> Mapping[bytes, Entry]:
    """The entries after the diff; MalformedError, BadSignatureError. Entries that did not change are not read again."""
    entries = {node_id: entry for node_id, entry in old.entries.items() if node_id not in set(diff.removed)}
    require(len(entries) == len(old.entries) - len(diff.removed), "a diff removes nodes that are there, once")
    changed = {change.node_id for change in diff.changed}
    require(len(changed) == len(diff.changed) and not changed & set(diff.removed), "a diff names a node once")
    for change in diff.changed:
        pieces = [_piece(old.entries.get(change.node_id), piece) for piece in change.pieces]
        entry = Entry.parse(pieces, header.network_id, header.parameters.key_periods)
        require(entry.node.node_id == change.node_id, "a diff brings another node than it names")
        entries[change.node_id] = entry
    if header.parameters.key_periods != old.parameters.key_periods:
        periods = header.parameters.key_periods
        entries = {key: Entry.parse(entry.pieces, header.network_id, periods) for key, entry in entries.items()}
    return ordered(entries.values())


def _piece(old: Entry | None, change: view_pb2.PieceChange) -> bytes:
    match change.WhichOneof("piece"):
        case "added":
            return change.added
        case "kept" if old is not None and change.kept < len(old.pieces):
            return old.pieces[change.kept]
        case _:
            raise MalformedError("a diff keeps a piece that is not there")
