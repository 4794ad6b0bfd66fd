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

_IN_ROOMS: Final = (
    *("BANNED", "INVITATION_NEEDED", "NOT_ALLOWED", "OUTRANKED", "ARCHIVED", "TOO_YOUNG"),
    *("FILTERED", "BLOCKED", "TOKEN_REFUSED"),
)
"""What an open group does not let a member do."""
_BY_CODE: Final = {
    # Come back later, or elsewhere.
    grpc.StatusCode.RESOURCE_EXHAUSTED: (
        *("BUSY", "QUOTA", "DISK_FULL", "PUZZLE_REQUIRED", "NETWORK_FULL", "SLOW_MODE"),
        *("EDIT_QUOTA", "REACTION_QUOTA"),
    ),
    grpc.StatusCode.UNAVAILABLE: ("DRAINING", "NOT_READY", "NO_VIEW_YET", "UNREACHABLE", "BAD_REPLY", "QUORUM_MISSING"),
    grpc.StatusCode.DEADLINE_EXCEEDED: ("TIMEOUT",),
    # Something must be renewed first: the view, the keys, the policy, the clock.
    grpc.StatusCode.FAILED_PRECONDITION: (
        *("WRONG_SWARM", "UNKNOWN_POLICY", "KEY_UNKNOWN", "STALE", "CLOCK"),
        *("OLD_VIEW", "NOT_LISTED", "WRONG_NETWORK", "WRONG_START", "OLD_DESCRIPTOR", "ROLE_CHANGED"),
        *("NOT_MOVING", "ROUND_OVER"),
    ),
    # Not allowed, not there, seen before.
    grpc.StatusCode.PERMISSION_DENIED: (
        *("NOT_AUTHORIZED", "BAD_SIGNATURE", "HELLO_REFUSED", "DECOMMISSIONED"),
        *("NOT_DRAWN", "NOT_AUTHORITY", "NOT_ADMITTED"),
        *_IN_ROOMS,
    ),
    grpc.StatusCode.NOT_FOUND: (
        "NOT_FOUND",
        "ROOM_UNKNOWN",
        "MEMBER_UNKNOWN",
        "POST_UNKNOWN",
        "FILE_UNKNOWN",
        "SUBSCRIPTION_UNKNOWN",
    ),
    grpc.StatusCode.ALREADY_EXISTS: ("REPLAY", "NONCE_REUSED", "SEQUENCE_USED", "NAME_TAKEN", "GENERATION_USED"),
    grpc.StatusCode.UNIMPLEMENTED: ("UNREACHABLE_METHOD",),
    grpc.StatusCode.INTERNAL: (INTERNAL,),
}
CODES: Final[Mapping[str, grpc.StatusCode]] = MappingProxyType(
    {reason: code for code, reasons in _BY_CODE.items() for reason in reasons}
)
"""Reasons that say more than "your input is wrong", which is INVALID_ARGUMENT and every other reason's code."""

METADATA_KEYS: Final = frozenset({"viewSerial", "viewEpoch", "nodeTimeMs", "limitBytes", "limitCount", "puzzleBits"})
"""All that ErrorInfo.metadata may say, each a decimal number; anything else is left out."""


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
    metadata = {key: value for key, value in known.metadata.items() if key in METADATA_KEYS and value.isdecimal()}
    details = [_pack(ErrorInfo(reason=known.reason, domain=domain, metadata=metadata))]
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
