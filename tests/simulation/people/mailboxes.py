"""All mailboxes of a network as one node in memory, which checks what a storage node checks; and what goes wrong.

`Faults` apply to inboxes: envelopes that are acknowledged and lost, come again after they were confirmed, are altered.
"""

import asyncio
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from types import SimpleNamespace

from essaim.protocol.errors import ProtocolError
from essaim.protocol.geometry import CellClass
from essaim.protocol.keys import SigningKey
from essaim.protocol.mailbox import rule
from essaim.protocol.mailbox.authorization import Act, Authorization, Method
from essaim.protocol.mailbox.envelope import envelope_id
from essaim.protocol.mailbox.payload import prekeys_hash, read_hash, removal_hash, slot_hash
from essaim.protocol.mailbox.policy import Kind, Policy
from essaim.protocol.mailbox.receipt import Outcome, sign_batch
from essaim.protocol.mailbox.record import EnvelopeRecord, SlotMark, Tombstone, check_read, record_id, verify_envelope
from essaim.protocol.mailbox.refusal import UnknownPolicyError
from essaim.protocol.mailbox.slot_record import SlotRecord, certified
from essaim.protocol.onion import Refusal as OnionRefusal
from essaim.protocol.status import Refusal
from essaim.protocol.view import NodeState
from essaim.storage.v1 import mailbox_pb2
from essaim_client.mailbox.access import Access
from essaim_client.mailbox.swarm_call import Swarms
from essaim_client.network.failure import DestinationLostError, DestinationRefusedError

NODE_KEY = SigningKey(bytes([7]) * 32)
NODE_ID = NODE_KEY.public.raw
INBOXES = (Kind.PUBLIC_INBOX, Kind.PRIVATE_INBOX)
MAIL = (*INBOXES, Kind.GROUP)
"""Where things get lost and mixed up."""


@dataclass
class Faults:
    """Chances in a hundred, for envelopes in inboxes."""

    lost: int = 0
    repeated: int = 0
    altered: int = 0


@dataclass
class Place:
    """One mailbox."""

    envelopes: dict[bytes, EnvelopeRecord] = field(default_factory=dict)
    gone: set[bytes] = field(default_factory=set)
    dropped: dict[int, int] = field(default_factory=dict)
    kept: list[EnvelopeRecord] = field(default_factory=list)
    """All that was ever stored here."""
    slot_records: set[SlotRecord] = field(default_factory=set)
    """Those that were shown."""
    prekeys: dict[bytes, tuple[int, list[bytes]]] = field(default_factory=dict)


