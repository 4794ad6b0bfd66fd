"""This person on this device: account, device and encrypted store, opened together."""

from collections.abc import Callable
from dataclasses import dataclass

from essaim.protocol.account import Account
from essaim.protocol.conversation import Device
from essaim.protocol.errors import ProtocolError
from essaim_client.store.local_store import LocalStore

SEED_KEY = "account-seed"
ENTROPY_KEY = "account-entropy"
Randomness = Callable[[int], bytes]


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
    def create(cls, store: LocalStore, entropy: bytes, seed: bytes, device: Device) -> "Profile":
        """Keep a new account and its device in an empty store."""
        profile = cls(Account(seed), device, store)
        with store.transaction():
            store.put(ENTROPY_KEY, entropy)
            store.put(SEED_KEY, seed)
            profile.save()
        return profile

    @classmethod
    def load(cls, store: LocalStore) -> "Profile":
        """What `create` kept. Raises NoAccountError."""
        seed = store.get(SEED_KEY)
        if seed is None:
            raise NoAccountError("no account here yet: make one with `essaim account new`")
        return cls(Account(seed), Device.restore(store.device_records()), store)

    def save(self) -> None:
        """Write what changed in the device; call it inside a transaction, with what the change brought."""
        self.store.change_device(self.device.take_changes())
