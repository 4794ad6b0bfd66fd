"""A node's transaction: parsed, its signature checked."""

from dataclasses import dataclass

from essaim.discovery.v1 import discovery_pb2
from essaim.protocol.kdf import blake2b256
from essaim.protocol.view import MalformedError, WrongNetworkError
from essaim.protocol.view.node_signature import check_signed_by
from essaim.protocol.view.wire import parse
from essaim_discovery.refusal import NotATransactionError

SIGNATURE_LABEL = b"essaim/transaction/v1"
DIGEST_LABEL = b"essaim/transaction-digest/v1"
KINDS = ("register", "publish_keys", "prove_uptime", "leave")
MAX_BYTES = 64 * 1024


@dataclass(frozen=True)
class Checked:
    """A transaction that the node itself has signed, for this network."""

    message: discovery_pb2.Transaction
    kind: str
    digest: bytes

    @property
    def node_id(self) -> bytes:
        return self.message.node_id


def kind_of(signed: bytes) -> str:
    """What these bytes claim to be, for counting: one of KINDS, or "none"."""
    try:
        outer = parse(discovery_pb2.SignedTransaction, signed)
        return parse(discovery_pb2.Transaction, outer.transaction).WhichOneof("body") or "none"
    except MalformedError:
        return "none"


def check(signed: bytes, network_id: bytes) -> Checked:
    """NOT_A_TRANSACTION, WRONG_NETWORK, BAD_SIGNATURE."""
    if len(signed) > MAX_BYTES:
        raise NotATransactionError("a transaction has up to 64 KiB")
    try:
        outer = parse(discovery_pb2.SignedTransaction, signed)
        message = parse(discovery_pb2.Transaction, outer.transaction)
    except MalformedError as error:
        raise NotATransactionError("not a serialised transaction") from error
    kind = message.WhichOneof("body")
    if kind is None or len(message.node_id) != len(network_id):
        raise NotATransactionError("a transaction without a body or a node")
    if message.network_id != network_id:
        raise WrongNetworkError("a transaction for another network")
    check_signed_by(message.node_id, outer.signature, SIGNATURE_LABEL + outer.transaction)
    return Checked(message, kind, blake2b256(DIGEST_LABEL, outer.transaction))
