"""A push host put together: database, writer, intake, dispatcher, servicer, and the tasks of the process."""

import asyncio
import os
import random
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from sqlalchemy.exc import DBAPIError

from essaim.protocol.push.push_id import PushIds
from essaim.push.v1 import push_pb2, push_pb2_grpc
from essaim.runtime import logs
from essaim.runtime.logs import Event, LogLevel
from essaim.runtime.offer import Offer
from essaim.runtime.refusal import StartError
from essaim.runtime.sql_database import SqlDatabase
from essaim_push import upkeep
from essaim_push.backoff import Backoff
from essaim_push.dispatch import Dispatcher
from essaim_push.host import claim_database, load_key, say_gone
from essaim_push.intake import Intake
from essaim_push.providers.providers import Providers
from essaim_push.queue import Rules, release
from essaim_push.service import PushService
from essaim_push.settings import PushSettings
from essaim_push.writer import Writer

DATABASE_FILE = "push.db"


class HostEvent(Event):
    """What a push host has to say."""

    UPKEEP_FAILED = "upkeep_failed"
    RECOVERED = "recovered"
    LEASES_KEPT = "leases_kept"


class PushHost:
    """`await start()` in the event loop; `background` are tasks of the process; `drain`, then `close` at the end."""

    def __init__(
        self,
        settings: PushSettings,
        node_id: bytes,
        now_ms: Callable[[], int],
        answer: Callable[[bytes, bytes], None],
    ) -> None:
        """Opens the database and brings it to its schema; `answer(node id, bytes)` sends to a storage node. Raises
        StartError."""
        self._settings = settings
        self._node_id = node_id
        self._now_ms = now_ms
        self.key = load_key(settings.host_key, settings.data_dir)
        self.providers = Providers(settings, now_ms)
        url = settings.database.get_secret_value() if settings.database else None
        self.database = SqlDatabase.open_at(url, settings.data_dir / DATABASE_FILE, "essaim_push")
        try:
            claim_database(self.database, self.key.public.host_id.raw)
        except StartError:
            self.database.close()
            raise
        self.writer = Writer(self.database, now_ms)
        rules = rules_of(settings)
        backoff = Backoff(settings.retry_first_seconds * 1_000, settings.retry_most_seconds * 1_000)
        limits = (settings.deliveries, settings.origin_deliveries)
        self.dispatcher = Dispatcher(self.writer, self.key, self.providers, rules, backoff, node_id, limits, now_ms)
        ids, rate = PushIds(self.key.ids), settings.wakes_per_second
        self.intake = Intake(self.writer, ids, rules, rate, now_ms, answer, self.dispatcher.ask)
        self.service = PushService(
            self.key, node_id, self.database, self.writer, self.providers, settings, now_ms, os.urandom
        )
        descriptor = push_pb2.DESCRIPTOR.services_by_name["PushService"]
        self.offer = Offer(descriptor, self.service, push_pb2_grpc.add_PushServiceServicer_to_server)

    async def start(self) -> None:
        """What this node had leased when it was killed is due at once."""
        await self.providers.__aenter__()
        with self.database.writer.begin() as connection:
            again = release(connection, self._now_ms(), self._node_id)
        if again:
            logs.write(HostEvent.RECOVERED, count=again)

    @property
    def background(self) -> Sequence[Callable[[], Coroutine[Any, Any, None]]]:
        """Coroutine functions; one that raises must end the process."""
        return (self.writer.run, self.dispatcher.run, self._keep_up)

    async def _keep_up(self) -> None:
        """Say that this node lives, remove what is over, measure; again and again."""
        while True:
            try:
                await self.writer.submit(lambda connection, now_ms: upkeep.keep_up(connection, now_ms, self._node_id))
                while await self.writer.submit(upkeep.forget_seen):
                    pass
                self.service.total = await self.writer.submit(upkeep.measure)
            except Exception as error:  # noqa: BLE001 - the next round may do it; wakes are told meanwhile
                logs.write(HostEvent.UPKEEP_FAILED, LogLevel.WARNING, error=type(error))
            await asyncio.sleep(self._settings.upkeep_seconds)

    async def drain(self) -> None:
        """Devices are told of the other replicas alone; what is under way is settled."""
        await self.writer.submit(lambda connection, _: say_gone(connection, self._node_id))
        await self.dispatcher.drain()

    async def close(self) -> None:
        """After the last task. What was not settled is another replica's, or this one's at its next start."""
        await self.dispatcher.stop()
        self.writer.close()
        self._let_go()
        self.service.close()
        await self.providers.__aexit__(None, None, None)
        self.database.close()

    def _let_go(self) -> None:
        """Where the database is away, the leases end by themselves."""
        try:
            with self.database.writer.begin() as connection:
                release(connection, self._now_ms(), self._node_id)
        except DBAPIError as error:
            logs.write(HostEvent.LEASES_KEPT, LogLevel.WARNING, error=type(error))


def rules_of(settings: PushSettings) -> Rules:
    """The queue's times."""
    return Rules(
        delay_ms=round(settings.delay_seconds * 1_000),
        spacing_ms=round(settings.spacing_seconds * 1_000),
        wake_ms=round(settings.wake_hours * 3_600_000),
        lease_ms=round(settings.lease_seconds * 1_000),
        uniform=random.uniform,
        random=os.urandom,
    )
