"""An owner who changes expiries and sweeps, in the same swarm with the same misfortunes."""

from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from typing import Any

from essaim.protocol.mailbox.authorization import Act, Method
from essaim.protocol.mailbox.payload import read_hash, removal_hash, sweep_hash
from essaim.protocol.mailbox.policy import Kind
from essaim.protocol.mailbox.record import EnvelopeRecord, ExpiryRecord, Notice, Tombstone
from essaim_storage import effects, events
from simulated.client import DAY_MS, Mailbox, Site
from simulated.disk import MemoryStore
from simulated.history import NEAR_EXPIRY_MS, BrokenPromiseError, History
from simulated.host import Host
from simulated.process import Ask, Client, Sleep
from simulated.world import REST_MS, TUNING, Scenario, World

PUT_OFF_MS = 9 * DAY_MS
SHORTENED_MS = 60_000
PURGED_MS = TUNING.purge_margin_ms + 2 * TUNING.purge_every_ms
"""After so long what has expired is on no disk any more."""


@dataclass
class KeptHistory(History):
    """Each envelope's expiry is changed once at most."""

    changing: dict[bytes, int] = field(default_factory=dict)
    changed: dict[bytes, int] = field(default_factory=dict)
    """Acknowledged while the envelope lived."""
    swept: int = 0
    at_rest: bool = False

    def due(self, mailbox_id: bytes, now_ms: int) -> set[bytes]:
        """What was shortened, and what sweeps may cover, is not; at rest, what was put off is."""
        due = {each for each in super().due(mailbox_id, now_ms) if self._least(each) >= now_ms + NEAR_EXPIRY_MS}
        if not self.at_rest:
            return due
        put_off = (self.stored[each] for each in self.changed.keys() & self.acknowledged - self.removing)
        mine = (each for each in put_off if each.mailbox_id == mailbox_id and not each.version)
        return due | {each.envelope_id for each in mine if self._least(each.envelope_id) >= now_ms + NEAR_EXPIRY_MS}

    def must_be_gone(self, record: EnvelopeRecord, now_ms: int) -> bool:
        most = max(record.expires_ms, self.changing.get(record.envelope_id, 0))
        until_ms = self.changed.get(record.envelope_id, most)
        return record.envelope_id in self.removed or until_ms <= now_ms

    def _least(self, envelope_id: bytes) -> int:
        """The earliest time at which it may go."""
        first_ms = self.stored[envelope_id].expires_ms
        if envelope_id in self.changed:
            return self.changed[envelope_id]
        return min(first_ms, self.changing.get(envelope_id, first_ms))


