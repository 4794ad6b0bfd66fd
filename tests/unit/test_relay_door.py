"""The guard's door holds no more for one connection than links do."""

import asyncio
from types import SimpleNamespace

import pytest

from essaim.network.settings import LinkSettings
from essaim.protocol.link.calls import Total
from essaim.relay.v1 import relay_pb2
from essaim_relay.service import CellNotCarriedError, RelayServicer

CELL = bytes((1, 2, 0, 0)) + bytes(16_380)


async def test_what_all_clients_hold_is_one_for_every_connection_and_for_links():
    came, clients = asyncio.Queue(), Total(2 * len(CELL))
    door = RelayServicer(came.put_nowait, LinkSettings(), clients)

    async def send(number):
        context = SimpleNamespace(peer=lambda: f"connection {number}")
        return await asyncio.wait_for(door.Send(relay_pb2.SendRequest(cell=CELL), context), 5)

    sending = asyncio.create_task(send(1))
    call = await came.get()
    clients.held += len(CELL)  # a link's
    with pytest.raises(CellNotCarriedError) as caught:
        await send(2)
    assert caught.value.reason == "BUSY"
    call.reply(0, CELL)
    assert clients.held == 3 * len(CELL)
    assert (await sending).cell == CELL
    call.reply(1, CELL)  # too late
    assert clients.held == len(CELL)


async def test_calls_of_one_connection_beyond_the_budget_are_refused_and_room_comes_back():
    here, elsewhere = (SimpleNamespace(peer=lambda name=name: name) for name in ("here", "elsewhere"))
    came = asyncio.Queue()
    door = RelayServicer(came.put_nowait, LinkSettings(client_calls=2), Total(1 << 20))

    async def send(connection):
        sending = asyncio.create_task(door.Send(relay_pb2.SendRequest(cell=CELL), connection))
        return sending, await asyncio.wait_for(came.get(), 5)

    (first, _), second = await send(here), await send(here)
    with pytest.raises(CellNotCarriedError) as caught:
        await asyncio.wait_for(door.Send(relay_pb2.SendRequest(cell=CELL), here), 5)
    assert caught.value.reason == "BUSY"
    third = await send(elsewhere)
    first.cancel()
    await asyncio.wait((first,))
    for sending, call in (second, third, await send(here)):
        call.reply(0, CELL)
        assert (await sending).cell == CELL
