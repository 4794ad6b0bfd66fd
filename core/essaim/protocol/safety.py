"""Safety numbers: two people compare them in person, and know that neither was given somebody else's account.

    half      30 digits of an account: six groups of 5 from the first 30 bytes of the hash below, each 5 bytes,
              big-endian, mod 100,000
    hash      H_0 = SHA-512("essaim/safety/v1" || identity 32), H_n = SHA-512(H_(n-1) || identity), n = 5,200
    number    both halves, the smaller first: 60 digits
    code      for a QR code: "ESSAIM1" || base32 without padding of (own identity 32 || the other's 32)

The iterations are Signal's: a number of 60 digits is shorter than a key, so finding another that fits must cost more.
"""

import base64
import hashlib

from essaim.protocol.account import AccountId
from essaim.protocol.errors import ProtocolError

LABEL = b"essaim/safety/v1"
ITERATIONS = 5_200
GROUPS, GROUP_BYTES, GROUP_DIGITS = 6, 5, 5
PREFIX = "ESSAIM1"


class SafetyRefusedError(ProtocolError):
    """What was compared is not this conversation's: whoever shows it is not who they are taken for."""

    reason = "SAFETY_REFUSED"


def _half(account: AccountId) -> str:
    digest = hashlib.sha512(LABEL + account.raw).digest()
    for _ in range(ITERATIONS):
        digest = hashlib.sha512(digest + account.raw).digest()
    groups = (digest[at : at + GROUP_BYTES] for at in range(0, GROUPS * GROUP_BYTES, GROUP_BYTES))
    return "".join(f"{int.from_bytes(group, 'big') % 10**GROUP_DIGITS:0{GROUP_DIGITS}}" for group in groups)


def safety_number(own: AccountId, other: AccountId) -> str:
    """60 digits, the same on both sides."""
    return "".join(sorted((_half(own), _half(other))))


def safety_code(own: AccountId, other: AccountId) -> str:
    """What this side shows as a QR code."""
    return PREFIX + base64.b32encode(own.raw + other.raw).decode().rstrip("=")


def check_safety(own: AccountId, other: AccountId, given: str) -> None:
    """The other side's number, as read out, or its code, as scanned: SafetyRefusedError unless it fits."""
    plain = "".join(given.split()).upper()
    if plain not in (safety_number(own, other), safety_code(other, own)):
        raise SafetyRefusedError("the numbers differ: this is not the account that the other side has")
