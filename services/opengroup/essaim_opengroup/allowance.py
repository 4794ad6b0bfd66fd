"""What a member may say and upload in a day, and how soon after the last post. It binds no moderator."""

from essaim.protocol.opengroup.permission import Role
from essaim.protocol.opengroup.refusal import EditQuotaError, QuotaError, ReactionQuotaError, SlowModeError
from essaim_opengroup.rows import MemberRow, MembershipRow, RoomRow
from essaim_opengroup.work import Work

DAY_MS = 86_400_000


def _new_day(membership: MembershipRow, now_ms: int) -> None:
    """Begin to count anew when 24 hours are over."""
    if now_ms - membership.day_ms >= DAY_MS:
        membership.day_ms, membership.day_posts, membership.day_bytes = now_ms, 0, 0
        membership.day_edits, membership.day_reactions = 0, 0


def spend_post(work: Work, room: RoomRow, author: MemberRow) -> None:
    """Slow mode and the day's posts. Raises SlowModeError, QuotaError."""
    membership, bound = work.membership(room, author), _is_bound(work, room, author)
    next_ms = membership.last_post_ms + room.settings.slow_seconds * 1_000
    if bound and membership.last_post_ms and work.now_ms < next_ms:
        raise SlowModeError(next_ms - work.now_ms)
    _new_day(membership, work.now_ms)
    if bound and 0 < room.settings.posts_per_day <= membership.day_posts:
        raise QuotaError("as many posts as a member may in 24 hours")
    membership.day_posts += 1
    membership.last_post_ms = work.now_ms
    work.change(membership, rights=False)


def spend_edit(work: Work, room: RoomRow, author: MemberRow) -> None:
    """Raises EditQuotaError."""
    membership = work.membership(room, author)
    _new_day(membership, work.now_ms)
    if _is_bound(work, room, author) and 0 < room.settings.edits_per_day <= membership.day_edits:
        raise EditQuotaError("as many edits as a member may in 24 hours")
    membership.day_edits += 1
    work.change(membership, rights=False)


def spend_reaction(work: Work, room: RoomRow, author: MemberRow) -> None:
    """One that is taken back counts as well: each makes an entry that everybody fetches. Raises ReactionQuotaError."""
    membership = work.membership(room, author)
    _new_day(membership, work.now_ms)
    if _is_bound(work, room, author) and 0 < room.settings.reactions_per_day <= membership.day_reactions:
        raise ReactionQuotaError("as many reactions as a member may in 24 hours")
    membership.day_reactions += 1
    work.change(membership, rights=False)


def spend_upload(work: Work, room: RoomRow, author: MemberRow, size: int) -> None:
    """Bytes of a file that is begun. Raises QuotaError."""
    membership = work.membership(room, author)
    _new_day(membership, work.now_ms)
    if _is_bound(work, room, author) and membership.day_bytes + size > room.settings.upload_bytes:
        raise QuotaError(f"at most {room.settings.upload_bytes} bytes of files in 24 hours")
    membership.day_bytes += size
    work.change(membership, rights=False)


def _is_bound(work: Work, room: RoomRow, author: MemberRow) -> bool:
    return work.role(room, author) < Role.MODERATOR
