"""Bad input on the real network: one clear status each, the process lives, its log tells nothing, messages go on."""

import json
import os
import random
from contextlib import suppress

import grpc
import grpc.aio
import pytest

from essaim.network.raw import encode, link_stream
from essaim.network.tls import dial
from essaim.protocol.geometry import CELL_SIZES, MESSAGE_LIMIT
from essaim.protocol.status import UNSPECIFIED, Refusal, read_trailers
from essaim.protocol.view import Node
from essaim.runtime.logs import FIELDS, LogLevel
from real_network import RealNetwork, listening

SEND = "/essaim.relay.v1.RelayService/Send"
OPEN = "/essaim.relay.v1.RelayService/Open"
GET_VIEW = "/essaim.view.v1.ViewService/GetView"
STORE = "/essaim.storage.v1.MailboxService/Store"
LINE = {"time", "service", "node", "event", "level"}
SMALL = CELL_SIZES[0]


def anything(node: Node) -> grpc.aio.Channel:
    """A channel of a stranger, who keeps to no limit."""
    return dial(node.address, node.certificates, [("grpc.max_send_message_length", -1)])


async def refusal(node: Node, method: str, message: bytes, *, streaming: bool = False) -> Refusal:
    """What raw bytes to a method are refused for."""
    async with anything(node) as channel:
        make = channel.unary_stream if streaming else channel.unary_unary
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            call = make(method, None, None)(message, timeout=20)
            if streaming:
                async for _ in call:
                    pass
            else:
                await call
        return read_trailers(caught.value.code().value[0], caught.value.trailing_metadata() or ())


async def link_refusal(node: Node, *messages: bytes) -> Refusal:
    """What a stranger who sends these on a link is told."""
    async with anything(node) as channel:
        stream = link_stream(channel)
        await stream.read()  # CHALLENGE
        with suppress(grpc.aio.AioRpcError):  # the node may have ended it before all is written
            for message in messages:
                await stream.write(message)
        code = await stream.code()
        return read_trailers(code.value[0], await stream.trailing_metadata() or ())


def prefix(version: int = 1, suite: int = 2, cell_class: int = 0, reply_class: int = 0) -> bytes:
    return bytes((version, suite, cell_class, reply_class))


CELLS = {
    "empty": (b"", "BAD_CELL"),
    "one byte": (b"\x01", "BAD_CELL"),
    "wrong length": (prefix() + bytes(SMALL - 5), "BAD_CELL"),
    "unknown version": (prefix(version=9) + os.urandom(SMALL - 4), "BAD_CELL"),
    "unknown class": (prefix(cell_class=7) + os.urandom(SMALL - 4), "BAD_CELL"),
    "unknown suite": (prefix(suite=9) + os.urandom(SMALL - 4), "BAD_CELL"),
    "noise": (prefix() + os.urandom(SMALL - 4), "KEY_UNKNOWN"),
}


@pytest.mark.parametrize("streaming", [False, True], ids=["Send", "Open"])
@pytest.mark.parametrize("name", CELLS)
async def test_garbage_cell_is_refused_with_its_reason(network: RealNetwork, name: str, streaming: bool) -> None:
    relay = (await network.view_where()).relays()[0]
    cell, reason = CELLS[name]
    told = await refusal(relay, OPEN if streaming else SEND, encode([cell]), streaming=streaming)
    assert (told.reason, told.domain) == (reason, "relay.essaim")


async def test_nodes_survive_all_of_it_in_silence(network: RealNetwork) -> None:
    """Whatever strangers send to every door: the same processes live, and a message goes through them."""
    alice, bob = await network.newcomer(), await network.newcomer()
    pids = {name: network.net.node(name).pid for name in network.net.layout.names}
    view = await network.view_where()
    chance = random.Random(2)
    for node in (view.relays()[0], view.storage()[0]):
        for message in (b"\xff" * 40, chance.randbytes(300), b"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"):
            told = await refusal(node, GET_VIEW, message, streaming=True)
            assert (told.code, told.reason) == (3, "MALFORMED")
        assert (await refusal(node, "/essaim.view.v1.ViewService/Nothing", b"")).code == 12
        assert (await refusal(node, GET_VIEW, bytes(MESSAGE_LIMIT + 1), streaming=True)).code == 8
        for message in (b"\xff", encode([chance.randbytes(200)]), encode([bytes((2,)) + chance.randbytes(40)])):
            assert (await link_refusal(node, message)).reason in {"PROTOCOL", "MALFORMED"}
        assert (await link_refusal(node, bytes(MESSAGE_LIMIT + 1))).code == 8
    for message in (b"\xff" * 40, b"", encode([chance.randbytes(500)])):
        told = await refusal(view.storage()[0], STORE, message)
        assert told.code in {3, 9} and told.reason != UNSPECIFIED
    async with alice.online() as me, bob.online() as he, listening(he) as arrived:
        await network.say(me, bob, "after the garbage")
        assert await arrived.texts(1) == ["after the garbage"]
    assert {name: network.net.node(name).pid for name in network.net.layout.names} == pids
    assert_logs_hold_allowed_fields_only(network)


def assert_logs_hold_allowed_fields_only(network: RealNetwork) -> None:
    for name in network.net.layout.names:
        for line in network.net.node(name).log.read_text().splitlines():
            told = json.loads(line)  # a trace, or any free text, is no JSON object
            assert told.keys() <= LINE | FIELDS, line
            assert told["level"] != LogLevel.ERROR.value, line  # whatever strangers send is no fault of the node
