"""What is captured: two people at places of their own, who meet, write to each other, and listen; one whose device is
off and is woken by a web server at a place of its own; one who posts in an open group.

`python -m capture.story FOLDER PREFIX` runs at the place `control`, which sees no message: it starts the processes of
the nodes and of the people, and tells at its end, as JSON, which address is whose and which mailboxes there are.
"""

import asyncio
import json
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from capture.placed import PlacedTestnet
from capture.switch import SUBNET, Switch
from essaim.protocol.push.webhook import secret_text
from loadgen.child import LINE_LIMIT, Child
from push_receiver.receiver import Receiver
from testnet import Layout

LAYOUT = Layout(relays=5, storage=3, opengroups=1, pushes=1)
TALKERS = ("alice", "bob")
SLEEPER, POSTER = "carol", "dora"
PEOPLE = (*TALKERS, SLEEPER, POSTER)
RECEIVER = "receiver"
PLACES = (*LAYOUT.names, *PEOPLE, RECEIVER, "control")
MESSAGES = 8
GAP_SECONDS = 0.1
WOKEN_SECONDS = 60.0
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


async def errand(places: Switch, name: str, net: PlacedTestnet, verb: str, *words: str) -> Json:
    """What somebody does at their own place, to its end."""
    command = [*places.enter(name), sys.executable, "-m", "capture.errand", verb, str(net.network_file)]
    process = await asyncio.create_subprocess_exec(*command, str(net.folder.parent / name), *words, stdout=PIPE)
    said, _ = await process.communicate()
    if process.returncode:
        raise RuntimeError(f"{name} did not get to the end")
    return dict(json.loads(said))


async def tell(net: PlacedTestnet, places: Switch, receiver: Receiver) -> Json:
    """The whole story."""
    view = await asyncio.to_thread(net.up)
    token = (net.node("opengroup-1").folder / "owner-invitation").read_text().strip()
    endpoint = receiver.endpoint.url.text, secret_text(receiver.endpoint.secret)
    async with person(places, "alice", net) as (alice, hers), person(places, "bob", net) as (bob, his):
        sleeper = (await errand(places, SLEEPER, net, "sleep", *endpoint))["account"]
        poster = await errand(places, POSTER, net, "post", token)
        await asyncio.gather(_write(alice, his, 0), _write(bob, hers, MESSAGES))
        arrived = await asyncio.gather(_arrived(alice, MESSAGES), _arrived(bob, 0))
        await alice.ask({"do": "send", "to": sleeper, "number": 2 * MESSAGES})
        woken = await _woken(receiver)
    return {
        "accounts": [hers, his, sleeper, poster["account"]],
        "arrived": sum(len(each) for each in arrived),
        "endpoint": list(endpoint),
        "nodes": {net.name_of(node.node_id): node.address for node in view.nodes.values()},
        "woken": woken,
    }


async def _woken(receiver: Receiver) -> Sequence[Json]:
    """What the sleeper's web server was told."""
    async with asyncio.timeout(WOKEN_SECONDS):
        while not (found := await asyncio.to_thread(receiver.received)):  # noqa: ASYNC110  # another process
            await asyncio.sleep(0.1)
    return found


async def _write(who: Child, to: str, first: int) -> None:
    await who.ask({"do": "talk", "to": to, "gaps": [GAP_SECONDS] * MESSAGES, "first": first})


async def _arrived(who: Child, first: int) -> Sequence[int]:
    wanted = list(range(first, first + MESSAGES))
    return list((await who.ask({"do": "arrived", "wanted": wanted}))["arrived"])


def main(folder: str, prefix: str) -> None:
    places = Switch(PLACES, prefix)
    with Receiver(Path(folder) / RECEIVER, places.addresses[RECEIVER], places.enter(RECEIVER)) as receiver:
        flags = ("--provider-ca", str(receiver.certificate), "--endpoint-networks", f"{SUBNET}.0/24")
        net = PlacedTestnet(Path(folder) / "network", replace(LAYOUT, push_flags=flags), places)
        try:
            told = asyncio.run(tell(net, places, receiver))
        finally:
            net.down()
    print(json.dumps(told))


if __name__ == "__main__":
    main(*sys.argv[1:])
