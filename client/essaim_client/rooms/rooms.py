"""The rooms of an account: hosts of the network, rooms of hosts, direct messages, live streams that go on."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AsyncExitStack, aclosing
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol

from essaim.opengroup.v1 import action_pb2, opengroup_pb2, room_pb2
from essaim.protocol.account import Account
from essaim.protocol.blinding import BlindedKey
from essaim.protocol.errors import ProtocolError
from essaim.protocol.opengroup.chain import ROOM_ID_SIZE
from essaim.protocol.opengroup.member import member_key
from essaim.protocol.opengroup.permission import Role
from essaim_client.home import Home
from essaim_client.messaging.agreement import Agreement
from essaim_client.messaging.profile import Profile
from essaim_client.messaging.room_keys import RoomKeys
from essaim_client.network.connection import Connection
from essaim_client.network.failure import DestinationRefusedError
from essaim_client.rooms import directs, everywhere
from essaim_client.rooms.address import RoomAddress, host_part
from essaim_client.rooms.asking import Asker
from essaim_client.rooms.directs import DirectMessage, SentMessage
from essaim_client.rooms.everywhere import PurgedRoom
from essaim_client.rooms.finding import FoundHost, Hosts, HostUnknownError
from essaim_client.rooms.history import History, Kept
from essaim_client.rooms.patience import STREAM_PAUSE_MAX_SECONDS, Patience, may_pass, pause_seconds
from essaim_client.rooms.room import Room
from essaim_client.rooms.shown import RoomEvent


class Keys(Protocol):
    """Host id -> what this account signs with there: a RoomKeys."""

    def at(self, host_id: bytes) -> BlindedKey:
        """Raises MemberKeyWantedError."""

    def renew(self, host_id: bytes) -> BlindedKey:
        """Another one from now on. Raises NotAManagerError."""


class Rooms:
    """What an account does in open groups; at each host under another key. Over a connection that is open.

    `patience` says how long what is asked goes on while a host cannot be reached, and who is told of it.
    """

    def __init__(self, network: Connection, keys: Keys, kept: Kept) -> None:
        self._network = network
        self._keys = keys
        self._kept = kept
        self.patience = Patience()
        self._hosts = Hosts(network)
        self._askers: dict[bytes, Asker] = {}

    async def hosts(self) -> Sequence[FoundHost]:
        """Every host of the network that answers."""
        return await self._hosts.all()

    async def host(self, digits: str) -> Asker:
        """By its id or the beginning of it. Raises HostUnknownError, RoomAddressError, MemberKeyWantedError."""
        digits = host_part(digits)
        known = [each for host_id, each in self._askers.items() if host_id.hex().startswith(digits)]
        if len(known) == 1:
            return known[0]
        found = await self._find(digits)
        signer = self._keys.at(found.host_id)
        asker = self._askers[found.host_id] = Asker(self._network, self._hosts, found, signer, self.patience)
        return asker

    async def _find(self, digits: str) -> FoundHost:
        """One that nobody answers for is waited for; not one that every node says it does not serve."""
        wait = self.patience.begin(self._network)
        while True:
            try:
                return await self._hosts.find(digits)
            except HostUnknownError as error:
                if error.certain:
                    raise
                await wait.pause(error)

    async def own_key(self, digits: str) -> bytes:
        """The name that this account has at a host."""
        return (await self.host(digits)).signer.public.raw

    async def renew(self, digits: str) -> bytes:
        """Another member key at a host, for a device that had the old one is the account's no more; the new one.

        To the host it is a stranger: it joins anew, and the old one is to be banned. Raises NotAManagerError.
        """
        host_id = (await self.host(digits)).host.host_id
        key = self._keys.renew(host_id)
        del self._askers[host_id]
        return key.public.raw

    # Rooms

    async def listed(self, digits: str) -> list[room_pb2.Room]:
        """Rooms of a host: listed ones, and those that were joined."""
        asker = await self.host(digits)
        found: list[room_pb2.Room] = []
        more = True
        while more:
            after = found[-1].settings.name if found else ""
            told = (await asker.do(action_pb2.Action(list_rooms=action_pb2.ListRooms(after=after)))).rooms
            found += told.rooms
            more = told.more and bool(told.rooms)
        return found

    async def room(self, address: RoomAddress | str) -> Room:
        """Raises DestinationRefusedError (ROOM_UNKNOWN), HostUnknownError. An invitation in the address is used."""
        where = RoomAddress.parse(address) if isinstance(address, str) else address
        asker = await self.host(where.host)
        if where.token:
            join = action_pb2.Join(room_id=where.room_id, token=where.token)
            info = (await asker.do(action_pb2.Action(join=join))).room
        else:
            asked = action_pb2.GetRoom(room_id=where.room_id, name="" if where.room_id else where.room)
            info = (await asker.do(action_pb2.Action(get_room=asked))).room
        return Room(asker, info, History(asker.host.host_id, info.room_id, self._kept))

    async def create(self, digits: str, name: str, **settings: Any) -> Room:
        """By an owner of the host."""
        asker = await self.host(digits)
        wanted = room_pb2.RoomSettings(name=name, **settings)
        create = action_pb2.CreateRoom(room_id=asker.random(ROOM_ID_SIZE), settings=wanted)
        info = (await asker.do(action_pb2.Action(create_room=create))).room
        return Room(asker, info, History(asker.host.host_id, info.room_id, self._kept))

    async def delete(self, room: Room) -> None:
        """By an owner of the host; with everything in it."""
        await room.asker.do(action_pb2.Action(delete_room=action_pb2.DeleteRoom(room_id=room.room_id)))

    async def claim(self, digits: str, token: bytes) -> None:
        """Take an office of the host by invitation: the first owner's is in the host's data folder."""
        asker = await self.host(digits)
        await asker.do(action_pb2.Action(join=action_pb2.Join(token=token)))

    async def ban_from_host(self, digits: str, member: bytes, until_ms: int) -> None:
        """By a moderator of the host; 0 lifts it."""
        asker = await self.host(digits)
        await asker.do(action_pb2.Action(ban=action_pb2.Ban(member=member, until_ms=until_ms)))

    async def appoint_on_host(self, digits: str, member: bytes, role: Role, *, hidden: bool = False) -> None:
        """By an owner of the host: MODERATOR of every room, ADMIN (an owner), or MEMBER to take the office away."""
        asker = await self.host(digits)
        appoint = action_pb2.Appoint(member=member, role=int(role), hidden=hidden)  # type: ignore[arg-type]  # its codes
        await asker.do(action_pb2.Action(appoint=appoint))

    async def purge_everywhere(self, digits: str, member: bytes) -> list[PurgedRoom]:
        """Delete all posts of a member, in unlisted rooms as well. By a moderator of the host; ban them first."""
        return await everywhere.purge(await self.host(digits), self._kept, member)

    async def host_filter(self, digits: str) -> room_pb2.RoomSettings:
        """What is kept out of all rooms of a host. By a moderator of the host."""
        return await everywhere.filter_of(await self.host(digits))

    async def change_host_filter(self, digits: str, **settings: Any) -> room_pb2.RoomSettings:
        """Fields of RoomSettings that begin with `filter`. By an owner of the host."""
        return await everywhere.change_filter(await self.host(digits), room_pb2.RoomSettings(**settings))

    async def follow(self, rooms: Sequence[Room]) -> AsyncGenerator[RoomEvent, None]:
        """What has happened in rooms of one host since each was last read, then what happens: for good.

        A stream that breaks is followed by another one, on another path or replica, from where it was. Ends when no
        room can be followed any more (a ban, or the room is gone). Raises HistoryForkedError.
        """
        by_id = {room.room_id: room for room in rooms}

        def cursors() -> dict[bytes, int]:
            return {room_id: room.history.sequence for room_id, room in by_id.items()}

        async with aclosing(self._streams(rooms[0].asker, cursors)) as responses:
            async for told in responses:
                if told.refused:
                    by_id.pop(told.room_id, None)
                room = by_id.get(told.room_id)
                for event in room._events(told.entries, told.chain_before) if room else ():
                    yield event
                if not by_id:
                    return

    async def _streams(
        self,
        asker: Asker,
        cursors: Callable[[], dict[bytes, int]],
        directs: Callable[[], int | None] = lambda: None,
        sent: Callable[[], int | None] = lambda: None,
    ) -> AsyncGenerator[opengroup_pb2.FollowResponse, None]:
        """One stream after the other, each from where the one before it ended. Raises what no other stream mends."""
        idle = 0
        while True:
            try:
                async with aclosing(asker.follow(cursors(), directs(), sent())) as responses:
                    async for told in responses:
                        idle = 0
                        yield told
            except ProtocolError as error:
                if not may_pass(error):
                    raise
                await asker.mend(error, idle)
            await asyncio.sleep(pause_seconds(idle, asker.random, STREAM_PAUSE_MAX_SECONDS))
            idle += 1

    # Direct messages

    async def send_direct(self, room: Room, to: bytes, text: str) -> None:
        """To a member of a room that both are in. The host sees who writes to whom, not what."""
        await directs.send(room.asker, room.room_id, to, text)

    async def directs(self, digits: str, after: int = 0) -> list[DirectMessage]:
        """The own inbox at a host, oldest first, after a number."""
        return await directs.inbox(await self.host(digits), after)

    async def follow_directs(self, digits: str, after: int = 0) -> AsyncGenerator[DirectMessage, None]:
        """The own inbox at a host after a number, then what comes, for good; as `follow`."""
        asker, newest = await self.host(digits), after
        async with aclosing(self._streams(asker, dict, lambda: newest)) as responses:
            async for told in responses:
                for each in told.directs:
                    if each.number > newest:
                        newest = each.number
                        yield directs.opened(asker, each)

    async def delete_directs(self, digits: str, up_to: int) -> None:
        asker = await self.host(digits)
        await asker.do(action_pb2.Action(delete_direct=action_pb2.DeleteDirect(up_to=up_to)))

    async def sent(self, digits: str, after: int = 0) -> list[SentMessage]:
        """The own outbox at a host, oldest first, after a number: what was sent from whatever device."""
        return await directs.outbox(await self.host(digits), after)

    async def follow_sent(self, digits: str, after: int = 0) -> AsyncGenerator[SentMessage, None]:
        """The own outbox at a host after a number, then what is sent, for good; as `follow`."""
        asker, newest = await self.host(digits), after
        async with aclosing(self._streams(asker, dict, sent=lambda: newest)) as responses:
            async for told in responses:
                for each in told.sent:
                    if each.number > newest:
                        newest = each.number
                        yield directs.copied(asker, each)

    async def delete_sent(self, digits: str, up_to: int) -> None:
        """Out of the outbox; who got them keeps them."""
        asker = await self.host(digits)
        await asker.do(action_pb2.Action(delete_sent=action_pb2.DeleteSent(up_to=up_to)))

    async def block(self, digits: str, member: bytes, *, lift: bool = False) -> None:
        """Take no direct message of a member of a host."""
        asker = await self.host(digits)
        await asker.do(action_pb2.Action(block=action_pb2.Block(member=member, lift=lift)))


class RoomClient:
    """`async with RoomClient(home, passphrase) as rooms`: rooms without the messages; for bots and the command line."""

    def __init__(self, home: Path, passphrase: str | None) -> None:
        self._home = home
        self._passphrase = passphrase
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Rooms:
        """Raises NoAccountError, VaultRefusedError, NoViewError ..."""
        async with AsyncExitStack() as stack:
            home = await asyncio.to_thread(Home.open, self._home, self._passphrase)
            stack.callback(home.close)
            connection = Connection(home.network.genesis, home.network.seeds, home.store)
            network = await stack.enter_async_context(connection)
            self._stack = stack.pop_all()
            return Rooms(network, _keys(home, network), home.store)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()


def _keys(home: Home, network: Connection) -> Keys:
    """Raises NoAccountError: before an account's first time online its devices have agreed on nothing."""
    profile = Profile.load(home.keys, home.store)
    if profile is None:
        return Alone(home.account)
    return RoomKeys(profile, Agreement(profile, network.clock.now_ms))


@dataclass(frozen=True)
class Alone:
    """The keys of an account that was not online yet."""

    account: Account

    def at(self, host_id: bytes) -> BlindedKey:
        return member_key(self.account, host_id)

    def renew(self, host_id: bytes) -> BlindedKey:
        """Nobody else has the old one."""
        return self.at(host_id)


__all__ = [
    "Alone",
    "DestinationRefusedError",
    "DirectMessage",
    "HostUnknownError",
    "PurgedRoom",
    "RoomClient",
    "Rooms",
    "SentMessage",
]
