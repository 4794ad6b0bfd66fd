"""What goes wrong: one fault after the other, several at a time, each mended after a while."""

from collections.abc import Callable, Sequence
from itertools import combinations

from simulated.authority import View
from simulated.client import DAY_MS, Site
from simulated.host import Host
from simulated.network import Network
from simulated.process import Client, Sleep

Fault = Callable[[Site, Network], Client]


def misfortune(site: Site, network: Network, faults: Sequence[Fault], pace_ms: int) -> Client:
    """Until the site is quiet."""
    while not site.quiet:
        yield Sleep(site.rng.randrange(500, pace_ms))
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


def swap_disk(site: Site, network: Network) -> Client:
    """As `lose_disk`, but the next process is there before anybody has noticed."""
    host = site.rng.choice(site.hosts)
    if may_lose(site, host) and stop(site, network, host):
        host.lose_disk()
        yield Sleep(site.rng.randrange(1, 10))
        start(site, network, host)


def renew_disks(site: Site, network: Network) -> Client:
    """All disks, one after the other, each as soon as that may be."""
    for host in list(site.hosts):
        for _ in range(100):
            if may_lose(site, host) and stop(site, network, host):
                host.lose_disk()
                yield Sleep(50)
                start(site, network, host)
                break
            yield Sleep(200)


def snapshot(site: Site, network: Network) -> Client:
    """A disk is copied; later it may be put back. Counts as the loss of that disk."""
    host = site.rng.choice(site.hosts)
    copied = host.snapshot = host.disk.copied()
    yield Sleep(site.rng.randrange(5_000, 30_000))
    if host.snapshot is copied and may_lose(site, host) and stop(site, network, host):
        host.restore()
        yield Sleep(site.rng.choice((50, 5_000)))
        start(site, network, host)


def break_disk(site: Site, network: Network) -> Client:
    """The next write fails, and with it the process; it is back soon."""
    host = site.rng.choice(site.hosts)
    host.disk_broken = True
    yield Sleep(site.rng.randrange(3_000))
    host.disk_broken = False
    start(site, network, host)


def deafen(site: Site, network: Network) -> Client:
    """Nothing of one node reaches another any more; after a while the link breaks, and is made anew."""
    one, other = site.rng.sample([host.node_id for host in site.hosts], 2)
    network.mute.add((one, other))
    yield Sleep(site.rng.choice((500, 8_000, 20_000)))
    network.part(one, other)
    network.mute.discard((one, other))
    join_all(site, network)


def blind(site: Site, network: Network) -> Client:
    """Some nodes hear of no view, and cannot speak to discovery."""
    hosts = site.rng.sample(site.hosts, site.rng.randrange(1, len(site.hosts)))
    for host in hosts:
        host.blind = True
    yield Sleep(site.rng.choice((3_000, 15_000, 40_000)))
    for host in hosts:
        host.blind = False
        host.hear_of_views()


def days(site: Site, network: Network) -> Client:
    """A node is away for days, in which little else happens."""
    host = site.rng.choice(site.hosts)
    if stop(site, network, host):
        yield Sleep(site.rng.randrange(20_000))
        if not site.quiet:
            site.scheduler.sleep(DAY_MS * site.rng.choice((1, 1, 2)))
        yield Sleep(site.rng.choice((100, 20_000, 70_000)))
        start(site, network, host)


def join(site: Site, network: Network) -> Client:
    """A new node."""
    if sum(not host.retired for host in site.hosts) < site.most_hosts:
        site.add_host()
        join_all(site, network)
    yield Sleep(0)


def drain(site: Site, network: Network) -> Client:
    """A node leaves when its data has moved."""
    host = site.rng.choice(site.hosts)
    if sum(not site.authority.is_leaving(each.node_id) for each in site.hosts) > site.fewest_hosts:
        site.authority.drain(host.node_id)
    yield Sleep(0)


def die(site: Site, network: Network) -> Client:
    """A node is gone for good; another may take its place. Counts as the loss of its disk."""
    host = site.rng.choice(site.hosts)
    left = sum(not site.authority.is_leaving(each.node_id) for each in site.hosts)
    if left > site.fewest_hosts and may_lose(site, host, for_good=True) and stop(site, network, host):
        host.lost = host.retired = True
        yield Sleep(site.rng.randrange(5_000))
        site.authority.give_up(host.node_id)


def flip_bit(site: Site, network: Network) -> Client:
    """A record on a disk goes bad. Counts as the loss of that disk."""
    host = site.rng.choice(site.hosts)
    ids = sorted(host.disk.all_ids())
    if ids and may_lose(site, host):
        host.spoil(site.rng.choice(ids))
    yield Sleep(0)


def may_lose(site: Site, host: Host, *, for_good: bool = False) -> bool:
    """Whether the promise holds if this disk is lost now: it covers W - 1 disks at a time, of those who keep a mailbox,
    now or next. One that was stopped, or saw no view, while it joined cannot stand in for one that is gone."""
    if host.lost or not host.runs:
        return False
    whole = {each.node_id for each in site.hosts if not each.lost and (each.counts or not for_good)}
    whole -= {host.node_id}
    return all(len(ids - whole) <= len(ids) // 2 for ids in _sets(site.authority.view) if host.node_id in ids)


def _sets(view: View) -> list[frozenset[bytes]]:
    """The members of each swarm, now and next."""
    places = view.places.items()
    now = {each.swarm_id for _, each in places} - {None}
    following = {each.next_id for _, each in places} - {None}
    return [
        *(frozenset(node_id for node_id, each in places if each.swarm_id == swarm_id) for swarm_id in now),
        *(frozenset(node_id for node_id, each in places if each.next_id == swarm_id) for swarm_id in following),
    ]


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
    if not host.runs and not host.retired:
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
    network.mute.clear()
    network.slow = False
    for host in site.hosts:
        host.skew_ms, host.disk_full, host.disk_broken = 0, False, False
        if host.blind:
            host.blind = False
            host.hear_of_views()
        start(site, network, host)
    join_all(site, network)


ALL: tuple[Fault, ...] = (
    crash, busy_crash, busy_crash, power_cut, partition, partition, deafen, deafen,
    slow_network, jump, fill_disk, break_disk, lose_disk, snapshot, flip_bit,
)  # fmt: skip
MOVES: tuple[Fault, ...] = (join, join, drain, drain, die, blind, blind, days)
ABSENCES: tuple[Fault, ...] = (crash, busy_crash, power_cut, partition, slow_network)
"""After which the disks are what they were."""
