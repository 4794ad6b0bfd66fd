"""What time takes away: files, direct messages, old posts, invitations. And the gauges."""

from sqlalchemy import Connection, and_, delete, func, select, update

from essaim_opengroup import metrics
from essaim_opengroup.allowance import DAY_MS
from essaim_opengroup.rows import room_row
from essaim_opengroup.schema import (
    ATTACHMENT,
    DIRECT,
    DIRECT_TAKEN,
    ENTRY,
    FILE,
    INVITATION,
    MEMBER,
    MENTION,
    POST,
    REACTION,
    REPORT,
    ROOM,
    SENT,
)
from essaim_opengroup.work import Work

AT_ONCE = 1_000
"""Rows of a kind in one transaction, so that members do not wait for it."""


def remove_expired(work: Work) -> None:
    """One round."""
    pinned = select(ATTACHMENT.c.file_no).join(
        POST, and_(POST.c.room_no == ATTACHMENT.c.room_no, POST.c.sequence == ATTACHMENT.c.post)
    )
    over = select(FILE.c.no).where(
        FILE.c.expires_ms > 0, FILE.c.expires_ms <= work.now_ms, FILE.c.no.not_in(pinned.where(POST.c.pinned > 0))
    )
    gone = work.scalars(over.limit(AT_ONCE))
    if gone:
        work.execute(delete(FILE).where(FILE.c.no.in_(gone)))
    late = select(DIRECT.c.no).where(DIRECT.c.expires_ms <= work.now_ms).limit(AT_ONCE)
    work.execute(delete(DIRECT).where(DIRECT.c.no.in_(late)))
    over = select(SENT.c.no).where(SENT.c.expires_ms <= work.now_ms).limit(AT_ONCE)
    work.execute(delete(SENT).where(SENT.c.no.in_(over)))
    work.execute(delete(DIRECT_TAKEN).where(DIRECT_TAKEN.c.until_ms <= work.now_ms))
    work.execute(delete(INVITATION).where(INVITATION.c.until_ms > 0, INVITATION.c.until_ms <= work.now_ms))
    for row in work.execute(select(ROOM)).all():
        days = room_row(row).settings.keep_days
        if days:
            _remove_posts(work, row.no, work.now_ms - days * DAY_MS)


def _remove_posts(work: Work, room_no: int, before_ms: int) -> None:
    """Posts of before leave with all that was said of them; their places in the chain stay."""
    old = select(POST.c.sequence).where(POST.c.room_no == room_no, POST.c.time_ms < before_ms, POST.c.pinned == 0)
    posts = work.scalars(old.order_by(POST.c.sequence).limit(AT_ONCE))
    if not posts:
        return
    for table, column in ((REACTION, REACTION.c.post), (MENTION, MENTION.c.post), (ATTACHMENT, ATTACHMENT.c.post)):
        work.execute(delete(table).where(table.c.room_no == room_no, column.in_(posts)))
    work.execute(delete(REPORT).where(REPORT.c.room_no == room_no, REPORT.c.post.in_(posts)))
    written = (ENTRY.c.room_no == room_no) & ENTRY.c.target.in_(posts)
    work.execute(update(ENTRY).where(written).values(statement=None, signature=None))
    work.execute(delete(POST).where(POST.c.room_no == room_no, POST.c.sequence.in_(posts)))
    work.changed_access.add((room_no, None))


def measure(connection: Connection) -> None:
    """The gauges."""
    for table, gauge in ((ROOM, metrics.ROOMS), (MEMBER, metrics.MEMBERS)):
        gauge.set(connection.execute(select(func.count()).select_from(table)).scalar_one())
    newest = connection.execute(select(func.max(POST.c.no) - func.min(POST.c.no) + 1)).scalar_one()
    metrics.POSTS.set(newest or 0)  # a count would read a million rows
    size = connection.execute(select(func.sum(FILE.c.size)).where(FILE.c.complete)).scalar_one()
    metrics.FILE_BYTES.set(float(size or 0))
    waiting = select(func.count()).select_from(REPORT).where(REPORT.c.open)
    metrics.OPEN_REPORTS.set(connection.execute(waiting).scalar_one())
