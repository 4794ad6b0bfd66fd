"""Onion cells: KEM-Sphinx with a constant header, a MAC over header and body at each hop, per-hop reply layers.

The law is docs/protocol/onion.md. What others use, in the order of a call's life:

    # client
    HopPublic(node_id, x25519: AgreementPublic, mlkem: KemPublic)          # .key_id; keep it, it caches the parsed keys
    hop_at(node_id, keys: Iterable[PeriodKey], periods, now_ms) -> HopPublic      # NoUsableKeyError
    wrap(path: Sequence[HopPublic], payload: bytes, spec: CellSpec, minute: int, randomness, *, drop=False)
        -> tuple[bytes, ReplyOpener]                                       # ValueError when the caller errs
    CellSpec(suite, cell_class, reply_class);  minute_of(now_ms) -> int
    ReplyOpener.open(seq: int, cell: bytes) -> Reply(kind, payload) | HopError(hop, refusal, time_ms)   # BadReplyError
        # hop = index in the path of the hop that made the error cell: its *next* hop refused or failed

    # node
    Keyring(periods: KeyPeriods, randomness);  .advance(now_ms) -> bool;  .published -> tuple[PeriodKey, ...]
        .next_change_ms(now_ms) -> int
    unwrap(cell: bytes, keyring: Keyring, now_ms: int, suites=ALL_SUITES) -> Forward | Deliver | Drop
        # CellRefusedError: BadCellError, KeyUnknownError, StaleError, ReplayError; `.refusal` is the Refusal code
    Forward(next_node, cell, keys: CallKeys) · Deliver(payload, keys: CallKeys) · Drop(keys: CallKeys)
    CallKeys.reply_class

    # relay, one for each call
    ReplyRelay(keys: CallKeys);  .next_seq
        .forward(seq: int, cell: bytes) -> bytes               # ReplyOrderError: the call has ended
        .fail(refusal: Refusal, time_ms=0) -> tuple[int, bytes]    # the error cell and its sequence; the call has ended

    # destination, one for each call
    ReplySealer(keys: CallKeys);  .max_payload
        .seal(payload: bytes, *, last: bool) -> tuple[int, bytes] · .heartbeat() -> tuple[int, bytes]
"""

from essaim.protocol.onion.hop import HopPublic, key_id_of
from essaim.protocol.onion.kem import Randomness
from essaim.protocol.onion.keyring import (
    GRACE_MS,
    KeyKind,
    KeyPeriods,
    Keyring,
    NoUsableKeyError,
    PeriodKey,
    hop_at,
)
from essaim.protocol.onion.refusal import (
    BadCellError,
    BadReplyError,
    CellRefusedError,
    KeyUnknownError,
    Refusal,
    ReplayError,
    ReplayWindowFullError,
    ReplyOrderError,
    StaleError,
)
from essaim.protocol.onion.replay import ISSUE_WINDOW_MS, minute_of
from essaim.protocol.onion.reply import HopError, Reply, ReplyKind, ReplyOpener, ReplyRelay, ReplySealer
from essaim.protocol.onion.schedule import CallKeys
from essaim.protocol.onion.unwrap import ALL_SUITES, Deliver, Drop, Forward, unwrap
from essaim.protocol.onion.wrap import CellSpec, wrap

__all__ = [
    "ALL_SUITES",
    "GRACE_MS",
    "ISSUE_WINDOW_MS",
    "BadCellError",
    "BadReplyError",
    "CallKeys",
    "CellRefusedError",
    "CellSpec",
    "Deliver",
    "Drop",
    "Forward",
    "HopError",
    "HopPublic",
    "KeyKind",
    "KeyPeriods",
    "KeyUnknownError",
    "Keyring",
    "NoUsableKeyError",
    "PeriodKey",
    "Randomness",
    "Refusal",
    "ReplayError",
    "ReplayWindowFullError",
    "Reply",
    "ReplyKind",
    "ReplyOpener",
    "ReplyOrderError",
    "ReplyRelay",
    "ReplySealer",
    "StaleError",
    "hop_at",
    "key_id_of",
    "minute_of",
    "unwrap",
    "wrap",
]
