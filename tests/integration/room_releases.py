"""What a silent filter kept and moderators release; told like room_stories.py."""

import asyncio
from contextlib import aclosing

from essaim.opengroup.v1 import action_pb2, room_pb2, statement_pb2
from room_host import RunningHost, texts
from room_stories import history

Post, Edit, Pin = statement_pb2.Post, statement_pb2.Edit, statement_pb2.Pin
Settings = room_pb2.RoomSettings


def releasing(post_id: bytes) -> statement_pb2.Pin:
    return Pin(post_id=post_id, unpin=True, release=True)


async def kept_post_is_released_to_everybody_and_no_chain_breaks(host: RunningHost) -> None:
    room = await host.room(filter="pills", filter_silent=True)
    here, alice, bob = room.room_id, host.member(1), host.member(2)
    await bob.post(here, "hello")
    await bob.changes(here)  # from here on the host has the room's entries at hand
    kept = await alice.post(here, "pills for the bees")
    answer = await alice.post(here, "twice a day", reply_to=kept)
    await alice.say(here, edit=Edit(post_id=kept, text="pills for my bees", mentions=[bob.key]))
    await room.owner.say(here, pin=Pin(post_id=kept))
    assert [each is None for each in (await history(bob, here))[1]] == [False, True, True, True, True]
    assert await alice.cannot_say(here, pin=releasing(kept)) == "NOT_ALLOWED"
    assert await room.owner.cannot_say(here, pin=releasing(answer)) == "NOT_ALLOWED"  # to what nobody sees
    for bad in (Pin(post_id=kept, release=True), Pin(post_id=kept, unpin=True, everything=True, release=True)):
        assert await room.owner.cannot_say(here, pin=bad) == "STATEMENT_REFUSED"

    async with aclosing(bob.follow({here: 5})) as live:
        await asyncio.wait_for(anext(live), 10)
        await room.owner.say(here, pin=releasing(kept))
        [entry] = (await asyncio.wait_for(anext(live), 10)).entries
    assert [each.removed for each in (await bob.changes(here, after=1)).entries] == [False, True, False, False, False]
    said = statement_pb2.Statement.FromString(entry.statement).pin
    assert (said.post_id, said.unpin, said.release) == (kept, True, True)
    for reader in (bob, alice, room.owner, host.member(9)):
        [state] = (await reader.ask(get_posts=action_pb2.GetPosts(room_id=here, post_ids=[kept]))).posts
        assert (state.filtered, state.pinned) == (False, 0)
        assert texts(await reader.page(here))[-2:] == ["pills for my bees", "hello"]
    assert texts(await bob.page(here, mentioning=True)) == ["pills for my bees"]
    assert [each is None for each in (await history(bob, here))[1]] == [False, False, True, False, False, False]
    assert len({(await history(each, here))[0] for each in (bob, alice, room.owner)}) == 1

    await room.owner.say(here, pin=releasing(answer))
    await bob.post(here, "thank you", reply_to=answer)
    assert texts(await host.member(9).page(here)) == ["thank you", "twice a day", "pills for my bees", "hello"]
    before = (await bob.changes(here)).entries[-1].sequence
    await room.owner.say(here, pin=releasing(kept))
    assert (await bob.changes(here)).entries[-1].sequence == before  # there was nothing to release
    await alice.say(here, edit=Edit(post_id=kept, text="more pills"))
    assert texts(await bob.page(here)) == ["thank you", "twice a day", "hello"]


async def moderator_releases_no_whisper_and_nothing_that_moderators_may_not_write(host: RunningHost) -> None:
    room = await host.room(filter="pills", filter_silent=True, filter_moderators=True)
    here, alice, bob = room.room_id, host.member(1), host.member(2)
    await bob.post(here, "hello")
    whisper = await room.owner.post(here, "no pills", whisper_to=bob.key)
    kept = await alice.post(here, "pills")
    await room.owner.say(here, delete=statement_pb2.Delete(post_id=await alice.post(here, "gone pills")))
    assert await room.owner.cannot_say(here, pin=releasing(kept)) == "FILTERED"
    spared = action_pb2.ChangeRoom(room_id=here, settings=Settings(filter_moderators=False))
    await room.owner.ask(change_room=spared)
    assert await room.owner.cannot_say(here, pin=releasing(whisper)) == "NOT_ALLOWED"
    everywhere = action_pb2.ChangeRoom(settings=Settings(filter="pills", filter_moderators=True))
    await room.owner.ask(change_room=everywhere)
    assert await room.owner.cannot_say(here, pin=releasing(kept)) == "FILTERED"  # the host's own
    assert texts(await bob.page(here)) == ["hello"]
    everywhere.settings.filter = ""
    await room.owner.ask(change_room=everywhere)
    await room.owner.say(here, pin=releasing(kept))
    assert texts(await bob.page(here)) == ["pills", "hello"]


RELEASES = (
    kept_post_is_released_to_everybody_and_no_chain_breaks,
    moderator_releases_no_whisper_and_nothing_that_moderators_may_not_write,
)
