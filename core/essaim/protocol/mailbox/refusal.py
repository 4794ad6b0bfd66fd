"""Everything that a mailbox refuses, each with its own reason (docs/protocol/mailbox.md, section 10)."""

from typing import ClassVar

from essaim.protocol.errors import ProtocolError


class MailboxRefusedError(ProtocolError):
    """A request or record that the mailbox's rules do not allow."""

    reason: ClassVar[str] = "MAILBOX_REFUSED"


class PolicyMalformedError(MailboxRefusedError):
    """Not the bytes of a known kind with the keys (and, of a blob, the content) which that kind has."""

    reason = "POLICY_MALFORMED"


class PolicyMismatchError(MailboxRefusedError):
    """The policy does not hash to the mailbox id."""

    reason = "POLICY_MISMATCH"


class UnknownPolicyError(MailboxRefusedError):
    """The policy was left out, and this node does not have it: repeat with it."""

    reason = "UNKNOWN_POLICY"


class MethodRefusedError(MailboxRefusedError):
    """This kind of mailbox does not have this method."""

    reason = "METHOD_REFUSED"


class EnvelopeMalformedError(MailboxRefusedError):
    """Not one of the four sizes, or its id is not the hash of it."""

    reason = "ENVELOPE_MALFORMED"


class SlotRefusedError(MailboxRefusedError):
    """Neither a device slot nor an entry name, where this kind wants one."""

    reason = "SLOT_REFUSED"


class VersionRefusedError(MailboxRefusedError):
    """A version where the kind has none, none where it has, or one that does not grow."""

    reason = "VERSION_REFUSED"


class ExpiryRefusedError(MailboxRefusedError):
    """Expires too soon or too late for its kind."""

    reason = "EXPIRY_REFUSED"


class NotAuthorizedError(MailboxRefusedError):
    """Missing, superfluous, malformed, or not signed by a key that may do this."""

    reason = "NOT_AUTHORIZED"


class ClockError(MailboxRefusedError):
    """Signed more than five minutes ago or ahead by this node's clock."""

    reason = "CLOCK"


class NonceReusedError(MailboxRefusedError):
    """A nonce that came before with another payload."""

    reason = "NONCE_REUSED"


class NonceMemoryFullError(MailboxRefusedError):
    """This node cannot remember one more nonce: another member can."""

    reason = "BUSY"
    retry_after_ms = 10_000


class SlotRecordRefusedError(MailboxRefusedError):
    """Malformed, for another mailbox or slot, or not signed by the owner."""

    reason = "SLOT_RECORD_REFUSED"


class IdsRefusedError(MailboxRefusedError):
    """No ids, too many, repeated, or not 32 bytes each."""

    reason = "IDS_REFUSED"


class HaveRefusedError(MailboxRefusedError):
    """A salt that is not 16 bytes, or prefixes that are not 8, or too many."""

    reason = "HAVE_REFUSED"


class CursorMalformedError(MailboxRefusedError):
    """Not a cursor that a node made."""

    reason = "CURSOR_MALFORMED"


class RegistrationRefusedError(MailboxRefusedError):
    """Not the bytes of a push registration, or too many."""

    reason = "REGISTRATION_REFUSED"


class PrekeysRefusedError(MailboxRefusedError):
    """Too many prekeys, or one too long or empty, or not for this node."""

    reason = "PREKEYS_REFUSED"


class QuotaError(MailboxRefusedError):
    """The mailbox holds as much as its kind may."""

    reason = "QUOTA"
    retry_after_ms = 60_000


class PuzzleRequiredError(MailboxRefusedError):
    """Solve a puzzle of `difficulty` bits (puzzle.py) and repeat."""

    reason = "PUZZLE_REQUIRED"
    retry_after_ms = 0

    def __init__(self, difficulty: int) -> None:
        super().__init__(f"a puzzle of {difficulty} bits is asked for")
        self.difficulty = difficulty
        self.metadata = {"puzzleBits": str(difficulty)}
