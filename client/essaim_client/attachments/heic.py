"""HEIC (ISO/IEC 23008-12), as some phones take photos: the pictures in it as they are, and nothing beside them.

Nothing is decoded. The file keeps its length: what belongs to a picture is copied to its place, all else is zero. So
Exif, XMP, notes, previews of other programs and whatever is in no picture's bytes are gone.
"""

from collections.abc import Iterator
from itertools import islice
from typing import NamedTuple

from essaim.protocol.errors import ProtocolError
from essaim.protocol.layout import Reader
from essaim_client.attachments.boxes import FULL, BoxRefusedError, Span, spans
from essaim_client.attachments.look import look_of

PICTURES = frozenset({b"hvc1", b"av01", b"grid", b"iden", b"iovl", b"tmap"})
"""Not `jpeg`, which would have its own Exif."""
PLACES = frozenset({b"pitm", b"iloc", b"iref", b"ipma", b"grpl"})
"""Boxes of numbers alone."""
NEEDED = (b"iloc", b"iinf", b"iprp", b"pitm")
HANDLER_SIZE = 24
"""Before the name."""
GONE = b"free"
ROWS_MAX = 10_000
"""Boxes in another, items, and ranges of all of them: a photo of 100 million pixels has some 400 tiles."""
STORES_MAX = 16
LENGTH_SIZES = (4, 8)
NUMBERS = {1: 0x7F, 2: 0x7FFF}
"""Of a property, by bytes: the first bit says that it is needed."""


class Item(NamedTuple):
    """Something in the file: the ranges of its bytes, from the file's beginning or, `inside`, that of `idat`."""

    item_id: int
    inside: bool
    ranges: list[tuple[int, int]]


def cleaned_heic(data: bytes) -> bytes:
    """The same pictures. Raises BoxRefusedError: a sequence or film, cut off, or not as such files are."""
    try:
        return bytes(_Cleaning(data).done())
    except BoxRefusedError:
        raise
    except ProtocolError:
        raise BoxRefusedError("the tables of the file are cut off") from None


