"""A host is a key; the nodes that serve it come and go. The host's key attests each of them.

attestation = Ed25519(host key, "essaim/opengroup/host/v1" || node id 32)
"""

from essaim.protocol.keys import SigningKey, VerifyKey

LABEL = b"essaim/opengroup/host/v1"


def attest(host: SigningKey, node_id: bytes) -> bytes:
    """The host's word that a node serves it."""
    return host.sign(LABEL + node_id)


def attested(host_id: VerifyKey, node_id: bytes, attestation: bytes) -> bool:
    """Whether the host says so."""
    return host_id.verifies(attestation, LABEL + node_id)
