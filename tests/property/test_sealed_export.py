"""Sealed exports: whatever was put in comes out for whom it is for, and nothing else ever does."""

import io
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nacl.pwhash import argon2id

from essaim.messaging.v1 import export_pb2
from essaim.protocol import backup
from essaim.protocol.account import Account
from essaim.protocol.backup import BackupRefusedError
from essaim.protocol.device import SLOTS, DeviceKeys
from essaim.protocol.export import (
    AccountLock,
    DeviceKey,
    ExportedGroup,
    ExportRefusedError,
    PassphraseLock,
    Range,
    Reading,
    Recipient,
    Sealing,
    Signer,
)
from essaim.protocol.export.chunk import HEADER_SIZE, ROOM, SEALED_SIZE
from essaim.protocol.export.lock import MAGIC, STANZA_SIZE
from essaim.protocol.manifest import first_manifest
from essaim.testing.effort import EFFORT

NOW = 1_800_000_000_000
SOURCE = random.Random(5).randbytes
ALICE, BOB, CAROL = (Account(SOURCE(32)) for _ in range(3))
DEVICES = {account: DeviceKeys.create(0, 1, SOURCE) for account in (ALICE, BOB, CAROL)}
CERTIFICATES = {account: first_manifest(account, keys, NOW).certificate(0) for account, keys in DEVICES.items()}
CHEAP = argon2id.OPSLIMIT_MIN, argon2id.MEMLIMIT_MIN >> 10


def to(*accounts: Account) -> AccountLock:
    keys = [DEVICES[account] for account in accounts]
    return AccountLock(tuple(Recipient(each.agreement.public, each.kem.public) for each in keys))


def key_of(account: Account) -> DeviceKey:
    return DeviceKey.of(DEVICES[account])


def message(position: int, text: str, author: Account = ALICE) -> export_pb2.ExportedMessage:
    name = position.to_bytes(16, "big")
    return export_pb2.ExportedMessage(author=author.id.raw, message_id=name, position=position, sent_ms=NOW, text=text)


def sealed(messages, lock, signer=ALICE, key=None, span=None, seed=1, subject=BOB.id) -> bytes:
    file, who = io.BytesIO(), Signer(CERTIFICATES[signer], key or DEVICES[signer].signing)
    draw = random.Random(seed).randbytes
    sealing = Sealing(file, lock, who, subject, draw, created_ms=NOW, span=span)
    for each in messages:
        sealing.add(each)
    assert sealing.end() == len(messages)
    return file.getvalue()


def opened(data: bytes, key) -> list[export_pb2.ExportedMessage]:
    reading = Reading(io.BytesIO(data), key)
    assert reading.exporter == ALICE.id and reading.conversation == BOB.id
    return list(reading.messages())


SEVERAL = [message(number, "x" * 20_000, ALICE if number % 2 else BOB) for number in range(1, 9)]  # three chunks
FOR_CAROL = sealed(SEVERAL, to(CAROL))
FRONT = len(MAGIC) + 1 + SLOTS * STANZA_SIZE


@settings(max_examples=20 * EFFORT)
@given(st.lists(st.text(max_size=300) | st.integers(0, 200_000).map("y".__mul__), max_size=6), st.booleans())
def test_export_gives_back_what_was_put_in(texts, locked):
    lock = PassphraseLock("café", *CHEAP) if locked else to(CAROL, BOB)
    key = PassphraseLock("cafe\N{COMBINING ACUTE ACCENT}") if locked else key_of(BOB)
    messages = [message(place, text) for place, text in enumerate(texts)]
    assert opened(sealed(messages, lock), key) == messages


@settings(max_examples=150 * EFFORT)
@given(st.data())
def test_altered_export_malformed_anywhere_is_refused(data):
    at = data.draw(st.integers(0, len(FOR_CAROL) - 1))
    flip = data.draw(st.integers(1, 255))
    altered = FOR_CAROL[:at] + bytes((FOR_CAROL[at] ^ flip,)) + FOR_CAROL[at + 1 :]
    with pytest.raises(ExportRefusedError):
        opened(altered, key_of(CAROL))


@settings(max_examples=80 * EFFORT)
@given(st.integers(0, len(FOR_CAROL) - 1))
def test_export_malformed_by_truncation_is_refused(size):
    with pytest.raises(ExportRefusedError):
        opened(FOR_CAROL[:size], key_of(CAROL))


@settings(max_examples=30 * EFFORT)
@given(st.binary(max_size=300), st.sampled_from([0, len(MAGIC), FRONT, FRONT + HEADER_SIZE]))
def test_export_malformed_by_other_bytes_behind_a_true_beginning_is_refused(noise, kept):
    with pytest.raises(ExportRefusedError):
        opened(FOR_CAROL[:kept] + noise, key_of(CAROL))


def test_chunks_that_were_reordered_left_out_or_repeated_are_refused():
    front, chunks = FOR_CAROL[: FRONT + HEADER_SIZE], FOR_CAROL[FRONT + HEADER_SIZE :]
    one, two, three = (chunks[at : at + SEALED_SIZE] for at in range(0, len(chunks), SEALED_SIZE))
    for order in ((two, one, three), (one, three), (one, two), (one, one, two, three), (one, two, three, b"x")):
        with pytest.raises(ExportRefusedError):
            opened(front + b"".join(order), key_of(CAROL))
    assert opened(front + one + two + three, key_of(CAROL)) == SEVERAL


