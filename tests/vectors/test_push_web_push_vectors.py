"""RFC 8291, section 5 and appendix A: the published message, made and opened. RFC 8292, section 2.4: the token."""

import json
import re
from base64 import urlsafe_b64decode

import http_ece
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from essaim.protocol.push.web_push import ENTROPY_SIZE, WebPushRefusedError, open_message, public_bytes, seal, seal_from
from essaim_push.providers.vapid import Vapid
from push_receiver.web_push import verified


def read(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))


CONTENT = b"When I grow up, I want to be a watermelon"
SENDER_PRIVATE = read("yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw")
SENDER_PUBLIC = read("BP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A8")
RECEIVER_PRIVATE = read("q1dXpw3UpT5VOmu_cf_v6ih07Aems3njxI-JWgLcM94")
RECEIVER_PUBLIC = read("BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4")
SALT = read("DGv6ra1nlYgDCS1FRnbzlw")
AUTH_SECRET = read("BTBZMqHH6r4Tts7J_aSIgg")
BODY = read(
    "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A_y"
    "l95bQpu6cVPTpK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qulcy4a-fN"
)


def private(raw: bytes) -> ec.EllipticCurvePrivateKey:
    return ec.derive_private_key(int.from_bytes(raw), ec.SECP256R1())


def test_web_push_keys_are_those_of_rfc8291():
    assert public_bytes(private(SENDER_PRIVATE).public_key()) == SENDER_PUBLIC
    assert public_bytes(private(RECEIVER_PRIVATE).public_key()) == RECEIVER_PUBLIC


def test_web_push_body_is_that_of_rfc8291():
    assert seal_from(CONTENT, RECEIVER_PUBLIC, AUTH_SECRET, private(SENDER_PRIVATE), SALT) == BODY


def test_web_push_body_of_rfc8291_opens():
    assert open_message(BODY, private(RECEIVER_PRIVATE), AUTH_SECRET) == CONTENT


@pytest.mark.parametrize("padded", [0, 41, 2_816, 3_993])
def test_web_push_body_opens_with_a_foreign_library(padded: int):
    body = seal(CONTENT, RECEIVER_PUBLIC, AUTH_SECRET, bytes(range(ENTROPY_SIZE)), padded)

    opened = http_ece.decrypt(body, private_key=private(RECEIVER_PRIVATE), auth_secret=AUTH_SECRET, version="aes128gcm")

    assert opened == CONTENT
    assert len(body) == 103 + max(padded, len(CONTENT)) and len(body) <= 4_096


def test_web_push_body_of_a_foreign_library_opens():
    body = http_ece.encrypt(
        CONTENT,
        salt=SALT,
        private_key=private(SENDER_PRIVATE),
        dh=RECEIVER_PUBLIC,
        auth_secret=AUTH_SECRET,
        version="aes128gcm",
    )

    assert body == BODY


@pytest.mark.parametrize("place", [0, 20, 21, 60, 90, len(BODY) - 1])
def test_web_push_body_with_a_flipped_bit_is_refused(place: int):
    forged = bytes(byte ^ (index == place) for index, byte in enumerate(BODY))

    with pytest.raises(WebPushRefusedError):
        open_message(forged, private(RECEIVER_PRIVATE), AUTH_SECRET)


def test_web_push_content_that_no_service_takes_is_refused():
    with pytest.raises(WebPushRefusedError):
        seal(bytes(3_994), RECEIVER_PUBLIC, AUTH_SECRET, bytes(ENTROPY_SIZE))


VAPID = (
    "eyJ0eXAiOiJKV1QiLCJhbGciOiJFUzI1NiJ9."
    "eyJhdWQiOiJodHRwczovL3B1c2guZXhhbXBsZS5uZXQiLCJleHAiOjE0NTM1MjM3NjgsInN1YiI6Im1haWx0bzpwdXNoQGV4YW1wbGUuY29tIn0."
    "i3CYb7t4xfxCDquptFOepC9GAu_HLGkMlMuCGSK2rpiUfnK9ojFwDXb1JrErtmysazNjjvW2L9OkSSHzvoD1oA"
)
VAPID_KEY = "BA1Hxzyi1RUM1b5wjxsn7nGxAszw2u61m164i3MrAIxHF6YK5h4SDYic-dRuU_RCPCfA5aq9ojSwk5Y2EmClBPs"


def test_vapid_token_of_rfc8292_is_verified_by_the_receiver():
    """What the receiver of the tests takes is what the RFC says."""
    signed, _, signature = VAPID.rpartition(".")

    assert verified(read(VAPID_KEY), signed, read(signature))
    assert not verified(read(VAPID_KEY), signed + "x", read(signature))


def test_vapid_header_has_the_form_of_rfc8292():
    vapid = Vapid(private(SENDER_PRIVATE), "mailto:push@example.com", lambda: (1_453_523_768 - 12 * 3_600) * 1_000)
    found = re.fullmatch(
        r"vapid t=([\w-]+)\.([\w-]+)\.([\w-]+), k=([\w-]+)", vapid.authorization("https://push.example.net")
    )
    theirs, claims, _ = VAPID.split(".")

    assert found is not None
    assert json.loads(read(found[1])) == json.loads(read(theirs))
    assert json.loads(read(found[2])) == json.loads(read(claims))
    assert verified(SENDER_PUBLIC, f"{found[1]}.{found[2]}", read(found[3])) and read(found[4]) == SENDER_PUBLIC
