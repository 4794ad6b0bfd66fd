"""The delivery endpoint: a cell's last payload becomes a call of a local servicer, its answers become reply cells.

Storage, open groups, push and the view are reached through the onion by this alone. docs/protocol/link.md, "Delivery".
"""

import asyncio
import random
from collections.abc import AsyncGenerator, Callable, Iterable
from dataclasses import dataclass
from types import TracebackType
from typing import TypeVar

from google.protobuf.message import DecodeError, Message
from prometheus_client import Counter, Gauge, Histogram

from essaim.network.call import IncomingCall
from essaim.network.shed import SHED, Full
from essaim.onion.v1 import request_pb2
from essaim.protocol.errors import ProtocolError
from essaim.protocol.kdf import blake2b256
from essaim.protocol.onion import CallKeys, Refusal
from essaim.runtime import logs
from essaim.runtime.answers import Answers
from essaim.runtime.context import REPLY_FRAMING, OnionContext
from essaim.runtime.errors import DeadlineError, to_status
from essaim.runtime.offer import Method, Offer, UnreachableMethodError, reachable_methods
from essaim.runtime.replier import Replier, StreamFullError

REQUEST_ID_SIZE = 16
M = TypeVar("M", bound=Message)
DELIVERED = Counter("essaim_onion_requests", "Requests out of cells, by how they ended.", ["outcome"])
RUNNING = Gauge("essaim_onion_requests_running", "Requests out of cells that are being answered, streams included.")
SECONDS = Histogram(
    "essaim_onion_request_seconds",
    "Seconds that a unary request out of a cell took, by method.",
    ["method"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20),
)


class MalformedRequestError(ProtocolError):
    """The payload is no Request, or its body not the method's message."""

    reason = "MALFORMED"


class ReplyTooLargeError(ProtocolError):
    """The response does not fit the reply class that the caller chose."""

    reason = "REPLY_TOO_LARGE"


@dataclass(frozen=True)
class DeliverySettings:
    """Patience and limits of a destination."""

    heartbeat_seconds: tuple[float, float] = (20.0, 40.0)
    """A silent stream says that it lives after a random time between these."""
    unary_seconds: float = 20.0
    """A unary method may take so long."""
    stream_seconds: float = 16 * 60.0
    """A stream ends after so long: relays cap a call at 15 minutes."""
    calls: int = 20_000
    """Requests under way at once; beyond them cells are refused BUSY."""


class Delivery:
    """`async with Delivery(offers, domain, now_ms) as delivery`, then `deliver` for each cell that ends here."""

    def __init__(
        self,
        offers: Iterable[Offer],
        domain: str,
        now_ms: Callable[[], int],
        settings: DeliverySettings | None = None,
    ) -> None:
        self._methods = reachable_methods(offers)
        self._domain = domain
        self._settings = settings or DeliverySettings()
        self._answers = Answers(now_ms)
        self._tasks = asyncio.TaskGroup()
        self._running: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> "Delivery":
        await self._tasks.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for task in self._running:
            task.cancel()
        await self._tasks.__aexit__(kind, error, trace)

    def deliver(self, call: IncomingCall, payload: bytes, keys: CallKeys) -> None:
        """Answer `call` by what `payload` asks for."""
        if len(self._running) >= self._settings.calls:
            SHED[Full.REQUESTS].inc()
            call.refuse(Refusal.BUSY)
            return
        replier = Replier(call, keys)
        task = self._tasks.create_task(self._answer(replier, payload))
        self._running.add(task)
        RUNNING.inc()
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        RUNNING.dec()

    async def _answer(self, replier: Replier, payload: bytes) -> None:
        outcome = "GONE"
        try:
            await self._serve(replier, payload)
            outcome = "OK"
        except ProtocolError as error:
            outcome = error.reason
            self._refuse(replier, error)
        except Exception as error:  # noqa: BLE001 - the border of the node: nothing of it may leave, nothing may end it
            outcome = "INTERNAL"
            logs.fault(logs.NodeEvent.CALL_FAILED, error)
            self._refuse(replier, error)
        finally:
            DELIVERED.labels(outcome).inc()

    def _refuse(self, replier: Replier, error: Exception) -> None:
        reply = request_pb2.Reply(error=to_status(error, self._domain)).SerializeToString()
        replier.last(reply)

    async def _serve(self, replier: Replier, payload: bytes) -> None:
        request = _parsed(request_pb2.Request, payload)
        method = self._methods.get((request.service, request.method))
        if method is None:
            raise UnreachableMethodError("not a method that the onion reaches here")
        if len(request.request_id) != REQUEST_ID_SIZE:
            raise MalformedRequestError("a request id has 16 bytes")
        body = _parsed(method.request, request.body)
        context = OnionContext(request.request_id, replier.capacity - REPLY_FRAMING)
        if method.streams:
            await self._stream(replier, method, body, context)
        else:
            with SECONDS.labels(request.method).time():
                answer = await self._unary(method, body, context, payload)
            replier.last(_fitting(answer, replier.capacity))

    async def _unary(self, method: Method, body: Message, context: OnionContext, payload: bytes) -> bytes:
        async def make() -> bytes:
            try:
                async with asyncio.timeout(self._settings.unary_seconds):
                    return _reply(await method.call(body, context))
            except TimeoutError:
                raise DeadlineError("the call took too long") from None

        if not method.idempotent:
            return await make()
        # The whole payload, so that an id that is used again for something else is another request.
        return await self._answers.once(blake2b256(b"essaim/answer/v1", payload), make)

    async def _stream(self, replier: Replier, method: Method, body: Message, context: OnionContext) -> None:
        responses: AsyncGenerator[Message, None] = method.call(body, context)
        task = asyncio.current_task()
        assert task is not None
        replier.on_gone = task.cancel
        try:
            async with asyncio.timeout(self._settings.stream_seconds):
                while (response := await self._next(responses, replier)) is not None:
                    await replier.more(_fitting(_reply(response), replier.capacity))
        except (TimeoutError, StreamFullError):
            pass  # an end like any other: the caller opens the successor
        finally:
            replier.on_gone = None
            await responses.aclose()
        replier.last(b"")

    async def _next(self, responses: AsyncGenerator[Message, None], replier: Replier) -> Message | None:
        """The stream's next response, with heartbeats while it is silent; None at its end."""
        coming = asyncio.ensure_future(anext(responses, None))
        try:
            while not (await asyncio.wait((coming,), timeout=self._pause()))[0]:
                await replier.heartbeat()
            return coming.result()
        finally:
            coming.cancel()
            await asyncio.wait((coming,))

    def _pause(self) -> float:
        return random.uniform(*self._settings.heartbeat_seconds)  # so that streams are not in step


def _parsed(kind: type[M], data: bytes) -> M:
    try:
        return kind.FromString(data)
    except DecodeError:
        raise MalformedRequestError("not the message that belongs here") from None


def _reply(response: Message) -> bytes:
    return request_pb2.Reply(body=response.SerializeToString()).SerializeToString()


def _fitting(reply: bytes, capacity: int) -> bytes:
    if len(reply) > capacity:
        raise ReplyTooLargeError("the response does not fit the reply class asked for")
    return reply
