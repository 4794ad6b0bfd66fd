"""What filters make of a text: refused, or kept from everybody but its author and moderators; and the host's answer.

The answer is a post of the host's own, signed with the host's key, whispered to the author: one in ten minutes at most,
for each is an entry that everybody fetches.
"""

from typing import Final

from sqlalchemy import select

from essaim.opengroup.v1 import room_pb2, statement_pb2
from essaim.protocol.opengroup.filter import Filter, verdict
from essaim.protocol.opengroup.refusal import FilteredError
from essaim.protocol.opengroup.statement import Statement
from essaim_opengroup import metrics
from essaim_opengroup.rows import MemberRow, PostRow, RoomRow
from essaim_opengroup.schema import HOST
from essaim_opengroup.work import Work

ANSWER_PAUSE_MS: Final = 600_000
FILTER: Final = "filter"
"""The host's own, in its table of named values: a serialised RoomSettings with the filter's fields alone."""


def host_settings(raw: bytes | None) -> room_pb2.RoomSettings:
    """The filter of all rooms as it was set; empty where none was."""
    return room_pb2.RoomSettings.FromString(raw or b"")


def judge(work: Work, room: RoomRow, statement: Statement, *, moderator: bool) -> Filter | None:
    """The filter that decides over a text, the room's or the host's; None where nothing is found.

    It costs the host more than most acts: what limits its author was charged before. Where neither can find anything,
    the text is not even folded."""
    filters = filters_of(work, room)
    work.filtered[room.room_id] = bool(filters)
    found = verdict(filters, statement.compared, moderator=moderator) if filters else None
    if found is not None:
        metrics.FILTERED.labels("kept" if found.silent else "refused").inc()
    return found


def filters_of(work: Work, room: RoomRow) -> list[Filter]:
    """The room's and the host's, where they can find anything."""
    if work.host_filter is None:
        raw = work.connection.execute(select(HOST.c.value).where(HOST.c.name == FILTER)).scalar()
        work.host_filter = Filter.of(host_settings(raw))
    return [each for each in (Filter.of(room.settings), work.host_filter) if each]


def refuse(work: Work, room: RoomRow, author: MemberRow, found: Filter) -> FilteredError:
    """To be returned, not raised: that it was charged stays, and so does the answer."""
    answer(work, room, author, found)
    return FilteredError("a filter keeps this out")


def answer(
    work: Work, room: RoomRow, author: MemberRow, found: Filter, post_id: bytes = b"", post: PostRow | None = None
) -> bool:
    """The host's whisper to the author, an answer to the post where that was kept; whether there was one."""
    text = found.answer(room.settings.title.strip() or room.settings.name, author.key)
    membership = work.membership(room, author)
    if not text or work.voice is None or work.now_ms - membership.replied_ms < ANSWER_PAUSE_MS:
        return False
    membership.replied_ms = work.now_ms
    work.change(membership, rights=False)
    said = statement_pb2.Post(text=text, whisper_to=author.key, reply_to=post_id)
    message = statement_pb2.Statement(
        host_id=work.host_id,
        room_id=room.room_id,
        time_ms=work.now_ms,
        seen_sequence=room.sequence,
        seen_chain=room.chain,
        post=said,
    )
    statement = Statement.make(message, work.voice)
    host = work.member(work.host_id)
    row = PostRow(
        sequence=room.sequence + 1,
        author_no=host.no,
        time_ms=work.now_ms,
        thread=(post.thread or post.sequence) if post is not None else 0,
        whisper=True,
        whisper_to=author.no,
    )
    work.append(room, host, statement, 0, row)
    work.add_post(room, host, statement, row)
    metrics.FILTERED.labels("answered").inc()
    return True
