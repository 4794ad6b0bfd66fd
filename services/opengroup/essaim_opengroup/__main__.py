"""`python -m essaim_opengroup`: the composition root of a host of open groups."""

import sys
from contextlib import AsyncExitStack

from essaim.protocol.view import Role
from essaim.runtime.genesis import read_genesis
from essaim.runtime.membership import Membership
from essaim.runtime.node import run
from essaim.runtime.settings import load
from essaim.runtime.start import Service, Start
from essaim.runtime.view_service import view_offer
from essaim_opengroup.assembly import Host
from essaim_opengroup.door import OnionDoor
from essaim_opengroup.page.site import Site
from essaim_opengroup.service import DOMAIN
from essaim_opengroup.settings import OpengroupSettings


async def build(start: Start[OpengroupSettings]) -> Service:
    """Membership, the host, and the endpoint that brings it to links, cells and direct calls."""
    membership = Membership(start, read_genesis(start.settings.genesis), Role.OPENGROUP)
    standing = membership.standing
    stack = AsyncExitStack()  # taken down in reverse: calls end before the database they need
    host = Host(start.settings, start.identity.node_id, standing.now_ms)
    stack.push_async_callback(host.close)
    await membership.open()
    stack.push_async_callback(membership.close)
    offers = (host.offer, view_offer(membership.holder.answer, standing.now_ms))
    endpoint = OnionDoor(standing, membership.keyring, offers, DOMAIN, links=start.settings.links)
    await stack.enter_async_context(endpoint)
    if start.settings.page is not None:
        await stack.enter_async_context(Site(start.settings.page, start.settings.name, host.asking))

    async def leave() -> None:
        await host.leave()
        await membership.leave()

    async def go_away() -> None:
        host.service.end_streams()
        await endpoint.go_away()

    background = (*membership.background, *host.background)
    return Service(endpoint.mounts, background, join=membership.join, leave=leave, goaway=go_away, close=stack.aclose)


def main() -> None:
    """The command: a host, or what keeps a copy of one."""
    if sys.argv[1:2] == ["backup"]:
        from essaim_opengroup.backup import backup  # what a host never needs

        sys.exit(backup(sys.argv[2:]))
    sys.exit(run(load(OpengroupSettings), build))


if __name__ == "__main__":
    main()
