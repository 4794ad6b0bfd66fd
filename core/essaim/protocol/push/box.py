"""A box for the holder of a private key: X25519, with a second secret beside it where there is one.

    box = EK 32 | ChaCha20-Poly1305(key, nonce 0, content, associated data = label)
    key = HKDF-SHA256(ikm = DH(EK, public key) 32 || beside, salt = label, info = EK || public key || context, 32)

EK is drawn anew for each box, so the key is used once.
"""

from essaim.protocol.device import Random
from essaim.protocol.kdf import hkdf
from essaim.protocol.keys import PUBLIC_SIZE, SEED_SIZE, AgreementKey, AgreementPublic, KeyRefusedError
from essaim.protocol.ratchet.aead import MAC_SIZE, ONCE, seal, unseal

OVERHEAD = PUBLIC_SIZE + MAC_SIZE


def close_box(
    content: bytes, to: AgreementPublic, beside: bytes, label: bytes, context: bytes, random: Random
) -> bytes:
    """`content` and 48 bytes more. KeyRefusedError for a key of small order."""
    ephemeral = AgreementKey(random(SEED_SIZE))
    front = ephemeral.public.raw
    key = _key(ephemeral.exchange(to) + beside, label, front + to.raw + context)
    return front + seal(key, ONCE, content, label)


def open_box(box: bytes, key: AgreementKey, beside: bytes, label: bytes, context: bytes) -> bytes | None:
    """What was sealed; None when it was not sealed so."""
    front = box[:PUBLIC_SIZE]
    try:
        shared = key.exchange(AgreementPublic(front))
    except KeyRefusedError:
        return None
    return unseal(_key(shared + beside, label, front + key.public.raw + context), ONCE, box[PUBLIC_SIZE:], label)


def _key(secret: bytes, label: bytes, info: bytes) -> bytes:
    return hkdf(secret, salt=label, info=info, length=SEED_SIZE)
