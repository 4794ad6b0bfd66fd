"""Linking a device: the four messages of somebody who has the code, and the code as it is typed."""

import random
from collections.abc import Iterator

from essaim.protocol.account import Account
from essaim.protocol.device import DeviceKeys
from essaim.protocol.keys import KeyRefusedError
from essaim.protocol.layout import MalformedError
from essaim.protocol.linking import (
    APPROVAL,
    HELLO,
    OFFER,
    REQUEST,
    Approval,
    Code,
    CodeRefusedError,
    LinkRefusedError,
    Newcomer,
    Request,
    Sponsor,
    _envelope,
    _Keys,
    kind_of,
)
from essaim.protocol.mailbox.policy import Policy
from essaim.protocol.manifest import ManifestRefusedError, first_manifest
from essaim.protocol.padding import unpad
from essaim.protocol.spake2 import ExchangeRefusedError
from fuzzed.parser import Parser

NOW = 1_800_000_000_000
SOURCE = random.Random(9).randbytes
ACCOUNT = Account(bytes(range(32)))
NEWCOMER = Newcomer(SOURCE)
SPONSOR = Sponsor(NEWCOMER.code, SOURCE)
SHARED = _Keys(bytes(32))
"""What both sides have agreed on, where the message is one of those after that."""
EXCHANGE = (LinkRefusedError, MalformedError, KeyRefusedError, ExchangeRefusedError)
KEYS = DeviceKeys.create(0, 1, SOURCE)


def _body(envelope: bytes) -> bytes:
    return unpad(envelope)[1:]


def hello(data: bytes) -> object:
    envelope = _envelope(HELLO, data)
    assert kind_of(envelope) == HELLO
    return SPONSOR.offer(envelope, ACCOUNT.id)


def hellos() -> Iterator[bytes]:
    yield _body(NEWCOMER.hello())


def offer(data: bytes) -> object:
    return NEWCOMER.offered(_envelope(OFFER, data))


def offers() -> Iterator[bytes]:
    yield _body(SPONSOR.offer(NEWCOMER.hello(), ACCOUNT.id))


def request(data: bytes) -> object:
    SPONSOR._keys = SHARED
    found = SPONSOR.requested(_envelope(REQUEST, SHARED.seal(REQUEST, b"request", data)))
    assert found.record(1, 0).device_id == found.device_id
    return found


def requests() -> Iterator[bytes]:
    policies = Policy.public_inbox(ACCOUNT.id.identity), Policy.outbox(ACCOUNT.id.identity)
    yield Request.of(KEYS, *policies, "kitchen").encode()


def approval(data: bytes) -> object:
    NEWCOMER._keys = SHARED
    found = NEWCOMER.approved(_envelope(APPROVAL, SHARED.seal(APPROVAL, b"approval", data)))
    assert found.encode() == data, "two forms of one meaning"
    if found.seed:
        Account(found.seed)  # what a new manager makes of it
    return found


def approvals() -> Iterator[bytes]:
    manifest = first_manifest(ACCOUNT, KEYS, NOW)
    yield Approval(manifest, bytes(137), b"\1" * 137, b"", bytes(32), NOW, b"\2" * 32).encode()
    yield Approval(manifest, bytes(137), b"\1" * 137, ACCOUNT.seed, bytes(32), NOW, b"\2" * 32).encode()


def code(data: bytes) -> object:
    found = Code.parse(data.decode("utf-8", "surrogateescape"))
    assert Code.parse(str(found)) == found
    return found.policy


def codes() -> Iterator[bytes]:
    yield from (str(NEWCOMER.code).encode(), b"il0-OlI 0123 abcd", " \u017ftuv 0123 4567".encode())


PARSERS = (
    Parser("linking.hello", hello, EXCHANGE, hellos, longest=1_536),
    Parser("linking.offer", offer, EXCHANGE, offers, longest=1_536),
    Parser("linking.request", request, EXCHANGE, requests, longest=1_700),
    Parser("linking.approval", approval, (*EXCHANGE, ManifestRefusedError), approvals, longest=4_000),
    Parser("linking.code", code, (CodeRefusedError,), codes, longest=64),
)
