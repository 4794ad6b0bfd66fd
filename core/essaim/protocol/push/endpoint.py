"""Endpoints: where a device or bot is told. What a client seals to a push host, and nobody else ever sees.

    endpoint    version u8 (1) | kind u8 | fields
    1 web push  url (length u16) | public key 65 | auth secret 16          RFC 8030, 8291; a UnifiedPush endpoint too
    2 APNs      flags u8 (1: sandbox) | device token (length u16)
    3 FCM       registration token (length u16)
    4 webhook   url (length u16) | secret (length u8), 24 to 64 bytes      for bots: webhook.py

Each endpoint has one form in bytes: equal bytes are the same endpoint, and only they. No endpoint has more than
`MAX_SIZE` bytes; a client pads to that before it seals, so that the size does not tell the kind.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from types import MappingProxyType
from typing import ClassVar, Final

from essaim.protocol.layout import MalformedError, Reader, block
from essaim.protocol.push.refusal import EndpointRefusedError
from essaim.protocol.push.url import Url
from essaim.protocol.push.web_push import AUTH_SIZE, PUBLIC_SIZE, check_public

VERSION = 1
MAX_SIZE = 1_280
SANDBOX = 1
LENGTH_SIZE, SECRET_LENGTH_SIZE = 2, 1
DEVICE_TOKEN_SIZES = (16, 128)
"""Least and most bytes; Apple's have 32 today and promise nothing."""
SECRET_SIZES = (24, 64)
"""Of the Standard Webhooks specification."""
_REGISTRATION: Final = re.compile(r"[A-Za-z0-9_:%.=+/-]{16,1024}", re.ASCII)


class Kind(IntEnum):
    """As EndpointKind of push.proto."""

    WEB_PUSH = 1
    APNS = 2
    FCM = 3
    WEBHOOK = 4


@dataclass(frozen=True, slots=True)
class WebPush:
    """A subscription at a Web Push service. The keys are the device's (RFC 8291: p256dh and auth)."""

    kind: ClassVar = Kind.WEB_PUSH
    url: Url = field(repr=False)
    public_key: bytes = field(repr=False)
    auth_secret: bytes = field(repr=False)

    def __post_init__(self) -> None:
        if len(self.auth_secret) != AUTH_SIZE:
            raise EndpointRefusedError("an auth secret has 16 bytes")
        check_public(self.public_key)

    @property
    def origin(self) -> str:
        """Who is called: what is under way is limited for each."""
        return self.url.origin

    @property
    def fields(self) -> bytes:
        return block(self.url.text.encode(), LENGTH_SIZE) + self.public_key + self.auth_secret

    @classmethod
    def read(cls, reader: Reader) -> "WebPush":
        return cls(_url(reader), reader.take(PUBLIC_SIZE), reader.take(AUTH_SIZE))


@dataclass(frozen=True, slots=True)
class Apns:
    """An app on an Apple device. `sandbox`: made by a development build."""

    kind: ClassVar = Kind.APNS
    origin: ClassVar = "apns"
    device_token: bytes = field(repr=False)
    sandbox: bool = False

    def __post_init__(self) -> None:
        _within(self.device_token, DEVICE_TOKEN_SIZES, "a device token")

    @property
    def fields(self) -> bytes:
        return bytes((SANDBOX if self.sandbox else 0,)) + block(self.device_token, LENGTH_SIZE)

    @classmethod
    def read(cls, reader: Reader) -> "Apns":
        flags = reader.number(1)
        if flags & ~SANDBOX:
            raise EndpointRefusedError("an unknown flag")
        return cls(reader.block(LENGTH_SIZE), bool(flags & SANDBOX))


@dataclass(frozen=True, slots=True)
class Fcm:
    """An app that Firebase knows."""

    kind: ClassVar = Kind.FCM
    origin: ClassVar = "fcm"
    token: str = field(repr=False)

    def __post_init__(self) -> None:
        if not _REGISTRATION.fullmatch(self.token):
            raise EndpointRefusedError("not a registration token")

    @property
    def fields(self) -> bytes:
        return block(self.token.encode(), LENGTH_SIZE)

    @classmethod
    def read(cls, reader: Reader) -> "Fcm":
        return cls(_ascii(reader.block(LENGTH_SIZE)))


@dataclass(frozen=True, slots=True)
class Webhook:
    """A bot's web server."""

    kind: ClassVar = Kind.WEBHOOK
    url: Url = field(repr=False)
    secret: bytes = field(repr=False)

    def __post_init__(self) -> None:
        _within(self.secret, SECRET_SIZES, "a webhook's secret")

    @property
    def origin(self) -> str:
        return self.url.origin

    @property
    def fields(self) -> bytes:
        return block(self.url.text.encode(), LENGTH_SIZE) + block(self.secret, SECRET_LENGTH_SIZE)

    @classmethod
    def read(cls, reader: Reader) -> "Webhook":
        return cls(_url(reader), reader.block(SECRET_LENGTH_SIZE))


Endpoint = WebPush | Apns | Fcm | Webhook
_READERS: Final[Mapping[int, Callable[[Reader], Endpoint]]] = MappingProxyType(
    {each.kind.value: each.read for each in (WebPush, Apns, Fcm, Webhook)}
)


def pack(endpoint: Endpoint) -> bytes:
    """Its one form. Raises EndpointRefusedError: too long."""
    packed = bytes((VERSION, endpoint.kind)) + endpoint.fields
    if len(packed) > MAX_SIZE:
        raise EndpointRefusedError(f"an endpoint has at most {MAX_SIZE} bytes")
    return packed


def parse(raw: bytes) -> Endpoint:
    """What `pack` gave. Raises EndpointRefusedError."""
    reader = Reader(raw)
    try:
        reader.version(VERSION)
        read = _READERS.get(reader.number(1))
        if read is None:
            raise EndpointRefusedError("an unknown kind of endpoint")
        endpoint = read(reader)
        reader.end()
    except MalformedError as error:
        raise EndpointRefusedError(str(error)) from None
    if pack(endpoint) != raw:  # an address in another spelling: the same endpoint would count as two
        raise EndpointRefusedError("an endpoint that is not in its one form")
    return endpoint


def _url(reader: Reader) -> Url:
    return Url.parse(_ascii(reader.block(LENGTH_SIZE)))


def _ascii(raw: bytes) -> str:
    try:
        return raw.decode("ascii")
    except UnicodeDecodeError:
        raise EndpointRefusedError("an endpoint is ASCII") from None


def _within(value: bytes, sizes: tuple[int, int], what: str) -> None:
    if not sizes[0] <= len(value) <= sizes[1]:
        raise EndpointRefusedError(f"{what} has {sizes[0]} to {sizes[1]} bytes")
