"""The driver over a real log: when a view is made, what it shows, what a start brings back, how large it becomes."""

import asyncio
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import apsw
import pytest

from essaim.protocol.keys import SigningKey
from essaim.protocol.view import Genesis, NetworkView, NodeState, Parameters, ViewKeeper
from essaim.runtime.refusal import StartError
from essaim.testing.clock import FakeClock
from essaim.testing.registrant import Registrant
from essaim_discovery.authority import Authority, load_authority_keys, make_authority_keys
from essaim_discovery.driver import Driver
from essaim_discovery.log import DATABASE_FILE, WHOLE_EVERY, Log
from essaim_discovery.steady import SteadyClock

PARAMETERS = Parameters(view_min_interval_ms=200, uptime_seconds=60, away_seconds=180, drop_seconds=7_200)
KEY = SigningKey(bytes(31) + b"\7")
CLOCK = FakeClock()
GENESIS = Genesis.create("paper", [KEY], PARAMETERS, [], CLOCK.now_ms())
AUTHORITY = Authority.of(GENESIS, KEY)
SECONDS = 20


@asynccontextmanager
async def discovery(folder: Path, clock: FakeClock, compact_at: int = 1_024):
    driver = Driver(GENESIS, AUTHORITY, Log(folder), clock.now_ms, compact_at)
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


async def until(driver: Driver, keeper: ViewKeeper, wanted) -> NetworkView:
    """Follow until a view fits."""
    held = keeper.current
    async with asyncio.timeout(SECONDS):
        async for answer in driver.views.follow(*((held.epoch, held.serial) if held else (0, 0))):
            view = keeper.accept(answer, CLOCK.now_ms())
            if wanted(view):
                return view
    raise AssertionError("the stream ended")


async def test_registered_node_shows_in_the_next_view(tmp_path: Path) -> None:
    keeper, node = ViewKeeper(GENESIS), Registrant(GENESIS, 1)
    async with discovery(tmp_path, CLOCK) as driver:
        first = await until(driver, keeper, lambda view: True)
        assert (first.epoch, first.serial, dict(first.nodes)) == (1, 1, {})
        assert await driver.submit([node.register(CLOCK.now_ms())]) == [None]
        second = await until(driver, keeper, lambda view: view.nodes)
        assert second.serial == 2 and second.nodes[node.node_id].address == node.address
        assert second.valid_from_ms >= first.valid_from_ms + PARAMETERS.view_min_interval_ms


async def test_many_changes_are_one_view(tmp_path: Path) -> None:
    nodes = [Registrant(GENESIS, number) for number in range(20)]
    async with discovery(tmp_path, CLOCK) as driver:
        await asyncio.gather(*(driver.submit([node.register(CLOCK.now_ms())]) for node in nodes))
        view = await until(driver, ViewKeeper(GENESIS), lambda view: len(view.nodes) == 20)
        assert view.serial <= 3


async def test_proof_of_uptime_makes_no_view(tmp_path: Path) -> None:
    node, keeper = Registrant(GENESIS, 1), ViewKeeper(GENESIS)
    async with discovery(tmp_path, CLOCK) as driver:
        await driver.submit([node.register(CLOCK.now_ms())])
        listed = await until(driver, keeper, lambda view: view.nodes)
        for _ in range(5):
            assert await driver.submit([node.prove()]) == [None]
            await asyncio.sleep(PARAMETERS.view_min_interval_ms / 1_000 / 4)
        await driver.submit([node.leave()])
        left = await until(driver, keeper, lambda view: view.nodes[node.node_id].state == NodeState.LEAVING)
        assert left.serial == listed.serial + 1


async def test_each_transaction_of_a_request_has_its_own_result(tmp_path: Path) -> None:
    node = Registrant(GENESIS, 1)
    register, prove = node.register(CLOCK.now_ms()), node.prove()
    async with discovery(tmp_path, CLOCK) as driver:
        outcomes = await driver.submit([prove, register, prove, prove, node.publish(*node.due(CLOCK.now_ms()))])
        assert [each.reason if each else None for each in outcomes] == ["NOT_LISTED", None, None, None, None]


