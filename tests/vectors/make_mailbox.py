"""Writes mailbox.json from docs/protocol/mailbox.md alone: hashlib and PyNaCl, no import of essaim.

python tests/vectors/make_mailbox.py > tests/vectors/mailbox.json
"""

import hashlib
import json

from nacl.signing import SigningKey

NOW = 1_800_000_000_000


def h(label, *parts):
    return hashlib.blake2b(label.encode() + b"".join(parts), digest_size=32).digest()


def u64(number):
    return number.to_bytes(8, "big")


def u32(number):
    return number.to_bytes(4, "big")


def named(slot):
    return bytes([len(slot)]) + slot


OWNER, WRITER, DEVICE = (SigningKey(bytes([n]) * 32) for n in (1, 2, 3))
ZEROS = bytes(32)
POLICIES = {
    "public_inbox": b"\x01" + bytes(OWNER.verify_key) + ZEROS + ZEROS,
    "outbox": b"\x02" + ZEROS + bytes(WRITER.verify_key) + ZEROS,
    "private_inbox": b"\x03" + bytes(OWNER.verify_key) + bytes(WRITER.verify_key) + ZEROS,
    "group": b"\x04" + bytes(OWNER.verify_key) + bytes(WRITER.verify_key) + bytes(DEVICE.verify_key),
    "blob": b"\x05" + ZEROS + ZEROS + bytes(DEVICE.verify_key) + h("essaim/content/v1", b"\xe1" * 10240) + b"\x01",
}
IDS = {name: h(f"essaim/{'blob' if name == 'blob' else 'mailbox'}/v1", policy) for name, policy in POLICIES.items()}


def envelope(name, slot, version, fill, size):
    data = bytes([fill]) * size
    expires = NOW + 3_600_000
    envelope_id = h("essaim/envelope/v1", u64(version), IDS[name], named(slot), u64(expires), data)
    return {
        "mailbox": name,
        "slot": slot.hex(),
        "version": version,
        "expires_ms": expires,
        "fill": fill,
        "size": size,
        "envelope_id": envelope_id.hex(),
    }


def slot_record(name, owner, slot, version, key=bytes(DEVICE.verify_key)):
    signed = IDS[name] + bytes([slot]) + key + u64(version)
    return signed + owner.sign(b"essaim/slot/v1" + signed).signature


def payload(*parts):
    return h("essaim/payload/v1", *parts)


def authorization(name, method, slot, payload_hash, expires, signer, record=b"", version=0):
    nonce = h("nonce", method.encode(), slot)[:16]
    text = (
        b"essaim/authorization/v1" + IDS[name] + named(method.encode()) + payload_hash + u64(expires) + u64(NOW) + nonce
    )
    return {
        "mailbox": name,
        "method": method,
        "slot": slot.hex(),
        "version": version,
        "payload_hash": payload_hash.hex(),
        "expires_ms": expires,
        "time_ms": NOW,
        "nonce": nonce.hex(),
        "slot_record": record.hex(),
        "signature": signer.sign(text).signature.hex(),
    }


