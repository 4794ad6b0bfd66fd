"""Files, reports, direct messages and blocks: what members put down beside statements."""

import hashlib
from dataclasses import dataclass

from sqlalchemy import delete, func, insert, literal, select, update

from essaim.opengroup.v1 import action_pb2
from essaim.protocol.kdf import HASH_SIZE, blake2b256
from essaim.protocol.opengroup.direct import MAX_DATA
from essaim.protocol.opengroup.permission import Act, Role
from essaim.protocol.opengroup.refusal import (
    BannedError,
    BlockedError,
    ChunkRefusedError,
    MemberUnknownError,
    NotAllowedError,
    QuotaError,
    StatementRefusedError,
)
from essaim.protocol.opengroup.settings import CHUNK_SIZE, FILE_LABEL
from essaim_opengroup.allowance import DAY_MS, spend_upload
from essaim_opengroup.rows import MemberRow, RoomRow
from essaim_opengroup.saying import heard_post
from essaim_opengroup.schema import BLOCK, CHUNK, DIRECT, DIRECT_TAKEN, FILE, MEMBER, MEMBERSHIP, POST, REPORT, SENT
from essaim_opengroup.work import Work

UNATTACHED_MS = 3_600_000
"""A file that no post holds is gone after an hour."""
MAX_REASON = 500
MAX_OPEN_REPORTS = 1_000
MAX_INBOX = 500
MAX_FROM_ONE = 20
MAX_SENT = 500
"""Of an outbox; then the oldest go."""
MAX_BLOCKS = 1_000
REPEATED_MS = 600_000
"""A request is good for five minutes to both sides of the host's clock."""
DIRECT_LABEL = b"essaim/opengroup/direct/v1"


# Files


def put_chunk(work: Work, asker: MemberRow, action: action_pb2.PutChunk) -> action_pb2.ChunkTaken | ChunkRefusedError:
    """One piece of a file; the last one that comes proves the whole."""
    room = work.room(action.room_id)
    work.check(Act.UPLOAD, room, asker)
    _check_bounds(room, action)
    file_no, complete, expires_ms = _file(work, room, asker, action)
    if complete:
        return action_pb2.ChunkTaken(complete=True, expires_ms=expires_ms)
    new = work.insert(CHUNK, {"file_no": file_no, "offset": action.offset, "data": action.data})
    if new and _has_all(work, file_no, action.size):
        if _content_hash(work, file_no) != action.file:
            # Returned, not raised: what was written of it is gone, and that must stay so.
            work.execute(delete(FILE).where(FILE.c.no == file_no))
            return ChunkRefusedError("the content is not what the file's hash says: begin anew")
        work.execute(update(FILE).where(FILE.c.no == file_no).values(complete=True))
        complete = True
    return action_pb2.ChunkTaken(complete=complete, expires_ms=expires_ms)


def _check_bounds(room: RoomRow, action: action_pb2.PutChunk) -> None:
    if action.size > room.settings.file_bytes:
        raise QuotaError(f"a file has at most {room.settings.file_bytes} bytes here")
    expected = min(CHUNK_SIZE, action.size - action.offset)
    if len(action.file) != HASH_SIZE or not action.data or action.offset % CHUNK_SIZE or len(action.data) != expected:
        raise ChunkRefusedError(f"a chunk begins at a multiple of {CHUNK_SIZE} and is as long, but for the last one")


def _file(work: Work, room: RoomRow, asker: MemberRow, action: action_pb2.PutChunk) -> tuple[int, bool, int]:
    """(number, complete, expiry) of a file that is begun at the latest now."""
    here = (FILE.c.room_no == room.no) & (FILE.c.hash == action.file)
    row = work.connection.execute(select(FILE).where(here)).first()
    if row is not None:
        if row.size != action.size:
            raise ChunkRefusedError("the file was begun with another size")
        return row.no, row.complete, row.expires_ms
    spend_upload(work, room, asker, action.size)
    work.join(room, asker)
    expires_ms = work.now_ms + UNATTACHED_MS
    values = {"room_no": room.no, "hash": action.file, "size": action.size, "member_no": asker.no}
    made = insert(FILE).values(values | {"expires_ms": expires_ms}).returning(FILE.c.no)
    return work.connection.execute(made).scalar_one(), False, expires_ms


