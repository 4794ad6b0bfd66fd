"""How whoever started a receiver speaks to it: plain HTTP on a port of its own."""

from typing import Any

from aiohttp import web

from push_receiver.plan import Plan

LOOPBACK = "127.0.0.1"


class Control:
    """POST /plan adds a misbehaviour; GET /received tells what came, DELETE forgets; GET /waiting counts."""

    def __init__(self) -> None:
        self.plan = Plan()
        self.received: list[dict[str, Any]] = []
        self.application = web.Application()
        self.application.add_routes(
            [
                web.post("/plan", self._plan),
                web.get("/received", self._received),
                web.delete("/received", self._forget),
                web.get("/waiting", self._waiting),
            ]
        )

    async def _plan(self, request: web.Request) -> web.Response:
        self.plan.add(await request.json())
        return web.Response(status=204)

    async def _received(self, request: web.Request) -> web.Response:
        return web.json_response(self.received)

    async def _waiting(self, request: web.Request) -> web.Response:
        return web.json_response(self.plan.waiting)

    async def _forget(self, request: web.Request) -> web.Response:
        self.received.clear()
        self.plan.clear()
        return web.Response(status=204)


async def serve(application: web.Application, port: int, tls: Any = None, at: str = LOOPBACK) -> int:
    """The port."""
    runner = web.AppRunner(application, access_log=None, handle_signals=False, handler_cancellation=True)
    await runner.setup()
    await web.TCPSite(runner, at, port, ssl_context=tls).start()
    return int(runner.addresses[0][1])
