"""One hop's work on a cell: open, check, and make the next cell. docs/protocol/onion.md, "Unwrapping"."""

from collections.abc import Collection
from dataclasses import dataclass, field
from hmac import compare_digest
from itertools import product

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
_FORMS = {
    bytes((VERSION, suite, cell, reply)): (LAYOUTS[suite], CELL_SIZES[cell], reply)
    for suite, cell, reply in product(Suite, CellClass, CellClass)
}
"""What the first 4 bytes of a cell say of it: every form there is. Layout, size, class of the replies."""

# Nobody changes what `unwrap` gives: the classes are not frozen because making a frozen one takes three times as long.


@dataclass(slots=True)
class Forward:
    """Hand `cell`, of the same size, to the node `next_node`; its replies go through ReplyRelay(keys)."""

    next_node: bytes
    cell: bytes = field(repr=False)
    keys: CallKeys = field(repr=False)


@dataclass(slots=True)
class Deliver:
    """This node is the destination of `payload`; it answers with ReplySealer(keys)."""

    payload: bytes = field(repr=False)
    keys: CallKeys = field(repr=False)


@dataclass(slots=True)
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
        return Forward(routing.next_node, _next_cell(cell, layout, plain, routing, body), keys)
    if routing.command == Command.DROP:
        return Drop(keys)
    return Deliver(opened_payload(secrets.payload, cell[layout.header :]), keys)


def _form_of(cell: bytes, suites: Collection[Suite]) -> tuple[Layout, CellClass]:
    form = _FORMS.get(cell[:4])
    if form is None:
        raise BadCellError("a version, suite or class that is not known")
    layout, size, reply_class = form
    if layout.suite not in suites:
        raise BadCellError("a suite that is not allowed")
    if len(cell) != size:
        raise BadCellError("not of its class's size")
    return layout, reply_class


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


def _next_cell(cell: bytes, layout: Layout, plain: bytes, routing: Routing, body: bytes) -> bytes:
    """The slot taken off gives key id, KEM ciphertext and MAC; what is left of beta has its old length again."""
    kem_end, slot = ROUTING_SIZE + layout.kem, layout.slot
    front = (cell[:4], routing.next_key_id, plain[ROUTING_SIZE:kem_end])
    return b"".join((*front, plain[slot:], plain[kem_end:slot], body))


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
