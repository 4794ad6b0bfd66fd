"""The log of a group: whoever has the same records sees the same group, whatever was done beside what, by whomever."""

import random
from contextlib import suppress

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from essaim.messaging.v1 import group_pb2
from essaim.protocol.errors import ProtocolError
from essaim.protocol.group.bundle import decode_records, pack, unpack
from essaim.protocol.group.log import GroupLog
from essaim.protocol.group.record import Act, GroupNameRefusedError, Record, RecordRefusedError, name_argument
from essaim.protocol.group.roster import MEMBERS_MAX, Role
from essaim.testing.effort import examples
from people.signers import NOW, Player, copy, founded, group_of

PLAYERS = [Player(random.Random(number)) for number in range(6)]
SIDES = st.integers(0, len(PLAYERS) - 1)
ACTS = st.sampled_from(
    (
        Act.INVITE,
        Act.INVITE,
        Act.JOIN,
        Act.JOIN,
        Act.PROMOTE,
        Act.PROMOTE,
        Act.DEMOTE,
        Act.REMOVE,
        Act.LEAVE,
        Act.RENAME,
    )
)


def state(log: GroupLog):
    roster = log.roster
    return roster.name, roster.picture, roster.admin_key, dict(roster.members), log.heads


class Changing(RuleBasedStateMachine):
    """Everybody has a log of their own; records travel in any order; some sign what they may not, or date it back."""

    @initialize()
    def begin(self):
        log = group_of(PLAYERS[:4], admins=2)
        self.logs = [copy(log) for _ in PLAYERS]
        self.everything = copy(log)
        self.count = 0

    def argument(self, act, subject):
        if act in (Act.INVITE, Act.REMOVE, Act.PROMOTE, Act.DEMOTE):
            return PLAYERS[subject].raw
        self.count += 1
        return b"name %d" % self.count if act == Act.RENAME else b""

    @rule(side=SIDES, act=ACTS, subject=SIDES)
    def do(self, side, act, subject):
        """What is allowed by one's own log is so at once there."""
        log = self.logs[side]
        allowed = log.roster.may(act, PLAYERS[side].raw, PLAYERS[subject].raw)
        record = PLAYERS[side].does(log, act, self.argument(act, subject))
        assert log.stands(record.record_id) == allowed
        self.everything.add([record])

    @rule(side=SIDES, act=ACTS, subject=SIDES, place=st.integers(0, 100))
    def do_in_the_past(self, side, act, subject, place):
        """As if all that came since had not been seen."""
        log = self.logs[side]
        records = list(log)
        heads = [records[place % len(records)].record_id]
        record = PLAYERS[side].does(log, act, self.argument(act, subject), heads=heads)
        self.everything.add([record])

    @rule(side=SIDES, other=SIDES, seed=st.integers(0, 1000), share=st.sampled_from((30, 70, 100)))
    def carry(self, side, other, seed, share):
        source = random.Random(seed)
        records = [each for each in self.logs[other] if source.randrange(100) < share]
        source.shuffle(records)
        self.logs[side].add(records)

    @rule(side=SIDES)
    def catch_up(self, side):
        """By what somebody lacks, given their newest records."""
        lacking = self.everything.unknown_to(self.logs[side].heads)
        self.logs[side].add(unpack(pack(lacking)))
        assert state(self.logs[side]) == state(self.everything)

    @invariant()
    def a_group_is_a_group(self):
        for log in self.logs:
            roster = log.roster
            assert len(roster.members) <= MEMBERS_MAX
            assert bool(roster.admins) == bool(roster.joined)
            assert roster == log.roster_at(log.heads)

    @invariant()
    def nobody_but_the_founder_touches_the_founder(self):
        """The most senior of all: whatever others sign, and under whatever date."""
        founder = PLAYERS[0].raw
        if not any(each.act in (Act.LEAVE, Act.DEMOTE) and each.account == founder for each in self.everything):
            assert self.everything.roster.is_admin(founder)

    def teardown(self):
        if not hasattr(self, "everything"):
            return
        records = list(self.everything)
        for seed in range(3):
            random.Random(seed).shuffle(records)
            again = GroupLog(self.everything.group_id)
            again.add(records)
            assert state(again) == state(self.everything)


