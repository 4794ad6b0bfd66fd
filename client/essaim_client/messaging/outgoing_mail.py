"""Envelopes that have been sealed and wait for a quorum: stored the same bytes again until it has them, in order."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterable
from contextlib import asynccontextmanager

from essaim.protocol.keys import SigningKey
from essaim.protocol.mailbox.policy import Policy
from essaim.protocol.private_inbox import days_open
from essaim_client.mailbox.access import Authority
from essaim_client.mailbox.refusals import SwarmRefusedError
from essaim_client.mailbox.swarm_call import Swarms
from essaim_client.mailbox.writing import Outgoing, Writer
from essaim_client.store.local_store import LocalStore, Waiting

EXPIRES_SOON_MS = 20_000
"""A mailbox takes nothing that expires within ten seconds."""
INVALID_ARGUMENT = 3
"""google.rpc.Code: the mailbox will never have it."""


class OutgoingMail:
    """The queues on this device's disk, one an account. One task at a time works at the envelopes of one: `turn`."""

    def __init__(self, swarms: Swarms, store: LocalStore) -> None:
        self._swarms = swarms
        self._store = store
        self._writer = Writer(swarms)
        self._turns: dict[bytes, asyncio.Lock] = {}
        self.on_late: Callable[[bytes, int], None] = lambda _account, _day: None
        """Told of an account for whose private inbox something was stored when its day was over."""

    @asynccontextmanager
    async def turn(self, queue: bytes) -> AsyncGenerator[None, None]:
        """Whoever comes first is served first."""
        async with self._turns.setdefault(queue, asyncio.Lock()):
            yield

    async def flush(self) -> None:
        """Everything that waits. Raises what the first mailbox to refuse, or not to answer, raised."""
        queues = dict.fromkeys(each.queue for each in self._store.waiting())
        results = await asyncio.gather(*map(self._in_turn, queues), return_exceptions=True)
        _raise_first(results)

    async def _in_turn(self, queue: bytes) -> None:
        async with self.turn(queue):
            await self.flush_queue(queue)

    async def flush_queue(self, queue: bytes) -> None:
        """Everything that waits for one account, by a task whose turn it is: each device's envelopes in order."""
        devices: dict[bytes, list[Waiting]] = {}
        for waiting in self._store.waiting():
            if waiting.queue == queue:
                devices.setdefault(waiting.slot, []).append(waiting)
        results = await asyncio.gather(*map(self._flush_device, devices.values()), return_exceptions=True)
        _raise_first(results)

    async def _flush_device(self, envelopes: list[Waiting]) -> None:
        for waiting in envelopes:
            await self._flush_one(waiting)

    async def _flush_one(self, waiting: Waiting) -> None:
        if waiting.expires_ms > self._swarms.clock.now_ms() + EXPIRES_SOON_MS:
            await self._stored(waiting)
        self._store.acknowledged(waiting.number)

    async def _stored(self, waiting: Waiting) -> None:
        envelope = Outgoing(waiting.slot, waiting.expires_ms, waiting.data)
        authority = Authority(SigningKey(waiting.writer)) if waiting.writer else None
        try:
            await self._writer.store(Policy.parse(waiting.policy), [envelope], authority)
        except SwarmRefusedError as error:
            if error.refusal.code == INVALID_ARGUMENT:
                self._store.acknowledged(waiting.number)  # it would be refused for ever, and bar what comes after it
            raise
        if waiting.day and waiting.day < days_open(self._swarms.clock.now_ms()).start:
            self.on_late(waiting.recipient, waiting.day)


def _raise_first(results: Iterable[BaseException | None]) -> None:
    for result in results:
        if result is not None:
            raise result
