"""AAC in MP4 (ISO/IEC 14496-12 and -14), as many phones record it: how long it is, and the same sound alone.

Nothing is decoded. The tables of the file tell each packet's size and length; the packets are copied as they are, and
everything else of the file is written anew.
"""

from dataclasses import dataclass
from itertools import groupby

from essaim.protocol.errors import ProtocolError
from essaim.protocol.layout import Reader
from essaim_client.attachments.boxes import BoxRefusedError, box, boxes, find, full, full_box, numbers

STABLE = (b"mdia", b"minf", b"stbl")
PACKETS_MAX = 2_000_000
NUMBER_MAX = (1 << 32) - 1
ENTRY_SIZE = 28
"""Of the description of sound, before the boxes in it."""
MPEG_4_AUDIO, AUDIO_STREAM = 0x40, 0x15
DECODER, SETUP = 4, 5
"""Descriptors (ISO/IEC 14496-1)."""
UNCHANGED = numbers(4, 0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000)


@dataclass(frozen=True)
class AacRecording:
    """Times in 1 / `scale` s: `lengths` of the packets; from `start` on `length` is heard. `setup`: for a decoder."""

    scale: int
    channels: int
    rate: int
    setup: bytes
    packets: tuple[bytes, ...]
    lengths: tuple[int, ...]
    start: int
    length: int

    @property
    def duration_ms(self) -> int:
        return self.length * 1000 // self.scale

    @property
    def sizes(self) -> list[int]:
        """Of each packet; all but the last are equally long."""
        return [len(packet) for packet in self.packets]


def read_aac(data: bytes) -> AacRecording:
    """Raises BoxRefusedError: no MP4, no AAC, a film, several tracks of sound, in fragments, damaged, silent."""
    try:
        movie = find(data, b"moov")
        track = _sound(movie)
        return _recording(data, movie, track)
    except BoxRefusedError:
        raise
    except ProtocolError:
        raise BoxRefusedError("the tables of the file are cut off") from None


def _sound(movie: bytes) -> bytes:
    tracks = [(full(body, b"mdia", b"hdlr")[1].take(8)[4:], body) for kind, body in boxes(movie) if kind == b"trak"]
    sound = [body for kind, body in tracks if kind == b"soun"]
    if len(sound) != 1 or any(kind == b"vide" for kind, _ in tracks):
        raise BoxRefusedError("a voice message has one track of sound, and no picture")
    return sound[0]


def _recording(data: bytes, movie: bytes, track: bytes) -> AacRecording:
    table = find(track, *STABLE)
    version, reader = full(track, b"mdia", b"mdhd")
    reader.take(16 if version else 8)
    scale = reader.number(4)
    channels, rate, setup = _entry(table)
    lengths = _lengths(table)
    packets = _packets(data, table, len(lengths))
    start, wanted = _edit(movie, track, scale)
    length = min(wanted, sum(lengths) - start) if wanted else sum(lengths) - start
    if not scale or length <= 0 or sum(lengths) > NUMBER_MAX:
        raise BoxRefusedError("there is no sound in it")
    return AacRecording(scale, channels, rate, setup, packets, lengths, start, length)


def _entry(table: bytes) -> tuple[int, int, bytes]:
    """Channels, rate, and what a decoder is set up with."""
    _, reader = full(table, b"stsd")
    if reader.number(4) != 1:
        raise BoxRefusedError("there are several kinds of sound in it")
    body = find(reader.rest(), b"mp4a")
    front, inner = Reader(body[:ENTRY_SIZE]), body[ENTRY_SIZE:]
    front.take(8)
    version, channels = front.number(2), (front.take(6), front.number(2))[1]
    front.take(6)
    rate = front.number(4)
    if version or channels not in (1, 2):
        raise BoxRefusedError("a voice message has one or two channels")
    return channels, rate, _setup(full(inner, b"esds")[1])


def _setup(reader: Reader) -> bytes:
    _, reader = _descriptor(reader)
    reader.take(2)
    flags = reader.number(1)
    reader.take((2 if flags & 0x80 else 0) + (2 if flags & 0x20 else 0))
    kind, reader = _descriptor(reader)
    if kind != DECODER or reader.number(1) != MPEG_4_AUDIO:
        raise BoxRefusedError("the sound is no AAC")
    reader.take(12)
    kind, reader = _descriptor(reader)
    setup = reader.rest()
    if kind != SETUP or not 2 <= len(setup) <= 64:
        raise BoxRefusedError("the sound is no AAC")
    return setup


def _descriptor(reader: Reader) -> tuple[int, Reader]:
    """Its kind and what is in it; the length has 7 bits in each byte."""
    kind, length = reader.number(1), 0
    for _ in range(4):
        part = reader.number(1)
        length = length << 7 | part & 0x7F
        if not part & 0x80:
            break
    return kind, Reader(reader.take(length))


def _lengths(table: bytes) -> tuple[int, ...]:
    _, reader = full(table, b"stts")
    lengths: list[int] = []
    for _ in range(reader.number(4)):
        count, length = reader.number(4), reader.number(4)
        if len(lengths) + count > PACKETS_MAX:
            raise BoxRefusedError("the tables of the file are too long")
        lengths += [length] * count
    return tuple(lengths)


