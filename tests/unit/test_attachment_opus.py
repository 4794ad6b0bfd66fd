"""Voice messages in Ogg Opus: how long they are, what leaves of them, and what is refused.

`recordings/note.ogg` is of another hand: libopus and FFmpeg (PyAV 18.1) encoded 1.2345 s, silent from 0.5 to 1.0 s,
with tags; FFmpeg decodes 59,256 samples of it.
"""

import random
from pathlib import Path

import pytest

from essaim_client.attachments.ogg import (
    CONTINUED,
    FIRST,
    LAST,
    OggRefusedError,
    _packets,
    checksum,
    read_pages,
    write_page,
)
from essaim_client.attachments.opus import HEAD, NO_TAGS, RATE, Recording, read_opus, samples_of, write_opus
from essaim_client.attachments.voice import VoiceRefusedError, outline, voice_source

NOTE = Path(__file__).parent / "recordings" / "note.ogg"
SEED = 20261123
QUIET = b"\x08\x01"
"""A packet of 20 ms."""


def file_of(*packets, head=(b"OpusHead", 1, 1, 312, RATE, 0, 0), tags=NO_TAGS, end=0, serial=7):
    """One page of sound."""
    first = write_page(serial, 0, FIRST, 0, [HEAD.pack(*head)])
    return first + write_page(serial, 1, 0, 0, [tags]) + write_page(serial, 2, LAST, end, packets)


