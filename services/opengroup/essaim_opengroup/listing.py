"""Rooms, members, invitations, reports, audit, inboxes: lists out of the database."""

from typing import Any

from sqlalchemy import Connection, Select, or_, select

from essaim.opengroup.v1 import action_pb2, room_pb2
from essaim.protocol.opengroup.permission import Permission, Role, permissions
from essaim.protocol.opengroup.refusal import NotAllowedError
from essaim.protocol.opengroup.settings import untold
from essaim_opengroup.news import Reader
from essaim_opengroup.rows import (
    MembershipRow,
    RoomRow,
    coming_of,
    host_role,
    member_row,
    membership_row,
    override_of,
    room_row,
    rules_of,
    standing_of,
    told_overrides,
)
from essaim_opengroup.schema import AUDIT, DIRECT, INVITATION, MEMBER, MEMBERSHIP, POST, REPORT, ROOM, SENT

MOST = 100
FRAMING = 8
MAX_OFFICERS = 50


def rooms(
    connection: Connection, reader: Reader, asked: action_pb2.ListRooms, budget: int, now_ms: int
) -> action_pb2.RoomList:
    """Listed ones and joined ones, by name; for moderators of the host: those with posts of a member."""
    if asked.author:
        check_moderates(connection, reader, now_ms)
        author = select(MEMBER.c.no).where(MEMBER.c.key == asked.author).scalar_subquery()
        wrote = select(POST.c.no).where(POST.c.room_no == ROOM.c.no, POST.c.author_no == author, POST.c.deleted == 0)
        question = select(ROOM).where(wrote.exists())
    else:
        joined = select(MEMBERSHIP.c.room_no).where(MEMBERSHIP.c.member_no == reader.no, MEMBERSHIP.c.joined_ms > 0)
        question = select(ROOM).where(or_(ROOM.c.listed, ROOM.c.no.in_(joined)))
    question = question.where(ROOM.c.name > asked.after)
    rows = connection.execute(question.order_by(ROOM.c.name).limit(MOST)).all()
    answer = action_pb2.RoomList(more=len(rows) == MOST)
    for row in rows:
        room = told_to(connection, room_row(row), reader, now_ms, officers=False)
        budget -= room.ByteSize() + FRAMING
        if budget < 0:
            answer.more = True
            break
        answer.rooms.append(room)
    return answer


def check_moderates(connection: Connection, reader: Reader, now_ms: int) -> None:
    """A moderator of the whole host, or NotAllowedError."""
    row = connection.execute(select(MEMBER).where(MEMBER.c.no == reader.no)).first() if reader.no else None
    if row is None or row.banned_until_ms > now_ms or host_role(member_row(row)) < Role.MODERATOR:
        raise NotAllowedError("only moderators of the host may see this")


def told_to(
    connection: Connection, room: RoomRow, reader: Reader, now_ms: int, *, officers: bool = True
) -> room_pb2.Room:
    """What a reader may know of a room; the filter is the moderators' own."""
    answer = room_pb2.Room(
        room_id=room.room_id,
        settings=room.settings,
        sequence=room.sequence,
        chain=room.chain,
        version=room.version,
        created_ms=room.created_ms,
        members=room.members,
        own_permissions=int(room.rules.defaults & Permission.READ),
    )
    moderator = False
    if reader.no:
        member = member_row(connection.execute(select(MEMBER).where(MEMBER.c.no == reader.no)).one())
        standing = standing_of(member, membership(connection, room.no, reader.no))
        answer.own_permissions = int(permissions(rules_of(room.settings), standing, now_ms))
        answer.own_role, answer.joined = int(standing.role), standing.joined  # type: ignore[assignment]  # its codes
        moderator = standing.role >= Role.MODERATOR and standing.banned_until_ms <= now_ms
    if not moderator:
        untold(answer.settings)
    if officers:
        answer.officers.extend(_officers(connection, room.no, hidden_too=moderator))
    return answer