Changing.TestCase.settings = settings(
    max_examples=examples(25), stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
)
TestChanging = Changing.TestCase


def both(log: GroupLog, *records: Record) -> GroupLog:
    """Both orders of coming; the group that follows."""
    one, other = copy(log), copy(log)
    one.add(records)
    other.add(reversed(records))
    assert state(one) == state(other)
    return one


def test_changes_of_two_admins_beside_each_other_all_count():
    alice, bob, carol, dave, eve, _ = PLAYERS
    log = group_of([alice, bob, carol], admins=2)
    merged = both(
        log,
        alice.record(log, Act.INVITE, dave.raw),
        bob.record(log, Act.INVITE, eve.raw),
        alice.record(log, Act.RENAME, b"one"),
        bob.record(log, Act.RENAME, b"other"),
        bob.record(log, Act.REMOVE, carol.raw),
    )
    assert set(merged.roster.members) == {each.raw for each in (alice, bob, dave, eve)}
    assert merged.roster.name in ("one", "other")


def test_the_more_senior_of_two_admins_who_remove_each_other_stays():
    alice, bob, carol, *_ = PLAYERS
    log = group_of([alice, bob, carol], admins=3)
    carols, bobs = carol.record(log, Act.REMOVE, bob.raw), bob.record(log, Act.REMOVE, carol.raw)
    assert both(log, carols, bobs).roster.role(bob.raw) == Role.ADMIN
    assert both(log, carols).roster.role(bob.raw) == Role.ADMIN  # a junior has no say over who is above them
    assert carol.raw not in both(log, carols, bobs).roster.members


def test_what_a_removed_admin_did_beside_the_removal_is_void_and_so_is_what_rests_on_it():
    alice, bob, carol, dave, eve, _ = PLAYERS
    log = group_of([alice, bob, carol], admins=2)
    branch = copy(log)
    records = [
        bob.does(branch, Act.PROMOTE, carol.raw),
        bob.does(branch, Act.INVITE, dave.raw),
        dave.does(branch, Act.JOIN),
        carol.does(branch, Act.INVITE, eve.raw),
        carol.does(branch, Act.REMOVE, dave.raw),
    ]
    removal = alice.record(log, Act.REMOVE, bob.raw)
    roster = both(log, removal, *records).roster
    assert dict(roster.members).keys() == {alice.raw, carol.raw}
    assert roster.role(carol.raw) == Role.MEMBER


def test_removed_admin_who_dates_back_changes_nothing():
    alice, bob, carol, dave, *_ = PLAYERS
    log = group_of([alice, bob, carol], admins=2)
    before = log.heads
    alice.does(log, Act.REMOVE, bob.raw)
    wanted = dict(log.roster.members)
    for act, subject in ((Act.REMOVE, carol), (Act.INVITE, dave), (Act.PROMOTE, carol), (Act.REMOVE, alice)):
        bob.does(log, act, subject.raw, heads=before)
    bob.does(log, Act.RENAME, b"mine", heads=before)
    assert dict(log.roster.members) == wanted and log.roster.name == "us"


def test_demotion_voids_what_was_done_as_an_admin_beside_it_and_nothing_else():
    alice, bob, carol, dave, *_ = PLAYERS
    log = group_of([alice, bob, carol], admins=2)
    demotion, invitation = alice.record(log, Act.DEMOTE, bob.raw), bob.record(log, Act.INVITE, dave.raw)
    roster = both(log, demotion, invitation).roster
    assert roster.role(bob.raw) == Role.MEMBER and dave.raw not in roster.members
    assert bob.raw not in both(log, demotion, bob.record(log, Act.LEAVE)).roster.members


