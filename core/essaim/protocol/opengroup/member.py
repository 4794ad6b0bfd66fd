"""Who somebody is at one host: the account's identity key, blinded by a factor of a secret of the account.

    factor = BLAKE2b-512("essaim/member/v1" || rooms secret 32 || host id 32) mod L        member = factor * identity

The rooms secret never leaves the account's devices, so neither a host nor anybody who knows the account ID can compute
a member key, and nothing joins the member keys of two hosts. Who wants to may prove to somebody that a member is their
account by telling the factor of that host (`is_account`): it says nothing of other hosts. A private member key reveals
the identity's private key to whoever knows the factor as well: it never leaves a device that holds the identity.
"""

from essaim.protocol.account import Account
from essaim.protocol.blinding import SECRET_SIZE, BlindedKey, blind_private, blind_public, factor
from essaim.protocol.keys import PUBLIC_SIZE, VerifyKey

LABEL = b"essaim/member/v1"


def member_factor(rooms_secret: bytes, host_id: bytes) -> bytes:
    """The blinding factor of an account at a host, 32 bytes."""
    if len(rooms_secret) != SECRET_SIZE or len(host_id) != PUBLIC_SIZE:
        raise ValueError("a rooms secret and a host id have 32 bytes each")
    return factor(LABEL, rooms_secret, host_id)


def member_key(account: Account, host_id: bytes) -> BlindedKey:
    """What the account signs with at this host; `.public` is the member's name there."""
    return blind_private(account.identity, member_factor(account.rooms_secret, host_id))


def is_account(member: VerifyKey, account: VerifyKey, told_factor: bytes) -> bool:
    """Whether a factor that somebody told proves that `member` is that account."""
    return len(told_factor) == SECRET_SIZE and blind_public(account, told_factor) == member
