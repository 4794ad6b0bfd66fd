"""Planted bugs: a simulation that does not find these proves nothing."""

from collections.abc import Collection, Sequence
from dataclasses import replace

from essaim.protocol.mailbox.cursor import Cursor
from essaim.protocol.mailbox.record import EnvelopeRecord, ExpiryRecord, Record, Tombstone
from essaim_storage.arc import Arcs
from essaim_storage.completeness import Completeness
from essaim_storage.coordinator import Coordinator, _Job
from essaim_storage.delivery import Readers
from essaim_storage.effects import DropForeign, Effect, Reply, Send
from essaim_storage.events import Query
from essaim_storage.feed import Feed
from essaim_storage.foreign import Foreign
from essaim_storage.hints import Hints
from essaim_storage.journal import Settled, Verdict
from essaim_storage.message import Ack, Digest, Records, Write
from essaim_storage.node import StorageNode
from essaim_storage.page import Page
from essaim_storage.placement import Range
from essaim_storage.prekeys import ClaimWaits, Prekeys
from essaim_storage.reconcile import Reconciler
from essaim_storage.record import record_id
from essaim_storage.replica import Replica
from essaim_storage.swarm import Swarm
from simulated.disk import MemoryStore
from simulated.fault import (
    ALL,
    blind,
    crash,
    days,
    deafen,
    die,
    drain,
    flip_bit,
    join,
    lose_disk,
    partition,
    renew_disks,
    slow_network,
    snapshot,
    swap_disk,
)
from simulated.keeper import KeptWorld
from simulated.world import HINTS_ONLY, TUNING, HintsOnlyNode, Scenario, World


class HastyReplica(Replica):
    """Acknowledges what it has not on disk yet."""

    def write(self, member: bytes, write: Write, now_ms: int, view_serial: int) -> list[Effect]:
        return [*super().write(member, write, now_ms, view_serial), Send(member, Ack(write.batch))]


class HastyCoordinator(Coordinator):
    """Counts its own disk before it has written."""

    def _submit(self, job: _Job, records: Sequence[Record]) -> list[Effect]:
        for item in job.items.values():
            self._hold(job, item, self._swarm.own_id, None)
        return super()._submit(job, records)


class HastyNode(StorageNode):
    coordinator_type = HastyCoordinator
    replica_type = HastyReplica


class LonelySwarm(Swarm):
    """One member is enough for it."""

    def write_quorum(self, members: Collection[bytes]) -> int:
        return min(1, len(members))


class LonelyNode(StorageNode):
    swarm_type = LonelySwarm


class ForgetfulFeed(Feed):
    """What a member missed is never sent again."""

    def _scan(self) -> list[Effect]:
        self._behind, self._top = False, self._store.last_number()
        return []


class ForgetfulHints(Hints):
    feed_type = ForgetfulFeed


class ForgetfulNode(HintsOnlyNode):
    hints_type = ForgetfulHints


class BlindDisk(MemoryStore):
    """Finds no tombstone."""

    def naming(self, envelope_id: bytes) -> Sequence[Tombstone | ExpiryRecord]:
        return ()


class LeapingReaders(Readers):
    """Moves the cursor to the newest number of the node, past what did not fit the page."""

    def _advanced(self, cursor: Cursor, number: int) -> Cursor:
        return super()._advanced(cursor, max(number, self._store.last_number()))


class LeapingNode(StorageNode):
    readers_type = LeapingReaders


class CarelessPrekeys(Prekeys):
    """Answers a claim before the prekey is marked used."""

    def _mark(self, waiter: ClaimWaits) -> list[Effect]:
        return [*super()._mark(waiter), Reply(waiter.request, waiter.answer)]


class CarelessNode(StorageNode):
    prekeys_type = CarelessPrekeys


class ForwardSwarm(Swarm):
    """Forgets the new members while a mailbox moves: W of the old are enough for it."""

    def enough(self, where: Range, holders: Collection[bytes]) -> bool:
        return len(where.now & set(holders)) >= self.write_quorum(where.now)


class ForwardNode(StorageNode):
    swarm_type = ForwardSwarm


class EagerCompleteness(Completeness):
    """Takes a move for done before it has compared with anybody."""

    def _has_all_for_move(self, where: Range) -> bool:
        return True


class EagerReconciler(Reconciler):
    completeness_type = EagerCompleteness


class EagerNode(StorageNode):
    reconciler_type = EagerReconciler


class LightReconciler(Reconciler):
    """Takes envelopes alone from others, and leaves the tombstones behind."""

    def records(self, member: bytes, records: Records, now_ms: int) -> list[Effect]:
        envelopes = tuple(each for each in records.records if isinstance(each, EnvelopeRecord))
        return super().records(member, Records(records.number, envelopes), now_ms)


class LightNode(StorageNode):
    reconciler_type = LightReconciler


class LenientReplica(Replica):
    """Takes writes under any view, whatever it has said that it adopted."""

    def _is_stale(self, view_serial: int) -> bool:
        return False


class LenientNode(StorageNode):
    replica_type = LenientReplica


class NextSwarm(Swarm):
    """Answers the clients of mailboxes that are only to be its own."""

    def serves(self, mailbox_id: bytes) -> bool:
        where = self.range_of(mailbox_id)
        return where is not None and self.own_id in where.next


class NextNode(StorageNode):
    swarm_type = NextSwarm


class TidyForeign(Foreign):
    """Drops at once what it will not keep when the move has ended."""

    def view_changed(self) -> list[Effect]:
        mine = [each for each in self._swarm.ranges if self._swarm.own_id in each.next]
        self._journal.change(DropForeign(Arcs.of(part for each in mine for part in each.arcs.parts), 9))
        return super().view_changed()


class TidyNode(StorageNode):
    foreign_type = TidyForeign


