"""Voice messages in M4A: how long they are, what leaves of them, and what is refused.

`recordings/memo.m4a` is of another hand: FFmpeg (PyAV 18.1) encoded 1.2345 s at 16,000 a second, silent from 0.5
to 1.0 s, with tags and the time of the recording.
"""

import random
from pathlib import Path

import pytest

from essaim_client.attachments.aac import read_aac, write_aac
from essaim_client.attachments.boxes import BoxRefusedError, box, boxes, find, full, full_box, numbers
from essaim_client.attachments.voice import VoiceRefusedError, voice_source

MEMO = (Path(__file__).parent / "recordings" / "memo.m4a").read_bytes()
TABLE = (b"moov", b"trak", b"mdia", b"minf", b"stbl")
SEED = 20261123


def with_table(kind: bytes, body: bytes) -> bytes:
    """Another table of the same kind and length."""
    before = find(MEMO, *TABLE, kind)
    assert len(before) == len(body) and MEMO.count(before) == 1
    return MEMO.replace(before, body)


def test_recording_of_a_phone_leaves_with_its_length_and_without_its_notes(tmp_path):
    path = tmp_path / "memo.M4A"
    path.write_bytes(MEMO)
    assert b"Alice" in MEMO and b"48.1 N" in MEMO and b"udta" in MEMO
    source = voice_source(path)
    assert (source.duration_ms, source.media_type, source.name) == (1_234, "audio/mp4", "memo.m4a")
    with source.open() as file:
        data = file.read()
    assert len(data) == source.size and not [each for each in (b"Alice", b"48.1 N", b"udta", b"free") if each in data]
    assert read_aac(data) == read_aac(MEMO)  # each packet, where the sound begins, how a decoder is set up
    assert max(source.waveform) == 255 and len(source.waveform) == len(read_aac(MEMO).packets)


def test_what_is_written_says_no_time_and_points_to_its_packets():
    recording = read_aac(MEMO)
    data = write_aac(recording)
    for path in ((b"moov", b"mvhd"), (b"moov", b"trak", b"tkhd"), (b"moov", b"trak", b"mdia", b"mdhd")):
        assert full(data, *path)[1].take(8) == bytes(8)
    _, reader = full(data, *TABLE, b"stco")
    assert reader.number(4) == 1
    at = reader.number(4)
    assert data[at:] == b"".join(recording.packets) and [kind for kind, _ in boxes(data)] == [b"ftyp", b"moov", b"mdat"]


def test_packets_of_several_chunks_are_put_together():
    recording = read_aac(MEMO)
    whole = write_aac(recording)
    first = len(whole) - sum(map(len, recording.packets))
    sizes, count = recording.sizes, len(recording.packets)
    table = find(whole, *TABLE)
    # Two chunks more make the table longer: so are the offsets.
    more = 12 + 8
    starts = [first + more + sum(sizes[:at]) for at in (0, 2, 4)]
    runs = full_box(b"stsc", numbers(4, 2, 1, 2, 1, 3, count - 4, 1))
    chunks = full_box(b"stco", numbers(4, 3, *starts))
    other = b"".join({b"stsc": runs, b"stco": chunks}.get(kind, box(kind, body)) for kind, body in boxes(table))
    data = whole
    for at, kind in enumerate(TABLE):  # each box around it grows
        size = len(find(whole, *TABLE[: at + 1])) + 8
        data = data.replace(numbers(4, size) + kind, numbers(4, size + more) + kind)
    assert read_aac(data.replace(table, other)) == recording


@pytest.mark.parametrize(
    "data",
    {
        "nothing behind its kind": MEMO[:8],
        "cut": MEMO[:-400],
        "no table": MEMO.replace(b"stsz", b"free"),
        "another codec": MEMO.replace(b"mp4a", b"alac"),
        "a film": MEMO.replace(b"soun", b"vide"),
        "no sound": MEMO.replace(b"soun", b"text"),
        "in fragments": MEMO.replace(b"moov", b"moof"),
        "billions of packets": with_table(
            b"stsz", full_box(b"", numbers(4, 1, 0xFFFFFFFF))[8:].ljust(len(find(MEMO, *TABLE, b"stsz")), b"\0")
        ),
        "nowhere": with_table(b"stco", bytes(4) + numbers(4, 1, 0xFFFFFF00)),
        "no packet in its chunk": with_table(
            b"stsc", find(MEMO, *TABLE, b"stsc")[:12] + numbers(4, 0) + find(MEMO, *TABLE, b"stsc")[16:]
        ),
    }.values(),
)
def test_what_is_no_recording_is_refused(tmp_path, data):
    (tmp_path / "memo.m4a").write_bytes(data)
    with pytest.raises(VoiceRefusedError):
        voice_source(tmp_path / "memo.m4a")


def test_whatever_the_tables_say_it_is_refused_or_read_back():
    dice = random.Random(SEED)
    movie, read = MEMO.index(b"moov"), 0
    for _ in range(1_500):
        data = bytearray(MEMO)
        for _ in range(dice.randrange(1, 4)):
            data[dice.randrange(movie, len(data))] = dice.choice((0, 1, 255, dice.randrange(256)))
        try:
            recording = read_aac(bytes(data))
        except BoxRefusedError:
            continue
        read += 1
        assert read_aac(write_aac(recording)) == recording
    assert read > 100, SEED
