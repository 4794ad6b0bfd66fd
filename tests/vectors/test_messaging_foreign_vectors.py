"""messaging.json as docs/protocol/{messaging,devices}.md say it, with primitives alone: no import of essaim."""

import base64
import hashlib
import hmac
import json
import unicodedata
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from nacl import bindings as sodium
from nacl.pwhash import argon2id
from nacl.signing import SigningKey, VerifyKey
from notation import h, hkdf, unpad

VECTORS = json.loads((Path(__file__).parent / "messaging.json").read_text())
M = bytes.fromhex("d048032c6ea0b6d697ddc2e86bda85a33adac920f1bf18e1b0c6d166a5cecdaf")  # RFC 9382, section 6
N = bytes.fromhex("d3bfb518f44f3430f29d0c92af503865a1ed3281dc69b35dd868ba85f886c4ab")


def raw(part: str) -> dict[str, bytes]:
    """What of a part is hexadecimal."""
    found = {}
    for name, value in VECTORS[part].items():
        if isinstance(value, str) and len(value) % 2 == 0 and set(value) <= set("0123456789abcdef"):
            found[name] = bytes.fromhex(value)
    return found


def outbox_of(seed: bytes) -> bytes:
    policy = b"\2" + bytes(32) + bytes(SigningKey(seed).verify_key) + bytes(32)
    return h(b"essaim/mailbox/v1", policy)


def identity(seed: bytes) -> SigningKey:
    return SigningKey(hkdf(seed, b"essaim/account/v1", b"identity signing"))


ALICE, BOB = (identity(raw("people")[name]) for name in ("alice_seed", "bob_seed"))
NAMES = bytes(ALICE.verify_key), bytes(BOB.verify_key)


def opened(key: bytes, name: bytes, entry: bytes) -> bytes:
    return unpad(sodium.crypto_aead_xchacha20poly1305_ietf_decrypt(entry[24:], name, entry[:24], key))


def test_mark_is_made_as_told():
    marks, label = raw("marks"), b"essaim/authorship/v1"
    assert hkdf(raw("people")["alice_seed"], b"essaim/account/v1", b"authorship") == marks["authorship_key"]
    covered = label + marks["conversation"] + h(label, marks["content_without_mark"])
    mark = hmac.digest(marks["authorship_key"], covered, "sha256")[:16]
    assert marks["content"] == marks["content_without_mark"] + b"\x9a\x01\x10" + mark
    assert h(b"essaim/deleted/v1", marks["conversation"], NAMES[0], bytes(16))[:8] == marks["deletion_mark"]
    assert h(b"essaim/unsent/v1", marks["conversation"], NAMES[0], bytes(16))[:8] == marks["unsent_mark"]


def test_configuration_lies_where_told_and_opens():
    told, salt = raw("configuration"), b"essaim/configuration/v1"
    assert hkdf(told["key"], salt, b"write") == told["write_seed"]
    assert outbox_of(told["write_seed"]) == told["mailbox_id"]
    assert opened(hkdf(told["key"], salt, b"seal"), b"configuration", told["sealed"]) == told["merged"]


def test_generation_lies_where_told_and_opens():
    told, salt = raw("generation"), b"essaim/generation/v1"
    seed = hkdf(told["device_signing_seed"], b"essaim/device/v1", b"generation")
    assert outbox_of(hkdf(seed, salt, b"write")) == told["mailbox_id"]
    number = opened(hkdf(seed, salt, b"seal"), b"generation", told["sealed"])
    assert number == VECTORS["generation"]["number"].to_bytes(8, "big") and len(told["sealed"]) == 4096


def half(name: bytes) -> str:
    digest = hashlib.sha512(b"essaim/safety/v1" + name).digest()
    for _ in range(5_200):
        digest = hashlib.sha512(digest + name).digest()
    return "".join(f"{int.from_bytes(digest[at : at + 5], 'big') % 100_000:05}" for at in range(0, 30, 5))


def test_safety_number_and_code_are_made_as_told():
    assert VECTORS["safety"]["number"] == "".join(sorted(map(half, NAMES)))
    code = "ESSAIM1" + base64.b32encode(NAMES[0] + NAMES[1]).decode().rstrip("=")
    assert VECTORS["safety"]["code_of_alice"] == code


