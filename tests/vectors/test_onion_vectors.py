"""tests/vectors/onion.json, read by our code and by a second reader written from docs/protocol/onion.md alone."""

import base64
import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.ciphers.algorithms import ChaCha20
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.poly1305 import Poly1305

from essaim.protocol.geometry import CellClass, Suite
from essaim.protocol.keys import AgreementKey, KemKey
from essaim.protocol.onion import CellSpec, HopPublic, wrap

CASES: list[dict[str, Any]] = json.loads((Path(__file__).parent / "onion.json").read_text())["cases"]
SIZES = (16384, 65536, 262144)


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def classic(case: dict[str, Any]) -> bytes:
    """The cell of a classic case, built again from its ephemerals and tail."""
    path = [
        HopPublic(
            bytes.fromhex(node["node_id"]),
            AgreementKey(bytes.fromhex(node["x25519_private"])).public,
            KemKey(bytes.fromhex(node["mlkem_seed"])).public,
        )
        for node in case["nodes"]
    ]
    drawn = iter([*case["ephemerals"], case["tail"]])
    spec = CellSpec(Suite(case["suite"]), CellClass(case["cell_class"]), CellClass(case["reply_class"]))
    payload = bytes.fromhex(case["payload"])
    return wrap(path, payload, spec, case["minute"], lambda size: exactly(bytes.fromhex(next(drawn)), size))[0]


def exactly(data: bytes, size: int) -> bytes:
    assert len(data) == size
    return data


def cell_of(case: dict[str, Any]) -> bytes:
    return base64.b64decode(case["cell"]) if "cell" in case else classic(case)


@pytest.fixture(params=CASES, ids=lambda case: case["name"])
def case(request: pytest.FixtureRequest) -> dict[str, Any]:
    found: dict[str, Any] = request.param
    return found


def test_wrap_builds_the_recorded_cell(case: dict[str, Any]) -> None:
    cell = cell_of(case)
    assert cell.hex().startswith(case["header"])
    assert sha256(cell) == case["entering_sha256"][0]


# ---- A second reader: nothing of essaim below this line -------------------------------------------------------------


def chacha20(key: bytes, nonce: bytes, data: bytes) -> bytes:
    return Cipher(ChaCha20(key, bytes(4) + nonce), None).encryptor().update(data)


def open_layer(cell: bytes, node: dict[str, str]) -> tuple[bytes, bytes | None, bytes | None, bytes, bytes]:
    """(routing block, next cell, payload, k_reply, k_error) by section 5."""
    hybrid = cell[1] == 2
    kem = 1120 if hybrid else 32
    slot, beta = 64 + kem + 16, 3 * (64 + kem + 16) + 64
    prefix, c, sealed = cell[:8], cell[8 : 8 + kem], cell[8 + kem : 8 + kem + beta]
    gamma, body = cell[8 + kem + beta : 24 + kem + beta], cell[24 + kem + beta :]
    private = X25519PrivateKey.from_private_bytes(bytes.fromhex(node["x25519_private"]))
    decapsulator = MLKEM768PrivateKey.from_seed_bytes(bytes.fromhex(node["mlkem_seed"]))
    public, kem_public = private.public_key().public_bytes_raw(), decapsulator.public_key().public_bytes_raw()
    assert hashlib.blake2b(public + kem_public, digest_size=32).digest()[:4] == cell[4:8]
    shared = private.exchange(X25519PublicKey.from_public_bytes(c[:32]))
    if hybrid:
        shared += decapsulator.decapsulate(c[32:])
    transcript = hashlib.sha3_256(public + (kem_public if hybrid else b"") + c).digest()
    okm = HKDF(SHA256(), 176, b"essaim/onion/v1", prefix).derive(shared + transcript)
    assert Poly1305.generate_tag(okm[32:64], prefix + c + sealed + body) == gamma
    plain = chacha20(okm[:32], bytes(12), sealed + bytes(slot))
    routing, k_reply, k_error = plain[:64], okm[96:128], okm[128:160]
    if routing[0] == 2:
        text = ChaCha20Poly1305(okm[64:96]).decrypt(bytes(12), body, None)
        size = int.from_bytes(text[:4], "big")
        assert not any(text[4 + size :])
        return routing, None, text[4 : 4 + size], k_reply, k_error
    body = chacha20(okm[:32], bytes(11) + b"\x01", body)
    following = cell[:4] + routing[40:44] + plain[64 : 64 + kem] + plain[slot:] + plain[64 + kem : slot] + body
    return routing, following, None, k_reply, k_error


def test_second_reader_follows_the_cell_and_makes_the_same_replies(case: dict[str, Any]) -> None:
    cell: bytes | None = cell_of(case)
    keys, payload = [], None
    for index, (node, entering) in enumerate(zip(case["nodes"], case["entering_sha256"], strict=True)):
        assert cell is not None
        assert (len(cell), sha256(cell)) == (SIZES[case["cell_class"]], entering)
        routing, cell, payload, k_reply, k_error = open_layer(cell, node)
        last = index == len(case["nodes"]) - 1
        following = bytes(32) if last else bytes.fromhex(case["nodes"][index + 1]["node_id"])
        key_id = bytes(4) if last else bytes.fromhex(case["nodes"][index + 1]["key_id"])
        minute = case["minute"].to_bytes(4, "big")
        assert routing == bytes((2 if last else 1, 0)) + following + bytes(2) + minute + key_id + bytes(20)
        keys.append((k_reply, k_error))
    assert payload == bytes.fromhex(case["payload"])
    check_replies(case, keys)
    check_errors(case, keys)


def check_replies(case: dict[str, Any], keys: list[tuple[bytes, bytes]]) -> None:
    size = SIZES[case["reply_class"]]
    for reply in case["replies"]:
        payload, nonce = bytes.fromhex(reply["payload"]), reply["seq"].to_bytes(12, "big")
        plain = bytes((reply["kind"],)) + len(payload).to_bytes(4, "big") + payload
        cell = ChaCha20Poly1305(keys[-1][0]).encrypt(nonce, plain.ljust(size - 16, b"\0"), None)
        assert sha256(cell) == reply["sealed"]
        for k_reply, _ in reversed(keys[:-1]):
            cell = chacha20(k_reply, nonce, cell)
        assert sha256(cell) == reply["received"]


def check_errors(case: dict[str, Any], keys: list[tuple[bytes, bytes]]) -> None:
    size = SIZES[case["reply_class"]]
    assert [error["hop"] for error in case["errors"]] == list(range(len(keys) - 1))
    for error in case["errors"]:
        nonce = error["seq"].to_bytes(12, "big")
        plain = bytes((error["code"],)) + error["time_ms"].to_bytes(8, "big")
        cell = ChaCha20Poly1305(keys[error["hop"]][1]).encrypt(nonce, plain.ljust(size - 16, b"\0"), None)
        for k_reply, _ in reversed(keys[: error["hop"]]):
            cell = chacha20(k_reply, nonce, cell)
        assert sha256(cell) == error["received"]
