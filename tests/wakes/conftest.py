"""A network with a push host, and the web server of a bot that is woken by it."""

from collections.abc import Iterator

import pytest

from push_receiver.receiver import Receiver
from real_network import RealNetwork
from testnet import Layout


@pytest.fixture(scope="session")
def bot(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Receiver]:
    with Receiver(tmp_path_factory.mktemp("bot") / "receiver") as made:
        yield made


@pytest.fixture(scope="session")
def running_network(tmp_path_factory: pytest.TempPathFactory, bot: Receiver) -> Iterator[RealNetwork]:
    trusting = ("--provider-ca", str(bot.certificate), "--spacing-seconds", "0.2")
    layout = Layout(relays=3, storage=3, pushes=1, push_flags=trusting)
    network = RealNetwork(tmp_path_factory.mktemp("wakes"), layout)
    try:
        network.net.up()
        yield network
    finally:
        network.net.down()


@pytest.fixture
def network(running_network: RealNetwork, bot: Receiver) -> RealNetwork:
    """All its nodes run, and the bot has heard nothing yet."""
    running_network.net.mend()
    bot.forget()
    return running_network
