"""The client in ten lines of asyncio: one account on one device, its mailbox and everybody that it writes to."""

import asyncio
import os
from collections.abc import AsyncGenerator, Callable
from contextlib import AsyncExitStack, aclosing, suppress
from functools import cached_property
from pathlib import Path as FilePath
from types import TracebackType
from typing import TypeGuard

from essaim.protocol.account import Account, AccountId
from essaim.protocol.conversation import Device
from essaim.protocol.errors import ProtocolError
from essaim.protocol.export import PassphraseLock, Range
from essaim.protocol.phrase import ENTROPY_SIZE, entropy_of, seed_of, words_of
from essaim.protocol.succession import free_slot
from essaim.protocol.view import NetworkView, Node
from essaim_client.attachments.upload import OnProgress
from essaim_client.home import Home, default_home
from essaim_client.joining import JoiningHome
from essaim_client.mailbox.swarm_call import Swarms
from essaim_client.messaging.agreement import Settings
from essaim_client.messaging.archives import Archives
from essaim_client.messaging.backups import BroughtBack
from essaim_client.messaging.contacts import Contacts, account_of
from essaim_client.messaging.devices import Devices
from essaim_client.messaging.directory import published_manifest
from essaim_client.messaging.events import Disappearing, Event, File, Message
from essaim_client.messaging.exports import Conversation, OnCount
from essaim_client.messaging.groups import Groups
from essaim_client.messaging.listening import Listening
from essaim_client.messaging.own_mailboxes import VERSION_KEY, OwnMailboxes
from essaim_client.messaging.person import Person
from essaim_client.messaging.profile import BESIDE_KEY, Profile
from essaim_client.messaging.sender import Sent
from essaim_client.messaging.transcript import Shown
from essaim_client.messaging.wiping import Wiped
from essaim_client.network.connection import Connection, own_now_ms
from essaim_client.network.guard import Randomness
from essaim_client.network.path import Path
from essaim_client.network_file import NetworkFile
from essaim_client.offline import Offline
from essaim_client.push.push import Push
from essaim_client.rooms.rooms import Rooms
from essaim_client.trace import Trace, trace_inbox

SLOT = 0
"""Of an account's first device, and of one restored in its place."""
LEAVE_SECONDS = 20.0
"""How long a good end waits for what is being published."""


