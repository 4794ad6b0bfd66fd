"""For tests/**/test_opengroup_*.py: a host of open groups in this process, its members, and what they say."""

import asyncio
import os
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path

from essaim.opengroup.v1 import action_pb2, opengroup_pb2, room_pb2, statement_pb2
from essaim.protocol.account import Account
from essaim.protocol.keys import SigningKey
from essaim.protocol.opengroup.authorization import Method, Request
from essaim.protocol.opengroup.chain import first
from essaim.protocol.opengroup.member import member_key
from essaim.protocol.opengroup.settings import file_hash
from essaim.protocol.opengroup.statement import Statement
from essaim.protocol.status import read_status
from essaim.runtime.clock import SystemClock
from essaim.runtime.context import OnionContext
from essaim_opengroup.assembly import Host
from essaim_opengroup.host import owner_token
from essaim_opengroup.settings import OpengroupSettings

CAPACITY = 16_000
HOST_KEY = SigningKey(b"h" * 32)
HOST_ID = HOST_KEY.public.raw


class Refused(Exception):
    """A result that was no success."""

    def __init__(self, refusal) -> None:
        super().__init__(refusal.reason)
        self.reason = refusal.reason
        self.refusal = refusal


class RunningHost:
    """`async with RunningHost(folder) as host`; `skew_ms` moves its clock. Two of one `url` are replicas."""

    def __init__(self, folder: Path, url: str | None = None, **settings) -> None:
        folder.mkdir(exist_ok=True)
        (folder / "host-key").write_text(HOST_KEY.seed.hex())
        self.settings = OpengroupSettings(data_dir=folder, database=url, upkeep_seconds=3600, **settings)
        self.skew_ms = 0
        self.stack = AsyncExitStack()

    def now_ms(self) -> int:
        return SystemClock().now_ms() + self.skew_ms

    async def __aenter__(self) -> "RunningHost":
        self.host = Host(self.settings, os.urandom(32), self.now_ms)
        self.stack.push_async_callback(self.host.close)
        self.tasks = [asyncio.create_task(each()) for each in self.host.background]
        self.stack.push_async_callback(self._stop)
        return self

    async def _stop(self) -> None:
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)

    async def __aexit__(self, *error) -> None:
        await self.stack.aclose()

    def member(self, number: int) -> "RoomMember":
        return RoomMember(self, number)

    async def owner(self) -> "RoomMember":
        """Somebody who owns the host."""
        owner = self.member(0)
        await owner.do(action_pb2.Action(join=action_pb2.Join(token=owner_token(HOST_KEY))))
        return owner

    async def room(self, name: str = "lobby", **settings) -> "TestRoom":
        """A new room; the owner is its admin."""
        owner = await self.owner()
        wanted = room_pb2.RoomSettings(name=name, **settings)
        create = action_pb2.CreateRoom(room_id=os.urandom(16), settings=wanted)
        made = await owner.do(action_pb2.Action(create_room=create))
        return TestRoom(made.room.room_id, owner)


@dataclass
class TestRoom:
    """A room, and who made it."""

    __test__ = False
    room_id: bytes
    owner: "RoomMember"


