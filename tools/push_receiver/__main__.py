"""`python -m push_receiver web-push|webhook|apns|fcm`: one line of JSON when it listens, then it serves until ended."""

import argparse
import asyncio
import json
import sys
import tempfile
from base64 import b64encode
from pathlib import Path
from typing import Any

from aiohttp import web

from push_receiver import authority
from push_receiver.apns import KEY_FILE, ApnsServer
from push_receiver.control import LOOPBACK, Control, serve
from push_receiver.fcm import ACCOUNT_FILE, FcmServer
from push_receiver.http2 import Http2Server
from push_receiver.web_push import WebPushReceiver
from push_receiver.webhook import WebhookReceiver

KINDS = ("web-push", "webhook", "apns", "fcm")
LOCAL = "localhost"


def at_of(host: str) -> str:
    """Where to listen: the resolver of localhost may answer by IPv6 first."""
    return LOOPBACK if host == LOCAL else host


async def run(kind: str, folder: Path, host: str, ports: tuple[int, int]) -> None:
    """Until cancelled. `ports`: the receiver's, and of its control."""
    control = Control()
    if kind in ("web-push", "webhook"):
        about = await _web(kind, folder, host, ports[0], control)
    else:
        about = await _vendor(kind, folder, ports[0], control)
    about["control"] = f"http://{at_of(host)}:{await serve(control.application, ports[1], at=at_of(host))}"
    about["ca"] = str(folder / authority.CA_FILE)
    sys.stdout.write(json.dumps(about) + "\n")
    sys.stdout.flush()
    await asyncio.Event().wait()


async def _web(kind: str, folder: Path, host: str, port: int, control: Control) -> dict[str, Any]:
    receiver = WebPushReceiver(control) if kind == "web-push" else WebhookReceiver(control)
    at = at_of(host)
    bound = await serve(receiver.application, port, authority.make(folder, address=at), at)
    origin = f"https://{host}:{bound}"
    receiver.origin = origin
    if isinstance(receiver, WebPushReceiver):
        return {"url": origin, "subscription": receiver.subscribe()}
    secret = "whsec_" + b64encode(receiver.secret).decode()
    return {"url": origin, "endpoint": {"url": f"{origin}/hook", "secret": secret}}


async def _vendor(kind: str, folder: Path, port: int, control: Control) -> dict[str, Any]:
    server: ApnsServer | FcmServer = ApnsServer(control, folder) if kind == "apns" else FcmServer(control, folder)
    listening = Http2Server(server.answer, control.plan)
    port = await listening.start(authority.make(folder, alpn=("h2",)), port)
    origin = f"https://localhost:{port}"

    async def revoke(_request: web.Request) -> web.Response:
        if isinstance(server, FcmServer):
            server.revoke()
        return web.Response(status=204)

    control.application.add_routes([web.post("/revoke", revoke)])
    if isinstance(server, FcmServer):
        server.listening(origin)
    file = folder / (KEY_FILE if kind == "apns" else ACCOUNT_FILE)
    return {"url": origin, "credentials": str(file), **server.about}


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(prog="push_receiver", description=__doc__)
    parser.add_argument("kind", choices=KINDS)
    parser.add_argument("--folder", type=Path, help="where its certificates and credentials go; default: a new one")
    parser.add_argument("--host", default=LOCAL, help="an IPv4 address of web-push and webhook (%(default)s)")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--control-port", type=int, default=0)
    given = parser.parse_args()
    folder = given.folder or Path(tempfile.mkdtemp(prefix="push-receiver-"))
    folder.mkdir(parents=True, exist_ok=True)
    try:
        asyncio.run(run(given.kind, folder, given.host, (given.port, given.control_port)))
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