class TimelessReaders(Readers):
    """Gives what has expired to readers, as long as it is there."""

    def _fill(self, page: Page, query: Query, now_ms: int) -> bool:
        return super()._fill(page, query, 0)


class TimelessNode(StorageNode):
    readers_type = TimelessReaders


class ForgetfulDisk(MemoryStore):
    """Purges tombstones before their time."""

    def _purge(self, expired_ms: int) -> None:
        super()._purge(expired_ms)
        for record in [record for record, _ in self._log.values() if isinstance(record, Tombstone)]:
            self._remove(record_id(record))


class FamiliarDisk(MemoryStore):
    """Keeps its incarnation when it is put back from a copy."""

    def restored(self) -> MemoryStore:
        incarnation = self._incarnation
        super().restored()
        self._incarnation = incarnation
        return self


class TrustedDisk(MemoryStore):
    """Is taken for whole when it is put back from a copy."""

    def restored(self) -> MemoryStore:
        settled = self._settled
        super().restored()
        self._settled = settled
        return self


class DoubtingReconciler(Reconciler):
    """Takes no new disk for whole, were it a spare's."""

    def spare(self) -> None:
        """Nothing."""


class DoubtingNode(StorageNode):
    reconciler_type = DoubtingReconciler


class WholeDisk(MemoryStore):
    """Is taken for whole when it is new, were it in the place of one that was lost."""

    def settled(self) -> bool:
        return True


class HastyRounds(Reconciler):
    """Drops what had expired when a round brought it, though what puts it off comes later in the same round."""

    def settled(self, settled: Settled) -> list[Effect]:
        late = settled.verdict is Verdict.EXPIRED
        return super().settled(replace(settled, record=None) if late else settled)


class HastyRoundsNode(StorageNode):
    reconciler_type = HastyRounds


class CurtReconciler(Reconciler):
    """Answers before it has said hello, were it with an empty disk what an earlier one was asked."""

    def _answered(self, member: bytes, answer: Digest | Records) -> list[Effect]:
        return [Send(member, answer)]


class CurtNode(StorageNode):
    reconciler_type = CurtReconciler


HARD = Scenario(faults=(*ALL, lose_disk, flip_bit), always_moves=True)
SMALL_AND_MOVING = Scenario(sizes=(3,), always_moves=True)
CUT_OFF = replace(
    SMALL_AND_MOVING, faults=(partition, partition, deafen, slow_network, crash), moves=(join, drain), pace_ms=1_800
)
RESTORES = Scenario(faults=(snapshot, snapshot, crash, partition, partition), moves=(), sizes=(3,), pace_ms=3_000)
LOSSES = replace(RESTORES, faults=(lose_disk, lose_disk, crash, partition, partition))
BLIND = replace(
    SMALL_AND_MOVING,
    faults=(lose_disk, lose_disk, partition),
    moves=(join, drain, drain, blind, blind),
    pace_ms=3_000,
)
DEATHS = replace(
    SMALL_AND_MOVING, faults=(partition, deafen, slow_network, die, die), moves=(join, join, drain), pace_ms=2_500
)
"""Nodes are gone for good while others have just joined."""
LONG_AWAY = replace(SMALL_AND_MOVING, faults=4 * (crash, partition), moves=(days, days), pace_ms=9_000)
RENEWALS = Scenario(
    faults=3 * (renew_disks,),
    moves=(days,),
    always_moves=True,
    sizes=(3,),
    pace_ms=15_000,
    tuning=replace(TUNING, background_ms=60_000),
)
"""What was put off outlives its first expiry, and every disk that has it."""
SWAPS = replace(
    SMALL_AND_MOVING, faults=(*3 * (swap_disk,), slow_network), moves=(join, drain, drain), sizes=(2,), pace_ms=1_000
)
"""With two members, one that is deceived is enough."""
BUGS = {
    "acknowledges before fsync": Scenario(HastyNode),
    "a quorum of one": Scenario(LonelyNode),
    "no hints": replace(HINTS_ONLY, node_type=ForgetfulNode),
    "tombstones beat nothing": Scenario(disk_type=BlindDisk),
    "a prekey given before fsync": Scenario(CarelessNode),
    "cursor leaps over what did not fit": Scenario(LeapingNode),
    "W of the old alone while a mailbox moves": replace(CUT_OFF, node_type=ForwardNode),
    "transfer complete too early": replace(CUT_OFF, node_type=EagerNode),
    "tombstones left behind by a bootstrap": replace(HARD, node_type=LightNode),
    "the serial of a move is not adopted": replace(BLIND, node_type=LenientNode),
    "reads go to the new members": replace(HARD, node_type=NextNode, reads_next=True),
    "drops what moves before the move has ended": replace(HARD, node_type=TidyNode),
    "gives what has expired": Scenario(TimelessNode),
    "a purge forgets tombstones": replace(LONG_AWAY, disk_type=ForgetfulDisk),
    "a cursor is believed after a restore": replace(RESTORES, disk_type=FamiliarDisk),
    "a restored disk is taken for whole": replace(RESTORES, disk_type=TrustedDisk),
    "a joiner is not taken for whole": replace(DEATHS, node_type=DoubtingNode),
    "a new disk is taken for whole": replace(LOSSES, disk_type=WholeDisk),
    "what is put off by what comes later is dropped": replace(RENEWALS, node_type=HastyRoundsNode),
    "a new disk answers for the lost one": replace(SWAPS, node_type=CurtNode),
}
"""Each must be found."""
KEPT = frozenset({"what is put off by what comes later is dropped"})
"""Those that take an owner who changes expiries."""


def world_of(bug: str) -> type[World]:
    """Where it is looked for."""
    return KeptWorld if bug in KEPT else World
