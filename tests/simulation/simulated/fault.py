"""What goes wrong: one fault after the other, several at a time, each mended after a while."""

from collections.abc import Callable, Sequence
from itertools import combinations

from simulated.client import Site
from simulated.host import Host
from simulated.network import Network
from simulated.process import Client, Sleep

Fault = Callable[[Site, Network], Client]


def misfortune(site: Site, network: Network, faults: Sequence[Fault]) -> Client:
    """Until the site is quiet."""
    while not site.quiet:
        yield Sleep(site.rng.randrange(500, 9_000))
        fault = site.rng.choice(faults)
        site.clients.start(fault(site, network))


def crash(site: Site, network: Network) -> Client:
    """kill -9, and a start some time later."""
    host = site.rng.choice(site.hosts)
    if stop(site, network, host):
        yield Sleep(site.rng.choice((50, 2_000, 20_000)))
        start(site, network, host)


def power_cut(site: Site, network: Network) -> Client:
    """Every machine stops in the same moment, in the middle of whatever it writes."""
    stopped = [host for host in site.hosts if stop(site, network, host)]
    for host in stopped:
        yield Sleep(site.rng.randrange(3_000))
        start(site, network, host)


def busy_crash(site: Site, network: Network) -> Client:
    """A machine that is writing stops; it is back soon."""
    for _ in range(200):
        host = site.rng.choice(site.hosts)
        if host.writes and stop(site, network, host):
            yield Sleep(site.rng.randrange(500))
            start(site, network, host)
            return
        yield Sleep(5)


def partition(site: Site, network: Network) -> Client:
    """Some links break and stay so for a while."""
    pairs = list(combinations(sorted(host.node_id for host in site.hosts), 2))
    links = site.rng.sample(pairs, site.rng.randrange(1, len(pairs) + 1))
    cut = {frozenset(pair) for pair in links}
    network.cut |= cut
    for pair in links:
        network.part(*pair)
    yield Sleep(site.rng.choice((100, 3_000, 25_000)))
    network.cut -= cut
    join_all(site, network)


def slow_network(site: Site, network: Network) -> Client:
    """Messages between nodes take up to five seconds."""
    network.slow = True
    yield Sleep(site.rng.randrange(10_000))
    network.slow = False


def jump(site: Site, network: Network) -> Client:
    """A clock is wrong by up to ten minutes, then right again."""
    host = site.rng.choice(site.hosts)
    host.skew_ms = site.rng.randrange(-600_000, 600_000)
    yield Sleep(site.rng.randrange(15_000))
    host.skew_ms = site.rng.randrange(-2_000, 2_000)


def fill_disk(site: Site, network: Network) -> Client:
    """No room on a disk for a while."""
    host = site.rng.choice(site.hosts)
    host.disk_full = True
    yield Sleep(site.rng.randrange(15_000))
    host.disk_full = False


def lose_disk(site: Site, network: Network) -> Client:
    """A disk dies; never more than W - 1 before the first is repaired."""
    host = site.rng.choice(site.hosts)
    if may_lose(site, host) and stop(site, network, host):
        host.lose_disk()
        yield Sleep(site.rng.choice((50, 5_000)))
        start(site, network, host)


def flip_bit(site: Site, network: Network) -> Client:
    """A record on a disk goes bad. Counts as the loss of that disk."""
    host = site.rng.choice(site.hosts)
    ids = sorted(host.disk.all_ids())
    if ids and host.runs and may_lose(site, host):
        host.spoil(site.rng.choice(ids))
    yield Sleep(0)


def may_lose(site: Site, host: Host) -> bool:
    """Whether the promise holds if this disk is lost now: it covers W - 1 disks at a time."""
    losable = len(site.hosts) - site.read_quorum
    return is_whole(host) and sum(not is_whole(each) for each in site.hosts) < losable


def is_whole(host: Host) -> bool:
    """All that this node ever acknowledged is on its disk."""
    return host.disk.settled() and not host.disk.bad and (host.node is None or not host.node.incomplete)


def stop(site: Site, network: Network, host: Host) -> bool:
    """False if it was down already."""
    if not host.runs:
        return False
    host.crash()
    for other in site.hosts:
        if other is not host:
            network.part(host.node_id, other.node_id)
    return True


def start(site: Site, network: Network, host: Host) -> None:
    if not host.runs:
        host.start()
        join_all(site, network)


def join_all(site: Site, network: Network) -> None:
    """Link whoever runs and may be linked."""
    running = [host for host in site.hosts if host.runs]
    for at, one in enumerate(running):
        for other in running[at + 1 :]:
            network.join(one.node_id, other.node_id)


def end_all(site: Site, network: Network) -> None:
    """The last fault is over."""
    network.cut.clear()
    network.slow = False
    for host in site.hosts:
        host.skew_ms, host.disk_full = 0, False
        start(site, network, host)
    join_all(site, network)


ALL: tuple[Fault, ...] = (
    crash, busy_crash, busy_crash, power_cut, partition, partition,
    slow_network, jump, fill_disk, lose_disk, flip_bit,
)  # fmt: skip
ABSENCES: tuple[Fault, ...] = (crash, busy_crash, power_cut, partition, slow_network)
"""After which the disks are what they were."""
