"""All words of a filter sought at once, in one pass over the text whatever their number.

A. V. Aho, M. J. Corasick, "Efficient string matching: an aid to bibliographic search", CACM 18(6), 1975: a tree of the
words, and from each of its nodes a way to the node of the longest ending of what was read that begins a word as well.
Why it is ours: docs/adr/0035-the-search-for-filter-words-is-ours.md.
"""

from collections import deque
from collections.abc import Iterable
from typing import Final

_NOWHERE: Final[dict[str, int]] = {}


class Words:
    """`in_text` says whether a text holds one of them. Empty words are passed over; none: nothing is found."""

    def __init__(self, words: Iterable[str]) -> None:
        self._goes: list[dict[str, int]] = [{}]
        self._ends = bytearray(1)
        for word in filter(None, words):
            self._add(word)
        self._falls = [0] * len(self._goes)
        self._fall()

    def __bool__(self) -> bool:
        return bool(self._goes[0])

    def in_text(self, text: str) -> bool:
        """Time grows with the text's length alone."""
        goes, falls, ends, at = self._goes, self._falls, self._ends, 0
        for point in text:
            while at and point not in goes[at]:
                at = falls[at]
            at = goes[at].get(point, 0)
            if ends[at]:
                return True
        return False

    def _add(self, word: str) -> None:
        at = 0
        for point in word:
            if self._goes[at] is _NOWHERE:
                self._goes[at] = {}
            at = self._goes[at].setdefault(point, len(self._goes))
            if at == len(self._goes):
                self._goes.append(_NOWHERE)
                self._ends.append(0)
        self._ends[at] = 1

    def _fall(self) -> None:
        waiting = deque(self._goes[0].values())
        while waiting:
            parent = waiting.popleft()
            for point, child in self._goes[parent].items():
                fall = self._falls[parent]
                while fall and point not in self._goes[fall]:
                    fall = self._falls[fall]
                self._falls[child] = self._goes[fall].get(point, 0)
                self._ends[child] |= self._ends[self._falls[child]]
                waiting.append(child)
