"""The keys that this device has in its account's mailboxes.

A device signs by its slot key under a slot record of the owner. A manager holds the owner's key and makes its records
itself; another device was given them by a manager. The manifest is written by a manager alone.
"""

from essaim.protocol.account import Account
from essaim.protocol.blinding import outbox_signer, public_inbox_signer
from essaim.protocol.keys import VerifyKey
from essaim.protocol.mailbox.policy import Policy
from essaim.protocol.mailbox.slot_record import Signer, SlotRecord
from essaim_client.mailbox.access import Access, Authority
from essaim_client.messaging.addresses import outbox, public_inbox
from essaim_client.messaging.profile import NoAccountError, Profile

VERSION_KEY = "slot-version"
"""Of this device's slot records: the time of the manifest that first listed it."""
FIRST_VERSION = 1


def record_key(mailbox_id: bytes) -> str:
    """Under which a slot record for one mailbox is kept."""
    return f"slot-record/{mailbox_id.hex()}"


class OwnMailboxes:
    """Of this device's account."""

    def __init__(self, profile: Profile) -> None:
        self._profile = profile
        self.inbox_policy = public_inbox(profile.account_id)
        self.outbox_policy = outbox(profile.account_id)

    def inbox(self) -> Access:
        """This device's slot of the public inbox."""
        signing = self._slot(self.inbox_policy)
        return Access(self.inbox_policy, bytes((self._profile.device.slot,)), signing.signer, signing.slot_record)

    def own_entries(self) -> Authority:
        """For what this device writes into the outbox: its prekeys."""
        return self._slot(self.outbox_policy)

    def manifest(self) -> Authority:
        """For the manifest (NotAManagerError)."""
        return Authority(outbox_signer(self._profile.keys.identity))

    def inbox_owner(self) -> Signer:
        """For deleting whatever is in the public inbox (NotAManagerError)."""
        return public_inbox_signer(self._profile.keys.identity)

    def _slot(self, policy: Policy) -> Authority:
        device, store = self._profile.device, self._profile.store
        signer = device.slot_signer(policy.mailbox_id)
        if self._profile.account is not None:
            kept = store.get(VERSION_KEY)
            version = int(kept) if kept else FIRST_VERSION
            return Authority(signer, slot_record(self._profile.account, policy, device.slot, signer.public, version))
        record = store.get(record_key(policy.mailbox_id))
        if record is None:
            raise NoAccountError("the store is not complete: link this device again")
        return Authority(signer, record)


def slot_record(account: Account, policy: Policy, slot: int, key: VerifyKey, version: int) -> bytes:
    """The owner names a device's key in its public inbox or outbox; encoded."""
    owns = outbox_signer if policy == outbox(account.id) else public_inbox_signer
    return SlotRecord.sign(owns(account.identity), policy.mailbox_id, slot, key, version).encoded
