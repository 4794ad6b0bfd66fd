"""Where an account is found: its public inbox and its outbox, both derivable from its ID alone."""

from essaim.protocol.account import Account, AccountId
from essaim.protocol.blinding import (
    outbox_key,
    outbox_signer,
    public_inbox_key,
    public_inbox_signer,
)
from essaim.protocol.conversation import Device
from essaim.protocol.mailbox.policy import Policy
from essaim.protocol.mailbox.slot_record import Signer, SlotRecord
from essaim_client.mailbox.access import Access

SLOT_RECORD_VERSION = 1


def public_inbox(account: AccountId) -> Policy:
    """Anyone may write, the owner's devices read."""
    return Policy.public_inbox(public_inbox_key(account.identity))


def outbox(account: AccountId) -> Policy:
    """The owner writes, anyone reads: manifest and prekeys."""
    return Policy.outbox(outbox_key(account.identity))


def outbox_owner(account: Account) -> Signer:
    """The key that writes the own outbox."""
    return outbox_signer(account.identity)


def inbox_access(account: Account, device: Device) -> Access:
    """This device's slot of the own public inbox, with the slot record that lets its key read it."""
    policy = public_inbox(account.id)
    signer = device.slot_signer(policy.mailbox_id)
    owner = public_inbox_signer(account.identity)
    record = SlotRecord.sign(owner, policy.mailbox_id, device.slot, signer.public, SLOT_RECORD_VERSION)
    return Access(policy, bytes((device.slot,)), signer, record.encoded)


def entry_access(account: AccountId, name: bytes) -> Access:
    """An entry of somebody's outbox, which anyone reads."""
    return Access(outbox(account), name)
