"""Whatever a member, somebody who was one, or a stranger sends of a group: nothing stops the device that gets it."""

import random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from essaim.messaging.v1 import content_pb2, group_pb2
from essaim.protocol.account import Account
from essaim.protocol.conversation import Device, Peer
from essaim.protocol.group.announcement import Announcement, EpochNotice
from essaim.protocol.group.bundle import pack
from essaim.protocol.group.epoch import Epoch
from essaim.protocol.group.frame import SPOKEN_ENTRY, FrameKind, draw_nonce, seal_frame
from essaim.protocol.group.record import Act
from essaim.protocol.group.sender_key import ReceivingChain, Said, SendingChain
from essaim.protocol.keys import VerifyKey
from essaim.storage.v1 import mailbox_pb2
from essaim.testing.effort import examples
from essaim_client.messaging.agreement import Agreement
from essaim_client.messaging.conversations import Conversations
from essaim_client.messaging.epoch_room import EPOCHS_MAX
from essaim_client.messaging.group_book import EPOCH_KEPT_MS, GroupBook, Speaking
from essaim_client.messaging.group_intake import GroupIntake
from essaim_client.messaging.intake import Taken
from essaim_client.messaging.profile import Profile
from essaim_client.store.closed_groups import KeptChain
from essaim_client.store.local_store import LocalStore
from people.signers import NOW, Player, copy, founded

SOURCE = random.Random(20261123)
DAY = NOW // 86_400_000
ALICE, MALLORY, STRANGER = (Player(random.Random(number)) for number in range(3))
OWN = Account(bytes(range(32)))


class Place:
    """A device in a group with two others, and a chain of one of them."""

    def __init__(self, folder) -> None:
        self.store = LocalStore(folder / "store.db", bytes(32))
        self.profile = Profile.begin(OWN, self.store, Device.create(OWN, 0, NOW, SOURCE.randbytes))
        agreement = Agreement(self.profile, lambda: NOW)
        self.book = GroupBook(self.profile)
        conversations = Conversations(self.profile, agreement, lambda: NOW, SOURCE.randbytes)
        self.intake = GroupIntake(self.profile, self.book, conversations, agreement)
        log = founded(ALICE)
        for raw in (MALLORY.raw, self.profile.own):
            ALICE.does(log, Act.INVITE, raw)
        MALLORY.does(log, Act.JOIN)
        with self.store.transaction():
            self.group = self.book.begin(log)
        self.epoch = Epoch(log.group_id, bytes(32), VerifyKey(log.roster.admin_key), tuple(log.heads), NOW)
        self.chain = SendingChain.create(MALLORY.raw, 0, SOURCE.randbytes)
        self.keep(self.chain.following())

    def keep(self, chain: ReceivingChain) -> None:
        row = KeptChain(chain.chain_id, chain.account, chain.slot, chain.signing.raw, chain.encode())
        self.book.store.keep_chain(self.group.group_id, row, NOW)

    def frame(self, kind: FrameKind, body: bytes) -> Taken:
        data = seal_frame(self.epoch.frame_key(DAY), kind, body, draw_nonce(SOURCE.randbytes))
        envelope = mailbox_pb2.StoredEnvelope(slot=SPOKEN_ENTRY, data=data, expires_ms=NOW + 86_400_000)
        with self.store.transaction():
            return self.intake.take(self.group, self.epoch, DAY, envelope, NOW)

    def say(self, said: Said) -> Taken:
        if self.chain.spent:
            self.chain = SendingChain.create(MALLORY.raw, 0, SOURCE.randbytes)
            self.keep(self.chain.following())
        nonce = draw_nonce(SOURCE.randbytes)
        spoken, _, self.chain = self.chain.speak(self.group.group_id, said, nonce[:12])
        data = seal_frame(self.epoch.frame_key(DAY), FrameKind.SPOKEN, spoken, nonce)
        envelope = mailbox_pb2.StoredEnvelope(slot=SPOKEN_ENTRY, data=data, expires_ms=NOW + 86_400_000)
        with self.store.transaction():
            return self.intake.take(self.group, self.epoch, DAY, envelope, NOW)

    def hear(self, sender: Player, message: content_pb2.Group, after=()) -> Taken:
        content, taken = content_pb2.Content(message_id=bytes(16), group=message, after=after), Taken()
        with self.store.transaction():
            self.intake.hear(Peer(sender.account.id, 0), content, taken, NOW, initial=False)
        return taken


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    made = Place(tmp_path_factory.mktemp("group"))
    yield made
    made.store.close()


