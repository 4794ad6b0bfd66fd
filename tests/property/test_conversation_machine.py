"""Two devices over a wire that loses, repeats and reorders, with restarts from the store and both beginning at once.

What must hold: every envelope that comes for the first time opens to what was sealed (unless its session was given up),
none opens twice, a refusal changes nothing, and the state that was stored is the state that goes on.
"""

import random

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from essaim.protocol.account import Account
from essaim.protocol.conversation import Device, Peer
from essaim.protocol.errors import ProtocolError
from essaim.protocol.geometry import ENVELOPE_SIZES
from essaim.protocol.prekeys import Bundle
from essaim.testing.effort import examples

START = 1_800_000_000_000
DAY_MS = 24 * 60 * 60 * 1000
ENVELOPE_LIFE_MS = 14 * DAY_MS
SIDES = st.sampled_from((0, 1))


class Conversation(RuleBasedStateMachine):
    @initialize(seed=st.integers(0, 2**32))
    def begin(self, seed):
        self.now = START
        self.random = random.Random(seed).randbytes
        self.accounts = [Account(self.random(32)) for _ in range(2)]
        self.devices = [Device.create(account, 0, self.now, self.random) for account in self.accounts]
        self.stores: list[dict[bytes, bytes]] = [{}, {}]
        self.wires: list[list[tuple[int, int, bytes, bytes]]] = [[], []]
        self.opened: list[set[int]] = [set(), set()]
        self.sent = 0
        self.starts = 0
        for side in (0, 1):
            self.store(side)

    def store(self, side):
        for key, value in self.devices[side].take_changes().items():
            if value is None:
                self.stores[side].pop(key, None)
            else:
                self.stores[side][key] = value

    def peer(self, side):
        return Peer(self.devices[1 - side].account_id, 0)

    def start(self, side):
        other = self.devices[1 - side]
        node = bytes([side]) * 32
        one_time = other.new_one_time_batch(node, 1, self.now, self.random)[0] if self.sent % 2 else b""
        self.store(1 - side)
        bundle = Bundle.assemble(
            other.account_id,
            0,
            other.manifest_entry(self.random),
            other.prekeys_entry(self.random),
            one_time=one_time,
            node_id=node,
        )
        self.devices[side].start(bundle, self.now, self.random)
        self.starts += 1

    @rule(side=SIDES, size=st.sampled_from((0, 1, 1000, 1720, 3000, 9000)), count=st.integers(1, 5))
    def send(self, side, size, count):
        device = self.devices[side]
        if device.needs_handshake(self.peer(side), self.now):
            self.start(side)
        for _ in range(count):
            self.sent += 1
            content = self.sent.to_bytes(4, "big") + bytes(size)
            envelope = device.seal(self.peer(side), content, self.now, self.random)
            assert len(envelope) in ENVELOPE_SIZES
            self.wires[1 - side].append((self.sent, self.now, content, envelope))
        self.store(side)

    @rule(side=SIDES)
    def begin_again(self, side):
        """A new session while older ones live: also both sides at once."""
        self.devices[side].renew(self.peer(side))
        self.start(side)
        self.store(side)

    @precondition(lambda self: any(self.wires))
    @rule(side=SIDES, place=st.integers(0, 50), again=st.booleans())
    def receive(self, side, place, again):
        if not self.wires[side]:
            return
        place %= len(self.wires[side])
        number, sent, content, envelope = self.wires[side][place]
        if not again:
            del self.wires[side][place]
        device = self.devices[side]
        if number in self.opened[side]:
            self.refused(side, envelope)
            return
        try:
            opened = device.open(envelope, self.now, self.random)
        except ProtocolError as error:
            # Past an envelope's life, or its session fell behind the active and five inactive ones.
            assert self.now - sent > ENVELOPE_LIFE_MS or self.starts > 6, error
            return
        assert opened.content == content and opened.sender == self.peer(side)
        self.opened[side].add(number)
        self.store(side)

    def refused(self, side, envelope):
        device = self.devices[side]
        device.take_changes()
        try:
            device.open(envelope, self.now, self.random)
        except ProtocolError:
            assert device.take_changes() == {}
        else:
            raise AssertionError("an envelope opened twice")

    @precondition(lambda self: any(self.wires))
    @rule(side=SIDES, place=st.integers(0, 50))
    def lose(self, side, place):
        if self.wires[side]:
            del self.wires[side][place % len(self.wires[side])]

    @precondition(lambda self: any(self.wires))
    @rule(side=SIDES, place=st.integers(0, 50), bit=st.integers(0, 8 * 4096 - 1))
    def tamper(self, side, place, bit):
        if self.wires[side]:
            altered = bytearray(self.wires[side][place % len(self.wires[side])][3])
            altered[bit // 8] ^= 1 << bit % 8
            self.refused(side, bytes(altered))

    @rule(side=SIDES)
    def restart(self, side):
        restored = Device.restore(self.stores[side])
        assert {key: restored.record(key) for key in self.stores[side]} == self.stores[side]
        self.devices[side] = restored

    @rule(days=st.integers(1, 8))
    def wait(self, days):
        self.now += days * DAY_MS
        for side in (0, 1):
            self.devices[side].maintain(self.now, self.random)
            self.store(side)


Conversation.TestCase.settings = settings(
    max_examples=examples(100),
    stateful_step_count=40,
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)
TestConversation = Conversation.TestCase
