"""What this device keeps of its subscription: with whom, under which keys, and what is registered where."""

import json
from dataclasses import asdict, dataclass, field
from typing import Self

from essaim.protocol.keys import SigningKey
from essaim_client.store.local_store import LocalStore

KEY = "push"


@dataclass
class Subscribed:
    """At most one. Bytes are kept as hexadecimal digits."""

    host: str
    nodes: list[str]
    owner: str
    subscription: str
    preview: str
    """The secret that the keys of previews come from; empty: wakes have no content."""
    kind: int
    prompt: bool
    groups: bool = False
    """Whether closed groups wake, too."""
    generation: int = 0
    renewed_ms: int = 0
    lanes: dict[str, int] = field(default_factory=dict)
    """Of each private inbox and each epoch of a group, by its name; the public inbox has lane 0."""
    registered: dict[str, str] = field(default_factory=dict)
    """"mailbox id/day" to the push id that wakes for it."""

    @classmethod
    def load(cls, store: LocalStore) -> Self | None:
        kept = store.get(KEY)
        return cls(**json.loads(kept)) if kept else None

    def save(self, store: LocalStore) -> None:
        store.put(KEY, json.dumps(asdict(self)).encode())

    @staticmethod
    def forget(store: LocalStore) -> None:
        store.put(KEY, b"")

    @property
    def host_id(self) -> bytes:
        return bytes.fromhex(self.host)

    @property
    def node_ids(self) -> tuple[bytes, ...]:
        return tuple(map(bytes.fromhex, self.nodes))

    @property
    def signer(self) -> SigningKey:
        return SigningKey(bytes.fromhex(self.owner))

    def knows(self, name: bytes) -> bool:
        """Whether it has a lane."""
        return name.hex() in self.lanes

    def lane_of(self, name: bytes) -> int:
        """Of a private inbox or an epoch; a new one gets the next number."""
        return self.lanes.setdefault(name.hex(), max(self.lanes.values(), default=0) + 1)


def place_key(mailbox_id: bytes, day: int) -> str:
    return f"{mailbox_id.hex()}/{day}"


def day_of(key: str) -> int:
    return int(key.partition("/")[2])
