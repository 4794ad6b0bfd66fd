"""Who asks: a signature over everything that counts.

    signed text = "essaim/opengroup/request/v1" || host id 32 || method length u8 || method || time u64 || nonce 16
                  || BLAKE2b-256("essaim/opengroup/body/v1" || body)

`body` is the bytes field beside the authorization (batch, following, query).
"""

from collections import deque
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from essaim.opengroup.v1 import opengroup_pb2
from essaim.protocol.kdf import blake2b256
from essaim.protocol.keys import KeyRefusedError, VerifyKey
from essaim.protocol.opengroup.refusal import BusyError, ClockError, NonceReusedError, NotAuthorizedError

LABEL = b"essaim/opengroup/request/v1"
BODY_LABEL = b"essaim/opengroup/body/v1"
CLOCK_SKEW_MS = 5 * 60_000
NONCE_SIZE = 16
NONCE_MEMORY_MS = 2 * CLOCK_SKEW_MS
MAX_NONCES = 1 << 20
MAX_TIME_MS = 1 << 62


class Method(StrEnum):
    """The methods that may be signed."""

    ACT = "Act"
    FOLLOW = "Follow"
    DOWNLOAD = "Download"


class Signer(Protocol):
    """A private member key."""

    @property
    def public(self) -> VerifyKey: ...

    def sign(self, message: bytes) -> bytes: ...


@dataclass(frozen=True)
class Request:
    """What is asked of which host."""

    host_id: bytes
    method: Method
    body: bytes

    def signed_text(self, time_ms: int, nonce: bytes) -> bytes:
        name = self.method.encode()
        head = LABEL + self.host_id + bytes((len(name),)) + name
        return head + time_ms.to_bytes(8) + nonce + blake2b256(BODY_LABEL, self.body)

    def authorize(self, signer: Signer, time_ms: int, nonce: bytes) -> opengroup_pb2.Authorization:
        """For the client."""
        signature = signer.sign(self.signed_text(time_ms, nonce))
        return opengroup_pb2.Authorization(member=signer.public.raw, time_ms=time_ms, nonce=nonce, signature=signature)

    def check(self, authorization: opengroup_pb2.Authorization) -> VerifyKey:
        """The member who signed this very request. Raises NotAuthorizedError."""
        if len(authorization.nonce) != NONCE_SIZE or authorization.time_ms >= MAX_TIME_MS:
            raise NotAuthorizedError("a time and a nonce of 16 bytes are needed")
        try:
            member = VerifyKey(authorization.member)
        except KeyRefusedError:
            raise NotAuthorizedError("the member is no key") from None
        if not member.verifies(authorization.signature, self.signed_text(authorization.time_ms, authorization.nonce)):
            raise NotAuthorizedError("not signed by that member for this request")
        return member


def check_time(time_ms: int, now_ms: int) -> None:
    """Within five minutes, or ClockError."""
    if abs(now_ms - time_ms) > CLOCK_SKEW_MS:
        raise ClockError("signed more than five minutes from now")


class Nonces:
    """Those of the last ten minutes. A repetition of the same request passes: every action is idempotent."""

    def __init__(self, most: int = MAX_NONCES) -> None:
        self._most = most
        self._seen: dict[bytes, tuple[int, bytes]] = {}
        self._order: deque[bytes] = deque()

    def __len__(self) -> int:
        return len(self._seen)

    def check(self, authorization: opengroup_pb2.Authorization, now_ms: int) -> None:
        """After `Request.check`: near in time, and the nonce not used for anything else."""
        check_time(authorization.time_ms, now_ms)
        self._forget(now_ms)
        key = authorization.member + authorization.nonce
        before = self._seen.get(key)
        if before is None:
            self._remember(key, now_ms, authorization.signature)
        elif before[1] != authorization.signature:
            raise NonceReusedError("a nonce is for one request")

    def _remember(self, key: bytes, now_ms: int, signature: bytes) -> None:
        if len(self._seen) >= self._most:
            raise BusyError("as many nonces as can be remembered")
        self._seen[key] = (now_ms, signature)
        self._order.append(key)

    def _forget(self, now_ms: int) -> None:
        while self._order:  # not the dictionary's own order: its front is full of gaps, looked through each time
            if self._seen[self._order[0]][0] + NONCE_MEMORY_MS > now_ms:
                return
            del self._seen[self._order.popleft()]
