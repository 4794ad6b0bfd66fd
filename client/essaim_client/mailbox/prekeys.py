"""One-time prekeys: published to each member by itself, claimed once from any."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

from essaim.protocol.mailbox import puzzle
from essaim.protocol.mailbox.authorization import Act, Method
from essaim.protocol.mailbox.payload import prekeys_hash
from essaim.protocol.mailbox.policy import Policy
from essaim.protocol.mailbox.rule import CLAIM_ID_SIZE
from essaim.protocol.view import Node
from essaim.storage.v1 import mailbox_pb2
from essaim_client.mailbox.access import Authority
from essaim_client.mailbox.swarm_call import PuzzleTooHardError, Swarms
from essaim_client.network.failure import DestinationLostError, DestinationRefusedError, PathFailedError


@dataclass(frozen=True)
class Claimed:
    """A one-time prekey (opaque, sealed) and the node that served it: the owner checks that nobody serves one twice."""

    prekey: bytes
    node_id: bytes


@dataclass(frozen=True)
class Batch:
    """One-time prekeys for one node; `version` grows with each batch for it."""

    slot: int
    version: int
    prekeys: Sequence[bytes]


class PrekeyDesk:
    """Publishing and claiming in outboxes."""

    def __init__(self, swarms: Swarms) -> None:
        self._swarms = swarms

    async def publish(self, node: Node, policy: Policy, owner: Authority, batch: Batch) -> None:
        """Give one member its batch. Refusals and losses as they come: another member has its own."""
        await self._swarms.ask(node, "PublishPrekeys", self._publish(node, policy, owner, batch), policy.mailbox_id)

    def _publish(self, node: Node, policy: Policy, owner: Authority, batch: Batch) -> mailbox_pb2.PublishPrekeysRequest:
        slot = bytes((batch.slot,))
        payload = prekeys_hash(slot, node.node_id, batch.version, batch.prekeys)
        act = Act(policy, Method.PUBLISH_PREKEYS, slot, payload)
        return mailbox_pb2.PublishPrekeysRequest(
            mailbox=self._mailbox(policy),
            slot=slot,
            node_id=node.node_id,
            prekeys=batch.prekeys,
            version=batch.version,
            authorization=owner.authorize(act, self._swarms.clock.now_ms(), self._swarms.random),
        )

    async def claim(self, policy: Policy, slot: int) -> Claimed | None:
        """One one-time prekey of a device, or None: then the handshake goes without."""
        for node in self._swarms.members(policy.mailbox_id):
            try:
                prekey = await self._claim_from(node, policy, slot)
            except (DestinationLostError, PathFailedError, DestinationRefusedError, PuzzleTooHardError):
                continue
            if prekey:
                return Claimed(prekey, node.node_id)
        return None

    async def _claim_from(self, node: Node, policy: Policy, slot: int) -> bytes:
        claim_id = self._swarms.random(CLAIM_ID_SIZE)
        request = mailbox_pb2.ClaimPrekeyRequest(mailbox=self._mailbox(policy), slot=bytes((slot,)), claim_id=claim_id)
        try:
            answer = await self._swarms.ask(node, "ClaimPrekey", request, policy.mailbox_id)
        except DestinationRefusedError as error:
            if error.refused_reason != "PUZZLE_REQUIRED":
                raise
            subject = puzzle.claim_subject(node.node_id, claim_id)
            request.puzzle.CopyFrom(await self._swarms.solve(policy.mailbox_id, subject, error))
            answer = await self._swarms.ask(node, "ClaimPrekey", request, policy.mailbox_id)
        return cast("mailbox_pb2.ClaimPrekeyResponse", answer).prekey

    def _mailbox(self, policy: Policy) -> mailbox_pb2.Mailbox:
        serial = self._swarms.views.current.serial
        return mailbox_pb2.Mailbox(id=policy.mailbox_id, policy=policy.encoded, view_serial=serial)
