"""`python -m essaim_discovery`: the composition root of discovery; `... genesis` makes a network."""

import sys

from essaim.runtime.genesis import read_genesis
from essaim.runtime.node import run
from essaim.runtime.refusal import StartError
from essaim.runtime.settings import load
from essaim.runtime.start import Service, Start
from essaim.runtime.view_service import view_offer
from essaim_discovery import genesis_command
from essaim_discovery.authority import load_key, signer
from essaim_discovery.driver import Driver
from essaim_discovery.metrics import VIEW_AGE
from essaim_discovery.service import discovery_offer
from essaim_discovery.settings import DiscoverySettings


async def build(start: Start[DiscoverySettings]) -> Service:
    """The driver behind two services: nodes submit and follow, everybody may ask for the view."""
    genesis = read_genesis(start.settings.genesis)
    if start.identity.certificate.der not in genesis.discovery_certificates:
        raise StartError("this data folder's TLS certificate is not the one that the genesis pins.")
    now_ms = start.clock.now_ms
    folder = start.settings.data_dir
    driver = Driver(genesis, folder, signer(genesis, load_key(folder)), now_ms)
    VIEW_AGE.set_function(lambda: max(0, now_ms() - driver.state.made_ms) / 1000)
    offers = [discovery_offer(driver, now_ms), view_offer(driver.publisher.answer, now_ms)]

    async def goaway() -> None:
        driver.publisher.end()

    mounts = [offer.mount for offer in offers]
    return Service(mounts, [driver.run], join=driver.publisher.first, goaway=goaway, close=driver.close)


def main() -> None:
    """The command."""
    if sys.argv[1:2] == ["genesis"]:
        sys.exit(genesis_command.main(sys.argv[2:]))
    sys.exit(run(load(DiscoverySettings), build))


if __name__ == "__main__":
    main()
