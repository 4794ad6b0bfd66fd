"""A device and its correspondents: first contact, renewal, both at once, replays."""

import pytest

from essaim.protocol.conversation import (
    Change,
    Device,
    NoSessionError,
    ReplayedError,
    SessionBrokenError,
)
from essaim.protocol.errors import ProtocolError
from essaim.protocol.layout import MalformedError
from essaim.protocol.padding import ContentTooLargeError
from essaim.protocol.prekey_store import PrekeyUnknownError
from essaim.protocol.ratchet import DuplicateError, UnreadableError
from people.correspondents import DAY_MS, NOW, Person, friends, people


@pytest.mark.parametrize("one_time", [False, True])
def test_first_message_opens_and_names_its_sender(one_time):
    alice, bob = people()
    assert alice.device.needs_handshake(bob.peer, NOW)
    alice.start(bob, one_time=one_time)
    assert not alice.device.needs_handshake(bob.peer, NOW)
    opened = bob.open(alice.seal(bob, b"hello"))
    assert opened[:4] == (alice.peer, b"hello", (Change.NEW_ACCOUNT,), True)
    assert opened.certificate == alice.device.manifest.certificate(0)
    assert not bob.device.needs_handshake(alice.peer, NOW)
    assert alice.open(bob.seal(alice, b"hi"))[:5] == (bob.peer, b"hi", (), False, None)
    assert len(alice.seal(bob)) == 4096


def test_every_message_before_the_answer_opens_alone_and_shares_no_bytes():
    alice, bob = people()
    alice.start(bob, one_time=True)
    envelopes = [alice.seal(bob, b"%d" % n) for n in range(4)]
    assert [bob.open(envelopes[n]).content for n in (2, 0, 3, 1)] == [b"2", b"0", b"3", b"1"]
    windows = [envelope[at : at + 8] for envelope in envelopes for at in range(0, len(envelope), 8)]
    assert len(set(windows)) == len(windows)


def test_what_fits_which_envelope():
    """The figures of docs/protocol/end-to-end.md."""
    alice, bob = people()
    alice.start(bob)
    initial = {size: longest(alice, bob, size) for size in (10240, 57344, 253952)}
    assert initial == {10240: 5240, 57344: 52344, 253952: 248952}
    bob.open(alice.seal(bob))
    alice.open(bob.seal(alice))
    settled = {size: longest(alice, bob, size) for size in (4096, 10240, 57344, 253952)}
    assert settled == {4096: 1728, 10240: 7872, 57344: 54976, 253952: 251584}


def longest(sender: Person, receiver: Person, size: int) -> int:
    low, high = 0, size
    while low < high:
        middle = (low + high + 1) // 2
        try:
            fits = len(sender.seal(receiver, bytes(middle))) <= size
        except ContentTooLargeError:
            fits = False
        low, high = (middle, high) if fits else (low, middle - 1)
    return low


def test_too_large_a_content_changes_nothing():
    alice, bob = friends()
    alice.device.take_changes()
    with pytest.raises(ContentTooLargeError):
        alice.seal(bob, bytes(251_585))
    assert alice.device.take_changes() == {}


def test_sending_without_a_session_is_refused():
    alice, bob = people()
    with pytest.raises(NoSessionError):
        alice.seal(bob)


def test_duplicates_and_replays_are_refused():
    alice, bob = people()
    alice.start(bob)
    first = alice.seal(bob)
    bob.open(first)
    with pytest.raises(DuplicateError):
        bob.open(first)
    alice.open(bob.seal(alice))
    message = alice.seal(bob)
    bob.open(message)
    with pytest.raises(DuplicateError):
        bob.open(message)
    bob.device.discard_sessions()
    with pytest.raises(ReplayedError):
        bob.open(first)


def test_replay_is_refused_when_the_one_time_prekey_and_the_session_are_gone():
    alice, bob = people()
    alice.start(bob, one_time=True)
    first = alice.seal(bob)
    bob.open(first)
    bob.device.forget(alice.account.id)
    with pytest.raises(ReplayedError):
        bob.open(first)


def test_two_initiators_with_one_prekey_do_not_both_get_in():
    alice, bob = people()
    carol = Person(3)
    bundle = bob.bundle(one_time=True)
    alice.device.start(bundle, NOW, alice.random)
    carol.device.start(bundle, NOW, carol.random)
    bob.open(alice.seal(bob))
    with pytest.raises(SessionBrokenError) as caught:
        bob.open(carol.seal(bob))
    assert caught.value.peer == carol.peer and isinstance(caught.value.__cause__, PrekeyUnknownError)


def test_both_may_begin_at_once_and_then_agree():
    alice, bob = people()
    alice.start(bob)
    bob.start(alice)
    from_alice, from_bob = alice.seal(bob, b"a"), bob.seal(alice, b"b")
    assert (alice.open(from_bob).content, bob.open(from_alice).content) == (b"b", b"a")
    for turn in range(6):
        assert bob.open(alice.seal(bob, b"%d" % turn)).content == b"%d" % turn
        assert alice.open(bob.seal(alice, b"%d" % turn)).content == b"%d" % turn
    assert len(alice.seal(bob)) == len(bob.seal(alice)) == 4096


