"""APNs against a contract server of its own process: HTTP/2, TLS, Apple's checks, and every row of Apple's table."""

import asyncio
import logging
from base64 import b64decode, b64encode
from collections import Counter

import pytest

from essaim.protocol.push.endpoint import Apns
from essaim_push.providers.outcome import Delivered, Gone, Rejected, Rejection, Retry, Trouble
from push_receiver.apns_table import ROWS
from push_receivers import outcome, providers, receiver

CREDENTIALS, MALFORMED, DOWN = Retry(Trouble.CREDENTIALS), Rejected(Rejection.MALFORMED), Retry(Trouble.DOWN)
MEANT = {
    **dict.fromkeys(("BadDeviceToken", "DeviceTokenNotForTopic", "Unregistered", "ExpiredToken"), Gone()),
    "ExpiredProviderToken": Retry(Trouble.TOKEN),
    "IdleTimeout": Retry(Trouble.BROKEN),
    "TooManyProviderTokenUpdates": Retry(Trouble.THROTTLED, 1_200.0),
    "TooManyRequests": Retry(Trouble.THROTTLED),
    "PayloadTooLarge": Rejected(Rejection.TOO_LARGE),
    **dict.fromkeys(("InternalServerError", "ServiceUnavailable", "Shutdown"), DOWN),
    **dict.fromkeys(
        (
            *(
                "BadTopic",
                "MissingTopic",
                "TopicDisallowed",
                "BadCertificate",
                "BadCertificateEnvironment",
                "Forbidden",
            ),
            *("InvalidProviderToken", "MissingProviderToken", "UnrelatedKeyIdInToken", "BadEnvironmentKeyIdInToken"),
        ),
        CREDENTIALS,
    ),
}
"""What a row means for a wake; those that are not here say that our request is wrong."""


@pytest.fixture(scope="module")
def apple(tmp_path_factory):
    with receiver("apns", tmp_path_factory.mktemp("apns")) as running:
        yield running


def of_apple(apple, folder, **settings):
    about = apple.about
    named = {name: about[name] for name in ("apns_key_id", "apns_team", "apns_topic")}
    urls = {"apns_url": about["url"], "apns_sandbox_url": about["url"]}
    told = {"ca": about["ca"], "apns_key": about["credentials"], **named, **urls}
    return providers(folder, **{**told, **settings})


@pytest.fixture
async def sender(apple, tmp_path):
    await apple.forget()
    async with of_apple(apple, tmp_path) as made:
        yield made


@pytest.fixture
def device(apple):
    return Apns(bytes.fromhex(apple.about["live"]))


async def test_apns_takes_what_is_sent(apple, sender, device):
    preview = bytes(range(256)) * 10 + bytes(240)
    assert await outcome(sender, device) == Delivered()
    assert await outcome(sender, device, preview=preview, ttl=0) == Delivered()

    quiet, previewed = await apple.received()
    assert quiet["payload"] == {"aps": {"alert": {"title-loc-key": "ESSAIM_WAKE"}, "mutable-content": 1}}
    assert b64decode(previewed["payload"]["essaim"]) == preview and len(preview) == 2_800
    headers = quiet["headers"]
    assert (headers["apns-push-type"], headers["apns-priority"], headers["apns-collapse-id"]) == (
        "alert",
        "10",
        "topic-1",
    )
    assert int(headers["apns-expiration"]) > 0 and previewed["headers"]["apns-expiration"] == "0"


async def test_apns_device_that_has_no_app_any_more_is_gone(apple, sender):
    assert await outcome(sender, Apns(bytes.fromhex(apple.about["gone"]))) == Gone()
    assert await outcome(sender, Apns(bytes(32))) == Gone()  # never was one
    assert [each["refused"] for each in await apple.received()] == ["Unregistered", "BadDeviceToken"]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.reason)
async def test_apns_row_has_its_meaning(apple, sender, device, row):
    assert row.page.startswith("https://developer.apple.com/documentation/")
    await apple.plan(row=row.reason)

    assert await outcome(sender, device) == MEANT.get(row.reason, MALFORMED)
    assert await outcome(sender, device) == Delivered()


@pytest.mark.parametrize(
    ("step", "expected"),
    [
        ({"reset": True}, Retry(Trouble.BROKEN)),
        ({"reset_stream": True}, Retry(Trouble.BROKEN)),
        ({"goaway": True}, Delivered()),
        ({"status": 200, "huge_body": 50_000}, Delivered()),
        ({"status": 503, "headers": {"Retry-After": "30"}}, Retry(Trouble.THROTTLED, 30.0)),
        ({"status": 302, "headers": {"Location": "https://127.0.0.1/"}}, Rejected(Rejection.REDIRECT)),
    ],
)
async def test_apns_that_misbehaves(apple, sender, device, step, expected):
    await apple.plan(**step)

    assert await outcome(sender, device) == expected
    assert await outcome(sender, device) == Delivered()


