"""A host put together: database, writer, readers, servicer, and the tasks of the process."""

import asyncio
from collections.abc import Callable, Collection, Coroutine, Sequence
from typing import Any

from essaim.opengroup.v1 import opengroup_pb2, opengroup_pb2_grpc
from essaim.runtime import logs
from essaim.runtime.logs import Event, LogLevel
from essaim.runtime.offer import Offer
from essaim.runtime.refusal import StartError
from essaim_opengroup import notice, upkeep
from essaim_opengroup.acting import Acting
from essaim_opengroup.asking import Asking
from essaim_opengroup.database import Database
from essaim_opengroup.host import claim_database, load_key, say_alive, say_gone
from essaim_opengroup.news import Changed, News
from essaim_opengroup.notice import Notice
from essaim_opengroup.service import RoomService
from essaim_opengroup.settings import OpengroupSettings
from essaim_opengroup.writer import Job, Writer


class HostEvent(Event):
    """What a host has to say."""

    UPKEEP_FAILED = "upkeep_failed"


class Host:
    """`background` are tasks of the process; `close` at the end."""

    def __init__(self, settings: OpengroupSettings, node_id: bytes, now_ms: Callable[[], int]) -> None:
        """Opens the database and brings it to its schema. Raises StartError."""
        self.settings = settings
        self.node_id = node_id
        self.key = load_key(settings.host_key, settings.data_dir)
        url = settings.database.get_secret_value() if settings.database else None
        self.database = Database.open(url, settings.data_dir)
        try:
            claim_database(self.database, self.key, settings.data_dir, now_ms())
        except StartError:
            self.database.close()
            raise
        self.asking = Asking(self.database, self.key.public.raw, now_ms)
        self.writer = Writer(self.database, self.key, now_ms, self._tell)
        acting = Acting(self.writer, self.asking, settings)
        self.service = RoomService(self.key, node_id, acting, self.asking, now_ms)
        descriptor = opengroup_pb2.DESCRIPTOR.services_by_name["RoomService"]
        self.offer = Offer(descriptor, self.service, opengroup_pb2_grpc.add_RoomServiceServicer_to_server)

    @property
    def background(self) -> Sequence[Callable[[], Coroutine[Any, Any, None]]]:
        """Coroutine functions; one that raises must end the process."""
        own = (self.writer.run, self._keep_up)
        return (*own, self._listen) if self.database.postgresql else own

    def _tell(self, news: News) -> None:
        """What was just committed here."""
        for changed in news.changed_access:
            self.asking.access.forget(*changed)
        self.asking.feed.publish(news.fresh)
        self._wake(news.changed_access)
        self.asking.inboxes.wake(news.inboxes)

    async def _listen(self) -> None:
        await notice.listen(self.database.url, self._hear, self._doubt)

    def _wake(self, access: Collection[Changed]) -> None:
        """Who follows looks at their rights again."""
        for room_no in {room_no for room_no, _ in access}:
            self.asking.feed.wake(room_no)

    def _hear(self, told: Notice) -> None:
        """What was committed somewhere, perhaps here."""
        for changed in told.access:
            self.asking.access.forget(*changed)
        self._wake(told.access)
        for room_no, sequence in told.heads.items():
            self.asking.feed.remote(room_no, sequence)
        self.asking.inboxes.wake(told.inboxes)

    def _doubt(self) -> None:
        self.asking.access.forget(None, None)
        self.asking.feed.doubt()
        self.asking.inboxes.wake(None)

    async def _keep_up(self) -> None:
        """Say that this node lives, remove what is over, measure; again and again."""
        while True:
            try:
                await self.writer.do(Job(lambda work: say_alive(work, self.node_id)))
                await self.writer.do(Job(upkeep.remove_expired))
                await self.asking.read(upkeep.measure)
            except Exception as error:  # noqa: BLE001 - the next round may do it; members are served meanwhile
                logs.write(HostEvent.UPKEEP_FAILED, LogLevel.WARNING, error=type(error))
            await asyncio.sleep(self.settings.upkeep_seconds)

    async def leave(self) -> None:
        """The drain's first step: clients are told of other replicas alone."""
        await self.writer.do(Job(lambda work: say_gone(work, self.node_id)))

    async def close(self) -> None:
        self.writer.close()
        await self.asking.close()
        self.database.close()
