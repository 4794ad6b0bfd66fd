"""Opus in Ogg (RFC 7845), as phones record it: how long it is, and the same sound without anything else.

Nothing is decoded. A packet's first bytes tell how long its sound is (RFC 6716, 3.1); of its loudness only its size
tells something, where the encoder spends less on what is silent.
"""

from dataclasses import dataclass
from struct import Struct

from essaim_client.attachments.ogg import (
    FIRST,
    LAST,
    PACKET_MAX,
    SEGMENTS_MAX,
    OggRefusedError,
    Page,
    read_pages,
    segments_of,
    write_page,
)

RATE = 48_000
"""Opus counts samples so, whatever was recorded."""
HEAD = Struct("<8sBBHIhB")
"""Magic, version, channels, samples to skip, rate of the recording, gain, mapping."""
TAGS = b"OpusTags"
NO_TAGS = TAGS + bytes(8)
"""No vendor, no comment."""
SERIAL = 1
FRAMES = (480, 960, 1_920, 2_880), (480, 960), (120, 240, 480, 960)
"""Samples of a frame: of the voice, the mixed and the music part of Opus."""
PACKET_SAMPLES_MAX = 5_760
PAGE_SAMPLES = RATE


@dataclass(frozen=True)
class Recording:
    """`skipped` samples at the front and `cut` ones at the end are not played; `packets` have no padding of worth."""

    channels: int
    skipped: int
    gain: int
    packets: tuple[bytes, ...]
    cut: int

    @property
    def samples(self) -> int:
        """What is heard."""
        return sum(map(samples_of, self.packets)) - self.skipped - self.cut

    @property
    def duration_ms(self) -> int:
        return self.samples * 1000 // RATE

    @property
    def sizes(self) -> list[int]:
        """Of each packet, the bytes that 20 ms of its sound take."""
        return [len(packet) * 960 // samples_of(packet) for packet in self.packets]


def read_opus(data: bytes) -> Recording:
    """Raises OggRefusedError: no Opus, more than two channels, several streams, damaged, nothing to be heard."""
    pages = list(read_pages(data))
    channels, skipped, gain = _head(pages)
    sound = _behind_tags(pages)
    packets = tuple(_clean(packet) for page in sound for packet in page.packets)
    recording = Recording(channels, skipped, gain, packets, _cut(sound))
    if recording.samples <= 0:
        raise OggRefusedError("there is no sound in it")
    return recording


def write_opus(recording: Recording) -> bytes:
    """Its sound and what is needed to play it; not who recorded it, when, with what."""
    head = HEAD.pack(b"OpusHead", 1, recording.channels, recording.skipped, RATE, recording.gain, 0)
    pages = [write_page(SERIAL, 0, FIRST, 0, [head]), write_page(SERIAL, 1, 0, 0, [NO_TAGS])]
    portions, granule = _portions(recording.packets), 0
    for number, portion in enumerate(portions, 1):
        granule += sum(map(samples_of, portion))
        end = number == len(portions)
        position = granule - recording.cut if end else granule
        pages.append(write_page(SERIAL, number + 1, LAST if end else 0, position, portion))
    return b"".join(pages)


def _portions(packets: tuple[bytes, ...]) -> list[list[bytes]]:
    """Pages of at most a second."""
    portions: list[list[bytes]] = [[]]
    segments = samples = 0
    for packet in packets:
        segments, samples = segments + segments_of(packet), samples + samples_of(packet)
        if portions[-1] and (segments > SEGMENTS_MAX or samples > PAGE_SAMPLES):
            portions.append([])
            segments, samples = segments_of(packet), samples_of(packet)
        portions[-1].append(packet)
    return portions


def _head(pages: list[Page]) -> tuple[int, int, int]:
    """Channels, samples to skip, gain."""
    first = pages[0].packets if pages else []
    if len(first) != 1 or len(first[0]) < HEAD.size:
        raise OggRefusedError("there is no Opus in this Ogg file")
    magic, version, channels, skipped, _, gain, mapping = HEAD.unpack_from(first[0])
    if magic != b"OpusHead" or version > 15:
        raise OggRefusedError("there is no Opus in this Ogg file")
    if mapping or channels not in (1, 2):
        raise OggRefusedError("a voice message has one or two channels")
    return channels, skipped, gain


def _behind_tags(pages: list[Page]) -> list[Page]:
    """The tags end a page of their own, which may not be their first."""
    at = next((at for at, page in enumerate(pages) if at and page.packets), 0)
    if not at or len(pages[at].packets) != 1 or not pages[at].packets[0].startswith(TAGS):
        raise OggRefusedError("the tags of this Opus file are not where they should be")
    return [page for page in pages[at + 1 :] if page.packets]


def _cut(sound: list[Page]) -> int:
    """What the position of the last page leaves out of it (RFC 7845, 4.4); of a stream that was not ended nothing."""
    if not sound or not sound[-1].last:
        return 0
    before = sound[-2].granule if len(sound) > 1 else 0
    there = sum(map(samples_of, sound[-1].packets))
    return min(max(before + there - sound[-1].granule, 0), there)


def samples_of(packet: bytes) -> int:
    """Its length at 48,000 a second (RFC 6716, 3.1 and 3.2). Raises OggRefusedError."""
    if not packet or len(packet) > PACKET_MAX or (packet[0] & 3 == 3 and len(packet) < 2):
        raise OggRefusedError("a packet is no Opus")
    kind, code = packet[0] >> 3, packet[0] & 3
    sizes = FRAMES[0] if kind < 12 else FRAMES[1] if kind < 16 else FRAMES[2]
    frames = packet[1] & 63 if code == 3 else 1 if code == 0 else 2
    samples = sizes[kind % len(sizes)] * frames
    if not 0 < samples <= PACKET_SAMPLES_MAX:
        raise OggRefusedError("a packet is no Opus")
    return samples


def _clean(packet: bytes) -> bytes:
    """Its padding, in which anything could stand, is zero (RFC 6716, 3.2.5)."""
    samples_of(packet)
    if packet[0] & 3 != 3 or not packet[1] & 0x40:
        return packet
    at, padding = 2, 0
    while at < len(packet) and packet[at] == 255:
        at, padding = at + 1, padding + 254
    padding += packet[at] if at < len(packet) else 0
    if padding > len(packet) - at - 1:
        raise OggRefusedError("a packet is no Opus")
    return packet[: len(packet) - padding] + bytes(padding)
