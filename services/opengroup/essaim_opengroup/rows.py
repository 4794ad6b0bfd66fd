"""Rows as Python has them: rooms, members, memberships, posts; and what the pure rules ask of them."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from essaim.opengroup.v1 import action_pb2, room_pb2
from essaim.protocol.opengroup.permission import Override, Permission, Role, RoomRules, Standing
from essaim.protocol.opengroup.settings import DEFAULTS

DEFAULT_BYTES = DEFAULTS.SerializeToString()
"""What follows one message's bytes is merged into it."""

WRITTEN_MEMBERSHIP = (
    *("joined_ms", "role", "hidden", "banned_until_ms", "allow", "deny", "from_ms", "until_ms"),
    *("last_post_ms", "day_ms", "day_posts", "day_bytes", "day_edits", "day_reactions", "replied_ms", "coming"),
)


@dataclass(slots=True)
class RoomRow:
    """A room, as it will be after this transaction."""

    no: int
    room_id: bytes
    settings: room_pb2.RoomSettings
    sequence: int
    chain: bytes
    version: int
    created_ms: int
    members: int

    @property
    def rules(self) -> RoomRules:
        return rules_of(self.settings)


@dataclass(slots=True)
class MemberRow:
    """A member key that the host has seen."""

    no: int
    key: bytes
    known_ms: int
    role: int
    hidden: bool
    banned_until_ms: int


@dataclass(slots=True)
class MembershipRow:
    """A member in a room; `stored`: whether the database has the row."""

    room_no: int
    member_no: int
    joined_ms: int = 0
    role: int = int(Role.MEMBER)
    hidden: bool = False
    banned_until_ms: int = 0
    allow: int = 0
    deny: int = 0
    from_ms: int = 0
    until_ms: int = 0
    last_post_ms: int = 0
    day_ms: int = 0
    day_posts: int = 0
    day_bytes: int = 0
    day_edits: int = 0
    day_reactions: int = 0
    replied_ms: int = 0
    coming: bytes | None = None
    stored: bool = True


@dataclass(slots=True)
class PostRow:
    """What later statements need of a post."""

    sequence: int
    author_no: int
    time_ms: int
    thread: int = 0
    edited: int = 0
    deleted: int = 0
    pinned: int = 0
    whisper: bool = False
    whisper_to: int | None = None
    filtered: bool = False


def values_of(row: object, *names: str) -> dict[str, Any]:
    return {name: getattr(row, name) for name in names}


def room_values(room: RoomRow) -> dict[str, Any]:
    return {
        "name": room.settings.name,
        "listed": room.settings.listed,
        "settings": room.settings.SerializeToString(),
        "sequence": room.sequence,
        "chain": room.chain,
        "version": room.version,
        "members": room.members,
    }


def room_row(row: Any) -> RoomRow:
    """From the database. A room that is older than a setting has what a new one begins with."""
    settings = room_pb2.RoomSettings.FromString(DEFAULT_BYTES + row.settings)
    return RoomRow(row.no, row.room_id, settings, row.sequence, row.chain, row.version, row.created_ms, row.members)


def member_row(row: Any) -> MemberRow:
    """From the database."""
    return MemberRow(row.no, row.key, row.known_ms, row.role, row.hidden, row.banned_until_ms)


def membership_row(row: Any) -> MembershipRow:
    """From the database."""
    return MembershipRow(**values_of(row, "room_no", "member_no", *WRITTEN_MEMBERSHIP))


def rules_of(settings: room_pb2.RoomSettings) -> RoomRules:
    """What a room says of everybody."""
    return RoomRules(
        Permission(settings.defaults), settings.by_invitation, settings.archived, settings.min_age_seconds * 1_000
    )


def host_role(member: MemberRow) -> Role:
    """An admin of the host outranks the admins of rooms."""
    return Role.OWNER if member.role >= Role.ADMIN else Role(member.role)


def standing_of(member: MemberRow, membership: MembershipRow) -> Standing:
    """What the pure rules ask for."""
    return Standing(
        role=max(host_role(member), Role(membership.role)),
        joined=bool(membership.joined_ms),
        known_ms=member.known_ms,
        banned_until_ms=max(member.banned_until_ms, membership.banned_until_ms),
        override=override_of(membership),
        coming=coming_of(membership.coming),
    )


def override_of(row: Any) -> Override:
    """Of a membership, or of an Override that is told."""
    return Override(Permission(row.allow), Permission(row.deny), row.from_ms, row.until_ms)


def coming_of(raw: bytes | None) -> tuple[Override, ...]:
    """The overrides that take their places one after the other, ascending; a few may have begun by now."""
    return tuple(override_of(each) for each in action_pb2.Member.FromString(raw).coming) if raw else ()


def told_overrides(overrides: Iterable[Override]) -> list[action_pb2.Override]:
    """As they are told and stored."""
    return [
        action_pb2.Override(allow=int(each.allow), deny=int(each.deny), from_ms=each.from_ms, until_ms=each.until_ms)
        for each in overrides
    ]
