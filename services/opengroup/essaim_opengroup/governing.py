"""Rooms and offices: making, changing, permissions, roles, bans. The audit log has each."""

from sqlalchemy import select, update

from essaim.opengroup.v1 import action_pb2, room_pb2
from essaim.protocol.keys import PUBLIC_SIZE, KeyRefusedError, VerifyKey
from essaim.protocol.opengroup import chain
from essaim.protocol.opengroup.chain import ROOM_ID_SIZE
from essaim.protocol.opengroup.permission import ALL, Act, Override, Permission, Role, check_rank
from essaim.protocol.opengroup.refusal import (
    FileUnknownError,
    MemberUnknownError,
    NameTakenError,
    NotAllowedError,
    OutrankedError,
    QuotaError,
    SettingsRefusedError,
)
from essaim.protocol.opengroup.settings import check_filter, check_settings, complete
from essaim_opengroup.filtering import FILTER, host_settings
from essaim_opengroup.rows import (
    MemberRow,
    MembershipRow,
    RoomRow,
    coming_of,
    host_role,
    told_overrides,
)
from essaim_opengroup.schema import FILE, HOST, MEMBER, ROOM
from essaim_opengroup.work import Work

MAX_ROOMS = 10_000
MAX_COMING = 8
"""Overrides of one member in one room that wait for their time."""

# Rooms


def create_room(work: Work, asker: MemberRow, action: action_pb2.CreateRoom) -> room_pb2.Room:
    """By an owner."""
    check_owner(work, asker)
    if len(action.room_id) != ROOM_ID_SIZE:
        raise SettingsRefusedError(f"a room id has {ROOM_ID_SIZE} bytes")
    settings = complete(action.settings)
    settings.picture = b""
    work.lock([action.room_id])
    found = work.scalars(select(ROOM.c.room_id).where(ROOM.c.name == settings.name))
    if found == [action.room_id]:
        return told(work.room(action.room_id))
    if found or work.scalars(select(ROOM.c.no).where(ROOM.c.room_id == action.room_id)):
        raise NameTakenError("there is such a room already")
    if work.count(select(ROOM.c.no)) >= MAX_ROOMS:
        raise NotAllowedError("no room for another one")
    first = chain.first(work.host_id, action.room_id)
    room = RoomRow(0, action.room_id, settings, 0, first, 1, work.now_ms, 0)
    work.add_room(room)
    membership = work.join(room, asker)
    membership.role = int(Role.ADMIN)
    work.audit(room, asker, "create_room")
    return told(room)


def change_room(work: Work, asker: MemberRow, action: action_pb2.ChangeRoom) -> room_pb2.Room:
    """By an admin: what is present takes the place of what was. Without a room: the filter of all rooms."""
    if not action.room_id:
        return _change_filter(work, asker, action.settings)
    room = work.room(action.room_id)
    work.check(Act.CONFIGURE, room, asker)
    settings = action.settings
    check_settings(settings)
    taken = select(ROOM.c.no).where(ROOM.c.name == settings.name, ROOM.c.no != room.no)
    if settings.HasField("name") and work.scalars(taken):
        raise NameTakenError("there is such a room already")
    if settings.picture:
        _keep_picture(work, room, settings.picture)
    room.settings.MergeFrom(settings)
    work.touch(room)
    work.audit(room, asker, "change_room")
    return told(room)


def _keep_picture(work: Work, room: RoomRow, picture: bytes) -> None:
    here = (FILE.c.room_no == room.no) & (FILE.c.hash == picture) & FILE.c.complete
    if not work.execute(update(FILE).where(here).values(expires_ms=0)).rowcount:
        raise FileUnknownError("the picture is not among the room's files")


def _change_filter(work: Work, asker: MemberRow, settings: room_pb2.RoomSettings) -> room_pb2.Room:
    check_owner(work, asker)
    check_filter(settings)
    work.insert(HOST, {"name": FILTER, "value": b""})
    here = HOST.c.name == FILTER
    whole = host_settings(work.connection.execute(select(HOST.c.value).where(here).with_for_update()).scalar_one())
    whole.MergeFrom(settings)
    work.execute(update(HOST).where(here).values(value=whole.SerializeToString()))
    work.host_filter = None
    work.audit(None, asker, "change_room")
    return room_pb2.Room(settings=whole)


def delete_room(work: Work, asker: MemberRow, action: action_pb2.DeleteRoom) -> None:
    """By an owner."""
    room = work.room(action.room_id)
    work.check(Act.DESTROY, room, asker)
    work.audit(None, asker, "delete_room", room.room_id)
    work.remove_room(room)


def told(room: RoomRow) -> room_pb2.Room:
    """What everybody may know of a room."""
    return room_pb2.Room(
        room_id=room.room_id,
        settings=room.settings,
        sequence=room.sequence,
        chain=room.chain,
        version=room.version,
        created_ms=room.created_ms,
        members=room.members,
    )


# Rights of others


