"""Whoever floods a group's log, in whatever order it comes: all know the same group, and its admins change it."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from essaim.protocol.group import room
from essaim.protocol.group.log import PENDING_MAX, GroupLog
from essaim.protocol.group.record import PARENTS_MAX, Act, Record
from essaim.protocol.group.room import MEMBER_DEVICE_MAX, MEMBER_MAX, Room, Seat
from essaim.protocol.group.roster import Role
from essaim.testing.effort import examples
from people.signers import NOW, Player, copy, group_of

LIMITS = {(): 12, (b"a",): 6, (b"b",): 6, (b"a", b"1"): 2, (b"a", b"2"): 5, (b"b", b"1"): 4}
NARROW = [name for name in LIMITS if len(name) == 2]


def seat(name: tuple[bytes, ...], rank: int, number: int) -> Seat:
    sets = tuple((name[:size], LIMITS[name[:size]]) for size in (2, 1, 0))
    return Seat(((rank, b""), number % 3, number.to_bytes(4, "big")), sets, True)


SEATS = st.lists(
    st.builds(seat, st.sampled_from(NARROW), st.integers(0, 2), st.integers(0, 1 << 31)), unique_by=lambda s: s.key
)


def chosen(seats: set[Seat]) -> set[Seat]:
    rooms, order = Room(), list(seats)
    for each in order:
        rooms.take(each)
    return {order[number] for number in rooms.chosen()}


@settings(max_examples=examples(100), deadline=None)
@given(SEATS, SEATS)
def test_what_is_chosen_together_is_chosen_of_what_each_has_chosen(ours, theirs):
    here = {each.key: each for each in [*ours, *theirs]}
    one, other = {here[each.key] for each in ours}, {here[each.key] for each in theirs}
    assert chosen(chosen(one) | chosen(other)) == chosen(one | other) == chosen(chosen(one | other))


@settings(max_examples=examples(100), deadline=None)
@given(SEATS)
def test_who_is_not_admitted_is_not_chosen(seats):
    rooms = Room()
    turned_away = set()
    for each in seats:
        if not rooms.admits(each):
            turned_away.add(each)
        rooms.take(each)
    assert not turned_away & chosen(set(seats))


class Trouble:
    """A group of two admins and three members; one more was removed, and a device of the second admin was revoked."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.alice, self.bob, self.carol, self.mallory, self.eve, self.gone = (
            Player(random.Random(seed * 100 + number)) for number in range(6)
        )
        self.stolen = self.bob.link()
        self.log = group_of([self.alice, self.bob, self.carol, self.mallory, self.eve, self.gone], admins=2)
        self.before = [record.record_id for record in self.log]
        self.alice.does(self.log, Act.REMOVE, self.gone.raw)
        self.bob.revoke(self.stolen)
        self.bob.does(self.log, Act.DEVICES)
        self.base = copy(self.log)

    def flood(self, count: int) -> list[Record]:
        """By each of those who mean ill: beside each other, one on the other, dated back."""
        return [
            record for _ in range(count) for record in (self.members(), self.theirs(), self.thieves(), self.others())
        ]

    def _sign(self, who: Player, act: Act, argument: bytes, heads, slot: int = 0, version: int = -1) -> Record:
        keys, time = who.devices[slot], NOW + self.random.randrange(1 << 40)
        certificate = who.certificate(slot, version)
        record = Record.sign(keys, certificate, self.log.group_id, sorted(heads), act, argument, time)
        self.log.add([record])
        return record

    def members(self) -> Record:
        who = self.random.choice((self.mallory, self.eve))
        act = self.random.choice((Act.DEVICES, Act.DEVICES, Act.JOIN, Act.RENAME))
        own = [record.record_id for record in self.log if record.account == who.raw]
        heads = self.random.choice((self.base.heads, [self.random.choice(self.before)], own[-2:]))
        return self._sign(who, act, b"mine" if act == Act.RENAME else b"", set(heads))

    def theirs(self) -> Record:
        act = self.random.choice((Act.DEVICES, Act.LEAVE, Act.JOIN))
        return self._sign(self.gone, act, b"", [self.random.choice(self.before)])

    def thieves(self) -> Record:
        """As the admin that they were."""
        name = b"stolen %d" % self.random.randrange(1 << 40)
        version = len(self.bob.manifests) - 2
        return self._sign(self.bob, Act.RENAME, name, [self.before[-1]], self.stolen, version)

    def others(self) -> Record:
        return self._sign(Player(self.random), Act.DEVICES, b"", self.base.heads)


