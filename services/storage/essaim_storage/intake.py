"""A client's protobuf messages as values of the mailbox, checked by themselves before they reach the machine."""

from dataclasses import dataclass

from essaim.protocol.mailbox import envelope, puzzle, rule
from essaim.protocol.mailbox.authorization import Act, Authorization, Method, NonceMemory
from essaim.protocol.mailbox.cursor import Cursor
from essaim.protocol.mailbox.payload import prekeys_hash
from essaim.protocol.mailbox.policy import Kind, Policy
from essaim.protocol.mailbox.record import EnvelopeRecord, check_read, verify_envelope
from essaim.protocol.mailbox.refusal import (
    IdsRefusedError,
    MethodRefusedError,
    NotAuthorizedError,
    PrekeysRefusedError,
    SlotRefusedError,
    UnknownPolicyError,
)
from essaim.protocol.mailbox.rule import CLAIM_ID_SIZE, MAX_ENVELOPES, MAX_PREKEY_SIZE, MAX_PREKEYS, MAX_VERSION
from essaim.storage.v1 import mailbox_pb2
from essaim_storage.events import ClaimAsked, ExpiriesAsked, PublishAsked, Query
from essaim_storage.price import Price
from essaim_storage.slot_versions import SlotVersions
from essaim_storage.sqlite_store import SqliteStore

CURSOR_ROOM = 300
"""Bytes that a cursor and the response's own fields take at most."""
NAMED_ROOM = 104
"""Bytes that an envelope takes at most beside its data."""

Reading = mailbox_pb2.RetrieveRequest | mailbox_pb2.SubscribeRequest | mailbox_pb2.GetExpiriesRequest


