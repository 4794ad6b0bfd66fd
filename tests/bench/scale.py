"""How much is measured, and for how long."""

from dataclasses import dataclass, field, replace

from testnet import Layout


@dataclass(frozen=True)
class Scale:
    """The defaults are the conditions under which figures count."""

    clients: int = 16
    warm_up_seconds: float = 5.0
    window_seconds: float = 30.0
    talk_seconds: float = 60.0
    talk_per_second: float = 5.0
    idle_seconds: float = 8.0
    runs: int = 3
    layout: Layout = field(default_factory=Layout)
    """Swarms of 3, so that W is 2."""

    def shortened(self, seconds: float, runs: int) -> "Scale":
        """For a look: windows of `seconds`."""
        talk = min(self.talk_seconds, 2 * seconds)
        warm_up, idle = min(self.warm_up_seconds, seconds / 3), min(self.idle_seconds, seconds)
        return replace(
            self, warm_up_seconds=warm_up, window_seconds=seconds, talk_seconds=talk, idle_seconds=idle, runs=runs
        )


LARGE = Scale(clients=64, window_seconds=60.0, talk_seconds=180.0, layout=Layout(relays=12, storage=12))
