"""An account that goes on under another identity: a statement that both have signed.

    statement   version 1 | old identity 32 | new identity 32 | time_ms 8 | signature by the old 64 | by the new 64
    signatures  Ed25519 over "essaim/moved/v1" || all before the first signature

The old account shows that it wants to, the new one that it was not made use of. Contacts follow after confirming.
"""

from dataclasses import dataclass

from essaim.protocol.account import Account, AccountId
from essaim.protocol.errors import ProtocolError
from essaim.protocol.keys import PUBLIC_SIZE, SIGNATURE_SIZE, KeyRefusedError, VerifyKey
from essaim.protocol.layout import MalformedError, Reader

VERSION = 1
LABEL = b"essaim/moved/v1"


class MoveRefusedError(ProtocolError):
    """Not signed by both accounts."""

    reason = "MOVE_REFUSED"


@dataclass(frozen=True)
class Move:
    """A genuine statement."""

    before: AccountId
    after: AccountId
    time_ms: int

    @staticmethod
    def sign(before: Account, after: Account, now: int) -> bytes:
        """The statement."""
        body = bytes((VERSION,)) + before.id.raw + after.id.raw + now.to_bytes(8, "big")
        return body + before.identity.sign(LABEL + body) + after.identity.sign(LABEL + body)

    @classmethod
    def check(cls, statement: bytes) -> "Move":
        """Raises MoveRefusedError."""
        try:
            reader = Reader(statement)
            reader.version(VERSION)
            before, after = VerifyKey(reader.take(PUBLIC_SIZE)), VerifyKey(reader.take(PUBLIC_SIZE))
            time_ms, body = reader.number(8), statement[: reader.position]
            by_before, by_after = reader.take(SIGNATURE_SIZE), reader.take(SIGNATURE_SIZE)
            reader.end()
        except (MalformedError, KeyRefusedError) as error:
            raise MoveRefusedError("not a statement of an account that moves") from error
        if before == after or not (before.verifies(by_before, LABEL + body) and after.verifies(by_after, LABEL + body)):
            raise MoveRefusedError("not signed by both accounts")
        return cls(AccountId(before), AccountId(after), time_ms)
