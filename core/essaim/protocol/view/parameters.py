"""What everybody must agree on, carried by the genesis and by each signed header."""

from dataclasses import dataclass

from essaim.protocol.geometry import Suite
from essaim.protocol.onion.keyring import KeyPeriods
from essaim.protocol.view.wire import require
from essaim.view.v1 import view_pb2

X25519_AHEAD = 11
"""Hourly keys that a node holds beyond the current one."""
X25519_BATCH_AT = 3
"""A node publishes its next X25519 keys in one record when no more than this many published ones lie ahead: so they
come in records of X25519_AHEAD - X25519_BATCH_AT keys, and a key is in the view at least 3 periods before its use."""
MLKEM_AHEAD = 1
_KNOWN_SUITES = frozenset(int(suite) for suite in Suite)


@dataclass(frozen=True)
class SwarmSizes:
    """How many storage nodes a swarm may have, aims at and must have, where the network has enough."""

    minimum: int = 5
    target: int = 7
    maximum: int = 10


@dataclass(frozen=True)
class Parameters:
    """The parameters of a view. Periods are in the unit that their name ends with."""

    x25519_period_seconds: int = 3_600
    kem_period_seconds: int = 86_400
    view_min_interval_ms: int = 10_000
    swarm_sizes: SwarmSizes = SwarmSizes()
    suites: tuple[Suite, ...] = (Suite.HYBRID, Suite.X25519)
    """Onion suites that are allowed, best first."""
    distinct_operators: bool = False
    distinct_prefixes: bool = False
    distinct_regions: bool = False
    uptime_seconds: int = 300
    """A node proves its uptime this often."""
    away_seconds: int = 900
    """Without a proof for so long it is AWAY."""
    drop_seconds: int = 172_800
    """And for so long it is dropped."""
    fresh_seconds: int = 3_600
    """A view is replaced at this age, even when nothing has changed."""
    valid_seconds: int = 10_800
    """And refused beyond this age."""

    @property
    def key_periods(self) -> KeyPeriods:
        """The schedule of the onion keys, for a node's Keyring and for senders."""
        return KeyPeriods(self.x25519_period_seconds * 1000, self.kem_period_seconds * 1000, X25519_AHEAD, MLKEM_AHEAD)

    @classmethod
    def from_message(cls, message: view_pb2.Parameters) -> "Parameters":
        """The parameters of a Header or Genesis; MalformedError when they make no sense."""
        sizes = SwarmSizes(message.swarm_min, message.swarm_target, message.swarm_max)
        parameters = cls(
            x25519_period_seconds=message.x25519_period_seconds,
            kem_period_seconds=message.kem_period_seconds,
            view_min_interval_ms=message.view_min_interval_ms,
            swarm_sizes=sizes,
            # A suite of a later version is passed over: what is left must not be empty.
            suites=tuple(Suite(code) for code in message.suites if code in _KNOWN_SUITES),
            distinct_operators=message.distinct_operators,
            distinct_prefixes=message.distinct_prefixes,
            distinct_regions=message.distinct_regions,
            uptime_seconds=message.uptime_seconds,
            away_seconds=message.away_seconds,
            drop_seconds=message.drop_seconds,
            fresh_seconds=message.fresh_seconds,
            valid_seconds=message.valid_seconds,
        )
        parameters.check()
        return parameters

    def check(self) -> None:
        """MalformedError unless the parameters can be worked with."""
        sizes = self.swarm_sizes
        require(0 < sizes.minimum <= sizes.target <= sizes.maximum, "swarm sizes must be minimum <= target <= maximum")
        # Otherwise a swarm that outgrows its maximum could not be divided into two that have the minimum.
        require(2 * sizes.minimum <= sizes.maximum + 1, "the maximum size of a swarm must hold two minimal ones")
        require(0 < self.x25519_period_seconds <= self.kem_period_seconds, "the X25519 period is the shorter one")
        require(bool(self.suites), "no onion suite is allowed")
        require(0 < self.uptime_seconds < self.away_seconds < self.drop_seconds, "uptime < away < drop")
        require(0 < self.fresh_seconds < self.valid_seconds, "a view is fresh for less time than it is valid")
        require(0 < self.view_min_interval_ms <= self.fresh_seconds * 1000, "views cannot be that far apart")

    def to_message(self) -> view_pb2.Parameters:
        """The protobuf form."""
        sizes = self.swarm_sizes
        return view_pb2.Parameters(
            x25519_period_seconds=self.x25519_period_seconds,
            kem_period_seconds=self.kem_period_seconds,
            view_min_interval_ms=self.view_min_interval_ms,
            swarm_min=sizes.minimum,
            swarm_target=sizes.target,
            swarm_max=sizes.maximum,
            suites=[int(suite) for suite in self.suites],
            distinct_operators=self.distinct_operators,
            distinct_prefixes=self.distinct_prefixes,
            distinct_regions=self.distinct_regions,
            uptime_seconds=self.uptime_seconds,
            away_seconds=self.away_seconds,
            drop_seconds=self.drop_seconds,
            fresh_seconds=self.fresh_seconds,
            valid_seconds=self.valid_seconds,
        )
