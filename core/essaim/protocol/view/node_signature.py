"""What a node itself has signed: its id is its Ed25519 identity key."""

from essaim.protocol.geometry import NODE_ID_SIZE
from essaim.protocol.keys import KeyRefusedError, VerifyKey
from essaim.protocol.view.refusal import BadSignatureError
from essaim.protocol.view.wire import require


def check_signed_by(node_id: bytes, signature: bytes, message: bytes) -> None:
    """BadSignatureError unless the identity key that is the node id has signed."""
    require(len(node_id) == NODE_ID_SIZE, "a node id has 32 bytes")
    try:
        valid = VerifyKey(node_id).verifies(signature, message)
    except KeyRefusedError:
        valid = False
    if not valid:
        raise BadSignatureError("not signed by the node that it names")