IDS = st.one_of(st.sampled_from((bytes(16), b"\1" * 16, bytes(32))), st.binary(max_size=40))
ACCOUNTS = st.sampled_from((ALICE.raw, MALLORY.raw, STRANGER.raw, OWN.id.raw, bytes(32), b"short"))
NUMBERS = st.one_of(st.integers(0, 200), st.integers(0, (1 << 32) - 1))
TIMES = st.one_of(st.just(NOW), st.integers(0, (1 << 64) - 1))
HEADS = st.lists(IDS, max_size=4)
RECORDS = st.builds(
    group_pb2.GroupRecords,
    certificates=st.lists(st.binary(max_size=80), max_size=2),
    records=st.lists(
        st.builds(group_pb2.GroupRecord, statement=st.binary(max_size=300), signature=st.binary(max_size=70)),
        max_size=2,
    ),
)
EPOCHS = st.builds(group_pb2.GroupEpoch, secret=IDS, admin_key=ACCOUNTS, heads=HEADS, made_ms=TIMES)
CHAINS = st.builds(group_pb2.GroupChain, chain_id=IDS, signing_key=ACCOUNTS, chain_key=IDS, number=NUMBERS)
PROOFS = st.builds(group_pb2.GroupProof, chain_id=IDS, number=NUMBERS, signature=st.binary(max_size=70), heads=HEADS)
TEXTS = st.builds(
    lambda text, **fields: content_pb2.Content(text=content_pb2.Text(text=text), **fields),
    text=st.text(max_size=9),
    message_id=IDS,
    position=st.integers(0, (1 << 64) - 1),
    sent_ms=TIMES,
    after=HEADS,
    mark=IDS,
)
ENTRIES = st.builds(
    content_pb2.Entry,
    author=ACCOUNTS,
    content=st.one_of(st.binary(max_size=60), TEXTS.map(lambda each: each.SerializeToString())),
    slot=NUMBERS,
    proof=PROOFS,
)
GIVEN = st.builds(content_pb2.Given, entries=st.lists(ENTRIES, max_size=3))
MESSAGES = st.builds(
    content_pb2.Group,
    records=RECORDS,
    epochs=st.lists(EPOCHS, max_size=2),
    chain=st.none() | CHAINS,
    ask=st.none() | st.builds(group_pb2.GroupAsk, heads=HEADS, chain=st.booleans()),
    admin_seed=IDS,
    want=st.none() | st.builds(content_pb2.Want, ids=HEADS),
    given=st.none() | GIVEN,
)
CAREFUL = settings(
    max_examples=examples(100), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@CAREFUL
@given(message=MESSAGES, sender=st.sampled_from((ALICE, MALLORY, STRANGER)), after=HEADS)
def test_malformed_group_message_of_a_session_stops_nothing(place, message, sender, after):
    message.group_id = place.group.group_id
    roster, seed = place.group.roster, place.group.admin_seed
    taken = place.hear(sender, message, after)
    assert place.group.roster == roster and place.group.admin_seed == seed
    if sender is STRANGER:
        assert not taken.answers and not taken.events


@CAREFUL
@given(kind=st.sampled_from(FrameKind), body=st.binary(max_size=200))
def test_malformed_group_frame_stops_nothing(place, kind, body):
    roster = place.group.roster
    assert not place.frame(kind, body).events and place.group.roster == roster


@CAREFUL
@given(content=st.one_of(st.binary(max_size=60), TEXTS.map(lambda each: each.SerializeToString())), heads=HEADS)
def test_malformed_word_of_a_member_stops_nothing(place, content, heads):
    place.say(Said(tuple(each for each in heads if len(each) == 32), content))
    shown = place.intake._conversations.shown(place.group.group_id)
    assert len({(each.author, each.message_id) for each in shown}) == len(shown)


def test_stranger_learns_nothing_and_brings_nobody_into_a_group(place):
    log = founded(STRANGER)
    uninvited = content_pb2.Group(group_id=log.group_id, records=pack(log))
    assert place.hear(STRANGER, uninvited) == Taken()
    ask = content_pb2.Group(group_id=place.group.group_id, ask=group_pb2.GroupAsk(chain=True))
    assert place.hear(STRANGER, ask) == Taken()
    STRANGER.does(log, Act.INVITE, OWN.id.raw)
    invitation = content_pb2.Group(group_id=log.group_id, records=pack(log))
    assert place.hear(MALLORY, invitation) == Taken()  # who is not in it invites nobody
    [event] = place.hear(STRANGER, invitation).events
    assert event.inviter == STRANGER.account.id


def test_member_speaks_for_nobody_else(place):
    """What Mallory gives of Alice counts only with Alice's own proof; hers is none for Alice."""
    content = content_pb2.Content(message_id=b"f" * 16, text=content_pb2.Text(text="forged"), position=1)
    proof = group_pb2.GroupProof(chain_id=place.chain.chain_id, number=0, signature=bytes(64))
    entry = content_pb2.Entry(author=ALICE.raw, content=content.SerializeToString(), slot=0, proof=proof)
    given = content_pb2.Group(group_id=place.group.group_id, given=content_pb2.Given(entries=[entry]))
    taken = place.hear(MALLORY, given)
    assert not taken.events
    [answer] = taken.answers  # Alice is asked herself
    assert answer.peer == Peer(ALICE.account.id, 0)
    assert place.hear(ALICE, given).events


def test_epoch_that_a_device_cannot_open_is_asked_for(place):
    notice = EpochNotice(b"n" * 16, ALICE.raw, 0, place.epoch.admin_key, (), NOW)
    place.frame(FrameKind.ANNOUNCED, Announcement(notice, frozenset()).encode())
    asked = place.intake.questions(place.group)
    assert Peer(ALICE.account.id, 0) in asked


@pytest.fixture
def fresh(tmp_path):
    made = Place(tmp_path)
    yield made
    made.store.close()


def _given(place: Place, giver: Player, heads, made_ms: int = NOW) -> bytes:
    """An epoch that somebody gives over a session; its id."""
    group, secret = place.group, SOURCE.randbytes(32)
    admin_key = group.roster.admin_key
    epoch = group_pb2.GroupEpoch(secret=secret, admin_key=admin_key, heads=heads, made_ms=made_ms)
    place.hear(giver, content_pb2.Group(group_id=group.group_id, epochs=[epoch]))
    return Epoch(group.group_id, secret, VerifyKey(admin_key), tuple(heads), made_ms).epoch_id


def test_who_was_removed_gives_no_epoch_to_speak_in(fresh):
    """Mallory has read the record of the own removal, and is here before it: an epoch that knows of it would fit."""
    theirs = copy(fresh.group.log)
    removal = ALICE.does(theirs, Act.REMOVE, MALLORY.raw)
    early = _given(fresh, MALLORY, [removal.record_id])

    fresh.hear(ALICE, content_pb2.Group(group_id=theirs.group_id, records=pack([removal])))
    with fresh.store.transaction():  # as an announcement in a mailbox of the epoch before
        late = Epoch(theirs.group_id, bytes(32), fresh.epoch.admin_key, (removal.record_id,), NOW)
        fresh.intake._hear_of(fresh.group, late, Peer(MALLORY.account.id, 0), NOW)

    assert not {early, late.epoch_id} & fresh.group.epochs.keys() and fresh.group.epoch is None
    assert _given(fresh, ALICE, [removal.record_id]) == fresh.group.epoch.epoch_id


def test_epoch_counts_once_the_records_are_here_that_it_was_made_with(fresh):
    theirs = copy(fresh.group.log)
    renamed = ALICE.does(theirs, Act.RENAME, b"them")
    made = _given(fresh, ALICE, [renamed.record_id])
    assert made not in fresh.group.epochs

    fresh.hear(MALLORY, content_pb2.Group(group_id=theirs.group_id, records=pack([renamed])))

    assert fresh.group.epoch.epoch_id == made


def test_epoch_is_made_in_no_time_to_come(fresh):
    """Its mailboxes are read from the day on that it was made: else all would speak where nobody reads."""
    made = _given(fresh, MALLORY, fresh.group.log.heads, made_ms=NOW + 365 * 86_400_000)

    assert fresh.group.epochs[made].made_ms == NOW


def test_member_who_gives_many_epochs_pushes_out_their_own(fresh):
    heads = fresh.group.log.heads
    hers = [_given(fresh, ALICE, heads, made_ms=NOW - days * 86_400_000) for days in range(3)]
    flood = [_given(fresh, MALLORY, heads) for _ in range(90)]
    assert len(fresh.group.epochs) == EPOCHS_MAX and set(hers) <= fresh.group.epochs.keys()
    assert flood[-1] in fresh.group.epochs and flood[0] not in fresh.group.epochs

    again = GroupBook(fresh.profile).get(fresh.group.group_id)  # as after a start
    assert (again.epochs, again.heard) == (fresh.group.epochs, fresh.group.heard)
    assert _given(fresh, ALICE, heads, made_ms=NOW - 9 * 86_400_000) in fresh.group.epochs


def test_epoch_in_which_one_speaks_stays_whoever_gave_it(fresh):
    heads = fresh.group.log.heads
    first = _given(fresh, MALLORY, heads)
    chain = SendingChain.create(OWN.id.raw, 0, SOURCE.randbytes)
    with fresh.store.transaction():
        fresh.book.speak(fresh.group, Speaking(chain, first, bytes(32), NOW))
    for _ in range(70):
        _given(fresh, MALLORY, heads)
    assert first in fresh.group.epochs


def test_epochs_that_wait_for_records_are_pushed_out_by_who_gives_many(fresh):
    theirs = copy(fresh.group.log)
    renamed = ALICE.does(theirs, Act.RENAME, b"them")
    hers = _given(fresh, ALICE, [renamed.record_id])
    for _ in range(70):
        _given(fresh, MALLORY, [renamed.record_id])
    fresh.hear(ALICE, content_pb2.Group(group_id=theirs.group_id, records=pack([renamed])))
    assert hers in fresh.group.epochs


def test_epoch_under_an_old_date_lets_no_other_be_forgotten(fresh):
    heads = fresh.group.log.heads
    hers = _given(fresh, ALICE, heads)
    while fresh.group.epoch.epoch_id == hers:
        _given(fresh, MALLORY, heads, made_ms=1)
    with fresh.store.transaction():
        fresh.book.forget_epochs(fresh.group, NOW + EPOCH_KEPT_MS)
        assert hers in fresh.group.epochs
        fresh.book.forget_epochs(fresh.group, NOW + EPOCH_KEPT_MS + 1)
    assert fresh.group.epochs.keys() == {fresh.group.epoch.epoch_id} == fresh.group.heard.keys()


def test_member_silences_nobody_by_taking_the_id_of_their_chain(fresh):
    chain = SendingChain.create(ALICE.raw, 0, SOURCE.randbytes)
    for player in (MALLORY, ALICE):
        own = (
            SendingChain.create(player.raw, 0, SOURCE.randbytes).following() if player is MALLORY else chain.following()
        )
        given = group_pb2.GroupChain(
            chain_id=chain.chain_id, signing_key=own.signing.raw, chain_key=own.key, number=own.number
        )
        fresh.hear(player, content_pb2.Group(group_id=fresh.group.group_id, chain=given))
    content = content_pb2.Content(message_id=b"a" * 16, text=content_pb2.Text(text="hello"), position=1)

    nonce = draw_nonce(SOURCE.randbytes)
    spoken, _, _ = chain.speak(fresh.group.group_id, Said((), content.SerializeToString()), nonce[:12])
    data = seal_frame(fresh.epoch.frame_key(DAY), FrameKind.SPOKEN, spoken, nonce)
    envelope = mailbox_pb2.StoredEnvelope(slot=SPOKEN_ENTRY, data=data, expires_ms=NOW + 86_400_000)
    with fresh.store.transaction():
        taken = fresh.intake.take(fresh.group, fresh.epoch, DAY, envelope, NOW)

    assert len(taken.events) == 1


def test_frames_that_wait_are_bounded(place):
    with place.store.transaction():
        for number in range(1_100):
            place.book.store.wait(place.group.group_id, bytes(12), b"%d" % number, NOW + 1, 1_024)
    assert len(place.book.store.waiting(place.group.group_id)) == 1_024
