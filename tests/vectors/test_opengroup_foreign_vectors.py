"""opengroup.json as docs/protocol/opengroup.md says it, with primitives alone: no import of essaim."""

import hashlib
import json
from pathlib import Path

from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from nacl import bindings as sodium
from nacl.signing import SigningKey, VerifyKey
from notation import factor, h, hkdf, public, scalar, times, u, unpad

VECTORS = json.loads((Path(__file__).parent / "opengroup.json").read_text())
RAW = {name: bytes.fromhex(value) for name, value in VECTORS.items() if isinstance(value, str)}
HOST, TIME = RAW["host_id"], u(VECTORS["time_ms"], 8)
LABEL = b"essaim/opengroup/"


def member(seed: bytes, turn: bytes = b"") -> tuple[bytes, bytes, bytes]:
    """(factor, member key, its private scalar)."""
    identity = hkdf(seed, b"essaim/account/v1", b"identity signing")
    by = factor(b"essaim/member/v1", hkdf(seed, b"essaim/account/v1", b"rooms"), HOST, turn)
    return by, times(by, public(identity)), sodium.crypto_core_ed25519_scalar_mul(by, scalar(identity))


def test_members_are_blinded_as_told():
    assert member(RAW["alice_seed"])[:2] == (RAW["alice_factor"], RAW["alice_member"])
    assert member(RAW["bob_seed"])[1] == RAW["bob_member"]


def test_handed_key_and_proof_are_made_as_told():
    turn, seed = u(VECTORS["turn"], 4), hkdf(RAW["alice_seed"], b"essaim/account/v1", b"identity signing")
    by, name, private = member(RAW["alice_seed"], turn)
    prefix = h(b"essaim/blinding/v1", hashlib.sha512(seed).digest()[32:], by)
    label = b"essaim/member-proof/v1"
    word = SigningKey(seed).sign(label + HOST + turn + name).signature
    assert (name, RAW["alice_handed"]) == (RAW["alice_handed_member"], turn + private + prefix + word)
    assert RAW["alice_proof"][:68] == turn + word
    VerifyKey(name).verify(label + HOST + public(seed), RAW["alice_proof"][68:])


def test_host_attests_as_told():
    assert public(RAW["host_seed"]) == HOST
    assert SigningKey(RAW["host_seed"]).sign(LABEL + b"host/v1" + RAW["node_id"]).signature == RAW["attestation"]


def test_request_is_signed_as_told():
    text = LABEL + b"request/v1" + HOST + b"\3Act" + TIME + RAW["nonce"] + h(LABEL + b"body/v1", RAW["body"])
    VerifyKey(RAW["alice_member"]).verify(text, RAW["authorization_signature"])


def test_statement_and_chain_are_as_told():
    label = LABEL + b"statement/v1"
    VerifyKey(RAW["alice_member"]).verify(label + RAW["statement"], RAW["statement_signature"])
    assert h(label, RAW["alice_member"], RAW["statement"]) == RAW["post_id"]
    assert h(LABEL + b"room/v1", HOST, RAW["room_id"]) == RAW["chain_0"]
    assert h(LABEL + b"chain/v1", RAW["chain_0"], u(1, 8), TIME, RAW["post_id"]) == RAW["chain_1"]


def test_names_are_hashed_as_told():
    assert (h(LABEL + b"file/v1", RAW["file"]), h(LABEL + b"token/v1", RAW["token"])) == (
        RAW["file_hash"],
        RAW["token_hash"],
    )


def test_direct_message_opens_as_told():
    data, mine = RAW["direct_data"], member(RAW["bob_seed"])[2]
    assert data[:1] == b"\1"
    shared = times(mine, data[1:33]) + times(mine, RAW["alice_member"])
    info = data[1:33] + RAW["alice_member"] + RAW["bob_member"] + HOST
    padded = ChaCha20Poly1305(hkdf(shared, LABEL + b"direct/v1", info)).decrypt(bytes(12), data[33:], None)
    assert unpad(padded, 2) == RAW["direct_text"] and len(padded) % 256 == 0


def test_copy_of_a_direct_message_opens_as_told():
    data, mine = RAW["sent_copy"], member(RAW["alice_seed"])[2]
    shared = times(mine, data[1:33]) + times(mine, RAW["alice_member"])
    info = data[1:33] + RAW["alice_member"] + RAW["bob_member"] + HOST
    padded = ChaCha20Poly1305(hkdf(shared, LABEL + b"sent/v1", info)).decrypt(bytes(12), data[33:], None)
    assert (data[:1], unpad(padded, 2)) == (b"\1", RAW["direct_text"]) and len(padded) % 256 == 0
