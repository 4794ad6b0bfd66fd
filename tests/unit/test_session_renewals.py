"""Sessions that a device gave up stay so, in whatever order its messages come."""

import random

import pytest

from essaim.protocol.account import Account
from essaim.protocol.conversation import Device, Peer
from essaim.protocol.prekeys import Bundle
from essaim_client.messaging.profile import Profile
from essaim_client.messaging.renewals import Renewals
from essaim_client.store.local_store import LocalStore

NOW = 1_800_000_000_000
RANDOM = random.Random(23).randbytes
ALICE, BOB = Account(bytes([1]) * 32), Account(bytes([2]) * 32)


class Both:
    """Alice's device, and Bob's with its store; Alice throws her sessions away whenever she likes."""

    def __init__(self, store: LocalStore) -> None:
        self.alice = Device.create(ALICE, 0, NOW, RANDOM)
        self.bob = Device.create(BOB, 0, NOW, RANDOM)
        self.renewals = Renewals(Profile.begin(BOB, store, self.bob))

    def begins(self, content: bytes = b"first") -> bytes:
        """Alice's first message of a session of its own."""
        self.alice.discard_sessions()
        entries = self.bob.manifest_entry(RANDOM), self.bob.prekeys_entry(RANDOM)
        self.alice.start(Bundle.assemble(BOB.id, 0, *entries), NOW, RANDOM)
        return self.says(content)

    def says(self, content: bytes) -> bytes:
        return self.alice.seal(Peer(BOB.id, 0), content, NOW, RANDOM)

    def hears(self, envelope: bytes):
        return self.bob.open(envelope, NOW, RANDOM)

    def is_heard(self) -> bool:
        """Whether what Bob says now can be read by Alice."""
        answer = self.bob.seal(Peer(ALICE.id, 0), b"answer", NOW, RANDOM)
        return self.alice.open(answer, NOW, RANDOM).content == b"answer"


@pytest.fixture
def both(tmp_path):
    with LocalStore(tmp_path / "store.db", bytes(32)) as store:
        yield Both(store)


def test_first_message_of_an_older_session_that_comes_late_is_not_answered_there(both):
    late, anew = both.begins(b"late"), both.begins(b"anew")
    both.renewals.began(both.hears(anew), NOW + 1, NOW + 5)
    both.renewals.began(both.hears(late), NOW, NOW + 5)
    assert both.is_heard()


def test_newer_session_is_answered_whenever_it_comes(both):
    first, anew = both.begins(b"first"), both.begins(b"anew")
    both.renewals.began(both.hears(first), NOW, NOW + 5)
    both.renewals.began(both.hears(anew), NOW + 1, NOW + 5)
    assert both.is_heard()


def test_renewal_of_an_older_session_that_comes_late_retires_nothing(both):
    both.renewals.began(both.hears(both.begins()), NOW, NOW + 9)
    renewal = both.says(b"renewal")
    anew = both.hears(both.begins(b"anew"))
    both.renewals.began(anew, NOW + 2, NOW + 9)
    both.renewals.gave_up_others(both.hears(renewal), NOW + 1, NOW + 9)
    both.hears(both.says(b"one more in the new one"))
    assert both.is_heard()


def test_renewal_makes_its_own_session_the_one_that_is_sent_in(both):
    both.renewals.began(both.hears(both.begins()), NOW, NOW + 9)
    late = both.says(b"late")
    renewal = both.hears(both.begins(b"renewal"))
    both.renewals.began(renewal, NOW + 2, NOW + 9)
    both.hears(late)
    both.renewals.gave_up_others(renewal, NOW + 2, NOW + 9)
    assert both.is_heard()


def test_clock_that_was_ahead_once_bars_no_session_for_ever(both):
    both.renewals.began(both.hears(both.begins()), NOW + (1 << 40), NOW)
    both.renewals.began(both.hears(both.begins(b"anew")), NOW + 1, NOW + 2)
    assert both.is_heard()
