"""Devices that write, lose, reorder and merge a configuration: in the end they agree."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from essaim.protocol import configuration
from essaim.protocol.configuration import Configuration, deletion_mark
from essaim.protocol.errors import ProtocolError
from essaim.testing.effort import examples

DEVICES = 3
KEYS = st.sampled_from((b"a", b"b", b"c"))
SIDES = st.integers(0, DEVICES - 1)


def copy(state: Configuration, side: int) -> Configuration:
    return Configuration.decode(state.encode(), bytes([side]) * 16)


class Merging(RuleBasedStateMachine):
    """`model` keeps, beside the states, which additions each device has seen: what an add-wins set must answer."""

    @initialize()
    def begin(self):
        self.states = [Configuration(bytes([side]) * 16) for side in range(DEVICES)]
        self.added = [set() for _ in range(DEVICES)]  # (element, addition) that this device has seen
        self.removed = [set() for _ in range(DEVICES)]
        self.count = 0

    @rule(side=SIDES, key=KEYS, clock=st.integers(0, 100))
    def write(self, side, key, clock):
        self.count += 1
        value = b"%d" % self.count
        self.states[side].write(key, value, clock)
        assert self.states[side].value(key) == value  # what a person has just chosen holds, whatever the clock says

    @rule(side=SIDES, key=KEYS, value=st.integers(0, 50))
    def raise_to(self, side, key, value):
        before = self.states[side].highest(key)
        self.states[side].raise_to(key, value)
        assert self.states[side].highest(key) == max(before, value)

    @rule(side=SIDES, element=KEYS)
    def add(self, side, element):
        self.count += 1
        self.states[side].add(element, self.count)
        self.added[side].add((element, self.count))

    @rule(side=SIDES, element=KEYS)
    def remove(self, side, element):
        self.states[side].remove(element)
        self.removed[side] |= {each for each in self.added[side] if each[0] == element}

    @rule(side=SIDES, number=st.integers(0, 30), now=st.integers(1, 40))
    def delete(self, side, number, now):
        self.states[side].delete(deletion_mark(b"c", b"a", b"%d" % number), now)

    @rule(side=SIDES, other=SIDES, whole=st.booleans())
    def merge(self, side, other, whole):
        source = self.states[other]
        self.states[side].merge(copy(source, side) if whole else source)
        self.added[side] |= self.added[other]
        self.removed[side] |= self.removed[other]

    @rule(side=SIDES)
    def restart(self, side):
        assert copy(self.states[side], side).encode() == self.states[side].encode()
        self.states[side] = copy(self.states[side], side)

    @invariant()
    def sets_are_what_was_seen(self):
        for state, added, removed in zip(self.states, self.added, self.removed, strict=True):
            assert state.members(b"") == sorted({element for element, _ in added - removed})

    def teardown(self):
        if not hasattr(self, "states"):
            return
        merged = []
        for order in ((0, 1, 2), (2, 0, 1), (1, 2, 0, 0, 1)):
            state = Configuration(bytes(16))
            for side in order:
                state.merge(self.states[side])
            merged.append(state.encode())
        assert len(set(merged)) == 1


Merging.TestCase.settings = settings(max_examples=examples(60), stateful_step_count=30, deadline=None)
TestMerging = Merging.TestCase


def test_few_deletions_are_kept_in_every_order_of_merging(monkeypatch):
    monkeypatch.setattr(configuration, "DELETIONS_MAX", 5)
    source = random.Random(20261123)
    for _ in range(200):
        states = [Configuration(bytes(16)) for _ in range(4)]
        for _ in range(14):
            mark = deletion_mark(b"", b"", source.randbytes(1))
            source.choice(states).delete(mark, source.randrange(1, 12))
        results = set()
        for _ in range(4):
            source.shuffle(states)
            parts = [copy(state, 0) for state in states]
            parts[0].merge(parts[1])
            parts[2].merge(parts[3])
            parts[0].merge(parts[2])
            results.add(parts[0].encode())
        assert len(results) == 1


def test_changes_alone_bring_another_device_up_to_date():
    one, other = Configuration(b"1" * 16), Configuration(b"2" * 16)
    one.add(b"x", 1)
    one.write(b"k", b"v", 5)
    other.merge(one.take_changes())
    one.remove(b"x")
    one.raise_to(b"h", 7)
    change = one.take_changes()
    assert one.take_changes() is None
    assert other.merge(change) and not other.merge(change)
    assert other.encode() == one.encode() and not other.contains(b"x")


def test_addition_beats_a_removal_that_had_not_seen_it():
    one, other = Configuration(b"1" * 16), Configuration(b"2" * 16)
    one.add(b"x", 1)
    other.merge(one)
    one.remove(b"x")
    other.add(b"x", 2)
    one.merge(other)
    other.merge(one)
    assert one.contains(b"x") and other.contains(b"x")


@given(st.binary(max_size=200))
def test_configuration_malformed_bytes_are_refused_or_read_to_something_that_can_be_written(data):
    try:
        state = Configuration.decode(data, bytes(16))
    except ProtocolError:
        return
    assert Configuration.decode(state.encode(), bytes(16)).encode() == state.encode()


def test_configuration_out_of_bounds_is_refused():
    state = Configuration(b"short")
    state.write(b"k", b"v", 1)
    with pytest.raises(ProtocolError):
        Configuration.decode(state.encode(), bytes(16))


def test_state_with_the_latest_of_all_times_can_still_be_written_and_read():
    """A device that is about to be revoked may write what it likes: it must not leave a state that nobody can read."""
    poison, state = Configuration(b"p" * 16), Configuration(b"a" * 16)
    poison.write(b"name/x", b"poison", configuration.LATEST)
    poison.raise_to(b"seen/x", 2**64)
    state.merge(copy(poison, 1))
    state.write(b"name/x", b"own", 1)
    state.raise_to(b"seen/x", 2**65)
    assert copy(state, 2).encode() == state.encode()
    assert copy(state, 2).highest(b"seen/x") == configuration.LATEST
