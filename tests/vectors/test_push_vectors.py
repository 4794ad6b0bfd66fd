"""Push: every derived value is what it was when push.json was written, and opens what was sealed then."""

import json
from pathlib import Path

from essaim.protocol.keys import SigningKey
from essaim.protocol.push.authorization import Method, Request
from essaim.protocol.push.host import HostKey
from essaim.protocol.push.preview import Preview, PreviewKey
from essaim.protocol.push.push_id import PushIdOf, PushIds
from essaim.protocol.push.registration import Registration
from essaim.protocol.push.wake import Wake, WakeBatch, parse, wake_id
from essaim_client.push.group_places import place_name

VECTORS = json.loads((Path(__file__).parent / "push.json").read_text())


def raw(name: str) -> bytes:
    return bytes.fromhex(VECTORS[name])


HOST = HostKey(raw("host_seed"))


def test_push_host_shows_the_keys_that_it_showed() -> None:
    public = HOST.public
    shown = (public.host_id.raw, public.agreement.raw, public.kem.raw)
    assert shown == (raw("host_id"), raw("agreement_key"), raw("kem_key"))
    assert HOST.attest(raw("node_id")) == raw("attestation")
    public.check(raw("node_id"), raw("attestation"))


def test_endpoint_sealed_then_opens_now() -> None:
    assert HOST.unseal(raw("sealed_endpoint")) == raw("endpoint")
    assert HOST.tag(raw("endpoint")) == raw("endpoint_tag")


def test_push_id_is_what_it_was() -> None:
    of = PushIdOf(VECTORS["number"], VECTORS["generation"], VECTORS["lane"], VECTORS["day"])
    ids = PushIds(HOST.ids)
    assert ids.issue(of) == raw("push_id")
    assert ids.open(raw("push_id")) == of


def test_push_request_is_signed_as_it_was() -> None:
    request = Request(raw("host_id"), Method.RENEW, raw("body"))
    made = request.authorize(SigningKey(raw("owner_seed")), VECTORS["time_ms"])
    assert made.signature == raw("authorization_signature")


def test_preview_is_sealed_as_it_was_and_opens() -> None:
    key = PreviewKey.derive(raw("device_secret"), raw("push_id"))
    preview = Preview(raw("mailbox_id"), raw("envelope_id"), 4096, raw("head"))
    assert key.public == raw("preview_key")
    assert preview.seal(key.public, raw("push_id"), lambda _: raw("ephemeral")) == raw("preview")
    assert Preview.unseal(raw("preview"), key, raw("push_id")) == preview


def test_registration_is_laid_out_as_it_was() -> None:
    full = Registration(raw("push_id"), (raw("node_id"),), prompt=True, preview_key=raw("preview_key"))
    plain = Registration(raw("push_id"), (raw("node_id"), raw("mailbox_id")))
    assert [full.encoded, plain.encoded] == [raw("registration"), raw("plain_registration")]
    assert [Registration.parse(each.encoded) for each in (full, plain)] == [full, plain]


def test_place_in_a_groups_mailbox_has_the_name_that_it_had() -> None:
    assert place_name(SigningKey(raw("place_secret")), raw("mailbox_id")) == raw("place")


def test_wake_is_what_it_was() -> None:
    wake = Wake(raw("push_id"), raw("wake_id"))
    assert wake_id(raw("push_id"), raw("envelope_id")) == raw("wake_id")
    assert parse(raw("wake_batch")) == WakeBatch(VECTORS["batch"], (wake,))