def _has_all(work: Work, file_no: int, size: int) -> bool:
    held = select(func.sum(func.length(CHUNK.c.data))).where(CHUNK.c.file_no == file_no)
    return bool(work.connection.execute(held).scalar_one() == size)


def _content_hash(work: Work, file_no: int) -> bytes:
    digest = hashlib.blake2b(FILE_LABEL, digest_size=HASH_SIZE)
    question = select(CHUNK.c.data).where(CHUNK.c.file_no == file_no).order_by(CHUNK.c.offset)
    for data in work.connection.execute(question).scalars():
        digest.update(data)
    return digest.digest()


# Reports


def report(work: Work, asker: MemberRow, action: action_pb2.Report) -> None:
    """One of a member for a post."""
    room = work.room(action.room_id)
    work.check(Act.REPORT, room, asker)
    if len(action.reason.encode()) > MAX_REASON or "\0" in action.reason:
        raise StatementRefusedError(f"a reason has at most {MAX_REASON} bytes, none of them NUL")
    post = heard_post(work, room, asker, action.post_id)
    open_ones = select(REPORT.c.no).where(REPORT.c.room_no == room.no, REPORT.c.open)
    if work.count(open_ones) >= MAX_OPEN_REPORTS:
        raise QuotaError("as many reports as moderators can read")
    work.flush()
    row = {"room_no": room.no, "post": post.sequence, "member_no": asker.no, "reason": action.reason}
    work.insert(REPORT, row | {"time_ms": work.now_ms})


def close_report(work: Work, asker: MemberRow, action: action_pb2.CloseReport) -> None:
    """By a moderator."""
    room = work.room(action.room_id)
    work.check(Act.MODERATE, room, asker)
    here = (REPORT.c.room_no == room.no) & (REPORT.c.no == action.number)
    if work.execute(update(REPORT).where(here, REPORT.c.open).values(open=False)).rowcount:
        work.audit(room, asker, "close_report", action.number.to_bytes(8))


# Direct messages


@dataclass(frozen=True)
class DirectLimits:
    """What the host's operator says of direct messages."""

    days: int
    per_day: int
    after_posts: int = 0
    """Posts that a member must have in the room."""


def send_direct(
    work: Work, asker: MemberRow, action: action_pb2.SendDirect, limits: DirectLimits
) -> action_pb2.DirectList:
    """To a member of a room that both are in. What is refused leaves nothing."""
    room = work.room(action.room_id)
    work.check(Act.DIRECT, room, asker)
    recipient = work.known(action.to)
    if recipient is None or not work.membership(room, recipient).joined_ms:
        raise MemberUnknownError("nobody of that name is in this room")
    if not 0 < len(action.data) <= MAX_DATA or len(action.copy) > MAX_DATA:
        raise StatementRefusedError(f"a direct message has 1 to {MAX_DATA} bytes")
    named = blake2b256(DIRECT_LABEL, asker.key, recipient.key, blake2b256(DIRECT_LABEL, action.data))
    if _came_before(work, named):
        return action_pb2.DirectList()
    _check_reach(work, asker, recipient)
    _check_known(work, room, asker, limits.after_posts)
    # Numbers of an inbox and an outbox become visible in their order, whichever replica took them.
    both = select(MEMBER.c.no).where(MEMBER.c.no.in_((asker.no, recipient.no))).order_by(MEMBER.c.no)
    work.execute(both.with_for_update(key_share=True))
    _spend_direct(work, asker, recipient, limits.per_day)
    expires_ms = work.now_ms + limits.days * DAY_MS
    row = {"recipient_no": recipient.no, "sender_no": asker.no, "time_ms": work.now_ms, "expires_ms": expires_ms}
    work.execute(insert(DIRECT).values(row | {"data": action.data, "hash": named}))
    own = {"sender_no": asker.no, "recipient_no": recipient.no, "time_ms": work.now_ms, "expires_ms": expires_ms}
    work.execute(insert(SENT).values(own | {"copy": action.copy}))
    over = select(SENT.c.no).where(SENT.c.sender_no == asker.no).order_by(SENT.c.no.desc()).offset(MAX_SENT)
    work.execute(delete(SENT).where(SENT.c.no.in_(over.limit(MAX_SENT))))
    work.inboxes |= {recipient.key, asker.key}
    return action_pb2.DirectList()


