"""`python -m essaim_storage`: the composition root of a storage node."""

import sys
from functools import partial

from essaim.protocol.view import NetworkView, Role
from essaim.runtime.endpoint import Endpoint
from essaim.runtime.genesis import read_genesis
from essaim.runtime.membership import Membership
from essaim.runtime.node import run
from essaim.runtime.settings import load
from essaim.runtime.start import Service, Start
from essaim.runtime.view_service import view_offer
from essaim_storage.assembly import Storage
from essaim_storage.members import Neighbours
from essaim_storage.settings import StorageSettings


async def build(start: Start[StorageSettings]) -> Service:
    """Membership and storage; the endpoint brings both to links, cells and direct calls."""
    membership = Membership(start, read_genesis(start.settings.genesis), Role.STORAGE)
    standing = membership.standing
    storage = Storage(start.settings, start.identity.signing, standing.now_ms)
    offers = [storage.offer, view_offer(membership.holder.answer, standing.now_ms)]
    endpoint = Endpoint(
        standing,
        membership.keyring,
        offers,
        "storage.essaim",
        on_message=storage.members.on_message,
        on_peer=storage.members.on_peer,
    )
    await membership.open()
    await storage.start()
    await endpoint.__aenter__()
    membership.holder.subscribe(lambda view: storage.view_changed(neighbours(view, standing.own_id)))

    async def close() -> None:
        await endpoint.__aexit__(None, None, None)
        await storage.close()
        await membership.close()

    background = [*membership.background, *storage.background]
    return Service(endpoint.mounts, background, membership.join, membership.leave, endpoint.go_away, close)


def neighbours(view: NetworkView, own_id: bytes) -> Neighbours:
    """What a view says of the swarm of this node; nothing while it is in none."""
    swarm = view.swarm_of_node(own_id)
    if swarm is None:
        return Neighbours(view.serial)
    peers = {node.node_id: node for node in swarm.members if node.node_id != own_id}
    return Neighbours(view.serial, peers, True, partial(_owns, view, swarm.swarm_id))


def _owns(view: NetworkView, swarm_id: int, mailbox_id: bytes) -> bool:
    return view.swarm_of(mailbox_id).swarm_id == swarm_id


def main() -> None:
    """The command."""
    sys.exit(run(load(StorageSettings), build))


if __name__ == "__main__":
    main()
