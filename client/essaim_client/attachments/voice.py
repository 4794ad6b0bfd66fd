"""Voice messages: uncompressed WAV, written anew without anything but its sound; how loud it is, and how long.

Compressed sound (Opus, MP3) would need a decoder to tell its waveform; none is installed, so it is refused.
"""

import io
import sys
import wave
from array import array
from pathlib import Path

from essaim.protocol.attachment.descriptor import check_size
from essaim.protocol.errors import ProtocolError
from essaim_client.attachments.source import Source, name_of, size_of

SLICES = 128
LOUDEST = 255
TYPECODES = {1: "B", 2: "h", 4: "i"}
"""By bytes of a sample; 24 bits are read by their upper 16."""


class VoiceRefusedError(ProtocolError):
    """Not sound that this client can read."""

    reason = "VOICE_REFUSED"


def voice_source(path: Path) -> Source:
    """Raises VoiceRefusedError, FileUnreadableError, FileTooLargeError."""
    size_of(path)
    try:
        with wave.open(str(path), "rb") as sound:
            shape, frames = sound.getparams(), sound.readframes(sound.getnframes())
    except (wave.Error, EOFError, OSError, ValueError):
        raise VoiceRefusedError("a voice message is an uncompressed WAV file here (PCM, .wav)") from None
    if shape.sampwidth not in range(1, 5) or not shape.nchannels:
        raise VoiceRefusedError("the samples of a voice message have 8, 16, 24 or 32 bits")
    count = len(frames) // (shape.sampwidth * shape.nchannels)
    if not count or not shape.framerate:
        raise VoiceRefusedError("there is no sound in the file")
    data = _written(shape.nchannels, shape.sampwidth, shape.framerate, frames)
    check_size(len(data))
    return Source(
        name_of(path, ".wav"),
        "audio/wav",
        len(data),
        lambda: io.BytesIO(data),
        waveform=waveform(frames, shape.sampwidth),
        duration_ms=count * 1000 // shape.framerate,
    )


def waveform(frames: bytes, width: int) -> bytes:
    """The peak of each of up to 128 slices of equal length, 0 to 255; `width`: bytes of a sample, little-endian."""
    samples, middle, full = _samples(frames, width)
    slices = min(SLICES, len(samples))
    peaks = []
    for number in range(slices):
        part = samples[number * len(samples) // slices : (number + 1) * len(samples) // slices]
        peak = max(max(part) - middle, middle - min(part))
        peaks.append(min(LOUDEST, peak * LOUDEST // full))
    return bytes(peaks)


def _samples(frames: bytes, width: int) -> tuple["array[int]", int, int]:
    """Samples, the value of silence, the greatest distance from it."""
    if width == 3:
        whole = frames[: len(frames) // 3 * 3]
        upper = bytearray(len(whole) // 3 * 2)
        upper[0::2], upper[1::2] = whole[1::3], whole[2::3]
        frames, width = bytes(upper), 2
    samples = array(TYPECODES[width])
    samples.frombytes(frames[: len(frames) // width * width])
    if sys.byteorder == "big":
        samples.byteswap()
    return (samples, 128, 128) if width == 1 else (samples, 0, 1 << (8 * width - 1))


def _written(channels: int, width: int, rate: int, frames: bytes) -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as sound:
        sound.setnchannels(channels)
        sound.setsampwidth(width)
        sound.setframerate(rate)
        sound.writeframes(frames)
    return file.getvalue()
