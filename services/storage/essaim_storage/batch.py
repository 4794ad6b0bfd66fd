"""Batch: several operations on one mailbox in one request, one after the other, each with its own result.

One mailbox, for a node need not learn which mailboxes belong together.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from google.rpc.status_pb2 import Status

from essaim.protocol.errors import ProtocolError
from essaim.protocol.mailbox.rule import MAX_ENVELOPES
from essaim.runtime.errors import to_status
from essaim.storage.v1 import mailbox_pb2
from essaim_storage.refusal import BatchRefusedError

RESULT_ROOM = 512
"""Bytes that a result takes at most beside what a Retrieve brings."""

Carry = Callable[[Any, int], Awaitable[Any]]
"""`await carry(request, capacity)`: the answer, of at most so many bytes."""


async def carried(
    request: mailbox_pb2.BatchRequest, carriers: Mapping[str, Carry], capacity: int, domain: str
) -> mailbox_pb2.BatchResponse:
    """The results in the order of the operations; what Retrieves bring shares the room of the answer."""
    names = check(request)
    share = (capacity - RESULT_ROOM * len(names)) // max(1, names.count("retrieve"))
    results = []
    for name, operation in zip(names, request.operations, strict=True):
        try:
            answer = await carriers[name](getattr(operation, name), share)
        except ProtocolError as error:
            results.append(mailbox_pb2.OperationResult(status=to_status(error, domain)))
        else:
            results.append(mailbox_pb2.OperationResult(status=Status(), **{name: answer}))
    return mailbox_pb2.BatchResponse(results=results)


def check(request: mailbox_pb2.BatchRequest) -> list[str]:
    """The operations' names, or BatchRefusedError."""
    names = [each.WhichOneof("operation") for each in request.operations]
    known: list[str] = [name for name in names if name is not None]
    mailboxes = {getattr(each, name).mailbox.id for name, each in zip(known, request.operations, strict=False)}
    if not 1 <= len(names) <= MAX_ENVELOPES or len(known) != len(names) or len(mailboxes) != 1:
        raise BatchRefusedError("1 to 16 operations on one mailbox")
    return known
