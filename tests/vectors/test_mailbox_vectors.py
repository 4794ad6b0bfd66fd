"""Mailboxes against frozen examples (v1), which make_mailbox.py wrote from the document alone."""

import json
from pathlib import Path

import pytest

from essaim.protocol.keys import SigningKey
from essaim.protocol.mailbox import puzzle
from essaim.protocol.mailbox.authorization import Act, Authorization, Method
from essaim.protocol.mailbox.cursor import Cursor
from essaim.protocol.mailbox.envelope import envelope_id, have_prefix
from essaim.protocol.mailbox.payload import (
    prekeys_hash,
    read_hash,
    registration_hash,
    removal_hash,
    slot_hash,
    sweep_hash,
)
from essaim.protocol.mailbox.policy import Policy
from essaim.protocol.mailbox.receipt import Outcome, Receipt, sign_batch
from essaim.protocol.mailbox.record import EnvelopeRecord, Tombstone
from essaim.protocol.mailbox.slot_record import SlotRecord
from essaim.protocol.push.registration import Registration
from essaim_storage.holding import proof_of
from essaim_storage.message import Challenge
from essaim_storage.record import record_id

VECTORS = json.loads((Path(__file__).parent / "mailbox.json").read_text())
OWNER, WRITER, DEVICE = (
    SigningKey(bytes.fromhex(VECTORS["keys"][f"{each}_seed"])) for each in ("owner", "writer", "device")
)
POLICIES = {
    "public_inbox": Policy.public_inbox(OWNER.public),
    "outbox": Policy.outbox(WRITER.public),
    "private_inbox": Policy.private_inbox(OWNER.public, WRITER.public),
    "group": Policy.group(OWNER.public, WRITER.public, DEVICE.public),
    "blob": Policy.blob(DEVICE.public, b"\xe1" * 10240),
}


@pytest.mark.parametrize("name", POLICIES)
def test_policy_matches(name: str) -> None:
    vector = VECTORS["policies"][name]
    assert POLICIES[name].encoded.hex() == vector["policy"]
    assert POLICIES[name].mailbox_id.hex() == vector["mailbox_id"]
    assert Policy.parse(bytes.fromhex(vector["policy"])) == POLICIES[name]


@pytest.mark.parametrize("vector", VECTORS["envelopes"], ids=lambda each: f"{each['mailbox']}-{each['size']}")
def test_envelope_id_matches(vector: dict) -> None:
    data = bytes([vector["fill"]]) * vector["size"]
    slot = bytes.fromhex(vector["slot"])
    mailbox_id = POLICIES[vector["mailbox"]].mailbox_id
    assert envelope_id(mailbox_id, slot, vector["expires_ms"], data, vector["version"]).hex() == vector["envelope_id"]


@pytest.mark.parametrize("vector", VECTORS["slot_records"], ids=lambda each: each["mailbox"])
def test_slot_record_matches(vector: dict) -> None:
    policy = POLICIES[vector["mailbox"]]
    owner = OWNER if policy.owner == OWNER.public else WRITER
    key = None if vector.get("dropped") else DEVICE.public
    record = SlotRecord.sign(owner, policy.mailbox_id, vector["slot"], key, vector["version"])
    assert record.encoded.hex() == vector["encoded"]
    SlotRecord.parse(record.encoded).check(policy)


@pytest.mark.parametrize("vector", VECTORS["authorizations"], ids=lambda each: f"{each['mailbox']}-{each['method']}")
def test_authorization_matches(vector: dict) -> None:
    raw = {key: bytes.fromhex(vector[key]) for key in ("slot", "payload_hash", "nonce", "slot_record", "signature")}
    policy = POLICIES[vector["mailbox"]]
    act = Act(
        policy, Method(vector["method"]), raw["slot"], raw["payload_hash"], vector["expires_ms"], vector["version"]
    )
    signer = next(key for key in (OWNER, WRITER, DEVICE) if key.public == _signer_of(act, raw["slot_record"]))
    made = act.authorize(signer, vector["time_ms"], raw["nonce"], raw["slot_record"])
    assert made == Authorization(vector["time_ms"], raw["nonce"], raw["signature"], raw["slot_record"])
    act.check(made)


def _signer_of(act: Act, slot_record: bytes):
    if slot_record:
        return DEVICE.public
    if act.method == Method.STORE:
        return act.policy.delete_key if act.version and act.policy.delete_key else act.policy.write_key
    return act.policy.read_key if act.method == Method.RETRIEVE else act.policy.owner


