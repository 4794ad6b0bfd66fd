"""Policies, slot records and cursors by themselves; a client's requests as a node takes them in."""

import atexit
import json
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from google.protobuf.message import DecodeError, Message

from essaim.protocol.keys import SigningKey
from essaim.protocol.mailbox.authorization import Act, Authorization, Method, NonceMemory
from essaim.protocol.mailbox.cursor import Cursor, Position
from essaim.protocol.mailbox.payload import prekeys_hash, read_hash, removal_hash, slot_hash, sweep_hash
from essaim.protocol.mailbox.policy import Policy
from essaim.protocol.mailbox.refusal import MailboxRefusedError
from essaim.protocol.mailbox.slot_record import LABEL, SIGNED_SIZE, SlotRecord, certified
from essaim.storage.v1 import mailbox_pb2
from essaim.testing.mailbox import HOUR_MS, SLOT, MailboxOwner, to_proto
from essaim_storage.batch import check as check_batch
from essaim_storage.intake import Intake, envelope_id
from essaim_storage.notice_intake import NoticeIntake
from essaim_storage.price import Price
from essaim_storage.refusal import BatchRefusedError
from essaim_storage.slot_versions import SlotVersions
from essaim_storage.sqlite_store import SqliteStore
from fuzzed.parser import Parser, chosen

NOW_MS = 1_800_000_000_000
VECTORS = Path(__file__).resolve().parents[3] / "vectors" / "mailbox.json"
OWNER = MailboxOwner(*(SigningKey(bytes([number]) * 32) for number in (1, 2, 3)))
NODE_ID = b"n" * 32
NONCE = bytes(16)
FOLDER = Path(tempfile.mkdtemp(prefix="fuzzed-"))
atexit.register(shutil.rmtree, FOLDER, True)
STORE = SqliteStore(FOLDER / "store.db")


def policy(data: bytes) -> object:
    found = Policy.parse(data)
    assert found.encoded == data, "two forms of one meaning"
    assert Policy.check(data, found.mailbox_id) == found
    return found.owner, found.reader


def policies() -> Iterator[bytes]:
    for each in json.loads(VECTORS.read_text())["policies"].values():
        yield bytes.fromhex(each["policy"])


def slot_record(data: bytes) -> object:
    """As it comes, and signed by the owner of its mailbox."""
    found = SlotRecord.parse(data)
    assert found.encoded == data, "two forms of one meaning"
    signed = data[:SIGNED_SIZE] + OWNER.owner.sign(LABEL + data[:SIGNED_SIZE])
    return certified(signed, OWNER.inbox)


def slot_records() -> Iterator[bytes]:
    yield SlotRecord.sign(OWNER.owner, OWNER.inbox.mailbox_id, 0, OWNER.device.public, 7).encoded
    yield SlotRecord.sign(OWNER.owner, OWNER.inbox.mailbox_id, 4, None, 1).encoded


def cursor(data: bytes) -> object:
    found = Cursor.parse(data)
    assert found.encoded == data, "two forms of one meaning"
    moved = found.advanced(NODE_ID, NONCE, 7)
    assert Cursor.parse(moved.encoded).number_at(NODE_ID, NONCE) == 7
    return moved


def cursors() -> Iterator[bytes]:
    places = [Position(bytes([number]) * 8, bytes([number]) * 16, number) for number in range(8)]
    yield from (Cursor(tuple(places[:count])).encoded for count in (0, 1, 3, 8))


# A client's requests. The first byte says which method, the second who signs (0: what the request says).

REQUESTS: tuple[tuple[type[Message], Method | None], ...] = (
    (mailbox_pb2.StoreRequest, Method.STORE),
    (mailbox_pb2.RetrieveRequest, Method.RETRIEVE),
    (mailbox_pb2.SubscribeRequest, Method.SUBSCRIBE),
    (mailbox_pb2.ConfirmRequest, Method.CONFIRM),
    (mailbox_pb2.DeleteRequest, Method.DELETE),
    (mailbox_pb2.DeleteBeforeRequest, Method.DELETE_BEFORE),
    (mailbox_pb2.DeleteAllRequest, Method.DELETE_ALL),
    (mailbox_pb2.ExpireRequest, Method.EXPIRE),
    (mailbox_pb2.DropSlotRequest, Method.DROP_SLOT),
    (mailbox_pb2.GetExpiriesRequest, Method.GET_EXPIRIES),
    (mailbox_pb2.PublishPrekeysRequest, Method.PUBLISH_PREKEYS),
    (mailbox_pb2.ClaimPrekeyRequest, None),
    (mailbox_pb2.BatchRequest, None),
)
SIGNERS = (None, OWNER.owner, OWNER.writer)


