"""A text as a filter compares it: as people see it, in time that grows with its length alone.

Compatible forms are made one (Unicode's NFKC), case is folded, what is not seen is left out. NFKC sorts the marks that
follow each other by insertion, so a run of thousands costs their square: no language has more than a few on a letter,
and of each run the first 30 are kept (UAX 15, Stream-Safe Text). Rules: docs/protocol/opengroup.md, section 11.
"""

import re
import unicodedata
from typing import Final

MOST_MARKS: Final = 30
"""That follow each other; the others are as if they were not there."""
WHOLE: Final = "\ufdfa"
"""A whole sentence in one letter, 18 in place of 3 bytes: left as it is. Nothing else gives more than 8."""
UNSEEN: Final = re.compile(
    "["
    # Default_Ignorable_Code_Point (DerivedCoreProperties.txt)
    "\u00ad\u034f\u061c\u115f-\u1160\u17b4-\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f"
    "\ufeff\uffa0\ufff0-\ufff8\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
    # The other characters of category Cf, and the Braille pattern without a dot
    "\u0600-\u0605\u06dd\u070f\u0890-\u0891\u08e2\ufff9-\ufffb\U000110bd\U000110cd\U00013430-\U0001343f\u2800"
    "]+"
)
MARKS_AFTER_ALL: Final = frozenset("\u0f73\u0f75\u0f81\uff9e\uff9f")
"""No marks themselves, but made of nothing else."""


def folded(text: str) -> str:
    """What is compared: at most 8 characters for each of the text's."""
    if text.isascii():
        return text.casefold()
    seen = _few_marks(UNSEEN.sub("", text))
    same = WHOLE.join(_same(part) for part in seen.split(WHOLE))
    return UNSEEN.sub("", same)


def _same(text: str) -> str:
    if text.isascii():
        return text.casefold()
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())


def _few_marks(text: str) -> str:
    if not any(map(unicodedata.combining, text)) and MARKS_AFTER_ALL.isdisjoint(text):
        return text
    kept, run = [], 0
    for point in text:
        run = run + 1 if unicodedata.combining(point) or point in MARKS_AFTER_ALL else 0
        if run <= MOST_MARKS:
            kept.append(point)
    return "".join(kept)
