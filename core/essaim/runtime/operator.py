"""The operator of a node, as far as the node can show it: by the operator's key, or by what the operator signed."""

from pathlib import Path
from typing import TYPE_CHECKING

from essaim.protocol.keys import SEED_SIZE, SigningKey
from essaim.protocol.view.admission import admit
from essaim.runtime.refusal import StartError

if TYPE_CHECKING:
    from essaim.runtime.settings import NodeSettings


def read_operator_key(file: Path) -> SigningKey:
    """32 bytes. StartError."""
    try:
        seed = file.read_bytes()
    except OSError:
        raise StartError("the operator's key (--operator-key) cannot be read.") from None
    if len(seed) != SEED_SIZE:
        raise StartError("the operator's key (--operator-key) must be a file of 32 bytes.")
    return SigningKey(seed)


def standing_of(settings: "NodeSettings", network_id: bytes, node_id: bytes) -> tuple[bytes, bytes]:
    """The operator id of the descriptor, and the operator's word for the node; each may be empty. StartError."""
    named = bytes.fromhex(settings.operator_id)
    if settings.operator_key is None:
        return named, bytes.fromhex(settings.admission)
    operator = read_operator_key(settings.operator_key)
    if named not in (b"", operator.public.raw):
        raise StartError("--operator-id is not the public key of --operator-key; leave one out.")
    return operator.public.raw, admit(operator, network_id, node_id)
