"""Frozen examples of files: sealed again they are the same bytes, opened by libsodium alone they are the content."""

import hashlib
import json
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from nacl.bindings import (
    crypto_secretstream_xchacha20poly1305_init_pull,
    crypto_secretstream_xchacha20poly1305_pull,
    crypto_secretstream_xchacha20poly1305_state,
)

from essaim.protocol.attachment import FileKeys, Opener, Sealer, pieces_of

VECTORS = json.loads((Path(__file__).parent / "attachment.json").read_text())
KEY, HEADER = bytes.fromhex(VECTORS["key"]), bytes.fromhex(VECTORS["header"])
FILES = pytest.mark.parametrize("file", VECTORS["files"], ids=lambda file: str(file["size"]))


def content_of(size: int) -> bytes:
    blocks = (hashlib.sha256(size.to_bytes(4) + number.to_bytes(4)).digest() for number in range(-(-size // 32)))
    return b"".join(blocks)[:size]


def derived(info: bytes) -> str:
    """By another implementation of RFC 5869 than ours."""
    return HKDF(SHA256(), 32, b"essaim/attachment/v1", info).derive(KEY).hex()


def sealed(size: int) -> list[bytes]:
    sealer, content = Sealer(FileKeys(KEY), HEADER), content_of(size)
    return [sealer.seal(each, content[each.start : each.start + each.length]) for each in pieces_of(size)]


def test_keys_are_what_they_were():
    assert derived(b"stream") == VECTORS["stream_key"] == FileKeys(KEY).stream.hex()
    for number, (seed, public) in enumerate(zip(VECTORS["delete_seeds"], VECTORS["delete_keys"], strict=True)):
        assert derived(b"delete" + number.to_bytes(4)) == seed == FileKeys(KEY).delete(number).seed.hex()
        key = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(seed)).public_key()
        assert key.public_bytes_raw().hex() == public


@FILES
def test_pieces_are_what_they_were(file):
    blobs = sealed(file["size"])
    assert [len(blob) for blob in blobs] == file["blob_sizes"]
    assert [hashlib.sha256(blob).hexdigest() for blob in blobs] == file["blob_sha256"]
    assert [blob[:64].hex() for blob in blobs] == file["blob_starts"]


@FILES
def test_names_are_those_of_blobs(file):
    for number, (blob, name) in enumerate(zip(sealed(file["size"]), file["names"], strict=True)):
        size_class = bytes(([4_096, 10_240, 57_344, 253_952].index(len(blob)),))
        content = hashlib.blake2b(b"essaim/content/v1" + blob, digest_size=32).digest() + size_class
        policy = b"\5" + bytes(64) + bytes.fromhex(derived_public(number)) + content
        assert hashlib.blake2b(b"essaim/blob/v1" + policy, digest_size=32).hexdigest() == name


def derived_public(number: int) -> str:
    seed = bytes.fromhex(derived(b"delete" + number.to_bytes(4)))
    return Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw().hex()


@FILES
def test_libsodium_opens_them_in_order(file):
    state, content, tags = crypto_secretstream_xchacha20poly1305_state(), b"", []
    for number, blob in enumerate(sealed(file["size"])):
        if number == 0:
            crypto_secretstream_xchacha20poly1305_init_pull(state, blob[:24], bytes.fromhex(derived(b"stream")))
            blob = blob[24:]
        part, tag = crypto_secretstream_xchacha20poly1305_pull(state, blob)
        content, tags = content + part, [*tags, tag]
    assert content == content_of(file["size"]).ljust(len(content), b"\0")
    assert tags == [0] * (len(tags) - 1) + [3]


def test_opener_takes_what_libsodium_made():
    """A header that libsodium drew itself."""
    from nacl.bindings import (
        crypto_secretstream_xchacha20poly1305_init_push,
        crypto_secretstream_xchacha20poly1305_push,
    )

    state, keys = crypto_secretstream_xchacha20poly1305_state(), FileKeys(KEY)
    header = crypto_secretstream_xchacha20poly1305_init_push(state, keys.stream)
    [piece] = pieces_of(5)
    blob = header + crypto_secretstream_xchacha20poly1305_push(state, b"hello".ljust(piece.room, b"\0"), tag=3)
    assert Opener(keys).open(piece, blob) == b"hello"
