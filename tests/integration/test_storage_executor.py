"""What the shell does when its disk fails, and what a client sees when it goes away."""

import asyncio
from pathlib import Path

import apsw
import pytest

from essaim.protocol.keys import SigningKey
from essaim.runtime.clock import SystemClock
from essaim.runtime.logs import EVENTS, LogLevel
from essaim.testing.mailbox import MailboxOwner
from essaim_storage.assembly import DATABASE_FILE
from essaim_storage.events import StoreAsked, ViewChanged
from essaim_storage.executor import DiskEvent, Executor
from essaim_storage.node import StorageNode
from essaim_storage.placement import Range
from essaim_storage.sqlite_store import SqliteStore

OWN = SigningKey(bytes([9]) * 32).public.raw
CLOCK = SystemClock()
DISK_EVENTS = ((DiskEvent.DISK_FULL, LogLevel.ERROR), (DiskEvent.DISK_WRITABLE, LogLevel.INFO))


class BreakingFile(apsw.VFSFile):
    broken = False
    full = False

    def __init__(self, name: str | apsw.URIFilename, flags: list[int]) -> None:
        super().__init__("", name, flags)

    def xSync(self, flags: int) -> None:
        if BreakingFile.broken:
            raise apsw.IOError
        super().xSync(flags)

    def xWrite(self, data: bytes, offset: int) -> None:
        if BreakingFile.full and offset + len(data) > self.xFileSize():
            raise apsw.FullError
        super().xWrite(data, offset)


class BreakingVfs(apsw.VFS):
    def __init__(self) -> None:
        super().__init__("breaking", "")

    def xOpen(self, name: str | apsw.URIFilename | None, flags: list[int]) -> apsw.VFSFile:
        return super().xOpen(name, flags) if name is None else BreakingFile(name, flags)


def record(owner: MailboxOwner):
    from essaim.protocol.mailbox.envelope import envelope_id
    from essaim.protocol.mailbox.record import EnvelopeRecord

    new = owner.letter(CLOCK.now_ms())
    of_id = envelope_id(owner.inbox.mailbox_id, new.slot, new.expires_ms, new.data)
    return EnvelopeRecord(owner.inbox, of_id, new.slot, new.expires_ms, new.data)


@pytest.fixture
def disk(tmp_path: Path):
    vfs = BreakingVfs()
    BreakingFile.broken = BreakingFile.full = False
    yield SqliteStore(tmp_path / DATABASE_FILE, vfs="breaking")
    vfs.unregister()


async def test_full_volume_refuses_and_goes_on_when_there_is_room(disk: SqliteStore) -> None:
    executor = Executor(StorageNode(OWN, disk, bytes), disk, lambda *_: None, CLOCK.now_ms)
    executor.start()
    executor.tell(ViewChanged(1, (Range.still([OWN]),)))
    owner = MailboxOwner()
    before, refused, after = record(owner), record(owner), record(owner)

    outcomes = []
    told = {event: EVENTS.labels(event.value, level.value)._value.get() for event, level in DISK_EVENTS}
    for each, full in ((before, False), (refused, True), (refused, True), (after, False)):
        BreakingFile.full = full
        stored = await executor.ask(lambda request, each=each: StoreAsked(request, (each,)))
        outcomes.append(stored.outcomes[0].refusal)

    assert [each and each.reason for each in outcomes] == [None, "DISK_FULL", "DISK_FULL", None]
    for event, level in DISK_EVENTS:  # once, however many are refused
        assert EVENTS.labels(event.value, level.value)._value.get() == told[event] + 1
    assert [disk.has(each.envelope_id) for each in (before, refused, after)] == [True, False, True]
    await executor.close()


async def test_failed_fsync_ends_the_process_and_acknowledges_nothing(disk: SqliteStore) -> None:
    executor = Executor(StorageNode(OWN, disk, bytes), disk, lambda *_: None, CLOCK.now_ms)
    executor.start()
    executor.tell(ViewChanged(1, (Range.still([OWN]),)))
    life = asyncio.ensure_future(executor.run())
    owner = MailboxOwner()
    await executor.ask(lambda request: StoreAsked(request, (record(owner),)))
    assert not life.done()

    BreakingFile.broken = True
    asked = asyncio.ensure_future(executor.ask(lambda request: StoreAsked(request, (record(owner),))))

    with pytest.raises(apsw.IOError):
        await life
    assert not asked.done()
    asked.cancel()
    await asyncio.wait([asked])
    BreakingFile.broken = False
    await executor.close()


async def test_drain_waits_for_what_is_asked_a_moment_later(disk: SqliteStore) -> None:
    executor = Executor(StorageNode(OWN, disk, bytes), disk, lambda *_: None, CLOCK.now_ms)
    executor.start()
    executor.tell(ViewChanged(1, (Range.still([OWN]),)))
    owner, done = MailboxOwner(), []

    async def late(turn: int) -> None:
        stored = await executor.ask(lambda request: StoreAsked(request, (record(owner),)))
        done.append(stored.outcomes[0].refusal)
        if turn:
            asyncio.get_running_loop().call_soon(waiting.append, asyncio.ensure_future(late(turn - 1)))

    waiting: list[asyncio.Future[None]] = []
    asyncio.get_running_loop().call_later(0.02, lambda: waiting.append(asyncio.ensure_future(late(3))))
    await executor.answered(seconds=10, quiet_seconds=0.5)

    assert done == [None] * 4
    await asyncio.gather(*waiting)
    await executor.close()
