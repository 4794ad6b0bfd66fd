"""The smallest service: what test_run_and_drain starts as a process. Run: tiny_service.py --data-dir D --mode M."""

import asyncio
import logging
import sys
from functools import partial
from typing import Annotated, Literal

import structlog
from pydantic import Field

from essaim.relay.v1.relay_pb2 import OpenResponse, SendResponse
from essaim.relay.v1.relay_pb2_grpc import RelayServiceServicer, add_RelayServiceServicer_to_server
from essaim.runtime.node import run
from essaim.runtime.settings import NodeSettings, load
from essaim.runtime.start import Mount, Service, Start

SECRET_TEXT = "198.51.100.7:4000 esm1qqqqqqqq"


class TinySettings(NodeSettings, service="tiny"):
    """Settings of a service that exists for a test."""

    mode: Annotated[
        Literal["plain", "stuck-join", "bad-leave"], Field(description="What goes wrong. Plain: nothing.")
    ] = "plain"


class Tiny(RelayServiceServicer):
    """Send(b"die") ends the background task, Send(b"raise") is a fault; Open answers at once and when drained."""

    def __init__(self) -> None:
        self.leaving = asyncio.Event()
        self.dying = asyncio.Event()

    async def Send(self, request, context):
        if request.cell == b"die":
            self.dying.set()
        if request.cell == b"raise":
            logging.getLogger("grpc").error("peer %s", SECRET_TEXT)
            structlog.get_logger().info(SECRET_TEXT, peer=SECRET_TEXT)
            raise ZeroDivisionError(SECRET_TEXT)
        return SendResponse(cell=request.cell)

    async def Open(self, request, context):
        yield OpenResponse(cell=b"begun")
        if request.cell == b"forever":
            await asyncio.Event().wait()
        await self.leaving.wait()
        yield OpenResponse(cell=b"done")

    async def live(self):
        await self.dying.wait()
        raise LookupError(SECRET_TEXT)


async def build(start: Start[TinySettings]) -> Service:
    tiny = Tiny()
    mode = start.settings.mode

    async def join():
        if mode == "stuck-join":
            await asyncio.Event().wait()

    async def leave():
        tiny.leaving.set()
        if mode == "bad-leave":
            raise ConnectionError(SECRET_TEXT)

    mount = Mount("essaim.relay.v1.RelayService", partial(add_RelayServiceServicer_to_server, tiny))
    return Service([mount], background=[tiny.live], join=join, leave=leave)


if __name__ == "__main__":
    sys.exit(run(load(TinySettings), build))
