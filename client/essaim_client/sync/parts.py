"""Contacts, devices, groups, push and archives of a `SyncClient`."""

from essaim_client.messaging.archives import Archives
from essaim_client.messaging.contacts import Contacts
from essaim_client.messaging.devices import Devices
from essaim_client.messaging.groups import Groups
from essaim_client.messaging.transcript import Shown
from essaim_client.push.push import Push
from essaim_client.sync.wrapped import Wrapped, awaited, called


class SyncContacts(Wrapped[Contacts]):
    """As `Contacts`."""

    all = called(Contacts.all)
    get = called(Contacts.get)
    requests = called(Contacts.requests)
    accept = called(Contacts.accept)
    block = called(Contacts.block)
    unblock = called(Contacts.unblock)
    remove = called(Contacts.remove)
    rename = called(Contacts.rename)
    safety_number = called(Contacts.safety_number)
    safety_code = called(Contacts.safety_code)
    verify = called(Contacts.verify)
    unverify = called(Contacts.unverify)
    new_devices = called(Contacts.new_devices)
    acknowledge = called(Contacts.acknowledge)
    moves = called(Contacts.moves)
    follow = called(Contacts.follow)


class SyncDevices(Wrapped[Devices]):
    """As `Devices`; to let one in, `SyncClient.run` what the asyncio client has for it."""

    all = called(Devices.all)
    name = called(Devices.name)
    revoke = awaited(Devices.revoke)
    promote = awaited(Devices.promote)


class SyncPush(Wrapped[Push]):
    """As `Push`."""

    hosts = awaited(Push.hosts)
    enable = awaited(Push.enable)
    disable = awaited(Push.disable)
    status = awaited(Push.status)
    preview = called(Push.preview)


class SyncGroups(Wrapped[Groups]):
    """As `Groups`."""

    all = called(Groups.all)
    get = called(Groups.get)
    history = called(Groups.history)
    create = awaited(Groups.create)
    invite = awaited(Groups.invite)
    accept = awaited(Groups.accept)
    leave = awaited(Groups.leave)
    remove = awaited(Groups.remove)
    promote = awaited(Groups.promote)
    demote = awaited(Groups.demote)
    rename = awaited(Groups.rename)
    set_picture = awaited(Groups.set_picture)
    send = awaited(Groups.send)
    react = awaited(Groups.react)
    edit = awaited(Groups.edit)
    unsend = awaited(Groups.unsend)
    set_timer = awaited(Groups.set_timer)
    send_file = awaited(Groups.send_file)
    typing = awaited(Groups.typing)
    mark_read = called(Groups.mark_read)

    @property
    def names(self) -> dict[bytes, str]:
        """Of all that this device knows, by their ids."""
        return self._loop.call(lambda: self._inner.names)


class SyncArchives(Wrapped[Archives]):
    """As `Archives`."""

    all = called(Archives.all)
    get = called(Archives.get)
    check = awaited(Archives.check)
    take_in = awaited(Archives.take_in)
    remove = called(Archives.remove)

    def messages(self, archive_id: bytes) -> list[Shown]:
        """In order; `outgoing` are those of who made the export. Raises UnknownArchiveError."""
        return self._loop.call(lambda: list(self._inner.messages(archive_id)))
