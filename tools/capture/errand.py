"""`python -m capture.errand sleep|post NETWORK HOME ...`: what one person does at their place, and ends.

    sleep NETWORK HOME URL SECRET   an account whose device is registered for wakes there, and then off
    post NETWORK HOME TOKEN         an account that founds a room at the network's host of open groups, and posts

One line of JSON at the end: the account, and for `post` the room.
"""

import asyncio
import json
import sys
from base64 import b64encode
from pathlib import Path

from essaim.protocol.push.endpoint import Webhook
from essaim.protocol.push.url import Url
from essaim.protocol.push.webhook import read_secret
from essaim_client import Client, NetworkFile
from essaim_client.rooms.rooms import RoomClient

PASSPHRASE = "captured"
POST = "a post that a host of open groups keeps"
POSTS = 4


async def sleep(home: Path, url: str, secret: str) -> None:
    """With previews, which are the most that a wake can tell."""
    async with Client.open(home, passphrase=PASSPHRASE) as me:
        await me.ready()
        await me.push.enable(Webhook(Url.parse(url), read_secret(secret)), prompt=True, preview=True)
        print(json.dumps({"account": str(me.account_id)}))


async def post(home: Path, token: str) -> None:
    async with Client.open(home, passphrase=PASSPHRASE) as me:
        account = str(me.account_id)
    async with RoomClient(home, PASSPHRASE) as rooms:
        host_id = (await rooms.hosts())[0].host_id.hex()
        await rooms.claim(host_id, bytes.fromhex(token))
        room = await rooms.create(host_id, "captured", title="A room")
        for number in range(POSTS):
            await room.post(f"{POST}, {number}")
        print(json.dumps({"account": account, "host": b64encode(bytes.fromhex(host_id)).decode()}))


def main(errand: str, network: str, home: str, *rest: str) -> None:
    Client.create_account(Path(home), NetworkFile.load(Path(network)), PASSPHRASE)
    asyncio.run(sleep(Path(home), *rest) if errand == "sleep" else post(Path(home), *rest))


if __name__ == "__main__":
    main(*sys.argv[1:])
