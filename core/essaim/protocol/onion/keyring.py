"""A node's onion keys: which are live, which to publish, which to erase. Pure: `advance(now)` does all of it.

Each kind has its own key period, counted from the Unix epoch (X25519 1 h, ML-KEM-768 24 h). Keys are published ahead.
A (X25519 period, ML-KEM period) pair that overlaps in time has one key id; a sender uses the pair that covers its
corrected time, a node accepts it until GRACE_MS after the shorter period ends, and then forgets the private key.
Keys live in memory only: every start makes fresh ones, so that nothing recorded before it can be opened.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from essaim.protocol.errors import ProtocolError
from essaim.protocol.keys import KEM_SEED_SIZE, SEED_SIZE, AgreementKey, AgreementPublic, KemKey, KemPublic
from essaim.protocol.onion.hop import HopPublic, PrivatePair
from essaim.protocol.onion.kem import Randomness
from essaim.protocol.onion.replay import ISSUE_WINDOW_MS, MINUTE_MS
from essaim.protocol.open_enum import OpenEnum

GRACE_MS = ISSUE_WINDOW_MS + MINUTE_MS


class NoUsableKeyError(ProtocolError):
    """A node has published no pair of onion keys for this time."""

    reason = "NO_USABLE_KEY"


class KeyKind(OpenEnum):
    """The codes of `essaim.view.v1.KeyKind`. Keys of a kind of a later version are passed over."""

    X25519 = 1
    MLKEM = 2


@dataclass(frozen=True)
class KeyPeriods:
    """Lengths of the key periods (parameters of the signed view), and how many periods ahead a node publishes."""

    x25519_ms: int = 3_600_000
    mlkem_ms: int = 86_400_000
    x25519_ahead: int = 3
    mlkem_ahead: int = 1

    def length_ms(self, kind: KeyKind) -> int:
        """The period of a kind, milliseconds."""
        return self.x25519_ms if kind == KeyKind.X25519 else self.mlkem_ms

    def ahead(self, kind: KeyKind) -> int:
        """Periods after the current one whose keys exist already."""
        return self.x25519_ahead if kind == KeyKind.X25519 else self.mlkem_ahead

    def current(self, kind: KeyKind, now_ms: int) -> int:
        """The number of the period that covers `now_ms`."""
        return now_ms // self.length_ms(kind)

    def end_ms(self, kind: KeyKind, period: int) -> int:
        """The first moment after a period."""
        return (period + 1) * self.length_ms(kind)


@dataclass(frozen=True)
class PeriodKey:
    """A public key for one period: what a node signs and publishes. X25519: 32 bytes, ML-KEM-768: 1184."""

    kind: KeyKind
    period: int
    public: bytes


class Keyring:
    """The private onion keys of one start of a node. Call `advance` before first use and whenever `next_change_ms`."""

    def __init__(self, periods: KeyPeriods, randomness: Randomness) -> None:
        self._periods = periods
        self._randomness = randomness
        self._x25519: dict[int, AgreementKey] = {}
        self._mlkem: dict[int, KemKey] = {}
        self._pairs: dict[tuple[int, int], PrivatePair] = {}
        self._by_id: dict[bytes, PrivatePair] = {}
        self.published: tuple[PeriodKey, ...] = ()
        """The public keys of the current and the coming periods, in order of kind and period."""

    def advance(self, now_ms: int) -> bool:
        """Make the keys that are due, forget those past their grace. True when `published` has changed."""
        before = self.published
        self._forget(now_ms)
        self._generate(now_ms)
        self._pair_up(now_ms)
        self.published = tuple(self._publishable(now_ms))
        return self.published != before

    def pair(self, key_id: bytes) -> PrivatePair | None:
        """The live pair of this id, or None; the caller compares its `until_ms` with now."""
        return self._by_id.get(key_id)

    def next_change_ms(self, now_ms: int) -> int:
        """When `advance` next has something to do: a period begins, or a private key is to be forgotten."""
        begins = [self._periods.end_ms(kind, self._periods.current(kind, now_ms)) for kind in KeyKind]
        erased = [self._periods.end_ms(kind, period) + GRACE_MS for kind in KeyKind for period in self._held(kind)]
        return min(each for each in begins + erased if each > now_ms)

    def _held(self, kind: KeyKind) -> Iterable[int]:
        return self._x25519 if kind == KeyKind.X25519 else self._mlkem

    def _forget(self, now_ms: int) -> None:
        for kind, held in ((KeyKind.X25519, self._x25519), (KeyKind.MLKEM, self._mlkem)):
            for period in [each for each in held if self._periods.end_ms(kind, each) + GRACE_MS <= now_ms]:
                del held[period]

    def _due(self, kind: KeyKind, now_ms: int) -> Iterator[int]:
        current = self._periods.current(kind, now_ms)
        missing = range(current, current + self._periods.ahead(kind) + 1)
        return (period for period in missing if period not in self._held(kind))

    def _generate(self, now_ms: int) -> None:
        for period in list(self._due(KeyKind.X25519, now_ms)):
            self._x25519[period] = AgreementKey(self._randomness(SEED_SIZE))
        for period in list(self._due(KeyKind.MLKEM, now_ms)):
            self._mlkem[period] = KemKey(self._randomness(KEM_SEED_SIZE))

    def _pair_up(self, now_ms: int) -> None:
        pairs: dict[tuple[int, int], PrivatePair] = {}
        for mine in self._x25519:
            for other in self._mlkem:
                until = self._until(mine, other)
                if until > now_ms:
                    known = self._pairs.get((mine, other))
                    pairs[mine, other] = known or PrivatePair(self._x25519[mine], self._mlkem[other], until)
        self._pairs = pairs
        self._by_id = {pair.key_id: pair for pair in pairs.values()}

    def _until(self, x25519: int, mlkem: int) -> int:
        """The end of the pair's common time and grace; 0 when the two periods never meet."""
        ends = self._periods.end_ms(KeyKind.X25519, x25519), self._periods.end_ms(KeyKind.MLKEM, mlkem)
        begins = ends[0] - self._periods.x25519_ms, ends[1] - self._periods.mlkem_ms
        return min(ends) + GRACE_MS if max(begins) < min(ends) else 0

    def _publishable(self, now_ms: int) -> Iterator[PeriodKey]:
        for kind, held in ((KeyKind.X25519, self._x25519), (KeyKind.MLKEM, self._mlkem)):
            for period in sorted(held):
                if self._periods.end_ms(kind, period) > now_ms:
                    yield PeriodKey(kind, period, held[period].public.raw)


def hop_at(node_id: bytes, keys: Iterable[PeriodKey], periods: KeyPeriods, now_ms: int) -> HopPublic:
    """The pair of a node's published keys that covers the sender's corrected time; NoUsableKeyError without one."""
    current = {kind: periods.current(kind, now_ms) for kind in KeyKind}
    found = {key.kind: key.public for key in keys if key.period == current[key.kind]}
    if len(found) != len(KeyKind):
        raise NoUsableKeyError("no onion keys for this time")
    return HopPublic(node_id, AgreementPublic(found[KeyKind.X25519]), KemPublic(found[KeyKind.MLKEM]))
