"""`client.catchup_s_1k`: a client that was away reads, opens, keeps and confirms 1,000 texts that wait in its inboxes.

Four contacts have sent them, through a whole testnet; the client starts anew before each run. The time is that of
`Client.receive` alone, from a client that is open until every text is on its disk and confirmed on the swarm.
"""

import asyncio
import os
import tempfile
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path

from nacl.pwhash import argon2id
from scale import Scale

from essaim_client import Client, NetworkFile
from essaim_client.home import Home
from essaim_client.store.vault import Cost
from figures import Figures
from testnet import Testnet

TEXTS, SENDERS = 1_000, 4
CHEAP = Cost(argon2id.OPSLIMIT_MIN, argon2id.MEMLIMIT_MIN)


def waiting(net: Testnet, scale: Scale) -> list[Figures]:
    """Of each run; what arrives is counted."""
    with tempfile.TemporaryDirectory(prefix="essaim-waiting-") as folder:
        return asyncio.run(_runs(net, Path(folder), scale.runs))


async def _runs(net: Testnet, folder: Path, runs: int) -> list[Figures]:
    reader = _home(net, folder / "reader")
    async with AsyncExitStack() as stack:
        opened = [_open(_home(net, folder / f"sender-{number}")) for number in range(SENDERS)]
        senders = [await stack.enter_async_context(each) for each in opened]
        await _meet(reader, senders)
        return [{"client.catchup_s_1k": await _run(reader, senders, number)} for number in range(runs)]


async def _meet(reader: Path, senders: Sequence[Client]) -> None:
    """They are contacts from now on, and write to the private inbox."""
    async with _open(reader) as person:
        await person.ready()
        for sender in senders:
            await sender.ready()
            await sender.send(person.account_id, "hello")
            await person.receive()
            await person.send(sender.account_id, "hello to you")
        await person._person.errands.finish()  # what lets them write there is on its way
    for sender in senders:
        await sender.receive()


async def _run(reader: Path, senders: Sequence[Client], number: int) -> float:
    async with _open(reader) as person:
        account = person.account_id
    names = [f"{number}/{index}" for index in range(TEXTS)]
    await asyncio.gather(*(_send(sender, account, names[at::SENDERS]) for at, sender in enumerate(senders)))
    async with _open(reader) as person:
        await person._person.upkeep.tried.wait()  # publishing is not what is measured
        began = time.monotonic()
        texts = [each.text for each in await person.receive()]
        took = time.monotonic() - began
    if sorted(texts) != sorted(names):
        raise RuntimeError("other texts arrived")
    return took


async def _send(sender: Client, account: object, texts: Sequence[str]) -> None:
    for text in texts:
        await sender.send(account, text)  # type: ignore[arg-type]  # an AccountId


def _home(net: Testnet, home: Path) -> Path:
    Home.create(home, NetworkFile.load(net.network_file), "bench", os.urandom(32), CHEAP).close()
    return home


def _open(home: Path) -> Client:
    return Client.open(home, passphrase="bench")
