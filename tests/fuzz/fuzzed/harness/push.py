"""Push: what clients seal to a host, what storage and hosts tell each other, what arrives at a device or a bot."""

import random
from collections.abc import Iterator

from essaim.protocol.push import endpoint as endpoints
from essaim.protocol.push import wake as wakes
from essaim.protocol.push import web_push, webhook
from essaim.protocol.push.box import close_box
from essaim.protocol.push.host import SEAL_LABEL, HostKey
from essaim.protocol.push.preview import LABEL, PADDED_SIZE, Preview, PreviewKey
from essaim.protocol.push.push_id import PushIdOf, PushIds
from essaim.protocol.push.refusal import (
    EndpointRefusedError,
    PreviewRefusedError,
    RegistrationRefusedError,
    WakeRefusedError,
)
from essaim.protocol.push.registration import Registration
from essaim.protocol.push.url import Url
from fuzzed.parser import Parser, chosen

SOURCE = random.Random(12).randbytes
HOST = HostKey(bytes(range(32)))
PUSH_ID = PushIds(HOST.ids).issue(PushIdOf(1, 2, 3, 20_833))
KEY = PreviewKey.derive(bytes(32), PUSH_ID)
DEVICE = web_push.private_key(bytes(range(64)))
AUTH = bytes(range(16))
SECRET = bytes(range(32))
NOW_SECONDS = 1_800_000_000
KEM_SECRET, KEM_CIPHERTEXT = HOST.public.kem.encapsulate()


def endpoint(data: bytes) -> object:
    """What the host finds in the box: one form for each endpoint."""
    found = endpoints.parse(data)
    assert endpoints.pack(found) == data, "two forms of one meaning"
    assert len(HOST.tag(data)) == 16 and found.origin
    return found


def all_endpoints() -> Iterator[bytes]:
    url = Url.parse("https://push.example.org/a/b?c=%20d")
    yield endpoints.pack(endpoints.WebPush(url, web_push.public_bytes(DEVICE.public_key()), AUTH))
    yield endpoints.pack(endpoints.Apns(bytes(32), sandbox=True))
    yield endpoints.pack(endpoints.Fcm("registration-token-0123456789"))
    yield endpoints.pack(endpoints.Webhook(Url.parse("http://[2001:db8::1]:8080/hook"), SECRET))
    yield endpoints.pack(endpoints.Webhook(Url.parse("https://192.0.2.7/"), SECRET))


def sealed(data: bytes) -> object:
    """A box of anybody's, whatever is in it."""
    how, rest = chosen(data, 2)
    if how:
        context = KEM_CIPHERTEXT + HOST.public.host_id.raw
        rest = rest[:2_048].ljust(2_048, b"\0")
        rest = KEM_CIPHERTEXT + close_box(rest, HOST.public.agreement, KEM_SECRET, SEAL_LABEL, context, SOURCE)
    return endpoints.parse(HOST.unseal(rest))


def boxes() -> Iterator[bytes]:
    for each in all_endpoints():
        yield b"\1" + len(each).to_bytes(4, "big") + each
    yield b"\0" + HOST.public.seal(next(all_endpoints()), SOURCE)


def registration(data: bytes) -> object:
    found = Registration.parse(data)
    assert found.encoded == data, "two forms of one meaning"
    if found.preview_key:
        Preview(bytes(32), bytes(32), 4_096, bytes(64)).seal(found.preview_key, found.push_id, SOURCE)
    return found


def registrations() -> Iterator[bytes]:
    yield Registration(PUSH_ID, (bytes(32),), prompt=True).encoded
    yield Registration(PUSH_ID, (bytes(32), b"\1" * 32), preview_key=KEY.public).encoded


def message(data: bytes) -> object:
    """Over a link, from a storage node or a host."""
    found = wakes.parse(data)
    assert wakes.parse(found.encode()) == found, "what was written is not what was read"
    if isinstance(found, wakes.WakeBatch):
        return [PushIds(HOST.ids).open(each.push_id) for each in found.wakes if each.well_formed]
    return found