def test_who_was_removed_can_be_invited_again_and_is_new():
    alice, bob, *_ = PLAYERS
    log = group_of([alice, bob], admins=2)
    alice.does(log, Act.REMOVE, bob.raw)
    assert not log.roster.may(Act.JOIN, bob.raw, bob.raw)
    alice.does(log, Act.INVITE, bob.raw)
    bob.does(log, Act.JOIN)
    assert log.roster.role(bob.raw) == Role.MEMBER


def test_last_admin_who_leaves_is_followed_by_the_eldest_member():
    alice, bob, carol, *_ = PLAYERS
    log = group_of([alice, bob, carol])
    alice.does(log, Act.LEAVE)
    assert log.roster.admins == [bob.raw]


def test_hundred_are_in_and_no_more():
    founder, others = PLAYERS[0], [Player(random.Random(1000 + number)) for number in range(101)]
    log = founded(founder)
    beside = [founder.record(log, Act.INVITE, each.raw) for each in others]  # each as if it were the only one
    log.add(beside)
    assert len(log.roster.members) == MEMBERS_MAX
    assert len(log.heads) == 101
    founder.does(log, Act.RENAME, b"together")
    assert len(log.heads) == 1 and log.roster.name == "together"


def test_revoked_device_changes_nothing_from_then_on_whatever_it_says_it_had_seen():
    alice, bob, carol, *_ = (Player(random.Random(50 + number)) for number in range(4))
    slot = alice.link()
    log = group_of([alice, bob])
    invited = alice.does(log, Act.INVITE, carol.raw, slot=slot)
    assert log.stands(invited.record_id)
    before = log.heads
    alice.revoke(slot)
    alice.does(log, Act.DEVICES)
    late = alice.does(log, Act.REMOVE, bob.raw, slot=slot, version=1)
    beside = alice.does(log, Act.REMOVE, bob.raw, slot=slot, version=1, heads=before)
    assert not log.stands(late.record_id) and log.stands(beside.record_id)
    assert bob.raw in log.roster.members and carol.raw in log.roster.members
    assert copy(log).roster == log.roster


def test_roster_tells_when_somebody_or_a_device_is_lost():
    alice, bob, *_ = (Player(random.Random(60 + number)) for number in range(3))
    bob.link()
    log = group_of([alice, bob])
    first = log.roster
    alice.does(log, Act.RENAME, b"new")
    assert not log.roster.lost_since(first)
    bob.revoke(1)
    bob.does(log, Act.DEVICES)
    assert log.roster.lost_since(first) and not log.roster.lost_since(log.roster)
    second = log.roster
    alice.does(log, Act.REMOVE, bob.raw)
    assert log.roster.lost_since(second)


def test_who_came_and_went_since_is_lost_also_where_they_were_never_seen_before():
    alice, bob, carol, dave, *_ = PLAYERS
    log = group_of([alice])
    founding = log.heads
    alice.does(log, Act.INVITE, bob.raw)
    assert not log.lost_since(founding)
    bob.does(log, Act.JOIN)
    alice.does(log, Act.REMOVE, bob.raw)
    assert log.lost_since(founding) and not log.lost_since(log.heads)
    gone = log.heads
    bob.does(log, Act.INVITE, carol.raw)  # not allowed any more: it makes nobody renew anything
    assert not log.lost_since(gone)
    alice.does(log, Act.INVITE, dave.raw)
    assert not log.lost_since(gone) and log.lost_since([bytes(32)])


def test_who_is_gone_may_know_what_led_to_it_and_nothing_after():
    alice, bob, carol, *_ = PLAYERS
    log = group_of([alice, bob])
    assert log.until_gone(bob.raw) == [] and log.until_gone(carol.raw) == []
    removal = alice.does(log, Act.REMOVE, bob.raw)
    later = alice.does(log, Act.INVITE, carol.raw)
    told = log.until_gone(bob.raw)
    assert removal in told and later not in told
    his = GroupLog(log.group_id)
    his.add(told)
    assert bob.raw not in his.roster.members


