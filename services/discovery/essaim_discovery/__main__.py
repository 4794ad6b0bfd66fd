"""`essaim-discovery`: the composition root of discovery; `... genesis` makes a network, `... network-file` what clients
are given, `... operator` what other operators send, `... retire` and the other `orders` say something of a node."""

import asyncio
import sys
from collections.abc import Callable
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING

from essaim.protocol.keys import SigningKey
from essaim.runtime.genesis import read_genesis
from essaim.runtime.node import run
from essaim.runtime.start import Service, Start
from essaim.runtime.told import told
from essaim.runtime.view_service import view_offer
from essaim_discovery import metrics
from essaim_discovery.admission import load_admission
from essaim_discovery.authority import Authority, load_authority_keys
from essaim_discovery.driver import Driver
from essaim_discovery.founding import found
from essaim_discovery.log import Log
from essaim_discovery.network_file import hand_out
from essaim_discovery.operator_line import introduce
from essaim_discovery.orders import VERBS, order
from essaim_discovery.service import discovery_offer

if TYPE_CHECKING:
    from essaim_discovery.settings import DiscoverySettings

COMMANDS = {"genesis": found, "network-file": hand_out, "operator": introduce}
"""What needs no running discovery."""


async def build(start: "Start[DiscoverySettings]") -> Service:
    """Log, driver, and the two services."""
    settings, now_ms = start.settings, start.clock.now_ms
    genesis = read_genesis(settings.genesis)
    keys = load_authority_keys(settings.data_dir)
    authority = Authority.of(genesis, *keys)
    admission = load_admission(settings.data_dir, settings.admitted, everybody=settings.open_admission)
    log, least_serial = Log(settings.data_dir), settings.least_serial
    driver = Driver(genesis, authority, log, now_ms, settings.compact_at, admission, least_serial)
    metrics.VIEW_AGE.set_function(partial(_age_seconds, driver, now_ms))
    mounts = [discovery_offer(driver, now_ms).mount, view_offer(driver.views.answer, now_ms).mount]

    async def go_away() -> None:
        driver.views.end()

    async def agent() -> None:
        await _run_agent(driver, keys[0], now_ms, settings)

    background = [driver.run, agent] if settings.agent_selector else [driver.run]
    return Service(mounts, background=background, join=driver.started, goaway=go_away, close=driver.close)


async def _run_agent(
    driver: Driver, authority: SigningKey, now_ms: Callable[[], int], settings: "DiscoverySettings"
) -> None:
    """The Kubernetes agent. Its client alone takes seconds to import: discovery is there before it."""
    cluster = await asyncio.to_thread(import_module, "essaim_discovery.cluster.agent")
    reach = cluster.Reach(settings.agent_selector, settings.agent_lease)
    await cluster.Agent(driver, authority, now_ms, reach).run()


def _age_seconds(driver: Driver, now_ms: Callable[[], int]) -> float:
    newest = driver.views.newest
    return (now_ms() - newest.valid_from_ms) / 1_000 if newest is not None else 0.0


def main() -> None:
    """The command."""
    arguments = sys.argv[1:]
    if arguments[:1] and arguments[0] in COMMANDS:
        sys.exit(COMMANDS[arguments[0]](arguments[1:]))
    if arguments[:1] and arguments[0] in VERBS:
        sys.exit(order(arguments))
    sys.exit(run(told("essaim_discovery.settings:DiscoverySettings"), build))


if __name__ == "__main__":
    main()
