"""Members' receipts at the member that takes a client's request: out of Acks, and of its own commits."""

from dataclasses import dataclass

from essaim.protocol.mailbox.receipt import Outcome, Receipt, SignedBatch
from essaim_storage.message import Ack


@dataclass(frozen=True, slots=True)
class Heard:
    """What a member says of a record: that it has it on disk (`reason` empty), with its receipt if it was asked for."""

    record_id: bytes
    reason: str
    receipt: Receipt | None = None


def receipts_of(member: bytes, record_ids: tuple[bytes, ...], ack: Ack) -> dict[bytes, Receipt]:
    """For each record of a Write that its Ack signs; none if it does not.

    Else a member that acknowledges at once under a bad signature would take the place of an honest one in every quorum,
    and no client that asks for receipts could store anything in its swarm.
    """
    signed = ack.signed
    if signed is None:
        return {}
    refused, removed = {each.index for each in ack.refused}, set(signed.removed)
    leaves = [
        (of_id, Outcome.REMOVED if index in removed else Outcome.KEPT)
        for index, of_id in enumerate(record_ids)
        if index not in refused
    ]
    batch = SignedBatch(member, signed.time_ms, signed.signature, leaves)
    return batch.receipts() if batch.is_genuine else {}
