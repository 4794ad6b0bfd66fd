"""Frozen examples of what devices say to each other: bytes that were made once open, and mean the same, for ever."""

import io
import json
import unicodedata
from pathlib import Path

import pytest

from essaim.messaging.v1 import content_pb2
from essaim.protocol import authorship, backup
from essaim.protocol.account import Account, AccountId
from essaim.protocol.backup import Lock
from essaim.protocol.configuration import Configuration, deletion_mark, unsent_mark
from essaim.protocol.configuration_mailbox import ENTRY, ConfigurationMailbox
from essaim.protocol.generation import GenerationMailbox
from essaim.protocol.kdf import hkdf
from essaim.protocol.keys import SigningKey
from essaim.protocol.linking import Newcomer
from essaim.protocol.moving import Move
from essaim.protocol.safety import check_safety, safety_code, safety_number

VECTORS = json.loads((Path(__file__).parent / "messaging.json").read_text())
ALICE, BOB = (Account(bytes.fromhex(VECTORS["people"][name])) for name in ("alice_seed", "bob_seed"))


def raw(part: str, name: str) -> bytes:
    return bytes.fromhex(VECTORS[part][name])


def test_linking_is_what_it_was():
    wanted = VECTORS["linking"]
    code = wanted["code"].replace("-", "")
    alphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
    draws = [
        bytes(map(alphabet.index, code)),
        raw("linking", "newcomer_scalar_seed"),
        raw("linking", "newcomer_kem_seed"),
    ]
    newcomer = Newcomer(lambda size: draws.pop(0))
    assert str(newcomer.code) == wanted["code"]
    assert newcomer.code.policy.mailbox_id.hex() == wanted["mailbox_id"]
    assert newcomer.code.password.hex() == wanted["password"]
    assert newcomer.hello().hex() == wanted["hello"]
    assert newcomer.offered(raw("linking", "offer")) == AccountId.parse(wanted["account"])
    assert newcomer.check == wanted["check"]
    assert newcomer.approved(raw("linking", "approval")).encode().hex() == wanted["approval_content"]


def test_marks_are_what_they_were():
    content, conversation = raw("marks", "content"), raw("marks", "conversation")
    mark = content_pb2.Content.FromString(content).mark
    assert content == raw("marks", "content_without_mark") + b"\x9a\x01\x10" + mark
    assert authorship.is_own(ALICE.authorship_key, conversation, content[:-19], mark)
    assert not authorship.is_own(BOB.authorship_key, conversation, content[:-19], mark)
    assert ALICE.authorship_key == raw("marks", "authorship_key")
    assert deletion_mark(conversation, ALICE.id.raw, bytes(16)) == raw("marks", "deletion_mark")
    assert unsent_mark(conversation, ALICE.id.raw, bytes(16)) == raw("marks", "unsent_mark")


@pytest.mark.parametrize("order", [("one", "other"), ("other", "one", "one")])
def test_configuration_merges_to_what_it_did(order):
    state = Configuration(bytes(16))
    for name in order:
        state.merge(Configuration.decode(raw("configuration", name), bytes(16)))
    assert state.encode() == raw("configuration", "merged")
    assert state.contains(b"contact/" + BOB.id.raw) and state.value(b"name/" + BOB.id.raw) == b"Robert"
    mailbox = ConfigurationMailbox(raw("configuration", "key"))
    assert mailbox.policy.mailbox_id == raw("configuration", "mailbox_id")
    assert mailbox.signer.seed == raw("configuration", "write_seed")
    assert mailbox.open(ENTRY, raw("configuration", "sealed")) == raw("configuration", "merged")


def test_generation_is_what_it_was():
    signing = SigningKey(raw("generation", "device_signing_seed"))
    mailbox = GenerationMailbox(hkdf(signing.seed, salt=b"essaim/device/v1", info=b"generation", length=32))
    assert mailbox.policy.mailbox_id == raw("generation", "mailbox_id")
    assert mailbox.open(raw("generation", "sealed")) == VECTORS["generation"]["number"]


def test_safety_numbers_are_what_they_were():
    assert safety_number(BOB.id, ALICE.id) == VECTORS["safety"]["number"]
    assert safety_code(ALICE.id, BOB.id) == VECTORS["safety"]["code_of_alice"]
    check_safety(BOB.id, ALICE.id, VECTORS["safety"]["code_of_alice"])


def test_move_and_backup_are_what_they_were():
    move = Move.check(raw("moved", "statement"))
    assert (move.before, move.after, move.time_ms) == (ALICE.id, BOB.id, VECTORS["moved"]["time_ms"])
    assert Move.sign(ALICE, BOB, move.time_ms) == raw("moved", "statement")
    file = io.BytesIO(raw("backup", "file"))
    assert list(backup.read(file, Lock.account(raw("backup", "backup_key")))) == [raw("backup", "record")]


@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_backup_for_a_passphrase_opens_however_its_letters_are_composed(form):
    passphrase = unicodedata.normalize(form, VECTORS["backup"]["passphrase"])
    file = io.BytesIO(raw("backup", "file_of_passphrase"))
    assert list(backup.read(file, Lock.passphrase(passphrase))) == [raw("backup", "record")]
