"""The story: two people who never met, a network that loses nodes under them, and no message that is lost."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from io import StringIO
from pathlib import Path as FilePath

import segno

from demo.report import Report
from essaim.protocol.account import AccountId
from essaim.protocol.view import Role
from essaim_client import Client, Message
from essaim_client.linkgrade.deployment import GradedLink, grade_deployment
from essaim_client.linkgrade.grade import Grade
from essaim_client.messaging.addresses import public_inbox
from essaim_client.network.path import Path
from essaim_client.network_file import NetworkFile
from essaim_client.rooms.rooms import RoomClient
from push_receiver.receiver import Receiver
from testnet import Testnet

PASSPHRASE = "demo"
LIVE_MESSAGES = 20
PATIENCE_SECONDS = 30.0


class Story:
    """Each method is a step; what it claims it has observed on the real processes."""

    def __init__(self, net: Testnet, folder: FilePath, report: Report, receiver: Receiver) -> None:
        self.net = net
        self._receiver = receiver
        self._folder = folder
        self._report = report
        self._ids: dict[str, AccountId] = {}

    async def tell(self) -> None:
        """From the links to the drawn path."""
        await self._grade_links()
        await self._accounts()
        async with self._online("a") as alice:
            await self._offline_message(alice)
            await self._kill_storage()
            async with self._online("b") as bob:
                await self._read_on_survivors(bob)
                await self._live(alice, bob)
                await self._relay_dies(alice, bob)
            await self._draw_path(alice)
        await self._wake()
        await self._meet_in_a_room()

    def start(self) -> None:
        """The first step; it needs no event loop."""
        with self._report.step("Start a network on this machine") as step:
            view = self.net.up(lambda what, seconds: self._report.say(f"{seconds:5.1f} s  {what} is ready"))
            roles = [node.role for node in view.nodes.values()]
            step.evidence |= {
                "relays": roles.count(Role.RELAY),
                "storage": roles.count(Role.STORAGE),
                "swarms": len(view.swarms),
                "serial": view.serial,
            }

    async def _grade_links(self) -> None:
        with self._report.step("Dial every link: TLS 1.3, post-quantum, pinned, nothing less") as step:
            graded = await grade_deployment(NetworkFile.load(self.net.network_file))
            step.evidence["grades"] = {each.name: each.grade.value for each in graded}
            if any(each.grade is not Grade.A for each in graded):
                raise RuntimeError("a link has less than the top grade: tools/linkgrade says why")
            self._report.say(f"{len(graded)} links, all of grade A: {', '.join(_words_of(graded[0]))}")

    async def _accounts(self) -> None:
        with self._report.step("Make two accounts: 24 words each, no phone, no email, no server asked") as step:
            network = NetworkFile.load(self.net.network_file)
            for name in ("a", "b"):
                words = Client.create_account(self._folder / name, network, passphrase=PASSPHRASE)
                step.evidence[f"{name}_words"] = len(words.split())
            for name in ("a", "b"):
                async with self._online(name) as person:  # leaves its prekeys behind and goes
                    await person.ready()
                    self._ids[name] = person.account_id
                self._report.say(f"{name.upper()} is {self._ids[name]}")
                step.evidence[name] = str(self._ids[name])
            self._show_qr(str(self._ids["b"]))

    def _show_qr(self, text: str) -> None:
        drawn = StringIO()
        segno.make(text.upper(), error="l").terminal(out=drawn, border=1, compact=True)
        self._report.console.out(drawn.getvalue())

    async def _offline_message(self, alice: Client) -> None:
        with self._report.step("A writes to B, who is offline") as step:
            began = time.monotonic()
            sent = await alice.send(self._ids["b"], "Hello B, read this when you are back.")
            step.evidence |= {"acknowledged_ms": _ms_since(began), "devices": sent.devices}
            self._report.say(f"a quorum of B's swarm has it on disk after {step.evidence['acknowledged_ms']:.0f} ms")

    async def _kill_storage(self) -> None:
        with self._report.step("A storage node of B's swarm dies (kill -9)") as step:
            view = await self.net.ask_view()
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
            victim = self.net.name_of(self._path_to_bob(alice).middle.node_id)
            async with _listening(bob) as arrived:
                self.net.node(victim).kill()
                began = time.monotonic()
                sent = asyncio.create_task(alice.send(self._ids["b"], "Still there?"))
                message = await asyncio.wait_for(arrived.get(), PATIENCE_SECONDS)
                step.evidence |= {"killed": victim, "role": "middle", "arrived_ms": _ms_since(began)}
                await sent
            if message.text != "Still there?":
                raise RuntimeError("another message arrived than the one that was sent")
            self._report.say(f"{victim} is gone; the message was there after {step.evidence['arrived_ms']:.0f} ms")

    def _path_to_bob(self, alice: Client) -> Path:
        """The path of A's latest request to B's swarm."""
        swarm = alice.view.swarm_of(public_inbox(self._ids["b"]).mailbox_id)
        members = {node.node_id for node in swarm.members}
        return [path for destination, path in alice.paths if destination in members][-1]

    async def _draw_path(self, alice: Client) -> None:
        with self._report.step("The path of a request, and what each hop had in hand") as step:
            trace = await alice.trace()
            for hop in trace.hops:
                name, sees = (
                    self.net.name_of(hop.node_id),
                    ", ".join(f"{key} {value}" for key, value in hop.sees.items()),
                )
                self._report.path.append({"node": name, "role": hop.position, "sees": sees})
                self._report.say(f"{hop.position:12} {name:10} {sees}")
            step.evidence |= {"hops": len(trace.hops), "milliseconds": round(trace.milliseconds, 1)}

    async def _wake(self) -> None:
        with self._report.step(
            "B sleeps; the push host dies (kill -9) and returns; a wake without content comes"
        ) as step:
            async with self._online("b") as bob:
                await bob.push.enable(self._receiver.endpoint, prompt=True)
            victim = self.net.node("push-1")
            victim.kill()
            async with self._online("a") as alice:
                await alice.send(self._ids["b"], "Wake up.")
            began = time.monotonic()
            victim.start()
            async with asyncio.timeout(PATIENCE_SECONDS):
                while not self._receiver.received():  # noqa: ASYNC110  # another process, which tells when it is asked
                    await asyncio.sleep(0.05)
            said = self._receiver.received()[0]["document"]
            step.evidence |= {"killed": victim.name, "woken_ms": _ms_since(began), "said": said}
            self._report.say(
                f"told {step.evidence['woken_ms']:.0f} ms after the push host's start; all it said: {said}"
            )

    async def _meet_in_a_room(self) -> None:
        with self._report.step("A opens a room at a host; B reads it live, and neither key tells who they are") as step:
            async with self._rooms("a") as alice, self._rooms("b") as bob:
                [host] = await alice.hosts()
                digits = host.host_id.hex()
                token = (self.net.node("opengroup-1").folder / "owner-invitation").read_text()
                await alice.claim(digits, bytes.fromhex(token.strip()))
                made = await alice.create(digits, "lobby", title="The lobby")
                room = await bob.room(f"{digits}/lobby")
                async with aclosing(bob.follow([room])) as events:
                    arriving = asyncio.ensure_future(anext(events))
                    began = time.monotonic()
                    await made.post("Welcome to the room.")
                    event = await asyncio.wait_for(arriving, PATIENCE_SECONDS)
                    step.evidence |= {"arrived_ms": _ms_since(began), "author": event.author.hex()}
                found, _ = await room.search("welcome")
                if [post.text for post in found] != ["Welcome to the room."]:
                    raise RuntimeError("the post was not found as it was written")
            self._report.say(f"{event.author.hex()[:8]} wrote, B had it after {step.evidence['arrived_ms']:.0f} ms")

    def _rooms(self, name: str) -> RoomClient:
        return RoomClient(self._folder / name, PASSPHRASE)

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


def _words_of(link: GradedLink) -> list[str]:
    return [each.words for each in link.findings[:3]]


def _ms_since(began: float) -> float:
    return round((time.monotonic() - began) * 1000, 1)
