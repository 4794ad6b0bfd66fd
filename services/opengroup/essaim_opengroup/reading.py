"""Posts and entries out of the database, as a reader may see them. Read-only transactions, in threads."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Select, case, false, func, or_, select

from essaim.opengroup.v1 import action_pb2, room_pb2, statement_pb2
from essaim_opengroup.news import Fresh, Reader, withheld
from essaim_opengroup.schema import ENTRY, MEMBER, MENTION, POST, REACTION, ROOM
from essaim_opengroup.searching import NONE_BEFORE, candidates, check_words

MOST = 100
"""Posts or entries of one answer, whatever is asked for."""
LEAST_AT_ONCE = 16
"""Posts read together in a search."""
FRAMING = 8
"""Bytes that a message in a repeated field costs beside itself."""
_WITH_AUTHOR = select(POST, MEMBER.c.key).join(MEMBER, MEMBER.c.no == POST.c.author_no)


@dataclass(frozen=True)
class Reading:
    """One reader's look at one room, in one transaction; an answer has at most `budget` bytes."""

    connection: Connection
    room_no: int
    reader: Reader
    budget: int

    # The log

    def entries(self, after: int, limit: int) -> list[Fresh]:
        """Entries after a sequence number, ascending, as they are now."""
        question = _entries().where(ENTRY.c.room_no == self.room_no, ENTRY.c.sequence > after)
        rows = self.connection.execute(question.order_by(ENTRY.c.sequence).limit(limit))
        return [fresh_row(row) for row in rows]

    def chain(self, sequence: int) -> bytes | None:
        """The chain's hash at an entry."""
        here = (ENTRY.c.room_no == self.room_no) & (ENTRY.c.sequence == sequence)
        return self.connection.execute(select(ENTRY.c.chain).where(here)).scalar()

    # Posts

    def page(self, query: action_pb2.Page) -> action_pb2.PostList:
        """Newest first."""
        question = self._posts(query.before)
        match query.WhichOneof("only"):
            case "thread":
                question = question.where(or_(POST.c.thread == query.thread, POST.c.sequence == query.thread))
            case "pinned":
                question = question.where(POST.c.pinned > 0)
            case "mentioning":
                mine = select(MENTION.c.post).where(
                    MENTION.c.room_no == self.room_no, MENTION.c.member_no == self.reader.no
                )
                question = question.where(POST.c.sequence.in_(mine))
            case "author":
                question = question.where(MEMBER.c.key == query.author)
        return self._listed(question.order_by(POST.c.sequence.desc()), query.limit)

    def named(self, post_ids: Iterable[bytes]) -> action_pb2.PostList:
        """By their ids."""
        question = self._posts(0).where(POST.c.post_id.in_(list(post_ids)[:MOST]))
        return self._listed(question.order_by(POST.c.sequence.desc()), MOST)

    def search(self, query: action_pb2.Search) -> action_pb2.PostList:
        """Posts whose text has all the words, newest first."""
        check_words(query.words)
        most = min(query.limit or MOST, MOST)
        newest, rows, down_to = self._sequence(), list[Row[Any]](), 1
        for some in candidates(self.connection, self.room_no, query.words, query.before, newest):
            numbers, down_to = some.numbers, some.down_to
            while numbers and len(rows) <= most:
                size = max(LEAST_AT_ONCE, most + 1 - len(rows))
                rows += self._numbered(numbers[:size])
                numbers = numbers[size:]
            if len(rows) > most:
                break
        answer = self._answer(rows, most, newest)
        if not answer.more and down_to > 1:  # enough was read: whoever wants to know goes on from here
            answer.more, answer.next = True, down_to
        return answer

    def _numbered(self, numbers: list[int]) -> list[Row[Any]]:
        """Newest first. Neither room nor order are the database's to see to: it would go through the room's posts."""
        rows = self.connection.execute(_WITH_AUTHOR.where(POST.c.no.in_(numbers), self._heard()))
        here = (row for row in rows if row.room_no == self.room_no)
        return sorted(here, key=lambda row: row.sequence, reverse=True)

    def _posts(self, before: int) -> Select[Any]:
        question = _WITH_AUTHOR.where(POST.c.room_no == self.room_no, self._heard())
        return question.where(POST.c.sequence < before) if before else question

    def _heard(self) -> ColumnElement[bool]:
        """Whispers for others are not there."""
        if self.reader.moderator:
            return ~false()
        own = POST.c.author_no == self.reader.no
        return or_(~POST.c.whisper, POST.c.whisper_to == self.reader.no, own)

    def _listed(self, question: Select[Any], limit: int) -> action_pb2.PostList:
        most = min(limit or MOST, MOST)
        rows = self.connection.execute(question.limit(most + 1)).all()
        return self._answer(rows, most, self._sequence())

    def _answer(self, rows: Sequence[Row[Any]], most: int, newest: int) -> action_pb2.PostList:
        """As many as the answer holds; `next` is where to go on."""
        answer = action_pb2.PostList(more=len(rows) > most, sequence=newest, next=NONE_BEFORE)
        left = self.budget - answer.ByteSize() - FRAMING
        for state in self._states(rows[:most]):
            left -= state.ByteSize() + FRAMING
            if left < 0:
                answer.more = True
                break
            answer.posts.append(state)
        answer.next = answer.posts[-1].entry.sequence if answer.more and answer.posts else 0
        return answer

    def _sequence(self) -> int:
        return int(self.connection.execute(select(ROOM.c.sequence).where(ROOM.c.no == self.room_no)).scalar_one())

    def _states(self, rows: Sequence[Row[Any]]) -> list[room_pb2.PostState]:
        if not rows:
            return []
        posts = [row.sequence for row in rows]
        entries = self._entries_at([*posts, *(row.edited for row in rows if row.edited and not row.deleted)])
        reactions, replies = self._reactions(posts), self._replies(posts)
        return [
            room_pb2.PostState(
                entry=_head(entries[row.sequence], edited=bool(row.edited) and not row.deleted),
                edit=entries[row.edited].entry if row.edited and not row.deleted else None,
                deleted=row.deleted,
                pinned=row.pinned,
                thread=row.thread,
                replies=replies.get(row.sequence, 0),
                reactions=reactions.get(row.sequence, ()),
                changed=row.changed,
                chain=entries[row.sequence].chain,
                filtered=row.filtered and self.reader.moderator,
            )
            for row in rows
        ]

    def _entries_at(self, sequences: list[int]) -> dict[int, Fresh]:
        question = _entries().where(ENTRY.c.room_no == self.room_no, ENTRY.c.sequence.in_(sequences))
        return {row.sequence: fresh_row(row) for row in self.connection.execute(question)}

    def _reactions(self, posts: list[int]) -> dict[int, list[room_pb2.ReactionCount]]:
        own = func.max(case((REACTION.c.member_no == self.reader.no, 1), else_=0))
        question = (
            select(REACTION.c.post, REACTION.c.emoji, func.count().label("total"), own.label("own"))
            .where(REACTION.c.room_no == self.room_no, REACTION.c.post.in_(posts))
            .group_by(REACTION.c.post, REACTION.c.emoji)
            .order_by(func.count().desc(), REACTION.c.emoji)
        )
        found: dict[int, list[room_pb2.ReactionCount]] = {}
        for row in self.connection.execute(question):
            count = room_pb2.ReactionCount(emoji=row.emoji, count=row.total, own=bool(row.own))
            found.setdefault(row.post, []).append(count)
        return found

    def _replies(self, posts: list[int]) -> dict[int, int]:
        question = (
            select(POST.c.thread, func.count())
            .where(POST.c.room_no == self.room_no, POST.c.thread.in_(posts), POST.c.deleted == 0, self._heard())
            .group_by(POST.c.thread)
        )
        return {row[0]: row[1] for row in self.connection.execute(question)}

    def reactors(self, query: action_pb2.ListReactors) -> action_pb2.ReactorList:
        """Who reacted so to a post."""
        post = select(POST.c.sequence).where(
            POST.c.room_no == self.room_no, POST.c.post_id == query.post_id, self._heard()
        )
        question = (
            select(MEMBER.c.key)
            .join(REACTION, REACTION.c.member_no == MEMBER.c.no)
            .where(REACTION.c.room_no == self.room_no, REACTION.c.post.in_(post), REACTION.c.emoji == query.emoji)
            .order_by(MEMBER.c.no)
            .limit(min(MOST * 2, self.budget // 40))
        )
        return action_pb2.ReactorList(members=self.connection.execute(question).scalars())


def entry_list(fresh: Sequence[Fresh], reader: Reader, limit: int, budget: int) -> action_pb2.EntryList:
    """As many as the reader may have at once; `chain_before` and `version` are the caller's to add."""
    most = min(limit or MOST, MOST)
    answer = action_pb2.EntryList(more=len(fresh) > most)
    left = budget - 64
    for each in fresh[:most]:
        entry = each.seen_by(reader)
        left -= entry.ByteSize() + FRAMING
        if left < 0:
            answer.more = True
            break
        answer.entries.append(entry)
    return answer


def _entries() -> Select[Any]:
    return select(ENTRY, MEMBER.c.key).join(MEMBER, MEMBER.c.no == ENTRY.c.author_no)


def fresh_row(row: Any) -> Fresh:
    """An entry from the database, as it is now."""
    entry = room_pb2.Entry(sequence=row.sequence, time_ms=row.time_ms, author=row.key)
    if row.statement is None:
        entry.digest, entry.removed = row.digest, True
    else:
        entry.statement, entry.signature = row.statement, row.signature
    erases = row.target == 0 or is_deletion(row.statement)
    return Fresh(
        row.room_no, row.sequence, row.chain, entry, row.digest, row.whisper, row.whisper_to, erases, row.filtered
    )


def is_deletion(statement: bytes | None) -> bool:
    """Whether a stored statement deletes a post."""
    return statement is not None and statement_pb2.Statement.FromString(statement).HasField("delete")


def _head(fresh: Fresh, *, edited: bool) -> room_pb2.Entry:
    """The text that an edit replaced is not told again."""
    if not edited:
        return fresh.entry
    head = withheld(fresh.entry, fresh.digest)
    head.removed = False
    return head
