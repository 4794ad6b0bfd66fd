"""An account: one seed, separate keys for separate purposes (HKDF, RFC 5869), and the ID that people exchange.

ID     bech32m (BIP-350) with prefix "esm" over: version 1 | identity key 32
"""

from dataclasses import dataclass
from functools import cached_property

from bech32 import CHARSET, bech32_hrp_expand, bech32_polymod, convertbits

from essaim.protocol.errors import ProtocolError
from essaim.protocol.kdf import hkdf
from essaim.protocol.keys import AgreementKey, KeyRefusedError, SigningKey, VerifyKey

PREFIX = "esm"
ID_VERSION = 1
ID_LENGTH = 63
SEED_SIZE = 32
BECH32M = 0x2BC830A3  # BIP-350; the `bech32` package has BIP-173's constant alone
CHECKSUM_LENGTH = 6


class AccountIdRefusedError(ProtocolError):
    """Not an account ID; the sentence says what is wrong with it, without repeating it."""

    reason = "ACCOUNT_ID_REFUSED"


@dataclass(frozen=True)
class AccountId:
    """The public name of an account: its identity key, a point of prime order."""

    identity: VerifyKey

    def __hash__(self) -> int:  # as that of the key
        return hash(self.identity.raw)

    @property
    def raw(self) -> bytes:
        """The 32 bytes of the identity key."""
        return self.identity.raw

    def __str__(self) -> str:
        data = list(convertbits(bytes((ID_VERSION,)) + self.raw, 8, 5) or ())
        polymod = bech32_polymod([*bech32_hrp_expand(PREFIX), *data, *bytes(CHECKSUM_LENGTH)]) ^ BECH32M
        checksum = [polymod >> 5 * (CHECKSUM_LENGTH - 1 - i) & 31 for i in range(CHECKSUM_LENGTH)]
        return PREFIX + "1" + "".join(CHARSET[value] for value in [*data, *checksum])

    def __repr__(self) -> str:
        return "AccountId(...)"  # an ID in a log or traceback would name a person

    @classmethod
    def parse(cls, text: str) -> "AccountId":
        """The ID that `text` spells, lower or upper case. Any mistyped one is refused with the reason in words."""
        payload = _decode(text.strip())
        if payload[0] != ID_VERSION:
            raise AccountIdRefusedError("the ID is of a version that this program does not know")
        try:
            return cls(VerifyKey(payload[1:]))
        except KeyRefusedError as error:
            raise AccountIdRefusedError("the ID holds no valid key") from error


def _decode(text: str) -> bytes:
    if text not in (text.lower(), text.upper()):
        raise AccountIdRefusedError("an ID is all lower or all upper case")
    text = text.lower()
    if not text.startswith(PREFIX + "1"):
        raise AccountIdRefusedError("an ID begins with esm1")
    if len(text) != ID_LENGTH:
        raise AccountIdRefusedError(f"an ID has {ID_LENGTH} characters, not {len(text)}")
    values = [CHARSET.find(character) for character in text[len(PREFIX) + 1 :]]
    if -1 in values:
        raise AccountIdRefusedError("the ID holds a character that no ID has")
    if bech32_polymod(bech32_hrp_expand(PREFIX) + values) != BECH32M:
        raise AccountIdRefusedError("the ID is mistyped: its checksum does not fit")
    payload = convertbits(values[:-CHECKSUM_LENGTH], 5, 8, False)
    if payload is None:
        raise AccountIdRefusedError("the ID is mistyped: its last characters do not fit")
    return bytes(payload)


@dataclass(frozen=True)
class Account:
    """The private side of an account: everything follows from the 32-byte seed."""

    seed: bytes

    def __post_init__(self) -> None:
        if len(self.seed) != SEED_SIZE:
            raise ValueError("an account seed has 32 bytes")

    def __repr__(self) -> str:
        return "Account(...)"

    def _derive(self, purpose: bytes) -> bytes:
        return hkdf(self.seed, salt=b"essaim/account/v1", info=purpose, length=32)

    @cached_property
    def identity(self) -> SigningKey:
        """Ed25519: signs manifests, names the mailboxes."""
        return SigningKey(self._derive(b"identity signing"))

    @cached_property
    def agreement(self) -> AgreementKey:
        """X25519."""
        return AgreementKey(self._derive(b"identity agreement"))

    @cached_property
    def mailbox_secret(self) -> bytes:
        return self._derive(b"mailbox")

    @cached_property
    def backup_key(self) -> bytes:
        return self._derive(b"backup")

    @cached_property
    def authorship_key(self) -> bytes:
        """By which the account's devices know their own words again: all of them are given it."""
        return self._derive(b"authorship")

    @cached_property
    def rooms_secret(self) -> bytes:
        """What the member keys of open groups are blinded with (essaim.protocol.opengroup.member)."""
        return self._derive(b"rooms")

    @cached_property
    def id(self) -> AccountId:
        return AccountId(self.identity.public)