def puzzle(name, subject, bits):
    minute, counter = u32(NOW // 60_000), 0
    while int.from_bytes(h("essaim/puzzle/v1", IDS[name], subject, minute, u64(counter)), "big") >> (256 - bits):
        counter += 1
    return {"mailbox": name, "subject": subject.hex(), "bits": bits, "solution": (minute + u64(counter)).hex()}


NODE, PREKEYS = bytes([9]) * 32, [b"one", b"another"]
BATCH = u64(5) + u32(2) + b"".join(u32(len(each)) + each for each in PREKEYS)
PREKEYS_HASH = payload(named(b"\0"), NODE, BATCH)
INBOX_RECORD = slot_record("public_inbox", OWNER, 0, 1)
DROPPED = slot_record("public_inbox", OWNER, 1, 77, ZEROS)
OUTBOX_RECORD = slot_record("outbox", WRITER, 0, 1)
REGISTRATION = b"\x01\x01" + b"\x0a" * 32 + b"\x01" + NODE
REGISTERED = payload(named(b"\0"), u32(20833), REGISTRATION)
SIZES = ((b"\0", 0, 0xA1, 4096), (b"\4", 0, 0xA2, 10240), (b"\0", 0, 0xA3, 57344), (b"\1", 0, 0xA4, 253952))
ENTRY = envelope("outbox", b"manifest", 7, 0xB1, 4096)
PRIVATE = envelope("private_inbox", b"\2", 0, 0xC1, 4096)
GROUP, CHAIN = envelope("group", b"m/0", 0, 0xD1, 4096), envelope("group", b"log", 3, 0xD2, 4096)
BLOB = envelope("blob", b"", NOW + 3_600_000, 0xE1, 10240)
ENVELOPES = [*(envelope("public_inbox", *each) for each in SIZES), ENTRY, PRIVATE, GROUP, CHAIN, BLOB]
ENVELOPE_IDS = sorted(bytes.fromhex(each["envelope_id"]) for each in ENVELOPES[:2])
REMOVED = u32(2) + b"".join(ENVELOPE_IDS)


def payloads():
    return {
        "read_slot_0": payload(named(b"\0")).hex(),
        "read_all": payload(b"\0").hex(),
        "confirm_slot_0": payload(named(b"\0"), REMOVED).hex(),
        "delete": payload(b"\0", REMOVED).hex(),
        "delete_before": payload(b"\0", u64(NOW - 1)).hex(),
        "drop_slot": payload(DROPPED).hex(),
        "register_push": REGISTERED.hex(),
        "registration_of": {"slot": "00", "day": 20833, "registration": REGISTRATION.hex()},
        "ids": [each.hex() for each in reversed(ENVELOPE_IDS)],
        "prekeys": PREKEYS_HASH.hex(),
        "prekeys_of": {
            "slot": "00",
            "node_id": NODE.hex(),
            "version": 5,
            "prekeys": [each.hex() for each in PREKEYS],
        },
    }


def authorizations():
    private, entry, post, chain = (bytes.fromhex(each["envelope_id"]) for each in (PRIVATE, ENTRY, GROUP, CHAIN))
    return [
        authorization("public_inbox", "Retrieve", b"\0", payload(named(b"\0")), 0, DEVICE, INBOX_RECORD),
        authorization("public_inbox", "Subscribe", b"", payload(b"\0"), 0, OWNER),
        authorization("public_inbox", "Confirm", b"\0", payload(named(b"\0"), REMOVED), 0, DEVICE, INBOX_RECORD),
        authorization("public_inbox", "Delete", b"", payload(b"\0", REMOVED), 0, OWNER),
        authorization("private_inbox", "Store", b"\2", private, PRIVATE["expires_ms"], WRITER),
        authorization("outbox", "Store", b"manifest", entry, ENTRY["expires_ms"], WRITER),
        authorization("group", "Store", b"m/0", post, GROUP["expires_ms"], WRITER),
        authorization("group", "Store", b"log", chain, CHAIN["expires_ms"], DEVICE, version=3),
        authorization("group", "Retrieve", b"", payload(b"\0"), 0, OWNER),
        authorization("group", "Delete", b"", payload(b"\0", REMOVED), 0, DEVICE),
        authorization("blob", "Delete", b"", payload(b"\0", REMOVED), 0, DEVICE),
        authorization("public_inbox", "DeleteBefore", b"", payload(b"\0", u64(NOW - 1)), 0, OWNER),
        authorization("public_inbox", "DeleteAll", b"", payload(b"\0"), 0, OWNER),
        authorization("public_inbox", "Expire", b"\0", payload(named(b"\0"), REMOVED), NOW + 9, DEVICE, INBOX_RECORD),
        authorization("public_inbox", "GetExpiries", b"", payload(b"\0"), 0, OWNER),
        authorization("public_inbox", "DropSlot", b"", payload(DROPPED), 0, OWNER),
        authorization("outbox", "PublishPrekeys", b"\0", PREKEYS_HASH, 0, DEVICE, OUTBOX_RECORD),
        authorization("public_inbox", "RegisterPush", b"\0", REGISTERED, 0, DEVICE, INBOX_RECORD),
    ]


def receipt():
    node, count = SigningKey(bytes([7]) * 32), 3
    records = [h("record", bytes([at])) for at in range(count)]
    leaves = [h("essaim/receipt/leaf/v1", each, bytes([1 + (at == 1)])) for at, each in enumerate(records)]
    pair = h("essaim/receipt/node/v1", leaves[0], leaves[1])
    root = h("essaim/receipt/node/v1", pair, leaves[2])
    text = b"essaim/receipt/v1" + bytes(node.verify_key) + u64(NOW) + u32(count) + root
    paths = [[leaves[1], leaves[2]], [leaves[0], leaves[2]], [pair]]
    return {
        "node_id": bytes(node.verify_key).hex(),
        "time_ms": NOW,
        "count": count,
        "signature": node.sign(text).signature.hex(),
        "records": [
            {"record_id": each.hex(), "outcome": 1 + (at == 1), "path": [beside.hex() for beside in paths[at]]}
            for at, each in enumerate(records)
        ],
    }


def holding():
    """Proofs of node-tests.md: of the first envelope, and of what the owner's DeleteAll left behind."""
    nonce, tester, tested = bytes([0x5A]) * 32, bytes([8]) * 32, NODE
    sweep = next(each for each in authorizations() if each["method"] == "DeleteAll")
    signed = b"essaim/authorization/v1" + IDS["public_inbox"] + named(b"DeleteAll")
    signed += bytes.fromhex(sweep["payload_hash"]) + u64(0) + u64(NOW) + bytes.fromhex(sweep["nonce"])
    tombstone = h("essaim/tombstone/v1", signed)
    first, data = bytes.fromhex(ENVELOPES[0]["envelope_id"]), bytes([ENVELOPES[0]["fill"]]) * ENVELOPES[0]["size"]
    return {
        "nonce": nonce.hex(),
        "tester": tester.hex(),
        "tested": tested.hex(),
        "tombstone_id": tombstone.hex(),
        "envelope_proof": h("essaim/holding/v1", nonce, tester, tested, first, data).hex(),
        "tombstone_proof": h("essaim/holding/v1", nonce, tester, tested, tombstone, signed).hex(),
    }


def cursor():
    positions = [(bytes([n]) * 8, bytes([n + 16]) * 16, n) for n in (1, 2, 3)]
    return {
        "positions": [{"replica": r.hex(), "incarnation": i.hex(), "number": n} for r, i, n in positions],
        "encoded": (b"\x01\x03" + b"".join(r + i + u64(n) for r, i, n in positions)).hex(),
    }


def main():
    vectors = {
        "keys": {"owner_seed": "01" * 32, "writer_seed": "02" * 32, "device_seed": "03" * 32},
        "policies": {name: {"policy": POLICIES[name].hex(), "mailbox_id": IDS[name].hex()} for name in POLICIES},
        "envelopes": ENVELOPES,
        "slot_records": [
            {"mailbox": "public_inbox", "slot": 0, "version": 1, "encoded": INBOX_RECORD.hex()},
            {"mailbox": "public_inbox", "slot": 1, "version": 77, "encoded": DROPPED.hex(), "dropped": True},
            {"mailbox": "outbox", "slot": 0, "version": 1, "encoded": OUTBOX_RECORD.hex()},
        ],
        "payloads": payloads(),
        "authorizations": authorizations(),
        "cursor": cursor(),
        "receipt": receipt(),
        "holding": holding(),
        "have": {
            "salt": "11" * 16,
            "envelope_id": ENVELOPE_IDS[0].hex(),
            "prefix": h("essaim/have/v1", b"\x11" * 16, ENVELOPE_IDS[0])[:8].hex(),
        },
        "puzzles": [
            puzzle("public_inbox", h("essaim/puzzle/store/v1", *ENVELOPE_IDS), 12),
            puzzle("outbox", h("essaim/puzzle/claim/v1", NODE, b"\x22" * 16), 10),
        ],
    }
    print(json.dumps(vectors, indent=1))


if __name__ == "__main__":
    main()
