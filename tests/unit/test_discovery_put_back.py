"""Discovery whose folder was put back from a copy, or that has its keys alone: it goes on beyond what was seen."""

import asyncio
import shutil
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from essaim.protocol.keys import SigningKey
from essaim.protocol.view import Genesis, NetworkView, Parameters, ViewKeeper, ViewRefusedError
from essaim.testing.clock import FakeClock
from essaim.testing.registrant import Registrant
from essaim_discovery.admission import EVERYBODY
from essaim_discovery.authority import Authority
from essaim_discovery.driver import Driver
from essaim_discovery.log import Log

PARAMETERS = Parameters(view_min_interval_ms=1, uptime_seconds=60, away_seconds=180, drop_seconds=7_200)
KEY = SigningKey(bytes(31) + b"\7")
CLOCK = FakeClock()
GENESIS = Genesis.create("paper", [KEY], PARAMETERS, [], CLOCK.now_ms())
SECONDS = 20


def driver_of(folder: Path, least_serial: int) -> Driver:
    folder.mkdir(exist_ok=True)
    return Driver(GENESIS, Authority.of(GENESIS, KEY), Log(folder), CLOCK.now_ms, 1_024, EVERYBODY, least_serial)


@asynccontextmanager
async def discovery(folder: Path, least_serial: int = 0):
    driver = driver_of(folder, least_serial)
    task = asyncio.create_task(driver.run())
    try:
        async with asyncio.timeout(SECONDS):
            await driver.started()
        yield driver
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        await driver.close()


async def told(driver: Driver, keeper: ViewKeeper) -> NetworkView:
    """The view that is served now, as somebody takes it who holds what this keeper holds."""
    held = keeper.current
    answer = driver.views.answer(*((held.epoch, held.serial) if held else (0, 0)))
    assert answer is not None
    return keeper.accept(answer, CLOCK.now_ms())


async def registered(driver: Driver, *numbers: int) -> None:
    for number in numbers:  # a view each
        before = driver.views.newest.serial
        CLOCK.advance(5)
        assert await driver.submit([Registrant(GENESIS, number).register(CLOCK.now_ms())]) == [None]
        async with asyncio.timeout(SECONDS):
            async for _ in driver.views.follow(0, 0):
                if driver.views.newest.serial > before:
                    break


async def lived(folder: Path) -> ViewKeeper:
    """A network of which there is a copy from before; who has seen its newest view."""
    keeper = ViewKeeper(GENESIS)
    async with discovery(folder / "now") as driver:
        await registered(driver, 1, 2)
    shutil.copytree(folder / "now", folder / "copy")
    async with discovery(folder / "now") as driver:
        await registered(driver, 3, 4, 5)
        await told(driver, keeper)
    return keeper


async def test_folder_put_back_is_refused_until_it_goes_on_beyond_what_was_seen(tmp_path: Path) -> None:
    keeper = await lived(tmp_path)
    seen = keeper.current.serial
    async with discovery(tmp_path / "copy") as driver:
        assert driver.views.newest.serial < seen
        with pytest.raises(ViewRefusedError):
            await told(driver, keeper)
    async with discovery(tmp_path / "copy", seen + 10) as driver:
        view = await told(driver, keeper)
        assert view.serial == seen + 10
        assert set(view.nodes) == {Registrant(GENESIS, number).node_id for number in (1, 2)}
        await registered(driver, 3, 4)
        assert len((await told(driver, keeper)).nodes) == 4
    for least_serial in (0, seen + 10):  # said once or for ever
        before = keeper.current.serial
        async with discovery(tmp_path / "copy", least_serial) as driver:
            await registered(driver, 5 + bool(least_serial))
            view = await told(driver, keeper)
            assert before < view.serial < before + 5


async def test_keys_alone_go_on_beyond_what_was_seen(tmp_path: Path) -> None:
    keeper = await lived(tmp_path)
    seen = keeper.current.serial
    async with discovery(tmp_path / "new", seen + 1) as driver:
        with pytest.raises(ViewRefusedError):  # who holds the serial before sees that it follows another view
            await told(driver, keeper)
    async with discovery(tmp_path / "newer", seen + 100) as driver:
        assert (await told(driver, keeper)).serial == seen + 100
        await registered(driver, 1)
        assert list((await told(driver, keeper)).nodes) == [Registrant(GENESIS, 1).node_id]


async def test_leap_that_a_crash_cut_short_is_finished_by_the_next_start(tmp_path: Path) -> None:
    async with discovery(tmp_path) as driver:
        await registered(driver, 1)
    leaping = driver_of(tmp_path, 500)
    await leaping._commit([leaping.views.begin()])  # what a crash leaves: begun, and no header
    await leaping.close()
    async with discovery(tmp_path) as driver:
        await registered(driver, 2)
        assert driver.views.newest.serial >= 500
    async with discovery(tmp_path) as driver:
        assert (await told(driver, ViewKeeper(GENESIS))).serial >= 500
