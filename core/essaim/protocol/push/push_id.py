"""Push ids: what a device registers with a mailbox, one for each mailbox, day and place.

    push id = AES-256-SIV(key "ids", plaintext, associated data = "essaim/push/id/v1")        (RFC 5297)   32 bytes
    plaintext = subscription number u64 | generation u16 | lane u16 | day u32

To whoever has not the host's key they are random: nobody else makes one, and no two can be seen to belong together.
The host keeps none of them.
"""

from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV

from essaim.protocol.push.refusal import OrderRefusedError

LABEL = b"essaim/push/id/v1"
PUSH_ID_SIZE = 32
DAY_MS = 86_400_000
DAYS_EARLY, DAYS_LATE = 1, 2
"""A push id is good from the day before its own to two days after: clocks differ, and storage may owe a wake."""
LIFE_DAYS = 60
"""A subscription lives so long after it was last renewed; push ids are given so far ahead."""
MAX_IDS = 256
"""In one answer: 8 KiB, which the smallest reply holds."""
MAX_LANE = 0xFFFF
MAX_GENERATION = 0xFFFF


def day_of(now_ms: int) -> int:
    """The mailbox day: whole days since 1970-01-01, UTC."""
    return now_ms // DAY_MS


@dataclass(frozen=True, slots=True)
class PushIdOf:
    """Whose a push id is."""

    number: int
    generation: int
    lane: int
    day: int

    @property
    def _plain(self) -> bytes:
        return self.number.to_bytes(8) + self.generation.to_bytes(2) + self.lane.to_bytes(2) + self.day.to_bytes(4)

    def good_on(self, day: int) -> bool:
        """Whether a wake for it may come on that day."""
        return self.day - DAYS_EARLY <= day <= self.day + DAYS_LATE


class PushIds:
    """A host's: `issue` gives, `open` takes back."""

    def __init__(self, key: bytes) -> None:
        self._siv = AESSIV(key)

    def issue(self, of: PushIdOf) -> bytes:
        return self._siv.encrypt(of._plain, [LABEL])

    def open(self, push_id: bytes) -> PushIdOf | None:
        """None for one that this host did not make."""
        if len(push_id) != PUSH_ID_SIZE:
            return None
        try:
            plain = self._siv.decrypt(push_id, [LABEL])
        except InvalidTag:
            return None
        number, generation, lane = plain[:8], plain[8:10], plain[10:12]
        return PushIdOf(
            int.from_bytes(number), int.from_bytes(generation), int.from_bytes(lane), int.from_bytes(plain[12:])
        )


@dataclass(frozen=True, slots=True)
class Choice:
    """Which push ids a device wants: `lanes` from `first_lane` on, for each of `days` from `first_day` on."""

    first_day: int
    days: int
    first_lane: int
    lanes: int

    def check(self, now_ms: int) -> None:
        """From yesterday to 60 days ahead, 256 at most. Raises OrderRefusedError."""
        today = day_of(now_ms)
        if not 0 <= self.days * self.lanes <= MAX_IDS:
            raise OrderRefusedError(f"at most {MAX_IDS} push ids at once")
        if (
            self.days
            and not today - DAYS_EARLY <= self.first_day <= self.first_day + self.days - 1 <= today + LIFE_DAYS
        ):
            raise OrderRefusedError(f"push ids are for yesterday up to {LIFE_DAYS} days ahead")
        if self.first_lane + self.lanes > MAX_LANE + 1:
            raise OrderRefusedError("a lane is a number below 65,536")

    def issued(self, ids: PushIds, number: int, generation: int) -> bytes:
        """By day, then by lane, 32 bytes each."""
        days = range(self.first_day, self.first_day + self.days)
        lanes = range(self.first_lane, self.first_lane + self.lanes)
        return b"".join(ids.issue(PushIdOf(number, generation, lane, day)) for day in days for lane in lanes)
