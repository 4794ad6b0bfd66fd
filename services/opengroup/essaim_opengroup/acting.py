"""The actions of a batch, one after the other: writes go to the writer together, reads to the readers."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import DecodeError, Message
from google.rpc.status_pb2 import Status

from essaim.opengroup.v1 import action_pb2
from essaim.protocol.errors import ProtocolError
from essaim.protocol.opengroup.refusal import BatchRefusedError, NotAuthorizedError
from essaim.protocol.opengroup.statement import Statement
from essaim.runtime import logs
from essaim.runtime.errors import INTERNAL, to_status
from essaim_opengroup import governing, joining, metrics, serving
from essaim_opengroup.asking import Asking
from essaim_opengroup.away import NotReadyError, is_away
from essaim_opengroup.rows import MemberRow
from essaim_opengroup.saying import say
from essaim_opengroup.settings import OpengroupSettings
from essaim_opengroup.work import Work
from essaim_opengroup.writer import Job, Writer

MOST: Final = 32
"""Actions in a batch."""
RESERVED: Final = 192
"""Bytes of a reply that each action may count on: a refusal fits."""
FRAMING: Final = 8
LEAST_ROOM: Final = 256
MAX_NUMBER: Final = (1 << 63) - 1
DOMAIN: Final = "opengroup.essaim"
Write: TypeAlias = Callable[[Work, MemberRow, Any], Message | ProtocolError | None]

WRITES: Final[Mapping[str, Write]] = {
    "create_room": governing.create_room,
    "change_room": governing.change_room,
    "delete_room": governing.delete_room,
    "join": joining.join,
    "leave": joining.leave,
    "permit": governing.permit,
    "appoint": governing.appoint,
    "ban": governing.ban,
    "invite": joining.invite,
    "revoke_invitation": joining.revoke_invitation,
    "report": serving.report,
    "close_report": serving.close_report,
    "put_chunk": serving.put_chunk,
    "delete_direct": serving.delete_direct,
    "delete_sent": serving.delete_sent,
    "block": serving.block,
}
OUTCOMES: Final = {
    action_pb2.RoomList: "rooms",
    action_pb2.Said: "said",
    action_pb2.PostList: "posts",
    action_pb2.EntryList: "entries",
    action_pb2.ReactorList: "reactors",
    action_pb2.MemberList: "members",
    action_pb2.InvitationList: "invitations",
    action_pb2.ReportList: "reports",
    action_pb2.AuditList: "audit",
    action_pb2.ChunkTaken: "chunk",
    action_pb2.DirectList: "directs",
    action_pb2.SentList: "sent",
}
"""The field of a result that holds an outcome; a room's is `room`."""


class NoRoomLeftError(ProtocolError):
    """The results before this one fill the reply: ask for it in the next batch."""

    reason = "REPLY_TOO_LARGE"


def parse_batch(raw: bytes) -> action_pb2.Batch:
    """Raises BatchRefusedError."""
    try:
        batch = action_pb2.Batch.FromString(raw)
    except DecodeError:
        raise BatchRefusedError("not a batch") from None
    if not 0 < len(batch.actions) <= MOST:
        raise BatchRefusedError(f"a batch has 1 to {MOST} actions")
    for action in batch.actions:
        check_numbers(action)
    return batch


def check_numbers(message: Message) -> None:
    """A database holds no number from 2^63, and an error of its driver is nobody's answer. Raises BatchRefusedError."""
    for field, value in message.ListFields():
        if field.type == FieldDescriptor.TYPE_MESSAGE:
            check_numbers(value)
        elif field.type == FieldDescriptor.TYPE_UINT64 and value > MAX_NUMBER:
            raise BatchRefusedError("a number is below 2^63")


