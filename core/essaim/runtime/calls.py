"""What happens around every gRPC call of a node: count and time it, cap its deadline, turn errors into a status.

Metrics have the names that dashboards know (go-grpc-middleware): grpc_server_started_total, grpc_server_handled_total,
grpc_server_handling_seconds. Their labels are closed: only methods that this node serves get here.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from inspect import isasyncgenfunction
from typing import Any, Final, TypeAlias

import grpc
import grpc.aio
from google.protobuf.message import DecodeError
from prometheus_client import Counter, Histogram

from essaim.network.acceptor import SERVICE as LINK_SERVICE
from essaim.protocol.errors import ProtocolError
from essaim.runtime import logs
from essaim.runtime.errors import DeadlineError, abort
from essaim.runtime.plain_calls import PlainCalls

LINK: Final = f"/{LINK_SERVICE}/Link"
PROBE: Final = "/grpc.health.v1.Health/Check"
"""Answered at once in a few bytes. A node under attack must not be restarted for it."""
LABELS: Final = ("grpc_service", "grpc_method")
STARTED = Counter("grpc_server_started", "Calls of gRPC begun.", LABELS)
HANDLED = Counter("grpc_server_handled", "Calls of gRPC ended, by status code.", (*LABELS, "grpc_code"))
SECONDS = Histogram("grpc_server_handling_seconds", "Seconds from a call's begin to its end.", LABELS)
CODES: Final = {code.value[0]: code.name for code in grpc.StatusCode}

Context = Any  # grpc.aio.ServicerContext as the core gives it: its code() is a number
Behaviour = Callable[[Any, Context], Any]
Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"


class UnreadableError(ProtocolError):
    """Bytes that are no message of the method's type."""

    reason = "MALFORMED"


class CallInterceptor(grpc.aio.ServerInterceptor):
    """Wraps each method of one server once; a stream costs nothing more per message than its own generator."""

    def __init__(self, domain: str, call_seconds: float, calls: int = 4_096) -> None:
        """`domain` as in ErrorInfo, `<service>.essaim`; unary calls end after `call_seconds` at the latest; at most
        `calls` at once are served, beside links, which have limits of their own; further ones are refused BUSY."""
        self._domain = domain
        self._seconds = call_seconds
        self._plain = PlainCalls(calls)
        self._wrapped: dict[str, Handler] = {}

    def make_room_for_links(self, calls: int) -> None:
        """From now on at most so many calls at once that are no links."""
        self._plain.most = calls

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable["Handler | None"]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> "Handler | None":
        method = handler_call_details.method
        known = self._wrapped.get(method)
        if known is not None:
            return known
        handler = await continuation(handler_call_details)
        if handler is None:  # no such method: gRPC answers UNIMPLEMENTED, and no label is made of a foreign name
            return None
        self._wrapped[method] = wrapped = self._wrap(method, handler)
        return wrapped

    def _wrap(self, method: str, handler: Handler) -> Handler:
        service, _, name = method.removeprefix("/").rpartition("/")
        plain = None if method in (LINK, PROBE) else self._plain
        around = _Around(service, name, self._domain, None if handler.response_streaming else self._seconds, plain)
        kind = f"{_shape(handler.request_streaming)}_{_shape(handler.response_streaming)}"
        make = getattr(grpc, f"{kind}_rpc_method_handler")
        behaviour = around.wrap(getattr(handler, kind))
        read = handler.request_deserializer if handler.request_streaming else _tolerant(handler.request_deserializer)
        wrapped: Handler = make(behaviour, read, handler.response_serializer)
        return wrapped


class _Around:
    """One method with its labels bound."""

    def __init__(self, service: str, method: str, domain: str, seconds: float | None, plain: PlainCalls | None) -> None:
        self._labels = (service, method)
        self._started = STARTED.labels(*self._labels)
        self._took = SECONDS.labels(*self._labels)
        self._domain = domain
        self._seconds = seconds
        self._plain = plain

    def wrap(self, behaviour: Behaviour) -> Behaviour:
        """The same kind of function: gRPC tells generators from coroutines by looking at them."""
        if isasyncgenfunction(behaviour):

            async def stream(request: Any, context: Context) -> AsyncIterator[Any]:
                async with self._call(context, request), aclosing(behaviour(_readable(request), context)) as responses:
                    async for response in responses:
                        yield response

            return stream

        async def answer(request: Any, context: Context) -> Any:
            async with self._call(context, request):
                return await behaviour(_readable(request), context)

        return answer

    @asynccontextmanager
    async def _call(self, context: Context, request: Any) -> AsyncIterator[None]:
        begin = time.perf_counter()
        self._started.inc()
        cancelled = False
        try:
            async with self._refusals(context), asyncio.timeout(self._seconds):
                if self._plain is not None:
                    self._plain.enter(context, request)
                yield
        except (asyncio.CancelledError, GeneratorExit):
            cancelled = True
            raise
        finally:
            HANDLED.labels(*self._labels, "CANCELLED" if cancelled else _name(context.code())).inc()
            self._took.observe(time.perf_counter() - begin)

    @asynccontextmanager
    async def _refusals(self, context: Context) -> AsyncIterator[None]:
        """Errors of the servicer as a status; a fault of ours is logged by its type and told as INTERNAL."""
        try:
            yield
        except grpc.aio.AbortError:
            raise
        except ProtocolError as error:
            await abort(context, error, self._domain)
        except TimeoutError:
            await abort(context, DeadlineError("the call took too long"), self._domain)
        except Exception as error:  # noqa: BLE001 - the border of the node: nothing of it may leave, nothing may end it
            logs.fault(logs.NodeEvent.CALL_FAILED, error)
            await abort(context, error, self._domain)


def _tolerant(read: Callable[[bytes], Any] | None) -> Callable[[bytes], Any] | None:
    """gRPC would end what it cannot read without a reason, and log words of its own: the call is given the error."""
    if read is None:
        return None

    def tolerant(message: bytes) -> Any:
        try:
            return read(message)
        except DecodeError:
            return UnreadableError("not the request of this method")

    return tolerant


def _readable(request: Any) -> Any:
    if isinstance(request, UnreadableError):
        raise request
    return request


def _name(code: Any) -> str:
    """The context's code: None or 0 until it is set; then a number, or a StatusCode where the servicer set it."""
    number = code.value[0] if isinstance(code, grpc.StatusCode) else code or 0
    return CODES.get(number, "UNKNOWN")


def _shape(streaming: bool) -> str:
    return "stream" if streaming else "unary"
