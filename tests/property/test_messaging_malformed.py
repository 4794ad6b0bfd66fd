"""Whatever a contact, a stranger or an own device puts into a content: nothing stops the device that opens it."""

import random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from essaim.messaging.v1 import content_pb2
from essaim.protocol.account import Account
from essaim.protocol.conversation import Device, Opened, Peer
from essaim.protocol.errors import ProtocolError
from essaim.protocol.linking import Newcomer, Sponsor
from essaim.protocol.moving import Move
from essaim.protocol.private_inbox import Capability
from essaim.testing.effort import examples
from essaim_client.messaging.address_book import AddressBook
from essaim_client.messaging.agreement import Agreement
from essaim_client.messaging.conversations import Conversations
from essaim_client.messaging.intake import Intake
from essaim_client.messaging.own_inbox import GIVEN as GIVEN_TO
from essaim_client.messaging.own_inbox import INBOX, SLOTS, OwnInbox
from essaim_client.messaging.profile import Profile
from essaim_client.messaging.vigil import Vigil
from essaim_client.store.local_store import LocalStore

NOW = 1_800_000_000_000
SOURCE = random.Random(20261123).randbytes
OWN, OTHER = Account(bytes(range(32))), Account(bytes(32))

IDS = st.one_of(st.sampled_from((b"", bytes(16), b"\1" * 16, b"\2" * 16)), st.binary(max_size=40))
KEYS = st.sampled_from((OWN.id.raw, OTHER.id.raw, bytes(32), b"short", b""))
BYTES = st.integers(0, 255)
NUMBERS = st.one_of(st.integers(0, 9), st.integers(0, (1 << 64) - 1))
TEXTS = st.text(max_size=20)
DISAPPEARING = st.builds(content_pb2.Disappearing, after_ms=NUMBERS, once_read=st.booleans())
CAPABILITY = Capability.make(OTHER, bytes(32), NOW, 20_900).encode()
CAPABILITIES = st.one_of(
    st.binary(max_size=90),
    st.builds(lambda at, byte: CAPABILITY[:at] + bytes((byte,)) + CAPABILITY[at + 1 :], st.integers(0, 84), BYTES),
)
BODIES = st.one_of(
    st.fixed_dictionaries({"text": st.builds(content_pb2.Text, text=TEXTS, reply_to=IDS)}),
    st.fixed_dictionaries({"reaction": st.builds(content_pb2.Reaction, target=IDS, emoji=TEXTS)}),
    st.fixed_dictionaries({"edit": st.builds(content_pb2.Edit, target=IDS, text=TEXTS)}),
    st.fixed_dictionaries({"unsend": st.builds(content_pb2.Unsend, target=IDS)}),
    st.fixed_dictionaries({"timer": st.builds(content_pb2.Timer, disappearing=DISAPPEARING)}),
    st.fixed_dictionaries({"moved": st.builds(content_pb2.Moved, statement=st.binary(max_size=250))}),
    st.fixed_dictionaries({"renewal": st.builds(content_pb2.Renewal)}),
    st.fixed_dictionaries({"summary": st.builds(content_pb2.Summary)}),
    st.fixed_dictionaries({"want": st.builds(content_pb2.Want, ids=st.lists(IDS, max_size=70))}),
    st.fixed_dictionaries({"receipt": st.builds(content_pb2.Receipt, position=NUMBERS)}),
    st.fixed_dictionaries({"typing": st.builds(content_pb2.Typing, stopped=st.booleans())}),
    st.fixed_dictionaries({"private_inbox": st.builds(content_pb2.PrivateInbox, capability=CAPABILITIES)}),
    st.fixed_dictionaries({"late": st.builds(content_pb2.Late, days=st.lists(st.integers(0, (1 << 32) - 1)))}),
)
CONTENTS = st.builds(
    lambda body, **fields: content_pb2.Content(**body, **fields),
    BODIES,
    message_id=IDS,
    sent_ms=NUMBERS,
    position=NUMBERS,
    after=st.lists(IDS, max_size=12),
    disappearing=st.none() | DISAPPEARING,
    mark=IDS,
    reads=IDS,
)
ENTRIES = st.builds(
    lambda content, author, slot: content_pb2.Entry(author=author, content=content, slot=slot),
    st.one_of(st.binary(max_size=60), CONTENTS.map(lambda each: each.SerializeToString())),
    KEYS,
    st.integers(0, (1 << 32) - 1),
)
GONE = st.builds(content_pb2.Gone, message_id=IDS, after=st.lists(IDS, max_size=12))
GIVEN = st.builds(content_pb2.Given, entries=st.lists(ENTRIES, max_size=4), gone=st.lists(GONE, max_size=4))
HEADS = st.builds(content_pb2.Heads, conversation=KEYS, after=st.lists(IDS, max_size=12))
SYNCS = st.one_of(
    st.builds(content_pb2.Sync, conversation=KEYS, entry=ENTRIES),
    st.builds(content_pb2.Sync, conversation=KEYS, want=st.builds(content_pb2.Want, ids=st.lists(IDS, max_size=5))),
    st.builds(content_pb2.Sync, conversation=KEYS, given=GIVEN),
    st.builds(
        content_pb2.Sync,
        conversations=st.builds(content_pb2.Conversations, heads=st.lists(HEADS, max_size=4), answer=st.booleans()),
    ),
    st.builds(content_pb2.Sync, configuration=st.binary(max_size=80)),
)