def _came_before(work: Work, named: bytes) -> bool:
    """It waits, or the recipient took it a moment ago."""
    waits = work.scalars(select(DIRECT.c.no).where(DIRECT.c.hash == named))
    return bool(waits or work.scalars(select(DIRECT_TAKEN.c.until_ms).where(DIRECT_TAKEN.c.hash == named)))


def _check_reach(work: Work, asker: MemberRow, recipient: MemberRow) -> None:
    """Neither blocked, nor banned from any room that the recipient is in."""
    if work.scalars(select(BLOCK.c.member_no).where(BLOCK.c.member_no == recipient.no, BLOCK.c.blocked_no == asker.no)):
        raise BlockedError("they take no direct message of yours")
    theirs = select(MEMBERSHIP.c.room_no).where(MEMBERSHIP.c.member_no == recipient.no, MEMBERSHIP.c.joined_ms > 0)
    banned = select(MEMBERSHIP.c.room_no).where(
        MEMBERSHIP.c.member_no == asker.no,
        MEMBERSHIP.c.banned_until_ms > work.now_ms,
        MEMBERSHIP.c.room_no.in_(theirs),
    )
    if work.scalars(banned):
        raise BannedError("you are banned from a room that they are in")


def _check_known(work: Work, room: RoomRow, asker: MemberRow, posts: int) -> None:
    """Whoever has said something in the room, and what still stands there; moderators need not."""
    if not posts or work.role(room, asker) >= Role.MODERATOR:
        return
    theirs = (POST.c.room_no == room.no) & (POST.c.author_no == asker.no) & (POST.c.deleted == 0) & ~POST.c.filtered
    if work.count(select(POST.c.no).where(theirs).limit(posts)) < posts:
        raise NotAllowedError(f"whoever writes to members here has {posts} posts in the room first")


def _spend_direct(work: Work, asker: MemberRow, recipient: MemberRow, per_day: int) -> None:
    row = work.connection.execute(select(MEMBER.c.direct_day_ms, MEMBER.c.directs).where(MEMBER.c.no == asker.no)).one()
    began, sent = (row.direct_day_ms, row.directs) if work.now_ms - row.direct_day_ms < DAY_MS else (work.now_ms, 0)
    waiting = select(DIRECT.c.no).where(DIRECT.c.recipient_no == recipient.no)
    if (
        sent >= per_day
        or work.count(waiting.where(DIRECT.c.sender_no == asker.no)) >= MAX_FROM_ONE
        or work.count(waiting) >= MAX_INBOX
    ):
        raise QuotaError("as many direct messages as may be sent, or may wait for them")
    values = {"direct_day_ms": began, "directs": sent + 1}
    work.execute(update(MEMBER).where(MEMBER.c.no == asker.no).values(values))


def delete_direct(work: Work, asker: MemberRow, action: action_pb2.DeleteDirect) -> None:
    """The own inbox up to and with a number. Who sent one and lost the answer may repeat it: remembered so long."""
    taken = (DIRECT.c.recipient_no == asker.no) & (DIRECT.c.no <= action.up_to)
    recent = select(DIRECT.c.hash, literal(work.now_ms + REPEATED_MS)).where(
        taken, DIRECT.c.time_ms > work.now_ms - REPEATED_MS
    )
    work.execute(insert(DIRECT_TAKEN).from_select(["hash", "until_ms"], recent))
    work.execute(delete(DIRECT).where(taken))


def delete_sent(work: Work, asker: MemberRow, action: action_pb2.DeleteSent) -> None:
    """The own outbox up to and with a number; the inboxes keep what they have."""
    work.execute(delete(SENT).where(SENT.c.sender_no == asker.no, SENT.c.no <= action.up_to))


def block(work: Work, asker: MemberRow, action: action_pb2.Block) -> None:
    """Take no direct message of a member; what waits of theirs goes."""
    other = work.known(action.member)
    if other is None:
        raise MemberUnknownError("no such member here")
    if action.lift:
        work.execute(delete(BLOCK).where(BLOCK.c.member_no == asker.no, BLOCK.c.blocked_no == other.no))
        return
    if work.count(select(BLOCK.c.blocked_no).where(BLOCK.c.member_no == asker.no)) >= MAX_BLOCKS:
        raise QuotaError(f"at most {MAX_BLOCKS} blocks")
    work.insert(BLOCK, {"member_no": asker.no, "blocked_no": other.no})
    work.execute(delete(DIRECT).where(DIRECT.c.recipient_no == asker.no, DIRECT.c.sender_no == other.no))