class Client:
    """`async with Client.open(home, passphrase="...") as me`: one object for each account that is in use.

    Everything refused is an `essaim.protocol.errors.ProtocolError` with a closed `reason`.
    """

    def __init__(
        self,
        home: FilePath,
        passphrase: str | None,
        now_ms: Callable[[], int] = own_now_ms,
        random: Randomness = os.urandom,
    ) -> None:
        self._home = home
        self._passphrase = passphrase
        self._now_ms = now_ms
        self._random = random
        self._stack = AsyncExitStack()
        self._messages: Listening[Message] | None = None
        self._wiped = False

    # Accounts, offline

    @staticmethod
    def create_account(
        home: str | FilePath | None, network: NetworkFile, passphrase: str | None, *, second_factor: str = ""
    ) -> str:
        """A new account in the directory `home`; its 24 words, which are its only backup.

        With a second factor the words alone do not give the account back. Without a passphrase the system's key ring
        closes the store. Raises HomeTakenError, VaultRefusedError.
        """
        entropy = os.urandom(ENTROPY_SIZE)
        Home.create(_path(home), network, passphrase, entropy, second_factor=second_factor).close()
        return words_of(entropy)

    @staticmethod
    def restore_account(
        home: str | FilePath | None,
        network: NetworkFile,
        passphrase: str | None,
        words: str,
        *,
        second_factor: str = "",
        beside: bool = False,
    ) -> None:
        """The account of 24 words, as a new device without the old one's messages. Raises PhraseError, as above.

        It takes the place of the account's first device, or with `beside` its own. A wrong second factor gives another
        account.
        """
        entropy = entropy_of(words)
        made = Home.create(_path(home), network, passphrase, entropy, second_factor=second_factor, beside=beside)
        made.close()

    @classmethod
    def join(
        cls, home: str | FilePath | None, network: NetworkFile, passphrase: str | None, name: str = ""
    ) -> "JoiningHome":
        """A new device of an account that lives on another one: for `async with`, see `JoiningHome`."""
        return JoiningHome(_path(home), network, passphrase, name)

    @classmethod
    def remove(cls, home: str | FilePath | None) -> None:
        """Everything that is here; not what is on the swarm (`wipe`)."""
        Home.remove(_path(home))

    @staticmethod
    def offline(home: str | FilePath | None = None, *, passphrase: str | None = None) -> Offline:
        """For `with`: what needs no network, archives and exports. Raises as `open`, but for the network."""
        return Offline(_path(home), passphrase)

    # Open and close

    @classmethod
    def open(cls, home: str | FilePath | None = None, *, passphrase: str | None = None) -> "Client":
        """For `async with`, which raises what cannot be opened: NoAccountError, VaultRefusedError, NoViewError ..."""
        return cls(_path(home), passphrase)

    async def __aenter__(self) -> "Client":
        async with AsyncExitStack() as stack:
            home = await asyncio.to_thread(Home.open, self._home, self._passphrase)
            stack.callback(home.close)
            connection = Connection(
                home.network.genesis, home.network.seeds, home.store, now_ms=self._now_ms, random=self._random
            )
            self._network = await stack.enter_async_context(connection)
            await self._compose(home, stack)
            self._stack = stack.pop_all()
        return self

    async def _compose(self, home: Home, stack: AsyncExitStack) -> None:
        self._swarms = Swarms(self._network.onion, self._network.views, self._network.clock, self._random)
        self._profile = Profile.load(home.keys, home.store) or await self._first_device(home)
        self._person = await stack.enter_async_context(Person(self._swarms, self._profile))

    async def _first_device(self, home: Home) -> Profile:
        """A new device that follows what the account's outbox says; by the network's clock, so not before now."""
        before = await published_manifest(self._swarms, home.account.id, None)
        now_ms = self._network.clock.now_ms()
        beside = before is not None and home.store.get(BESIDE_KEY) is not None
        slot = free_slot(before) if before is not None and beside else SLOT
        device = Device.create(home.account, slot, now_ms, self._random, before)
        home.store.put(VERSION_KEY, b"%d" % device.manifest.head.time_ms)
        return Profile.begin(home.account, home.store, device)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None and not self._wiped:
                with suppress(TimeoutError, ProtocolError):
                    async with asyncio.timeout(LEAVE_SECONDS):
                        await self._person.leave()
        finally:
            await self._stack.aclose()

    # People

    @property
    def account_id(self) -> AccountId:
        """What others write to; `str()` of it is the esm1... text."""
        return self._profile.account_id

    async def ready(self) -> None:
        """Until this device is published: from then on others can write to it."""
        await self._person.upkeep.published.wait()

    @property
    def problem(self) -> ProtocolError | None:
        """Why the last try to publish this device, or to send what waits, failed; it is repeated by itself.

        MANIFEST_REFUSED: the account was restored elsewhere, and this device is no longer part of it.
        """
        return self._person.upkeep.problem

    @property
    def waiting(self) -> int:
        """How many envelopes are sealed and kept, and no quorum has them yet."""
        return len(self._profile.store.waiting())

    async def send(self, account: AccountId | str, text: str, *, reply_to: bytes = b"") -> Sent:
        """Returns when a quorum has the message on disk, for each device of the recipient.

        Raises AccountIdRefusedError, UnknownAccountError, OwnAccountError, ContentTooLargeError, and
        SwarmUnreachableError: then it is kept on this device and stored when the swarm can be reached.
        """
        return await self._person.sender.send_text(account_of(account), text, reply_to)

    async def send_file(
        self,
        account: AccountId | str,
        path: str | FilePath,
        *,
        text: str = "",
        reply_to: bytes = b"",
        voice: bool = False,
        as_is: bool = False,
        on_progress: OnProgress | None = None,
    ) -> Sent:
        """A file of at most 100 MB; called again after a kill it goes on where it was. Progress is an event, too.

        A picture is turned upright and written anew without metadata, with a thumbnail; `as_is` leaves it alone.
        `voice`: a WAV file as a voice message. Raises, beside what `send` does, FileUnreadableError, FileTooLargeError,
        FileChangedError, PhotoRefusedError, VoiceRefusedError.
        """
        watch = {"on_progress": on_progress} if on_progress else {}
        attachments = self._person.attachments
        return await attachments.send(
            attachments.to(account_of(account)), FilePath(path), text, reply_to, voice=voice, as_is=as_is, **watch
        )

    async def save_file(
        self, file: File, directory: str | FilePath, *, on_progress: OnProgress | None = None
    ) -> FilePath:
        """Fetch a file of a message into a directory; its path there, never over another file.

        Called again after a kill it goes on where it was. Raises FileGoneError, AttachmentRefusedError,
        FileTooLargeError, NoRoomForNameError, SwarmUnreachableError.
        """
        watch = {"on_progress": on_progress} if on_progress else {}
        return await self._person.attachments.save(file, FilePath(directory), **watch)

    async def receive(self) -> list[Message]:
        """All messages that wait, each once, kept on this device and confirmed. Raises SwarmUnreachableError."""
        return [event for event in await self.receive_events() if _is_incoming(event)]

    async def receive_events(self) -> list[Event]:
        """Everything that happened since the last time, messages among it. Raises SwarmUnreachableError."""
        return await self._person.receive()

    def listen(self) -> Listening[Message]:
        """What waits, then what arrives, for `async for`, until `aclose` or the client's end.

        `asyncio.wait_for(anext(me.listen()), seconds)` is safe: a message that comes later is the next one.
        """
        if self._messages is None or self._messages.closed:
            self._messages = Listening(_messages(self._person.listen()))
        return self._messages

    def events(self) -> Listening[Event]:
        """Likewise everything that happens (`essaim_client.messaging.events`); not beside `listen`, each takes all."""
        return self._person.listen()

    @property
    def live(self) -> asyncio.Event:
        """Set while `listen` is connected and has given out what was there before."""
        return self._person.receiver.live

    def history(self, account: AccountId | str | None = None, *, newest: int | None = None) -> list[Shown]:
        """A conversation as it stands, in causal order; without an account all texts, in the order of their coming.

        `newest`: of one conversation the last so many texts, in the same order.
        """
        return self._person.history(None if account is None else account_of(account), newest)

    # What can be done with a message: `message_id` names it. All raise what `send` does, and UnknownMessageError.

    async def react(self, account: AccountId | str, message_id: bytes, emoji: str) -> Sent:
        """An emoji to a text of either side; an empty one takes it back."""
        return await self._person.sender.react(account_of(account), message_id, emoji)

    async def edit(self, account: AccountId | str, message_id: bytes, text: str) -> Sent:
        """Another wording of an own text."""
        return await self._person.sender.edit(account_of(account), message_id, text)

    async def unsend(self, account: AccountId | str, message_id: bytes) -> Sent:
        """Take an own text back, on all devices of both sides, and delete its files where they are kept."""
        attachments = self._person.attachments
        return await attachments.unsend(attachments.to(account_of(account)), message_id)

    def delete(self, account: AccountId | str, message_id: bytes) -> int:
        """Forget a text on all own devices, for ever; how many it were."""
        return self._person.delete(account_of(account), message_id)

    async def set_timer(self, account: AccountId | str, timer: Disappearing | None) -> Sent:
        """From now on texts of both sides disappear; None: they stay (TimerRefusedError)."""
        return await self._person.sender.set_timer(account_of(account), timer)

    def timer(self, account: AccountId | str) -> Disappearing | None:
        """When texts of this conversation disappear."""
        return self._person.conversations.timer(account_of(account).raw)

    async def mark_read(self, account: AccountId | str, position: int | None = None) -> None:
        """Texts up to a position, by default all, are read: timers begin, and who is to know it is told."""
        other = account_of(account)
        last = self._profile.store.history.next_position(other.raw) - 1
        await self._person.mark_read(other, last if position is None else min(position, last))

    async def typing(self, account: AccountId | str, *, stopped: bool = False) -> None:
        """That this person is writing; nothing unless `settings.typing` is on."""
        await self._person.sender.typing(account_of(account), stopped)

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


def _is_incoming(event: Event) -> TypeGuard[Message]:
    return isinstance(event, Message) and not event.outgoing


async def _messages(events: Listening[Event]) -> AsyncGenerator[Message, None]:
    async with aclosing(events):
        async for event in events:
            if _is_incoming(event):
                yield event


def _path(home: str | FilePath | None) -> FilePath:
    return default_home() if home is None else FilePath(home).expanduser()
