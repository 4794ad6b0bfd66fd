"""Frozen sealed exports: they open, and mean the same, for ever."""

import base64
import io
import json
import random
from pathlib import Path

import pytest
from nacl.pwhash import argon2id

from essaim.messaging.v1 import export_pb2
from essaim.protocol.account import AccountId
from essaim.protocol.export import (
    DeviceKey,
    ExportedGroup,
    ExportRefusedError,
    PassphraseLock,
    Range,
    Reading,
    Sealing,
    Signer,
)
from essaim.protocol.keys import AgreementKey, KemKey, SigningKey
from essaim.protocol.manifest import Certificate

VECTORS = json.loads((Path(__file__).parent / "export.json").read_text())


def keys():
    device = VECTORS["device"]
    return {
        "passphrase": PassphraseLock(VECTORS["passphrase"]["passphrase"]),
        "device": DeviceKey(
            AgreementKey(bytes.fromhex(device["agreement_key"])), KemKey(bytes.fromhex(device["kem_seed"]))
        ),
    }


@pytest.mark.parametrize("kind", ["passphrase", "device"])
def test_export_is_read_as_it_was(kind):
    file = base64.b64decode(VECTORS[kind]["file"])
    reading = Reading(io.BytesIO(file), keys()[kind])
    assert (str(reading.exporter), str(reading.conversation)) == (VECTORS["maker"], VECTORS["conversation"])
    assert reading.certificate.encode().hex() == VECTORS["maker_certificate"]
    assert (reading.created_ms, reading.span.from_ms, reading.span.until_ms) == tuple(
        VECTORS[name] for name in ("created_ms", "from_ms", "until_ms")
    )
    assert [each.SerializeToString().hex() for each in reading.messages()] == VECTORS["messages"]
    with pytest.raises(ExportRefusedError):
        Reading(io.BytesIO(file), keys()["device" if kind == "passphrase" else "passphrase"])


def test_export_for_a_passphrase_is_made_as_it_was():
    key = SigningKey(bytes.fromhex(VECTORS["maker_signing_seed"]))
    signer = Signer(Certificate.decode(bytes.fromhex(VECTORS["maker_certificate"])), key)
    lock = PassphraseLock(VECTORS["passphrase"]["passphrase"], argon2id.OPSLIMIT_MIN, argon2id.MEMLIMIT_MIN >> 10)
    draw = random.Random(VECTORS["passphrase"]["random_seed"]).randbytes
    span = Range(VECTORS["from_ms"], VECTORS["until_ms"])
    file, conversation = io.BytesIO(), AccountId.parse(VECTORS["conversation"])
    sealing = Sealing(file, lock, signer, conversation, draw, created_ms=VECTORS["created_ms"], span=span)
    for each in VECTORS["messages"]:
        sealing.add(export_pb2.ExportedMessage.FromString(bytes.fromhex(each)))
    sealing.end()
    assert file.getvalue() == base64.b64decode(VECTORS["passphrase"]["file"])


def test_export_of_a_group_is_read_as_it_was():
    file, group = base64.b64decode(VECTORS["group"]["file"]), VECTORS["group"]
    reading = Reading(io.BytesIO(file), keys()["passphrase"])
    assert reading.conversation == ExportedGroup(bytes.fromhex(group["group_id"]), group["name"])
    assert [each.SerializeToString().hex() for each in reading.messages()] == VECTORS["messages"]
