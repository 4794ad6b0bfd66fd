"""A push host is a seed that all its nodes share. From it follow the keys that it shows, and those that it does not.

seed 32 -> HKDF-SHA256(ikm = seed, salt = "essaim/push/host/v1", info = name, length)
    "host" 32        Ed25519 seed; the public key is the host id
    "agreement" 32   X25519, and "kem" 64, ML-KEM-768 seed: endpoints are sealed to both
    "ids" 64         AES-256-SIV: push ids (push_id.py)
    "endpoints" 32   BLAKE2b-256 key: by which the host knows an endpoint again, and nobody else does

attestation = Ed25519(host key, "essaim/push/host/v1" || node id 32 || X25519 key 32 || ML-KEM key 1184)
"""

from dataclasses import dataclass
from functools import cached_property
from hashlib import blake2b

from essaim.protocol.device import Random
from essaim.protocol.kdf import hkdf
from essaim.protocol.keys import (
    KEM_CIPHERTEXT_SIZE,
    KEM_SEED_SIZE,
    SEED_SIZE,
    AgreementKey,
    AgreementPublic,
    KemKey,
    KemPublic,
    KeyRefusedError,
    SigningKey,
    VerifyKey,
)
from essaim.protocol.layout import MalformedError
from essaim.protocol.padding import ContentTooLargeError, pad, unpad
from essaim.protocol.push.box import OVERHEAD, close_box, open_box
from essaim.protocol.push.refusal import EndpointRefusedError, HostRefusedError

LABEL = b"essaim/push/host/v1"
SEAL_LABEL = b"essaim/push/endpoint/v1"
PADDED_SIZE = 2048
"""Of every sealed endpoint, so that its length does not tell its kind or its provider."""
MAX_ENDPOINT = PADDED_SIZE - 4
SEALED_SIZE = KEM_CIPHERTEXT_SIZE + OVERHEAD + PADDED_SIZE
TAG_SIZE = 16
IDS_KEY_SIZE = 64


@dataclass(frozen=True)
class HostPublic:
    """What everybody may know of a host."""

    host_id: VerifyKey
    agreement: AgreementPublic
    kem: KemPublic

    def text(self, node_id: bytes) -> bytes:
        """What an attestation signs."""
        return LABEL + node_id + self.agreement.raw + self.kem.raw

    def check(self, node_id: bytes, attestation: bytes) -> None:
        """The host says that this node serves it, and that these are its keys. Raises HostRefusedError."""
        if not self.host_id.verifies(attestation, self.text(node_id)):
            raise HostRefusedError("the node does not prove that it serves this host")

    def seal(self, endpoint: bytes, random: Random) -> bytes:
        """ML-KEM ciphertext 1088 | box of the padded endpoint. 3184 bytes. (ML-KEM draws its own randomness.)"""
        try:
            padded = pad(endpoint, PADDED_SIZE)
        except ContentTooLargeError:
            raise EndpointRefusedError("an endpoint has at most 2044 bytes") from None
        secret, ciphertext = self.kem.encapsulate()
        box = close_box(padded, self.agreement, secret, SEAL_LABEL, ciphertext + self.host_id.raw, random)
        return ciphertext + box


@dataclass(frozen=True)
class HostKey:
    """The seed, and what follows from it."""

    seed: bytes

    def __post_init__(self) -> None:
        if len(self.seed) != SEED_SIZE:
            raise KeyRefusedError("a host's seed has 32 bytes")

    def __repr__(self) -> str:
        return "HostKey(...)"

    def derived(self, name: bytes, length: int) -> bytes:
        return hkdf(self.seed, salt=LABEL, info=name, length=length)

    @cached_property
    def _signing(self) -> SigningKey:
        return SigningKey(self.derived(b"host", SEED_SIZE))

    @cached_property
    def _agreement(self) -> AgreementKey:
        return AgreementKey(self.derived(b"agreement", SEED_SIZE))

    @cached_property
    def _kem(self) -> KemKey:
        return KemKey(self.derived(b"kem", KEM_SEED_SIZE))

    @cached_property
    def _endpoints(self) -> bytes:
        return self.derived(b"endpoints", SEED_SIZE)

    @cached_property
    def ids(self) -> bytes:
        """The key of push ids."""
        return self.derived(b"ids", IDS_KEY_SIZE)

    @cached_property
    def public(self) -> HostPublic:
        return HostPublic(self._signing.public, self._agreement.public, self._kem.public)

    def attest(self, node_id: bytes) -> bytes:
        """The host's word that a node serves it, and which keys are its own."""
        return self._signing.sign(self.public.text(node_id))

    def unseal(self, sealed: bytes) -> bytes:
        """The endpoint's bytes. Raises EndpointRefusedError."""
        if len(sealed) != SEALED_SIZE:
            raise EndpointRefusedError("a sealed endpoint has 3184 bytes")
        ciphertext, box = sealed[:KEM_CIPHERTEXT_SIZE], sealed[KEM_CIPHERTEXT_SIZE:]
        secret, context = self._kem.decapsulate(ciphertext), ciphertext + self.public.host_id.raw
        padded = open_box(box, self._agreement, secret, SEAL_LABEL, context)
        try:
            if padded is None:
                raise EndpointRefusedError("not sealed to this host")
            return unpad(padded)
        except MalformedError:
            raise EndpointRefusedError("sealed, but not padded as it must be") from None

    def tag(self, endpoint: bytes) -> bytes:
        """By which the host knows the same endpoint again: 16 bytes."""
        return blake2b(endpoint, digest_size=TAG_SIZE, key=self._endpoints).digest()
