"""kill -9 between log and publication: what was applied stays, and no serial is ever signed twice differently."""

import asyncio
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from discovery_victim import GENESIS, KEY, SIGNED, STEPS
from essaim.protocol.view import Header, ViewKeeper
from essaim.runtime.clock import SystemClock
from essaim.testing.registrant import Registrant
from essaim_discovery.authority import Authority
from essaim_discovery.driver import Driver
from essaim_discovery.log import Log

SECONDS = 20
VICTIM = Path(__file__).with_name("discovery_victim.py")


def signed_until_killed(folder: Path, step: str) -> list[Header]:
    done = subprocess.run(
        [sys.executable, str(VICTIM), str(folder), step], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    lines = [line for line in done.stdout.splitlines() if line.startswith(SIGNED)]
    return [Header.parse(bytes.fromhex(line.removeprefix(SIGNED))) for line in lines]


@pytest.mark.parametrize("step", STEPS)
async def test_killed_discovery_keeps_what_it_applied_and_signs_no_other_header(tmp_path: Path, step: str) -> None:
    signed = signed_until_killed(tmp_path, step)
    now_ms, node = SystemClock().now_ms, Registrant(GENESIS, 1)
    driver = Driver(GENESIS, Authority.of(GENESIS, KEY), Log(tmp_path), now_ms, 1_024)
    assert set(driver.state.members) == {node.node_id}
    task, keeper = asyncio.create_task(driver.run()), ViewKeeper(GENESIS)
    async with asyncio.timeout(SECONDS):
        async for answer in driver.views.follow(0, 0):
            if node.node_id in keeper.accept(answer, now_ms()).nodes:
                break
    assert keeper.current is not None
    chain = {view.header.serial: view.header.hash for view in driver.views._history._views}
    assert sorted(chain) == list(range(1, keeper.current.serial + 1))
    for header in signed:
        assert chain[header.serial] == header.hash, f"serial {header.serial} was signed with another header before"
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
    await driver.close()
