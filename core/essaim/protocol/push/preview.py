"""A preview: what a wake may carry for the device alone. The storage node makes it; neither host nor provider opens it.

    preview   box (box.py) of pad(content, 192), label "essaim/push/preview/v1", context = push id, beside = secret
    content   version u8 (1) | mailbox id 32 | envelope id 32 | envelope's size u32 | the envelope's first 64 bytes
    (private X25519 key 32 | secret 32) = HKDF-SHA256(ikm = the device's preview secret 32,
                                                      salt = "essaim/push/preview/v1", info = push id, 64)

By the envelope's first bytes (its tag) a device knows, without asking anybody, which conversation speaks. Each push id
has keys of its own, so no key joins two mailboxes. The secret beside the X25519 key makes a preview that a provider has
kept useless to who breaks X25519 later.
"""

from dataclasses import dataclass

from essaim.protocol.device import Random
from essaim.protocol.kdf import hkdf
from essaim.protocol.keys import SEED_SIZE, AgreementKey, AgreementPublic, KeyRefusedError
from essaim.protocol.layout import MalformedError, Reader
from essaim.protocol.padding import pad, unpad
from essaim.protocol.push.box import OVERHEAD, close_box, open_box
from essaim.protocol.push.refusal import PreviewRefusedError
from essaim.protocol.push.registration import PREVIEW_KEY_SIZE

LABEL = b"essaim/push/preview/v1"
VERSION = 1
ID_SIZE = 32
SIZE_SIZE = 4
HEAD_SIZE = 64
PADDED_SIZE = 192
PREVIEW_SIZE = PADDED_SIZE + OVERHEAD
MAX_PREVIEW = 2_800
"""Of the bytes that a wake may carry: what a Web Push message holds beside its own framing."""


@dataclass(frozen=True)
class PreviewKey:
    """A device's, for one push id."""

    agreement: AgreementKey
    secret: bytes

    @classmethod
    def derive(cls, device_secret: bytes, push_id: bytes) -> "PreviewKey":
        """`device_secret`: 32 random bytes that never leave the device."""
        keys = hkdf(device_secret, salt=LABEL, info=push_id, length=2 * SEED_SIZE)
        return cls(AgreementKey(keys[:SEED_SIZE]), keys[SEED_SIZE:])

    @property
    def public(self) -> bytes:
        """For the registration: 64 bytes."""
        return self.agreement.public.raw + self.secret


@dataclass(frozen=True, slots=True)
class Preview:
    """What has come, and where. `head` is the first 64 bytes of the envelope."""

    mailbox_id: bytes
    envelope_id: bytes
    size: int
    head: bytes

    def seal(self, preview_key: bytes, push_id: bytes, random: Random) -> bytes:
        """240 bytes. Raises PreviewRefusedError for a key that nothing can be sealed to."""
        if len(preview_key) != PREVIEW_KEY_SIZE:
            raise PreviewRefusedError("a preview key has 64 bytes")
        content = bytes((VERSION,)) + self.mailbox_id + self.envelope_id + self.size.to_bytes(SIZE_SIZE) + self.head
        to, secret = AgreementPublic(preview_key[:SEED_SIZE]), preview_key[SEED_SIZE:]
        try:
            return close_box(pad(content, PADDED_SIZE), to, secret, LABEL, push_id, random)
        except KeyRefusedError:
            raise PreviewRefusedError("a preview key of small order") from None

    @classmethod
    def unseal(cls, preview: bytes, key: PreviewKey, push_id: bytes) -> "Preview":
        """Raises PreviewRefusedError."""
        padded = open_box(preview, key.agreement, key.secret, LABEL, push_id) if len(preview) == PREVIEW_SIZE else None
        if padded is None:
            raise PreviewRefusedError("not sealed for this push id")
        try:
            reader = Reader(unpad(padded))
            reader.version(VERSION)
            found = cls(reader.take(ID_SIZE), reader.take(ID_SIZE), reader.number(SIZE_SIZE), reader.take(HEAD_SIZE))
            reader.end()
        except MalformedError:
            raise PreviewRefusedError("not a preview") from None
        return found
