"""What an owner says of what is stored: delete all or before a time, expire, drop a slot, wake me; each proven by a
quorum."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, cast

from google.protobuf.message import Message

from essaim.protocol.mailbox.authorization import Act, Authorization, Method
from essaim.protocol.mailbox.payload import read_hash, registration_hash, removal_hash, slot_hash, sweep_hash
from essaim.protocol.mailbox.policy import Policy
from essaim.protocol.mailbox.record import ExpiryRecord, Notice, RegistrationRecord, SlotMark, Tombstone, record_id
from essaim.protocol.status import Refusal
from essaim.storage.v1 import mailbox_pb2
from essaim_client.mailbox.access import NONCE_SIZE, Access, Authority, to_message
from essaim_client.mailbox.receipts import Proof, proven, receipts_of
from essaim_client.mailbox.swarm_call import Swarms
from essaim_client.network.failure import DestinationRefusedError

UNAVAILABLE = 14
"""google.rpc.Code: for an answer that proves nothing."""


class Notices:
    """Each call returns once it has W members' receipts; SwarmRefusedError, SwarmUnreachableError as in `Writer`."""

    def __init__(self, swarms: Swarms) -> None:
        self._swarms = swarms

    async def delete_all(self, policy: Policy, owner: Authority) -> Proof:
        """Whatever was stored until now, and what of it arrives later."""

        def make() -> tuple[Notice, Message]:
            authorization = self._authorize(Act(policy, Method.DELETE_ALL, b"", read_hash(b"")), owner)
            notice = Tombstone(policy, Method.DELETE_ALL, b"", (), authorization)
            return notice, mailbox_pb2.DeleteAllRequest(**self._fields(policy, authorization))

        return await self._proven("DeleteAll", policy, make)

    async def delete_before(self, policy: Policy, owner: Authority, before_ms: int) -> Proof:
        """Whatever was stored up to a time that is not in the future."""

        def make() -> tuple[Notice, Message]:
            act = Act(policy, Method.DELETE_BEFORE, b"", sweep_hash(before_ms))
            authorization = self._authorize(act, owner)
            notice = Tombstone(policy, Method.DELETE_BEFORE, b"", (), authorization, before_ms)
            return notice, mailbox_pb2.DeleteBeforeRequest(before_ms=before_ms, **self._fields(policy, authorization))

        return await self._proven("DeleteBefore", policy, make)

    async def delete(self, policy: Policy, owner: Authority, ids: Sequence[bytes]) -> Proof:
        """These envelopes, whatever slot they are for; at most 256."""

        def make() -> tuple[Notice, Message]:
            authorization = self._authorize(Act(policy, Method.DELETE, b"", removal_hash(b"", ids)), owner)
            notice = Tombstone(policy, Method.DELETE, b"", tuple(ids), authorization)
            return notice, mailbox_pb2.DeleteRequest(envelope_ids=ids, **self._fields(policy, authorization))

        return await self._proven("Delete", policy, make)

    async def expire(self, access: Access, ids: Sequence[bytes], until_ms: int) -> Proof:
        """These envelopes of the access's slot (b"": of any, by the owner) go at that time; at most 256."""
        if access.signer is None:
            raise ValueError("changing an expiry takes a signer")
        policy, slot, by = access.policy, access.slot, Authority(access.signer, access.slot_record)

        def make() -> tuple[Notice, Message]:
            act = Act(policy, Method.EXPIRE, slot, removal_hash(slot, ids), until_ms)
            authorization = self._authorize(act, by)
            notice = ExpiryRecord(policy, slot, tuple(ids), until_ms, authorization)
            fields = self._fields(policy, authorization)
            return notice, mailbox_pb2.ExpireRequest(slot=slot, envelope_ids=ids, expires_ms=until_ms, **fields)

        return await self._proven("Expire", policy, make)

    async def drop_slot(self, policy: Policy, owner: Authority, slot_record: bytes) -> Proof:
        """Have every member keep this slot record; one without a key ends the slot."""

        def make() -> tuple[Notice, Message]:
            authorization = self._authorize(Act(policy, Method.DROP_SLOT, b"", slot_hash(slot_record)), owner)
            notice = SlotMark(policy, slot_record, authorization)
            return notice, mailbox_pb2.DropSlotRequest(slot_record=slot_record, **self._fields(policy, authorization))

        return await self._proven("DropSlot", policy, make)

    async def register_push(self, access: Access, day: int, registration: bytes) -> Proof:
        """Whom to wake for envelopes of the access's slot on a mailbox day (`essaim.protocol.push.registration`);
        b"": nobody any more."""
        if access.signer is None:
            raise ValueError("registering takes a signer")
        policy, slot, by = access.policy, access.slot, Authority(access.signer, access.slot_record)

        def make() -> tuple[Notice, Message]:
            act = Act(policy, Method.REGISTER_PUSH, slot, registration_hash(slot, day, registration))
            authorization = self._authorize(act, by)
            notice = RegistrationRecord(policy, slot, day, registration, authorization)
            fields = self._fields(policy, authorization)
            return notice, mailbox_pb2.RegisterPushRequest(slot=slot, day=day, registration=registration, **fields)

        return await self._proven("RegisterPush", policy, make)

    async def expiries(self, access: Access, ids: Sequence[bytes]) -> dict[bytes, int]:
        """When those of the envelopes that are there go, by one member's word."""
        answer = await self._swarms.ask_any(access.policy.mailbox_id, "GetExpiries", lambda: self._asking(access, ids))
        found = cast("mailbox_pb2.GetExpiriesResponse", answer).expiries
        return {each.envelope_id: each.expires_ms for each in found if each.envelope_id in ids}

    def _asking(self, access: Access, ids: Sequence[bytes]) -> mailbox_pb2.GetExpiriesRequest:
        return mailbox_pb2.GetExpiriesRequest(
            mailbox=access.mailbox(self._swarms.views.current.serial),
            slot=access.slot,
            envelope_ids=ids,
            authorization=access.reading(Method.GET_EXPIRIES, self._swarms.clock.now_ms(), self._swarms.random),
        )

    async def _proven(self, name: str, policy: Policy, make: Callable[[], tuple[Notice, Message]]) -> Proof:
        noting = _Noting(self._swarms, make)
        await self._swarms.ask_any(policy.mailbox_id, name, noting.request, noting)
        assert noting.proof is not None
        return noting.proof

    def _authorize(self, act: Act, by: Authority) -> Authorization:
        now_ms, nonce = self._swarms.clock.now_ms(), self._swarms.random(NONCE_SIZE)
        return act.authorize(by.signer, now_ms, nonce, by.slot_record)

    def _fields(self, policy: Policy, authorization: Authorization) -> dict[str, Any]:
        serial = self._swarms.views.current.serial
        mailbox = mailbox_pb2.Mailbox(id=policy.mailbox_id, policy=policy.encoded, view_serial=serial)
        return {"mailbox": mailbox, "authorization": to_message(authorization), "receipts": True}


@dataclass
class _Noting:
    """The request as it was made last, and its proof once there is one."""

    swarms: Swarms
    make: Callable[[], tuple[Notice, Message]]
    notice: Notice | None = None
    proof: Proof | None = None

    def request(self) -> Message:
        self.notice, request = self.make()
        return request

    def refusal_in(self, answer: Message) -> DestinationRefusedError | None:
        assert self.notice is not None
        receipts = receipts_of(cast("mailbox_pb2.DeleteAllResponse", answer).receipts)
        if not proven(self.swarms, self.notice.mailbox_id, record_id(self.notice), receipts):
            return DestinationRefusedError(Refusal(UNAVAILABLE))
        self.proof = Proof(self.notice, receipts)
        return None

    async def solve(self, error: DestinationRefusedError) -> None:
        raise error
