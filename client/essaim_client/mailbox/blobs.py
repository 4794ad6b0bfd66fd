"""Blobs: one ciphertext each, stored for a price, fetched by whoever knows its id, deleted by a key of its own."""

from typing import cast

from essaim.protocol.errors import ProtocolError
from essaim.protocol.geometry import CellClass
from essaim.protocol.keys import VerifyKey
from essaim.protocol.mailbox.policy import Policy
from essaim.protocol.mailbox.refusal import EnvelopeMalformedError
from essaim.protocol.view import Node
from essaim.storage.v1 import mailbox_pb2
from essaim_client.mailbox.reading import ROOM
from essaim_client.mailbox.swarm_call import ROUNDS, Swarms, SwarmUnreachableError
from essaim_client.mailbox.writing import Outgoing, Writer
from essaim_client.network.failure import DestinationRefusedError

NOT_HERE = "UNKNOWN_POLICY"


class BlobGoneError(ProtocolError):
    """r - W + 1 members are without it: it expired, was deleted, or never was."""

    reason = "BLOB_GONE"


class Blobs:
    """Storing and fetching. Whoever deletes one uses `Writer.delete` with its policy and delete key."""

    def __init__(self, swarms: Swarms) -> None:
        self._swarms = swarms

    async def store(self, delete_key: VerifyKey, data: bytes, expires_ms: int) -> Policy:
        """`data` has one of the four sizes. The policy, whose mailbox id is all that a reader needs beside the key.

        Raises SwarmRefusedError (VERSION_REFUSED: it is there for longer already) or SwarmUnreachableError.
        """
        policy = Policy.blob(delete_key, data)
        await Writer(self._swarms).store(policy, [Outgoing(b"", expires_ms, data, version=expires_ms)])
        return policy

    async def fetch(self, mailbox_id: bytes, delete_key: VerifyKey, size: int) -> bytes:
        """The bytes that this id names, whoever gives them. Raises BlobGoneError or SwarmUnreachableError."""
        patience = self._swarms.patience()
        for number in range(ROUNDS):
            without = 0
            for node in self._swarms.members(mailbox_id):
                try:
                    answer = await self._ask(node, mailbox_id, size)
                except ProtocolError as error:
                    without += await self._is_without(error)
                    continue
                data = _genuine(answer, mailbox_id, delete_key)
                if data is not None:
                    return data
                without += not answer.incomplete
            if without >= self._swarms.quorum_read(mailbox_id):
                raise BlobGoneError("the members of its swarm are without it")
            if patience.over:
                break
            await self._swarms.pause(number)
        raise SwarmUnreachableError("no member of the swarm gave the blob")

    async def _ask(self, node: Node, mailbox_id: bytes, size: int) -> mailbox_pb2.RetrieveResponse:
        reply_class = next((each for each in CellClass if ROOM[each] >= size), CellClass.LARGE)
        mailbox = mailbox_pb2.Mailbox(id=mailbox_id, view_serial=self._swarms.views.current.serial)
        request = mailbox_pb2.RetrieveRequest(mailbox=mailbox, max_bytes=ROOM[reply_class])
        answer = await self._swarms.ask(node, "Retrieve", request, mailbox_id, reply_class)
        return cast("mailbox_pb2.RetrieveResponse", answer)

    async def _is_without(self, error: ProtocolError) -> bool:
        """A member that never had it, or has it no more; one that is lost says nothing."""
        if not isinstance(error, DestinationRefusedError):
            return False
        await self._swarms.correct(error)
        return error.refused_reason == NOT_HERE


def _genuine(answer: mailbox_pb2.RetrieveResponse, mailbox_id: bytes, delete_key: VerifyKey) -> bytes | None:
    for envelope in answer.envelopes:
        try:
            if Policy.blob(delete_key, envelope.data).mailbox_id == mailbox_id:
                return envelope.data
        except EnvelopeMalformedError:
            continue
    return None