class Mailboxes:
    """`random` is a seeded random.Random; `now_ms` the time that everybody has."""

    def __init__(self, random, now_ms: int) -> None:
        self.random = random
        self.now_ms = now_ms
        self.faults = Faults()
        self.away = False
        self.closed: set[str] = set()
        """Methods that nobody does just now."""
        self.places: dict[bytes, Place] = defaultdict(Place)
        self.policies: dict[bytes, Policy] = {}
        self.stored = 0
        self.asked: Counter[str] = Counter()
        """How often each method was called."""
        self.lanes = Lanes()
        self.streams: dict[bytes, int] = defaultdict(int)
        """How many streams are open, by mailbox."""
        self.streamless = False
        self._news = asyncio.Event()

    def swarms(self) -> "PaperSwarms":
        clock = SimpleNamespace(now_ms=lambda: self.now_ms)
        return PaperSwarms(self, Views(), clock, self.random.randbytes)  # type: ignore[arg-type]

    def chance(self, percent: int) -> bool:
        return self.random.randrange(100) < percent

    # What a node does

    async def stream(self, node_id, method, request, *, lane, reply_class=CellClass.SMALL):
        """A subscription: what is there, then what arrives; it dies when the node does (`cut`)."""
        if self.streamless:
            raise DestinationLostError(OnionRefusal.UNREACHABLE)
        assert lane not in self.lanes.open, "two streams on one path"
        self.lanes.open.add(lane)
        self.streams[request.mailbox.id] += 1
        given: set[bytes] = set()
        try:
            while True:
                news = self._news
                found = self.answer("Subscribe", request)
                fresh = [each for each in found.envelopes if each.envelope_id not in given]
                given |= {each.envelope_id for each in fresh}
                yield mailbox_pb2.SubscribeResponse(envelopes=fresh, cursor=b"")
                await news.wait()
        finally:
            self.lanes.open.discard(lane)
            self.streams[request.mailbox.id] -= 1

    def cut(self) -> None:
        """Whoever follows looks again; while `away`, their streams end."""
        self._news.set()
        self._news = asyncio.Event()

    def answer(self, name: str, request):
        self.asked[name] += 1
        if self.away or name in self.closed:
            raise DestinationLostError(OnionRefusal.UNREACHABLE)
        try:
            return getattr(self, f"_{name.lower()}")(self._policy(request.mailbox), request)
        except ProtocolError as error:
            raise DestinationRefusedError(Refusal(3, error.reason)) from error

    def _policy(self, mailbox) -> Policy:
        """As it is told; of a blob that is here its id is enough."""
        if mailbox.policy:
            policy = Policy.parse(mailbox.policy)
            return self.policies.setdefault(policy.mailbox_id, policy)
        if mailbox.id not in self.policies:
            raise UnknownPolicyError("nothing of this id is here")
        return self.policies[mailbox.id]

    def _place(self, policy: Policy) -> Place:
        place = self.places[policy.mailbox_id]
        late = [each for each, record in place.envelopes.items() if record.expires_ms <= self.now_ms]
        for each in late:
            del place.envelopes[each]
        return place

    def _check(self, act: Act, given) -> None:
        authorization = Authorization(given.time_ms, given.nonce, given.signature, given.slot_record)
        act.check(authorization)
        if given.slot_record:
            record = certified(given.slot_record, act.policy)
            self.places[act.policy.mailbox_id].slot_records.add(record)
            dropped = self.places[act.policy.mailbox_id].dropped.get(record.slot, -1)
            if record.version <= dropped:
                raise DroppedError("the slot was dropped")

    def _store(self, policy, request):
        response = mailbox_pb2.StoreResponse()
        for new in request.envelopes:
            name = self._keep(policy, new)
            response.results.add(envelope_id=name, status={}, receipts=[self._receipt(name)])
        return response

    def _keep(self, policy: Policy, new) -> bytes:
        given = new.authorization
        authorization = _authorization(new)
        name = envelope_id(policy.mailbox_id, new.slot, new.expires_ms, new.data, new.version)
        record = EnvelopeRecord(policy, name, new.slot, new.expires_ms, new.data, new.version, authorization)
        rule.check_new_expiry(policy.kind, new.expires_ms, self.now_ms)
        verify_envelope(record, self.now_ms)
        if authorization is not None:
            self._check(record.act, given)
        place, self.stored = self._place(policy), self.stored + 1
        if policy.kind == Kind.OUTBOX:
            before = [each for each in place.envelopes.values() if each.slot == new.slot]
            if any(each.version > new.version for each in before):
                raise VersionLowError("a newer version is kept")
            for each in before:
                del place.envelopes[each.envelope_id]
        elif policy.kind in MAIL:
            if name in place.gone or self.chance(self.faults.lost):
                return name
            if self.chance(self.faults.altered):
                self._alter(place, record)
                return name
        place.envelopes[name] = record
        place.kept.append(record)
        self.cut()
        return name

    def _receipt(self, of_id: bytes):
        """The node's word that it has it: also where it lies."""
        batch = sign_batch(NODE_KEY.sign, NODE_ID, self.now_ms, [(of_id, Outcome.KEPT)])
        receipt = batch.receipts()[of_id]
        columns = {name: getattr(receipt, name) for name in ("node_id", "time_ms", "signature", "count", "index")}
        return mailbox_pb2.Receipt(outcome=int(receipt.outcome), path=receipt.path, **columns)

    def _alter(self, place: Place, record: EnvelopeRecord) -> None:
        """A member that changes bytes, or cuts some off and fills up, must change the name, too."""
        at = self.random.randrange(len(record.data))
        cut = self.chance(50)
        filled = record.data[:at] + bytes(len(record.data) - at)
        flipped = record.data[:at] + bytes([record.data[at] ^ 1]) + record.data[at + 1 :]
        data = filled if cut else flipped
        name = envelope_id(record.mailbox_id, record.slot, record.expires_ms, data, record.version)
        place.envelopes[name] = EnvelopeRecord(record.policy, name, record.slot, record.expires_ms, data)

    def check_reading(self, access: Access) -> None:
        """Raises what a Retrieve by it would be refused for."""
        signed = access.reading(Method.RETRIEVE, self.now_ms, self.random.randbytes)
        self._check(Act(access.policy, Method.RETRIEVE, access.slot, read_hash(access.slot)), signed)

    def _subscribe(self, policy, request):
        return self._retrieve(policy, request, Method.SUBSCRIBE)

    def _retrieve(self, policy, request, method=Method.RETRIEVE):
        act = check_read(policy, method, request.slot, _authorization(request))
        if act is not None:
            self._check(Act(policy, method, request.slot, read_hash(request.slot)), request.authorization)
        response = mailbox_pb2.RetrieveResponse(cursor=b"")
        found = [each for each in self._place(policy).envelopes.values() if request.slot in (b"", each.slot)]
        if policy.kind in MAIL:
            self.random.shuffle(found)
        for record in found:
            response.envelopes.add(
                envelope_id=record.envelope_id,
                slot=record.slot,
                expires_ms=record.expires_ms,
                data=record.data,
                size=len(record.data),
                version=record.version,
            )
        return response

    def _confirm(self, policy, request):
        ids = list(request.envelope_ids)
        act = Act(policy, Method.CONFIRM, request.slot, removal_hash(request.slot, ids))
        self._check(act, request.authorization)
        place = self._place(policy)
        for each in ids:
            if each in place.envelopes and not self.chance(self.faults.repeated):
                del place.envelopes[each]
                place.gone.add(each)
        notice = Tombstone(policy, Method.CONFIRM, request.slot, tuple(ids), _authorization(request))
        return mailbox_pb2.ConfirmResponse(receipts=[self._receipt(record_id(notice))])

    def _dropslot(self, policy, request):
        self._check(Act(policy, Method.DROP_SLOT, b"", slot_hash(request.slot_record)), request.authorization)
        record = certified(request.slot_record, policy)
        self._place(policy).dropped[record.slot] = record.version
        notice = SlotMark(policy, request.slot_record, _authorization(request))
        return mailbox_pb2.DropSlotResponse(receipts=[self._receipt(record_id(notice))])

    def _deleteall(self, policy, request):
        self._check(Act(policy, Method.DELETE_ALL, b"", read_hash(b"")), request.authorization)
        place = self._place(policy)
        place.gone |= place.envelopes.keys()
        place.envelopes.clear()
        notice = Tombstone(policy, Method.DELETE_ALL, b"", (), _authorization(request))
        return mailbox_pb2.DeleteAllResponse(receipts=[self._receipt(record_id(notice))])

    def _publishprekeys(self, policy, request):
        prekeys = list(request.prekeys)
        hashed = prekeys_hash(request.slot, request.node_id, request.version, prekeys)
        self._check(Act(policy, Method.PUBLISH_PREKEYS, request.slot, hashed), request.authorization)
        self._place(policy).prekeys[request.slot] = (request.version, prekeys)
        return mailbox_pb2.PublishPrekeysResponse(kept=len(prekeys))

    def _claimprekey(self, policy, request):
        _, prekeys = self._place(policy).prekeys.get(request.slot, (0, []))
        return mailbox_pb2.ClaimPrekeyResponse(prekey=prekeys.pop() if prekeys else b"")