def membership(connection: Connection, room_no: int, member_no: int) -> MembershipRow:
    """What a member is in a room."""
    here = (MEMBERSHIP.c.room_no == room_no) & (MEMBERSHIP.c.member_no == member_no)
    row = connection.execute(select(MEMBERSHIP).where(here)).first()
    return membership_row(row) if row is not None else MembershipRow(room_no, member_no, stored=False)


def _officers(connection: Connection, room_no: int, *, hidden_too: bool) -> list[room_pb2.Officer]:
    local = (
        select(MEMBER.c.key, MEMBERSHIP.c.role, MEMBERSHIP.c.hidden)
        .join(MEMBERSHIP, MEMBERSHIP.c.member_no == MEMBER.c.no)
        .where(MEMBERSHIP.c.room_no == room_no, MEMBERSHIP.c.role > Role.MEMBER)
        .order_by(MEMBERSHIP.c.role.desc(), MEMBER.c.no)
        .limit(MAX_OFFICERS)
    )
    everywhere = select(MEMBER).where(MEMBER.c.role > Role.MEMBER).order_by(MEMBER.c.no).limit(MAX_OFFICERS)
    found = [
        room_pb2.Officer(member=row.key, role=int(host_role(member_row(row))), hidden=row.hidden, **{"global": True})  # type: ignore[arg-type]  # its codes
        for row in connection.execute(everywhere)
    ]
    found += [room_pb2.Officer(member=row.key, role=row.role, hidden=row.hidden) for row in connection.execute(local)]
    return [each for each in found if hidden_too or not each.hidden]


def members(
    connection: Connection, room_no: int, query: action_pb2.ListMembers, budget: int, now_ms: int
) -> action_pb2.MemberList:
    """For moderators, in the order of coming to the host."""
    question = select(MEMBER.c.key, MEMBERSHIP).join(MEMBERSHIP, MEMBERSHIP.c.member_no == MEMBER.c.no)
    question = question.where(MEMBERSHIP.c.room_no == room_no)
    which = action_pb2.ListMembers
    if query.which == which.WHICH_BANNED:
        question = question.where(MEMBERSHIP.c.banned_until_ms > now_ms)
    elif query.which == which.WHICH_OVERRIDDEN:
        overridden = or_(MEMBERSHIP.c.allow > 0, MEMBERSHIP.c.deny > 0, MEMBERSHIP.c.coming.is_not(None))
        question = question.where(overridden)
    else:
        question = question.where(MEMBERSHIP.c.joined_ms > 0)
    if query.after:
        question = question.where(
            MEMBER.c.no > select(MEMBER.c.no).where(MEMBER.c.key == query.after).scalar_subquery()
        )
    rows = connection.execute(question.order_by(MEMBER.c.no).limit(MOST)).all()
    kept = _within([_member(row, now_ms) for row in rows], budget)
    return action_pb2.MemberList(members=kept, more=len(kept) < len(rows) or len(rows) == MOST)


def _member(row: Any, now_ms: int) -> action_pb2.Member:
    coming = coming_of(row.coming)
    begun = [each for each in coming if each.from_ms <= now_ms]
    counts = begun[-1] if begun else override_of(row)
    return action_pb2.Member(
        member=row.key,
        role=row.role,
        joined_ms=row.joined_ms,
        banned_until_ms=row.banned_until_ms,
        allow=int(counts.allow),
        deny=int(counts.deny),
        from_ms=counts.from_ms,
        until_ms=counts.until_ms,
        coming=told_overrides(each for each in coming if each.from_ms > now_ms),
    )


def invitations(connection: Connection, room_no: int | None) -> action_pb2.InvitationList:
    """Without their tokens, which only who made them knows."""
    question = select(INVITATION, MEMBER.c.key).join(MEMBER, MEMBER.c.no == INVITATION.c.member_no, isouter=True)
    here = INVITATION.c.room_no == room_no if room_no is not None else INVITATION.c.room_no.is_(None)
    return action_pb2.InvitationList(
        invitations=[
            action_pb2.Invitation(
                token_hash=row.hash,
                uses_left=row.uses_left,
                until_ms=row.until_ms,
                role=row.role,
                made_by=row.key or b"",
            )
            for row in connection.execute(question.where(here).limit(MOST))
        ]
    )


