"""All parts of one person on this device, put together; what an application may ask of them is `client.Client`."""

import asyncio
from contextlib import AsyncExitStack, suppress
from functools import partial
from types import TracebackType

from essaim.messaging.v1 import content_pb2
from essaim.protocol.account import Account, AccountId
from essaim.protocol.configuration import Configuration
from essaim.protocol.errors import ProtocolError
from essaim.protocol.export import AccountLock
from essaim.protocol.keys import VerifyKey
from essaim.protocol.mailbox.rule import DAY_MS
from essaim.protocol.moving import Move
from essaim.protocol.private_inbox import LIFE_MS
from essaim_client.attachments.attachments import Attachments
from essaim_client.mailbox.swarm_call import Swarms
from essaim_client.messaging.address_book import AddressBook
from essaim_client.messaging.agreement import ALIVE, Agreement
from essaim_client.messaging.archives import Archives
from essaim_client.messaging.backups import Backups
from essaim_client.messaging.configuration_sync import ConfigurationSync
from essaim_client.messaging.contacts import Contacts
from essaim_client.messaging.conversations import Conversations
from essaim_client.messaging.devices import Devices
from essaim_client.messaging.directory import Directory
from essaim_client.messaging.errands import Errands, Hands
from essaim_client.messaging.event_stream import EventStream
from essaim_client.messaging.events import Event
from essaim_client.messaging.exports import Exports
from essaim_client.messaging.fan_out import FanOut
from essaim_client.messaging.generation import Generation
from essaim_client.messaging.group_posting import Ties
from essaim_client.messaging.grouping import Grouping
from essaim_client.messaging.handing import Handing
from essaim_client.messaging.healing import Healing
from essaim_client.messaging.inbox_days import InboxDays
from essaim_client.messaging.intake import Intake
from essaim_client.messaging.listening import Listening
from essaim_client.messaging.own_inbox import OwnInbox
from essaim_client.messaging.own_manifest import OwnManifest
from essaim_client.messaging.profile import Profile
from essaim_client.messaging.publisher import Publisher
from essaim_client.messaging.receiver import Receiver
from essaim_client.messaging.room_keys import RoomKeys
from essaim_client.messaging.sender import Sender
from essaim_client.messaging.transcript import Shown
from essaim_client.messaging.upkeep import Duty, Upkeep
from essaim_client.messaging.vanishing import Vanishing
from essaim_client.messaging.vigil import Vigil
from essaim_client.messaging.wiping import Wiping
from essaim_client.push.push import Push

SEEN_KEY = "last-mended"
AWAY_MS = LIFE_MS - 3_600_000
"""After so long something may have expired unread; an hour less, for that was noted once an hour."""
JUST_NOW_MS = 60_000
ANEW_KEY = "began-anew"
GONE_KEY, OWN_DEVICES_KEY = "device-gone", "own-devices"
UNSEND_AGAIN_MS = 16 * DAY_MS
SELDOM_MS = 600_000


