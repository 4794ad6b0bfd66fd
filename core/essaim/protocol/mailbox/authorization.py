"""Signed requests.

    signed text = "essaim/authorization/v1" || mailbox id 32 || method length u8 || method || payload hash 32
                  || expiry u64 || time u64 || nonce 16

signed by Ed25519 with the owner's key, a write key, or a slot key under a slot record (rule.py says which). The expiry
is the envelope's in a Store and 0 elsewhere; the time is unix milliseconds. Payload hashes: payload.py.

Whether the time is near and the nonce fresh is asked by the member that takes the client's request alone
(`check_fresh`); every member that keeps what was signed asks `check`.
"""

from collections import deque
from dataclasses import dataclass
from enum import StrEnum

from essaim.protocol.keys import SIGNATURE_SIZE, VerifyKey
from essaim.protocol.mailbox.policy import Kind, Policy
from essaim.protocol.mailbox.refusal import (
    ClockError,
    MethodRefusedError,
    NonceMemoryFullError,
    NonceReusedError,
    NotAuthorizedError,
    SlotRecordRefusedError,
)
from essaim.protocol.mailbox.rule import CLOCK_SKEW_MS, entry_slot
from essaim.protocol.mailbox.slot_record import Signer, certified

LABEL = b"essaim/authorization/v1"
NONCE_SIZE = 16
NONCE_MEMORY_MS = 600_000
TIME_SIZE = 8
MAX_NONCES = 1 << 20
"""1,700 signed requests a second for ten minutes; some 250 MB."""
MAX_TIME_MS = 1 << 62


class Method(StrEnum):
    """The methods that may be signed, by their proto names."""

    STORE = "Store"
    RETRIEVE = "Retrieve"
    SUBSCRIBE = "Subscribe"
    CONFIRM = "Confirm"
    DELETE = "Delete"
    DELETE_BEFORE = "DeleteBefore"
    DELETE_ALL = "DeleteAll"
    EXPIRE = "Expire"
    GET_EXPIRIES = "GetExpiries"
    DROP_SLOT = "DropSlot"
    PUBLISH_PREKEYS = "PublishPrekeys"
    REGISTER_PUSH = "RegisterPush"


OWNERS = frozenset((Method.DELETE, Method.DELETE_BEFORE, Method.DELETE_ALL, Method.DROP_SLOT))
"""No slot's key does these."""


def signed_text(
    mailbox_id: bytes, method: Method, payload_hash: bytes, expires_ms: int, time_ms: int, nonce: bytes
) -> bytes:
    """What an authorization signs; for who knows a mailbox by its id alone, too."""
    name = method.encode()
    numbers = expires_ms.to_bytes(8) + time_ms.to_bytes(8)
    return LABEL + mailbox_id + bytes((len(name),)) + name + payload_hash + numbers + nonce


@dataclass(frozen=True)
class Authorization:
    """A signature with what it covers beside the request; `slot_record` is empty or 137 bytes."""

    time_ms: int
    nonce: bytes
    signature: bytes
    slot_record: bytes = b""

    def __post_init__(self) -> None:
        sizes = len(self.nonce), len(self.signature)
        if sizes != (NONCE_SIZE, SIGNATURE_SIZE) or not 0 <= self.time_ms < MAX_TIME_MS:
            raise NotAuthorizedError("a time, a nonce of 16 bytes and a signature of 64 are needed")


