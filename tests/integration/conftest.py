"""One network of real processes for all tests that want one: it starts once, and is mended before each test."""

from collections.abc import Iterator

import pytest

from real_network import RealNetwork
from testnet import Layout


@pytest.fixture(scope="session")
def running_network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealNetwork]:
    """The README's network: discovery, 6 relays, 2 swarms of 3 storage nodes, a host of open groups."""
    network = RealNetwork(tmp_path_factory.mktemp("real"), Layout(opengroups=1))
    try:
        network.net.up()
        yield network
    finally:
        network.net.down()


@pytest.fixture
def network(running_network: RealNetwork) -> RealNetwork:
    """All its nodes run, and are listed where they are, whatever the test before did to them."""
    running_network.net.mend()
    return running_network
