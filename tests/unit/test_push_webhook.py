"""Webhook signatures, against the library of the specification's authors."""

from datetime import UTC, datetime

import pytest
import standardwebhooks.webhooks as foreign

from essaim.protocol.push.webhook import (
    SIGNATURE,
    TIMESTAMP,
    Replays,
    WebhookRefusedError,
    WebhookReplayError,
    WebhookStaleError,
    read_secret,
    secret_text,
    sign,
    verify,
)

SECRET = bytes(range(32))
NOW = 1_795_430_400
BODY = b'{"type":"essaim.wake"}'


def test_webhook_signature_is_that_of_a_foreign_library():
    theirs = foreign.Webhook(secret_text(SECRET)).sign("wake-1", datetime.fromtimestamp(NOW, UTC), BODY.decode())

    assert sign(SECRET, "wake-1", NOW, BODY)[SIGNATURE] == theirs


def test_webhook_signature_of_the_specification():
    """The example that Standard Webhooks and its libraries' tests share."""
    secret = read_secret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    headers = sign(secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, b'{"test": 2432232314}')

    assert headers[SIGNATURE] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


@pytest.mark.parametrize("shift", [-300, 0, 300])
def test_webhook_within_five_minutes_is_taken(shift: int):
    assert verify(SECRET, sign(SECRET, "wake-1", NOW, BODY), BODY, NOW + shift) == "wake-1"


@pytest.mark.parametrize("shift", [-301, 301, 10**9])
def test_webhook_of_another_time_is_refused(shift: int):
    with pytest.raises(WebhookStaleError):
        verify(SECRET, sign(SECRET, "wake-1", NOW, BODY), BODY, NOW + shift)


def test_webhook_with_a_second_signature_is_taken():
    headers = sign(SECRET, "wake-1", NOW, BODY)
    headers[SIGNATURE] = f"v1,AAAA {headers[SIGNATURE]}"

    assert verify(SECRET, headers, BODY, NOW) == "wake-1"


@pytest.mark.parametrize(
    "change",
    [
        {TIMESTAMP: str(NOW + 1)},
        {TIMESTAMP: f"{NOW}.0"},
        {"webhook-id": "wake-2"},
        {"webhook-id": "wake-1."},
        {SIGNATURE: ""},
        {SIGNATURE: "v1,"},
        {SIGNATURE: "v1,é"},
    ],
)
def test_webhook_that_was_changed_is_refused(change: dict[str, str]):
    with pytest.raises(WebhookRefusedError):
        verify(SECRET, sign(SECRET, "wake-1", NOW, BODY) | change, BODY, NOW)


def test_webhook_with_another_body_or_secret_is_refused():
    headers = sign(SECRET, "wake-1", NOW, BODY)

    for secret, body in ((SECRET, BODY + b" "), (bytes(32), BODY)):
        with pytest.raises(WebhookRefusedError):
            verify(secret, headers, body, NOW)


def test_webhook_is_taken_once():
    replays = Replays(most=2)
    for wake in ("one", "two"):
        replays.check(wake)

    with pytest.raises(WebhookReplayError):
        replays.check("one")
    replays.check("three")
    replays.check("one")  # forgotten by now: three is more than two
