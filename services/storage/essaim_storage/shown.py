"""Receipts in a client's answer."""

from essaim.protocol.mailbox.receipt import Receipt
from essaim.storage.v1 import mailbox_pb2

ROOM = 256
"""Bytes of an answer that are kept free."""


def receipt_to_proto(receipt: Receipt) -> mailbox_pb2.Receipt:
    """As docs/protocol/mailbox.md lays it out."""
    return mailbox_pb2.Receipt(
        node_id=receipt.node_id,
        time_ms=receipt.time_ms,
        signature=receipt.signature,
        outcome=receipt.outcome,
        count=receipt.count,
        index=receipt.index,
        path=receipt.path,
    )


def fitted(response: mailbox_pb2.StoreResponse, capacity: int) -> mailbox_pb2.StoreResponse:
    """Without the receipts of the last envelopes, as far as they do not fit: a client asks again for those."""
    for result in reversed(response.results):
        if response.ByteSize() + ROOM <= capacity:
            break
        del result.receipts[:]
    return response
