"""What the runtime does around every call, over real TLS."""

import asyncio
from functools import partial

import grpc
import pytest
from prometheus_client import REGISTRY

from essaim.network.tls import dial
from essaim.protocol.errors import ProtocolError
from essaim.relay.v1.relay_pb2 import OpenRequest, OpenResponse, SendRequest, SendResponse
from essaim.relay.v1.relay_pb2_grpc import (
    RelayServiceServicer,
    RelayServiceStub,
    add_RelayServiceServicer_to_server,
)
from essaim.runtime.errors import reason_of
from essaim.testing.serving import serve


class BusyError(ProtocolError):
    reason = "BUSY"
    retry_after_ms = 40


class Moody(RelayServiceServicer):
    """Does what the cell says."""

    def __init__(self) -> None:
        self.cancelled = asyncio.Event()

    async def Send(self, request, context):
        await self.act(request.cell, context)
        return SendResponse(cell=request.cell)

    async def Open(self, request, context):
        yield OpenResponse(cell=b"1")
        await self.act(request.cell, context)
        yield OpenResponse(cell=b"2")

    async def act(self, mood, context):
        match mood:
            case b"busy":
                raise BusyError("too much to do")
            case b"fault":
                raise ZeroDivisionError("198.51.100.7")
            case b"abort":
                await context.abort(grpc.StatusCode.NOT_FOUND, "own words")
            case b"slow":
                try:
                    await asyncio.Event().wait()
                finally:
                    self.cancelled.set()


def count(method: str, code: str) -> float:
    labels = {"grpc_service": "essaim.relay.v1.RelayService", "grpc_method": method, "grpc_code": code}
    return REGISTRY.get_sample_value("grpc_server_handled_total", labels) or 0


@pytest.fixture
async def moody():
    servicer = Moody()
    async with serve(partial(add_RelayServiceServicer_to_server, servicer), call_seconds=0.2) as served:
        yield servicer, RelayServiceStub(served.channel), served


@pytest.mark.parametrize("method", ["Send", "Open"])
@pytest.mark.parametrize(
    ("mood", "code", "reason", "retry"),
    [
        (b"busy", "RESOURCE_EXHAUSTED", "BUSY", 40),
        (b"fault", "INTERNAL", "INTERNAL", None),
        (b"abort", "NOT_FOUND", "UNSPECIFIED", None),
    ],
)
async def test_error_becomes_one_status_and_one_count(moody, method, mood, code, reason, retry) -> None:
    _, stub, _ = moody
    before = count(method, code)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        if method == "Send":
            await stub.Send(SendRequest(cell=mood))
        else:
            assert [each.cell async for each in stub.Open(OpenRequest(cell=mood))] == []
    assert caught.value.code().name == code
    assert "198" not in str(caught.value.details())
    refusal = reason_of(caught.value)
    assert (refusal.reason, refusal.retry_after_ms) == (reason, retry)
    assert refusal.domain == ("" if reason == "UNSPECIFIED" else "test.essaim")
    async with asyncio.timeout(5):  # the server counts when it has told; the client may be first
        while count(method, code) == before:  # noqa: ASYNC110 - its end tells nobody
            await asyncio.sleep(0)
    assert count(method, code) == before + 1


async def test_answer_and_stream_are_counted_ok(moody) -> None:
    _, stub, _ = moody
    before = count("Send", "OK"), count("Open", "OK")
    assert (await stub.Send(SendRequest(cell=b"x"))).cell == b"x"
    assert [each.cell async for each in stub.Open(OpenRequest())] == [b"1", b"2"]
    assert (count("Send", "OK"), count("Open", "OK")) == (before[0] + 1, before[1] + 1)


async def test_unary_call_without_a_deadline_is_ended(moody) -> None:
    servicer, stub, _ = moody
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await stub.Send(SendRequest(cell=b"slow"))
    assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    assert reason_of(caught.value).reason == "TIMEOUT"
    assert servicer.cancelled.is_set()


async def test_stream_goes_on_after_the_cap_and_its_end_by_the_caller_is_counted(moody) -> None:
    servicer, stub, _ = moody
    before = count("Open", "CANCELLED")
    call = stub.Open(OpenRequest(cell=b"slow"))
    await call.read()
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(asyncio.shield(asyncio.create_task(servicer.cancelled.wait())), 0.4)
    call.cancel()
    await asyncio.wait_for(servicer.cancelled.wait(), 5)
    assert count("Open", "CANCELLED") == before + 1


async def test_unknown_method_makes_no_label(moody) -> None:
    _, _, served = moody
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await served.channel.unary_unary("/victim.example/198.51.100.7")(b"")
    assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED
    assert not [m for family in REGISTRY.collect() for m in family.samples if "victim" in str(m.labels)]


async def test_malformed_request_is_refused_and_the_node_lives(moody) -> None:
    _, stub, served = moody
    with pytest.raises(grpc.aio.AioRpcError):
        await served.channel.unary_unary("/essaim.relay.v1.RelayService/Send")(b"\xff\xff\xff")
    assert (await stub.Send(SendRequest(cell=b"x"))).cell == b"x"


async def test_served_certificate_is_pinned(moody) -> None:
    _, _, served = moody
    async with serve() as other, dial(served.address, [other.certificate.der]) as stranger:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await RelayServiceStub(stranger).Send(SendRequest(cell=b"x"))
    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE


@pytest.mark.parametrize("method", ["Send", "Open"])
async def test_bytes_that_are_no_request_are_refused_with_a_reason(moody, method) -> None:
    served = moody[2]
    make = served.channel.unary_unary if method == "Send" else served.channel.unary_stream
    call = make(f"/essaim.relay.v1.RelayService/{method}")(b"\xff" * 9)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await (call if method == "Send" else call.read())
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert reason_of(caught.value).reason == "MALFORMED"
