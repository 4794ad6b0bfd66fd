"""What an owner or a device says of what is stored: confirm, delete, delete all or before a time, expire, drop a slot,
wake me; each proven by a quorum."""

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
from essaim_client.mailbox.access import Access, Authority, to_message
from essaim_client.mailbox.receipts import Proof, proven, receipts_of
from essaim_client.mailbox.swarm_call import Swarms
from essaim_client.network.failure import DestinationRefusedError

UNAVAILABLE = 14
"""google.rpc.Code: for an answer that proves nothing."""
SAME_MS = 60_000
"""For so long another member is asked with the same signature; a clock that was corrected is further off."""
Make = Callable[[Authorization], tuple[Notice, Message]]
"""What was signed, and the request for it by the newest view."""


class Notices:
    """Each call returns once it has W members' receipts; SwarmRefusedError, SwarmUnreachableError as in `Writer`."""

    def __init__(self, swarms: Swarms) -> None:
        self._swarms = swarms

    async def delete_all(self, policy: Policy, owner: Authority) -> Proof:
        """Whatever was stored until now, and what of it arrives later."""

        def make(signed: Authorization) -> tuple[Notice, Message]:
            notice = Tombstone(policy, Method.DELETE_ALL, b"", (), signed)
            return notice, mailbox_pb2.DeleteAllRequest(**self._fields(policy, signed))

        return await self._proven("DeleteAll", Act(policy, Method.DELETE_ALL, b"", read_hash(b"")), owner, make)

    async def delete_before(self, policy: Policy, owner: Authority, before_ms: int) -> Proof:
        """Whatever was stored up to a time that is not in the future."""

        def make(signed: Authorization) -> tuple[Notice, Message]:
            notice = Tombstone(policy, Method.DELETE_BEFORE, b"", (), signed, before_ms)
            return notice, mailbox_pb2.DeleteBeforeRequest(before_ms=before_ms, **self._fields(policy, signed))

        act = Act(policy, Method.DELETE_BEFORE, b"", sweep_hash(before_ms))
        return await self._proven("DeleteBefore", act, owner, make)

    async def delete(self, policy: Policy, owner: Authority, ids: Sequence[bytes]) -> Proof:
        """These envelopes, whatever slot they are for; at most 256."""

        def make(signed: Authorization) -> tuple[Notice, Message]:
            notice = Tombstone(policy, Method.DELETE, b"", tuple(ids), signed)
            return notice, mailbox_pb2.DeleteRequest(envelope_ids=ids, **self._fields(policy, signed))

        return await self._proven("Delete", Act(policy, Method.DELETE, b"", removal_hash(b"", ids)), owner, make)

    async def confirm(self, access: Access, ids: Sequence[bytes]) -> Proof:
        """These envelopes of the access's slot leave every replica; at most 256."""
        policy, slot, by = access.policy, access.slot, access.authority

        def make(signed: Authorization) -> tuple[Notice, Message]:
            notice = Tombstone(policy, Method.CONFIRM, slot, tuple(ids), signed)
            return notice, mailbox_pb2.ConfirmRequest(slot=slot, envelope_ids=ids, **self._fields(policy, signed))

        return await self._proven("Confirm", Act(policy, Method.CONFIRM, slot, removal_hash(slot, ids)), by, make)

    async def expire(self, access: Access, ids: Sequence[bytes], until_ms: int) -> Proof:
        """These envelopes of the access's slot (b"": of any, by the owner) go at that time; at most 256."""
        policy, slot, by = access.policy, access.slot, access.authority

        def make(signed: Authorization) -> tuple[Notice, Message]:
            notice = ExpiryRecord(policy, slot, tuple(ids), until_ms, signed)
            fields = self._fields(policy, signed)
            return notice, mailbox_pb2.ExpireRequest(slot=slot, envelope_ids=ids, expires_ms=until_ms, **fields)

        act = Act(policy, Method.EXPIRE, slot, removal_hash(slot, ids), until_ms)
        return await self._proven("Expire", act, by, make)

    async def drop_slot(self, policy: Policy, owner: Authority, slot_record: bytes) -> Proof:
        """Have every member keep this slot record; one without a key ends the slot."""

        def make(signed: Authorization) -> tuple[Notice, Message]:
            notice = SlotMark(policy, slot_record, signed)
            return notice, mailbox_pb2.DropSlotRequest(slot_record=slot_record, **self._fields(policy, signed))

        return await self._proven("DropSlot", Act(policy, Method.DROP_SLOT, b"", slot_hash(slot_record)), owner, make)

    async def register_push(self, access: Access, day: int, registration: bytes) -> Proof:
        """Whom to wake for envelopes of the access's slot on a mailbox day (`essaim.protocol.push.registration`);
        b"": nobody any more."""
        policy, slot, by = access.policy, access.slot, access.authority

        def make(signed: Authorization) -> tuple[Notice, Message]:
            notice = RegistrationRecord(policy, slot, day, registration, signed)
            fields = self._fields(policy, signed)
            return notice, mailbox_pb2.RegisterPushRequest(slot=slot, day=day, registration=registration, **fields)

        act = Act(policy, Method.REGISTER_PUSH, slot, registration_hash(slot, day, registration))
        return await self._proven("RegisterPush", act, by, make)

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

    async def _proven(self, name: str, act: Act, by: Authority, make: Make) -> Proof:
        noting = _Noting(self._swarms, act, by, make)
        await self._swarms.ask_any(act.policy.mailbox_id, name, noting.request, noting)
        assert noting.proof is not None
        return noting.proof

    def _fields(self, policy: Policy, signed: Authorization) -> dict[str, Any]:
        serial = self._swarms.views.current.serial
        mailbox = mailbox_pb2.Mailbox(id=policy.mailbox_id, policy=policy.encoded, view_serial=serial)
        return {"mailbox": mailbox, "authorization": to_message(signed), "receipts": True}


@dataclass
class _Noting:
    """What was signed last, and its proof once there is one."""

    swarms: Swarms
    act: Act
    by: Authority
    make: Make
    signed: Authorization | None = None
    notice: Notice | None = None
    proof: Proof | None = None

    def request(self) -> Message:
        """With the signature of before: what another member has kept already is not kept twice."""
        now_ms = self.swarms.clock.now_ms()
        if self.signed is None or abs(now_ms - self.signed.time_ms) > SAME_MS:
            self.signed = self.by.sign(self.act, now_ms, self.swarms.random)
        self.notice, request = self.make(self.signed)
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
