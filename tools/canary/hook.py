"""A web server that a push host wakes somebody by."""

import asyncio
import secrets

from aiohttp import web

from essaim.protocol.push.endpoint import Webhook
from essaim.protocol.push.url import Url

SECRET_SIZE = 32


class Hook:
    """`async with Hook() as hook`; its address and secret are canaries."""

    def __init__(self) -> None:
        self.name = f"canary-{secrets.token_hex(16)}"
        self.secret = secrets.token_bytes(SECRET_SIZE)
        self.woken = asyncio.Event()

    async def __aenter__(self) -> "Hook":
        application = web.Application()
        application.add_routes([web.post(f"/{self.name}", self._wake)])
        self._runner = web.AppRunner(application, access_log=None)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        port = self._runner.addresses[0][1]
        self.endpoint = Webhook(Url.parse(f"http://127.0.0.1:{port}/{self.name}"), self.secret)
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._runner.cleanup()

    async def _wake(self, _request: web.Request) -> web.Response:
        self.woken.set()
        return web.Response(status=204)
