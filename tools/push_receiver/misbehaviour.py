"""Misbehaving as an HTTP/1.1 server."""

import asyncio
import socket
import struct

from aiohttp import web

from push_receiver.control import Control
from push_receiver.plan import Step

PIECE = b"x" * 65_536


async def misbehave(request: web.Request, control: Control) -> web.StreamResponse | None:
    """What the plan's next step says; None: answer as it should be, perhaps later."""
    step = await control.plan.next()
    if step.reset:
        reset(request)
        raise ConnectionResetError
    if step.huge_headers:
        return web.Response(status=201, headers={"X-Large": "y" * step.huge_headers})
    if step.huge_body or step.dribble:
        return await _stream(request, step)
    if step.status:
        return web.Response(status=step.status, headers=step.headers, text=step.body)
    return None


def reset(request: web.Request) -> None:
    """TCP RST instead of an end."""
    transport = request.transport
    if transport is not None:
        end: socket.socket = transport.get_extra_info("socket")
        end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport.abort()


async def _stream(request: web.Request, step: Step) -> web.StreamResponse:
    response = web.StreamResponse(status=step.status or 201, headers=step.headers)
    await response.prepare(request)
    sent = 0
    while sent < (step.huge_body or 1_000):
        piece = b"x" if step.dribble else PIECE
        await response.write(piece)
        await asyncio.sleep(step.dribble)
        sent += len(piece)
    return response
