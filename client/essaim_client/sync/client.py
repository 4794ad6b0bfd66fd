"""The synchronous client: a `Client` in an event loop and thread of its own."""

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

from essaim.protocol.account import AccountId
from essaim.protocol.errors import ProtocolError
from essaim.protocol.view import NetworkView
from essaim_client.client import Client
from essaim_client.messaging.agreement import Settings
from essaim_client.messaging.events import Event, Message
from essaim_client.messaging.listening import Listening
from essaim_client.sync.loop import LoopThread
from essaim_client.sync.parts import SyncArchives, SyncContacts, SyncDevices, SyncGroups, SyncPush
from essaim_client.sync.wrapped import Wrapped, awaited, called

T = TypeVar("T")


class SyncClient(Wrapped[Client]):
    """`with SyncClient.open(home, passphrase="...") as me`: the calls of `Client`, each waiting until it is done.

    May be used from several threads. Ctrl-C ends a call that waits. Of what an asyncio program can do beside this,
    `run` does one thing in the client's own loop: `me.run(lambda client: client.rooms.room(address))`.
    """

    create_account = staticmethod(Client.create_account)
    restore_account = staticmethod(Client.restore_account)
    offline = staticmethod(Client.offline)
    remove = staticmethod(Client.remove)

    @classmethod
    def open(cls, home: str | Path | None = None, *, passphrase: str | None = None) -> "SyncClient":
        """For `with`, which raises what cannot be opened: NoAccountError, VaultRefusedError, NoViewError ..."""
        return cls(Client.open(home, passphrase=passphrase), LoopThread())

    def __enter__(self) -> "SyncClient":
        self._loop.start()
        try:
            self._loop.run(self._inner.__aenter__())
        except BaseException:
            self._loop.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._loop.run(self._inner.__aexit__(kind, error, trace))
        finally:
            self._loop.stop()

    def run(self, work: Callable[[Client], Coroutine[Any, Any, T]]) -> T:
        """What `work` does with the asyncio client, in its loop."""
        return self._loop.run(work(self._inner))

    # Messages

    send = awaited(Client.send)
    send_file = awaited(Client.send_file)
    save_file = awaited(Client.save_file)
    receive = awaited(Client.receive)
    receive_events = awaited(Client.receive_events)
    history = called(Client.history)
    react = awaited(Client.react)
    edit = awaited(Client.edit)
    unsend = awaited(Client.unsend)
    delete = called(Client.delete)
    set_timer = awaited(Client.set_timer)
    timer = called(Client.timer)
    mark_read = awaited(Client.mark_read)
    typing = awaited(Client.typing)

    def listen(self, idle_seconds: float | None = None) -> Iterator[Message]:
        """What waits, then what arrives, for `for`; ends with the client, or when nothing came for so long.

        Whoever leaves the loop and comes back goes on where they were.
        """
        return self._arriving(self._loop.call(self._inner.listen), idle_seconds)

    def events(self, idle_seconds: float | None = None) -> Iterator[Event]:
        """Likewise everything that happens; not beside `listen`, each takes all."""
        return self._arriving(self._loop.call(self._inner.events), idle_seconds)

    def _arriving(self, listening: Listening[T], idle_seconds: float | None) -> Iterator[T]:
        async def following() -> T:
            return await asyncio.wait_for(anext(listening), idle_seconds)

        while True:
            try:
                event = self._loop.run(following())
            except (StopAsyncIteration, TimeoutError):
                return
            yield event

    # The account, its people and devices

    @property
    def account_id(self) -> AccountId:
        """What others write to; `str()` of it is the esm1... text."""
        return self._loop.call(lambda: self._inner.account_id)

    ready = awaited(Client.ready)

    @property
    def live(self) -> bool:
        """Whether somebody listens and has had what was there before."""
        return self._loop.call(self._inner.live.is_set)

    @property
    def problem(self) -> ProtocolError | None:
        """Why the last background work failed, if it did."""
        return self._loop.call(lambda: self._inner.problem)

    @property
    def waiting(self) -> int:
        """How many envelopes are sealed and kept, and no quorum has them yet."""
        return self._loop.call(lambda: self._inner.waiting)

    @property
    def contacts(self) -> SyncContacts:
        """Requests, names, safety numbers, new devices to acknowledge."""
        return SyncContacts(self._loop.call(lambda: self._inner.contacts), self._loop)

    @property
    def push(self) -> SyncPush:
        """Who wakes this device when something waits for it."""
        return SyncPush(self._loop.call(lambda: self._inner.push), self._loop)

    @property
    def groups(self) -> SyncGroups:
        """Closed groups of up to 100 members."""
        return SyncGroups(self._loop.call(lambda: self._inner.groups), self._loop)

    @property
    def devices(self) -> SyncDevices:
        """The devices of this account."""
        return SyncDevices(self._loop.call(lambda: self._inner.devices), self._loop)

    @property
    def archives(self) -> SyncArchives:
        """What others exported and this person imported."""
        return SyncArchives(self._loop.call(lambda: self._inner.archives), self._loop)

    @property
    def settings(self) -> Settings:
        """What others learn of this person."""
        return self._loop.call(lambda: self._inner.settings)

    change_settings = called(Client.change_settings)
    backup = called(Client.backup)
    bring_back = awaited(Client.bring_back)
    export = awaited(Client.export)
    move_to = awaited(Client.move_to)
    wipe = awaited(Client.wipe)

    # The network

    @property
    def view(self) -> NetworkView:
        """The newest signed view."""
        return self._loop.call(lambda: self._inner.view)

    nodes = called(Client.nodes)

    @property
    def diverse(self) -> bool:
        """Whether the view makes the relays of a path differ in anything."""
        return self._loop.call(lambda: self._inner.diverse)

    trace = awaited(Client.trace)