def test_records_that_rest_on_missing_ones_wait_and_the_missing_are_named():
    alice, bob, *_ = PLAYERS
    log = group_of([alice, bob])
    first, *rest = list(log)
    other = GroupLog(log.group_id)
    assert other.add(rest) == [] and other.missing == [first.record_id]
    assert len(other.add([first])) == len(log)


def test_record_of_another_group_or_another_founding_is_none_of_this():
    alice, bob, *_ = PLAYERS
    log, other = founded(alice), founded(bob)
    assert log.add(other) == []
    assert log.add([alice.record(other, Act.RENAME, b"x", heads=log.heads)]) == []


@pytest.mark.parametrize("flip", [0, 1, 33, 34, 70, 100, -1])
def test_altered_record_is_refused(flip):
    alice = PLAYERS[0]
    record = alice.record(founded(alice), Act.RENAME, b"name")
    altered = bytearray(record.statement)
    altered[flip] ^= 1
    for statement, signature in ((bytes(altered), record.signature), (record.statement, bytes(64))):
        with pytest.raises(RecordRefusedError):
            Record.parse(statement, signature, record.certificate)


def test_record_signed_by_another_device_than_it_names_is_left_out():
    alice, bob, *_ = PLAYERS
    log = group_of([alice, bob])
    record = alice.record(log, Act.RENAME, b"x")
    packed = pack([record])
    packed.certificates[0] = bob.certificate().encode()
    assert unpack(packed) == []
    forged = group_pb2.GroupRecords(certificates=[record.certificate.encode()])
    forged.records.add(statement=record.statement, signature=bob.devices[0].signing.sign(b"x"))
    assert unpack(forged) == []


@pytest.mark.parametrize("name", ["", " ", "x" * 201])
def test_name_that_is_none_is_refused(name):
    with pytest.raises(GroupNameRefusedError):
        name_argument(name)


@given(st.binary(max_size=400))
def test_group_records_malformed_bytes_are_refused_or_nothing(data):
    with suppress(ProtocolError):
        assert decode_records(data) == []


def test_log_of_a_year_is_read_in_no_time():
    """A thousand records, a tenth of them beside each other."""
    alice, bob, *_ = PLAYERS
    log = group_of([alice, bob], admins=2)
    for number in range(500):
        beside = [bob.record(log, Act.RENAME, b"%d" % number)] if number % 10 == 0 else []
        alice.does(log, Act.RENAME, b"n%d" % number)
        log.add(beside)
    assert len(log) > 500 and state(copy(log)) == state(log)
    assert NOW and log.roster.name


class _Counting(GroupLog):
    """How often two lists of devices were compared."""

    count = 0

    def _lacks(self, newer: int, number: int) -> bool:
        self.count += 1
        return super()._lacks(newer, number)


def test_log_compares_devices_once_for_each_pair_of_records():
    """A member who shows many lists beside each other must not keep the others' devices busy."""
    alice, mallory = Player(random.Random(1)), Player(random.Random(2))
    base = group_of([alice, mallory], admins=2)  # others may not rest one on the other so many
    mallory.link()
    records, above = [], [base.heads, base.heads, base.heads]
    for number in range(20):
        for side, version in ((0, 0), (1, 1)):
            record = mallory.record(base, Act.DEVICES, heads=above[side], version=version)
            above[side] = [record.record_id]
            records.append(record)
        both = sorted({*above[0], *above[1], *(above[2] if number else ())})
        joined = mallory.record(base, Act.DEVICES, heads=both, version=number % 2)
        above[2] = [joined.record_id]
        records.append(joined)
    log = _Counting(base.group_id)
    log.add([*base, *records])

    assert len(log) == len(base) + 60 and log.roster.is_member(mallory.raw)
    assert log.count <= 60 * 60