@dataclass
class RoomMember:
    """An account at a host; asks its servicer as a cell would."""

    host: RunningHost
    number: int
    seen: dict[bytes, tuple[int, bytes]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.account = Account(self.number.to_bytes(32))
        self.signer = member_key(self.account, HOST_ID)
        self.key = self.signer.public.raw

    def at(self, host: RunningHost) -> "RoomMember":
        """The same, asking another replica."""
        other = RoomMember(host, self.number)
        other.seen = self.seen
        return other

    async def act(self, *actions, capacity: int = CAPACITY, sign: bool = True, stop: bool = False) -> list:
        """The results of a batch."""
        batch = action_pb2.Batch(actions=actions, stop_at_refusal=stop).SerializeToString()
        request = opengroup_pb2.ActRequest(batch=batch)
        if sign:
            authorization = Request(HOST_ID, Method.ACT, batch).authorize(
                self.signer, self.host.now_ms(), os.urandom(16)
            )
            request.authorization.CopyFrom(authorization)
        context = OnionContext(os.urandom(16), capacity)
        response = await self.host.host.service.Act(request, context)
        assert response.ByteSize() <= capacity
        return list(response.results)

    async def do(self, action, **options):
        """One action's result. Raises Refused."""
        [result] = await self.act(action, **options)
        refusal = read_status(result.status)
        if refusal is not None:
            raise Refused(refusal)
        return result

    async def ask(self, **field_and_action):
        """`ask(page=Page(...))`: the outcome's message."""
        result = await self.do(action_pb2.Action(**field_and_action))
        outcome = result.WhichOneof("outcome")
        return getattr(result, outcome) if outcome else None

    async def refused(self, **field_and_action) -> str:
        """The reason."""
        try:
            await self.ask(**field_and_action)
        except Refused as error:
            return error.reason
        raise AssertionError("it was not refused")

    def statement(self, room_id: bytes, **act) -> Statement:
        sequence, chain = self.seen.get(room_id, (0, first(HOST_ID, room_id)))
        message = statement_pb2.Statement(
            host_id=HOST_ID,
            room_id=room_id,
            time_ms=self.host.now_ms(),
            seen_sequence=sequence,
            seen_chain=chain,
            **act,
        )
        return Statement.make(message, self.signer)

    @staticmethod
    def saying(statement: Statement) -> action_pb2.Action:
        say = action_pb2.Say(statement=statement.raw, author=statement.author, signature=statement.signature)
        return action_pb2.Action(say=say)

    async def say(self, room_id: bytes, **act) -> bytes:
        """Its digest: of a post, the post id."""
        statement = self.statement(room_id, **act)
        said = (await self.do(self.saying(statement), sign=False)).said
        if said.sequence > self.seen.get(room_id, (0, b""))[0]:
            self.seen[room_id] = (said.sequence, said.chain)
        return statement.digest

    async def post(self, room_id: bytes, text: str, **fields) -> bytes:
        return await self.say(room_id, post=statement_pb2.Post(text=text, **fields))

    async def cannot_say(self, room_id: bytes, **act) -> str:
        """The reason."""
        try:
            await self.say(room_id, **act)
        except Refused as error:
            return error.reason
        raise AssertionError("it was not refused")

    async def page(self, room_id: bytes, **query) -> action_pb2.PostList:
        return await self.ask(page=action_pb2.Page(room_id=room_id, **query))

    async def changes(self, room_id: bytes, after: int = 0, **query) -> action_pb2.EntryList:
        return await self.ask(changes=action_pb2.Changes(room_id=room_id, after=after, **query))

    async def put(self, room_id: bytes, content: bytes) -> bytes:
        """A file of one chunk; its name."""
        name = file_hash(content)
        await self.ask(put_chunk=action_pb2.PutChunk(room_id=room_id, file=name, size=len(content), data=content))
        return name

    def follow(
        self,
        after: dict[bytes, int],
        directs_after: int | None = None,
        capacity: int = CAPACITY,
        sent_after: int | None = None,
    ):
        """The stream of `Follow`."""
        rooms = [opengroup_pb2.FollowedRoom(room_id=room, after=sequence) for room, sequence in after.items()]
        message = opengroup_pb2.Following(rooms=rooms, directs_after=directs_after, sent_after=sent_after)
        following = message.SerializeToString()
        authorization = Request(HOST_ID, Method.FOLLOW, following).authorize(
            self.signer, self.host.now_ms(), os.urandom(16)
        )
        request = opengroup_pb2.FollowRequest(authorization=authorization, following=following)
        return self.host.host.service.Follow(request, OnionContext(os.urandom(16), capacity))


def texts(posts: action_pb2.PostList) -> list[str]:
    """What the posts of a page say, edits included."""
    found = []
    for state in posts.posts:
        raw = state.edit.statement or state.entry.statement
        message = statement_pb2.Statement.FromString(raw)
        found.append(message.edit.text if state.edit.statement else message.post.text)
    return found
