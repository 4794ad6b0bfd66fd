"""The client in ten lines of asyncio: one account on one device, its mailbox and everybody that it writes to."""

from contextlib import suppress
from functools import cached_property
from pathlib import Path as FilePath

from essaim.protocol.account import Account, AccountId
from essaim.protocol.errors import ProtocolError
from essaim.protocol.export import PassphraseLock, Range
from essaim.protocol.phrase import entropy_of, seed_of
from essaim.protocol.view import NetworkView, Node
from essaim_client.messaging.agreement import Settings
from essaim_client.messaging.archives import Archives
from essaim_client.messaging.backups import BroughtBack
from essaim_client.messaging.contacts import Contacts, account_of
from essaim_client.messaging.devices import Devices
from essaim_client.messaging.exports import Conversation, OnCount
from essaim_client.messaging.groups import Groups
from essaim_client.messaging.own_mailboxes import OwnMailboxes
from essaim_client.messaging.wiping import Wiped
from essaim_client.network.path import Path
from essaim_client.push.push import Push
from essaim_client.rooms.rooms import Rooms
from essaim_client.talking import Talking
from essaim_client.trace import Trace, trace_inbox


class Client(Talking):
    """`async with Client.open(home, passphrase="...") as me`: one object for each account that is in use.

    Everything refused is an `essaim.protocol.errors.ProtocolError` with a closed `reason`.
    """

    # People, devices, settings

    @property
    def contacts(self) -> Contacts:
        """Requests, names, safety numbers, new devices to acknowledge."""
        return self._person.contacts

    @property
    def devices(self) -> Devices:
        """The devices of this account."""
        return self._person.devices

    @property
    def settings(self) -> Settings:
        """What others learn of this person."""
        return self._person.agreement.settings

    def change_settings(self, settings: Settings) -> None:
        """On all own devices."""
        self._person.agreement.change_settings(settings)

    def backup(self, path: str | FilePath, *, passphrase: str | None = None) -> int:
        """Conversations and contacts in a new file, without keys; how many entries.

        Closed with the account's own key (NotAManagerError), or with a passphrase.
        """
        backups = self._person.backups
        return backups.write(FilePath(path), backups.lock(passphrase))

    async def bring_back(self, path: str | FilePath, *, passphrase: str | None = None) -> BroughtBack:
        """Add what a backup has and this device lacks; nothing that was deleted since.

        Raises BackupRefusedError, DeletionsUnknownError, SwarmUnreachableError.
        """
        backups = self._person.backups
        return await backups.bring_back(FilePath(path), backups.lock(passphrase))

    async def export(
        self,
        conversation: Conversation,
        path: str | FilePath,
        *,
        to: AccountId | str | None = None,
        passphrase: str | None = None,
        span: Range | None = None,
        on_count: OnCount | None = None,
    ) -> int:
        """Seal a conversation or a group's, or a range of it, in a new file that this device signs; how many messages.

        For the devices of `to`, by default the own account, or for a passphrase. Raises NothingToExportError,
        UnknownGroupError, UnknownAccountError, KeysChangedError, SwarmUnreachableError.
        """
        reader = self.account_id if to is None else account_of(to)
        lock = await self._person.lock_for(reader) if passphrase is None else PassphraseLock(passphrase)
        return await self._person.exports.write(conversation, FilePath(path), lock, span or Range(), on_count)

    @property
    def archives(self) -> Archives:
        """What others exported and this person imported: shown apart, never sent."""
        return self._person.archives

    async def move_to(self, words: str, *, second_factor: str = "") -> int:
        """Tell every contact that this account goes on as the one of these words; how many were told.

        Raises NotAManagerError, PhraseError.
        """
        return await self._person.move_to(Account(seed_of(entropy_of(words), second_factor)))

    async def wipe(self, *, account: bool = False) -> list[Wiped]:
        """Delete on the swarm what is this device's alone, or all of the account's (NotAManagerError), with proofs.

        Then leave, and `Client.remove(home)`.
        """
        await self._person.upkeep.tried.wait()
        await self._person.errands.finish()
        with suppress(ProtocolError):  # a host that does not answer forgets by itself
            await self.push.disable()
        wiped = await (self._person.wiping.account() if account else self._person.wiping.device())
        self._wiped = True
        return wiped

    @property
    def push(self) -> Push:
        """Who wakes this device when something waits for it."""
        return self._person.push

    @property
    def groups(self) -> Groups:
        """Closed groups of up to 100 members."""
        return self._person.groups

    @cached_property
    def rooms(self) -> Rooms:
        """Open groups, under another key at each host; a device that is no manager asks one for it."""
        return Rooms(self._network, self._person.room_keys, self._profile.store)

    # The network

    @property
    def view(self) -> NetworkView:
        """The newest signed view."""
        return self._network.view

    def nodes(self) -> tuple[Node, ...]:
        """The nodes of the view."""
        return tuple(self.view.nodes.values())

    @property
    def diverse(self) -> bool:
        """Whether the view makes the relays of a path differ in anything. If not, one operator may run them all."""
        rules = self.view.parameters
        return rules.distinct_operators or rules.distinct_prefixes or rules.distinct_regions

    @property
    def paths(self) -> list[tuple[bytes, Path]]:
        """(destination's node id, path) of each onion path in use, the newest last."""
        return self._network.lanes.living

    async def trace(self) -> Trace:
        """Read the own inbox once, and tell which nodes carried that and what each had in hand."""
        return await trace_inbox(self._swarms, OwnMailboxes(self._profile).inbox())
