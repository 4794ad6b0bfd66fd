"""Writes export.json: sealed exports with all their secrets.

python tests/vectors/make_export.py > tests/vectors/export.json

ML-KEM encapsulation is random: of the export for devices every run writes other bytes, the one for a passphrase is
always the same. What is committed is frozen (v1).
"""

import base64
import io
import json
import random

from nacl.pwhash import argon2id

from essaim.messaging.v1 import export_pb2
from essaim.protocol.account import Account
from essaim.protocol.device import DeviceKeys
from essaim.protocol.export import (
    AccountLock,
    ExportedGroup,
    ExportLock,
    PassphraseLock,
    Range,
    Recipient,
    Sealing,
    Signer,
    Subject,
)
from essaim.protocol.manifest import first_manifest

NOW = 1_800_000_000_000
SOURCE = random.Random(20261123).randbytes
ALICE, BOB = Account(bytes(range(32))), Account(bytes(range(32, 64)))
MAKER, READER = DeviceKeys.create(0, 1, SOURCE), DeviceKeys.create(0, 1, SOURCE)
PASSPHRASE = "schönes Wetter"
GROUP = ExportedGroup(bytes(range(64, 96)), "climbing")


def messages() -> list[export_pb2.ExportedMessage]:
    first, second = bytes(16), bytes([1]) * 16
    photo = export_pb2.ExportedFile(name="pond.jpg", media_type="image/jpeg", size=70_000, width=640, height=480)
    return [
        export_pb2.ExportedMessage(
            author=ALICE.id.raw, message_id=first, position=1, sent_ms=NOW - 9_000, text="hello"
        ),
        export_pb2.ExportedMessage(
            author=BOB.id.raw,
            message_id=second,
            position=2,
            sent_ms=NOW - 5_000,
            text="look",
            edited=True,
            reply_to=first,
            reactions=[export_pb2.ExportedReaction(author=ALICE.id.raw, emoji="\N{HERB}")],
            files=[photo],
        ),
    ]


def export(lock: ExportLock, subject: Subject = BOB.id) -> str:
    file = io.BytesIO()
    signer = Signer(first_manifest(ALICE, MAKER, NOW).certificate(0), MAKER.signing)
    span = Range(NOW - 10_000, NOW)
    sealing = Sealing(file, lock, signer, subject, random.Random(7).randbytes, created_ms=NOW, span=span)
    for each in messages():
        sealing.add(each)
    sealing.end()
    return base64.b64encode(file.getvalue()).decode()


def main() -> None:
    cheap = PassphraseLock(PASSPHRASE, argon2id.OPSLIMIT_MIN, argon2id.MEMLIMIT_MIN >> 10)
    reader = AccountLock((Recipient(READER.agreement.public, READER.kem.public),))
    vectors = {
        "version": "v1",
        "maker": str(ALICE.id),
        "maker_signing_seed": MAKER.signing.seed.hex(),
        "maker_certificate": first_manifest(ALICE, MAKER, NOW).certificate(0).encode().hex(),
        "conversation": str(BOB.id),
        "created_ms": NOW,
        "from_ms": NOW - 10_000,
        "until_ms": NOW,
        "messages": [each.SerializeToString().hex() for each in messages()],
        "passphrase": {"passphrase": PASSPHRASE, "random_seed": 7, "file": export(cheap)},
        "device": {
            "agreement_key": READER.agreement.raw.hex(),
            "kem_seed": READER.kem.seed.hex(),
            "file": export(reader),
        },
        "group": {"group_id": GROUP.group_id.hex(), "name": GROUP.name, "file": export(cheap, GROUP)},
    }
    print(json.dumps(vectors, indent=1, ensure_ascii=False))


if __name__ == "__main__":
    main()
