"""A bot that is not connected: a push host calls its web address when a message waits, and it answers.

    essaim account new --network network.json        once, in a home of its own (ESSAIM_HOME)
    ESSAIM_PASSPHRASE=... python examples/woken_bot.py https://bot.example.org/essaim --port 8080

Put a web server with a certificate before it, which passes the address on to the port. A push host calls nothing but
public addresses over https, unless its operator allows more. A wake says nothing; what it means is found out by asking.
"""

import argparse
import asyncio
import os
import sys
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

from essaim.protocol.push.endpoint import Webhook
from essaim.protocol.push.url import Url
from essaim.protocol.push.webhook import Replays, WebhookRefusedError, WebhookReplayError, verify
from essaim_client import Client, Message, ProtocolError

LONGEST_BODY = 16_384
LOOK_AGAIN_SECONDS = 10.0
"""The other members of the swarm may have a message a moment later than the one that told of it."""
LOOK_ANYHOW_SECONDS = 900.0


def answer(message: Message) -> str:
    """What to say to somebody."""
    return f"You said: {message.text}"


def door(secret: bytes, wake: Callable[[], object]) -> type[BaseHTTPRequestHandler]:
    """Takes what a push host posts: signed, recent and not seen before."""
    replays = Replays()

    class Door(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            length = int(self.headers.get("content-length", "0"))
            body = self.rfile.read(min(length, LONGEST_BODY))
            headers = {name.lower(): value for name, value in self.headers.items()}
            try:
                replays.check(verify(secret, headers, body, int(time.time())))
                wake()
            except WebhookReplayError:
                pass  # told again, for the first answer was lost
            except WebhookRefusedError:
                self.send_error(401)
                return
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Nobody's address is written down."""

    return Door


async def serve(me: Client, woken: asyncio.Event) -> None:
    """Answer what waits, sleep until a wake comes, and look once more a little later."""
    again = False
    while True:
        for message in await me.receive():
            if message.request:
                me.contacts.accept(message.sender)
            await me.send(message.sender, answer(message), reply_to=message.message_id)
        try:
            await asyncio.wait_for(woken.wait(), LOOK_AGAIN_SECONDS if again else LOOK_ANYHOW_SECONDS)
            again = True
        except TimeoutError:
            again = False
        woken.clear()


async def run(url: str, port: int) -> None:
    """With the account in ESSAIM_HOME, until it is ended."""
    secret, woken, loop = os.urandom(32), asyncio.Event(), asyncio.get_running_loop()
    wake = door(secret, lambda: loop.call_soon_threadsafe(woken.set))
    server = ThreadingHTTPServer(("127.0.0.1", port), wake)
    Thread(target=server.serve_forever, daemon=True).start()
    async with Client.open(passphrase=os.environ.get("ESSAIM_PASSPHRASE")) as me:
        await me.ready()
        await me.push.enable(Webhook(Url.parse(url), secret), prompt=True)
        sys.stderr.write(f"woken as {me.account_id}\n")
        await serve(me, woken)


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("url", help="where a push host reaches this bot")
    parser.add_argument("--port", type=int, default=8080, help="where it listens, on this machine (%(default)s)")
    given = parser.parse_args()
    asyncio.run(run(given.url, given.port))


if __name__ == "__main__":
    try:
        main()
    except ProtocolError as error:
        sys.exit(f"woken_bot: {error}")
    except KeyboardInterrupt:
        pass
