"""Voice messages: Opus in Ogg or AAC in MP4, as phones record them, or uncompressed WAV; only the sound leaves.

Of WAV the samples tell how loud it is. The others are not decoded: the sizes of their packets tell what they can.
"""

import io
import sys
import wave
from array import array
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TypeVar

from essaim.protocol.attachment.descriptor import check_size
from essaim.protocol.errors import ProtocolError
from essaim_client.attachments.aac import AacRecording, read_aac, write_aac
from essaim_client.attachments.boxes import BoxRefusedError
from essaim_client.attachments.ogg import OggRefusedError
from essaim_client.attachments.opus import Recording, read_opus, write_opus
from essaim_client.attachments.source import FileUnreadableError, Source, front_of, name_of, size_of

R = TypeVar("R", Recording, AacRecording)
SLICES = 128
LOUDEST, MIDDLE = 255, 128
TYPECODES = {1: "B", 2: "h", 4: "i"}
"""By bytes of a sample; 24 bits are read by their upper 16."""


class VoiceRefusedError(ProtocolError):
    """Not sound that this client can read."""

    reason = "VOICE_REFUSED"


def voice_source(path: Path) -> Source:
    """Raises VoiceRefusedError, FileUnreadableError, FileTooLargeError."""
    size_of(path)
    front = front_of(path, 8)
    if front.startswith(b"OggS"):
        return _compressed(path, ".ogg", "audio/ogg", read_opus, write_opus)
    if front.endswith(b"ftyp"):
        return _compressed(path, ".m4a", "audio/mp4", read_aac, write_aac)
    return _wav_source(path)


def _compressed(
    path: Path, suffix: str, media_type: str, read: Callable[[bytes], R], write: Callable[[R], bytes]
) -> Source:
    try:
        recording = read(path.read_bytes())
    except (OggRefusedError, BoxRefusedError) as error:
        raise VoiceRefusedError(f"this is no voice message: {error}") from None
    except OSError:
        raise FileUnreadableError("the file cannot be read") from None
    shape = outline(recording.sizes), recording.duration_ms
    return _source(name_of(path, suffix), media_type, write(recording), *shape)


def _wav_source(path: Path) -> Source:
    try:
        with wave.open(str(path), "rb") as sound:
            shape, frames = sound.getparams(), sound.readframes(sound.getnframes())
    except (wave.Error, EOFError, OSError, ValueError):
        raise VoiceRefusedError("a voice message is Opus in Ogg, AAC in MP4 (.m4a) or plain WAV here") from None
    if shape.sampwidth not in range(1, 5) or not shape.nchannels:
        raise VoiceRefusedError("the samples of a voice message have 8, 16, 24 or 32 bits")
    count = len(frames) // (shape.sampwidth * shape.nchannels)
    if not count or not shape.framerate:
        raise VoiceRefusedError("there is no sound in the file")
    data = _written(shape.nchannels, shape.sampwidth, shape.framerate, frames)
    duration_ms = count * 1000 // shape.framerate
    return _source(name_of(path, ".wav"), "audio/wav", data, waveform(frames, shape.sampwidth), duration_ms)


def _source(name: str, media_type: str, data: bytes, peaks: bytes, duration_ms: int) -> Source:
    check_size(len(data))
    opened = partial(io.BytesIO, data)
    return Source(name, media_type, len(data), opened, waveform=peaks, duration_ms=duration_ms)


def outline(sizes: Sequence[int]) -> bytes:
    """The greatest packet of each of up to 128 slices, from 0 for the least to 255; 128 where all have one size."""
    slices, least, greatest = min(SLICES, len(sizes)), min(sizes), max(sizes)
    if least == greatest:
        return bytes([MIDDLE]) * slices
    parts = (sizes[at * len(sizes) // slices : (at + 1) * len(sizes) // slices] for at in range(slices))
    return bytes((max(part) - least) * LOUDEST // (greatest - least) for part in parts)


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
