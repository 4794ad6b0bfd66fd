"""Wakes through a UnifiedPush server that somebody else wrote and packaged: Prosody's mod_unified_push.

The packaged version (0.12) answers 201 for a device that is away, and its wake is lost: that is not tested here.
"""

import asyncio
import os

import http_ece
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

import prosody_server
from essaim.protocol.push.endpoint import WebPush
from essaim.protocol.push.url import Url
from essaim.protocol.push.web_push import public_bytes
from essaim_push.providers.outcome import Delivered, Gone, Retry, Trouble
from push_receivers import outcome, providers
from unifiedpush_distributor import Distributor

KEY = ec.generate_private_key(ec.SECP256R1())
AUTH = os.urandom(16)


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    prosody_server.require()
    with prosody_server.running(tmp_path_factory.mktemp("prosody")) as running:
        yield running


@pytest.fixture
async def sender(server, tmp_path):
    async with providers(tmp_path, str(server.ca)) as made:
        yield made


def device(server):
    return Distributor(server.xmpp, prosody_server.USER, prosody_server.PASSWORD)


def endpoint(url: str) -> WebPush:
    """What the app, which was given the url, seals to a push host."""
    return WebPush(Url.parse(url), public_bytes(KEY.public_key()), AUTH)


def opened(body: bytes) -> bytes:
    return http_ece.decrypt(body, private_key=KEY, auth_secret=AUTH, version="aes128gcm")


@pytest.mark.parametrize("preview", [None, b"p" * 240, bytes(2_800)])
async def test_unifiedpush_brings_a_wake_to_the_app(server, sender, preview):
    async with device(server) as distributor:
        where = endpoint(await distributor.register("org.example.essaim"))
        sending = asyncio.create_task(outcome(sender, where, preview=preview))
        push = await distributor.pushed()
        distributor.accept(push)

        assert await sending == Delivered()
        assert opened(push.body) == (preview or b"")


async def test_unifiedpush_wake_that_could_not_be_taken_is_brought_again(server, sender):
    """mod_unified_push 0.12 answers 500 whatever the device says."""
    async with device(server) as distributor:
        where = endpoint(await distributor.register("org.example.essaim"))
        sending = asyncio.create_task(outcome(sender, where, preview=b"again"))
        distributor.refuse(await distributor.pushed(), "recipient-unavailable")
        assert await sending == Retry(Trouble.DOWN)

        sending = asyncio.create_task(outcome(sender, where, preview=b"again"))
        push = await distributor.pushed()
        distributor.accept(push)
        assert await sending == Delivered() and opened(push.body) == b"again"


async def test_unifiedpush_server_that_was_down_brings_the_wake_when_it_is_back(tmp_path):
    prosody_server.require()
    folder = tmp_path / "prosody"
    folder.mkdir()
    with prosody_server.running(folder) as before:
        async with device(before) as distributor:
            where = endpoint(await distributor.register("org.example.essaim"))
    async with providers(tmp_path, str(before.ca)) as sender:
        assert await outcome(sender, where) == Retry(Trouble.UNREACHABLE)
        with prosody_server.running(folder, before):
            async with device(before) as distributor:
                sending = asyncio.create_task(outcome(sender, where))
                distributor.accept(await distributor.pushed())
                assert await sending == Delivered()


async def test_unifiedpush_endpoint_that_never_was_is_gone(server, sender):
    assert await outcome(sender, endpoint(f"https://localhost:{server.https}/push/never-was")) == Gone()
