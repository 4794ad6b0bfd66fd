"""A mark on what an account says, by which its own devices know it again when somebody else gives it back.

    mark = HMAC-SHA256(authorship key, label || conversation 32 || BLAKE2b-256(label || content without mark))[:16]
    label = "essaim/authorship/v1"

Only the account's devices can check it, so it proves nothing to anybody else: conversations stay deniable.
"""

import hmac

from essaim.protocol.kdf import blake2b256

LABEL = b"essaim/authorship/v1"
MARK_SIZE = 16


def mark(key: bytes, conversation: bytes, content: bytes) -> bytes:
    """16 bytes for a serialised content whose mark is empty."""
    return hmac.digest(key, LABEL + conversation + blake2b256(LABEL, content), "sha256")[:MARK_SIZE]


def is_own(key: bytes, conversation: bytes, content: bytes, given: bytes) -> bool:
    """Whether a device of the account with this key made `given`."""
    return hmac.compare_digest(mark(key, conversation, content), given)
