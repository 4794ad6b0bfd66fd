"""Lanes: which path a request takes. One lane, one path for its ten minutes; two lanes never share one on purpose.

A caller names a lane by what must not be linked with other traffic (a mailbox, one of several readings of it).
"""

from collections.abc import Callable

from essaim.protocol.view import NetworkView, Node
from essaim_client.network.guard import GuardSet, Randomness
from essaim_client.network.path import Path, PathChoice, SecondHops

AVOID_MS = 60_000
"""How long a relay that failed is passed over."""
LANES_MAX = 256


class Lanes:
    """The living paths of a client, and the relays that it passes over for now."""

    def __init__(self, guards: GuardSet, seconds: SecondHops, now_ms: Callable[[], int], random: Randomness) -> None:
        self.guards = guards
        self.seconds = seconds
        self._now_ms = now_ms
        self._random = random
        self._paths: dict[tuple[bytes, bytes], Path] = {}
        self._avoid: dict[bytes, int] = {}

    def path(self, lane: bytes, view: NetworkView, destination: Node) -> Path:
        """The lane's path to this destination, drawn where there is none (NoPathError)."""
        now_ms, key = self._now_ms(), (lane, destination.node_id)
        path = self._paths.get(key)
        if path is None or path.expires_ms <= now_ms or not _still_listed(path, view):
            path = self._draw(view, destination, now_ms)
            self._keep(key, path)
        return path

    def _draw(self, view: NetworkView, destination: Node, now_ms: int) -> Path:
        self.guards.refresh(view, now_ms, self._random)
        guards = self.guards.candidates(view, now_ms)
        self.seconds.refresh(view, guards, now_ms, self._random)
        self._avoid = {node: until for node, until in self._avoid.items() if until > now_ms}
        choice = PathChoice(view, guards, self.seconds.nodes(view), destination, self._avoid)
        return choice.draw(now_ms, self._random)

    def _keep(self, key: tuple[bytes, bytes], path: Path) -> None:
        while len(self._paths) >= LANES_MAX:
            del self._paths[next(iter(self._paths))]
        self._paths[key] = path

    def failed(self, path: Path, suspects: tuple[bytes, ...], *, guard: bool) -> None:
        """Drop every path with a suspect in it; the guard is only marked when it failed itself."""
        now_ms = self._now_ms()
        if guard:
            self.guards.failed(path.guard.node_id, now_ms)
        self._avoid |= {node_id: now_ms + AVOID_MS for node_id in suspects if node_id != path.guard.node_id or guard}
        self._paths = {key: kept for key, kept in self._paths.items() if kept is not path and not _has(kept, suspects)}

    @property
    def living(self) -> list[tuple[bytes, Path]]:
        """(destination's node id, path) of each path in use, the newest last."""
        return [(destination, path) for (_, destination), path in self._paths.items()]

    def drop(self, lane: bytes) -> None:
        """The next request of this lane takes a new path."""
        self._paths = {key: path for key, path in self._paths.items() if key[0] != lane}


def _has(path: Path, node_ids: tuple[bytes, ...]) -> bool:
    return any(node.node_id in node_ids for node in path.hops)


def _still_listed(path: Path, view: NetworkView) -> bool:
    """As it was drawn: a relay that leaves, or started anew (new keys, perhaps another address) needs a new path."""
    return all(_same(hop, view.nodes.get(hop.node_id)) for hop in path.hops)


def _same(hop: Node, now: Node | None) -> bool:
    return now is not None and (now.state, now.start_id, now.address) == (hop.state, hop.start_id, hop.address)
