"""Who may register, where not everybody may: an operator signs the ids of its nodes.

admission = Ed25519 by the operator over "essaim/admission/v1" || network id || node id. The operator id is its public
key. It is of no use to any other node, for that could not sign as the node that it names.
"""

from essaim.protocol.keys import KeyRefusedError, SigningKey, VerifyKey

ADMISSION_LABEL = b"essaim/admission/v1"
ADMISSION_SIZE = 64


def admit(operator: SigningKey, network_id: bytes, node_id: bytes) -> bytes:
    """The operator's word for a node, 64 bytes. It holds until the operator itself is no longer admitted."""
    return operator.sign(ADMISSION_LABEL + network_id + node_id)


def is_admitted(operator_id: bytes, network_id: bytes, node_id: bytes, admission: bytes) -> bool:
    """Whether the operator has signed for the node."""
    try:
        return VerifyKey(operator_id).verifies(admission, ADMISSION_LABEL + network_id + node_id)
    except KeyRefusedError:
        return False
