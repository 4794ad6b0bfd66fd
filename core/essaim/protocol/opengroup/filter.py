"""What a room, or the whole host, keeps out: words and alphabets, and what becomes of who wrote them.

A filter is what those of a room's settings say that begin with `filter`. A text is compared as people see it
(`folding`). The rules are in docs/protocol/opengroup.md, section 11.
"""

import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import IntFlag
from functools import lru_cache, reduce
from operator import or_
from typing import Final

from essaim.opengroup.v1 import room_pb2
from essaim.protocol.opengroup.folding import folded
from essaim.protocol.opengroup.words import Words

MAX_REPLY: Final = 4_096
"""Bytes of what the host answers, names put in."""
OF_ROOM: Final = "The filter of this room answers, in the words of its admins:\n"
"""What the host puts before a reply that is not its owners', each line of which then begins with `QUOTED`."""
QUOTED: Final = "> "
FIELDS: Final = ("filter", "filter_alphabets", "filter_silent", "filter_reply", "filter_moderators")
"""Of RoomSettings; told to moderators alone."""


class Alphabet(IntFlag):
    """The codes of `essaim.opengroup.v1.Alphabet`."""

    ARABIC = 1
    CYRILLIC = 2
    PERSIAN = 4
    GREEK = 8
    HEBREW = 16
    DEVANAGARI = 32
    THAI = 64
    HANGUL = 128
    HAN = 256
    KANA = 512
    LATIN = 1024


NONE: Final = Alphabet(0)
ALL_ALPHABETS: Final = Alphabet((1 << len(Alphabet)) - 1)
PERSIAN_LETTERS: Final = frozenset("\u067e\u0686\u0698\u06a9\u06af\u06cc")
"""Pe, che, zhe, keheh, gaf and Farsi yeh: Arabic is not written with them."""
_NAMES: Final = {
    "ARABIC": Alphabet.ARABIC,
    "CYRILLIC": Alphabet.CYRILLIC,
    "GREEK": Alphabet.GREEK,
    "HEBREW": Alphabet.HEBREW,
    "DEVANAGARI": Alphabet.DEVANAGARI,
    "THAI": Alphabet.THAI,
    "HANGUL": Alphabet.HANGUL,
    "CJK": Alphabet.HAN,
    "HIRAGANA": Alphabet.KANA,
    "KATAKANA": Alphabet.KANA,
    "LATIN": Alphabet.LATIN,
}
"""By the first word of Unicode's names of their letters."""


@dataclass(frozen=True)
class Filter:
    """One room's, or the host's for all rooms."""

    words: Words = field(default_factory=lambda: Words(()))
    """Folded."""
    alphabets: Alphabet = NONE
    silent: bool = False
    reply: str = ""
    for_moderators: bool = False
    of_room: bool = False
    """Set by the admins of one room; else by the host's owners."""

    @classmethod
    def of(cls, settings: room_pb2.RoomSettings) -> "Filter":
        """What the settings say."""
        return cls(
            _words(settings.filter),
            Alphabet(settings.filter_alphabets) & ALL_ALPHABETS,
            settings.filter_silent,
            settings.filter_reply.strip(),
            settings.filter_moderators,
            settings.HasField("name"),
        )

    def __bool__(self) -> bool:
        """Whether it can find anything."""
        return bool(self.words or self.alphabets)

    def finds(self, text: str) -> bool:
        """Whether a text holds a word or a letter that it keeps out."""
        return self.finds_in(folded(text))

    def finds_in(self, seen: str) -> bool:
        """The same of a text that was folded."""
        return self.words.in_text(seen) or (bool(self.alphabets) and bool(self.alphabets & alphabets(seen)))

    def answer(self, room: str, member: bytes) -> str:
        """What the host whispers to the author; empty for nothing. Admins of a room do not speak as the host."""
        said = self.reply.replace("{member}", member.hex()[:8]).replace("{room}", room)
        if self.of_room and said:
            said = OF_ROOM + "\n".join(QUOTED + line for line in said.splitlines())
        return said.encode()[:MAX_REPLY].decode(errors="ignore")


def verdict(filters: Iterable[Filter], seen: str, *, moderator: bool) -> Filter | None:
    """The filter that decides over a folded text, None where none finds anything. One that refuses goes before silent
    ones."""
    found = [each for each in filters if (each.for_moderators or not moderator) and each.finds_in(seen)]
    return min(found, key=lambda each: each.silent, default=None)


def alphabets(text: str) -> Alphabet:
    """Those of which there is a letter in it."""
    return reduce(or_, set(map(_alphabet, set(text))), NONE)


@lru_cache(64)
def _words(lines: str) -> Words:
    """Made once for each list of words; the largest there may be takes some 3 MB."""
    return Words(folded(line).strip() for line in lines.splitlines())


@lru_cache(8_192)
def _alphabet(point: str) -> Alphabet:
    if not unicodedata.category(point).startswith("L"):
        return NONE
    found = _NAMES.get(unicodedata.name(point, "").partition(" ")[0], NONE)
    return found | Alphabet.PERSIAN if point in PERSIAN_LETTERS else found
