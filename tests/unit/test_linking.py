"""Linking a device by a short code: who has it gets in, who has not has one guess."""

import hashlib
import random

import pytest

from essaim.protocol import linking, spake2
from essaim.protocol.account import Account
from essaim.protocol.blinding import outbox_key, public_inbox_key
from essaim.protocol.device import DeviceKeys
from essaim.protocol.errors import ProtocolError
from essaim.protocol.linking import Approval, Code, CodeRefusedError, LinkRefusedError, Newcomer, Request, Sponsor
from essaim.protocol.mailbox.policy import Policy
from essaim.protocol.manifest import first_manifest
from essaim.protocol.spake2 import Exchange, ExchangeRefusedError

RANDOM = random.Random(20261123).randbytes
ACCOUNT = Account(bytes(range(32)))
INBOX = Policy.public_inbox(public_inbox_key(ACCOUNT.id.identity))
OUTBOX = Policy.outbox(outbox_key(ACCOUNT.id.identity))


@pytest.mark.parametrize(("name", "point"), [("M", spake2.M), ("N", spake2.N)])
def test_points_of_the_exchange_are_those_of_the_rfc(name, point):
    """RFC 9382, appendix A: hashed until there is a point, so that nobody knows their logarithm."""
    hashed, chain = f"edwards25519 point generation seed ({name})".encode(), []
    for _ in range(30):
        hashed = hashlib.sha256(hashed).digest()
        chain.append(hashed)
    assert point in chain


def test_exchange_agrees_under_one_password_alone():
    for password, other in ((b"p" * 64, b"p" * 64), (b"p" * 64, b"q" * 64)):
        one, two = Exchange.begin(password, RANDOM), Exchange.answer(other, RANDOM)
        agreed = one.agree((b"a", b"b"), two.share) == two.agree((b"a", b"b"), one.share)
        assert agreed == (password == other)
    with pytest.raises(ExchangeRefusedError):
        one.agree((b"a", b"b"), bytes(32))
    assert one.agree((b"a", b"b"), two.share) != one.agree((b"a", b"c"), two.share)


def run(newcomer: Newcomer, code: Code) -> tuple[Sponsor, DeviceKeys, Request]:
    sponsor = Sponsor(code, RANDOM)
    assert newcomer.offered(sponsor.offer(newcomer.hello(), ACCOUNT.id)) == ACCOUNT.id
    keys = DeviceKeys.create(0, 0, RANDOM)
    return sponsor, keys, sponsor.requested(newcomer.request(Request.of(keys, INBOX, OUTBOX, "kitchen")))


def test_who_has_the_code_gets_in():
    newcomer = Newcomer(RANDOM)
    sponsor, keys, request = run(newcomer, Code.parse(str(newcomer.code).lower()))
    assert request == Request.of(keys, INBOX, OUTBOX, "kitchen")
    assert newcomer.check == sponsor.check and len(newcomer.check) == 6
    manifest = first_manifest(ACCOUNT, DeviceKeys.create(0, 1, RANDOM), 5)
    approval = Approval(manifest, b"i" * 137, b"o" * 137, b"", b"a" * 32, 7, b"k" * 32)
    assert newcomer.approved(sponsor.approve(approval)).encode() == approval.encode()
    assert request.record(3, 1).kem_hash == manifest.devices[0].hash_of(keys.kem.public)


def test_who_has_another_code_learns_nothing_and_gets_nothing():
    newcomer = Newcomer(RANDOM)
    guess = Sponsor(Code.make(RANDOM), RANDOM)
    with pytest.raises(LinkRefusedError):
        newcomer.offered(guess.offer(newcomer.hello(), ACCOUNT.id))
    sponsor = Sponsor(newcomer.code, RANDOM)
    stranger = Newcomer(RANDOM)
    with pytest.raises(LinkRefusedError):
        stranger.offered(sponsor.offer(stranger.hello(), ACCOUNT.id))


def test_altered_messages_are_refused():
    newcomer = Newcomer(RANDOM)
    sponsor, _, _ = run(newcomer, newcomer.code)
    manifest = first_manifest(ACCOUNT, DeviceKeys.create(0, 1, RANDOM), 5)
    envelope = sponsor.approve(Approval(manifest, b"", b"", b"s" * 32, b"a" * 32, 7, b"k" * 32))
    for place in range(0, 1_700, 41):
        altered = bytearray(envelope)
        altered[place] ^= 1
        with pytest.raises(ProtocolError):
            newcomer.approved(bytes(altered))
    for message in (newcomer.hello(), envelope[:100], b""):
        with pytest.raises(ProtocolError):
            newcomer.approved(message)


def test_code_is_read_as_people_write_it():
    assert Code.parse(" o1il-abcd efgh ").text == "0111ABCDEFGH"
    for wrong in ("", "0111-ABCD-EFG", "0111-ABCD-EFGHJ", "0111-ABCD-EFGU", "é" * 12):
        with pytest.raises(CodeRefusedError):
            Code.parse(wrong)
    assert linking.kind_of(b"") == 0


def test_mailbox_follows_from_the_first_four_characters_alone():
    one, other = Code.parse("ABCD" + "0" * 8), Code.parse("ABCD" + "1" * 8)
    assert one.policy == other.policy != Code.parse("ABCE" + "0" * 8).policy
    assert one.password != other.password
