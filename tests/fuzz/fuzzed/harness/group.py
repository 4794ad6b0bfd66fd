"""Closed groups: frames of whoever has the day's key, and what members say and sign who lie."""

import random
from collections.abc import Iterator
from functools import cache

from essaim.messaging.v1 import group_pb2
from essaim.protocol.account import Account
from essaim.protocol.conversation import Device
from essaim.protocol.group.announcement import Announcement, ChainNotice, EpochNotice
from essaim.protocol.group.bundle import decode_records, pack
from essaim.protocol.group.epoch import Epoch
from essaim.protocol.group.frame import SPOKEN_ENTRY, FrameKind, FrameRefusedError, encrypt, open_frame
from essaim.protocol.group.log import GroupLog
from essaim.protocol.group.record import LABEL, NO_GROUP, Act, Record, founding_argument
from essaim.protocol.group.sender_key import (
    FRONT_SIZE,
    Front,
    Said,
    SendingChain,
    SpokenRefusedError,
    signed_text,
)
from essaim.protocol.keys import KeyRefusedError, SigningKey
from essaim.protocol.layout import MalformedError, Reader
from essaim.protocol.ratchet.aead import seal
from essaim.protocol.ratchet.chain import Chain, ChainName
from fuzzed.parser import Parser, chosen

NOW = 1_800_000_000_000
SOURCE = random.Random(13).randbytes
DEVICES = [Device.create(Account(bytes([number]) * 32), 0, NOW, SOURCE) for number in (1, 2)]
KEYS = {each.manifest.certificate(0).head.identity.raw: each.keys for each in DEVICES}
FOUNDER, OTHER = (each.account_id.raw for each in DEVICES)
ADMIN = SigningKey(b"\5" * 32)
FOUNDING = Record.sign(
    DEVICES[0].keys,
    DEVICES[0].manifest.certificate(0),
    NO_GROUP,
    (),
    Act.FOUND,
    founding_argument(bytes(32), ADMIN.public, "garden"),
    NOW,
)
GROUP = FOUNDING.record_id
KEY = bytes(range(32))
EXPORT_KEYS = [bytes([number]) * 32 for number in range(3)]
CHAIN = SendingChain(bytes(16), FOUNDER, 0, SigningKey(b"\6" * 32), b"\7" * 32)
NONCE = bytes(12)


def frame(data: bytes) -> object:
    """Sealed by a member, who may write anything; or a node's invention."""
    how, rest = chosen(data, 2)
    envelope = bytes(24) + encrypt(rest, SPOKEN_ENTRY, bytes(24), KEY) if how else rest
    return open_frame(KEY, SPOKEN_ENTRY, envelope)


def frames() -> Iterator[bytes]:
    for kind in FrameKind:
        yield b"\1" + (6).to_bytes(4, "big") + bytes((kind,)) + b"hello" + bytes(9)
    yield b"\0" + bytes(60)


def announcement(data: bytes) -> object:
    found = Announcement.decode(data)
    assert Announcement.decode(found.encode()) == found
    secret = found.open(GROUP, EXPORT_KEYS)
    if secret is not None and isinstance(found.notice, EpochNotice):
        return found.notice.epoch(GROUP, secret).mailbox(20_833)
    return secret


def announcements() -> Iterator[bytes]:
    notice = ChainNotice(bytes(16), FOUNDER, 0, CHAIN.signing.public, 3)
    yield Announcement.make(GROUP, notice, b"\7" * 32, EXPORT_KEYS[:1]).encode()
    epoch = Epoch(GROUP, bytes(32), ADMIN.public, (GROUP,), NOW)
    made = EpochNotice.of(epoch, FOUNDER, 0, SOURCE)
    yield Announcement.make(GROUP, made, bytes(32), EXPORT_KEYS).encode()


