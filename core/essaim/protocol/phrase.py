"""The recovery phrase: 24 English words for 256 bits (BIP-39), and an optional passphrase beside them.

The words are BIP-39's; the seed is not: BIP-39 stretches with PBKDF2 because its phrases may have 128 bits, ours always
have 256 and are used as they are. A passphrase goes through Argon2id (RFC 9106) and is mixed in by HKDF.
"""

import unicodedata
from functools import lru_cache

from mnemonic import Mnemonic
from nacl.pwhash import argon2id

from essaim.protocol.errors import ProtocolError
from essaim.protocol.kdf import blake2b256, hkdf

ENTROPY_SIZE = 32
SEED_SIZE = 32
WORDS = 24
ARGON2_OPERATIONS = 3
ARGON2_MEMORY = 64 * 1024 * 1024


class PhraseError(ProtocolError):
    """These words are no phrase. The sentence names a position, never a word."""

    reason = "PHRASE_REFUSED"


class PhraseLengthError(PhraseError):
    """Not 24 words."""

    reason = "PHRASE_LENGTH"


class PhraseWordError(PhraseError):
    """A word that is not in the list."""

    reason = "PHRASE_WORD"


class PhraseChecksumError(PhraseError):
    """Every word is in the list, but they do not belong together in this order."""

    reason = "PHRASE_CHECKSUM"


@lru_cache(maxsize=1)
def _english() -> Mnemonic:
    return Mnemonic("english")


def words_of(entropy: bytes) -> str:
    """The 24 words of 32 random bytes, with one space between them."""
    if len(entropy) != ENTROPY_SIZE:
        raise ValueError("a phrase holds 32 bytes")
    return str(_english().to_mnemonic(entropy))


def entropy_of(words: str) -> bytes:
    """The 32 bytes of 24 words; case and spacing do not matter."""
    normal = unicodedata.normalize("NFKD", words).lower().split()
    if len(normal) != WORDS:
        raise PhraseLengthError(f"a phrase has 24 words, not {len(normal)}")
    known = _known_words()
    for position, word in enumerate(normal, start=1):
        if word not in known:
            raise PhraseWordError(f"word {position} is not in the word list")
    try:
        return bytes(_english().to_entropy(normal))
    except ValueError as error:
        raise PhraseChecksumError("the words do not fit together: one is wrong, or their order is") from error


@lru_cache(maxsize=1)
def _known_words() -> frozenset[str]:
    return frozenset(_english().wordlist)


def seed_of(entropy: bytes, passphrase: str = "") -> bytes:
    """The account's 32-byte seed. Every passphrase gives an account of its own; none gives the entropy itself."""
    if len(entropy) != ENTROPY_SIZE:
        raise ValueError("a phrase holds 32 bytes")
    if not passphrase:
        return entropy
    stretched = argon2id.kdf(
        SEED_SIZE,
        unicodedata.normalize("NFKD", passphrase).encode(),
        blake2b256(b"essaim/phrase/v1", entropy)[: argon2id.SALTBYTES],
        opslimit=ARGON2_OPERATIONS,
        memlimit=ARGON2_MEMORY,
    )
    return hkdf(entropy + stretched, salt=b"essaim/phrase/v1", info=b"seed", length=SEED_SIZE)
