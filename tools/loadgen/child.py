"""A process that is given commands as lines of JSON, both of its ends."""

import asyncio
import json
import os
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

TOOLS = Path(__file__).resolve().parent.parent
LINE_LIMIT = 1 << 24
Json = dict[str, Any]


class ChildDiedError(RuntimeError):
    """The process ended where an answer was due; standard error says why."""


class Child:
    """The parent's end."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def told(self) -> Json:
        """The next line that it writes. Raises ChildDiedError."""
        assert self._process.stdout is not None
        line = await self._process.stdout.readline()
        if not line:
            raise ChildDiedError(f"a process of the load generator ended with code {await self._process.wait()}")
        return dict(json.loads(line))

    async def ask(self, command: Json) -> Json:
        """Its answer to a command."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(command).encode() + b"\n")
        return await self.told()


@asynccontextmanager
async def child(*arguments: str) -> AsyncIterator[Child]:
    """`async with child("client", ...) as each`; it ends when its standard input is closed."""
    path = os.pathsep.join(filter(None, (str(TOOLS), os.environ.get("PYTHONPATH"))))
    environment = {**os.environ, "PYTHONPATH": path}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "loadgen", *arguments, stdin=PIPE, stdout=PIPE, env=environment, limit=LINE_LIMIT
    )
    try:
        yield Child(process)
    finally:
        assert process.stdin is not None
        process.stdin.close()
        try:
            await asyncio.wait_for(process.wait(), 30)
        except TimeoutError:
            process.kill()
            await process.wait()


def answer(facts: Json) -> None:
    """The child's end: one line to the parent."""
    sys.stdout.write(json.dumps(facts) + "\n")
    sys.stdout.flush()


async def commands() -> AsyncIterator[Json]:
    """The child's end: what it is told, until its standard input is closed."""
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        yield json.loads(line)


async def ask_all(children: Sequence[Child], command: Json) -> list[Json]:
    """The same command to all at once; their answers in order."""
    return list(await asyncio.gather(*(each.ask(command) for each in children)))
