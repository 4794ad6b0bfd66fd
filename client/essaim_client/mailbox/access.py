"""Who reads a mailbox, and with which key."""

from dataclasses import dataclass

from essaim.protocol.mailbox.authorization import Act, Authorization, Method
from essaim.protocol.mailbox.payload import read_hash
from essaim.protocol.mailbox.policy import Policy
from essaim.protocol.mailbox.slot_record import Signer
from essaim.storage.v1 import mailbox_pb2
from essaim_client.network.guard import Randomness

NONCE_SIZE = 16


@dataclass(frozen=True)
class Authority:
    """A key that may write or remove, and the slot record that lets it; empty where the policy itself names the key."""

    signer: Signer
    slot_record: bytes = b""

    def sign(self, act: Act, now_ms: int, random: Randomness) -> Authorization:
        return act.authorize(self.signer, now_ms, random(NONCE_SIZE), self.slot_record)

    def authorize(self, act: Act, now_ms: int, random: Randomness) -> mailbox_pb2.Authorization:
        return to_message(self.sign(act, now_ms, random))


@dataclass(frozen=True)
class Access:
    """One slot of one mailbox with the key that may read and confirm it; no signer where anyone reads."""

    policy: Policy
    slot: bytes
    signer: Signer | None = None
    slot_record: bytes = b""

    @property
    def lane(self) -> bytes:
        """Requests for one mailbox share a path with those of no other."""
        return self.policy.mailbox_id

    @property
    def authority(self) -> Authority:
        """To change what is in the slot. ValueError where anyone reads."""
        if self.signer is None:
            raise ValueError("changing something takes a signer")
        return Authority(self.signer, self.slot_record)

    def mailbox(self, view_serial: int) -> mailbox_pb2.Mailbox:
        return mailbox_pb2.Mailbox(id=self.policy.mailbox_id, policy=self.policy.encoded, view_serial=view_serial)

    def reading(self, method: Method, now_ms: int, random: Randomness) -> mailbox_pb2.Authorization | None:
        if self.signer is None:
            return None
        return self.authority.authorize(Act(self.policy, method, self.slot, read_hash(self.slot)), now_ms, random)


def to_message(authorization: Authorization) -> mailbox_pb2.Authorization:
    return mailbox_pb2.Authorization(
        time_ms=authorization.time_ms,
        nonce=authorization.nonce,
        signature=authorization.signature,
        slot_record=authorization.slot_record,
    )
