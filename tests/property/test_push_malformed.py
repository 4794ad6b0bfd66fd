"""Whatever a client, a provider or a stranger sends: one refusal or one outcome, and nothing else."""

import json
import random
import string
from contextlib import suppress

from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given, settings
from hypothesis import strategies as st

from essaim.protocol.push.endpoint import Apns, Fcm, Webhook, WebPush, pack, parse
from essaim.protocol.push.refusal import EndpointRefusedError
from essaim.protocol.push.url import Url
from essaim.protocol.push.web_push import WebPushRefusedError, open_message, private_key, public_bytes, seal
from essaim.protocol.push.webhook import WebhookRefusedError, sign, verify
from essaim.testing.effort import examples
from essaim_push.providers.answer import Answer
from essaim_push.providers.apns import ApnsCredentials, ApnsProvider
from essaim_push.providers.fcm import FcmProvider
from essaim_push.providers.outcome import Delivered, Gone, Rejected, Retry, seconds_of
from essaim_push.providers.probe_input import read_endpoint

KEY = private_key(bytes(range(48)))
PUBLIC, AUTH = public_bytes(KEY.public_key()), b"a" * 16
HOOK = Webhook(Url.parse("https://bot.example.org/hook"), b"s" * 32)
ENDPOINTS = (WebPush(Url.parse("https://push.example.org/x?y=1"), PUBLIC, AUTH), Apns(b"t" * 32), Fcm("t" * 160), HOOK)
BODY = seal(b"content", PUBLIC, AUTH, bytes(range(64)), 64)
FCM_ERROR = "type.googleapis.com/google.firebase.fcm.v1.FcmError"
KEYS = st.sampled_from(["error", "details", "@type", "errorCode", "fieldViolations", "field", "reason", "keys", "x"])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.just(FCM_ERROR),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=8,
)
APNS = ApnsProvider(None, ("", ""), ApnsCredentials(ec.generate_private_key(ec.SECP256R1()), "k", "t", "o"), lambda: 0)
FCM = FcmProvider(None, "", "", None, lambda: 0)
URL_TEXT = st.lists(
    st.sampled_from(["https", "http", "://", ":", "/", "@", "#", "?", "[", "]", "%", "\\", ".", "127", "0x7f", "::1"])
    | st.text(string.printable + "é٣①", max_size=4)
).map("".join)


def mutated(rng: random.Random, raw: bytes) -> bytes:
    kind, place = rng.randrange(4), rng.randrange(len(raw))
    if kind == 0:
        return raw[:place] + bytes((rng.randrange(256),)) + raw[place + 1 :]
    if kind == 1:
        return raw[:place]
    if kind == 2:
        return raw[:place] + rng.randbytes(rng.randrange(1, 9)) + raw[place:]
    return rng.randbytes(rng.randrange(200))


def test_endpoint_of_mutated_bytes_is_refused_or_itself():
    rng = random.Random(20261123)
    for _ in range(examples(3_000)):
        raw = mutated(rng, pack(rng.choice(ENDPOINTS)))
        with suppress(EndpointRefusedError):
            assert pack(parse(raw)) == raw


def test_web_push_body_of_mutated_bytes_is_refused():
    rng = random.Random(7)
    for _ in range(examples(500)):
        raw = mutated(rng, BODY)
        with suppress(WebPushRefusedError):  # the record's size alone is not sealed
            assert open_message(raw, KEY, AUTH) == b"content" and raw[:16] + raw[20:] == BODY[:16] + BODY[20:]


@given(URL_TEXT)
@settings(max_examples=examples(300))
def test_url_of_any_text_is_refused_or_stays_itself(text: str):
    with suppress(EndpointRefusedError):
        url = Url.parse(text)
        assert Url.parse(url.text) == url and url.text.isascii() and " " not in url.text


@given(st.text(max_size=30), st.text(max_size=14), st.text(max_size=60))
@settings(max_examples=examples(100))
def test_webhook_of_any_headers_is_refused(wake: str, timestamp: str, signature: str):
    headers = {"webhook-id": wake, "webhook-timestamp": timestamp, "webhook-signature": signature}
    try:
        verify(HOOK.secret, headers, b"{}", 1_800_000_000)
    except WebhookRefusedError:
        return
    assert sign(HOOK.secret, wake, int(timestamp), b"{}")["webhook-signature"] in signature


@given(JSON)
@settings(max_examples=examples(200))
def test_endpoint_of_any_json_is_refused(document: object):
    with suppress(EndpointRefusedError):
        read_endpoint(json.dumps(document))


@given(st.integers(200, 599), st.text(max_size=12), JSON)
@settings(max_examples=examples(300))
def test_answer_of_any_vendor_has_an_outcome(status: int, retry_after: str, document: object):
    plain = Answer(status, retry_after, json.dumps(document).encode())
    nested = Answer(status, retry_after, json.dumps({"error": {"details": document}}).encode())

    for answer in (plain, nested, Answer(status, retry_after, b"\xff")):
        for outcome in (APNS.read(answer), FCM.read(answer)):
            assert isinstance(outcome, Delivered | Gone | Rejected | Retry)
            if status < 300:
                assert outcome == Delivered()


@given(st.text(max_size=40))
@settings(max_examples=examples(200))
def test_retry_after_of_any_text_is_bounded(text: str):
    seconds = seconds_of(text, 1_800_000_000_000)

    assert seconds is None or 0 <= seconds <= 86_400
