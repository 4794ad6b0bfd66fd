"""Who writes and who reads, as the client library does: any member, retried elsewhere, cursors carried along."""

from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass, field
from functools import partial
from random import Random
from typing import Any

from essaim.protocol.keys import SigningKey
from essaim.protocol.mailbox.authorization import Act, Method
from essaim.protocol.mailbox.cursor import Cursor
from essaim.protocol.mailbox.envelope import envelope_id, have_prefix
from essaim.protocol.mailbox.payload import removal_hash
from essaim.protocol.mailbox.policy import Kind, Policy
from essaim.protocol.mailbox.record import EnvelopeRecord, Tombstone
from essaim_storage import effects, events
from simulated.authority import NO_VIEW, Authority, View
from simulated.history import BrokenPromiseError, History
from simulated.host import Host
from simulated.process import Ask, Client, Clients, Next, Sleep
from simulated.scheduler import Scheduler

DAY_MS = 86_400_000
SIZE = 4_096


@dataclass
class Mailbox:
    """With the keys of its owner and its writers."""

    policy: Policy
    owner: SigningKey
    writer: SigningKey
    versions: int = 0


@dataclass
class Site:
    """What every client knows and uses."""

    scheduler: Scheduler
    rng: Random
    hosts: list[Host]
    clients: Clients
    history: History
    authority: Authority
    attempts: int
    quiet: bool = False
    former: View = NO_VIEW
    """The view before the newest: some clients still have it."""
    most_hosts: int = 0
    fewest_hosts: int = 0
    add_host: Callable[[], None] = lambda: None
    reads_next: bool = False
    """A planted bug: reads go where the mailbox moves to."""

    @property
    def now_ms(self) -> int:
        return self.scheduler.now_ms

    def members(self, mailbox: "Mailbox") -> list[Host]:
        """Whom a client asks by the view that it has."""
        view = self.authority.view if not self.former.serial or self.rng.random() < 0.9 else self.former
        ids = view.now(mailbox.policy.mailbox_id)
        if self.reads_next:
            ids = view.following(mailbox.policy.mailbox_id)
        return [host for host in self.hosts if host.node_id in ids]

    def is_newest(self, mailbox: "Mailbox", members: list[Host]) -> bool:
        """Whether these are all that the newest view names."""
        return {host.node_id for host in members} == self.authority.view.now(mailbox.policy.mailbox_id)

    def member(self, mailbox: "Mailbox") -> Host:
        """One of them; any host, while there is none."""
        return self.rng.choice(self.members(mailbox) or self.hosts)


def new_envelope(site: Site, mailbox: Mailbox) -> EnvelopeRecord:
    """An envelope that some writer may store; one in eight does not live long."""
    policy, rng = mailbox.policy, site.rng
    ttl_ms = rng.randrange(30_000, 120_000) if rng.random() < 0.125 else DAY_MS * rng.choice((1, 1, 4))
    expires_ms, version, slot = site.now_ms + ttl_ms, 0, b"\x00"
    if policy.kind is Kind.OUTBOX:
        mailbox.versions += 1
        version, slot, expires_ms = mailbox.versions, rng.choice((b"manifest", b"profile")), site.now_ms + DAY_MS
    data = rng.randbytes(16) + bytes(SIZE - 16)
    of_id = envelope_id(policy.mailbox_id, slot, expires_ms, data, version)
    authorization = None
    if policy.kind is not Kind.PUBLIC_INBOX:
        act = Act(policy, Method.STORE, slot, of_id, expires_ms)
        authorization = act.authorize(mailbox.writer, site.now_ms, rng.randbytes(16))
    received_ms = site.now_ms if authorization is None else 0
    return EnvelopeRecord(policy, of_id, slot, expires_ms, data, version, authorization, received_ms)


def _store(records: tuple[EnvelopeRecord, ...], request: int) -> events.Event:
    return events.StoreAsked(request, records)


def _retrieve(query: events.Query, request: int) -> events.Event:
    return events.RetrieveAsked(request, query)


def write(site: Site, mailbox: Mailbox, pause_ms: int) -> Client:
    """Store now and then, and try elsewhere what is not acknowledged; give up some time."""
    while not site.quiet:
        yield Sleep(site.rng.randrange(pause_ms))
        left = tuple(new_envelope(site, mailbox) for _ in range(site.rng.randrange(1, 4)))
        site.history.stored.update((each.envelope_id, each) for each in left)
        for _ in range(site.attempts):
            result = yield Ask(site.member(mailbox), partial(_store, left))
            if isinstance(result, effects.Stored):
                done = {each.envelope_id for each in result.outcomes if each.refusal is None}
                site.history.acknowledged |= done
                left = tuple(each for each in left if each.envelope_id not in done)
            if not left:
                break
            yield Sleep(site.rng.randrange(2_000))


@dataclass
class Reader:
    """One device: what it has seen, and its cursor (encoded)."""

    mailbox: Mailbox
    seen: set[bytes] = field(default_factory=set)
    cursor: bytes = b""

    @property
    def mailbox_id(self) -> bytes:
        return self.mailbox.policy.mailbox_id

    def query(self, rng: Random, max_bytes: int) -> events.Query:
        """From its cursor; or, as after losing it, from the start with what it has."""
        if rng.random() > 0.1:
            return events.Query(self.mailbox_id, b"", Cursor.parse(self.cursor), max_bytes)
        salt, self.cursor = rng.randbytes(16), b""
        have = frozenset(have_prefix(salt, each) for each in self.seen)
        return events.Query(self.mailbox_id, b"", Cursor(), max_bytes, salt, have)

    def take(self, site: Site, envelopes: Iterable[effects.Delivery]) -> None:
        for each in envelopes:
            record = site.history.stored.get(each.envelope_id)
            if record is None or record.data != each.data:
                raise BrokenPromiseError("an envelope that nobody stored, or with other bytes")
            self.seen.add(each.envelope_id)


