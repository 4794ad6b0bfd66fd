"""Coming and going: joining, leaving, and the invitations that let somebody in or give an office."""

from typing import Any

from sqlalchemy import delete, select, update

from essaim.opengroup.v1 import action_pb2, room_pb2
from essaim.protocol.opengroup.permission import Act, Role
from essaim.protocol.opengroup.refusal import BannedError, SettingsRefusedError, TokenRefusedError
from essaim.protocol.opengroup.settings import TOKEN_SIZE, token_hash, untold
from essaim_opengroup.governing import check_owner, told
from essaim_opengroup.rows import MemberRow, RoomRow, host_role
from essaim_opengroup.schema import INVITATION, MEMBER
from essaim_opengroup.work import Work

MAX_USES = 1_000_000


def join(work: Work, asker: MemberRow, action: action_pb2.Join) -> room_pb2.Room | None:
    """A room, with an invitation where it asks for one; without a room: an office of the host, by invitation."""
    if not action.room_id:
        _redeem(work, asker, None, action.token)
        return None
    room = work.room(action.room_id)
    if work.standing(room, asker).banned_until_ms > work.now_ms:
        raise BannedError("you are banned here")
    if action.token:
        _redeem(work, asker, room, action.token)
    elif not work.membership(room, asker).joined_ms:
        work.check(Act.READ, room, asker)
    work.join(room, asker)
    answer = told(room)
    if work.role(room, asker) < Role.MODERATOR:
        untold(answer.settings)
    return answer


def leave(work: Work, asker: MemberRow, action: action_pb2.Leave) -> None:
    """Office and overrides stay: leaving is no way out of either."""
    room = work.room(action.room_id)
    membership = work.membership(room, asker)
    if membership.joined_ms:
        membership.joined_ms = 0
        room.members -= 1
        work.touch(room, information=False)
        work.change(membership)


# Invitations


def invite(work: Work, asker: MemberRow, action: action_pb2.Invite) -> None:
    """The caller drew the token; the host keeps its hash."""
    if len(action.token) != TOKEN_SIZE or not 1 <= action.uses <= MAX_USES:
        raise TokenRefusedError(f"a token has {TOKEN_SIZE} bytes, and 1 to {MAX_USES} uses")
    role = max(int(action.role), int(Role.MEMBER))
    if role > Role.ADMIN:
        raise SettingsRefusedError("an office is member, moderator or admin")
    room = _inviting(work, asker, action)
    hashed = token_hash(action.token)
    row = {
        "hash": hashed,
        "room_no": room.no if room else None,
        "uses_left": action.uses,
        "until_ms": action.until_ms,
        "role": role,
        "member_no": asker.no,
    }
    if work.insert(INVITATION, row):
        work.audit(room, asker, "invite", hashed, action.until_ms)


def _inviting(work: Work, asker: MemberRow, action: action_pb2.Invite) -> RoomRow | None:
    if not action.room_id:
        check_owner(work, asker)
        return None
    room = work.room(action.room_id)
    work.check(Act.MODERATE if int(action.role) <= Role.MEMBER else Act.CONFIGURE, room, asker)
    return room


def revoke_invitation(work: Work, asker: MemberRow, action: action_pb2.RevokeInvitation) -> None:
    """Who has joined with it stays."""
    room = None
    if action.room_id:
        room = work.room(action.room_id)
        work.check(Act.MODERATE, room, asker)
    else:
        check_owner(work, asker)
    here = INVITATION.c.room_no == room.no if room else INVITATION.c.room_no.is_(None)
    named = here & (INVITATION.c.hash == action.token_hash)
    work.execute(update(INVITATION).where(named, INVITATION.c.member_no.is_(None)).values(uses_left=0))
    # The first owner's own stays, used up: one that is not there would be made anew at the next start.
    work.execute(delete(INVITATION).where(named, INVITATION.c.member_no.is_not(None)))
    work.audit(room, asker, "revoke_invitation", action.token_hash)


def _redeem(work: Work, asker: MemberRow, room: RoomRow | None, token: bytes) -> None:
    hashed = token_hash(token)
    row = work.connection.execute(select(INVITATION).where(INVITATION.c.hash == hashed).with_for_update()).first()
    if row is None or row.room_no != (room.no if room else None) or 0 < row.until_ms <= work.now_ms:
        raise TokenRefusedError("this invitation does not hold (any more)")
    if not _gains(work, asker, room, row.role):
        return  # repeated, or for nothing
    if not row.uses_left or not _still_may(work, room, row):
        raise TokenRefusedError("this invitation is used up")
    work.execute(update(INVITATION).where(INVITATION.c.hash == hashed).values(uses_left=row.uses_left - 1))
    if room is None:
        asker.role = row.role
        work.execute(update(MEMBER).where(MEMBER.c.no == asker.no).values(role=row.role))
        work.touch_all()
        return
    membership = work.membership(room, asker)
    membership.role = max(membership.role, row.role)
    work.change(membership)
    if row.role > Role.MEMBER:
        work.touch(room)


def _still_may(work: Work, room: RoomRow | None, row: Any) -> bool:
    """Whoever lost an office has no way back to it by an invitation made before."""
    if row.member_no is None or row.role <= Role.MEMBER:
        return True
    inviter = work.member_by_number(row.member_no)
    if room is None:
        return inviter.banned_until_ms <= work.now_ms and host_role(inviter) >= Role.OWNER
    standing = work.standing(room, inviter)
    return standing.banned_until_ms <= work.now_ms and standing.role >= Role.ADMIN


def _gains(work: Work, asker: MemberRow, room: RoomRow | None, role: int) -> bool:
    """Whether an invitation to a role changes anything."""
    if asker.banned_until_ms > work.now_ms:
        raise BannedError("you are banned here")
    if room is None:
        return asker.role < role
    membership = work.membership(room, asker)
    return not membership.joined_ms or membership.role < role
