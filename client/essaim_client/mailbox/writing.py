"""Writing to a mailbox: store, confirm, delete. A store that returns is on the disks of a quorum."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import cast

from essaim.protocol.mailbox import puzzle
from essaim.protocol.mailbox.authorization import Act, Method
from essaim.protocol.mailbox.envelope import envelope_id
from essaim.protocol.mailbox.payload import removal_hash
from essaim.protocol.mailbox.policy import Policy
from essaim.protocol.mailbox.slot_record import Signer
from essaim.protocol.status import read_status
from essaim.storage.v1 import mailbox_pb2
from essaim_client.mailbox.access import NONCE_SIZE, Access, to_message
from essaim_client.mailbox.swarm_call import Swarms, SwarmUnreachableError
from essaim_client.network.failure import DestinationRefusedError

IDS_MAX = 256
STORE_ROUNDS = 8
"""Answers, each after trying all members, that may ask for a correction or leave an envelope unacknowledged."""


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

    async def store(self, policy: Policy, envelopes: Sequence[Outgoing], signer: Signer | None = None) -> None:
        """Returns when each envelope is acknowledged by a quorum; repeats what was not, until it gives up.

        Raises DestinationRefusedError (the mailbox will not have it) or SwarmUnreachableError.
        """
        waiting = list(envelopes)
        work: mailbox_pb2.Puzzle | None = None
        for number in range(STORE_ROUNDS):
            request = partial(self._request, policy, waiting, signer, work)
            try:
                answer = await self._swarms.ask_any(policy.mailbox_id, "Store", request)
            except DestinationRefusedError as error:
                work = await self._solved(policy, waiting, error)
                continue
            results = cast("mailbox_pb2.StoreResponse", answer).results
            refusal = _first_refusal(results)
            if refusal is None and len(results) == len(waiting):
                return
            waiting = [each for each, result in zip(waiting, results, strict=False) if result.status.code] or waiting
            if refusal is not None and not await self._swarms.correct(refusal):
                await self._swarms.pause(number)
        raise SwarmUnreachableError("the swarm did not acknowledge the store")

    async def _solved(
        self, policy: Policy, waiting: Sequence[Outgoing], error: DestinationRefusedError
    ) -> mailbox_pb2.Puzzle:
        if error.refused_reason != "PUZZLE_REQUIRED":
            raise error
        subject = puzzle.store_subject(each.id_in(policy) for each in waiting)
        return await self._swarms.solve(policy.mailbox_id, subject, error)

    def _request(
        self, policy: Policy, waiting: Sequence[Outgoing], signer: Signer | None, work: mailbox_pb2.Puzzle | None
    ) -> mailbox_pb2.StoreRequest:
        serial = self._swarms.views.current.serial
        return mailbox_pb2.StoreRequest(
            mailbox=mailbox_pb2.Mailbox(id=policy.mailbox_id, policy=policy.encoded, view_serial=serial),
            envelopes=[self._new(policy, each, signer) for each in waiting],
            puzzle=work,
        )

    def _new(self, policy: Policy, envelope: Outgoing, signer: Signer | None) -> mailbox_pb2.NewEnvelope:
        authorization = None
        if signer is not None:
            act = Act(policy, Method.STORE, envelope.slot, envelope.id_in(policy), envelope.expires_ms)
            now_ms, nonce = self._swarms.clock.now_ms(), self._swarms.random(NONCE_SIZE)
            authorization = to_message(act.authorize(signer, now_ms, nonce))
        return mailbox_pb2.NewEnvelope(
            slot=envelope.slot,
            expires_ms=envelope.expires_ms,
            data=envelope.data,
            authorization=authorization,
            version=envelope.version,
        )

    async def confirm(self, access: Access, ids: Sequence[bytes]) -> None:
        """The envelopes leave every replica: call it when they are safe on this device's disk."""
        for start in range(0, len(ids), IDS_MAX):
            request = partial(self._confirm, access, list(ids[start : start + IDS_MAX]))
            await self._swarms.ask_any(access.policy.mailbox_id, "Confirm", request)

    def _confirm(self, access: Access, ids: list[bytes]) -> mailbox_pb2.ConfirmRequest:
        return mailbox_pb2.ConfirmRequest(
            mailbox=access.mailbox(self._swarms.views.current.serial),
            slot=access.slot,
            envelope_ids=ids,
            authorization=access.confirming(ids, self._swarms.clock.now_ms(), self._swarms.random),
        )

    async def delete(self, policy: Policy, owner: Signer, ids: Sequence[bytes]) -> None:
        """The owner's deletion, whatever slot the envelopes are for; at most 256 ids."""
        await self._swarms.ask_any(policy.mailbox_id, "Delete", partial(self._delete, policy, owner, list(ids)))

    def _delete(self, policy: Policy, owner: Signer, ids: list[bytes]) -> mailbox_pb2.DeleteRequest:
        act = Act(policy, Method.DELETE, b"", removal_hash(b"", ids))
        authorization = act.authorize(owner, self._swarms.clock.now_ms(), self._swarms.random(NONCE_SIZE))
        serial = self._swarms.views.current.serial
        return mailbox_pb2.DeleteRequest(
            mailbox=mailbox_pb2.Mailbox(id=policy.mailbox_id, policy=policy.encoded, view_serial=serial),
            envelope_ids=ids,
            authorization=to_message(authorization),
        )


def _first_refusal(results: Sequence[mailbox_pb2.StoreResult]) -> DestinationRefusedError | None:
    refusals = (read_status(result.status) for result in results)
    return next((DestinationRefusedError(each) for each in refusals if each is not None), None)