def _packets(data: bytes, table: bytes, count: int) -> tuple[bytes, ...]:
    sizes, packets, at_packet = _sizes(table), [], 0
    if len(sizes) != count or not count or sum(sizes) > len(data):
        raise BoxRefusedError("the tables of the file do not fit each other")
    for offset, held in _chunks(table):
        at = offset
        for size in sizes[at_packet : at_packet + held]:
            packets.append(data[at : at + size])
            at += size
        at_packet += held
    if [len(each) for each in packets] != sizes:
        raise BoxRefusedError("a packet is cut off")
    return tuple(packets)


def _sizes(table: bytes) -> list[int]:
    _, reader = full(table, b"stsz")
    same, count = reader.number(4), reader.number(4)
    if count > PACKETS_MAX:
        raise BoxRefusedError("the tables of the file are too long")
    return [same] * count if same else [reader.number(4) for _ in range(count)]


def _chunks(table: bytes) -> list[tuple[int, int]]:
    """(where it begins in the file, how many packets it has) of each."""
    large = any(kind == b"co64" for kind, _ in boxes(table))
    _, reader = full(table, b"co64" if large else b"stco")
    offsets = [reader.number(8 if large else 4) for _ in range(reader.number(4))]
    _, reader = full(table, b"stsc")
    runs = [(reader.number(4), reader.number(4), reader.number(4)) for _ in range(reader.number(4))]
    held, chunks = {first: count for first, count, _ in runs}, []
    now = 0
    for number, offset in enumerate(offsets, 1):
        now = held.get(number, now)
        chunks.append((offset, now))
    return chunks


def _edit(movie: bytes, track: bytes, scale: int) -> tuple[int, int]:
    """From where, and how long (0: to the end), the sound is heard."""
    if not any(kind == b"edts" for kind, _ in boxes(track)):
        return 0, 0
    version, reader = full(movie, b"mvhd")
    reader.take(16 if version else 8)
    movie_scale = reader.number(4)
    version, reader = full(track, b"edts", b"elst")
    size = 8 if version else 4
    edits = [(reader.number(size), reader.number(size), reader.take(4))[:2] for _ in range(reader.number(4))]
    heard = [each for each in edits if each[1] != (1 << 8 * size) - 1]  # -1: nothing is heard
    if len(heard) != 1 or not movie_scale:
        raise BoxRefusedError("a recording that was cut into parts")
    return heard[0][1], heard[0][0] * scale // movie_scale


# Writing


def write_aac(recording: AacRecording) -> bytes:
    """Its sound and what is needed to play it; not who recorded it, when, where, with what."""
    front = box(b"ftyp", b"M4A ", numbers(4, 0), b"M4A isommp42")
    offset = len(front) + len(_movie(recording, 0)) + 8
    return front + _movie(recording, offset) + box(b"mdat", *recording.packets)


def _movie(recording: AacRecording, offset: int) -> bytes:
    scale, length = recording.scale, recording.length
    head = full_box(
        b"mvhd", numbers(4, 0, 0, scale, length, 0x10000), b"\1\0", bytes(10), UNCHANGED, bytes(24), numbers(4, 2)
    )
    track = full_box(b"tkhd", numbers(4, 0, 0, 1, 0, length), bytes(12), b"\1\0\0\0", UNCHANGED, bytes(8), flags=7)
    edit = full_box(b"elst", numbers(4, 1, length, recording.start, 0x10000))
    media = full_box(b"mdhd", numbers(4, 0, 0, scale, sum(recording.lengths)), b"\x55\xc4\0\0")
    handler = full_box(b"hdlr", bytes(4), b"soun", bytes(13))
    source = box(b"dinf", full_box(b"dref", numbers(4, 1), full_box(b"url ", flags=1)))
    inner = box(b"minf", full_box(b"smhd", bytes(4)), source, _table(recording, offset))
    return box(b"moov", head, box(b"trak", track, box(b"edts", edit), box(b"mdia", media, handler, inner)))


def _table(recording: AacRecording, offset: int) -> bytes:
    runs = [(len(list(same)), length) for length, same in groupby(recording.lengths)]
    count = len(recording.packets)
    return box(
        b"stbl",
        full_box(b"stsd", numbers(4, 1), _described(recording)),
        full_box(b"stts", numbers(4, len(runs), *(value for run in runs for value in run))),
        full_box(b"stsc", numbers(4, 1, 1, count, 1)),
        full_box(b"stsz", numbers(4, 0, count, *map(len, recording.packets))),
        full_box(b"stco", numbers(4, 1, offset)),
    )


def _described(recording: AacRecording) -> bytes:
    decoder = bytes((MPEG_4_AUDIO, AUDIO_STREAM)) + bytes(11) + _tagged(SETUP, recording.setup)
    stream = _tagged(3, bytes(3) + _tagged(DECODER, decoder) + _tagged(6, b"\2"))
    sound = numbers(2, 0, 0, 0, 1) + bytes(8) + numbers(2, recording.channels, 16, 0, 0) + numbers(4, recording.rate)
    return box(b"mp4a", sound, full_box(b"esds", stream))


def _tagged(kind: int, body: bytes) -> bytes:
    return bytes((kind, len(body))) + body
