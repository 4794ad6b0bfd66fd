"""Who somebody is at one host: the account's identity key, blinded by a factor of a secret of the account.

    factor = BLAKE2b-512("essaim/member/v1" || rooms secret 32 || host id 32 || turn u32, unless 0) mod L
    member = factor * identity

The rooms secret never leaves the devices that hold the account's keys, so neither a host nor anybody who knows the
account ID can compute a member key, and nothing joins the member keys of two hosts.

A private member key together with its factor gives the identity's private key. So a *handed key* goes to devices
without the account's keys, the factor to nobody: a private member key alone is a uniform scalar, whatever it is of
other hosts. Who wants to show that a member is their account gives a `Handed.word` of both keys (`proof`, `proves`).

A *turn* other than 0 is another member, for who lost a device with the key: to the host they are two strangers.

    word    = Ed25519(identity, "essaim/member-proof/v1" || host id 32 || turn u32 || member 32)
    handed  = turn u32 | scalar 32 | nonce prefix 32 | word 64
    proof   = turn u32 | word 64 | Ed25519(member, "essaim/member-proof/v1" || host id 32 || identity 32) 64
"""

from dataclasses import dataclass, field

from essaim.protocol.account import Account
from essaim.protocol.blinding import SECRET_SIZE, BlindedKey, blind_private, blind_public, blinded_key, factor
from essaim.protocol.keys import PUBLIC_SIZE, KeyRefusedError, VerifyKey
from essaim.protocol.opengroup.refusal import MemberKeyRefusedError

LABEL = b"essaim/member/v1"
PROOF_LABEL = b"essaim/member-proof/v1"
SIGNATURE_SIZE = 64
TURN_SIZE = 4
HANDED_SIZE = TURN_SIZE + 2 * SECRET_SIZE + SIGNATURE_SIZE
MAX_TURN = 1_000_000


def member_factor(rooms_secret: bytes, host_id: bytes, turn: int = 0) -> bytes:
    """The blinding factor of an account at a host, 32 bytes."""
    if len(rooms_secret) != SECRET_SIZE or len(host_id) != PUBLIC_SIZE:
        raise ValueError("a rooms secret and a host id have 32 bytes each")
    return factor(LABEL, rooms_secret, host_id, *((turn.to_bytes(TURN_SIZE),) if turn else ()))


def member_key(account: Account, host_id: bytes, turn: int = 0) -> BlindedKey:
    """What the account signs with at this host; `.public` is the member's name there."""
    return blind_private(account.identity, member_factor(account.rooms_secret, host_id, turn))


def is_account(member: VerifyKey, account: VerifyKey, told_factor: bytes) -> bool:
    """Whether a factor proves that `member` is that account. It was told for that; now `proof` is, which gives less."""
    return len(told_factor) == SECRET_SIZE and blind_public(account, told_factor) == member


@dataclass(frozen=True)
class Handed:
    """A member key for a device that does not hold the account's keys; `word` is the identity key's."""

    turn: int
    key: BlindedKey = field(repr=False)
    word: bytes

    @classmethod
    def make(cls, account: Account, host_id: bytes, turn: int = 0) -> "Handed":
        """By a device that holds them."""
        key = member_key(account, host_id, turn)
        return cls(turn, key, account.identity.sign(_said(host_id, turn, key.public)))

    def encode(self) -> bytes:
        return self.turn.to_bytes(TURN_SIZE) + self.key.scalar + self.key.prefix + self.word

    @classmethod
    def decode(cls, raw: bytes, identity: VerifyKey, host_id: bytes) -> "Handed":
        """Raises MemberKeyRefusedError: another device of the account can write, but not sign, one."""
        if len(raw) != HANDED_SIZE:
            raise MemberKeyRefusedError(f"a handed member key has {HANDED_SIZE} bytes")
        turn, halves, word = int.from_bytes(raw[:TURN_SIZE]), raw[TURN_SIZE:-SIGNATURE_SIZE], raw[-SIGNATURE_SIZE:]
        try:
            key = blinded_key(halves[:SECRET_SIZE], halves[SECRET_SIZE:])
        except KeyRefusedError:
            raise MemberKeyRefusedError("no member key") from None
        if not identity.verifies(word, _said(host_id, turn, key.public)):
            raise MemberKeyRefusedError("a member key that no manager of the account gave")
        return cls(turn, key, word)

    def proof(self, identity: VerifyKey, host_id: bytes) -> bytes:
        """132 bytes that show somebody that this member is that account, at this host alone."""
        return self.turn.to_bytes(TURN_SIZE) + self.word + self.key.sign(PROOF_LABEL + host_id + identity.raw)


def _said(host_id: bytes, turn: int, member: VerifyKey) -> bytes:
    return PROOF_LABEL + host_id + turn.to_bytes(TURN_SIZE) + member.raw


def proves(proof: bytes, member: VerifyKey, identity: VerifyKey, host_id: bytes) -> bool:
    """Whether both keys say that they are one person's: neither can claim the other alone."""
    if len(proof) != TURN_SIZE + 2 * SIGNATURE_SIZE:
        return False
    turn, word, answer = int.from_bytes(proof[:TURN_SIZE]), proof[TURN_SIZE:-SIGNATURE_SIZE], proof[-SIGNATURE_SIZE:]
    said = identity.verifies(word, _said(host_id, turn, member))
    return said and member.verifies(answer, PROOF_LABEL + host_id + identity.raw)
