"""Message encryption for Web Push: RFC 8291 (keys) over RFC 8188 (`aes128gcm`), one record.

    body        salt 16 | record size u32 (4096) | key length u8 (65) | sender's public key 65 | sealed record
    record      content | 0x02 | zeros

The sender draws a key pair and a salt for each message. A body has at most 4096 bytes, which every push service takes
(RFC 8030, section 7.2); `padded` makes bodies of one length out of contents of many.
"""

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from essaim.protocol.errors import ProtocolError
from essaim.protocol.kdf import hkdf
from essaim.protocol.push.refusal import EndpointRefusedError

PUBLIC_SIZE = 65
AUTH_SIZE = 16
SALT_SIZE = 16
KEY_DRAW = 48
"""16 bytes more than the group's order has: what is taken modulo the order is not biased (FIPS 186-5, A.2.1)."""
ENTROPY_SIZE = KEY_DRAW + SALT_SIZE
RECORD_SIZE = 4_096
HEADER_SIZE = SALT_SIZE + 4 + 1 + PUBLIC_SIZE
TAG_SIZE = 16
MAX_CONTENT = RECORD_SIZE - HEADER_SIZE - TAG_SIZE - 1
"""3,993 bytes (RFC 8291, section 4)."""
LAST_RECORD = b"\x02"
CONTENT_KEY, NONCE = b"Content-Encoding: aes128gcm\0", b"Content-Encoding: nonce\0"
_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


class WebPushRefusedError(ProtocolError):
    """Not a message of one record for this key and secret, or a content that is too long."""

    reason = "WEB_PUSH_REFUSED"


def check_public(raw: bytes) -> ec.EllipticCurvePublicKey:
    """A point of P-256, uncompressed. Raises EndpointRefusedError."""
    try:
        if len(raw) != PUBLIC_SIZE:
            raise ValueError
        return ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), raw)
    except ValueError:
        raise EndpointRefusedError("a Web Push key is 65 bytes, an uncompressed point of P-256") from None


def private_key(draw: bytes) -> ec.EllipticCurvePrivateKey:
    """From 48 random bytes."""
    return ec.derive_private_key(int.from_bytes(draw) % (_ORDER - 1) + 1, ec.SECP256R1())


def public_bytes(key: ec.EllipticCurvePublicKey) -> bytes:
    """65 bytes, as RFC 8291 and 8292 write keys."""
    return key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)


def seal(content: bytes, receiver: bytes, auth_secret: bytes, entropy: bytes, padded: int = 0) -> bytes:
    """The body for who has `receiver`'s private key and the secret; `entropy`: 64 random bytes, used once.

    `padded`: the content and its padding have at least so many bytes. Raises WebPushRefusedError, EndpointRefusedError.
    """
    return seal_from(content, receiver, auth_secret, private_key(entropy[:KEY_DRAW]), entropy[KEY_DRAW:], padded)


def seal_from(
    content: bytes,
    receiver: bytes,
    auth_secret: bytes,
    sender: ec.EllipticCurvePrivateKey,
    salt: bytes,
    padded: int = 0,
) -> bytes:
    """`seal` with a key and a salt that are given: for known answers. Neither may be used again."""
    if max(len(content), padded) > MAX_CONTENT or len(salt) != SALT_SIZE:
        raise WebPushRefusedError(f"a message holds at most {MAX_CONTENT} bytes")
    public = public_bytes(sender.public_key())
    shared = sender.exchange(ec.ECDH(), check_public(receiver))
    key, nonce = _keys(shared, auth_secret, receiver, public, salt)
    record = (content + LAST_RECORD).ljust(padded + 1, b"\0")
    header = salt + RECORD_SIZE.to_bytes(4) + bytes((PUBLIC_SIZE,)) + public
    return header + AESGCM(key).encrypt(nonce, record, None)


def open_message(body: bytes, receiver: ec.EllipticCurvePrivateKey, auth_secret: bytes) -> bytes:
    """The content. Raises WebPushRefusedError."""
    salt, record_size = body[:SALT_SIZE], int.from_bytes(body[SALT_SIZE : SALT_SIZE + 4])
    sender, record = body[HEADER_SIZE - PUBLIC_SIZE : HEADER_SIZE], body[HEADER_SIZE:]
    if body[SALT_SIZE + 4 : SALT_SIZE + 5] != bytes((PUBLIC_SIZE,)) or not TAG_SIZE < len(record) <= record_size:
        raise WebPushRefusedError("not a message of one record")
    try:
        shared = receiver.exchange(ec.ECDH(), check_public(sender))
        key, nonce = _keys(shared, auth_secret, public_bytes(receiver.public_key()), sender, salt)
        plain = AESGCM(key).decrypt(nonce, record, None)
    except (EndpointRefusedError, InvalidTag):
        raise WebPushRefusedError("not sealed for this key and secret") from None
    content, mark, _ = plain.rpartition(LAST_RECORD)
    if not mark or plain[len(content) + 1 :].strip(b"\0"):
        raise WebPushRefusedError("not a last record")
    return content


def _keys(shared: bytes, auth_secret: bytes, receiver: bytes, sender: bytes, salt: bytes) -> tuple[bytes, bytes]:
    """Content key 16 and nonce 12 (RFC 8291, section 3.4)."""
    material = hkdf(shared, salt=auth_secret, info=b"WebPush: info\0" + receiver + sender, length=32)
    return hkdf(material, salt=salt, info=CONTENT_KEY, length=16), hkdf(material, salt=salt, info=NONCE, length=12)
