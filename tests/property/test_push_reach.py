"""Which addresses an endpoint may have: in any spelling, through every layer, nothing but the public internet."""

import asyncio
import random
import socket
from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from essaim.protocol.push.refusal import EndpointRefusedError
from essaim.protocol.push.url import Url
from essaim_push.providers.reach import CLOSED, Reach, is_public, read_networks
from essaim_push.providers.resolver import AddressForbiddenError, PinningResolver

NOWHERE = Reach()
CLOSED_ADDRESSES = st.sampled_from(CLOSED).flatmap(
    lambda network: st.integers(int(network.network_address), int(network.broadcast_address)).map(IPv4Address)
)
V6 = st.integers(0, (1 << 128) - 1).map(IPv6Address)
FULLWIDTH = {ord(each): ord(each) + 0xFEE0 for each in "0123456789."}
METADATA = ["169.254.169.254", "168.63.129.16", "100.100.100.200", "192.0.0.192", "fd00:ec2::254", "169.254.170.2"]


def embedded(address: IPv4Address) -> list[IPv6Address]:
    """Where an IPv4 address hides in IPv6 ones."""
    number = int(address)
    return [
        IPv6Address((0xFFFF << 32) | number),  # mapped
        IPv6Address(number),  # compatible, deprecated
        IPv6Address((0xFFFF << 48) | number),  # translated (RFC 2765)
        IPv6Address((0x64FF9B << 96) | number),  # NAT64
        IPv6Address((0x64FF9B0001 << 80) | number),
        IPv6Address((0x2002 << 112) | (number << 80)),  # 6to4
        IPv6Address((0x20010000 << 96) | (number << 64)),  # Teredo server
        IPv6Address((0x20010000 << 96) | (number ^ 0xFFFFFFFF)),  # Teredo client
        IPv6Address((0xFE80 << 112) | (0x5EFE << 32) | number),  # ISATAP
    ]


def spellings(address: IPv4Address) -> list[str]:
    """What inet_aton, browsers or proxies take for an IPv4 address."""
    number, parts = int(address), [int(part) for part in str(address).split(".")]
    tail = (parts[2] << 8) | parts[3]
    return [
        str(address),
        str(number),
        hex(number),
        f"0{number:o}",
        ".".join(map(hex, parts)),
        ".".join(f"0{part:o}" for part in parts),
        ".".join(f"{part:04d}" for part in parts),
        f"{parts[0]}.{number & 0xFFFFFF}",
        f"{parts[0]}.{parts[1]}.{tail}",
        f"{address}.",
        str(address).translate(FULLWIDTH),
        str(address).replace(".", "%2e"),
        str(address).replace(".", "。"),
        f"example.org@{address}",
        *(f"[{each}]" for each in embedded(address)),
        *(f"[{each.exploded}]" for each in embedded(address)),
        f"[::ffff:{address}]",
        f"[64:ff9b::{address}]",
        f"[fe80::1%25{address}]",
    ]


@given(CLOSED_ADDRESSES)
def test_closed_address_is_reached_by_no_spelling(address: IPv4Address):
    for host in spellings(address):
        try:
            url = Url.parse(f"https://{host}/x")
        except EndpointRefusedError:
            continue
        assert url.address is not None and not NOWHERE.permits(url.address), host


@given(CLOSED_ADDRESSES)
def test_closed_address_inside_another_is_closed(address: IPv4Address):
    assert not NOWHERE.permits(address)
    assert not any(map(NOWHERE.permits, embedded(address)))


@given(V6)
def test_only_the_internet_of_ipv6_is_public(address: IPv6Address):
    if is_public(address):
        assert address.is_global and not address.is_multicast and address.ipv4_mapped is None


@given(st.integers(0, (1 << 32) - 1).map(IPv4Address))
def test_only_the_internet_of_ipv4_is_public(address: IPv4Address):
    """What Python's own table, which is another, closes is closed."""
    if is_public(address):
        assert address.is_global and not address.is_multicast and not address.is_reserved


@pytest.mark.parametrize("text", ["8.8.8.8", "1.1.1.1", "172.32.0.1", "2606:4700::1111", "2a00:1450:4001::200e"])
def test_public_address_is_reached(text: str):
    assert NOWHERE.permits(ip_address(text))


@pytest.mark.parametrize("text", [*METADATA, "::1", "::", "fe80::1", "fc00::1", "ff02::1", "100::1", "5f00::1"])
def test_metadata_and_local_addresses_are_closed(text: str):
    assert not NOWHERE.permits(ip_address(text))


@given(CLOSED_ADDRESSES)
def test_allowed_network_opens_itself_alone(address: IPv4Address):
    allowed = Reach(read_networks("10.0.0.0/8, fd00::/8,64:ff9b::/96"))
    inside = address in read_networks("10.0.0.0/8")[0]

    assert allowed.permits(address) == inside
    mapped, nat64 = embedded(address)[0], embedded(address)[3]
    assert allowed.permits(mapped) == inside and allowed.permits(nat64) == inside


def test_resolver_gives_no_closed_address():
    """By the system's resolver, which takes old spellings of numbers (without asking a server)."""
    rng = random.Random(7)

    async def ask() -> int:
        resolver, refused = PinningResolver(NOWHERE), 0
        for host in ("localhost", "127.1", "0x7f000001", "2130706433", "0177.0.0.1", f"10.{rng.randrange(1 << 24)}"):
            with pytest.raises(AddressForbiddenError):
                await resolver.resolve(host, 443)
            refused += 1
        found = await PinningResolver(Reach(read_networks("127.0.0.0/8"))).resolve("localhost", 443)
        assert {each["host"] for each in found} == {"127.0.0.1"}
        await resolver.close()
        return refused

    assert asyncio.run(ask()) == 6


@pytest.mark.parametrize("address", ["127.0.0.1", "::1", "169.254.169.254", "::ffff:10.0.0.1"])
def test_socket_is_opened_to_no_closed_address(address: str):
    """The last layer, whatever the others let pass."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    resolver = PinningResolver(NOWHERE)

    with pytest.raises(AddressForbiddenError):
        resolver.open_socket((family, socket.SOCK_STREAM, 0, "", (address, 443)))
    resolver.open_socket((socket.AF_INET, socket.SOCK_STREAM, 0, "", ("8.8.8.8", 443))).close()
