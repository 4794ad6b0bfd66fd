"""Writing to a mailbox: store, and confirm. What returns is on the disks of a quorum, by its signatures."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

from google.protobuf.message import Message

from essaim.protocol.mailbox import puzzle
from essaim.protocol.mailbox.authorization import Act, Method
from essaim.protocol.mailbox.envelope import envelope_id
from essaim.protocol.mailbox.policy import Policy
from essaim.protocol.status import Refusal, read_status
from essaim.storage.v1 import mailbox_pb2
from essaim_client.mailbox.access import Access, Authority
from essaim_client.mailbox.notices import Notices
from essaim_client.mailbox.receipts import proven, receipts_of
from essaim_client.mailbox.swarm_call import Swarms, price
from essaim_client.network.failure import DestinationRefusedError

IDS_MAX = 256
UNAVAILABLE = 14
"""google.rpc.Code: for an answer that does not say of each envelope what became of it."""


@dataclass(frozen=True)
class Outgoing:
    """An envelope to be stored. The same object may be stored again: its id does not change."""

    slot: bytes
    expires_ms: int
    data: bytes
    version: int = 0

    def id_in(self, policy: Policy) -> bytes:
        return envelope_id(policy.mailbox_id, self.slot, self.expires_ms, self.data, self.version)


class Writer:
    """Writes to any mailbox that it is given the policy (and, where asked for, the key) of."""

    def __init__(self, swarms: Swarms) -> None:
        self._swarms = swarms

    async def store(
        self, policy: Policy, envelopes: Sequence[Outgoing], authority: Authority | None = None, bits: int = 0
    ) -> int:
        """Returns when each envelope is acknowledged by a quorum; repeats what was not, until it gives up.

        `bits`: the price that is expected, paid at once so that nothing is sent twice; the price in the end comes back.

        Acknowledged: W members signed that they have it on disk, so that one that lies is found out at once. Raises
        SwarmRefusedError (the mailbox will not have it) or SwarmUnreachableError.
        """
        storing = _Storing(self._swarms, policy, list(envelopes), authority, bits)
        if bits:
            await storing.pay()
        await self._swarms.ask_any(policy.mailbox_id, "Store", storing.request, storing)
        return storing.bits

    async def confirm(self, access: Access, ids: Sequence[bytes]) -> None:
        """The envelopes leave every replica: call it when they are safe on this device's disk.

        Returns when W members signed that they have the removal on disk; raises as `store` does.
        """
        notices = Notices(self._swarms)
        for start in range(0, len(ids), IDS_MAX):
            await notices.confirm(access, ids[start : start + IDS_MAX])


@dataclass
class _Storing:
    """What of one Store is not acknowledged yet, and the puzzle for it."""

    swarms: Swarms
    policy: Policy
    waiting: list[Outgoing]
    authority: Authority | None
    bits: int = 0
    work: mailbox_pb2.Puzzle | None = None

    def request(self) -> mailbox_pb2.StoreRequest:
        serial = self.swarms.views.current.serial
        return mailbox_pb2.StoreRequest(
            mailbox=mailbox_pb2.Mailbox(id=self.policy.mailbox_id, policy=self.policy.encoded, view_serial=serial),
            envelopes=map(self._new, self.waiting),
            puzzle=self.work,
            receipts=True,
        )

    def _new(self, envelope: Outgoing) -> mailbox_pb2.NewEnvelope:
        authorization = None
        if self.authority is not None:
            act = Act(self.policy, Method.STORE, envelope.slot, envelope.id_in(self.policy), envelope.expires_ms)
            authorization = self.authority.authorize(act, self.swarms.clock.now_ms(), self.swarms.random)
        return mailbox_pb2.NewEnvelope(
            slot=envelope.slot,
            expires_ms=envelope.expires_ms,
            data=envelope.data,
            authorization=authorization,
            version=envelope.version,
        )

    def refusal_in(self, answer: Message) -> DestinationRefusedError | None:
        """The first refusal of an envelope; those acknowledged wait no longer."""
        results = cast("mailbox_pb2.StoreResponse", answer).results
        if len(results) != len(self.waiting):
            return DestinationRefusedError(Refusal(UNAVAILABLE))
        refusals = [self._refusal(of, result) for of, result in zip(self.waiting, results, strict=True)]
        self.waiting = [each for each, refusal in zip(self.waiting, refusals, strict=True) if refusal is not None]
        return next((DestinationRefusedError(each) for each in refusals if each is not None), None)

    def _refusal(self, envelope: Outgoing, result: mailbox_pb2.StoreResult) -> Refusal | None:
        refusal = read_status(result.status)
        if refusal is not None:
            return refusal
        receipts = receipts_of(result.receipts)
        good = proven(self.swarms, self.policy.mailbox_id, envelope.id_in(self.policy), receipts)
        return None if good else Refusal(UNAVAILABLE)

    async def solve(self, error: DestinationRefusedError) -> None:
        """For the envelopes that wait now."""
        self.bits = price(error)
        await self.pay()

    async def pay(self) -> None:
        subject = puzzle.store_subject(each.id_in(self.policy) for each in self.waiting)
        self.work = await self.swarms.pay(self.policy.mailbox_id, subject, self.bits)
