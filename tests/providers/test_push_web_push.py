"""Web Push against a receiver of its own process, which decrypts with Mozilla's library, and misbehaves."""

import asyncio
import json
import logging
import socket
from base64 import urlsafe_b64encode
from collections import Counter
from dataclasses import replace

import pytest

from essaim.protocol.push.endpoint import WebPush
from essaim.protocol.push.refusal import EndpointRefusedError
from essaim.protocol.push.url import Url
from essaim_push.providers import open_web
from essaim_push.providers.outcome import Delivered, Gone, Rejected, Rejection, Retry, Trouble
from essaim_push.providers.probe_input import read_endpoint
from push_receivers import outcome, providers, receiver

FORBIDDEN = Rejected(Rejection.FORBIDDEN)


@pytest.fixture(scope="module")
def service(tmp_path_factory):
    with receiver("web-push", tmp_path_factory.mktemp("web-push")) as running:
        yield running


@pytest.fixture
async def sender(service, tmp_path):
    await service.forget()
    async with providers(tmp_path, service.about["ca"], web_push_contact="mailto:push@example.org") as made:
        yield made


@pytest.fixture
async def endpoint(service):
    return await service.subscription()


@pytest.mark.parametrize("preview", [None, b"p" * 240, bytes(range(256)) * 10])
async def test_web_push_is_opened_by_a_foreign_library(service, sender, endpoint, preview):
    assert await outcome(sender, endpoint, topic="Topic_-1", preview=preview, ttl=77) == Delivered()

    [taken] = await service.received()
    assert bytes.fromhex(taken["plain"]) == (preview or b"")
    assert (taken["ttl"], taken["topic"], taken["urgency"]) == (77, "Topic_-1", "high")
    assert taken["size"] == (359 if preview is None else 2_919)
    assert set(taken["headers"]) == {
        *("Authorization", "Content-Encoding", "Content-Length", "Content-Type", "Host", "TTL", "Topic", "Urgency")
    }


async def test_web_push_of_a_subscription_for_this_host_alone_is_taken(service, sender):
    """RFC 8292, section 4: a restricted subscription, and one that is restricted to somebody else."""
    own = urlsafe_b64encode(sender.vapid_public_key).decode().rstrip("=")
    other = service.about["subscription"]["keys"]["p256dh"]

    assert await outcome(sender, await service.subscription(own)) == Delivered()
    assert await outcome(sender, await service.subscription(other)) == Rejected(Rejection.UNAUTHORIZED)


async def test_web_push_token_that_has_run_out_is_refused(service, tmp_path, endpoint):
    """The receiver looks at the token's time: a host whose clock is two days slow is refused."""
    async with providers(tmp_path, service.about["ca"], skew_ms=-48 * 3_600_000) as slow:
        assert await outcome(slow, endpoint) == Rejected(Rejection.UNAUTHORIZED)


@pytest.mark.parametrize(
    ("step", "expected"),
    [
        ({"status": 429, "headers": {"Retry-After": "7"}}, Retry(Trouble.THROTTLED, 7.0)),
        ({"status": 429}, Retry(Trouble.THROTTLED)),
        ({"status": 410}, Gone()),
        ({"status": 404}, Gone()),
        ({"status": 413}, Rejected(Rejection.TOO_LARGE)),
        ({"status": 500}, Retry(Trouble.DOWN)),
        ({"status": 503, "headers": {"Retry-After": "120"}}, Retry(Trouble.THROTTLED, 120.0)),
        ({"reset": True}, Retry(Trouble.BROKEN)),
        ({"huge_headers": 400_000}, Retry(Trouble.BROKEN)),
        ({"status": 400, "huge_body": 20_000_000}, Rejected(Rejection.MALFORMED)),
        ({"status": 201, "huge_body": 20_000_000}, Delivered()),
        ({"status": 201, "dribble": 0.2}, Delivered()),
    ],
)
async def test_web_push_service_that_misbehaves(service, sender, endpoint, step, expected):
    await service.plan(**step)

    assert await outcome(sender, endpoint) == expected
    assert await outcome(sender, endpoint) == Delivered()  # the next is not harmed


async def test_web_push_service_that_is_slow_is_left_in_time(service, tmp_path, endpoint):
    await service.plan(delay=30)
    async with providers(tmp_path, service.about["ca"], endpoint_seconds=0.3) as hurried, asyncio.timeout(2):
        assert await outcome(hurried, endpoint) == Retry(Trouble.TIMEOUT)
        assert await outcome(hurried, endpoint) == Delivered()


@pytest.mark.parametrize("status", [301, 302, 307, 308])
async def test_web_push_redirect_is_not_followed(service, sender, endpoint, status):
    await service.plan(status=status, headers={"Location": f"{service.about['url']}/elsewhere"})

    assert await outcome(sender, endpoint) == Rejected(Rejection.REDIRECT)
    assert await service.received() == []


async def test_web_push_service_of_another_name_is_not_trusted(monkeypatch, service, tmp_path, sender, endpoint):
    """The certificate must be of a known authority, and for the name, though the address is pinned."""
    async with providers(tmp_path) as stranger:
        assert await outcome(stranger, endpoint) == Retry(Trouble.UNREACHABLE)

    real = socket.getaddrinfo
    monkeypatch.setattr(socket, "getaddrinfo", lambda _host, *more: real("127.0.0.1", *more))
    alias = WebPush(replace(endpoint.url, host="push.example.org"), endpoint.public_key, endpoint.auth_secret)
    assert await outcome(sender, alias) == Retry(Trouble.UNREACHABLE)
    assert await service.received() == []
    assert await outcome(sender, endpoint) == Delivered()  # the same address, by its own name


