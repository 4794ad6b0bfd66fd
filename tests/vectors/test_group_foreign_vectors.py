"""group.json as docs/protocol/groups.md says it, with primitives alone: no import of essaim."""

import hmac
import json
from pathlib import Path

from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from nacl import bindings as sodium
from nacl.signing import VerifyKey
from notation import factor, h, hkdf, public, times, u, unpad

VECTORS = json.loads((Path(__file__).parent / "group.json").read_text())
LOG, EPOCH, SPEECH = VECTORS["log"], VECTORS["epoch"], VECTORS["speech"]
GROUP, SECRET = bytes.fromhex(LOG["group_id"]), bytes.fromhex(EPOCH["secret"])
DAY, ADMIN = u(EPOCH["day"], 4), public(bytes.fromhex(EPOCH["admin_seed"]))
HEADS = [bytes.fromhex(each) for each in LOG["heads"]]
RECORD, ENTRY, MESSAGE = b"essaim/group-record/v1", b"essaim/group-entry/v1", b"essaim/group-message/v1"


def varint(data: bytes, at: int) -> tuple[int, int]:
    number = shift = 0
    while True:
        byte, at = data[at], at + 1
        number, shift = number | (byte & 127) << shift, shift + 7
        if byte < 128:
            return number, at


def fields(data: bytes) -> list[tuple[int, bytes]]:
    """The `bytes` and message fields of a protobuf message, in their order."""
    at, found = 0, []
    while at < len(data):
        tag, at = varint(data, at)
        assert tag & 7 == 2
        size, at = varint(data, at)
        found.append((tag >> 3, data[at : at + size]))
        at += size
    return found


def take(data: bytes, *sizes: int) -> list[bytes]:
    parts = []
    for size in sizes:
        parts.append(data[:size])
        data = data[size:]
    return [*parts, data]


def test_records_are_signed_and_named_as_told():
    message = fields(bytes.fromhex(LOG["records"]))
    certificates = {h(b"essaim/group-certificate/v1", data): data for number, data in message if number == 1}
    ids = []
    for record in (dict(fields(data)) for number, data in message if number == 2):
        statement, signature = record[1], record[2]
        assert statement[:1] == b"\1" and statement[1:33] in (bytes(32), GROUP)
        certificate = certificates[take(statement[34:], 32 * statement[33], 32, 32)[2]]
        head = certificate[: 114 + 33 * certificate[113]]
        VerifyKey(certificate[1:33]).verify(b"essaim/manifest/v1" + head, certificate[len(head) : len(head) + 64])
        device = certificate[len(head) + 64 :]
        assert h(b"essaim/device/v1", device) in head
        VerifyKey(device[18:50]).verify(RECORD + statement, signature)
        ids.append(h(RECORD, statement).hex())
    assert ids == LOG["record_ids"] and ids[0] == LOG["group_id"]


def test_days_keys_and_mailbox_follow_from_the_epoch():
    assert h(b"essaim/group-epoch/v1", GROUP, ADMIN, SECRET)[:16].hex() == EPOCH["epoch_id"]
    label = b"essaim/group/v1"
    read, write, frame = (hkdf(SECRET, label, name + DAY) for name in (b"read", b"write", b"frame"))
    assert [read.hex(), write.hex(), frame.hex()] == [EPOCH["read_seed"], EPOCH["write_seed"], EPOCH["frame_key"]]
    policy = b"\4" + public(read) + public(write) + times(factor(label, SECRET, DAY), ADMIN)
    assert (policy.hex(), h(b"essaim/mailbox/v1", policy).hex()) == (EPOCH["policy"], EPOCH["mailbox_id"])


def announced(encoded: bytes, export: bytes) -> tuple[bytes, bytes]:
    """(notice, secret) for who has the export key of one of the entries."""
    notice, rest = take(encoded[2:], int.from_bytes(encoded[:2], "big"))
    count, entries = int.from_bytes(rest[:2], "big"), rest[2:]
    assert len(entries) == count * 56
    keys = hkdf(export, ENTRY, GROUP + notice[1:17], 64)
    tag = hmac.digest(keys[:32], notice, "sha256")[:8]
    (box,) = (entries[at + 8 : at + 56] for at in range(0, len(entries), 56) if entries[at : at + 8] == tag)
    return notice, ChaCha20Poly1305(keys[32:]).decrypt(bytes(12), box, notice)


def test_announcements_open_as_told():
    for export in map(bytes.fromhex, SPEECH["export_keys"]):
        notice, secret = announced(bytes.fromhex(SPEECH["chain_announcement"]), export)
        assert secret.hex() == SPEECH["chain_key"]
        assert notice[50:82] == public(bytes.fromhex(SPEECH["signing_seed"])) and notice[82:] == bytes(4)
        notice, secret = announced(bytes.fromhex(SPEECH["epoch_announcement"]), export)
        assert secret == SECRET and notice[:1] == b"\2" and notice[50:82] == ADMIN
        assert notice[90:] == bytes([len(HEADS)]) + b"".join(HEADS)


def test_what_was_said_opens_as_told():
    chain_key, signing = bytes.fromhex(SPEECH["chain_key"]), public(bytes.fromhex(SPEECH["signing_seed"]))
    for number, envelope in enumerate(map(bytes.fromhex, SPEECH["envelopes"])):
        nonce, key = envelope[:24], bytes.fromhex(EPOCH["frame_key"])
        padded = sodium.crypto_aead_xchacha20poly1305_ietf_decrypt(envelope[24:], b"spoken", nonce, key)
        frame = unpad(padded)
        front, box = frame[1:54], frame[54:]
        assert frame[:1] == b"\1" and front[49:] == u(number, 4)
        message_key = hmac.digest(chain_key, b"\1", "sha256")
        plain = ChaCha20Poly1305(message_key).decrypt(nonce[:12], box, GROUP + front)
        signature, said = plain[:64], plain[64:]
        VerifyKey(signing).verify(MESSAGE + GROUP + front[:16] + front[49:] + h(MESSAGE, said), signature)
        assert said == bytes([len(HEADS)]) + b"".join(HEADS) + b"content %d" % number
        chain_key = hmac.digest(chain_key, b"\2", "sha256")