class Lanes:
    """The paths in use."""

    def __init__(self) -> None:
        self.open: set[bytes] = set()

    def drop(self, lane: bytes) -> None:
        """The next stream of this lane takes a new path: the old one may last until it has answered."""
        self.open.discard(lane)


class DroppedError(ProtocolError):
    reason = "SLOT_RECORD_REFUSED"


class VersionLowError(ProtocolError):
    reason = "VERSION_REFUSED"


def _authorization(request) -> Authorization | None:
    given = request.authorization
    if not request.HasField("authorization"):
        return None
    return Authorization(given.time_ms, given.nonce, given.signature, given.slot_record)


class Views:
    """One swarm of one node."""

    node = SimpleNamespace(node_id=NODE_ID, state=NodeState.ACTIVE)

    @property
    def current(self):
        swarm = SimpleNamespace(members=(self.node,))
        return SimpleNamespace(serial=1, swarm_of=lambda _: swarm, nodes={NODE_ID: self.node})

    async def refresh(self, *, direct: bool = False) -> None:
        pass

    async def correct_clock(self) -> None:
        pass


class PaperSwarms(Swarms):
    """The client's seam to its network: `onion` is the mailboxes themselves."""

    async def ask(self, node, name, request, lane, reply_class=CellClass.SMALL):
        return self.onion.answer(name, request)

    async def pause(self, number: int) -> None:
        await asyncio.sleep(0)
