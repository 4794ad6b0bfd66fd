"""Watching for devices that were not there before: whoever can add one to an account reads what is sent to it."""

from collections.abc import Iterable

from essaim.protocol.account import AccountId
from essaim.protocol.errors import ProtocolError
from essaim.protocol.manifest import Certificate, DeviceRecord, Head, Manifest
from essaim_client.messaging.agreement import Agreement
from essaim_client.messaging.events import NewDevice
from essaim_client.messaging.profile import Profile
from essaim_client.store.newcomers import Newcomer


class KeysChangedError(ProtocolError):
    """The account has a device that the person has not acknowledged: nothing is sent to it before that."""

    reason = "KEYS_CHANGED"


class Vigil:
    """What is known of everybody's devices. Call its observations inside a transaction."""

    def __init__(self, profile: Profile, agreement: Agreement) -> None:
        self._own_id = profile.device.keys.device_id
        self._store = profile.store.newcomers
        self._agreement = agreement

    def observe(self, manifest: Manifest) -> list[NewDevice]:
        """A checked manifest: its newcomers. Those of an account that is seen for the first time are none."""
        account = AccountId(manifest.identity)
        new = self._new(account, manifest.head, manifest.devices)
        self._store.vet(account.raw, manifest.head.encode())
        self._store.keep(account.raw, (record.device_id for record in manifest.devices))
        return new

    def heard(self, certificate: Certificate) -> list[NewDevice]:
        """A device began a session: whether it is a newcomer."""
        account = AccountId(certificate.head.identity)
        if self._store.vetted(account.raw) is None:
            self._store.vet(account.raw, certificate.head.encode())
        return self._new(account, certificate.head, [certificate.device])

    def _new(self, account: AccountId, head: Head, records: Iterable[DeviceRecord]) -> list[NewDevice]:
        encoded = self._store.vetted(account.raw)
        vetted = Head.decode(encoded) if encoded else head
        new = []
        for record in records:
            if record.device_id == self._own_id or vetted.lists_device(record):
                continue
            newcomer = Newcomer(record.device_id, record.slot, head.version)
            if self._store.add(account.raw, newcomer) and head.version >= self._agreement.acknowledged(account):
                new.append(NewDevice(account, record.slot, head.version))
        return new

    def strangers(self, account: AccountId) -> dict[bytes, NewDevice]:
        """By device id: those that the person has not acknowledged, on whichever device."""
        seen = self._agreement.acknowledged(account)
        return {
            each.device_id: NewDevice(account, each.slot, each.version)
            for each in self._store.of(account.raw)
            if each.version >= seen
        }

    def check(self, account: AccountId) -> None:
        """Raises KeysChangedError while there are such."""
        strangers = self.strangers(account)
        if strangers:
            slots = ", ".join(str(each.slot) for each in strangers.values())
            raise KeysChangedError(f"a new device (slot {slots}) is to be acknowledged before anything is sent")

    def acknowledge(self, account: AccountId) -> list[NewDevice]:
        """The person knows of all devices that are known here; those that were new to them."""
        strangers = list(self.strangers(account).values())
        if strangers:
            self._agreement.acknowledge(account, max(each.version for each in strangers))
        return strangers
