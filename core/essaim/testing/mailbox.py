"""The owner of mailboxes, for tests: keys, policies, and requests signed as docs/protocol/mailbox.md says."""

import os
from collections.abc import Iterable
from dataclasses import dataclass, field

from essaim.protocol.keys import SigningKey
from essaim.protocol.mailbox.authorization import Act, Authorization, Method
from essaim.protocol.mailbox.payload import prekeys_hash, read_hash, removal_hash
from essaim.protocol.mailbox.policy import Policy
from essaim.protocol.mailbox.slot_record import SlotRecord
from essaim.storage.v1 import mailbox_pb2

SLOT = b"\0"
HOUR_MS = 3_600_000


def _key() -> SigningKey:
    return SigningKey(os.urandom(32))


@dataclass
class MailboxOwner:
    """One account with one device, in slot 0. `serial` is that of the view it asks with."""

    owner: SigningKey = field(default_factory=_key)
    writer: SigningKey = field(default_factory=_key)
    device: SigningKey = field(default_factory=_key)
    serial: int = 7

    @property
    def inbox(self) -> Policy:
        """Public."""
        return Policy.public_inbox(self.owner.public)

    @property
    def private(self) -> Policy:
        """A private inbox."""
        return Policy.private_inbox(self.owner.public, self.writer.public)

    @property
    def outbox(self) -> Policy:
        """Owned by the write key."""
        return Policy.outbox(self.writer.public)

    def mailbox(self, policy: Policy, *, known: bool = False) -> mailbox_pb2.Mailbox:
        """With the policy, or without (`known`)."""
        return mailbox_pb2.Mailbox(
            id=policy.mailbox_id, policy=b"" if known else policy.encoded, view_serial=self.serial
        )

    def letter(self, now_ms: int, size: int = 4096, slot: bytes = SLOT) -> mailbox_pb2.NewEnvelope:
        """Random bytes for a public inbox."""
        return mailbox_pb2.NewEnvelope(slot=slot, expires_ms=now_ms + HOUR_MS, data=os.urandom(size))

    def store(self, *letters: mailbox_pb2.NewEnvelope) -> mailbox_pb2.StoreRequest:
        """Into the public inbox."""
        return mailbox_pb2.StoreRequest(mailbox=self.mailbox(self.inbox), envelopes=letters)

    def by_device(self, policy: Policy, method: Method, slot: bytes, payload_hash: bytes, now_ms: int) -> Authorization:
        """Signed by the slot key, with its record."""
        owner = self.writer if policy.read_key is None else self.owner
        record = SlotRecord.sign(owner, policy.mailbox_id, SLOT[0], self.device.public, 1).encoded
        return Act(policy, method, slot, payload_hash).authorize(self.device, now_ms, os.urandom(16), record)

    def retrieve(self, now_ms: int, cursor: bytes = b"", max_bytes: int = 0) -> mailbox_pb2.RetrieveRequest:
        """The device's slot of the public inbox."""
        return mailbox_pb2.RetrieveRequest(
            mailbox=self.mailbox(self.inbox),
            slot=SLOT,
            cursor=cursor,
            max_bytes=max_bytes,
            authorization=to_proto(self.by_device(self.inbox, Method.RETRIEVE, SLOT, read_hash(SLOT), now_ms)),
        )

    def subscribe(self, now_ms: int, cursor: bytes = b"") -> mailbox_pb2.SubscribeRequest:
        """To the device's slot of the public inbox."""
        return mailbox_pb2.SubscribeRequest(
            mailbox=self.mailbox(self.inbox),
            slot=SLOT,
            cursor=cursor,
            authorization=to_proto(self.by_device(self.inbox, Method.SUBSCRIBE, SLOT, read_hash(SLOT), now_ms)),
        )

    def confirm(self, ids: Iterable[bytes], now_ms: int) -> mailbox_pb2.ConfirmRequest:
        """Envelopes of the device's slot of the public inbox."""
        ids = list(ids)
        signed = self.by_device(self.inbox, Method.CONFIRM, SLOT, removal_hash(SLOT, ids), now_ms)
        return mailbox_pb2.ConfirmRequest(
            mailbox=self.mailbox(self.inbox), slot=SLOT, envelope_ids=ids, authorization=to_proto(signed)
        )

    def publish(
        self, node_id: bytes, prekeys: list[bytes], version: int, now_ms: int
    ) -> mailbox_pb2.PublishPrekeysRequest:
        """One-time prekeys of the device for one node."""
        hashed = prekeys_hash(SLOT, node_id, version, prekeys)
        signed = self.by_device(self.outbox, Method.PUBLISH_PREKEYS, SLOT, hashed, now_ms)
        return mailbox_pb2.PublishPrekeysRequest(
            mailbox=self.mailbox(self.outbox),
            slot=SLOT,
            node_id=node_id,
            prekeys=prekeys,
            version=version,
            authorization=to_proto(signed),
        )


def to_proto(authorization: Authorization) -> mailbox_pb2.Authorization:
    """For a request."""
    return mailbox_pb2.Authorization(
        time_ms=authorization.time_ms,
        nonce=authorization.nonce,
        signature=authorization.signature,
        slot_record=authorization.slot_record,
    )
