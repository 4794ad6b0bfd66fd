"""The key encapsulation of one layer: X25519 with a fresh key, and for the hybrid suite ML-KEM-768 beside it.

Both sides return the concatenated shared secrets and the SHA3-256 of the node's public keys and the ciphertext.
"""

from collections.abc import Callable

from nacl.bindings import crypto_scalarmult, crypto_scalarmult_base
from nacl.exceptions import RuntimeError as SodiumError

from essaim.protocol.geometry import X25519_SIZE, Suite
from essaim.protocol.keys import KeyRefusedError
from essaim.protocol.onion.hop import HopPublic, PrivatePair

Randomness = Callable[[int], bytes]
"""So many fresh random bytes."""


def encapsulate(hop: HopPublic, suite: Suite, randomness: Randomness) -> tuple[bytes, bytes, bytes]:
    """(shared secrets, ciphertext 32 or 1120, transcript 32). KeyRefusedError for a key of small order."""
    # libsodium multiplies the base point in half the time that `cryptography` takes to load a private key.
    ephemeral = randomness(X25519_SIZE)
    ciphertext = crypto_scalarmult_base(ephemeral)
    try:
        shared = crypto_scalarmult(ephemeral, hop.x25519.raw)
    except SodiumError as error:
        raise KeyRefusedError("an X25519 key of small order") from error
    if suite == Suite.HYBRID:
        secret, encapsulated = hop.mlkem.encapsulate()
        shared += secret
        ciphertext += encapsulated
    transcript = hop.transcripts[suite].copy()
    transcript.update(ciphertext)
    return shared, ciphertext, transcript.digest()


def decapsulate(pair: PrivatePair, suite: Suite, ciphertext: bytes) -> tuple[bytes, bytes]:
    """(shared secrets, transcript 32) of a ciphertext of the suite's length. KeyRefusedError: a small-order point."""
    shared = pair.x25519.exchange_once(ciphertext[:X25519_SIZE])
    if suite == Suite.HYBRID:
        shared += pair.mlkem.decapsulate(ciphertext[X25519_SIZE:])
    transcript = pair.transcripts[suite].copy()
    transcript.update(ciphertext)
    return shared, transcript.digest()
