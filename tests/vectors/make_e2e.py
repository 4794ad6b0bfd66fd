"""Writes e2e.json: one conversation with every private key, for clients in other languages to open.

python tests/vectors/make_e2e.py > tests/vectors/e2e.json

ML-KEM encapsulation and AEAD nonces are random, so every run writes other bytes; what is committed is frozen (v1).
`open_e2e.py` opens it without `essaim`.
"""

import json
import random

from essaim.protocol import blinding, outbox
from essaim.protocol.account import Account
from essaim.protocol.conversation import Device, Peer
from essaim.protocol.phrase import seed_of, words_of
from essaim.protocol.prekeys import Bundle

NOW = 1_800_000_000_000
NODE = bytes([7]) * 32
SOURCE = random.Random(20261123).randbytes


def person(number: int) -> tuple[dict[str, object], Device]:
    entropy = bytes([number]) * 32
    account = Account(seed_of(entropy))
    device = Device.create(account, 0, NOW, SOURCE)
    keys, prekeys = device.keys, device._prekeys.signed[0]
    return {
        "words": words_of(entropy),
        "id": str(account.id),
        "identity_seed": account.identity.seed.hex(),
        "identity": account.id.raw.hex(),
        "agreement_private": account.agreement.raw.hex(),
        "mailbox_secret": account.mailbox_secret.hex(),
        "backup_key": account.backup_key.hex(),
        "public_inbox_key": blinding.public_inbox_key(account.id.identity).raw.hex(),
        "outbox_key": blinding.outbox_key(account.id.identity).raw.hex(),
        "outbox_signature_of_hello": blinding.outbox_signer(account.identity).sign(b"hello").hex(),
        "private_inbox": {
            "secret": (bytes([9]) * 32).hex(),
            "day": 20833,
            "read_key": blinding.private_inbox_key(account.id.identity, bytes([9]) * 32, 20833).raw.hex(),
            "write_seed": blinding.private_inbox_writer(bytes([9]) * 32, 20833).seed.hex(),
        },
        "device": {
            "id": keys.device_id.hex(),
            "signing_seed": keys.signing.seed.hex(),
            "agreement_private": keys.agreement.raw.hex(),
            "kem_seed": keys.kem.seed.hex(),
            "slot_seed_in_mailbox_of_zeros": keys.slot_signer(bytes(32)).seed.hex(),
        },
        "signed_prekey_private": prekeys.agreement.raw.hex(),
        "signed_kem_prekey_seed": prekeys.kem.seed.hex(),
        "manifest_hash": device.manifest.hash.hex(),
        "manifest_entry": device.manifest_entry(SOURCE).hex(),
        "prekeys_entry": device.prekeys_entry(SOURCE).hex(),
    }, device


def main() -> None:
    (alice, sender), (bob, receiver) = person(1), person(2)
    sealed = receiver.new_one_time_batch(NODE, 1, NOW, SOURCE)[0]
    bundle = Bundle.assemble(
        receiver.account_id,
        0,
        bytes.fromhex(str(bob["manifest_entry"])),
        bytes.fromhex(str(bob["prekeys_entry"])),
        one_time=sealed,
        node_id=NODE,
    )
    (one_time,) = receiver._prekeys.one_time.values()
    bob |= {"node_id": NODE.hex(), "one_time_sealed": sealed.hex(), "one_time_private": one_time.agreement.raw.hex()}
    records = {key: value for key, value in receiver.take_changes().items() if value is not None}
    sender.start(bundle, NOW, SOURCE)
    to_bob, to_alice = Peer(receiver.account_id, 0), Peer(sender.account_id, 0)
    story = []
    for writer, peer, reader, text in (
        (sender, to_bob, receiver, "first"),
        (sender, to_bob, receiver, "second, before the answer"),
        (receiver, to_alice, sender, "the answer"),
        (sender, to_bob, receiver, "settled"),
    ):
        envelope = writer.seal(peer, text.encode(), NOW, SOURCE)
        reader.open(envelope, NOW, SOURCE)
        story.append({"to": "bob" if reader is receiver else "alice", "text": text, "envelope": envelope.hex()})
    names = {"manifest": outbox.MANIFEST.hex(), "prekeys": outbox.prekeys_name(0).hex()}
    receiver_records = {key.hex(): value.hex() for key, value in records.items()}
    vectors = {"version": "v1", "entries": names, "alice": alice, "bob": bob, "story": story}
    print(json.dumps(vectors | {"bob_records": receiver_records}, indent=1))


if __name__ == "__main__":
    main()
