"""Transactions of a node to discovery: signed by its identity key over "essaim/transaction/v1" || transaction."""

from essaim.discovery.v1 import discovery_pb2
from essaim.protocol.keys import SigningKey
from essaim.protocol.view.node_signature import check_signed_by
from essaim.protocol.view.wire import parse

TRANSACTION_LABEL = b"essaim/transaction/v1"


def sign_transaction(transaction: discovery_pb2.Transaction, key: SigningKey) -> discovery_pb2.SignedTransaction:
    """The transported form."""
    raw = transaction.SerializeToString(deterministic=True)
    return discovery_pb2.SignedTransaction(transaction=raw, signature=key.sign(TRANSACTION_LABEL + raw))


def parse_transaction(signed: discovery_pb2.SignedTransaction) -> discovery_pb2.Transaction:
    """Verified against the node that it names; MalformedError, BadSignatureError."""
    transaction = parse(discovery_pb2.Transaction, signed.transaction)
    check_signed_by(transaction.node_id, signed.signature, TRANSACTION_LABEL + signed.transaction)
    return transaction
