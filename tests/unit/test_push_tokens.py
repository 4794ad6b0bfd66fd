"""Tokens that providers know a host by: as old as they may be, and no older."""

from itertools import pairwise

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from essaim_push.providers.apns import ApnsCredentials, ProviderToken
from essaim_push.providers.vapid import Vapid

KEY = ec.generate_private_key(ec.SECP256R1())
MINUTE = 60_000


class Hand:
    """A clock's."""

    now_ms = 1_800_000_000_000

    def __call__(self) -> int:
        return self.now_ms


@pytest.fixture
def hand() -> Hand:
    return Hand()


@pytest.fixture
def provider_token(hand: Hand) -> ProviderToken:
    return ProviderToken(ApnsCredentials(KEY, "ABC123DEFG", "DEF123GHIJ", "org.example"), hand)


def test_apns_token_is_renewed_between_20_and_60_minutes(hand: Hand, provider_token: ProviderToken):
    """Asked for every minute of a day, as Apple's page wants it."""
    born: dict[str, int] = {}
    for _ in range(24 * 60):
        token = provider_token.current()
        born.setdefault(token, hand.now_ms)
        assert hand.now_ms - born[token] < 60 * MINUTE
        hand.now_ms += MINUTE
    times = list(born.values())

    assert all(later - sooner >= 20 * MINUTE for sooner, later in pairwise(times))
    assert len(times) > 20


def test_apns_token_has_what_apple_wants(hand: Hand, provider_token: ProviderToken):
    token = provider_token.current()
    options = {"verify_iat": False}

    assert jwt.decode(token, KEY.public_key(), ["ES256"], options=options) == {
        "iss": "DEF123GHIJ",
        "iat": hand.now_ms // 1_000,
    }
    assert jwt.get_unverified_header(token) == {"alg": "ES256", "kid": "ABC123DEFG", "typ": "JWT"}


def test_apns_token_that_is_refused_is_renewed_if_it_is_not_new(hand: Hand, provider_token: ProviderToken):
    token = provider_token.current()
    provider_token.refused(token)
    assert provider_token.current() == token

    hand.now_ms += 20 * MINUTE
    provider_token.refused(token)
    assert provider_token.current() != token


def test_apns_token_is_new_after_the_clock_was_set_back(hand: Hand, provider_token: ProviderToken):
    token = provider_token.current()
    hand.now_ms -= 24 * 60 * MINUTE

    assert provider_token.current() != token


def test_vapid_token_is_for_one_origin_and_less_than_a_day(hand: Hand):
    vapid = Vapid(KEY, "mailto:push@example.org", hand)
    header = vapid.authorization("https://push.example.org")
    token = header.removeprefix("vapid t=").partition(",")[0]
    claims = jwt.decode(token, KEY.public_key(), ["ES256"], audience="https://push.example.org")

    assert claims["sub"] == "mailto:push@example.org"
    assert 3_600 < claims["exp"] - hand.now_ms // 1_000 < 86_400
    assert vapid.authorization("https://push.example.org") == header
    assert vapid.authorization("https://other.example.org") != header


def test_vapid_token_is_renewed_long_before_it_ends(hand: Hand):
    vapid = Vapid(KEY, "", hand)
    first = vapid.authorization("https://push.example.org")
    hand.now_ms += 61 * MINUTE

    assert vapid.authorization("https://push.example.org") != first


def test_vapid_tokens_of_many_origins_are_forgotten(hand: Hand):
    vapid = Vapid(KEY, "", hand)
    for number in range(5_000):
        vapid._kept[f"https://{number}.example.org"] = "kept"
    vapid.authorization("https://push.example.org")

    assert len(vapid._kept) == 1
