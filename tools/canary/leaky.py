"""`python -m canary.leaky SERVICE FLAG...`: that service with a planted leak, so that the search is seen to find one.

Never part of a service: this program changes the service's classes in its own process before it starts them.
"""

import base64
import importlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any


def leak_into_log(context: Any) -> None:
    """A client's address on standard output, as a library would print it."""
    sys.stdout.write(f"connection from {context.peer()}\n")
    sys.stdout.flush()


def plant_links() -> None:
    """A relay, or a host of open groups, prints who opens a link to it."""
    from essaim.network.acceptor import LinkAcceptor

    wrap(LinkAcceptor, "_link", lambda _self, _stream, context: leak_into_log(context))


def plant_storage() -> None:
    """Storage writes the mailbox of each Store into a file of its own, in base64."""
    from essaim_storage.service import MailboxService

    folder = Path(sys.argv[sys.argv.index("--data-dir") + 1])

    def note(_self: object, request: Any, _context: object) -> None:
        with (folder / "cache").open("ab") as cache:
            cache.write(b"x" + base64.b64encode(b"seen:" + request.mailbox.id) + b"\n")

    wrap(MailboxService, "Store", note)


def plant_discovery() -> None:
    """Discovery counts the views that it gives by who asks for them."""
    from prometheus_client import Counter

    from essaim.runtime import view_service

    asked = Counter("essaim_discovery_asked", "Planted.", ["peer"])
    plain = view_service.ViewServicer.GetView

    async def counted(self: Any, request: Any, context: Any) -> Any:
        asked.labels(context.peer()).inc()
        async for response in plain(self, request, context):
            yield response

    view_service.ViewServicer.GetView = counted  # type: ignore[method-assign]


def plant_push() -> None:
    """A push host notes in a file of its own whom it tells, as a library's connection cache would."""
    from essaim_push.dispatch import Dispatcher

    folder = Path(sys.argv[sys.argv.index("--data-dir") + 1])

    def note(_self: object, endpoint: Any, _leased: object) -> None:
        with (folder / "cache").open("ab") as cache:
            cache.write(endpoint.url.path.encode() + b"\n")

    wrap(Dispatcher, "_call", note)


def wrap(kind: type, name: str, before: Callable[..., None]) -> None:
    """Call `before` with the method's arguments, then the method."""
    plain = getattr(kind, name)

    async def wrapped(*arguments: Any) -> Any:
        before(*arguments)
        return await plain(*arguments)

    setattr(kind, name, wrapped)


PLANTED = {
    "relay": plant_links,
    "opengroup": plant_links,
    "storage": plant_storage,
    "discovery": plant_discovery,
    "push": plant_push,
}


if __name__ == "__main__":
    service = sys.argv.pop(1)
    PLANTED[service]()
    importlib.import_module(f"essaim_{service}.__main__").main()