async def test_apns_that_is_slow_is_left_in_time(apple, tmp_path, device):
    async with of_apple(apple, tmp_path, endpoint_seconds=0.5) as hurried, asyncio.timeout(3):
        assert await outcome(hurried, device) == Delivered()
        await apple.plan(delay=30)
        assert await outcome(hurried, device) == Retry(Trouble.TIMEOUT)
        assert await outcome(hurried, device) == Delivered()


async def test_apns_that_is_down_is_tried_again(apple, tmp_path, device):
    async with of_apple(apple, tmp_path, apns_url="https://localhost:1025") as nowhere:
        assert await outcome(nowhere, device) == Retry(Trouble.UNREACHABLE)


async def test_apns_that_is_somebody_else_is_not_trusted(apple, tmp_path, device):
    async with of_apple(apple, tmp_path, ca="") as stranger:
        assert await outcome(stranger, device) == Retry(Trouble.UNREACHABLE)


async def test_apns_key_that_is_not_known_is_the_operators_matter(apple, tmp_path, device):
    for wrong in ({"apns_key_id": "ZZZ123ZZZZ"}, {"apns_team": "ZZZ123ZZZZ"}, {"apns_topic": "org.example.other"}):
        async with of_apple(apple, tmp_path, **wrong) as unknown:
            assert await outcome(unknown, device) == CREDENTIALS


async def test_apns_wakes_share_a_connection_and_a_token(apple, sender, device):
    """As many at once as Apple allows: one until a token was good, then a hundred."""
    sending = (outcome(sender, device, topic=f"t{number}", preview=bytes(2_800)) for number in range(300))

    assert Counter(await asyncio.gather(*sending)) == {Delivered(): 300}
    assert len({each["connection"] for each in await apple.received()}) == 1


async def test_apns_calls_that_nobody_waits_for_take_no_room(apple, tmp_path, device):
    """More of them, in the end, than a connection has streams; between them it goes on, and after them too."""
    await apple.forget()
    async with of_apple(apple, tmp_path, endpoint_seconds=2.0) as hurried:
        assert await outcome(hurried, device) == Delivered()
        for _ in range(2):
            await apple.plan(delay=600, times=60)
            slow = [asyncio.create_task(outcome(hurried, device)) for _ in range(60)]
            while await apple.call("GET", "/waiting") != 60:
                assert not any(each.done() for each in slow)
            assert await outcome(hurried, device) == Delivered()
            assert Counter(await asyncio.gather(*slow)) == {Retry(Trouble.TIMEOUT): 60}
        assert await outcome(hurried, device) == Delivered()
        assert len({each["connection"] for each in await apple.received() if "connection" in each}) == 1


async def test_apns_connection_that_is_dead_is_left(apple, tmp_path, device):
    """Nothing comes, nothing ends: after one call in vain the next has another connection."""
    await apple.forget()
    async with of_apple(apple, tmp_path, endpoint_seconds=0.5) as hurried:
        assert await outcome(hurried, device) == Delivered()
        await apple.plan(mute=True)
        assert await outcome(hurried, device) == Retry(Trouble.TIMEOUT)
        assert await outcome(hurried, device) == Delivered()
    assert len({each["connection"] for each in await apple.received()}) == 2


async def test_apns_token_of_a_slow_clock_is_refused_and_not_renewed_at_once(apple, tmp_path, device):
    """Two hours slow: Apple calls the token expired. Another one so soon would be one update too many."""
    async with of_apple(apple, tmp_path, skew_ms=-2 * 3_600_000) as slow:
        assert [await outcome(slow, device) for _ in range(2)] == [Retry(Trouble.TOKEN)] * 2


async def test_apns_says_nothing_of_its_device(caplog, capfd, apple, sender, device):
    caplog.set_level(logging.DEBUG)
    for step in ({"reset": True}, {"status": 500}, {"goaway": True}, {}):
        await apple.plan(**step)
        await outcome(sender, device, preview=b"previewed")
    told = " ".join(f"{each.getMessage()} {each.exc_info}" for each in caplog.records) + "".join(capfd.readouterr())

    for secret in (device.device_token.hex(), "bearer ", "previewed", b64encode(b"previewed").decode()):
        assert secret not in told
