"""The forms of a secret: as it is, written out, turned round, hashed."""

import base64
import hashlib
import ipaddress
import json
import urllib.parse
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from bech32 import CHARSET, convertbits

LEAST = 8
"""Bytes: a shorter form may be anywhere by chance."""
DIGESTS: Mapping[str, Callable[[bytes], bytes]] = {
    "sha256": lambda data: hashlib.sha256(data).digest(),
    "sha1": lambda data: hashlib.sha1(data, usedforsecurity=False).digest(),
    "md5": lambda data: hashlib.md5(data, usedforsecurity=False).digest(),
    "sha3": lambda data: hashlib.sha3_256(data).digest(),
    "blake2b": lambda data: hashlib.blake2b(data, digest_size=32).digest(),
    "blake2b-512": lambda data: hashlib.blake2b(data).digest(),
}


class Kind(StrEnum):
    """What a secret is. Mailbox, envelope and push ids may stand in storage's database, raw, nowhere else."""

    ACCOUNT = "account"
    MAILBOX = "mailbox"
    ENVELOPE = "envelope"
    DEVICE = "device"
    ADDRESS = "client address"
    TEXT = "text"
    ENDPOINT = "push endpoint"
    PUSH_ID = "push id"


@dataclass(frozen=True)
class Canary:
    """One secret."""

    kind: Kind
    raw: bytes


def needles(canary: Canary) -> Mapping[str, bytes]:
    """By the form's name; nothing shorter than LEAST."""
    return {name: form for name, form in _forms(canary) if len(form) >= LEAST}


def _forms(canary: Canary) -> Iterator[tuple[str, bytes]]:
    raw = canary.raw
    yield from _written("", raw)
    yield from _written("reversed ", raw[::-1])
    for name, digest in DIGESTS.items():
        hashed = digest(raw)
        yield f"{name} raw", hashed
        yield f"{name} hex", hashed.hex().encode()
        yield from _base64(f"{name} ", hashed)
    if canary.kind is Kind.ADDRESS:
        yield from _address(raw.decode())


def _written(prefix: str, raw: bytes) -> Iterator[tuple[str, bytes]]:
    yield f"{prefix}raw", raw
    yield f"{prefix}hex", raw.hex().encode()
    yield f"{prefix}HEX", raw.hex().upper().encode()
    yield f"{prefix}first half hex", raw.hex()[: len(raw)].encode() if len(raw) >= 2 * LEAST else b""
    yield f"{prefix}bech32", "".join(CHARSET[value] for value in convertbits(raw, 8, 5) or ()).encode()
    yield f"{prefix}percent", urllib.parse.quote(raw, safe="").encode()
    yield f"{prefix}escaped", repr(raw)[2:-1].encode()
    yield f"{prefix}JSON", json.dumps(raw.decode("latin-1"))[1:-1].encode()
    yield f"{prefix}decimal", str(int.from_bytes(raw)).encode()
    yield f"{prefix}base32", base64.b32encode(raw).rstrip(b"=")
    yield from _base64(prefix, raw)


def _base64(prefix: str, raw: bytes) -> Iterator[tuple[str, bytes]]:
    """Wherever the secret begins within three bytes; the letters that its neighbours change are left out."""
    for shift in range(3):
        whole = (shift + len(raw)) // 3 * 4
        first = (0, 2, 3)[shift]
        for name, encode in (("base64", base64.b64encode), ("base64url", base64.urlsafe_b64encode)):
            yield f"{prefix}{name} +{shift}", encode(bytes(shift) + raw)[first:whole]


def _address(text: str) -> Iterator[tuple[str, bytes]]:
    address = ipaddress.ip_address(text)
    yield "mapped hex", b"ffff" + address.packed.hex().encode()
    yield "packed hex", address.packed.hex().encode()
    yield "packed decimal", str(int(address)).encode()
    yield "mapped", b"\xff\xff" + address.packed
    yield "octets reversed", b".".join(reversed(text.encode().split(b".")))