class Person:
    """`async with Person(swarms, profile) as person`: the upkeep runs from then on."""

    _listening: Listening[Event] | None = None

    def __init__(self, swarms: Swarms, profile: Profile) -> None:
        self.profile = profile
        now_ms = self._now_ms = swarms.clock.now_ms
        self.stream = EventStream()
        tell = self.stream.tell
        self.agreement = Agreement(profile, now_ms)
        self.vigil = Vigil(profile, self.agreement)
        self.conversations = Conversations(profile, self.agreement, now_ms, swarms.random)
        self.directory = Directory(swarms, profile)
        self.generation = Generation(swarms, profile)
        self.inbox = OwnInbox(profile, self.agreement, swarms.random)
        addresses = AddressBook(profile, self.inbox)
        self.fan_out = FanOut(swarms, profile, self.directory, self.vigil, self.generation, addresses, tell)
        self.sender = Sender(profile, self.agreement, self.conversations, self.fan_out)
        self.attachments = Attachments(
            swarms,
            profile,
            sender=self.sender,
            conversations=self.conversations,
            directory=self.directory,
            vigil=self.vigil,
            tell=tell,
        )
        self.manifest = OwnManifest(swarms, profile, self.vigil, tell)
        self.publisher = Publisher(swarms, profile, self.manifest)
        self.intake = Intake(profile, self.agreement, self.conversations, self.vigil, addresses)
        self.configuration = ConfigurationSync(swarms, profile, self.intake, self.sender, tell)
        self.healing = Healing(swarms, profile, self.agreement, self.sender)
        self.handing = Handing(swarms, profile, self.inbox, self.configuration, self.sender)
        self.room_keys = RoomKeys(profile, self.agreement)
        hands = self.directory, self.sender, self.publisher, self.manifest, self.configuration, self.healing
        self.errands = Errands(swarms, profile, self.agreement, Hands(*hands, self.handing))
        self.contacts = Contacts(profile, self.agreement, self.vigil, self._accepted)
        ties = Ties(self.fan_out, self.directory, self.generation, self.sender, self.vigil, self.errands)
        self.grouping = Grouping(swarms, profile, self.agreement, self.conversations, ties, self.attachments, tell)
        self.groups = self.grouping.groups
        self._keep(swarms)
        self.days = InboxDays(swarms, profile, self.inbox)
        self.push = Push(swarms, profile, self.inbox, self.grouping.book)
        self.receiver = Receiver(swarms, profile, self.intake, self.errands, self.days)
        self.vanishing = Vanishing(swarms, profile, self.conversations, tell)
        self.upkeep = Upkeep(self.publisher.publish, self._duties())
        self._connect()

    def _keep(self, swarms: Swarms) -> None:
        """What a person keeps and brings back, and the devices that they have."""
        profile, own = self.profile, (swarms, self.profile, self.agreement)
        self.devices = Devices(
            *own,
            manifest=self.manifest,
            configuration=self.configuration,
            sender=self.sender,
            vigil=self.vigil,
            inbox=self.inbox,
        )
        self.backups = Backups(
            *own, conversations=self.conversations, intake=self.intake, configuration=self.configuration
        )
        self.exports = Exports(profile, self._now_ms, swarms.random)
        self.archives = Archives.of(profile.store, profile, self._now_ms)
        self.wiping = Wiping(swarms, profile, self.configuration, self.inbox)

    async def __aenter__(self) -> "Person":
        async with AsyncExitStack() as stack:
            stack.push_async_callback(self._stop_listening)
            stack.push_async_callback(self.errands.close)
            await stack.enter_async_context(self.upkeep)
            for background in (self.vanishing.run, self.healing.run):
                stack.push_async_callback(_ended, asyncio.create_task(background()))
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    async def leave(self) -> None:
        """A good end: what was begun is done."""
        await self.upkeep.tried.wait()
        await self.errands.finish()
        await self.generation.leave()

    # Between the parts

    def _connect(self) -> None:
        """Who tells whom."""
        self.agreement.on_change = self._agreed
        self.intake.on_agreed = self._settle
        self.intake.on_group, self.intake.groups_for = self.grouping.hear, self.grouping.for_own
        self.intake.is_own_group = self.grouping.is_in
        self.healing.groups = self.grouping.tending
        self.grouping.days.on_change = self._wake_for_groups
        self.fan_out.mail.on_late = self._stored_late

    def _duties(self) -> list[Duty]:
        """What is done again and again in the background, beside publishing."""
        seldom: dict[str, Duty] = {"configuration": self.agree, "devices": self.in_step, "mend": self.mend}
        seldom["groups"] = self.grouping.tending.tend
        return [
            self.sender.mail.flush,
            self.attachments.tidy,
            self.push.keep,
            *(partial(self._seldom, *each) for each in seldom.items()),
        ]

    def _agreed(self, change: Configuration) -> None:
        """Something was agreed on here: the other devices are told in the background."""
        self.configuration.changed(change)
        if not change.is_only_of(ALIVE):  # that this device is there is told with the next hourly state
            self.errands.run(self.configuration.tell)
            self._settle()

    def _settle(self) -> None:
        """What is agreed on changed, here or elsewhere: the private inbox may have, or who is to be given it."""
        self.days.wake()
        self.errands.run(self.handing.settle)
        self.errands.run(self.room_keys.settle)
        self.errands.run(self.push.keep)

    def _wake_for_groups(self) -> None:
        """There may be another group or epoch: its mailboxes are to wake this device, if it is to be woken."""
        if self.push.enabled:
            self.errands.run(self.push.keep)

    def _stored_late(self, raw: bytes, day: int) -> None:
        """A mailbox that nobody follows any more has something: its owner is told where to look."""
        late = content_pb2.Late(days=[day])
        self.errands.run(partial(self.sender.signal, AccountId(VerifyKey(raw)), late=late))

    def _accepted(self, account: AccountId) -> None:
        """What was missing in their conversation may be asked for now."""
        self.healing.wake()

    async def _seldom(self, name: str, work: Duty) -> None:
        """Not at each of several starts in a row: what it asks the network for does not change so fast."""
        key, now_ms = f"done/{name}", self._now_ms()
        if now_ms - int(self.profile.store.get(key) or b"0") >= SELDOM_MS:
            await work()
            self.profile.store.put(key, b"%d" % now_ms)

    async def agree(self) -> None:
        """What the devices agree on, and what follows from it."""
        self.agreement.is_alive(self.profile.device.keys.device_id)
        await self.configuration.sync()
        await self.handing.settle()
        await self.room_keys.settle()

    async def in_step(self) -> None:
        """The own manifest, and who of the devices sleeps."""
        await self.manifest.follow(fresh_ms=JUST_NOW_MS)
        await self.devices.look_after()

    async def mend(self) -> None:
        """What this device may lack unknowingly: it asks when it is new, was away, or its store was an old copy."""
        await self.generation.current()
        broken = self.generation.broken()
        if broken is not None:
            await self.configuration.look_for_key()
            await self.configuration.sync()
            await self._begin_anew()
        self._miss_devices()
        await self._unsend_again()
        now_ms, store = self._now_ms(), self.profile.store
        seen_ms = int(store.get(SEEN_KEY) or b"0")
        if now_ms - seen_ms > AWAY_MS:
            await self.configuration.look_for_key()
            await self.sender.sync(conversations=self.intake.state(answer=True))
            if seen_ms:
                await self._ask_contacts()
        else:
            await self._compare(seen_ms)
        store.put(SEEN_KEY, b"%d" % now_ms)

    async def _compare(self, since_ms: int) -> None:
        """Show the own other devices what has come: whoever sent it may not have known of them yet."""
        state = self.intake.state(answer=False, since_ms=since_ms)
        if state.heads:
            await self.sender.sync(conversations=state)

    async def _begin_anew(self) -> None:
        """An old copy of the store was put back: all devices of everybody are told, also those met since the copy."""
        self.grouping.begin_anew()
        self.publisher.forget()
        await self.publisher.publish()
        await self.sender.sync(conversations=self.intake.state(answer=True))
        await self._ask_contacts()
        self.profile.store.put(ANEW_KEY, b"%d" % self._now_ms())
        self.generation.mended()

    def _miss_devices(self) -> None:
        """An own device that is revoked, or sleeps, may have taken back something of which it has told nobody else."""
        awake = {record.device_id.hex() for record in self.profile.device.manifest.awake}
        before = (self.profile.store.get(OWN_DEVICES_KEY) or b"").decode().split()
        if not awake.issuperset(before):
            self.profile.store.put(GONE_KEY, b"%d" % self._now_ms())
        if awake != set(before):
            self.profile.store.put(OWN_DEVICES_KEY, " ".join(sorted(awake)).encode())

    async def _unsend_again(self) -> None:
        """What was taken back by a device that is gone, or since a copy was made that was put back: of that nothing is
        left but what was agreed on.

        For a while, for texts that this device lacks are given back by and by.
        """
        anew_ms = max(int(self.profile.store.get(key) or b"0") for key in (ANEW_KEY, GONE_KEY))
        if not anew_ms or self._now_ms() - anew_ms > UNSEND_AGAIN_MS:
            return
        for contact in self.agreement.contacts():
            for target in self.conversations.unsaid(contact.account.raw):
                with suppress(ProtocolError):
                    await self.sender.unsend_again(contact.account, target)
        await self.grouping.unsend_again()

    async def _ask_contacts(self) -> None:
        """What they have: mail for a device that is away is kept for two weeks."""
        for contact in self.agreement.contacts():
            if not contact.blocked:
                heads = self.profile.store.history.heads(contact.account.raw)
                with suppress(ProtocolError):
                    await self.sender.signal(contact.account, renewal=content_pb2.Renewal(), after=heads)

    # What is asked of it

    def listen(self) -> Listening[Event]:
        """Everything that happens, until it is closed; the one that is open already goes on."""
        if self._listening is None or self._listening.closed:
            self._listening = Listening(self.stream.follow(partial(self.grouping.follow, self.receiver.follow)))
        return self._listening

    async def receive(self) -> list[Event]:
        """All that waits now."""
        events = await self.receiver.receive()
        events += await self.grouping.days.receive()
        return [*self.stream.drain(), *events]

    async def mark_read(self, account: AccountId, position: int) -> None:
        """Texts up to there are read: timers begin, own devices know, and the other side if receipts are on."""
        if self.agreement.mark_read(account.raw, position):
            with self.profile.store.transaction():
                self.conversations.start_timers(account.raw)
            await self.sender.receipt(account, position)

    def delete(self, account: AccountId, message_id: bytes) -> int:
        """For this person alone; how many texts that were."""
        with self.profile.store.transaction():
            return self.conversations.delete(account.raw, message_id)

    def history(self, account: AccountId | None = None, newest: int | None = None, before: bytes = b"") -> list[Shown]:
        """One conversation in causal order; or all, in the order in which they came to this device."""
        self.vanishing.now()
        if account is not None:
            return self.conversations.shown(account.raw, newest, before)
        store = self.profile.store
        named = [raw for raw in store.history.conversations() if not self.profile.is_group(raw)]
        shown = [each for raw in named for each in self.conversations.shown(raw)]
        return sorted(shown, key=lambda each: each.shown_ms)

    async def lock_for(self, account: AccountId) -> AccountLock:
        """For an export that the devices of an account open; none of them may be new (KeysChangedError)."""
        manifest = await self.fan_out.manifest(account)
        self.vigil.check(account)
        return AccountLock.of(manifest)

    async def move_to(self, after: Account) -> int:
        """Tell every contact that this account goes on as `after`; how many were told (NotAManagerError)."""
        statement = Move.sign(self.profile.keys, after, self._now_ms())
        told = 0
        for contact in self.agreement.contacts():
            if not contact.blocked and contact.moved_to is None:
                with suppress(ProtocolError):  # one that cannot be reached keeps nobody else from knowing
                    await self.sender.tell_move(contact.account, statement)
                    told += 1
        return told

    async def _stop_listening(self) -> None:
        if self._listening is not None:
            await self._listening.aclose()


async def _ended(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