@dataclass(frozen=True)
class Intake:
    """Every method raises MailboxRefusedError for what a mailbox's rules refuse."""

    own_id: bytes
    store: SqliteStore
    nonces: NonceMemory
    price: Price
    slots: SlotVersions
    blob_bytes: int
    """The budget of all blobs; 0: none."""
    page_entries: int
    """Most envelopes in one answer: what they take beside their data is kept free in a reply."""

    def policy(self, mailbox: mailbox_pb2.Mailbox) -> Policy:
        """Of the request, or the one kept here."""
        if mailbox.policy:
            return Policy.check(mailbox.policy, mailbox.id)
        known = self.store.policy(mailbox.id)
        if known is None:
            raise UnknownPolicyError("this node does not have the policy: repeat with it")
        return known

    def check_store(self, policy: Policy, request: mailbox_pb2.StoreRequest, now_ms: int) -> None:
        """How many, and the puzzle; each envelope is checked by itself."""
        if not 1 <= len(request.envelopes) <= MAX_ENVELOPES:
            raise IdsRefusedError("1 to 16 envelopes in one Store")
        bits = self._store_bits(policy, request, now_ms)
        if bits:
            subject = puzzle.store_subject(envelope_id(policy, each) for each in request.envelopes)
            puzzle.check(policy.mailbox_id, subject, request.puzzle.solution, bits, now_ms)
        if rule.rule_of(policy.kind).open_write:
            self.price.load.count(now_ms, len(request.envelopes))

    def _store_bits(self, policy: Policy, request: mailbox_pb2.StoreRequest, now_ms: int) -> int:
        if policy.kind != Kind.BLOB:
            held, new = self.store.mailbox_bytes(policy.mailbox_id), sum(len(each.data) for each in request.envelopes)
            return self.price.store_bits(policy.kind, held, new, now_ms)
        if len(request.envelopes) != 1:
            raise IdsRefusedError("a blob is one envelope")
        blob = request.envelopes[0]
        fill = self.store.blob_bytes() / self.blob_bytes if self.blob_bytes else 0.0
        return self.price.blob_store_bits(len(blob.data), blob.expires_ms - now_ms, fill, now_ms)

    def envelope(self, policy: Policy, new: mailbox_pb2.NewEnvelope, now_ms: int) -> EnvelopeRecord:
        """An envelope that may be kept."""
        authorization = authorization_of(new.authorization) if new.HasField("authorization") else None
        columns = (new.slot, new.expires_ms, new.data, new.version, authorization)
        received_ms = now_ms if authorization is None else 0
        record = EnvelopeRecord(policy, envelope_id(policy, new), *columns, received_ms)
        rule.check_new_expiry(policy.kind, new.expires_ms, now_ms)
        verify_envelope(record, now_ms)
        if authorization is not None:
            self.check_fresh(record.act, authorization, now_ms)
        return record

    def check_fresh(self, act: Act, authorization: Authorization, now_ms: int) -> None:
        """Of an act whose signature was checked: its time, its nonce, and that its slot record still counts."""
        self.nonces.check_fresh(act, authorization, now_ms)
        if authorization.slot_record:
            self.slots.check(act.policy, authorization.slot_record)

    def expiries(self, asked: int, request: mailbox_pb2.GetExpiriesRequest, now_ms: int) -> ExpiriesAsked:
        """Who may read may know how long it stays."""
        policy, ids = self.policy(request.mailbox), tuple(request.envelope_ids)
        envelope.check_ids(ids)
        self._check_read(policy, Method.GET_EXPIRIES, request, now_ms)
        return ExpiriesAsked(asked, policy.mailbox_id, request.slot, ids)

    def _check_read(self, policy: Policy, method: Method, request: Reading, now_ms: int) -> bytes:
        """The slot record under which it was signed, b"" for none."""
        authorization = authorization_of(request.authorization) if request.HasField("authorization") else None
        act = check_read(policy, method, request.slot, authorization)
        if act is None or authorization is None:
            return b""
        self.check_fresh(act, authorization, now_ms)
        return authorization.slot_record

    def query(
        self,
        method: Method,
        request: mailbox_pb2.RetrieveRequest | mailbox_pb2.SubscribeRequest,
        capacity: int,
        now_ms: int,
    ) -> Query:
        """What a Retrieve or Subscribe may read, in answers of at most `capacity` bytes."""
        policy = self.policy(request.mailbox)
        slot_record = self._check_read(policy, method, request, now_ms)
        have = tuple(request.have)
        envelope.check_have(request.have_salt, have)
        room = capacity - CURSOR_ROOM - self.page_entries * NAMED_ROOM
        asked = min(request.max_bytes or room, room)
        cursor = Cursor.parse(request.cursor)
        return Query(policy.mailbox_id, request.slot, cursor, asked, request.have_salt, frozenset(have), slot_record)

    def publish(self, asked: int, request: mailbox_pb2.PublishPrekeysRequest, now_ms: int) -> PublishAsked:
        """A signed batch of prekeys for this node."""
        policy, prekeys = self._prekey_place(request.mailbox, request.slot), tuple(request.prekeys)
        if request.node_id != self.own_id or len(prekeys) > MAX_PREKEYS or not 1 <= request.version <= MAX_VERSION:
            raise PrekeysRefusedError("at most 20 prekeys with a version from 1, for this node")
        if any(not 1 <= len(each) <= MAX_PREKEY_SIZE for each in prekeys):
            raise PrekeysRefusedError("a prekey has 1 to 2048 bytes")
        authorization = authorization_of(request.authorization)
        hashed = prekeys_hash(request.slot, request.node_id, request.version, prekeys)
        act = Act(policy, Method.PUBLISH_PREKEYS, request.slot, hashed)
        act.check(authorization)
        self.check_fresh(act, authorization, now_ms)
        return PublishAsked(asked, policy, request.slot, request.node_id, prekeys, request.version)

    def claim(self, asked: int, request: mailbox_pb2.ClaimPrekeyRequest, now_ms: int) -> ClaimAsked:
        """A claim of one prekey, with its puzzle when one is asked for."""
        policy = self._prekey_place(request.mailbox, request.slot)
        if len(request.claim_id) != CLAIM_ID_SIZE:
            raise PrekeysRefusedError("a claim has an id of 16 bytes")
        subject = puzzle.claim_subject(self.own_id, request.claim_id)
        puzzle.check(policy.mailbox_id, subject, request.puzzle.solution, self.price.claim_prekey_bits(now_ms), now_ms)
        self.price.load.count(now_ms)
        return ClaimAsked(asked, policy, request.slot, request.claim_id)

    def _prekey_place(self, mailbox: mailbox_pb2.Mailbox, slot: bytes) -> Policy:
        policy = self.policy(mailbox)
        if policy.kind != Kind.OUTBOX:
            raise MethodRefusedError("prekeys belong to an outbox")
        if len(slot) != 1 or slot[0] >= rule.MAX_SLOTS:
            raise SlotRefusedError("prekeys belong to a device slot")
        return policy


def authorization_of(proto: mailbox_pb2.Authorization) -> Authorization:
    """Raises NotAuthorizedError for what cannot be one."""
    if not proto.signature:
        raise NotAuthorizedError("a signature is needed")
    return Authorization(proto.time_ms, proto.nonce, proto.signature, proto.slot_record)


def envelope_id(policy: Policy, new: mailbox_pb2.NewEnvelope) -> bytes:
    """Of what the client sent, once it may have one."""
    rule.check_slot(policy.kind, new.slot)
    return envelope.envelope_id(policy.mailbox_id, new.slot, new.expires_ms, new.data, new.version)
