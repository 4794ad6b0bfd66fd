"""Who may do what in a room: one pure function of role, act and state. docs/protocol/opengroup.md has the table.

The first that refuses wins: ban; invitation; archive; role; permission bits; age of the key.
"""

from dataclasses import dataclass
from enum import IntEnum, IntFlag, StrEnum, auto
from typing import Final

from essaim.protocol.opengroup.refusal import (
    ArchivedError,
    BannedError,
    InvitationNeededError,
    NotAllowedError,
    OutrankedError,
    RoomRefusedError,
    TooYoungError,
)


class Role(IntEnum):
    """The codes of `essaim.opengroup.v1.MemberRole`; 0 is somebody who has not said who they are."""

    STRANGER = 0
    MEMBER = 1
    MODERATOR = 2
    ADMIN = 3
    OWNER = 4


class Permission(IntFlag):
    """The codes of `essaim.opengroup.v1.Permission`."""

    READ = 1
    WRITE = 2
    UPLOAD = 4
    REACT = 8


NONE: Final = Permission(0)
ALL: Final = Permission.READ | Permission.WRITE | Permission.UPLOAD | Permission.REACT


class Act(StrEnum):
    """What may be done in a room."""

    READ = auto()
    WRITE = auto()
    UPLOAD = auto()
    REACT = auto()
    EDIT_OWN = auto()
    DELETE_OWN = auto()
    REPORT = auto()
    DIRECT = auto()
    DELETE_ANY = auto()
    PIN = auto()
    WHISPER = auto()
    MODERATE = auto()  # permit, ban, invite, reports, lists of members, hidden moderators
    CONFIGURE = auto()  # settings, audit log, appointments
    DESTROY = auto()  # the room itself


NEEDED: Final = {
    Act.READ: Permission.READ,
    Act.WRITE: Permission.READ | Permission.WRITE,
    Act.UPLOAD: Permission.READ | Permission.WRITE | Permission.UPLOAD,
    Act.REACT: Permission.READ | Permission.REACT,
    Act.EDIT_OWN: Permission.READ | Permission.WRITE,
    Act.DELETE_OWN: Permission.READ,
    Act.REPORT: Permission.READ,
    Act.DIRECT: Permission.READ | Permission.WRITE,
}
"""Permission bits of what members do."""
LEAST_ROLE: Final = {
    Act.DELETE_ANY: Role.MODERATOR,
    Act.PIN: Role.MODERATOR,
    Act.WHISPER: Role.MODERATOR,
    Act.MODERATE: Role.MODERATOR,
    Act.CONFIGURE: Role.ADMIN,
    Act.DESTROY: Role.OWNER,
}
"""What takes an office; nothing else about the room matters then."""
NEW_CONTENT: Final = frozenset({Act.WRITE, Act.UPLOAD, Act.REACT, Act.EDIT_OWN, Act.PIN, Act.WHISPER})
"""What an archived room takes no more, from nobody."""
AGED: Final = frozenset({Act.WRITE, Act.UPLOAD, Act.REACT, Act.EDIT_OWN, Act.DIRECT, Act.REPORT})
"""What a young key must wait for."""


@dataclass(frozen=True)
class RoomRules:
    """What a room says of everybody."""

    defaults: Permission = ALL
    by_invitation: bool = False
    archived: bool = False
    min_age_ms: int = 0


@dataclass(frozen=True)
class Override:
    """What differs from the defaults for one member, between two times; `until_ms` 0: for good."""

    allow: Permission = NONE
    deny: Permission = NONE
    from_ms: int = 0
    until_ms: int = 0

    def holds(self, now_ms: int) -> bool:
        return self.from_ms <= now_ms and (not self.until_ms or now_ms < self.until_ms)


NO_OVERRIDE: Final = Override()


@dataclass(frozen=True)
class Standing:
    """What a member is in a room: `role` is the higher of room and host."""

    role: Role = Role.STRANGER
    joined: bool = False
    known_ms: int = 0
    """When the host first took something of this key."""
    banned_until_ms: int = 0
    override: Override = NO_OVERRIDE
    coming: tuple[Override, ...] = ()
    """Each takes the place of the one before when it begins; ascending."""

    def override_at(self, now_ms: int) -> Override:
        """The one that counts, whether it holds or has ended; NO_OVERRIDE before the first."""
        begun = [each for each in self.coming if each.from_ms <= now_ms]
        return begun[-1] if begun else self.override


def permissions(rules: RoomRules, standing: Standing, now_ms: int) -> Permission:
    """The bits that count now."""
    if standing.role >= Role.MODERATOR:
        return ALL
    override = standing.override_at(now_ms)
    return (rules.defaults | override.allow) & ~override.deny if override.holds(now_ms) else rules.defaults


def refusal(act: Act, rules: RoomRules, standing: Standing, now_ms: int) -> RoomRefusedError | None:
    """Why not; None when it is allowed."""
    if now_ms < standing.banned_until_ms:
        return BannedError("you are banned here")
    if rules.by_invitation and not standing.joined and standing.role < Role.MODERATOR:
        return InvitationNeededError("this room is by invitation")
    if rules.archived and act in NEW_CONTENT:
        return ArchivedError("this room is archived")
    if act in LEAST_ROLE:
        return None if standing.role >= LEAST_ROLE[act] else NotAllowedError("your role does not reach for this")
    if standing.role == Role.STRANGER and act != Act.READ:
        return NotAllowedError("this needs a member's signature")
    missing = NEEDED[act] & ~permissions(rules, standing, now_ms)
    if missing:
        return NotAllowedError(f"you have no permission to {(missing & -missing).name.lower()} here")  # type: ignore[union-attr]  # one bit has a name
    if act in AGED and _young(rules, standing, now_ms) and not _waived(act, standing, now_ms):
        return TooYoungError("your key has not been known here for long enough")
    return None


def check(act: Act, rules: RoomRules, standing: Standing, now_ms: int) -> None:
    """Raises the refusal, if there is one."""
    refused = refusal(act, rules, standing, now_ms)
    if refused is not None:
        raise refused


def check_rank(actor: Role, target: Role) -> None:
    """Nobody acts on somebody of the own rank or above; OutrankedError."""
    if target >= Role.MODERATOR and target >= actor:
        raise OutrankedError("their role is not below yours")


def _young(rules: RoomRules, standing: Standing, now_ms: int) -> bool:
    return standing.role < Role.MODERATOR and now_ms - standing.known_ms < rules.min_age_ms


def _waived(act: Act, standing: Standing, now_ms: int) -> bool:
    """A moderator who allows somebody something by name need not wait for their age."""
    override, named = standing.override_at(now_ms), NEEDED[act] & ~Permission.READ
    return override.holds(now_ms) and named != NONE and not named & ~override.allow
