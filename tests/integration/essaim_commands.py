"""`essaim` as a process, with one home and passphrase."""

import asyncio
import json
import os
import sys

from client_world import World


class Commands:
    """Runs `essaim` with one home and passphrase."""

    def __init__(self, world: World, home) -> None:
        self.world = world
        self.home = home

    async def start(self, *arguments: str, passphrase: str | None = "pass"):
        environment = {key: value for key, value in os.environ.items() if not key.startswith("ESSAIM_")}
        environment["ESSAIM_HOME"] = str(self.home)
        if passphrase is not None:
            environment["ESSAIM_PASSPHRASE"] = passphrase
        pipe = asyncio.subprocess.PIPE
        return await asyncio.create_subprocess_exec(
            sys.executable, "-m", "essaim_client", *arguments, stdin=pipe, stdout=pipe, stderr=pipe, env=environment
        )

    async def run(self, *arguments: str, given: bytes = b"", passphrase: str | None = "pass"):
        process = await self.start(*arguments, passphrase=passphrase)
        out, err = await process.communicate(given)
        assert b"Traceback" not in out + err, err.decode()
        return process.returncode, out.decode(), err.decode()

    async def json(self, *arguments: str, code: int = 0, given: bytes = b"", passphrase: str | None = "pass"):
        returned, out, err = await self.run(*arguments, "--json", given=given, passphrase=passphrase)
        assert returned == code, err
        assert out.count("\n") == 1
        return json.loads(out)
