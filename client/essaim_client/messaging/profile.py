"""This person on this device: account, device and encrypted store, opened together."""

from dataclasses import dataclass

from essaim.protocol.account import Account
from essaim.protocol.conversation import Device
from essaim.protocol.errors import ProtocolError
from essaim_client.store.local_store import LocalStore

SEED_KEY = "account-seed"
ENTROPY_KEY = "account-entropy"


class NoAccountError(ProtocolError):
    """The store holds no account yet."""

    reason = "NO_ACCOUNT"


@dataclass
class Profile:
    """The device's state is changed in memory by `device`, and reaches the disk by `save` inside a transaction."""

    account: Account
    device: Device
    store: LocalStore

    @classmethod
    def load(cls, account: Account, store: LocalStore) -> "Profile | None":
        """What `begin` and `save` kept; None before the account's first time online on this device."""
        records = store.device_records()
        return cls(account, Device.restore(records), store) if records else None

    @classmethod
    def begin(cls, account: Account, store: LocalStore, device: Device) -> "Profile":
        """Keep a new device."""
        profile = cls(account, device, store)
        with store.transaction():
            profile.save()
        return profile

    def save(self) -> None:
        """Write what changed in the device; call it inside a transaction, with what the change brought."""
        self.store.change_device(self.device.take_changes())