def spoken(data: bytes) -> object:
    """Said in a chain by its device, which seals and signs what it likes; or without its keys."""
    how, rest = chosen(data, 3)
    front, said = rest[:FRONT_SIZE], rest[FRONT_SIZE:]
    if how:
        number = int.from_bytes(front[-4:], "big") % 128
        front = Front(CHAIN.chain_id, FOUNDER, 0, number).encode()
        signature = CHAIN.signing.sign(signed_text(GROUP, CHAIN.chain_id, number, said)) if how == 2 else bytes(64)
        said = seal(_message_key(number), NONCE, signature + said, GROUP + front)
    reader = Reader(front + said)
    found, proof, after = CHAIN.following().open(GROUP, Front.read(reader), reader.rest(), NONCE)
    assert proof.holds(CHAIN.signing.public, GROUP, found)
    assert type(after).decode(after.encode()) == after
    return found


@cache
def _message_key(number: int) -> bytes:
    """One of 128, each of which takes as many steps to come by."""
    chain, key = Chain(ChainName(b"", b""), CHAIN.key, 0), b""
    for _ in range(number + 1):
        chain, key = chain.step()
    return key


def all_spoken() -> Iterator[bytes]:
    said = Said((GROUP,), b"content").encode()
    for number in (0, 5, 99, 120):
        yield b"\2" + Front(CHAIN.chain_id, FOUNDER, 0, number).encode() + said
    yield b"\1" + bytes(FRONT_SIZE) + said
    genuine, _, _ = CHAIN.speak(GROUP, Said((), b"hello"), NONCE)
    yield b"\0" + genuine


def records(data: bytes) -> object:
    """A list of records, signed by the devices that they name; then the log that they make is asked everything."""
    signs, rest = chosen(data, 2)
    if signs:
        rest = _signed(rest)
    found = decode_records(rest)
    log, other = GroupLog(GROUP), GroupLog(GROUP)
    log.add([FOUNDING, *found])
    other.add([*reversed(found), FOUNDING])
    assert (log.roster, log.heads) == (other.roster, other.heads), "the order of coming makes a difference"
    known = decode_records(pack(log).SerializeToString())
    assert [each.record_id for each in known] == [each.record_id for each in log]
    log.lost_since(log.heads), log.until_gone(OTHER), log.unknown_to(log.heads[:1]), log.missing
    return log.roster


def _signed(data: bytes) -> bytes:
    try:
        message = group_pb2.GroupRecords.FromString(data)
    except Exception:  # noqa: BLE001  (it is the parser's to refuse)
        return data
    for each in message.records[:6]:
        at = 34 + 32 * (each.statement[33] if len(each.statement) > 33 else 0)
        keys = KEYS.get(each.statement[at : at + 32])
        if keys is not None:
            each.signature = keys.signing.sign(LABEL + each.statement)
    return message.SerializeToString()


def lists() -> Iterator[bytes]:
    owner, guest = ((each.keys, each.manifest.certificate(0)) for each in DEVICES)
    made = [FOUNDING]

    def then(who, act: Act, argument: bytes = b"", parents: tuple[bytes, ...] = ()) -> None:
        made.append(
            Record.sign(who[0], who[1], GROUP, parents or (made[-1].record_id,), act, argument, NOW + len(made))
        )

    then(owner, Act.INVITE, OTHER)
    then(guest, Act.JOIN)
    then(owner, Act.PROMOTE, OTHER)
    then(guest, Act.RENAME, b"meadow")
    then(owner, Act.REMOVE, OTHER, (made[-2].record_id,))
    then(owner, Act.ADMIN_KEY, ADMIN.public.raw)
    for count in (2, 3, 5, 7):
        yield b"\1" + pack(made[1:count]).SerializeToString()
    yield b"\0" + pack(made).SerializeToString()


PARSERS = (
    Parser("group.frame", frame, (FrameRefusedError, MalformedError), frames, longest=512),
    Parser("group.announcement", announcement, (MalformedError, KeyRefusedError), announcements, longest=640),
    Parser("group.spoken", spoken, (SpokenRefusedError, MalformedError), all_spoken, longest=400),
    Parser("group.records", records, (MalformedError,), lists, longest=2_600),
)
