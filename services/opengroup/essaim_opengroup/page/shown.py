"""A post as the page shows it: text without what would repaint the lines around it."""

import unicodedata
from dataclasses import dataclass
from datetime import UTC, datetime

from essaim.opengroup.v1 import room_pb2, statement_pb2

SHORT = 8
LONGEST_MARKS = 4
"""Combining marks in a row; more of them would run over other posts."""
_UNSEEN = {"Cc", "Cf", "Cs", "Co", "Cn"}
_KEPT = {"\n", "\t", "\u200d", "\ufe0f"}
"""Lines, and what joins emoji."""


@dataclass(frozen=True)
class ShownPost:
    """What the template takes; all of it is escaped there."""

    sequence: int
    author: str
    when: str
    machine_time: str
    text: str
    edited: bool
    deleted: bool
    pinned: bool
    thread: int
    replies: int
    files: int
    reactions: list[tuple[str, int]]


def shown_post(state: room_pb2.PostState) -> ShownPost:
    """What a reader sees of a post."""
    raw = state.edit.statement or state.entry.statement
    message = statement_pb2.Statement.FromString(raw)
    content = message.edit if state.edit.statement else message.post
    at = datetime.fromtimestamp(state.entry.time_ms // 60_000 * 60, UTC)
    return ShownPost(
        sequence=state.entry.sequence,
        author=state.entry.author.hex()[:SHORT],
        when=at.strftime("%Y-%m-%d %H:%M UTC"),
        machine_time=at.strftime("%Y-%m-%dT%H:%MZ"),
        text=plain(content.text),
        edited=bool(state.edit.statement),
        deleted=bool(state.deleted),
        pinned=bool(state.pinned),
        thread=state.thread or state.entry.sequence,
        replies=state.replies,
        files=len(content.files),
        reactions=[(plain(each.emoji), each.count) for each in state.reactions],
    )


def plain(text: str) -> str:
    """Without controls, direction overrides and towers of marks."""
    kept: list[str] = []
    marks = 0
    for point in text:
        category = unicodedata.category(point)
        if category in _UNSEEN and point not in _KEPT:
            continue
        marks = marks + 1 if category in ("Mn", "Me") and point != "\ufe0f" else 0
        if marks <= LONGEST_MARKS:
            kept.append(point)
    return "".join(kept)
