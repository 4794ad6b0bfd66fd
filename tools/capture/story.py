"""What is captured: two people at places of their own, who meet, write to each other, and listen.

`python -m capture.story FOLDER PREFIX` runs at the place `control`, which sees no message: it starts the processes of
the nodes and of the people, and tells at its end, as JSON, which address is whose and which mailboxes there are.
"""

import asyncio
import json
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from capture.placed import PlacedTestnet
from capture.switch import Switch
from loadgen.child import LINE_LIMIT, Child
from testnet import Layout

LAYOUT = Layout(relays=5, storage=3)
PEOPLE = ("alice", "bob")
PLACES = (*LAYOUT.names, *PEOPLE, "control")
MESSAGES = 8
GAP_SECONDS = 0.1
Json = dict[str, Any]


@asynccontextmanager
async def person(places: Switch, name: str, net: PlacedTestnet) -> AsyncIterator[tuple[Child, str]]:
    """At their own place, online and listening; their account."""
    command = [*places.enter(name), sys.executable, "-m", "loadgen", "person"]
    process = await asyncio.create_subprocess_exec(
        *command, str(net.network_file), str(net.folder.parent / name), stdin=PIPE, stdout=PIPE, limit=LINE_LIMIT
    )
    try:
        each = Child(process)
        yield each, str((await each.told())["account"])
    finally:
        assert process.stdin is not None
        process.stdin.close()
        await asyncio.wait_for(process.wait(), 30)


async def tell(net: PlacedTestnet, places: Switch) -> Json:
    """The whole story."""
    view = await asyncio.to_thread(net.up)
    async with person(places, "alice", net) as (alice, hers), person(places, "bob", net) as (bob, his):
        await asyncio.gather(_write(alice, his, 0), _write(bob, hers, MESSAGES))
        arrived = await asyncio.gather(_arrived(alice, MESSAGES), _arrived(bob, 0))
    return {
        "accounts": [hers, his],
        "arrived": sum(len(each) for each in arrived),
        "nodes": {net.name_of(node.node_id): node.address for node in view.nodes.values()},
    }


async def _write(who: Child, to: str, first: int) -> None:
    await who.ask({"do": "talk", "to": to, "gaps": [GAP_SECONDS] * MESSAGES, "first": first})


async def _arrived(who: Child, first: int) -> Sequence[int]:
    wanted = list(range(first, first + MESSAGES))
    return list((await who.ask({"do": "arrived", "wanted": wanted}))["arrived"])


def main(folder: str, prefix: str) -> None:
    places = Switch(PLACES, prefix)
    net = PlacedTestnet(Path(folder) / "network", LAYOUT, places)
    try:
        told = asyncio.run(tell(net, places))
    finally:
        net.down()
    print(json.dumps(told))


if __name__ == "__main__":
    main(*sys.argv[1:])
