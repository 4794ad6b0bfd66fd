"""One-time prekeys addressed to this node: each given once, and marked used on disk before the answer.

Never replicated and never handed over, for two members could give the same one. A claim keeps its id, and the same id
gets the same prekey, also while the first answer is still on its way to the disk.
"""

from dataclasses import dataclass, field

from essaim.protocol.mailbox.policy import Policy
from essaim.protocol.mailbox.refusal import PrekeysRefusedError, VersionRefusedError
from essaim_storage.effects import Claimed, Effect, Published, PutPrekeys, Refused, Reply, UsePrekey
from essaim_storage.events import ClaimAsked, PublishAsked
from essaim_storage.journal import Journal, Settled, Verdict
from essaim_storage.refusal import DiskFullError, WrongSwarmError
from essaim_storage.store import PrekeyBatch, Store
from essaim_storage.swarm import Swarm
from essaim_storage.tuning import Tuning

Place = tuple[bytes, bytes]
"""Mailbox id and device slot."""


@dataclass(frozen=True, slots=True)
class PublishWaits:
    """A device waits for its batch to be kept."""

    request: int
    place: Place
    batch: PrekeyBatch


@dataclass(frozen=True, slots=True)
class ClaimWaits:
    """A claim waits for its prekey to be marked used."""

    request: int
    place: Place
    claim_id: bytes
    version: int
    index: int
    answer: Claimed


@dataclass
class _Pending:
    """What is on its way to the disk at one place."""

    batch: PrekeyBatch | None = None
    used: set[tuple[int, int]] = field(default_factory=set)
    claims: dict[bytes, ClaimWaits] = field(default_factory=dict)
    waiting: int = 0


def _is_repeat(event: PublishAsked, before: PrekeyBatch) -> bool:
    """Whether nothing of a batch of the same version contradicts what is left of the one before."""
    return event.version > before.version or set(before.unused) <= set(enumerate(event.prekeys))


class Prekeys:
    """Publishes and claims; the disk and what is on its way to it, taken together."""

    def __init__(self, swarm: Swarm, store: Store, journal: Journal, tuning: Tuning) -> None:
        self._swarm = swarm
        self._store = store
        self._journal = journal
        self._tuning = tuning
        self._pending: dict[Place, _Pending] = {}

    def publish(self, event: PublishAsked, now_ms: int) -> list[Effect]:
        """A higher version takes the place of a lower; the same again is the same answer."""
        place = (event.policy.mailbox_id, event.slot)
        refused = self._refuse_place(event.request, event.policy)
        if refused:
            return refused
        if event.node_id != self._swarm.own_id:
            return [Reply(event.request, Refused(PrekeysRefusedError("these prekeys are for another node")))]
        before = self._batch(place)
        if before is not None and (event.version < before.version or not _is_repeat(event, before)):
            return [
                Reply(event.request, Refused(VersionRefusedError("a higher version, or another batch of it, is here")))
            ]
        if before is not None and event.version == before.version:
            return [Reply(event.request, Published(len(self._unused(place, before))))]
        batch = PrekeyBatch(event.version, now_ms + self._tuning.prekey_life_ms, tuple(enumerate(event.prekeys)))
        self._open(place).batch = batch
        change = PutPrekeys(*place, event.version, event.prekeys, batch.expires_ms)
        self._journal.change(change, PublishWaits(event.request, place, batch))
        return []

    def claim(self, event: ClaimAsked, now_ms: int) -> list[Effect]:
        """The first unused, or none."""
        place = (event.policy.mailbox_id, event.slot)
        refused = self._refuse_place(event.request, event.policy)
        if refused:
            return refused
        batch = self._batch(place)
        unused = self._unused(place, batch) if batch is not None and batch.expires_ms > now_ms else []
        given = self._store.claimed(*place, event.claim_id)
        if given is not None:
            return [Reply(event.request, Claimed(given, len(unused)))]
        first = self._pending[place].claims.get(event.claim_id) if place in self._pending else None
        if first is not None:
            return self._mark(
                ClaimWaits(event.request, place, event.claim_id, first.version, first.index, first.answer)
            )
        if batch is None or not unused:
            return [Reply(event.request, Claimed(b"", 0))]
        index, prekey = unused[0]
        answer = Claimed(prekey, len(unused) - 1)
        return self._mark(ClaimWaits(event.request, place, event.claim_id, batch.version, index, answer))

    def settled(self, settled: Settled) -> list[Effect]:
        """A batch is kept or a prekey is marked used; or the disk is full."""
        waiter = settled.waiter
        assert isinstance(waiter, PublishWaits | ClaimWaits)
        self._close(waiter)
        if settled.verdict is Verdict.FULL:
            return [Reply(waiter.request, Refused(DiskFullError("no room on this node's disk")))]
        result = Published(len(waiter.batch.unused)) if isinstance(waiter, PublishWaits) else waiter.answer
        return [Reply(waiter.request, result)]

    def _refuse_place(self, request: int, policy: Policy) -> list[Effect]:
        if self._swarm.serves(policy.mailbox_id):
            return []
        return [Reply(request, Refused(WrongSwarmError("the mailbox lives in another swarm")))]

    def _batch(self, place: Place) -> PrekeyBatch | None:
        pending = self._pending.get(place)
        return pending.batch if pending is not None and pending.batch is not None else self._store.prekeys(*place)

    def _unused(self, place: Place, batch: PrekeyBatch) -> list[tuple[int, bytes]]:
        pending = self._pending.get(place)
        used = pending.used if pending is not None else set()
        return [each for each in batch.unused if (batch.version, each[0]) not in used]

    def _mark(self, waiter: ClaimWaits) -> list[Effect]:
        pending = self._open(waiter.place)
        pending.claims[waiter.claim_id] = waiter
        pending.used.add((waiter.version, waiter.index))
        self._journal.change(UsePrekey(*waiter.place, waiter.version, waiter.index, waiter.claim_id), waiter)
        return []

    def _open(self, place: Place) -> _Pending:
        pending = self._pending.setdefault(place, _Pending())
        pending.waiting += 1
        return pending

    def _close(self, waiter: PublishWaits | ClaimWaits) -> None:
        """What was on its way at a place is forgotten together, once nothing is: until then a reader asks both."""
        pending = self._pending[waiter.place]
        pending.waiting -= 1
        if isinstance(waiter, PublishWaits) and pending.batch == waiter.batch:
            pending.batch = None
        if not pending.waiting:
            del self._pending[waiter.place]