def state(log: GroupLog):
    roster = log.roster
    return roster.name, roster.admin_key, dict(roster.members), log.heads, {record.record_id for record in log}


def compare(*logs: GroupLog) -> None:
    """Each gives each what they lack, until nobody learns anything."""
    for _ in range(6):
        for one in logs:
            for other in logs:
                one.add(other.unknown_to(one.heads))
        if len({frozenset(record.record_id for record in log) for log in logs}) == 1:
            return
    raise AssertionError("they do not come to an end")


NARROW_ROOM = {"ADMIN_DEVICE_MAX": 24, "ADMIN_MAX": 48, "MEMBER_DEVICE_MAX": 4, "MEMBER_MAX": 8, "LOG_MAX": 120}


@pytest.mark.parametrize("limits", [{}, NARROW_ROOM], ids=["wide", "narrow"])
@pytest.mark.parametrize("seed", range(examples(2)))
def test_flood_in_any_order_leaves_the_same_group_and_locks_no_admin_out(seed, limits, monkeypatch):
    for name, limit in limits.items():
        monkeypatch.setattr(room, name, limit)
    trouble, source = Trouble(seed), random.Random(seed)
    flood = trouble.flood(150)
    devices = [copy(trouble.base) for _ in range(3)]
    honest: list[Record] = []
    for log in devices:  # each its own part and order of it, with an admin's changes between
        part = source.sample(flood, len(flood) * 3 // 4)
        for start in range(0, len(part), 90):
            log.add(part[start : start + 90])
            if log is devices[0]:
                honest.append(trouble.alice.does(log, Act.RENAME, b"ours %d" % start))
    honest.append(trouble.bob.does(devices[1], Act.PROMOTE, trouble.carol.raw))
    honest.append(trouble.alice.does(devices[0], Act.REMOVE, trouble.mallory.raw))
    honest.append(trouble.carol.does(devices[2], Act.DEVICES))
    compare(*devices)

    roster = devices[0].roster
    assert state(devices[0]) == state(devices[1]) == state(devices[2]), f"seed {seed}"
    assert all(log.stands(record.record_id) for log in devices for record in honest), f"seed {seed}"
    assert roster.role(trouble.carol.raw) == Role.ADMIN and roster.is_member(trouble.eve.raw)
    assert not {trouble.mallory.raw, trouble.gone.raw} & roster.members.keys()
    assert roster.name.startswith("ours")
    for act, argument in ((Act.INVITE, trouble.gone.raw), (Act.RENAME, b"still here"), (Act.REMOVE, trouble.eve.raw)):
        assert devices[2].stands(trouble.alice.does(devices[2], act, argument).record_id)
    assert devices[2].roster.name == "still here"
    again = copy(devices[2])  # as it is read from the disk, or by who comes new
    assert state(again) == state(devices[2])


@pytest.mark.parametrize("seed", range(examples(2)))
def test_members_who_flood_take_their_own_room_and_not_more(seed):
    trouble = Trouble(seed)
    records = [trouble.members() for _ in range(600)]
    log = copy(trouble.base)
    trouble.random.shuffle(records)
    log.add(records)
    of_mallory = [record for record in log if record.account == trouble.mallory.raw]
    assert MEMBER_DEVICE_MAX <= len(of_mallory) <= MEMBER_MAX
    assert log.stands(trouble.carol.does(log, Act.LEAVE).record_id) and trouble.carol.raw not in log.roster.members


def test_who_was_invited_again_has_room_again():
    trouble = Trouble(7)
    for _ in range(300):
        trouble.members()
    log = trouble.log
    full = trouble.mallory.does(log, Act.DEVICES)
    trouble.alice.does(log, Act.REMOVE, trouble.mallory.raw)
    trouble.alice.does(log, Act.INVITE, trouble.mallory.raw)
    joined = trouble.mallory.does(log, Act.JOIN)
    assert not log.stands(full.record_id) and log.stands(joined.record_id)
    assert log.roster.is_member(trouble.mallory.raw)


def test_records_that_rest_on_nothing_known_shut_nobody_out():
    """They wait in a queue from which the oldest fall, not the newest."""
    trouble = Trouble(3)
    log = copy(trouble.base)
    stray = (
        trouble._sign(trouble.eve, Act.DEVICES, b"", [trouble.random.randbytes(32)]) for _ in range(PENDING_MAX + 9)
    )
    log.add(stray)
    renamed = trouble.alice.record(log, Act.RENAME, b"through")
    removal = trouble.alice.record(log, Act.REMOVE, trouble.eve.raw, heads=[renamed.record_id])
    log.add([removal])
    log.add([renamed])
    assert log.stands(removal.record_id) and trouble.eve.raw not in log.roster.members


def test_admin_names_what_a_member_may_not_name():
    """A record of somebody who is no admin holds nothing of others in the log."""
    trouble = Trouble(5)
    log = copy(trouble.base)
    shown = trouble.mallory.does(log, Act.DEVICES)
    held = trouble.eve.record(log, Act.DEVICES, heads=[shown.record_id])
    log.add([held])
    assert not log.stands(held.record_id)
    assert log.stands(trouble.alice.does(log, Act.DEVICES).record_id) and len(log.heads) == 1


def test_more_heads_than_a_record_can_name_keep_nobody_from_being_promoted_or_removed():
    """A stolen device of an admin, dated back; who has just joined is named by no admin's record yet."""
    trouble = Trouble(11)
    log = copy(trouble.base)
    trouble.alice.does(log, Act.INVITE, trouble.gone.raw)
    joined = trouble.gone.does(log, Act.JOIN)
    log.add([trouble.thieves() for _ in range(3 * PARENTS_MAX)])
    assert log.stands(joined.record_id) and len(log.heads) > PARENTS_MAX
    assert len(log.named) == PARENTS_MAX and log.roster_at(log.named).is_member(trouble.gone.raw)
    for who, act in ((trouble.gone, Act.PROMOTE), (trouble.mallory, Act.REMOVE)):
        assert log.stands(trouble.alice.does(log, act, who.raw).record_id)
    assert log.stands(trouble.gone.does(log, Act.RENAME, b"an admin by now").record_id)
    assert log.roster.name == "an admin by now"


def test_record_that_somebody_speaks_of_is_had_though_there_is_no_room_for_it():
    """Else a flood that reaches devices in other orders would keep them from reading each other's epochs."""
    trouble = Trouble(13)
    here, there = copy(trouble.base), copy(trouble.base)
    flood = [trouble._sign(trouble.mallory, Act.DEVICES, b"", trouble.base.heads) for _ in range(60)]
    *early, last = sorted(flood, key=lambda each: each.record_id)
    late = [last]
    here.add(early)
    there.add(late)
    spoken = there.named
    assert here.roster_at(spoken) is None and not here.add(late)
    here.want(each for each in spoken if each not in here)
    assert here.wanted == [late[0].record_id]
    assert here.add(there.find(here.wanted)) == late and not here.wanted
    assert here.roster_at(spoken) is not None and not here.stands(late[0].record_id)
    again = GroupLog(here.group_id)
    again.add([*here, *late], kept=True)
    assert state(again) == state(here) and again.roster_at(spoken) is not None