def messages() -> Iterator[bytes]:
    wake = wakes.Wake(PUSH_ID, wakes.wake_id(PUSH_ID, bytes(32)), b"preview")
    yield wakes.WakeBatch(7, (wake, wake)).encode()
    yield wakes.WakeAnswer(7, ((0, wakes.Reason.BUSY), (1, wakes.Reason.UNKNOWN)), 500).encode()


def preview(data: bytes) -> object:
    """What a storage node has sealed for a device; or a provider's invention."""
    how, rest = chosen(data, 2)
    if how:
        padded = rest[:PADDED_SIZE].ljust(PADDED_SIZE, b"\0")
        rest = close_box(padded, KEY.agreement.public, KEY.secret, LABEL, PUSH_ID, SOURCE)
    return Preview.unseal(rest, KEY, PUSH_ID)


def previews() -> Iterator[bytes]:
    content = b"\1" + bytes(32) + b"e" * 32 + (4_096).to_bytes(4, "big") + b"h" * 64
    yield b"\1" + len(content).to_bytes(4, "big") + content
    yield b"\0" + Preview(bytes(32), bytes(32), 4_096, bytes(64)).seal(KEY.public, PUSH_ID, SOURCE)


def web_message(data: bytes) -> object:
    """What a Web Push service hands to a device (RFC 8291)."""
    return web_push.open_message(data, DEVICE, AUTH)


def web_messages() -> Iterator[bytes]:
    for padded in (0, 200):
        yield web_push.seal(
            b"hello", web_push.public_bytes(DEVICE.public_key()), AUTH, bytes(range(web_push.ENTROPY_SIZE)), padded
        )


def hook(data: bytes) -> object:
    """What somebody posts to a bot's server: headers and a body; signed by the host where the first byte says so."""
    signs, rest = chosen(data, 2)
    named, _, body = rest.partition(b"\n\n")
    if signs:
        headers = webhook.sign(SECRET, named.decode("latin-1"), NOW_SECONDS, body)
    else:
        lines = (line.partition(b":") for line in named.split(b"\n"))
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, _, value in lines}
    return webhook.verify(SECRET, headers, body, NOW_SECONDS)


def hooks() -> Iterator[bytes]:
    yield b'\1wake_0123\n\n{"type": "wake"}'
    head = webhook.sign(SECRET, "wake_0123", NOW_SECONDS, b"{}")
    yield b"\0" + "\n".join(f"{name}:{value}" for name, value in head.items()).encode() + b"\n\n{}"


def url(data: bytes) -> object:
    found = Url.parse(data.decode("utf-8", "surrogateescape"))
    assert Url.parse(found.text) == found, "another spelling of one address"
    return found.origin, found.address


def urls() -> Iterator[bytes]:
    yield from (b"https://push.example.org/x?y=%41", b"http://127.0.0.1:8080", b"https://[::1]/", b"https://a_b.c:443/")


PARSERS = (
    Parser("push.endpoint", endpoint, (EndpointRefusedError,), all_endpoints, longest=1_400),
    Parser("push.sealed", sealed, (EndpointRefusedError,), boxes, longest=3_200),
    Parser(
        "push.registration", registration, (RegistrationRefusedError, PreviewRefusedError), registrations, longest=320
    ),
    Parser("push.message", message, (WakeRefusedError,), messages, longest=1_024),
    Parser("push.preview", preview, (PreviewRefusedError,), previews, longest=256),
    Parser("push.web_message", web_message, (web_push.WebPushRefusedError,), web_messages, longest=512),
    Parser("push.hook", hook, (webhook.WebhookRefusedError,), hooks, longest=512),
    Parser("push.url", url, (EndpointRefusedError,), urls, longest=256),
)
