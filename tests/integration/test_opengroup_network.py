"""A host of open groups as a real process, reached through a real onion; and what it must not know."""

import asyncio
import importlib.util
import json
import os
import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, aclosing, suppress
from pathlib import Path

import grpc
import pytest

from essaim.network.call import LinkRefusedError
from essaim.network.links import Links
from essaim.network.tls import dial_peer
from essaim.opengroup.v1 import opengroup_pb2, opengroup_pb2_grpc
from essaim.protocol.geometry import CellClass, Suite
from essaim.protocol.keys import VerifyKey
from essaim.protocol.onion import CellSpec, Refusal, minute_of, wrap
from essaim.protocol.opengroup.filter import OF_ROOM, Alphabet
from essaim.protocol.opengroup.member import is_account, member_factor
from essaim.protocol.opengroup.refusal import MemberKeyWantedError
from essaim.protocol.view import Role
from essaim.runtime.clock import SystemClock
from essaim_client import Client, NetworkFile
from essaim_client.home import Home
from essaim_client.network.failure import DestinationRefusedError
from essaim_client.rooms.address import RoomAddress
from essaim_client.rooms.finding import DESCRIBE
from essaim_client.rooms.rooms import RoomClient, Rooms
from essaim_client.rooms.shown import RoomEvent
from real_network import PASSPHRASE, PATIENCE_SECONDS, RealNetwork
from test_network_commands import Shell

HOST = "opengroup-1"
BOT = Path(__file__).resolve().parents[2] / "examples" / "moderation_bot.py"
ROOMS = iter(range(1_000_000))


def token_of(network: RealNetwork) -> bytes:
    return bytes.fromhex((network.net.node(HOST).folder / "owner-invitation").read_text().strip())


@pytest.fixture(scope="module")
def owner_home(running_network: RealNetwork) -> Path:
    """Who owns the host of the network that all tests of this file share."""
    running_network.net.mend()
    home = running_network.home()

    async def claim() -> None:
        async with RoomClient(home, PASSPHRASE) as rooms:
            await rooms.claim(await digits(rooms), token_of(running_network))

    asyncio.run(claim())
    return home


async def digits(rooms: Rooms) -> str:
    [host] = await rooms.hosts()
    return host.host_id.hex()


@pytest.fixture
async def owner(network: RealNetwork, owner_home: Path) -> AsyncIterator[Rooms]:
    async with RoomClient(owner_home, PASSPHRASE) as rooms:
        yield rooms


