"""Which addresses may be called for an endpoint that somebody else named (server-side request forgery).

Only addresses of the public internet, by IANA's registries of special-purpose addresses
(https://www.iana.org/assignments/iana-ipv4-special-registry, .../iana-ipv6-special-registry), and of what an operator
allows besides. An address inside an address is judged too: an IPv4 address in an IPv6 one (mapped, NAT64, 6to4,
Teredo) is called only if both may be.
"""

from collections.abc import Iterable, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final

IPAddress = IPv4Address | IPv6Address
IPNetwork = IPv4Network | IPv6Network

CLOSED: Final[Sequence[IPv4Network]] = tuple(
    map(
        IPv4Network,
        (
            "0.0.0.0/8",  # this network
            "10.0.0.0/8",
            "100.64.0.0/10",  # shared by carriers; Alibaba's metadata
            "127.0.0.0/8",
            "169.254.0.0/16",  # link-local; metadata of most clouds
            "172.16.0.0/12",
            "192.0.0.0/24",  # protocol assignments; Oracle's metadata
            "192.0.2.0/24",  # documentation
            "192.31.196.0/24",
            "192.52.193.0/24",
            "192.88.99.0/24",  # once the way to 6to4
            "192.168.0.0/16",
            "192.175.48.0/24",
            "198.18.0.0/15",  # benchmarks
            "198.51.100.0/24",
            "203.0.113.0/24",
            "224.0.0.0/4",  # multicast
            "240.0.0.0/4",  # reserved, broadcast
            "168.63.129.16/32",  # Azure's host, at a public address
        ),
    )
)
GLOBAL: Final = IPv6Network("2000::/3")
"""What IANA has given out for the internet. Loopback, mapped, NAT64, local and multicast addresses lie outside."""
CLOSED_V6: Final[Sequence[IPv6Network]] = tuple(
    map(
        IPv6Network,
        (
            "2001::/23",  # protocol assignments, Teredo, ORCHID
            "2001:db8::/32",
            "2002::/16",  # 6to4
            "2620:4f:8000::/48",
            "3fff::/20",  # documentation
        ),
    )
)
NAT64: Final = IPv6Network("64:ff9b::/96")
NAT64_LOCAL: Final = IPv6Network("64:ff9b:1::/48")
_LOW_32: Final = 0xFFFFFFFF


class Reach:
    """What `permits`. `allowed`: networks that an operator adds."""

    def __init__(self, allowed: Iterable[IPNetwork] = ()) -> None:
        self._allowed = tuple(allowed)

    def permits(self, address: IPAddress) -> bool:
        """Whether it may be called."""
        if isinstance(address, IPv6Address):
            mapped = address.ipv4_mapped
            if mapped is not None:  # the socket that opens to it is one of IPv4
                return self.permits(mapped)
            if address.scope_id is not None or not all(map(self.permits, inner(address))):
                return False
        return self._is_allowed(address) or is_public(address)

    def _is_allowed(self, address: IPAddress) -> bool:
        return any(address in network for network in self._allowed if network.version == address.version)


def is_public(address: IPAddress) -> bool:
    """Of the internet, and of nothing special."""
    if isinstance(address, IPv4Address):
        return not any(address in network for network in CLOSED)
    return address in GLOBAL and not any(address in network for network in CLOSED_V6)


def inner(address: IPv6Address) -> list[IPv4Address]:
    """The IPv4 addresses that packets to it may be sent on to."""
    found = [each for each in (address.sixtofour, *(address.teredo or ())) if each is not None]
    if address in NAT64 or address in NAT64_LOCAL:
        found.append(IPv4Address(int(address) & _LOW_32))
    return found


def read_networks(text: str) -> tuple[IPNetwork, ...]:
    """From a list with commas. Raises ValueError."""
    return tuple(ip_network(each.strip()) for each in text.split(",") if each.strip())


def read_address(text: str) -> IPAddress | None:
    """Of a resolver's answer."""
    try:
        return ip_address(text)
    except ValueError:
        return None