def read(site: Site, reader: Reader, pause_ms: int) -> Client:
    """Read from r - W + 1 members, or follow one, or confirm what was seen; again and again."""
    while not site.quiet:
        yield Sleep(site.rng.randrange(pause_ms))
        choice = site.rng.random()
        if choice < 0.5:
            yield from read_quorum(site, reader)
        elif choice < 0.8:
            yield from follow(site, reader)
        else:
            yield from confirm(site, reader)


def read_quorum(site: Site, reader: Reader) -> Client:
    """After it, nothing that was acknowledged before it may be missing, whatever happens meanwhile."""
    due = site.history.due(reader.mailbox_id, site.now_ms)
    members = site.members(reader.mailbox)
    if not site.reads_next and not site.is_newest(reader.mailbox, members):
        return
    complete = 0
    for host in site.rng.sample(members, len(members)):
        complete += yield from read_all(site, reader, host)
        if complete == len(members) - len(members) // 2:
            site.history.quorum_reads += 1
            still_due = site.history.due(reader.mailbox_id, site.now_ms)
            missing = (due & still_due) - reader.seen
            if missing:
                raise BrokenPromiseError(f"{len(missing)} acknowledged envelopes not found at r - W + 1 members")
            return


def read_all(site: Site, reader: Reader, host: Host) -> Generator[Any, Any, bool]:
    """All pages of one member. True if it answered to the end and was not incomplete."""
    max_bytes = SIZE * site.rng.randrange(1, 20)
    query = reader.query(site.rng, max_bytes)
    while True:
        result = yield Ask(host, partial(_retrieve, query))
        if not isinstance(result, effects.Retrieved):
            return False
        reader.take(site, result.envelopes)
        reader.cursor = result.cursor
        if not result.more:
            return not result.incomplete
        query = events.Query(query.mailbox_id, b"", Cursor.parse(result.cursor), max_bytes, query.have_salt, query.have)


def follow(site: Site, reader: Reader) -> Client:
    """Subscribe at one member for a while. A client that dies before it has written down a Notify sees it again."""
    host = site.member(reader.mailbox)
    query = reader.query(site.rng, SIZE * site.rng.randrange(1, 20))
    stream = site.clients.open(host, lambda request: events.SubscribeAsked(request, query))
    until = site.now_ms + site.rng.randrange(30_000)
    while site.now_ms < until and not site.quiet:
        note = yield Next(stream, until - site.now_ms)
        if note is None or site.rng.random() < 0.1:
            break
        site.history.notes += 1
        reader.take(site, note.envelopes)
        reader.cursor = note.cursor
        site.clients.tell(host, events.Taken(stream.request))
        yield Sleep(site.rng.randrange(300))
    site.clients.tell(host, events.Cancelled(stream.request))


def confirm(site: Site, reader: Reader) -> Client:
    """Remove some of what was seen; try again elsewhere until it is acknowledged, or give up."""
    mailbox, rng, history = reader.mailbox, site.rng, site.history
    ids = sorted(each for each in reader.seen if each not in history.removed)
    if not ids:
        return
    ids = sorted(rng.sample(ids, min(len(ids), rng.randrange(1, 5))))
    confirms = mailbox.policy.kind is not Kind.OUTBOX and rng.random() < 0.7
    method, slot = (Method.CONFIRM, b"\x00") if confirms else (Method.DELETE, b"")
    act = Act(mailbox.policy, method, slot, removal_hash(slot, ids))
    tombstone = Tombstone(
        mailbox.policy, method, slot, tuple(ids), act.authorize(mailbox.owner, site.now_ms, rng.randbytes(16))
    )
    history.removing.update(ids)
    for _ in range(site.attempts):
        result = yield Ask(site.member(mailbox), lambda request: events.RemoveAsked(request, tombstone))
        if isinstance(result, effects.Removed):
            history.removed.update(ids)
            return
        yield Sleep(rng.randrange(2_000))


def claim_prekeys(site: Site, mailbox: Mailbox) -> Client:
    """Publish batches to one member, once each; claim there as strangers do, each until it has an answer."""
    rng, policy = site.rng, mailbox.policy
    host, version = site.member(mailbox), 0
    while not site.quiet:
        yield Sleep(rng.randrange(6_000))
        if rng.random() < 0.2 or not version:
            version += 1
            batch = tuple(rng.randbytes(32) for _ in range(5))
            yield Ask(host, partial(_publish, policy, host.node_id, batch, version))
            continue
        claim_id = rng.randbytes(16)
        for _ in range(site.attempts):
            result = yield Ask(host, partial(_claim, policy, claim_id))
            if isinstance(result, effects.Claimed):
                if result.prekey and site.history.claims.setdefault(result.prekey, claim_id) != claim_id:
                    raise BrokenPromiseError("a one-time prekey was given twice")
                break


def _publish(policy: Policy, node_id: bytes, prekeys: tuple[bytes, ...], version: int, request: int) -> events.Event:
    return events.PublishAsked(request, policy, b"\x00", node_id, prekeys, version)


def _claim(policy: Policy, claim_id: bytes, request: int) -> events.Event:
    return events.ClaimAsked(request, policy, b"\x00", claim_id)
