"""What strangers and members try against a host: huge numbers, others' whispers, its picture, old invitations."""

import asyncio
import os
from pathlib import Path

import pytest

from essaim.opengroup.v1 import action_pb2, room_pb2, statement_pb2
from essaim.protocol.errors import ProtocolError
from essaim.protocol.opengroup.permission import Role
from essaim.protocol.opengroup.settings import file_hash, token_hash
from essaim_opengroup import upkeep
from essaim_opengroup.host import owner_token
from essaim_opengroup.writer import Job
from room_host import HOST_KEY, Refused, RunningHost

HUGE = 2**64 - 1


@pytest.fixture
async def host(tmp_path: Path):
    async with RunningHost(tmp_path / "host") as running:
        yield running


async def test_numbers_no_database_holds_are_refused_and_end_nothing(host: RunningHost) -> None:
    room = await host.room()
    stranger, here = host.member(1), room.room_id
    hostile = {
        "delete_direct": action_pb2.DeleteDirect(up_to=HUGE),
        "ban": action_pb2.Ban(room_id=here, member=stranger.key, until_ms=HUGE),
        "page": action_pb2.Page(room_id=here, before=HUGE),
        "search": action_pb2.Search(room_id=here, words="a", before=2**63),
        "changes": action_pb2.Changes(room_id=here, after=HUGE),
        "list_audit": action_pb2.ListAudit(room_id=here, before=HUGE),
        "put_chunk": action_pb2.PutChunk(room_id=here, file=bytes(32), size=1, offset=HUGE, data=b"x"),
    }
    async with asyncio.timeout(30):
        for name, action in hostile.items():
            with pytest.raises(ProtocolError) as refused:
                await stranger.act(action_pb2.Action(**{name: action}))
            assert refused.value.reason == "BATCH_REFUSED", name
        stranger.seen[here] = (HUGE, bytes(32))
        with pytest.raises(ProtocolError):
            await stranger.post(here, "seen what cannot be")
        assert await host.member(2).post(here, "the host lives")


async def test_one_action_that_fails_in_an_unforeseen_way_ends_neither_the_writer_nor_the_others(
    host: RunningHost,
) -> None:
    room = await host.room()

    def fault(work: object) -> None:
        raise OverflowError

    async with asyncio.timeout(30):
        others = (host.member(number).post(room.room_id, f"post {number}") for number in range(1, 5))
        failed, *posts = await asyncio.gather(host.host.writer.do(Job(fault)), *others, return_exceptions=True)
        assert isinstance(failed, OverflowError)
        assert all(isinstance(each, bytes) for each in posts)
        assert len((await host.member(1).page(room.room_id)).posts) == 4


async def test_whispers_of_others_are_not_answered_reacted_to_or_reported(host: RunningHost) -> None:
    room = await host.room()
    friend, outsider = host.member(1), host.member(2)
    await friend.post(room.room_id, "hello")
    room.owner.seen[room.room_id] = friend.seen[room.room_id]
    whisper = await room.owner.post(room.room_id, "between us", whisper_to=friend.key)
    withheld = (await outsider.changes(room.room_id)).entries[-1]
    assert withheld.digest == whisper and withheld.removed  # everybody learns its name

    answer = statement_pb2.Post(text="I heard that", reply_to=whisper)
    assert await outsider.cannot_say(room.room_id, post=answer) == "POST_UNKNOWN"
    react = statement_pb2.React(post_id=whisper, emoji="👍")
    assert await outsider.cannot_say(room.room_id, react=react) == "POST_UNKNOWN"
    report = action_pb2.Report(room_id=room.room_id, post_id=whisper, reason="a guess")
    assert await outsider.refused(report=report) == "POST_UNKNOWN"
    await friend.say(room.room_id, react=react)
    await friend.post(room.room_id, "heard", reply_to=whisper)


async def test_room_picture_outlives_a_post_that_holds_the_same_file(host: RunningHost) -> None:
    room = await host.room()
    picture, member = os.urandom(100), host.member(1)
    named = file_hash(picture)
    put = action_pb2.PutChunk(room_id=room.room_id, file=named, size=100, data=picture)
    await room.owner.ask(put_chunk=put)
    settings = room_pb2.RoomSettings(picture=named)
    await room.owner.ask(change_room=action_pb2.ChangeRoom(room_id=room.room_id, settings=settings))

    post = await member.post(room.room_id, "mine now", files=[named])
    await member.say(room.room_id, edit=statement_pb2.Edit(post_id=post, text="gone"))
    host.skew_ms += 1_000
    await host.host.writer.do(Job(upkeep.remove_expired))
    _, size = await host.host.asking.file(room.room_id, member.key, named)
    assert size == 100


async def test_offices_offered_by_who_lost_their_own_are_void(host: RunningHost) -> None:
    room = await host.room()
    admin, token = host.member(1), b"t" * 16
    appoint = {"room_id": room.room_id, "member": admin.key}
    await room.owner.ask(appoint=action_pb2.Appoint(role=int(Role.ADMIN), **appoint))
    invite = action_pb2.Invite(room_id=room.room_id, token=token, uses=2, role=int(Role.ADMIN))
    await admin.ask(invite=invite)
    join = action_pb2.Join(room_id=room.room_id, token=token)
    assert await host.member(2).ask(join=join)
    await room.owner.ask(appoint=action_pb2.Appoint(role=int(Role.MEMBER), **appoint))
    assert await admin.refused(join=join) == "TOKEN_REFUSED"
    assert await host.member(3).refused(join=join) == "TOKEN_REFUSED"


async def test_filter_is_not_told_to_who_joins(host: RunningHost) -> None:
    room = await host.room(filter="forbidden")
    joined = await host.member(1).ask(join=action_pb2.Join(room_id=room.room_id))
    assert joined.settings.name == "lobby" and not joined.settings.filter


async def test_upload_beyond_the_quota_leaves_nothing_of_a_newcomer(host: RunningHost) -> None:
    room = await host.room(upload_bytes=10)
    put = action_pb2.PutChunk(room_id=room.room_id, file=bytes(32), size=11, data=bytes(11))
    with pytest.raises(Refused, match="QUOTA"):
        await host.member(1).ask(put_chunk=put)
    found = await room.owner.ask(get_room=action_pb2.GetRoom(room_id=room.room_id))
    assert found.members == 1


async def test_first_owners_invitation_stays_revoked_after_a_restart(tmp_path: Path) -> None:
    async with RunningHost(tmp_path / "host") as host:
        owner = await host.owner()
        await owner.ask(revoke_invitation=action_pb2.RevokeInvitation(token_hash=token_hash(owner_token(HOST_KEY))))
    async with RunningHost(tmp_path / "host") as host:
        thief = host.member(5)
        assert await thief.refused(join=action_pb2.Join(token=owner_token(HOST_KEY))) == "TOKEN_REFUSED"
