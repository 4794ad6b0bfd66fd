"""Open groups: what members send to a host, what a host tells a member, and what one member seals for another."""

from collections.abc import Iterator

from google.protobuf.message import DecodeError

from essaim.opengroup.v1 import action_pb2, opengroup_pb2, room_pb2, statement_pb2
from essaim.protocol.account import Account
from essaim.protocol.opengroup import chain, direct
from essaim.protocol.opengroup.authorization import Method, Request
from essaim.protocol.opengroup.direct import DirectRefusedError
from essaim.protocol.opengroup.filter import Filter
from essaim.protocol.opengroup.member import member_key
from essaim.protocol.opengroup.refusal import BatchRefusedError, HistoryForkedError, RoomRefusedError
from essaim.protocol.opengroup.settings import DEFAULTS, check_settings
from essaim.protocol.opengroup.statement import LABEL, Statement
from essaim_client.rooms.history import History
from essaim_client.rooms.shown import event_of, post_of
from essaim_opengroup.acting import parse_batch
from fuzzed.parser import Parser, chosen

HOST, ROOM = b"h" * 32, b"r" * 16
ALICE, BOB = (member_key(Account(bytes([number]) * 32), HOST) for number in (1, 2))
SIGNERS = {each.public.raw: each for each in (ALICE, BOB)}
SEEN = chain.first(HOST, ROOM)
ID = b"p" * 32


def statement(data: bytes) -> object:
    """Signed by its author."""
    found = Statement.parse(data, ALICE.public.raw, ALICE.sign(LABEL + data))
    found.check_signature()
    assert found.kind, "a statement that does nothing"
    entry = room_pb2.Entry(sequence=1, time_ms=1, author=found.author, statement=data, signature=found.signature)
    return event_of(ROOM, entry, found)


def statements() -> Iterator[bytes]:
    for message in _acts():
        yield message.SerializeToString()


def _acts(sequence: int = 0, seen: bytes = SEEN) -> Iterator[statement_pb2.Statement]:
    named = {"host_id": HOST, "room_id": ROOM, "time_ms": 5, "seen_sequence": sequence, "seen_chain": seen}
    post = statement_pb2.Post(
        text="hello", mentions=[BOB.public.raw], files=[ID], reply_to=ID, whisper_to=BOB.public.raw
    )
    yield statement_pb2.Statement(post=post, **named)
    yield statement_pb2.Statement(edit=statement_pb2.Edit(post_id=ID, text="hi"), **named)
    yield statement_pb2.Statement(delete=statement_pb2.Delete(post_id=ID), **named)
    yield statement_pb2.Statement(react=statement_pb2.React(post_id=ID, emoji="👍"), **named)
    yield statement_pb2.Statement(pin=statement_pb2.Pin(post_id=ID, unpin=True), **named)
    yield statement_pb2.Statement(purge=statement_pb2.Purge(member=BOB.public.raw), **named)


class Kept(dict):
    """A store in memory."""

    def put(self, key: str, value: bytes) -> None:
        self[key] = value


def entries(data: bytes) -> object:
    """A page of a room's log, its statements signed by the members whom they name."""
    try:
        told = action_pb2.EntryList.FromString(data)
    except DecodeError:
        return None  # Method.decode makes a broken path of it
    for entry in told.entries[:8]:
        _sign(entry)
    history = History(HOST, ROOM, Kept())
    statements = history.advance(told.entries, told.chain_before)
    assert history.sequence == len(told.entries)
    return [event_of(ROOM, *pair) for pair in zip(told.entries, statements, strict=True)]


def _sign(entry: room_pb2.Entry) -> None:
    signer = SIGNERS.get(entry.author)
    if signer is not None and entry.statement:
        entry.signature = signer.sign(LABEL + entry.statement)


def pages() -> Iterator[bytes]:
    told, at = action_pb2.EntryList(chain_before=SEEN), SEEN
    for number, author in enumerate((ALICE, BOB, ALICE), 1):
        made = Statement.make(next(_acts(number - 1, at)), author)
        told.entries.add(
            sequence=number, time_ms=number, author=made.author, statement=made.raw, signature=made.signature
        )
        at = chain.step(at, number, number, made.digest)
    yield told.SerializeToString()
    withheld = action_pb2.EntryList(chain_before=SEEN, more=True)
    withheld.entries.add(sequence=1, time_ms=1, author=ALICE.public.raw, digest=ID)
    yield withheld.SerializeToString()


