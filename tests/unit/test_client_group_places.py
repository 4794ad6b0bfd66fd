"""Under what names a device asks to be woken for a closed group: test_people_group_wakes.py has for which mailboxes."""

from essaim.protocol.group.epoch import Epoch
from essaim.protocol.keys import SigningKey
from essaim.protocol.mailbox.rule import PLACE_SIZE, check_registered
from essaim_client.push.asking import _runs
from essaim_client.push.group_places import group_access, place_name
from essaim_client.push.places import AHEAD_DAYS

TODAY, DAY_MS = 20_000, 86_400_000
DAYS = range(TODAY - 1, TODAY + AHEAD_DAYS + 1)
OWNER, OTHER = SigningKey(bytes(32)), SigningKey(b"o" * 32)


def epoch(number: int, made_day: int = TODAY - 5) -> Epoch:
    return Epoch(b"g" * 32, bytes((number,)) * 32, SigningKey(b"a" * 32).public, (), made_day * DAY_MS + number)


def test_place_names_are_the_devices_own_and_join_no_two_mailboxes() -> None:
    made = [epoch(1).mailbox(day) for day in DAYS]
    names = [place_name(owner, each.mailbox_id) for each in made for owner in (OWNER, OTHER)]

    assert len(set(names)) == len(names) and {len(each) for each in names} == {PLACE_SIZE}
    assert len({each[at : at + 8] for each in names for at in (0, 8, 16, 24)}) == 4 * len(names)
    for policy in made:
        check_registered(policy.kind, place_name(OWNER, policy.mailbox_id))
    assert place_name(OWNER, made[0].mailbox_id) == names[0], "asked again it is the same"


def test_access_is_by_the_days_read_key() -> None:
    access = group_access(OWNER, epoch(1), TODAY)

    assert access.policy == epoch(1).mailbox(TODAY) and access.slot_record == b""
    assert access.signer.public == access.policy.read_key


def test_neighbouring_lanes_are_asked_for_at_once() -> None:
    assert _runs([5, 3, 4, 9, 3], 10) == [range(3, 6), range(9, 10)]
    assert _runs(range(7), 3) == [range(3), range(3, 6), range(6, 7)]
    assert _runs([], 3) == []
