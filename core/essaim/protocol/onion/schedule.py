"""The key schedule of a hop, and its stream cipher.

    IKM  = X25519 secret 32 || [ML-KEM secret 32] || SHA3-256(public keys of the node || KEM ciphertext)
    OKM  = HKDF-SHA256(IKM, salt "essaim/onion/v1", info = the first 8 bytes of the hop's header, 176 bytes)
         = k_stream 32 | k_mac 32 | k_payload 32 | k_reply 32 | k_error 32 | replay tag 16

Info binds version, suite, cell class, reply class and key id; both secrets, all ciphertexts and public keys are in the
input (as in X-Wing, draft-connolly-cfrg-xwing-kem). The stream is ChaCha20 (RFC 8439, section 2.4) from counter 0:
k_stream with HEADER_NONCE for beta and BODY_NONCE for a relay's body, k_reply with the sequence for replies.
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from cryptography.hazmat.primitives.ciphers import Cipher, CipherContext
from cryptography.hazmat.primitives.ciphers.algorithms import ChaCha20
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand
from cryptography.hazmat.primitives.poly1305 import Poly1305

from essaim.protocol import kdf
from essaim.protocol.geometry import REPLAY_TAG_SIZE, CellClass

LABEL = b"essaim/onion/v1"
SECRETS_SIZE = 5 * 32 + REPLAY_TAG_SIZE
_COUNTER = bytes(4)
HEADER_NONCE = _COUNTER + bytes(12)
"""As the library takes it: the block counter, little-endian, then the nonce."""
BODY_NONCE = _COUNTER + (1).to_bytes(12, "big")
PAYLOAD_NONCE = bytes(12)
_SHA256 = SHA256()
_extractor = kdf.keyed(LABEL)  # HKDF's first step, with its salt, which is public and always the same
_split = struct.Struct("32s32s32s32s32s16s").unpack


@dataclass(slots=True)
class CallKeys:
    """What a hop keeps for the replies of one call; both keys are of this call and hop alone."""

    reply_class: CellClass
    reply: bytes = field(repr=False)
    error: bytes = field(repr=False)


class HopSecrets(NamedTuple):
    """All that one hop derives from a cell. Never printed, never kept."""

    stream: bytes
    mac: bytes
    payload: bytes
    reply: bytes
    error: bytes
    tag: bytes

    def __repr__(self) -> str:
        return "HopSecrets(...)"


def derive(shared: bytes, transcript: bytes, prefix: bytes) -> HopSecrets:
    """The secrets of a hop. `prefix` is the first 8 bytes of its header, `transcript` the SHA3-256 of above."""
    prk = kdf.mac_of(_extractor, shared + transcript)
    return HopSecrets._make(_split(HKDFExpand(_SHA256, SECRETS_SIZE, prefix).derive(prk)))


def header_stream(secrets: HopSecrets) -> CipherContext:
    """The cipher of one hop at the start of its header stream; `reset_nonce(BODY_NONCE)` turns it to the body.

    Setting one up costs as much as 8 KiB of stream, so a hop has a single one.
    """
    return Cipher(ChaCha20(secrets.stream, HEADER_NONCE), None).encryptor()


def stream_xor(key: bytes, nonce: bytes, data: bytes) -> bytes:
    """`data` XOR ChaCha20(key, 12-byte nonce), counter from 0. Never twice under one (key, nonce)."""
    return Cipher(ChaCha20(key, _COUNTER + nonce), None).encryptor().update(data)


def mac_of(key: bytes, parts: Sequence[bytes | memoryview]) -> bytes:
    """Poly1305 (RFC 8439, section 2.5) over the parts; the key is of one cell and hop alone."""
    poly = Poly1305(key)
    for part in parts:
        poly.update(part)
    return poly.finalize()
