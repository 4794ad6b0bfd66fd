"""What a room, or the whole host, keeps out: words and alphabets, and what becomes of who wrote them.

A filter is what those of a room's settings say that begin with `filter`. A text is compared as people see it:
compatible forms made one (Unicode's NFKC), case folded, without what is not seen (category Cf). The rules are in
docs/protocol/opengroup.md, section 11.
"""

import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntFlag
from functools import lru_cache
from typing import Final

from essaim.opengroup.v1 import room_pb2

MAX_REPLY: Final = 4_096
"""Bytes of what the host answers, names put in."""
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
    Alphabet.ARABIC: ("ARABIC ",),
    Alphabet.CYRILLIC: ("CYRILLIC ",),
    Alphabet.GREEK: ("GREEK ",),
    Alphabet.HEBREW: ("HEBREW ",),
    Alphabet.DEVANAGARI: ("DEVANAGARI ",),
    Alphabet.THAI: ("THAI ",),
    Alphabet.HANGUL: ("HANGUL ",),
    Alphabet.HAN: ("CJK ",),
    Alphabet.KANA: ("HIRAGANA ", "KATAKANA "),
    Alphabet.LATIN: ("LATIN ",),
}
"""How Unicode's names of their letters begin."""


@dataclass(frozen=True)
class Filter:
    """One room's, or the host's for all rooms."""

    words: tuple[str, ...] = ()
    """Folded."""
    alphabets: Alphabet = NONE
    silent: bool = False
    reply: str = ""
    for_moderators: bool = False

    @classmethod
    def of(cls, settings: room_pb2.RoomSettings) -> "Filter":
        """What the settings say."""
        return cls(
            _words(settings.filter),
            Alphabet(settings.filter_alphabets) & ALL_ALPHABETS,
            settings.filter_silent,
            settings.filter_reply.strip(),
            settings.filter_moderators,
        )

    def finds(self, text: str) -> bool:
        """Whether a text holds a word or a letter that it keeps out."""
        if not self.words and not self.alphabets:
            return False
        seen = folded(text)
        return any(word in seen for word in self.words) or bool(self.alphabets & alphabets(seen))

    def answer(self, room: str, member: bytes) -> str:
        """What the host whispers to the author; empty for nothing."""
        said = self.reply.replace("{member}", member.hex()[:8]).replace("{room}", room)
        return said.encode()[:MAX_REPLY].decode(errors="ignore")


def verdict(filters: Iterable[Filter], text: str, *, moderator: bool) -> Filter | None:
    """The filter that decides over a text, None where none finds anything. One that refuses goes before silent ones."""
    found = [each for each in filters if (each.for_moderators or not moderator) and each.finds(text)]
    return min(found, key=lambda each: each.silent, default=None)


def alphabets(text: str) -> Alphabet:
    """Those of which there is a letter in it."""
    found = NONE
    for point in set(text):
        if unicodedata.category(point).startswith("L"):
            found |= _alphabet(point)
    return found


def folded(text: str) -> str:
    """What is compared."""
    if text.isascii():
        return text.casefold()
    same = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    return "".join(point for point in same if unicodedata.category(point) != "Cf")


@lru_cache(256)
def _words(lines: str) -> tuple[str, ...]:
    words = (folded(line).strip() for line in lines.splitlines())
    return tuple(word for word in words if word)


def _alphabet(letter: str) -> Alphabet:
    name = unicodedata.name(letter, "")
    found = NONE
    for alphabet, beginnings in _NAMES.items():
        if name.startswith(beginnings):
            found |= alphabet
    return found | Alphabet.PERSIAN if letter in PERSIAN_LETTERS else found
