"""One client in a closed loop: the next request leaves when the answer to the last one has been compared.

    {"do": "store" | "retrieve", "way": "link" | "send", "window": [begin, end]}      -> {"operations", "retries", ...}

Times are seconds of the machine's monotonic clock, which all processes share. The loop runs from the command on.
"""

import time
from pathlib import Path
from typing import cast

from essaim.network.links import Links
from essaim.protocol.errors import ProtocolError
from essaim_client.network.connection import Connection
from essaim_client.network_file import NetworkFile
from loadgen.child import Json, answer, commands
from loadgen.door import Door
from loadgen.workload import Workload


class MemoryState:
    """What a client keeps, for as long as it lives."""

    def __init__(self) -> None:
        self._kept: dict[str, bytes] = {}

    def get(self, key: str) -> bytes | None:
        return self._kept.get(key)

    def put(self, key: str, value: bytes) -> None:
        self._kept[key] = value


async def serve(network_file: Path) -> None:
    """The process: join the network, say "ready", obey."""
    network = NetworkFile.load(network_file)
    door = Door()
    async with Connection(network.genesis, network.seeds, MemoryState()) as connection:
        ways = {
            "link": Workload(connection, connection.links),
            "send": Workload(connection, cast("Links", door)),
        }
        for workload in ways.values():
            await workload.prepare()
        answer({"ready": True})
        async for command in commands():
            begin, end = command["window"]
            answer(await _loop(ways[command["way"]], command["do"], begin, end))
        await door.close()


async def _loop(workload: Workload, name: str, begin: float, end: float) -> Json:
    """Count what ends within the window."""
    operation = getattr(workload, name)
    operations = failures = 0
    retries = workload.onion.retries
    while (now := time.monotonic()) < end:
        try:
            await operation()
        except ProtocolError:
            failures += 1
            continue
        operations += begin <= time.monotonic() <= end
    return {"operations": operations, "failures": failures, "retries": workload.onion.retries - retries, "ended": now}
