"""A network of real processes for all scripted terminals: it starts once."""

from collections.abc import Iterator

import pytest

from real_network import RealNetwork
from testnet import Layout


@pytest.fixture(scope="session")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealNetwork]:
    """Discovery, 6 relays, a swarm of 3 storage nodes."""
    made = RealNetwork(tmp_path_factory.mktemp("terminal"), Layout(storage=3, opengroups=0))
    try:
        made.net.up()
        yield made
    finally:
        made.net.down()
