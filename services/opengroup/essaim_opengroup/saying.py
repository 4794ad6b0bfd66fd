"""Statements: posts, edits, deletions, reactions, pins, purges. Each becomes one entry of the room's log, or none."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Final

from sqlalchemy import delete, select, update

from essaim.opengroup.v1 import action_pb2, statement_pb2
from essaim.protocol.opengroup.authorization import check_time
from essaim.protocol.opengroup.permission import Act, Role, check_rank
from essaim.protocol.opengroup.refusal import (
    ChainRefusedError,
    FileUnknownError,
    FilteredError,
    MemberUnknownError,
    NotAllowedError,
    PostUnknownError,
    QuotaError,
    StatementRefusedError,
)
from essaim.protocol.opengroup.statement import MAX_FILE_NAME, Statement, is_file_name
from essaim_opengroup import filtering
from essaim_opengroup.allowance import DAY_MS, spend_edit, spend_post, spend_reaction
from essaim_opengroup.releasing import release
from essaim_opengroup.rows import MemberRow, PostRow, RoomRow, values_of
from essaim_opengroup.schema import ATTACHMENT, ENTRY, FILE, MENTION, POST, REACTION
from essaim_opengroup.work import Work

MAX_REACTIONS = 20
"""Of one member to one post."""


def say(work: Work, statement: Statement) -> action_pb2.Said | FilteredError:
    """Take a statement whose signature was checked. Said before: the first answer.

    A filter's refusal is returned: what it was charged stays, and the host's answer to the author."""
    room = work.room(statement.message.room_id)
    before = work.said(room, statement.digest)
    if before is not None:
        return action_pb2.Said(sequence=before[0], time_ms=before[1], chain=before[2])
    _check_place(work, room, statement)
    author = work.member(statement.author)
    sequence = _SAY[statement.kind](work, room, author, statement)
    if isinstance(sequence, FilteredError):
        return sequence
    return action_pb2.Said(sequence=sequence, time_ms=work.now_ms, chain=work.chain_at(room, sequence) or b"")


def _check_place(work: Work, room: RoomRow, statement: Statement) -> None:
    message = statement.message
    if message.host_id != work.host_id:
        raise StatementRefusedError("a statement for another host")
    check_time(message.time_ms, work.now_ms)
    if work.chain_at(room, message.seen_sequence) != message.seen_chain:
        raise ChainRefusedError("this room's history does not hold what the author has seen")


# Posts


def _post(work: Work, room: RoomRow, author: MemberRow, statement: Statement) -> int | FilteredError:
    post = statement.message.post
    work.check(Act.WRITE, room, author)
    whisper = bool(post.whisper_to) or post.whisper_moderators
    if whisper:
        work.check(Act.WHISPER, room, author)
    official = work.role(room, author) >= Role.MODERATOR
    _check_content(room, post)
    answered = heard_post(work, room, author, post.reply_to) if post.reply_to else None
    attached = _attachments(work, room, author, post.files)
    recipient = _recipient(work, post.whisper_to)
    spend_post(work, room, author)
    found = filtering.judge(work, room, statement, moderator=official)
    if found is not None and not found.silent:
        return filtering.refuse(work, room, author, found)
    work.join(room, author)
    row = PostRow(
        sequence=room.sequence + 1,
        author_no=author.no,
        time_ms=work.now_ms,
        thread=(answered.thread or answered.sequence) if answered else 0,
        whisper=whisper,
        whisper_to=recipient,
    )
    if answered is not None and answered.whisper and not whisper:
        row.whisper, row.whisper_to, row.filtered = True, answered.whisper_to, answered.filtered
    if found is not None:
        _keep_from_others(row)
    work.append(room, author, statement, 0, row)
    work.add_post(room, author, statement, row)
    _attach(work, room, row.sequence, attached, post.mentions)
    if found is not None:
        filtering.answer(work, room, author, found, statement.digest, row)
    return row.sequence


def _keep_from_others(post: PostRow) -> None:
    """By a silent filter: as a whisper of the moderators to its author, who so hears what they do with it."""
    post.whisper, post.whisper_to, post.filtered = True, post.author_no, True


def _check_content(room: RoomRow, content: statement_pb2.Post | statement_pb2.Edit) -> None:
    """What the form of a statement leaves open. Names of files came later than wire v1: readers refuse none."""
    if len(content.text.encode()) > room.settings.post_bytes:
        raise QuotaError(f"a post has at most {room.settings.post_bytes} bytes here")
    names = content.file_names
    if names and (len(names) != len(content.files) or not all(map(is_file_name, names))):
        raise StatementRefusedError(f"as many names as files, each of 1 to {MAX_FILE_NAME} characters, or none")


def _recipient(work: Work, key: bytes) -> int | None:
    if not key:
        return None
    member = work.known(key)
    if member is None:
        raise MemberUnknownError("no such member here")
    return member.no


def _attachments(work: Work, room: RoomRow, author: MemberRow, hashes: Iterable[bytes]) -> list[int]:
    """Numbers of the files, all of which must be whole, in this room."""
    wanted = set(hashes)
    if not wanted:
        return []
    work.check(Act.UPLOAD, room, author)
    question = select(FILE.c.no).where(FILE.c.room_no == room.no, FILE.c.hash.in_(wanted), FILE.c.complete)
    found = work.scalars(question)
    if len(found) != len(wanted):
        raise FileUnknownError("a file of the post is not here")
    return found


def _attach(work: Work, room: RoomRow, post: int, files: list[int], mentions: Iterable[bytes]) -> None:
    for file_no in files:
        work.flush()
        work.insert(ATTACHMENT, {"file_no": file_no, "room_no": room.no, "post": post})
    if files:
        until_ms = work.now_ms + room.settings.file_days * DAY_MS
        work.execute(update(FILE).where(FILE.c.no.in_(files), FILE.c.expires_ms > 0).values(expires_ms=until_ms))
    for key in set(mentions):
        member = work.known(key)
        if member is not None:
            work.insert(MENTION, {"room_no": room.no, "member_no": member.no, "post": post})


def heard_post(work: Work, room: RoomRow, member: MemberRow, post_id: bytes) -> PostRow:
    """A post that the member may see: the log tells everybody the digests of whispers. Raises PostUnknownError."""
    post = work.post(room, post_id)
    hears = member.no in (post.author_no, post.whisper_to) or work.role(room, member) >= Role.MODERATOR
    if post.whisper and not hears:
        raise PostUnknownError("no such post")
    return post


# What changes a post


def _own(work: Work, room: RoomRow, author: MemberRow, post: PostRow, act: Act) -> None:
    work.check(act, room, author)
    if post.author_no != author.no:
        raise NotAllowedError("the post is somebody else's")


def _edit(work: Work, room: RoomRow, author: MemberRow, statement: Statement) -> int | FilteredError:
    edit = statement.message.edit
    post = work.post(room, edit.post_id)
    _own(work, room, author, post, Act.EDIT_OWN)
    official = work.role(room, author) >= Role.MODERATOR
    _check_content(room, edit)
    files = _attachments(work, room, author, edit.files)
    spend_edit(work, room, author)
    found = filtering.judge(work, room, statement, moderator=official)
    if found is not None and not found.silent:
        return filtering.refuse(work, room, author, found)
    if found is not None:
        _keep_from_others(post)
    sequence = work.append(room, author, statement, post.sequence, post)
    post.edited = sequence
    seen = values_of(post, "whisper", "whisper_to", "filtered")
    work.update_post(room, post, text=edit.text, edited=sequence, changed=sequence, **seen)
    _forget_content(work, room, post.sequence)
    _attach(work, room, post.sequence, files, edit.mentions)
    if found is not None:
        filtering.answer(work, room, author, found, edit.post_id, post)
    return sequence


def _forget_content(work: Work, room: RoomRow, post: int) -> None:
    """Files and mentions of before; files that no other post holds go at the next upkeep."""
    held = select(ATTACHMENT.c.file_no).where(ATTACHMENT.c.room_no == room.no, ATTACHMENT.c.post == post)
    files = work.scalars(held)
    if files:
        work.execute(delete(ATTACHMENT).where(ATTACHMENT.c.room_no == room.no, ATTACHMENT.c.post == post))
        still = select(ATTACHMENT.c.file_no).where(ATTACHMENT.c.file_no.in_(files))
        alone = FILE.c.no.in_(files) & FILE.c.no.not_in(still) & (FILE.c.expires_ms > 0)  # 0: the room's picture
        work.execute(update(FILE).where(alone).values(expires_ms=work.now_ms))
    work.execute(delete(MENTION).where(MENTION.c.room_no == room.no, MENTION.c.post == post))


def _delete(work: Work, room: RoomRow, author: MemberRow, statement: Statement) -> int:
    post = work.post(room, statement.target)
    if post.author_no == author.no:
        work.check(Act.DELETE_OWN, room, author)
    else:
        work.check(Act.DELETE_ANY, room, author)
        check_rank(work.role(room, author), _role_of(work, room, post.author_no))
    sequence = work.append(room, author, statement, post.sequence, _as_it_was_told(work, room, post))
    post.deleted = sequence
    _erase(work, room, [post.sequence], sequence)
    return sequence


def _as_it_was_told(work: Work, room: RoomRow, post: PostRow) -> PostRow:
    """Whoever was told a post learns that it is gone, though a silent filter took it from there later on."""
    told = (ENTRY.c.whisper, ENTRY.c.whisper_to, ENTRY.c.filtered)
    here = (ENTRY.c.room_no == room.no) & (ENTRY.c.sequence == post.sequence)
    row = work.execute(select(*told).where(here)).one()
    return replace(post, **values_of(row, "whisper", "whisper_to", "filtered"))


def _role_of(work: Work, room: RoomRow, member_no: int) -> Role:
    return work.role(room, work.member_by_number(member_no))


def _erase(work: Work, room: RoomRow, posts: list[int], by: int) -> None:
    """Text, edits, reactions, mentions and files of posts; digests and the chain stay."""
    work.flush()
    for first in range(0, len(posts), 500):
        some = posts[first : first + 500]
        here = POST.c.room_no == room.no
        work.execute(
            update(POST).where(here, POST.c.sequence.in_(some)).values(text=None, deleted=by, pinned=0, changed=by)
        )
        written = (ENTRY.c.room_no == room.no) & ENTRY.c.target.in_(some) & (ENTRY.c.sequence < by)
        work.execute(update(ENTRY).where(written).values(statement=None, signature=None))
        work.execute(delete(REACTION).where(REACTION.c.room_no == room.no, REACTION.c.post.in_(some)))
        for post in some:
            _forget_content(work, room, post)


def _react(work: Work, room: RoomRow, author: MemberRow, statement: Statement) -> int:
    react = statement.message.react
    if react.everybodys:
        return _wipe(work, room, author, statement)
    work.check(Act.REACT, room, author)
    post = heard_post(work, room, author, react.post_id)
    mine = (REACTION.c.room_no == room.no) & (REACTION.c.post == post.sequence) & (REACTION.c.member_no == author.no)
    held = work.scalars(select(REACTION.c.emoji).where(mine))
    if (react.emoji in held) != react.withdraw:
        return post.sequence  # nothing changes: no entry
    if not react.withdraw and len(held) >= MAX_REACTIONS:
        raise QuotaError(f"at most {MAX_REACTIONS} reactions to a post")
    spend_reaction(work, room, author)
    work.join(room, author)
    if react.withdraw:
        work.execute(delete(REACTION).where(mine, REACTION.c.emoji == react.emoji))
    else:
        row = {"room_no": room.no, "post": post.sequence, "emoji": react.emoji, "member_no": author.no}
        work.insert(REACTION, row)
    sequence = work.append(room, author, statement, post.sequence, post)
    work.update_post(room, post, changed=sequence)
    return sequence


def _wipe(work: Work, room: RoomRow, author: MemberRow, statement: Statement) -> int:
    """One emoji of everybody goes from a post."""
    react = statement.message.react
    work.check(Act.DELETE_ANY, room, author)
    post = heard_post(work, room, author, react.post_id)
    these = (REACTION.c.room_no == room.no) & (REACTION.c.post == post.sequence) & (REACTION.c.emoji == react.emoji)
    if not work.execute(delete(REACTION).where(these)).rowcount:
        return post.sequence
    sequence = work.append(room, author, statement, post.sequence, post)
    work.update_post(room, post, changed=sequence)
    return sequence


def _pin(work: Work, room: RoomRow, author: MemberRow, statement: Statement) -> int:
    pin = statement.message.pin
    work.check(Act.PIN, room, author)
    post = work.post(room, pin.post_id)
    if pin.release:
        return release(work, room, author, statement, post)
    if pin.everything:
        return _unpin_all(work, room, author, statement, post)
    if bool(post.pinned) != pin.unpin:
        return post.sequence
    sequence = work.append(room, author, statement, post.sequence, post)
    post.pinned = 0 if pin.unpin else sequence
    work.update_post(room, post, pinned=post.pinned, changed=sequence)
    work.touch(room)
    return sequence


def _unpin_all(work: Work, room: RoomRow, author: MemberRow, statement: Statement, named: PostRow) -> int:
    """One entry, told to everybody, whatever post it names."""
    if not statement.message.pin.unpin:
        raise StatementRefusedError("nobody pins everything")
    pinned = (POST.c.room_no == room.no) & (POST.c.pinned > 0)
    if not work.scalars(select(POST.c.no).where(pinned).limit(1)):
        return named.sequence
    sequence = work.append(room, author, statement, named.sequence)
    work.execute(update(POST).where(pinned).values(pinned=0, changed=sequence))
    work.forget_posts()
    work.touch(room)
    return sequence


def _purge(work: Work, room: RoomRow, author: MemberRow, statement: Statement) -> int:
    target = work.known(statement.message.purge.member)
    if target is None:
        raise MemberUnknownError("no such member here")
    work.check(Act.DELETE_ANY, room, author)
    check_rank(work.role(room, author), work.role(room, target))
    work.flush()
    question = select(POST.c.sequence).where(
        POST.c.room_no == room.no, POST.c.author_no == target.no, POST.c.deleted == 0
    )
    posts = work.scalars(question)
    sequence = work.append(room, author, statement, 0)
    _erase(work, room, posts, sequence)
    work.forget_posts()
    return sequence


_SAY: Final[Mapping[str, Callable[[Work, RoomRow, MemberRow, Statement], int | FilteredError]]] = {
    "post": _post,
    "edit": _edit,
    "delete": _delete,
    "react": _react,
    "pin": _pin,
    "purge": _purge,
}
