"""What members put down beside statements, on SQLite: files and direct messages, within their limits."""

import asyncio
import os
from contextlib import aclosing
from pathlib import Path

import pytest

from essaim.opengroup.v1 import action_pb2, opengroup_pb2, statement_pb2
from essaim.protocol.errors import ProtocolError
from essaim.protocol.opengroup.direct import seal, unseal
from essaim.protocol.opengroup.settings import CHUNK_SIZE, file_hash
from essaim.runtime.context import OnionContext
from essaim_opengroup import upkeep
from essaim_opengroup.writer import Job
from room_host import CAPACITY, HOST_ID, RoomMember, RunningHost

DAY_MS = 86_400_000
Post = statement_pb2.Post


@pytest.fixture
async def host(tmp_path: Path):
    async with RunningHost(tmp_path / "host") as running:
        yield running


async def test_file_is_taken_in_pieces_and_comes_back_whole(host: RunningHost) -> None:
    room = await host.room()
    alice, bob = host.member(1), host.member(2)
    content = os.urandom(CHUNK_SIZE + 1_000)
    name = file_hash(content)
    assert await alice.cannot_say(room.room_id, post=Post(text="see", files=[name])) == "FILE_UNKNOWN"
    for offset in (CHUNK_SIZE, 0):
        data = content[offset : offset + CHUNK_SIZE]
        put = action_pb2.PutChunk(room_id=room.room_id, file=name, size=len(content), offset=offset, data=data)
        taken = await alice.ask(put_chunk=put)
        assert taken.complete == (offset == 0)
    post_id = await alice.post(room.room_id, "see", files=[name])

    async def download(offset: int) -> bytes:
        query = opengroup_pb2.FileQuery(room_id=room.room_id, file=name, offset=offset).SerializeToString()
        request = opengroup_pb2.DownloadRequest(query=query)  # a public room: nobody needs to say who they are
        pieces = [each async for each in host.host.service.Download(request, OnionContext(bytes(16), CAPACITY))]
        assert pieces[0].size == len(content) and [each.last for each in pieces] == [False] * (len(pieces) - 1) + [True]
        return b"".join(each.data for each in pieces)

    assert await download(0) == content
    assert await download(12_345) == content[12_345:]
    host.skew_ms += 2 * 3_600_000
    await host.host.writer.do(Job(upkeep.remove_expired))
    assert await download(0) == content  # a post holds it
    await alice.say(room.room_id, delete=statement_pb2.Delete(post_id=post_id))
    await host.host.writer.do(Job(upkeep.remove_expired))
    assert await bob.refused(page=action_pb2.Page(room_id=b"?")) == "ROOM_UNKNOWN"
    with pytest.raises(Exception, match="no such file"):
        await download(0)


async def test_file_that_is_not_what_it_says_is_refused(host: RunningHost) -> None:
    room = await host.room(file_bytes=1_000, upload_bytes=1_500)
    alice = host.member(1)

    def put(content: bytes, **changed) -> action_pb2.PutChunk:
        fields = {"file": file_hash(content), "size": len(content), "offset": 0, "data": content} | changed
        return action_pb2.PutChunk(room_id=room.room_id, **fields)

    assert await alice.refused(put_chunk=put(bytes(1_001))) == "QUOTA"
    assert await alice.refused(put_chunk=put(b"abc", file=file_hash(b"abd"))) == "CHUNK_REFUSED"
    assert await alice.refused(put_chunk=put(b"abc", offset=1)) == "CHUNK_REFUSED"
    assert await alice.refused(put_chunk=put(b"abc", data=b"ab")) == "CHUNK_REFUSED"
    assert await alice.refused(put_chunk=put(b"abc", file=b"short")) == "CHUNK_REFUSED"
    assert (await alice.ask(put_chunk=put(b"abc"))).complete
    assert (await alice.ask(put_chunk=put(bytes(1_000)))).complete
    assert await alice.refused(put_chunk=put(b"x" * 900)) == "QUOTA"


