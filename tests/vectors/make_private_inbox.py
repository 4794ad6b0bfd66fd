"""Writes private_inbox.json: one capability, the mailbox that it names on one day, and slot records signed ahead.

`python tests/vectors/make_private_inbox.py` makes the same file again; a difference is a change of the protocol.
"""

import json
from pathlib import Path

from essaim.messaging.v1 import content_pb2
from essaim.protocol.account import Account
from essaim.protocol.keys import SigningKey
from essaim.protocol.private_inbox import Block, Capability, base_key, block_of

FILE = Path(__file__).with_name("private_inbox.json")
SEED, SECRET, DEVICE = bytes([1]) * 32, bytes([9]) * 32, SigningKey(bytes([5]) * 32)
MADE_MS, UNTIL_DAY, DAY, SLOT, VERSION = 1_800_000_000_000, 20_927, 20_840, 2, 1_800_000_000_001


def vectors() -> dict[str, object]:
    account = Account(SEED)
    capability = Capability.make(account, SECRET, MADE_MS, UNTIL_DAY).extended(MADE_MS + 5, UNTIL_DAY + 32)
    block = Block.sign(account, capability, block_of(DAY), SLOT, DEVICE.public, VERSION)
    gift = content_pb2.PrivateInbox(capability=capability.encode())
    return {
        "version": 1,
        "account_seed": SEED.hex(),
        "secret": SECRET.hex(),
        "base_seed": base_key(account, SECRET).seed.hex(),
        "capability": capability.encode().hex(),
        "name": capability.name.hex(),
        "day": DAY,
        "policy": capability.policy(DAY).encoded.hex(),
        "mailbox_id": capability.policy(DAY).mailbox_id.hex(),
        "write_seed": capability.writer(DAY).seed.hex(),
        "device_signing_seed": DEVICE.seed.hex(),
        "slot": SLOT,
        "slot_key": capability.slot_key(DEVICE.public, DAY).raw.hex(),
        "slot_record": block.record(capability, DAY, SLOT, DEVICE.public).hex(),
        "slot_signature_of_hello": capability.slot_signer(DEVICE, DAY).sign(b"hello").hex(),
        "block_number": block_of(DAY),
        "block": block.encode().hex(),
        "content": content_pb2.Content(message_id=bytes(16), private_inbox=gift).SerializeToString().hex(),
        "reads": content_pb2.Content(reads=capability.name[:8]).SerializeToString().hex(),
    }


if __name__ == "__main__":
    FILE.write_text(json.dumps(vectors(), indent=1) + "\n")