async def expect(events, kind: str) -> RoomEvent:
    """The next event of a kind."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        async for event in events:
            if event.kind == kind:
                return event
    raise AssertionError("the stream ended")


async def test_room_is_lived_in_through_the_onion_and_outlives_its_host(
    network: RealNetwork, owner: Rooms, tmp_path: Path
) -> None:
    name = f"room-{next(ROOMS)}"
    host = await digits(owner)
    made = await owner.create(host, name, title="A room")
    async with RoomClient(network.home(), PASSPHRASE) as guest:
        room = await guest.room(f"{host[:16]}/{name}")
        assert room.me != made.me
        async with aclosing(guest.follow([room])) as events:
            first = asyncio.create_task(expect(events, "post"))
            post_id = await made.post("hello through the onion")
            event = await first
            assert (event.text, event.author, event.post_id) == ("hello through the onion", made.me, post_id)
            await room.react(post_id, "🐝")
            assert (await expect(events, "react")).emoji == "🐝"

            waits, told = [], asyncio.Event()

            def note(waiting) -> None:
                waits.append(waiting)
                told.set()

            owner.patience.on_waiting = note
            await asyncio.to_thread(network.net.node(HOST).kill)
            uploading = asyncio.create_task(made.upload(b"a file" * 100))
            await asyncio.wait_for(told.wait(), PATIENCE_SECONDS)
            await network.start(HOST)
            answer = await made.post("still here", reply_to=post_id, files=[await uploading])
            assert waits[0].reason in ("HOST_UNKNOWN", "DESTINATION_LOST", "PATH_FAILED")
            again = await expect(events, "post")
            assert (again.text, again.reply_to) == ("still here", post_id)
        posts, more = await room.page()
        assert [post.text for post in posts] == ["still here", "hello through the onion"] and not more
        assert posts[1].reactions == {"🐝": 1} and posts[1].replies == 1
        assert await room.download(posts[0].files[0], tmp_path / "file") == 600
        assert (tmp_path / "file").read_bytes() == b"a file" * 100
        assert [post.post_id for post in (await room.search("still"))[0]] == [answer]
        lines = [line async for line in room.export()]
        assert [line["kind"] for line in lines] == ["post", "react", "post"]
        async with aclosing(owner.follow_directs(host)) as coming:
            hearing = asyncio.create_task(anext(coming))
            await guest.send_direct(room, made.me, "just to you")
            direct = await asyncio.wait_for(hearing, PATIENCE_SECONDS)
        assert (direct.text, direct.sender) == ("just to you", room.me)
        assert await owner.directs(host) == [direct]
        with pytest.raises(DestinationRefusedError) as caught:
            await room.change(title="Mine")
        assert caught.value.refused_reason == "NOT_ALLOWED"


async def test_whole_host_is_moderated_and_sent_messages_are_kept_through_the_onion(
    network: RealNetwork, owner: Rooms
) -> None:
    host = await digits(owner)
    names = [f"room-{next(ROOMS)}" for _ in range(2)]
    first, second = [await owner.create(host, name, listed=not number) for number, name in enumerate(names)]
    await first.change(filter_alphabets=int(Alphabet.GREEK), filter_silent=True, filter_reply="{member}: no Greek")
    invitation = RoomAddress(host, f"={second.room_id.hex()}", await second.invite())
    async with RoomClient(network.home(), PASSPHRASE) as guest:
        room, unlisted = await guest.room(f"{host}/{names[0]}"), await guest.room(invitation)
        file = await room.upload(b"a report")
        post_id = await room.post("hello", files=[file], file_names=["report.txt"])
        await unlisted.post("hidden")
        async with aclosing(owner.follow([first])) as events:
            kept = await room.post("γειά")
            event = await expect(events, "post")
            while event.post_id != kept:
                event = await expect(events, "post")
            assert (event.text, event.filtered) == ("γειά", True)
            answer = await expect(events, "post")
        assert (answer.author.hex(), answer.text) == (host, f"{OF_ROOM}> {room.me.hex()[:8]}: no Greek")
        assert answer.by_host and answer.by_admins and not event.by_host
        assert [post.by_host for post in (await room.page())[0]] == [True, False, False]
        assert [(post.text, post.filtered) for post in (await room.page())[0]] == [
            *((answer.text, False), ("γειά", False), ("hello", False)),
        ]
        assert [event.kind for event in await room.changes()] == ["post"] * 3
        [(read, filtered)] = [(post, post.filtered) for post in await first.get([kept])]
        assert read.text == "γειά" and filtered and (await first.get([post_id]))[0].file_names == ("report.txt",)

        await first.pin(post_id)
        await first.react(post_id, "🐝")
        assert await first.unpin_all() and not await first.unpin_all()
        assert await first.clear_reactions(post_id) == 1
        async with aclosing(owner.follow_sent(host)) as sending:
            hearing = asyncio.create_task(anext(sending))
            await owner.send_direct(first, room.me, "just to you")
            sent = await asyncio.wait_for(hearing, PATIENCE_SECONDS)
        assert (sent.to, sent.text) == (room.me, "just to you") and await owner.sent(host) == [sent]
        assert [each.text for each in await guest.directs(host)] == ["just to you"] and not await guest.sent(host)
        await owner.delete_sent(host, sent.number)
        assert not await owner.sent(host) and len(await guest.directs(host)) == 1

        with pytest.raises(DestinationRefusedError):
            await guest.purge_everywhere(host, first.me)
        purged = await owner.purge_everywhere(host, room.me)
        assert [(each.name, each.refused) for each in purged] == [(name, "") for name in sorted(names)]
        assert not await owner.purge_everywhere(host, room.me)
        assert [post.deleted for post in (await room.page(author=room.me))[0]] == [True, True]
        assert [event.kind for event in await unlisted.changes()][-1] == "purge"


async def test_host_knows_neither_account_nor_address(network: RealNetwork, owner: Rooms) -> None:
    host = await digits(owner)
    made = await owner.create(host, f"room-{next(ROOMS)}")
    home = network.home()
    network.account_of(home)
    async with RoomClient(home, PASSPHRASE) as guest:
        room = await guest.room(f"{host}/{made.info.settings.name}")
        await room.post("a canary in the coal mine")
        network._note_ports()
    opened = Home.open(home, PASSPHRASE)
    account = opened.account
    opened.close()
    told = member_factor(account.rooms_secret, bytes.fromhex(host))
    assert is_account(VerifyKey(room.me), account.id.identity, told)

    process = network.net.node(HOST)
    await asyncio.to_thread(process.stop)
    await network.start(HOST)
    logs = b"".join(each.read_bytes() for each in process.logs)
    kept = b"".join(each.read_bytes() for each in process.folder.glob("rooms.db*"))
    for secret in (account.id.raw, str(account.id).encode(), account.id.raw.hex().encode()):
        assert secret not in logs + kept
    assert b"canary" in kept and b"canary" not in logs
    assert room.me in kept and room.me.hex().encode() not in logs
    for port in network.client_ports:
        assert f"127.0.0.1:{port}".encode() not in logs + kept
        assert f":{port}".encode() not in logs
    assert b"Traceback" not in logs


async def test_commands_of_members_and_moderators(network: RealNetwork, owner_home: Path) -> None:
    owner, guest = Shell(owner_home), Shell(network.home())

    def story() -> None:
        [host] = owner.json("room", "hosts")["hosts"]
        room = owner.json("room", "create", f"{host['host'][:20]}/parlour", "by_invitation=yes")["room"]
        invitation = owner.json("room", "invite", room)["invitation"]
        assert guest.refused("room", "read", room) == "INVITATION_NEEDED"
        guest.json("room", "join", invitation)
        post = guest.json("room", "post", room, "from the shell")["post_id"]
        assert guest.refused("room", "pin", room, post) == "NOT_ALLOWED"
        [read] = owner.json("room", "read", room, "--search", "shell")["posts"]
        assert (read["text"], read["post_id"]) == ("from the shell", post) and read["author"] != host["me"]
        owner.json("room", "ban", room, read["author"], "--for", "1h", "--purge")
        assert guest.refused("room", "post", room, "hm") == "BANNED"
        actions = [each["action"] for each in owner.json("room", "audit", room)["audit"]]
        assert actions == ["ban", "invite", "create_room"]
        assert guest.refused("room", "read", "nowhere") == "ROOM_ADDRESS_REFUSED"
        network.net.node(HOST).kill()
        done = guest.run("room", "--patience", "1", "read", room, "--json", code=2)
        assert json.loads(done.stdout)["error"]["reason"] == "HOST_UNKNOWN"
        waiting = json.loads(done.stderr.splitlines()[0])["waiting"]
        assert waiting["reason"] == "HOST_UNKNOWN" and 0 < waiting["left_seconds"] <= 1

    await asyncio.to_thread(story)
    await network.start(HOST)


async def test_host_that_drains_ends_with_zero_and_its_streams_go_on(network: RealNetwork, owner: Rooms) -> None:
    host = await digits(owner)
    made = await owner.create(host, f"room-{next(ROOMS)}")
    async with RoomClient(network.home(), PASSPHRASE) as guest:
        room = await guest.room(f"{host}/{made.info.settings.name}")
        async with aclosing(guest.follow([room])) as events:
            waiting = asyncio.create_task(expect(events, "post"))
            await made.post("before")
            assert (await waiting).text == "before"
            network.net.node(HOST).signal(signal.SIGTERM)
            await asyncio.to_thread(network.net.node(HOST).await_end, 40)
            assert network.net.node(HOST).has_said("stopped")
            await network.start(HOST)
            waiting = asyncio.create_task(expect(events, "post"))
            await made.post("after")
            assert (await waiting).text == "after"


async def test_host_opens_to_relays_alone(network: RealNetwork, owner: Rooms) -> None:
    """Neither a direct call nor a cell of one layer is served: a host never meets a member's address."""
    view = await network.view_where(lambda view: bool(view.active(Role.OPENGROUP)))
    [node] = view.active(Role.OPENGROUP)
    async with dial_peer(node) as channel:
        stub = opengroup_pb2_grpc.RoomServiceStub(channel)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stub.Describe(opengroup_pb2.DescribeRequest(), timeout=PATIENCE_SECONDS)
    assert caught.value.code() == grpc.StatusCode.UNIMPLEMENTED

    now_ms = SystemClock().now_ms()
    payload = DESCRIBE.encode(opengroup_pb2.DescribeRequest(), os.urandom(16))
    spec = CellSpec(Suite.HYBRID, CellClass.SMALL, CellClass.SMALL)
    cell, _ = wrap([node.hop(now_ms)], payload, spec, minute_of(now_ms), os.urandom)
    async with Links(None) as links:
        with pytest.raises(LinkRefusedError) as refused:
            async with await links.call(node, cell) as call:
                async for _ in call.replies():
                    pytest.fail("it was served")
    assert refused.value.refusal == Refusal.NOT_LISTED
    assert await owner.hosts()  # through relays it is