def permit(work: Work, asker: MemberRow, action: action_pb2.Permit) -> None:
    """An override for a member."""
    room = work.room(action.room_id)
    work.check(Act.MODERATE, room, asker)
    if (action.allow | action.deny) & ~int(ALL) or action.allow & action.deny:
        raise SettingsRefusedError("permission bits that are none, or both allowed and denied")
    target = _target(work, room, asker, action.member)
    membership = work.membership(room, target)
    wanted = Override(Permission(action.allow), Permission(action.deny), action.from_ms, action.until_ms)
    if action.later:
        _permit_later(work, membership, wanted)
    else:
        _hold(membership, wanted)
        membership.coming = None
    work.change(membership)
    work.audit(room, asker, "permit", target.key, action.until_ms)


def _hold(membership: MembershipRow, override: Override) -> None:
    membership.allow, membership.deny = int(override.allow), int(override.deny)
    membership.from_ms, membership.until_ms = override.from_ms, override.until_ms


def _permit_later(work: Work, membership: MembershipRow, wanted: Override) -> None:
    """Beside the one that holds now. One that begins at the same time is replaced."""
    before = coming_of(membership.coming)
    if wanted in before:
        return  # repeated
    if wanted.from_ms <= work.now_ms or 0 < wanted.until_ms <= wanted.from_ms:
        raise SettingsRefusedError("what is permitted later begins later, and ends after that")
    begun = [each for each in before if each.from_ms <= work.now_ms]
    if begun:
        _hold(membership, begun[-1])
    waiting = [each for each in before if each.from_ms > work.now_ms and each.from_ms != wanted.from_ms]
    if len(waiting) >= MAX_COMING:
        raise QuotaError(f"at most {MAX_COMING} permissions of a member wait for their time")
    waiting = sorted([*waiting, wanted], key=lambda each: each.from_ms)
    membership.coming = action_pb2.Member(coming=told_overrides(waiting)).SerializeToString()


def appoint(work: Work, asker: MemberRow, action: action_pb2.Appoint) -> None:
    """Give an office, or take it."""
    if not Role.MEMBER <= action.role <= Role.ADMIN:
        raise SettingsRefusedError("an office is member, moderator or admin")
    if not action.room_id:
        _appoint_host(work, asker, action)
        return
    room = work.room(action.room_id)
    work.check(Act.CONFIGURE, room, asker)
    target = _target(work, room, asker, action.member, itself=True)
    if work.standing(room, target).banned_until_ms > work.now_ms and action.role > Role.MEMBER:
        raise NotAllowedError("somebody who is banned has no office")
    membership = work.membership(room, target)
    membership.role, membership.hidden = int(action.role), action.hidden
    work.change(membership)
    work.touch(room)
    work.audit(room, asker, "appoint", target.key)


def _appoint_host(work: Work, asker: MemberRow, action: action_pb2.Appoint) -> None:
    check_owner(work, asker)
    target = _made_known(work, action.member)
    if target.no != asker.no:
        check_rank(host_role(asker), host_role(target))
    if target.banned_until_ms > work.now_ms and action.role > Role.MEMBER:
        raise NotAllowedError("somebody who is banned has no office")
    target.role, target.hidden = int(action.role), action.hidden
    values = {"role": target.role, "hidden": target.hidden}
    work.execute(update(MEMBER).where(MEMBER.c.no == target.no).values(values))
    work.touch_all()
    work.audit(None, asker, "appoint", target.key)


def ban(work: Work, asker: MemberRow, action: action_pb2.Ban) -> None:
    """Until a time; 0 lifts it."""
    if not action.room_id:
        _ban_host(work, asker, action)
        return
    room = work.room(action.room_id)
    work.check(Act.MODERATE, room, asker)
    target = _target(work, room, asker, action.member)
    membership = work.membership(room, target)
    membership.banned_until_ms = action.until_ms
    work.change(membership)
    work.audit(room, asker, "ban", target.key, action.until_ms)


def _ban_host(work: Work, asker: MemberRow, action: action_pb2.Ban) -> None:
    if asker.banned_until_ms > work.now_ms or host_role(asker) < Role.MODERATOR:
        raise NotAllowedError("only moderators of the host ban from all of it")
    target = _made_known(work, action.member)
    check_rank(host_role(asker), host_role(target))
    target.banned_until_ms = action.until_ms
    work.execute(update(MEMBER).where(MEMBER.c.no == target.no).values(banned_until_ms=action.until_ms))
    work.changed_access.add((None, target.key))
    work.audit(None, asker, "ban", target.key, action.until_ms)


def _target(work: Work, room: RoomRow, asker: MemberRow, key: bytes, *, itself: bool = False) -> MemberRow:
    target = _made_known(work, key)
    if target.no == asker.no:
        if not itself:
            raise OutrankedError("nobody does this to themselves")
    else:
        check_rank(work.role(room, asker), work.role(room, target))
    return target


def _made_known(work: Work, key: bytes) -> MemberRow:
    """A moderator may name a key before it ever came: it becomes known now."""
    try:
        return work.member(VerifyKey(key).raw)
    except KeyRefusedError:
        raise MemberUnknownError(f"a member is named by a key of {PUBLIC_SIZE} bytes") from None


def check_owner(work: Work, asker: MemberRow) -> None:
    """Raises NotAllowedError."""
    if asker.banned_until_ms > work.now_ms or host_role(asker) < Role.OWNER:
        raise NotAllowedError("only owners of the host may do this")
