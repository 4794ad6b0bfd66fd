"""message.py GENESIS SEED HOME SECONDS: two new accounts; one sends a message through the onion, the other reads it.

Exit code 0 when the very text has come; otherwise one sentence.
"""

import asyncio
import secrets
import sys
import time
from contextlib import aclosing
from pathlib import Path

from essaim.protocol.errors import ProtocolError
from essaim.protocol.view import Genesis
from essaim_client import Client
from essaim_client.network_file import NetworkFile


async def exchange(network: NetworkFile, home: Path) -> float:
    """Seconds from sending to reading."""
    passphrase, text = secrets.token_hex(16), f"helm test {secrets.token_hex(8)}"
    for name in ("sender", "reader"):
        Client.create_account(home / name, network, passphrase)
    async with (
        Client.open(home / "reader", passphrase=passphrase) as reader,
        Client.open(home / "sender", passphrase=passphrase) as sender,
    ):
        await reader.ready()
        began = time.monotonic()
        await sender.send(reader.account_id, text)
        async with aclosing(reader.listen()) as messages:
            async for message in messages:
                if message.text == text and message.sender == sender.account_id:
                    return time.monotonic() - began
    raise TimeoutError


async def within(seconds: float, network: NetworkFile, home: Path) -> None:
    async with asyncio.timeout(seconds):
        took = await exchange(network, home)
    sys.stdout.write(f"a message was sent and read through the onion in {took * 1000:.0f} ms\n")


def main(genesis: str, seed: str, home: str, seconds: str) -> None:
    network = NetworkFile(Genesis.parse(Path(genesis).read_bytes()), (seed,))
    asyncio.run(within(float(seconds), network, Path(home)))


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except ProtocolError as error:
        sys.exit(f"no message: {error} ({error.reason})")
    except TimeoutError:
        sys.exit("no message: it did not come in time")
