"""Blobs: one ciphertext each, stored for a price, fetched by whoever knows its id, deleted by a key of its own."""

from functools import partial
from typing import cast

from essaim.protocol.errors import ProtocolError
from essaim.protocol.geometry import CellClass
from essaim.protocol.keys import SigningKey, VerifyKey
from essaim.protocol.mailbox.authorization import Authorization, Method, signed_text
from essaim.protocol.mailbox.payload import read_hash
from essaim.protocol.mailbox.policy import Policy
from essaim.protocol.mailbox.refusal import EnvelopeMalformedError
from essaim.protocol.view import Node
from essaim.storage.v1 import mailbox_pb2
from essaim_client.mailbox.access import NONCE_SIZE, to_message
from essaim_client.mailbox.reading import ROOM
from essaim_client.mailbox.refusals import SwarmRefusedError
from essaim_client.mailbox.swarm_call import ROUNDS, Swarms, SwarmUnreachableError
from essaim_client.mailbox.writing import Outgoing, Writer
from essaim_client.network.failure import DestinationRefusedError

NOT_HERE = "UNKNOWN_POLICY"


class BlobGoneError(ProtocolError):
    """r - W + 1 members are without it: it expired, was deleted, or never was."""

    reason = "BLOB_GONE"


class Blobs:
    """Storing, fetching, deleting."""

    def __init__(self, swarms: Swarms) -> None:
        self._swarms = swarms
        self._bits: dict[int, int] = {}  # by size: what the last one cost

    async def store(self, delete_key: VerifyKey, data: bytes, expires_ms: int) -> Policy:
        """`data` has one of the four sizes. The policy, whose mailbox id is all that a reader needs beside the key.

        Raises SwarmRefusedError (VERSION_REFUSED: it is there for longer already) or SwarmUnreachableError.
        """
        policy = Policy.blob(delete_key, data)
        blob, bits = Outgoing(b"", expires_ms, data, version=expires_ms), self._bits.get(len(data), 0)
        self._bits[len(data)] = await Writer(self._swarms).store(policy, [blob], bits=bits)
        return policy

    async def fetch(self, mailbox_id: bytes, delete_key: VerifyKey, size: int) -> bytes:
        """The bytes that this id names, whoever gives them. Raises BlobGoneError or SwarmUnreachableError."""
        patience = self._swarms.patience()
        for number in range(ROUNDS):
            without = 0
            for node in patience.ready(self._swarms.members(mailbox_id)):
                try:
                    answer = await self._ask(node, mailbox_id, size)
                except ProtocolError as error:
                    if isinstance(error, DestinationRefusedError):
                        patience.heard(node, error)
                    without += await self._is_without(error)
                    continue
                data = _genuine(answer, mailbox_id, delete_key)
                if data is not None:
                    return data
                without += not answer.incomplete
            if without >= self._swarms.quorum_read(mailbox_id):
                raise BlobGoneError("the members of its swarm are without it")
            if patience.over or not await patience.pause(number, self._swarms.members(mailbox_id)):
                break
        raise SwarmUnreachableError("no member of the swarm gave the blob")

    async def delete(self, mailbox_id: bytes, delete_key: SigningKey) -> None:
        """For who knows the id and the key, not the bytes. Returns when it is gone, or was not there.

        By one member's word that a quorum has it on disk; `Notices.delete_all` with the policy gets proof. Raises
        SwarmRefusedError, SwarmUnreachableError.
        """
        try:
            await self._swarms.ask_any(mailbox_id, "DeleteAll", partial(self._deletion, mailbox_id, delete_key))
        except SwarmRefusedError as error:
            if error.refused_reason != NOT_HERE:
                raise

    def _deletion(self, mailbox_id: bytes, delete_key: SigningKey) -> mailbox_pb2.DeleteAllRequest:
        views, clock, random = self._swarms.views, self._swarms.clock, self._swarms.random
        now_ms, nonce = clock.now_ms(), random(NONCE_SIZE)
        text = signed_text(mailbox_id, Method.DELETE_ALL, read_hash(b""), 0, now_ms, nonce)
        return mailbox_pb2.DeleteAllRequest(
            mailbox=mailbox_pb2.Mailbox(id=mailbox_id, view_serial=views.current.serial),
            authorization=to_message(Authorization(now_ms, nonce, delete_key.sign(text))),
        )

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
