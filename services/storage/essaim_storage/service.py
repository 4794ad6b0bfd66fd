"""MailboxService: one servicer for direct calls and for requests out of the onion. Proto to domain and back only."""

from collections.abc import AsyncIterator, Callable, Iterable
from typing import Any, TypeVar

from google.rpc.status_pb2 import Status

from essaim.protocol.errors import ProtocolError
from essaim.protocol.mailbox.authorization import Method
from essaim.protocol.mailbox.envelope import check_ids
from essaim.runtime.context import reply_capacity_of
from essaim.runtime.errors import to_status
from essaim.storage.v1 import mailbox_pb2, mailbox_pb2_grpc
from essaim_storage import metrics
from essaim_storage.effects import Claimed, Delivery, Published, Removed, Retrieved, Stored, StoreOutcome
from essaim_storage.events import Event, RemoveAsked, RetrieveAsked, StoreAsked, SubscribeAsked
from essaim_storage.executor import Executor
from essaim_storage.intake import Intake

DOMAIN = "storage.essaim"
ACKNOWLEDGED = "ACKNOWLEDGED"
Context = Any  # grpc.aio.ServicerContext or essaim.runtime.context.OnionContext
A = TypeVar("A", Stored, Removed, Retrieved, Published, Claimed)


class MailboxService(mailbox_pb2_grpc.MailboxServiceServicer):
    """Errors are ProtocolErrors: the caller of a servicer makes a status of them."""

    def __init__(self, intake: Intake, executor: Executor, now_ms: Callable[[], int]) -> None:
        self._intake = intake
        self._executor = executor
        self._now_ms = now_ms

    async def Store(self, request: mailbox_pb2.StoreRequest, context: Context) -> mailbox_pb2.StoreResponse:
        now_ms = self._now_ms()
        policy = self._intake.policy(request.mailbox)
        self._intake.check_store(policy, request, now_ms)
        records, outcomes = [], dict[int, StoreOutcome]()
        for index, new in enumerate(request.envelopes):
            try:
                records.append(self._intake.envelope(policy, new, now_ms))
            except ProtocolError as error:
                outcomes[index] = StoreOutcome(b"", error)
        good = iter((await self._ask(Stored, lambda r: StoreAsked(r, tuple(records)))).outcomes if records else ())
        results = [_result(outcomes.get(index) or next(good)) for index in range(len(request.envelopes))]
        return mailbox_pb2.StoreResponse(results=results)

    async def Retrieve(self, request: mailbox_pb2.RetrieveRequest, context: Context) -> mailbox_pb2.RetrieveResponse:
        query = self._intake.query(Method.RETRIEVE, request, reply_capacity_of(context), self._now_ms())
        ids = tuple(request.envelope_ids)
        if ids:
            check_ids(ids)
        page = await self._ask(Retrieved, lambda r: RetrieveAsked(r, query, ids))
        envelopes = _stored(page.envelopes)
        return mailbox_pb2.RetrieveResponse(
            envelopes=envelopes, cursor=page.cursor, more=page.more, incomplete=page.incomplete
        )

    async def Subscribe(
        self, request: mailbox_pb2.SubscribeRequest, context: Context
    ) -> AsyncIterator[mailbox_pb2.SubscribeResponse]:
        query = self._intake.query(Method.SUBSCRIBE, request, reply_capacity_of(context), self._now_ms())
        async with self._executor.subscription(lambda r: SubscribeAsked(r, query)) as subscription:
            while True:
                each = await subscription.next()
                envelopes = _stored(each.envelopes)
                yield mailbox_pb2.SubscribeResponse(envelopes=envelopes, cursor=each.cursor, incomplete=each.incomplete)

    async def Confirm(self, request: mailbox_pb2.ConfirmRequest, context: Context) -> mailbox_pb2.ConfirmResponse:
        tombstone = self._intake.removal(Method.CONFIRM, request, request.slot, self._now_ms())
        await self._ask(Removed, lambda r: RemoveAsked(r, tombstone))
        return mailbox_pb2.ConfirmResponse()

    async def Delete(self, request: mailbox_pb2.DeleteRequest, context: Context) -> mailbox_pb2.DeleteResponse:
        tombstone = self._intake.removal(Method.DELETE, request, b"", self._now_ms())
        await self._ask(Removed, lambda r: RemoveAsked(r, tombstone))
        return mailbox_pb2.DeleteResponse()

    async def PublishPrekeys(
        self, request: mailbox_pb2.PublishPrekeysRequest, context: Context
    ) -> mailbox_pb2.PublishPrekeysResponse:
        answer = await self._ask(Published, lambda r: self._intake.publish(r, request, self._now_ms()))
        return mailbox_pb2.PublishPrekeysResponse(kept=answer.kept)

    async def ClaimPrekey(
        self, request: mailbox_pb2.ClaimPrekeyRequest, context: Context
    ) -> mailbox_pb2.ClaimPrekeyResponse:
        answer = await self._ask(Claimed, lambda r: self._intake.claim(r, request, self._now_ms()))
        return mailbox_pb2.ClaimPrekeyResponse(prekey=answer.prekey, left=answer.left)

    async def _ask(self, kind: type[A], make: Callable[[int], Event]) -> A:
        answer = await self._executor.ask(make)
        assert isinstance(answer, kind)
        return answer


def _result(outcome: StoreOutcome) -> mailbox_pb2.StoreResult:
    refusal = outcome.refusal
    metrics.STORES.labels(refusal.reason if refusal else ACKNOWLEDGED).inc()
    status = to_status(refusal, DOMAIN) if refusal else Status()
    return mailbox_pb2.StoreResult(envelope_id=outcome.envelope_id, status=status)


def _stored(envelopes: Iterable[Delivery]) -> list[mailbox_pb2.StoredEnvelope]:
    return [
        mailbox_pb2.StoredEnvelope(
            envelope_id=each.envelope_id,
            slot=each.slot,
            expires_ms=each.expires_ms,
            data=each.data,
            size=each.size,
            version=each.version,
        )
        for each in envelopes
    ]