def reports(connection: Connection, room_no: int, after: int, budget: int) -> action_pb2.ReportList:
    """The open ones, oldest first."""
    question = (
        select(REPORT, POST.c.post_id, MEMBER.c.key)
        .join(POST, (POST.c.room_no == REPORT.c.room_no) & (POST.c.sequence == REPORT.c.post))
        .join(MEMBER, MEMBER.c.no == REPORT.c.member_no)
        .where(REPORT.c.room_no == room_no, REPORT.c.open, REPORT.c.no > after)
    )
    rows = connection.execute(question.order_by(REPORT.c.no).limit(MOST)).all()
    found = [
        action_pb2.ReportedPost(
            number=row.no, post_id=row.post_id, reporter=row.key, reason=row.reason, time_ms=row.time_ms
        )
        for row in rows
    ]
    kept = _within(found, budget)
    return action_pb2.ReportList(reports=kept, more=len(kept) < len(found) or len(rows) == MOST)


def audit(connection: Connection, room_no: int | None, before: int, budget: int) -> action_pb2.AuditList:
    """What was done with an office, newest first."""
    question: Select[Any] = select(AUDIT, MEMBER.c.key).join(MEMBER, MEMBER.c.no == AUDIT.c.member_no)
    question = question.where(AUDIT.c.room_no == room_no if room_no is not None else AUDIT.c.room_no.is_(None))
    if before:
        question = question.where(AUDIT.c.no < before)
    rows = connection.execute(question.order_by(AUDIT.c.no.desc()).limit(MOST)).all()
    found = [
        action_pb2.AuditEntry(
            number=row.no,
            time_ms=row.time_ms,
            actor=row.key,
            action=row.action,
            object=row.object,
            until_ms=row.until_ms,
        )
        for row in rows
    ]
    kept = _within(found, budget)
    return action_pb2.AuditList(entries=kept, more=len(kept) < len(found) or len(rows) == MOST)


def directs(connection: Connection, reader: Reader, after: int, budget: int, now_ms: int) -> action_pb2.DirectList:
    """The own inbox, oldest first."""
    question = (
        select(DIRECT, MEMBER.c.key)
        .join(MEMBER, MEMBER.c.no == DIRECT.c.sender_no)
        .where(DIRECT.c.recipient_no == reader.no, DIRECT.c.no > after, DIRECT.c.expires_ms > now_ms)
    )
    rows = connection.execute(question.order_by(DIRECT.c.no).limit(MOST)).all()
    found = [
        action_pb2.Direct(number=row.no, sender=row.key, time_ms=row.time_ms, expires_ms=row.expires_ms, data=row.data)
        for row in rows
    ]
    kept = _within(found, budget)
    return action_pb2.DirectList(directs=kept, more=len(kept) < len(found) or len(rows) == MOST)


def sent(connection: Connection, reader: Reader, after: int, budget: int, now_ms: int) -> action_pb2.SentList:
    """The own outbox, oldest first."""
    question = (
        select(SENT, MEMBER.c.key)
        .join(MEMBER, MEMBER.c.no == SENT.c.recipient_no)
        .where(SENT.c.sender_no == reader.no, SENT.c.no > after, SENT.c.expires_ms > now_ms)
    )
    rows = connection.execute(question.order_by(SENT.c.no).limit(MOST)).all()
    found = [
        action_pb2.Sent(number=row.no, to=row.key, time_ms=row.time_ms, expires_ms=row.expires_ms, copy=row.copy)
        for row in rows
    ]
    kept = _within(found, budget)
    return action_pb2.SentList(sent=kept, more=len(kept) < len(found) or len(rows) == MOST)


def _within(found: list[Any], budget: int) -> list[Any]:
    """As many of the first as fit."""
    kept = []
    for each in found:
        budget -= each.ByteSize() + FRAMING
        if budget < FRAMING:
            break
        kept.append(each)
    return kept
