"""How a client comes to be: an account on this device, and from its home directory a person with a network."""

import asyncio
import os
from collections.abc import Callable
from contextlib import AsyncExitStack, suppress
from pathlib import Path as FilePath
from types import TracebackType
from typing import Self

from essaim.protocol.account import AccountId
from essaim.protocol.conversation import Device
from essaim.protocol.errors import ProtocolError
from essaim.protocol.phrase import ENTROPY_SIZE, entropy_of, words_of
from essaim.protocol.succession import free_slot
from essaim_client.home import Home, default_home
from essaim_client.joining import JoiningHome
from essaim_client.mailbox.swarm_call import Swarms
from essaim_client.messaging.directory import published_manifest
from essaim_client.messaging.own_mailboxes import VERSION_KEY
from essaim_client.messaging.person import Person
from essaim_client.messaging.profile import BESIDE_KEY, Profile
from essaim_client.network.connection import Connection, own_now_ms
from essaim_client.network.guard import Randomness
from essaim_client.network_file import NetworkFile
from essaim_client.offline import Offline

SLOT = 0
"""Of an account's first device, and of one restored in its place."""
LEAVE_SECONDS = 20.0
"""How long a good end waits for what is being published."""


class Opening:
    """A `Client` while it is made, opened and closed."""

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
    def open(cls, home: str | FilePath | None = None, *, passphrase: str | None = None) -> Self:
        """For `async with`, which raises what cannot be opened: NoAccountError, VaultRefusedError, NoViewError ..."""
        return cls(_path(home), passphrase)

    async def __aenter__(self) -> Self:
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

    # Itself

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


def _path(home: str | FilePath | None) -> FilePath:
    return default_home() if home is None else FilePath(home).expanduser()
