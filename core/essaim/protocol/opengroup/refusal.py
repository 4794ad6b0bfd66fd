"""Everything that a host of open groups refuses, each with its own reason (docs/protocol/opengroup.md, section 9)."""

from typing import ClassVar

from essaim.protocol.errors import ProtocolError


class RoomRefusedError(ProtocolError):
    """An action that the rules of the host or the room do not allow."""

    reason: ClassVar[str] = "ROOM_REFUSED"


class NotAuthorizedError(RoomRefusedError):
    """Not signed, or not by the key that it names, or for another host, method or content."""

    reason = "NOT_AUTHORIZED"


class ClockError(RoomRefusedError):
    """Signed more than five minutes ago or ahead by the host's clock."""

    reason = "CLOCK"


class NonceReusedError(RoomRefusedError):
    """A nonce that came before with another content."""

    reason = "NONCE_REUSED"


class BusyError(RoomRefusedError):
    """As many requests or streams as this node serves at once."""

    reason = "BUSY"


class BannedError(RoomRefusedError):
    """The member is banned here."""

    reason = "BANNED"


class InvitationNeededError(RoomRefusedError):
    """The room is for those who joined with an invitation."""

    reason = "INVITATION_NEEDED"


class NotAllowedError(RoomRefusedError):
    """The member has not the permission or the role for it."""

    reason = "NOT_ALLOWED"


class OutrankedError(RoomRefusedError):
    """The other one's role is not below one's own."""

    reason = "OUTRANKED"


class ArchivedError(RoomRefusedError):
    """The room is closed for anything new."""

    reason = "ARCHIVED"


class TooYoungError(RoomRefusedError):
    """The host has not known the member for long enough."""

    reason = "TOO_YOUNG"


class SlowModeError(RoomRefusedError):
    """The next post may come after `retry_after_ms`."""

    reason = "SLOW_MODE"

    def __init__(self, retry_after_ms: int) -> None:
        super().__init__("the room is in slow mode")
        self.retry_after_ms = retry_after_ms


class QuotaError(RoomRefusedError):
    """As many posts, bytes or messages as a member may in that time."""

    reason = "QUOTA"


class EditQuotaError(RoomRefusedError):
    """As many edits as a member may make in 24 hours."""

    reason = "EDIT_QUOTA"


class ReactionQuotaError(RoomRefusedError):
    """As many reactions, given or taken back, as a member may in 24 hours."""

    reason = "REACTION_QUOTA"


class FilteredError(RoomRefusedError):
    """The text holds what the room's filter keeps out."""

    reason = "FILTERED"


class BlockedError(RoomRefusedError):
    """The recipient takes no direct message of this member."""

    reason = "BLOCKED"


class RoomUnknownError(RoomRefusedError):
    """No such room, or none that may be known of."""

    reason = "ROOM_UNKNOWN"


class MemberUnknownError(RoomRefusedError):
    """No such member here."""

    reason = "MEMBER_UNKNOWN"


class PostUnknownError(RoomRefusedError):
    """No such post in this room, or it was deleted."""

    reason = "POST_UNKNOWN"


class FileUnknownError(RoomRefusedError):
    """No such file in this room, or not all of it."""

    reason = "FILE_UNKNOWN"


class TokenRefusedError(RoomRefusedError):
    """No such invitation, or it is used up or over."""

    reason = "TOKEN_REFUSED"


class NameTakenError(RoomRefusedError):
    """Another room has that name."""

    reason = "NAME_TAKEN"


class StatementRefusedError(RoomRefusedError):
    """Not a statement, for another host or room, or with a field out of its bounds."""

    reason = "STATEMENT_REFUSED"


class ChainRefusedError(RoomRefusedError):
    """The statement says that it has seen what this room's history does not hold."""

    reason = "CHAIN_REFUSED"


class SettingsRefusedError(RoomRefusedError):
    """A room's name, text or limit out of its bounds."""

    reason = "SETTINGS_REFUSED"


class SearchRefusedError(RoomRefusedError):
    """No word to search for, or more than 200 characters."""

    reason = "SEARCH_REFUSED"


class ChunkRefusedError(RoomRefusedError):
    """A chunk out of the file's bounds, or a file whose content is not what its hash says."""

    reason = "CHUNK_REFUSED"


class BatchRefusedError(RoomRefusedError):
    """No actions, too many, or bytes that are none."""

    reason = "BATCH_REFUSED"


class HistoryForkedError(RoomRefusedError):
    """For clients: the host's history contradicts itself, or what a member signed. It forged, reordered or forked."""

    reason = "HISTORY_FORKED"


class HostRefusedError(RoomRefusedError):
    """For clients: the node does not prove that it serves the host."""

    reason = "HOST_REFUSED"


class MemberKeyRefusedError(RoomRefusedError):
    """For clients: not a member key that the account's identity has signed."""

    reason = "MEMBER_KEY_REFUSED"


class MemberKeyWantedError(RoomRefusedError):
    """For clients: this device has no key for the host yet; a manager of the account was asked for it."""

    reason = "MEMBER_KEY_WANTED"
