"""Members' receipts: proof that a quorum said it has a record on disk, for the sender and for whoever asks later."""

from collections.abc import Iterable
from dataclasses import dataclass

from essaim.protocol.mailbox.receipt import Outcome, Receipt
from essaim.protocol.mailbox.record import Notice, record_id
from essaim.storage.v1 import mailbox_pb2
from essaim_client.mailbox.swarm_call import Swarms


@dataclass(frozen=True)
class Proof:
    """What the owner signed, and the members that say that they have it: it holds without the network."""

    notice: Notice
    receipts: tuple[Receipt, ...]

    def holders(self) -> frozenset[bytes]:
        """Node ids of those whose word is genuine."""
        of_id = record_id(self.notice)
        return frozenset(each.node_id for each in self.receipts if each.proves(of_id))


def receipts_of(protos: Iterable[mailbox_pb2.Receipt]) -> tuple[Receipt, ...]:
    """Those that can be one."""
    return tuple(_receipt(each) for each in protos if each.outcome in set(Outcome))


def _receipt(proto: mailbox_pb2.Receipt) -> Receipt:
    columns = (proto.node_id, proto.time_ms, proto.signature, Outcome(proto.outcome))
    return Receipt(*columns, proto.count, proto.index, tuple(proto.path))


def proven(swarms: Swarms, mailbox_id: bytes, of_id: bytes, receipts: Iterable[Receipt]) -> bool:
    """Whether W members of the mailbox's swarm signed for this record."""
    members = {node.node_id for node in swarms.views.current.swarm_of(mailbox_id).members}
    quorum, holders = len(members) // 2 + 1, set[bytes]()
    for each in receipts:
        if each.node_id in members - holders and each.proves(of_id):
            holders.add(each.node_id)
        if len(holders) >= quorum:
            return True
    return False
