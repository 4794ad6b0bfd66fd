"""Sender keys: members read each message once, in whatever order it comes; who is not meant reads nothing."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from essaim.protocol.errors import ProtocolError
from essaim.protocol.geometry import ENVELOPE_SIZES
from essaim.protocol.group.announcement import ENTRY_SIZE, Announcement, ChainNotice, EpochNotice
from essaim.protocol.group.epoch import Epoch
from essaim.protocol.group.frame import (
    SPOKEN_ENTRY,
    FrameKind,
    FrameRefusedError,
    draw_nonce,
    open_frame,
    seal_frame,
)
from essaim.protocol.group.sender_key import (
    MESSAGES_MAX,
    Front,
    Proof,
    ReceivingChain,
    Said,
    SendingChain,
    SpokenRefusedError,
)
from essaim.protocol.keys import SigningKey
from essaim.protocol.layout import Reader
from essaim.testing.effort import examples

GROUP = bytes(range(32))
NOW = 1_800_000_000_000
PEOPLE = 4
DEVICES = 500


def read(spoken: bytes) -> tuple[Front, bytes]:
    reader = Reader(spoken)
    return Front.read(reader), reader.rest()


class Speaking(RuleBasedStateMachine):
    """One device speaks, in one chain after the other, to those who are in; each shares an export key with it."""

    @initialize(seed=st.integers(0, 1 << 32))
    def begin(self, seed):
        self.random = random.Random(seed)
        self.exports = [self.random.randbytes(32) for _ in range(PEOPLE)]
        self.members = set(range(PEOPLE - 1))
        self.held: list[dict[bytes, ReceivingChain]] = [{} for _ in range(PEOPLE)]
        self.wire = []  # (who could read it, front, box, nonce, said)
        self.opened = [set() for _ in range(PEOPLE)]
        self.sent = 0
        self.renew()

    def renew(self):
        self.chain = SendingChain.create(bytes(32), 0, self.random.randbytes)
        self.announce(self.members)

    def announce(self, to):
        following = self.chain.following()
        notice = ChainNotice(following.chain_id, bytes(32), 0, following.signing, following.number)
        made = Announcement.make(GROUP, notice, following.key, [self.exports[each] for each in to])
        announcement = Announcement.decode(made.encode())
        assert announcement == made
        for number, export in enumerate(self.exports):
            secret = announcement.open(GROUP, [self.random.randbytes(32), export])
            assert (secret is None) == (number not in to)
            if secret is not None:
                self.held[number].setdefault(following.chain_id, notice.chain(secret))

    @rule(size=st.sampled_from((0, 10, 5_000)), count=st.integers(1, 30))
    def speak(self, size, count):
        for _ in range(count):
            if self.chain.spent:
                self.renew()
            self.sent += 1
            said, nonce = Said((), b"%d" % self.sent + bytes(size)), self.random.randbytes(12)
            spoken, _, self.chain = self.chain.speak(GROUP, said, nonce)
            self.chain = SendingChain.decode(self.chain.encode())
            readers = {each for each in range(PEOPLE) if self.chain.chain_id in self.held[each]}
            self.wire.append((self.sent, readers, *read(spoken), nonce, said))

    @rule()
    def remove_one(self):
        """From here on there is a new chain; who is gone holds the old ones."""
        if len(self.members) > 1:
            self.members.remove(min(self.members))
            self.renew()

    @rule(who=st.integers(0, PEOPLE - 1))
    def join(self, who):
        """Given the chain as it stands: what was said before stays closed."""
        if who not in self.members:
            self.members.add(who)
            self.announce({who})

    @precondition(lambda self: self.wire)
    @rule(who=st.integers(0, PEOPLE - 1), place=st.integers(0, 1000), again=st.booleans())
    def hear(self, who, place, again):
        number, readers, front, box, nonce, said = self.wire[place % len(self.wire)]
        chain = self.held[who].get(front.chain_id)
        if chain is None:
            return
        try:
            heard, proof, after = chain.open(GROUP, front, box, nonce)
        except SpokenRefusedError:
            assert who not in readers or number in self.opened[who]
            return
        assert who in readers and heard == said and number not in self.opened[who]
        assert proof.holds(chain.signing, GROUP, said)
        self.opened[who].add(number)
        self.held[who][front.chain_id] = ReceivingChain.decode(after.encode())

    @precondition(lambda self: self.wire)
    @rule(who=st.integers(0, PEOPLE - 1), place=st.integers(0, 1000), bit=st.integers(0, 8 * 60))
    def tamper(self, who, place, bit):
        _, _, front, box, nonce, _ = self.wire[place % len(self.wire)]
        altered = bytearray(box)
        altered[bit // 8 % len(altered)] ^= 1 << bit % 8
        chain = self.held[who].get(front.chain_id)
        if chain is not None:
            with pytest.raises(SpokenRefusedError):
                chain.open(GROUP, front, bytes(altered), nonce)


Speaking.TestCase.settings = settings(max_examples=examples(30), stateful_step_count=25, deadline=None)
TestSpeaking = Speaking.TestCase


def test_removed_device_with_all_that_it_ever_held_opens_nothing_said_later():
    source = random.Random(20261123)
    chain = SendingChain.create(bytes(32), 0, source.randbytes)
    kept = chain.following()
    renewed = SendingChain.create(bytes(32), 0, source.randbytes)
    for _ in range(100):
        nonce = source.randbytes(12)
        spoken, _, renewed = renewed.speak(GROUP, Said((), b"later"), nonce)
        front, box = read(spoken)
        for claimed in (front, Front(kept.chain_id, front.account, front.slot, front.number)):
            with pytest.raises(SpokenRefusedError):
                kept.open(GROUP, claimed, box, nonce)


def test_state_taken_now_opens_none_of_the_messages_before():
    source = random.Random(20261123)
    chain = SendingChain.create(bytes(32), 0, source.randbytes)
    receiver, wire = chain.following(), []
    for _ in range(MESSAGES_MAX):
        nonce = source.randbytes(12)
        spoken, _, chain = chain.speak(GROUP, Said((), b"x"), nonce)
        wire.append((*read(spoken), nonce))
        receiver = receiver.open(GROUP, *wire[-1])[2]
    for state in (receiver, ReceivingChain.decode(receiver.encode()), chain.following()):
        for front, box, nonce in wire:
            with pytest.raises(SpokenRefusedError):
                state.open(GROUP, front, box, nonce)


def test_chain_has_an_end():
    source = random.Random(1)
    chain = SendingChain.create(bytes(32), 0, source.randbytes)
    receiver = chain.following()
    with pytest.raises(SpokenRefusedError):
        receiver.open(GROUP, Front(chain.chain_id, bytes(32), 0, MESSAGES_MAX), bytes(100), bytes(12))


def test_member_cannot_speak_in_anothers_chain():
    """Who follows a chain has its message keys, and not its signing key."""
    source = random.Random(2)
    chain = SendingChain.create(bytes(32), 0, source.randbytes)
    receiver = chain.following()
    forged = SendingChain(chain.chain_id, bytes(32), 0, SigningKey(bytes(32)), receiver.key)
    spoken, proof, _ = forged.speak(GROUP, Said((), b"forged"), bytes(12))
    with pytest.raises(SpokenRefusedError):
        receiver.open(GROUP, *read(spoken), bytes(12))
    assert not proof.holds(receiver.signing, GROUP, Said((), b"forged"))


def test_proof_holds_for_what_was_said_and_where_alone():
    source = random.Random(3)
    chain = SendingChain.create(bytes(32), 0, source.randbytes)
    said = Said((bytes(32),), b"hello")
    _, proof, _ = chain.speak(GROUP, said, bytes(12))
    signing = chain.signing.public
    assert proof.holds(signing, GROUP, said)
    assert not proof.holds(signing, bytes(32), said)
    assert not proof.holds(signing, GROUP, Said((), bytes(32) + b"hello"))
    assert not Proof(proof.chain_id, 1, proof.signature).holds(signing, GROUP, said)


def test_one_envelope_of_57344_renews_a_group_of_100_with_five_devices_each():
    """499 others: both kinds of announcement, with as many records beside it as ever meet."""
    source = random.Random(4)
    exports = [source.randbytes(32) for _ in range(DEVICES - 1)]
    epoch = Epoch(GROUP, source.randbytes(32), SigningKey(bytes(32)).public, (bytes(32),) * 255, NOW)
    chain = SendingChain.create(bytes(32), 0, source.randbytes)
    notices = (
        (ChainNotice(chain.chain_id, bytes(32), 0, chain.signing.public, 0), chain.key),
        (EpochNotice.of(epoch, bytes(32), 0, source.randbytes), epoch.secret),
    )
    for notice, secret in notices:
        announcement = Announcement.make(GROUP, notice, secret, exports)
        assert len(announcement.entries) == 499 and ENTRY_SIZE == 56
        envelope = seal_frame(bytes(32), FrameKind.ANNOUNCED, announcement.encode(), draw_nonce(source.randbytes))
        assert len(envelope) == ENVELOPE_SIZES[2] == 57_344
        opened = Announcement.decode(open_frame(bytes(32), SPOKEN_ENTRY, envelope).body)
        assert all(opened.open(GROUP, [export]) == secret for export in exports)
        assert opened.open(GROUP, [source.randbytes(32)]) is None


def test_entry_moved_to_another_notice_opens_nothing():
    source = random.Random(5)
    export = source.randbytes(32)
    first, second = (SendingChain.create(bytes(32), 0, source.randbytes) for _ in range(2))
    notices = [ChainNotice(first.chain_id, bytes(32), 0, each.signing.public, 0) for each in (first, second)]
    announcement = Announcement.make(GROUP, notices[0], first.key, [export])
    assert Announcement(notices[1], announcement.entries).open(GROUP, [export]) is None
    assert announcement.open(bytes(32), [export]) is None


def test_days_and_epochs_have_nothing_in_common():
    admin = SigningKey(b"\1" * 32)
    epochs = [Epoch(GROUP, bytes([number]) * 32, admin.public, (), NOW) for number in (1, 2)]
    policies = [epoch.mailbox(day) for epoch in epochs for day in (20_000, 20_001)]
    keys = [key.raw for each in policies for key in (each.read_key, each.write_key, each.delete_key)]
    assert len(set(keys)) == len(keys) == 12
    for epoch in epochs:
        for day in (20_000, 20_001):
            assert epoch.owner(admin, day).public == epoch.mailbox(day).delete_key
            assert epoch.writer(day).public == epoch.mailbox(day).write_key
    assert len({epoch.frame_key(day) for epoch in epochs for day in (1, 2)}) == 4


@given(st.binary(max_size=200), st.sampled_from((b"spoken", b"records", b"other")))
def test_group_frames_malformed_bytes_are_refused(data, entry):
    with pytest.raises(ProtocolError):
        open_frame(bytes(32), entry, data)
    with pytest.raises(FrameRefusedError):
        open_frame(bytes(32), entry, data.ljust(4096, b"\0"))


@given(st.binary(max_size=300))
def test_group_announcement_malformed_bytes_are_refused_or_read(data):
    try:
        announcement = Announcement.decode(data)
    except ProtocolError:
        return
    assert Announcement.decode(announcement.encode()) == announcement
