"""Writes push.json, wire v1: `python tests/vectors/make_push.py`. All but the sealed endpoint follows from seeds."""

import json
import os
from pathlib import Path

from essaim.protocol.keys import SigningKey
from essaim.protocol.push.authorization import Method, Request
from essaim.protocol.push.host import HostKey
from essaim.protocol.push.preview import Preview, PreviewKey
from essaim.protocol.push.push_id import PushIdOf, PushIds
from essaim.protocol.push.registration import Registration
from essaim.protocol.push.wake import Wake, WakeBatch, wake_id
from essaim_client.push.group_places import place_name

FILE = Path(__file__).parent / "push.json"
HOST_SEED, OWNER_SEED, DEVICE_SECRET = bytes([1] * 32), bytes([2] * 32), bytes([3] * 32)
NODE, MAILBOX, ENVELOPE, HEAD = bytes([4] * 32), bytes([5] * 32), bytes([6] * 32), bytes(range(64))
TIME_MS, DAY, NUMBER, GENERATION, LANE, BATCH = 1_800_000_000_000, 20_833, 0x0102030405060708, 9, 10, 11
EPHEMERAL = bytes([7] * 32)
ENDPOINT = b"the bytes of an endpoint"


def vectors() -> dict[str, object]:
    """Every derived value of docs/protocol/push.md."""
    host, owner = HostKey(HOST_SEED), SigningKey(OWNER_SEED)
    push_id = PushIds(host.ids).issue(PushIdOf(NUMBER, GENERATION, LANE, DAY))
    key = PreviewKey.derive(DEVICE_SECRET, push_id)
    wake = Wake(push_id, wake_id(push_id, ENVELOPE))
    request = Request(host.public.host_id.raw, Method.RENEW, b"a body")
    found = {
        "host_seed": HOST_SEED,
        "host_id": host.public.host_id.raw,
        "agreement_key": host.public.agreement.raw,
        "kem_key": host.public.kem.raw,
        "node_id": NODE,
        "attestation": host.attest(NODE),
        "endpoint": ENDPOINT,
        "sealed_endpoint": host.public.seal(ENDPOINT, os.urandom),
        "endpoint_tag": host.tag(ENDPOINT),
        "push_id": push_id,
        "owner_seed": OWNER_SEED,
        "body": b"a body",
        "authorization_signature": request.authorize(owner, TIME_MS).signature,
        "device_secret": DEVICE_SECRET,
        "preview_key": key.public,
        "mailbox_id": MAILBOX,
        "envelope_id": ENVELOPE,
        "head": HEAD,
        "ephemeral": EPHEMERAL,
        "preview": Preview(MAILBOX, ENVELOPE, 4096, HEAD).seal(key.public, push_id, lambda _: EPHEMERAL),
        "registration": Registration(push_id, (NODE,), prompt=True, preview_key=key.public).encoded,
        "plain_registration": Registration(push_id, (NODE, MAILBOX)).encoded,
        "place_secret": OWNER_SEED,
        "place": place_name(owner, MAILBOX),
        "wake_id": wake.wake_id,
        "wake_batch": WakeBatch(BATCH, (wake,)).encode(),
    }
    numbers = {"time_ms": TIME_MS, "day": DAY, "number": NUMBER, "generation": GENERATION, "lane": LANE, "batch": BATCH}
    return {"wire": 1, **numbers, **{name: value.hex() for name, value in found.items()}}


if __name__ == "__main__":
    FILE.write_text(json.dumps(vectors(), indent=1) + "\n")
