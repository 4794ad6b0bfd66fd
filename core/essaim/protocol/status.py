"""A refusal as it travels: google.rpc.Status with exactly one ErrorInfo (AIP-193), read without gRPC itself.

Servers write it in `essaim.runtime.errors`; clients, and nodes that ask other nodes, read it here: from a field of a
message, or from the trailing metadata of a call.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from google.protobuf.message import DecodeError
from google.rpc.error_details_pb2 import ErrorInfo, RetryInfo
from google.rpc.status_pb2 import Status

DETAILS_TRAILER = "grpc-status-details-bin"
UNSPECIFIED = "UNSPECIFIED"
OK = 0
UNKNOWN = 2
_REASON = re.compile(r"[A-Z][A-Z0-9_]{1,62}", re.ASCII)
"""AIP-193. Anything else is foreign text, which must not reach a log, a label or somebody's terminal."""


@dataclass(frozen=True)
class Refusal:
    """What a status says. `code` is a google.rpc.Code; `reason` is UNSPECIFIED where no one such came."""

    code: int
    reason: str = UNSPECIFIED
    domain: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)
    retry_after_ms: int | None = None


def read_status(status: Status) -> Refusal | None:
    """What `status` refuses; None when its code is OK."""
    if status.code == OK:
        return None
    infos, retry = [], None
    for detail in status.details:
        info, delay = ErrorInfo(), RetryInfo()
        try:
            if detail.Unpack(info):
                infos.append(info)
            elif detail.Unpack(delay):
                retry = max(0, delay.retry_delay.ToMilliseconds())
        except DecodeError:
            continue
    if len(infos) != 1 or not _REASON.fullmatch(infos[0].reason):
        return Refusal(status.code, retry_after_ms=retry)
    return Refusal(status.code, infos[0].reason, infos[0].domain, dict(infos[0].metadata), retry)


def read_trailers(code: int, trailers: Iterable[tuple[str, str | bytes]]) -> Refusal:
    """The refusal of a call that ended with `code` (not OK). Foreign bytes that are no Status leave the code alone."""
    for key, value in trailers:
        if key != DETAILS_TRAILER or not isinstance(value, bytes):
            continue
        try:
            refusal = read_status(Status.FromString(value))
        except DecodeError:
            break
        if refusal is not None and refusal.code == code:
            return refusal
    return Refusal(code)
