"""`python -m essaim_push`: the composition root of a push host."""

import sys
from contextlib import AsyncExitStack

from essaim.network.links import Links
from essaim.protocol.link.hello import LinkIdentity
from essaim.protocol.view import Role
from essaim.runtime.genesis import read_genesis
from essaim.runtime.membership import Membership
from essaim.runtime.node import run
from essaim.runtime.settings import load
from essaim.runtime.start import Service, Start
from essaim.runtime.view_service import view_offer
from essaim_push.assembly import PushHost
from essaim_push.door import OnionDoor
from essaim_push.service import DOMAIN
from essaim_push.settings import PushSettings


async def build(start: Start[PushSettings]) -> Service:
    """Membership, the host, links to storage nodes, and the endpoint that brings all to links and cells."""
    membership = Membership(start, read_genesis(start.settings.genesis), Role.PUSH)
    standing, holder = membership.standing, membership.holder
    identity = start.identity
    stack = AsyncExitStack()  # taken down in reverse: calls end before the database they need
    links = Links(LinkIdentity(identity.node_id, identity.signing.sign, standing.view_serial), start.settings.links)

    def answer(node_id: bytes, message: bytes) -> None:
        """Lost where there is no link just now: the wakes are sent again, and known again."""
        node = holder.current.nodes.get(node_id) if holder.current is not None else None
        if node is not None:
            links.tell(node, message)

    host = PushHost(start.settings, identity.node_id, standing.now_ms, answer)
    stack.push_async_callback(host.close)
    await host.start()

    def on_message(node_id: bytes, message: bytes) -> None:
        """Storage nodes alone have anything to say here."""
        node = holder.current.nodes.get(node_id) if holder.current is not None else None
        if node is not None and node.role == Role.STORAGE:
            host.intake.on_message(node_id, message)

    await membership.open()
    stack.push_async_callback(membership.close)
    await stack.enter_async_context(links)
    offers = (host.offer, view_offer(holder.answer, standing.now_ms))
    endpoint = OnionDoor(
        standing, membership.keyring, offers, DOMAIN, on_message=on_message, links=start.settings.links
    )
    await stack.enter_async_context(endpoint)

    async def go_away() -> None:
        await endpoint.go_away()
        await host.drain()

    background = (*membership.background, *host.background)
    return Service(
        endpoint.mounts,
        background,
        join=membership.join,
        leave=membership.leave,
        goaway=go_away,
        close=stack.aclose,
    )


def main() -> None:
    """The command: a push host, or what tries an operator's credentials."""
    if sys.argv[1:2] == ["probe"]:
        from essaim_push.providers.probe import probe  # what a host never needs

        sys.exit(probe(sys.argv[2:]))
    sys.exit(run(load(PushSettings), build))


if __name__ == "__main__":
    main()
