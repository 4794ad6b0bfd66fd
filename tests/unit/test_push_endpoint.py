"""Endpoints: one form in bytes, and addresses in one spelling."""

import pytest

from essaim.protocol.push.endpoint import MAX_SIZE, Apns, Fcm, Kind, Webhook, WebPush, pack, parse
from essaim.protocol.push.refusal import EndpointRefusedError
from essaim.protocol.push.url import Url
from essaim.protocol.push.web_push import private_key, public_bytes

PUBLIC = public_bytes(private_key(bytes(48)).public_key())
AUTH, SECRET = b"a" * 16, b"s" * 32
ENDPOINTS = {
    Kind.WEB_PUSH: WebPush(Url.parse("https://push.example.org/a?b=c"), PUBLIC, AUTH),
    Kind.APNS: Apns(b"t" * 32, sandbox=True),
    Kind.FCM: Fcm("dGVzdA:APA91bF_-x"),
    Kind.WEBHOOK: Webhook(Url.parse("https://bot.example.org:8443/hook"), SECRET),
}


@pytest.mark.parametrize("kind", Kind)
def test_endpoint_is_what_was_packed(kind: Kind):
    packed = pack(ENDPOINTS[kind])

    assert parse(packed) == ENDPOINTS[kind]
    assert parse(packed).kind is kind and len(packed) <= MAX_SIZE


@pytest.mark.parametrize("kind", Kind)
def test_endpoint_cut_or_longer_is_refused(kind: Kind):
    packed = pack(ENDPOINTS[kind])

    for wrong in (packed + b"\0", b"", b"\2" + packed[1:], packed[:1] + b"\x09" + packed[2:], *_cuts(packed)):
        with pytest.raises(EndpointRefusedError):
            parse(wrong)


def _cuts(packed: bytes) -> list[bytes]:
    return [packed[:end] for end in range(1, len(packed))]


@pytest.mark.parametrize("kind", Kind)
def test_endpoint_shows_nothing_of_itself(kind: Kind):
    endpoint = ENDPOINTS[kind]
    shown = f"{endpoint!r} {endpoint} {[endpoint]}"

    for secret in ("example", "dGVz", "tttt", "ssss", "aaaa", "74747474", PUBLIC.hex()[:8]):
        assert secret not in shown


def test_endpoint_in_another_spelling_is_not_a_second_one():
    packed = pack(ENDPOINTS[Kind.WEB_PUSH])
    other = packed.replace(b"https://push.example.org/", b"https://PUSH.example.org/")

    with pytest.raises(EndpointRefusedError):
        parse(other)


def test_endpoint_key_off_the_curve_is_refused():
    with pytest.raises(EndpointRefusedError):
        WebPush(Url.parse("https://push.example.org/"), b"\4" + bytes(64), AUTH)


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("https://push.example.org", "https://push.example.org/"),
        ("HTTPS://Push.Example.ORG:443/Aa", "https://push.example.org/Aa"),
        ("http://push.example.org:80/", "http://push.example.org/"),
        ("https://push.example.org:8443/x?y=%2F&z=@:", "https://push.example.org:8443/x?y=%2F&z=@:"),
        ("https://192.0.2.7/", "https://192.0.2.7/"),
        ("https://[2001:DB8:0:0::1]:8443/", "https://[2001:db8::1]:8443/"),
        ("https://updates.push.services.mozilla.com/wpush/v2/gAA_-x", "https://updates.push.services.mozilla.com/wpush/v2/gAA_-x"),
    ],
)  # fmt: skip
def test_url_is_written_in_one_way(text: str, same: str):
    url = Url.parse(text)

    assert url.text == same and Url.parse(same) == url


@pytest.mark.parametrize(
    "text",
    [
        *("", "https://", "https:///x", "ftp://example.org/", "file:///etc/passwd", "//example.org/", "example.org"),
        *("https://user@example.org/", "https://a:b@example.org/", "https://example.org@127.0.0.1/"),
        *("https://example.org#@127.0.0.1/", "https://example.org/#x", "https://example.org\\@127.0.0.1/"),
        *("https://example.org /", " https://example.org/", "https://example.org/a b", "https://example.org/\n"),
        *("https://example.org/\r\nHost: x", "https://exa\tmple.org/", "https://ex%61mple.org/", "https://example.org/%zz"),
        *("https://example.org./", "https://.example.org/", "https://a..b/", "https://-a.org/", "https://a-.org/"),
        *("https://example.org:/", "https://example.org:0/", "https://example.org:65536/", "https://example.org:443x/"),
        *("https://example.org:25/", "https://example.org:22/", "https://example.org:٤٤٣/", "https://пример.org/"),
        *("https://127.1/", "https://0x7f.0.0.1/", "https://0177.0.0.1/", "https://2130706433/", "https://127.0.0.01/"),
        *("https://0x7f000001/", "https://1.2.3.4.5/", "https://127.0.0.1./", "https://①②⑦.⓪.⓪.①/", "https://127。0。0。1/"),
        *("https://[::1", "https://::1/", "https://[fe80::1%25eth0]/", "https://[::ffff:127.0.0.1/", "https://[127.0.0.1]/"),
        *("https://example.0x/", "https://example.1/", "https://" + "a" * 64 + ".org/", "https://a.org/" + "a" * 1_100),
    ],
)  # fmt: skip
def test_url_that_is_read_in_two_ways_is_refused(text: str):
    with pytest.raises(EndpointRefusedError) as refused:
        Url.parse(text)

    assert len(text) < 3 or text not in str(refused.value)
