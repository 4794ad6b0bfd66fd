"""Who asks a push host: a signature by an owner key, which a device draws for one host and uses for nothing else.

    signed text = "essaim/push/request/v1" || host id 32 || method length u8 || method || time u64
                  || BLAKE2b-256("essaim/push/body/v1" || body)

Nobody but the host sees a request, and repeating one changes nothing: there is no nonce.
"""

from dataclasses import dataclass
from enum import StrEnum

from essaim.protocol.kdf import blake2b256
from essaim.protocol.keys import KeyRefusedError, SigningKey, VerifyKey
from essaim.protocol.push.refusal import ClockError, NotAuthorizedError
from essaim.push.v1 import push_pb2

LABEL = b"essaim/push/request/v1"
BODY_LABEL = b"essaim/push/body/v1"
CLOCK_SKEW_MS = 5 * 60_000
MAX_TIME_MS = 1 << 62


class Method(StrEnum):
    """The methods that are signed."""

    SUBSCRIBE = "Subscribe"
    RENEW = "Renew"
    ROTATE = "Rotate"
    UNSUBSCRIBE = "Unsubscribe"
    LIST = "List"


@dataclass(frozen=True)
class Request:
    """What is asked of which host."""

    host_id: bytes
    method: Method
    body: bytes

    def signed_text(self, time_ms: int) -> bytes:
        name = self.method.encode()
        head = LABEL + self.host_id + bytes((len(name),)) + name
        return head + time_ms.to_bytes(8) + blake2b256(BODY_LABEL, self.body)

    def authorize(self, owner: SigningKey, time_ms: int) -> push_pb2.Authorization:
        """For the client."""
        signature = owner.sign(self.signed_text(time_ms))
        return push_pb2.Authorization(owner=owner.public.raw, time_ms=time_ms, signature=signature)

    def check(self, authorization: push_pb2.Authorization, now_ms: int) -> bytes:
        """The owner key that signed this very request. Raises NotAuthorizedError, ClockError."""
        if authorization.time_ms >= MAX_TIME_MS:
            raise NotAuthorizedError("signed for no time")
        try:
            owner = VerifyKey(authorization.owner)
        except KeyRefusedError:
            raise NotAuthorizedError("the owner is no key") from None
        if not owner.verifies(authorization.signature, self.signed_text(authorization.time_ms)):
            raise NotAuthorizedError("not signed by that owner for this request")
        if abs(now_ms - authorization.time_ms) > CLOCK_SKEW_MS:
            raise ClockError("signed more than five minutes from now")
        return owner.raw