class _Cleaning:
    def __init__(self, data: bytes) -> None:
        self._data = data
        self._made = bytearray(len(data))
        self._kept: set[int] = set()
        """Ids of items that are pictures."""
        self._gone: set[int] = set()
        """Numbers of properties that are dropped."""

    def done(self) -> bytearray:
        top = _rows(self._data, 0, len(self._data))
        metas = [each for each in top if each.kind == b"meta"]
        if not top or top[0].kind != b"ftyp" or len(metas) != 1 or any(each.kind in (b"moov", b"moof") for each in top):
            raise BoxRefusedError("this is no photo in HEIC")
        self._copy(top[0].at, top[0].end)
        inner = self._meta(metas[0])
        for each in top[1:]:
            if each.kind == b"mdat":
                self._copy(each.at, each.start)
            elif each.kind != b"meta":
                self._drop(each)
        stores = [each for each in top if each.kind == b"mdat"]
        if len(stores) > STORES_MAX or self._first(inner[b"pitm"]) not in self._kept:
            raise BoxRefusedError("this is no photo in HEIC")
        for item in self._items(inner[b"iloc"]):
            if item.item_id in self._kept:
                self._bytes_of(item, [inner[b"idat"]] if item.inside and b"idat" in inner else stores)
        return self._made

    def _first(self, box: Span) -> int:
        """The id of the item that is shown."""
        reader = Reader(self._data[box.start : box.end])
        return reader.number(2 if reader.number(FULL) >> 24 == 0 else 4)

    def _copy(self, at: int, end: int) -> None:
        self._made[at:end] = self._data[at:end]

    def _drop(self, box: Span) -> None:
        """Its place stays, under a kind that nobody reads."""
        self._copy(box.at, box.start)
        self._made[box.at + 4 : box.at + 8] = GONE

    def _meta(self, meta: Span) -> dict[bytes, Span]:
        self._copy(meta.at, meta.start + FULL)
        inner = _rows(self._data, meta.start + FULL, meta.end)
        for each in inner:
            match each.kind:
                case b"hdlr":
                    self._copy(each.at, min(each.start + HANDLER_SIZE, each.end))
                case b"iinf":
                    self._infos(each)
                case b"iprp":
                    self._properties(each)
                case b"idat":
                    self._copy(each.at, each.start)
                case kind if kind in PLACES:
                    self._copy(each.at, each.end)
                case _:
                    self._drop(each)
        kinds = [each.kind for each in inner]
        if any(kinds.count(kind) != 1 for kind in NEEDED) or kinds.count(b"idat") > 1:
            raise BoxRefusedError("this is no photo in HEIC")
        return dict(zip(kinds, inner, strict=True))

    def _infos(self, table: Span) -> None:
        """Which items there are; names are dropped, and what is no picture is of no kind any more."""
        reader = Reader(self._data[table.start : table.end])
        reader.take(4 if reader.number(FULL) >> 24 else 2)
        front = table.start + reader.position
        self._copy(table.at, front)
        for each in _rows(self._data, front, table.end):
            reader = Reader(self._data[each.start : each.end])
            version = reader.number(FULL) >> 24
            if each.kind != b"infe" or version not in (2, 3):
                raise BoxRefusedError("an item of an unknown kind")
            item_id = reader.number(2 if version == 2 else 4)
            protected, kind = reader.number(2), reader.take(4)
            end = each.start + reader.position
            self._copy(each.at, end)
            if kind in PICTURES and not protected:
                self._kept.add(item_id)
            else:
                self._made[end - 4 : end] = GONE

    def _properties(self, table: Span) -> None:
        self._copy(table.at, table.start)
        rows = _rows(self._data, table.start, table.end)
        for each in rows:
            if each.kind in PLACES:
                self._copy(each.at, each.end)
            elif each.kind == b"ipco":
                self._copy(each.at, each.start)
                for number, part in enumerate(_rows(self._data, each.start, each.end), 1):
                    self._property(number, part)
            else:
                self._drop(each)
        for each in rows:
            if each.kind == b"ipma":
                self._release(each)

    def _release(self, table: Span) -> None:
        """No item needs a property that is gone: who does not know one that is needed shows nothing of the item."""
        reader = Reader(self._data[table.start : table.end])
        front, count = reader.number(FULL), reader.number(4)
        wide, size = 4 if front >> 24 else 2, 2 if front & 1 else 1
        if count > ROWS_MAX:
            raise BoxRefusedError("the tables of the file are too long")
        for _ in range(count):
            reader.take(wide)
            for _ in range(reader.number(1)):
                at = table.start + reader.position
                if reader.number(size) & NUMBERS[size] in self._gone:
                    self._made[at] &= NUMBERS[1]

    def _property(self, number: int, part: Span) -> None:
        kept = look_of(part.kind, self._data[part.start : part.end])
        if kept is None:
            self._gone.add(number)
            self._drop(part)
        else:
            self._copy(part.at, part.start)
            self._made[part.start : part.start + len(kept)] = kept

    def _items(self, table: Span) -> Iterator[Item]:
        """What the ranges of pictures have together is no more than the file: else one could be copied for ever."""
        reader = Reader(self._data[table.start : table.end])
        version, sizes = reader.number(FULL) >> 24, reader.number(2)
        offset, length, base, index = (sizes >> shift & 15 for shift in (12, 8, 4, 0))
        if length not in LENGTH_SIZES:  # of 0, each range would be the whole file, and take no byte to be told of
            raise BoxRefusedError("a picture is not in the file")
        wide, rows, spent = 4 if version == 2 else 2, 0, 0
        for _ in range(reader.number(wide)):
            item_id = reader.number(wide)
            how = reader.number(2) & 15 if version else 0
            elsewhere, begin, count = reader.number(2), reader.number(base), reader.number(2)
            rows += 1 + count
            if rows > ROWS_MAX:
                raise BoxRefusedError("the tables of the file are too long")
            ranges = []
            for _ in range(count):
                reader.take(index if version else 0)
                at = begin + reader.number(offset)
                ranges.append((at, at + reader.number(length)))
            if item_id in self._kept:
                spent += sum(end - start for start, end in ranges)
                if elsewhere or how > 1 or spent > len(self._data):
                    raise BoxRefusedError("a picture is not in the file")
            yield Item(item_id, how == 1, ranges)

    def _bytes_of(self, item: Item, stores: list[Span]) -> None:
        """A length of 0 would be all of a file: of such a one nothing is known."""
        shift = stores[0].start if item.inside and stores else 0
        for start, end in ((one + shift, other + shift) for one, other in item.ranges):
            if start == end or not any(each.start <= start and end <= each.end for each in stores):
                raise BoxRefusedError("a picture is not in the file")
            self._copy(start, end)


def _rows(data: bytes, at: int, end: int) -> list[Span]:
    """Of the boxes between two places. Raises BoxRefusedError."""
    rows = list(islice(spans(data, at, end), ROWS_MAX + 1))
    if len(rows) > ROWS_MAX:
        raise BoxRefusedError("the tables of the file are too long")
    return rows