async def test_web_push_service_that_is_slow_holds_up_no_other(monkeypatch, service, tmp_path, endpoint):
    """All the connections that one server may have wait; another's notice is not behind them."""
    monkeypatch.setattr(open_web, "PER_ORIGIN", 8)  # of 512
    await service.forget()
    await service.plan(delay=600, times=8)
    other = WebPush(replace(endpoint.url, host="127.0.0.1"), endpoint.public_key, endpoint.auth_secret)
    async with providers(tmp_path, service.about["ca"]) as sender:
        slow = [asyncio.create_task(outcome(sender, endpoint, topic=f"t{number}")) for number in range(16)]
        while await service.call("GET", "/waiting") != 8:
            assert not any(each.done() for each in slow)

        assert await outcome(sender, other) == Rejected(Rejection.UNAUTHORIZED)  # a token for 127.0.0.1: it was asked
        assert not any(each.done() for each in slow)
        for each in slow:
            each.cancel()
        await asyncio.wait(slow)


async def test_web_push_service_that_is_not_there(sender, endpoint):
    for host, port in (("127.0.0.1", 1_025), ("no-such-name.invalid", 443)):
        url = Url("https", host, port, "/x")
        where = WebPush(url, endpoint.public_key, endpoint.auth_secret)
        assert await outcome(sender, where) == Retry(Trouble.UNREACHABLE)


async def test_web_push_to_a_private_address_is_never_sent(service, tmp_path, endpoint):
    """By its name, which resolves to loopback, and by its number; nothing arrives."""
    numbered = WebPush(Url("https", "127.0.0.1", endpoint.url.port, "/x"), endpoint.public_key, endpoint.auth_secret)
    async with providers(tmp_path, service.about["ca"], networks="") as strict:
        assert [await outcome(strict, each) for each in (endpoint, numbered)] == [FORBIDDEN, FORBIDDEN]
        strict.check(endpoint)  # a name: nobody has asked for it yet
        with pytest.raises(EndpointRefusedError):
            strict.check(numbered)
    assert await service.received() == []


async def test_web_push_over_plain_http_is_sent_only_where_allowed(tmp_path, sender, endpoint):
    plain = WebPush(Url("http", "localhost", endpoint.url.port, "/x"), endpoint.public_key, endpoint.auth_secret)
    assert await outcome(sender, plain) == FORBIDDEN
    with pytest.raises(EndpointRefusedError):
        sender.check(plain)
    async with providers(tmp_path, endpoint_http=True) as lax:
        assert await outcome(lax, plain) == Retry(Trouble.BROKEN)  # a server that speaks TLS


async def test_web_push_connection_is_kept_and_shared(service, sender, endpoint):
    many = [outcome(sender, endpoint, topic=f"t{number}") for number in range(50)]

    assert Counter(await asyncio.gather(*many)) == {Delivered(): 50}
    assert len({each["topic"] for each in await service.received()}) == 50


async def test_web_push_says_nothing_of_its_endpoint(service, sender, endpoint, caplog, capfd):
    caplog.set_level(logging.DEBUG)
    for step in ({"reset": True}, {"status": 429}, {"huge_headers": 400_000}, {}):
        await service.plan(**step)
        await outcome(sender, endpoint, preview=b"previewed")
    told = json.dumps([each.getMessage() for each in caplog.records]) + "".join(capfd.readouterr())

    for secret in (endpoint.url.path[6:], endpoint.auth_secret.hex(), "previewed", "localhost"):
        assert secret not in told


def test_subscription_of_a_browser_is_read(service):
    read = read_endpoint(json.dumps(service.about["subscription"] | {"expirationTime": None}))

    assert isinstance(read, WebPush) and read.url.text == service.about["subscription"]["endpoint"]


async def test_web_push_name_is_asked_for_once_and_what_is_forbidden_left_out(monkeypatch, sender, endpoint):
    """A name server that mixes in an address of the cloud's own, and would tell another one when asked again."""
    asked, real = [], socket.getaddrinfo
    metadata = (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("169.254.169.254", endpoint.url.port))

    def answer(host, port, *more):
        asked.append(host)
        return [metadata, *(real("127.0.0.1", port, *more) if len(asked) == 1 else ())]

    monkeypatch.setattr(socket, "getaddrinfo", answer)

    assert await outcome(sender, endpoint) == Delivered()
    assert asked == ["localhost"]


async def test_web_push_name_that_turns_inwards_is_forbidden(monkeypatch, service, tmp_path, endpoint):
    """Rebinding: public when the endpoint was named, the cloud's own address when it is called."""
    monkeypatch.setattr(
        socket, "getaddrinfo", lambda _host, port, *_: [(2, socket.SOCK_STREAM, 6, "", ("169.254.169.254", port))]
    )
    async with providers(tmp_path, service.about["ca"]) as sender:
        sender.check(endpoint)
        assert await outcome(sender, endpoint) == FORBIDDEN
