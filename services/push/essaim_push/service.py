"""PushService, for requests out of the onion. Proto to domain and back only."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from google.protobuf.message import DecodeError, Message
from sqlalchemy import Connection

from essaim.protocol.errors import ProtocolError
from essaim.protocol.push.authorization import Method, Request
from essaim.protocol.push.endpoint import pack, parse
from essaim.protocol.push.host import HostKey
from essaim.protocol.push.push_id import LIFE_DAYS, MAX_GENERATION, Choice, PushIds
from essaim.protocol.push.refusal import BusyError, OrderRefusedError, QuotaError
from essaim.push.v1 import push_pb2, push_pb2_grpc
from essaim.runtime.sql_database import READERS, SqlDatabase
from essaim_push import metrics
from essaim_push.limit import Bucket
from essaim_push.providers.providers import Providers
from essaim_push.schema import REPLICA
from essaim_push.settings import PushSettings
from essaim_push.subscribing import Named, Place, Subscribed, owned, renew, rotate, subscribe, unsubscribe
from essaim_push.writer import Writer

DOMAIN = "push.essaim"
SUBSCRIPTION_ID_SIZE = 16
MAX_TOLD = 100
Context = Any  # essaim.runtime.context.OnionContext
M = TypeVar("M", bound=Message)
T = TypeVar("T")


class PushService(push_pb2_grpc.PushServiceServicer):
    """Errors are ProtocolErrors: the caller of a servicer makes a status of them."""

    def __init__(
        self,
        host: HostKey,
        node_id: bytes,
        database: SqlDatabase,
        writer: Writer,
        providers: Providers,
        settings: PushSettings,
        now_ms: Callable[[], int],
        random: Callable[[int], bytes],
    ) -> None:
        self._host = host
        self._ids = PushIds(host.ids)
        self._node_id = node_id
        self._database = database
        self._writer = writer
        self._providers = providers
        self._settings = settings
        self._now_ms = now_ms
        self._random = random
        self._bucket = Bucket.full(settings.subscribes_per_second, now_ms())
        self._threads = ThreadPoolExecutor(READERS, "reader")
        self.total = 0
        """Subscriptions, as far as is known."""

    def close(self) -> None:
        """After the last call."""
        self._threads.shutdown()

    async def Describe(self, request: push_pb2.DescribeRequest, context: Context) -> push_pb2.DescribeResponse:
        nodes = await self._read(lambda connection: list(connection.execute(REPLICA.select()).scalars()))
        public = self._host.public
        return push_pb2.DescribeResponse(
            host_id=public.host_id.raw,
            agreement_key=public.agreement.raw,
            kem_key=public.kem.raw,
            attestation=self._host.attest(self._node_id),
            node_ids=nodes[:MAX_TOLD],
            vapid_key=self._providers.vapid_public_key,
            kinds=[push_pb2.EndpointKind.ValueType(kind) for kind in sorted(self._providers.kinds)],
            delay_seconds=round(self._settings.delay_seconds),
            life_days=LIFE_DAYS,
        )

    async def Subscribe(self, request: push_pb2.SubscribeRequest, context: Context) -> push_pb2.SubscribeResponse:
        owner = self._owner(Method.SUBSCRIBE, request.authorization, request.body)
        new = _parsed(push_pb2.NewSubscription, request.body)
        named, choice = _named(owner, new.subscription_id), self._choice(new.ids)
        place = self._place(new.sealed_endpoint)
        self._admit()
        made, fresh = await self._change(
            Method.SUBSCRIBE,
            lambda connection, now_ms: self._subscribe(connection, now_ms, named, place, prompt=new.prompt),
        )
        self.total += int(fresh)
        return push_pb2.SubscribeResponse(subscription=_wire(made), push_ids=self._issued(choice, made))

    def _subscribe(
        self, connection: Connection, now_ms: int, named: Named, place: Place, *, prompt: bool
    ) -> tuple[Subscribed, bool]:
        if self.total >= self._settings.subscriptions and not owned(connection, now_ms, named.owner):
            raise QuotaError("as many subscriptions as the host keeps")
        return subscribe(connection, now_ms, named, place, prompt=prompt, random=self._random)

    async def Renew(self, request: push_pb2.RenewRequest, context: Context) -> push_pb2.RenewResponse:
        owner = self._owner(Method.RENEW, request.authorization, request.body)
        renewal = _parsed(push_pb2.Renewal, request.body)
        named, choice = _named(owner, renewal.subscription_id), self._choice(renewal.ids)
        self._admit()
        made = await self._change(Method.RENEW, lambda connection, now_ms: renew(connection, now_ms, named))
        return push_pb2.RenewResponse(subscription=_wire(made), push_ids=self._issued(choice, made))

    async def Rotate(self, request: push_pb2.RotateRequest, context: Context) -> push_pb2.RotateResponse:
        owner = self._owner(Method.ROTATE, request.authorization, request.body)
        asked = _parsed(push_pb2.Rotation, request.body)
        named, choice = _named(owner, asked.subscription_id), self._choice(asked.ids)
        if asked.generation > MAX_GENERATION:
            raise OrderRefusedError("a generation is a number below 65,536")
        place = self._place(asked.sealed_endpoint) if asked.sealed_endpoint else None
        self._admit()
        made = await self._change(
            Method.ROTATE,
            lambda connection, now_ms: rotate(
                connection,
                now_ms,
                named,
                place,
                generation=asked.generation,
                prompt=asked.prompt,
                random=self._random,
            ),
        )
        return push_pb2.RotateResponse(subscription=_wire(made), push_ids=self._issued(choice, made))

    async def Unsubscribe(self, request: push_pb2.UnsubscribeRequest, context: Context) -> push_pb2.UnsubscribeResponse:
        owner = self._owner(Method.UNSUBSCRIBE, request.authorization, request.body)
        which = _parsed(push_pb2.Farewell, request.body).subscription_id
        if len(which) not in (0, SUBSCRIPTION_ID_SIZE):
            raise OrderRefusedError("a subscription id has 16 bytes")
        removed = await self._change(Method.UNSUBSCRIBE, lambda connection, _: unsubscribe(connection, owner, which))
        return push_pb2.UnsubscribeResponse(removed=removed)

    async def List(self, request: push_pb2.ListRequest, context: Context) -> push_pb2.ListResponse:
        owner = self._owner(Method.LIST, request.authorization, b"")
        now_ms = self._now_ms()
        found = await self._read(lambda connection: owned(connection, now_ms, owner))
        metrics.CALLS.labels(Method.LIST.name, "OK").inc()
        return push_pb2.ListResponse(subscriptions=[_wire(each) for each in found])

    # What all have in common

    def _owner(self, method: Method, authorization: push_pb2.Authorization, body: bytes) -> bytes:
        request = Request(self._host.public.host_id.raw, method, body)
        try:
            return request.check(authorization, self._now_ms())
        except ProtocolError as error:
            metrics.CALLS.labels(method.name, error.reason).inc()
            raise

    def _choice(self, ids: push_pb2.PushIds) -> Choice:
        choice = Choice(ids.first_day, ids.days, ids.first_lane, ids.lanes)
        choice.check(self._now_ms())
        return choice

    def _issued(self, choice: Choice, made: Subscribed) -> bytes:
        return choice.issued(self._ids, made.number, made.generation)

    def _place(self, sealed: bytes) -> Place:
        """Raises EndpointRefusedError."""
        endpoint = parse(self._host.unseal(sealed))
        self._providers.check(endpoint)
        return Place(self._host.tag(pack(endpoint)), sealed, endpoint.kind)

    def _admit(self) -> None:
        wait_ms = self._bucket.take(1, self._now_ms())
        if wait_ms:
            raise BusyError(wait_ms)

    async def _change(self, method: Method, run: Callable[[Connection, int], T]) -> T:
        outcome = "OK"
        try:
            return await self._writer.do(run)
        except ProtocolError as error:
            outcome = error.reason
            raise
        finally:
            metrics.CALLS.labels(method.name, outcome).inc()

    async def _read(self, ask: Callable[[Connection], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._asked, ask)

    def _asked(self, ask: Callable[[Connection], T]) -> T:
        with self._database.reader.begin() as connection:
            return ask(connection)


def _named(owner: bytes, subscription_id: bytes) -> Named:
    if len(subscription_id) != SUBSCRIPTION_ID_SIZE:
        raise OrderRefusedError("a subscription id has 16 bytes")
    return Named(owner, subscription_id)


def _parsed(kind: type[M], raw: bytes) -> M:
    try:
        return kind.FromString(raw)
    except DecodeError:
        raise OrderRefusedError("not the message that belongs here") from None


def _wire(made: Subscribed) -> push_pb2.Subscription:
    gone = push_pb2.SUBSCRIPTION_STATE_ENDPOINT_GONE
    return push_pb2.Subscription(
        subscription_id=made.subscription_id,
        generation=made.generation,
        kind=push_pb2.EndpointKind.ValueType(made.kind),
        prompt=made.prompt,
        created_ms=made.created_ms,
        expires_ms=made.expires_ms,
        state=gone if made.gone else push_pb2.SUBSCRIPTION_STATE_LIVE,
        delivered_ms=made.delivered_ms,
    )
