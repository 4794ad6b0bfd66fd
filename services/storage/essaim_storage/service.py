"""MailboxService: one servicer for direct calls and for requests out of the onion. Proto to domain and back only."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from typing import Any, TypeVar

from google.rpc.status_pb2 import Status

from essaim.protocol.errors import ProtocolError
from essaim.protocol.mailbox.authorization import Method
from essaim.protocol.mailbox.envelope import check_ids
from essaim.protocol.mailbox.record import Notice
from essaim.runtime.context import reply_capacity_of
from essaim.runtime.errors import to_status
from essaim.storage.v1 import mailbox_pb2, mailbox_pb2_grpc
from essaim_storage import metrics
from essaim_storage.batch import Carry, carried
from essaim_storage.effects import Claimed, Delivery, Expiries, Published, Removed, Retrieved, Stored, StoreOutcome
from essaim_storage.events import Event, RemoveAsked, RetrieveAsked, StoreAsked, SubscribeAsked
from essaim_storage.executor import Executor
from essaim_storage.intake import Intake
from essaim_storage.notice_intake import NoticeIntake
from essaim_storage.shown import fitted, receipt_to_proto

DOMAIN = "storage.essaim"
ACKNOWLEDGED = "ACKNOWLEDGED"
Context = Any  # grpc.aio.ServicerContext or essaim.runtime.context.OnionContext
A = TypeVar("A", Stored, Removed, Retrieved, Expiries, Published, Claimed)


class MailboxService(mailbox_pb2_grpc.MailboxServiceServicer):
    """Errors are ProtocolErrors: the caller of a servicer makes a status of them."""

    def __init__(self, intake: Intake, executor: Executor, now_ms: Callable[[], int]) -> None:
        self._intake = intake
        self._notices = NoticeIntake(intake)
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
        if records:
            stored = await self._ask(Stored, lambda r: StoreAsked(r, tuple(records), request.receipts))
            good = (index for index in range(len(request.envelopes)) if index not in outcomes)
            outcomes |= dict(zip(good, stored.outcomes, strict=True))
        results = [_result(outcomes[index]) for index in range(len(request.envelopes))]
        return fitted(mailbox_pb2.StoreResponse(results=results), reply_capacity_of(context))

    async def Retrieve(self, request: mailbox_pb2.RetrieveRequest, context: Context) -> mailbox_pb2.RetrieveResponse:
        return await self._retrieve(request, reply_capacity_of(context))

    async def _retrieve(self, request: mailbox_pb2.RetrieveRequest, capacity: int) -> mailbox_pb2.RetrieveResponse:
        query = self._intake.query(Method.RETRIEVE, request, capacity, self._now_ms())
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
        receipts = await self._keep(request.receipts, self._notices.confirm(request, self._now_ms()))
        return mailbox_pb2.ConfirmResponse(receipts=receipts)

    async def Delete(self, request: mailbox_pb2.DeleteRequest, context: Context) -> mailbox_pb2.DeleteResponse:
        receipts = await self._keep(request.receipts, self._notices.delete(request, self._now_ms()))
        return mailbox_pb2.DeleteResponse(receipts=receipts)

    async def DeleteBefore(
        self, request: mailbox_pb2.DeleteBeforeRequest, context: Context
    ) -> mailbox_pb2.DeleteBeforeResponse:
        receipts = await self._keep(request.receipts, self._notices.delete_before(request, self._now_ms()))
        return mailbox_pb2.DeleteBeforeResponse(receipts=receipts)

    async def DeleteAll(self, request: mailbox_pb2.DeleteAllRequest, context: Context) -> mailbox_pb2.DeleteAllResponse:
        receipts = await self._keep(request.receipts, self._notices.delete_all(request, self._now_ms()))
        return mailbox_pb2.DeleteAllResponse(receipts=receipts)

    async def Expire(self, request: mailbox_pb2.ExpireRequest, context: Context) -> mailbox_pb2.ExpireResponse:
        receipts = await self._keep(request.receipts, self._notices.expire(request, self._now_ms()))
        return mailbox_pb2.ExpireResponse(receipts=receipts)

    async def DropSlot(self, request: mailbox_pb2.DropSlotRequest, context: Context) -> mailbox_pb2.DropSlotResponse:
        receipts = await self._keep(request.receipts, self._notices.drop_slot(request, self._now_ms()))
        return mailbox_pb2.DropSlotResponse(receipts=receipts)

    async def RegisterPush(
        self, request: mailbox_pb2.RegisterPushRequest, context: Context
    ) -> mailbox_pb2.RegisterPushResponse:
        receipts = await self._keep(request.receipts, self._notices.register_push(request, self._now_ms()))
        return mailbox_pb2.RegisterPushResponse(receipts=receipts)

    async def GetExpiries(
        self, request: mailbox_pb2.GetExpiriesRequest, context: Context
    ) -> mailbox_pb2.GetExpiriesResponse:
        answer = await self._ask(Expiries, lambda r: self._intake.expiries(r, request, self._now_ms()))
        found = (mailbox_pb2.Expiry(envelope_id=of_id, expires_ms=until_ms) for of_id, until_ms in answer.found)
        return mailbox_pb2.GetExpiriesResponse(expiries=found, incomplete=answer.incomplete)

    async def Batch(self, request: mailbox_pb2.BatchRequest, context: Context) -> mailbox_pb2.BatchResponse:
        def plain(method: Callable[[Any, Context], Awaitable[Any]]) -> Carry:
            return lambda operation, _: method(operation, context)

        carriers: dict[str, Carry] = {
            "store": plain(self.Store),
            "retrieve": self._retrieve,
            "confirm": plain(self.Confirm),
            "delete": plain(self.Delete),
            "delete_before": plain(self.DeleteBefore),
            "delete_all": plain(self.DeleteAll),
            "expire": plain(self.Expire),
            "get_expiries": plain(self.GetExpiries),
            "drop_slot": plain(self.DropSlot),
            "publish_prekeys": plain(self.PublishPrekeys),
            "claim_prekey": plain(self.ClaimPrekey),
            "register_push": plain(self.RegisterPush),
        }
        return await carried(request, carriers, reply_capacity_of(context), DOMAIN)

    async def _keep(self, receipts: bool, notice: Notice) -> list[mailbox_pb2.Receipt]:
        removed = await self._ask(Removed, lambda r: RemoveAsked(r, notice, receipts))
        return [receipt_to_proto(each) for each in removed.receipts]

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
    receipts = map(receipt_to_proto, outcome.receipts)
    return mailbox_pb2.StoreResult(envelope_id=outcome.envelope_id, status=status, receipts=receipts)


def _stored(envelopes: Iterable[Delivery]) -> list[mailbox_pb2.StoredEnvelope]:
    return [
        mailbox_pb2.StoredEnvelope(
            envelope_id=each.envelope_id,
            slot=each.slot,
            expires_ms=each.expires_ms,
            data=each.data,
            size=each.size,
            version=each.version,
            until_ms=each.until_ms,
        )
        for each in envelopes
    ]
