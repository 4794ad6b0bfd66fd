"""One hop's work on a cell: open, check, and make the next cell. docs/protocol/onion.md, "Unwrapping"."""

from collections.abc import Collection
from dataclasses import dataclass, field
from hmac import compare_digest

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from essaim.protocol.geometry import (
    CELL_SIZES,
    LAYOUTS,
    LENGTH_SIZE,
    PREFIX_SIZE,
    ROUTING_SIZE,
    VERSION,
    CellClass,
    Layout,
    Suite,
)
from essaim.protocol.keys import KeyRefusedError
from essaim.protocol.onion.hop import PrivatePair
from essaim.protocol.onion.kem import decapsulate
from essaim.protocol.onion.keyring import Keyring
from essaim.protocol.onion.refusal import BadCellError, KeyUnknownError
from essaim.protocol.onion.routing import Command, Routing
from essaim.protocol.onion.schedule import (
    BODY_NONCE,
    PAYLOAD_NONCE,
    CallKeys,
    HopSecrets,
    derive,
    header_stream,
    mac_of,
)

ALL_SUITES = frozenset(Suite)
_PAD = {suite: bytes(layout.slot) for suite, layout in LAYOUTS.items()}
_SUITES = {int(suite): suite for suite in Suite}
_CLASSES = dict(enumerate(CellClass))


@dataclass(frozen=True, slots=True)
class Forward:
    """Hand `cell`, of the same size, to the node `next_node`; its replies go through ReplyRelay(keys)."""

    next_node: bytes
    cell: bytes = field(repr=False)
    keys: CallKeys = field(repr=False)


@dataclass(frozen=True, slots=True)
class Deliver:
    """This node is the destination of `payload`; it answers with ReplySealer(keys)."""

    payload: bytes = field(repr=False)
    keys: CallKeys = field(repr=False)


@dataclass(frozen=True, slots=True)
class Drop:
    """Cover: nothing to do. It may be answered like any other call."""

    keys: CallKeys = field(repr=False)


def unwrap(
    cell: bytes, keyring: Keyring, now_ms: int, suites: Collection[Suite] = ALL_SUITES
) -> Forward | Deliver | Drop:
    """Open one layer. `suites` are those that the signed view allows.

    Raises BadCellError, KeyUnknownError, StaleError or ReplayError, in the order of the checks: form, key, MAC,
    routing, freshness, replay; ReplayWindowFullError where not one more can be remembered. A cell whose MAC is wrong
    leaves no trace in the replay window.
    """
    layout, reply_class = _form_of(cell, suites)
    pair = keyring.pair(cell[4:PREFIX_SIZE])
    if pair is None or pair.until_ms <= now_ms:
        raise KeyUnknownError("sealed to a key that is not here")
    secrets = _open(cell, layout, pair)
    stream = header_stream(secrets)
    plain = stream.update(cell[layout.beta_at : layout.gamma_at] + _PAD[layout.suite])
    routing = Routing.parse(plain[:ROUTING_SIZE])
    pair.replay.admit(secrets.tag, routing.minute, now_ms)
    keys = CallKeys(reply_class, secrets.reply, secrets.error)
    if routing.command == Command.RELAY:
        stream.reset_nonce(BODY_NONCE)
        body = stream.update(memoryview(cell)[layout.header :])
        return Forward(routing.next_node, _next_header(cell, layout, plain, routing) + body, keys)
    if routing.command == Command.DROP:
        return Drop(keys)
    return Deliver(opened_payload(secrets.payload, cell[layout.header :]), keys)


def _form_of(cell: bytes, suites: Collection[Suite]) -> tuple[Layout, CellClass]:
    if len(cell) < PREFIX_SIZE or cell[0] != VERSION:
        raise BadCellError("not a cell of this version")
    suite, cell_class, reply_class = _SUITES.get(cell[1]), _CLASSES.get(cell[2]), _CLASSES.get(cell[3])
    if suite is None or suite not in suites or cell_class is None or reply_class is None:
        raise BadCellError("a suite or class that is not known or not allowed")
    if len(cell) != CELL_SIZES[cell_class]:
        raise BadCellError("not of its class's size")
    return LAYOUTS[suite], reply_class


def _open(cell: bytes, layout: Layout, pair: PrivatePair) -> HopSecrets:
    try:
        shared, transcript = decapsulate(pair, layout.suite, cell[PREFIX_SIZE : layout.beta_at])
    except KeyRefusedError as error:
        raise BadCellError("a KEM ciphertext that is not one") from error
    secrets = derive(shared, transcript, cell[:PREFIX_SIZE])
    view = memoryview(cell)
    tag = mac_of(secrets.mac, (view[: layout.gamma_at], view[layout.header :]))
    if not compare_digest(tag, view[layout.gamma_at : layout.header]):
        raise BadCellError("the MAC does not fit")
    return secrets


def _next_header(cell: bytes, layout: Layout, plain: bytes, routing: Routing) -> bytes:
    """The slot taken off gives key id, KEM ciphertext and MAC; what is left of beta has its old length again."""
    kem_end = ROUTING_SIZE + layout.kem
    return b"".join(
        (cell[:4], routing.next_key_id, plain[ROUTING_SIZE:kem_end], plain[layout.slot :], plain[kem_end : layout.slot])
    )


def opened_payload(key: bytes, body: bytes) -> bytes:
    """The payload of the last layer; BadCellError unless it opens and is padded in its one form."""
    try:
        plain = ChaCha20Poly1305(key).decrypt(PAYLOAD_NONCE, body, None)
    except InvalidTag as error:
        raise BadCellError("the last layer does not open") from error
    end = LENGTH_SIZE + int.from_bytes(plain[:LENGTH_SIZE], "big")
    if end > len(plain) or plain[end:] != bytes(len(plain) - end):
        raise BadCellError("a payload that is not padded in the one form")
    return plain[LENGTH_SIZE:end]
