"""The closed groups of this device: records, epochs and the own chain, in memory as on the disk."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from essaim.messaging.v1 import content_pb2, group_pb2
from essaim.protocol.errors import ProtocolError
from essaim.protocol.group.bundle import decode_records, pack
from essaim.protocol.group.epoch import SECRET_SIZE, Epoch
from essaim.protocol.group.log import GroupLog
from essaim.protocol.group.record import NO_GROUP, Record
from essaim.protocol.group.roster import Role, Roster
from essaim.protocol.group.sender_key import SendingChain
from essaim.protocol.keys import SEED_SIZE, SigningKey, VerifyKey
from essaim.protocol.layout import Reader, block
from essaim.protocol.mailbox.rule import DAY_MS
from essaim_client.messaging.epoch_room import without_room
from essaim_client.messaging.profile import Profile
from essaim_client.store.closed_groups import Heard, KeptGroup

EPOCH_KEPT_MS = 16 * DAY_MS
"""An older epoch is read for as long as something may lie in its mailboxes, since this device has had the next one."""
LATEST_MS = (1 << 62) - 1


class UnknownGroupError(ProtocolError):
    """No such group here: neither a member nor invited, or no longer."""

    reason = "UNKNOWN_GROUP"


@dataclass(frozen=True)
class Speaking:
    """The own chain: in which epoch, for which devices (a hash of who they are), and since when."""

    chain: SendingChain
    epoch_id: bytes
    targets: bytes
    made_ms: int

    def encode(self) -> bytes:
        return self.epoch_id + self.targets + self.made_ms.to_bytes(8, "big") + block(self.chain.encode())

    @classmethod
    def decode(cls, data: bytes) -> "Speaking":
        reader = Reader(data)
        epoch_id, targets, made_ms = reader.take(16), reader.take(32), reader.number(8)
        speaking = cls(SendingChain.decode(reader.block()), epoch_id, targets, made_ms)
        reader.end()
        return speaking


@dataclass
class ClosedGroup:
    """One group. Everything in it may be merged with what any other device has of it."""

    log: GroupLog
    epochs: dict[bytes, Epoch] = field(default_factory=dict)
    admin_seed: bytes = field(default=b"", repr=False)
    speaking: Speaking | None = None
    asked_ms: int = 0
    heard: dict[bytes, Heard] = field(default_factory=dict)
    """Of each epoch."""

    @property
    def group_id(self) -> bytes:
        return self.log.group_id

    @property
    def roster(self) -> Roster:
        return self.log.roster

    @property
    def epoch(self) -> Epoch | None:
        """In which one speaks now: of those that nobody has left since (and no admin, as such), the one that knew most.

        None: make one.
        """
        fitting = [epoch for epoch in self.epochs.values() if self.fits(epoch)]
        return max(fitting, key=self._order, default=None)

    @property
    def newest_epoch(self) -> Epoch | None:
        """Whether somebody has left since or not: where a new one is announced."""
        return max(self.epochs.values(), key=self._order, default=None)

    @property
    def epochs_needed(self) -> set[bytes]:
        """In which this device speaks, or is to speak."""
        current, speaking = self.epoch, self.speaking
        return {each for each in (current and current.epoch_id, speaking and speaking.epoch_id) if each}

    def fits(self, epoch: Epoch) -> bool:
        """Whether one may speak in it."""
        return epoch.admin_key.raw == self.roster.admin_key and not self.log.lost_since(epoch.heads)

    def _order(self, epoch: Epoch) -> tuple[int, bytes]:
        return self.log.size_at(epoch.heads), epoch.epoch_id

    def admin_signer(self) -> SigningKey | None:
        """What admins sign with, on a device that was given it."""
        return SigningKey(self.admin_seed) if self.admin_seed else None

    def take_admin_seed(self, seed: bytes) -> bool:
        """Of the admin key as it is now; whether it was new."""
        fits = len(seed) == SEED_SIZE and SigningKey(seed).public.raw == self.roster.admin_key
        taken = fits and seed != self.admin_seed
        self.admin_seed = seed if taken else self.admin_seed
        return taken


def epoch_message(epoch: Epoch) -> group_pb2.GroupEpoch:
    return group_pb2.GroupEpoch(
        secret=epoch.secret, admin_key=epoch.admin_key.raw, heads=epoch.heads, made_ms=epoch.made_ms
    )


def epoch_of(group_id: bytes, message: group_pb2.GroupEpoch) -> Epoch | None:
    """None: it is none."""
    if len(message.secret) != SECRET_SIZE or any(len(head) != len(NO_GROUP) for head in message.heads):
        return None
    try:
        admin_key = VerifyKey(message.admin_key)
    except ProtocolError:
        return None
    return Epoch(group_id, message.secret, admin_key, tuple(message.heads), min(message.made_ms, LATEST_MS))


class GroupBook:
    """All of them. Methods that change something are called inside a transaction."""

    def __init__(self, profile: Profile) -> None:
        self._profile = profile
        self.store = profile.store.groups
        self._groups: dict[bytes, ClosedGroup] = {}
        for kept in self.store.all():
            self._groups[kept.group_id] = self._read(kept)

    def _read(self, kept: KeptGroup) -> ClosedGroup:
        log = GroupLog(kept.group_id)
        rows = self.store.records(kept.group_id)
        log.add((record for row in rows for record in decode_records(row)), kept=True)
        keys = content_pb2.Group.FromString(kept.keys)
        epochs = [each for each in (epoch_of(kept.group_id, message) for message in keys.epochs) if each]
        speaking = Speaking.decode(kept.sending) if kept.sending else None
        by_id = {epoch.epoch_id: epoch for epoch in epochs}
        heard = {epoch.epoch_id: Heard(b"", epoch.made_ms) for epoch in epochs} | self.store.heard(kept.group_id)
        return ClosedGroup(log, by_id, keys.admin_seed, speaking, kept.asked_ms, heard)

    def all(self) -> list[ClosedGroup]:
        return list(self._groups.values())

    def find(self, group_id: bytes) -> ClosedGroup | None:
        return self._groups.get(group_id)

    def get(self, group_id: bytes) -> ClosedGroup:
        """Raises UnknownGroupError."""
        group = self._groups.get(group_id)
        if group is None:
            raise UnknownGroupError("no such group here")
        return group

    def role(self, group: ClosedGroup) -> Role | None:
        """What this account is there."""
        return group.roster.role(self._profile.own)

    def is_in(self, group: ClosedGroup) -> bool:
        """Whether this account has joined it, and is in still."""
        return group.roster.is_member(self._profile.own)

    # Changes

    def begin(self, log: GroupLog) -> ClosedGroup:
        """A group that is new here, with the records that its log has."""
        group = self._groups[log.group_id] = ClosedGroup(log)
        self.store.add_records(log.group_id, [_encoded(record) for record in log])
        self.save(group)
        return group

    def add(self, group: ClosedGroup, records: Iterable[Record]) -> list[Record]:
        """Those that are new."""
        added = group.log.add(records)
        self.store.add_records(group.group_id, [_encoded(record) for record in added])
        return added

    def add_epoch(self, group: ClosedGroup, epoch: Epoch, heard: Heard) -> bool:
        """Whether it was new. Of too many those go that `epoch_room` says."""
        if epoch.epoch_id in group.epochs:
            return False
        needed = group.epochs_needed
        group.epochs[epoch.epoch_id], group.heard[epoch.epoch_id] = epoch, heard
        self.store.hear(group.group_id, epoch.epoch_id, heard)
        self._drop(group, without_room(group.epochs, group.heard, needed, group.fits))
        self.save(group)
        return epoch.epoch_id in group.epochs

    def _drop(self, group: ClosedGroup, epoch_ids: Iterable[bytes]) -> None:
        for epoch_id in epoch_ids:
            del group.epochs[epoch_id]
            group.heard.pop(epoch_id, None)
        self.store.forget_epochs(group.group_id, epoch_ids)

    def forget_epochs(self, group: ClosedGroup, now_ms: int) -> None:
        """Those in which nobody speaks and whose mailboxes are empty by now."""
        current = group.epoch
        if current is None or len(group.epochs) < 2:
            return
        if (
            now_ms - group.heard[current.epoch_id].heard_ms > EPOCH_KEPT_MS
        ):  # whatever its giver says of when it was made
            self._drop(group, [each for each in group.epochs if each != current.epoch_id])
            self.save(group)

    def speak(self, group: ClosedGroup, speaking: Speaking | None) -> None:
        group.speaking = speaking
        self.save(group)

    def begin_anew(self) -> None:
        """The store was an old copy: no chain of before is spoken in again."""
        for group in self.all():
            self.speak(group, None)

    def save(self, group: ClosedGroup) -> None:
        """Its keys; records are kept as they come."""
        epochs = map(epoch_message, group.epochs.values())
        keys = content_pb2.Group(group_id=group.group_id, epochs=epochs, admin_seed=group.admin_seed)
        sending = group.speaking.encode() if group.speaking else b""
        self.store.keep(KeptGroup(group.group_id, keys.SerializeToString(), sending, group.asked_ms))

    def forget(self, group: ClosedGroup) -> None:
        """What was said in it stays."""
        self._groups.pop(group.group_id, None)
        self.store.forget(group.group_id)


def _encoded(record: Record) -> bytes:
    return pack([record]).SerializeToString()
