"""A discovery that kills itself at one step of making its second view. Run: discovery_victim.py FOLDER STEP."""

import asyncio
import os
import signal
import sys
from pathlib import Path

from essaim.discovery.v1 import discovery_pb2
from essaim.protocol.keys import SigningKey
from essaim.protocol.view import Genesis, Parameters
from essaim.runtime.clock import SystemClock
from essaim.testing.registrant import Registrant
from essaim_discovery.authority import Authority
from essaim_discovery.driver import Driver
from essaim_discovery.log import Log

SIGNED = "signed "
STEPS = ("logged", "proposed", "signed", "kept")
KEY = SigningKey(bytes(31) + b"\7")
CREATED_MS = 1_700_000_000_000
GENESIS = Genesis.create("paper", [KEY], Parameters(view_min_interval_ms=50), [], CREATED_MS)


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


class DyingAuthority(Authority):
    """Tells what it has signed, for that can never be taken back."""

    def __init__(self, step: str) -> None:
        super().__init__([(0, KEY)])
        self._step = step

    def sign(self, header):
        if header.serial > 1 and self._step == "proposed":
            die()
        signed = super().sign(header)
        print(SIGNED + signed.header.hex(), flush=True)
        if header.serial > 1 and self._step == "signed":
            die()
        return signed


class DyingLog(Log):
    """Dies after the step, when that is on disk."""

    def __init__(self, folder: Path, step: str) -> None:
        super().__init__(folder)
        self._step = step

    def append(self, applied):
        super().append(applied)
        if self._step == "logged" and any(isinstance(each, discovery_pb2.SignedTransaction) for each in applied):
            die()

    def sign(self, header, signed):
        super().sign(header, signed)
        if self._step == "kept" and header.serial > 1:
            die()


async def main(folder: Path, step: str) -> None:
    now_ms = SystemClock().now_ms
    driver = Driver(GENESIS, DyingAuthority(step), DyingLog(folder, step), now_ms, 1_024)
    task = asyncio.create_task(driver.run())
    await driver.started()
    await driver.submit([Registrant(GENESIS, 1).register(now_ms())])
    await task


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2]))
