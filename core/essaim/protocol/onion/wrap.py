"""Building a cell: the layers from the destination outwards. docs/protocol/onion.md, "Wrapping"."""

from collections.abc import Sequence
from dataclasses import dataclass

from cryptography.hazmat.primitives.ciphers import CipherContext
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from essaim.protocol.geometry import (
    AEAD_TAG_SIZE,
    LAYOUTS,
    LENGTH_SIZE,
    MAX_LAYERS,
    PREFIX_SIZE,
    ROUTING_SIZE,
    VERSION,
    CellClass,
    Layout,
    Suite,
)
from essaim.protocol.onion.hop import HopPublic
from essaim.protocol.onion.kem import Randomness, encapsulate
from essaim.protocol.onion.reply import ReplyOpener
from essaim.protocol.onion.routing import Command, Routing
from essaim.protocol.onion.schedule import (
    BODY_NONCE,
    HEADER_NONCE,
    PAYLOAD_NONCE,
    CallKeys,
    HopSecrets,
    derive,
    header_stream,
    mac_of,
)


@dataclass(frozen=True, slots=True)
class CellSpec:
    """The form of a call: the suite from the signed view, the class of its cell and of its replies."""

    suite: Suite = Suite.HYBRID
    cell_class: CellClass = CellClass.SMALL
    reply_class: CellClass = CellClass.SMALL

    @property
    def prefix(self) -> bytes:
        """The first 4 bytes of the cell, the same at every hop."""
        return bytes((VERSION, self.suite, self.cell_class, self.reply_class))


@dataclass(frozen=True, slots=True)
class _Layer:
    """One hop with what its layer is made of."""

    hop: HopPublic
    front: bytes
    """Prefix, key id and KEM ciphertext: the header up to beta."""
    secrets: HopSecrets
    stream: CipherContext


def wrap(
    path: Sequence[HopPublic],
    payload: bytes,
    spec: CellSpec,
    minute: int,
    randomness: Randomness,
    *,
    drop: bool = False,
) -> tuple[bytes, ReplyOpener]:
    """The cell for the first hop of `path` (1 to 4 hops, the last is the destination) and what opens its replies.

    `minute` is the corrected unix minute (`minute_of`). With `drop` the last hop throws the payload away (cover).
    ValueError when the path or the payload has a length that no cell has; KeyRefusedError for a hop's unusable key.
    """
    layout = LAYOUTS[spec.suite]
    if not 1 <= len(path) <= MAX_LAYERS:
        raise ValueError("a path has 1 to 4 hops")
    body = _padded(payload, layout.body(spec.cell_class) - AEAD_TAG_SIZE)
    layers = [_layer(hop, spec, randomness) for hop in path]
    cell = _sealed(layers, layout, body, Routing(Command.DROP if drop else Command.DELIVER, minute), randomness)
    keys = [CallKeys(spec.reply_class, each.secrets.reply, each.secrets.error) for each in layers]
    return cell, ReplyOpener(keys)


def _padded(payload: bytes, size: int) -> bytes:
    if LENGTH_SIZE + len(payload) > size:
        raise ValueError("the payload does not fit the cell class")
    return (len(payload).to_bytes(LENGTH_SIZE, "big") + payload).ljust(size, b"\0")


def _layer(hop: HopPublic, spec: CellSpec, randomness: Randomness) -> _Layer:
    shared, ciphertext, transcript = encapsulate(hop, spec.suite, randomness)
    prefix = spec.prefix + hop.key_id
    secrets = derive(shared, transcript, prefix)
    return _Layer(hop, prefix + ciphertext, secrets, header_stream(secrets))


def _sealed(layers: list[_Layer], layout: Layout, body: bytes, last: Routing, randomness: Randomness) -> bytes:
    *relays, end = layers
    filler = _filler(relays, layout)
    # Random, not zero: at the last hop the rest of beta would tell how long the path was.
    tail = randomness(layout.beta - ROUTING_SIZE - len(filler))
    beta = end.stream.update(last.encode() + tail) + filler
    body = ChaCha20Poly1305(end.secrets.payload).encrypt(PAYLOAD_NONCE, body, None)
    mac = mac_of(end.secrets.mac, (end.front, beta, body))
    following = end
    for relay in reversed(relays):
        routing = Routing(Command.RELAY, last.minute, following.hop.node_id, following.hop.key_id)
        slot = routing.encode() + following.front[PREFIX_SIZE:] + mac
        relay.stream.reset_nonce(HEADER_NONCE)
        beta = relay.stream.update(slot + beta[: layout.beta - layout.slot])
        relay.stream.reset_nonce(BODY_NONCE)
        body = relay.stream.update(body)
        mac = mac_of(relay.secrets.mac, (relay.front, beta, body))
        following = relay
    return b"".join((following.front, beta, mac, body))


def _filler(relays: list[_Layer], layout: Layout) -> bytes:
    """What the relays' zero slots have become at the last hop: the end of its beta (Sphinx, section 3.2)."""
    filler = b""
    for relay in relays:
        start = layout.beta - len(filler)
        filler = relay.stream.update(bytes(start) + filler + bytes(layout.slot))[start:]
    return filler