def request(data: bytes) -> object:
    which, rest = chosen(data, len(REQUESTS))
    signer, rest = chosen(rest, len(SIGNERS))
    kind, method = REQUESTS[which]
    try:
        asked = kind.FromString(rest)
    except DecodeError:
        return None  # gRPC and the delivery endpoint answer that themselves
    intake = Intake(NODE_ID, STORE, NonceMemory(), Price(), SlotVersions(STORE), 1 << 20, 64)
    key = SIGNERS[signer]
    if key is not None and method is not None:
        _sign(asked, method, key)
    return _taken(intake, which, asked)


def _sign(asked: Any, method: Method, key: SigningKey) -> None:
    """With the time that the request names, or now; where there is no text to be signed it stays unsigned."""
    try:
        policy = Policy.check(asked.mailbox.policy, asked.mailbox.id)
        targets = asked.envelopes if method == Method.STORE else [asked]
        for target in targets[:4]:
            act = _act(policy, method, target)
            time_ms = target.authorization.time_ms or NOW_MS
            target.authorization.CopyFrom(to_proto(act.authorize(key, time_ms, NONCE)))
    except (MailboxRefusedError, ValueError, OverflowError):
        return


def _act(policy: Policy, method: Method, of: Any) -> Act:
    """What a client signs of this request."""
    hashed: dict[Method, Callable[[], tuple[Any, ...]]] = {
        Method.STORE: lambda: (of.slot, envelope_id(policy, of), of.expires_ms, of.version),
        Method.CONFIRM: lambda: (of.slot, removal_hash(of.slot, of.envelope_ids)),
        Method.DELETE: lambda: (b"", removal_hash(b"", of.envelope_ids)),
        Method.DELETE_BEFORE: lambda: (b"", sweep_hash(of.before_ms)),
        Method.DELETE_ALL: lambda: (b"", read_hash(b"")),
        Method.EXPIRE: lambda: (of.slot, removal_hash(of.slot, of.envelope_ids), of.expires_ms),
        Method.DROP_SLOT: lambda: (b"", slot_hash(of.slot_record)),
        Method.PUBLISH_PREKEYS: lambda: (of.slot, prekeys_hash(of.slot, of.node_id, of.version, of.prekeys)),
    }
    named = hashed.get(method, lambda: (of.slot, read_hash(of.slot)))()
    return Act(policy, method, *named)


def _taken(intake: Intake, which: int, asked: Any) -> object:
    notices = NoticeIntake(intake)
    if which == 0:
        policy = intake.policy(asked.mailbox)
        intake.check_store(policy, asked, NOW_MS)
        return [intake.envelope(policy, new, NOW_MS) for new in asked.envelopes]
    if which in (1, 2):
        method = Method.RETRIEVE if which == 1 else Method.SUBSCRIBE
        return intake.query(method, asked, 16_000, NOW_MS)
    makers: dict[int, Callable[..., object]] = {
        3: notices.confirm,
        4: notices.delete,
        5: notices.delete_before,
        6: notices.delete_all,
        7: notices.expire,
        8: notices.drop_slot,
    }
    if which in makers:
        return makers[which](asked, NOW_MS)
    if which == 12:
        return check_batch(asked)
    asking: dict[int, Callable[..., object]] = {9: intake.expiries, 10: intake.publish, 11: intake.claim}
    return asking[which](1, asked, NOW_MS)


