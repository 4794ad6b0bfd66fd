"""Replies: sealed by the destination, one stream cipher layer by each relay, opened by the client.

Reply n of a call is sealed under nonce n; each relay XORs its own stream under nonce n and takes exactly the next n.
A hop whose next hop fails answers itself, once, by an error cell in place of reply n, and the call ends there: no
(key, nonce) ever covers two texts. docs/protocol/onion.md, "Replies".
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import IntEnum

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from essaim.protocol.geometry import AEAD_TAG_SIZE, LENGTH_SIZE, MAX_REPLIES, REPLY_KIND_SIZE
from essaim.protocol.onion.refusal import BadReplyError, Refusal, ReplyOrderError
from essaim.protocol.onion.schedule import CallKeys, stream_xor

_HEAD = REPLY_KIND_SIZE + LENGTH_SIZE
_TIME_SIZE = 8
_REFUSALS = {int(each): each for each in Refusal}


class ReplyKind(IntEnum):
    """The first byte of a sealed reply. An end is believed only from here."""

    MORE = 0
    LAST = 1
    HEARTBEAT = 2


_KINDS = {int(each): each for each in ReplyKind}


@dataclass(frozen=True, slots=True)
class Reply:
    """A reply of the destination."""

    kind: ReplyKind
    payload: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class HopError:
    """The hop at index `hop` of the path says that the one after it refused or failed. The call has ended."""

    hop: int
    refusal: Refusal
    time_ms: int
    """With STALE the refusing node's clock, unix milliseconds; else 0."""


def nonce_of(seq: int) -> bytes:
    """The 12-byte nonce of reply `seq`: big-endian."""
    return seq.to_bytes(12, "big")


class ReplySealer:
    """The destination's side of one call."""

    def __init__(self, keys: CallKeys) -> None:
        self._aead = ChaCha20Poly1305(keys.reply)
        self._size = keys.reply_class.size - AEAD_TAG_SIZE
        self.max_payload = keys.reply_class.reply_payload
        self._seq = 0
        self._ended = False

    def seal(self, payload: bytes, *, last: bool) -> tuple[int, bytes]:
        """(sequence, cell) of the next reply. ValueError beyond `max_payload` or after the end."""
        return self._seal(ReplyKind.LAST if last else ReplyKind.MORE, payload)

    def heartbeat(self) -> tuple[int, bytes]:
        """(sequence, cell) of a reply that only says that the path lives."""
        return self._seal(ReplyKind.HEARTBEAT, b"")

    def _seal(self, kind: ReplyKind, payload: bytes) -> tuple[int, bytes]:
        if self._ended or len(payload) > self.max_payload:
            raise ValueError("the call has ended, or the payload does not fit the reply class")
        plain = bytes((kind,)) + len(payload).to_bytes(LENGTH_SIZE, "big") + payload
        seq, self._seq = self._seq, self._seq + 1
        self._ended = kind == ReplyKind.LAST or self._seq == MAX_REPLIES
        return seq, self._aead.encrypt(nonce_of(seq), plain.ljust(self._size, b"\0"), None)


class ReplyRelay:
    """A relay's side of one call: adds its layer to each reply, in order, or ends the call with an error cell."""

    def __init__(self, keys: CallKeys) -> None:
        self._keys = keys
        self._answered = False
        self.ended = False
        """True after `fail` and after a reply out of order: every further `forward` is refused."""
        self.next_seq = 0
        """The only sequence that `forward` takes."""

    def forward(self, seq: int, cell: bytes) -> bytes:
        """The cell for the hop before. ReplyOrderError, and the end, unless it is the next one and of its class."""
        if self.ended or seq != self.next_seq or seq >= MAX_REPLIES or len(cell) != self._keys.reply_class.size:
            self.ended = True
            raise ReplyOrderError("not the next reply of this call")
        self.next_seq += 1
        return stream_xor(self._keys.reply, nonce_of(seq), cell)

    def fail(self, refusal: Refusal, time_ms: int = 0) -> tuple[int, bytes]:
        """(sequence, error cell) for the hop before, in place of the next reply. `time_ms`: as REFUSE said, or 0.

        Once, also after `forward` has raised (to say BAD_REPLY); ReplyOrderError the second time.
        """
        if self._answered or self.next_seq >= MAX_REPLIES:
            raise ReplyOrderError("this call has been answered to its end")
        self.ended = self._answered = True
        plain = bytes((refusal,)) + time_ms.to_bytes(_TIME_SIZE, "big")
        padded = plain.ljust(self._keys.reply_class.size - AEAD_TAG_SIZE, b"\0")
        cell = ChaCha20Poly1305(self._keys.error).encrypt(nonce_of(self.next_seq), padded, None)
        return self.next_seq, cell


class ReplyOpener:
    """The client's side of one call. `path` holds the keys of each hop, the destination's last."""

    def __init__(self, path: Sequence[CallKeys]) -> None:
        *self._relays, self._end = path
        self.ended = False
        """True after the last reply, an error of a hop, or a bad reply: nothing more is opened."""
        self.next_seq = 0
        """The only sequence that `open` takes."""

    def open(self, seq: int, cell: bytes) -> Reply | HopError:
        """Open the next reply cell. BadReplyError, and the end, for anything that no hop of the path can have made."""
        if self.ended or seq != self.next_seq or seq >= MAX_REPLIES or len(cell) != self._end.reply_class.size:
            self.ended = True
            raise BadReplyError("not the next reply of this call")
        self.next_seq += 1
        self.ended = True  # until the cell has proved to be one after which there is more
        nonce = nonce_of(seq)
        peeled = [cell]
        for relay in self._relays:
            peeled.append(stream_xor(relay.reply, nonce, peeled[-1]))
        plain = _opened(self._end.reply, nonce, peeled[-1])
        if plain is None:
            return self._hop_error(nonce, peeled)
        reply = _reply_of(plain)
        self.ended = reply.kind == ReplyKind.LAST
        return reply

    def _hop_error(self, nonce: bytes, peeled: list[bytes]) -> HopError:
        for hop, relay in enumerate(self._relays):
            plain = _opened(relay.error, nonce, peeled[hop])
            if plain is not None:
                return _error_of(hop, plain)
        raise BadReplyError("neither the destination nor a hop has made this cell")


def _opened(key: bytes, nonce: bytes, cell: bytes) -> bytes | None:
    try:
        return ChaCha20Poly1305(key).decrypt(nonce, cell, None)
    except InvalidTag:
        return None


def _reply_of(plain: bytes) -> Reply:
    kind, end = _KINDS.get(plain[0]), _HEAD + int.from_bytes(plain[REPLY_KIND_SIZE:_HEAD], "big")
    if kind is None or end > len(plain) or plain[end:] != bytes(len(plain) - end):
        raise BadReplyError("a reply that is not in its one form")
    if kind == ReplyKind.HEARTBEAT and end != _HEAD:
        raise BadReplyError("a heartbeat with a payload")
    return Reply(kind, plain[_HEAD:end])


def _error_of(hop: int, plain: bytes) -> HopError:
    refusal, end = _REFUSALS.get(plain[0]), 1 + _TIME_SIZE
    if refusal is None or plain[end:] != bytes(len(plain) - end):
        raise BadReplyError("an error cell that is not in its one form")
    return HopError(hop, refusal, int.from_bytes(plain[1:end], "big"))
