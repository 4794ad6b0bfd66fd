"""The first message of each side of a TLS handshake, read off the wire (RFC 8446, sections 4.1 and 5.1)."""

from collections.abc import Mapping
from dataclasses import dataclass

HANDSHAKE_RECORD = 22
CLIENT_HELLO, SERVER_HELLO = 1, 2
SNI, SUPPORTED_VERSIONS, KEY_SHARE = 0, 43, 51
LEGACY_VERSION = 0x0303


class NoHelloError(ValueError):
    """The bytes do not begin with the hello that was expected."""


@dataclass(frozen=True)
class ClientHello:
    """`name`: what server_name says, "" when it says nothing."""

    name: str


@dataclass(frozen=True)
class ServerHello:
    """Code points as IANA registers them; `group` 0: no key share, so no TLS 1.3."""

    version: int
    suite: int
    group: int


def client_hello(stream: bytes) -> ClientHello:
    """Raises NoHelloError."""
    body = _message(stream, CLIENT_HELLO)
    try:
        at = 35 + body[34]  # random, session id
        at += 2 + _number(body, at)  # suites
        name = _extensions(body, at + 1 + body[at]).get(SNI, b"")
    except IndexError:
        raise NoHelloError("cut short") from None
    return ClientHello(name[5:].decode("ascii", "replace"))


def server_hello(stream: bytes) -> ServerHello:
    """Raises NoHelloError."""
    body = _message(stream, SERVER_HELLO)
    try:
        at = 35 + body[34]
        suite, found = _number(body, at), _extensions(body, at + 3)
    except IndexError:
        raise NoHelloError("cut short") from None
    version = _number(found[SUPPORTED_VERSIONS], 0) if SUPPORTED_VERSIONS in found else _number(body, 0)
    return ServerHello(version, suite, _number(found[KEY_SHARE], 0) if KEY_SHARE in found else 0)


def _message(stream: bytes, kind: int) -> bytes:
    """The body of the first handshake message, which may fill several records."""
    joined = b""
    while len(stream) >= 5 and stream[0] == HANDSHAKE_RECORD:
        length = _number(stream, 3)
        joined += stream[5 : 5 + length]
        stream = stream[5 + length :]
    if len(joined) < 4 or joined[0] != kind or len(joined) < 4 + int.from_bytes(joined[1:4]):
        raise NoHelloError("no such handshake message")
    return joined[4 : 4 + int.from_bytes(joined[1:4])]


def _number(data: bytes, at: int) -> int:
    if at + 2 > len(data):
        raise IndexError(at)
    return int.from_bytes(data[at : at + 2])


def _extensions(body: bytes, at: int) -> Mapping[int, bytes]:
    if at >= len(body):
        return {}  # TLS 1.2 may have none
    end, found = at + 2 + _number(body, at), {}
    at += 2
    while at < end:
        kind, length = _number(body, at), _number(body, at + 2)
        found[kind] = body[at + 4 : at + 4 + length]
        at += 4 + length
    return found
