"""Paths: guard, middle, exit. Rules come from the signed view; no client setting bends one.

The guard stays for months, the middle is one of a few *second hops* that stay for days (vanguards-lite, Tor proposal
333), the exit is drawn afresh for each path, and a path lives ten minutes.
"""

import json
from collections.abc import Collection, Iterable, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from ipaddress import ip_network
from typing import Self

from essaim.protocol.errors import ProtocolError
from essaim.protocol.view import NetworkView, Node
from essaim_client.network.guard import Randomness, draw

PATH_LIFE_MS = 10 * 60_000
SECOND_HOPS = 4
SECOND_LIFE_MIN_MS = 1 * 86_400_000
SECOND_LIFE_MAX_MS = 12 * 86_400_000


class NoPathError(ProtocolError):
    """The view allows no path: too few relays, or too few operators, prefixes or regions for its rules."""

    reason = "NO_PATH"


@dataclass(frozen=True)
class Path:
    """Three relays of one view; used for requests until `expires_ms`."""

    guard: Node
    middle: Node
    exit: Node
    expires_ms: int

    @property
    def hops(self) -> tuple[Node, Node, Node]:
        return (self.guard, self.middle, self.exit)


def prefix_of(node: Node) -> str:
    """The /16 (IPv4) or /32 (IPv6) of a node's address."""
    return _prefix(node.address)


@lru_cache(maxsize=4096)
def _prefix(address: str) -> str:
    host = address.rsplit(":", 1)[0].strip("[]")
    return str(ip_network(f"{host}/{32 if ':' in host else 16}", strict=False))


def may_share_path(view: NetworkView, first: Node, second: Node) -> bool:
    """Whether the view's rules let two nodes stand in one path (destination included)."""
    rules = view.parameters
    return (
        first.node_id != second.node_id
        and not (rules.distinct_operators and first.operator_id == second.operator_id)
        and not (rules.distinct_prefixes and prefix_of(first) == prefix_of(second))
        and not (rules.distinct_regions and first.region == second.region)
    )


@dataclass
class SecondHop:
    node_id: str
    expires_ms: int


class SecondHops:
    """The few middles that a client uses for days; the state is a JSON text."""

    def __init__(self, hops: list[SecondHop] | None = None) -> None:
        self._hops = hops or []

    @classmethod
    def decode(cls, text: bytes) -> Self:
        try:
            return cls([SecondHop(**entry) for entry in json.loads(text)])
        except (ValueError, TypeError):
            return cls()

    def encode(self) -> bytes:
        return json.dumps([asdict(hop) for hop in self._hops]).encode()

    def refresh(self, view: NetworkView, guards: Sequence[Node], now_ms: int, random: Randomness) -> None:
        """Drop the expired and the unlisted, fill up: from relays that are not guards first."""
        listed = {node.node_id.hex() for node in view.relays()}
        self._hops = [hop for hop in self._hops if hop.expires_ms > now_ms and hop.node_id in listed]
        own_guards = {guard.node_id.hex() for guard in guards}
        self._fill(listed - own_guards, now_ms, random)
        # A small network has no others: a guard may be the middle of paths that begin with another one.
        self._fill(listed & own_guards, now_ms, random)

    def _fill(self, relays: set[str], now_ms: int, random: Randomness) -> None:
        free = sorted(relays - {hop.node_id for hop in self._hops})
        while len(self._hops) < SECOND_HOPS and free:
            life = SECOND_LIFE_MIN_MS + draw(random, SECOND_LIFE_MAX_MS - SECOND_LIFE_MIN_MS)
            self._hops.append(SecondHop(free.pop(draw(random, len(free))), now_ms + life))

    def nodes(self, view: NetworkView) -> list[Node]:
        relays = {node.node_id.hex(): node for node in view.relays()}
        return [relays[hop.node_id] for hop in self._hops if hop.node_id in relays]


@dataclass(frozen=True)
class PathChoice:
    """What a path is drawn from; `avoid` are relays that just failed, used only where nothing else is left."""

    view: NetworkView
    guards: Sequence[Node]
    seconds: Sequence[Node]
    destination: Node
    avoid: Collection[bytes] = ()

    def draw(self, now_ms: int, random: Randomness) -> Path:
        """Raises NoPathError rather than bend a rule. The guards keep their order, whatever else failed.

        A middle that is no second hop is taken only where the rules leave none of those.
        """
        barred = self._barred()
        for middles in (self.seconds, self.view.relays()):
            for guard in self._allowed(self.guards, (), barred):
                for middle in self._shuffled(self._allowed(middles, (guard,), barred), random):
                    exits = self._shuffled(self._allowed(self.view.relays(), (guard, middle), barred), random)
                    if exits:
                        return Path(guard, middle, exits[0], now_ms + PATH_LIFE_MS)
        raise NoPathError("the network's rules allow no path of three relays")

    def _barred(self) -> set[bytes]:
        swarm = self.view.swarm_of_node(self.destination.node_id)
        return {node.node_id for node in swarm.members} if swarm else {self.destination.node_id}

    def _allowed(self, nodes: Iterable[Node], chosen: Sequence[Node], barred: set[bytes]) -> list[Node]:
        others = (*chosen, self.destination)
        return [
            node
            for node in nodes
            if node.node_id not in barred and all(may_share_path(self.view, node, other) for other in others)
        ]

    def _shuffled(self, nodes: list[Node], random: Randomness) -> list[Node]:
        drawn = sorted(nodes, key=lambda _: random(8))
        return sorted(drawn, key=lambda node: node.node_id in self.avoid)
