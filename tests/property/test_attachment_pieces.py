"""A file of any size is cut, sealed and opened; what is altered, exchanged, cut short or told wrongly is refused."""

import random
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from essaim.protocol.attachment import (
    HEADER_SIZE,
    SIZE_MAX,
    AttachmentRefusedError,
    Descriptor,
    FileKeys,
    FileTooLargeError,
    Opener,
    Sealer,
    pieces_of,
)
from essaim.protocol.attachment.descriptor import name_of
from essaim.protocol.geometry import ENVELOPE_SIZES
from essaim.testing.effort import examples

FIRST, NEXT = 253_952 - 24 - 17, 253_952 - 17
EDGES = [0, 1, 4_055, 4_056, 10_199, 10_200, 57_303, 57_304, FIRST, FIRST + 1, FIRST + NEXT, FIRST + NEXT + 1]
SIZES = st.one_of(st.sampled_from(EDGES), st.integers(0, FIRST + 2 * NEXT))
SEEDS = st.integers(0, 1 << 32)


class Sealed:
    """A file and its blobs."""

    def __init__(self, size: int, seed: int) -> None:
        source = random.Random(seed)
        self.content = source.randbytes(size)
        self.keys = FileKeys(source.randbytes(32))
        self.header = source.randbytes(HEADER_SIZE)
        self.pieces = pieces_of(size)
        sealer = Sealer(self.keys, self.header)
        self.blobs = [sealer.seal(each, self.content[each.start : each.start + each.length]) for each in self.pieces]

    @property
    def names(self) -> list[bytes]:
        return [name_of(self.keys, piece, blob) for piece, blob in zip(self.pieces, self.blobs, strict=True)]

    def opened(self, blobs, size: int | None = None) -> bytes:
        opener = Opener(self.keys)
        pieces = pieces_of(len(self.content) if size is None else size)
        return b"".join(opener.open(piece, blob) for piece, blob in zip(pieces, blobs, strict=True))


@settings(max_examples=examples(40), deadline=None)
@given(SIZES, SEEDS)
def test_file_of_any_size_comes_back(size, seed):
    sealed = Sealed(size, seed)
    assert sealed.opened(sealed.blobs) == sealed.content
    assert [len(blob) for blob in sealed.blobs[:-1]] == [ENVELOPE_SIZES[-1]] * (len(sealed.blobs) - 1)
    assert len(sealed.blobs[-1]) in ENVELOPE_SIZES
    told = Descriptor.check(size, sealed.keys.key, sealed.names, 0)
    assert all(told.is_piece(piece, blob) for piece, blob in zip(told.pieces, sealed.blobs, strict=True))


@given(st.integers(0, SIZE_MAX))
def test_pieces_cover_the_file_and_the_last_is_no_larger_than_it_must_be(size):
    pieces = pieces_of(size)
    assert [piece.number for piece in pieces] == list(range(len(pieces))) and sum(p.length for p in pieces) == size
    assert [piece.last for piece in pieces] == [False] * (len(pieces) - 1) + [True]
    assert all(piece.start == before.start + before.length for before, piece in pairwise(pieces))
    last = pieces[-1]
    smaller = [each for each in ENVELOPE_SIZES if each < last.size]
    assert not smaller or smaller[-1] - (last.size - last.room) < last.length
    assert all(piece.length == piece.room for piece in pieces[:-1]) and (last.length or not size)


@settings(max_examples=examples(25), deadline=None)
@given(SIZES, SEEDS, st.data())
def test_altered_piece_is_neither_named_so_nor_opened(size, seed, data):
    sealed = Sealed(size, seed)
    number = data.draw(st.integers(0, len(sealed.blobs) - 1))
    blob = bytearray(sealed.blobs[number])
    blob[data.draw(st.integers(0, len(blob) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    told = Descriptor.check(size, sealed.keys.key, sealed.names, 0)
    assert not told.is_piece(told.pieces[number], bytes(blob))
    with pytest.raises(AttachmentRefusedError):
        sealed.opened([*sealed.blobs[:number], bytes(blob), *sealed.blobs[number + 1 :]])


@pytest.mark.parametrize("order", [(1, 0, 2), (0, 2, 1), (0, 0, 2), (0, 1, 1), (2, 1, 0)])
def test_exchanged_pieces_do_not_open(order):
    sealed = Sealed(FIRST + 2 * NEXT, 1)  # all of one size
    with pytest.raises(AttachmentRefusedError):
        sealed.opened([sealed.blobs[number] for number in order])


@pytest.mark.parametrize(("size", "kept", "told"), [(FIRST + NEXT, 1, FIRST), (FIRST + 2 * NEXT, 2, FIRST + NEXT)])
def test_file_that_ends_early_does_not_open(size, kept, told):
    sealed = Sealed(size, 2)
    with pytest.raises(AttachmentRefusedError):
        sealed.opened(sealed.blobs[:kept], told)


def test_file_that_goes_on_behind_its_end_does_not_open():
    sealed = Sealed(FIRST, 3)
    with pytest.raises(AttachmentRefusedError):
        sealed.opened([sealed.blobs[0], sealed.blobs[0]], FIRST + NEXT)


@pytest.mark.parametrize("told", [999, 0])
def test_smaller_size_than_the_content_has_is_refused(told):
    sealed = Sealed(1_000, 4)
    with pytest.raises(AttachmentRefusedError):
        sealed.opened(sealed.blobs, told)


def test_pieces_of_another_key_and_later_pieces_first_do_not_open():
    sealed, other = Sealed(FIRST + 9, 5), Sealed(FIRST + 9, 6)
    with pytest.raises(AttachmentRefusedError):
        sealed.opened(other.blobs)
    with pytest.raises(AttachmentRefusedError):
        Opener(sealed.keys).open(sealed.pieces[1], sealed.blobs[1])


KEY, NAMES = bytes(32), [bytes([number]) * 32 for number in range(3)]


@pytest.mark.parametrize(
    ("size", "key", "names", "error"),
    [
        (SIZE_MAX + 1, KEY, NAMES, FileTooLargeError),
        ((1 << 64) - 1, KEY, NAMES, FileTooLargeError),
        (1, KEY[1:], NAMES[:1], AttachmentRefusedError),
        (1, KEY, [], AttachmentRefusedError),
        (1, KEY, NAMES[:2], AttachmentRefusedError),
        (1, KEY, [NAMES[0][1:]], AttachmentRefusedError),
        (FIRST + 1, KEY, NAMES[:1] * 2, AttachmentRefusedError),
        (FIRST + 1, KEY, NAMES, AttachmentRefusedError),
    ],
)
def test_description_that_cannot_be_is_refused(size, key, names, error):
    with pytest.raises(error):
        Descriptor.check(size, key, names, 0)


def test_delete_keys_differ_and_the_key_does_not_show():
    keys = FileKeys(bytes(range(32)))
    assert len({keys.delete(number).public.raw for number in range(400)}) == 400
    assert keys.key.hex() not in repr(keys) and repr(keys.key) not in repr(keys)
