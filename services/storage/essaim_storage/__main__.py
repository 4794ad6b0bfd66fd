"""`python -m essaim_storage`: the composition root of a storage node."""

import sys
from contextlib import AsyncExitStack
from functools import partial
from typing import TYPE_CHECKING

from essaim.protocol.view import Role
from essaim.protocol.view.testers import TestKind
from essaim.runtime.endpoint import Endpoint
from essaim.runtime.genesis import read_genesis
from essaim.runtime.membership import Membership
from essaim.runtime.node import run
from essaim.runtime.start import Service, Start
from essaim.runtime.told import told
from essaim.runtime.view_service import view_offer
from essaim_storage.assembly import Storage
from essaim_storage.hosts import hosts_of
from essaim_storage.members import neighbours_of
from essaim_storage.service import DOMAIN

if TYPE_CHECKING:
    from essaim_storage.settings import StorageSettings

ANSWER_SECONDS = 3.0
"""How long a node that drains waits for the members that a request under way needs."""


async def build(start: "Start[StorageSettings]") -> Service:
    """Membership, storage, and the endpoint that brings both to links, cells and direct calls."""
    membership = Membership(start, read_genesis(start.settings.genesis), Role.STORAGE)
    standing = membership.standing
    signing, transferred = start.identity.signing, membership.transfer.complete
    storage = Storage(start.settings, signing, standing.now_ms, transferred=transferred)
    members = storage.members
    membership.examiner.tests[TestKind.STORAGE] = storage.test
    offers = (storage.offer, view_offer(membership.holder.answer, standing.now_ms))
    endpoint = Endpoint(
        standing,
        membership.keyring,
        offers,
        DOMAIN,
        on_message=storage.on_message,
        on_peer=members.on_peer,
        links=start.settings.links,
    )
    stack = AsyncExitStack()  # taken down in reverse: calls end before the disk they need
    await membership.open()
    stack.push_async_callback(membership.close)
    await storage.start()
    stack.push_async_callback(storage.close)
    await stack.enter_async_context(endpoint)
    start_id = membership.start_id
    membership.holder.subscribe(lambda view: storage.view_changed(neighbours_of(view, standing.own_id, start_id)))
    membership.holder.subscribe(lambda view: storage.hosts.view_changed(hosts_of(view)))

    async def go_away() -> None:
        endpoint.refuse_calls()
        storage.executor.end_subscriptions()
        await storage.executor.answered(ANSWER_SECONDS)  # the members' acknowledgements come over links for messages
        await endpoint.go_away()

    background = (*membership.background, *storage.background)
    return Service(
        endpoint.mounts,
        background,
        join=membership.join,
        retire=partial(membership.retire, start.settings.retirement, for_good=start.settings.leave_for_good),
        leave=membership.leave,
        goaway=go_away,
        close=stack.aclose,
    )


def main() -> None:
    """The command: a node, or what keeps a copy of one."""
    if sys.argv[1:2] in (["backup"], ["restore"]):
        from essaim_storage import backup  # what a node never needs

        backup.main(sys.argv[1:])
    sys.exit(run(told("essaim_storage.settings:StorageSettings"), build))


if __name__ == "__main__":
    main()
