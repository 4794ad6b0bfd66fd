"""This person on this device: who they are, the device and its encrypted store, opened together."""

from dataclasses import dataclass, field

from essaim.protocol.account import Account, AccountId
from essaim.protocol.configuration import Configuration
from essaim.protocol.conversation import Device
from essaim.protocol.errors import ProtocolError
from essaim_client.store.local_store import LocalStore

SEED_KEY = "account-seed"
ENTROPY_KEY = "account-entropy"
BESIDE_KEY = "beside"
AUTHORSHIP_KEY = "authorship-key"
CONFIGURATION_KEY = "configuration"
GROUP = b"group/"
"""Register of the configuration: group id -> identity keys of members who can be asked for it."""


class NoAccountError(ProtocolError):
    """The store holds no account yet."""

    reason = "NO_ACCOUNT"


class NotAManagerError(ProtocolError):
    """Only a device that holds the account's keys can do this: a manager, or one restored from the phrase."""

    reason = "NOT_A_MANAGER"


@dataclass
class Profile:
    """The device's state is changed in memory by `device`, and reaches the disk by `save` inside a transaction.

    `account`: the keys of the account, on a manager alone.
    """

    account: Account | None
    device: Device
    store: LocalStore
    authorship_key: bytes = field(repr=False)
    configuration: Configuration

    @classmethod
    def load(cls, account: Account | None, store: LocalStore) -> "Profile | None":
        """What `begin` and `save` kept; None before the account's first time online on this device."""
        records = store.device_records()
        if not records:
            return None
        device = Device.restore(records)
        kept = store.get(CONFIGURATION_KEY) or b""
        return cls(account, device, store, _authorship(account, store), _configuration(device, kept))

    @classmethod
    def begin(cls, account: Account | None, store: LocalStore, device: Device) -> "Profile":
        """Keep a new device; one that is no manager has been given its keys before."""
        profile = cls(account, device, store, _authorship(account, store), _configuration(device, b""))
        with store.transaction():
            profile.save()
            store.newcomers.vet(profile.own, device.manifest.head.encode())  # whoever comes later is new
        return profile

    @property
    def account_id(self) -> AccountId:
        return self.device.account_id

    @property
    def own(self) -> bytes:
        """The own identity key: names this person as an author."""
        return self.device.account_id.raw

    @property
    def keys(self) -> Account:
        """The account's keys. Raises NotAManagerError."""
        if self.account is None:
            raise NotAManagerError("only a manager device can do this, or one restored from the phrase")
        return self.account

    def is_group(self, conversation: bytes) -> bool:
        """Whether a conversation is a closed group's: one that this device knows, or an own other one was in."""
        return self.store.groups.knows(conversation) or self.configuration.value(GROUP + conversation) is not None

    def save(self) -> None:
        """Write what changed in the device; call it inside a transaction, with what the change brought."""
        self.store.change_device(self.device.take_changes())

    def save_configuration(self) -> None:
        """Likewise what the devices agree on."""
        self.store.put(CONFIGURATION_KEY, self.configuration.encode())


def _authorship(account: Account | None, store: LocalStore) -> bytes:
    key = account.authorship_key if account is not None else store.get(AUTHORSHIP_KEY)
    if key is None:
        raise NoAccountError("the store is not complete: link this device again")
    return key


def _configuration(device: Device, kept: bytes) -> Configuration:
    return Configuration.decode(kept, device.keys.device_id)
