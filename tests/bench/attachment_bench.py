"""`client.attach_*`: a file from one client's disk through a whole testnet to the swarms, and to another client's disk.

One file of 10 MB a run; the whole client in one process, all nodes beside it. 1 MB = 1,000,000 bytes.
"""

import asyncio
import os
import tempfile
import time
from pathlib import Path

from nacl.pwhash import argon2id
from scale import Scale

from essaim_client import Client, NetworkFile
from essaim_client.home import Home
from essaim_client.store.vault import Cost
from figures import Figures
from testnet import Testnet

SIZE = 10_000_000
CHEAP = Cost(argon2id.OPSLIMIT_MIN, argon2id.MEMLIMIT_MIN)


def attach(net: Testnet, scale: Scale) -> list[Figures]:
    """Of each run; what arrives is compared."""
    with tempfile.TemporaryDirectory(prefix="essaim-files-") as folder:
        return asyncio.run(_runs(net, Path(folder), scale.runs))


async def _runs(net: Testnet, folder: Path, runs: int) -> list[Figures]:
    async with _client(net, folder / "a") as sender, _client(net, folder / "b") as receiver:
        await receiver.ready()
        return [await _run(sender, receiver, folder, number) for number in range(runs)]


def _client(net: Testnet, home: Path) -> Client:
    Home.create(home, NetworkFile.load(net.network_file), "bench", os.urandom(32), CHEAP).close()
    return Client.open(home, passphrase="bench")


async def _run(sender: Client, receiver: Client, folder: Path, number: int) -> Figures:
    path, data = folder / f"file-{number}.bin", os.urandom(SIZE)
    await asyncio.to_thread(path.write_bytes, data)
    to = folder / f"inbox-{number}"
    await asyncio.to_thread(to.mkdir)
    began = time.monotonic()
    await sender.send_file(receiver.account_id, path)
    sent = time.monotonic()
    [message] = await receiver.receive()
    begun = time.monotonic()
    saved = await receiver.save_file(message.files[0], to)
    ended = time.monotonic()
    if await asyncio.to_thread(saved.read_bytes) != data:
        raise RuntimeError("another file arrived")
    return {
        "client.attach_mb_per_s": SIZE / 1e6 / (sent - began),
        "client.attach_save_mb_per_s": SIZE / 1e6 / (ended - begun),
    }