async def test_moderation_bot_deletes_and_bans(network: RealNetwork, owner: Rooms) -> None:
    """The example in examples/, with a filter of the test's."""
    spec = importlib.util.spec_from_file_location("moderation_bot", BOT)
    bot = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(bot)
    host = await digits(owner)
    made = await owner.create(host, f"room-{next(ROOMS)}")
    async with AsyncExitStack() as guests:
        guest = await guests.enter_async_context(RoomClient(network.home(), PASSPHRASE))
        room = await guest.room(f"{host}/{made.info.settings.name}")
        moderator = bot.ModerationBot(owner, made, lambda post: "pills" in post.text)
        task = asyncio.create_task(moderator.run())
        witness = await guests.enter_async_context(RoomClient(network.home(), PASSPHRASE))
        watched = await witness.room(f"{host}/{made.info.settings.name}")
        async with aclosing(witness.follow([watched])) as events:
            await room.post("hello")
            for number in range(3):
                await room.post(f"pills {number}")
                assert (await expect(events, "delete")).author == made.me
            assert (await expect(events, "purge")).about == room.me
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        with pytest.raises(DestinationRefusedError) as caught:
            await room.post("again")
        assert caught.value.refused_reason == "BANNED"
    assert bot.looks_like_spam(RoomEvent(b"", 1, 1, b"", "post", text="https://x.example " * 4))
    assert not bot.looks_like_spam(RoomEvent(b"", 1, 1, b"", "post", text="good morning"))


