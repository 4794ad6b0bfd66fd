"""A person's devices: each with a store of its own on disk, which can be copied, put back, and started again."""

import asyncio
import shutil
from contextlib import suppress
from pathlib import Path

from essaim.protocol.account import Account, AccountId
from essaim.protocol.conversation import Device
from essaim.protocol.errors import ProtocolError
from essaim_client.messaging.directory import published_manifest
from essaim_client.messaging.linking import Joining
from essaim_client.messaging.own_mailboxes import VERSION_KEY
from essaim_client.messaging.person import SELDOM_MS, Person
from essaim_client.messaging.profile import SEED_KEY, NoAccountError, Profile
from essaim_client.messaging.vigil import KeysChangedError
from essaim_client.store.local_store import LocalStore
from people.mailboxes import Mailboxes

KEY = bytes(32)


class Gadget:
    """One device. `start` opens its store; nothing runs by itself: `rest` is what time would bring."""

    def __init__(self, mailboxes: Mailboxes, folder: Path) -> None:
        self.mailboxes = mailboxes
        self.folder = folder
        self.folder.mkdir(parents=True, exist_ok=True)
        self.swarms = mailboxes.swarms()
        self.person: Person | None = None

    @property
    def path(self) -> Path:
        return self.folder / "store.db"

    def store(self) -> LocalStore:
        store = LocalStore(self.path, KEY)
        store._db.pragma("synchronous", "off")  # nobody pulls the plug here
        return store

    async def first(self, account: Account, slot: int = 0) -> None:
        """The account's first device, or one restored from its phrase."""
        store = self.store()
        store.put(SEED_KEY, account.seed)
        before = await published_manifest(self.swarms, account.id, None)
        device = Device.create(account, slot, self.mailboxes.now_ms, self.swarms.random, before)
        store.put(VERSION_KEY, b"%d" % device.manifest.head.time_ms)
        self.person = Person(self.swarms, Profile.begin(account, store, device))

    async def join(self, sponsor: "Gadget", *, manager: bool = False) -> None:
        """Linked by another device of the account, over the mailboxes."""
        joining = Joining(self.swarms, self.store(), "gadget")

        async def approve() -> None:
            devices = sponsor.person.devices
            sponsoring = devices.sponsor(joining.code)
            candidate = await sponsoring.meet()
            assert candidate.check == joining.check and candidate.name == "gadget"
            await devices.approve(sponsoring, candidate, manager=manager)

        async def enter() -> Profile:
            assert await joining.offered() == sponsor.account
            return await joining.approved()

        profile, _ = await asyncio.gather(enter(), approve())
        self.person = Person(self.swarms, profile)

    def start(self) -> None:
        store = self.store()
        seed = store.get(SEED_KEY)
        profile = Profile.load(Account(seed) if seed else None, store)
        if profile is None:
            raise NoAccountError("no device here")
        self.person = Person(self.swarms, profile)

    async def stop(self, *, well: bool = True) -> None:
        """`well`: as a program ends; else it is killed."""
        if well:
            await self.person.errands.finish()
            with suppress(ProtocolError):
                await self.person.generation.leave()
        await self.person.errands.close()
        self.person.profile.store.close()
        self.person = None

    def copy(self) -> Path:
        """A backup of the stopped store's file."""
        copy = self.folder / f"copy-{self.mailboxes.stored}"
        shutil.copy(self.path, copy)
        return copy

    def put_back(self, copy: Path) -> None:
        for left in self.folder.glob("store.db-*"):
            left.unlink()
        shutil.copy(copy, self.path)

    @property
    def account(self) -> AccountId:
        return self.person.profile.account_id

    @property
    def slot(self) -> int:
        return self.person.profile.device.slot

    def waiting(self) -> list:
        """The envelopes in every mailbox of this device's inbox, in the order of their coming."""
        days = self.person.days
        ids = (access.policy.mailbox_id for access in (*days.over(), *days.written()))
        return [each for mailbox_id in ids for each in self.mailboxes.places[mailbox_id].envelopes.values()]

    async def rest(self) -> list:
        """What time brings: the upkeep, and what waits."""
        self.mailboxes.now_ms += SELDOM_MS
        await self.person.upkeep.round()
        return await self.look()

    async def look(self) -> list:
        """What waits now, and what it sets off."""
        events = await self.person.receive()
        await self.person.errands.finish()
        await self.person.healing.heal()
        await self.person.errands.finish()
        return events

    async def do(self, action, account: AccountId, *arguments, **named):
        """Something that the person does; a new device of the other side is acknowledged."""
        try:
            return await action(account, *arguments, **named)
        except KeysChangedError:
            self.person.vigil.acknowledge(account)
            return await action(account, *arguments, **named)

    def shown(self, account: AccountId) -> list[tuple[bytes, str, bool, frozenset]]:
        """What the person sees of a conversation, without what differs between the sides."""
        return [
            (each.message_id, each.text, each.edited, frozenset(each.reactions))
            for each in self.person.conversations.shown(account.raw)
        ]