class KeptWorld(World):
    """`World` with an owner of each signed mailbox who keeps it."""

    def __init__(self, seed: int, scenario: Scenario | None = None) -> None:
        super().__init__(seed, scenario)
        self.history = self.site.history = KeptHistory()

    def _begin(self) -> None:
        super()._begin()
        for mailbox in self.mailboxes:
            if mailbox.policy.kind is not Kind.PUBLIC_INBOX:  # where nobody signs, the time is a member's word
                self.site.clients.start(keep(self.site, self.history, mailbox))

    def _rest(self) -> None:
        """Sometimes it takes longer: where a newer version of an entry came, an older one that was put off is not taken
        before the newer, expired by now, is purged. A member that was away for the newer one's life has the older
        meanwhile. In the end all must be the same here, too."""
        for _ in range(-(-PURGED_MS // REST_MS)):
            try:
                super()._rest()
            except BrokenPromiseError:
                if not self._waits_for_purge():
                    raise
            else:
                return
        super()._rest()

    def _waits_for_purge(self) -> bool:
        """Whether nothing else keeps the members from being the same."""
        if self.site.clients.running or not self._all_placed():
            return False
        return all(self._is_same(mailbox) or self._is_held_off(mailbox) for mailbox in self.mailboxes)

    def _is_held_off(self, mailbox: Mailbox) -> bool:
        """Whether each member is complete and has, or holds off by an expired newer version, what any has."""
        mailbox_id, now_ms, hosts = mailbox.policy.mailbox_id, self.scheduler.now_ms, self._keepers(mailbox)
        if any(host.node is None or host.node.incomplete for host in hosts):
            return False
        alive = [host.disk.living_ids(mailbox_id, now_ms) for host in hosts]
        found = frozenset[bytes]().union(*alive)
        return all(self._holds_off(host, each) for host, ids in zip(hosts, alive, strict=True) for each in found - ids)

    def _holds_off(self, host: Host, envelope_id: bytes) -> bool:
        record = self.history.stored.get(envelope_id)
        if record is None or not record.version:
            return False
        newest = host.disk.newest(record.mailbox_id, record.slot)
        if newest is None or (newest.version, newest.envelope_id) < (record.version, envelope_id):
            return False
        entry = host.disk.entry(record.mailbox_id, newest.envelope_id)
        return entry is not None and entry.until_ms <= self.scheduler.now_ms

    def _read_at_rest(self) -> None:
        self.history.at_rest = True
        super()._read_at_rest()


def keep(site: Site, history: KeptHistory, mailbox: Mailbox) -> Client:
    """Now and then a sweep, more often another expiry for some of what is there."""
    while not site.quiet:
        yield Sleep(site.rng.randrange(20_000))
        if site.rng.random() < 0.15:
            yield from sweep(site, history, mailbox)
        else:
            yield from change_expiry(site, history, mailbox)


def sweep(site: Site, history: KeptHistory, mailbox: Mailbox) -> Client:
    """All of it up to a moment ago; what is signed in that very millisecond is not meant."""
    time_ms, policy = site.now_ms - 1, mailbox.policy
    before = time_ms - site.rng.choice((0, 20_000))
    ids = {
        each.envelope_id
        for each in history.stored.values()
        if each.mailbox_id == policy.mailbox_id and each.stored_ms <= before
    }
    if before == time_ms:
        act = Act(policy, Method.DELETE_ALL, b"", read_hash(b""))
        notice = Tombstone(policy, Method.DELETE_ALL, b"", (), _signed(site, mailbox, act, time_ms))
    else:
        act = Act(policy, Method.DELETE_BEFORE, b"", sweep_hash(before))
        notice = Tombstone(policy, Method.DELETE_BEFORE, b"", (), _signed(site, mailbox, act, time_ms), before)
    history.removing |= ids
    kept = yield from done(site, mailbox, notice)
    if kept:
        history.removed |= ids
        history.swept += 1


def change_expiry(site: Site, history: KeptHistory, mailbox: Mailbox) -> Client:
    """Put off or cut short what lives."""
    fresh = [
        each
        for each in history.stored.values()
        if each.mailbox_id == mailbox.policy.mailbox_id
        and each.envelope_id in history.acknowledged - history.removing - history.changing.keys()
        and each.expires_ms > site.now_ms
    ]
    if not fresh:
        return
    ids = tuple(each.envelope_id for each in site.rng.sample(fresh, min(len(fresh), site.rng.randrange(1, 4))))
    until_ms = site.now_ms + site.rng.choice((PUT_OFF_MS, PUT_OFF_MS, SHORTENED_MS))
    act = Act(mailbox.policy, Method.EXPIRE, b"", removal_hash(b"", ids), until_ms)
    notice = ExpiryRecord(mailbox.policy, b"", ids, until_ms, _signed(site, mailbox, act, site.now_ms))
    history.changing.update((each, until_ms) for each in ids)
    kept = yield from done(site, mailbox, notice)
    if kept:
        alive = (each for each in ids if history.stored[each].expires_ms > site.now_ms)
        history.changed.update((each, until_ms) for each in alive)


def _signed(site: Site, mailbox: Mailbox, act: Act, time_ms: int) -> Any:
    return act.authorize(mailbox.owner, time_ms, site.rng.randbytes(16))


def done(site: Site, mailbox: Mailbox, notice: Notice) -> Generator[Any, Any, bool]:
    """Whether some member acknowledged it."""
    for _ in range(site.attempts):
        result = yield Ask(site.member(mailbox), lambda request: events.RemoveAsked(request, notice))
        if isinstance(result, effects.Removed):
            return True
        yield Sleep(site.rng.randrange(2_000))
    return False


# ---- planted bugs, for the proof that the checks above can fail


class BlindToSweeps(MemoryStore):
    """Finds no sweep when an envelope arrives."""

    def sweeps(self, mailbox_id: bytes) -> Sequence[Tombstone]:
        return ()


class BlindToExpiries(MemoryStore):
    """Finds no expiry record when an envelope arrives."""

    def naming(self, envelope_id: bytes) -> Sequence[Tombstone | ExpiryRecord]:
        return tuple(each for each in super().naming(envelope_id) if isinstance(each, Tombstone))


class DeafToExpiries(MemoryStore):
    """Keeps the first expiry of what is there, whatever its owner says."""

    def _set_until(self, envelope_id: bytes, until_ms: int) -> None:
        """Nothing."""


BUGS: tuple[type[MemoryStore], ...] = (BlindToSweeps, BlindToExpiries, DeafToExpiries)