def test_recording_of_a_phone_leaves_with_its_length_and_without_its_tags(tmp_path):
    path = tmp_path / "note.opus"
    path.write_bytes(NOTE.read_bytes())
    assert b"Alice" in path.read_bytes() and b"48.1 N" in path.read_bytes() and b"Lavf" in path.read_bytes()
    source = voice_source(path)
    assert (source.duration_ms, source.media_type, source.name) == (59_256 * 1000 // RATE, "audio/ogg", "note.ogg")
    with source.open() as file:
        data = file.read()
    assert len(data) == source.size and not [each for each in (b"Alice", b"48.1 N", b"Lavf") if each in data]
    assert read_opus(data) == read_opus(path.read_bytes())  # each packet, what is skipped, the gain


def test_waveform_is_of_the_packets_sizes(tmp_path):
    waveform = voice_source(NOTE).waveform
    assert len(waveform) == len(read_opus(NOTE.read_bytes()).packets) and max(waveform) == 255
    loud, silent = waveform[3:22], waveform[32:47]  # half a second of sound, half of silence
    assert min(loud) > 4 * max(silent)
    assert outline([80] * 300) == bytes([128]) * 128


def test_pages_are_of_one_second_and_end_where_the_sound_does():
    recording = read_opus(file_of(*[QUIET] * 120, end=120 * 960 - 100))
    pages = list(read_pages(write_opus(recording)))
    assert [page.granule for page in pages] == [0, 0, 48_000, 96_000, 120 * 960 - 100]
    assert [page.last for page in pages] == [False] * 4 + [True]
    assert recording.samples == 120 * 960 - 100 - 312


@pytest.mark.parametrize(
    ("packet", "milliseconds"),
    [
        (bytes([0 << 3]), 10),
        (bytes([11 << 3]), 60),
        (bytes([12 << 3]), 10),
        (bytes([15 << 3 | 1, 0]), 40),
        (bytes([16 << 3]), 2.5),
        (bytes([31 << 3 | 2, 0]), 40),
        (bytes([31 << 3 | 3, 6]), 120),
        (bytes([16 << 3 | 3, 48]), 120),
    ],
)
def test_packet_says_how_long_it_is(packet, milliseconds):
    """RFC 6716, table 2 and section 3.2."""
    assert samples_of(packet) == milliseconds * 48


def test_packet_goes_on_from_page_to_page():
    long = b"\x08" + bytes(range(250)) * 5
    whole = file_of(long, QUIET, end=1920)
    head = whole[: whole.index(b"OggS", whole.index(b"OpusTags"))]
    front, rest = long[:510], long[510:]
    first = bytearray(write_page(7, 2, 0, -1, [front]))
    del first[26 + 1 + 2]  # of the segments 255, 255, 0 the last: the packet does not end here
    first[26], first[22:26] = 2, bytes(4)
    first[22:26] = checksum(first).to_bytes(4, "little")
    split = head + bytes(first) + write_page(7, 3, CONTINUED | LAST, 1920, [rest, QUIET])
    assert read_opus(split) == read_opus(whole)
    with pytest.raises(OggRefusedError):
        read_opus(head + write_page(7, 3, CONTINUED | LAST, 1920, [rest, QUIET]))


def test_packet_over_many_pages_is_put_together_once():
    """What came with earlier pages is kept as it is, not copied again with each: the time grows as the file does."""
    begun: list[bytes] = []
    for number in range(300):
        before = [id(part) for part in begun]
        assert _packets(b"\xff", bytes([number % 256]) * 255, begun) == []
        assert [id(part) for part in begun[:-1]] == before and len(begun[-1]) == 255
    packets = _packets(b"\x02\xff", b"ab" + bytes(255), begun)
    assert packets == [b"".join(bytes([number % 256]) * 255 for number in range(300)) + b"ab"]
    assert begun == [bytes(255)]


def test_tags_may_go_over_many_pages():
    def unended(number: int) -> bytes:
        page = bytearray(write_page(7, number, CONTINUED if number > 1 else 0, -1, [tags]))
        del page[28]  # the empty segment that would end the packet
        page[26], page[22:26] = 1, bytes(4)
        page[22:26] = checksum(page).to_bytes(4, "little")
        return bytes(page)

    head, tags = file_of(QUIET)[:47], NO_TAGS + bytes(239)
    end = write_page(7, 9, CONTINUED, 0, [b"end"]) + write_page(7, 10, LAST, 960, [QUIET])
    data = head + b"".join(map(unended, range(1, 600))) + end
    assert read_opus(data) == read_opus(file_of(QUIET, end=960))


def test_padding_takes_nothing_along():
    secret = b"where it was said"
    padded = b"\x0b\x41" + bytes([len(secret)]) + b"sound" + secret
    data = write_opus(read_opus(file_of(padded, end=960)))
    assert secret not in data and b"sound" + bytes(len(secret)) in data


@pytest.mark.parametrize(
    "data",
    {
        "nothing behind the capture": b"OggS" + bytes(100),
        "cut": NOTE.read_bytes()[:-1],
        "damaged": NOTE.read_bytes()[:-9] + b"?" + NOTE.read_bytes()[-8:],
        "two streams": NOTE.read_bytes() + NOTE.read_bytes(),
        "Vorbis": file_of(QUIET, head=(b"\x01vorbis\0", 1, 1, 312, RATE, 0, 0)),
        "six channels": file_of(QUIET, head=(b"OpusHead", 1, 6, 312, RATE, 0, 1)),
        "no tags": file_of(QUIET, tags=QUIET),
        "no sound": file_of(),
        "all of it skipped": file_of(QUIET, end=100),
        "a packet of nothing": file_of(b"", end=960),
        "a packet of 180 ms": file_of(bytes([31 << 3 | 3, 9]), end=960),
        "more padding than packet": file_of(b"\x0b\x41\xff\xff", end=960),
    }.values(),
)
def test_what_is_no_recording_is_refused(tmp_path, data):
    (tmp_path / "note.ogg").write_bytes(data)
    with pytest.raises(VoiceRefusedError):
        voice_source(tmp_path / "note.ogg")


def test_whatever_packets_say_it_is_refused_or_read_back():
    dice = random.Random(SEED)
    read = 0
    for _ in range(400):
        packets = [dice.randbytes(dice.choice([1, 2, 3, 40, 255, 600])) for _ in range(dice.randrange(1, 4))]
        try:
            recording = read_opus(file_of(*packets, end=dice.randrange(-1, 20_000)))
        except OggRefusedError:
            continue
        assert isinstance(recording, Recording) and read_opus(write_opus(recording)) == recording
        read += 1
    assert read > 50, SEED
