"""Who this node keeps mailboxes with, by the newest view, and who of them a link leads to."""

from collections.abc import Callable
from dataclasses import dataclass, field


def _owns_nothing(_mailbox_id: bytes) -> bool:
    return False


@dataclass
class Swarm:
    """Changed by the node alone, read by every machine."""

    own_id: bytes
    serial: int = 0
    members: frozenset[bytes] = frozenset()
    owns: Callable[[bytes], bool] = _owns_nothing
    linked: set[bytes] = field(default_factory=set)

    @property
    def others(self) -> tuple[bytes, ...]:
        """The other members, in a fixed order."""
        return tuple(sorted(self.members - {self.own_id}))

    @property
    def write_quorum(self) -> int:
        """W = r//2 + 1."""
        return len(self.members) // 2 + 1

    @property
    def read_quorum(self) -> int:
        """r - W + 1: so many members always include one of any W."""
        return len(self.members) - self.write_quorum + 1

    def reaches(self, member: bytes) -> bool:
        """Another member with a link that stands."""
        return member in self.linked and member in self.members and member != self.own_id