def requests() -> Iterator[bytes]:
    ids, inbox, outbox, private = [b"i" * 32, b"j" * 32], OWNER.inbox, OWNER.outbox, OWNER.private
    letter = mailbox_pb2.NewEnvelope(slot=SLOT, expires_ms=NOW_MS + HOUR_MS, data=bytes(4096))
    entry = mailbox_pb2.NewEnvelope(slot=b"prekeys/0", expires_ms=NOW_MS + HOUR_MS, data=bytes(4096), version=3)
    blob = Policy.blob(OWNER.owner.public, bytes(4096))
    piece = mailbox_pb2.NewEnvelope(expires_ms=NOW_MS + HOUR_MS, data=bytes(4096), version=NOW_MS + HOUR_MS)
    group = Policy.group(OWNER.device.public, OWNER.writer.public, OWNER.owner.public)
    of = OWNER.mailbox
    record = SlotRecord.sign(OWNER.owner, inbox.mailbox_id, 0, OWNER.device.public, 7).encoded
    cases: list[tuple[int, int, Message]] = [
        (0, 0, mailbox_pb2.StoreRequest(mailbox=of(inbox), envelopes=[letter], receipts=True)),
        (0, 2, mailbox_pb2.StoreRequest(mailbox=of(outbox), envelopes=[entry])),
        (0, 2, mailbox_pb2.StoreRequest(mailbox=of(private), envelopes=[letter])),
        (0, 1, mailbox_pb2.StoreRequest(mailbox=of(group), envelopes=[entry])),
        (0, 0, mailbox_pb2.StoreRequest(mailbox=of(blob), envelopes=[piece])),
        (1, 1, mailbox_pb2.RetrieveRequest(mailbox=of(inbox), slot=SLOT, have=[bytes(8)], have_salt=bytes(16))),
        (2, 1, mailbox_pb2.SubscribeRequest(mailbox=of(inbox), cursor=next(iter([*cursors()][1:])))),
        (3, 1, mailbox_pb2.ConfirmRequest(mailbox=of(inbox), slot=SLOT, envelope_ids=ids)),
        (4, 1, mailbox_pb2.DeleteRequest(mailbox=of(inbox), envelope_ids=ids)),
        (5, 1, mailbox_pb2.DeleteBeforeRequest(mailbox=of(inbox), before_ms=NOW_MS - 1)),
        (6, 1, mailbox_pb2.DeleteAllRequest(mailbox=of(inbox))),
        (7, 1, mailbox_pb2.ExpireRequest(mailbox=of(inbox), slot=SLOT, envelope_ids=ids, expires_ms=NOW_MS + 99_999)),
        (8, 1, mailbox_pb2.DropSlotRequest(mailbox=of(inbox), slot_record=record)),
        (9, 1, mailbox_pb2.GetExpiriesRequest(mailbox=of(inbox), slot=SLOT, envelope_ids=ids)),
        (10, 2, mailbox_pb2.PublishPrekeysRequest(
            mailbox=of(outbox), slot=SLOT, node_id=NODE_ID, prekeys=[b"p"], version=1)),
        (11, 0, mailbox_pb2.ClaimPrekeyRequest(mailbox=of(outbox), slot=SLOT, claim_id=bytes(16))),
        (12, 0, mailbox_pb2.BatchRequest(operations=[
            mailbox_pb2.Operation(delete_all=mailbox_pb2.DeleteAllRequest(mailbox=of(inbox))),
            mailbox_pb2.Operation(retrieve=mailbox_pb2.RetrieveRequest(mailbox=of(inbox)))])),
    ]  # fmt: skip
    for which, signer, message in cases:
        yield bytes((which, signer)) + message.SerializeToString()
    shown = OWNER.by_device(inbox, Method.RETRIEVE, SLOT, read_hash(SLOT), NOW_MS)
    asked = mailbox_pb2.RetrieveRequest(mailbox=of(inbox), slot=SLOT, authorization=to_proto(shown))
    yield b"\1\0" + asked.SerializeToString()
    assert isinstance(shown, Authorization)


PARSERS = (
    Parser("mailbox.policy", policy, (MailboxRefusedError,), policies, longest=192),
    Parser("mailbox.slot_record", slot_record, (MailboxRefusedError,), slot_records, longest=160),
    Parser("mailbox.cursor", cursor, (MailboxRefusedError,), cursors, longest=320),
    Parser("mailbox.request", request, (MailboxRefusedError, BatchRefusedError), requests, longest=5_000),
)
