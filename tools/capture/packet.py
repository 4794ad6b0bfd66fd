"""Packets of a pcap file (libpcap 2.4, Ethernet, IPv4), and the byte streams that their TCP segments make."""

import ipaddress
import struct
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

MAGICS = {0xA1B2C3D4: "<", 0xD4C3B2A1: ">", 0xA1B23C4D: "<"}
IPV4, ARP = 0x0800, 0x0806
TCP, UDP = 6, 17
SYN = 2
APPLICATION_DATA = 23


class BadCaptureError(ValueError):
    """Not a file that tcpdump writes."""


@dataclass(frozen=True)
class Packet:
    """`protocol` is IP's number; -1 for what is neither IPv4 nor ARP. Ports are 0 where there are none."""

    source: str
    target: str
    protocol: int
    source_port: int = 0
    target_port: int = 0
    sequence: int = 0
    flags: int = 0
    payload: bytes = b""


def betrays(packet: Packet, people: set[str], ends: set[str]) -> bool:
    """Whether it goes from the one kind of address to the other, or names the other where it goes."""
    pair = {packet.source, packet.target}
    others = (ends if pair & people else set()) | (people if pair & ends else set())
    return bool(pair & others) or any(other.encode() in packet.payload for other in others)


Flow = tuple[str, int, str, int]
"""(source, port, target, port)."""


def packets(file: Path) -> Iterator[Packet]:
    """All but ARP. Raises BadCaptureError."""
    data = file.read_bytes()
    order = MAGICS.get(int.from_bytes(data[:4], "little"))
    if order is None or len(data) < 24:
        raise BadCaptureError("no pcap file")
    at = 24
    while at + 16 <= len(data):
        kept, whole = struct.unpack(f"{order}II", data[at + 8 : at + 16])
        if kept != whole:
            raise BadCaptureError("a packet was cut")
        packet = parse(data[at + 16 : at + 16 + kept])
        if packet is not None:
            yield packet
        at += 16 + kept


def parse(frame: bytes) -> Packet | None:
    """One Ethernet frame; None for ARP."""
    kind = int.from_bytes(frame[12:14])
    if kind == ARP:
        return None
    if kind != IPV4:
        return Packet("", "", -1, payload=frame)
    header = frame[14:]
    length = (header[0] & 15) * 4
    total = int.from_bytes(header[2:4]) or len(header)  # 0: one segment longer than 64 KiB, of a virtual interface
    source, target = (str(ipaddress.IPv4Address(header[at : at + 4])) for at in (12, 16))
    return _transport(source, target, header[9], header[length:total])


def _transport(source: str, target: str, protocol: int, body: bytes) -> Packet:
    if protocol not in (TCP, UDP):
        return Packet(source, target, protocol, payload=body)
    ports = int.from_bytes(body[:2]), int.from_bytes(body[2:4])
    if protocol == UDP:
        return Packet(source, target, protocol, *ports, payload=body[8:])
    offset = (body[12] >> 4) * 4
    return Packet(source, target, protocol, *ports, int.from_bytes(body[4:8]), body[13], body[offset:])


def streams(found: Iterable[Packet]) -> Mapping[Flow, bytes]:
    """What each side of each connection sent, in order, as far as it is without a gap. A port used again is told by
    its new SYN."""
    begun: dict[Flow, int] = {}
    lives: dict[Flow, list[tuple[int, dict[int, bytes]]]] = {}
    for each in found:
        flow = (each.source, each.source_port, each.target, each.target_port)
        if each.protocol != TCP:
            continue
        if each.flags & SYN and begun.get(flow) != each.sequence:
            begun[flow] = each.sequence
            lives.setdefault(flow, []).append((each.sequence, {}))
        if each.payload and flow in lives:
            start, segments = lives[flow][-1]
            at = (each.sequence - start - 1) % (1 << 32)
            segments[at] = max(segments.get(at, b""), each.payload, key=len)
    return {
        (flow[0], flow[1] + (number << 16), flow[2], flow[3]): _joined(segments)
        for flow, each_life in lives.items()
        for number, (_, segments) in enumerate(each_life)
    }


def _joined(segments: Mapping[int, bytes]) -> bytes:
    joined = bytearray()
    for at in sorted(segments):
        if at > len(joined):
            break
        joined += segments[at][len(joined) - at :]
    return bytes(joined)


def sealed(stream: bytes) -> bytes:
    """The bodies of a TLS stream's encrypted records, one behind the other."""
    bodies, at = bytearray(), 0
    while at + 5 <= len(stream):
        length = int.from_bytes(stream[at + 3 : at + 5])
        if stream[at] == APPLICATION_DATA:
            bodies += stream[at + 5 : at + 5 + length]
        at += 5 + length
    return bytes(bodies)
