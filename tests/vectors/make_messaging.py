"""Writes messaging.json: linking, marks, configuration, generation, safety numbers, moving, backups; all secrets too.

python tests/vectors/make_messaging.py > tests/vectors/messaging.json

ML-KEM encapsulation and a backup's header are random: every run writes other bytes; what is committed is frozen (v1).
"""

import io
import json
import random

from essaim.messaging.v1 import backup_pb2, content_pb2
from essaim.protocol import authorship, backup
from essaim.protocol.account import Account
from essaim.protocol.backup import Lock
from essaim.protocol.blinding import outbox_key, public_inbox_key
from essaim.protocol.configuration import Configuration, deletion_mark, unsent_mark
from essaim.protocol.configuration_mailbox import ENTRY, ConfigurationMailbox
from essaim.protocol.device import DeviceKeys
from essaim.protocol.generation import GenerationMailbox
from essaim.protocol.linking import Approval, Newcomer, Request, Sponsor
from essaim.protocol.mailbox.policy import Policy
from essaim.protocol.manifest import first_manifest
from essaim.protocol.moving import Move
from essaim.protocol.safety import safety_code, safety_number

NOW = 1_800_000_000_000
SOURCE = random.Random(20261123).randbytes
ALICE, BOB = Account(bytes(range(32))), Account(bytes(range(32, 64)))


def linking() -> dict[str, str]:
    drawn: list[bytes] = []

    def noted(size: int) -> bytes:
        drawn.append(SOURCE(size))
        return drawn[-1]

    newcomer = Newcomer(noted)
    sponsor = Sponsor(newcomer.code, SOURCE)
    keys = DeviceKeys.create(0, 0, SOURCE)
    inbox, outbox = (
        Policy.public_inbox(public_inbox_key(ALICE.id.identity)),
        Policy.outbox(outbox_key(ALICE.id.identity)),
    )
    hello = newcomer.hello()
    offer = sponsor.offer(hello, ALICE.id)
    newcomer.offered(offer)
    request = newcomer.request(Request.of(keys, inbox, outbox, "kitchen"))
    sponsor.requested(request)
    manifest = first_manifest(ALICE, DeviceKeys.create(0, 1, SOURCE), NOW)
    approval = Approval(manifest, bytes(137), b"\1" * 137, b"", bytes(32), NOW, b"\2" * 32)
    return {
        "code": str(newcomer.code),
        "mailbox_id": newcomer.code.policy.mailbox_id.hex(),
        "password": newcomer.code.password.hex(),
        "newcomer_scalar_seed": drawn[1].hex(),
        "newcomer_kem_seed": drawn[2].hex(),
        "hello": hello.hex(),
        "offer": offer.hex(),
        "account": str(ALICE.id),
        "check": newcomer.check,
        "request": request.hex(),
        "approval": sponsor.approve(approval).hex(),
        "approval_content": approval.encode().hex(),
    }


def marks() -> dict[str, str]:
    text = content_pb2.Content(message_id=bytes(16), sent_ms=NOW, position=3, after=[b"\1" * 16])
    text.text.text = "hello"
    unmarked = text.SerializeToString()
    text.mark = authorship.mark(ALICE.authorship_key, BOB.id.raw, unmarked)
    return {
        "authorship_key": ALICE.authorship_key.hex(),
        "conversation": BOB.id.raw.hex(),
        "content_without_mark": unmarked.hex(),
        "content": text.SerializeToString().hex(),
        "deletion_mark": deletion_mark(BOB.id.raw, ALICE.id.raw, bytes(16)).hex(),
        "unsent_mark": unsent_mark(BOB.id.raw, ALICE.id.raw, bytes(16)).hex(),
    }


def configuration() -> dict[str, str]:
    one, other = Configuration(b"1" * 16), Configuration(b"2" * 16)
    one.add(b"contact/" + BOB.id.raw, 1)
    one.write(b"name/" + BOB.id.raw, b"Bob", NOW)
    other.merge(one)
    one.remove(b"contact/" + BOB.id.raw)
    other.add(b"contact/" + BOB.id.raw, 2)
    other.write(b"name/" + BOB.id.raw, b"Robert", 5)
    one.raise_to(b"read/" + BOB.id.raw, 7)
    one.delete(deletion_mark(BOB.id.raw, ALICE.id.raw, bytes(16)), NOW)
    states = {"one": one.encode().hex(), "other": other.encode().hex()}
    one.merge(other)
    mailbox = ConfigurationMailbox(bytes(range(32)))
    return states | {
        "merged": one.encode().hex(),
        "key": mailbox.key.hex(),
        "mailbox_id": mailbox.policy.mailbox_id.hex(),
        "write_seed": mailbox.signer.seed.hex(),
        "sealed": mailbox.seal(ENTRY, one.encode(), SOURCE).hex(),
    }


def generation() -> dict[str, str | int]:
    keys = DeviceKeys.create(0, 0, SOURCE)
    mailbox = GenerationMailbox.of(keys)
    return {
        "device_signing_seed": keys.signing.seed.hex(),
        "mailbox_id": mailbox.policy.mailbox_id.hex(),
        "number": 300,
        "sealed": mailbox.seal(300, SOURCE).hex(),
    }


def backups() -> dict[str, str]:
    beginning = backup_pb2.Beginning(account=ALICE.id.raw, created_ms=NOW)
    record, file = backup_pb2.BackupRecord(beginning=beginning).SerializeToString(), io.BytesIO()
    backup.write(file, [record], Lock.account(ALICE.backup_key), SOURCE)
    locked, passphrase = io.BytesIO(), "Grüße, \u212bngström"
    backup.write(locked, [record], Lock.passphrase(passphrase, 1, 8), SOURCE)
    account = {"backup_key": ALICE.backup_key.hex(), "file": file.getvalue().hex(), "record": record.hex()}
    return account | {"passphrase": passphrase, "file_of_passphrase": locked.getvalue().hex()}


def main() -> None:
    people = {"alice_seed": ALICE.seed.hex(), "bob_seed": BOB.seed.hex(), "alice": str(ALICE.id), "bob": str(BOB.id)}
    safety = {"number": safety_number(ALICE.id, BOB.id), "code_of_alice": safety_code(ALICE.id, BOB.id)}
    vectors = {
        "version": "v1",
        "people": people,
        "linking": linking(),
        "marks": marks(),
        "configuration": configuration(),
        "generation": generation(),
        "safety": safety,
        "moved": {"time_ms": NOW, "statement": Move.sign(ALICE, BOB, NOW).hex()},
        "backup": backups(),
    }
    print(json.dumps(vectors, indent=1))


if __name__ == "__main__":
    main()
