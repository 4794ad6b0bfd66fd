"""A node's onion keys over time: renewed and erased when due, whatever discovery does; published ahead, in batches."""

import asyncio
from collections.abc import Callable, Iterable
from functools import partial

from essaim.discovery.v1 import discovery_pb2
from essaim.protocol.keys import SigningKey
from essaim.protocol.onion import KeyKind, KeyPeriods, Keyring, PeriodKey
from essaim.protocol.view.key_record import records_of
from essaim.protocol.view.parameters import X25519_BATCH_AT
from essaim.runtime import logs
from essaim.runtime.discovery_client import DiscoveryClient
from essaim.runtime.logs import LogLevel
from essaim.runtime.persist import MembershipEvent, persist
from essaim.view.v1 import view_pb2

PUBLISH_AT = {KeyKind.X25519: X25519_BATCH_AT, KeyKind.MLKEM: 0}
"""New keys are published when no more than so many published periods lie ahead: X25519 in batches."""
LEAST_SLEEP_SECONDS = 0.01


class KeyPublication:
    """`renew` and `publish` are background tasks: an erasure never waits for discovery to answer."""

    def __init__(
        self,
        keyring: Keyring,
        periods: KeyPeriods,
        discovery: DiscoveryClient,
        signing: SigningKey,
        start_id: bytes,
        now_ms: Callable[[], int],
        listed: Callable[[], bool],
    ) -> None:
        """`listed`: whether the view has this node; one that has left for good has nothing to publish."""
        self._keyring = keyring
        self._periods = periods
        self._discovery = discovery
        self._signing = signing
        self._start_id = start_id
        self._now_ms = now_ms
        self._listed = listed
        self._published: dict[KeyKind, int] = {}
        self._changed = asyncio.Event()

    async def renew(self) -> None:
        """Make what is due, forget what is past its grace, for ever."""
        while True:
            now_ms = self._now_ms()
            await asyncio.sleep(max(LEAST_SLEEP_SECONDS, (self._keyring.next_change_ms(now_ms) - now_ms) / 1000))
            self._keyring.advance(self._now_ms())
            self._changed.set()

    async def publish(self) -> None:
        """Tell discovery what runs short, for ever."""
        while True:
            await self._changed.wait()
            self._changed.clear()
            due = self._due()
            if due and self._listed():
                await persist(partial(self._publish, due))

    def _due(self) -> tuple[PeriodKey, ...]:
        """Keys not yet published, of the kinds that run short."""
        now_ms = self._now_ms()
        short = {
            kind
            for kind, last in self._published.items()
            if last - self._periods.current(kind, now_ms) <= PUBLISH_AT[kind]
        }
        return tuple(
            key for key in self._keyring.published if key.kind in short and key.period > self._published[key.kind]
        )

    async def _publish(self, keys: tuple[PeriodKey, ...]) -> None:
        records = discovery_pb2.PublishKeys(keys=self.records(keys))
        await self._discovery.submit(discovery_pb2.Transaction(publish_keys=records))
        self.note_published(keys)
        logs.write(MembershipEvent.KEYS_PUBLISHED, LogLevel.DEBUG, count=len(keys))

    def records(self, keys: Iterable[PeriodKey]) -> list[view_pb2.SignedKeyRecord]:
        """These keys, signed for this start."""
        runs = records_of(self._signing.public.raw, self._start_id, keys)
        return [each.sign(self._signing) for each in runs]

    def note_published(self, keys: Iterable[PeriodKey]) -> None:
        """Discovery has these, by a registration or otherwise."""
        for key in keys:
            self._published[key.kind] = max(key.period, self._published.get(key.kind, 0))
