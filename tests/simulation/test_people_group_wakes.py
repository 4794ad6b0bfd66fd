"""For which mailboxes of closed groups devices ask to be woken, as groups change, and which they take back."""

from essaim.protocol.keys import SigningKey
from essaim.protocol.mailbox.rule import DAY_MS
from essaim_client.push.places import AHEAD_DAYS
from essaim_client.push.subscribed import Subscribed
from people.town import town
from test_people_groups import group_of, settled


def subscribed(*, groups: bool = True) -> Subscribed:
    """What a device keeps that asked a push host; of that nothing but keys and lanes is needed here."""
    return Subscribed("", [], SigningKey(b"o" * 32).seed.hex(), "", "", 1, prompt=False, groups=groups)


def of_groups(gadget, kept, group):
    """The places that are in mailboxes of this group, by epoch and day."""
    epochs = gadget.person.grouping.book.get(group).epochs.values()
    places = {each.access.policy.mailbox_id: each for each in gadget.person.push._places.all(kept)}
    today = gadget.person._now_ms() // DAY_MS
    days = range(today - 2, today + AHEAD_DAYS + 3)
    return {
        (epoch.epoch_id, day - today): places[found]
        for epoch in epochs
        for day in days
        if (found := epoch.mailbox(day).mailbox_id) in places
    }


def register(kept, places):
    kept.registered = {each.key: "" for each in places}


async def test_device_asks_where_the_group_speaks_and_takes_back_where_it_no_longer_does(tmp_path):
    async with town(tmp_path) as here:
        alice, bob, carol = [await here.person() for _ in range(3)]
        group, kept = await group_of(here, alice, bob, carol), subscribed()
        push = bob.person.push._places
        first = bob.person.grouping.book.get(group).epoch
        before = of_groups(bob, kept, group)
        assert {epoch for epoch, _ in before} == {first.epoch_id}
        assert sorted(day for _, day in before) == list(range(-1, AHEAD_DAYS + 1))
        assert len({each.lane for each in before.values()}) == 1 and not of_groups(bob, subscribed(groups=False), group)
        register(kept, before.values())
        assert push.former(kept) == []

        await alice.person.groups.remove(group, carol.account)
        await alice.person.groups.send(group, "without carol")
        await settled(here, bob)
        now = of_groups(bob, kept, group)
        second = bob.person.grouping.book.get(group).epoch
        assert second.epoch_id != first.epoch_id
        assert sorted(day for epoch, day in now if epoch == second.epoch_id) == list(range(-1, AHEAD_DAYS + 1))
        assert sorted(day for epoch, day in now if epoch == first.epoch_id) == [-1, 0, 1], "somebody may not know yet"
        assert len({each.lane for each in now.values()}) == 2, "each epoch has push ids of its own"
        assert sorted(each.key for each in push.former(kept)) == sorted(
            each.key for (_, day), each in before.items() if day > 1
        )

        register(kept, now.values())
        await alice.person.groups.remove(group, bob.account)
        await settled(here, bob)
        assert bob.person.groups.all() == [] and of_groups(bob, kept, group) == {}
        assert {each.key for each in push.former(kept)} == {each.key for each in now.values()}


async def test_who_is_invited_only_asks_for_nothing(tmp_path):
    async with town(tmp_path) as here:
        alice, bob = [await here.person() for _ in range(2)]
        info = await alice.person.groups.create("us", [bob.account])
        await bob.look()
        kept, [epoch] = subscribed(), alice.person.grouping.book.get(info.group_id).epochs
        assert of_groups(bob, kept, info.group_id) == {} and not kept.knows(epoch)
        assert of_groups(alice, kept, info.group_id) and kept.knows(epoch)