@dataclass(frozen=True)
class Acting:
    """Does the actions of one request of a member (an empty key: of somebody who has not said who they are)."""

    writer: Writer
    asking: Asking
    settings: OpengroupSettings

    async def do(self, key: bytes, batch: action_pb2.Batch, capacity: int) -> list[action_pb2.Result]:
        """A result for each action, in order."""
        results: list[action_pb2.Result] = []
        left = capacity - RESERVED * len(batch.actions)
        if left < 0:
            raise BatchRefusedError("the reply cannot hold so many results")
        for run in _runs(batch):
            outcomes = await asyncio.gather(*(self._outcome(key, each, left) for each in run), return_exceptions=True)
            for action, outcome in zip(run, outcomes, strict=True):
                results.append(_result(action, outcome))
                left -= max(0, results[-1].ByteSize() + FRAMING - RESERVED)
            if batch.stop_at_refusal and results[-1].status.code:
                break
        return results

    async def _outcome(self, key: bytes, action: action_pb2.Action, left: int) -> Message | None:
        name = action.WhichOneof("action")
        if name is None:
            raise BatchRefusedError("an action that this host does not know")
        asked = getattr(action, name)
        if name == "say":
            return await self._say(asked)
        if name in WRITES or name == "send_direct":
            return await self._write(key, name, asked)
        if left < LEAST_ROOM:
            raise NoRoomLeftError("the results before this one fill the reply")
        return await self.asking.answer(name, asked, key, left)

    async def _say(self, asked: action_pb2.Say) -> Message:
        statement = Statement.parse(asked.statement, asked.author, asked.signature)
        statement.check_signature()
        if self.writer.filters(statement.message.room_id):
            _ = statement.compared  # once, and not in the one thread that everybody's writes wait for
        rooms, members = (statement.message.room_id,), (statement.author,)
        said: Message = await self.writer.do(
            Job(lambda work: say(work, statement), rooms, members, (statement.digest,))
        )
        metrics.ENTRIES.labels(statement.kind).inc()
        return said

    async def _write(self, key: bytes, name: str, asked: Any) -> Message | None:
        if not key:
            raise NotAuthorizedError("this needs a member's signature")
        if name == "send_direct":
            limits = serving.DirectLimits(
                self.settings.direct_days, self.settings.directs_per_day, self.settings.direct_after_posts
            )

            def run(work: Work) -> Message | ProtocolError | None:
                return serving.send_direct(work, work.member(key), asked, limits)
        else:

            def run(work: Work) -> Message | ProtocolError | None:
                return WRITES[name](work, work.member(key), asked)

        rooms = (asked.room_id,) if getattr(asked, "room_id", b"") else ()
        outcome: Message | None = await self.writer.do(Job(run, rooms, (key,)))
        return outcome


def _runs(batch: action_pb2.Batch) -> Sequence[Sequence[action_pb2.Action]]:
    """Actions that may be under way together: writes that follow each other, for the writer keeps their order."""
    runs: list[list[action_pb2.Action]] = []
    for action in batch.actions:
        name = action.WhichOneof("action")
        writes = name == "say" or name == "send_direct" or name in WRITES
        last = runs[-1][-1].WhichOneof("action") if runs else None
        joins = writes and (last == "say" or last == "send_direct" or last in WRITES)
        if joins and not batch.stop_at_refusal:
            runs[-1].append(action)
        else:
            runs.append([action])
    return runs


def _result(action: action_pb2.Action, outcome: Message | BaseException | None) -> action_pb2.Result:
    result, label = action_pb2.Result(status=Status()), "OK"
    if isinstance(outcome, BaseException) and is_away(outcome):
        outcome = NotReadyError()
    if isinstance(outcome, ProtocolError):
        result.status.CopyFrom(to_status(outcome, DOMAIN))
        label = outcome.reason
    elif isinstance(outcome, Exception):
        logs.fault(logs.NodeEvent.CALL_FAILED, outcome)
        result.status.CopyFrom(to_status(outcome, DOMAIN))
        label = INTERNAL
    elif isinstance(outcome, BaseException):
        raise outcome
    elif outcome is not None:
        getattr(result, OUTCOMES.get(type(outcome), "room")).CopyFrom(outcome)
    metrics.ACTIONS.labels(action.WhichOneof("action") or "none", label).inc()
    return result