def test_tampering_is_refused_and_changes_nothing():
    alice, bob = people()
    alice.start(bob, one_time=True)
    initial = alice.seal(bob)
    refuse_altered(bob, initial)
    bob.open(initial)
    alice.open(bob.seal(alice))
    refuse_altered(bob, alice.seal(bob))


def refuse_altered(person: Person, envelope: bytes) -> None:
    person.device.take_changes()
    for place in range(0, len(envelope), 37):
        altered = bytearray(envelope)
        altered[place] ^= 1 << place % 8
        with pytest.raises(ProtocolError):
            person.open(bytes(altered))
    assert person.device.take_changes() == {}


def test_envelopes_for_others_and_of_other_sizes_are_refused():
    alice, bob = friends()
    carol = Person(3)
    with pytest.raises(UnreadableError):
        carol.open(alice.seal(bob))
    for size in (0, 8, 4095, 4097):
        with pytest.raises(MalformedError):
            carol.open(bytes(size))
    for size in (4096, 10240):
        with pytest.raises(UnreadableError):
            carol.open(carol.random(size))


def test_a_message_of_a_known_session_that_does_not_open_names_the_peer():
    alice, bob = friends()
    altered = alice.seal(bob)[:-1] + b"\0"
    with pytest.raises(SessionBrokenError) as caught:
        bob.open(altered)
    assert caught.value.peer == alice.peer
    bob.device.renew(alice.peer)
    assert bob.device.needs_handshake(alice.peer, NOW)
    bob.start(alice)
    assert alice.open(bob.seal(alice)).changes == (Change.SESSION_RENEWED,)
    assert bob.open(alice.seal(bob, b"healed")).content == b"healed"


def test_a_message_on_its_way_opens_after_the_session_was_renewed():
    alice, bob = friends()
    late = alice.seal(bob, b"late")
    bob.device.renew(alice.peer)
    bob.start(alice)
    alice.open(bob.seal(alice))
    assert bob.open(alice.seal(bob, b"new")).content == b"new"
    assert bob.open(late).content == b"late"


def test_message_on_its_way_does_not_bring_a_given_up_session_back():
    alice, bob = friends()
    late = alice.seal(bob, b"late")
    alice.device.discard_sessions()  # an old copy of its store was put back
    alice.start(bob)
    bob.open(alice.seal(bob, b"begun anew"))
    bob.device.retire(alice.peer)
    assert bob.open(late).content == b"late"
    bob.device = Device.restore({key: value for key, value in bob.device.take_changes().items() if value is not None})
    assert alice.open(bob.seal(alice, b"in the new one")).content == b"in the new one"


def test_session_that_is_named_as_the_only_one_is_sent_in_again():
    alice, bob = friends()
    late, later = alice.seal(bob, b"late"), alice.seal(bob, b"later")
    alice.device.discard_sessions()
    alice.start(bob)
    anew = bob.open(alice.seal(bob, b"begun anew")).session
    assert bob.open(late).session != anew
    bob.device.retire(alice.peer)  # as if `late` had said so: it is the old one that stays
    bob.open(later)
    again = bob.open(alice.seal(bob, b"the only one"))
    assert again.session == anew
    bob.device.retire(alice.peer, again.session)
    assert alice.open(bob.seal(alice, b"in the new one")).content == b"in the new one"


def test_session_that_was_given_up_before_its_first_message_came_is_not_sent_in():
    alice, bob = friends()
    alice.device.renew(bob.peer)
    alice.start(bob)
    late = alice.seal(bob, b"late")
    alice.device.discard_sessions()
    alice.start(bob)
    bob.open(alice.seal(bob, b"begun anew"))
    opened = bob.open(late)
    assert opened.initial and opened.content == b"late"
    bob.device.give_up(alice.peer, opened.session)
    assert alice.open(bob.seal(alice, b"in the new one")).content == b"in the new one"


def test_30_days_without_an_answer_ask_for_a_handshake():
    alice, bob = friends()
    alice.seal(bob)
    assert not alice.device.needs_handshake(bob.peer, NOW + 30 * DAY_MS - 1)
    assert alice.device.needs_handshake(bob.peer, NOW + 30 * DAY_MS)


def test_an_unanswered_session_goes_on_while_its_prekeys_are_current():
    alice, bob = people()
    alice.start(bob)
    later = NOW + DAY_MS
    assert alice.device.needs_handshake(bob.peer, later)
    alice.device.start(bob.bundle(), later, alice.random)
    assert not alice.device.needs_handshake(bob.peer, later)
    assert bob.open(alice.seal(bob)).initial
    assert bob.open(alice.seal(bob)).initial is False
    bob.device.maintain(NOW + 7 * DAY_MS, bob.random)
    alice.device.start(bob.bundle(), NOW + 7 * DAY_MS, alice.random)
    assert bob.open(alice.seal(bob)).changes == (Change.SESSION_RENEWED,)


def test_many_correspondents_are_told_apart_by_tag_and_by_trial():
    alice = Person(1)
    others = [Person(seed) for seed in range(2, 22)]
    for other in others:
        other.start(alice)
        alice.open(other.seal(alice))
        other.open(alice.seal(other))
    for other in others:
        skipped = [other.seal(alice, b"%d" % n) for n in range(100)]
        assert alice.open(skipped[99]).sender == other.peer  # beyond the 64 tabled tags: header keys are tried
        assert alice.open(skipped[3]).content == b"3"
