"""A bot's web server, which checks signatures by the `standardwebhooks` library of that specification's authors."""

import os

from aiohttp import web
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from push_receiver.control import Control
from push_receiver.misbehaviour import misbehave


class WebhookReceiver:
    """`secret` is drawn at the start."""

    def __init__(self, control: Control) -> None:
        self.origin = ""
        self.secret = os.urandom(32)
        self._control = control
        self._library = Webhook(self.secret)
        self.application = web.Application()
        self.application.add_routes([web.post("/hook", self._hook)])

    async def _hook(self, request: web.Request) -> web.StreamResponse:
        other = await misbehave(request, self._control)
        if other is not None:
            return other
        headers = {name.lower(): value for name, value in request.headers.items()}
        try:
            document = self._library.verify(await request.read(), headers)
        except WebhookVerificationError as error:
            self._control.received.append({"refused": str(error)})
            return web.Response(status=401)
        self._control.received.append({"id": headers["webhook-id"], "document": document})
        return web.Response(status=204)
