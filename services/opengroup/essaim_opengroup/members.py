"""Members and what they are in rooms, as one transaction has read them, and what of it the transaction will write."""

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Connection, bindparam, delete, insert, select, update

from essaim_opengroup.database import insert_once
from essaim_opengroup.rows import (
    WRITTEN_MEMBERSHIP,
    MemberRow,
    MembershipRow,
    member_row,
    membership_row,
    values_of,
)
from essaim_opengroup.schema import MEMBER, MEMBERSHIP


class Members:
    """One for each transaction; `write` is called once, at the end."""

    def __init__(self, connection: Connection, now_ms: int) -> None:
        self._connection = connection
        self._now_ms = now_ms
        self._members: dict[bytes, MemberRow] = {}
        self._memberships: dict[tuple[int, int], MembershipRow] = {}
        self._changed: dict[tuple[int, int], MembershipRow] = {}
        self._newcomers: list[MemberRow] = []

    def prefetch(self, keys: Iterable[bytes], rooms: Sequence[int]) -> None:
        """Those of a batch, by one question; and what they are in its rooms."""
        wanted = sorted(set(keys) - self._members.keys())
        for row in self._connection.execute(select(MEMBER).where(MEMBER.c.key.in_(wanted))):
            self._keep_member(row)
        numbers = [each.no for each in self._members.values()]
        pairs = MEMBERSHIP.c.member_no.in_(numbers) & MEMBERSHIP.c.room_no.in_(rooms)
        for room_no in rooms:
            self._memberships |= {(room_no, no): MembershipRow(room_no, no, stored=False) for no in numbers}
        for row in self._connection.execute(select(MEMBERSHIP).where(pairs)):
            self._memberships[row.room_no, row.member_no] = membership_row(row)

    def member(self, key: bytes) -> MemberRow:
        """A key that was not seen before becomes known now."""
        found = self._members.get(key) or self.known(key)
        if found is None:
            insert_once(self._connection, MEMBER, {"key": key, "known_ms": self._now_ms})
            found = self.known(key)
            assert found is not None
            self._newcomers.append(found)
        return found

    def known(self, key: bytes) -> MemberRow | None:
        """None for a key that the host has never seen."""
        if key not in self._members:
            row = self._connection.execute(select(MEMBER).where(MEMBER.c.key == key)).first()
            if row is None:
                return None
            self._keep_member(row)
        return self._members[key]

    def numbered(self, no: int) -> MemberRow:
        """One that something refers to."""
        for each in self._members.values():
            if each.no == no:
                return each
        row = self._connection.execute(select(MEMBER).where(MEMBER.c.no == no)).one()
        self._keep_member(row)
        return self._members[row.key]

    def _keep_member(self, row: Any) -> None:
        self._members[row.key] = member_row(row)

    def take_back(self) -> None:
        """The action was refused: whoever it made known is unknown again."""
        for member in self._newcomers:
            self._connection.execute(delete(MEMBER).where(MEMBER.c.no == member.no))
            self._members.pop(member.key, None)
            self._memberships = {pair: row for pair, row in self._memberships.items() if pair[1] != member.no}
        self._newcomers.clear()

    def keep(self) -> None:
        """The action was done."""
        self._newcomers.clear()

    def membership(self, room_no: int, member_no: int) -> MembershipRow:
        """What a member is in a room; a new row only reaches the database by `change`."""
        pair = (room_no, member_no)
        found = self._memberships.get(pair)
        if found is None:
            row = self._connection.execute(
                select(MEMBERSHIP).where(MEMBERSHIP.c.room_no == room_no, MEMBERSHIP.c.member_no == member_no)
            ).first()
            found = membership_row(row) if row is not None else MembershipRow(*pair, stored=False)
            self._memberships[pair] = found
        return found

    def change(self, membership: MembershipRow) -> None:
        """It will be written."""
        self._changed[membership.room_no, membership.member_no] = membership

    def write(self) -> None:
        """What has changed, before the commit."""
        rows = sorted(self._changed.values(), key=lambda each: (each.room_no, each.member_no))
        new = [values_of(each, "room_no", "member_no", *WRITTEN_MEMBERSHIP) for each in rows if not each.stored]
        if new:
            self._connection.execute(insert(MEMBERSHIP), new)
        old = [
            values_of(each, *WRITTEN_MEMBERSHIP) | {"at_room": each.room_no, "at_member": each.member_no}
            for each in rows
            if each.stored
        ]
        if old:
            here = MEMBERSHIP.c.room_no == bindparam("at_room")
            self._connection.execute(
                update(MEMBERSHIP)
                .where(here, MEMBERSHIP.c.member_no == bindparam("at_member"))
                .values({name: bindparam(name) for name in WRITTEN_MEMBERSHIP}),
                old,
            )
