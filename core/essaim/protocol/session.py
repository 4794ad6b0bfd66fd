"""One session with one device: its ratchet and, until the other side has answered, how the session began.

    session   version 1 | base 32 | created_ms 8 | used_ms 8 | unanswered_ms 8 | flags 1 | opening | ratchet state
    flags     bit 0: renew, bit 1: retired
    opening   0, or 1 | checked_ms 8 | signed X25519 prekey 32 | signed ML-KEM prekey 1184 | length 4 | introduction

Until an answer comes every message is an initial one, for the first may be lost. `base` is the handshake's ephemeral
key: it tells another initial message of this session from the start of another session.

An initial message opens while its signed prekeys are kept: for 15 days after they were replaced, 14 of which it may lie
in the swarm. So prekeys are good for a day after they were found current (`checked_ms`), and are then fetched again.
"""

from dataclasses import dataclass, replace

from essaim.protocol import sealed
from essaim.protocol.device import Random
from essaim.protocol.errors import ProtocolError
from essaim.protocol.keys import KEM_PUBLIC_SIZE, PUBLIC_SIZE, AgreementPublic, KemPublic
from essaim.protocol.layout import Reader, block
from essaim.protocol.padding import LENGTH_SIZE, envelope_size, pad, unpad
from essaim.protocol.ratchet import HYBRID, DoubleRatchet
from essaim.protocol.ratchet.double_ratchet import overhead

VERSION = 1
DAY_MS = 24 * 60 * 60 * 1000
UNANSWERED_AFTER_MS = 30 * DAY_MS
CURRENT_FOR_MS = DAY_MS
RATCHET_OVERHEAD = overhead(HYBRID) + LENGTH_SIZE


@dataclass(frozen=True)
class Opening:
    """What the initiator repeats until it is answered: the receiver's signed prekeys and the encoded introduction."""

    checked_ms: int
    agreement: AgreementPublic
    kem: KemPublic
    introduction: bytes

    def encode(self) -> bytes:
        return self.checked_ms.to_bytes(8, "big") + self.agreement.raw + self.kem.raw + block(self.introduction)

    @classmethod
    def read(cls, reader: Reader) -> "Opening":
        checked_ms = reader.number(8)
        agreement, kem = AgreementPublic(reader.take(PUBLIC_SIZE)), KemPublic(reader.take(KEM_PUBLIC_SIZE))
        return cls(checked_ms, agreement, kem, reader.block())


@dataclass(eq=False)
class Session:
    """`used_ms`: last sent or received; `unanswered_ms`: when the first message since the last answer went, or 0.

    `renew`: the next message begins another one; `retired`: the other side began another one because it gave this one
    up, so that it is read, for what is on its way, and never sent in again.
    """

    base: bytes
    created_ms: int
    ratchet: DoubleRatchet
    opening: Opening | None = None
    used_ms: int = 0
    unanswered_ms: int = 0
    renew: bool = False
    retired: bool = False

    def seal(self, content: bytes, now: int, random: Random) -> bytes:
        """The smallest envelope that holds `content` (`ContentTooLargeError`)."""
        around = sealed.overhead(self.opening.introduction) if self.opening else 0
        size = envelope_size(around + RATCHET_OVERHEAD + len(content))
        padded = pad(content, size - around - RATCHET_OVERHEAD + LENGTH_SIZE)
        message = self.ratchet.encrypt(padded, random)
        self.used_ms, self.unanswered_ms = now, self.unanswered_ms or now
        if self.opening is None:
            return message
        return sealed.seal_initial(self.opening.introduction, message, self.opening.agreement, self.opening.kem, random)

    def open(self, message: bytes, now: int, random: Random) -> bytes:
        """The content of a ratchet message; refused ones leave the session as it was."""
        before = self.ratchet.state
        try:
            content = unpad(self.ratchet.decrypt(message, now, random))
        except ProtocolError:
            self.ratchet.state = before
            raise
        self.used_ms, self.unanswered_ms, self.opening = now, 0, None
        return content

    def stale(self, now: int) -> bool:
        """Whether prekeys should be fetched before the next message, for a new session or to go on with this one."""
        unchecked = self.opening is not None and now - self.opening.checked_ms >= CURRENT_FOR_MS
        return unchecked or self._over(now)

    def _over(self, now: int) -> bool:
        return self.renew or (self.unanswered_ms != 0 and now - self.unanswered_ms >= UNANSWERED_AFTER_MS)

    def goes_on_with(self, agreement: AgreementPublic, now: int) -> bool:
        """Whether this unanswered session is still good, given that `agreement` is the peer's signed prekey now."""
        if self.opening is None or self._over(now) or self.opening.agreement != agreement:
            return False
        self.opening = replace(self.opening, checked_ms=now)
        return True

    def encode(self) -> bytes:
        times = b"".join(time.to_bytes(8, "big") for time in (self.created_ms, self.used_ms, self.unanswered_ms))
        opening = b"\1" + self.opening.encode() if self.opening else b"\0"
        front = bytes((VERSION,)) + self.base + times + bytes((self.renew | self.retired << 1,))
        return front + opening + block(self.ratchet.encode())

    @classmethod
    def decode(cls, data: bytes) -> "Session":
        reader = Reader(data)
        reader.version(VERSION)
        base, created_ms, used_ms, unanswered_ms = (
            reader.take(PUBLIC_SIZE),
            reader.number(8),
            reader.number(8),
            reader.number(8),
        )
        flags = reader.number(1)
        opening = Opening.read(reader) if reader.number(1) else None
        ratchet = DoubleRatchet.decode(reader.block())
        reader.end()
        return cls(base, created_ms, ratchet, opening, used_ms, unanswered_ms, bool(flags & 1), bool(flags & 2))
