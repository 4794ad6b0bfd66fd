"""What a silent filter kept and a moderator releases: told to everybody from there on, as its author meant it.

What members have of the log stays as it is: they were told the digest, and find the post where the release names it.
"""

from typing import Final

from sqlalchemy import select, update

from essaim.opengroup.v1 import statement_pb2
from essaim.protocol.opengroup.filter import verdict
from essaim.protocol.opengroup.folding import folded
from essaim.protocol.opengroup.refusal import FilteredError, NotAllowedError, StatementRefusedError
from essaim.protocol.opengroup.statement import Statement
from essaim_opengroup.filtering import filters_of
from essaim_opengroup.rows import MemberRow, PostRow, RoomRow
from essaim_opengroup.schema import ENTRY, POST
from essaim_opengroup.work import Work

TOLD: Final = {"whisper": False, "whisper_to": None, "filtered": False}


def release(work: Work, room: RoomRow, author: MemberRow, statement: Statement, post: PostRow) -> int:
    """By a moderator. Its entry takes a pin off as well, which is how readers of before understand it."""
    pin = statement.message.pin
    if not pin.unpin or pin.everything:
        raise StatementRefusedError("what is released is unpinned, and it alone")
    if not post.filtered:
        if post.whisper:
            raise NotAllowedError("it is a whisper")
        return post.sequence
    _check(work, room, post)
    sequence = work.append(room, author, statement, 0)
    here = (ENTRY.c.room_no == room.no) & (ENTRY.c.target == post.sequence) & ENTRY.c.filtered
    work.execute(update(ENTRY).where(here).values(TOLD))
    post.whisper, post.whisper_to, post.filtered, post.pinned = False, None, False, 0
    work.update_post(room, post, pinned=0, changed=sequence, **TOLD)
    work.touch(room)
    return sequence


def _check(work: Work, room: RoomRow, post: PostRow) -> None:
    """No whisper becomes public, and nothing that a moderator might not write themselves."""
    entry = (ENTRY.c.room_no == room.no) & (ENTRY.c.sequence == post.sequence)
    [raw] = work.scalars(select(ENTRY.c.statement).where(entry))
    meant = statement_pb2.Statement.FromString(raw).post
    answered = select(POST.c.whisper).where(POST.c.room_no == room.no, POST.c.post_id == meant.reply_to)
    secret = bool(meant.whisper_to) or meant.whisper_moderators
    if secret or (meant.reply_to and work.scalars(answered) != [False]):
        raise NotAllowedError("it is a whisper, or answers what not everybody sees")
    filters = filters_of(work, room)
    if any(verdict(filters, folded(text), moderator=True) is not None for text in _texts(work, room, post)):
        raise FilteredError("a filter that holds for moderators keeps it")


def _texts(work: Work, room: RoomRow, post: PostRow) -> list[str]:
    """All that it ever said: a release tells its edits, too, and what stood there before them."""
    its_own = (ENTRY.c.sequence == post.sequence) | (ENTRY.c.target == post.sequence)
    entries = (ENTRY.c.room_no == room.no) & its_own & ENTRY.c.statement.is_not(None)
    said = map(statement_pb2.Statement.FromString, work.scalars(select(ENTRY.c.statement).where(entries)))
    return [text for each in said for text in (each.post.text, each.edit.text) if text]
