"""Wakes: what storage owes a push host, in batches over their links. The messages are essaim/push/v1/wake.proto.

    wake id = BLAKE2b-256("essaim/push/wake/v1" || push id 32 || envelope id 32), its first 16 bytes

Every member of the swarm makes the same wake id of an envelope, so a wake that two of them send is taken once; the host
cannot go back from it to the envelope.
"""

from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from google.protobuf.message import DecodeError

from essaim.protocol.kdf import blake2b256
from essaim.protocol.push.preview import MAX_PREVIEW
from essaim.protocol.push.push_id import PUSH_ID_SIZE
from essaim.protocol.push.refusal import WakeRefusedError
from essaim.push.v1 import wake_pb2

LABEL = b"essaim/push/wake/v1"
WAKE_ID_SIZE = 16
MAX_WAKES = 256
MAX_BATCH_BYTES = 262_144


class Reason(IntEnum):
    """Why a wake is not taken."""

    UNKNOWN = wake_pb2.WAKE_REASON_UNKNOWN
    BUSY = wake_pb2.WAKE_REASON_BUSY
    MALFORMED = wake_pb2.WAKE_REASON_MALFORMED


_WIRE: Final = {
    Reason.UNKNOWN: wake_pb2.WAKE_REASON_UNKNOWN,
    Reason.BUSY: wake_pb2.WAKE_REASON_BUSY,
    Reason.MALFORMED: wake_pb2.WAKE_REASON_MALFORMED,
}


def wake_id(push_id: bytes, envelope_id: bytes) -> bytes:
    """Of the wake that an envelope causes: 16 bytes."""
    return blake2b256(LABEL, push_id, envelope_id)[:WAKE_ID_SIZE]


@dataclass(frozen=True, slots=True)
class Wake:
    """Wake the device behind `push_id`; `preview` is empty or for the device alone."""

    push_id: bytes
    wake_id: bytes
    preview: bytes = b""

    @property
    def well_formed(self) -> bool:
        sizes = (len(self.push_id), len(self.wake_id)) == (PUSH_ID_SIZE, WAKE_ID_SIZE)
        return sizes and len(self.preview) <= MAX_PREVIEW


@dataclass(frozen=True, slots=True)
class WakeBatch:
    """1 to 256 wakes. The sender counts its batches from 1."""

    batch: int
    wakes: tuple[Wake, ...]

    def encode(self) -> bytes:
        """Raises WakeRefusedError: too many or too large for a message of a link."""
        wakes = [wake_pb2.Wake(push_id=each.push_id, wake_id=each.wake_id, preview=each.preview) for each in self.wakes]
        message = wake_pb2.PushMessage(wakes=wake_pb2.WakeBatch(batch=self.batch, wakes=wakes)).SerializeToString()
        if not 0 < len(self.wakes) <= MAX_WAKES or len(message) > MAX_BATCH_BYTES:
            raise WakeRefusedError("a batch has 1 to 256 wakes, and at most 262,144 bytes")
        return message


@dataclass(frozen=True, slots=True)
class WakeAnswer:
    """Of one batch: those that are not refused are on the host's disk."""

    batch: int
    refused: tuple[tuple[int, Reason], ...] = ()
    """(index in the batch, why)"""
    retry_after_ms: int = 0

    def encode(self) -> bytes:
        refused = [wake_pb2.WakeRefusal(index=index, reason=_WIRE[reason]) for index, reason in self.refused]
        answer = wake_pb2.WakeAnswer(batch=self.batch, refused=refused, retry_after_ms=self.retry_after_ms)
        return wake_pb2.PushMessage(answer=answer).SerializeToString()


def parse(message: bytes) -> WakeBatch | WakeAnswer:
    """What came over a link. Raises WakeRefusedError; a single wake that is none is left to `Wake.well_formed`."""
    try:
        parsed = wake_pb2.PushMessage.FromString(message)
    except DecodeError:
        raise WakeRefusedError("not a message of push") from None
    kind = parsed.WhichOneof("body")
    if kind == "wakes":
        return _batch(parsed.wakes)
    if kind == "answer":
        return _answer(parsed.answer)
    raise WakeRefusedError("an empty message")


def _batch(message: wake_pb2.WakeBatch) -> WakeBatch:
    if not 0 < len(message.wakes) <= MAX_WAKES:
        raise WakeRefusedError("a batch has 1 to 256 wakes")
    return WakeBatch(message.batch, tuple(Wake(each.push_id, each.wake_id, each.preview) for each in message.wakes))


def _answer(message: wake_pb2.WakeAnswer) -> WakeAnswer:
    try:
        refused = tuple((each.index, Reason(each.reason)) for each in message.refused)
    except ValueError:
        raise WakeRefusedError("a refusal without a known reason") from None
    return WakeAnswer(message.batch, refused, message.retry_after_ms)
