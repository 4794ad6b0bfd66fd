"""`python -m essaim_relay`: the composition root of a relay."""

import sys

from essaim.network.peer import Peer
from essaim.network.settings import LinkSettings
from essaim.protocol.link.hello import LinkIdentity
from essaim.protocol.view import NodeState, Role
from essaim.runtime.genesis import read_genesis
from essaim.runtime.membership import Membership
from essaim.runtime.node import run
from essaim.runtime.settings import load
from essaim.runtime.start import Service, Start
from essaim.runtime.view_service import view_offer
from essaim_relay.relay import Relay
from essaim_relay.settings import RelaySettings


async def build(start: Start[RelaySettings]) -> Service:
    """Membership, then the relay upon what it knows of the network."""
    membership = Membership(start, read_genesis(start.settings.genesis), Role.RELAY)
    standing = membership.standing

    def next_hop(node_id: bytes) -> Peer | None:
        """A node of the signed view, and nothing else: the exit is no open proxy."""
        view = membership.holder.current
        node = view.nodes.get(node_id) if view is not None else None
        return node if node is not None and node.state != NodeState.DECOMMISSIONED else None

    relay = Relay(
        standing,
        membership.keyring,
        LinkIdentity(standing.own_id, start.identity.signing.sign, standing.view_serial),
        next_hop,
        [view_offer(membership.holder.answer, standing.now_ms)],
        LinkSettings(quiet_us=start.settings.pace_ms * 1_000),
    )
    await membership.open()
    await relay.__aenter__()

    async def close() -> None:
        await relay.__aexit__(None, None, None)
        await membership.close()

    return Service(relay.mounts, membership.background, membership.join, membership.leave, relay.go_away, close)


def main() -> None:
    """The command."""
    sys.exit(run(load(RelaySettings), build))


if __name__ == "__main__":
    main()
