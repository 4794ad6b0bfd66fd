"""`python file_victim.py HOME send ACCOUNT PATH | save MESSAGE DIRECTORY`: says how far it is until it is killed."""

import asyncio
import sys
from pathlib import Path

from essaim_client import Client

PASSPHRASE = "pass"


def say(done: int, total: int) -> None:
    print(done, flush=True)


async def main(home: str, action: str, *arguments: str) -> None:
    async with Client.open(Path(home), passphrase=PASSPHRASE) as me:
        if action == "send":
            await me.send_file(arguments[0], arguments[1], on_progress=say)
        else:
            [file] = next(text.files for text in me.history() if text.message_id.hex() == arguments[0])
            await me.save_file(file, arguments[1], on_progress=say)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