def posts(data: bytes) -> object:
    """Posts as a host lists them, with their edits."""
    try:
        told = action_pb2.PostList.FromString(data)
    except DecodeError:
        return None  # Method.decode makes a broken path of it
    history = History(HOST, ROOM, Kept())
    shown = []
    for state in told.posts:
        _sign(state.entry)
        _sign(state.edit)
        made = history.check(state.entry)
        edit = history.check(state.edit) if state.HasField("edit") else None
        if made is None or made.kind == "post":
            good = edit is None or edit.kind == "edit"
            shown += [post_of(state, made, edit)] if good else []
    return shown


def lists() -> Iterator[bytes]:
    post, edit = list(_acts())[:2]
    made, changed = Statement.make(post, ALICE), Statement.make(edit, ALICE)
    told = action_pb2.PostList()
    state = told.posts.add(pinned=1, thread=1, replies=2)
    for entry, each in ((state.entry, made), (state.edit, changed)):
        entry.sequence, entry.time_ms, entry.author = 1, 1, each.author
        entry.statement, entry.signature = each.raw, each.signature
    state.reactions.add(emoji="👍", count=3, own=True)
    yield told.SerializeToString()


def batch(data: bytes) -> object:
    """A member's request, signed by it: who asks, and what."""
    signs, rest = chosen(data, 2)
    request = Request(HOST, Method.ACT, rest)
    signed = opengroup_pb2.Authorization(member=ALICE.public.raw, nonce=bytes(16), signature=bytes(64))
    if signs:
        signed = request.authorize(ALICE, 5, bytes(16))
    request.check(signed)
    found = parse_batch(rest)
    for action in found.actions:
        name = action.WhichOneof("action")
        if name in ("create_room", "change_room"):
            asked = getattr(action, name).settings
            check_settings(asked)
            Filter.of(asked).finds(asked.title + asked.description)
        elif name == "say":
            Statement.parse(action.say.statement, action.say.author, action.say.signature).check_signature()
    return found


def batches() -> Iterator[bytes]:
    made = Statement.make(next(_acts()), ALICE)
    say = action_pb2.Say(statement=made.raw, author=made.author, signature=made.signature)
    settings = room_pb2.RoomSettings()
    settings.CopyFrom(DEFAULTS)
    settings.name = "garden"
    acts = [
        action_pb2.Action(say=say),
        action_pb2.Action(change_room=action_pb2.ChangeRoom(room_id=ROOM, settings=settings)),
        action_pb2.Action(page=action_pb2.Page(room_id=ROOM, before=9, limit=20)),
        action_pb2.Action(permit=action_pb2.Permit(room_id=ROOM, member=BOB.public.raw, allow=1, deny=2)),
    ]
    for signs in (b"\0", b"\1"):
        yield signs + action_pb2.Batch(actions=acts, stop_at_refusal=True).SerializeToString()
    yield b"\1" + action_pb2.Batch(actions=acts[:1]).SerializeToString()


def message(data: bytes) -> object:
    """A direct message, sealed by its sender however it likes; or anybody's bytes."""
    how, rest = chosen(data, 3)
    if how == 2:
        return direct.unseal_copy(rest, ALICE, BOB.public, HOST)
    if how:
        rest = direct.seal(rest[: direct.MAX_TEXT], ALICE, BOB.public, HOST, bytes(range(64)))
        return direct.unseal(rest, ALICE.public, BOB, HOST)
    return direct.unseal(rest, ALICE.public, BOB, HOST)


def directs() -> Iterator[bytes]:
    yield b"\1hello"
    yield b"\0" + direct.seal(b"hello", ALICE, BOB.public, HOST, bytes(range(64)))
    yield b"\2" + direct.seal_copy(b"hello", ALICE, BOB.public, HOST, bytes(range(64)))


REFUSED = (RoomRefusedError, BatchRefusedError)
PARSERS = (
    Parser("opengroup.statement", statement, (RoomRefusedError,), statements, longest=1_024),
    Parser("opengroup.entries", entries, (HistoryForkedError,), pages, longest=2_048),
    Parser("opengroup.posts", posts, (HistoryForkedError,), lists, longest=1_536),
    Parser("opengroup.batch", batch, REFUSED, batches, longest=1_536),
    Parser("opengroup.direct", message, (DirectRefusedError,), directs, longest=512),
)
