"""How large a testnet is, and the parameters that its genesis signs."""

import json
from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Layout:
    """The default is the README's: 6 relays and 2 swarms of 3 storage nodes."""

    relays: int = 6
    storage: int = 6
    swarm_min: int = 3
    swarm_target: int = 3
    swarm_max: int = 5
    view_min_interval_ms: int = 1_000
    x25519_period_seconds: int = 3_600
    kem_period_seconds: int = 86_400
    suites: tuple[int, ...] = (2, 1)
    """Onion suites, best first: 2 is hybrid, 1 classic."""
    uptime_seconds: int = 60
    away_seconds: int = 180
    open_admission: bool = True
    """Anybody may register; else the nodes show the operator's signature."""
    opengroups: int = 0
    """Hosts of open groups, each a host of its own."""
    pushes: int = 0
    """Push hosts, each a host of its own. They call endpoints on this machine, as no other push host does."""
    push_flags: tuple[str, ...] = ()
    """Beside those."""
    drained: tuple[str, ...] = ()
    """Storage nodes that were started once and have left for good."""

    @property
    def swarms(self) -> int:
        return max(1, (self.storage - len(self.drained)) // self.swarm_target)

    @property
    def storage_names(self) -> list[str]:
        """Of the storage nodes that have not left."""
        names = (f"storage-{number}" for number in range(1, self.storage + 1))
        return [name for name in names if name not in self.drained]

    @classmethod
    def load(cls, text: str) -> "Layout":
        """What `dump` wrote."""
        facts = json.loads(text)
        tuples = ("suites", "drained", "push_flags")
        return cls(**{**facts, **{name: tuple(facts[name]) for name in tuples}})

    def dump(self) -> str:
        return json.dumps(asdict(self))

    @property
    def names(self) -> list[str]:
        """Every process, in the order of starting."""
        relays = [f"relay-{number}" for number in range(1, self.relays + 1)]
        hosts = [f"opengroup-{number}" for number in range(1, self.opengroups + 1)]
        pushes = [f"push-{number}" for number in range(1, self.pushes + 1)]
        return ["discovery", *relays, *self.storage_names, *hosts, *pushes]
