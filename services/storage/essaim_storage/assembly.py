"""A storage node put together: store, machine, executor, members, servicer. The network's view is given to it."""

import asyncio
import os
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from essaim.network.links import Links
from essaim.network.settings import LinkSettings
from essaim.protocol.keys import SigningKey
from essaim.protocol.link.hello import LinkIdentity
from essaim.protocol.mailbox.authorization import NonceMemory
from essaim.protocol.push.wake import WakeBatch
from essaim.protocol.view import NetworkView
from essaim.runtime.examiner import Word
from essaim.runtime.offer import Offer
from essaim.storage.v1 import mailbox_pb2, mailbox_pb2_grpc
from essaim_storage import metrics
from essaim_storage.effects import HoldingOutcome
from essaim_storage.executor import Executor, tell_nobody
from essaim_storage.files import DATABASE_FILE
from essaim_storage.hosts import Hosts
from essaim_storage.intake import Intake
from essaim_storage.members import Members, Neighbours
from essaim_storage.message import Message
from essaim_storage.node import StorageNode
from essaim_storage.owed import Owed
from essaim_storage.placement import serial_of
from essaim_storage.price import Load, Price
from essaim_storage.service import MailboxService
from essaim_storage.slot_versions import SlotVersions
from essaim_storage.sqlite_store import SqliteStore
from essaim_storage.tuning import Tuning

if TYPE_CHECKING:
    from essaim_storage.settings import StorageSettings

LINKS = LinkSettings(backoff_most_seconds=1.0)
"""A swarm is small, and a member that returns wants its hints at once."""
MEASURE_SECONDS = 5.0
MOST_WAITING = 512
"""Requests that wait for disk or quorum, two full commits: from there on strangers pay for their load."""
NONCE_SIZE = 32
_WORD: dict[HoldingOutcome, bool | Word] = {
    HoldingOutcome.HELD: True,
    HoldingOutcome.MISSING: False,
    HoldingOutcome.SILENT: Word.SILENT,
}
TUNING = Tuning(page_entries=24)
"""Named envelopes beside three whole ones fit the smallest reply."""


class Storage:
    """`await start()` within the event loop; `background` are tasks of the process; `await close()` at the end."""

    def __init__(
        self,
        settings: "StorageSettings",
        signing: SigningKey,
        now_ms: Callable[[], int],
        tuning: Tuning = TUNING,
        transferred: Callable[[int, int], None] = tell_nobody,
    ) -> None:
        """`transferred(swarm id, move serial)`: this node has all of a move, for discovery; said again and again."""
        own_id = signing.public.raw
        path: Path = settings.data_dir / DATABASE_FILE
        self._settings = settings
        self._store = SqliteStore(path, max_bytes=settings.max_bytes, restored=settings.restored)
        tuning = replace(
            tuning,
            foreign_ms=int(settings.foreign_seconds * 1_000),
            blob_bytes=settings.blob_budget,
            test_age_ms=int(settings.test_age_seconds * 1_000),
            test_again_ms=int(settings.test_again_seconds * 1_000),
        )
        self.node = StorageNode(own_id, self._store, os.urandom, tuning, sign=signing.sign)
        self.executor = Executor(
            self.node,
            self._store,
            self._send,
            now_ms,
            lambda swarm_id, move: transferred(swarm_id, serial_of(move)),
            self._wake,
        )
        self.members = Members(own_id, self.executor.tell)
        self.hosts = Hosts(self.executor.tell)
        load = Load(settings.open_per_second, MOST_WAITING, lambda: self.executor.waiting)
        price = Price(settings.puzzle_bits, settings.claim_bits, settings.blob_bits, load)
        slots, entries = SlotVersions(self._store), tuning.page_entries
        intake = Intake(own_id, self._store, NonceMemory(), price, slots, tuning.blob_bytes, entries)
        servicer = MailboxService(intake, self.executor, now_ms)
        descriptor = mailbox_pb2.DESCRIPTOR.services_by_name["MailboxService"]
        self.offer = Offer(descriptor, servicer, mailbox_pb2_grpc.add_MailboxServiceServicer_to_server)
        identity = LinkIdentity(own_id, signing.sign, lambda: serial_of(self.node.view_serial))
        links = replace(LINKS, quiet_us=settings.pace_ms * 1_000)
        self._owed = Owed()
        self._links = Links(identity, links, self._on_link)

    @property
    def background(self) -> Sequence[Callable[[], Coroutine[Any, Any, None]]]:
        """Coroutine functions; one that raises must end the process."""
        settings, executor = self._settings, self.executor
        return (
            executor.run,
            self.members.keep_links,
            self.hosts.keep_links,
            lambda: executor.empty_log(settings.empty_log_seconds),
            lambda: executor.scrub(settings.scrub_seconds),
            self._measure,
        )

    async def start(self) -> None:
        """Open links and hand the machine its first event."""
        await self._links.__aenter__()
        self.members.use(self._links)
        self.hosts.use(self._links)
        self.executor.start()

    def view_changed(self, neighbours: Neighbours) -> None:
        """A newer signed view. (`hosts` is told apart.)"""
        self.members.view_changed(neighbours)

    def on_message(self, node_id: bytes, data: bytes) -> None:
        """A message over a link that proved its id."""
        (self.hosts if self.hosts.knows(node_id) else self.members).on_message(node_id, data)

    def _on_link(self, node_id: bytes, up: bool) -> None:
        (self.hosts if self.hosts.knows(node_id) else self.members).on_link(node_id, up)

    async def test(self, view: NetworkView, node_id: bytes) -> bool | Word | None:
        """The storage test of a member that a view drew this node for; None: there is nothing to say of it."""
        outcome = await self.executor.test(node_id, view.header.previous_hash, os.urandom(NONCE_SIZE))
        return _WORD.get(outcome)

    async def close(self) -> None:
        """Links, then the disk."""
        await self._links.__aexit__(None, None, None)
        await self.executor.close()

    def _send(self, to: bytes, message: Message) -> None:
        self.members.send(to, message)

    def _wake(self, to: bytes, batch: WakeBatch) -> None:
        self.hosts.send(to, batch)

    async def _measure(self) -> None:
        """The gauges, every few seconds."""
        metrics.WAITING.set_function(lambda: self.executor.waiting)
        metrics.LIMIT_BYTES.set(self._settings.max_bytes)
        while True:
            envelopes, size = self._store.totals()
            metrics.ENVELOPES.set(envelopes)
            metrics.BYTES.set(size)
            metrics.DATABASE_BYTES.set(self._store.used_bytes())
            metrics.BEHIND.set(len(self.node.behind))
            metrics.INCOMPLETE.set(self.node.incomplete)
            metrics.WAKES_OWED.set(self.node.waker.owed)
            metrics.WAKES_GIVEN_UP.inc(self.node.waker.forget_given_up())
            self._measure_owed()
            await asyncio.sleep(MEASURE_SECONDS)

    def _measure_owed(self) -> None:
        now, newest = asyncio.get_running_loop().time(), self._store.last_coordinated()
        debt = self._owed.measure(now, newest, self.node.positions, self._store.coordinated_count)
        metrics.OWED.set(debt.copies)
        metrics.UNDER_REPLICATED.set(debt.records)
        metrics.LAG.set(debt.lag_seconds)
