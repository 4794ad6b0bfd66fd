"""One machine on a stage: events in by hand, effects out, and a disk that commits when it is told to."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from random import Random
from typing import TypeVar

from essaim.protocol.keys import SigningKey
from essaim.protocol.mailbox.authorization import Act, Method
from essaim.protocol.mailbox.cursor import Cursor
from essaim.protocol.mailbox.envelope import envelope_id
from essaim.protocol.mailbox.payload import removal_hash
from essaim.protocol.mailbox.policy import Policy
from essaim.protocol.mailbox.record import EnvelopeRecord, Tombstone
from essaim.protocol.view.swarm import position_of
from essaim_storage import effects, events
from essaim_storage.arc import WHOLE, Arcs
from essaim_storage.effects import Effect
from essaim_storage.message import Ack, Digest, Hello, Message, Question, Write
from essaim_storage.node import StorageNode
from essaim_storage.placement import Range
from essaim_storage.tuning import Tuning
from simulated.disk import MemoryStore

NOW_MS = 1_800_000_000_000
DAY_MS = 86_400_000
OWN, B, C = (bytes((letter,)) * 32 for letter in b"abc")
OWNER = SigningKey(bytes(32))
INBOX = Policy.public_inbox(OWNER.public)
OUTBOX = Policy.outbox(OWNER.public)
ELSEWHERE = WHOLE - Arcs(((position_of(INBOX.mailbox_id),) * 2,))
"""All positions but the public inbox's."""

Kind = TypeVar("Kind")


def envelope(name: str, expires_ms: int = NOW_MS + DAY_MS, size: int = 4_096, slot: bytes = b"\x00") -> EnvelopeRecord:
    """Of the public inbox."""
    data = name.encode().ljust(size, b"\x00")
    of_id = envelope_id(INBOX.mailbox_id, slot, expires_ms, data)
    return EnvelopeRecord(INBOX, of_id, slot, expires_ms, data)


def entry(name: str, version: int) -> EnvelopeRecord:
    """Of the outbox, signed."""
    data, slot, expires_ms = name.encode().ljust(4_096, b"\x00"), b"manifest", NOW_MS + DAY_MS
    of_id = envelope_id(OUTBOX.mailbox_id, slot, expires_ms, data, version)
    authorization = Act(OUTBOX, Method.STORE, slot, of_id, expires_ms).authorize(OWNER, NOW_MS, bytes(16))
    return EnvelopeRecord(OUTBOX, of_id, slot, expires_ms, data, version, authorization)


def tombstone(*records: EnvelopeRecord, nonce: bytes = bytes(16), signer: SigningKey = OWNER) -> Tombstone:
    """A Confirm of these by the inbox's owner."""
    ids = tuple(each.envelope_id for each in records)
    act = Act(INBOX, Method.CONFIRM, b"\x00", removal_hash(b"\x00", ids))
    return Tombstone(INBOX, Method.CONFIRM, b"\x00", ids, act.authorize(signer, NOW_MS, nonce))


def query(cursor: bytes = b"", max_bytes: int = 16_384, **more: object) -> events.Query:
    """Of the public inbox, every slot."""
    return events.Query(INBOX.mailbox_id, b"", Cursor.parse(cursor), max_bytes, **more)  # type: ignore[arg-type]


def of(kind: type[Kind], found: Iterable[object]) -> list[Kind]:
    """Those of one kind."""
    return [each for each in found if isinstance(each, kind)]


def sent(kind: type[Kind], found: Iterable[Effect], to: bytes | None = None) -> list[Kind]:
    """Messages of one kind, to one member or to all."""
    return of(kind, (each.message for each in of(effects.Send, found) if to in (None, each.to)))


class Stage:
    """A member of a swarm of three with links to the others, complete, without a pause between commits, unless said
    otherwise.
    """

    def __init__(
        self,
        *others: bytes,
        complete: bool = True,
        tuning: Tuning | None = None,
        own_id: bytes = OWN,
        commit_ms: int = 0,
        sign: Callable[[bytes], bytes] | None = None,
    ) -> None:
        self.own_id = own_id
        self.sign = sign
        self.tuning = replace(tuning or Tuning(), commit_ms=commit_ms)
        self.random = Random(own_id)
        self.store = MemoryStore(self.random.randbytes)
        self.others = others or (B, C)
        self.now_ms = NOW_MS
        self.requests = 1_000
        self.start()
        if complete:
            self.complete()

    def start(self) -> None:
        """Also again, as after a crash: what was not committed is gone."""
        self.commits: list[effects.Commit] = []
        self.node = StorageNode(self.own_id, self.store, self.random.randbytes, self.tuning, sign=self.sign)
        self.do(events.Started())
        self.turn(1, (self.own_id, *self.others))

    def complete(self) -> None:
        """Link to every other, none of which has anything."""
        for member in self.others:
            for question in sent(Question, self.do(events.LinkUp(member)), member):
                self.hear(member, Hello(bytes(16), incomplete=False, fresh=False))
                self.hear(member, Digest(question.number, ()))
        self.commit()
        assert not self.node.incomplete

    def do(self, event: events.Event) -> list[Effect]:
        """One event. A commit waits for `commit` or `refuse`."""
        found = self.node.handle(event, self.now_ms)
        self.commits += of(effects.Commit, found)
        assert len(self.commits) <= 1, "a second commit while one is under way"
        return found

    def hear(self, member: bytes, message: Message, serial: int | None = None) -> list[Effect]:
        """`serial`: of the member's view, this node's if it is not said."""
        return self.do(events.PeerMessage(member, message, self.node.view_serial if serial is None else serial))

    def turn(self, serial: int, members: Iterable[bytes] = (), arcs: Arcs = WHOLE) -> list[Effect]:
        """A view in which these keep the mailboxes of these positions, and nothing moves."""
        members = frozenset(members)
        return self.do(events.ViewChanged(serial, (Range.still(members, arcs),) if members else ()))

    def commit(self) -> list[Effect]:
        """The batch under way is durable; [] if there is none."""
        if not self.commits:
            return []
        batch = self.commits.pop()
        self.store.apply(batch.changes)
        return self.do(events.Committed(batch.batch))

    def refuse(self) -> list[Effect]:
        """The disk is full."""
        return self.do(events.CommitRefused(self.commits.pop().batch))

    def ask(self, *records: EnvelopeRecord, request: int = 1) -> list[Effect]:
        return self.do(events.StoreAsked(request, records))

    def acknowledge(self, member: bytes, found: Iterable[Effect]) -> list[Effect]:
        """The member has every Write among these on its disk."""
        heard: list[Effect] = []
        for write in sent(Write, found, member):
            heard += self.hear(member, Ack(write.batch))
        return heard

    def keep(self, *records: EnvelopeRecord) -> None:
        """Store them, to the end."""
        for record in records:
            self.requests += 1
            found = self.ask(record, request=self.requests)
            self.commit()
            for member in self.others:
                self.acknowledge(member, found)
