"""The handshake of a link: the acceptor challenges, the dialler signs. One round trip that TLS has already paid for.

    acceptor: CHALLENGE { nonce 32 | time 8 }
    dialler:  HELLO { version | class | own id | peer id | view serial | signature }      and calls at once

The signature is Ed25519 by the dialler's identity over `"essaim/link/v1" || nonce || own id || peer id || class ||
serial`. TLS has proved the acceptor to the dialler by its pinned certificate; the signature proves the dialler.
A client signs nothing and names nobody; a node that the acceptor's view does not list is treated as one.
"""

from collections.abc import Callable
from dataclasses import dataclass

from essaim.protocol.geometry import CELL_SIZES, NODE_ID_SIZE
from essaim.protocol.keys import SIGNATURE_SIZE, KeyRefusedError, VerifyKey
from essaim.protocol.link.frame import MESSAGE_CLASS, Challenge, Hello
from essaim.protocol.link.refusal import HelloRefusedError, OldViewError

LINK_VERSION = 1
SERIALS_BACK = 16
"""How far behind the acceptor's view the dialler's may be."""
NOBODY = bytes(NODE_ID_SIZE)
_LABEL = b"essaim/link/v1"


@dataclass(frozen=True)
class LinkIdentity:
    """What a node says of itself on the links that it dials."""

    node_id: bytes
    sign: Callable[[bytes], bytes]
    view_serial: Callable[[], int]


@dataclass(frozen=True, slots=True)
class Dialler:
    """Who is at the other end, as the acceptor has found it to be. `node_id` is None for a client."""

    link_class: int
    node_id: bytes | None


def signed_text(nonce: bytes, own_id: bytes, peer_id: bytes, link_class: int, view_serial: int) -> bytes:
    """What the dialler signs."""
    return b"".join((_LABEL, nonce, own_id, peer_id, bytes((link_class,)), view_serial.to_bytes(8, "big")))


def answer(challenge: Challenge, identity: LinkIdentity | None, peer_id: bytes, link_class: int) -> Hello:
    """The dialler's HELLO; without an identity a client's."""
    if identity is None:
        return Hello(LINK_VERSION, link_class, NOBODY, peer_id, 0, bytes(SIGNATURE_SIZE))
    serial = identity.view_serial()
    text = signed_text(challenge.nonce, identity.node_id, peer_id, link_class, serial)
    return Hello(LINK_VERSION, link_class, identity.node_id, peer_id, serial, identity.sign(text))


def admit(
    hello: Hello, challenge: Challenge, own_id: bytes, view_serial: int, listed: Callable[[bytes], bool]
) -> Dialler:
    """Who dials, by the acceptor's own challenge and view; HelloRefusedError or OldViewError."""
    if hello.version != LINK_VERSION or hello.link_class not in (*range(len(CELL_SIZES)), MESSAGE_CLASS):
        raise HelloRefusedError("a version or class that is not spoken here")
    if hello.peer_id != own_id:
        raise HelloRefusedError("meant for another node")
    node_id = _signer(hello, challenge)
    if node_id is not None and not listed(node_id):
        node_id = None
    if node_id is None and hello.link_class == MESSAGE_CLASS:
        raise HelloRefusedError("messages are for nodes of the view")
    if node_id is not None and hello.view_serial < view_serial - SERIALS_BACK:
        raise OldViewError("the view named is too old")
    return Dialler(hello.link_class, node_id)


def _signer(hello: Hello, challenge: Challenge) -> bytes | None:
    if hello.own_id == NOBODY:
        return None
    text = signed_text(challenge.nonce, hello.own_id, hello.peer_id, hello.link_class, hello.view_serial)
    try:
        verified = VerifyKey(hello.own_id).verifies(hello.signature, text)
    except KeyRefusedError:
        verified = False
    if not verified:
        raise HelloRefusedError("the signature is not that of the node named")
    return hello.own_id
