"""Webhooks against a bot of its own process, which checks them with the specification's own library."""

from base64 import b64decode

import pytest

from essaim.protocol.push.endpoint import Webhook
from essaim.protocol.push.url import Url
from essaim.protocol.push.webhook import read_secret
from essaim_push.providers.outcome import Delivered, Gone, Rejected, Rejection, Retry, Trouble
from push_receivers import outcome, providers, receiver


@pytest.fixture(scope="module")
def bot(tmp_path_factory):
    with receiver("webhook", tmp_path_factory.mktemp("webhook")) as running:
        yield running


@pytest.fixture
async def sender(bot, tmp_path):
    await bot.forget()
    async with providers(tmp_path, bot.about["ca"]) as made:
        yield made


@pytest.fixture
def hook(bot):
    told = bot.about["endpoint"]
    return Webhook(Url.parse(told["url"]), read_secret(told["secret"]))


async def test_webhook_is_verified_by_a_foreign_library(bot, sender, hook):
    assert await outcome(sender, hook) == Delivered()
    assert await outcome(sender, hook, topic="wake-2", preview=b"p" * 240) == Delivered()

    quiet, previewed = await bot.received()
    assert quiet["id"] == "topic-1" and quiet["document"]["type"] == "essaim.wake" and quiet["document"]["data"] == {}
    assert b64decode(previewed["document"]["data"]["preview"]) == b"p" * 240


async def test_webhook_with_another_secret_or_time_is_refused(bot, tmp_path, sender, hook):
    assert await outcome(sender, Webhook(hook.url, bytes(32))) == Rejected(Rejection.UNAUTHORIZED)
    async with providers(tmp_path, bot.about["ca"], skew_ms=-600_000) as slow:
        assert await outcome(slow, hook) == Rejected(Rejection.UNAUTHORIZED)
    assert all("refused" in each for each in await bot.received())


@pytest.mark.parametrize(
    ("step", "expected"),
    [
        ({"status": 410}, Gone()),
        ({"status": 404}, Retry(Trouble.DOWN)),
        ({"status": 429, "headers": {"Retry-After": "3"}}, Retry(Trouble.THROTTLED, 3.0)),
        ({"status": 500}, Retry(Trouble.DOWN)),
        ({"reset": True}, Retry(Trouble.BROKEN)),
        ({"status": 307, "headers": {"Location": "http://127.0.0.1/"}}, Rejected(Rejection.REDIRECT)),
    ],
)
async def test_webhook_of_a_bot_that_misbehaves(bot, sender, hook, step, expected):
    await bot.plan(**step)

    assert await outcome(sender, hook) == expected
