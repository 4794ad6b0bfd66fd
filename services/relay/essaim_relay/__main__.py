"""`python -m essaim_relay`: the composition root of a relay."""

import sys
from typing import TYPE_CHECKING

from essaim.protocol.link.hello import LinkIdentity
from essaim.protocol.view import Node, NodeState, Role
from essaim.runtime.genesis import read_genesis
from essaim.runtime.membership import Membership
from essaim.runtime.node import run
from essaim.runtime.start import Service, Start
from essaim.runtime.told import told
from essaim.runtime.view_holder import ViewHolder
from essaim.runtime.view_service import view_offer
from essaim_relay.relay import Relay

if TYPE_CHECKING:
    from essaim_relay.settings import RelaySettings


async def build(start: "Start[RelaySettings]") -> Service:
    """Membership and the relay, which knows of the view only whom it may send to."""
    membership = Membership(start, read_genesis(start.settings.genesis), Role.RELAY)
    standing, holder = membership.standing, membership.holder
    relay = Relay(
        standing,
        membership.keyring,
        LinkIdentity(standing.own_id, start.identity.signing.sign, standing.view_serial),
        lambda node_id: next_hop(holder, standing.own_id, node_id),
        [view_offer(holder.answer, standing.now_ms)],
        start.settings.links,
    )
    await membership.open()
    await relay.__aenter__()

    async def close() -> None:
        await relay.__aexit__(None, None, None)
        await membership.close()

    return Service(
        relay.mounts,
        membership.background,
        join=membership.join,
        leave=membership.leave,
        goaway=relay.go_away,
        close=close,
    )


def next_hop(holder: ViewHolder, own_id: bytes, node_id: bytes) -> Node | None:
    """The node of the signed view that cells may be passed to: relays and destinations alike have a role there."""
    node = holder.current.nodes.get(node_id) if holder.current is not None else None
    if node is None or node_id == own_id or node.state == NodeState.DECOMMISSIONED:
        return None
    return node


def main() -> None:
    """The command."""
    sys.exit(run(told("essaim_relay.settings:RelaySettings"), build))


if __name__ == "__main__":
    main()