@dataclass(frozen=True)
class Act:
    """What is to be authorised: a method on a slot (or entry, or b"" for all) of a mailbox, with a payload."""

    policy: Policy
    method: Method
    slot: bytes
    payload_hash: bytes
    expires_ms: int = 0
    version: int = 0
    """Of the envelope in a Store: it tells who may write it, and is signed with the envelope's id."""

    def signed_text(self, time_ms: int, nonce: bytes) -> bytes:
        return signed_text(self.policy.mailbox_id, self.method, self.payload_hash, self.expires_ms, time_ms, nonce)

    def authorize(self, signer: Signer, time_ms: int, nonce: bytes, slot_record: bytes = b"") -> Authorization:
        """For the client: sign this act with the owner's, write or slot key (the last with its slot record)."""
        return Authorization(time_ms, nonce, signer.sign(self.signed_text(time_ms, nonce)), slot_record)

    def check(self, authorization: Authorization) -> None:
        """Signed by a key that may; else NotAuthorizedError, SlotRecordRefusedError or MethodRefusedError."""
        key = self._slot_key(authorization.slot_record) if authorization.slot_record else self._policy_key()
        if not key.verifies(authorization.signature, self.signed_text(authorization.time_ms, authorization.nonce)):
            raise NotAuthorizedError("not signed by a key that may do this")

    def _policy_key(self) -> VerifyKey:
        match self.method:
            case Method.STORE:
                key = self._writing_key()
            case Method.RETRIEVE | Method.SUBSCRIBE | Method.GET_EXPIRIES:
                key = self.policy.reader
            case Method.REGISTER_PUSH if self.policy.kind is Kind.GROUP:
                key = self.policy.reader
            case _:
                key = self.policy.owner
        if key is None:
            raise MethodRefusedError("this kind of mailbox needs no signature for this")
        return key

    def _writing_key(self) -> VerifyKey | None:
        """A group's versioned entries are its admins', lest any member replaces what others rest on."""
        admins = self.policy.kind == Kind.GROUP and self.version > 0
        return self.policy.delete_key if admins else self.policy.write_key

    def _slot_key(self, encoded: bytes) -> VerifyKey:
        record = certified(encoded, self.policy)
        if record.slot != self._slot_allowed() or record.slot_key is None:
            raise SlotRecordRefusedError("this slot's key may not do this")
        return record.slot_key

    def _slot_allowed(self) -> int | None:
        """The device slot whose key may act here, if any may."""
        if self.method in OWNERS:
            return None
        if self.method == Method.STORE:
            return entry_slot(self.slot) if self.policy.kind == Kind.OUTBOX else None
        return self.slot[0] if len(self.slot) == 1 else None


def check_time(time_ms: int, now_ms: int) -> None:
    """Within five minutes, or ClockError."""
    if abs(now_ms - time_ms) > CLOCK_SKEW_MS:
        raise ClockError("signed more than five minutes from now")


class NonceMemory:
    """The nonces of the last ten minutes with the payload each came with; one at each node, forgotten at a restart.

    A repeat with the same payload hash passes: every method gives it the first answer, being idempotent.
    """

    def __init__(self, max_nonces: int = MAX_NONCES) -> None:
        self._max_nonces = max_nonces
        self._seen: dict[bytes, bytes] = {}
        """By mailbox id and nonce: the time, 8 bytes, and the payload's hash, in one object."""
        self._order: deque[bytes] = deque()

    def __len__(self) -> int:
        return len(self._seen)

    def check_fresh(self, act: Act, authorization: Authorization, now_ms: int) -> None:
        """Time near, nonce not used for anything else (ClockError, NonceReusedError). After `Act.check`.

        NonceMemoryFullError at the cap: whoever fills a memory that forgets early can use an old signature again.
        """
        check_time(authorization.time_ms, now_ms)
        self._forget(now_ms)
        key = act.policy.mailbox_id + authorization.nonce
        before = self._seen.get(key)
        if before is None:
            self._remember(key, now_ms.to_bytes(TIME_SIZE) + act.payload_hash)
        elif before[TIME_SIZE:] != act.payload_hash:
            raise NonceReusedError("a nonce is for one payload")

    def _remember(self, key: bytes, what: bytes) -> None:
        if len(self._seen) >= self._max_nonces:
            raise NonceMemoryFullError("as many nonces as can be remembered")
        self._seen[key] = what
        self._order.append(key)

    def _forget(self, now_ms: int) -> None:
        """Insertion order is time order, near enough: a clock that steps back only makes some stay longer."""
        while self._order:
            if int.from_bytes(self._seen[self._order[0]][:TIME_SIZE]) + NONCE_MEMORY_MS > now_ms:
                return
            del self._seen[self._order.popleft()]
