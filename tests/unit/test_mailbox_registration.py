"""What a registration must be, before any member keeps it; and whom a command line names as an endpoint."""

import json
from base64 import urlsafe_b64encode
from dataclasses import replace
from pathlib import Path

import pytest

from essaim.protocol.errors import ProtocolError
from essaim.protocol.keys import SigningKey
from essaim.protocol.mailbox.authorization import Act, Method
from essaim.protocol.mailbox.payload import registration_hash
from essaim.protocol.mailbox.policy import Policy
from essaim.protocol.mailbox.record import RegistrationRecord, record_id, verify_record
from essaim.protocol.mailbox.slot_record import SlotRecord
from essaim.protocol.push.endpoint import Apns, Fcm, Webhook, WebPush
from essaim.protocol.push.web_push import private_key, public_bytes
from essaim_client.cli.push import _endpoint
from essaim_storage.wire import record_from_proto, record_to_proto

NOW, DAY_MS = 1_800_000_000_000, 86_400_000
TODAY = NOW // DAY_MS
OWNER, WRITER, DEVICE = (SigningKey(bytes((n,)) * 32) for n in (1, 2, 3))
INBOX, PRIVATE = Policy.public_inbox(OWNER.public), Policy.private_inbox(OWNER.public, WRITER.public)
GROUP, PLACE = Policy.group(OWNER.public, WRITER.public, DEVICE.public), b"p" * 32


def registration(
    policy: Policy = INBOX,
    *,
    slot: bytes = b"\0",
    day: int = TODAY,
    whom: bytes = b"w" * 67,
    signer: SigningKey = OWNER,
    time_ms: int = NOW,
    slot_record: bytes = b"",
) -> RegistrationRecord:
    act = Act(policy, Method.REGISTER_PUSH, slot, registration_hash(slot, day, whom))
    return RegistrationRecord(policy, slot, day, whom, act.authorize(signer, time_ms, bytes(16), slot_record))


def refused(record: RegistrationRecord) -> str:
    with pytest.raises(ProtocolError) as caught:
        verify_record(record, NOW)
    return caught.value.reason


def test_owner_and_slot_key_register_in_inboxes() -> None:
    named = SlotRecord.sign(OWNER, INBOX.mailbox_id, 0, DEVICE.public, 1).encoded
    for record in (
        registration(),
        registration(PRIVATE),
        registration(signer=DEVICE, slot_record=named),
        registration(whom=b""),
        registration(day=TODAY + 61),
        registration(day=TODAY - 2),
        registration(GROUP, slot=PLACE),
        registration(GROUP, slot=b"!" * 32, whom=b""),
    ):
        verify_record(record, NOW)


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        (registration(signer=DEVICE), "NOT_AUTHORIZED"),
        (registration(PRIVATE, signer=WRITER), "NOT_AUTHORIZED"),
        (registration(slot=b"\5"), "SLOT_REFUSED"),
        (registration(slot=b"manifest"), "SLOT_REFUSED"),
        (registration(whom=b"w" * 257), "REGISTRATION_REFUSED"),
        (registration(day=TODAY + 62), "EXPIRY_REFUSED"),
        (registration(day=TODAY - 3), "EXPIRY_REFUSED"),
        (registration(time_ms=NOW + 601_000), "EXPIRY_REFUSED"),
        (replace(registration(), registration=b"x"), "NOT_AUTHORIZED"),
        (registration(Policy.outbox(OWNER.public)), "METHOD_REFUSED"),
        (registration(Policy.blob(OWNER.public, bytes(4_096))), "METHOD_REFUSED"),
        (registration(GROUP, slot=PLACE, signer=WRITER), "NOT_AUTHORIZED"),
        (registration(GROUP, slot=PLACE, signer=DEVICE), "NOT_AUTHORIZED"),
        (registration(GROUP), "SLOT_REFUSED"),
        (registration(GROUP, slot=b"spoken"), "SLOT_REFUSED"),
        (registration(GROUP, slot=b"p" * 33), "SLOT_REFUSED"),
        (registration(GROUP, slot=b" " * 32), "SLOT_REFUSED"),
        (replace(registration(GROUP, slot=PLACE), slot=b"q" * 32), "NOT_AUTHORIZED"),
    ],
)
def test_other_registrations_are_refused(record: RegistrationRecord, reason: str) -> None:
    assert refused(record) == reason


def test_slot_key_of_another_slot_is_refused() -> None:
    named = SlotRecord.sign(OWNER, INBOX.mailbox_id, 1, DEVICE.public, 1).encoded
    assert refused(registration(signer=DEVICE, slot_record=named)) == "SLOT_RECORD_REFUSED"


def test_registration_comes_back_from_the_wire_as_it_was() -> None:
    record = registration()
    again = record_from_proto(record_to_proto(record))

    assert again == record and record_id(again) == record_id(record)


def test_registration_wakes_from_the_day_before_to_two_days_after() -> None:
    record = registration(day=TODAY)
    days = [day for day in range(-4, 6) if record.wakes((TODAY + day) * DAY_MS)]

    assert days == [-1, 0, 1, 2]
    assert not registration(whom=b"").wakes(NOW)


def test_command_line_takes_one_endpoint_of_each_kind(tmp_path: Path) -> None:
    def endpoint(web_push: Path | None = None, **given: str) -> object:
        webhook, secret = given.get("webhook"), given.get("secret")
        return _endpoint(webhook, secret, web_push, given.get("apns"), given.get("fcm"), sandbox=False)

    keys = {"p256dh": public_bytes(private_key(b"k" * 48).public_key()), "auth": b"a" * 16}
    subscription = {
        "endpoint": "https://push.example.org/x",
        "keys": {name: urlsafe_b64encode(key).decode().rstrip("=") for name, key in keys.items()},
    }
    (tmp_path / "good").write_text(json.dumps(subscription))
    (tmp_path / "bad").write_text("{}")

    assert isinstance(endpoint(webhook="https://bot.example.org/"), Webhook)
    assert isinstance(endpoint(apns="ab" * 32), Apns)
    assert isinstance(endpoint(fcm="f" * 40), Fcm)
    assert isinstance(endpoint(tmp_path / "good"), WebPush)
    wrong: list[dict[str, str]] = [
        {},
        {"apns": "no hex"},
        {"fcm": ""},
        {"webhook": "ftp://x"},
        {"apns": "ab" * 32, "fcm": "f" * 40},
        {"webhook": "https://bot.example.org/", "secret": "%"},
    ]
    for given in wrong:
        with pytest.raises(ProtocolError):
            endpoint(**given)
    with pytest.raises(ProtocolError):
        endpoint(tmp_path / "bad")
