"""Planted bugs: a simulation that does not find these proves nothing."""

from collections.abc import Collection, Sequence
from dataclasses import replace

from essaim.protocol.mailbox.cursor import Cursor
from essaim.protocol.mailbox.record import ExpiryRecord, Record, Tombstone
from essaim_storage.coordinator import Coordinator, _Job
from essaim_storage.delivery import Readers
from essaim_storage.effects import Effect, Reply, Send
from essaim_storage.feed import Feed
from essaim_storage.hints import Hints
from essaim_storage.message import Ack, Write
from essaim_storage.node import StorageNode
from essaim_storage.prekeys import ClaimWaits, Prekeys
from essaim_storage.replica import Replica
from essaim_storage.swarm import Swarm
from simulated.disk import MemoryStore
from simulated.world import HINTS_ONLY, HintsOnlyNode, Scenario


class HastyReplica(Replica):
    """Acknowledges what it has not on disk yet."""

    def write(self, member: bytes, write: Write, now_ms: int, view_serial: int) -> list[Effect]:
        return [*super().write(member, write, now_ms, view_serial), Send(member, Ack(write.batch))]


class HastyCoordinator(Coordinator):
    """Counts its own disk before it has written."""

    def _submit(self, job: _Job, records: Sequence[Record]) -> list[Effect]:
        for item in job.items.values():
            self._hold(job, item, self._swarm.own_id)
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


ACKNOWLEDGES_BEFORE_FSYNC = Scenario(HastyNode)
QUORUM_OF_ONE = Scenario(LonelyNode)
TOMBSTONES_BEAT_NOTHING = Scenario(disk_type=BlindDisk)
PREKEY_BEFORE_FSYNC = Scenario(CarelessNode)
CURSOR_LEAPS = Scenario(LeapingNode)
NO_HINTS = replace(HINTS_ONLY, node_type=ForgetfulNode)
