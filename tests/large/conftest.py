"""A network of its own for what would be too much for the one that other tests share."""

from collections.abc import Iterator

import pytest

from real_network import RealNetwork
from testnet import Layout


@pytest.fixture(scope="session")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealNetwork]:
    """The default testnet but for open groups: discovery, 6 relays, 2 swarms of 3 storage nodes."""
    made = RealNetwork(tmp_path_factory.mktemp("large"), Layout(opengroups=0))
    try:
        made.net.up()
        yield made
    finally:
        made.net.down()