async def test_direct_messages_are_followed_live_by_their_recipient_alone(host: RunningHost) -> None:
    room = await host.room()
    alice, bob, carol = (host.member(number) for number in (1, 2, 3))
    for each in (alice, bob, carol):
        await each.ask(join=action_pb2.Join(room_id=room.room_id))

    async def send(text: bytes, to: RoomMember = bob) -> None:
        await alice.ask(send_direct=action_pb2.SendDirect(room_id=room.room_id, to=to.key, data=text))

    await send(b"one")
    await send(b"two")
    async with aclosing(bob.follow({}, 1)) as mine, aclosing(carol.follow({room.room_id: 0}, 0)) as hers:
        assert [each.data for each in (await anext(mine)).directs] == [b"two"]
        assert (await anext(hers)).room_id == room.room_id and not (await anext(hers)).directs
        await send(b"three")
        [third] = (await asyncio.wait_for(anext(mine), 10)).directs
        assert (third.number, third.data) == (3, b"three")
        await bob.ask(delete_direct=action_pb2.DeleteDirect(up_to=3))
        await send(b"four")
        [fourth] = (await asyncio.wait_for(anext(mine), 10)).directs
        assert (fourth.number, fourth.data) == (4, b"four")  # a number is given once, whatever was deleted
        await send(b"for carol", carol)
        assert [each.data for each in (await asyncio.wait_for(anext(hers), 10)).directs] == [b"for carol"]
        await alice.post(room.room_id, "a post")
        assert (await asyncio.wait_for(anext(hers), 10)).entries
        waiting = asyncio.create_task(anext(mine))
        await asyncio.sleep(0)
        assert not waiting.done()  # what is carol's has woken nobody else
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
    assert host.host.asking.inboxes._listeners == {}
    following = opengroup_pb2.Following(directs_after=0).SerializeToString()
    with pytest.raises(ProtocolError) as caught:
        await anext(
            host.host.service.Follow(opengroup_pb2.FollowRequest(following=following), OnionContext(bytes(16), 99))
        )
    assert caught.value.reason == "NOT_AUTHORIZED"


async def test_direct_message_reaches_its_member_alone_within_limits(host: RunningHost) -> None:
    room = await host.room()
    alice, bob = host.member(1), host.member(2)
    await alice.ask(join=action_pb2.Join(room_id=room.room_id))

    def to_bob(text: str) -> action_pb2.SendDirect:
        data = seal(text.encode(), alice.signer, bob.signer.public, HOST_ID, os.urandom(64))
        return action_pb2.SendDirect(room_id=room.room_id, to=bob.key, data=data)

    assert await alice.refused(send_direct=to_bob("hi")) == "MEMBER_UNKNOWN"
    await bob.ask(join=action_pb2.Join(room_id=room.room_id))
    first = to_bob("hi")
    for _ in range(2):
        await alice.ask(send_direct=first)  # the second is a repetition
    [direct] = (await bob.ask(list_direct=action_pb2.ListDirect())).directs
    assert unseal(direct.data, alice.signer.public, bob.signer, HOST_ID) == b"hi"
    assert (await alice.ask(list_direct=action_pb2.ListDirect())).directs == []
    for number in range(19):
        await alice.ask(send_direct=to_bob(str(number)))
    assert await alice.refused(send_direct=to_bob("too much")) == "QUOTA"
    await bob.ask(delete_direct=action_pb2.DeleteDirect(up_to=direct.number))
    await alice.ask(send_direct=to_bob("again"))
    await bob.ask(block=action_pb2.Block(member=alice.key))
    assert (await bob.ask(list_direct=action_pb2.ListDirect())).directs == []
    assert await alice.refused(send_direct=to_bob("blocked")) == "BLOCKED"
    await bob.ask(block=action_pb2.Block(member=alice.key, lift=True))
    await alice.ask(send_direct=to_bob("fine"))
    host.skew_ms += 15 * DAY_MS
    assert (await bob.ask(list_direct=action_pb2.ListDirect())).directs == []