def test_export_opens_for_each_device_of_the_account_and_for_nobody_else():
    data = sealed(SEVERAL, to(BOB, CAROL))
    assert opened(data, key_of(BOB)) == opened(data, key_of(CAROL)) == SEVERAL
    for key in (key_of(ALICE), PassphraseLock("a guess", *CHEAP)):
        with pytest.raises(ExportRefusedError, match=r"closed for the devices|not for this device"):
            opened(data, key)
    assert len(sealed([], to(BOB))) == len(sealed([], to(BOB, CAROL)))  # does not tell how many


def test_wrong_passphrase_and_a_cost_that_nobody_needs_are_refused():
    data = sealed(SEVERAL, PassphraseLock("right", *CHEAP))
    with pytest.raises(ExportRefusedError, match="the passphrase or key is another"):
        opened(data, PassphraseLock("wrong"))
    with pytest.raises(ExportRefusedError, match="the export is closed with a passphrase"):
        opened(data, key_of(CAROL))
    cost = len(MAGIC) + 1 + argon2id.SALTBYTES
    greedy = data[:cost] + (11).to_bytes(4, "big") + data[cost + 4 :]
    with pytest.raises(ExportRefusedError, match="more work"):
        opened(greedy, PassphraseLock("right"))


@pytest.mark.parametrize(
    ("messages", "span"),
    [
        ([message(2, "b"), message(1, "a")], None),
        ([message(1, "a"), message(1, "a")], None),
        ([message(1, "a", CAROL)], None),
        ([message(1, "a")], Range(NOW + 1)),
        ([message(1, "a")], Range(0, NOW)),
        ([export_pb2.ExportedMessage(author=ALICE.id.raw, message_id=b"short", sent_ms=NOW)], None),
        ([export_pb2.ExportedMessage(author=ALICE.id.raw, message_id=bytes(16), sent_ms=1 << 63)], None),
    ],
)
def test_maker_cannot_say_what_no_conversation_holds(messages, span):
    with pytest.raises(ExportRefusedError, match="the export"):
        opened(sealed(messages, to(CAROL), span=span), key_of(CAROL))


def test_another_key_cannot_sign_under_the_account_s_name():
    with pytest.raises(ExportRefusedError, match="not signed by whom it names"):
        opened(sealed(SEVERAL, to(CAROL), key=DEVICES[CAROL].signing), key_of(CAROL))


def test_who_opens_an_export_cannot_pass_it_on_under_the_maker_s_signature():
    reading = Reading(io.BytesIO(FOR_CAROL), key_of(CAROL))
    again = sealed(list(reading.messages()), to(BOB), key=Stolen(FOR_CAROL))
    with pytest.raises(ExportRefusedError, match="not signed by whom it names"):
        opened(again, key_of(BOB))


class Stolen:
    """Signs with the signature that another export has."""

    def __init__(self, data: bytes) -> None:
        reading = Reading(io.BytesIO(data), key_of(CAROL))
        seen = []
        record = reading._record

        def noted():
            seen.append(record())
            return seen[-1]

        reading._record = noted
        list(reading.messages())
        self.signature = seen[-1].closing.signature

    def sign(self, content: bytes) -> bytes:
        return self.signature


def test_backup_and_export_refuse_each_other_in_one_sentence():
    file = io.BytesIO()
    backup.write(file, [b"record"], backup.Lock.passphrase("same", *CHEAP), SOURCE)
    with pytest.raises(ExportRefusedError, match=r"^this is the backup of an account"):
        opened(file.getvalue(), PassphraseLock("same"))
    export = sealed(SEVERAL, PassphraseLock("same", *CHEAP))
    with pytest.raises(BackupRefusedError, match=r"^this is the sealed export of a conversation"):
        list(backup.read(io.BytesIO(export), backup.Lock.passphrase("same")))
    disguised = backup.MAGIC + export[len(MAGIC) :]
    with pytest.raises(BackupRefusedError):
        list(backup.read(io.BytesIO(disguised), backup.Lock.passphrase("same")))
    disguised = MAGIC + file.getvalue()[len(MAGIC) :]
    with pytest.raises(ExportRefusedError):
        opened(disguised, PassphraseLock("same"))


def test_file_tells_no_length_of_a_text():
    sizes = {len(sealed([message(1, "x" * size)], to(CAROL))) for size in (0, 1, 1_000, 60_000)}
    assert sizes == {FRONT + HEADER_SIZE + SEALED_SIZE}
    assert len(sealed([message(1, "x" * ROOM)], to(CAROL))) == FRONT + HEADER_SIZE + 2 * SEALED_SIZE


GROUP = ExportedGroup(bytes(range(32)), "climbing")


def test_export_of_a_group_holds_what_anybody_said_there():
    everybody = [message(number, "x", author) for number, author in enumerate((ALICE, BOB, CAROL), 1)]
    reading = Reading(io.BytesIO(sealed(everybody, to(CAROL), subject=GROUP)), key_of(CAROL))
    assert reading.conversation == GROUP and list(reading.messages()) == everybody


@pytest.mark.parametrize(
    "subject",
    [ExportedGroup(bytes(31), "short"), ExportedGroup(bytes(32), ""), ExportedGroup(bytes(32), "é" * 101)],
)
def test_group_that_is_none_is_refused(subject):
    with pytest.raises(ExportRefusedError, match="does not say"):
        Reading(io.BytesIO(sealed([], to(CAROL), subject=subject)), key_of(CAROL))


def test_author_of_no_account_is_refused_in_a_group():
    nobody = export_pb2.ExportedMessage(author=bytes(32), message_id=bytes(16), position=1, sent_ms=NOW, text="x")
    with pytest.raises(ExportRefusedError, match="the export"):
        list(Reading(io.BytesIO(sealed([nobody], to(CAROL), subject=GROUP)), key_of(CAROL)).messages())