@pytest.fixture(scope="module")
def intake(tmp_path_factory):
    store = LocalStore(tmp_path_factory.mktemp("intake") / "store.db", bytes(32))
    profile = Profile.begin(OWN, store, Device.create(OWN, 0, NOW, SOURCE))
    agreement = Agreement(profile, lambda: NOW)
    conversations = Conversations(profile, agreement, lambda: NOW, SOURCE)
    own = OwnInbox(profile, agreement, SOURCE)
    own.keep(NOW)
    book, vigil = AddressBook(profile, own), Vigil(profile, agreement)
    yield Intake(profile, agreement, conversations, vigil, book), profile, agreement, conversations, book, own
    store.close()


def take(parts, sender: Account, slot: int, content: bytes, contact: bool) -> None:
    intake, profile, agreement, conversations, book, _ = parts
    with profile.store.transaction():
        if contact and not agreement.is_contact(sender.id):
            agreement.accept(sender.id)
        elif not contact and sender is not OWN:
            agreement.remove(sender.id)
        taken = intake.take(Opened(Peer(sender.id, slot), content, (), initial=False), NOW)
        assert contact or sender is OWN or not taken.answers  # a stranger is told nothing
        for raw in profile.store.history.conversations():
            shown = conversations.shown(raw)
            assert len({(each.author, each.message_id) for each in shown}) == len(shown)
        conversations.purge()
        for account in (OWN.id, OTHER.id):
            assert book.address(account, slot, NOW).policy.mailbox_id


CAREFUL = settings(
    max_examples=examples(150), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@CAREFUL
@given(content=CONTENTS, contact=st.booleans())
def test_malformed_content_of_another_stops_nothing(intake, content, contact):
    take(intake, OTHER, 0, content.SerializeToString(), contact)


@CAREFUL
@given(given=GIVEN, contact=st.booleans())
def test_malformed_given_of_another_stops_nothing(intake, given, contact):
    take(intake, OTHER, 0, content_pb2.Content(message_id=bytes(16), given=given).SerializeToString(), contact)


@CAREFUL
@given(sync=SYNCS, sender=st.sampled_from((OWN, OTHER)))
def test_malformed_sync_stops_nothing(intake, sync, sender):
    take(intake, sender, 1, content_pb2.Content(message_id=bytes(16), sync=sync).SerializeToString(), True)


@CAREFUL
@given(data=st.binary(max_size=120), sender=st.sampled_from((OWN, OTHER)))
def test_malformed_bytes_for_a_content_stop_nothing(intake, data, sender):
    take(intake, sender, 1, data, True)


@CAREFUL
@given(data=st.binary(max_size=300))
def test_malformed_link_messages_and_statements_are_refused(data):
    sponsor = Sponsor(Newcomer(SOURCE).code, SOURCE)
    for read in (lambda: sponsor.offer(data, OWN.id), lambda: Newcomer(SOURCE).offered(data), lambda: Move.check(data)):
        with pytest.raises(ProtocolError):
            read()


@CAREFUL
@given(
    prefix=st.sampled_from((INBOX, GIVEN_TO, SLOTS)),
    rest=st.binary(max_size=40),
    value=st.binary(max_size=120) | CAPABILITIES,
)
def test_malformed_registers_of_the_private_inbox_stop_nothing(intake, prefix, rest, value):
    _, profile, agreement, _, book, own = intake
    with agreement.changing() as (state, now):
        state.write(prefix + rest, value, now)
    own.keep(NOW)
    assert own.current() is not None and own.lacking() is not None
    for access in (*own.open(NOW), *own.over(NOW)):
        assert own.access_of(access.policy.mailbox_id, NOW) == access
    assert book.address(OWN.id, profile.device.slot, NOW).policy.mailbox_id
