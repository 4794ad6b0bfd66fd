"""Network namespaces on one bridge, which is in a namespace too: nothing of it touches the machine's own network."""

import os
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

SUBNET = "198.18.77"
"""Of 198.18.0.0/15, which RFC 2544 sets aside for tests."""
INTERFACE = "eth0"
BRIDGE = "bridge"


class Switch:
    """Places by name, each with an address of its own; `with switch(names) as each`."""

    def __init__(self, names: Sequence[str], prefix: str = "") -> None:
        """`prefix`: of a switch that is up already; each has its own, so that two can be up at a time."""
        self.prefix = prefix or f"esm{os.getpid() % 10_000}"
        self.addresses = {name: f"{SUBNET}.{number}" for number, name in enumerate(names, 10)}

    def space(self, name: str) -> str:
        """The namespace of a place."""
        return f"{self.prefix}-{name}"

    def enter(self, name: str) -> tuple[str, ...]:
        """The beginning of a command that runs there: not `ip netns exec`, which mounts /sys anew."""
        return ("nsenter", f"--net=/run/netns/{self.space(name)}")

    def up(self) -> None:
        bridge = self.space(BRIDGE)
        _add(bridge)
        _ip("-n", bridge, "link", "add", BRIDGE, "type", "bridge", "mcast_snooping", "0")
        _ip("-n", bridge, "link", "set", BRIDGE, "up")
        for number, (name, address) in enumerate(self.addresses.items()):
            self._plug(self.space(name), f"port{number}", address)

    def _plug(self, space: str, port: str, address: str) -> None:
        _add(space)
        made = ("link", "add", port, "type", "veth", "peer", "name", INTERFACE, "netns", space)
        bridge = self.space(BRIDGE)
        _ip("-n", bridge, *made)
        _ip("-n", bridge, "link", "set", port, "master", BRIDGE)
        _ip("-n", bridge, "link", "set", port, "up")
        _ip("-n", space, "addr", "add", f"{address}/24", "dev", INTERFACE)
        for device in ("lo", INTERFACE):
            _ip("-n", space, "link", "set", device, "up")

    def down(self) -> None:
        """What is there is removed; a second time does nothing."""
        for space in map(self.space, (*self.addresses, BRIDGE)):
            if Path(f"/run/netns/{space}").exists():
                with suppress(subprocess.CalledProcessError):
                    _ip("netns", "delete", space)


@contextmanager
def switch(names: Sequence[str]) -> Iterator[Switch]:
    made = Switch(names)
    try:
        made.up()
        yield made
    finally:
        made.down()


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True, text=True)


def _add(space: str) -> None:
    """Without IPv6, whose neighbours would greet each other in every record."""
    _ip("netns", "add", space)
    settings = " ".join(f"/proc/sys/net/ipv6/conf/{each}/disable_ipv6" for each in ("all", "default"))
    silence = f"for each in {settings}; do [ ! -e $each ] || echo 1 >$each; done"
    subprocess.run(["nsenter", f"--net=/run/netns/{space}", "sh", "-c", silence], check=True)
