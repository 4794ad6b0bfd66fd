"""A testnet whose nodes are at places of a switch; relays, storage nodes and push hosts note what TLS hides."""

import json
import sys
from pathlib import Path

from capture.noting import NOTING
from capture.switch import Switch
from testnet import Layout, Testnet
from testnet.process import NodeProcess

PORT = 7440


class PlacedTestnet(Testnet):
    """To be told from a place of the same switch, for it asks discovery."""

    def __init__(self, folder: Path, layout: Layout, places: Switch) -> None:
        super().__init__(folder, layout)
        self._places = places

    def address(self, name: str) -> str:
        return f"{self._places.addresses[name]}:{PORT}"

    def create(self) -> None:
        """As ever, but that discovery is at its place."""
        if self.network_file.exists():
            return
        super().create()
        (self.folder / "discovery-address").write_text(self.address("discovery"))
        told = json.loads(self.network_file.read_text())
        self.network_file.write_text(json.dumps({**told, "seeds": [self.address("discovery")]}))

    def node(self, name: str) -> NodeProcess:
        plain = super().node(name)
        service = name.partition("-")[0]
        flags = list(plain.command[plain.command.index(f"essaim_{service}") + 1 :])
        if service != "discovery":
            flags += ["--listen", self.address(name)]
        module = ("capture.noting", service) if service in NOTING else (f"essaim_{service}",)
        return NodeProcess(name, (*self._places.enter(name), sys.executable, "-m", *module, *flags), plain.folder)
