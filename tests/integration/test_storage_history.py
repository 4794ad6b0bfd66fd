"""Clients write, remove and read all the time while a swarm of processes is hit by one fault after the other.

`make prove RUNS=30` runs it so often, each time with another seed and twice as many faults.
"""

import asyncio
import os
import random
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

from swarm_faults import NAMES, Faults, ProxiedTestnet, Proxies
from swarm_history import Mail, Swarm

RUNS = int(os.environ.get("ESSAIM_RUNS", "1"))
FIRST = int(os.environ.get("ESSAIM_SEED", "1"))
WRITERS = 3
SHORT = ("kill", "cut", "pause")
FAULTS = 6


def around(start: int) -> Iterator[int]:
    return (number % len(NAMES) for number in count(start))


async def story(testnet: ProxiedTestnet, rng: random.Random) -> tuple[list[Mail], list[str]]:
    async with Proxies(testnet) as proxies:
        view = await asyncio.to_thread(testnet.up)
        swarm, mails = Swarm(testnet, view, rng), [Mail() for _ in range(WRITERS)]
        faults = Faults(testnet, proxies, rng)
        names = list(SHORT) if RUNS == 1 else rng.choices(list(faults.kinds), k=FAULTS)
        following = asyncio.create_task(swarm.follow())
        try:
            async with asyncio.TaskGroup() as group:
                for index, mail in enumerate(mails):
                    group.create_task(swarm.write(mail, around(index)))
                    group.create_task(swarm.read(mail))
                for name in names:
                    await asyncio.sleep(rng.uniform(0.2, 0.8))
                    await faults.kinds[name]()
                swarm.stopping = True
            await faults.over()
            await swarm.check(mails)
        finally:
            following.cancel()
            await asyncio.wait([following])
            await swarm.close()
    return mails, names


@pytest.mark.timeout(300)
@pytest.mark.parametrize("seed", range(FIRST, FIRST + RUNS))
def test_swarm_of_processes_keeps_its_promises_through_faults(tmp_path: Path, seed: int) -> None:
    testnet = ProxiedTestnet(tmp_path / "net")
    try:
        mails, names = asyncio.run(story(testnet, random.Random(seed)))
    finally:
        testnet.down()
    acknowledged, gone = (sum(map(len, sets)) for sets in zip(*((m.acknowledged, m.gone) for m in mails), strict=True))
    reads, retries = sum(mail.reads for mail in mails), sum(mail.retries for mail in mails)
    print(f"seed {seed}: {', '.join(names)}: {acknowledged} stored, {gone} removed, {reads} reads, {retries} retries")
    assert acknowledged > 50 and gone > 5 and reads > 5