async def test_start_goes_on_with_the_same_chain(tmp_path: Path) -> None:
    keeper, nodes = ViewKeeper(GENESIS), [Registrant(GENESIS, number) for number in range(6)]
    for number, node in enumerate(nodes):
        # Every second start finds a snapshot in place of the log.
        async with discovery(tmp_path, CLOCK, compact_at=1 if number % 2 else 1_024) as driver:
            state = driver.state
            assert set(state.members) == {each.node_id for each in nodes[:number]}
            await driver.submit([node.register(CLOCK.now_ms())])
            before = keeper.current
            view = await until(driver, keeper, lambda view, node=node: node.node_id in view.nodes)
            assert before is None or view.serial > before.serial  # and the keeper verified the chain
            behind = ViewKeeper(GENESIS)
            answer = driver.views.answer(1, 1)
            assert answer is not None and answer.HasField("diff")  # the history is back, too
            behind.accept(driver.views.answer(0, 0), CLOCK.now_ms())  # type: ignore[arg-type]
            assert behind.current is not None and behind.current.hash == view.hash


async def test_view_is_renewed_when_it_is_no_longer_fresh(tmp_path: Path) -> None:
    clock, keeper = FakeClock(), ViewKeeper(GENESIS)
    async with discovery(tmp_path, clock) as driver:
        first = await until(driver, keeper, lambda view: True)
        clock.advance(PARAMETERS.fresh_seconds * 1_000)
        await driver.submit([])  # wakes it: this clock does not run by itself
        second = await until(driver, keeper, lambda view: view.serial > first.serial)
        assert dict(second.nodes) == {} and second.valid_from_ms >= first.header.fresh_until_ms


async def test_nodes_are_not_away_because_discovery_was(tmp_path: Path) -> None:
    clock, node = FakeClock(), Registrant(GENESIS, 1)
    async with discovery(tmp_path, clock) as driver:
        await driver.submit([node.register(clock.now_ms())])
    clock.advance(3_600_000)
    async with discovery(tmp_path, clock) as driver:
        assert driver.state.members[node.node_id].state == NodeState.ACTIVE


async def test_log_and_views_stay_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("essaim_discovery.log.VIEWS_MAX", 2 * WHOLE_EVERY)
    node, log = Registrant(GENESIS, 1), Log(tmp_path)
    driver = Driver(GENESIS, AUTHORITY, log, CLOCK.now_ms, compact_at=16)
    state = driver.state
    for number in range(5 * WHOLE_EVERY):
        transaction = node.register(CLOCK.now_ms() + number)
        state = await driver_step(driver, transaction)
        driver.views.publish(driver.views.renew(state))
    assert log.length() < 16
    kept = list(log.views())
    assert 2 * WHOLE_EVERY <= len(kept) <= 3 * WHOLE_EVERY + 1
    await driver.close()
    again = Driver(GENESIS, AUTHORITY, Log(tmp_path), CLOCK.now_ms, compact_at=16)
    assert again.views.newest is not None and again.views.newest.serial == 5 * WHOLE_EVERY
    assert again.state == state
    await again.close()


async def driver_step(driver: Driver, transaction):
    """One commit of the driver, without its task."""
    (outcome,) = await driver._commit([transaction])
    assert outcome is None
    return driver.state


# What stops a start


def test_log_of_another_network_stops_a_start(tmp_path: Path) -> None:
    other = Genesis.create("other", [KEY], PARAMETERS, [], CLOCK.now_ms())
    log = Log(tmp_path)
    driver = Driver(GENESIS, AUTHORITY, log, CLOCK.now_ms, 16)
    driver.views.renew(driver.state)
    log.close()
    with pytest.raises(StartError):
        Driver(other, AUTHORITY, Log(tmp_path), CLOCK.now_ms, 16)


