"""What a later version may add to wire v1 (docs/protocol/README.md), as this version meets it."""

import random

import pytest

from essaim.messaging.v1 import configuration_pb2, content_pb2
from essaim.protocol.account import Account
from essaim.protocol.configuration import Configuration
from essaim.protocol.conversation import Device, Opened, Peer
from essaim.protocol.geometry import Suite
from essaim.protocol.link.frame import Challenge, Hello
from essaim.protocol.link.hello import admit
from essaim.protocol.link.refusal import HelloRefusedError
from essaim.protocol.mailbox.policy import Policy, PolicyMalformedError
from essaim.protocol.view import Parameters
from essaim_client.messaging.address_book import AddressBook
from essaim_client.messaging.agreement import Agreement
from essaim_client.messaging.conversations import Conversations
from essaim_client.messaging.intake import Intake
from essaim_client.messaging.own_inbox import OwnInbox
from essaim_client.messaging.profile import Profile
from essaim_client.messaging.vigil import Vigil
from essaim_client.store.local_store import LocalStore

NOW = 1_800_000_000_000
SOURCE = random.Random(20261125).randbytes
OWN, OTHER = Account(bytes(range(32))), Account(bytes(32))
LATER = b"\xea\x07\x05later"
"""Field 125 of any message."""


@pytest.fixture
def device(tmp_path):
    store = LocalStore(tmp_path / "store.db", bytes(32))
    profile = Profile.begin(OWN, store, Device.create(OWN, 0, NOW, SOURCE))
    agreement = Agreement(profile, lambda: NOW)
    agreement.accept(OTHER.id)
    conversations = Conversations(profile, agreement, lambda: NOW, SOURCE)
    book = AddressBook(profile, OwnInbox(profile, agreement, SOURCE))
    yield Intake(profile, agreement, conversations, Vigil(profile, agreement), book), profile, conversations
    store.close()


def taken(device, content: bytes) -> list[str]:
    """The texts of the conversation after a contact's content."""
    intake, profile, conversations = device
    with profile.store.transaction():
        intake.take(Opened(Peer(OTHER.id, 0), content, (), initial=False), NOW)
    return [each.text for each in conversations.shown(OTHER.id.raw)]


def content(number: int) -> content_pb2.Content:
    return content_pb2.Content(message_id=bytes([number]) * 16, sent_ms=NOW, position=number)


def test_kind_of_content_that_is_not_known_is_dropped(device) -> None:
    assert taken(device, content(1).SerializeToString() + LATER) == []
    known = content(2)
    known.text.text = "hello"
    assert taken(device, known.SerializeToString()) == ["hello"]


def test_text_with_a_field_that_is_not_known_is_shown_and_kept_as_it_came(device) -> None:
    known = content(1)
    known.text.text = "hello"
    came = known.SerializeToString() + LATER
    assert taken(device, came) == ["hello"]
    assert [entry.content for entry in device[1].store.history.entries()] == [came]


def test_onion_suite_that_is_not_known_is_passed_over() -> None:
    message = Parameters().to_message()
    message.suites[:] = [9, Suite.HYBRID]
    assert Parameters.from_message(message).suites == (Suite.HYBRID,)


def test_register_that_is_not_known_is_handed_on() -> None:
    state = configuration_pb2.Configuration()
    state.registers.add(key=b"later/thing", value=b"x", time_ms=5, device_id=bytes(16))
    own = Configuration(bytes(16))
    own.write(b"name/" + OTHER.id.raw, b"Bob", NOW)
    own.merge(Configuration.decode(state.SerializeToString(), bytes(16)))
    assert own.value(b"later/thing") == b"x"
    assert b"later/thing" in own.encode()


def test_kind_of_mailbox_and_version_of_a_link_are_closed() -> None:
    policy = Policy.outbox(OWN.id.identity).encoded
    with pytest.raises(PolicyMalformedError):
        Policy.parse(b"\x09" + policy[1:])
    hello = Hello(2, 0, bytes(32), bytes(32), 0, bytes(64))
    with pytest.raises(HelloRefusedError):
        admit(hello, Challenge(bytes(32), NOW), bytes(32), 0, lambda node_id: True)
