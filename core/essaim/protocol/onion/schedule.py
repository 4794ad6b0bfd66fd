"""The key schedule of a hop, and the stream cipher of headers, bodies and replies.

    IKM  = X25519 secret 32 || [ML-KEM secret 32] || SHA3-256(public keys of the node || KEM ciphertext)
    OKM  = HKDF-SHA256(IKM, salt "essaim/onion/v1", info = the first 8 bytes of the hop's header, 176 bytes)
         = k_hdr 32 | k_mac 32 | k_body 32 | k_reply 32 | k_err 32 | replay tag 16

Info binds version, suite, cell class, reply class and key id (security of the combiner: X-Wing, draft-connolly-cfrg;
both secrets, ciphertexts and public keys are in the input). The stream is ChaCha20 (RFC 8439, section 2.4), counter 0.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import ChaCha20
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.poly1305 import Poly1305

from essaim.protocol.geometry import REPLAY_TAG_SIZE, CellClass

LABEL = b"essaim/onion/v1"
SECRETS_SIZE = 5 * 32 + REPLAY_TAG_SIZE
ZERO_NONCE = bytes(12)
_SHA256 = SHA256()
_COUNTER = bytes(4)


@dataclass(frozen=True, slots=True)
class CallKeys:
    """What a hop keeps for the replies of one call; both keys are of this call and hop alone."""

    reply_class: CellClass
    reply: bytes = field(repr=False)
    error: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, repr=False)
class HopSecrets:
    """All that one hop derives from a cell."""

    header: bytes
    mac: bytes
    body: bytes
    reply: bytes
    error: bytes
    tag: bytes


def derive(shared: bytes, transcript: bytes, prefix: bytes) -> HopSecrets:
    """The secrets of a hop. `prefix` is the first 8 bytes of its header, `transcript` the SHA3-256 of above."""
    okm = HKDF(_SHA256, SECRETS_SIZE, LABEL, prefix).derive(shared + transcript)
    return HopSecrets(okm[:32], okm[32:64], okm[64:96], okm[96:128], okm[128:160], okm[160:])


def stream_xor(key: bytes, data: bytes | memoryview, nonce: bytes = ZERO_NONCE) -> bytes:
    """`data` XOR ChaCha20(key, nonce), counter from 0. Never twice under one (key, nonce)."""
    return Cipher(ChaCha20(key, _COUNTER + nonce), None).encryptor().update(data)


def mac_of(key: bytes, parts: Sequence[bytes | memoryview]) -> bytes:
    """Poly1305 (RFC 8439, section 2.5) over the parts; the key is of one cell and hop alone."""
    poly = Poly1305(key)
    for part in parts:
        poly.update(part)
    return poly.finalize()