def test_payload_hashes_match() -> None:
    vector = VECTORS["payloads"]
    ids = [bytes.fromhex(each) for each in vector["ids"]]
    of = vector["prekeys_of"]
    prekeys = [bytes.fromhex(each) for each in of["prekeys"]]
    assert read_hash(b"\0").hex() == vector["read_slot_0"]
    assert read_hash(b"").hex() == vector["read_all"]
    assert removal_hash(b"\0", ids).hex() == vector["confirm_slot_0"]
    assert removal_hash(b"", ids).hex() == vector["delete"]
    assert sweep_hash(VECTORS["authorizations"][0]["time_ms"] - 1).hex() == vector["delete_before"]
    dropped = next(each["encoded"] for each in VECTORS["slot_records"] if each.get("dropped"))
    assert slot_hash(bytes.fromhex(dropped)).hex() == vector["drop_slot"]
    hashed = prekeys_hash(bytes.fromhex(of["slot"]), bytes.fromhex(of["node_id"]), of["version"], prekeys)
    assert hashed.hex() == vector["prekeys"]


def test_registration_matches() -> None:
    vector = VECTORS["payloads"]
    of = vector["registration_of"]
    registration = bytes.fromhex(of["registration"])
    assert registration_hash(bytes.fromhex(of["slot"]), of["day"], registration).hex() == vector["register_push"]
    assert Registration.parse(registration).encoded == registration


def test_cursor_matches() -> None:
    cursor = Cursor.parse(bytes.fromhex(VECTORS["cursor"]["encoded"]))
    found = [
        {"replica": p.replica.hex(), "incarnation": p.incarnation.hex(), "number": p.number} for p in cursor.positions
    ]
    assert found == VECTORS["cursor"]["positions"]
    assert cursor.encoded.hex() == VECTORS["cursor"]["encoded"]


def test_receipt_matches() -> None:
    vector = VECTORS["receipt"]
    node_id, signature = bytes.fromhex(vector["node_id"]), bytes.fromhex(vector["signature"])
    leaves = []
    for index, each in enumerate(vector["records"]):
        path = tuple(bytes.fromhex(beside) for beside in each["path"])
        leaves.append((bytes.fromhex(each["record_id"]), Outcome(each["outcome"])))
        receipt = Receipt(node_id, vector["time_ms"], signature, leaves[-1][1], vector["count"], index, path)
        assert receipt.proves(leaves[-1][0])
    made = sign_batch(SigningKey(bytes([7]) * 32).sign, node_id, vector["time_ms"], leaves)
    assert made.signature == signature


def test_proofs_of_holding_match() -> None:
    vector, sweep = VECTORS["holding"], next(e for e in VECTORS["authorizations"] if e["method"] == "DeleteAll")
    raw = {name: bytes.fromhex(value) for name, value in vector.items()}
    policy, first = POLICIES["public_inbox"], VECTORS["envelopes"][0]
    signed = Authorization(sweep["time_ms"], bytes.fromhex(sweep["nonce"]), bytes.fromhex(sweep["signature"]), b"")
    tombstone = Tombstone(policy, Method.DELETE_ALL, b"", (), signed)
    envelope = EnvelopeRecord(
        policy,
        bytes.fromhex(first["envelope_id"]),
        bytes.fromhex(first["slot"]),
        first["expires_ms"],
        bytes([first["fill"]]) * first["size"],
    )
    challenge = Challenge(1, raw["nonce"], ())
    made = [proof_of(challenge, raw["tester"], raw["tested"], each) for each in (envelope, tombstone)]
    assert made == [raw["envelope_proof"], raw["tombstone_proof"]]
    assert record_id(tombstone) == raw["tombstone_id"]


def test_have_prefix_matches() -> None:
    vector = VECTORS["have"]
    assert have_prefix(bytes.fromhex(vector["salt"]), bytes.fromhex(vector["envelope_id"])).hex() == vector["prefix"]


@pytest.mark.parametrize("vector", VECTORS["puzzles"], ids=lambda each: each["mailbox"])
def test_puzzle_matches(vector: dict) -> None:
    now = VECTORS["authorizations"][0]["time_ms"]
    mailbox_id, subject = POLICIES[vector["mailbox"]].mailbox_id, bytes.fromhex(vector["subject"])
    assert puzzle.solve(mailbox_id, subject, vector["bits"], now).hex() == vector["solution"]
    puzzle.check(mailbox_id, subject, bytes.fromhex(vector["solution"]), vector["bits"], now)


def test_puzzle_subjects_match() -> None:
    ids = [bytes.fromhex(each) for each in VECTORS["payloads"]["ids"]]
    assert puzzle.store_subject(ids).hex() == VECTORS["puzzles"][0]["subject"]
    assert puzzle.claim_subject(bytes([9]) * 32, b"\x22" * 16).hex() == VECTORS["puzzles"][1]["subject"]
