"""The story: two people who never met, a network that loses nodes under them, and no message that is lost."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import segno
from demo.report import Report
from testnet import Testnet

from essaim.protocol.account import AccountId
from essaim.protocol.view import Role
from essaim_client import Client, Message
from essaim_client.home import NetworkFile
from essaim_client.messaging.addresses import public_inbox

PASSPHRASE = "demo"
LIVE_MESSAGES = 20
PATIENCE_SECONDS = 30.0


class Story:
    """Each method is a step; what it claims it has observed on the real processes."""

    def __init__(self, net: Testnet, folder: Path, report: Report) -> None:
        self.net = net
        self._folder = folder
        self._report = report
        self._ids: dict[str, AccountId] = {}

    async def tell(self) -> None:
        """From the first process to the drawn path."""
        await self._start()
        await self._accounts()
        async with self._online("a") as alice:
            await self._offline_message(alice)
            self._kill_storage()
            async with self._online("b") as bob:
                await self._read_on_survivors(bob)
                await self._live(alice, bob)
                await self._relay_dies(alice, bob)
            await self._draw_path(alice)

    async def _start(self) -> None:
        with self._report.step("Start a network on this machine") as step:
            view = await asyncio.to_thread(
                self.net.up, lambda what, seconds: self._report.say(f"{seconds:5.1f} s  {what} is ready")
            )
            roles = [node.role for node in view.nodes.values()]
            step.evidence |= {
                "relays": roles.count(Role.RELAY),
                "storage": roles.count(Role.STORAGE),
                "swarms": len({node.swarm_id for node in view.storage()}),
                "serial": view.serial,
            }

    async def _accounts(self) -> None:
        with self._report.step("Make two accounts, offline: 24 words each, no phone, no email, no server asked") as step:
            network = NetworkFile.load(self.net.network_file)
            for name in ("a", "b"):
                words = Client.create_account(self._folder / name, network, passphrase=PASSPHRASE)
                step.evidence[f"{name}_words"] = len(words.split())
            for name in ("a", "b"):
                async with self._online(name) as person:  # leaves its prekeys behind and goes
                    await person.published()
                    self._ids[name] = person.account_id
                self._report.say(f"{name.upper()} is {self._ids[name]}")
                step.evidence[name] = str(self._ids[name])
            self._show_qr(str(self._ids["b"]))

    def _show_qr(self, text: str) -> None:
        code = segno.make(text.upper(), error="l")
        code.terminal(out=self._report.console.file, border=1, compact=True)

    async def _offline_message(self, alice: Client) -> None:
        with self._report.step("A writes to B, who is offline") as step:
            began = time.monotonic()
            sent = await alice.send(self._ids["b"], "Hello B, read this when you are back.")
            step.evidence |= {"acknowledged_ms": _ms_since(began), "devices": sent.devices}
            self._report.say(f"a quorum of B's swarm has it on disk after {step.evidence['acknowledged_ms']:.0f} ms")

    def _kill_storage(self) -> None:
        with self._report.step("A storage node of B's swarm dies (kill -9)") as step:
            view = self.net.view()
            if view is None:
                raise RuntimeError("discovery gives no view")
            swarm = view.swarm_of(public_inbox(self._ids["b"]).mailbox_id)
            victim = self.net.name_of(swarm.members[0].node_id)
            self.net.node(victim).kill()
            step.evidence |= {"killed": victim, "swarm": [self.net.name_of(node.node_id) for node in swarm.members]}
            self._report.say(f"{victim} is gone, one of {', '.join(step.evidence['swarm'])}")

    async def _read_on_survivors(self, bob: Client) -> None:
        with self._report.step("B comes back and reads from the survivors") as step:
            began = time.monotonic()
            messages = await asyncio.wait_for(bob.receive(), PATIENCE_SECONDS)
            texts = [message.text for message in messages]
            if texts != ["Hello B, read this when you are back."]:
                raise RuntimeError(f"B read {len(texts)} messages, not the one that was sent")
            step.evidence |= {"read_ms": _ms_since(began), "texts": texts}
            self._report.say(f'B reads: "{texts[0]}"')

    async def _live(self, alice: Client, bob: Client) -> None:
        with self._report.step(f"B listens; A writes {LIVE_MESSAGES} messages") as step:
            async with _listening(bob) as arrived:
                for number in range(1, LIVE_MESSAGES + 1):
                    began = time.monotonic()
                    await asyncio.gather(
                        alice.send(self._ids["b"], f"live {number}"), self._expect(arrived, f"live {number}", began)
                    )
            latencies = sorted(self._report.live_ms)
            step.evidence |= {"arrived": len(latencies), "median_ms": latencies[len(latencies) // 2]}
            self._report.say("each arrived, ms: " + " ".join(f"{each:.0f}" for each in self._report.live_ms))

    async def _expect(self, arrived: asyncio.Queue[Message], text: str, began: float) -> None:
        message = await asyncio.wait_for(arrived.get(), PATIENCE_SECONDS)
        self._report.live_ms.append(_ms_since(began))
        if message.text != text:
            raise RuntimeError("another message arrived than the one that was sent")

    async def _relay_dies(self, alice: Client, bob: Client) -> None:
        with self._report.step("A relay on A's path dies; the next message still arrives") as step:
            path = await alice.trace(public_inbox(self._ids["b"]))
            victim = self.net.name_of(path[1].node_id)
            async with _listening(bob) as arrived:
                self.net.node(victim).kill()
                began = time.monotonic()
                sent = asyncio.create_task(alice.send(self._ids["b"], "Still there?"))
                message = await asyncio.wait_for(arrived.get(), PATIENCE_SECONDS)
                step.evidence |= {"killed": victim, "role": path[1].role, "arrived_ms": _ms_since(began)}
                await sent
            if message.text != "Still there?":
                raise RuntimeError("another message arrived than the one that was sent")
            self._report.say(f"{victim} is gone; the message was there after {step.evidence['arrived_ms']:.0f} ms")

    async def _draw_path(self, alice: Client) -> None:
        with self._report.step("The path of a request, and what each hop had in hand") as step:
            for hop in await alice.trace(public_inbox(self._ids["b"])):
                name = self.net.name_of(hop.node_id)
                self._report.path.append({"node": name, "role": hop.role, "sees": hop.sees})
                self._report.say(f"{hop.role:12} {name:10} {hop.sees}")
            step.evidence["hops"] = len(self._report.path)

    @asynccontextmanager
    async def _online(self, name: str) -> AsyncIterator[Client]:
        async with Client.open(self._folder / name, passphrase=PASSPHRASE) as person:
            yield person


@asynccontextmanager
async def _listening(person: Client) -> AsyncIterator[asyncio.Queue[Message]]:
    """What arrives, from the moment at which the stream is open."""
    arrived: asyncio.Queue[Message] = asyncio.Queue()

    async def listen() -> None:
        async for message in person.listen():
            arrived.put_nowait(message)

    task = asyncio.create_task(listen())
    try:
        await asyncio.wait_for(person.live.wait(), PATIENCE_SECONDS)
        yield arrived
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def _ms_since(began: float) -> float:
    return round((time.monotonic() - began) * 1000, 1)
