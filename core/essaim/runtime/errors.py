"""The only place where a refusal becomes a gRPC status.

Each ProtocolError carries a closed UPPER_SNAKE reason; here it gets its canonical code and travels as a
google.rpc.Status with one ErrorInfo (AIP-193; google/rpc/error_details.proto). What is not a ProtocolError is a fault
of ours: INTERNAL, and nothing of it is told or logged but its type.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final, NoReturn

import grpc
import grpc.aio
from google.protobuf.any_pb2 import Any as Packed
from google.protobuf.duration_pb2 import Duration
from google.rpc.error_details_pb2 import ErrorInfo, RetryInfo
from google.rpc.status_pb2 import Status

from essaim.protocol.errors import ProtocolError
from essaim.protocol.status import DETAILS_TRAILER, Refusal, read_trailers

INTERNAL = "INTERNAL"

# Reasons that say more than "your input is wrong" (INVALID_ARGUMENT, which every other reason gets).
CODES: Final[Mapping[str, grpc.StatusCode]] = MappingProxyType(
    {
        # Come back later, or elsewhere.
        "BUSY": grpc.StatusCode.RESOURCE_EXHAUSTED,
        "FULL": grpc.StatusCode.RESOURCE_EXHAUSTED,
        "QUOTA": grpc.StatusCode.RESOURCE_EXHAUSTED,
        "DRAINING": grpc.StatusCode.UNAVAILABLE,
        "UNAVAILABLE": grpc.StatusCode.UNAVAILABLE,
        "UNREACHABLE": grpc.StatusCode.UNAVAILABLE,
        "TIMEOUT": grpc.StatusCode.DEADLINE_EXCEEDED,
        # Something must be renewed first: the view, the keys, the policy.
        "WRONG_SWARM": grpc.StatusCode.FAILED_PRECONDITION,
        "UNKNOWN_POLICY": grpc.StatusCode.FAILED_PRECONDITION,
        "KEY_UNKNOWN": grpc.StatusCode.FAILED_PRECONDITION,
        "NOT_READY": grpc.StatusCode.UNAVAILABLE,
        "STALE": grpc.StatusCode.FAILED_PRECONDITION,
        "CLOCK": grpc.StatusCode.FAILED_PRECONDITION,
        # Not allowed, not there, seen before.
        "NOT_AUTHORIZED": grpc.StatusCode.PERMISSION_DENIED,
        "BAD_SIGNATURE": grpc.StatusCode.PERMISSION_DENIED,
        "NOT_FOUND": grpc.StatusCode.NOT_FOUND,
        "REPLAY": grpc.StatusCode.ALREADY_EXISTS,
        "NONCE_REUSED": grpc.StatusCode.ALREADY_EXISTS,
        "UNREACHABLE_METHOD": grpc.StatusCode.UNIMPLEMENTED,
        INTERNAL: grpc.StatusCode.INTERNAL,
    }
)

# All that ErrorInfo.metadata may say. A number or a public name of the network; never a word about a person.
METADATA_KEYS: Final = frozenset({"viewSerial", "viewEpoch", "nodeTimeMs", "limitBytes", "limitCount", "puzzleBits"})


class InternalError(ProtocolError):
    """A fault of ours, told without a word about it."""

    reason = INTERNAL


class DeadlineError(ProtocolError):
    """The call took longer than the node allows."""

    reason = "TIMEOUT"


def code_of(reason: str) -> grpc.StatusCode:
    """The canonical code of a reason; INVALID_ARGUMENT for those that only say what is wrong with the input."""
    return CODES.get(reason, grpc.StatusCode.INVALID_ARGUMENT)


def to_status(error: BaseException, domain: str) -> Status:
    """`error` as google.rpc.Status. `domain` is `<service>.essaim`. Unknown exceptions become INTERNAL."""
    known = error if isinstance(error, ProtocolError) else InternalError("internal error")
    foreign = known.metadata.keys() - METADATA_KEYS
    if foreign:
        raise KeyError(f"metadata keys are a closed set: {sorted(foreign)}")
    details = [_pack(ErrorInfo(reason=known.reason, domain=domain, metadata=dict(known.metadata)))]
    if known.retry_after_ms is not None:
        delay = Duration()
        delay.FromMilliseconds(known.retry_after_ms)
        details.append(_pack(RetryInfo(retry_delay=delay)))
    return Status(code=code_of(known.reason).value[0], message=str(known), details=details)


async def abort(context: "grpc.aio.ServicerContext[Any, Any]", error: BaseException, domain: str) -> NoReturn:
    """End a call with `error`. Whoever catches must let the raised grpc.aio.AbortError pass."""
    status = to_status(error, domain)
    code = code_of(error.reason if isinstance(error, ProtocolError) else INTERNAL)
    await context.abort(code, status.message, ((DETAILS_TRAILER, status.SerializeToString()),))


def reason_of(error: grpc.aio.AioRpcError) -> Refusal:
    """What a call that failed was refused for; reason UNSPECIFIED when the other side did not say."""
    return read_trailers(error.code().value[0], error.trailing_metadata() or ())


def _pack(message: ErrorInfo | RetryInfo) -> Packed:
    packed = Packed()
    packed.Pack(message)
    return packed