async def test_device_without_the_accounts_keys_is_the_same_member(
    network: RealNetwork, owner: Rooms, tmp_path: Path
) -> None:
    """It asks for the host's key, a manager hands it; then it needs neither the manager nor the messages."""
    host = await digits(owner)
    made = await owner.create(host, f"room-{next(ROOMS)}")
    address, home = f"{host}/{made.info.settings.name}", tmp_path / "laptop"
    person = await network.newcomer()
    async with person.online() as me:
        async with Client.join(home, NetworkFile.load(network.net.network_file), PASSPHRASE, name="laptop") as joining:
            sponsoring = me.devices.sponsor(joining.code)
            candidate, _ = await asyncio.gather(sponsoring.meet(), joining.offered())
            await asyncio.gather(joining.approved(), me.devices.approve(sponsoring, candidate))
        mine = await me.rooms.own_key(host)
        async with Client.open(home, passphrase=PASSPHRASE) as laptop:
            await asyncio.wait_for(laptop.ready(), PATIENCE_SECONDS)
            with pytest.raises(MemberKeyWantedError):
                await laptop.rooms.room(address)
            async with asyncio.timeout(PATIENCE_SECONDS):
                while True:  # messages bring it: each side takes what waits
                    await asyncio.gather(me.receive_events(), laptop.receive_events())
                    with suppress(MemberKeyWantedError):
                        assert await laptop.rooms.own_key(host) == mine
                        break
    async with RoomClient(home, PASSPHRASE) as rooms:
        room = await rooms.room(address)
        await room.post("from the laptop")
        assert room.me == mine
    [post] = (await made.page())[0]
    assert (post.text, post.author) == ("from the laptop", mine)


async def test_client_reads_rooms_beside_messages(network: RealNetwork, owner: Rooms) -> None:
    host = await digits(owner)
    made = await owner.create(host, f"room-{next(ROOMS)}")
    person = await network.newcomer()
    async with person.online() as me:
        room = await me.rooms.room(f"{host}/{made.info.settings.name}")
        await room.post("from the same client")
        assert me.rooms is me.rooms
    assert [post.text for post in (await made.page())[0]] == ["from the same client"]
