"""Signatures of the authorities over a header or a genesis, and how many of them are needed."""

from collections.abc import Iterable, Sequence

from essaim.protocol.keys import SigningKey, VerifyKey
from essaim.view.v1 import view_pb2


def threshold(authorities: int) -> int:
    """Signatures needed of n authorities: floor(2n/3)+1; one of one.

    Two different views of one serial then need more than a third of all to have signed both.
    """
    return 2 * authorities // 3 + 1


def sign(authority: int, key: SigningKey, label: bytes, message: bytes) -> view_pb2.AuthoritySignature:
    """The signature of authority number `authority` over `label || message`."""
    return view_pb2.AuthoritySignature(authority=authority, signature=key.sign(label + message))


def signers(
    authorities: Sequence[VerifyKey],
    signatures: Iterable[view_pb2.AuthoritySignature],
    label: bytes,
    message: bytes,
) -> frozenset[int]:
    """The authorities with a valid signature over `label || message`; each counts once, strangers not at all."""
    valid: set[int] = set()
    for each in signatures:
        known = each.authority < len(authorities) and each.authority not in valid
        if known and authorities[each.authority].verifies(each.signature, label + message):
            valid.add(each.authority)
    return frozenset(valid)
