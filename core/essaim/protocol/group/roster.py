"""Who is in a group and what they may do, after some of its records: a value, and one step from it to the next.

An admin acts on members and on those admins who became one later (their *rank* is the place of the record that made
them one): so no two can throw each other out, whichever way their records meet. A group always has an admin: where none
is left, whoever has been a member for longest becomes one.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import IntEnum

from essaim.protocol.group.record import NONCE_SIZE, Act, Record
from essaim.protocol.keys import PUBLIC_SIZE
from essaim.protocol.manifest import Head

MEMBERS_MAX = 100
"""Invited ones count."""

Place = tuple[int, bytes]
"""Where a record stands: height in the graph, record id. It stands after all that it follows."""
LAST: Place = (1 << 62, b"")


class Role(IntEnum):
    """What somebody is in a group."""

    INVITED = 1
    MEMBER = 2
    ADMIN = 3


@dataclass(frozen=True)
class Member:
    """`since`: the record by which they are what they are; `invited_by` an identity key, by the record `invitation`."""

    role: Role
    since: Place
    invited_by: bytes
    invitation: Place


@dataclass(frozen=True)
class Roster:
    """`members` by identity key; `heads`: the newest list of devices that each account has shown in the group."""

    name: str = ""
    picture: bytes = b""
    admin_key: bytes = b""
    members: Mapping[bytes, Member] = field(default_factory=dict)
    heads: Mapping[bytes, Head] = field(default_factory=dict)

    def role(self, account: bytes) -> Role | None:
        member = self.members.get(account)
        return member.role if member else None

    def is_member(self, account: bytes) -> bool:
        """Joined; an admin is one, too."""
        return self.role(account) in (Role.MEMBER, Role.ADMIN)

    def is_admin(self, account: bytes) -> bool:
        return self.role(account) == Role.ADMIN

    @property
    def joined(self) -> list[bytes]:
        """Everybody who is a member, in a fixed order."""
        return sorted(account for account in self.members if self.is_member(account))

    @property
    def admins(self) -> list[bytes]:
        """The most senior first."""
        return sorted((each for each in self.members if self.is_admin(each)), key=self.rank)

    def rank(self, account: bytes) -> Place:
        """Lower is more senior; nobody but an admin has one."""
        return self.members[account].since if self.is_admin(account) else LAST

    # What may be done

    def allows(self, record: Record) -> bool:
        """Whether its author may do this now, with this device."""
        return self._knows_device(record) and self._may(record.act, record.account, record.subject)

    def may(self, act: Act, author: bytes, subject: bytes) -> bool:
        """Likewise before there is a record."""
        return self._may(act, author, subject)

    def _may(self, act: Act, author: bytes, subject: bytes) -> bool:
        role = self.role(author)
        match act:
            case Act.FOUND:
                return not self.members
            case Act.JOIN:
                return role == Role.INVITED
            case Act.LEAVE | Act.DEVICES:
                return role is not None
            case Act.INVITE:
                return role == Role.ADMIN and subject not in self.members and len(self.members) < MEMBERS_MAX
            case Act.REMOVE:
                return role == Role.ADMIN and subject in self.members and self.rank(author) < self.rank(subject)
            case Act.PROMOTE:
                return role == Role.ADMIN and self.role(subject) == Role.MEMBER
            case Act.DEMOTE:
                below = author == subject or self.rank(author) < self.rank(subject)
                return role == Role.ADMIN and self.is_admin(subject) and below
        return role == Role.ADMIN

    def _knows_device(self, record: Record) -> bool:
        """That no newer list of the account's devices, shown before, is without this one."""
        known, shown = self.heads.get(record.account), record.certificate
        return known is None or shown.head.version > known.version or known.lists_device(shown.device)

    # What follows

    def applied(self, record: Record, place: Place) -> "Roster":
        """After a record that is allowed."""
        head = self.heads.get(record.account)
        shown = record.certificate.head
        heads = self.heads if head and head.version >= shown.version else {**self.heads, record.account: shown}
        return _with_admin(replace(self._changed(record, place), heads=heads), place)

    def _changed(self, record: Record, place: Place) -> "Roster":
        argument = record.argument
        match record.act:
            case Act.FOUND:
                key, name = argument[NONCE_SIZE:][:PUBLIC_SIZE], argument[NONCE_SIZE + PUBLIC_SIZE :].decode()
                founder = Member(Role.ADMIN, place, record.account, place)
                return replace(self, name=name, admin_key=key, members={record.account: founder})
            case Act.RENAME:
                return replace(self, name=argument.decode())
            case Act.PICTURE:
                return replace(self, picture=argument)
            case Act.ADMIN_KEY:
                return replace(self, admin_key=argument)
            case Act.DEVICES:
                return self
            case Act.REMOVE | Act.LEAVE:
                return replace(self, members=_without(self.members, record.subject))
        role = {Act.INVITE: Role.INVITED, Act.PROMOTE: Role.ADMIN}.get(record.act, Role.MEMBER)
        before = self.members.get(record.subject)
        invited_by, invitation = (before.invited_by, before.invitation) if before else (record.account, place)
        member = Member(role, place, invited_by, invitation)
        return replace(self, members={**self.members, record.subject: member})

    def lost_since(self, before: "Roster") -> bool:
        """Whether somebody, or a device of somebody, who was in `before` is no more."""
        if any(account not in self.members for account in before.members):
            return True
        return any(self.lacks_device_of(head) for account, head in before.heads.items() if account in before.members)

    def lacks_device_of(self, head: Head) -> bool:
        """Whether a newer list of the account is without one of these devices (or with other flags)."""
        known = self.heads.get(head.identity.raw)
        return known is not None and known.version > head.version and bool(set(head.slots) - set(known.slots))


def _without(members: Mapping[bytes, Member], account: bytes) -> dict[bytes, Member]:
    return {each: member for each, member in members.items() if each != account}


def _with_admin(roster: Roster, place: Place) -> Roster:
    if not roster.joined or roster.admins:
        return roster
    eldest = min(roster.joined, key=lambda each: roster.members[each].since)
    heir = replace(roster.members[eldest], role=Role.ADMIN, since=place)
    return replace(roster, members={**roster.members, eldest: heir})
