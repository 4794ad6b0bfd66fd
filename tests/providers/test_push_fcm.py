"""FCM against a contract server of its own process: HTTP/2, TLS, OAuth, and every row of the vendor's table."""

import asyncio
import logging
from base64 import b64decode, b64encode
from collections import Counter
from pathlib import Path

import pytest

from essaim.protocol.push.endpoint import Fcm
from essaim_push.providers.outcome import Delivered, Gone, Rejected, Rejection, Retry, Trouble
from push_receiver.fcm_table import ROWS
from push_receivers import outcome, providers, receiver

MEANT = {
    "UNSPECIFIED_ERROR": Retry(Trouble.DOWN),
    "INVALID_ARGUMENT": Gone(),
    "BAD_FIELD": Rejected(Rejection.MALFORMED),
    "UNREGISTERED": Gone(),
    "SENDER_ID_MISMATCH": Rejected(Rejection.UNAUTHORIZED),
    "QUOTA_EXCEEDED": Retry(Trouble.THROTTLED, 60.0),
    "UNAVAILABLE": Retry(Trouble.DOWN),
    "INTERNAL": Retry(Trouble.DOWN),
    "THIRD_PARTY_AUTH_ERROR": Retry(Trouble.CREDENTIALS),
    "UNAUTHENTICATED": Retry(Trouble.TOKEN),
    "PERMISSION_DENIED": Retry(Trouble.CREDENTIALS),
    "NOT_FOUND": Retry(Trouble.CREDENTIALS),
}


@pytest.fixture(scope="module")
def google(tmp_path_factory):
    with receiver("fcm", tmp_path_factory.mktemp("fcm")) as running:
        running.account = Path(running.about["credentials"]).read_text()
        yield running


def of_google(google, folder, **settings):
    about = google.about
    told = {"ca": about["ca"], "fcm_account": about["credentials"], "fcm_url": about["url"]}
    return providers(folder, **{**told, **settings})


@pytest.fixture
async def sender(google, tmp_path):
    await google.forget()
    async with of_google(google, tmp_path) as made:
        yield made


@pytest.fixture
def device(google):
    return Fcm(google.about["live"])


async def sent(google):
    return [each["message"] for each in await google.received() if "message" in each]


async def test_fcm_takes_what_is_sent(google, sender, device):
    preview = bytes(range(256)) * 10 + bytes(240)
    assert await outcome(sender, device, ttl=77) == Delivered()
    assert await outcome(sender, device, preview=preview) == Delivered()

    quiet, previewed = await sent(google)
    assert quiet == {
        "token": google.about["live"],
        "data": {"essaim": ""},
        "android": {"priority": "HIGH", "ttl": "77s", "collapse_key": "wake"},
    }
    assert b64decode(previewed["data"]["essaim"]) == preview and len(preview) == 2_800
    assert previewed["android"]["collapse_key"] == "topic-1"


async def test_fcm_token_of_no_app_is_gone(google, sender):
    assert await outcome(sender, Fcm(google.about["gone"])) == Gone()
    assert await outcome(sender, Fcm("never-was-a-token-of-anybody")) == Gone()


async def test_fcm_token_of_another_sender_is_rejected(google, sender):
    assert await outcome(sender, Fcm(google.about["foreign"])) == Rejected(Rejection.UNAUTHORIZED)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
async def test_fcm_row_has_its_meaning(google, sender, device, row):
    assert row.page.startswith(("https://firebase.google.com/docs/", "https://cloud.google.com/"))
    assert await outcome(sender, device) == Delivered()
    await google.plan(row=row.name)

    assert await outcome(sender, device) == MEANT[row.name]
    assert await outcome(sender, device) == Delivered()


async def test_fcm_says_when_to_come_back(google, sender, device):
    assert await outcome(sender, device) == Delivered()
    for row, status in (("QUOTA_EXCEEDED", Trouble.THROTTLED), ("UNAVAILABLE", Trouble.THROTTLED)):
        await google.plan(row=row, headers={"Retry-After": "17"})
        assert await outcome(sender, device) == Retry(status, 17.0)


@pytest.mark.parametrize(
    ("step", "expected"),
    [
        ({"reset": True}, Retry(Trouble.BROKEN)),
        ({"reset_stream": True}, Retry(Trouble.BROKEN)),
        ({"goaway": True}, Delivered()),
        ({"status": 502}, Retry(Trouble.DOWN)),
        ({"status": 200, "huge_body": 50_000}, Delivered()),
    ],
)
async def test_fcm_that_misbehaves(google, sender, device, step, expected):
    assert await outcome(sender, device) == Delivered()
    await google.plan(**step)

    assert await outcome(sender, device) == expected
    assert await outcome(sender, device) == Delivered()


async def test_fcm_that_is_slow_is_left_in_time(google, tmp_path, device):
    async with of_google(google, tmp_path, endpoint_seconds=0.5) as hurried, asyncio.timeout(3):
        assert await outcome(hurried, device) == Delivered()
        await google.plan(delay=30)
        assert await outcome(hurried, device) == Retry(Trouble.TIMEOUT)
        assert await outcome(hurried, device) == Delivered()


async def test_fcm_that_is_down_is_tried_again(google, tmp_path, device):
    async with of_google(google, tmp_path, fcm_url="https://localhost:1025") as nowhere:
        assert await outcome(nowhere, device) == Retry(Trouble.UNREACHABLE)


@pytest.mark.parametrize(
    ("step", "expected"),
    [
        ({"status": 503, "headers": {"Retry-After": "5"}}, Retry(Trouble.DOWN, 5.0)),
        ({"reset": True}, Retry(Trouble.BROKEN)),
    ],
)
async def test_fcm_without_an_access_token_is_tried_again(google, sender, device, step, expected):
    await google.plan(**step)  # what comes first is the question for a token

    assert await outcome(sender, device) == expected
    assert await outcome(sender, device) == Delivered()


async def test_fcm_access_token_is_asked_for_once(google, sender, device):
    outcomes = await asyncio.gather(*(outcome(sender, device, topic=f"t{number}") for number in range(100)))

    assert Counter(outcomes) == {Delivered(): 100}
    assert [each for each in await google.received() if "grant" in each] == [{"grant": True}]
    assert len({each["connection"] for each in await google.received() if "message" in each}) <= 4


async def test_fcm_access_token_that_is_no_longer_good_is_replaced(google, sender, device):
    assert await outcome(sender, device) == Delivered()
    await google.call("POST", "/revoke")

    assert await outcome(sender, device) == Retry(Trouble.TOKEN)
    assert await outcome(sender, device) == Delivered()


async def test_fcm_account_that_is_not_known_is_the_operators_matter(google, tmp_path, device):
    account = tmp_path / "account.json"
    account.write_text(google.account.replace("push@", "stranger@"))
    async with of_google(google, tmp_path, fcm_account=account) as stranger:
        assert await outcome(stranger, device) == Retry(Trouble.CREDENTIALS)


async def test_fcm_says_nothing_of_its_device(caplog, capfd, google, sender, device):
    caplog.set_level(logging.DEBUG)
    for step in ({"reset": True}, {"status": 500}, {"goaway": True}, {}):
        await google.plan(**step)
        await outcome(sender, device, preview=b"previewed")
    told = " ".join(f"{each.getMessage()} {each.exc_info}" for each in caplog.records) + "".join(capfd.readouterr())

    for secret in (device.token, "Bearer ", "previewed", b64encode(b"previewed").decode()):
        assert secret not in told