def test_move_is_signed_by_both():
    statement = raw("moved")["statement"]
    front, old, new = statement[:73], statement[73:137], statement[137:]
    assert front == b"\1" + NAMES[0] + NAMES[1] + VECTORS["moved"]["time_ms"].to_bytes(8, "big")
    VerifyKey(NAMES[0]).verify(b"essaim/moved/v1" + front, old)
    VerifyKey(NAMES[1]).verify(b"essaim/moved/v1" + front, new)


def records(file: bytes, key: bytes) -> list[tuple[bytes, int]]:
    front, header, chunks = file[:38], file[38:62], file[62:]
    state, found = sodium.crypto_secretstream_xchacha20poly1305_state(), []
    sodium.crypto_secretstream_xchacha20poly1305_init_pull(state, header, key)
    while chunks:
        size = int.from_bytes(chunks[:4], "big")
        box, chunks = chunks[4 : 4 + size], chunks[4 + size :]
        found.append(sodium.crypto_secretstream_xchacha20poly1305_pull(state, box, front))
    return found


def test_backups_open_by_libsodium_alone():
    told, wanted = raw("backup"), [(raw("backup")["record"], 0), (b"", 3)]
    assert hkdf(raw("people")["alice_seed"], b"essaim/account/v1", b"backup") == told["backup_key"]
    front = told["file"][:38]
    assert front == b"ESSAIMBACKUP1\1" + front[14:30] + bytes(8)
    assert records(told["file"], hkdf(told["backup_key"], b"essaim/backup/v1", front[14:30])) == wanted
    front = told["file_of_passphrase"][:38]
    assert front == b"ESSAIMBACKUP1\2" + front[14:30] + (1).to_bytes(4, "big") + (8).to_bytes(4, "big")
    secret = unicodedata.normalize("NFKD", VECTORS["backup"]["passphrase"]).encode()
    key = argon2id.kdf(32, secret, front[14:30], opslimit=1, memlimit=8 << 10)
    assert records(told["file_of_passphrase"], key) == wanted


def spake2(told: dict[str, bytes], offered: bytes) -> bytes:
    """SHA-256(TT), as the newcomer (A) computes it from the manager's share."""
    reduce, by = sodium.crypto_core_ed25519_scalar_reduce, sodium.crypto_scalarmult_ed25519_noclamp
    password, secret = reduce(told["password"]), reduce(told["newcomer_scalar_seed"])
    share = sodium.crypto_core_ed25519_add(sodium.crypto_scalarmult_ed25519_base_noclamp(secret), by(password, M))
    assert unpad(told["hello"])[1:33] == share
    eight = sodium.crypto_core_ed25519_scalar_mul((8).to_bytes(32, "little"), secret)
    shared = by(eight, sodium.crypto_core_ed25519_sub(offered, by(password, N)))
    parts = (b"newcomer", b"sponsor", share, offered, shared, password)
    return hashlib.sha256(b"".join(len(part).to_bytes(8, "little") + part for part in parts)).digest()


def test_linking_is_done_as_told():
    told, salt = raw("linking"), b"essaim/link/v1"
    told["password"] = hashlib.blake2b(salt + VECTORS["linking"]["code"].replace("-", "")[4:].encode()).digest()
    assert told["password"].hex() == VECTORS["linking"]["password"]
    nameplate = VECTORS["linking"]["code"][:4].encode()
    keys = b"".join(bytes(SigningKey(hkdf(nameplate, salt, name)).verify_key) for name in (b"read", b"write"))
    assert h(b"essaim/mailbox/v1", b"\3" + keys + bytes(32)) == told["mailbox_id"]
    offer, kem = unpad(told["offer"]), MLKEM768PrivateKey.from_seed_bytes(told["newcomer_kem_seed"])
    assert unpad(told["hello"])[33:] == kem.public_key().public_bytes_raw() and offer[:1] == b"\2"
    secret = spake2(told, offer[1:33]) + kem.decapsulate(offer[33 : 33 + 1088])

    def box(name: bytes, number: int, sealed: bytes) -> bytes:
        return ChaCha20Poly1305(hkdf(secret, salt, name)).decrypt(bytes(12), sealed, bytes([number]))

    assert box(b"offer", 2, offer[33 + 1088 :]) == NAMES[0]
    request, approval = unpad(told["request"]), unpad(told["approval"])
    assert (request[0], approval[0]) == (3, 4)
    assert box(b"request", 3, request[1:]).endswith(b"\x07kitchen")
    assert box(b"approval", 4, approval[1:]) == told["approval_content"]
    check = int.from_bytes(hkdf(secret, salt, b"check")[:4], "big") % 10**6
    assert f"{check:06}" == VECTORS["linking"]["check"]