def test_second_process_on_one_log_is_refused(tmp_path: Path) -> None:
    log = Log(tmp_path)
    log.append([])
    with pytest.raises(StartError):
        Log(tmp_path)
    log.close()


@pytest.mark.parametrize(
    "change",
    [
        "header = substr(header, 1, length(header) - 1), signed = NULL",
        "header = x'', signed = NULL",
        "signed = x'ff'",
        "signed = x''",
    ],
)
def test_damaged_view_in_the_log_stops_a_start(tmp_path: Path, change: str) -> None:
    log = Log(tmp_path)
    driver = Driver(GENESIS, AUTHORITY, log, CLOCK.now_ms, 16)
    driver.views.renew(driver.state)
    log.close()
    connection = apsw.Connection(str(tmp_path / DATABASE_FILE))
    connection.execute(f"UPDATE view SET {change}")
    connection.close()
    with pytest.raises(StartError, match="damaged"):
        Driver(GENESIS, AUTHORITY, Log(tmp_path), CLOCK.now_ms, 16)


def test_authority_keys_are_made_once_and_must_be_the_genesis_own(tmp_path: Path) -> None:
    with pytest.raises(StartError):
        load_authority_keys(tmp_path)
    keys = make_authority_keys(tmp_path, 2)
    assert make_authority_keys(tmp_path, 2) == keys == load_authority_keys(tmp_path)
    assert {(tmp_path / name).stat().st_mode & 0o777 for name in ("authority.key", "authority-2.key")} == {0o600}
    with pytest.raises(StartError, match="other authorities"):
        Authority.of(GENESIS, keys[0])
    (tmp_path / "authority.key").write_bytes(b"short")
    with pytest.raises(StartError):
        load_authority_keys(tmp_path)


def genesis_of_four(folder: Path) -> tuple[Genesis, list[SigningKey]]:
    keys = make_authority_keys(folder, 4)
    return Genesis.create("four", keys, PARAMETERS, [], CLOCK.now_ms()), keys


@pytest.mark.parametrize("have", [4, 3])
async def test_driver_signs_with_all_its_authorities_up_to_a_start_after_a_crash(tmp_path: Path, have: int) -> None:
    genesis, keys = genesis_of_four(tmp_path)
    authority, keeper = Authority.of(genesis, *keys[4 - have :]), ViewKeeper(genesis)
    for number in (1, 2):  # the second start finds a view that was signed
        driver = Driver(genesis, authority, Log(tmp_path), CLOCK.now_ms, 16)
        task = asyncio.create_task(driver.run())
        await driver.submit([Registrant(genesis, number).register(CLOCK.now_ms())])
        view = await until(driver, keeper, lambda view, number=number: len(view.nodes) == number)
        assert [each.authority for each in view.signed.signatures] == list(range(4 - have, 4))
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        await driver.close()


def test_too_few_authorities_do_not_start(tmp_path: Path) -> None:
    genesis, keys = genesis_of_four(tmp_path)
    for few in (keys[:2], keys[:1], []):
        with pytest.raises(StartError, match="needs signatures of 3 authorities"):
            Authority.of(genesis, *few)


# Time


def test_steady_clock_goes_on_when_the_machines_is_set_back() -> None:
    wall, machine = FakeClock(1_000_000), [0]
    clock = SteadyClock(wall.now_ms, 0, lambda: machine[0])
    assert clock.now_ms() == 1_000_000
    wall.advance(-500_000)
    machine[0] += 2_000 * 1_000_000
    assert clock.now_ms() == 1_002_000
    wall.advance(600_000)
    assert clock.now_ms() == 1_100_000


def test_steady_clock_begins_where_the_log_ends() -> None:
    assert SteadyClock(lambda: 5, 1_000, lambda: 0).now_ms() == 1_000
